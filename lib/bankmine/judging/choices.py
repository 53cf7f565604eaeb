"""Choices: chances that models give each of several items, held against the one that came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from bankmine.judging.intervals import means, with_interval

FIRST = 3
"""Items that a model names, the likeliest first."""


@dataclass(frozen=True)
class Choices:
    """Models of which item comes next, on rows that none of them has learnt from."""

    chances: Mapping[str, pd.DataFrame]
    """Of each item, rows by items, by model; the rows may be among others."""
    came: pd.Series
    """The item that came; rows where none of the items came do not count."""
    entity: pd.Series
    baseline: str
    """The model that the others are held against."""

    @cached_property
    def scored(self) -> pd.DataFrame:
        """Log `loss` of each model by row, and whether what came was among its `first` items."""
        came, found = self.came[self.came.isin(self.chances[self.baseline].columns)], {}
        for model, chances in self.chances.items():
            given = chances.loc[came.index]
            own = given.to_numpy()[np.arange(len(given)), given.columns.get_indexer(came)]
            found["loss", model] = -np.log(own)
            found["first", model] = (given.to_numpy() > own[:, None]).sum(axis=1) < FIRST
        return pd.DataFrame(found, came.index, dtype=float)

    def mean(self, what: str) -> pd.DataFrame:
        """Return the `value` of the mean of `loss` or `first` by model, with `low` and `high`."""
        return means(self.scored[what], self.entity[self.scored.index])

    @property
    def gains(self) -> pd.DataFrame:
        """How much less log loss each model has than the baseline: `value`, `low` and `high`."""
        loss = self.scored["loss"]
        gained = -loss.drop(columns=self.baseline).sub(loss[self.baseline], axis=0)
        return means(gained, self.entity[loss.index])

    @property
    def best(self) -> str:
        """The model of the least log loss if it is shown to foretell better than the baseline, else the baseline."""
        best = self.gains.loc[self.gains["value"].idxmax()]
        return str(best.name) if best["low"] > 0 else self.baseline

    @property
    def table(self) -> pd.DataFrame:
        """Models by how often what came was among their first items, and by log loss, for a page."""
        told = {
            f"among the first {FIRST}": with_interval(self.mean("first"), "value"),
            "log loss": with_interval(self.mean("loss"), "value"),
            f"log loss below {self.baseline}": with_interval(self.gains, "value", "+.4f"),
        }
        return pd.DataFrame(told).loc[list(self.chances)].fillna("")
