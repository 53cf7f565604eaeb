"""Waited: how long it takes until half of what was opened is settled, where some of it is still open."""

from __future__ import annotations

import numpy as np
from lifelines import KaplanMeierFitter
from lifelines.utils import median_survival_times

from bankmine.learning.sample import CONFIDENCE


def median_waited(days: np.ndarray, settled: np.ndarray, counts: np.ndarray) -> tuple[float, float, float]:
    """Return the median of days until things are settled, with its 95 % interval; NaN where that is not known yet.

    Each of `counts` things was settled after so many days, or had been open for so long. Kaplan and Meier, Journal of
    the American Statistical Association 53 (1958), with log-log intervals.
    """
    fitted = KaplanMeierFitter(alpha=1 - CONFIDENCE).fit(
        days.astype(float), settled.astype(bool), weights=counts.astype(int)
    )
    ends = median_survival_times(fitted.confidence_interval_).iloc[0]
    found = np.array([fitted.median_survival_time_, *ends], dtype=float)
    return tuple(np.where(np.isfinite(found), found, np.nan))
