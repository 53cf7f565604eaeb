"""Samples that the tests of splits and metrics divide and judge: month ends of customers, outcomes known later."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special, stats

from bankmine.learning.sample import Sample

AS_OF = pd.Timestamp("2025-12-31")


def dated(months: int, customers: int = 30, delay_days: int = 120, rate: float = 0.3, seed: int = 0) -> Sample:
    """Return a row for most customers at each month end up to AS_OF, in random order.

    Outcomes are unknown where the delay ends after AS_OF, and of one row in twenty.
    """
    rng = np.random.default_rng(seed)
    days = pd.date_range(end=AS_OF, periods=months, freq="ME")
    rows = pd.MultiIndex.from_product([range(customers), days], names=["customer", "day"]).to_frame(index=False)
    rows = rows[rng.random(len(rows)) < 0.9].sample(frac=1, random_state=seed).reset_index(drop=True)
    target = pd.Series((rng.random(len(rows)) < rate).astype(float))
    target[(rows.day + pd.Timedelta(days=delay_days) > AS_OF) | (rng.random(len(rows)) < 0.05)] = np.nan
    return Sample(pd.DataFrame({"x": rng.normal(size=len(rows))}), target, rows.customer, rows.day)


def undated(entities: int, most: int = 3, rate: float = 0.3, seed: int = 0) -> Sample:
    """Return up to `most` rows of each entity, in random order, a tenth of the outcomes unknown."""
    rng = np.random.default_rng(seed)
    entity = rng.permutation(np.repeat(np.arange(entities), rng.integers(1, most + 1, entities)))
    target = np.where(rng.random(len(entity)) < 0.1, np.nan, (rng.random(len(entity)) < rate).astype(float))
    return Sample(pd.DataFrame({"x": rng.normal(size=len(entity))}), pd.Series(target), pd.Series(entity))


def alike(entities: int, seed: int = 0, each: int = 3) -> pd.DataFrame:
    """Return rows whose `target`, `score` and `probability` (the true one) are alike within each `entity`."""
    rng = np.random.default_rng(seed)
    code = np.repeat(np.arange(entities), each)
    score = 0.8 * rng.normal(size=entities)[code] + 0.6 * rng.normal(size=len(code))
    probability = special.expit(1.2 * score - 2.5)
    shared = 0.7 * rng.normal(size=entities)[code] + np.sqrt(0.51) * rng.normal(size=len(code))
    target = (stats.norm.cdf(shared) < probability).astype(float)
    return pd.DataFrame({"target": target, "score": score, "probability": probability, "entity": code})
