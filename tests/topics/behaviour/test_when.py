"""When customers spend and log in: planted effects are found, and thin banks get an answer or one reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bank_fixtures import write_csv
from random_bank import random_bank
from thin_banks import THIN, lacking

from bankmine.bank.snapshot import open_source
from bankmine.judging.daily import Daily
from bankmine.topics.behaviour.when import When
from demobank.scoreboard import behaviour
from demobank.scoreboard.truth import Truth, require_passed

pytestmark = pytest.mark.slow
DAY = "2025-12-31"
_NO_EVENTS = "the source has no events.at"


def of(folder: Path, day: str = DAY) -> When:
    return When(open_source(str(folder)).as_of(day))


@pytest.fixture(scope="module")
def when(small_bank) -> When:
    return of(small_bank)


def test_planted_effects_are_found_and_others_are_not(when, small_bank):
    scores = behaviour.needs(Truth(when.source.source), when.files()["behaviour_needs"])
    require_passed(scores[:4] + scores[5:])  # a thousand customers are too few for the power of the fifth
    assert lacking(when) == {}


def test_effects_that_are_found_where_none_was_planted_fail_the_score(when):
    rows = when.files()["behaviour_needs"]
    golden = rows["festival"].eq("Golden Week") & rows["moment"].eq("week") & rows["need"].eq("groceries")
    ends = rows[["value", "low", "high"]].where(~golden, rows[["value", "low", "high"]] * 1.5)
    scores = behaviour.needs(Truth(when.source.source), rows.assign(**ends, found=True))
    assert [score.passed for score in scores[2:]] == [False, True, True, False, True]


def test_days_are_counted_from_the_customers_own_pay():
    pay = pd.DataFrame({"customer": [0, 0, 1], "day": [100, 130, 115]})
    rows = pd.DataFrame({"customer": [0, 0, 0, 0, 0, 1, 1, 2], "day": [89, 90, 114, 115, 120, 114, 130, 115]})
    found = Daily(rows, ["all"], pd.Series(dtype=object)).since(pay, -10, 14)
    assert np.array_equal(found, [np.nan, -10, 14, np.nan, -10, -1, np.nan, np.nan], equal_nan=True)


def test_customers_have_a_payday_only_where_they_are_paid(when):
    told = when.customers
    assert told["payday"].dropna().between(1, 31).all()
    assert told["payday"].mode().item() == 10  # the most frequent of the demo bank
    assert told.index.is_unique
    assert told["payday"].isna().equals(told["payday_regular"].isna())
    assert told["favourite_hour"].dropna().between(0, 23).all()


@pytest.mark.parametrize("name", THIN)
def test_thin_banks_get_an_answer_or_one_reason(name, tmp_path):
    write_csv(THIN[name](), tmp_path)
    why = lacking(of(tmp_path))
    assert why.pop("log_in_hours") == _NO_EVENTS
    assert all("\n" not in reason for reason in why.values())


@pytest.mark.parametrize("column", ["kind", "category", "channel"])
def test_a_bank_without_a_column_says_what_it_cannot_tell(column, tmp_path):
    bank = random_bank(customers=150, bookings=9000)
    bank["transactions"] = bank["transactions"].drop(columns=column, errors="ignore")
    write_csv(bank, tmp_path)
    why = lacking(of(tmp_path))
    assert ("transactions.kind" in why.get("effect", "")) == (column == "kind")


def test_nobody_who_spends_leaves_one_reason(tmp_path):
    bank = random_bank(customers=20, bookings=600)
    bank["transactions"] = bank["transactions"].assign(direction="in")
    write_csv(bank, tmp_path)
    assert "fewer than 100 customers bought by card" in lacking(of(tmp_path))["effect"]


def test_log_ins_without_sessions_are_hours_with_a_visit(tmp_path):
    bank = random_bank(customers=20, bookings=600)
    at = pd.Timestamp("2025-06-02 09:00") + pd.to_timedelta(np.arange(100_000) % 3600, "s")
    people = bank["customers"]["customer_id"].to_numpy()
    bank["events"] = pd.DataFrame({"customer_id": people[np.arange(100_000) % len(people)], "at": at})
    write_csv(bank, tmp_path)
    assert of(tmp_path).log_in_hours.loc[9, "Mon"] == 1


def test_the_czech_bank_has_no_times_of_day_and_no_lunar_year(datasets):
    found = of(Path("berka"), "1994-01-31")
    assert "fewer than 100 customers bought" in found.effect.why
    assert "no time of day" in found.purchase_hours.why
