"""Samples whose truth is known, for tests of several rooms and for `bench_credit.py`; columns as hostile as a bank's.

A module and no fixtures: tests choose size and seed of each, some of them while they are collected.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special, stats

from bankmine.learning.sample import Sample

HOSTILE_NAME = '"; DROP TABLE "applicants"; --\n'
HOME = ["rent", "own", 'it\'s <b>"mortgage"</b>', "家人", "", "x'); --", "back\\slash", "nul\0l"]
HOSTILE = [
    "a[0] <b>",
    "a[1] <b>",
    "<script>alert(1)</script>",
    "余额 (元)",
    "größe",
    "Größe",
    "{value:.9f}",
    "",
    "$x$",
    " ",
]


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
               "noise": rng.normal(size=size), "debt twice": 2 * debt + 0.2 * rng.normal(size=size),
               HOSTILE_NAME: rng.normal(size=size)}  # fmt: skip
    return Sample(pd.DataFrame(columns), pd.Series(bad), pd.Series([f"C{i // 2:05}" for i in range(size)]))


def sample_of(size: int, more: int = 0, seed: int = 5) -> Sample:
    """Return two rows an entity, a fifth of them events.

    `signal` (with gaps), `amount` (long tail), `region` (words) and `wave` (up and down) tell of the event; the hostile
    ones, `constant`, `empty`, `flag` and as many more as wanted do not.
    """
    rng = np.random.default_rng(seed)
    signal, wave = rng.normal(size=size), rng.uniform(-2, 2, size)
    amount = np.exp(rng.normal(4, 2, size))
    region = rng.integers(0, 4, size)
    odds = -2.2 + 1.4 * signal - 0.5 * np.log(amount / 50) + 0.8 * (region == 2) + np.sin(3 * wave)
    target = (rng.random(size) < 1 / (1 + np.exp(-odds))).astype(float)
    columns = {"signal": np.where(rng.random(size) < 0.1, np.nan, signal), "amount": amount, "wave": wave,
               "constant": np.ones(size), "empty": np.full(size, np.nan), "flag": rng.random(size) < 0.5,
               "region": pd.Categorical([f"region {r}" for r in region])}  # fmt: skip
    columns |= {name: rng.normal(size=size) for name in (*HOSTILE, *(f"more {i}" for i in range(more)))}
    entity = pd.Series([f"C{i // 2:05}" for i in range(size)])
    return Sample(pd.DataFrame(columns), pd.Series(target), entity)


def alike(entities: int, seed: int = 0, each: int = 3) -> pd.DataFrame:
    """Return rows whose `target`, `score` and `probability` (the true one) are alike within each `entity`."""
    rng = np.random.default_rng(seed)
    code = np.repeat(np.arange(entities), each)
    score = 0.8 * rng.normal(size=entities)[code] + 0.6 * rng.normal(size=len(code))
    probability = special.expit(1.2 * score - 2.5)
    shared = 0.7 * rng.normal(size=entities)[code] + np.sqrt(0.51) * rng.normal(size=len(code))
    target = (stats.norm.cdf(shared) < probability).astype(float)
    return pd.DataFrame({"target": target, "score": score, "probability": probability, "entity": code})
