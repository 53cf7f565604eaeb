"""Value of the customers of a flat table of purchases: who comes back, how often, and what they will spend."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import ClassVar

import ibis
import pandas as pd

from bankmine.bank.flat import Flat, open_unlabelled
from bankmine.bank.flat_purchases import FlatPurchases, purchases_of
from bankmine.errors import BankmineError
from bankmine.features.purchases import seen
from bankmine.judging.amounts import Amounts
from bankmine.lacking import Lacking, part
from bankmine.learning.foretold import Foretold
from bankmine.topics.value import worth
from bankmine.topics.value.buying import Buyers
from bankmine.topics.value.expected import Valued
from bankmine.topics.value.worth import NAIVE, PARTS

_LEAST = 56
"""Days that a table must cover for one half of them to foretell the other."""


def open_table(
    source: str, as_of: str | datetime.date, id: str, time: str, amount: str, earns: float, written: Mapping[str, str]
) -> TableValue:  # fmt: skip
    """Open a flat table of purchases; parameters as of `study`."""
    if not earns > 0:
        raise BankmineError(f"earns={earns}: give the part of an amount that is earned, above 0, as 0.2.")
    flat = open_unlabelled(source, id, time, as_of, **written)
    return TableValue(flat, purchases_of(flat, amount), earns)


class TableValue(Valued):
    """What customers who buy are worth; a table tells nothing of accounts, costs and who they are."""

    _no_accounts: ClassVar[Lacking] = Lacking("a table of purchases tells of no accounts")
    closings = renewing = parts_table = parts_chart = _no_accounts
    by_segment = Lacking("a table of purchases tells of no segments")
    whom: ClassVar[str] = "customers, of whom the table does not tell whether they may be contacted"
    stays_chart = paid_chart = payback = Lacking("a table of purchases does not tell what winning a customer costs")
    uncounted = Lacking("what is earned of a purchase is what `earns` says")
    steady = moved = rose = fell = Lacking("worth of half a year ago is compared for banks only")
    tornado = Lacking("one part moves the total: what is earned of a purchase")

    def __init__(self, flat: Flat, bought: FlatPurchases, earns: float) -> None:
        super().__init__(flat, worth.load_rules(flat.currency))
        rows = bought.rows
        self._rows = rows.mutate(margin=rows.amount * earns)
        self._remarks = bought.remarks
        self._begun = flat.day.min().date()
        self.day = flat.as_of
        span = (self.day - self._begun).days
        self.days = min(worth.YEAR, span // 2)

    def _facts(self) -> dict[str, object]:
        return {"left out": "; ".join(self._remarks)} if self._remarks else {}

    def _brought(self, days: int, back: int = 0) -> pd.Series:
        """Sum up what each customer brought in within so many days, up to so many before the last."""
        last = self.day - datetime.timedelta(days=back)
        first = last - datetime.timedelta(days=days)
        rows = self._rows.filter(self._rows.date > ibis.literal(first), self._rows.date <= ibis.literal(last))
        return rows.group_by("customer_id").agg(earned=rows.margin.sum()).to_pandas().set_index("customer_id")["earned"]

    def _look(self, back: int) -> Foretold:
        """Sum up what was bought until so many days before the last, and in the time after that."""
        last = self.day - datetime.timedelta(days=back)
        until = min(last + datetime.timedelta(days=self.days), self.day)
        return Foretold(seen(self._rows, self._begun, last, until), self.days)

    @part
    def _looks(self) -> dict[int, Foretold]:
        span = (self.day - self._begun).days
        if span < _LEAST:
            raise BankmineError(
                f"the table covers {span} days: at least {_LEAST} are needed to foretell one half by the other"
            )
        return {back: self._look(back) for back in (0, self.days, 2 * self.days) if span - back >= self.days / 2}

    @part
    def buyers(self) -> Buyers:
        """Customers of the table, looked at on several days."""
        now, then = self._looks[0], self._looks[self.days]
        before = self._looks.get(2 * self.days, Lacking("there is no earlier time as long"))
        last = self.day - datetime.timedelta(days=self.days)
        return Buyers(now, then, before, lambda: then.tracked(self._rows, self._begun, last))

    @part
    def _unsteady(self) -> float:
        """As far off as the total was the last time: a table tells of one such time only."""
        said, came = self.judged.foretold[self.way].sum(), self.judged.came.sum()
        return abs(said / came - 1) if came else 1.0

    @part
    def _unsteady_then(self) -> float:
        """As far off as it was the time before."""
        said, came = self._earlier.foretold[self._way_of(self._earlier)].sum(), self._earlier.came.sum()
        return abs(said / came - 1) if came else 1.0

    @part
    def _earlier(self) -> Amounts:
        """The same of the time before, where there is one."""
        if 2 * self.days not in self._looks:
            raise BankmineError("the table does not tell of three times as long as what is foretold")
        return self._judged(2 * self.days, self._looks[2 * self.days].again())

    @part
    def judged(self) -> Amounts:
        """What was foretold for the last part of the table in two ways, and what came."""
        return self._judged(self.days, self.buyers.again_then)

    def _judged(self, back: int, again: pd.Series) -> Amounts:
        look = self._looks[back]
        before = self._brought(self.days, back).reindex(look.seen.index).fillna(0.0)
        said = {NAIVE: before, PARTS: self._said(look, again, self.days, 0.0)}
        return Amounts(pd.DataFrame(said), look.seen["later_earned"])

    def _said(self, look: Foretold, again: pd.Series, days: int, discount: float) -> pd.Series:
        level = (again / look.again().clip(lower=1e-3)).clip(upper=1 / look.alive().clip(lower=1e-3))
        return look.expected(days, discount)["earned"] * level

    @part
    def _valued(self) -> pd.DataFrame:
        now, again, d = self.buyers.now, self.buyers.again_now, self._rules.discount
        brought = self._brought(worth.YEAR).reindex(now.seen.index).fillna(0.0)
        naive = brought * worth.YEAR / min((self.day - self._begun).days + 1, worth.YEAR)
        year, three = (self._said(now, again, days, d) for days in (worth.YEAR, worth.YEAR * worth.YEARS))
        if self.way == NAIVE:
            year, three = naive * (1 + d) ** -0.5, naive * sum((1 + d) ** -(k + 0.5) for k in range(worth.YEARS))
        alive = (now.alive() * again / now.again().clip(lower=1e-3)).clip(upper=1.0)
        return pd.DataFrame({
            "margin": brought, "expected_12": year, "expected_36": three, "alive": alive, "purchases_12": year,
            "purchases_36": three,
        })  # fmt: skip

    @part
    def _at_risk(self) -> pd.DataFrame:
        """What customers are expected to bring, times the chance that they have stopped."""
        found = self.value.assign(chance=1 - self.value["alive"])
        found["at_risk"] = found["expected_12"] * found["chance"]
        return found.sort_index().sort_values("at_risk", ascending=False, kind="stable")

    @part
    def _listed(self) -> pd.DataFrame:
        return self._at_risk
