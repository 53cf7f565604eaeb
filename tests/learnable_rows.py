"""Rows from which something can be learnt, with predictors as hostile as those of a bank."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bankmine.learning.sample import Sample

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
