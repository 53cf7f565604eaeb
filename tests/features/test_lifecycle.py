"""Stages of life: the register, the measures against a plain count, the future, and what was planted."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from bank_fixtures import write_parquet
from hypothesis import given, settings
from random_bank import FUTURE, alter_future, random_bank

from bankmine.bank.contract import DEPOSITS
from bankmine.bank.snapshot import open_source
from bankmine.errors import BankmineError
from bankmine.features import lifecycle
from demobank.scoreboard import customers as scores
from demobank.scoreboard.truth import Truth

pytestmark = pytest.mark.slow

DAY = dt.date(2025, 6, 30)
DAYS = [dt.date(2025, 1, 31), dt.date(2025, 3, 15), DAY]


@pytest.fixture(scope="module")
def frames():
    return random_bank(customers=150, bookings=6000)


@pytest.fixture(scope="module")
def bank(frames, tmp_path_factory):
    return open_source(str(write_parquet(frames, tmp_path_factory.mktemp("random"))))


@pytest.fixture(scope="module")
def found(bank) -> pd.DataFrame:
    return lifecycle.stages(bank.as_of("2025-12-31"), DAYS)


def on(found: pd.DataFrame, day: dt.date) -> pd.DataFrame:
    return found[found.day == pd.Timestamp(day)].set_index("customer_id").drop(columns="day")


@pytest.mark.parametrize("day", DAYS)
def test_bookings_are_those_of_the_customers_own(frames, found, day):
    t = frames["transactions"].merge(frames["accounts"], on="account_id")
    age = (pd.Timestamp(day) - t["at"].dt.normalize()).dt.days
    own = t.assign(age=age)[(t.direction == "out") & (t.kind != "fee") & (age >= 0) & (age < 365)]
    stages = on(found, day)
    counts = own.groupby("customer_id").age.agg(
        own_bookings_60d=lambda a: (a < 60).sum(),
        own_bookings_365d="size",
        before=lambda a: (a >= 90).sum(),
        quiet="min",
    )
    counts = counts.reindex(stages.index)
    for name in ("own_bookings_60d", "own_bookings_365d"):
        assert stages[name].tolist() == counts[name].fillna(0).tolist()
    observed = np.minimum(stages.tenure_days, own.age.max()) + 1
    assert stages.observed_days.tolist() == observed.tolist()
    assert stages.quiet_days.tolist() == counts.quiet.fillna(observed).tolist()
    days = observed - 90
    usual = (counts.before.fillna(0) * 60 / days).where(days >= 30)
    active = (usual > 0) & (stages.own_bookings_60d > 0)
    usual *= stages.own_bookings_60d[active].sum() / usual[active].sum()
    np.testing.assert_allclose(stages.usual_bookings_60d, usual)
    np.testing.assert_allclose(stages.change_60d, (stages.own_bookings_60d / usual - 1).where(usual > 0))
    deviation = np.sqrt(usual + 0.04 * usual**2).where(usual > 0)
    np.testing.assert_allclose(stages.surprise_60d, (stages.own_bookings_60d - usual) / deviation)
    assert usual.notna().sum() > 10


@pytest.mark.parametrize(
    ("day", "last", "year_ago"),
    [
        (DAY, dt.date(2025, 6, 30), dt.date(2024, 6, 30)),
        (dt.date(2025, 3, 15), dt.date(2025, 2, 28), dt.date(2024, 2, 29)),
    ],
)
def test_holdings_are_those_of_the_day_and_of_a_year_before(frames, found, day, last, year_ago):
    stages = on(found, day)
    a = frames["accounts"]

    def held(on_day: dt.date) -> pd.DataFrame:
        return a[(a.opened_on <= on_day) & (a.closed_on.isna() | (a.closed_on > on_day).fillna(False))]

    assert (
        stages.accounts.tolist() == held(day).groupby("customer_id").size().reindex(stages.index, fill_value=0).tolist()
    )
    for name, when in (("products", day), ("products_year_ago", day - dt.timedelta(days=365))):
        products = held(when).groupby("customer_id")["product"].nunique()
        assert stages[name].tolist() == products.reindex(stages.index, fill_value=0).tolist()
    b = frames["balances"].merge(a[a["product"].isin(DEPOSITS)], on="account_id")
    for name, when in (("deposits", last), ("deposits_year_ago", year_ago)):
        expected = b[b.month_end == when].groupby("customer_id").balance.sum().reindex(stages.index)
        np.testing.assert_allclose(stages[name], expected)
        assert expected.notna().any()


@pytest.mark.property
@settings(max_examples=3)
@given(future=FUTURE)
def test_no_stage_known_by_a_day_changes_with_its_future(frames, bank, tmp_path_factory, future):
    altered = open_source(str(write_parquet(alter_future(frames, **future), tmp_path_factory.mktemp("altered"))))
    again, before = (lifecycle.stages(b.as_of(DAY), [DAY]) for b in (altered, bank))
    pd.testing.assert_frame_equal(again, before, rtol=1e-12)


def test_an_earlier_day_of_a_later_snapshot_sees_only_its_own_past(bank, found):
    for day in DAYS:
        alone = lifecycle.stages(bank.as_of(day))
        pd.testing.assert_frame_equal(on(found, day), on(alone, day), rtol=1e-12)


def test_the_first_rule_that_holds_gives_the_stage():
    rules = [
        lifecycle.Stage(i, i, i, "", rule, "o")
        for i, rule in (("low", "x < 2"), ("even", "x in (0, 2)"), ("all", "True"))
    ]
    measures = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0, np.nan]}, index=list("vwxyz"))
    stage = lifecycle.assign(rules, measures)
    assert stage.tolist() == ["low", "low", "even", "all", "all"]
    assert stage.cat.categories.tolist() == ["low", "even", "all"]
    assert lifecycle.assign(rules, measures.iloc[:0]).empty


STEADY = {
    "tenure_days": 900, "observed_days": 365, "accounts": 2, "products": 2, "products_year_ago": 2,
    "own_bookings_60d": 20, "own_bookings_365d": 120, "usual_bookings_60d": 20.0, "change_60d": 0.0,
    "surprise_60d": 0.0, "quiet_days": 3, "deposits": 500.0, "deposits_year_ago": 400.0,
}  # fmt: skip
UNKNOWN = dict.fromkeys(("usual_bookings_60d", "change_60d", "surprise_60d", "deposits", "deposits_year_ago"), np.nan)


@pytest.mark.parametrize(
    ("differs", "stage"),
    [
        ({}, "maturity"),
        ({"accounts": 0}, "lost"),
        ({"quiet_days": 90, **UNKNOWN}, "lost"),
        ({"quiet_days": 89, **UNKNOWN}, "maturity"),
        ({"quiet_days": 30, "usual_bookings_60d": 14.0}, "lost"),
        ({"quiet_days": 29, "usual_bookings_60d": 60.0}, "maturity"),
        ({"own_bookings_60d": 1, "usual_bookings_60d": 10.0}, "lost"),
        ({"own_bookings_365d": 5}, "lost"),
        ({"own_bookings_365d": 5, "observed_days": 349}, "maturity"),
        ({"tenure_days": 92, **UNKNOWN}, "acquisition"),
        ({"tenure_days": 93, **UNKNOWN}, "maturity"),
        ({"change_60d": -0.3, "surprise_60d": -1.2}, "decline"),
        ({"change_60d": -0.3, "surprise_60d": -1.1}, "maturity"),
        ({"change_60d": -0.2, "surprise_60d": -2.0}, "maturity"),
        ({"change_60d": 0.3, "surprise_60d": 1.2}, "growth"),
        ({"products": 3}, "growth"),
        ({"products": 3, "tenure_days": 364}, "maturity"),
        ({"deposits": 800.0}, "growth"),
        ({"deposits": 799.0}, "maturity"),
        ({"deposits": 50.0, "deposits_year_ago": 0.0}, "maturity"),
    ],
)
def test_the_rules_of_the_register_mean_what_they_say(differs, stage):
    assert lifecycle.assign(lifecycle.load_stages(), pd.DataFrame([STEADY | differs])).tolist() == [stage]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("- {id: a}", "is not a list of stages"),
        ("[]", "is not a list of stages"),
        ("- {id: a, name: A, name_zh: 甲, definition: d, rule: x > 1, owner: o}", "the last stage takes all"),
        ("- {id: a, name: A, name_zh: 甲, definition: d, rule: 'True', owner: o}\n" * 2, "the id a comes twice"),
        (
            "- {id: a, name: A, name_zh: 甲, definition: d, rule: x.y(), owner: o}",
            r"lifecycle.yml: Stage a: 'x.y\(\)'",
        ),
    ],
)
def test_a_broken_register_is_told_in_one_line(tmp_path, content, told):
    file = tmp_path / "lifecycle.yml"
    file.write_text(content)
    with pytest.raises(BankmineError, match=told):
        lifecycle.load_stages(file)


def test_a_rule_that_cannot_be_computed_names_its_stage():
    with pytest.raises(BankmineError, match="Stage a: 'y > 1' needs 'y', which is not there"):
        lifecycle.assign([lifecycle.Stage("a", "A", "甲", "", "y > 1", "o")], pd.DataFrame({"x": [1.0]}))


def test_a_bank_with_the_least_tables_has_stages(frames, tmp_path):
    core = {name: frames[name] for name in ("customers", "accounts")}
    core["accounts"] = core["accounts"].drop(columns="closed_on")
    core["transactions"] = frames["transactions"].drop(columns=["kind", "channel", "category"])
    stages = lifecycle.stages(open_source(str(write_parquet(core, tmp_path))).as_of(DAY))
    assert stages.stage.notna().all()
    assert stages.deposits.isna().all()
    assert lifecycle.stages(open_source(str(tmp_path)).as_of(DAY), [dt.date(2020, 1, 1)]).empty


def test_a_real_bank_has_stages(datasets):
    stages = lifecycle.stages(open_source("berka").as_of("1994-01-31"), [dt.date(1993, 10, 31), dt.date(1994, 1, 31)])
    assert stages[stages.tenure_days <= 80].stage.eq("acquisition").mean() > 0.9
    assert stages.stage.value_counts(normalize=True)["lost"] < 0.1


def test_stages_agree_with_the_planted_states(small_bank):
    snapshot = open_source(str(small_bank)).as_of("2025-12-31")
    days = [d.date() for d in pd.date_range(end="2025-12-31", periods=12, freq="ME")]
    stages = lifecycle.stages(snapshot, days)
    found = scores.lifecycle(Truth(snapshot.source), stages)
    assert {s.recovered: round(s.measure.value, 3) for s in found if not s.passed} == {}
    shuffled = stages.assign(stage=stages.stage.sample(frac=1, random_state=0).to_numpy())
    assert not any(s.passed for s in scores.lifecycle(Truth(snapshot.source), shuffled)[:3])
