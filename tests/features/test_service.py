"""Complaints, visits and contacts against a slow and plain count."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from bank_fixtures import write_parquet
from random_bank import random_bank, random_service

from bankmine.bank.snapshot import open_source
from bankmine.features.service import OPEN_FOR, service
from bankmine.features.spine import spine_of

pytestmark = pytest.mark.slow

DAY = dt.date(2025, 6, 30)
TODAY = pd.Timestamp(DAY)


@pytest.fixture(scope="module")
def frames():
    bank = random_bank(customers=30, bookings=500)
    return bank | random_service(bank["customers"], rows=2000)


@pytest.fixture(scope="module")
def snapshot(frames, tmp_path_factory):
    return open_source(str(write_parquet(frames, tmp_path_factory.mktemp("random")))).as_of("2025-12-31")


@pytest.fixture(scope="module")
def found(snapshot) -> pd.DataFrame:
    return service(snapshot, spine_of(snapshot, [DAY])).to_pandas().set_index("customer_id").sort_index()


def recent(rows: pd.DataFrame, when: str, window: int) -> pd.DataFrame:
    """Rows of the window with their age in days."""
    age = (TODAY - pd.to_datetime(rows[when]).dt.normalize()).dt.days
    return rows.assign(age=age)[(age >= 0) & (age < window)]


def check(found: pd.Series, expected: pd.Series, missing: float = 0) -> None:
    assert found.astype(float).fillna(-1).to_dict() == expected.reindex(found.index).fillna(missing).to_dict()
    assert expected.nunique() > 1


@pytest.mark.parametrize("window", [90, 365])
def test_complaints_and_contacts_are_counted(frames, found, window):
    feedback, contacts = recent(frames["feedback"], "at", window), recent(frames["contacts"], "contacted_on", window)
    check(found[f"complaints_{window}d"], feedback[feedback.kind == "complaint"].groupby("customer_id").size())
    made = contacts[contacts.treated.ne(False)]  # unknown: it was made
    check(found[f"contacts_{window}d"], made.groupby("customer_id").size())


def test_slow_complaints_are_those_open_for_longer_than_thirty_days_by_then(frames, found):
    rows = recent(frames["feedback"], "at", 365)
    rows = rows[rows.kind == "complaint"]
    settled = pd.to_datetime(rows.resolved_on)
    until = settled.where(settled <= TODAY, TODAY)
    slow = rows[(until - rows["at"].dt.normalize()).dt.days > OPEN_FOR]
    check(found.slow_complaints_365d, slow.groupby("customer_id").size())
    still = slow[~(pd.to_datetime(slow.resolved_on) <= TODAY)]
    check(found.slow_open_complaints_365d, still.groupby("customer_id").size())


@pytest.mark.parametrize("window", [30, 90, 365])
def test_days_with_a_visit_are_counted_once(frames, found, window):
    rows = recent(frames["events"], "at", window)
    check(found[f"visit_days_{window}d"], rows.groupby("customer_id").age.nunique())
    if window < 365:
        check(found[f"rate_views_{window}d"], rows[rows.page == "rate_table"].groupby("customer_id").size())


def test_answers_count_from_the_day_on_which_they_came(frames, found):
    rows = recent(frames["contacts"], "contacted_on", 365)
    rows = rows[rows.treated.ne(False) & rows.responded & (pd.to_datetime(rows.responded_on) <= TODAY)]
    check(found.responses_365d, rows.groupby("customer_id").size())


@pytest.mark.parametrize("table", ["feedback", "events", "contacts"])
def test_days_since_the_last_are_unknown_where_there_was_none(frames, found, table):
    column, when = {"feedback": ("days_since_complaint", "at"), "events": ("days_since_visit", "at"),
                    "contacts": ("days_since_contact", "contacted_on")}[table]  # fmt: skip
    rows = recent(frames[table], when, 365)
    if table == "feedback":
        rows = rows[rows.kind == "complaint"]
    if table == "contacts":
        rows = rows[rows.treated.ne(False)]
    check(found[column], rows.groupby("customer_id").age.min(), missing=-1)
    nobody = frames["customers"].customer_id[pd.to_datetime(frames["customers"].joined_on) > TODAY]
    assert not set(nobody) & set(found.index)


def test_what_tables_do_not_tell_is_left_out(frames, tmp_path):
    bare = {n: f for n, f in frames.items() if n not in ("events", "balances")}
    bare["feedback"] = bare["feedback"].drop(columns="resolved_on").iloc[:0]
    bare["contacts"] = bare["contacts"].drop(columns=["responded_on", "treated"])
    snapshot = open_source(str(write_parquet(bare, tmp_path))).as_of(DAY)
    rows = service(snapshot, spine_of(snapshot)).to_pandas()
    assert sorted(rows.columns) == [
        "complaints_365d", "complaints_90d", "contacts_365d", "contacts_90d", "customer_id", "day",
        "days_since_complaint", "days_since_contact",
    ]  # fmt: skip
    assert (rows.complaints_365d == 0).all()
    assert rows.days_since_complaint.isna().all()
    assert np.isfinite(rows.contacts_365d).all()
