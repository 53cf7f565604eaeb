"""Nets: sequence models beside the models of a study, on the rows that these were judged by."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pandas as pd
from sklearn.metrics import roc_auc_score

from bankmine.judging.intervals import shown
from bankmine.judging.ranking import against, of
from bankmine.learning.fitting import Calibrator
from bankmine.study.judged import Judged


@dataclass(frozen=True)
class Nets:
    """Nets of several kinds and seeds; those of a kind speak together, by the mean of their log odds."""

    said: pd.DataFrame
    """Of the rows to calibrate by and those judged, as of `sequences.foretold`."""
    tuned: pd.Series
    """Outcomes of the rows to calibrate by."""
    others: Judged
    """The study's own models."""
    seconds: float
    """Processor time of a fit of the one in use."""

    @cached_property
    def _together(self) -> pd.DataFrame:
        return self.said.pivot_table(index="row", columns="model", values="odds", sort=False)

    @cached_property
    def beside(self) -> Judged:
        """All models on the rows judged, nets calibrated as all others."""
        rows, tuned = self.others.rows, self.tuned
        curves = {name: Calibrator().fit(odds.loc[tuned.index], tuned) for name, odds in self._together.items()}
        odds = self._together.loc[rows.target.index]
        said = {name: pd.Series(curve.predict(odds[name]), odds.index) for name, curve in curves.items()}
        return Judged(rows, self.others.probability.assign(**said), self.others.chosen, self.others.baseline)

    @cached_property
    def table(self) -> pd.DataFrame:
        """Kinds of nets: AUC of one alone, how far all together are `ahead` of the model in use, and their cost."""
        rows, nets = self.others.rows, self.said.set_index("row")
        alone = nets.loc[rows.target.index].groupby(["model", "seed"], sort=False)["odds"]
        alone = alone.agg(lambda odds: roc_auc_score(rows.target, odds)).groupby("model", sort=False)
        held = against(rows.target, self.beside.probability, self.others.chosen, rows.entity)
        ahead = pd.DataFrame({name: of(held, name).loc["auc"] for name in self._together}).T
        cost = nets.groupby(["model", "seed"]).first().groupby("model").agg({"weights": "first", "seconds": "sum"})
        found = pd.DataFrame({"one alone, least": alone.min(), "most": alone.max()})
        told = found.join(ahead.rename(columns={"difference": "ahead"})).join(cost)
        figures = dict.fromkeys(found, ".3f") | dict.fromkeys(("ahead", "low", "high"), "+.3f")
        return shown(told, **figures, weights=",.0f", seconds=".0f")

    @property
    def verdict(self) -> dict[str, object]:
        """Whether the better kind of net (`net`, by the rows to calibrate by) is worth it, against the model in use.

        By how much of AUC it is `ahead`, with `low` and `high`, and what both cost in seconds of processor time.
        """
        tuned = self._together.loc[self.tuned.index]
        net = max(tuned, key=lambda name: roc_auc_score(self.tuned, tuned[name]))
        found = self.table.loc[net]
        words = (
            "it ranks better beyond chance" if found["low"] > 0
            else "it ranks worse beyond chance: aggregates are enough" if found["high"] < 0
            else "it is not shown to rank better: aggregates are enough"
        )  # fmt: skip
        own = {"chosen": self.others.chosen, "own": self.seconds, "nets": self.said["seed"].nunique()}
        return found.to_dict() | own | {"net": net, "words": words}
