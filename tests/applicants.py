"""Applicants whose risk is known: columns with which it rises, falls or turns, that say the same or nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bankmine.learning.sample import Sample

HOSTILE = '"; DROP TABLE "applicants"; --\n'
HOME = ["rent", "own", 'it\'s <b>"mortgage"</b>', "家人", "", "x'); --", "back\\slash", "nul\0l"]


def applicants(size: int, seed: int = 3) -> Sample:
    """Return applicants, about a fifth of them bad, at most two rows an entity.

    Risk rises with `debt`, falls with the income, turns over `use` and depends on `home`, on `late` (a flag) and on
    whether `job` is missing; `debt twice` says the same as `debt`; the others say nothing.
    """
    rng = np.random.default_rng(seed)
    debt, income, use = rng.gamma(2, 0.2, size), np.exp(rng.normal(10, 0.6, size)), rng.random(size)
    job, late = np.round(rng.gamma(2, 20, size)), rng.random(size) < 0.2
    job[rng.random(size) < 0.15] = np.nan
    home = rng.choice(len(HOME), size, p=[0.3, 0.3, 0.2, 0.1, 0.05, 0.03, 0.015, 0.005])
    odds = -3.4 + 2.5 * debt - 0.9 * (np.log(income) - 10) + 5 * (use - 0.45) ** 2 + 0.9 * late + 0.6 * (home == 0)
    odds += np.where(np.isnan(job), 0.8, -0.02 * (np.nan_to_num(job) - 40))
    bad = (rng.random(size) < 1 / (1 + np.exp(-odds))).astype(float)
    columns = {"debt": debt, '收入 "元"': income, "use": use, "job": job, "late": late,
               "home": pd.Categorical(np.array(HOME, dtype=object)[home]), "constant": np.ones(size),
               "empty": np.full(size, np.nan),
               "noise": rng.normal(size=size), "debt twice": 2 * debt + 0.01 * rng.normal(size=size),
               HOSTILE: rng.normal(size=size)}  # fmt: skip
    return Sample(pd.DataFrame(columns), pd.Series(bad), pd.Series([f"C{i // 2:05}" for i in range(size)]))
