"""Intervals of what was counted."""

from __future__ import annotations

from scipy.stats import binomtest

CONFIDENCE = 0.95


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of `n` (Wilson, Journal of the American Statistical Association 22, 1927)."""
    found = binomtest(int(hits), int(n)).proportion_ci(CONFIDENCE, method="wilson")
    return float(found.low), float(found.high)
