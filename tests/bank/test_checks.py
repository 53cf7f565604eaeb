"""Each rule of the contract finds what is planted, and only that is left out of the snapshot."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest
from bank_fixtures import CORE, arrow, rows_of, small_bank, write_csv, write_source
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from bankmine.bank.contract import TABLES
from bankmine.bank.rules import MEANINGS, OF_VALUES
from bankmine.bank.snapshot import Snapshot, open_source

pytestmark = pytest.mark.slow

LAST = "2025-12-31"
LATE, EARLY = dt.date(2026, 1, 1), dt.date(2024, 1, 1)

# table, column, planted value, rule, and what is left out: the row or just the value
PLANTED = [
    ("customers", "customer_id", None, "null_key", "row"),
    ("customers", "joined_on", "soon", "wrong_type", "row"),
    ("customers", "joined_on", None, "missing_value", "row"),
    ("customers", "joined_on", LATE, "in_future", "row"),
    ("customers", "city_tier", "1.5", "wrong_type", "value"),
    ("customers", "annual_income", "a lot", "wrong_type", "value"),
    ("customers", "annual_income", -1, "negative", "value"),
    ("customers", "marketing_consent", "perhaps", "wrong_type", "value"),
    ("accounts", "product", "savings book", "unknown_value", "row"),
    ("accounts", "customer_id", "nobody", "unknown_parent", "row"),
    ("accounts", "opened_on", EARLY, "before_parent", "row"),
    ("accounts", "opened_on", LATE, "in_future", "row"),
    ("accounts", "credit_limit", -0.01, "negative", "value"),
    ("transactions", "transaction_id", None, "null_key", "row"),
    ("transactions", "account_id", None, "missing_value", "row"),
    ("transactions", "account_id", "nobody", "unknown_parent", "row"),
    ("transactions", "at", "2025-06-31 10:00", "wrong_type", "row"),
    ("transactions", "at", dt.datetime(2026, 1, 1), "in_future", "row"),
    ("transactions", "at", EARLY, "before_parent", "row"),
    ("transactions", "amount", 0, "not_positive", "row"),
    ("transactions", "transaction_id", "6.22216E+15", "lost_digits", "row"),
    ("transactions", "amount", "much", "wrong_type", "row"),
    ("transactions", "amount", "NaN", "missing_value", "row"),
    ("transactions", "direction", "UP", "unknown_value", "row"),
    ("applications", "product", "yacht", "unknown_value", "row"),
    ("applications", "term_months", -1, "negative", "value"),
    ("feedback", "rating", "good", "wrong_type", "value"),
    ("market", "value", None, "missing_value", "row"),
]


def judged(folder: Path, bank: dict[str, pd.DataFrame], **keys: object) -> Snapshot:
    write_source(write_csv(bank, folder), **keys)
    return open_source(str(folder)).as_of(LAST)


def with_spares(table: str) -> dict[str, pd.DataFrame]:
    """The bank's core and this table, with four more valid rows at its end."""
    bank = small_bank(*[n for n in TABLES if n in (*CORE, table)])
    spares = bank[table].iloc[[0] * 4].copy()
    spares[TABLES[table].key[-1]] = [f"Z{i}" for i in range(4)]
    bank[table] = pd.concat([bank[table], spares], ignore_index=True)
    return bank


def told(snapshot: Snapshot) -> list[tuple]:
    columns = ["table", "rule", "column", "level", "count"]
    return sorted(snapshot.violations()[columns].itertuples(index=False, name=None))


def assert_only_change(snapshot: Snapshot, expected: dict[str, pd.DataFrame]) -> None:
    for name, frame in expected.items():
        assert rows_of(snapshot.tables[name].select(*frame.columns)) == rows_of(arrow(name, frame)), name


@pytest.mark.parametrize(("table", "column", "value", "rule", "level"), PLANTED)
def test_a_planted_violation_is_counted_shown_and_left_out(tmp_path, table, column, value, rule, level):
    bank = with_spares(table)
    bank[table] = bank[table].astype(object)
    bank[table].loc[bank[table].index[-4:], column] = value
    snapshot = judged(tmp_path, bank)
    assert told(snapshot) == [(table, rule, column, level, 4)]
    keys = ("(empty)",) * 3 if rule == "null_key" else tuple(f"Z{i}" for i in range(3))
    day = "" if table != "market" else "2025-01-31 · "
    shown = (f"{value!r} 4 times",) if rule in OF_VALUES else tuple(day + k for k in keys)
    assert snapshot.violations().examples[0] == shown
    assert snapshot.violations().meaning[0] == MEANINGS[rule]
    left = bank[table].iloc[:-4] if level == "row" else bank[table]
    if level == "value":
        left.loc[left.index[-4:], column] = None
    assert_only_change(snapshot, bank | {table: left})
    overview = snapshot.overview().set_index("table")
    assert overview.quarantined[table] == (4 if level == "row" else 0)


def test_every_rule_is_tested():
    assert {rule for *_, rule, _ in PLANTED} | {"duplicate_key", "unreconciled"} == set(MEANINGS)


def test_a_quarantined_customer_takes_all_that_is_his_along(tmp_path):
    bank = small_bank()
    bank["customers"].loc[0, "joined_on"] = None
    snapshot = judged(tmp_path, bank)
    booked = int((bank["transactions"].account_id == "A1").sum())
    orphans = {"accounts": 2, "transactions": booked, "balances": 12, "events": 2, "contacts": 1, "feedback": 1}
    expected = [(t, "unknown_parent", (TABLES[t].key and next(iter(TABLES[t].parents))) or "customer_id", "row", n)
                for t, n in orphans.items()]  # fmt: skip
    expected += [
        ("customers", "missing_value", "joined_on", "row", 1),
        ("relations", "unknown_parent", "from_id", "row", 1),
    ]
    assert told(snapshot) == sorted(expected)
    assert "A1" not in snapshot.transactions.account_id.to_pandas().unique()
    assert_only_change(snapshot, {"relations": bank["relations"].iloc[1:], "market": bank["market"]})


def test_a_tie_needs_both_ends(tmp_path):
    bank = small_bank(*CORE, "relations")
    bank["relations"].loc[0, ["from_id", "to_id"]] = ["nobody", "no one"]
    bank["relations"].loc[1, "to_id"] = "nobody"
    snapshot = judged(tmp_path, bank)
    assert told(snapshot) == [
        ("relations", "unknown_parent", "from_id", "row", 1), ("relations", "unknown_parent", "to_id", "row", 2)
    ]  # fmt: skip
    assert snapshot.checks["relations"].kept == 0


def test_of_copies_the_earliest_is_kept(tmp_path):
    bank = small_bank(*CORE)
    booked = bank["transactions"]
    first, second = booked.iloc[[40]], booked.iloc[[41]]
    later = first.assign(at=first["at"] + pd.Timedelta(days=1), amount=1.0)
    twice = pd.concat([later, first.assign(at=first["at"] + pd.Timedelta(days=2)), second])
    bank["transactions"] = pd.concat([twice, booked], ignore_index=True)
    snapshot = judged(tmp_path, bank)
    assert told(snapshot) == [("transactions", "duplicate_key", "transaction_id", "row", 3)]
    assert snapshot.violations().examples[0] == ("T040", "T041")
    assert_only_change(snapshot, {"transactions": booked})
    assert snapshot.checks["transactions"].quarantined == 3


def test_keys_of_two_columns_are_copies_only_together(tmp_path):
    bank = small_bank(*CORE, "relations")
    tie = bank["relations"].iloc[[0]]
    bank["relations"] = pd.concat([tie, tie.assign(kind="employer"), tie.assign(from_id="0002", to_id="0001"), tie])
    snapshot = judged(tmp_path, bank)
    assert told(snapshot) == [("relations", "duplicate_key", "kind", "row", 1)]
    assert snapshot.violations().examples[0] == ("0001 · 0002 · family",)
    assert snapshot.checks["relations"].kept == 3


def test_a_good_row_is_not_a_copy_of_a_bad_one(tmp_path):
    bank = small_bank(*CORE)
    bad = bank["transactions"].iloc[[5]].assign(amount=-1.0)
    snapshot = judged(tmp_path, bank | {"transactions": pd.concat([bad, bank["transactions"]])})
    assert told(snapshot) == [("transactions", "not_positive", "amount", "row", 1)]
    assert_only_change(snapshot, bank)


def test_a_row_that_breaks_several_rules_is_counted_by_each_and_left_out_once(tmp_path):
    bank = small_bank(*CORE)
    bank["transactions"].loc[7, ["account_id", "amount", "direction"]] = ["nobody", -3.0, "up"]
    snapshot = judged(tmp_path, bank)
    assert [(rule, n) for _, rule, _, _, n in told(snapshot)] == [
        ("not_positive", 1), ("unknown_parent", 1), ("unknown_value", 1)
    ]  # fmt: skip
    assert snapshot.checks["transactions"].quarantined == 1
    assert_only_change(snapshot, {"transactions": bank["transactions"].drop(index=7)})


def test_a_table_without_a_key_shows_what_it_refers_to_and_when(tmp_path):
    bank = small_bank(*CORE, "events")
    bank["events"].loc[3, "seconds"] = -1
    assert judged(tmp_path, bank).violations().examples[0] == ("0005 · 2025-04-12 08:04:00",)


def test_columns_beyond_the_contract_are_kept(tmp_path):
    bank = small_bank(*CORE)
    bank["accounts"]["_branch"] = "007"
    bank["accounts"].loc[8, "product"] = "yacht"
    snapshot = judged(tmp_path, bank)
    assert snapshot.accounts.columns == tuple(bank["accounts"].columns)
    assert snapshot.accounts._branch.to_pandas().unique().tolist() == ["007"]


# --- balances


def unreconciled(snapshot: Snapshot) -> list[str]:
    found = snapshot.violations().query("rule == 'unreconciled'")
    assert found["count"].sum() == snapshot.checks["balances"].quarantined
    return [key for keys in found.examples for key in keys]


def balances_with(month: int, change: float) -> dict[str, pd.DataFrame]:
    bank = small_bank(*CORE, "balances")
    wrong = (bank["balances"].account_id == "A3") & bank["balances"].month_end.map(lambda d: d.month == month)
    bank["balances"].loc[wrong, "balance"] += change
    return bank


@pytest.mark.parametrize("month", [2, 3, 7, 12])
def test_a_single_wrong_balance_is_flagged_alone(tmp_path, month):
    snapshot = judged(tmp_path, balances_with(month, 10.0))
    end = pd.Timestamp(2025, month, 1) + pd.offsets.MonthEnd()
    assert unreconciled(snapshot) == [f"A3 · {end.date()}"]
    assert snapshot.balances.count().to_pyarrow().as_py() == 71


def test_a_lost_booking_flags_its_month_only(tmp_path):
    bank = small_bank(*CORE, "balances")
    booked = bank["transactions"]
    lost = booked[(booked.account_id == "A5") & (booked["at"].map(lambda t: t.month == 4))].index[0]
    bank["transactions"] = booked.drop(index=lost)
    assert unreconciled(judged(tmp_path, bank)) == ["A5 · 2025-04-30"]


@pytest.mark.parametrize(("change", "found"), [(0.4, []), (0.6, ["A3 · 2025-05-31"])])
def test_rounding_is_tolerated_as_the_source_says(tmp_path, change, found):
    assert unreconciled(judged(tmp_path / "coarse", balances_with(5, change), balance_tolerance=0.5)) == found
    assert unreconciled(judged(tmp_path / "fine", balances_with(5, change))) == ["A3 · 2025-05-31"]


def test_months_without_bookings_or_balances_are_bridged(tmp_path):
    bank = small_bank(*CORE, "balances")
    booked = bank["transactions"]
    bank["transactions"] = booked[[t.month not in (4, 5) for t in booked["at"]]]
    bank["balances"] = bank["balances"][[d.month not in (6, 7) for d in bank["balances"].month_end]]
    # the bookings of April and May are lost for all six accounts; June and July have no balance to judge
    assert judged(tmp_path, bank).checks["balances"].quarantined == 12


# --- whatever is planted

CHANGES = st.lists(
    st.sampled_from(PLANTED).flatmap(
        lambda case: st.tuples(st.just(case[0]), st.integers(0, 5), st.just(case[1]), st.just(case[2]))
    ),
    min_size=8,
    max_size=24,
)
COPIES = st.lists(st.tuples(st.sampled_from(list(TABLES)), st.integers(0, 5)), max_size=4)


@settings(max_examples=3, phases=[Phase.generate])  # an example takes a second: no shrinking
@pytest.mark.property
@given(changes=CHANGES, copies=COPIES)
def test_what_is_kept_and_what_is_quarantined_is_all_there_was(tmp_path_factory, changes, copies):
    bank = small_bank()
    for table, row, column, value in changes:
        bank[table].loc[row % len(bank[table]), column] = value
    for table, row in copies:
        bank[table] = pd.concat([bank[table], bank[table].iloc[[row % len(bank[table])]]], ignore_index=True)
    snapshot = judged(tmp_path_factory.mktemp("planted"), bank)
    for name, found in snapshot.checks.items():
        kept = snapshot.tables[name].count().to_pyarrow().as_py()
        by_rule = [v.count for v in found.violations if v.level == "row"]
        assert found.rows == len(bank[name])
        assert found.kept == kept == found.rows - found.quarantined
        assert max(by_rule, default=0) <= found.quarantined <= sum(by_rule)
    keys = set(snapshot.accounts.account_id.to_pandas())
    assert set(snapshot.transactions.account_id.to_pandas()) <= keys
    assert snapshot.overview()["kept"].tolist() == [c.kept for c in snapshot.checks.values()]
