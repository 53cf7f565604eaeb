"""Views: how far different groupings of the same customers agree: segments, RFM cells, demographic groups."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats.contingency import chi2_contingency

from bankmine.judging.intervals import interval

_AGES = {"under 35": 35, "35 to 54": 55, "55 and over": 200}
_NO_AGE = "age unknown"
_DRAWS = 500


def demographic_groups(customers: pd.DataFrame) -> pd.Series:
    """Group customers by `age_years` and `city_tier`, where the bank has them: "35 to 54, large city".

    Customers of no known age are one group, as they are few.
    """
    parts = []
    if "age_years" in customers.columns:
        edges = [0, *_AGES.values()]
        ages = pd.cut(customers["age_years"].astype(float), edges, right=False, labels=list(_AGES))
        parts.append(ages.astype(object).fillna(_NO_AGE))
    if "city_tier" in customers.columns:
        tier = customers["city_tier"].astype(float)
        names = np.select([tier.isna(), tier <= 2], ["city unknown", "large city"], "smaller city")
        parts.append(pd.Series(names, index=customers.index))
    if not parts:
        return pd.Series("unknown", index=customers.index, name="group")
    return parts[0].str.cat(parts[1:], sep=", ").mask(parts[0] == _NO_AGE, _NO_AGE).rename("group")


def association(views: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Measure how far each two views (columns) of the same customers agree, with the `p` of a chi-squared test.

    Cramér's V (Mathematical Methods of Statistics, 1946) is above zero by chance alone; `corrected` is without that
    bias (Bergsma, A bias-correction for Cramér's V and Tschuprow's T, Journal of the Korean Statistical Society, 2013):
    about 0 where views have nothing to do with each other, 1 where the one with fewer labels follows from the other.
    `low` and `high` are of a multinomial bootstrap. Who has no label in a view is left out of its pairs; NaN where a
    view has one label only.
    """
    rows = []
    for one, other in combinations(views.columns, 2):
        both = views[[one, other]].astype(object).dropna()
        rows.append((one, other, len(both), *_agreement(pd.crosstab(both[one], both[other]).to_numpy(), seed)))
    return pd.DataFrame(rows, columns=["one", "other", "customers", "cramers_v", "corrected", "low", "high", "p"])


def _agreement(counts: np.ndarray, seed: int) -> tuple[float, ...]:
    if min(counts.shape, default=0) < 2:
        return (np.nan,) * 5
    size = counts.sum()
    drawn = np.random.default_rng(seed).multinomial(size, counts.ravel() / size, _DRAWS).reshape(-1, *counts.shape)
    # a resample holds the chance of the sample and its own on top
    found = np.array([_corrected(counts), *(_corrected(table, times=2) for table in drawn)])
    (low,), (high,) = interval(found[:, None])
    plain = np.sqrt(_mean_square(counts) / (min(counts.shape) - 1))
    chance = max(chi2_contingency(counts, correction=False).pvalue, np.finfo(float).tiny)  # too small for a float
    return (plain, found[0], low, high, chance)


def _mean_square(counts: np.ndarray) -> float:
    """Return Pearson's mean square contingency, chi-squared over the number of customers."""
    shares = counts / counts.sum()
    expected = shares.sum(axis=1, keepdims=True) * shares.sum(axis=0, keepdims=True)
    return float(np.divide((shares - expected) ** 2, expected, out=np.zeros(shares.shape), where=expected > 0).sum())


def _corrected(counts: np.ndarray, times: int = 1) -> float:
    """Return Bergsma's V, less what chance adds to the mean square contingency as many times as there was chance."""
    size, (rows, columns) = counts.sum(), counts.shape
    by_chance = (rows - 1) * (columns - 1) / (size - 1)
    found = max(0.0, _mean_square(counts) - times * by_chance)
    fewer = min(k - (k - 1) ** 2 / (size - 1) for k in (rows, columns)) - 1
    return float(np.sqrt(min(1.0, found / fewer))) if fewer > 0 else np.nan
