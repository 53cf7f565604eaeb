"""Event study: what customers did month by month before and after they began with something, beside those who did not.

Of each month in which some began, the others are who had not begun half a year later and did something in that month,
too; months are weighted by how many began in them. It describes: who begins may be about to change anyway.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bankmine.errors import BankmineError
from bankmine.judging.intervals import around

SPAN, _FEWEST = 6, 2
"""Months looked at before the first one, and after it; customers without whom there is no interval."""
BEGAN, OTHERS, DIFFERENCE = "began", "did not begin", "difference"


def event_study(counts: np.ndarray, first: np.ndarray, since: np.ndarray, active: np.ndarray) -> pd.DataFrame:
    """Return the mean of counts by month around the first, of who began and of the others, with 95 % intervals.

    `counts` and `active` (did anything) have a row a customer and a column a month; `first` is the month in which each
    began, beyond the last column for never; `since` the month from which each was a customer. The result has `who`,
    `month` (-6 to 6), `value`, `low`, `high` and `customers`, and rows with `month` missing: how much higher the mean
    is after the first month than before it, and of how many more that is of who began than of the others.
    """
    steps, columns = np.arange(-SPAN, SPAN + 1), counts.shape[1]
    begun, did, would, weighted = [], [], [], np.zeros((len(counts), len(steps)))
    for month in range(SPAN, columns - SPAN):
        known, window = since <= month - SPAN, counts[:, month - SPAN : month + SPAN + 1]
        own, others = known & (first == month), known & (first > month + SPAN) & active[:, month]
        if own.any() and others.sum() > 1:
            mean, n = window[others].mean(axis=0), others.sum()
            weighted[others] += own.sum() * (window[others] - mean) / np.sqrt(n * (n - 1))
            begun.append(np.flatnonzero(own))
            did.append(window[own])
            would.append(np.tile(mean, (own.sum(), 1)))
    if sum(map(len, begun)) < _FEWEST:
        raise BankmineError(f"fewer than {_FEWEST} began whom the data show for {SPAN} months before and after")
    begun, did, would = np.concatenate(begun), np.concatenate(did), np.concatenate(would)
    n, change = len(did), np.sign(steps) / SPAN
    parts, compared = [], int((weighted != 0).any(axis=1).sum())
    for who, values, people in ((BEGAN, did, n), (OTHERS, would, compared), (DIFFERENCE, did - would, n)):
        means, pulls = values.mean(axis=0), np.zeros(weighted.shape)
        if who != OTHERS:
            pulls[begun] = (values - means) / np.sqrt(n * (n - 1))
        if who != BEGAN:
            pulls += weighted / n * (1 if who == OTHERS else -1)
        told = {"who": who, "customers": people}
        parts.append(_with_ends(means, pulls, n - 1).assign(month=steps.astype(float), **told))
        parts.append(_with_ends(means @ change[:, None], pulls @ change[:, None], n - 1).assign(month=np.nan, **told))
    return pd.concat(parts, ignore_index=True)


def _with_ends(values: np.ndarray, pulls: np.ndarray, freedom: int) -> pd.DataFrame:
    """Return values with their intervals; a row of pulls is all that one customer adds, to both sides."""
    low, high = around(values, np.sqrt((pulls**2).sum(axis=0)), freedom)
    return pd.DataFrame({"value": values, "low": low, "high": high})
