"""Scores of the search for what no rule sees: a find that is missing, and one too many, cost their own rows."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace

import pandas as pd
import pytest

from bankmine.bank.rules import MEANINGS
from bankmine.bank.snapshot import open_source
from demobank.scoreboard.customers import defects, silences
from demobank.scoreboard.truth import Truth

CATALOGUE = [
    ("transactions", "timeliness", "江苏/pos/2023-03-13"), ("events", "timeliness", "mobile/2023-01-10"),
    ("transactions", "completeness", "device_id/2024-03"), ("customers", "completeness", "annual_income/河南"),
    ("customers", "completeness", "education/河南"), ("balances", "unreconciled", "A1"),
]  # fmt: skip
TRUTH = SimpleNamespace(table=lambda name: pd.DataFrame(CATALOGUE, columns=["table", "rule", "key"]))
END = dt.date(2025, 12, 31)


@pytest.fixture
def findings() -> pd.DataFrame:
    found = [
        ("unreconciled", "balance", None, None, None), ("silent_week", None, "江苏", "pos", "2023-03-13"),
        ("silent_day", None, None, "mobile", "2023-01-10"), ("emptied_month", "device_id", None, None, "2024-03-01"),
        ("left_out_in_region", "annual_income", "河南", None, None),
        ("left_out_in_region", "education", "河南", None, None),
    ]  # fmt: skip
    table = pd.DataFrame(found, columns=["check", "column", "region", "channel", "since"])
    return table.assign(since=pd.to_datetime(table["since"]))


def failed(findings: pd.DataFrame, as_of: dt.date = END) -> list[str]:
    return [s.planted for s in silences(TRUTH, findings, as_of) if not s.passed]


def test_all_that_was_planted_has_a_row_and_so_has_all_else(findings):
    scores = silences(TRUTH, findings, END)
    assert len(scores) == 5 + 4
    assert all(s.passed for s in scores)


@pytest.mark.parametrize(
    ("check", "row"),
    [
        ("silent_week", "a week without card terminals in one region"),
        ("silent_day", "a day on which the app recorded nothing"),
        ("emptied_month", "a month in which device_id is left out in part"),
    ],
)
def test_what_is_not_found_fails_by_name(findings, check, row):
    assert failed(findings[findings["check"] != check])[0] == row


def test_each_column_of_a_region_is_found_by_itself(findings):
    assert failed(findings[findings["column"] != "education"]) == ["a region in which education is left out more often"]


def test_finds_that_nobody_planted_fail_by_name(findings):
    false = [findings.query("check == 'silent_day'").assign(since=pd.Timestamp(f"2024-05-0{day}")) for day in (1, 2)]
    assert failed(pd.concat([findings, *false])) == ["no other silent day"]


def test_what_came_later_or_just_now_is_not_asked_for(findings):
    early = findings[findings["check"] != "emptied_month"]
    assert failed(early, dt.date(2024, 3, 20)) == []
    assert failed(early, dt.date(2024, 4, 20)) == [
        "a month in which device_id is left out in part", "no other month left out"
    ]  # fmt: skip


@pytest.mark.slow
def test_rows_that_the_bank_delivers_later_are_not_looked_for(small_bank):
    """Two months before the last day, a part of the planted rows is not there yet: all others are found."""
    snapshot = open_source(str(small_bank)).as_of("2025-10-31")
    broken = [(wrong.rule, wrong.count) for check in snapshot.checks.values() for wrong in check.violations]
    found = pd.DataFrame(broken, columns=["check", "count"])
    scores = defects(Truth(snapshot.source), snapshot, found[found["check"].isin(MEANINGS)])
    assert len(scores) > 8
    assert [s.planted for s in scores if s.recovered == "share found" and not s.passed] == []
