"""The planted truth as tables, written beside the bank for scoring only: analyses never read it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from demobank.arrow import dates, keys, words
from demobank.customers.habits import Habits
from demobank.customers.lifecycle import NEVER, STATES
from demobank.customers.world import LATENTS, SEGMENTS, World


def truth_of_customers(world: World, habits: Habits) -> pa.Table:
    """Return kind, traits and constants of each customer; numbers rounded, so that every machine writes the same."""
    left = world.life.left
    return pa.table(
        {
            "customer_id": keys("C", world.first + np.arange(len(world)), 7),
            "segment": words(world.segment, SEGMENTS),
            **{name: world.trait(name) for name in LATENTS},
            "true_income": np.round(world.income, 2),
            "left_on": dates(world.calendar, np.where(left < NEVER, left, 0), left == NEVER),
            "purchases_per_day": np.round(habits.rate, 6),
        }
    )


def truth_of_months(world: World) -> pa.Table:
    """Return state, activity and chances of each customer in each month; `leaves_soon` is of the three months after."""
    size, months = world.life.state.shape
    customer, month = np.divmod(np.arange(size * months), months)
    return pa.table(
        {
            "customer_id": keys("C", world.first + customer, 7),
            "month_end": dates(world.calendar, world.calendar.month_start[month + 1] - 1),
            "state": words(world.life.state.ravel(), STATES),
            "activity": np.round(world.life.activity, 6).ravel(),
            "fading_hazard": world.life.hazard.ravel(),
            "complaint_unsettled": world.life.angry.ravel(),
            "leaves_soon": np.round(world.life.leaves_soon(), 6).ravel(),
        }
    )


def truth_of_constants(*planted: dict[str, float]) -> pa.Table:
    """Return the planted constants of all modules, which the modules themselves compute with."""
    names = [name for constants in planted for name in constants]
    values = [float(value) for constants in planted for value in constants.values()]
    return pa.table({"name": pa.array(names, pa.string()), "value": pa.array(values, pa.float64())})


def truth_of_drifts(*drifts: tuple[tuple[str, ...], ...]) -> pa.Table:
    """Return the catalogue of dated changes: what, of which kind, from when, where."""
    columns = ("name", "kind", "starts_on", "table", "description")
    rows = sorted(row for module in drifts for row in module)
    parts = zip(*rows, strict=True) if rows else [[]] * len(columns)
    table = pa.table({name: pa.array(part, pa.string()) for name, part in zip(columns, parts, strict=True)})
    return table.set_column(2, "starts_on", table["starts_on"].cast(pa.date32()))
