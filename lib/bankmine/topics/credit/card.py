"""Card: the scorecard in use, as a page shows it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from bankmine.judging import calibration
from bankmine.judging.intervals import shown, with_interval
from bankmine.judging.reasons import readable
from bankmine.lacking import part
from bankmine.learning.fitting import Calibrator
from bankmine.learning.sample import Sample
from bankmine.study import charts
from bankmine.study.charts import chart
from bankmine.topics.credit.bins import nonmonotone
from bankmine.topics.credit.scorecard import ScorecardModel


class Card:
    """A fitted scorecard with the rows that it was learnt from, and those that it is judged by."""

    def __init__(self, fitted: ScorecardModel, calibrator: Calibrator, learnt: Sample, judged: Sample) -> None:
        self.fitted, self.scorecard, self.learnt, self.judged = fitted, fitted.card_, learnt, judged
        self.calibrator = calibrator

    @property
    def _chosen(self) -> pd.DataFrame:
        return self.fitted.chosen_.table.rename(columns={"iv": "information value"})

    @part
    def characteristics(self) -> dict[str, object]:
        """How many of `all` predictors are `kept` as characteristics, the `first`, and its information value `iv`."""
        told = self._chosen
        first = {"first": readable(told.index[0]), "iv": told["information value"].iloc[0]}
        return {"kept": told["kept"].sum(), "all": len(told), **first}

    @part
    def kept(self) -> pd.DataFrame:
        """Characteristics of the scorecard, and the information value that noise reaches."""
        told = self._chosen[self._chosen["kept"]]
        table = told[["information value", "iv_by_chance", "trend", "vif"]]
        table = table.assign(coefficient=with_interval(told, "coefficient", ".2f"))
        return shown(table, **dict.fromkeys(["information value", "iv_by_chance", "vif"], ".2f"))

    @part
    def left_out(self) -> pd.DataFrame:
        """Predictors that are not in the scorecard, and why."""
        table = self._chosen.loc[~self._chosen["kept"], ["information value", "reason"]]
        return shown(table, **{"information value": ".2f"})

    @part
    def lines(self) -> pd.DataFrame:
        """The scorecard: a row a bin, with its points."""
        table = self.scorecard.table.set_index("characteristic")[["bin", "points", "rows", "bad", "bad_rate", "woe"]]
        return shown(table, bad_rate=".1%", woe="+.2f", points=".0f")

    @part
    def scaling(self) -> dict[str, float]:
        """What a score means by the chances handed on: `odds` at `base` points, doubled by `pdo` more."""
        scale = self.scorecard.scale
        chance = float(self.calibrator.predict(scale.chance(np.array([scale.base])))[0])
        return {"base": scale.base, "odds": 1 / chance - 1, "pdo": scale.pdo / self.calibrator.slope_}

    @chart
    def bins_chart(self) -> sns.FacetGrid:
        """Draw the bad rate of each bin of the training rows."""
        bins = self.scorecard.table[self.scorecard.table["rows"] > 0]
        bins = bins.assign(bin=bins["bin"].where(bins["bin"].str.len() < 26, bins["bin"].str.slice(0, 24) + "…"))
        grid = sns.catplot(
            bins, x="bad_rate", y="bin", col="characteristic", col_wrap=3, kind="bar", sharey=False, height=2.2,
            aspect=1.5,
        )  # fmt: skip
        grid.set_titles("{col_name}").set_axis_labels("bad rate", "")
        grid.figure.suptitle("Bad rate of each bin, training rows", y=1.02)
        return grid

    @part
    def turns(self) -> dict[str, object]:
        """Along how many of the `numbers` risk turns round (`turning`), and `which`."""
        found = nonmonotone(self.learnt.predictors, self.learnt.target, self.fitted.bins_)
        which = "".join(f"; {name}" for name in found.index[found["turns"]])
        return {"turning": found["turns"].sum(), "numbers": len(found), "which": which}

    @part
    def _points(self) -> pd.Series:
        return self.scorecard.score(self.judged.predictors)

    @chart
    def score_chart(self) -> Axes:
        """Draw the scores of those who turned out good and bad."""
        found = calibration.distribution(self._points, self.judged.target)
        bars = found.reset_index().melt("score", var_name="came out")
        axis = sns.lineplot(bars, x="score", y="value", hue="came out", style="came out", drawstyle="steps-post")
        title = "Scores of credits that turned out good and bad, never seen by the model"
        return charts.titled(axis, title, "score, in points", "share of the good, of the bad", percent="y")

    @part
    def bands(self) -> pd.DataFrame:
        """Score bands, best first, and what a cut-off at the lower edge of each would mean."""
        found = calibration.bands(self._points, self.judged.target, self.judged.entity)
        found["bad rate"] = with_interval(found, "bad_rate", ".1%")
        columns = ["rows", "bad", "bad rate", "approved", "bad_rate_approved", "bad_refused"]
        return shown(found[columns], **dict.fromkeys(columns[3:], ".1%"))
