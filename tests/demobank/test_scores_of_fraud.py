"""Scores of fraud on the small bank: knowing the truth passes, alerting at random or nothing does not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from bank_fixtures import read

from bankmine.bank.sources import find_source
from demobank.scoreboard import fraud
from demobank.scoreboard.truth import Truth

START = pd.Timestamp("2025-07-01")


@pytest.fixture(scope="module")
def truth(small_bank) -> Truth:
    return Truth(find_source(str(small_bank)))


@pytest.fixture(scope="module")
def payments(small_bank) -> pd.DataFrame:
    rows = read(small_bank, "transactions", ["transaction_id", "at", "direction", "kind"])
    rows = rows.drop_duplicates("transaction_id").query("direction == 'out' and kind in ['card', 'transfer', 'cash']")
    rows = rows[rows["at"] >= "2025-04-01"]
    return rows.assign(day=rows["at"].dt.normalize())[["transaction_id", "day"]].reset_index(drop=True)


def values(scores) -> dict[tuple[str, str], float]:
    return {(s.planted, s.recovered): s.measure.value for s in scores}


def test_who_knows_the_truth_finds_all_of_it_and_chance_nearly_nothing(truth, payments):
    planted = truth.table("fraud").query("fraud")["transaction_id"]
    known = payments.assign(alerted=payments["transaction_id"].isin(planted), rules=False)
    told = values(fraud.found(truth, known))
    assert told["all planted fraud", "share of its value that is alerted"] == 1
    assert told["all planted fraud", "share of its value that expert rules alert"] == 0
    assert told["payments on the lists", "share that is planted fraud"] == 1
    assert len(told) == 7
    lot = payments.assign(alerted=np.random.default_rng(0).random(len(payments)) < 0.005, rules=True)
    assert not any(s.passed for s in fraud.found(truth, lot) if "alerted" in s.recovered)


def test_how_long_a_new_scheme_goes_unseen(truth, payments):
    new = truth.table("fraud").query("fraud and scheme == 'push_payment'")["transaction_id"]
    pushed = payments["transaction_id"].isin(new)
    later = START + pd.Timedelta(days=50)
    judged = payments.assign(alerted=pushed & (payments["day"] >= later), strange=pushed)
    told = [s.measure.value for s in fraud.new_scheme(truth, judged, START + pd.Timedelta(days=19))]
    assert told[0] < 15
    assert 15 < told[1] < 75
    assert told[2] == 19
    never = payments.assign(alerted=False, strange=False)
    scores = fraud.new_scheme(truth, never, None)
    assert not any(s.passed for s in scores)


def test_the_first_alarm_counts_that_ends_after_the_new_scheme_began(truth, payments):
    judged = payments.assign(alerted=False, rules=False, likely=False, strange=False)
    weeks = pd.date_range("2025-06-16", periods=5, freq="7D")
    told = {}
    for alarms in ((), (0,), (0, 1, 4), (2, 3)):
        signs = pd.DataFrame({"week": weeks, "missed_but_strange": [i in alarms for i in range(5)]})
        told[alarms] = fraud.of_tables(truth, judged, signs)[-1].measure.value
    assert told == {(): np.inf, (0,): np.inf, (0, 1, 4): 19, (2, 3): 5}


def test_days_until_seen_by_hand():
    days, payments = np.array([0.0, 10, 30, 50]), np.array([2.0, 2, 1, 1])
    assert fraud.days_until_seen(days, payments, np.array([2.0, 0, 0, 0])) == 0
    assert fraud.days_until_seen(days, payments, np.array([0.0, 0, 1, 0])) == 3
    assert fraud.days_until_seen(days, payments, np.array([0.0, 0, 0, 1])) == 23
    assert np.isnan(fraud.days_until_seen(days, payments, np.zeros(4)))
    assert np.isnan(fraud.days_until_seen(days[:0], payments[:0], payments[:0]))
