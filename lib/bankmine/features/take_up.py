"""Taking up a channel: when customers first use it, and what they do month by month before and after."""

from __future__ import annotations

import pandas as pd
from ibis import _

from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.channels import OWN
from bankmine.features.spine import kept
from bankmine.features.value import monthly_margin, rules_of, whole_months

OWN_BOOKINGS, COUNTERS = "own bookings", "bookings at branch and cash machine"
OTHER_BOOKINGS, MARGIN = "bookings that start by themselves", "margin"
_BOOKED = {OWN_BOOKINGS: OWN, COUNTERS: ("branch", "atm"), OTHER_BOOKINGS: ("internal",)}
MOST = 60
"""Months looked at."""


def first_sessions(snapshot: Snapshot, channel: str) -> pd.Series:
    """Fetch the month of the first session of each customer in a channel, missing where there is none."""
    snapshot.require("events.channel")
    own = snapshot.events.filter(_.channel == channel).group_by("customer_id").agg(first=_["at"].min().cast("date"))
    found = snapshot.customers.select("customer_id").distinct().left_join(own, "customer_id")
    told = found.select("customer_id", "first").order_by("customer_id").to_pandas().set_index("customer_id")["first"]
    return pd.to_datetime(told).dt.to_period("M")


def by_month(snapshot: Snapshot) -> dict[str, pd.DataFrame]:
    """Fetch what customers do, a row a customer, a column a whole month; 0 where nothing is booked.

    Bookings that a customer started, those at the counters, those that start by themselves, and the bank's margin.
    """
    snapshot.require("transactions.channel")
    months = whole_months(snapshot, pd.Period(snapshot.as_of, "M") - int(not _month_is_over(snapshot)), MOST)
    since = months[0].start_time.date()

    def computed() -> pd.DataFrame:
        owners = snapshot.accounts.select("account_id", "customer_id")
        rows = snapshot.transactions.filter(_["at"] >= pd.Timestamp(since)).inner_join(owners, "account_id")
        booked = rows.group_by(group=rows.customer_id, month=rows["at"].truncate("M").cast("date")).agg(
            **{what: rows.channel.isin(channels).sum() for what, channels in _BOOKED.items()}
        )
        everybody = snapshot.customers.select("customer_id", group=snapshot.customers.customer_id)
        earned = monthly_margin(snapshot, everybody, since).to_pandas()
        both = earned.assign(month=pd.to_datetime(earned["month"])).merge(
            booked.to_pandas().assign(month=lambda t: pd.to_datetime(t["month"])), on=["group", "month"], how="outer"
        )
        return both.sort_values(["group", "month"], ignore_index=True).fillna(0.0)

    found = kept(snapshot, "by customer and month", [snapshot.as_of], computed, rules_of(snapshot))
    found = found.assign(month=pd.to_datetime(found["month"]).dt.to_period("M"))
    people = snapshot.customers.select("customer_id").distinct().order_by("customer_id").to_pandas()["customer_id"]
    if found.empty:
        raise BankmineError("nothing is booked, so nothing can have changed")
    return {
        what: found.pivot_table(index="group", columns="month", values=what, aggfunc="sum")
        .reindex(index=people, columns=months).fillna(0.0).astype(float)
        for what in (*_BOOKED, MARGIN)
    }  # fmt: skip


def _month_is_over(snapshot: Snapshot) -> bool:
    return pd.Timestamp(snapshot.as_of).is_month_end
