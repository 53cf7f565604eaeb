"""The life of a customer with the bank, month by month: new, active, fading, gone.

A Markov chain. Fading starts more often among price-sensitive, less loyal and less engaged customers; a fading
customer recovers or leaves. Who leaves either closes all accounts or falls silent and keeps them (silent attrition).
About 7 % of the customers leave in a year, a little more than half of them by closing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bankmine.demo.seasons import Calendar

STATES = ("before", "new", "active", "fading", "gone")
BEFORE, NEW, ACTIVE, FADING, GONE = range(len(STATES))
NEVER = 1 << 30
"""A day after every window."""

_MONTHS_NEW = 3
_RECOVERS, _LEAVES, _CLOSES = 0.14, 0.20, 0.55
_DORMANT = 0.05


@dataclass(frozen=True)
class Lifecycle:
    """State and activity of each customer in each month, shape (customers, months)."""

    state: np.ndarray
    activity: np.ndarray
    """Multiplies every rate: about 1 while active, near 0 once gone."""
    hazard: np.ndarray
    """True chance a month that an active customer starts to fade, shape (customers,)."""
    left: np.ndarray
    """Day of leaving, NEVER for those who stay, shape (customers,)."""
    closes: np.ndarray
    """Whether a leaver would close the accounts; else the leaver falls silent."""


def draw_lifecycle(
    rng: np.random.Generator, calendar: Calendar, joined: np.ndarray, trait: dict[str, np.ndarray]
) -> Lifecycle:
    """Draw the lives of customers who joined on day `joined`, given their latent traits."""
    score = 0.45 * trait["price_sensitivity"] - 0.5 * trait["loyalty"] - 0.35 * trait["engagement"]
    hazard = np.round(0.012 * np.exp(score), 6)
    state = _walk(rng, calendar, joined, hazard)
    activity = _activity(rng, state)
    gone = (state == GONE).argmax(axis=1)
    leaves = (state == GONE).any(axis=1) & (gone > 0)
    day = calendar.month_start[gone] + (rng.random(len(joined)) * 28).astype(np.int64)
    closes = rng.random(len(joined)) < _CLOSES
    left = np.where((state[:, 0] == GONE), 0, np.where(leaves, day, NEVER))
    return Lifecycle(state, activity, hazard, left, leaves & closes)


def _walk(rng: np.random.Generator, calendar: Calendar, joined: np.ndarray, hazard: np.ndarray) -> np.ndarray:
    """Walk the chain over all months; a customer's first months after joining are `new`."""
    month_joined = np.where(joined < 0, -_MONTHS_NEW, calendar.month[np.maximum(joined, 0)])
    start = np.where(rng.random(len(joined)) < _DORMANT, GONE, ACTIVE)
    start = np.where((start == ACTIVE) & (rng.random(len(joined)) < 4 * hazard), FADING, start)
    state = np.empty((len(joined), calendar.months), dtype=np.int8)
    now = np.where(joined < 0, start, BEFORE)
    for month in range(calendar.months):
        chance = rng.random(len(joined))
        if month:
            now = _step(now, chance, hazard)
        age = month - month_joined
        now = np.select([age < 0, age < _MONTHS_NEW, (age == _MONTHS_NEW) & (now == NEW)], [BEFORE, NEW, ACTIVE], now)
        state[:, month] = now
    return state


def _step(now: np.ndarray, chance: np.ndarray, hazard: np.ndarray) -> np.ndarray:
    fades = (now == ACTIVE) & (chance < hazard)
    recovers = (now == FADING) & (chance < _RECOVERS)
    leaves = (now == FADING) & (chance > 1 - _LEAVES)
    return np.select([fades, recovers, leaves], [FADING, ACTIVE, GONE], now)


def _activity(rng: np.random.Generator, state: np.ndarray) -> np.ndarray:
    """Fading shows as a slow decline, so that it can be seen coming but never for certain."""
    noise = np.exp(0.18 * rng.standard_normal(state.shape))
    months_fading = np.zeros(len(state))
    level = np.empty(state.shape)
    for month in range(state.shape[1]):
        now = state[:, month]
        months_fading = np.where(now == FADING, months_fading + 1, 0)
        level[:, month] = np.select([now == NEW, now == FADING, now == ACTIVE], [0.7, 0.85**months_fading, 1.0], 0.0)
    level[state == GONE] = 0.03
    return level * noise
