"""Purchases: what customers buy of their own accord, in days on which they bought.

Purchases of one day count as one, since how often a till rings on a day says little of coming back.
"""

from __future__ import annotations

import datetime

import ibis
import ibis.expr.types as ir
import pandas as pd

from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.spine import kept
from bankmine.features.value import bank_share, rules_of


def chosen(snapshot: Snapshot) -> ir.Table:
    """Pick what customers chose to buy, as bookings: card payments where kinds are told, nothing that was fraud.

    Where no category is told, all are `purchases`.
    """
    t = snapshot.transactions
    t = _by_card(t) if "kind" in t.columns else t.filter(t.direction == "out")
    t = t.filter(~t.is_fraud.fill_null(False)) if "is_fraud" in t.columns else t
    t = t if "category" in t.columns else t.mutate(category=ibis.literal("purchases"))
    return t.inner_join(snapshot.accounts.select("account_id", "customer_id"), "account_id")


def purchases(snapshot: Snapshot) -> ir.Table:
    """Pick what customers paid by card: `customer_id`, `date`, `amount`, and `margin`, the bank's part less handling.

    Fraud is among it: it earns as other payments do, and of the last weeks it is not known yet.

    Raises
    ------
    BankmineError
        If bookings have no kind, by which a purchase is told from what is due.
    """
    if not snapshot.has("transactions.kind"):
        raise BankmineError("bookings have no kind: a purchase cannot be told from rent, dues or a transfer")
    rows = bank_share(_by_card(snapshot.transactions), rules_of(snapshot))
    owners = snapshot.accounts.select("account_id", "customer_id")
    rows = rows.inner_join(owners, "account_id")
    return rows.select("customer_id", "date", "amount", margin=rows.booked - rows.handling)


def _by_card(t: ir.Table) -> ir.Table:
    return t.filter((t.kind == "card") & (t.direction == "out"))


def seen(purchases: ir.Table, first: datetime.date, last: datetime.date, until: datetime.date) -> pd.DataFrame:
    """Sum up what each customer bought from one day until another, and what followed until a third.

    `purchases` has `customer_id`, `date`, `amount` and `margin`. Indexed by customer, those who bought until `last`:
    `x` days of purchase after the first, `t_x` and `T` in days, `spend` a day of them, `spent` and `earned` in all, and
    `later`, `later_spent` and `later_earned` after it.
    """
    daily = purchases.filter(purchases.date >= ibis.literal(first), purchases.date <= ibis.literal(until))
    daily = daily.group_by("customer_id", "date").agg(amount=daily.amount.sum(), margin=daily.margin.sum())
    past = daily.date <= ibis.literal(last)
    day = past.ifelse(daily.date, ibis.null("date"))
    told = daily.group_by("customer_id").agg(
        first=day.min(), last=day.max(), days=past.sum(), spent=daily.amount.sum(where=past),
        earned=daily.margin.sum(where=past), opening=daily.amount.argmin(daily.date),
        later=(~past).sum(), later_spent=daily.amount.sum(where=~past), later_earned=daily.margin.sum(where=~past),
    )  # fmt: skip
    found = told.filter(told.days > 0).to_pandas().set_index("customer_id").sort_index()
    start, end = (pd.to_datetime(found[name]) for name in ("first", "last"))
    x = found["days"].astype(float) - 1
    spend = ((found["spent"] - found["opening"]) / x).where(x > 0)
    table = pd.DataFrame({"x": x, "t_x": (end - start).dt.days, "T": (pd.Timestamp(last) - start).dt.days})
    rest = found[["spent", "earned", "later", "later_spent", "later_earned"]].astype(float).fillna(0.0)
    return table.astype(float).assign(spend=spend.astype(float)).join(rest)


def bought(snapshot: Snapshot, first: datetime.date, last: datetime.date, until: datetime.date) -> pd.DataFrame:
    """Sum up what the customers of a bank bought, as of `seen`; kept."""

    def computed() -> pd.DataFrame:
        return seen(purchases(snapshot), first, last, until).reset_index()

    days = [first, last, until]
    return kept(snapshot, "purchases of customers", days, computed, rules_of(snapshot)).set_index("customer_id")
