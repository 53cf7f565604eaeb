"""Periods: sums of bookings between the days at which the windows of a spine begin and end.

Windows overlap: with a window of a year at each of thirteen month ends, every booking lies in a dozen of them. So each
booking is summed up once, into the period between two neighbouring edges of windows; a window is a few periods.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection

import ibis
import ibis.expr.types as ir
from ibis.common.deferred import Deferred

from bankmine.features.spine import KEYS


def by_period(rows: ir.Table, spine: ir.Table, edges: Collection[int], measures: dict[str, Deferred]) -> ir.Table:
    """Aggregate rows between the edges of windows, and give each spine row the periods that its windows are made of.

    Parameters
    ----------
    rows : ir.Table
        `customer_id`, `date` and whatever is measured.
    spine : ir.Table
        `customer_id`, `day`. Its days are read at once, as the periods follow from them.
    edges : collection of int
        Days before the spine's day at which windows begin and end: 0 and 365 for the year up to the day.
    measures : dict of str to Deferred
        Aggregates of `rows`: `{"amount": ibis._.amount.sum()}`; `until` is the last day of a row's period.

    Returns
    -------
    ir.Table
        `customer_id`, `day`, `age` and the measures. A window from a to b days before the day, both among the edges, is
        made of the rows with `a <= age < b`. There is no row where nothing happened.
    """
    cuts = _cuts(spine, edges)
    inside = rows.filter(rows.date > ibis.literal(cuts[0]), rows.date <= ibis.literal(cuts[-1]))
    inside = inside.mutate(until=_until(inside.date, cuts[1:]))
    sums = inside.group_by("customer_id", "until").agg(**measures)
    joined = spine.select(*KEYS).inner_join(sums, "customer_id")
    joined = joined.mutate(age=joined.day.delta(joined.until, unit="day"))
    return joined.filter(joined.age >= min(edges), joined.age < max(edges)).select(*KEYS, "age", *measures)


def _cuts(spine: ir.Table, edges: Collection[int]) -> list[datetime.date]:
    """List the days at which a window begins or ends, in order; two of them at least, also for an empty spine."""
    days = spine.select("day").distinct().to_pyarrow()["day"].to_pylist() or [datetime.date(1900, 1, 1)]
    return sorted({day - datetime.timedelta(days=edge) for day in days for edge in edges})


def _until(date: ir.DateValue, ends: list[datetime.date]) -> ir.DateValue:
    """Return the last day of the period that a date lies in: a search by halves, so that many periods cost little."""
    if len(ends) == 1:
        return ibis.literal(ends[0])
    half = len(ends) // 2
    return (date <= ibis.literal(ends[half - 1])).ifelse(_until(date, ends[:half]), _until(date, ends[half:]))
