"""Spine: the rows (customer, day) of which features are computed, and what happened in windows before each day.

Windows overlap: with a window of a year at each of thirteen month ends, every booking lies in a dozen of them. So each
booking is summed up once, into the period between two neighbouring edges of windows, and a window is a few periods;
which is what makes hundreds of features on a dozen days cheap.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Sequence

import ibis
import ibis.expr.types as ir
import joblib
import pandas as pd
from ibis.common.deferred import Deferred

from bankmine.bank import cache
from bankmine.bank.kept import kept_frame
from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError

WINDOWS = (30, 90, 180, 365)
"""Lengths in days; the spine's day is the last of them."""

KEYS = ("customer_id", "day")
_DIGITS = 8


def spine_of(snapshot: Snapshot, days: Sequence[datetime.date] = ()) -> ir.Table:
    """Pair every customer known on a day with that day; days are the snapshot's own or earlier, by default its own."""
    days = list(days) or [snapshot.as_of]
    if late := [d for d in days if d > snapshot.as_of]:
        raise BankmineError(f"The snapshot knows nothing after {snapshot.as_of}: take {late[0]} out of the spine.")
    each = ibis.array([ibis.literal(d) for d in days]).unnest()
    pairs = snapshot.customers.select("customer_id", "joined_on", day=each)
    return pairs.filter(pairs.joined_on <= pairs.day).select(*KEYS)


def drawn(entity: ir.StringValue, share: float) -> ir.BooleanValue:
    """Say who is in a panel of about a share of all: by a digest of the id, so that it is the same ones each month."""
    return entity.hexdigest("md5").substr(0, _DIGITS) < f"{round(share * 16**_DIGITS):0{_DIGITS}x}"


def kept(
    snapshot: Snapshot, what: str, rows: pd.DataFrame | Sequence[datetime.date], make: Callable[[], pd.DataFrame],
    follows: object = None, rooms: Sequence[str] = ("bank", "features"),
) -> pd.DataFrame:  # fmt: skip
    """Return what was computed of a snapshot's customers on days before, from the cache, or make it now.

    It follows from the snapshot, from the rows (keys, or days for all customers), from what else is told, as rules that
    people own, and from the code of rooms of the library.
    """
    key = snapshot.key and cache.digest(snapshot.key, what, joblib.hash((rows, follows)), cache.library(*rooms))
    unit = "rows" if isinstance(rows, pd.DataFrame) else "days"
    return kept_frame(key, f"{snapshot.source.name}, as of {snapshot.as_of}: {what}, {len(rows):,} {unit}", make)


def by_period(rows: ir.Table, spine: ir.Table, edges: Collection[int], measures: dict[str, Deferred]) -> ir.Table:
    """Aggregate rows between the edges of windows, and give each spine row the periods that its windows are made of.

    Edges are days before the spine's day: 0 and 365 for the year up to it. A window from a to b is made of the rows
    with `a <= age < b`; there is none where nothing happened. In `measures`, `until` is the last day of a row's period.
    The spine's days are read at once, as the periods follow from them; an empty spine has a day that nothing lies on.
    """
    days = spine.select("day").distinct().to_pyarrow()["day"].to_pylist() or [datetime.date(1900, 1, 1)]
    cuts = sorted({day - datetime.timedelta(days=edge) for day in days for edge in edges})
    inside = rows.filter(rows.date > ibis.literal(cuts[0]), rows.date <= ibis.literal(cuts[-1]))
    inside = inside.semi_join(spine, "customer_id")
    inside = inside.mutate(until=_until(inside.date, cuts[1:]))
    sums = inside.group_by("customer_id", "until").agg(**measures)
    joined = spine.select(*KEYS).inner_join(sums, "customer_id")
    joined = joined.mutate(age=joined.day.delta(joined.until, unit="day"))
    return joined.filter(joined.age >= min(edges), joined.age < max(edges)).select(*KEYS, "age", *measures)


def _until(date: ir.DateValue, ends: list[datetime.date]) -> ir.DateValue:
    """Return the last day of the period that a date lies in: a search by halves, so that many periods cost little."""
    if len(ends) == 1:
        return ibis.literal(ends[0])
    half = len(ends) // 2
    return (date <= ibis.literal(ends[half - 1])).ifelse(_until(date, ends[:half]), _until(date, ends[half:]))


def beside(spine: ir.Table, parts: Sequence[ir.Table]) -> ir.Table:
    """Put the columns of tables beside a spine, in one step, as each step takes an expression long to compile.

    A part has at most one row a spine row; what is not there is null. No name but the keys comes twice.
    """
    table = spine
    for i, part in enumerate(parts):
        table = table.left_join(part, KEYS, rname=f"{{name}}_of_{i}")
    return table.drop(*(f"{k}_of_{i}" for i, _ in enumerate(parts) for k in KEYS))


def month_end_before(day: datetime.date, months: int = 1) -> datetime.date:
    """Return the last day of the month that lies this many months before the one that a day is in."""
    return (pd.Timestamp(day) - pd.offsets.MonthEnd(months)).date()
