"""Value tiers, who holds the margin, who stays at the top, and what sets the best customers apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bankmine.errors import BankmineError
from bankmine.features import value
from bankmine.topics.segmentation import premium as vt

RNG = np.random.default_rng(4)
MARGINS = st.lists(st.integers(-50, 50).map(float), min_size=1, max_size=300).map(
    lambda values: pd.Series(values, index=[f"{i:04}" for i in range(len(values))])
)


def skewed(size: int) -> pd.Series:
    return pd.Series(RNG.lognormal(5, 1.5, size) - 50, index=[f"{i:05}" for i in range(size)])


@pytest.mark.property
@given(MARGINS)
def test_tiers_part_the_customers_from_the_most_valuable_down(margin):
    tier = value.tiers(margin)
    assert tier.notna().all()
    assert (margin[tier != "basic"] > 0).all()
    of_code = margin.groupby(tier.cat.codes).agg(["min", "max"])
    assert (of_code["min"].iloc[:-1].to_numpy() >= of_code["max"].iloc[1:].to_numpy()).all()
    most = np.ceil(np.cumsum(list(value.TIERS.values())) * len(margin) - 1e-9)
    assert ((tier.cat.codes.to_numpy()[:, None] <= np.arange(4)).sum(axis=0) <= most).all()


@pytest.mark.property
@given(margin=MARGINS, seed=st.integers(0, 99))
def test_tiers_do_not_depend_on_the_order_of_rows(margin, seed):
    shuffled = margin.sample(frac=1, random_state=seed)
    pd.testing.assert_series_equal(value.tiers(shuffled).sort_index(), value.tiers(margin))


def test_tiers_are_as_large_as_their_shares():
    assert value.tiers(skewed(2000) + 100).value_counts().to_dict() == {
        "basic": 1600, "core": 300, "preferred": 80, "premium": 20,
    }  # fmt: skip


def test_shares_that_do_not_add_up_are_refused():
    with pytest.raises(BankmineError, match="add up to 1"):
        value.tiers(skewed(10), {"gold": 0.1, "rest": 0.8})
    with pytest.raises(BankmineError, match="positive"):
        value.tiers(skewed(10), {"gold": 0.0, "rest": 1.0})


def test_the_table_of_tiers_adds_up():
    margin = skewed(1000)
    table = vt.tier_table(margin, value.tiers(margin))
    assert table.customers.sum() == 1000
    assert table.total.sum() == pytest.approx(margin.sum())
    assert table.share_of_total.sum() == pytest.approx(1)
    assert table["mean"].is_monotonic_decreasing
    assert (table.from_margin[:-1].to_numpy() >= table["mean"][1:].to_numpy()).all()


@pytest.mark.property
@given(MARGINS.filter(lambda m: m.clip(lower=0).sum() > 0))
def test_the_capture_curve_rises_to_one_above_equal_shares(margin):
    curve = value.capture_curve(margin)
    assert len(curve) == len(margin) + 1
    assert (np.diff(curve.held) >= -1e-12).all()
    assert (curve.held >= curve.customers - 1e-12).all()
    np.testing.assert_allclose(curve.iloc[-1], 1)


def test_nothing_to_hold_is_not_a_number():
    losses = pd.Series([-1.0, -2.0, 0.0])
    assert np.isnan(vt.pareto_share(losses).share)
    assert value.capture_curve(losses).held.isna().all()
    assert value.tiers(losses).eq("basic").all()


@pytest.mark.slow
def test_the_share_of_the_top_is_that_of_the_curve_and_its_interval_holds_the_true_one():
    margin = skewed(500)
    curve = value.capture_curve(margin)
    assert vt.pareto_share(margin).share == pytest.approx(curve.held.iloc[100])
    everyone = skewed(200_000)
    true = vt.pareto_share(everyone, seed=1).share
    held = [vt.pareto_share(everyone.sample(800, random_state=i)) for i in range(40)]
    assert sum(found.low <= true <= found.high for found in held) >= 33


def test_equal_margins_are_held_in_equal_shares():
    found = vt.pareto_share(pd.Series([5.0] * 50))
    assert (found.share, found.low, found.high, found.chance) == pytest.approx((0.2, 0.2, 0.2, 0.2))


def test_persistence_counts_those_who_left_and_those_who_are_new():
    before = pd.Series(range(100), index=range(100), dtype=float)  # 90 to 99 are the top
    now = before.drop([99, 98]).rename(lambda i: i + 0)
    now = pd.concat([now, pd.Series({200: 500.0, 201: 400.0})])
    found = vt.persistence(before, now)
    assert found.share == 0.8  # 90 to 97 stay, 98 and 99 left
    assert found.low < 0.8 < found.high
    assert found.chance == 8 / 100


def test_by_lot_the_top_persists_as_chance_says():
    before, now = skewed(20_000), skewed(20_000)
    found = vt.persistence(before, now)
    assert found.chance == pytest.approx(0.1)
    assert found.low <= 0.1 <= found.high


def test_overlap_of_the_same_ranking_is_full():
    margin = skewed(300)
    assert vt.overlap(margin, margin * 2 + 1).share == 1
    assert vt.overlap(margin, -margin).share == 0
    assert np.isnan(vt.overlap(margin.iloc[:3], margin.iloc[:3]).share)  # a tenth of three is nobody


def test_near_premium_customers_are_those_just_below_the_cut():
    margin = skewed(1000)
    near = vt.near_premium(value.tiers(margin), margin, 0.03)
    assert near.tolist() == margin.sort_values(ascending=False).index[10:40].tolist()
    losses = -margin.abs()
    assert vt.near_premium(value.tiers(losses), losses).empty


def test_what_separates_two_groups_comes_first_with_its_size():
    one, other = pd.RangeIndex(0, 400), pd.RangeIndex(400, 1000)
    apart = np.where(np.arange(1000) < 400, -0.8, 0.0)
    features = pd.DataFrame({
        "noise": RNG.normal(size=1000), "apart": RNG.normal(size=1000) + apart, "constant": 7.0,
        "unknown": np.where(np.arange(1000) < 399, np.nan, 1.0), "skewed": RNG.lognormal(0, 2, 1000) * 1e6,
    })  # fmt: skip
    found = vt.separation(features, one, other)
    assert found.index[0] == "apart"
    assert set(found.index) == {"apart", "noise", "skewed"}
    assert found.loc["apart", "low"] < -0.8 * 1.05 < found.loc["apart", "high"] < -0.5  # cutting narrows the deviation
    assert found.loc["apart", "one"] < found.loc["apart", "other"]
    assert found.loc[["noise", "skewed"], "difference"].abs().max() < 0.25


@pytest.mark.slow
def test_the_interval_of_a_difference_holds_the_true_one():
    held = 0
    for _ in range(200):
        features = pd.DataFrame({"x": np.r_[RNG.normal(0.5, 1, 60), RNG.normal(0, 1, 90)]})
        row = vt.separation(features, features.index[:60], features.index[60:]).loc["x"]
        held += row.low <= 0.5 <= row.high
    assert held >= 180


def test_groups_too_small_to_compare_give_an_empty_table():
    features = pd.DataFrame({"x": RNG.normal(size=100)})
    assert vt.separation(features, features.index[:9], features.index[9:]).empty
    assert not vt.separation(features, features.index[:10], features.index[10:]).empty
