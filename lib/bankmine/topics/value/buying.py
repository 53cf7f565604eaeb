"""Buyers: whether customers who are free to stay away come back, as foretold and as it came."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from sklearn.metrics import roc_auc_score

from bankmine.errors import BankmineError
from bankmine.judging.intervals import draws, interval, shown, with_interval
from bankmine.lacking import Lacking, part
from bankmine.learning.foretold import Foretold
from bankmine.learning.repeat_buying import recalibrated
from bankmine.study.charts import chart, reliability, titled

_ROUNDS, _FEWEST = 100, 20
_MEANING = {
    "r": "rates of purchase: shape", "alpha": "rates of purchase: scale, days", "a": "stopping: first shape",
    "b": "stopping: second shape", "rate": "purchases a day while alive, mean of all",
    "last": "chance that a purchase is the last, mean of all", "p": "spending: shape of a purchase",
    "q": "spending: shape of means", "v": "spending: scale",
}  # fmt: skip


class Buyers:
    """What was foretold of who buys; each of three is as `Foretold`, or `Lacking`.

    `now` foretells from today on, `then` from the day whose time after is over, `before` from the day before that.
    `week_by_week` gives what came and was foretold from `then` on.
    """

    def __init__(
        self, now: Foretold | Lacking, then: Foretold | Lacking, before: Foretold | Lacking,
        week_by_week: Callable[[], pd.DataFrame],
    ) -> None:  # fmt: skip
        self._looks, self._weekly = {"now": now, "then": then, "before": before}, week_by_week

    def _look(self, name: str) -> Foretold:
        found = self._looks[name]
        if isinstance(found, Lacking):
            raise BankmineError(found.why)
        return found

    @part
    def now(self) -> Foretold:
        """As foretold from today on."""
        return self._look("now")

    @part
    def _then(self) -> Foretold:
        return self._look("then")

    @part
    def again_now(self) -> pd.Series:
        """Chance of each buyer of today to buy again, at the level of what happened to those of then."""
        return self.at_level("then", self.now)

    @part
    def again_then(self) -> pd.Series:
        """The same of the buyers of then, at the level of those before."""
        return self.at_level("before", self._then)

    def at_level(self, of: str, given: Foretold) -> pd.Series:
        """Return chances to buy again at the level of what happened to the buyers of another look, if it is there."""
        chance, earlier = given.again(), self._looks[of]
        if isinstance(earlier, Lacking):
            return chance
        told = recalibrated(earlier.again().to_numpy(), earlier.came_back.to_numpy(), chance.to_numpy())
        return pd.Series(told, chance.index)

    @part
    def parameters(self) -> pd.DataFrame:
        """Parameters and means of both models of today, with intervals."""
        return pd.concat([self.now.buying.parameters, self.now.buying.means, self.now.spending.parameters])

    @part
    def fitted(self) -> dict[str, float]:
        """`r`, `alpha`, `a`, `b` and `loglik` of BG/NBD, and how many `buyers` there are."""
        told = self.now.buying
        return {**told.parameters["value"].to_dict(), "loglik": told.loglik, "buyers": len(self.now.seen)}

    @part
    def parameters_table(self) -> pd.DataFrame:
        """The same with intervals."""
        table = pd.DataFrame({"parameter": with_interval(self.parameters, "value", ",.4g")})
        return table.assign(**{"what of": table.index.map(_MEANING)})

    @part
    def dependence(self) -> dict[str, object]:
        """How frequency and spending go together, which the model of spending takes to be independent."""
        found = self.now.dependence
        apart = found["low"] <= 0 <= found["high"]
        taken = "as the model has it" if apart else "where the model has 0: means of frequent buyers are off"
        return {**found.to_dict(), "verdict": taken, "alert": abs(found["value"]) > 0.2}

    @part
    def came(self) -> dict[str, object]:
        """Days of purchase `foretold` for the time after `then`, how many `came`, and what the same rate would be."""
        seen = self._then.seen
        said, came = self._then.buying.expected(seen, self._then.days).sum(), seen["later"].sum()
        same = (seen["x"] / seen["T"].clip(lower=1) * self._then.days).sum()
        if not came:
            raise BankmineError("nobody bought anything in the time after")
        return {
            "foretold": said,
            "came": came,
            "off": said / came - 1,
            "same": same / came - 1,
            "days": self._then.days,
        }

    @chart
    def tracking(self) -> Axes:
        """Draw repeat purchases summed up, as foretold and as they came, and where the foretelling begins."""
        weeks = self._weekly()
        rows = weeks.melt("day", ["came", "foretold"], var_name="what", value_name="purchases")
        axis = sns.lineplot(rows, x="day", y="purchases", hue="what", style="what")
        axis.axvline(weeks["day"].iloc[-1] - pd.Timedelta(days=self._then.days), color="0.5", linestyle=":")
        axis.legend().set_title("")
        axis.figure.autofmt_xdate()
        return titled(
            axis, "Days of purchase after the first, summed up; right of the line foretold", "", "days of purchase"
        )

    @chart
    def by_frequency(self) -> Axes:
        """Draw what customers bought after, by how often they had come back, beside what was foretold."""
        found = self._then.by_frequency
        place = np.arange(len(found))
        axis = sns.lineplot(x=place, y=found["foretold"], marker="o", label="foretold")
        sns.lineplot(
            x=place, y=found["at the same rate"], linestyle="--", color="0.4", label="at the same rate", ax=axis
        )
        away = found["came"] - found["low"], found["high"] - found["came"]
        axis.errorbar(place, found["came"], away, fmt="s", capsize=3, color="C1", label="came, 95 %")
        axis.set_xticks(place, found["came back"].round(1))
        axis.legend()
        title = f"Days of purchase in the {self._then.days} days after, by how often customers had come back"
        return titled(axis, title, "days of purchase after the first, mean of the group", "days of purchase a customer")

    @chart
    def alive_chart(self) -> Axes:
        """Draw whether customers bought again against the chance foretold, as the model has it and as used."""
        chances = pd.DataFrame(
            {"as the model has it": self._then.again(), "at the level of the year before": self.again_then}
        )
        if isinstance(self._looks["before"], Lacking):
            chances = chances.iloc[:, :1]
        axis = reliability(self._then.came_back.astype(float), chances)
        axis.set(title="Share that bought again against the chance foretold, in tenths of buyers")
        return axis

    @part
    def alive_ranks(self) -> pd.DataFrame:
        """How well the chance, and silence alone, tell who buys again: AUC, and what was said and seen on average."""
        seen, hit = self._then.seen, self._then.came_back.to_numpy()
        if min(hit.sum(), (~hit).sum()) < _FEWEST:
            raise BankmineError(f"fewer than {_FEWEST} customers bought again, or did not: little tells them apart")
        counts = draws(len(seen), _ROUNDS)
        ways = {
            "chance to buy again": self.again_then.to_numpy(),
            "days since the last purchase": (seen["t_x"] - seen["T"]).to_numpy(),
        }
        rows = {}
        for way, score in ways.items():
            values = np.array([roc_auc_score(hit, score, sample_weight=c) for c in counts.T])
            rows[way] = {"value": values[0], **dict(zip(("low", "high"), interval(values), strict=True))}
        table = pd.DataFrame(rows).T
        told = pd.DataFrame({"AUC": with_interval(table, "value")})
        told["said"], told["came"] = [self.again_then.mean(), np.nan], [hit.mean(), hit.mean()]
        return shown(told, said=".1%", came=".1%")

    @part
    def parameters_then(self) -> pd.DataFrame:
        """The same of then."""
        return pd.concat([self._then.buying.parameters, self._then.buying.means])

    @part
    def told(self) -> pd.DataFrame:
        """A row a buyer of then, for validators: what was seen, the chances, and what came."""
        then = self._then
        rows = then.seen[["x", "t_x", "T", "spend", "later", "later_spent"]]
        return rows.assign(
            again_model=then.again(), again=self.again_then, rate=then.buying.rate(rows),
            foretold=then.buying.expected(rows, then.days),
        )  # fmt: skip
