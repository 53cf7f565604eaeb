"""Lines of time: what happened at each customer, card or place, in order, and forgotten in time."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import pandas as pd


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

    Attributes
    ----------
    rested : dict or None
        Last forgotten moment of each key, where these are to be kept.
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
        """Add many moments to empty lines at once.

        Parameters
        ----------
        keys : np.ndarray
            Whose they are: text, None where there is no key.
        at : np.ndarray
            Moments, int64, in order.
        numbers : sequence of np.ndarray
            What stands beside them, int64.
        """
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
