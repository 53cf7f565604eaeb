"""Value of the customers of a flat table of purchases: who comes back, how often, and what they will spend."""

from __future__ import annotations

import datetime
from typing import ClassVar

import ibis
import pandas as pd

from bankmine.bank.flat import Flat
from bankmine.bank.flat_purchases import purchases_of
from bankmine.errors import BankmineError
from bankmine.features.purchases import seen
from bankmine.judging.amounts import Amounts
from bankmine.lacking import Lacking, part
from bankmine.learning.foretold import Foretold
from bankmine.learning.lasting import YEAR, YEARS
from bankmine.study.buyers import Buyers
from bankmine.topics.value.expected import Valued
from bankmine.topics.value.worth import NAIVE, PARTS

_LEAST = 56
"""Days that a table must cover for one half of them to foretell the other."""


class TableValue(Valued):
    """What customers who buy are worth; a table tells nothing of accounts, costs and who they are."""

    parts = Lacking("a table of purchases tells of one part, and of no accounts")
    by_segment = Lacking("a table of purchases tells of no segments")
    warned = Lacking("the chances of a table of purchases are its own")
    at_risk_year = None  # who has stopped has done so
    _lost: ClassVar[str] = "to have stopped"
    whom: ClassVar[str] = "customers, of whom the table does not tell whether they may be contacted"
    stays_chart = paid_chart = payback = Lacking("a table of purchases does not tell what winning a customer costs")
    uncounted = Lacking("what is earned of a purchase is what `earns` says")
    steady = moved = rose = fell = changes = Lacking("worth of half a year ago is compared for banks only")

    def __init__(self, flat: Flat, amount: str, earns: float) -> None:
        if not earns > 0:
            raise BankmineError(f"earns={earns}: give the part of an amount that is earned, above 0, as 0.2.")
        super().__init__(flat)
        bought = purchases_of(flat, amount)
        self._rows = bought.rows.mutate(margin=bought.rows.amount * earns)
        self._remarks = bought.remarks
        self._begun, self.day = flat.day.min().date(), flat.as_of
        self._span = (self.day - self._begun).days
        self.days = min(YEAR, self._span // 2)

    def _facts(self) -> dict[str, object]:
        return {"left out": "; ".join(self._remarks)} if self._remarks else {}

    def _ago(self, days: int) -> datetime.date:
        return self.day - datetime.timedelta(days=days)

    def _brought(self, days: int, back: int, index: pd.Index) -> pd.Series:
        """Sum up what customers brought in within so many days, up to so many before the last."""
        first, last = self._ago(back + days), self._ago(back)
        rows = self._rows.filter(self._rows.date > ibis.literal(first), self._rows.date <= ibis.literal(last))
        found = rows.group_by("customer_id").agg(earned=rows.margin.sum()).to_pandas()
        return found.set_index("customer_id")["earned"].reindex(index).fillna(0.0)

    @part
    def _looks(self) -> dict[int, Foretold]:
        """What was bought until so many days before the last, each at the level of the look before it."""
        if self._span < _LEAST:
            raise BankmineError(
                f"the table covers {self._span} days: at least {_LEAST} are needed to foretell one half by the other"
            )
        found, earlier = {}, Lacking("there is no earlier time as long")
        for back in (2 * self.days, self.days, 0):
            if self._span - back >= self.days / 2:
                until = self._ago(max(back - self.days, 0))
                found[back] = Foretold(seen(self._rows, self._begun, self._ago(back), until), self.days, earlier)
                earlier = found[back].fitted()
        return found

    @part
    def buyers(self) -> Buyers:
        """Customers of the table, looked at on two days."""
        now, then = self._looks[0], self._looks[self.days]
        return Buyers(lambda: now, lambda: then, lambda: then.tracked(self._rows, self._begun, self._ago(self.days)))

    # --- whether it came true

    @part
    def judged(self) -> Amounts:
        """What was foretold for the last part of the table in two ways, and what came."""
        return self._judged(self.days)

    @part
    def _earlier(self) -> Amounts:
        """The same of the time before, where there is one."""
        if 2 * self.days not in self._looks:
            raise BankmineError("the table does not tell of three times as long as what is foretold")
        return self._judged(2 * self.days)

    def _judged(self, back: int) -> Amounts:
        look = self._looks[back]
        said = {NAIVE: self._brought(self.days, back, look.seen.index), PARTS: look.expected(self.days)}
        return Amounts(pd.DataFrame(said), look.seen["later_earned"])

    @part
    def _unsteady(self) -> float:
        """As far off as the total was the last time: a table tells of one such time only."""
        return self._missed(self.judged)

    @part
    def _unsteady_then(self) -> float:
        """As far off as it was the time before."""
        return self._missed(self._earlier)

    def _missed(self, known: Amounts) -> float:
        said, came = known.foretold[self._way_of(known)].sum(), known.came.sum()
        return abs(said / came - 1) if came else 1.0

    # --- what is expected

    @part
    def _valued(self) -> pd.DataFrame:
        now, d = self._looks[0], self._rules.discount
        brought = self._brought(YEAR, 0, now.seen.index)
        year, three = (now.expected(days, d) for days in (YEAR, YEAR * YEARS))
        stays = year / now.alive  # next to nothing for those who have surely stopped: they are lost, not at risk
        if self.way == NAIVE:
            naive = brought * YEAR / min(self._span + 1, YEAR)
            year, three = naive * (1 + d) ** -0.5, naive * sum((1 + d) ** -(k + 0.5) for k in range(YEARS))
            stays = year
        return pd.DataFrame({
            "margin": brought, "expected_12": year, "expected_36": three, "stays_12": stays, "alive": now.alive,
            "purchases_12": year, "purchases_36": three,
        })  # fmt: skip

    @part
    def _chance(self) -> pd.DataFrame:
        """Chance that a customer has stopped."""
        return 1 - self.value[["alive"]].set_axis(["chance"], axis=1)

    @part
    def _listed(self) -> pd.DataFrame:
        return self._at_risk
