"""A new scheme raises an alarm soon, and none is raised where nothing changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from fraud_payments import FIRST, payments

from bankmine.errors import BankmineError
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
    assert watched.raised["count"] >= 1
    assert f"missed but strange ({alarm:%Y-%m-%d})" in watched.raised["raised"]
    watched = watched.weeks
    assert watched["missed_but_strange_chance"].isna().tolist()[:9] == [True] * 8 + [False]
    known = watched["missed"].dropna()
    assert (watched.loc[known.index, "missed_low"] <= known).all()
    assert watched["reported"].sum() > FRAUD.sum()  # windows of weeks overlap


def test_without_change_alarms_are_rare():
    alarms = [alerts.weekly(BESIDE, *seen(0.0, s)).weeks["missed_but_strange_alarm"].sum() for s in range(10)]
    assert sum(alarms) <= 6  # of about 200 weeks


def test_nothing_is_told_before_it_was_known():
    """Frauds are put into the week of their report: taking away the reports of later weeks leaves the earlier ones."""
    before = alerts.weekly(BESIDE, *seen(0.3)).weeks
    cut = BESIDE.known_on >= pd.Timestamp("2025-06-02")
    after = alerts.weekly(replace(BESIDE, known_on=BESIDE.known_on.mask(cut)), *seen(0.3)).weeks
    pd.testing.assert_frame_equal(after, before[before.index < "2025-06-02"], check_freq=False)


def test_too_few_weeks_are_told():
    for none in (BESIDE.known_on.mask(BESIDE.day > FIRST + pd.Timedelta(days=20)), BESIDE.known_on.mask(FRAUD)):
        with pytest.raises(BankmineError, match="judge more blocks"):
            alerts.weekly(replace(BESIDE, known_on=none), *seen(0.0))
