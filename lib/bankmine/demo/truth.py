"""The planted truth as tables, for scoring only: analyses never read it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from bankmine.demo.arrow import dates, keys, words
from bankmine.demo.habits import Habits
from bankmine.demo.lifecycle import NEVER, STATES
from bankmine.demo.world import LATENTS, SEGMENTS, World


def truth_of_customers(world: World, habits: Habits) -> pa.Table:
    """Return kind, traits and constants of each customer; numbers rounded, so that every machine writes the same."""
    left = world.life.left
    return pa.table(
        {
            "customer_id": keys("C", world.first + np.arange(len(world)), 7),
            "segment": words(world.segment, SEGMENTS),
            **{name: world.trait(name) for name in LATENTS},
            "true_income": np.round(world.income, 2),
            "fading_hazard": world.life.hazard,
            "left_on": dates(world.calendar, np.where(left < NEVER, left, 0), left == NEVER),
            "purchases_per_day": np.round(habits.rate, 6),
        }
    )


def truth_of_months(world: World) -> pa.Table:
    """Return state and activity of each customer in each month."""
    size, months = world.life.state.shape
    customer, month = np.divmod(np.arange(size * months), months)
    return pa.table(
        {
            "customer_id": keys("C", world.first + customer, 7),
            "month_end": dates(world.calendar, world.calendar.month_start[month + 1] - 1),
            "state": words(world.life.state.ravel(), STATES),
            "activity": np.round(world.life.activity, 6).ravel(),
        }
    )
