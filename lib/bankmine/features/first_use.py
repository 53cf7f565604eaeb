"""First use of a channel: what customers did month by month, and in which month each of them began with the channel."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.spine import kept
from bankmine.features.touches import BOOKING, SESSION, TICKET, by_customer

_PANEL = 20_000
"""Customers whose months are looked at one by one."""


@dataclass(frozen=True)
class Months:
    """Months of customers: arrays with a row each, and a column a month, the last whole one last."""

    first: np.ndarray
    """The column of the month in which each began with the channel, beyond the last one for never."""
    since: np.ndarray
    """The column of the first whole month as a customer; below 0 where that was earlier."""
    active: np.ndarray
    """Whether anything was done."""
    errands: dict[str, np.ndarray]
    """Bookings and tickets by the channels of each name."""


def first_use(snapshot: Snapshot, channel: str, months: int, counted: Mapping[str, Collection[str]]) -> Months:
    """Lay out the last whole months of a panel of customers, and find out when each began with a channel."""
    last = (pd.Timestamp(snapshot.as_of) + pd.Timedelta(days=1)).to_period("M") - 1
    size = snapshot.customers.count().to_pyarrow().as_py()
    panel = by_customer(snapshot, (last - (months - 1)).start_time.date(), min(1.0, _PANEL / max(size, 1)))
    panel = panel.order_by("customer_id", "month", "channel")
    rows = kept(snapshot, f"{months} months by channel", [snapshot.as_of], panel.to_pandas)
    errands = rows[BOOKING] + rows[TICKET]
    rows = rows.assign(month=_number(rows["month"], last), errands=errands, done=errands + rows[SESSION])
    rows = rows[(rows["month"] <= 0) & (rows["done"] > 0)]
    if rows.empty:
        raise BankmineError("no channel was used in a whole month")
    begun, who = int(rows["month"].min()), pd.Index(rows["customer_id"].unique())
    joined = snapshot.customers.select("customer_id", "joined_on").to_pandas().set_index("customer_id")["joined_on"]
    first = rows[rows["channel"] == channel].groupby("customer_id")["month"].min().reindex(who).fillna(months)

    def wide(own: pd.DataFrame, of: str) -> np.ndarray:
        found = own.pivot_table(index="customer_id", columns="month", values=of, aggfunc="sum")
        return found.reindex(index=who, columns=range(begun, 1)).fillna(0.0).to_numpy(float)

    return Months(
        first.to_numpy() - begun, (_number(joined, last) + 1).reindex(who).to_numpy() - begun, wide(rows, "done") > 0,
        {name: wide(rows[rows["channel"].isin(own)], "errands") for name, own in counted.items()},
    )  # fmt: skip


def _number(days: pd.Series, last: pd.Period) -> pd.Series:
    """Return the numbers of the months of days: 0 for the last one, below it the ones before."""
    when = pd.to_datetime(days)
    return (when.dt.year - last.year) * 12 + when.dt.month - last.month
