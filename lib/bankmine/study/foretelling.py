"""Foretelling: money foretold in several ways, which of them is used, whether it came true, and how sure it is."""

from __future__ import annotations

import datetime
from typing import ClassVar

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from bankmine.errors import BankmineError
from bankmine.judging import amounts
from bankmine.judging.amounts import Amounts
from bankmine.judging.intervals import wilson, with_interval
from bankmine.lacking import Lacking, optional, part
from bankmine.study.charts import chart, titled
from bankmine.study.heading import Headed

_Z, _TOP = 1.96, 0.1


class Foretelling(Headed):
    """What each customer will bring in, foretold in several ways that are held against what came.

    A subclass tells its `ways`, the simplest first, what was `judged` and since which day (`then`), and the same of the
    time before (`_earlier`), and how `_unsteady_then` the total was, as a share of it: its standard error by what was
    known then. A way is chosen by one half of the customers and judged by the other.
    """

    ways: ClassVar[tuple[str, ...]]
    currency: str
    then: datetime.date
    judged: part[Amounts]
    _earlier: part[Amounts]
    _unsteady_then: part[float]

    # --- which way

    @part
    def _halves(self) -> tuple[pd.Index, pd.Index]:
        """Customers by whom a way is chosen, and those by whom it is judged."""
        index = self.judged.came.index
        first = pd.util.hash_array(index.to_numpy(object)) % 2 == 0
        if first.all() or not first.any():
            raise BankmineError("there are too few customers to choose a way by some and judge it by others")
        return index[first], index[~first]

    @part
    def way(self) -> str:
        """How the time to come is foretold: the simplest way where nothing can be judged."""
        if isinstance(optional(self, "_halves"), Lacking):
            return self.ways[0]
        return amounts.chosen(self.judged.at(self._halves[0]), self.ways)

    @part
    def _apart(self) -> Amounts:
        """Those who did not choose."""
        return self.judged.at(self._halves[1])

    @part
    def judged_table(self) -> pd.DataFrame:
        """Ways to foretell, judged by customers who did not choose among them."""
        found = self._apart.table
        told = pd.DataFrame({
            "off by, a customer": with_interval(found, "error", ",.0f"),
            "total, of what came": with_interval(found, "total", ".1%"),
            "Gini, of the best order": with_interval(found, "gini"),
            "brought by the top tenth": with_interval(found, "top", ".1%"),
        })  # fmt: skip
        return told.assign(use=np.where(told.index == self.way, "used", ""))

    @part
    def ginis(self) -> dict[str, float]:
        """Gini of the order by the way in use, `model`, and by the simplest, `naive`, with intervals."""
        found = {"model": self._apart.table.loc[self.way], "naive": self._apart.table.loc[self.ways[0]]}
        return {f"{k}{end}": float(v[f"gini{end}"]) for k, v in found.items() for end in ("", "_low", "_high")}

    @part
    def choice(self) -> dict[str, object]:
        """Which `way` is used, its `error` a customer, and how that compares."""
        error = self._apart.table["error"]
        beside = ", ".join(f"{way} by {error[way]:,.0f}" for way in error.index if way != self.way)
        return {"way": self.way, "error": float(error[self.way]), "beside": beside, "currency": self.currency}

    @chart
    def tenths_chart(self) -> Axes:
        """Draw what each tenth of customers was foretold to bring, and brought."""
        own = self._apart.tenths
        own = own[own["way"].isin([self.way, self.ways[0]])]
        axis = sns.lineplot(own, x="tenth", y="foretold", hue="way", style="way", markers=True)
        came = own[own["way"] == self.way]
        axis.bar(came["tenth"], came["came"], color="0.85", zorder=0, label="came")
        axis.legend()
        axis.set_xticks(came["tenth"])
        title = f"What customers brought in since {self.then}, in tenths by what was foretold"
        return titled(axis, title, "tenth of customers, the highest foretold first", f"a customer, {self.currency}")

    @part
    def judged_rows(self) -> pd.DataFrame:
        """What was foretold of each customer in each way, what `came`, and which `half` the customer is in."""
        rows = self.judged.foretold.assign(came=self.judged.came)
        return rows.assign(half=np.where(rows.index.isin(self._halves[1]), "judged", "chosen by"))

    # --- did it come true, and how sure is it

    @part
    def inside(self) -> dict[str, object]:
        """Share of customers who brought in what lay in the interval given to them, which an earlier time had set.

        It is an `alert` where fewer did than was meant, of all or of the `top` tenth, beyond chance.
        """
        said, came = self.judged.foretold[self._way_of(self._earlier)], self.judged.came
        given = self._around(said, self._earlier)
        hit = (came >= given["low"]) & (came <= given["high"])
        top = hit[said.rank(ascending=False, pct=True) <= _TOP]
        narrow = any(wilson(own.sum(), len(own))[1] < amounts.MEANT for own in (hit, top) if len(own))
        so = ": ranges of single customers are too narrow, do not use them one by one" if narrow else ""
        told = {"share": float(hit.mean()), "meant": amounts.MEANT, "customers": len(hit), "top": float(top.mean())}
        return told | {"so": so, "alert": narrow}

    def _way_of(self, known: Amounts) -> str:
        """Return the way in use, or the best that is known of another time where that does not have it."""
        return self.way if self.way in known.foretold else known.foretold.columns[-1]

    def _around(self, said: pd.Series, known: Amounts) -> pd.DataFrame:
        """Return `low` and `high` of what is foretold, by how far off the same way was another time."""
        return amounts.around(said, amounts.spread(known.foretold[self._way_of(known)], known.came))

    def _total(self, said: pd.Series, unsteady: float, known: Amounts | Lacking) -> dict[str, object]:
        """Add up, with an interval: the level of all moves together, and each is off by chance, as far as is known."""
        total = float(said.sum())
        off = 0.0 if isinstance(known, Lacking) else float((known.came - known.foretold[self._way_of(known)]).std())
        half = _Z * float(np.hypot(unsteady * abs(total), np.sqrt(len(said)) * off))
        return {"total": total, "low": total - half, "high": total + half, "customers": len(said)}

    @part
    def came_true(self) -> dict[str, object]:
        """What was foretold in total for the time since, with the interval that it had by what was known then.

        And how far off it was of the `upper` half of customers, by what was foretold of them, and of the `lower`.
        """
        unsteady = optional(self, "_unsteady_then")
        sure = not isinstance(unsteady, Lacking)
        told = self._total(self.judged.foretold[self.way], unsteady if sure else np.nan, optional(self, "_earlier"))
        told |= {"came": float(self.judged.came.sum()), "day": self.then}
        if not told["came"]:
            raise BankmineError("nothing came in the time since")
        where = "inside the range" if told["low"] <= told["came"] <= told["high"] else "outside the range"
        verdict = where if sure else "and no range could be given then"
        said = self.judged.foretold[self.way]
        half = np.where(said.rank(ascending=False, pct=True) <= 0.5, "upper", "lower")
        sums = pd.DataFrame({"said": said, "came": self.judged.came}).groupby(half).sum().reindex(["upper", "lower"])
        halves = sums["said"] / sums["came"].where(sums["came"] > 0) - 1
        off = {"off": told["total"] / told["came"] - 1, **halves.to_dict()}
        return told | off | {"verdict": verdict, "currency": self.currency}

    @part
    def totals(self) -> pd.DataFrame:
        """The same as a row."""
        told = {name: [self.came_true[name]] for name in ("day", "total", "low", "high", "came")}
        return pd.DataFrame(told, index=["all"])
