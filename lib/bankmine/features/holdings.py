"""Holdings: products and balances on each day of a spine."""

from __future__ import annotations

import datetime

import ibis
import ibis.expr.types as ir
import pandas as pd
from ibis.common.deferred import Deferred

from bankmine.bank.contract import DEBTS, DEPOSITS, PRODUCTS
from bankmine.bank.snapshot import Snapshot
from bankmine.features.spine import KEYS, WINDOWS


def products(held: ir.Table) -> ir.Table:
    """Count the open accounts of each product; `held` is the spine with the accounts opened by its day."""
    open_ = held.filter(held.closed_on.isnull() | (held.closed_on > held.day)) if "closed_on" in held.columns else held
    counts = {f"{p}_accounts": (open_["product"] == p).sum() for p in PRODUCTS}
    return open_.group_by(*KEYS).agg(accounts=open_.count(), products=open_["product"].nunique(), **counts)


def balances(month_ends: ir.Table, held: ir.Table) -> ir.Table:
    """Sum up the last balances, apart for deposits and debts; `held` as for `products`.

    `deposits`, `debts` at the last month end within a year, their means over the month ends in each window, null where
    there is none, and `deposits_change_365d` from the first to the last.
    """
    joined = month_ends.inner_join(held.select(*KEYS, "account_id", "product"), "account_id")
    joined = joined.mutate(age=joined.day.delta(joined.month_end, unit="day"))
    joined = joined.filter(joined.age >= 0, joined.age < WINDOWS[-1])
    sides = {"deposits": joined["product"].isin(DEPOSITS), "debts": joined["product"].isin(DEBTS)}
    monthly = joined.group_by(*KEYS, "age").agg(
        **{s: hit.ifelse(joined.balance, 0.0).sum() for s, hit in sides.items()}
    )
    columns: dict[str, ir.Value] = {s: monthly[s].argmin(monthly.age) for s in sides}
    for window in WINDOWS:
        columns |= {f"{s}_mean_{window}d": monthly[s].mean(where=monthly.age < window) for s in sides}
    columns["deposits_change_365d"] = monthly.deposits.argmin(monthly.age) - monthly.deposits.argmax(monthly.age)
    return monthly.group_by(*KEYS).agg(**columns)


def deposits_on(snapshot: Snapshot, table: ir.Table, **days: Deferred) -> ir.Table:
    """Look up deposits at the last month end up to some days of each row, as `deposits=ibis._.day`.

    In the source's currency; null where the customer had none or the bank has no balances.
    """
    if "balances" not in snapshot.tables:
        return table.mutate(**dict.fromkeys(days, ibis.null("float64")))
    owners = snapshot.accounts.filter(snapshot.accounts["product"].isin(DEPOSITS)).select("account_id", "customer_id")
    held = snapshot.balances.inner_join(owners, "account_id").group_by("customer_id", "month_end")
    held = held.agg(balance=ibis._.balance.sum())
    for name, day in days.items():
        first_of_month = (day + ibis.interval(days=1)).cast("date").truncate("M")
        wanted = table.mutate(month_end=(first_of_month - ibis.interval(days=1)).cast("date"))
        table = wanted.left_join(held, ["customer_id", "month_end"]).rename({name: "balance"})
        table = table.drop("month_end", *(c for c in table.columns if c.endswith("_right")))
    return table


def holders(snapshot: Snapshot, day: datetime.date) -> pd.Index:
    """Fetch the keys of all customers who had an account open on a day."""
    rows = snapshot.accounts.filter(snapshot.accounts.opened_on <= ibis.literal(day))
    if "closed_on" in rows.columns:
        rows = rows.filter(rows.closed_on.isnull() | (rows.closed_on > ibis.literal(day)))
    return pd.Index(rows.select("customer_id").distinct().to_pandas()["customer_id"])


def openings(snapshot: Snapshot) -> pd.DataFrame:
    """Fetch when each account was opened: `customer_id`, `product` and `day`, the oldest first."""
    rows = snapshot.accounts.select("customer_id", "product", day="opened_on").to_pandas()
    rows["day"] = pd.to_datetime(rows["day"])
    return rows.sort_values(["day", "customer_id", "product"], ignore_index=True)
