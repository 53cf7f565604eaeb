"""When customers spend and log in: planted effects are found, and thin banks get an answer or one reason."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bank_fixtures import write_csv
from random_bank import random_bank
from thin_banks import THIN, lacking

from bankmine.bank.snapshot import open_source
from bankmine.features.hours import log_ins
from bankmine.judging.daily import Daily
from bankmine.judging.numbers import formatted
from bankmine.topics.behaviour.when import When
from demobank.scoreboard import behaviour
from demobank.scoreboard.truth import Truth, require_passed

pytestmark = pytest.mark.slow
DAY, SECOND = "2025-12-31", pd.Timedelta(seconds=1)
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


def test_hours_are_of_the_last_year_and_not_told_of_too_few(tmp_path):
    bank = random_bank(customers=150, bookings=12_000)
    people = bank["customers"]["customer_id"]
    visits = {
        "2025-06-02 09:30": people,
        "2025-06-03 03:30": people[:3].repeat(200),
        "2024-06-05 20:30": people.repeat(5),
    }
    told = [pd.DataFrame({"customer_id": who, "at": at + pd.to_timedelta(np.arange(len(who)) // 200, "h")})
            for at, who in ((pd.Timestamp(at), who) for at, who in visits.items())]  # fmt: skip
    bank["events"] = pd.concat(told).assign(session_id=lambda t: np.arange(len(t)))
    write_csv(bank, tmp_path)
    found = of(tmp_path)
    hours = found.log_in_hours
    assert formatted(hours.loc[3, "Tue"], ".1%") == "fewer than 5"
    assert np.argwhere(hours.astype(float).fillna(0).to_numpy()).tolist() == [[9, 0]]
    assert (found.busiest["log_day"], found.busiest["log_hour"]) == ("Mon", 9)


def test_a_visit_of_no_session_is_one_an_hour(tmp_path):
    at = pd.to_datetime(
        ["2025-06-02 09:01", "2025-06-02 09:59", "2025-06-02 10:01", "2025-06-02 11:00", "2025-06-02 12:30"]
    )
    bank = random_bank()
    bank["events"] = pd.DataFrame({"customer_id": bank["customers"]["customer_id"][0], "at": at,
                                   "session_id": [None, None, None, "S1", "S1"]})  # fmt: skip
    write_csv(bank, tmp_path)
    found = log_ins(open_source(str(tmp_path)).as_of(DAY)).order_by("at").to_pandas()["at"]
    assert list(found) == list(at[[0, 2, 3]])


def test_log_ins_after_pay_and_around_festivals_are_found_where_they_are_planted(small_bank, tmp_path):
    folder = shutil.copytree(small_bank, tmp_path / "bank")
    for part in (folder / "events").glob("*.parquet"):
        events = pq.read_table(part).to_pandas()
        golden = events["at"].dt.strftime("%m-%d").between("10-01", "10-07")
        again = events[golden].assign(session_id=lambda t: "again" + t["session_id"], at=lambda t: t["at"] + SECOND)
        pq.write_table(pa.Table.from_pandas(pd.concat([events, again]), preserve_index=False), part)
    found = of(folder)
    assert (found.log_ins["when"], found.log_ins["times"]) == ("week of Golden Week", "at 1 of 7 times")
    assert found.log_ins["low"] < 2 < found.log_ins["high"]
    assert "log-ins" not in found.coming["needs"]
    assert found.coming["log_ins"] == "no change shown"  # the festival that comes is another one


def test_needs_of_spending_are_counted_and_neither_log_ins_nor_all_spending(when):
    rows = when.files()["behaviour_needs"]
    own = rows[~rows["need"].isin(["all", "log-ins"])]
    assert len(own) < len(rows)
    assert (when.peak["rows"], when.peak["found"]) == (len(own), own["found"].sum())


def test_no_net_change_is_told_where_the_interval_holds_none(when):
    told = when.coming
    held = told["net_low"] <= 0 <= told["net_high"]
    assert (told["change"] == "no net change shown") == held
    rows = when.files()["behaviour_needs"].query("need == 'all'").set_index("when")["value"]
    assert (told["whole"], told["week"]) == tuple(rows[[told["when"], "week of Chinese New Year"]])


def test_p_that_no_permutation_reaches_is_a_bound(when):
    rows = when.files()["behaviour_needs"].query("found").set_index(["need", "when"])["p"]
    told = when.needs.set_index("when", append=True)["p"].str.startswith("≤")
    assert told.any()
    assert told.eq(rows.loc[told.index].eq(rows.min())).all()


def test_days_added_stand_once_a_need_and_festival(when):
    assert list(when.added) == ["pay", "Chinese New Year", "Golden Week"]
    assert when.added.index.is_unique
    assert {"all", "travel", "log-ins"} < set(when.added.index)


def test_without_pay_the_reason_says_how_pay_is_told(tmp_path):
    bank = random_bank(customers=150, bookings=9000)
    bank["transactions"] = bank["transactions"].replace({"kind": {"salary": "wages"}})
    write_csv(bank, tmp_path)
    why = of(tmp_path).effect.why
    assert "salary and pension" in why
    assert "transactions.sql" in why


def test_the_czech_bank_has_no_times_of_day_and_no_lunar_year(datasets):
    found = of(Path("berka"), "1994-01-31")
    assert "fewer than 100 customers bought" in found.effect.why
    assert "no time of day" in found.purchase_hours.why
