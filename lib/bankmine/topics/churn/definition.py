"""Churn: what leaving means, and who left after each day.

A customer leaves by closing the last account, or silently: no money moved by the customer's own doing, and the deposits
gone. Between the day on which a customer is looked at and the window in which silence counts lies a gap, in which the
bank can still act.
"""

from __future__ import annotations

from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
from ibis import _

from bankmine.bank.contract import DEPOSITS
from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.holdings import deposits_on
from bankmine.features.labels import own_outflows
from bankmine.features.periods import by_period
from bankmine.features.spine import KEYS

CLOSURE, SILENT = "closure", "silent"
SHORTEST = 30
"""Days: less than a month without a booking is no silence, as many customers book but once a month."""
_RANGES = {"gap": (0, 365), "silent": (SHORTEST, 730), "present": (1, 365), "bookings": (1, 100)}
LENGTH = "length"
_HELPERS = ("moved", "stays", "saves", "saves_still", "emptied")
_UNSEEN = {
    "accounts.closed_on": "closures, as accounts have no closing day: only silence counts as leaving",
    "balances.balance": "falling deposits, as there are no balances: silence alone counts as leaving",
    "transactions.kind": "who started a booking, as bookings have no kind: fees count as the customer's own",
}


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


def unseen(snapshot: Snapshot) -> list[str]:
    """List what the definition cannot see, as the source does not tell it."""
    return [_UNSEEN[column] for column in snapshot.lacking(*_UNSEEN)]


def labels(snapshot: Snapshot, spine: ir.Table, definition: Definition) -> ir.Table:
    """Say of each customer on each day who was there, and who left by the end of the window that followed.

    Parameters
    ----------
    snapshot : Snapshot
        What is known by now.
    spine : ir.Table
        `customer_id`, `day`. Its days are read at once, as in `periods.by_period`.
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
