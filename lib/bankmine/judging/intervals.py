"""Intervals of what was counted, and how estimates with intervals are written for a page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import binomtest, norm

CONFIDENCE = 0.95
MISSING = "n/a"


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of `n` (Wilson, Journal of the American Statistical Association 22, 1927)."""
    found = binomtest(int(hits), int(n)).proportion_ci(CONFIDENCE, method="wilson")
    return float(found.low), float(found.high)


def wilson_clustered(hit: pd.Series, cluster: pd.Series) -> tuple[float, float]:
    """Return the 95 % interval of a share of rows that come in clusters, as months of the same customers do.

    Wilson's interval for as many independent rows as would be as uncertain (Dean and Pagano, Journal of Survey
    Statistics and Methodology 3, 2015), by the variance of a ratio over clusters (Cochran, Sampling Techniques, 1977,
    section 6.3). Where all rows are alike there is no variance to go by, and a cluster counts as one row.

    Parameters
    ----------
    hit : pd.Series
        Whether it holds, one entry a row.
    cluster : pd.Series
        What each row belongs to, same index.

    Returns
    -------
    tuple of float
        Not a number where there is no row.
    """
    if not len(hit):
        return np.nan, np.nan
    share, rows = float(hit.mean()), len(hit)
    sums = hit.astype(float).groupby(cluster.to_numpy()).agg(["sum", "size"])
    spread = float(((sums["sum"] - share * sums["size"]) ** 2).sum()) * len(sums) / max(len(sums) - 1, 1)
    n = min(share * (1 - share) * rows**2 / spread, rows) if spread > 0 else len(sums)
    z = norm.ppf((1 + CONFIDENCE) / 2)
    centre, half = share + z**2 / (2 * n), z * np.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    return float(centre - half) / (1 + z**2 / n), float(centre + half) / (1 + z**2 / n)


def with_interval(value: pd.Series, low: pd.Series, high: pd.Series, spec: str = ".3f") -> pd.Series:
    """Write estimates with their intervals, as "0.71 (0.66–0.75)"; without one where it is not known."""
    between = " to " if (low < 0).any() else "–"  # a dash before a minus cannot be read
    spans = [
        "" if pd.isna(a) or pd.isna(b) else f" ({a:{spec}}{between}{b:{spec}})" for a, b in zip(low, high, strict=True)
    ]
    told = [MISSING if pd.isna(v) else f"{v:{spec}}{span}" for v, span in zip(value, spans, strict=True)]
    return pd.Series(told, index=value.index, dtype=object)


def wide(
    found: pd.DataFrame, metrics: Sequence[str] = (), spec: str = ".3f", index: str | list[str] = "model",
    columns: str = "metric",
) -> pd.DataFrame:  # fmt: skip
    """Lay a long table of `value`, `low` and `high` out: a row a model, a column a metric, each with its interval.

    Parameters
    ----------
    found : pd.DataFrame
        `value`, `low`, `high`, and the columns that are named here.
    metrics : sequence of str
        Columns wanted, in this order; all where none is named.
    spec : str
        Format of each number.
    index, columns : str or list of str
        What makes a row, and what a column.
    """
    told = found.assign(told=with_interval(found["value"], found["low"], found["high"], spec))
    table = told.pivot_table(index=index, columns=columns, values="told", aggfunc="first", sort=False)
    return (table[list(metrics)] if len(metrics) else table).rename_axis(columns=None)


def shown(table: pd.DataFrame, **formats: str) -> pd.DataFrame:
    """Return a table that says how its columns are written on a page: name -> format, as `share=".1%"`."""
    told = table.copy()
    told.attrs["formats"] = table.attrs.get("formats", {}) | formats
    return told
