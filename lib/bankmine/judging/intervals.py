"""Intervals of what was counted."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import binomtest, norm

CONFIDENCE = 0.95


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
