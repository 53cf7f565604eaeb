"""Why: what moves the chances that a model gives to rows, as numbers, charts and in words."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import pandas as pd
from matplotlib.axes import Axes
from sklearn.pipeline import Pipeline

from bankmine.judging import reasons
from bankmine.judging.contributions import Contributions, contributions, importance, interactions
from bankmine.judging.intervals import shown
from bankmine.judging.reasons import load_reasons, readable
from bankmine.lacking import part
from bankmine.learning.sample import Sample
from bankmine.study import charts

_RISKIEST = 20
"""The riskiest rows are one in so many."""


class Seen:
    """What a model sees in rows, as numbers and charts: of any model that tells contributions, also a challenger."""

    def __init__(self, model: Pipeline, rows: Sample) -> None:
        self.model, self.rows = model, rows

    @cached_property
    def pushes(self) -> Contributions:
        """What makes up the log-odds of each row."""
        return contributions(self.model, self.rows.predictors)

    @cached_property
    def importance(self) -> pd.DataFrame:
        """Predictors by how far they move the log-odds."""
        return importance(self.pushes, self.rows.predictors)

    @part
    def pairs(self) -> pd.DataFrame:
        """Pairs of predictors that move the log-odds together other than alone; of boosted trees only."""
        return interactions(self.model, self.rows.predictors)

    @part
    def strongest_pair(self) -> dict[str, str]:
        """The `first` and `second` predictor of the strongest pair."""
        return {name: readable(self.pairs[name][0]) for name in ("first", "second")}

    def beeswarm(self) -> Axes:
        """Draw the contributions of the strongest predictors."""
        return charts.beeswarm(self.pushes, self.rows.predictors)

    def dependence(self) -> Axes:
        """Draw what the strongest predictor adds against its value."""
        return charts.dependence(self.pushes, self.rows.predictors)


class Why(Seen):
    """Reasons of the rows that are scored, in words; indexed as they are.

    `typical` is by predictor what a value is high or low against, where `rows` are only the likeliest of those scored.
    """

    most: ClassVar[int] = 3
    """Reasons a row, at most."""
    sized: ClassVar[bool] = False
    """Whether lines tell the theme of a reason and its size, too."""

    def __init__(
        self, model: Pipeline, rows: Sample, chance: pd.Series, register: Path, typical: pd.Series | None = None
    ) -> None:
        super().__init__(model, rows)
        self.chance, self.register, self.typical = chance, register, typical

    @cached_property
    def told(self) -> pd.DataFrame:
        """Up to `most` reasons of each row, as of `reasons.reasons`."""
        words = load_reasons(self.register)
        return reasons.reasons(self.pushes, self.rows.predictors, words, self.most, self.typical)

    @cached_property
    def lines(self) -> pd.Series:
        """The reasons of each row in one line."""
        return reasons.in_one_line(self.told, self.rows.predictors.index, sized=self.sized)

    @cached_property
    def strongest(self) -> pd.Series:
        """The theme of the strongest reason of each row."""
        return reasons.strongest(self.told, self.rows.predictors.index)["theme"]

    def strongest_of(self, themes: Collection[str], signs: Collection[str]) -> pd.DataFrame:
        """Return `theme` and `line` of the strongest reason of `themes`, one of `signs` only where there is no other.

        Missing where a row has no such reason.
        """
        told = self.told[self.told["theme"].isin(themes)]
        return reasons.strongest(told, self.rows.predictors.index, signs, sized=self.sized)

    @cached_property
    def themes(self) -> pd.DataFrame:
        """Themes of the riskiest twentieth, or of all rows where these are few; the most frequent first."""
        share = 1 if self.typical is not None else _RISKIEST
        riskiest = self.chance.nlargest(max(len(self.chance) // share, 1)).index
        found = reasons.top_themes(self.told, riskiest)[["name", "name_zh", "share", "first", "example"]]
        return shown(found, share=".0%", first=".0%")

    @property
    def lead(self) -> dict[str, object]:
        """`theme` that is most often among the reasons of the riskiest twentieth, its `share`, and the `others`."""
        if not len(self.themes):
            return {"theme": "nothing", "share": 0.0, "others": "nothing"}
        first = self.themes.iloc[0]
        return {
            "theme": first["name"], "share": first["share"], "others": ", ".join(self.themes["name"][1:4]) or "nothing",
        }  # fmt: skip
