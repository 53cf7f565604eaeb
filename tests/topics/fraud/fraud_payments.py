"""Payments of some months with frauds among them, known days later: rows that models of fraud learn from."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bankmine.learning.sample import Sample
from bankmine.topics.fraud.payments import Payments

FIRST = pd.Timestamp("2025-01-01")


def payments(
    days: int = 150, a_day: int = 60, customers: int = 200, rate: float = 0.02, seed: int = 3
) -> tuple[Sample, Payments, pd.DataFrame]:
    """Return a sample up to its last day, the payments beside it, and their keys; in the order of time.

    Three predictors tell of fraud, together more than alone; two, one of words, do not. Labels are 1 to 20 days late.
    """
    rng = np.random.default_rng(seed)
    size = days * a_day
    second = np.sort(rng.integers(0, days * 86_400, size))
    moment = pd.Series(FIRST + pd.to_timedelta(second, unit="s"))
    strange, amount = rng.normal(size=size), np.exp(rng.normal(4, 1, size))
    new = rng.random(size) < 0.1
    odds = np.log(rate) + 1.3 * strange + 1.5 * new + 0.5 * (np.log(amount) - 4) - 0.2
    fraud = rng.random(size) < 1 / (1 + np.exp(-odds))
    day = moment.dt.normalize()
    known = (day + pd.to_timedelta(rng.integers(1, 21, size), unit="D")).where(fraud)
    last = FIRST + pd.Timedelta(days=days - 1)
    known = known.where(known <= last)
    target = pd.Series(np.where(known.notna(), 1.0, np.where(day < last - pd.Timedelta(days=7), 0.0, np.nan)))
    whose = rng.integers(0, customers, size)
    entity = pd.Series([f"C{i}" for i in whose])
    predictors = pd.DataFrame(
        {
            "strange": np.where(rng.random(size) < 0.05, np.nan, strange),
            "amount": amount,
            "new_device": new.astype(float),
            "noise": rng.normal(size=size),
            "kind": pd.Categorical(rng.choice(["card", "transfer"], size)),
        }
    )
    account = entity.str.replace("C", "A")
    merchant = [f"M{i}" for i in rng.integers(0, 40, size)]
    told = {"transaction_id": [f"T{i}" for i in range(size)], "account": account, "customer": entity}
    keys = pd.DataFrame({**told, "merchant": merchant, "kind": predictors["kind"]})
    beside = Payments(target, pd.Series(amount), day, moment, account, entity, known)
    return Sample(predictors, target, entity, day), beside, keys
