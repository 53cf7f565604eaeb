"""What the desk gets: cases worked by hand, the Handbook's card precision, and nothing where there is no fraud."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from fraud_payments import FIRST, payments
from hypothesis import given, settings
from hypothesis import strategies as st

from bankmine.topics.fraud import desk as desk_metrics
from bankmine.topics.fraud.payments import Payments

_, BESIDE, _ = payments(days=60, rate=0.05)
SETTLED = BESIDE.of(BESIDE.target.index[BESIDE.target.notna()])


def some(rows: list[tuple[int, str, float, int, int | None]]) -> Payments:
    """Make payments of (day, account, amount, fraud, day on which it was known)."""
    day, account, amount, fraud, known = zip(*rows, strict=True)
    days = pd.Series(FIRST + pd.to_timedelta(day, unit="D"))
    moment = days + pd.to_timedelta(np.arange(len(rows)), unit="s")
    late = pd.Series([FIRST + pd.Timedelta(days=k) if k is not None else pd.NaT for k in known])
    whose = pd.Series(account)
    return Payments(pd.Series(fraud, dtype=float), pd.Series(amount), days, moment, whose, whose, late)


ATTACK = some(
    [(0, "a", 10.0, 1, 6), (1, "a", 20.0, 1, 6), (1, "a", 30.0, 1, 6), (3, "a", 40.0, 1, 6), (60, "a", 50.0, 1, 61),
     (2, "b", 100.0, 1, 4), (2, "c", 5.0, 0, None)]
)  # fmt: skip


def test_an_alert_saves_its_payment_and_those_of_later_days_of_the_same_attack():
    found = desk_metrics.saved(ATTACK, pd.Series([False, True, False, False, False, False, True]))
    assert found["held"].tolist() == [False, True, False, False, False, False]
    assert found["stopped"].tolist() == [False, False, False, True, False, False]
    waits = desk_metrics.episodes(found)
    assert waits["days"].tolist() == [1, 1, 2]
    assert waits["earlier"].tolist() == [5, 0, 0]


def test_shares_of_the_desk_by_hand():
    score = pd.DataFrame({"m": [0.0, 9, 0, 0, 0, 0, 8]})
    told = desk_metrics.desk_figures(ATTACK, score, share=1e-9, rounds=20).set_index("metric")["value"]
    # one alert a day: on days 0, 3 and 60 the only payment, on day 1 the score of 9, on day 2 the genuine one
    assert told["alerts_a_day"] == 1
    assert told["alert_precision"] == pytest.approx(4 / 5)
    assert told["value_held"] == pytest.approx((10 + 20 + 40 + 50) / 250)
    assert told["value_saved"] == pytest.approx((10 + 20 + 30 + 40 + 50) / 250)
    assert told["frauds_found"] == pytest.approx(4 / 6)
    assert told["delay_days"] == pytest.approx(2 / 3)


@settings(max_examples=20)
@given(st.integers(0, 1000), st.floats(0.001, 0.5))
def test_no_day_has_more_alerts_than_hands(seed, share):
    scores = pd.DataFrame({"s": np.random.default_rng(seed).integers(0, 4, len(SETTLED))}, SETTLED.target.index)
    looked = desk_metrics.within_capacity(scores, SETTLED.day, share)["s"]
    size = SETTLED.day.groupby(SETTLED.day).size()
    assert (looked.groupby(SETTLED.day).sum() == np.maximum(np.rint(share * size), 1)).all()
    for _, today in scores["s"].groupby(SETTLED.day):
        listed = looked[today.index]
        assert not today[~listed].gt(today[listed].min()).any()


def handbook_card_precision(rows: pd.DataFrame, k: int) -> list[float]:
    """Compute card precision@k as chapter 4 of the Fraud Detection Handbook describes it, day by day."""
    found, told = [], []
    for day in sorted(rows["day"].unique()):
        today = rows[(rows["day"] == day) & ~rows["account"].isin(found)]
        best = today.groupby("account")[["score", "target"]].max().sort_values("score", ascending=False).head(k)
        hit = best.index[best["target"] == 1]
        told.append(len(hit) / k)
        found += list(hit)
    return told


def test_card_precision_is_the_handbooks():
    score = pd.Series(np.random.default_rng(0).random(len(SETTLED)), SETTLED.target.index) + SETTLED.target * 0.3
    rows = pd.DataFrame({"day": SETTLED.day, "account": SETTLED.account, "score": score, "target": SETTLED.target})
    ours = desk_metrics.card_precision(SETTLED.target, score, SETTLED.account, SETTLED.day, 10, once=True)
    assert ours.tolist() == pytest.approx(handbook_card_precision(rows, 10))
    assert ours.mean() < desk_metrics.card_precision(SETTLED.target, score, SETTLED.account, SETTLED.day, 10).mean()


def test_knowledge_is_better_than_chance_and_intervals_hold_the_figures():
    rng = np.random.default_rng(1)
    scores = pd.DataFrame(
        {"chance": rng.random(len(SETTLED)), "knows": SETTLED.target + 0.01 * rng.random(len(SETTLED))}
    )
    told = desk_metrics.desk_figures(SETTLED, scores.set_axis(SETTLED.target.index), 0.03, rounds=100)
    assert (told["low"] <= told["value"] + 1e-9).all()
    assert (told["high"] >= told["value"] - 1e-9).all()
    wide = told.pivot_table(index="model", columns="metric", values="value")
    assert wide.loc["knows", "average_precision"] == pytest.approx(1)
    assert wide.loc["knows", "value_saved"] > 3 * wide.loc["chance", "value_saved"]
    assert wide.loc["knows", "delay_days"] < wide.loc["chance", "delay_days"]


def test_without_a_fraud_nothing_is_claimed():
    none = replace(SETTLED, target=SETTLED.target * 0, known_on=SETTLED.known_on.mask(SETTLED.known_on.notna()))
    scores = pd.DataFrame({"s": np.random.default_rng(0).random(len(none))}, none.target.index)
    told = desk_metrics.desk_figures(none, scores, 0.02, rounds=20).set_index("metric")["value"]
    assert told[["average_precision", "value_held", "value_saved", "delay_days"]].isna().all()
    assert told["alert_precision"] == told["card_precision"] == 0
