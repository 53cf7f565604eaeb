"""Budget: no limit is broken, nobody is asked twice, and nothing better was left out."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bankmine.deciding.budget import BUDGET, allocate

CHANNELS = pd.Series({"a": "call", "b": "app", "c": "call"})


def best_of_all(gain: pd.DataFrame, cost: pd.Series, budget: float, capacity: dict[str, float]) -> float:
    """Try every plan."""
    found = 0.0
    for plan in product([None, *gain.columns], repeat=len(gain)):
        made = [offer for offer in plan if offer]
        rooms = all(sum(CHANNELS[o] == c for o in made) <= n for c, n in capacity.items())
        if rooms and sum(cost[o] for o in made) <= budget:
            found = max(found, sum(gain.loc[i, o] for i, o in zip(gain.index, plan, strict=True) if o))
    return found


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.floats(0, 12), st.integers(0, 3), st.integers(0, 3))
def test_a_plan_keeps_its_limits_and_no_plan_beats_its_bound(seed, budget, calls, apps):
    rng = np.random.default_rng(seed)
    gain = pd.DataFrame(rng.normal(3, 3, (4, 3)).round(2), columns=list("abc"))
    cost, capacity = pd.Series(rng.uniform(0.5, 4, 3).round(2), list("abc")), {"call": calls, "app": apps}
    found = allocate(gain, cost, CHANNELS, budget, capacity)
    assert found.chosen["customer"].is_unique
    assert found.chosen["cost"].sum() <= budget + 1e-9
    made = found.chosen["offer"].map(CHANNELS).value_counts()
    assert all(made.get(c, 0) <= n for c, n in capacity.items())
    best = best_of_all(gain, cost, budget, capacity)
    assert found.bound >= best - 1e-6
    assert found.chosen["gain"].sum() <= best + 1e-6
    assert (found.chosen["gain"] > 0).all()


def test_a_price_is_what_one_more_unit_earns():
    rng = np.random.default_rng(0)
    gain = pd.DataFrame(rng.gamma(2, 5, (400, 3)), columns=list("abc"))
    cost, room = pd.Series([4.0, 1.0, 6.0], list("abc")), {"call": 60, "app": 40}
    found = allocate(gain, cost, CHANNELS, 200.0, room)
    more = allocate(gain, cost, CHANNELS, 201.0, room)
    assert found.prices[BUDGET] == pytest.approx(more.bound - found.bound, rel=0.05)
    free = allocate(gain, cost, CHANNELS, 1e9, {"call": 1e9, "app": 1e9})
    assert (free.prices == 0).all()
    assert len(free.chosen) == 400


def test_nobody_is_chosen_where_nothing_earns_or_may_be_offered():
    gain = pd.DataFrame({"a": [-1.0, np.nan], "b": [0.0, -2.0]})
    assert allocate(gain, pd.Series(1.0, ["a", "b"]), CHANNELS, 10.0, {}).chosen.empty
