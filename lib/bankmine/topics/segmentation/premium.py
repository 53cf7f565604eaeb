"""Premium customers (优质客户): who holds the margin, who stays at the top, and what sets the best customers apart.

Margins are series indexed by customer, from `features/value.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bankmine.features.value import places
from bankmine.judging.intervals import around, draws, interval, wilson

FEWEST = 10
"""Customers of each group without which a difference between groups says nothing."""
_DRAWS = 300


@dataclass(frozen=True)
class Estimate:
    """A share of customers or of margin, its interval of 95 %, and what chance alone would give."""

    share: float
    low: float
    high: float
    chance: float


def tier_table(margin: pd.Series, tier: pd.Series) -> pd.DataFrame:
    """Say of each tier what it brings in; `from_margin` is the smallest of the tier.

    `share_of_total` may exceed 1, as others cost more than they bring in.
    """
    value = margin.fillna(0.0).groupby(tier, observed=False)
    table = pd.DataFrame(
        {"customers": value.size(), "from_margin": value.min(), "mean": value.mean(), "total": value.sum()}
    )
    table.insert(1, "share", table["customers"] / max(len(margin), 1))
    return table.assign(share_of_total=table["total"] / table["total"].sum())


def pareto_share(margin: pd.Series, top: float = 0.2, seed: int = 0) -> Estimate:
    """Estimate the share of all positive margins that the top share of customers holds.

    The interval is that of the bootstrap over customers (`intervals.interval`). By chance, that is with equal
    margins, the top holds its own share.
    """
    value = _largest_first(margin)
    if not value.sum():
        return Estimate(np.nan, np.nan, np.nan, top)
    found = np.array([_held(value, drawn, top) for drawn in draws(len(value), _DRAWS, seed).T])
    low, high = interval(found[:, None])
    return Estimate(found[0], float(low[0]), float(high[0]), top)


def persistence(before: pd.Series, now: pd.Series, top: float = 0.1) -> Estimate:
    """Estimate which share of the top by an earlier margin is in the top by the later one, with Wilson's interval.

    The windows of the two margins should not overlap. Who is not known any more has not persisted. `chance` is the
    share of the customers of then who are in the top now, which a draw at random would give.
    """
    early, late = top_of(before, top), top_of(now, top)
    return _shared(early, late, before.index)


def top_of(value: pd.Series, share: float = 0.1) -> pd.Index:
    """List the customers with the largest values, a share of all whose value is known."""
    known = value.dropna()
    return known.index[places(known) < round(share * len(known))]


def overlap(margin: pd.Series, other: pd.Series, top: float = 0.1) -> Estimate:
    """Estimate which share of the top by margin is in the top by something else, such as the balance."""
    return _shared(top_of(margin, top), top_of(other.reindex(margin.index), top), margin.index)


def near_premium(tier: pd.Series, margin: pd.Series, band: float = 0.02) -> pd.Index:
    """List the customers just below the cut of the highest tier, the nearest first: a share (`band`) of all customers.

    Only those with a positive margin count.
    """
    below = margin[(tier != tier.cat.categories[0]) & (margin > 0)]
    return below.sort_index().sort_values(ascending=False, kind="stable").index[: int(np.ceil(band * len(margin)))]


def separation(features: pd.DataFrame, one: pd.Index, other: pd.Index) -> pd.DataFrame:
    """Compare two groups of customers by every feature: what sets one apart, the largest difference first.

    Differences are in pooled standard deviations, with Hedges' correction and interval (Hedges and Olkin, Statistical
    Methods for Meta-Analysis, 1985, chapter 5). Values are first cut at the 2nd and 98th percentile of both groups, so
    that a few large amounts do not make the deviation. `one` and `other` are medians. Features that are constant, or
    unknown for most of a group, are left out; all of them where a group has fewer than `FEWEST` customers.
    """
    rows = {name: _difference(features.loc[one, name], features.loc[other, name]) for name in features.columns}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["one", "other", "difference", "low", "high"]).dropna()
    return table.sort_values("difference", key=lambda d: -d.abs(), kind="stable").rename_axis("feature")


def _largest_first(margin: pd.Series) -> np.ndarray:
    return np.sort(margin.fillna(0.0).clip(lower=0).to_numpy())[::-1]


def _shared(one: pd.Index, other: pd.Index, among: pd.Index) -> Estimate:
    if not len(one):
        return Estimate(np.nan, np.nan, np.nan, np.nan)
    both, possible = len(one.intersection(other)), len(other.intersection(among))
    return Estimate(both / len(one), *wilson(both, len(one)), possible / len(among))


def _held(value: np.ndarray, drawn: np.ndarray, top: float) -> float:
    """Return the share held by the top of sorted values, each drawn some times."""
    room = top * drawn.sum() - (drawn.cumsum() - drawn)
    total = (value * drawn).sum()
    return float((value * np.clip(room, 0, drawn)).sum() / total) if total else np.nan


def _difference(one: pd.Series, other: pd.Series) -> tuple[float, ...]:
    """Return both medians, the standardised difference and its interval; not a number where it cannot be told."""
    known = [x.dropna().astype(float) for x in (one, other)]
    counts = [len(x) for x in known]
    if counts[0] < len(one) / 2 or counts[1] < len(other) / 2 or min(counts) < FEWEST:
        return (np.nan,) * 5
    low, high = np.quantile(np.concatenate(known), (0.02, 0.98))
    cut = [x.clip(low, high) for x in known]
    freedom = sum(counts) - 2
    pooled = np.sqrt(sum(x.var() * (len(x) - 1) for x in cut) / freedom)
    if not pooled > 1e-12 * max(abs(low), abs(high)):
        return (np.nan,) * 5
    d = (cut[0].mean() - cut[1].mean()) / pooled * (1 - 3 / (4 * freedom - 1))
    error = np.sqrt(sum(counts) / np.prod(counts, dtype=float) + d**2 / (2 * sum(counts)))
    return (known[0].median(), known[1].median(), d, *around(d, error))
