"""Sessions in app and web: when customers log in, and what they are up to, which nobody sees.

Sessions arrive by a Poisson process over days: more with digital affinity and engagement, fewer at weekends, and in
step with the month's activity, so that logins fade before a customer leaves. Phones are used in the evening, computers
in working hours. What a session is for is the state of a Markov chain that runs from session to session, whatever the
time between: most are routine, some are spent exploring or buying, and some go wrong. The chain is tilted a little by
traits: who minds prices explores more, who is at home on a phone struggles less.

On 2025-03-01 the app gets a new home screen: from then on more of the sessions are on the phone.

About 3 sessions a customer and month, many more among the young and hardly any among the old; in kind, not in exact
size, as banks publish yearly averages only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from demobank.arrow import keys, words
from demobank.books.bookings import arrivals
from demobank.customers.habits import Habits
from demobank.customers.world import World
from demobank.seasons import Calendar
from demobank.streams import Streams

STATES = ("routine", "exploring", "buying", "struggling")
ROUTINE, EXPLORING, BUYING, STRUGGLING = range(len(STATES))

# rows: state of the session before, columns: state of this one
_TRANSITIONS = np.array(
    [
        [0.76, 0.13, 0.03, 0.08],
        [0.42, 0.38, 0.14, 0.06],
        [0.46, 0.20, 0.24, 0.10],
        [0.46, 0.12, 0.06, 0.36],
    ]
)

PLANTED: dict[str, float] = {
    **{
        f"events.transition.{before}.{after}": float(_TRANSITIONS[i, j])
        for i, before in enumerate(STATES)
        for j, after in enumerate(STATES)
    },
    # added to the log-odds of the state for each unit of the trait, counted from the average user's
    "events.tilt.price_sensitivity.exploring": 0.2,
    "events.tilt.digital.struggling": -0.2,
    # effect of traits on the logarithm of the rate of sessions
    "events.log_rate.digital": 0.6,
    "events.log_rate.engagement": 0.3,
    # added to the log-odds of a session on the phone by the new home screen
    "events.home_screen.mobile": 0.7,
}

DRIFTS = (
    (
        "app_home_screen",
        "covariate",
        "2025-03-01",
        "events",
        "a new home screen in the app: its page home is called start, and more of the sessions are mobile",
    ),
)
"""What changes in these tables for good, and when: name, kind, first day, table, description."""

LONGEST = 1800
"""Seconds after which the app logs out; also the least time between two logins."""
PER_CUSTOMER_SESSIONS = 100_000
"""Session numbers set aside for each customer."""

_PER_DAY = 0.072
_USER = {"price_sensitivity": 0.25, "digital": 0.65}
"""Traits of the average user: users are younger than customers."""
# Monday to Sunday
_WEEK = np.array([1.12, 1.05, 1.03, 1.02, 1.08, 0.88, 0.82])
# hours by which none, a quarter, half, three quarters and all of the day's sessions begin: on a computer, on a phone
_HOURS = ((7.5, 10.3, 13.8, 16.2, 22.5), (6.2, 11.0, 15.5, 20.0, 25.0))


@dataclass(frozen=True)
class Sessions:
    """One value a session, in order of customer and time; no two of a customer overlap."""

    customer: np.ndarray
    day: np.ndarray
    second: np.ndarray
    mobile: np.ndarray
    state: np.ndarray
    """What it is for, a number of STATES."""
    number: np.ndarray
    """Number of the session in the bank."""


def draw_sessions(world: World, habits: Habits, streams: Streams) -> Sessions:
    """Draw the sessions of a block."""
    customer, day = arrivals(streams("events/arrivals"), _rates(streams("events/rates"), world))
    mobile = _on_phone(streams("events/channels"), world, customer, day)
    second = _seconds(streams("events/hours"), habits.late[customer], mobile)
    order = np.lexsort((second, day, customer))
    customer, day, second, mobile = (a[order] for a in (customer, day, second, mobile))
    moment = (customer * (world.calendar.length + 1) + day) * 86_400 + second
    apart = np.diff(moment, prepend=-LONGEST) >= LONGEST
    customer, day, second, mobile = (a[apart] for a in (customer, day, second, mobile))
    count = np.bincount(customer, minlength=len(world))
    number = np.arange(len(customer)) - np.repeat(count.cumsum() - count, count)
    state = _walk(streams("events/states"), world, count)
    return Sessions(customer, day, second, mobile, state, (world.first + customer) * PER_CUSTOMER_SESSIONS + number)


def launch_day(calendar: Calendar) -> int:
    """Return the day of the new home screen, counted from the window's first; it may lie outside the window."""
    return int((np.datetime64(DRIFTS[0][2]) - calendar.start).astype(np.int64))


def _rates(rng: np.random.Generator, world: World) -> np.ndarray:
    """Return sessions expected of each customer on each day, shape (customers, days)."""
    calendar, days = world.calendar, np.arange(world.calendar.length)
    drive = sum(PLANTED[f"events.log_rate.{name}"] * world.trait(name) for name in ("digital", "engagement"))
    rate = _PER_DAY * np.exp(drive) * rng.gamma(4.0, 1 / 4.0, len(world))
    there = (world.joined[:, None] <= days) & (days < world.life.left[:, None])
    season = _WEEK[calendar.weekday]
    return np.minimum(rate, 1.5)[:, None] * world.life.activity[:, calendar.month] * season * there


def _on_phone(rng: np.random.Generator, world: World, customer: np.ndarray, day: np.ndarray) -> np.ndarray:
    score = 0.3 + 1.0 * world.trait("digital")[customer]
    score += PLANTED["events.home_screen.mobile"] * (day >= launch_day(world.calendar))
    return rng.random(len(customer)) < 1 / (1 + np.exp(-score))


def _seconds(rng: np.random.Generator, late: np.ndarray, mobile: np.ndarray) -> np.ndarray:
    """Draw the second of the day, early enough for the session to end before midnight."""
    chance = rng.random(len(mobile))
    computer, phone = (np.interp(chance, (0, 0.25, 0.5, 0.75, 1), hours) for hours in _HOURS)
    hour = (np.where(mobile, phone, computer) + 0.6 * late) % 24
    return 1 + (hour / 24 * (86_399 - LONGEST)).astype(np.int64)


def _walk(rng: np.random.Generator, world: World, count: np.ndarray) -> np.ndarray:
    """Walk the chain over `count` sessions of each customer; the first follows a routine one, before the window."""
    limits = transitions(world).cumsum(axis=2)[:, :, :-1]
    chance = rng.random(count.sum())
    first = count.cumsum() - count
    most = np.argsort(-count, kind="stable")
    state, now = np.empty(len(chance), dtype=np.int8), np.full(len(count), ROUTINE)
    for number in range(count.max(initial=0)):
        walking = most[: np.searchsorted(-count[most], -number)]
        row = first[walking] + number
        now[walking] = (chance[row, None] > limits[walking, now[walking]]).sum(axis=1)
        state[row] = now[walking]
    return state


def transitions(world: World) -> np.ndarray:
    """Return each customer's chances from state to state, shape (customers, states, states)."""
    tilt = np.zeros((len(world), len(STATES)))
    for name, state in (("price_sensitivity", EXPLORING), ("digital", STRUGGLING)):
        strength = PLANTED[f"events.tilt.{name}.{STATES[state]}"]
        tilt[:, state] = strength * (world.trait(name) - _USER[name])
    odds = _TRANSITIONS * np.exp(tilt)[:, None, :]
    return odds / odds.sum(axis=2, keepdims=True)


def session_ids(numbers: np.ndarray) -> pa.Array:
    """Return the keys of sessions."""
    return keys("S", numbers, 12)


def truth_of_sessions(world: World, sessions: Sessions) -> pa.Table:
    """Return what each session was for."""
    return pa.table(
        {
            "session_id": session_ids(sessions.number),
            "customer_id": keys("C", world.first + sessions.customer, 7),
            "state": words(sessions.state, STATES),
        }
    )
