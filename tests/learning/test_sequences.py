"""Sequence models: they see order, and steps that are not there leave no trace."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from bankmine.learning import sequences
from bankmine.learning.sequences import STEPS, Steps, foretold, steps_before

pytestmark = pytest.mark.slow

ROWS = 1_200


def test_steps_are_those_of_the_window_up_to_the_day_and_the_newest_last():
    daily = pd.DataFrame({
        "customer_id": ["B", "A", "A", "A", "A"],
        "day": pd.to_datetime(["2025-03-01", "2025-03-02", "2025-01-01", "2025-03-10", "2025-03-11"]),
        "views": [9.0, 2.0, 1.0, 3.0, 4.0],
    })  # fmt: skip
    rows = pd.DataFrame({"customer_id": ["A", "B", "A"], "day": pd.to_datetime(["2025-03-10"] * 2 + ["2025-03-02"])})
    found = steps_before(rows, daily, window=10)
    views = np.where(found.place >= 0, np.expm1(found.told[found.place, 0]), 0)
    assert views[:, -2:].round().tolist() == [[2, 3], [0, 9], [0, 2]]
    assert (views[:, :-2] == 0).all()
    assert np.expm1(found.ago[0, -2:]).round().tolist() == [8, 0]


def in_order(rng: np.random.Generator) -> tuple[Steps, np.ndarray]:
    """Make rows of which all have a page once and another once, but for days on which nothing is told."""
    length = rng.integers(4, STEPS + 1, ROWS)
    told = rng.normal(size=(ROWS * STEPS, 3)).astype("float32")
    told[:, :2] = 0
    place = np.arange(ROWS * STEPS).reshape(ROWS, STEPS)
    place = np.where(np.arange(STEPS) >= STEPS - length[:, None], place, -1)
    first = rng.random(ROWS) < 0.5
    told[place[:, -3], np.where(first, 0, 1)] = told[place[:, -2], np.where(first, 1, 0)] = 1
    return Steps(told, place.astype("int32"), np.zeros((ROWS, STEPS), "float32")), first.astype(float)


def test_nets_see_the_order_that_sums_do_not_tell():
    pytest.importorskip("jax", reason="JAX is not installed: make deep")
    steps, outcome = in_order(np.random.default_rng(0))
    learnt, asked = np.arange(900), np.arange(900, ROWS)
    found = foretold(steps, outcome, learnt, asked)
    assert found.groupby("model")["seed"].nunique().to_dict() == {"cnn": sequences.SEEDS, "lstm": sequences.SEEDS}
    for _, odds in found.groupby("model"):
        assert roc_auc_score(outcome[asked], odds.groupby("row")["odds"].mean()) > 0.9


def test_steps_that_are_not_there_leave_no_trace():
    jax = pytest.importorskip("jax", reason="JAX is not installed: make deep")
    rng = np.random.default_rng(1)
    steps = rng.normal(size=(20, STEPS, 3)).astype("float32")
    there = np.arange(STEPS) >= rng.integers(1, STEPS, (20, 1))
    other = np.where(there[..., None], steps, 7)
    for start, net in sequences.NETS.values():
        weights = start(jax.random.key(0), 3)
        assert np.allclose(net(weights, np.where(there[..., None], steps, 0), there), net(weights, other, there))


def test_scales_are_of_rows_learnt_from():
    pytest.importorskip("jax", reason="JAX is not installed: make deep")
    steps, outcome = in_order(np.random.default_rng(2))
    learnt, asked = np.arange(900), np.arange(900, 950)
    other = steps.told.copy()
    other[steps.place[950:].ravel()] *= 100  # neither learnt from nor asked
    odds = [
        foretold(Steps(told, steps.place, steps.ago), outcome, learnt, asked)["odds"] for told in (steps.told, other)
    ]
    assert np.array_equal(*odds)
