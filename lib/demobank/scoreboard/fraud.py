"""Scores of fraud: how much of what was planted is found within capacity, by scheme; how soon a new scheme is seen.

A function takes the truth and what an analysis found. Values are of all planted frauds, also of those
that nobody ever noticed and that no label tells of.
"""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pandas as pd

from demobank.scoreboard.truth import Measure, Score, Truth, captured, resampled, share

FRAUD = "08_fraud"
JUDGED = ["transaction_id", "day", "alerted", "rules", "likely", "strange"]
"""Of `fraud_judged` what is scored."""
_SCHEMES = {
    "account_takeover": ("takeovers of accounts", (0.6, 1)),
    "compromised_card": ("stolen card numbers", (0.3, 0.95)),
    "compromised_merchant": ("cards copied at merchants", (0.2, 0.95)),
    "push_payment": ("customers talked into paying", (0.35, 1)),
}  # fmt: skip
"""Scheme -> what it is called, and the share of its value to be found at the capacity of `data/fraud.yml`."""
NEW = "push_payment"
_SEEN = 1 / 3
"""A scheme is seen from the day on from which so many of the payments of four weeks are alerted."""
_WEEKS = 28
_LAST = pd.Timedelta(days=84)
"""What is found of the last days is scored."""


def of_tables(truth: Truth, judged: pd.DataFrame, signs: pd.DataFrame) -> list[Score]:
    """Score what the report handed on, `fraud_judged` and `fraud_signs`: lists of the last weeks, and the new scheme.

    `signs` has a row a `week`, and whether reported frauds that were `missed_but_strange` raised an alarm.
    """
    begun = pd.Timestamp(truth.table("drifts").set_index("name").loc[NEW, "starts_on"])
    ends = pd.to_datetime(signs["week"]) + pd.Timedelta(days=6)
    alarms = ends[signs["missed_but_strange"] & (ends >= begun)]
    last = judged[judged["day"] > judged["day"].max() - _LAST]
    alarm = None if alarms.empty else alarms.min()
    return [*found(truth, last), *new_scheme(truth, judged.assign(alerted=judged["likely"]), alarm)]


def found(truth: Truth, judged: pd.DataFrame) -> list[Score]:
    """Score the alerts against what was planted.

    Parameters
    ----------
    truth : Truth
        Of the bank.
    judged : pd.DataFrame
        `transaction_id` and `alerted` of all payments that were judged, `rules`: whether the expert rules would have
        alerted them at the same capacity.
    """
    rows = _planted(truth, judged)
    value = rows["amount"].to_numpy()
    overall = captured(value, rows["alerted"].to_numpy())
    by_rules = captured(value, rows["rules"].to_numpy())
    true = share(rows["alerted"].sum(), judged["alerted"].sum())
    scores = [
        Score(FRAUD, "all planted fraud", "share of its value that is alerted", overall, (0.45, 0.95)),
        Score(FRAUD, "all planted fraud", "share of its value that expert rules alert", by_rules, (0.15, 0.7)),
        Score(FRAUD, "payments on the lists", "share that is planted fraud", true, (0.2, 0.9)),
    ]
    for scheme, (name, bounds) in _SCHEMES.items():
        own = rows[rows["scheme"] == scheme]
        part = captured(own["amount"].to_numpy(), own["alerted"].to_numpy())
        scores.append(Score(FRAUD, name, "share of its value that is alerted", part, bounds))
    return scores


def new_scheme(truth: Truth, judged: pd.DataFrame, alarm: pd.Timestamp | None) -> list[Score]:
    """Score how soon the new scheme is seen, by models that judged the payments of weeks before and after its start.

    Parameters
    ----------
    truth : Truth
        Of the bank.
    judged : pd.DataFrame
        `transaction_id`, `day`, and whether it was among the likeliest within capacity by the model as it was fitted
        block by block, `alerted`, and by the anomaly detector alone, `strange`.
    alarm : pd.Timestamp, optional
        Day of the first alarm after the start that reported frauds raised; None where there was none.
    """
    drifts = truth.table("drifts").set_index("name")
    start = pd.Timestamp(drifts.loc[NEW, "starts_on"])
    rows = _planted(truth, judged).query("scheme == @NEW")
    cases = rows.groupby("incident").agg(
        day=("day", "min"), payments=("day", "size"), alerted=("alerted", "sum"), strange=("strange", "sum")
    )
    columns = (cases["day"] - start).dt.days.to_numpy(float), cases["payments"].to_numpy(float)
    by_model, by_detector = (
        resampled(days_until_seen, *columns, cases[name].to_numpy(float)) for name in ("alerted", "strange")
    )
    waited = float((alarm - start).days) if alarm is not None else np.inf
    known = Measure(*(np.fmin(value, waited) for value in astuple(by_model)))
    until, either = "days until a third of its payments is alerted", "days until that, or an alarm by reported frauds"
    return [
        Score(FRAUD, "a new scheme", f"{until} by the anomaly detector", by_detector, (0, 60), "days"),
        Score(FRAUD, "a new scheme", f"{until} by the model, retrained", by_model, (0, 100), "days"),
        Score(FRAUD, "a new scheme", either, known, (0, 60), "days"),
    ]


def days_until_seen(days: np.ndarray, payments: np.ndarray, seen: np.ndarray) -> float:
    """Return the first day from which on a third of the payments of four weeks is alerted; NaN if there is none.

    Parameters
    ----------
    days, payments, seen : np.ndarray
        Of each attack: its first day, counted from the scheme's, its payments and those of them that were alerted.
    """
    for first in range(int(days.max(initial=-1)) + 1):
        here = (days >= first) & (days < first + _WEEKS)
        if here.any() and seen[here].sum() >= _SEEN * payments[here].sum():
            return float(first)
    return np.nan


def _planted(truth: Truth, judged: pd.DataFrame) -> pd.DataFrame:
    """Return the planted frauds among the payments that were judged, with what was said of them."""
    planted = truth.table("fraud").query("fraud").drop(columns="day")
    judged = judged[judged["transaction_id"].isin(planted["transaction_id"])]
    return planted.merge(judged, on="transaction_id", validate="one_to_one")
