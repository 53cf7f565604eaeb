"""The life of a customer with the bank, month by month: new, active, fading, gone.

A Markov chain with known causes. Fading starts more often among price-sensitive, less loyal and less engaged
customers; much more often in the month in which a complaint turns thirty days old unsettled; and more often, for
price-sensitive ones, while a competitor pays a better rate. A fading customer does less from month to month, and
recovers or leaves: at the earliest in the month after it began to fade. Who leaves either closes all accounts or falls
silent and keeps them (silent attrition). About 8 % of the customers leave in a year, a little more than half of them
by closing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demobank.customers.complaints import Complaints
from demobank.market import attacked
from demobank.seasons import Calendar

STATES = ("before", "new", "active", "fading", "gone")
BEFORE, NEW, ACTIVE, FADING, GONE = range(len(STATES))
NEVER = 1 << 30
"""A day after every window."""

PLANTED = {
    "churn.fading_hazard": 0.010,
    "churn.price_sensitivity_log_hazard": 0.45,
    "churn.loyalty_log_hazard": -0.5,
    "churn.engagement_log_hazard": -0.35,
    "churn.complaint_log_hazard": 3.0,
    "churn.competitor_log_hazard": 0.9,
    "churn.competitor_by_price_sensitivity_log_hazard": 0.6,
    "churn.fading_recovers": 0.14,
    "churn.fading_leaves": 0.20,
    "churn.leaver_closes": 0.55,
}
"""Chance a month that the average customer starts to fade and what multiplies it (log scale); what becomes of those
who fade, a month; share of leavers who close their accounts."""

_MONTHS_NEW = 3
_DORMANT = 0.05
_AHEAD = 3


@dataclass(frozen=True)
class Lifecycle:
    """State and activity of each customer in each month, shape (customers, months)."""

    state: np.ndarray
    activity: np.ndarray
    """Multiplies every rate: about 1 while active, near 0 once gone."""
    hazard: np.ndarray
    """True chance that a customer, while active, starts to fade in each month."""
    angry: np.ndarray
    """Whether a complaint reached the age of thirty days unsettled in each month."""
    left: np.ndarray
    """Day of leaving, NEVER for those who stay, shape (customers,)."""
    closes: np.ndarray
    """Whether a leaver would close the accounts; else the leaver falls silent."""

    def leaves_soon(self) -> np.ndarray:
        """Return the true chance to leave within the next three months, given all latents, after each month.

        Causes count as known up to that month: the competitor's offer and the complaint are not foreseen.
        """
        recovers, leaves = PLANTED["churn.fading_recovers"], PLANTED["churn.fading_leaves"]
        fades = self.hazard * np.exp(-PLANTED["churn.complaint_log_hazard"] * self.angry)
        active, fading = np.zeros(fades.shape), np.zeros(fades.shape)
        for _ in range(_AHEAD):
            active, fading = (
                (1 - fades) * active + fades * fading,
                leaves + recovers * active + (1 - leaves - recovers) * fading,
            )
        return np.select([self.state == FADING, (self.state == ACTIVE) | (self.state == NEW)], [fading, active], 0.0)


def draw_lifecycle(
    rng: np.random.Generator, calendar: Calendar, joined: np.ndarray, trait: dict[str, np.ndarray], upset: Complaints
) -> Lifecycle:
    """Draw the lives of customers who joined on day `joined`, given their latent traits and complaints."""
    angry = upset.drive_away(len(joined), calendar)
    hazard = _hazard(trait, angry, attacked(calendar))
    state = _walk(rng, calendar, joined, hazard)
    activity = _activity(rng, state)
    gone = (state == GONE).argmax(axis=1)
    leaves = (state == GONE).any(axis=1) & (gone > 0)
    day = calendar.month_start[gone] + (rng.random(len(joined)) * 28).astype(np.int64)
    closes = rng.random(len(joined)) < PLANTED["churn.leaver_closes"]
    left = np.where((state[:, 0] == GONE), 0, np.where(leaves, day, NEVER))
    return Lifecycle(state, activity, hazard, angry, left, leaves & closes)


def _hazard(trait: dict[str, np.ndarray], angry: np.ndarray, attack: np.ndarray) -> np.ndarray:
    sensitive = trait["price_sensitivity"]
    names = ("price_sensitivity", "loyalty", "engagement")
    score = sum(PLANTED[f"churn.{name}_log_hazard"] * trait[name] for name in names)
    lured = (
        PLANTED["churn.competitor_log_hazard"] + PLANTED["churn.competitor_by_price_sensitivity_log_hazard"] * sensitive
    )
    score = score[:, None] + np.maximum(lured, 0)[:, None] * attack + PLANTED["churn.complaint_log_hazard"] * angry
    return np.round(np.minimum(PLANTED["churn.fading_hazard"] * np.exp(score), 0.6), 6)


def _walk(rng: np.random.Generator, calendar: Calendar, joined: np.ndarray, hazard: np.ndarray) -> np.ndarray:
    """Walk the chain over all months; a customer's first months after joining are `new`."""
    month_joined = np.where(joined < 0, -_MONTHS_NEW, calendar.month[np.maximum(joined, 0)])
    start = np.where(rng.random(len(joined)) < _DORMANT, GONE, ACTIVE)
    start = np.where((start == ACTIVE) & (rng.random(len(joined)) < 4 * hazard[:, 0]), FADING, start)
    state = np.empty((len(joined), calendar.months), dtype=np.int8)
    now = np.where(joined < 0, start, BEFORE)
    for month in range(calendar.months):
        chance = rng.random(len(joined))
        if month:
            now = _step(now, chance, hazard[:, month])
        age = month - month_joined
        now = np.select([age < 0, age < _MONTHS_NEW, (age == _MONTHS_NEW) & (now == NEW)], [BEFORE, NEW, ACTIVE], now)
        state[:, month] = now
    return state


def _step(now: np.ndarray, chance: np.ndarray, hazard: np.ndarray) -> np.ndarray:
    fades = (now == ACTIVE) & (chance < hazard)
    recovers = (now == FADING) & (chance < PLANTED["churn.fading_recovers"])
    leaves = (now == FADING) & (chance > 1 - PLANTED["churn.fading_leaves"])
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
    level[state == GONE] = 0.008
    return level * noise
