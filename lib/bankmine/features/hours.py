"""Hours: when customers log in, and at which hours of the day and of the week they do what they do."""

from __future__ import annotations

import datetime

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def log_ins(snapshot: Snapshot) -> ir.Table:
    """Say when each session began, `customer_id` and `at`; of visits that belong to none, each hour with one is one."""
    snapshot.require("events.at")
    e = snapshot.tables["events"]
    session = e["at"].truncate("h").cast("string")
    if "session_id" in e.columns:
        session = ibis.coalesce(e["session_id"].cast("string"), session)
    return e.group_by("customer_id", session=session).agg(at=e["at"].min()).drop("session")


def timed(times: ir.Table, after: datetime.date) -> ir.Table:
    """Keep what was after a day and has a time of day, which midnight sharp is not: `customer_id` and `at`."""
    told = times.filter(times["at"].cast("date") > ibis.literal(after), times["at"] != times["at"].truncate("D"))
    return told.select("customer_id", "at")


def by_week(times: ir.Table) -> list[pd.DataFrame]:
    """Count what was done, and of how many customers, by hour in rows and weekday in columns."""
    keys = {"hour": times["at"].hour(), "weekday": times["at"].day_of_week.index()}
    found = times.group_by(**keys).agg(n=times.count(), customers=times.customer_id.nunique()).to_pandas()
    if found.empty:
        raise BankmineError("no time of day is known of the last year")
    counted = [found.pivot_table(index="hour", columns="weekday", values=name) for name in ("n", "customers")]
    return [one.reindex(index=range(24), columns=range(7)).fillna(0.0).set_axis(_DAYS, axis=1) for one in counted]


def favourite(times: ir.Table) -> pd.Series:
    """Tell the hour around which each customer came most, an hour to each side counted in."""
    found = times.group_by("customer_id", hour=times["at"].hour()).agg(n=times.count()).to_pandas()
    if found.empty:
        raise BankmineError("no time of day is known of purchases or log-ins of the last year")
    counts = found.pivot_table(index="customer_id", columns="hour", values="n").reindex(columns=range(24)).fillna(0)
    near = counts + np.roll(counts, 1, axis=1) + np.roll(counts, -1, axis=1)
    return near.idxmax(axis=1).astype(float).rename("favourite_hour")
