"""Event study: what customers did month by month before and after they began with something, beside those who did not.

Of each month in which some began, the others are who had not begun half a year later and did something in that month,
too; months are weighted by how many began in them. It describes: who begins may be about to change anyway.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bankmine.errors import BankmineError
from bankmine.judging.intervals import around

SPAN = 6
"""Months looked at before the first one, and after it."""
BEGAN, OTHERS, DIFFERENCE = "began", "did not begin", "difference"


def event_study(counts: np.ndarray, first: np.ndarray, since: np.ndarray, active: np.ndarray) -> pd.DataFrame:
    """Return the mean of counts by month around the first, of who began and of the others, with 95 % intervals.

    `counts` and `active` (did anything) have a row a customer and a column a month; `first` is the month in which each
    began, beyond the last column for never; `since` the month from which each was a customer. The result has `who`,
    `month` (-6 to 6), `value`, `low`, `high` and `customers`, and rows with `month` missing: how much higher the mean
    is after the first month than before it, and of how many more that is of who began than of the others.
    """
    steps, columns = np.arange(-SPAN, SPAN + 1), counts.shape[1]
    pulls = {who: np.zeros((len(counts), len(steps))) for who in (BEGAN, OTHERS)}
    values, people = {who: np.zeros(len(steps)) for who in pulls}, {who: np.zeros(len(counts), bool) for who in pulls}
    groups = {}
    for month in range(SPAN, columns - SPAN):
        known = since <= month - SPAN
        both = {BEGAN: known & (first == month), OTHERS: known & (first > month + SPAN) & active[:, month]}
        groups |= {month: both} if all(rows.any() for rows in both.values()) else {}
    whole = sum(both[BEGAN].sum() for both in groups.values())
    if not whole:
        raise BankmineError(f"nobody began whom the data show for {SPAN} months before and after, beside others")
    for month, both in groups.items():
        window, weight = counts[:, month - SPAN : month + SPAN + 1], both[BEGAN].sum() / whole
        for who, rows in both.items():
            mean = window[rows].mean(axis=0)
            values[who] += weight * mean
            pulls[who][rows] += weight * (window[rows] - mean) / rows.sum()
            people[who] |= rows
    change = np.where(steps > 0, 1, -1) * (steps != 0) / SPAN
    parts = [_part(who, steps, values[who], pulls[who], people[who].sum()) for who in pulls]
    parts += [
        _part(who, [np.nan], [values[who] @ change], pulls[who] @ change[:, None], people[who].sum()) for who in pulls
    ]
    more = (values[BEGAN] - values[OTHERS]) @ change
    pull = (pulls[BEGAN] - pulls[OTHERS]) @ change[:, None]
    return pd.concat([*parts, _part(DIFFERENCE, [np.nan], [more], pull, whole)], ignore_index=True)


def _part(who: str, steps: np.ndarray, values: np.ndarray, pulls: np.ndarray, customers: int) -> pd.DataFrame:
    low, high = around(np.asarray(values), np.sqrt((pulls**2).sum(axis=0)))  # a row of pulls is a customer: a cluster
    told = {"who": who, "month": np.asarray(steps, float), "value": values, "low": low, "high": high}
    return pd.DataFrame(told | {"customers": int(customers)})
