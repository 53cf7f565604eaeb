"""Buyers: whether customers who are free to stay away come back, as foretold and as it came."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from bankmine.errors import BankmineError
from bankmine.judging.intervals import shown, with_interval
from bankmine.judging.ranking import against, performance
from bankmine.lacking import Lacking, optional, part
from bankmine.learning.foretold import Foretold
from bankmine.study.charts import chart, reliability, titled

_ROUNDS, _FEWEST = 100, 20
_MEANING = {
    "r": "rates of purchase: shape", "alpha": "rates of purchase: scale, days", "a": "stopping: first shape",
    "b": "stopping: second shape", "rate": "purchases a day while alive, mean of all",
    "last": "chance that a purchase is the last, mean of all", "p": "spending: shape of a purchase",
    "q": "spending: shape of means", "v": "spending: scale",
}  # fmt: skip


class Buyers:
    """What was foretold of who buys, from today on, and from the day `then` whose time after is over.

    `week_by_week` gives what came and was foretold from `then` on. Where one is not there, an error tells why.
    """

    def __init__(
        self, now: Callable[[], Foretold], then: Callable[[], Foretold], week_by_week: Callable[[], pd.DataFrame]
    ) -> None:
        self._look_now, self._look_then, self._weekly = now, then, week_by_week

    @part
    def _now(self) -> Foretold:
        return self._look_now()

    @part
    def _then(self) -> Foretold:
        return self._look_then()

    @part
    def parameters(self) -> pd.DataFrame:
        """Parameters and means of both models of today, with intervals."""
        return _parameters(self._now)

    @part
    def _parameters_then(self) -> pd.DataFrame:
        return _parameters(self._then)

    @part
    def fitted(self) -> dict[str, float]:
        """`r`, `alpha`, `a`, `b` and `loglik` of BG/NBD, and how many `buyers` there are."""
        told = self._now.buying
        return {**told.parameters["value"].to_dict(), "loglik": told.loglik, "buyers": len(self._now.seen)}

    @part
    def parameters_table(self) -> pd.DataFrame:
        """The same with intervals, beside those of then where there are some."""
        table = pd.DataFrame({"now": with_interval(self.parameters, "value", ",.4g")})
        then = optional(self, "_parameters_then")
        if not isinstance(then, Lacking):
            table[f"{self._then.days} days before"] = with_interval(then, "value", ",.4g")
        return table.assign(**{"what of": table.index.map(_MEANING)})

    @part
    def drifted(self) -> dict[str, object] | None:
        """Which parameters are `apart` from those of then: no value lies in both intervals; None where none is."""
        now, then = self.parameters, self._parameters_then
        apart = now.index[(now["low"] > then["high"]) | (now["high"] < then["low"])]
        return {"apart": ", ".join(apart), "n": len(apart), "days": self._then.days} if len(apart) else None

    @part
    def dependence(self) -> dict[str, object]:
        """How frequency and spending go together, which the model of spending takes to be independent."""
        found = self._now.dependence
        less = "too little" if found["value"] < 0 else "too much"
        pulled = f"where the model has 0: it pulls rare buyers to the mean of all, and foretells {less} of them"
        return {**found.to_dict(), "verdict": "as the model has it" if found["low"] <= 0 <= found["high"] else pulled}

    @part
    def came(self) -> dict[str, object]:
        """Days of purchase `foretold` for the time after `then`, how many `came`, and what the same rate would be."""
        then, days, came = self._then, self._then.days, self._then.seen["later"].sum()
        if not came:
            raise BankmineError("nobody bought anything in the time after")
        said, same = then.buying.expected(then.seen, days).sum(), (then.same_rate * days).sum()
        return {"foretold": said, "came": came, "off": said / came - 1, "same": same / came - 1, "days": days}

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
        then = self._then
        chances = pd.DataFrame(
            {"as the model has it": then.again_by_model, "at the level of the year before": then.again}
        )
        if isinstance(then.earlier, Lacking):
            chances = chances.iloc[:, :1]
        axis = reliability(then.came_back.astype(float), chances)
        axis.set(title="Share that bought again against the chance foretold, in tenths of buyers")
        return axis

    @part
    def alive_ranks(self) -> pd.DataFrame:
        """How well the chance, and silence alone, tell who buys again: AUC, and what was said and seen on average.

        How much better the chance does is told of the same resamples.
        """
        then, hit = self._then, self._then.came_back
        if min(hit.sum(), (~hit).sum()) < _FEWEST:
            raise BankmineError(f"fewer than {_FEWEST} customers bought again, or did not: little tells them apart")
        silence = "days since the last purchase"
        scores = pd.DataFrame({"chance to buy again": then.again, silence: then.seen["t_x"] - then.seen["T"]})
        one, hits = pd.Series(hit.index, hit.index), hit.astype(float)
        judged = performance(hits, scores, one, _ROUNDS), against(hits, scores, silence, one, _ROUNDS)
        found, better = (t[t["metric"] == "auc"].set_index("model").rename_axis(None) for t in judged)
        table = pd.DataFrame({"AUC": with_interval(found, "value")})
        gained = with_interval(better, "difference", "+.3f")
        table["better than silence by"] = gained.reindex(table.index, fill_value="")
        table["said"] = [then.again.mean(), np.nan]
        return shown(table.assign(came=hit.mean()), said=".1%", came=".1%")

    @part
    def parameters_told(self) -> pd.DataFrame:
        """The same of both days: `fitted` is now or then."""
        both = pd.concat({"now": self.parameters, "then": self._parameters_then}, names=["fitted", "parameter"])
        return both.reset_index("fitted")

    @part
    def told(self) -> pd.DataFrame:
        """A row a buyer of then, for validators: what was seen, the chances, and what came."""
        then = self._then
        rows = then.seen[["x", "t_x", "T", "spend", "later", "later_spent"]]
        return rows.assign(
            again_model=then.again_by_model, again=then.again, rate=then.buying.rate(rows),
            foretold=then.buying.expected(rows, then.days),
        )  # fmt: skip


def _parameters(look: Foretold) -> pd.DataFrame:
    return pd.concat([look.buying.parameters, look.buying.means, look.spending.parameters])
