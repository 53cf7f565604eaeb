"""The history that transactions are judged by: those which move money out and which the customer starts."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.topics.fraud.spec import DAY, PHYSICAL

KINDS = ("card", "transfer", "cash")
"""Kinds of transactions that the customer starts, and that somebody else could start instead."""
_NAMES = {
    "customer": "customer_id", "account": "account_id", "device": "device_id", "merchant": "merchant_id",
    "counterparty": "counterparty", "country": "country",
}  # fmt: skip
KEPT = ("transaction_id", "kind", "channel", "category", "product", "is_fraud", "fraud_known_on", "balance")
"""Columns that a history keeps beside those that are measured."""
_EPOCH = datetime.datetime(1970, 1, 1)


def judged(snapshot: Snapshot, kinds: Sequence[str] = KINDS) -> ir.Table:
    """Take the transactions to be judged from the tables of a bank.

    Parameters
    ----------
    snapshot : Snapshot
        What is known; transactions of unknown accounts and repeated ones are among the rows its checks left out.
    kinds : sequence of str
        Kinds to judge; all that move money out where the source tells no kinds.

    Returns
    -------
    ir.Table
        Columns of the contract, with `customer_id` and `product` of the account, and where the balance is known the
        one before the transaction as `balance`.

    Raises
    ------
    BankmineError
        If there are none.
    """
    rows = snapshot.transactions
    out = rows.filter(rows.direction == "out")
    found = out.filter(out.kind.isin(list(kinds))) if "kind" in out.columns else out
    if not found.count().to_pyarrow().as_py():
        raise BankmineError(_none(out, kinds))
    if "balance_after" in found.columns:
        found = found.mutate(balance=found.balance_after + found.amount)
    return found.inner_join(snapshot.accounts.select("account_id", "customer_id", "product"), "account_id")


def history(rows: ir.Table) -> ir.Table:
    """Bring transactions into the form that is measured, in the order of time, and keep them in the engine's memory.

    Parameters
    ----------
    rows : ir.Table
        `transaction_id`, `customer_id`, `at`, `amount`, and what else of the contract is known. A fraud label counts
        from the midnight after `fraud_known_on`.

    Returns
    -------
    ir.Table
        As `fraud_windows.raw_measures` takes it, with `KEPT` as far as they are there. `row` counts in the order of
        time, and of ids where moments are the same.
    """
    there = rows.columns
    columns = {new: rows[old] for new, old in _NAMES.items() if old in there}
    columns |= {name: rows[name] for name in KEPT if name in there}
    if "channel" in there:
        columns["physical"] = rows.channel.isin(PHYSICAL).fill_null(False)
    if {"is_fraud", "fraud_known_on"} <= set(there):
        columns["label_at"] = rows.is_fraud.ifelse(_moment(rows.fraud_known_on.cast("timestamp")) + DAY, None)
    order = ibis.row_number().over(order_by=[rows["at"], rows.transaction_id])
    moment = _moment(rows["at"])
    return rows.select(row=order.cast("int64"), at=moment, amount=rows.amount.cast("float64"), **columns).cache()


def _moment(at: ir.TimestampValue) -> ir.IntegerValue:
    """Count microseconds since 1970."""
    return at.delta(ibis.literal(_EPOCH), unit="microsecond").cast("int64")


def _none(out: ir.Table, kinds: Sequence[str]) -> str:
    if "kind" not in out.columns:
        return (
            "There is no transaction that moves money out: nothing to judge. Give a later as-of day or another source."
        )
    there = sorted(k for k in out.select("kind").distinct().to_pyarrow()["kind"].to_pylist() if k)
    return (
        f"No transaction that moves money out is of kind {', '.join(kinds)}; there is {', '.join(there) or 'none'}. "
        "Tell those that customers start as `kinds`."
    )
