"""Expected worth of customers: which way it is foretold, whether that came true, how sure it is, and who holds it."""

from __future__ import annotations

import datetime
from typing import ClassVar

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from bankmine.bank.flat import Flat
from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.judging import amounts, disclosure
from bankmine.judging.amounts import Amounts
from bankmine.judging.intervals import shown, with_interval
from bankmine.lacking import Lacking, optional, part
from bankmine.study.charts import captured, chart, titled
from bankmine.study.heading import Headed
from bankmine.topics.value import worth
from bankmine.topics.value.buying import Buyers
from bankmine.topics.value.worth import NAIVE, PARTS, TREES, ValueRules

_Z, _TOP = 1.96, 0.1
_FILES = {NAIVE: "naive", PARTS: "parts", TREES: "trees"}


class Valued(Headed):
    """What customers of a bank, or of a table of purchases, are expected to bring in.

    A subclass tells what was `judged`, the same of an `earlier` time, the customers `valued` today, the `buyers` among
    them, how `unsteady` totals are, whose worth is `at_risk` and who of them may be `listed`.
    """

    whom: ClassVar[str]
    """Of whom the list is."""

    day: datetime.date
    days: int = worth.YEAR
    """How long what was foretold is watched."""
    judged: part[Amounts]
    _earlier: part[Amounts]
    _valued: part[pd.DataFrame]
    buyers: part[Buyers]
    _unsteady: part[float]
    _unsteady_then: part[float]
    _at_risk: part[pd.DataFrame]
    _listed: part[pd.DataFrame]

    def __init__(self, source: Snapshot | Flat, rules: ValueRules) -> None:
        self.source, self._rules = source, rules

    @property
    def currency(self) -> str:
        """Currency of the source."""
        return self.source.source.currency or "units of money"

    @property
    def then(self) -> datetime.date:
        """Day from which it was foretold what has come since."""
        return self.day - datetime.timedelta(days=self.days)

    @part
    def _smallest(self) -> int:
        return disclosure.smallest_group(self.source)

    # --- whether it came true

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
            return NAIVE
        return amounts.chosen(self.judged.at(self._halves[0]), (NAIVE, PARTS, TREES))

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
        """Gini of the order by the way in use, `model`, and by last year again, `naive`, with intervals."""
        found = {"model": self._apart.table.loc[self.way], "naive": self._apart.table.loc[NAIVE]}
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
        own = own[own["way"].isin([self.way, NAIVE])]
        axis = sns.lineplot(own, x="tenth", y="foretold", hue="way", style="way", markers=True)
        came = own[own["way"] == self.way]
        axis.bar(came["tenth"], came["came"], color="0.85", zorder=0, label="came")
        axis.legend()
        axis.set_xticks(came["tenth"])
        title = f"What customers brought in since {self.then}, in tenths by what was foretold"
        return titled(axis, title, "tenth of customers, the highest foretold first", f"a customer, {self.currency}")

    @part
    def inside(self) -> dict[str, float]:
        """Share of customers who brought in what lay in the interval given to them, which an earlier time had set."""
        by = self._way_of(self._earlier)
        off = amounts.spread(self._earlier.foretold[by], self._earlier.came)
        given = amounts.around(self.judged.foretold[by], off)
        hit = (self.judged.came >= given["low"]) & (self.judged.came <= given["high"])
        top = hit[self.judged.foretold[by].rank(ascending=False, pct=True) <= _TOP]
        return {"share": float(hit.mean()), "meant": amounts.MEANT, "customers": len(hit), "top": float(top.mean())}

    def _way_of(self, known: Amounts) -> str:
        """Return the way in use, or by parts where what is known of another time does not have it."""
        return self.way if self.way in known.foretold else PARTS

    # --- what is expected

    @part
    def value(self) -> pd.DataFrame:
        """All customers of the day: realised, expected within 12 and 36 months, interval, alive, and the parts."""
        found = self._valued.copy()
        if not isinstance(optional(self, "judged"), Lacking):
            off, longer = amounts.spread(self.judged.foretold[self.way], self.judged.came), worth.YEAR / self.days
            found[["low", "high"]] = amounts.around(found["expected_12"] / longer, off) * longer
        first = [c for c in ("margin", "expected_12", "low", "high", "expected_36", "alive") if c in found]
        return found[first + [c for c in found if c not in first]].rename_axis("customer_id")

    def _total(self, said: pd.Series, unsteady: float, known: Amounts | Lacking) -> dict[str, object]:
        """Add up, with an interval: the level of all moves together, and each is off by chance, as far as is known."""
        total = float(said.sum())
        off = 0.0 if isinstance(known, Lacking) else float((known.came - known.foretold[self._way_of(known)]).std())
        half = _Z * float(np.hypot(unsteady * abs(total), np.sqrt(len(said)) * off))
        return {"total": total, "low": total - half, "high": total + half, "customers": len(said)}

    @part
    def next12(self) -> dict[str, object]:
        """What all are expected to bring within 12 months, with interval, beside what the last twelve brought."""
        told = self._total(self.value["expected_12"], self._unsteady, self.judged)
        return told | {"realised": self.value["margin"].sum(), "currency": self.currency, "day": self.day}

    @part
    def came_true(self) -> dict[str, object]:
        """What was foretold in total for the time since, with the interval that it had by what was known then."""
        unsteady = optional(self, "_unsteady_then")
        sure = not isinstance(unsteady, Lacking)
        told = self._total(self.judged.foretold[self.way], unsteady if sure else np.nan, optional(self, "_earlier"))
        told |= {"came": float(self.judged.came.sum()), "day": self.then}
        if not told["came"]:
            raise BankmineError("nothing came in the time since")
        where = "inside the range" if told["low"] <= told["came"] <= told["high"] else "outside the range"
        verdict = where if sure else "and no range could be given then"
        return told | {"off": told["total"] / told["came"] - 1, "verdict": verdict, "currency": self.currency}

    # --- who holds it

    @part
    def lorenz(self) -> dict[str, object]:
        """Share of what is expected that the top tenth holds, and who costs more than they bring."""
        v = self.value["expected_12"].sort_values(ascending=False)
        up, below = v.clip(lower=0), v[v < 0]
        if not up.sum():
            raise BankmineError("nobody is expected to bring anything in")
        few = bool(disclosure.too_few(pd.Series([len(below)]), self._smallest).any())
        cost = disclosure.WITHHELD if few else f"{abs(below.sum()):,.0f} {self.currency}"
        count = f"fewer than {self._smallest}" if few else f"{len(below):,}"
        return {"top": up.iloc[: max(len(v) // 10, 1)].sum() / up.sum(), "below": count, "cost": cost}

    @chart
    def lorenz_chart(self) -> Axes:
        """Draw the share of the expected worth held by the customers worth most."""
        return captured(self.value["expected_12"], "Who holds what is expected within 12 months", "all worth")

    # --- whose is at risk

    @part
    def _to_look_at(self) -> pd.DataFrame:
        told = self._listed.head(self._rules.at_risk)
        names = ("expected_12", "low", "high", "expected_36", "chance", "at_risk", "called")
        told = told[[c for c in names if c in told]].copy()
        told.attrs["list"] = True
        return told

    @part
    def at_risk(self) -> dict[str, object]:
        """How much of the expected worth is at risk, and how much of that lies with the first to look at."""
        found, own = self._at_risk, self._to_look_at
        total = found["at_risk"].clip(lower=0).sum()
        if not total:
            raise BankmineError(
                "nothing is at risk: nobody of whom it is known may leave, or is expected to bring anything in"
            )
        held = own["at_risk"].sum()
        told = {"n": len(own), "whom": self.whom, "held": held, "total": total, "share": held / total}
        rest = self.value["expected_12"].drop(found.index).clip(lower=0)
        also = f"{own['called'].sum():,} of them 06 calls, too" if "called" in own else "no report calls them"
        told |= {"also": also, "others": len(rest), "theirs": rest.sum()}
        return told | {"scored": len(found), "currency": self.currency, "owner": "head of retail"}

    @part
    def at_risk_first(self) -> pd.DataFrame:
        """First of those to look at."""
        names = {"expected_12": "worth in 12 months", "chance": "chance to leave", "at_risk": "at risk"}
        told = self._to_look_at[list(names)].rename(columns=names)
        if "called" in self._to_look_at:
            told["06 calls"] = np.where(self._to_look_at["called"], "yes", "no")
        return shown(told, **{"worth in 12 months": ",.0f", "chance to leave": ".0%", "at risk": ",.0f"})

    # --- what leaves

    @part
    def handed_on(self) -> dict[str, pd.DataFrame]:
        """`value` of all customers; and as far as they are there what was judged, and what more a bank tells."""
        told = {name: optional(self, own) for name, own in self._files().items()}
        return {"value": self.value} | {name: found for name, found in told.items() if not isinstance(found, Lacking)}

    def _files(self) -> dict[str, str]:
        """Name files beside `value`, and the part that each holds."""
        return {
            "value_at_risk": "_to_look_at", "value_judged": "_judged_rows", "value_buyers": "_buyers_told",
            "value_totals": "_totals", "value_parameters": "_parameters",
        }  # fmt: skip

    @part
    def _judged_rows(self) -> pd.DataFrame:
        rows = self.judged.foretold.rename(columns=_FILES).assign(came=self.judged.came)
        return rows.assign(half=np.where(rows.index.isin(self._halves[1]), "judged", "chosen by"))

    @part
    def _buyers_told(self) -> pd.DataFrame:
        return self.buyers.told

    @part
    def _parameters(self) -> pd.DataFrame:
        parts = {"now": self.buyers.parameters, "then": self.buyers.parameters_then}
        return pd.concat(parts, names=["fitted", "parameter"]).reset_index("fitted")

    @part
    def _totals(self) -> pd.DataFrame:
        told = {name: [self.came_true[name]] for name in ("day", "total", "low", "high", "came")}
        return pd.DataFrame(told, index=["all"])
