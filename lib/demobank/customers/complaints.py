"""Complaints: when customers complain of what, and when it is settled. Drawn before lives, because they shorten them.

Complaints arrive by a Poisson process, about one a customer in three years: more often from engaged customers, who use
more, and from risky ones. Most are settled within two weeks, about a quarter are still open after thirty days.
The table of feedback puts them into words.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demobank.seasons import Calendar

TOPICS = ("fee", "app", "service", "card", "loan", "interest", "security")
_TOPIC_SHARES = (0.22, 0.2, 0.2, 0.13, 0.08, 0.1, 0.07)
OPEN_FOR = 30
"""Days after which a complaint that is not settled drives customers away."""
_RATE = 0.30
_SLOW, _FAST_DAYS, _SLOW_DAYS = 0.27, 7.0, 75.0


@dataclass(frozen=True)
class Complaints:
    """One entry a complaint, in order of customer and day; days count from the window's first."""

    customer: np.ndarray
    day: np.ndarray
    topic: np.ndarray
    settled: np.ndarray
    """Day on which it was settled, possibly after the window."""

    def drive_away(self, size: int, calendar: Calendar) -> np.ndarray:
        """Tell in which months a complaint reaches the age of `OPEN_FOR` days unsettled, shape (size, months)."""
        ripe = self.day + OPEN_FOR
        open_then = (self.settled > ripe) & (ripe < calendar.length)
        angry = np.zeros((size, calendar.months), dtype=bool)
        angry[self.customer[open_then], calendar.month[ripe[open_then]]] = True
        return angry


def draw_complaints(
    rng: np.random.Generator, calendar: Calendar, joined: np.ndarray, trait: dict[str, np.ndarray]
) -> Complaints:
    """Draw the complaints of customers who joined on day `joined`, given their latent traits."""
    rate = _RATE / 365 * calendar.length * np.exp(0.25 * trait["engagement"] + 0.15 * trait["credit_risk"])
    customer = np.repeat(np.arange(len(joined)), rng.poisson(rate))
    day = (rng.random(len(customer)) * calendar.length).astype(np.int64)
    topic = rng.choice(len(TOPICS), len(customer), p=_TOPIC_SHARES)
    mean = np.where(rng.random(len(customer)) < _SLOW, _SLOW_DAYS, _FAST_DAYS)
    settled = day + 1 + (mean * rng.standard_exponential(len(customer))).astype(np.int64)
    order = np.lexsort((day, customer))
    order = order[day[order] > joined[customer[order]]]
    return Complaints(customer[order], day[order], topic[order], settled[order])
