"""One who is merely busy and one who is a rogue, both in operations and on the day shift of the bank's first branch.

The busy one also corrects bookings around each month's end and so does most of all, some of it in overtime; all of it
is in order. The rogue, from a day in March 2025 and for half a year, looks at the records of wealthy customers who have
fallen silent, often out of shift and without any contact before, and then reverses a fee or moves money by hand, just
below the limit above which a second person must approve. In all the rogue does no more than others do.
"""

from __future__ import annotations

import numpy as np

from demobank.books.bookings import to_cents
from demobank.branch.roster import Roster, clock, moments
from demobank.branch.staff import ACTIONS, LIMIT, amounts, rows_of, silent
from demobank.customers.world import World
from demobank.seasons import Calendar
from demobank.streams import Streams

ROGUE_FROM, ROGUE_UNTIL = np.datetime64("2025-03-10"), np.datetime64("2025-09-10")
"""First day of the rogue's doings, and the first day without them."""
PLANTED = {
    "staff.rogue_views": 46,
    "staff.rogue_transfers": 10,
    "staff.rogue_reversals": 8,
    "staff.rogue_out_of_shift": 0.55,
    "staff.rogue_share_of_ordinary_work": 0.9,
    "staff.busy_corrections_a_month": 25,
}
"""What the rogue does in half a year, and how much of it out of shift; the rogue's ordinary work beside that of a
colleague; corrections of the busy one."""

_WEALTHY, _QUIET, _DELAY = 0.75, 60, 4
"""Quantile of deposits above which a silent customer is a target, days of silence before, and days until which the
rogue acts on what was seen."""
_CORRECTIONS = {"reverse_fee": 0.35, "manual_transfer": 0.4, "approve_exception": 0.25}


def targets(world: World, deposits: np.ndarray) -> np.ndarray:
    """Return the customers whom the rogue looks at: those long silent who hold most.

    Parameters
    ----------
    deposits
        Held by each customer at each month end, shape (customers, months).
    """
    calendar = world.calendar
    start = int(np.clip((ROGUE_FROM - calendar.start).astype(np.int64), 0, calendar.length - 1))
    quiet = np.flatnonzero(silent(world, max(start - _QUIET, 0)))
    held = deposits[quiet, max(calendar.month[start] - 1, 0)]
    return quiet[held >= np.quantile(held, _WEALTHY)] if len(quiet) else quiet


def wrong_actions(world: World, deposits: np.ndarray, roster: Roster, rogue: int, streams: Streams) -> np.ndarray:
    """Draw what the rogue does wrong within the window, nothing where there is nobody to wrong."""
    rng = streams("staff/rogue")
    start, until = ((day - world.calendar.start).astype(np.int64) for day in (ROGUE_FROM, ROGUE_UNTIL))
    choice = targets(world, deposits)
    views = PLANTED["staff.rogue_views"] if len(choice) else 0
    customer = choice[(len(choice) * rng.random(views)).astype(np.int64)]
    day = start + (rng.random(views) * (until - start - _DELAY)).astype(np.int64)
    looks = rows_of(customer, day=day)
    rows = np.concatenate([looks, *_takings(rng, looks)])
    rows["staff"], rows["wrong"] = rogue, True
    within, over, early = rng.random((3, len(rows)))
    shift = np.full(len(rows), roster.shift[rogue])
    rows["second"] = clock(within, shift, over < PLANTED["staff.rogue_out_of_shift"], early < 0.3)
    return rows[(rows["day"] >= 0) & (rows["day"] < world.calendar.length)]


def _takings(rng: np.random.Generator, looks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draw transfers just below the limit, and reversals of uncommonly large fees."""
    moves = _afterwards(rng, looks, "manual_transfer", PLANTED["staff.rogue_transfers"])
    moves["cents"] = to_cents(np.round(LIMIT * rng.uniform(0.9, 0.998, len(moves)), -2))
    fees = _afterwards(rng, looks, "reverse_fee", PLANTED["staff.rogue_reversals"])
    fees["cents"] = to_cents(np.clip(np.round(130 * np.exp(0.4 * rng.standard_normal(len(fees)))), 30, 500))
    return moves, fees


def _afterwards(rng: np.random.Generator, looks: np.ndarray, action: str, number: int) -> np.ndarray:
    """Return actions on records looked at one to three days before."""
    rows = rng.choice(looks, min(number, len(looks)), replace=False)
    rows["day"] += rng.integers(1, _DELAY, len(rows), dtype=np.int32)
    rows["action"] = ACTIONS.index(action)
    return rows


def corrections(world: World, roster: Roster, busy: int, streams: Streams) -> np.ndarray:
    """Draw what the busy one does around the ends of months, on records of active customers."""
    rng = streams("staff/busy")
    month = np.repeat(np.arange(world.calendar.months), PLANTED["staff.busy_corrections_a_month"])
    day = _around_month_end(rng, world.calendar, month)
    limits = world.life.activity.cumsum(axis=0)
    customer = (rng.random(len(month)) * limits[-1, month] > limits[:, month]).sum(axis=0)
    names = rng.choice(len(_CORRECTIONS), len(month), p=list(_CORRECTIONS.values()))
    action = np.array([ACTIONS.index(name) for name in _CORRECTIONS])[names]
    there = (day >= world.joined[customer]) & (day < world.life.left[customer])
    rows = rows_of(customer[there], day=day[there], action=action[there], staff=busy)
    rows["second"] = moments(rng, world.calendar, roster, rows["staff"], rows["day"])
    rows["cents"] = amounts(rng, rows["action"])
    return rows


def _around_month_end(rng: np.random.Generator, calendar: Calendar, month: np.ndarray) -> np.ndarray:
    """Draw one of the last three or the first two working days of each of `month`."""
    worked = np.flatnonzero(calendar.working[-calendar.length :])
    first, last = (np.searchsorted(worked, calendar.month_start[month + after]) for after in (0, 1))
    place = rng.integers(-3, 2, len(month))
    return worked[np.where(place < 0, last, first) + place]
