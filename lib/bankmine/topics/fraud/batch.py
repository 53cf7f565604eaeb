"""The history that transactions are judged by, and the measures of all of them at once.

The engine reads, checks, joins and cuts; windows then slide over arrays. Transactions are sorted by key and moment,
where a window begins and ends is found by halving, and a total is the difference of two running totals of whole
numbers, which is exact. No measure of a transaction depends on any that came at the same moment or later.

Range windows in the engine gave the same numbers but took five to ten times as long, as each looks for its own edges.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.topics.fraud.measures import (
    DAY,
    KEYS,
    KINDS,
    MEASURES,
    NONE,
    PHYSICAL,
    PREVIOUS_PHYSICAL,
    SECOND,
    SPECIFICATION,
    First,
    Moments,
    Previous,
    Specification,
    Window,
    in_time,
)

_NAMES = {
    "customer": "customer_id", "account": "account_id", "device": "device_id", "merchant": "merchant_id",
    "counterparty": "counterparty", "country": "country",
}  # fmt: skip
KEPT = ("transaction_id", "kind", "channel", "category", "product", "is_fraud", "fraud_known_on", "balance")
"""Columns that a history keeps beside those that are measured."""
_EPOCH = datetime.datetime(1970, 1, 1)
_PART = 4_000_000
"""Transactions of a part of a history, about: a gigabyte."""
_POSITIVE = np.iinfo(np.int64).max
"""Taken with `&`, it drops the sign of a hash."""


def payments_out(snapshot: Snapshot, kinds: Sequence[str] = KINDS) -> ir.Table:
    """Take the transactions of a bank that move money out, of these `kinds`, or all where it tells no kinds.

    Columns of the contract, with `customer_id` and `product` of the account, and where the balance is known the one
    before the transaction as `balance`. A BankmineError says so if there are none.
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
    """Bring transactions into the form that is measured, in any order.

    A fraud label counts from the midnight after `fraud_known_on`. `row` numbers them, anew whenever it is computed;
    `KEPT` stays as far as it is there.
    """
    there = rows.columns
    columns = {new: rows[old] for new, old in _NAMES.items() if old in there}
    columns |= {name: rows[name] for name in KEPT if name in there}
    if "channel" in there:
        columns["physical"] = rows.channel.isin(PHYSICAL).fill_null(False)
    if {"is_fraud", "fraud_known_on"} <= set(there):
        columns["label_at"] = rows.is_fraud.ifelse(_moment(rows.fraud_known_on.cast("timestamp")) + DAY, None)
    moment = _moment(rows["at"])
    # not in an order: to sort all of a large bank's transactions takes longer than to measure some
    number, amount = ibis.row_number().over(ibis.window()), rows.amount.cast("float64")
    return rows.select(row=number, at=moment, amount=amount, **columns)


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


def raw_measures(history: ir.Table, specification: Specification = SPECIFICATION) -> dict[str, np.ndarray]:
    """Measure transactions of a history by what came before each; those not `measured` are the past of others only.

    The history has one row a transaction: `row` (whole number of its own; results are in its order), `at` (whole
    microseconds since 1970), `amount` (above zero), `customer`; and as far as they are known `account`, `device`,
    `merchant`, `counterparty`, `country`, `physical` (boolean), `label_at` (moment at which it became known as a fraud,
    missing where it is none), and `measured` (boolean, else all are). What it lacks columns for is left out. Returns
    `row` and a column of float64 for each measure (country: object), NaN where the transaction has no such key.

    Memory grows with the transactions that are measured: of a long history some keys are taken at a time.
    """
    possible = specification.possible(history.columns)
    asked = history.filter(history.measured) if "measured" in history.columns else history
    row = np.sort(asked.select("row").to_pyarrow()["row"].to_numpy())
    found = {name: np.full(len(row), np.nan) for name in possible.names}
    found |= {name: np.full(len(row), None, object) for name in PREVIOUS_PHYSICAL[1:] if name in found}
    for part, some in _parts(history, possible):
        moments = in_time(part, some)
        places = np.searchsorted(row, moments.row[moments.measured])
        for name, values in _measured(moments, some).items():
            found[name][places] = values
    return {"row": row} | found


def _parts(history: ir.Table, specification: Specification) -> Iterator[tuple[ir.Table, Specification]]:
    """Part a long history by keys, so that all that is at one key is in one part, and say what to take of it."""
    number = -(-history.count().to_pyarrow().as_py() // _PART)
    if number <= 1:
        yield history, specification
        return
    for key in KEYS:
        if (some := specification.of((key,))).names:
            whole = history.filter(history[key].notnull())
            drawn = (whole[key].hash() & _POSITIVE) % number
            yield from ((whole.filter(drawn == part), some) for part in range(number))


def _measured(moments: Moments, specification: Specification) -> dict[str, np.ndarray]:
    ages = {age for window in specification.windows for age in window.span(specification.delay)}
    # half as wide where it can be: what follows reads them in the order of keys, one here and one there
    width = np.int32 if len(moments.known) < np.iinfo(np.int32).max else np.int64
    moment = moments.moment[moments.measured]
    older = {age: np.searchsorted(moments.known, moment - age).astype(width) for age in ages - {0}}
    older[0] = moments.rank[moments.measured].astype(width)
    found = {}
    for key in KEYS:
        if windows := [w for w in specification.windows if w.key == key]:
            found |= _windowed(moments, key, windows, specification.delay, older)
    found |= {first.name: _first(moments, first) for first in specification.firsts}
    found |= {one.name: _previous(moments, one) for one in specification.previous}
    return found | (_previous_physical(moments) if specification.physical else {})


def _windowed(
    m: Moments, key: str, windows: list[Window], delay: int, older: dict[int, np.ndarray]
) -> dict[str, np.ndarray]:
    """Slide the windows of one key over its transactions, and over the labels that became known meanwhile."""
    code = m.codes[key]
    transactions, order = _line(m, code, np.arange(len(m.moment)), m.rank)
    measured = order[m.place[order] != NONE]
    own = code[measured]
    found, place = {}, {}
    for labels in (False, True):
        chosen = [w for w in windows if (MEASURES[w.measure].adds == "fraud") == labels]
        line, events = _line(m, code, m.late, m.late_rank) if labels else (transactions, order)
        ages = {age for w in chosen for age in w.span(delay)}
        for age in ages - place.keys():
            place[age] = m.places(own, older[age][m.place[measured]])
        # how many events of the line came before the moment that is so much older
        edges = {age: np.searchsorted(line, place[age]) for age in ages}
        running = {}
        for window in chosen:
            measure, (oldest, youngest) = MEASURES[window.measure], window.span(delay)
            begin, end = edges[oldest], edges[youngest]
            if measure.total == "max":
                total = _largest(m.added[measure.adds][events], begin, end)
            elif measure.adds in ("one", "fraud"):
                total = end - begin
            else:
                if measure.adds not in running:
                    running[measure.adds] = _running(m.added[measure.adds][events])
                total = running[measure.adds][end] - running[measure.adds][begin]
            found[window.name] = _spread(m, measured, total / measure.scale)
    return found


def _line(m: Moments, code: np.ndarray, events: np.ndarray, rank: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Put events that have a key in the order of key and moment: their places, and which they are."""
    there = code[events] != NONE
    places = m.places(code[events[there]], rank[there])
    order = np.argsort(places)
    return places[order], events[there][order]


def _running(added: np.ndarray) -> np.ndarray:
    """Add up what lies before each place, and before the end; totals that overflow still give a true difference."""
    return np.concatenate([[0], np.cumsum(added, dtype=np.int64)])


def _largest(added: np.ndarray, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Find the largest from `begin` up to `end`, of two runs of 1, 2, 4, … that overlap; NaN if none."""
    found = np.full(len(begin), np.nan)
    size, best, length = 1, added, end - begin
    while (length >= size).any():
        here = (length >= size) & (length < 2 * size)
        found[here] = np.maximum(best[begin[here]], best[end[here] - size])
        best = np.maximum(best[:-size], best[size:])
        size *= 2
    return found


def _spread(m: Moments, measured: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Put values of some of the measured transactions beside all of them."""
    found = np.full(len(m.measured), np.nan)
    found[m.place[measured]] = values
    return found


def _first(m: Moments, first: First) -> np.ndarray:
    """Tell how long ago the first transaction with the same keys was."""
    pair, there = np.zeros(len(m.moment), np.int64), np.ones(len(m.moment), bool)
    for key in first.keys:
        pair, there = pair * (m.codes[key].max(initial=0) + 1) + m.codes[key], there & (m.codes[key] != NONE)
    events = np.flatnonzero(there)
    which, different = pd.factorize(pair[events])
    earliest = np.empty(len(different), np.int64)
    earliest[which[::-1]] = events[::-1]  # the earliest is written last
    age, asked = (m.moment[events] - m.moment[earliest[which]]) / SECOND, m.place[events] != NONE
    return _spread(m, events[asked], age[asked])


def _previous(m: Moments, previous: Previous) -> np.ndarray:
    """Tell how long ago the last earlier transaction at the same key was."""
    code = m.codes[previous.key]
    measured, last = _last_before(m, code, *_line(m, code, np.arange(len(m.moment)), m.rank))
    return _spread(m, measured, (m.moment[measured] - m.moment[last]) / SECOND)


def _previous_physical(m: Moments) -> dict[str, np.ndarray]:
    """Find where and when the customer last stood at a terminal."""
    customer, country = m.codes["customer"], m.codes["country"]
    stood = np.flatnonzero(m.physical & (country != NONE) & (customer != NONE))
    line = m.places(customer[stood], m.rank[stood])
    order = np.lexsort((country[stood], line))  # of those at one moment the last in the alphabet
    measured, last = _last_before(m, customer, line[order], stood[order])
    seconds, place = PREVIOUS_PHYSICAL
    names = np.full(len(m.measured), None, dtype=object)
    names[m.place[measured]] = m.countries[country[last]]
    return {seconds: _spread(m, measured, (m.moment[measured] - m.moment[last]) / SECOND), place: names}


def _last_before(m: Moments, code: np.ndarray, line: np.ndarray, events: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pair measured transactions with the last earlier event of a line at the same key, those that have one."""
    measured = m.measured[code[m.measured] != NONE]
    begin, end = (np.searchsorted(line, m.places(code[measured], rank)) for rank in (0, m.rank[measured]))
    some = end > begin
    return measured[some], events[end[some] - 1]
