"""Together: whether customers who have one thing have another more often than is to be expected, of the same kind."""

from __future__ import annotations

import numpy as np
from scipy import stats
from statsmodels.stats.contingency_tables import StratifiedTable

from bankmine.judging.intervals import around


def lift(both: np.ndarray, first: np.ndarray, second: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return how many times as often as all those with a first thing have a second, with its 95 % interval.

    From how many of `n` have both, the first, the second; on the scale of logarithms, by the delta method.
    """
    p, a, c = both / n, first / n, second / n
    value = p / (a * c)
    spread = p * (1 / p - 1 / a - 1 / c) ** 2 + (a - p) / a**2 + (c - p) / c**2 - 1
    low, high = around(np.log(value), np.sqrt(np.maximum(spread, 0) / n))
    return value, np.exp(low), np.exp(high)


def fisher(both: np.ndarray, first: np.ndarray, second: np.ndarray, n: int) -> np.ndarray:
    """Return Fisher's exact p of as many with both things or more, if one said nothing of the other."""
    return stats.hypergeom.sf(both - 1, n, first, second)


def pooled(first: np.ndarray, second: np.ndarray, stratum: np.ndarray) -> dict[str, float]:
    """Compare customers with a first thing to those without it, of the same stratum, by whether they have a second.

    The odds ratio of Mantel and Haenszel: `odds`, `low`, `high` (95 %), and `p` of none, of the test by their names.
    All are NaN where strata tell nothing. `first` and `second` are booleans, `stratum` a number from 0 on.
    Source: Robins, Breslow and Greenland, Biometrics 42 (1986), for the interval.
    """
    cells = np.bincount(stratum * 4 + 2 * ~first + ~second, minlength=4 * (stratum.max(initial=0) + 1))
    tables = cells.reshape(-1, 2, 2)
    tables = tables[(tables.sum(axis=1) > 0).all(axis=1) & (tables.sum(axis=2) > 0).all(axis=1)]
    if (
        not len(tables)
        or not (tables[:, 0, 0] * tables[:, 1, 1]).any()
        or not (tables[:, 0, 1] * tables[:, 1, 0]).any()
    ):
        return dict.fromkeys(("odds", "low", "high", "p"), np.nan)
    found = StratifiedTable(np.moveaxis(tables, 0, 2))
    low, high = found.oddsratio_pooled_confint()
    odds, p = found.oddsratio_pooled, found.test_null_odds().pvalue
    return {"odds": float(odds), "low": float(low), "high": float(high), "p": float(p)}
