"""When customers leave: known fates, curves worked out by hand, and effects that were planted."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from bank_fixtures import write_parquet
from lifelines.utils import concordance_index
from test_churn import DAY, DEFINITION, NOT_PRESENT, PEOPLE, at, bank_of

from bankmine.bank.snapshot import open_source
from bankmine.errors import BankmineError
from bankmine.learning.sample import Sample
from bankmine.topics.churn.survival import by_group, concordance, cox, followed

pytestmark = pytest.mark.slow

LEFT = {
    "closes in the gap": ("closure", 10), "closes in the window": ("closure", 90),
    "closes on the last day": ("closure", 120), "closes after the window": ("closure", 121),
    "silent and gone": ("silent", 89), "silent without deposits": ("silent", 89), "overdrawn": ("silent", 89),
    "returns": ("silent", 89), "books in the gap": ("silent", 120), "books on the first day": ("silent", 121),
    "books on the last day": ("silent", 89),
}  # fmt: skip
"""Kind of leaving and days from DAY: the last booking and 90 days of silence."""


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return open_source(str(write_parquet(bank_of(PEOPLE), tmp_path_factory.mktemp("people"))))


def looked_at(*days) -> Sample:
    """A sample of all people who were present, on these days after DAY."""
    present = [name for name in PEOPLE if name not in NOT_PRESENT]
    rows = pd.DataFrame([(name, pd.Timestamp(at(d))) for d in days for name in present], columns=["who", "day"])
    rows.index += 100
    return Sample(pd.DataFrame(index=rows.index), pd.Series(np.nan, index=rows.index), rows.who, rows.day)


def test_customers_are_followed_to_the_day_on_which_they_left(people):
    found = followed(people.as_of("2025-12-30"), looked_at(0), DEFINITION).set_index("customer_id")
    left = found[found.left]
    assert {name: (kind, days) for name, kind, days in zip(left.index, left.kind, left.days, strict=True)} == LEFT
    assert (found[~found.left].days == (pd.Timestamp("2025-12-30") - pd.Timestamp(DAY)).days).all()
    assert found[~found.left].kind.isna().all()


def test_who_is_looked_at_later_is_followed_from_the_first_day_only(people):
    sample = looked_at(30, 60)
    found = followed(people.as_of("2025-12-30"), sample, DEFINITION)
    assert found.index.tolist() == sample.day.index[: len(PEOPLE) - len(NOT_PRESENT)].tolist()
    assert (found.origin == pd.Timestamp(at(30))).all()
    days = found.set_index("customer_id").days
    assert days["closes in the window"] == 60
    assert not found.set_index("customer_id").left["closes in the gap"]  # that was before anyone looked


def test_what_has_not_happened_yet_is_not_seen(people):
    found = followed(people.as_of(at(100)), looked_at(0), DEFINITION).set_index("customer_id")
    assert set(found.index[found.left]) == {name for name, (_, day) in LEFT.items() if day <= 100}
    assert (found.days[~found.left] == 100).all()


def test_silence_alone_counts_where_deposits_need_not_fall(people):
    found = followed(people.as_of("2025-12-30"), looked_at(0), dataclasses.replace(DEFINITION, fall=0))
    assert {"silent with money", "silent and rich", "stays"} <= set(found.customer_id[found.left])


def test_without_a_past_nobody_can_be_followed(people):
    with pytest.raises(BankmineError, match="Nobody was looked at before 2025-03-31"):
        followed(people.as_of(DAY), looked_at(0), DEFINITION)


def lives_of(days, left) -> pd.DataFrame:
    return pd.DataFrame({"days": days, "left": np.asarray(left, dtype=bool)})


def test_the_curve_is_the_one_worked_out_by_hand():
    lives = lives_of([10, 20, 100, 400], [True, False, True, False])
    found = by_group(lives)
    line = found.table.loc["all"]
    assert line[["customers", "leavers"]].tolist() == [4, 2]
    assert line[["stayed_90d", "stayed_180d", "stayed_365d"]].tolist() == pytest.approx([0.75, 0.375, 0.375])
    curve = found.curves.set_index("day")
    assert curve.at_risk[[0, 14, 21, 105]].tolist() == [4, 3, 2, 1]
    assert curve.stayed[[7, 14, 98, 105]].tolist() == pytest.approx([1, 0.75, 0.75, 0.375])
    # log-log interval of Greenwood's variance 1 / (4 · 3) at S = 3/4
    half = 1.959964 * np.sqrt(1 / 12) / abs(np.log(0.75))
    assert line[["low_90d", "high_90d"]].tolist() == pytest.approx(
        [0.75 ** np.exp(half), 0.75 ** np.exp(-half)], rel=1e-5
    )
    assert np.isnan(found.p_value)


def test_groups_are_compared_in_their_order_and_unknown_is_one():
    lives = lives_of([10] * 30 + [50] * 30 + [60] * 5, [True] * 30 + [False] * 35)
    tiers = pd.Categorical(
        ["<b>&"] * 30 + ["基础"] * 30 + [None] * 5, categories=["nobody", "基础", "<b>&"], ordered=True
    )
    found = by_group(lives, pd.Series(tiers))
    assert found.table.index.tolist() == ["基础", "<b>&", "unknown"]
    assert found.table.leavers.tolist() == [0, 30, 0]
    assert found.table.stayed_90d.isna().all()  # nobody was followed for so long
    assert found.p_value < 1e-9
    assert found.curves.groupby("group").day.max().to_dict() == {"<b>&": 7, "基础": 49, "unknown": 56}


def test_where_nobody_left_the_interval_is_the_exact_one_and_not_a_point():
    found = by_group(lives_of([400] * 20, [False] * 20)).table.loc["all"]
    assert found["stayed_365d"] == found["high_365d"] == 1
    assert found["low_365d"] == pytest.approx(0.025 ** (1 / 20))


def planted(customers: int = 1500, seed: int = 4) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Exponential times of hazard 1/800 a day; doubled by a truth value, times 1.5 for a standard deviation more."""
    rng = np.random.default_rng(seed)
    known = pd.DataFrame({
        "complained": rng.random(customers) < 0.3, "活跃度 <i>": rng.normal(50, 10, customers),
        "noise": rng.normal(size=customers), "constant": 1.0,
        "gaps": np.where(rng.random(customers) < 0.5, np.nan, 7.0),
    })  # fmt: skip
    hazard = 2.0**known.complained * 1.5 ** ((known["活跃度 <i>"] - 50) / 10) / 800
    time, end = np.ceil(rng.exponential(1 / hazard)).astype(int), rng.integers(60, 720, customers)
    return lives_of(np.minimum(time, end), time <= end), known


@pytest.fixture(scope="module")
def model():
    return cox(*planted())


def test_planted_effects_lie_in_their_intervals(model):
    for name, ratio in {"complained": 2.0, "活跃度 <i>": 1.5, "noise": 1.0}.items():
        row = model.ratios.loc[name]
        assert row.low < ratio < row.high
        assert row.high / row.low < 1.6
    assert model.ratios.p_value.drop("noise").max() < 1e-6
    assert model.ratios.proportional.min() > 0.01
    assert set(model.ratios.index) == {"complained", "活跃度 <i>", "noise"}  # what does not vary tells nothing


def test_hazards_rank_customers_held_out_better_than_chance_and_no_better_than_can_be(model):
    found = model.concordance
    assert 0.5 < found.low < found.value < found.high
    assert found.value < 0.75  # times are exponential: nobody can tell more


def test_a_model_that_knows_nothing_ranks_by_chance():
    lives, known = planted(seed=1)
    found = cox(lives, known[["noise"]]).concordance
    assert found.low < 0.5 < found.high


def test_a_hazard_that_changes_over_time_is_seen():
    rng = np.random.default_rng(2)
    early = rng.random(1500) < 0.5
    days = np.where(early, rng.integers(1, 100, 1500), rng.integers(1, 400, 1500))
    lives = lives_of(days, rng.random(1500) < 0.7)
    assert cox(lives, pd.DataFrame({"early": early})).ratios.proportional.max() < 1e-3


def test_it_is_the_same_again(model):
    again = cox(*planted())
    pd.testing.assert_series_equal(again.concordance, model.concordance)
    pd.testing.assert_frame_equal(again.ratios, model.ratios)


def test_pairs_give_the_concordance_of_the_library():
    lives, known = planted(300)
    lives["days"] = lives.days // 30 + 1  # many ties
    hazard = known["活跃度 <i>"].round(-1).to_numpy()
    expected = concordance_index(lives.days, -hazard, lives.left)
    assert concordance(lives, hazard).value == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("lives", "known", "message"),
    [
        (planted()[0].assign(left=False), planted()[1], "Of 1500 customers followed 0 left"),
        (planted()[0].assign(left=True), planted()[1], "1500 left: no model can tell when with fewer than 10"),
        (planted()[0], planted()[1][["constant"]], "No covariate varies among those who left"),
        (planted(60)[0], pd.DataFrame(np.random.default_rng(0).random((60, 20))), "20 covariates need 100: name fewer"),
    ],
)
def test_what_no_model_can_tell_is_said(lives, known, message):
    with pytest.raises(BankmineError, match=message):
        cox(lives, known)


def test_covariates_that_tell_the_same_share_their_effect():
    lives, known = planted()
    twice = known[["活跃度 <i>"]].assign(copy=known["活跃度 <i>"] * 3)
    ratios = cox(lives, twice).ratios.ratio
    assert ratios.prod() == pytest.approx(1.5, abs=0.15)
