"""Intervals of what was counted or measured, and how estimates with intervals are written for a page.

Rows of one customer are not independent of each other: wherever they are told apart, customers are drawn, or summed,
with all their rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from bankmine.judging.numbers import with_bounds
from bankmine.learning.sample import CONFIDENCE

_NONE = 1e-12
"""Standard error of a share that is rounding only: all clusters have the same share."""


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of `n`: Wilson's, and at none or all the exact one (Clopper and Pearson).

    Source: Journal of the American Statistical Association 22 (1927); Biometrika 26 (1934).
    """
    method = "wilson" if 0 < hits < n else "exact"
    found = stats.binomtest(int(hits), int(n)).proportion_ci(CONFIDENCE, method=method)
    return float(found.low), float(found.high)


def wilson_clustered(hit: pd.Series, cluster: pd.Series) -> tuple[float, float]:
    """Return the 95 % interval of a share of rows that come in clusters, as months of the same customers do.

    Wilson's interval for as many independent rows as would be as uncertain (Dean and Pagano, Journal of Survey
    Statistics and Methodology 3, 2015). Where all clusters are alike there is no variance to go by, and each counts as
    one row; at none or all the interval is exact, by clusters. NaN where there is no row.
    """
    by_cluster = hit.astype(float).groupby(pd.factorize(cluster, use_na_sentinel=False)[0])
    return share_by_cluster(by_cluster.sum().to_numpy(), by_cluster.size().to_numpy())[1:]


def share_by_cluster(hits: np.ndarray, rows: np.ndarray) -> tuple[float, float, float]:
    """Return a share, of which each cluster has so many `hits` of so many `rows`, and its interval by clusters.

    That is as of `wilson_clustered`; clusters without rows are none.
    """
    there = rows > 0
    hits, rows = hits[there], rows[there]
    if not len(rows):
        return np.nan, np.nan, np.nan
    share, whole = float(hits.sum() / rows.sum()), rows.sum()
    if share in (0.0, 1.0):
        return share, *wilson(round(share * len(rows)), len(rows))
    error = clustered_error((hits - share * rows) / whole, np.arange(len(rows)))
    n = min(share * (1 - share) / error**2, whole) if error > _NONE else len(rows)
    z = stats.norm.ppf((1 + CONFIDENCE) / 2)
    centre, half = share + z**2 / (2 * n), z * np.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    return share, float(centre - half) / (1 + z**2 / n), float(centre + half) / (1 + z**2 / n)


def mean_by_cluster(sums: pd.DataFrame, rows: np.ndarray) -> pd.DataFrame:
    """Return the `value` of means of rows, a column of sums by cluster each, with `low` and `high` by clusters."""
    mean = sums.sum() / rows.sum()
    error = clustered_error((sums - np.outer(rows, mean)).to_numpy() / rows.sum(), np.arange(len(rows)))
    low, high = around(mean, error)
    return pd.DataFrame({"value": mean, "low": low, "high": high})


def clustered_error(pull: np.ndarray, cluster: pd.Series | np.ndarray) -> np.ndarray:
    """Return the standard error of an estimate from what each row pulls it by, rows of a cluster added up.

    `pull`, of shape (rows,) or (rows, estimates), is the influence of the rows: for a mean (value − mean) / rows.
    Source: Cochran, Sampling Techniques (1977), 6.3, for ratios; Liang and Zeger, Biometrika 73 (1986), for models.
    """
    sums = pd.DataFrame(pull).groupby(pd.factorize(cluster, use_na_sentinel=False)[0]).sum().to_numpy()
    error = np.sqrt((sums**2).sum(axis=0) * len(sums) / max(len(sums) - 1, 1))
    return error if pull.ndim > 1 else error[0]


def around(
    estimate: float | np.ndarray, error: float | np.ndarray, freedom: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the 95 % interval of estimates from their standard errors: normal, or Student's t with its freedom."""
    low, high = stats.norm.interval(CONFIDENCE) if freedom is None else stats.t.interval(CONFIDENCE, freedom)
    return estimate + low * error, estimate + high * error


def means(values: pd.DataFrame, cluster: pd.Series) -> pd.DataFrame:
    """Return the `value` of the mean of each column, with `low` and `high`, of rows that come in clusters."""
    by_cluster = values.groupby(pd.factorize(cluster, use_na_sentinel=False)[0])
    return mean_by_cluster(by_cluster.sum(), by_cluster.size().to_numpy())


def of_mean(values: np.ndarray) -> tuple[float, float]:
    """Return Student's 95 % interval of a mean of independent values, two at least."""
    return around(values.mean(), stats.sem(values), len(values) - 1)


def of_median(values: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of a median by order statistics, exact whatever the distribution.

    Source: Conover, Practical Nonparametric Statistics (1999), 3.2. Of few values it holds less often than that.
    """
    ordered, n = np.sort(values), len(values)
    first = max(int(stats.binom.ppf((1 - CONFIDENCE) / 2, n, 0.5)) - 1, 0)
    return ordered[first], ordered[n - 1 - first]


def of_belief(drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the middle 95 % of what is believed, from draws of it in rows.

    Draws of a belief are no resamples: they have no bias against an estimate that `interval` could take out.
    """
    return tuple(np.quantile(drawn, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2), axis=0))


def with_interval(found: pd.DataFrame, name: str, spec: str = ".3f") -> pd.Series:
    """Write estimates with their intervals, as "0.71 (0.66–0.75)"; without one where it is not known.

    The ends of column `name` are those of its own, as `rate_low` and `rate_high`, or else `low` and `high`.
    """
    own = f"{name}_" if f"{name}_low" in found else ""
    value, low, high = found[name], found[f"{own}low"], found[f"{own}high"]
    between = " to " if (low < 0).any() else "–"  # a dash before a minus cannot be read
    told = [with_bounds(*row, spec, between) for row in zip(value, low, high, strict=True)]
    return pd.Series(told, index=value.index, dtype=object)


def wide(
    found: pd.DataFrame, metrics: Sequence[str] = (), spec: str = ".3f", index: str | list[str] = "model",
    columns: str = "metric",
) -> pd.DataFrame:  # fmt: skip
    """Lay a long table of `value`, `low` and `high` out: a row a model, a column a metric, each with its interval.

    Columns are `metrics` in this order, all where none is named; `spec` is the format of each number.
    """
    told = found.assign(told=with_interval(found, "value", spec))
    table = told.pivot_table(index=index, columns=columns, values="told", aggfunc="first", sort=False)
    return (table[list(metrics)] if len(metrics) else table).rename_axis(columns=None)


def shown(table: pd.DataFrame, **formats: str) -> pd.DataFrame:
    """Return a table that says how its columns are written on a page: name -> format, as `share=".1%"`."""
    told = table.copy()
    told.attrs["formats"] = table.attrs.get("formats", {}) | formats
    return told


def draws(entities: int, rounds: int, seed: int = 0) -> np.ndarray:
    """Draw entities with replacement: the cluster bootstrap, in which all rows of an entity come or go together.

    Returns how often each was drawn, shape (entities, 1 + rounds); the first column is the sample itself, all ones. One
    entity alone comes in every draw, which tells nothing: it is not drawn, so that there is no interval.
    Source: Field and Welsh, Journal of the Royal Statistical Society B 69 (2007).
    """
    rng, rounds = np.random.default_rng(seed), rounds if entities > 1 else 0
    counts = np.ones((1 + rounds, entities), dtype=np.float32)
    for i in range(1, 1 + rounds):
        counts[i] = np.bincount(rng.integers(0, entities, entities), minlength=entities)
    return np.ascontiguousarray(counts.T)


def interval(values: np.ndarray, units: np.ndarray | float = np.nan) -> tuple[np.ndarray, np.ndarray]:
    """Return the 95 % interval of figures from their resampled values, shape (1 + rounds, …), the sample itself first.

    The percentiles are moved by the bias of the bootstrap, since figures that pick a maximum, as Kolmogorov-Smirnov, or
    profit from repeated events, as average precision, come out higher in a resample than in the sample (BC: Efron,
    Canadian Journal of Statistics 9, 1981). Rounds that are NaN do not count; NaN without rounds or figure.

    A share that is 0 or 1 is so in every resample, which tells nothing: its interval is the exact one (Clopper and
    Pearson) of as many `units` as it is a mean of, as entities that had the event. NaN for figures that are no shares.
    """
    estimate, rounds = values[0], values[1:]
    if not len(rounds):
        return np.full_like(estimate, np.nan), np.full_like(estimate, np.nan)
    known = np.isfinite(rounds).sum(axis=0)
    below = (rounds < estimate).sum(axis=0) + 0.5 * (rounds == estimate).sum(axis=0)
    bias = stats.norm.ppf((below + 0.5) / (known + 1))
    low, high = (_quantile(rounds, stats.norm.cdf(2 * bias + z)) for z in stats.norm.interval(CONFIDENCE))
    exact = ((1 - CONFIDENCE) / 2) ** (1 / np.maximum(units, 1))
    none, all_ = (np.isclose(estimate, end) & np.isfinite(exact) for end in (0.0, 1.0))
    return np.where(all_, np.fmin(exact, low), low), np.where(none, np.fmax(1 - exact, high), high)


def _quantile(rounds: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return a quantile of each column, at a share of its own; NaN sort last and are left out."""
    ordered, known = np.sort(rounds, axis=0), np.isfinite(rounds).sum(axis=0)
    place = np.clip(share * (known + 1) - 1, 0, np.maximum(known - 1, 0))
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, np.maximum(known - 1, 0))
    at = [np.take_along_axis(ordered, i[None], axis=0)[0] for i in (low, high)]
    return np.where(known > 0, at[0] + (place - low) * (at[1] - at[0]), np.nan)
