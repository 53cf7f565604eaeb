"""The staff of a branch: role, shift, how much of the work each does, and when they work.

Each thousand customers have a branch of 25: tellers, advisers and operations, on a day or an evening shift. Some do
more than others, and a few work much overtime; twice as much of it falls into the last days of a month.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demobank.seasons import Calendar

ROLES = ("teller", "adviser", "operations")
TELLER, ADVISER, OPERATIONS = range(len(ROLES))
SHIFTS = ("day", "evening")
DAY, EVENING = range(len(SHIFTS))
HOURS = np.array([[8.5, 17.5], [13.0, 21.0]])
"""Begin and end of each shift."""

PLANTED = {"staff.overtime_share": 0.04}
"""Share of what is done out of shift, by the average person."""

_HEADS = ((8, 4), (5, 2), (4, 2))
"""Heads of each of ROLES on each of SHIFTS."""
_WEEKEND = 0.12
"""Work of a day off beside that of a working day."""


@dataclass(frozen=True)
class Roster:
    """The staff of one branch, shape (staff,)."""

    role: np.ndarray
    shift: np.ndarray
    share: np.ndarray
    """Share of the work of the role."""
    overtime: np.ndarray
    """Chance that something is done out of shift."""

    def __len__(self) -> int:
        """Return the number of staff."""
        return len(self.role)

    def of(self, role: int, shift: int) -> np.ndarray:
        """Return the staff of a role and shift."""
        return np.flatnonzero((self.role == role) & (self.shift == shift))


def draw_roster(rng: np.random.Generator) -> Roster:
    """Draw the staff of a branch, in no order."""
    heads = [(role, shift) for role, row in enumerate(_HEADS) for shift, many in enumerate(row) for _ in range(many)]
    role, shift = rng.permutation(np.array(heads)).T
    weight = rng.gamma(12.0, 1 / 12.0, len(role))
    share = weight / np.bincount(role, weights=weight)[role]
    overtime = PLANTED["staff.overtime_share"] * rng.exponential(1.0, len(role))
    return Roster(role, shift, share, np.minimum(overtime, 0.25))


def working_days(rng: np.random.Generator, calendar: Calendar, month: np.ndarray) -> np.ndarray:
    """Draw a day of each of `month`, mostly a working day."""
    load = np.where(calendar.working[-calendar.length :], 1.0, _WEEKEND).cumsum()
    load = np.concatenate([[0.0], load])
    low, high = load[calendar.month_start[month]], load[calendar.month_start[month + 1]]
    return np.searchsorted(load, low + rng.random(len(month)) * (high - low), side="right") - 1


def moments(
    rng: np.random.Generator, calendar: Calendar, roster: Roster, staff: np.ndarray, day: np.ndarray
) -> np.ndarray:
    """Draw the second of the day: in the shift, or in overtime, which doubles at the end of a month."""
    within, late, early = rng.random((3, len(day)))
    at_end = calendar.month_start[calendar.month[day] + 1] - day <= 3
    over = late < roster.overtime[staff] * np.where(at_end, 2.0, 1.0)
    return clock(within, roster.shift[staff], over, early < 0.3)


def clock(within: np.ndarray, shift: np.ndarray, over: np.ndarray, early: np.ndarray) -> np.ndarray:
    """Return seconds of the day for shares `within` of a shift, or of the hours after it or `early` before it."""
    begins, ends = HOURS[shift].T
    hour = np.where(
        over, np.where(early, begins - 1.5 * within, ends + 2.5 * within), begins + (ends - begins) * within
    )
    return np.minimum((hour * 3600).astype(np.int64), 86_399)
