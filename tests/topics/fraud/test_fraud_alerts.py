"""A new scheme raises an alarm soon, and none is raised where nothing changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from fraud_payments import FIRST, payments

from bankmine.errors import BankmineError
from bankmine.judging.reasons import load_reasons, spoken
from bankmine.topics.fraud import alerts

_, BESIDE, _ = payments(days=200)
FRAUD = BESIDE.target == 1
BEGINS = FIRST + pd.Timedelta(days=110)


def seen(share_strange: float, seed: int = 0) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Return what model, detector and rules saw; from `BEGINS` on, so large a share is strange and missed."""
    rng = np.random.default_rng(seed)
    alerted, strange, explained = (pd.Series(rng.random(len(BESIDE)) < p) for p in (0.5, 0.05, 0.4))
    new = (BESIDE.day >= BEGINS) & (rng.random(len(BESIDE)) < share_strange)
    return alerted & ~new, strange | new, explained


def test_a_new_scheme_raises_an_alarm_soon_after_its_frauds_are_reported():
    watched = alerts.weekly(BESIDE, *seen(0.3))
    alarm = watched.first_alarm("missed_but_strange")
    assert BEGINS < alarm < BEGINS + pd.Timedelta(days=40)
    assert watched.first_alarm("seen_by_nothing", BEGINS) is None
    first, last = watched.weeks.index[watched.weeks["missed_but_strange_alarm"]][[0, -1]]
    assert alarm == first + pd.Timedelta(days=6)
    assert f"missed but strange (weeks of {first:%Y-%m-%d} to {last:%Y-%m-%d})" in watched.raised["raised"]
    assert watched.alarms.equals(
        watched.weeks[[f"{sign}_alarm" for sign in alerts.SIGNS]].set_axis(alerts.SIGNS, axis=1)
    )
    assert watched.basis["together"] == 3
    assert watched.chart().get_xlabel() == "Monday, last of 3 weeks taken together"
    watched = watched.weeks
    assert watched["missed_but_strange_chance"].isna().tolist()[:9] == [True] * 8 + [False]
    known = watched["missed"].dropna()
    assert (watched.loc[known.index, "missed_low"] <= known).all()
    assert 2.5 * FRAUD.sum() < watched["reported"].sum() <= 3 * FRAUD.sum()  # windows of three weeks overlap


def test_an_old_alarm_is_told_but_asks_nobody_to_act():
    """The scheme goes on, and models that learn it catch up: its alarm of long ago stays in words only."""
    watched = alerts.weekly(BESIDE, *seen(0.3))
    assert watched.raised["now"] >= 1
    quiet = watched.weeks.copy()
    quiet.loc[quiet.index[-alerts.RECENT :], [f"{sign}_alarm" for sign in alerts.SIGNS]] = False
    later = replace(watched, weeks=quiet).raised
    assert later["now"] == 0
    assert "missed but strange" in later["raised"]
    quiet.loc[quiet.index[-alerts.RECENT], "missed_but_strange_alarm"] = True
    assert replace(watched, weeks=quiet).raised["now"] == 1


@pytest.mark.slow
def test_without_change_alarms_are_rare():
    alarms = [alerts.weekly(BESIDE, *seen(0.0, s)).weeks["missed_but_strange_alarm"].sum() for s in range(10)]
    assert sum(alarms) <= 6  # of about 200 weeks


def test_nothing_is_told_before_it_was_known():
    """Frauds are put into the week of their report: taking away the reports of later weeks leaves the earlier ones."""
    before = alerts.weekly(BESIDE, *seen(0.3)).weeks
    cut = BESIDE.known_on >= pd.Timestamp("2025-06-02")
    after = alerts.weekly(replace(BESIDE, known_on=BESIDE.known_on.mask(cut)), *seen(0.3)).weeks
    pd.testing.assert_frame_equal(after, before[before.index < "2025-06-02"], check_freq=False)


@pytest.mark.parametrize(("column", "value", "typical", "words"), [
    ("customer_known_days", 1_092.0, 1_000.0, "customer has been paying for at least 1,092 days (typical 1,000)"),
    ("customer_known_days", 1_063.4, 1_090.0,
     "customer's first recorded payment was 1,063 days ago (typical 1,090 or more)"),
    ("customer_device_known_days", 1.0, 300.0,
     "this customer's first recorded use of the device was 1 day ago (typical 300 or more)"),
    ("device_known_days", 0.0, 300.0, "device first recorded by the bank within the last day (typical 300 or more)"),
    ("customer_device_known_days", 120.0, 300.0,
     "this customer's first recorded use of the device was 120 days ago (typical 300 or more)"),
    ("counterparty_count_7d", 21.0, 1.0, "21 payments to this payee in 7 days (typical 1)"),
    ("hours_since_customer_transaction", 1.1, 9.0,
     "only 1.1 hours since the last payment of this customer (typical 9.0)"),
    ("merchant_risk_30d", np.nan, 0.0, "not paid at a merchant"),
    ("counterparty_frauds_known_7d", np.nan, 0.0, "no payee recorded"),
    ("merchant_frauds_known_30d", 1.0, 0.0, "1 payment at this merchant confirmed as fraud within 30 days"),
])  # fmt: skip
def test_reasons_are_said_as_one_says_them_and_claim_no_more_than_the_data_hold(column, value, typical, words):
    said = spoken(column, pd.Series([value, typical]), load_reasons(alerts.REASONS))
    assert said.say(value, typical) == words


def test_too_few_weeks_are_told():
    for none in (BESIDE.known_on.mask(BESIDE.day > FIRST + pd.Timedelta(days=20)), BESIDE.known_on.mask(FRAUD)):
        with pytest.raises(BankmineError, match="judge more blocks"):
            alerts.weekly(replace(BESIDE, known_on=none), *seen(0.0))
