"""A snapshot shows what was known at the end of its day, and nothing that became known later can change it."""

from __future__ import annotations

import datetime as dt

import duckdb
import pandas as pd
import pytest
from bank_fixtures import AS_OF, CORE, EXTRACTED_ON, rows_of, small_bank, write_csv, write_source
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from bankmine.bank.contract import TABLES
from bankmine.bank.snapshot import SOURCE_MIME, Bank, Snapshot, open_source, parse_day
from bankmine.errors import BankmineError

pytestmark = pytest.mark.slow

DAY = dt.timedelta(days=1)


@pytest.fixture(scope="module")
def bank(tmp_path_factory) -> Bank:
    return open_source(
        str(write_source(tmp_path_factory.mktemp("bank"), small_bank(), title="A <b>bank</b>", currency="CNY"))
    )


@pytest.fixture(scope="module")
def at_midyear(bank) -> Snapshot:
    return bank.as_of(AS_OF)


def values(snapshot: Snapshot, table: str, key: str, *columns: str) -> tuple:
    rows = snapshot.tables[table]
    return rows_of(rows.filter(rows[TABLES[table].key[0]] == key).select(*columns))[0]


LATE = [
    ("accounts", "A7", dt.date(2025, 3, 31), {"closed_on": dt.date(2025, 3, 31)}),
    ("applications", "P1", dt.date(2025, 5, 1), {"defaulted": False, "outcome_known_on": dt.date(2025, 5, 1)}),
    ("transactions", "T005", dt.date(2025, 2, 24), {"is_fraud": True, "fraud_known_on": dt.date(2025, 2, 24)}),
    ("contacts", "K1", dt.date(2025, 4, 9), {"responded": True, "responded_on": dt.date(2025, 4, 9), "revenue": 40.0}),
    ("feedback", "F1", dt.date(2025, 2, 10), {"resolved_on": dt.date(2025, 2, 10)}),
]


@pytest.mark.parametrize(("table", "key", "known_on", "late"), LATE)
def test_a_late_value_shows_from_the_day_it_became_known(tmp_path, table, key, known_on, late):
    names = [n for n in TABLES if n in (*CORE, table)]
    bank = open_source(str(write_source(tmp_path, small_bank(*names))))
    assert values(bank.as_of(known_on - DAY), table, key, *late) == (None,) * len(late)
    assert values(bank.as_of(known_on), table, key, *late) == tuple(late.values())


def test_every_late_column_is_tested():
    declared = {(t.name, c.name) for t in TABLES.values() for c in t.columns if c.known_on}
    assert declared == {(table, column) for table, _, _, late in LATE for column in late}


def test_the_last_second_of_the_day_is_in_and_midnight_is_out(at_midyear):
    amounts = at_midyear.transactions.filter(at_midyear.transactions.account_id == "A1").amount.to_pandas().tolist()
    assert 12.5 in amounts
    assert 7.5 not in amounts


def test_rows_of_later_days_are_not_there(bank, at_midyear):
    for name, frame in small_bank().items():
        days = [pd.Timestamp(t).date() for t in frame[TABLES[name].time]]
        assert at_midyear.checks[name].rows == sum(d <= AS_OF for d in days)
    assert at_midyear.violations().empty
    assert bank.as_of(AS_OF + DAY).checks["transactions"].rows == at_midyear.checks["transactions"].rows + 1


def test_a_late_column_whose_day_is_not_told_is_left_out(tmp_path):
    names = small_bank(*CORE)
    names["transactions"] = names["transactions"].drop(columns="fraud_known_on")
    snapshot = open_source(str(write_source(tmp_path, names))).as_of(AS_OF)
    assert snapshot.lacking("transactions.is_fraud", "transactions.amount") == ["transactions.is_fraud"]


def test_bad_late_values_are_counted_once_they_are_known(tmp_path):
    bank = small_bank(*CORE)
    bank["transactions"].loc[[0, 1, 2], "is_fraud"] = "perhaps"
    bank["transactions"].loc[[0, 1, 2], "fraud_known_on"] = [AS_OF, AS_OF + DAY, None]
    bank["accounts"].loc[0, "closed_on"] = "some day"
    opened = open_source(str(write_source(write_csv(bank, tmp_path))))
    columns = ["column", "count"]
    assert opened.as_of(AS_OF).violations()[columns].values.tolist() == [["closed_on", 1], ["is_fraud", 1]]
    assert opened.as_of(AS_OF + DAY).violations()[columns].values.tolist() == [["closed_on", 1], ["is_fraud", 2]]


# --- the future

FUTURE = st.sampled_from([1, 1, 2, 30, 90, 180]).map(lambda n: AS_OF + n * DAY)
CHANGE = st.tuples(
    st.sampled_from(list(TABLES)),
    st.sampled_from(["change", "delete", "repeat", "add", "late", "late"]),
    st.integers(0, 10_000),
    st.integers(0, 10_000),
    FUTURE,
)


def alter(bank: dict[str, pd.DataFrame], table: str, what: str, pick: int, other: int, day: dt.date) -> None:
    """Alter something that is known only after the as-of day; rows and values are picked by number."""
    frame, time = bank[table], TABLES[table].time
    later = frame.index[[pd.Timestamp(t).date() > AS_OF for t in frame[time]]]
    moment = dt.datetime.combine(day, dt.time(other % 24)) if TABLES[table][time].type == "timestamp" else day
    if what == "late":
        alter_late(bank, table, pick, other, day)
    elif what in ("repeat", "add"):  # a later row with the key of another one, or with a new key
        row = frame.iloc[[pick % len(frame)]].copy()
        row[time] = moment
        if what == "add" and TABLES[table].key:
            row[next(c for c in TABLES[table].key if TABLES[table][c].type == "string")] = f"N{other}"
        bank[table] = pd.concat([row, frame], ignore_index=True)
    elif len(later):
        index, column = later[pick % len(later)], frame.columns[other % len(frame.columns)]
        if what == "delete":
            bank[table] = frame.drop(index=index).reset_index(drop=True)
        else:
            frame.at[index, column] = moment if column == time else [None, *frame[column]][other % (len(frame) + 1)]


def alter_late(bank: dict[str, pd.DataFrame], table: str, pick: int, other: int, day: dt.date) -> None:
    """Alter the late values of a row that are not yet known."""
    frame = bank[table]
    late = [c for c in TABLES[table].columns if c.known_on and c.name in frame.columns]
    if not late:
        return
    known_on = late[0].known_on
    unknown = frame.index[[d is None or d > AS_OF for d in frame[known_on]]]
    if not len(unknown):
        return
    index = unknown[pick % len(unknown)]
    for column in (c.name for c in late if c.name != known_on):
        frame.at[index, column] = [None, *frame[column]][other % (len(frame) + 1)]
    frame.at[index, known_on] = None if other % 5 == 0 else day


@settings(max_examples=6, phases=[Phase.generate])  # an example takes a second: no shrinking
@pytest.mark.property
@given(changes=st.lists(CHANGE, min_size=20, max_size=60))
def test_nothing_known_later_changes_a_snapshot(tmp_path_factory, at_midyear, changes):
    bank = small_bank()
    for change in changes:
        alter(bank, *change)
    snapshot = open_source(str(write_source(tmp_path_factory.mktemp("altered"), bank))).as_of(AS_OF)
    assert set(snapshot.tables) == set(at_midyear.tables)
    for name, rows in at_midyear.tables.items():
        assert rows_of(snapshot.tables[name]) == rows_of(rows), name


# --- days


@pytest.mark.parametrize("text", ["", "yesterday", "2025-02-30", "31.12.2025", "2025-6-30", None, 20250630, 1.5])
def test_what_is_not_a_date(text):
    with pytest.raises(BankmineError, match=r"is not a date: write it like 2025-12-31\."):
        parse_day(text)


@pytest.mark.parametrize(
    "day",
    ["2025-06-30", AS_OF, dt.datetime(2025, 6, 30, 12), pd.Timestamp(2025, 6, 30)],
    ids=["text", "date", "time", "pandas"],
)
def test_what_is_a_date(bank, day):
    assert bank.valid_day(day) == AS_OF
    assert type(bank.valid_day(day)) is dt.date


@pytest.mark.parametrize("day", ["2025-01-04", "2026-01-01", "1025-06-30"])
def test_days_outside_the_data(bank, day):
    with pytest.raises(BankmineError, match=f"{day} lies outside the data .* give a day from 2025-01-05 to 2025-12-31"):
        bank.as_of(day)


def test_bookings_dated_after_the_extraction_do_not_stretch_the_span(tmp_path):
    bank = small_bank(*CORE)
    bank["transactions"].loc[0, "at"] = dt.datetime(2099, 1, 1)
    assert open_source(str(write_source(tmp_path, bank))).span == (dt.date(2025, 1, 5), EXTRACTED_ON)


# --- what a notebook sees


def test_tables_are_attributes(at_midyear, tmp_path):
    assert at_midyear.accounts is at_midyear.tables["accounts"]
    assert at_midyear.has("customers.city_tier", "market.value")
    assert not at_midyear.has("customers.city_tier", "customers.region")
    assert at_midyear.lacking("customers.region", "balances.balance", "nowhere.at") == [
        "customers.region",
        "nowhere.at",
    ]
    with pytest.raises(AttributeError, match="customer"):
        _ = at_midyear.customer
    small = open_source(str(write_source(tmp_path, small_bank(*CORE)))).as_of(AS_OF)
    with pytest.raises(BankmineError, match="has no table balances"):
        _ = small.balances


def test_the_snapshot_tells_the_runner_what_it_is(bank, at_midyear):
    shown = at_midyear._repr_mimebundle_()
    rows = shown[SOURCE_MIME].pop("rows")
    assert rows == {name: check.kept for name, check in at_midyear.checks.items()}
    used = shown[SOURCE_MIME].pop("used")
    assert set(used["tables"]) == set(at_midyear.tables)
    columns = sum(len(table.columns) for table in at_midyear.tables.values())
    assert sum(used["kinds"].values()) == columns
    blanked = {"redact"} if at_midyear.role else set()  # what people write is for no purpose
    assert {group["seen"] for groups in used["tables"].values() for group in groups} == {"none"} | blanked
    assert shown[SOURCE_MIME] == {
        "name": bank.source.name, "title": "A <b>bank</b>", "currency": "CNY", "fingerprint": bank.fingerprint,
        "as_of": "2025-06-30",
    }  # fmt: skip
    assert "A &lt;b&gt;bank" in shown["text/html"]
    assert "<b>bank" not in shown["text/html"]
    assert str(rows["transactions"]) in shown["text/plain"]


def test_the_same_day_again_gives_the_same(bank, at_midyear):
    again = bank.as_of("2025-06-30")
    assert again.overview().equals(at_midyear.overview())
    assert rows_of(again.transactions) == rows_of(at_midyear.transactions)


# --- a day that nobody asked for


def with_bookings(*moments: str) -> dict[str, pd.DataFrame]:
    """The small bank with further bookings at some moments."""
    bank = small_bank()
    own = bank["transactions"]
    own = own[pd.to_datetime(own["at"]) < pd.Timestamp("2025-07-01")]
    more = [own.iloc[[0]].assign(transaction_id=f"X{i}", at=pd.Timestamp(m)) for i, m in enumerate(moments)]
    return bank | {"transactions": pd.concat([own, *more], ignore_index=True)}


def regular(first: str, last: str) -> list[str]:
    """Two bookings on every day, so that one more is next to nothing."""
    return [f"{day:%Y-%m-%d} {hour}:00" for day in pd.date_range(first, last) for hour in (9, 15)]


def test_one_booking_long_after_all_others_does_not_move_the_day_of_reports(tmp_path):
    usual = regular("2025-01-01", "2025-06-30")
    bank = open_source(str(write_source(tmp_path / "a", with_bookings(*usual, "2025-11-03 10:00"))))
    with pytest.raises(BankmineError, match=r"2025-11-03.*--as-of 2025-06-30, or --as-of 2025-11-30"):
        _ = bank.newest
    assert bank.as_of("2025-11-30").as_of == dt.date(2025, 11, 30)
    steady = open_source(str(write_source(tmp_path / "b", with_bookings(*usual, "2025-07-03 10:00"))))
    assert steady.newest == steady.span[1] == dt.date(2025, 7, 31)


def test_a_booking_after_today_does_not_either(tmp_path):
    ahead = dt.date.today() + 40 * DAY
    usual = regular("2025-01-01", "2025-06-30")
    told = with_bookings(*usual, f"{ahead} 10:00")
    bank = open_source(str(write_source(tmp_path, told, extracted_on=ahead + DAY)))
    with pytest.raises(BankmineError, match=f"{ahead}, which is after today: say --as-of 2025-06-30"):
        _ = bank.newest


ODD_MOMENTS = ["infinity", "-infinity", "0044-03-15 (BC) 00:00:00", "20000-01-01"]


@pytest.mark.parametrize("odd", ODD_MOMENTS)
def test_a_moment_that_no_calendar_has_is_left_out_and_counted(tmp_path, odd):
    folder = write_source(tmp_path / "bank", small_bank())
    for table, column in (("transactions", "at"), ("accounts", "closed_on"), ("customers", "birth_date")):
        file, kind = folder / f"{table}.parquet", "TIMESTAMP" if column == "at" else "DATE"
        with duckdb.connect() as con:
            con.execute(f"CREATE TABLE t AS SELECT * FROM '{file}'")
            con.execute(f"UPDATE t SET \"{column}\" = {kind} '{odd}' WHERE rowid = 1")
            con.execute(f"COPY t TO '{file}'")
    found = open_source(str(folder)).as_of(AS_OF).violations()
    wrong = found[found["rule"] == "wrong_type"]
    assert {("transactions", "at"), ("accounts", "closed_on"), ("customers", "birth_date")} <= set(
        zip(wrong["table"], wrong["column"], strict=True)
    )
