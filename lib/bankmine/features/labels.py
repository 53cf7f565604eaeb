"""Labels: what became of customers after a day, and only where that is known by now."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from bankmine.bank.snapshot import Snapshot
from bankmine.features.spine import KEYS

BOOKED_BY_THE_BANK = ("fee", "interest", "loan_payment")


def own_outflows(transactions: ir.Table) -> ir.Table:
    """Pick the bookings by which customers moved money out themselves: all outflows but those that the bank books.

    Returns
    -------
    ir.Table
        `account_id`, `date`, `amount`.
    """
    own = transactions.filter(transactions.direction == "out")
    if "kind" in own.columns:
        own = own.filter(own.kind.isnull() | own.kind.notin(BOOKED_BY_THE_BANK))
    return own.select("account_id", "amount", date=own["at"].cast("date"))


def fell_silent(snapshot: Snapshot, spine: ir.Table, days: int = 90) -> ir.Table:
    """Label customers who did not move any money themselves in the days that followed.

    Parameters
    ----------
    snapshot : Snapshot
        What is known by now.
    spine : ir.Table
        `customer_id`, `day`.
    days : int
        Length of the outcome window, which starts on the day after.

    Returns
    -------
    ir.Table
        The spine with `fell_silent`: null where the window had not closed by the snapshot's day.
    """
    own = own_outflows(snapshot.transactions).select("account_id", "date")
    held = spine.inner_join(snapshot.accounts.select("customer_id", "account_id"), "customer_id")
    after = own.inner_join(held.select(*KEYS, "account_id"), "account_id")
    age = after.date.delta(after.day, unit="day")
    after = after.filter(age > 0, age <= days).select(*KEYS).distinct().mutate(moved=True)
    joined = spine.left_join(after, KEYS).drop(*(f"{k}_right" for k in KEYS))
    closed = joined.day + ibis.interval(days=days) <= ibis.literal(snapshot.as_of)
    return joined.select(*KEYS, fell_silent=closed.ifelse(joined.moved.isnull(), ibis.null("boolean")))
