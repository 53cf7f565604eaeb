"""Churn: what leaving means, who left after each day, and how much of the rate is the definition's doing.

A customer leaves by closing the last account, or silently: no money moved by the customer's own doing, and the deposits
gone. Between the day on which a customer is looked at and the window in which silence counts lies a gap, in which the
bank can still act.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from ibis import _

from bankmine.bank.contract import DEPOSITS
from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.bookings import own_outflows
from bankmine.features.holdings import deposits_on
from bankmine.features.spine import KEYS, by_period, spine_of
from bankmine.judging.intervals import wilson, wilson_clustered

CLOSURE, SILENT = "closure", "silent"
SHORTEST = 30
"""Days: less than a month without a booking is no silence, as many customers book but once a month."""
_RANGES = {"gap": (0, 365), "silent": (SHORTEST, 730), "present": (1, 365), "bookings": (1, 100)}
LENGTH = "length"
LENGTHS = (30, 60, 90, 120, 180)
WATCH = 90
"""Days after the window in which customers taken for silent are watched for a return."""
_HELPERS = ("moved", "stays", "saves", "saves_still", "emptied")


@dataclass(frozen=True)
class Definition:
    """What leaving means; days are counted from the day on which a customer is looked at.

    Attributes
    ----------
    gap : int
        Days that follow, in which the bank can still act and silence does not count.
    silent : int
        Days of the window after the gap; who moves no money in it has fallen silent.
    fall : float
        Share by which deposits must have fallen by the window's end for silence to count as leaving; 0 where silence
        alone is enough.
    present, bookings : int
        Days up to the day, and how often a customer must have moved money in them. Who did less may have left already,
        and is not looked at: with a single booking, half of the silent would be customers who left long ago and whose
        card is charged once more.

    Raises
    ------
    BankmineError
        If a number is out of its range.
    """

    gap: int = 30
    silent: int = 90
    fall: float = 0.5
    present: int = 30
    bookings: int = 3

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
                raise BankmineError(f"{name} must be a whole number from {low} to {high}, not {value!r}.")
        if isinstance(self.fall, bool) or not isinstance(self.fall, int | float) or not 0 <= self.fall <= 1:
            raise BankmineError(f"fall must be a share from 0 to 1, not {self.fall!r}.")

    @property
    def event(self) -> str:
        """What leaving means, in words."""
        silence = f"moves no money from day {self.gap + 1} to day {self.horizon}"
        fallen = f" and has lost {self.fall:.0%} of the deposits" if self.fall else ""
        return f"a customer closes the last account within {self.horizon} days, or {silence}{fallen}"

    @property
    def horizon(self) -> int:
        """Days after which it is known whether a customer has left."""
        return self.gap + self.silent


def labels(snapshot: Snapshot, spine: ir.Table, definition: Definition) -> ir.Table:
    """Say of each customer on each day who was there, and who left by the end of the window that followed.

    Parameters
    ----------
    snapshot : Snapshot
        What is known by now.
    spine : ir.Table
        `customer_id`, `day`. Its days are read at once, as in `spine.by_period`.
    definition : Definition
        What leaving means.

    Returns
    -------
    ir.Table
        One row a spine row: `customer_id`, `day`; `holds` an open account; is `present`, that is moved money lately as
        well; `closed` the last account; fell `silent`; `leaves`, by one or the other; `kind` of leaving, null for who
        stays. What comes after the day is null until the window has closed, silence also where balances are missing.
    """
    found = labelled(snapshot, spine, definition, (definition.silent,))
    return found.select(*KEYS, "holds", "present", "closed", "silent", "leaves", "kind")


def labelled(
    snapshot: Snapshot, spine: ir.Table, definition: Definition, lengths: tuple[int, ...], watch: int = 0
) -> ir.Table:
    """Label each spine row once for each of several lengths of the silent window, in one query.

    Parameters
    ----------
    snapshot, spine, definition
        As for `labels`; the definition's own length does not count.
    lengths : tuple of int
        Days.
    watch : int
        Days after the longest window in which bookings are still looked for.

    Returns
    -------
    ir.Table
        As `labels`, with `length`, `end` (last day of the window), `quiet` (who keeps an account but moved no money in
        the window, whatever the deposits) and `first_own` (day of the first own booking after the gap).
    """
    table = _own(snapshot, spine, definition, max(lengths) + watch)
    table = table.mutate(length=ibis.array(list(lengths)).unnest())
    ends = [(table.length == n, table.day + ibis.interval(days=definition.gap + n)) for n in lengths]
    table = holding(snapshot, table.mutate(end=ibis.cases(*ends).cast("date")))
    table = emptied(snapshot, table, definition.fall)
    over = table.end <= ibis.literal(snapshot.as_of)
    quiet = table.stays & (table.first_own.isnull() | (table.first_own > table.end))
    table = table.mutate(present=table.holds & table.moved, **{
        name: over.ifelse(hit, ibis.null("boolean"))
        for name, hit in {"closed": table.holds & ~table.stays, "quiet": quiet, "silent": quiet & table.emptied}.items()
    })  # fmt: skip
    kind = ibis.cases((table.closed, CLOSURE), (table.silent, SILENT), else_=ibis.null("string"))
    return table.mutate(leaves=table.closed | table.silent, kind=kind).drop(*_HELPERS)


def _own(snapshot: Snapshot, spine: ir.Table, definition: Definition, ahead: int) -> ir.Table:
    """Say who moved money up to the day, and when first after the gap; bookings are looked for so many days ahead."""
    owners = snapshot.accounts.select("account_id", "customer_id")
    own = own_outflows(snapshot.transactions).inner_join(owners, "account_id")
    edges = (-definition.gap - ahead, -definition.gap, 0, definition.present)
    periods = by_period(own, spine, edges, {"first": _.date.min(), "bookings": _.count()})
    found = periods.group_by(*KEYS).agg(
        moved=periods.bookings.sum(where=periods.age >= 0) >= definition.bookings,
        first_own=periods["first"].min(where=periods.age < -definition.gap),
    )
    joined = spine.select(*KEYS).left_join(found, KEYS)
    return joined.select(*KEYS, "first_own", moved=joined.moved.fill_null(False))


def holding(snapshot: Snapshot, table: ir.Table) -> ir.Table:
    """Say who has an open account, and one for deposits, on a day and at the end of the window that follows.

    Parameters
    ----------
    snapshot : Snapshot
        What is known.
    table : ir.Table
        `customer_id`, `day`, `length` and `end`, and whatever else.

    Returns
    -------
    ir.Table
        The table with `holds` and `saves` on the day, `stays` and `saves_still` at the end.
    """
    keys = [*KEYS, LENGTH]
    held = table.select(*keys, "end").inner_join(snapshot.accounts, "customer_id")
    closed = held.closed_on if "closed_on" in held.columns else ibis.null("date")
    saves = held["product"].isin(DEPOSITS)
    hits = {}
    for name, saving, day in (("holds", "saves", held.day), ("stays", "saves_still", held.end)):
        hits[name] = (held.opened_on <= day) & (closed.isnull() | (closed > day))
        hits[saving] = hits[name] & saves
    found = held.group_by(*keys).agg(**{name: hit.any() for name, hit in hits.items()})
    table = table.left_join(found, keys).drop(*(f"{k}_right" for k in keys))
    return table.mutate(**{name: table[name].fill_null(False) for name in hits})


def emptied(snapshot: Snapshot, table: ir.Table, fall: float) -> ir.Table:
    """Say whose deposits fell by a share; who had none has nothing left that could keep a silent customer.

    Parameters
    ----------
    snapshot : Snapshot
        What is known.
    table : ir.Table
        As `holding` returns it.
    fall : float
        Share; with 0, or where the bank has no balances, nobody's deposits are looked at.

    Returns
    -------
    ir.Table
        The table with `emptied`. A missing balance is no money where no account was open, else unknown (null), as it
        may have been left out for being wrong.
    """
    if "balances" not in snapshot.tables or not fall:
        return table.mutate(emptied=True)
    table = deposits_on(snapshot, table, before=_.day, after=_.end)
    unknown, nothing = ibis.null("float64"), ibis.literal(0.0)
    before = table.before.fill_null(table.saves.ifelse(unknown, nothing))
    after = table.after.fill_null(table.saves_still.ifelse(unknown, nothing))
    left = after <= (1 - fall) * (before > 0).ifelse(before, nothing)
    return table.mutate(emptied=before.isnull().ifelse(ibis.null("boolean"), left)).drop("before", "after")


def funnel(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Count, day by day, who is left on the way from all customers to those who leave.

    Parameters
    ----------
    outcomes : pd.DataFrame
        `churn.labels`, fetched.

    Returns
    -------
    pd.DataFrame
        Indexed by day: `known` customers, those `with_account`, `present`, and present with a known outcome (`judged`);
        of these who left by `closure` or fell `silent`; `rate` of leaving with its interval, not a number where the
        window has not closed.
    """
    there, judged = outcomes.present.astype(bool), outcomes.present.astype(bool) & outcomes.leaves.notna()
    steps = {
        "known": pd.Series(True, index=outcomes.index), "with_account": outcomes.holds, "present": there,
        "judged": judged, CLOSURE: judged & (outcomes.kind == CLOSURE), SILENT: judged & (outcomes.kind == SILENT),
    }  # fmt: skip
    days = pd.to_datetime(outcomes.day).rename("day")
    table = pd.DataFrame(steps).astype("int64").groupby(days).sum()
    left = table[CLOSURE] + table[SILENT]
    told = [(k / n, *wilson(k, n)) if n else (np.nan,) * 3 for k, n in zip(left, table.judged, strict=True)]
    return table.assign(**dict(zip(("rate", "low", "high"), np.array(told).reshape(-1, 3).T, strict=True)))


def sensitivity(
    snapshot: Snapshot, days: Sequence[datetime.date], definition: Definition, lengths: tuple[int, ...] = LENGTHS
) -> pd.DataFrame:
    """Say how the rate of leaving depends on how long silence must last.

    All lengths are judged on the same days, those on which the longest window that has closed at all is known.

    Parameters
    ----------
    snapshot : Snapshot
        What is known by now.
    days : sequence of datetime.date
        Days on which customers are looked at.
    definition : Definition
        What leaving means; its own length of silence does not count.
    lengths : tuple of int
        Days of silence.

    Returns
    -------
    pd.DataFrame
        Indexed by `length`: `rows` (customers times days), `rate` of leaving with `low` and `high`, `closure` and
        `silent` as shares, `quiet` (share without a booking of their own, whatever the deposits), `watched` (how many
        of these could be watched for 90 days more) and the share of them who `returned`, with its interval. Intervals
        take into account that the rows of a customer are alike.

    Raises
    ------
    BankmineError
        If a length is out of range, or no window has closed.
    """
    for length in lengths:
        Definition(definition.gap, length)
    usable = _closed(snapshot, days, definition.gap, lengths)
    rows = labelled(snapshot, spine_of(snapshot, usable[0]), definition, usable[1], WATCH).to_pandas()
    rows = rows[rows.present & rows.leaves.notna()]
    end = pd.to_datetime(rows.end)
    rows = rows.assign(
        watched=end + pd.Timedelta(days=WATCH) <= pd.Timestamp(snapshot.as_of),
        returned=pd.to_datetime(rows.first_own) <= end + pd.Timedelta(days=WATCH),
    )
    table = pd.DataFrame({n: _told(rows[rows.length == n]) for n in usable[1]}).T.rename_axis("length")
    return table.astype({"rows": "int64", "watched": "int64"})


def _closed(
    snapshot: Snapshot, days: Sequence[datetime.date], gap: int, lengths: tuple[int, ...]
) -> tuple[list[datetime.date], tuple[int, ...]]:
    """Return the lengths of which a window has closed, and the days on which those of all of them have."""
    past = {n: [d for d in days if d + datetime.timedelta(days=gap + n) <= snapshot.as_of] for n in lengths}
    known = tuple(sorted(n for n in lengths if past[n]))
    if not known:
        raise BankmineError(
            f"No window of {min(lengths)} days after a gap of {gap} has closed by {snapshot.as_of}: give earlier days."
        )
    return past[known[-1]], known


def _told(rows: pd.DataFrame) -> dict[str, float]:
    """Compute the line of one length."""
    leaves, quiet = rows.leaves.astype(bool), rows.quiet.astype(bool)
    watched = rows[quiet & rows.watched]
    line = {"rows": len(rows)}
    line |= dict(zip(("rate", "low", "high"), _share(leaves, rows.customer_id), strict=True))
    line |= {kind: (rows.kind == kind).mean() for kind in (CLOSURE, SILENT)} | {"quiet": quiet.mean()}
    told = _share(watched.returned, watched.customer_id)
    return line | {"watched": len(watched)} | dict(zip(_RETURNED, told, strict=True))


_RETURNED = ("returned", "returned_low", "returned_high")


def _share(hit: pd.Series, of: pd.Series) -> tuple[float, float, float]:
    return (float(hit.mean()), *wilson_clustered(hit, of))
