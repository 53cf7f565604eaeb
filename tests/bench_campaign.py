"""Measure how long effects of contacts on single customers take to learn and judge; part of `make bench`."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd

from bankmine.judging import uplift as judging
from bankmine.learning import uplift
from bankmine.learning.uplift import RESPONSE, Trial

CUSTOMERS, PREDICTORS = 100_000, 20


def campaign_bench() -> None:
    """Learn all ways of ranking on customers held out, and judge them with intervals."""
    rng = np.random.default_rng(0)
    known = pd.DataFrame(rng.lognormal(size=(CUSTOMERS, PREDICTORS))).rename(columns=lambda i: f"measure_{i}")
    treated = pd.Series(rng.random(CUSTOMERS) < 0.5)
    moved = np.clip(np.log(known["measure_0"]), -1, 1)
    outcome = pd.Series((rng.random(CUSTOMERS) < 0.1 + treated * (0.03 + 0.03 * moved)).astype(float))
    trial = Trial(known, treated, outcome, pd.Series(np.arange(CUSTOMERS).astype(str)), 0.5)
    start = time.perf_counter()
    scores = uplift.cross_fitted(trial)
    judging.gains(judging.brought(trial), scores, trial.entity, RESPONSE)
    seconds = time.perf_counter() - start
    print(f"uplift of {CUSTOMERS:,} customers × {PREDICTORS}, five folds, judged: {seconds:.0f} s (goal: under 60)")


if __name__ == "__main__":
    campaign_bench()
