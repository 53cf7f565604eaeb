"""Contribution margin against a plain computation, in windows that follow each other, and against the future."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from bank_fixtures import write_parquet, write_source
from hypothesis import given, settings
from hypothesis import strategies as st
from random_bank import FUTURE, alter_future, random_bank

from bankmine.bank.contract import DEBTS, DEPOSITS, PRODUCTS
from bankmine.bank.snapshot import open_source
from bankmine.errors import BankmineError
from bankmine.features import value as margin
from bankmine.features.spine import spine_of

pytestmark = pytest.mark.slow

DAY = dt.date(2025, 6, 30)
RULES = margin.MarginRules(
    owner="finance",
    spreads={p: 0.01 * (i + 1) for i, p in enumerate(PRODUCTS)} | {"overdraft": 0.11},
    bookings={"fee": {"out": 1.0, "in": -0.5}, "card": {"out": 0.003}, "interest": {"in": 0.0}},
    costs={"branch": 8.0, "atm": 2.0, "mobile": 0.1, "other": 0.5},
    account=3.0,
    currency="CNY",
)


@pytest.fixture(scope="module")
def frames():
    bank = random_bank()
    rng = np.random.default_rng(1)
    bank["transactions"]["kind"] = rng.choice(["fee", "card", "interest", None], len(bank["transactions"]))
    return bank


@pytest.fixture(scope="module")
def bank(frames, tmp_path_factory):
    return open_source(str(write_parquet(frames, tmp_path_factory.mktemp("random"))))


def computed(snapshot, days=365, spine_days=(), rules=RULES) -> pd.DataFrame:
    found = margin.margin(snapshot, spine_of(snapshot, spine_days), days, rules).to_pandas()
    return found.assign(day=pd.to_datetime(found.day)).set_index(["customer_id", "day"]).sort_index()


def plain(frames, customer: str, day: dt.date, days: int) -> dict[str, float]:
    """Margin of one customer, booking by booking."""
    first = day - dt.timedelta(days=days)
    a = frames["accounts"].query("customer_id == @customer")
    t = frames["transactions"].merge(a, on="account_id")
    t = t[(t["at"].dt.date > first) & (t["at"].dt.date <= day)]
    fees = sum(RULES.bookings.get(r.kind, {}).get(r.direction, 0) * r.amount for r in t.itertuples())
    cost = sum(RULES.costs.get(c, RULES.costs["other"]) for c in t.channel)
    for account in a.itertuples():
        closed = account.closed_on or day
        open_days = (min(closed, day) - max(account.opened_on - dt.timedelta(days=1), first)).days
        cost += max(open_days, 0) * RULES.account * 12 / 365
    b = frames["balances"].merge(a, on="account_id")
    b = b[(b.month_end > first) & (b.month_end <= day)]
    parts = {"deposits": 0.0, "lending": 0.0, "fees": fees, "cost": cost}
    for r in b.itertuples():
        month = r.month_end.day / 365
        product = r.product
        if r.balance < 0:
            parts["lending"] -= r.balance * RULES.spreads[product if product in DEBTS else "overdraft"] * month
        elif product not in DEBTS:
            parts["deposits" if product in DEPOSITS else "fees"] += r.balance * RULES.spreads[product] * month
    return parts | {"margin": parts["deposits"] + parts["lending"] + parts["fees"] - parts["cost"]}


@pytest.mark.parametrize(("day", "days"), [(DAY, 365), (DAY, 90), (dt.date(2025, 3, 15), 31)])
def test_margin_is_what_a_plain_count_finds(frames, bank, day, days):
    found = computed(bank.as_of("2025-12-31"), days, [DAY, dt.date(2025, 3, 15)]).xs(pd.Timestamp(day), level="day")
    expected = pd.DataFrame({c: plain(frames, c, day, days) for c in found.index}).T
    pd.testing.assert_frame_equal(found, expected[found.columns], rtol=1e-9, check_names=False)
    assert (expected.std() > 1).all()  # every part says something


@pytest.mark.property
@settings(max_examples=4)
@given(length=st.integers(1, 400), split=st.integers(1, 399), back=st.integers(0, 200))
def test_margins_of_windows_that_follow_each_other_add_up(bank, length, split, back):
    split = min(split, length)
    snapshot, last = bank.as_of("2025-12-31"), dt.date(2025, 12, 31) - dt.timedelta(days=back)
    whole = computed(snapshot, length + split, [last]).droplevel("day")
    late = computed(snapshot, split, [last]).droplevel("day")
    early = computed(snapshot, length, [last - dt.timedelta(days=split)]).droplevel("day")
    both = late.add(early.reindex(late.index).fillna(0.0))
    # who joined within the later window has no earlier one, and nothing was booked before
    pd.testing.assert_frame_equal(both, whole, rtol=1e-9, atol=1e-6)


@pytest.mark.property
@settings(max_examples=3)
@given(future=FUTURE)
def test_margin_known_by_a_day_does_not_change_with_its_future(frames, bank, tmp_path_factory, future):
    altered = open_source(str(write_parquet(alter_future(frames, **future), tmp_path_factory.mktemp("altered"))))
    pd.testing.assert_frame_equal(computed(altered.as_of(DAY)), computed(bank.as_of(DAY)), rtol=1e-12)


def test_an_earlier_day_of_a_later_snapshot_sees_only_its_own_past(bank):
    later = computed(bank.as_of("2025-12-31"), spine_days=[DAY, dt.date(2025, 11, 30)])
    alone = computed(bank.as_of(DAY))
    pd.testing.assert_frame_equal(later.loc[alone.index], alone, rtol=1e-12)


def test_a_spine_without_rows_has_no_margins(bank):
    assert computed(bank.as_of("2025-12-31"), spine_days=[dt.date(2020, 1, 1)]).empty


def test_what_the_source_lacks_is_zero_and_told(frames, tmp_path):
    core = {name: frames[name] for name in ("customers", "accounts")}
    core["transactions"] = frames["transactions"].drop(columns=["kind", "channel"])
    core["accounts"] = core["accounts"].drop(columns="closed_on")
    snapshot = open_source(str(write_source(tmp_path / "core", core, currency="CNY"))).as_of(DAY)
    found = computed(snapshot)
    assert (found[["deposits", "lending", "fees"]] == 0).all(axis=None)
    assert (found.cost > 0).mean() > 0.9
    assert margin.not_counted(snapshot) == [
        "deposits and lending, as there are no balances",
        "fees and commissions, as bookings have no kind",
        "differences between channels, as bookings have none",
    ]


def test_a_currency_without_a_section_takes_the_default_and_says_so(frames, tmp_path):
    snapshot = open_source(str(write_source(tmp_path / "usd", frames, currency="USD"))).as_of(DAY)
    assert margin.load_rules("USD").costs == {"other": 0.0}
    assert margin.not_counted(snapshot) == ["costs, as default rules stand in for USD"]
    assert (computed(snapshot, rules=None).cost == 0).all()


@pytest.mark.parametrize("currency", ["CNY", "CZK", "default"])
def test_the_register_is_complete_and_owned(currency):
    rules = margin.load_rules(currency)
    assert rules.owner
    assert {*DEPOSITS, *DEBTS, "overdraft"} <= set(rules.spreads)
    assert rules.bookings["interest"] == {"out": 0.0, "in": 0.0}  # within the spreads already


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ("{owner: o}", "not a register of margins"),
        ("{owner: o, spreads: {gold: 0.1}, bookings: {}, costs: {other: 1}, account: 1}", "'gold' is no number"),
        ("{owner: o, spreads: {}, bookings: {fee: {up: 1}}, costs: {other: 1}, account: 1}", "'up' is no number"),
        ("{owner: o, spreads: {}, bookings: {}, costs: {other: two}, account: 1}", "'two' is no number"),
        ("{owner: o, spreads: {}, bookings: {}, costs: {atm: 1}, account: 1}", "costs lack 'other'"),
    ],
)
def test_a_broken_register_is_told_in_one_line(tmp_path, section, told):
    file = tmp_path / "margin.yml"
    file.write_text(f"default: {section}\n")
    with pytest.raises(BankmineError, match=told):
        margin.load_rules("CNY", file)


def test_a_real_bank_has_margins(datasets):
    snapshot = open_source("berka").as_of("1994-01-31")
    found = computed(snapshot, rules=None)
    assert margin.not_counted(snapshot) == []
    assert len(found) == 1163
    assert found.notna().all(axis=None)
    assert found.deposits.gt(0).mean() > 0.9
