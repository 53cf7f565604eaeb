"""Warm-up: what a bank's source holds of earlier transactions, put into a ledger before the first one arrives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import ibis
import ibis.expr.types as ir

from bankmine.bank.readers import spooled
from bankmine.bank.snapshot import Snapshot
from bankmine.live.ledger import COLUMNS, Ledger
from bankmine.live.memory import KEPT_DAYS
from bankmine.live.messages import LARGEST, Label
from bankmine.topics.fraud.batch import history, payments_out
from bankmine.topics.fraud.measures import DAY, SPECIFICATION, First
from bankmine.topics.fraud.stream_state import Transaction

_BATCH = 50_000


def warm_up(ledger: Ledger, snapshot: Snapshot, kinds: Sequence[str]) -> int:
    """Fill an empty ledger with what a bank knew that day, all of it or nothing; return how many rows it keeps."""
    rows = payments_out(snapshot, kinds)
    there = spooled(history(rows.filter(rows.amount <= LARGEST)))
    kept = _recent(there)
    with ledger.commit():
        ledger.own(_rows(snapshot.accounts.select("account_id", "customer_id", "product")))
        ledger.add(Transaction(*row) for row in _rows(_as_transactions(kept)))
        if "label_at" in there.columns:
            ledger.label(_labels(kept))
        for first in SPECIFICATION.firsts:
            if set(first.keys) <= set(there.columns):
                ledger.note_all((first.name, tuple(values), at) for *values, at in _rows(_earliest(there, first)))
    return kept.count().to_pyarrow().as_py()


def _recent(there: ir.Table) -> ir.Table:
    """Select what the ledger keeps: some months, and of what is older the last of each customer, account and place."""
    start = there["at"].max().to_pyarrow().as_py() - KEPT_DAYS * DAY
    # one of several at the same moment will do: what is asked of it is when it was
    old = there.filter(there["at"] < start)
    last = [_last(old, "customer")]
    last += [_last(old, "account")] if "account" in there.columns else []
    if {"physical", "country"} <= set(there.columns):
        last.append(_last(old.filter(old.physical, old.country.notnull()), "customer", "country"))
    kept = there.filter((there["at"] >= start) | there.row.isin(ibis.union(*last, distinct=True).row))
    return spooled(kept.order_by("at", "transaction_id"))


def _last(old: ir.Table, *keys: str) -> ir.Table:
    """Return the last row of each key."""
    return old.group_by(*keys).agg(row=old.row.argmax(old["at"])).select("row")


def _earliest(there: ir.Table, first: First) -> ir.Table:
    """Return when each combination of values was first seen."""
    known = there.filter(*(there[key].notnull() for key in first.keys))
    return known.group_by(*first.keys).agg(at=known["at"].min())


def _as_transactions(kept: ir.Table) -> ir.Table:
    missing = {"physical": ibis.literal(False)}
    rows = kept.select(
        **{name: kept[name] if name in kept.columns else missing.get(name, ibis.null()) for name in COLUMNS}
    )
    return rows.order_by("at", "transaction_id")


def _labels(kept: ir.Table) -> Iterator[Label]:
    known = kept.filter(kept.label_at.notnull()).select("transaction_id", "label_at")
    return (Label(transaction_id, True, known_at) for transaction_id, known_at in _rows(known))


def _rows(table: ir.Table) -> Iterator[list]:
    """Fetch rows piece by piece, and make Python values of each."""
    for batch in table.to_pyarrow_batches(chunk_size=_BATCH):
        yield from map(list, zip(*(column.to_pylist() for column in batch.columns), strict=True))
