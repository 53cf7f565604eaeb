"""Judged: models on rows that none of them has seen, as a page shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bankmine.judging import ranking
from bankmine.judging.calibration import calibration, hosmer_lemeshow
from bankmine.judging.intervals import shown, wide
from bankmine.lacking import Lacking
from bankmine.learning.sample import Sample
from bankmine.study import charts

RANKS = ("auc", "average_precision", "brier")
NEWEST = pd.Timedelta(weeks=4)
"""What is watched is measured on the days of so long at the end; of month ends that is one, as no month is shorter."""
LIFTS = ("lift_1", "lift_5", "lift_10", "lift_20")


@dataclass(frozen=True)
class Judged:
    """What models said of rows, and what came of these."""

    rows: Sample
    """Rows whose outcome is known, and that no model has learnt from."""
    probability: pd.DataFrame
    """Calibrated chance of the event, one column a model; index as of `rows`."""
    chosen: str
    """The model in use."""
    baseline: str
    """The one that others are held against."""
    challenger: str = field(default="", kw_only=True)
    """One that is shown beside these two; none where it is empty."""
    ranks: Sequence[str] = field(default=RANKS, kw_only=True)
    """Metrics of `table`."""

    @cached_property
    def figures(self) -> pd.DataFrame:
        """Metrics of all models with intervals, as of `ranking.performance`."""
        return ranking.performance(self.rows.target, self.probability, self.rows.entity)

    @cached_property
    def differences(self) -> pd.DataFrame:
        """How far each model is ahead of the baseline, as of `ranking.against`."""
        return ranking.against(self.rows.target, self.probability, self.baseline, self.rows.entity)

    @cached_property
    def deviations(self) -> pd.DataFrame:
        """How far probabilities are from rates, as of `calibration.calibration`."""
        return calibration(self.rows.target, self.probability, self.rows.entity)

    def metric(self, name: str, model: str = "") -> pd.Series:
        """Return `value`, `low` and `high` of a metric, of the chosen model where none is named."""
        return ranking.of(self.figures, model or self.chosen).loc[name]

    def ahead(self, model: str = "", metric: str = "auc") -> pd.Series:
        """Return `difference`, `low` and `high` of a model over the baseline."""
        return ranking.of(self.differences, model or self.chosen).loc[metric]

    def deviation(self, name: str, model: str = "") -> pd.Series:
        """Return `value`, `low` and `high` of `slope`, `intercept` or `in_the_large`."""
        return ranking.of(self.deviations, model or self.chosen).loc[name]

    @property
    def table(self) -> pd.DataFrame:
        """Models by how well they rank, with intervals of 95 %."""
        return wide(self.figures, self.ranks)

    @property
    def lifts(self) -> pd.DataFrame:
        """Models by the lift of their highest scores."""
        return wide(self.figures, LIFTS, ".1f")

    @property
    def gains_over_baseline(self) -> pd.DataFrame:
        """Models by how far they are ahead of the baseline, on the same resamples."""
        return wide(self.differences.rename(columns={"difference": "value"}), spec="+.3f")

    @property
    def calibrated(self) -> pd.DataFrame:
        """Models by slope, level, and foretold and observed events."""
        told = wide(self.deviations, ("slope", "in_the_large"), "+.2f")
        fits = {name: hosmer_lemeshow(self.rows.target, chance) for name, chance in self.probability.items()}
        told["Hosmer-Lemeshow p-value"] = pd.Series({name: p for name, (_, p) in fits.items()})
        told["foretold"] = self.probability.sum()
        return shown(told.assign(observed=self.rows.target.sum()), foretold=",.0f", observed=",.0f")

    @property
    def monthly(self) -> pd.DataFrame | Lacking:
        """AUC of the chosen model and the baseline month by month."""
        if self.rows.day is None:
            return Lacking("the table tells no days")
        pair = self._shown
        month = self.rows.day.dt.to_period("M").dt.to_timestamp("M").dt.normalize()
        found = ranking.by_day(self.rows.target, self.probability[pair], month, self.rows.entity)
        told = wide(found[found["metric"] == "auc"], index=["day", "rows", "events"], columns="model")
        return told.reset_index(["rows", "events"])

    @cached_property
    def newest(self) -> np.ndarray:
        """Which rows are of the newest four weeks judged; none where rows have no days, or there are none before."""
        day = self.rows.day
        late = np.zeros(len(self.rows), bool) if day is None else (day > day.max() - NEWEST).to_numpy()
        return late & ~late.all()

    def auc_of(self, which: np.ndarray) -> float:
        """Return the AUC of the chosen model on some of the rows; NaN where all had the event, or none."""
        rows = self.rows.at(which)
        found = ranking.performance(rows.target, self.probability.loc[rows.target.index, [self.chosen]], rows.entity, 0)
        return float(ranking.of(found, self.chosen).loc["auc", "value"])

    @property
    def _shown(self) -> list[str]:
        return [name for name in dict.fromkeys([self.baseline, self.chosen, self.challenger]) if name]

    def gains(self, models: Sequence[str] = ()) -> Axes:
        """Draw which share of the events is found among which share of the rows."""
        named = list(models or self._shown)
        curve = ranking.gains_curve(self.rows.target, self.probability[named])
        return charts.gains(curve)

    def reliability(self, models: Sequence[str] = ()) -> Axes:
        """Draw observed rates against those foretold, in tenths of the rows."""
        named = list(models or [self.chosen])
        return charts.reliability(self.rows.target, self.probability[named])
