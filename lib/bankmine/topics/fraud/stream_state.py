"""Kept state: the measures of one transaction as it arrives, the same as the batch has of it to the last digit.

The measures are those of `measures`, as `batch` computes them for whole histories. Transactions are
remembered as long as a window can reach them and one day more, so that those that arrive late are still measured
rightly; of what is older, only the first and the last moments are kept. What a transaction adds are whole numbers: no
order of adding changes a total.
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
import pandas as pd

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


def added(at: int, amount: float) -> tuple[int, int, int, int]:
    """Return what a transaction adds to totals: amount, its logarithm, the square of that, night; as whole numbers."""
    logarithm = math.floor(math.log(amount) * UNITS + 0.5)
    hour = at % DAY // (DAY // 24)
    night = at % DAY != 0 and (hour >= NIGHT_FROM or hour < NIGHT_TO)
    return math.floor(amount * UNITS + 0.5), logarithm, logarithm * logarithm, int(night)


def values_of(t: Transaction, first: First) -> tuple[str, ...] | None:
    """Return what the first moment of a transaction is noted under; None where one of the values is missing."""
    values = tuple(getattr(t, key) for key in first.keys)
    return None if None in values else values


class Line:
    """Moments in order, each with whole numbers beside it."""

    __slots__ = ("moments", "numbers")

    def __init__(self, width: int) -> None:
        self.moments = array("q")
        self.numbers = tuple(array("q") for _ in range(width))

    def add(self, at: int, numbers: Sequence[int]) -> None:
        """Add a moment; it mostly is the latest."""
        place = len(self.moments) if not self.moments or at >= self.moments[-1] else bisect_right(self.moments, at)
        self.moments.insert(place, at)
        for column, number in zip(self.numbers, numbers, strict=True):
            column.insert(place, number)

    def extend(self, at: np.ndarray, numbers: Sequence[np.ndarray]) -> None:
        """Add moments, in order and later than all that are here; int64."""
        for column, values in zip((self.moments, *self.numbers), (at, *numbers), strict=True):
            column.frombytes(values.tobytes())

    def span(self, start: int, end: int) -> slice:
        """Return where the moments from start up to, but not at, end are."""
        return slice(bisect_left(self.moments, start), bisect_left(self.moments, end))

    def column(self, which: int, rows: slice) -> np.ndarray:
        """Return the numbers of some moments; keep no reference to them, since the line could not grow."""
        return np.frombuffer(self.numbers[which], dtype=np.int64)[rows]

    def before(self, at: int) -> int | None:
        """Return the last moment before another; None where there is none."""
        place = bisect_left(self.moments, at)
        return self.moments[place - 1] if place else None

    def forget(self, start: int) -> int | None:
        """Drop moments before start once they are half of all, which makes dropping cheap; return the last of them."""
        stale = bisect_left(self.moments, start)
        if 2 * stale <= len(self.moments):
            return None
        last = self.moments[stale - 1]
        for column in (self.moments, *self.numbers):
            del column[:stale]
        return last


class Lines:
    """A line for each customer, card or place, those longest untouched first.

    `rested` has the last forgotten moment of each key, where these are to be kept, else None.
    """

    def __init__(self, width: int, resting: bool = False) -> None:
        self._width = width
        self._lines: OrderedDict[str, Line] = OrderedDict()
        self.rested: dict[str, int] | None = {} if resting else None

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def size(self) -> int:
        """Number of moments of all lines."""
        return sum(len(line.moments) for line in self._lines.values())

    def get(self, key: str) -> Line | None:
        """Return the line of a key; None where nothing is remembered."""
        return self._lines.get(key)

    def add(self, key: str, at: int, numbers: Sequence[int], forget_before: int) -> None:
        """Add a moment to the line of a key, and forget here and there what is too old.

        Every call looks at the lines that were left alone for longest, so that all that is too old goes in time and no
        call takes long.
        """
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = Line(self._width)
        else:
            self._lines.move_to_end(key)
        line.add(at, numbers)
        self._rest(key, line.forget(forget_before))
        self._sweep(forget_before)

    def remove(self, key: str, at: int) -> None:
        """Take back one moment that has no numbers beside it."""
        if (line := self._lines.get(key)) and at in line.moments:
            line.moments.remove(at)

    def load(self, keys: np.ndarray, at: np.ndarray, numbers: Sequence[np.ndarray]) -> None:
        """Add many moments, in order, to empty lines at once; of keys, None where there is none."""
        codes, names = pd.factorize(keys)  # a missing key has the code -1
        order = np.argsort(codes, kind="stable")[np.count_nonzero(codes < 0) :]
        groups = np.split(order, np.flatnonzero(np.diff(codes[order])) + 1) if len(names) else []
        for rows in sorted(groups, key=lambda rows: rows[-1]):
            line = self._lines[names[codes[rows[0]]]] = Line(self._width)
            line.extend(at[rows], [column[rows] for column in numbers])

    def before(self, key: str | None, at: int) -> int | None:
        """Return the last moment of a key before another, also of those forgotten if they rest."""
        line = self._lines.get(key) if key is not None else None
        found = line.before(at) if line else None
        return found if found is not None or self.rested is None else self.rested.get(key)

    def _sweep(self, start: int) -> None:
        while self._lines:
            key, line = next(iter(self._lines.items()))
            if line.moments and line.moments[-1] >= start:
                break
            del self._lines[key]
            self._rest(key, line.moments[-1] if line.moments else None)

    def _rest(self, key: str, at: int | None) -> None:
        if self.rested is not None and at is not None:
            self.rested[key] = max(at, self.rested.get(key, at))


PATIENCE = DAY
"""How much later than others a transaction may arrive and still be measured."""
_WITNESSES = 2
"""Customers who must have reached a moment for others to be late."""


class Firsts(Protocol):
    """When something was first seen; never forgotten, so a large bank keeps it on disk."""

    def get(self, first: str, values: tuple[str, ...]) -> int | None:
        """Return the earliest moment noted under these values; None where there is none."""

    def note(self, first: str, values: tuple[str, ...], at: int) -> None:
        """Note a moment."""


class FirstsInMemory:
    """First moments in a dictionary."""

    def __init__(self) -> None:
        self._noted: dict[tuple[str, ...], int] = {}

    def get(self, first: str, values: tuple[str, ...]) -> int | None:
        """Return the earliest moment noted under these values; None where there is none."""
        return self._noted.get((first, *values))

    def note(self, first: str, values: tuple[str, ...], at: int) -> None:
        """Note a moment."""
        key = (first, *values)
        self._noted[key] = min(at, self._noted.get(key, at))


class FraudState:
    """What is remembered of the transactions up to now; `newest` is the latest moment that two customers have reached.

    So one whose clock is ahead makes no other late. All keys are remembered, whatever the specification measures; first
    moments in `firsts`, or else in memory.
    """

    def __init__(self, specification: Specification = SPECIFICATION, firsts: Firsts | None = None) -> None:
        self.specification = specification
        self.firsts: Firsts = FirstsInMemory() if firsts is None else firsts
        self._latest: dict[str, int] = {}
        self._memory = memory(specification)
        resting = {p.key for p in SPECIFICATION.previous}
        self._moves = {key: Lines(len(ADDED), key in resting) for key in KEYS}
        self._frauds = {key: Lines(0) for key in KEYS}
        self._places: OrderedDict[str, list[tuple[int, str]]] = OrderedDict()
        self._windows = {key: [w for w in specification.windows if w.key == key] for key in KEYS}

    def __len__(self) -> int:
        """Return the number of moments that are remembered."""
        lines = (*self._moves.values(), *self._frauds.values())
        return sum(line.size for line in lines) + sum(map(len, self._places.values()))

    @property
    def newest(self) -> int | None:
        """Latest moment that two customers have reached; None before."""
        return min(self._latest.values()) if len(self._latest) == _WITNESSES else None

    def reach(self, customer: str, at: int) -> None:
        """Note that a customer has reached a moment: the two latest are kept, each of another customer."""
        self._latest[customer] = max(at, self._latest.get(customer, at))
        if len(self._latest) > _WITNESSES:
            del self._latest[min(self._latest, key=self._latest.get)]

    @property
    def earliest(self) -> int | None:
        """Earliest moment of which a transaction can still be measured; None where any can."""
        return None if self.newest is None else self.newest - PATIENCE

    def measures(self, t: Transaction) -> dict[str, np.ndarray]:
        """Measure a transaction by what came before it, as arrays of length 1; nothing is remembered of it.

        Named by the specification, as of `batch.raw_measures`: float64, NaN where missing; the country an object.
        """
        found: dict[str, float | None] = {}
        for key, windows in self._windows.items():
            found |= self._totals(key, getattr(t, key), windows, t.at)
        for first in self.specification.firsts:
            found[first.name] = self._age_of_first(first, t)
        for previous in self.specification.previous:
            last = self._moves[previous.key].before(getattr(t, previous.key), t.at)
            found[previous.name] = _seconds(t.at, last)
        columns = {name: np.array([value], dtype=np.float64) for name, value in found.items()}
        return columns | (self._last_place(t) if self.specification.physical else {})

    def add(self, t: Transaction) -> None:
        """Remember a transaction; its measures are taken before."""
        self.reach(t.customer, t.at)
        horizon, numbers = self._horizon(), added(t.at, t.amount)
        for key in KEYS:
            if (value := getattr(t, key)) is not None:
                self._moves[key].add(value, t.at, numbers, horizon)
        self._stand(t)
        for first in SPECIFICATION.firsts:
            if (values := values_of(t, first)) is not None:
                self.firsts.note(first.name, values, t.at)

    def label(self, t: Transaction, known_at: int) -> None:
        """Remember that a transaction is known as a fraud from a moment on."""
        horizon = self._horizon()
        for key in KEYS:
            if (value := getattr(t, key)) is not None:
                self._frauds[key].add(value, known_at, (), horizon)

    def _horizon(self) -> int:
        """Return the moment before which nothing need be remembered whole; of one customer alone all is."""
        return 0 if self.newest is None else self.newest - self._memory

    def withdraw(self, t: Transaction, known_at: int) -> None:
        """Take back a label."""
        for key in KEYS:
            if (value := getattr(t, key)) is not None:
                self._frauds[key].remove(value, known_at)

    def load(self, transactions: Sequence[Transaction]) -> None:
        """Remember many transactions at once, in the order of time, in a state that has none; not what came first."""
        if not transactions:
            return
        for t in transactions:
            self.reach(t.customer, t.at)
        at = np.array([t.at for t in transactions], dtype=np.int64)
        numbers = np.array([added(t.at, t.amount) for t in transactions], dtype=np.int64).T.copy()
        for key in KEYS:
            values = np.array([getattr(t, key) for t in transactions], dtype=object)
            self._moves[key].load(values, at, numbers)
        for t in transactions:
            self._stand(t)

    def recall(self, key: str, moments: Iterable[tuple[str, int]]) -> None:
        """Remember the last moments of customers or accounts (`key`) before those that are remembered whole."""
        self._moves[key].rested = dict(moments)

    def recall_places(self, places: Iterable[tuple[str, int, str]]) -> None:
        """Remember when and where customers last stood somewhere before what is remembered whole."""
        for customer, at, country in places:
            insort(self._places.setdefault(customer, []), (at, country))

    def _totals(self, key: str, value: str | None, windows: list[Window], now: int) -> dict[str, float]:
        if value is None:
            return dict.fromkeys((w.name for w in windows), math.nan)
        moves, frauds = self._moves[key].get(value), self._frauds[key].get(value)
        return {w.name: _total(frauds if _of_frauds(w) else moves, w, now, self.specification.delay) for w in windows}

    def _age_of_first(self, first: First, t: Transaction) -> float:
        values = values_of(t, first)
        if values is None:
            return math.nan
        noted = self.firsts.get(first.name, values)
        return 0.0 if noted is None else (t.at - min(noted, t.at)) / SECOND

    def _stand(self, t: Transaction) -> None:
        """Remember where the customer stood; of another customer, in turn, forget all but the last place too old."""
        if not t.physical or t.country is None:
            return
        insort(self._places.setdefault(t.customer, []), (t.at, t.country))
        turn, places = next(iter(self._places.items()))
        self._places.move_to_end(turn)
        del places[: max(bisect_left(places, (self._horizon(),)) - 1, 0)]

    def _last_place(self, t: Transaction) -> dict[str, np.ndarray]:
        places = self._places.get(t.customer, [])
        found = bisect_left(places, (t.at,))
        at, country = places[found - 1] if found else (None, None)
        seconds, name = PREVIOUS_PHYSICAL
        return {seconds: np.array([_seconds(t.at, at)]), name: np.array([country], dtype=object)}


def memory(specification: Specification) -> int:
    """Return for how many microseconds a transaction is remembered."""
    return specification.reach * DAY + PATIENCE


def _of_frauds(window: Window) -> bool:
    return MEASURES[window.measure].adds == "fraud"


def _total(line: Line | None, window: Window, now: int, delay: int) -> float:
    """Total what the moments of a window add."""
    measure = MEASURES[window.measure]
    nothing = math.nan if measure.total == "max" else 0.0
    if line is None:
        return nothing
    oldest, youngest = window.span(delay)
    rows = line.span(now - oldest, now - youngest)
    if measure.adds in ("one", "fraud"):
        return float(rows.stop - rows.start)
    values = line.column(ADDED.index(measure.adds), rows)
    if not len(values):
        return nothing
    # floating point holds totals up to 2^53 exactly, and no larger ones can flow over
    total = values.max() if measure.total == "max" else values.sum(dtype=np.float64)
    return float(total) / measure.scale


def _seconds(now: int, then: int | None) -> float:
    return math.nan if then is None else (now - then) / SECOND
