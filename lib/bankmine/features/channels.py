"""Channels: through which customers book of their own accord, month by month, and the main one of each on a day."""

from __future__ import annotations

import datetime
from collections.abc import Collection

import pandas as pd
from ibis import _

from bankmine.bank.contract import CHANNELS
from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.customers import customer_tables

OWN = tuple(channel for channel in CHANNELS if channel != "internal")
FEWEST = 3
"""Of bookings, or of whatever else is counted, that a customer has at least, before most of them say something."""
_DONE = 0.05
"""Share of what is done in two channels that must be done in one before it can be done there at all."""


def by_month(snapshot: Snapshot, since: datetime.date) -> pd.DataFrame:
    """Return the share of each channel, a column each, in the bookings that customers started, a row a month."""
    snapshot.require("transactions.channel")
    rows = snapshot.transactions.filter(_.channel.isin(OWN), _["at"] >= pd.Timestamp(since))
    counted = rows.group_by(month=_["at"].truncate("M"), channel=_.channel).agg(bookings=_.count())
    found = counted.order_by("month", "channel").to_pandas()
    if found.empty:
        raise BankmineError("no booking tells its channel")
    wide = found.pivot_table(index="month", columns="channel", values="bookings", fill_value=0.0)
    return wide.div(wide.sum(axis=1), axis=0)


def main(snapshot: Snapshot, days: dict[str, datetime.date]) -> pd.DataFrame:
    """Return the main channel in the 90 days up to each day, a column each, of each customer; none where none leads."""
    snapshot.require("transactions.channel")
    tables, names = customer_tables(snapshot, list(days.values())), {f"channel_{c}_count_90d": c for c in OWN}
    counts = {when: tables[day].reindex(columns=list(names)).fillna(0) for when, day in days.items()}
    return pd.DataFrame({when: leading(count.rename(columns=names)) for when, count in counts.items()})


def leading(counts: pd.DataFrame) -> pd.Series:
    """Return the column that leads each row: none where the row adds up to fewer than `FEWEST`, or two lead."""
    leads = counts.eq(counts.max(axis=1), axis=0)
    return counts.idxmax(axis=1).where((counts.sum(axis=1) >= FEWEST) & (leads.sum(axis=1) == 1))


def could_move(
    snapshot: Snapshot, since: datetime.date, there: str, elsewhere: str, beside: Collection[str]
) -> pd.DataFrame:
    """Count by `kind` what customers had done in one channel, `there`, of what is done `elsewhere` as well.

    `could` leaves out who has nothing done elsewhere, or in channels `beside` it. Counted is money that leaves: what
    comes in is the other end of it.
    """
    snapshot.require("transactions.channel", "transactions.kind")
    owners = snapshot.accounts.select("account_id", "customer_id")
    rows = snapshot.transactions.filter(_["at"] >= pd.Timestamp(since), _.direction == "out", _.kind.notnull())
    rows = rows.filter(_.channel.isin((there, elsewhere, *beside))).inner_join(owners, "account_id")
    others = rows.filter(_.channel != there).select("customer_id").distinct().mutate(others=True)
    found = rows.left_join(others, "customer_id").group_by("kind").agg(
        there=(_.channel == there).sum(), elsewhere=(_.channel == elsewhere).sum(),
        could=((_.channel == there) & _.others.notnull()).sum(),
    )  # fmt: skip
    table = found.order_by("kind").to_pandas().set_index("kind")
    table = table[(table["there"] > 0) & (table["elsewhere"] >= _DONE * (table["elsewhere"] + table["there"]))]
    if table.empty:
        raise BankmineError(f"nothing that is done by {there} is done by {elsewhere} as well")
    return table
