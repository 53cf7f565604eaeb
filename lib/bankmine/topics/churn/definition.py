"""Churn: what leaving means, who left after each day, and how much of the rate is the definition's doing.

A customer leaves by closing the last account, or silently: no money moved by the customer's own doing, and the deposits
gone. Between the day of the look and the window in which silence counts lies a gap, in which the bank can still act.
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
from bankmine.bank.kept import ANALYSES
from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.bookings import own_outflows
from bankmine.features.holdings import deposits_on
from bankmine.features.population import PRESENT_BOOKINGS, PRESENT_DAYS
from bankmine.features.spine import KEYS, by_period, kept, spine_of
from bankmine.judging.intervals import wilson, wilson_clustered

CLOSURE, SILENT = "closure", "silent"
SHORTEST = 30
"""Days: less than a month without a booking is no silence, as many customers book but once a month."""
_RANGES = {"gap": (0, 365), "silent": (SHORTEST, 730), "present": (1, 365), "bookings": (1, 100)}
LENGTH = "length"
LENGTHS = (30, 60, 90, 120, 180)
WATCH = 90
"""Days after the window in which customers taken for silent are watched for a return."""


@dataclass(frozen=True)
class Definition:
    """What leaving means; days are counted from the day on which a customer is looked at."""

    gap: int = 30
    """Days in which the bank can still act and silence does not count."""
    silent: int = 90
    """Days of the window after the gap; who moves no money in it has fallen silent."""
    fall: float = 0.5
    """Share of the deposits that must be gone by the window's end; 0 where silence alone is enough."""
    present: int = PRESENT_DAYS
    """Days up to the day in which a customer must have moved money to be looked at."""
    bookings: int = PRESENT_BOOKINGS
    """How often: with a single one, half of the silent had left long ago, and a card was charged once more."""

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


def labels(
    snapshot: Snapshot, spine: ir.Table, definition: Definition, lengths: Sequence[int] = (), watch: int = 0
) -> ir.Table:
    """Say of each customer on each day who was there, and who left by the end of the window that followed.

    Who `holds` an account and is `present`; `closed`, `silent`, `leaves` and its `kind` are null until the window's
    `end`, silence also where balances are missing. `quiet` is silent whatever the deposits, `first_own` the day of the
    first own booking after the gap. Given `lengths` of the window, there is a row for each, and `watch` days after it.
    """
    lengths = tuple(lengths) or (definition.silent,)
    owners = snapshot.accounts.select("account_id", "customer_id")
    own = own_outflows(snapshot.transactions).inner_join(owners, "account_id")
    edges = (-definition.gap - max(lengths) - watch, -definition.gap, 0, definition.present)
    periods = by_period(own, spine, edges, {"first": _.date.min(), "bookings": _.count()})
    found = periods.group_by(*KEYS).agg(
        moved=periods.bookings.sum(where=periods.age >= 0) >= definition.bookings,
        first_own=periods["first"].min(where=periods.age < -definition.gap),
    )
    joined = spine.select(*KEYS).left_join(found, KEYS)
    table = joined.select(*KEYS, "first_own", moved=joined.moved.fill_null(False))
    table = table.mutate(length=ibis.array(list(lengths)).unnest())
    ends = [(table.length == n, table.day + ibis.interval(days=definition.gap + n)) for n in lengths]
    table = remaining(snapshot, table.mutate(end=ibis.cases(*ends).cast("date")), definition.fall)
    over = table.end <= ibis.literal(snapshot.as_of)
    quiet = table.stays & (table.first_own.isnull() | (table.first_own > table.end))
    table = table.mutate(present=table.holds & table.moved, **{
        name: over.ifelse(hit, ibis.null("boolean"))
        for name, hit in {"closed": table.holds & ~table.stays, "quiet": quiet, "silent": quiet & table.emptied}.items()
    })  # fmt: skip
    kind = ibis.cases((table.closed, CLOSURE), (table.silent, SILENT), else_=ibis.null("string"))
    return table.mutate(leaves=table.closed | table.silent, kind=kind).drop("moved", "stays", "emptied")


def outcomes(
    snapshot: Snapshot, days: Sequence[datetime.date], definition: Definition, lengths: Sequence[int] = (),
    watch: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """Fetch `labels` of all customers known on some days."""

    def computed() -> pd.DataFrame:
        return (
            labels(snapshot, spine_of(snapshot, days), definition, lengths, watch).order_by([*KEYS, "end"]).to_pandas()
        )

    return kept(snapshot, "who left", list(days), computed, (definition, lengths, watch), ANALYSES)


def last_closed(snapshot: Snapshot) -> ir.Table:
    """List who has closed all accounts: `customer_id`, `left_on`; nobody where closings are not told."""
    accounts = snapshot.accounts
    if "closed_on" not in accounts.columns:
        accounts = accounts.mutate(closed_on=ibis.null("date"))
    ends = accounts.group_by("customer_id").agg(still=_.closed_on.isnull().any(), left_on=_.closed_on.max())
    return ends.filter(~ends.still).select("customer_id", "left_on")


def remaining(snapshot: Snapshot, table: ir.Table, fall: float) -> ir.Table:
    """Say who `holds` an account on a `day`, who still `stays` at the `end`, and whose deposits were `emptied` by then.

    These must have fallen by a share; who had none has nothing left that could keep a silent customer. A missing
    balance is no money where no account for deposits was open, else unknown (null), as it may have been left out for
    being wrong. With 0, or where the bank has no balances, nobody's deposits are looked at.
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
    table = table.mutate(**{name: table[name].fill_null(False) for name in hits})
    if "balances" not in snapshot.tables or not fall:
        return table.mutate(emptied=True).drop("saves", "saves_still")
    table = deposits_on(snapshot, table, before=_.day, after=_.end)
    unknown, nothing = ibis.null("float64"), ibis.literal(0.0)
    before = table.before.fill_null(table.saves.ifelse(unknown, nothing))
    after = table.after.fill_null(table.saves_still.ifelse(unknown, nothing))
    left = after <= (1 - fall) * (before > 0).ifelse(before, nothing)
    emptied = before.isnull().ifelse(ibis.null("boolean"), left)
    return table.mutate(emptied=emptied).drop("before", "after", "saves", "saves_still")


def funnel(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Count by day, from `labels`, who is left on the way from all customers to those who leave.

    `known` customers, `with_account`, `present`, those with a known outcome (`judged`), who left by `closure` or fell
    `silent`; `rate` of leaving with its interval, NaN where the window has not closed.
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


def sensitivity(snapshot: Snapshot, days: Sequence[datetime.date], definition: Definition) -> pd.DataFrame:
    """Say how the rate of leaving depends on how long silence must last: a row for each of `LENGTHS`.

    All are judged on the same days, those on which the longest window that has closed at all is known. `closure`,
    `silent`, `quiet` are shares of the `rows`; of the quiet, as many as are `watched` could be for 90 days more, and a
    share `returned`. Intervals of `rate` and `returned` know that the rows of a customer are alike.
    """
    past = {n: [d for d in days if d + datetime.timedelta(days=definition.gap + n) <= snapshot.as_of] for n in LENGTHS}
    known = [n for n in LENGTHS if past[n]]
    if not known:
        raise BankmineError(
            f"No window of {LENGTHS[0]} days after a gap of {definition.gap} has closed by {snapshot.as_of}: "
            "give earlier days."
        )
    rows = outcomes(snapshot, past[known[-1]], definition, known, WATCH)
    rows = rows[rows.present & rows.leaves.notna()]
    end = pd.to_datetime(rows.end)
    rows = rows.assign(
        watched=end + pd.Timedelta(days=WATCH) <= pd.Timestamp(snapshot.as_of),
        returned=pd.to_datetime(rows.first_own) <= end + pd.Timedelta(days=WATCH),
    )
    table = pd.DataFrame({n: _of_length(rows[rows.length == n]) for n in known}).T.rename_axis("length")
    return table.astype({"rows": "int64", "watched": "int64"})


def _of_length(rows: pd.DataFrame) -> dict[str, float]:
    leaves, quiet = rows.leaves.astype(bool), rows.quiet.astype(bool)
    watched = rows[quiet & rows.watched]
    low, high = wilson_clustered(leaves, rows.customer_id)
    returned_low, returned_high = wilson_clustered(watched.returned, watched.customer_id)
    return {
        "rows": len(rows), "rate": leaves.mean(), "low": low, "high": high,
        CLOSURE: (rows.kind == CLOSURE).mean(), SILENT: (rows.kind == SILENT).mean(), "quiet": quiet.mean(),
        "watched": len(watched), "returned": watched.returned.mean(),
        "returned_low": returned_low, "returned_high": returned_high,
    }  # fmt: skip
