"""Kept state: the measures of one transaction as it arrives, the same as the batch has of it to the last digit.

The measures are those of `measures`, as `batch` computes them for whole histories. What is asked of the past is asked
of a `Past` that holds all of it (`live.ledger`); the state only spares it the windows of those that come again and
again, each card and each place for itself. So no transaction, however late or early, changes what is known of another
card, and a state that begins anew knows the same as one that was never stopped. What a transaction adds are whole
numbers: no order of adding changes a total.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bankmine.topics.fraud.measures import (
    DAY,
    KEYS,
    MEASURES,
    NIGHT_FROM,
    NIGHT_TO,
    PREVIOUS_PHYSICAL,
    SECOND,
    SPECIFICATION,
    UNITS,
    First,
    Specification,
    Window,
)

ADDED = ("amount", "log_amount", "log_amount_squared", "night")
"""What a transaction adds to totals, besides being one."""
OWN = ("country", "physical", "balance", "kind", "channel", "category", "product")
"""What is known of a transaction by itself, where the source tells it."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """One row of a history (`batch.history`): money that a customer sends out."""

    transaction_id: str
    at: int
    """Microseconds since 1970, local time."""
    amount: float
    """Above zero."""
    customer: str
    account: str | None = None
    device: str | None = None
    merchant: str | None = None
    counterparty: str | None = None
    country: str | None = None
    physical: bool = False
    balance: float | None = None
    """Of the account before the transaction."""
    kind: str | None = None
    channel: str | None = None
    category: str | None = None
    product: str | None = None


def columns_of(t: Transaction, measures: Mapping[str, np.ndarray], known: Collection[str]) -> dict[str, np.ndarray]:
    """Return measures with what is taken from the transaction itself, as far as it is known; arrays of length 1."""
    own = {name: np.array([getattr(t, name)], dtype=object) for name in OWN if name in known}
    if "physical" in own:
        own["physical"] = np.array([t.physical])
    if "balance" in own:
        own["balance"] = np.array([math.nan if t.balance is None else t.balance])
    return dict(measures) | {"at": np.array([t.at]), "amount": np.array([t.amount])} | own


def added(at: np.ndarray, amount: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return what transactions add to totals: amount, its logarithm, the square of that, night; as whole numbers."""
    logarithm = np.floor(np.log(amount) * UNITS + 0.5).astype(np.int64)
    hour = at % DAY // (DAY // 24)
    night = (at % DAY != 0) & ((hour >= NIGHT_FROM) | (hour < NIGHT_TO))
    return np.floor(amount * UNITS + 0.5).astype(np.int64), logarithm, logarithm**2, night.astype(np.int64)


def values_of(t: Transaction, first: First) -> tuple[str, ...] | None:
    """Return what the first moment of a transaction is noted under; None where one of the values is missing."""
    values = tuple(getattr(t, key) for key in first.keys)
    return None if None in values else values


class Past(Protocol):
    """All transactions before, where they are asked for by card or place (`key`, `value`); moments strictly before."""

    def first(self, first: First, values: tuple[str, ...]) -> int | None:
        """Return the earliest moment of these values; None where there is none."""

    def moves(self, key: str, value: str, start: int, end: int) -> list[tuple[int, float]]:
        """Return moments and amounts from a moment on up to, but not at, another, in order."""

    def last(self, key: str, value: str, before: int) -> int | None:
        """Return the last moment of a customer or account before another."""

    def last_place(self, customer: str, before: int) -> tuple[int, str] | None:
        """Return when and where a customer last stood somewhere."""


class Line:
    """Moments in order, each with whole numbers beside it; all there are from `since` on."""

    __slots__ = ("moments", "numbers", "since")

    def __init__(self, since: int, moves: Sequence[tuple[int, float]]) -> None:
        at, amount = (np.array([move[i] for move in moves], kind) for i, kind in enumerate((np.int64, np.float64)))
        self.since = since
        self.moments = array("q", at.tobytes())
        self.numbers = tuple(array("q", column.tobytes()) for column in added(at, amount))

    def add(self, at: int, numbers: Iterable[int]) -> None:
        """Add a moment; it mostly is the latest, and one before `since` is none of these."""
        if at < self.since:
            return
        place = len(self.moments) if not self.moments or at >= self.moments[-1] else bisect_right(self.moments, at)
        for column, number in zip((self.moments, *self.numbers), (at, *numbers), strict=True):
            column.insert(place, number)

    def span(self, start: int, end: int) -> slice:
        """Return where the moments from start up to, but not at, end are."""
        return slice(bisect_left(self.moments, start), bisect_left(self.moments, end))

    def column(self, which: int, rows: slice) -> np.ndarray:
        """Return the numbers of some moments; keep no reference to them, since the line could not grow."""
        return np.frombuffer(self.numbers[which], dtype=np.int64)[rows]

    def forget(self, start: int) -> None:
        """Drop moments before start once they are half of all, which makes dropping cheap."""
        stale = bisect_left(self.moments, start)
        if stale and 2 * stale > len(self.moments):
            self.since = start
            for column in (self.moments, *self.numbers):
                del column[:stale]


class Lines:
    """The lines of some of all customers, cards or places, those longest untouched first."""

    def __init__(self, key: str, past: Past) -> None:
        self._key, self._past = key, past
        self._lines: OrderedDict[str, Line] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of moments of all lines."""
        return sum(len(line.moments) for line in self._lines.values())

    def get(self, value: str, start: int, end: int) -> Line:
        """Return a line that is whole from start to end; it stays, unless it would be older than the one there is."""
        line = self._lines.get(value)
        if line is None:
            since = start - PATIENCE
            self._lines[value] = line = Line(since, self._past.moves(self._key, value, since, _EVER))
        elif line.since > start:
            return Line(start, self._past.moves(self._key, value, start, end))
        self._lines.move_to_end(value)
        return line

    def add(self, value: str, at: int, numbers: Iterable[int], forget_before: int) -> None:
        """Add a moment to a line if it is here, and forget here and there what is too old.

        Every call looks at the lines that were left alone for longest, so that all that is too old goes in time and no
        call takes long.
        """
        if line := self._lines.get(value):
            line.add(at, numbers)
            line.forget(forget_before)
        while self._lines:
            value, line = next(iter(self._lines.items()))
            if line.moments and line.moments[-1] >= forget_before:
                break
            del self._lines[value]


PATIENCE = DAY
"""How much later than the same account's others a transaction may arrive and still be measured."""
_EVER = np.iinfo(np.int64).max


class FraudState:
    """Measures by all that is in the past, which others write: `add` what was written, so that it is counted here too.

    Frauds are few, and all that count are told it by `label`.
    """

    def __init__(self, past: Past, specification: Specification = SPECIFICATION) -> None:
        self.specification = specification
        self._past = past
        self._moves = {key: Lines(key, past) for key in KEYS}
        self._frauds: dict[tuple[str, str], list[int]] = {}
        self._windows = {key: [w for w in specification.windows if w.key == key] for key in KEYS}

    def __len__(self) -> int:
        """Return the number of moments that are remembered here."""
        return sum(map(len, (*self._moves.values(), *self._frauds.values())))

    def measures(self, t: Transaction) -> dict[str, np.ndarray]:
        """Measure a transaction by what came before it, as arrays of length 1; nothing is remembered of it.

        Named by the specification, as of `batch.raw_measures`: float64, NaN where missing; the country an object.
        """
        found: dict[str, float | None] = {}
        for key, windows in self._windows.items():
            if windows:
                found |= self._totals(key, getattr(t, key), windows, t.at)
        for first in self.specification.firsts:
            found[first.name] = self._age_of_first(first, t)
        for previous in self.specification.previous:
            value = getattr(t, previous.key)
            found[previous.name] = _seconds(t.at, value and self._past.last(previous.key, value, t.at))
        columns = {name: np.array([value], dtype=np.float64) for name, value in found.items()}
        return columns | (self._last_place(t) if self.specification.physical else {})

    def add(self, t: Transaction) -> None:
        """Count a transaction that the past has from now on; its measures are taken before."""
        numbers = [int(column[0]) for column in added(np.array([t.at]), np.array([t.amount]))]
        for key, lines in self._moves.items():
            if (value := getattr(t, key)) is not None:
                lines.add(value, t.at, numbers, t.at - memory(self.specification))

    def label(self, t: Transaction, known_at: int) -> None:
        """Remember that a transaction is known as a fraud from a moment on."""
        for place in _places(t):
            insort(self._frauds.setdefault(place, []), known_at)

    def withdraw(self, t: Transaction, known_at: int) -> None:
        """Take back a label."""
        for place in _places(t):
            self._frauds[place].remove(known_at)

    def _totals(self, key: str, value: str | None, windows: list[Window], now: int) -> dict[str, float]:
        if value is None:
            return dict.fromkeys((w.name for w in windows), math.nan)
        moves = self._moves[key].get(value, now - self.specification.reach * DAY, now)
        frauds = self._frauds.get((key, value), [])
        return {w.name: _total(moves, frauds, w, now, self.specification.delay) for w in windows}

    def _age_of_first(self, first: First, t: Transaction) -> float:
        values = values_of(t, first)
        if values is None:
            return math.nan
        noted = self._past.first(first, values)
        return 0.0 if noted is None else (t.at - min(noted, t.at)) / SECOND

    def _last_place(self, t: Transaction) -> dict[str, np.ndarray]:
        at, country = self._past.last_place(t.customer, t.at) or (None, None)
        seconds, name = PREVIOUS_PHYSICAL
        return {seconds: np.array([_seconds(t.at, at)]), name: np.array([country], dtype=object)}


def memory(specification: Specification) -> int:
    """Return for how many microseconds a transaction is remembered."""
    return specification.reach * DAY + PATIENCE


def _places(t: Transaction) -> list[tuple[str, str]]:
    return [(key, value) for key in KEYS if (value := getattr(t, key)) is not None]


def _total(line: Line, frauds: list[int], window: Window, now: int, delay: int) -> float:
    """Total what the moments of a window add."""
    measure = MEASURES[window.measure]
    oldest, youngest = window.span(delay)
    start, end = now - oldest, now - youngest
    if measure.adds == "fraud":
        return float(bisect_left(frauds, end) - bisect_left(frauds, start))
    rows = line.span(start, end)
    if measure.adds == "one":
        return float(rows.stop - rows.start)
    values = line.column(ADDED.index(measure.adds), rows)
    if not len(values):
        return math.nan if measure.total == "max" else 0.0
    # floating point holds totals up to 2^53 exactly, and no larger ones can flow over
    total = values.max() if measure.total == "max" else values.sum(dtype=np.float64)
    return float(total) / measure.scale


def _seconds(now: int, then: int | None) -> float:
    return math.nan if then is None else (now - then) / SECOND
