"""Panels: what customers do month by month around the one in which they take something up, and others not yet do.

A row is a customer in a month in which it might take it up: it has been there long enough without, and did something of
its own accord in that month, so that nobody is compared who has gone. The others are those who do not take it up in
that month, whether they do later or not: who does so is not known in advance. What a customer does in the month itself
is in neither window.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bankmine.errors import BankmineError
from bankmine.judging.adjusted import Contrast, difference


def taken_up(first: pd.Series, joined: pd.Series, there: pd.DataFrame, window: int) -> pd.DataFrame:
    """Return a row a customer and month in which it might take something up: `customer_id`, `month`, `treated`.

    `first` and `joined` are months by customer, `there` says by customer and month who did anything. `window` is how
    many months it must have been without before, and is looked at after.
    """
    parts = []
    for month in there.columns[window : len(there.columns) - window]:
        might = (first.isna() | (first >= month)) & (joined <= month - window) & there[month]
        own = first.index[might]
        parts.append(pd.DataFrame({"customer_id": own, "month": month, "treated": (first[own] == month).to_numpy()}))
    found = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    if found.empty:
        raise BankmineError(f"no customer has been without it for {window} months, with as many months after that")
    return found


def lagged(panel: pd.DataFrame, rows: pd.DataFrame, lags: Sequence[int]) -> pd.DataFrame:
    """Return what each row's customer did so many months after its month, or before it: a column a lag."""
    values, place = panel.to_numpy(float), panel.index.get_indexer(rows["customer_id"])
    month = panel.columns.get_indexer(rows["month"])
    found = {}
    for lag in lags:
        at = month + lag
        inside = (at >= 0) & (at < values.shape[1])
        found[lag] = np.where(inside, values[place, np.clip(at, 0, values.shape[1] - 1)], np.nan)
    return pd.DataFrame(found, rows.index)


def by_lag(rows: Contrast, months: pd.DataFrame, before: Sequence[int], weight: pd.Series) -> pd.DataFrame:
    """Estimate by how much more the treated changed than the others since the months `before`, lag by lag.

    `months` is of `lagged`; a row a lag: `lag`, `value`, `low`, `high`. Source: Callaway and Sant'Anna, Journal of
    Econometrics 225 (2021), with weights for who takes it up when.
    """
    told = []
    for lag in months:
        there = months[lag].notna().to_numpy()
        change = (months[lag] - months[list(before)].mean(axis=1))[there]
        own = Contrast(rows.known[there], rows.treated[there], change, rows.entity[there], rows.of)
        none = pd.DataFrame(0.0, change.index, ["with_", "without"])
        told.append({"lag": lag} | difference(own, weight[there], none))
    return pd.DataFrame(told)
