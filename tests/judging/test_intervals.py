"""Intervals: they hold the truth as often as they say, and are what textbooks and plain loops compute."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bankmine.judging.intervals import (
    around,
    clustered_error,
    draws,
    interval,
    means,
    of_belief,
    of_mean,
    of_median,
    wilson,
    wilson_clustered,
)
from bankmine.judging.ranking import of, performance
from bankmine.topics.fraud.desk import _ratio


def months(customers: int, seed: int) -> tuple[pd.Series, pd.Series]:
    """Return hits of rate 0.3 that come in runs of the same customer, and whose they are."""
    rng = np.random.default_rng(seed)
    rate, rows = rng.beta(0.6, 1.4, customers), rng.integers(1, 9, customers)
    customer = pd.Series(np.repeat(np.arange(customers), rows))
    return pd.Series((rng.random(len(customer)) < rate[customer]).astype(float)), customer


def test_the_error_of_clusters_is_that_of_a_plain_loop():
    hit, customer = months(60, 0)
    pull = np.column_stack([(hit - hit.mean()) / len(hit), np.arange(len(hit)) / 1e3])
    for column, found in zip(pull.T, clustered_error(pull, customer), strict=True):
        squares = sum(sum(column[i] for i in range(len(hit)) if customer[i] == c) ** 2 for c in range(60))
        assert found == pytest.approx(np.sqrt(squares * 60 / 59))
        assert clustered_error(column, customer) == found


def test_with_a_row_a_cluster_the_error_is_that_of_a_mean():
    values = np.random.default_rng(1).normal(size=50)
    found = clustered_error((values - values.mean()) / 50, np.arange(50))
    assert found == pytest.approx(values.std(ddof=1) / np.sqrt(50))


@pytest.mark.slow
def test_intervals_of_clustered_rows_hold_the_truth_and_those_of_single_rows_do_not():
    held = {"error": 0, "wilson": 0, "rows taken as independent": 0}
    for seed in range(400):
        hit, customer = months(150, seed)
        pull = ((hit - hit.mean()) / len(hit)).to_numpy()
        bounds = {
            "error": around(hit.mean(), clustered_error(pull, customer)),
            "wilson": wilson_clustered(hit, customer),
            "rows taken as independent": around(hit.mean(), clustered_error(pull, np.arange(len(hit)))),
        }
        for name, (low, high) in bounds.items():
            held[name] += low < 0.3 < high
    assert held["error"] / 400 == pytest.approx(0.95, abs=0.03)
    assert held["wilson"] / 400 == pytest.approx(0.95, abs=0.03)
    assert held["rows taken as independent"] / 400 < 0.88


@pytest.mark.parametrize("share", [1 / 3, 0.2])
def test_clusters_that_are_all_alike_count_as_one_row_each(share):
    hit = pd.Series(np.tile(np.arange(15) < 15 * share, 8))
    z = stats.norm.ppf(0.975)
    centre, half = share + z**2 / 16, z * np.sqrt(share * (1 - share) / 8 + (z / 16) ** 2)
    bounds = np.array([centre - half, centre + half]) / (1 + z**2 / 8)
    assert wilson_clustered(hit, pd.Series(np.arange(120) // 15)) == pytest.approx(bounds)


def test_an_interval_around_an_estimate_is_the_textbooks():
    assert around(10.0, 2.0) == pytest.approx((10 - 1.959964 * 2, 10 + 1.959964 * 2))
    assert around(10.0, 2.0, 4) == pytest.approx((10 - 2.776445 * 2, 10 + 2.776445 * 2))
    assert around(10.0, 0.0) == (10, 10)


def test_the_interval_of_a_mean_is_students():
    values = np.array([1.0, 2.0, 4.0, 9.0])
    half = 3.182446 * values.std(ddof=1) / 2
    assert of_mean(values) == pytest.approx((4 - half, 4 + half))


def test_means_of_columns_with_a_row_a_cluster_are_the_textbooks_and_wider_where_rows_come_in_clusters():
    values = pd.DataFrame(np.random.default_rng(0).normal(size=(300, 2)), columns=["a", "b"]).add([1.0, 0.0])
    found = means(values, pd.Series(values.index))
    error = stats.sem(values["a"])
    assert found.loc["a"].tolist() == pytest.approx(
        [values["a"].mean(), *stats.norm.interval(0.95, found["value"]["a"], error)]
    )
    twice = means(pd.concat([values, values]), pd.Series([*values.index, *values.index]))
    assert twice.to_numpy() == pytest.approx(found.to_numpy())


def test_the_interval_of_a_median_holds_it_at_least_as_often_as_it_says():
    rng = np.random.default_rng(2)
    for size in (10, 41):
        bounds = [of_median(rng.lognormal(size=size)) for _ in range(1000)]
        assert np.mean([low <= 1 <= high for low, high in bounds]) > 0.94
    assert of_median(np.arange(1.0, 11)) == (2, 9)  # table of the sign test for ten values: 97.9 %


def test_what_is_believed_lies_between_the_quantiles_of_its_distribution():
    drawn = np.random.default_rng(3).beta(6, 14, 100_000)
    low, high = of_belief(np.column_stack([drawn, 10 * drawn]))
    assert (low, high) == (pytest.approx([0.126, 1.26], rel=0.02), pytest.approx([0.512, 5.12], rel=0.02))


def test_at_none_or_all_intervals_are_exact():
    """All of 42: the chance of that is 2.5 % where the share is 0.025 to the power of 1 / 42 (Clopper and Pearson)."""
    low = 0.025 ** (1 / 42)
    assert low == pytest.approx(0.9159, abs=1e-4)
    assert wilson(42, 42) == pytest.approx((low, 1.0))
    assert wilson(0, 42) == pytest.approx((0.0, 1 - low))
    customer = pd.Series(np.repeat(np.arange(42), 3))
    for share, bounds in ((1.0, (low, 1.0)), (0.0, (0.0, 1 - low))):
        hit = pd.Series(share, customer.index)
        assert wilson_clustered(hit, customer) == pytest.approx(bounds)
        resampled = np.full((1 + 200, 1), share)
        assert np.ravel(interval(resampled, 42)) == pytest.approx(bounds)
        assert _ratio(hit.to_numpy(), np.ones(126), customer.to_numpy(), draws(42, 200)) == pytest.approx(
            (share, *bounds)
        )
    assert np.ravel(interval(np.full((201, 1), 1.0))) == pytest.approx([1, 1])  # no share: a profit of 1 in all rounds


def test_a_ranking_without_a_slip_is_not_certain():
    """Four customers with two events each, all before the others: as if four of four."""
    rows = pd.DataFrame({"y": np.repeat([1.0, 0.0], [8, 400]), "score": np.arange(408, 0, -1) / 409})
    entity = pd.Series([*np.repeat(np.arange(4), 2), *np.arange(4, 404)], rows.index)
    found = of(performance(rows.y, rows[["score"]], entity), "score")
    for metric in ("auc", "average_precision", "caught_5"):
        assert tuple(found.loc[metric]) == pytest.approx((1.0, 0.025 ** (1 / 4), 1.0)), metric


def test_one_entity_alone_has_no_interval():
    assert draws(1, 50).tolist() == [[1.0]]
    low, high = interval(np.array([[0.5]]))
    assert np.isnan([low[0], high[0]]).all()
    assert draws(2, 50).shape == (2, 51)
