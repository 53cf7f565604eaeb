"""Expected worth: what all customers are to bring in, whether that came true, who holds it, and whose is at risk."""

from __future__ import annotations

import datetime
from typing import ClassVar

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bankmine.bank.flat import Flat
from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.judging import disclosure
from bankmine.judging.intervals import shown
from bankmine.lacking import Lacking, optional, part
from bankmine.learning.lasting import YEAR
from bankmine.study.buyers import Buyers
from bankmine.study.charts import captured, chart
from bankmine.study.foretelling import Foretelling
from bankmine.topics.value.worth import NAIVE, PARTS, TREES, load_rules

_FILES = {NAIVE: "naive", PARTS: "parts", TREES: "trees"}
_TITLES = {
    "expected_12": "expected in 12 months", "low": "low", "high": "high", "expected_36": "expected in 36 months",
    "stays_12": "worth in 12 months, if staying", "chance": "chance to leave", "at_risk": "at risk",
    "called": "06 calls",
}  # fmt: skip
"""Columns of the list, as the page and the file have them."""
_CORRELATED, _MATERIAL = 0.2, 0.1
"""Correlation, and share of worth that purchases are, from which on a reviewer must look."""


class Valued(Foretelling):
    """What customers of a bank, or of a table of purchases, are expected to bring in.

    A subclass tells, beside what was foretold and came, the customers `valued` today, the `buyers` among them, how
    `unsteady` totals are, the `chance` of each to be lost, what being `lost` means, and who of them may be `listed`.
    """

    ways = (NAIVE, PARTS, TREES)
    whom: ClassVar[str]
    """Of whom the list is."""

    day: datetime.date
    days: int = YEAR
    """How long what was foretold is watched."""
    _valued: part[pd.DataFrame]
    buyers: part[Buyers]
    _unsteady: part[float]
    _chance: part[pd.DataFrame]
    _lost: str
    _listed: part[pd.DataFrame]

    def __init__(self, source: Snapshot | Flat) -> None:
        self.source, self.currency = source, source.source.currency or "units of money"
        self._rules = load_rules(source.source.currency)

    @property
    def then(self) -> datetime.date:
        """Day from which it was foretold what has come since."""
        return self.day - datetime.timedelta(days=self.days)

    @part
    def _smallest(self) -> int:
        return disclosure.smallest_group(self.source)

    def _count(self, customers: int) -> str:
        """Write how many customers there are, without telling of too few."""
        few = disclosure.too_few(pd.Series([customers]), self._smallest).any()
        return f"fewer than {self._smallest}" if few else f"{customers:,}"

    # --- what is expected

    @part
    def value(self) -> pd.DataFrame:
        """All customers of the day: realised, expected within 12 and 36 months, interval, alive, and the parts."""
        found = self._valued.copy()
        if not isinstance(optional(self, "judged"), Lacking):
            longer = YEAR / self.days
            found[["low", "high"]] = self._around(found["expected_12"] / longer, self.judged) * longer
        first = [c for c in ("margin", "expected_12", "low", "high", "expected_36", "stays_12", "alive") if c in found]
        return found[first + [c for c in found if c not in first]].rename_axis("customer_id")

    @part
    def next12(self) -> dict[str, object]:
        """What all are expected to bring within 12 months, with interval, beside what the last twelve brought."""
        told = self._total(self.value["expected_12"], self._unsteady, self.judged)
        return told | {"realised": self.value["margin"].sum(), "currency": self.currency, "day": self.day}

    @part
    def dependence(self) -> dict[str, object]:
        """How frequency and spending of buyers go together, and the `share` of what is expected that hangs on it."""
        found, expected = self.buyers.dependence, self.value["expected_12"].sum()
        share = float(self.value["purchases_12"].sum() / expected) if expected > 0 else np.nan
        return found | {"share": share, "alert": abs(found["value"]) > _CORRELATED and share >= _MATERIAL}

    # --- who holds it

    @part
    def lorenz(self) -> dict[str, object]:
        """Share of what is expected that the top tenth holds, and who costs more than they bring."""
        v = self.value["expected_12"].sort_values(ascending=False)
        up, below = v.clip(lower=0), v[v < 0]
        if not up.sum():
            raise BankmineError("nobody is expected to bring anything in")
        count = self._count(len(below))
        cost = f"{abs(below.sum()):,.0f} {self.currency}" if count == f"{len(below):,}" else disclosure.WITHHELD
        return {"top": up.iloc[: max(len(v) // 10, 1)].sum() / up.sum(), "below": count, "cost": cost}

    @chart
    def lorenz_chart(self) -> Axes:
        """Draw the share of the expected worth held by the customers worth most."""
        return captured(self.value["expected_12"], "Who holds what is expected within 12 months", "all worth")

    # --- whose is at risk

    @part
    def _at_risk(self) -> pd.DataFrame:
        """What customers would bring in if they stayed, times the chance to lose them: a leaver brings nothing."""
        found = self.value.join(self._chance, how="inner")
        found["at_risk"] = found["stays_12"] * found["chance"]
        return found.sort_index().sort_values("at_risk", ascending=False, kind="stable")

    @part
    def _to_look_at(self) -> pd.DataFrame:
        told = self._listed.head(self._rules.at_risk)
        told = told[[c for c in _TITLES if c in told]].rename(columns=_TITLES)
        told.attrs["list"] = True
        return told

    @part
    def at_risk(self) -> dict[str, object]:
        """How much worth is at risk, and how much of that lies with the first to look at."""
        found, own = self._at_risk, self._to_look_at
        total = found["at_risk"].clip(lower=0).sum()
        if not total:
            raise BankmineError(
                "nothing is at risk: nobody of whom it is known may leave, or is expected to bring anything in"
            )
        held, rest = own["at risk"].sum(), self.value["expected_12"].drop(found.index).clip(lower=0)
        called = own["06 calls"].sum() if "06 calls" in own else 0
        others = f"the relationship manager decides on the other {len(own) - called:,}"
        also = f"06 also calls {called:,} of them; {others}" if "06 calls" in own else "no report calls them"
        return {
            "n": len(own), "whom": self.whom, "held": held, "total": total, "share": held / total, "also": also,
            "leavers": own["chance to leave"].sum(), "lost": self._lost, "scored": len(found),
            "others": len(rest), "nothing": self._count(int((rest == 0).sum())), "theirs": rest.sum(),
            "currency": self.currency, "owner": self._rules.list_owner,
        }  # fmt: skip

    @part
    def at_risk_first(self) -> pd.DataFrame:
        """First of those to look at."""
        formats = {_TITLES["stays_12"]: ",.0f", _TITLES["chance"]: ".0%", _TITLES["at_risk"]: ",.0f"}
        told = self._to_look_at[list(formats)]
        if "06 calls" in self._to_look_at:
            told = told.assign(**{"06 calls": np.where(self._to_look_at["06 calls"], "yes", "no")})
        return shown(told, **formats)

    # --- what leaves

    @part
    def handed_on(self) -> dict[str, pd.DataFrame]:
        """`value` of all customers; and as far as they are there what was judged, and what more a bank tells."""
        buyers = optional(self, "buyers")
        told = {
            "at_risk": optional(self, "_to_look_at"), "judged": optional(self, "judged_rows").rename(columns=_FILES),
            "buyers": optional(buyers, "told"), "totals": optional(self, "totals"),
            "parameters": optional(buyers, "parameters_told"), "changes": optional(self, "changes"),
        }  # fmt: skip
        there = {f"value_{name}": found for name, found in told.items() if not isinstance(found, Lacking)}
        return {"value": self.value} | there
