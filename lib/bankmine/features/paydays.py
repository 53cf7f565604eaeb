"""Paydays: when each customer's salary or pension comes, taken from the days on which it came."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bankmine.bank.contract import INCOME_KINDS
from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.bookings import booked_months
from bankmine.features.spine import kept

_PAYMENTS, _EARLY, _LATE = 3, 7, 3
"""Payments from which a payday is known; days by which one may be early, as ahead of holidays, or late."""
_MAPPED = f"pay is told by the kinds {' and '.join(INCOME_KINDS)}; a source gives its own words for pay these names in "
_MAPPED += "its transactions.sql, as in CASE booking_text WHEN 'wages' THEN 'salary' END AS kind"


def paydays(snapshot: Snapshot) -> pd.DataFrame:
    """List pay that came as usual, once a month: `customer_id`, `date`, `month`, `payday` and how `regular`.

    The payday is the most frequent day of the month. Regular is the share of the months from the first to the last such
    payment in which it came then, or up to a week before, as ahead of holidays; NaN below three. No bonus counts, nor
    months of which the bank has no booking.
    """
    if not snapshot.has("transactions.kind"):
        raise BankmineError(f"the source has no transactions.kind, and {_MAPPED}")
    return kept(snapshot, "paydays", [snapshot.as_of], lambda: _paydays(snapshot))


def usual_payday(snapshot: Snapshot) -> pd.DataFrame:
    """Tell of each customer who is paid: `payday`, where it is known, and how regular it is, `payday_regular`."""
    last = paydays(snapshot).drop_duplicates("customer_id", keep="last").set_index("customer_id")
    payday = last["payday"].where(last["regular"].notna()).astype(float)
    return pd.DataFrame({"payday": payday, "payday_regular": last["regular"]})


def _paydays(snapshot: Snapshot) -> pd.DataFrame:
    t, owned = snapshot.transactions, snapshot.accounts.select("account_id", "customer_id")
    t = t.filter(t.direction == "in", t.kind.isin(INCOME_KINDS)).inner_join(owned, "account_id")
    pay = t.select("customer_id", date=t["at"].cast("date")).distinct().to_pandas()
    if pay.empty:
        raise BankmineError(f"no booking is told to be pay: {_MAPPED}")
    pay = pay.assign(date=pd.to_datetime(pay["date"])).sort_values(["customer_id", "date"], ignore_index=True)
    often = pay.groupby(["customer_id", pay["date"].dt.day.rename("of")]).size().reset_index(name="n")
    pay["payday"] = pay["customer_id"].map(often.sort_values(["n", "of"]).groupby("customer_id")["of"].last())
    due = [_due(pay["date"].dt.to_period("M") + ahead, pay["payday"]) for ahead in (-1, 0, 1)]
    late = np.column_stack([(pay["date"] - day).dt.days for day in due])
    nearest = np.abs(late).argmin(axis=1)
    pay["late"] = late[np.arange(len(late)), nearest]
    pay["month"] = pay["date"].dt.year * 12 + pay["date"].dt.month + nearest - 1
    pay = pay[pay["late"].between(-_EARLY, _LATE)]
    pay = pay.assign(off=pay["late"].abs()).sort_values(["customer_id", "month", "off"])
    pay = pay.drop_duplicates(["customer_id", "month"])
    booked = booked_months(snapshot)
    known = np.union1d(booked.year * 12 + booked.month, pay["month"])
    month = pay.assign(place=np.searchsorted(known, pay["month"])).groupby("customer_id")["place"]
    regular = (month.size() / (month.max() - month.min() + 1)).where(month.size() >= _PAYMENTS)
    return pay.assign(regular=pay["customer_id"].map(regular))[["customer_id", "date", "month", "payday", "regular"]]


def _due(month: pd.Series, day: pd.Series) -> pd.Series:
    """Return a day of each month, the last where it has no such day."""
    return month.dt.to_timestamp() + pd.to_timedelta(np.minimum(day, month.dt.days_in_month) - 1, "D")
