"""Reconciliation: does each balance follow from the one before and the flows between them."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir


def unreconciled(balances: ir.Table, transactions: ir.Table, tolerance: float) -> ir.Table:
    """Find the balances that do not follow from the flows.

    The residual of a month end is its balance less all flows up to it; it stays the same from month to month.
    A balance is wrong where its residual differs from those of the two month ends before: so a single wrong
    balance is named alone, and a lost booking names only the month that lacks it. Only the past is looked at.
    Accounts without any flow and months before the first booking of the bank cannot be judged.

    Parameters
    ----------
    balances : ir.Table
        `account_id`, `month_end`, `balance`.
    transactions : ir.Table
        `account_id`, `at`, `amount`, `direction`.
    tolerance : float
        Difference that rounding explains, in the currency of the balances.

    Returns
    -------
    ir.Table
        `account_id` and `month_end` of each wrong balance.
    """
    flows = _monthly_flows(transactions)
    start = flows.month_end.min().as_scalar()
    judged = balances.filter(balances.month_end >= start).semi_join(flows, "account_id")
    both = judged.select("account_id", "month_end", "balance", net=ibis.literal(0.0)).union(
        flows.select("account_id", "month_end", balance=ibis.null("float64"), net="net")
    )
    months = both.group_by("account_id", "month_end").agg(balance=both.balance.max(), net=both.net.sum())
    by_month = ibis.window(group_by="account_id", order_by="month_end")
    running = months.mutate(residual=months.balance - months.net.sum().over(ibis.cumulative_window(
        group_by="account_id", order_by="month_end")))  # fmt: skip
    told = running.filter(running.balance.notnull())
    told = told.mutate(before=told.residual.lag(1).over(by_month), earlier=told.residual.lag(2).over(by_month))
    moved = (told.residual - told.before).abs() > tolerance
    still_moved = told.earlier.isnull() | ((told.residual - told.earlier).abs() > tolerance)
    return told.filter(moved & still_moved).select("account_id", "month_end")


def _monthly_flows(transactions: ir.Table) -> ir.Table:
    t = transactions
    signed = (t.direction == "in").ifelse(t.amount, -t.amount)
    t = t.select("account_id", month=t.at.cast("date").truncate("M"), signed=signed)
    sums = t.group_by("account_id", "month").agg(net=t.signed.sum())
    month_end = sums.month + ibis.interval(months=1) - ibis.interval(days=1)
    return sums.select("account_id", month_end=month_end.cast("date"), net="net")
