"""Kept state: the measures of one transaction as it arrives, the same as the batch has of it to the last digit.

The measures are those of `fraud_spec`, as `fraud_windows` computes them for whole histories. Transactions are
remembered as long as a window can reach them and one day more, so that those that arrive late are still measured
rightly; of what is older, only the first and the last moments are kept. What a transaction adds are whole numbers: no
order of adding changes a total.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from bankmine.topics.fraud.lines import Line, Lines
from bankmine.topics.fraud.spec import (
    DAY,
    KEYS,
    MEASURES,
    PREVIOUS_PHYSICAL,
    SECOND,
    SPECIFICATION,
    First,
    Specification,
    Window,
)
from bankmine.topics.fraud.transaction import ADDED, Transaction, added, values_of

PATIENCE = DAY
"""How much later than others a transaction may arrive and still be measured."""


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
    """What is remembered of the transactions up to now.

    Parameters
    ----------
    specification : Specification
        What to measure, and by how many days labels are late; whatever it is, all keys are remembered.
    firsts : Firsts, optional
        Where first moments are kept; in memory where it is not given.

    Attributes
    ----------
    newest : int or None
        Moment of the latest transaction.
    """

    def __init__(self, specification: Specification = SPECIFICATION, firsts: Firsts | None = None) -> None:
        self.specification = specification
        self.firsts: Firsts = FirstsInMemory() if firsts is None else firsts
        self.newest: int | None = None
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
    def earliest(self) -> int | None:
        """Earliest moment of which a transaction can still be measured; None where any can."""
        return None if self.newest is None else self.newest - PATIENCE

    def measures(self, t: Transaction) -> dict[str, np.ndarray]:
        """Measure a transaction by what came before it; nothing is remembered of it.

        Returns
        -------
        dict of str to np.ndarray
            By the names of the specification, arrays of length 1 as those of `fraud_windows.raw_measures`: float64, NaN
            where missing; the country is an object.
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
        self.newest = t.at if self.newest is None else max(t.at, self.newest)
        horizon, numbers = self.newest - self._memory, added(t.at, t.amount)
        for key in KEYS:
            if (value := getattr(t, key)) is not None:
                self._moves[key].add(value, t.at, numbers, horizon)
        self._stand(t)
        for first in SPECIFICATION.firsts:
            if (values := values_of(t, first)) is not None:
                self.firsts.note(first.name, values, t.at)

    def label(self, t: Transaction, known_at: int) -> None:
        """Remember that a transaction is known as a fraud from a moment on."""
        horizon = (known_at if self.newest is None else self.newest) - self._memory
        for key in KEYS:
            if (value := getattr(t, key)) is not None:
                self._frauds[key].add(value, known_at, (), horizon)

    def withdraw(self, t: Transaction, known_at: int) -> None:
        """Take back a label."""
        for key in KEYS:
            if (value := getattr(t, key)) is not None:
                self._frauds[key].remove(value, known_at)

    def load(self, transactions: Sequence[Transaction]) -> None:
        """Remember many transactions at once, in the order of time, in a state that has none; not what came first."""
        if not transactions:
            return
        self.newest = transactions[-1].at
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
        del places[: max(bisect_left(places, (self.newest - self._memory,)) - 1, 0)]

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
