"""Together: lift, exact test and pooled odds by hand, by simulation, and against what confounds them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bankmine.judging.together import fisher, lift, pooled


def test_lift_by_hand_and_fisher_as_scipy_has_it():
    both, first, second, n = (np.array([30.0]), np.array([50.0]), np.array([60.0]), 200)
    value, low, high = lift(both, first, second, n)
    assert value == pytest.approx(30 / 50 / (60 / 200))
    assert low < value < high
    table = [[30, 20], [30, 120]]
    assert fisher(both, first, second, n)[0] == pytest.approx(stats.fisher_exact(table, "greater").pvalue)


@pytest.mark.slow
def test_the_interval_of_lift_holds_the_true_one_nineteen_times_in_twenty():
    rng, n = np.random.default_rng(0), 500
    drawn = rng.multinomial(n, [0.1, 0.2, 0.15, 0.55], size=4000).astype(float)
    _, low, high = lift(drawn[:, 0], drawn[:, :2].sum(axis=1), drawn[:, 0] + drawn[:, 2], n)
    true = 0.1 / (0.3 * 0.25)
    assert ((low < true) & (true < high)).mean() == pytest.approx(0.95, abs=0.012)


def confounded(n: int = 8000, log_odds: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make customers of four strata, in which both things are ever more common, and the second leans on the first."""
    rng = np.random.default_rng(1)
    stratum = rng.integers(0, 4, n)
    first = rng.random(n) < 0.1 + 0.2 * stratum
    score = -2 + 0.8 * stratum + log_odds * first
    return first, rng.random(n) < 1 / (1 + np.exp(-score)), stratum


def test_what_strata_explain_is_gone_within_them():
    first, second, stratum = confounded()
    whole = pooled(first, second, np.zeros_like(stratum))
    within = pooled(first, second, stratum)
    assert whole["low"] > 1.5
    assert whole["p"] < 1e-9
    assert within["low"] < 1 < within["high"]
    assert within["p"] > 0.05


def test_what_is_beyond_strata_is_found_within_them():
    found = pooled(*confounded(log_odds=1.4))
    assert found["low"] < np.exp(1.4) < found["high"]
    assert found["p"] < 1e-9


def test_one_stratum_has_the_odds_ratio_of_its_table():
    first, second, _ = confounded(500, 1.0)
    cells = [(first & second).sum(), (first & ~second).sum(), (~first & second).sum(), (~first & ~second).sum()]
    found = pooled(first, second, np.full(500, 7))
    assert found["odds"] == pytest.approx(cells[0] * cells[3] / (cells[1] * cells[2]))


@pytest.mark.parametrize("second", [np.zeros(6, bool), np.array([True, True, True, False, False, False])])
def test_strata_that_tell_nothing(second):
    first = np.array([True, True, True, False, False, False])
    assert np.isnan(list(pooled(first, second, np.zeros(6, int)).values())).all()
    assert np.isnan(list(pooled(first, ~first, np.arange(6)).values())).all()
    assert np.isnan(list(pooled(first[:0], second[:0], np.zeros(0, int)).values())).all()
