"""Warm-up: what a bank's source holds of earlier transactions, put into a ledger before the first one arrives."""

from __future__ import annotations

import datetime
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import groupby
from operator import itemgetter

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from bankmine.bank.pseudonyms import parts_of
from bankmine.bank.snapshot import Snapshot
from bankmine.live.ledger import COLUMNS, Ledger
from bankmine.live.memory import KEPT_DAYS, LASTS
from bankmine.live.messages import EPOCH, LARGEST, WORDS
from bankmine.topics.fraud.batch import history, payments_out
from bankmine.topics.fraud.measures import PHYSICAL, SPECIFICATION

_BATCH, _AHEAD = 20_000, 400
"""Rows that are fetched at once, and how many times as many may wait to be written."""
_CORES = max(len(os.sched_getaffinity(0)) - 1, 1)
"""That the engine may use: to write takes longer than to count, and needs a core of its own."""


def warm_up(ledger: Ledger, snapshot: Snapshot, kinds: Sequence[str]) -> int:
    """Fill an empty ledger with what a bank knew that day, all of it or nothing; return how many rows it keeps.

    Rows pass through piece by piece, and those of a table with a key in its order, which appends to a file and looks
    nothing up; each table asks the engine anew, as all that is counted would not fit into memory together.
    """
    rows = payments_out(snapshot, kinds)
    rows = rows.filter(rows.amount <= LARGEST)
    start = rows["at"].max().to_pyarrow().as_py() - datetime.timedelta(KEPT_DAYS)
    kept = rows["at"] >= start
    if {"is_fraud", "fraud_known_on"} <= set(rows.columns):
        kept |= (rows.is_fraud & (rows.fraud_known_on >= start.date())).fill_null(False)
    asked = [("accounts", snapshot.accounts.select("account_id", "customer_id", "product").order_by("account_id"))]
    asked += [("transactions", _as_transactions(history(rows.filter(kept))))]
    asked += [*_firsts(_moves(rows)), *_lasts(_moves(rows.filter(rows["at"] < start)))]
    labels, engine = [], rows.get_backend()
    engine.con.execute(f"SET threads = {_CORES}")
    with ledger.filling(), closing(_ahead(_fetched(asked), engine.con.interrupt)) as coming:
        for table, pieces in groupby(coming, itemgetter(0)):
            found = (list(zip(*(column.to_pylist() for column in piece.columns), strict=True)) for _, piece in pieces)
            ledger.fill(table, _without_labels(found, labels) if table == "transactions" else found)
        for table, few in (("labels", labels), ("tokens", _token_fields(snapshot))):
            ledger.fill(table, [few] if few else [])
    return ledger.rows("SELECT count(*) FROM transactions")[0][0]


def _token_fields(snapshot: Snapshot) -> list[tuple[str, str]]:
    """Tell which fields of transactions are tokens in a source, and of which domain."""
    source = snapshot.source
    if not source.pseudonyms:
        return []
    keys = parts_of(source, "accounts", ("account_id", "customer_id")).keys
    keys |= parts_of(source, "transactions", WORDS.values()).keys
    fields = {"account": "account_id", "customer": "customer_id"} | WORDS
    return [(field, keys[column]) for field, column in fields.items() if column in keys]


def _without_labels(pieces: Iterator[list[tuple]], labels: list[tuple]) -> Iterator[list[tuple]]:
    """Take from transactions the moments of labels that stand behind them."""
    for rows in pieces:
        labels += [(row[0], True, row[-1]) for row in rows if row[-1] is not None]
        yield [row[:-1] for row in rows]


def _as_transactions(kept: ir.Table) -> ir.Table:
    """Select what the ledger keeps of a transaction, no answer, and the moment of the label behind."""
    missing = {"physical": ibis.literal(False), "label_at": ibis.null()}
    columns = {name: kept[name] if name in kept.columns else missing.get(name, ibis.null())
               for name in (*COLUMNS, "answer", "label_at")}  # fmt: skip
    return kept.select(**columns)


def _moves(rows: ir.Table) -> ir.Table:
    """Bring transactions into the form of a history, but without numbers, which only one thread can give."""
    names = {"customer": "customer_id", "account": "account_id"} | WORDS
    columns = {new: rows[old] for new, old in names.items() if old in rows.columns}
    if "channel" in columns:
        columns["physical"] = columns["channel"].isin(PHYSICAL).fill_null(False)
    return rows.select(at=rows["at"].delta(ibis.literal(EPOCH), unit="microsecond").cast("int64"), **columns)


def _firsts(there: ir.Table) -> Iterator[tuple[str, ir.Table]]:
    """Select when each combination of values was first seen."""
    for first in SPECIFICATION.firsts:
        if set(first.keys) <= set(there.columns):
            known = there.filter(*(there[key].notnull() for key in first.keys))
            yield first.name, known.group_by(*first.keys).agg(at=known["at"].min()).order_by(*first.keys)


def _lasts(old: ir.Table) -> Iterator[tuple[str, ir.Table]]:
    """Select the last moment of each customer and account, and the last place; see `memory.tidy`."""
    for key, (column, *_) in LASTS.items():
        stood = key == "place"
        if {column, *(("physical", "country") if stood else ())} <= set(old.columns):
            known = old.filter(old.physical, old.country.notnull()) if stood else old.filter(old[column].notnull())
            country = known.country if stood else ibis.null("string")
            last = ibis.struct({"at": known["at"], "country": country}).max()
            found = known.group_by(value=known[column]).agg(last=last).order_by("value")
            yield "lasts", found.select(ibis.literal(key), "value", found["last"]["at"], found["last"]["country"])


def _fetched(asked: Iterable[tuple[str, ir.Table]]) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Fetch rows of one table after the other, piece by piece."""
    for name, table in asked:
        with table.to_pyarrow_batches(chunk_size=_BATCH) as pieces:
            yield from ((name, piece) for piece in pieces if len(piece))


def _ahead(
    pieces: Iterator[tuple[str, pa.RecordBatch]], interrupt: Callable[[], None]
) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Fetch pieces in a thread of their own, so that the engine computes the next table while one is written."""
    thread = ThreadPoolExecutor(1)
    try:
        coming = deque(thread.submit(next, pieces, None) for _ in range(_AHEAD))
        while (piece := coming.popleft().result()) is not None:
            coming.append(thread.submit(next, pieces, None))
            yield piece
    finally:  # where all went well nothing is left to interrupt
        thread.shutdown(wait=False, cancel_futures=True)
        interrupt()
        thread.shutdown()
