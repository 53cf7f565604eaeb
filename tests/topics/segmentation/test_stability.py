"""Whether segments are found again, what kind they are, and what they foretell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from segment_customers import DAY, REGISTRY, structureless, values

from bankmine.errors import BankmineError
from bankmine.topics.segmentation import stability
from bankmine.topics.segmentation.model import fit
from bankmine.topics.segmentation.stability import out_of_time

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bank():
    return values(500)


@pytest.fixture(scope="module")
def model(bank):
    return fit(bank, REGISTRY, DAY, 5)


@pytest.fixture(scope="module")
def found(model, bank):
    return stability.bootstrap(model, bank, rounds=8)


def test_kinds_that_lie_apart_are_called_natural(model, bank):
    middle = bank.groupby(model.assign(bank), observed=True).transform("mean")
    apart = (bank + middle) / 2
    told = fit(apart, REGISTRY, DAY, 5)
    judged = stability.verdict(told, apart, stability.bootstrap(told, apart, rounds=4))
    assert judged.kind == "natural"
    assert judged.table["met"].all()


def test_kinds_that_are_there_are_found_again_and_called_reproducible_where_they_overlap(model, bank, found):
    """A silhouette of .19 is no structure to speak of, however often the same segments are found again."""
    assert found.agreement.mean() > 0.85
    told = stability.verdict(model, bank, found)
    assert told.table.loc["silhouette of the segments, a weak structure or more", "found"] < 0.25
    assert told.table["met"].tolist() == [True, True, True, False]
    assert told.kind == "reproducible"
    each = stability.segments_found_again(model, found)
    assert each["segment"].tolist() == list(model.names)
    assert each["stable"].all()
    assert (each["low"] <= each["jaccard"]).all()


def test_a_cloud_that_is_cut_is_called_constructive():
    cloud = structureless(500)
    model = fit(cloud, REGISTRY, DAY, 4)
    again = stability.bootstrap(model, cloud, rounds=6)
    told = stability.verdict(model, cloud, again)
    assert told.kind == "constructive"
    assert not told.table.loc["silhouette of the segments, above structureless", "met"]


def test_one_segment_is_no_kind_of_segments(bank):
    model = fit(bank, REGISTRY, DAY, 1)
    again = stability.bootstrap(model, bank, rounds=2)
    assert (again.agreement == 1).all()
    assert stability.verdict(model, bank, again).kind == "none"


def test_comparisons_do_not_depend_on_the_numbers_of_groups():
    labels = np.array([0, 0, 0, 1, 1, 2])
    same = stability._agreement(labels, [np.array([2, 2, 2, 0, 0, 1])], 3)
    assert same.agreement.tolist() == [1]
    assert same.overlap.tolist() == [[1, 1, 1]]
    other = stability._agreement(labels, [np.array([0, 0, 1, 1, 1, 1])], 3)
    assert other.overlap.tolist() == [[2 / 3, 1 / 2, 1 / 4]]


def test_repetitions_are_the_same_every_time(model, bank, found):
    again = stability.bootstrap(model, bank, rounds=8)
    np.testing.assert_array_equal(again.agreement, found.agreement)
    assert stability.seeds(model, bank, rounds=3).agreement.min() > 0.9


def test_a_month_later_some_customers_have_moved(model, bank):
    rng = np.random.default_rng(0)
    before = bank * np.exp(0.05 * rng.standard_normal(bank.shape))
    before.iloc[:40] = bank.iloc[40:80].to_numpy()  # forty customers have changed their ways
    assert 0.85 < stability.stayed(model, bank, before.iloc[:-20]) < 0.99
    assert stability.stayed(model, bank, bank) == 1


def views(size: int, seed: int) -> tuple[pd.DataFrame, pd.Series]:
    """One view tells much of the outcome, one a little, one nothing."""
    rng = np.random.default_rng(seed)
    index = [f"C{i}" for i in range(size)]
    much, little = rng.integers(0, 4, size), rng.integers(0, 3, size)
    outcome = 100.0 * much + 20 * little + rng.normal(0, 60, size)
    told = pd.DataFrame({"much": much, "segments": little, "nothing": rng.integers(0, 5, size)}, index=index)
    return told.astype(str), pd.Series(outcome, index=index)


def test_views_are_worth_what_they_tell_of_a_later_outcome():
    (then, first), (later, second) = views(1500, 1), views(1500, 2)
    found = out_of_time(then, first, later, second, second * 0)
    assert found["r2"].drop(["much + segments", "nothing + segments"]).idxmax() == "much"
    assert found.loc["nothing", "high"] > 0 > found.loc["nothing", "low"]
    # the variance that group means tell: 12,500 and 267 of 16,367
    assert found.loc["much", "r2"] == pytest.approx(12_500 / 16_367, abs=0.03)
    gain = found.loc["much + segments"]
    assert 0 < gain["gain_low"] < gain["gain"] < gain["gain_high"] < 0.05
    assert np.isnan(found.loc["much", "gain"])


def test_what_was_learned_by_heart_is_worth_nothing_out_of_time():
    rng = np.random.default_rng(0)
    index = [f"C{i}" for i in range(400)]
    then, later = (pd.DataFrame({"by heart": rng.integers(0, 150, 400)}, index=index) for _ in range(2))
    noise = [pd.Series(rng.normal(size=400), index=index) for _ in range(2)]
    assert out_of_time(then, noise[0], later, noise[1], noise[0]).loc["by heart", "r2"] < 0


def test_unknown_customers_groups_and_outcomes_do_no_harm():
    (then, first), (later, second) = views(300, 1), views(300, 2)
    later.iloc[:5, 0], second.iloc[:20] = "never seen", np.nan
    then.iloc[:3, 1] = np.nan
    found = out_of_time(then, first, later.iloc[:-10], second, first)
    assert (found["customers"] == 280).all()
    with pytest.raises(BankmineError, match="known of too few customers"):
        out_of_time(then, first * np.nan, later, second, first)
    with pytest.raises(BankmineError, match="the same for all"):
        out_of_time(then, first * 0, later, second, first)


def test_views_stand_beside_the_forecast_that_all_stays_as_it_was():
    (then, first), (later, second) = views(1500, 1), views(1500, 2)
    rng = np.random.default_rng(5)
    before = second + rng.normal(0, 12, len(second))  # the period before tells nearly all
    found = out_of_time(then, first, later, second, before)
    missed = ((second - before) ** 2).sum() / ((second - first.mean()) ** 2).sum()
    assert found.loc[stability.NAIVE, "r2"] == pytest.approx(1 - missed, abs=0.01)
    assert found.loc[stability.NAIVE, "low"] > found.loc["much", "high"]
