"""Event study: a change that was planted is found beside what moves all, and its interval holds it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bankmine.errors import BankmineError
from bankmine.judging.event_study import BEGAN, DIFFERENCE, OTHERS, event_study


def bank(seed: int, change: float, customers: int = 400, months: int = 24) -> tuple[np.ndarray, ...]:
    """Make counts that all rise by a tenth a month, and change from the first month on of who begins."""
    rng = np.random.default_rng(seed)
    first = np.where(rng.random(customers) < 0.3, rng.integers(0, months, customers), 10 * months)
    level = 4 + 0.1 * np.arange(months) + rng.normal(0, 1, (customers, 1))
    level = level + change * (np.arange(months) > first[:, None])
    counts = level + rng.normal(0, 1, level.shape)
    return counts, first, np.full(customers, -5), np.ones(level.shape, bool)


def changes(found: pd.DataFrame) -> pd.DataFrame:
    return found[found["month"].isna()].set_index("who")


def test_a_planted_change_is_told_from_what_moves_all():
    found = changes(event_study(*bank(0, change=-1.5)))
    assert found.loc[OTHERS, "value"] == pytest.approx(0.7, abs=0.1)
    assert found.loc[DIFFERENCE, "low"] < -1.5 < found.loc[DIFFERENCE, "high"]
    assert found.loc[DIFFERENCE, "value"] == pytest.approx(found.loc[BEGAN, "value"] - found.loc[OTHERS, "value"])


def test_the_interval_holds_the_change_as_often_as_it_says():
    hits = 0
    for seed in range(100):
        row = changes(event_study(*bank(seed, change=0.5, customers=200))).loc[DIFFERENCE]
        hits += row["low"] < 0.5 < row["high"]
    assert 88 <= hits <= 100


def test_who_came_too_late_or_did_nothing_is_not_compared():
    counts, first, since, active = bank(1, change=0.0)
    late = np.where(first < 24, first - 3, since)
    with pytest.raises(BankmineError, match="fewer than 2 began"):
        event_study(counts, first, late, active)
    with pytest.raises(BankmineError, match="fewer than 2 began"):
        event_study(counts, first, since, active & False)
