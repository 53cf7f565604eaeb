"""Foretold purchases: what customers are expected to buy, by what they bought before, and whether that came."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from functools import cached_property

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from bankmine.errors import BankmineError
from bankmine.lacking import Lacking
from bankmine.learning import repeat_buying
from bankmine.learning.repeat_buying import Buying, Spending, fit_buying, fit_spending, recalibrated

_GROUPS = 7
"""Customers who came back so often or more are one group."""
_LEAST_DAYS = 28
"""Days that must be seen for customers to have had the time to come back."""
_SURELY_GONE = 1e-3


@dataclass(frozen=True)
class Foretold:
    """What customers are expected to buy in the `days` after they were seen, by what they bought before.

    Who bought once counts as alive for the model; so chances are set to the level of what became of buyers `earlier`.
    """

    seen: pd.DataFrame
    """As of `seen`."""
    days: int
    """After which it is judged, and so far is foretold."""
    earlier: Foretold | Lacking
    """Buyers of whom it was known by then whether they came back, both models fitted."""

    @cached_property
    def buying(self) -> Buying:
        """How often, and for how long."""
        if len(self.seen) and self.seen["T"].max() < _LEAST_DAYS:
            raise BankmineError(f"all purchases lie within {_LEAST_DAYS} days: nobody has had the time to come back")
        return fit_buying(self.seen)

    def fitted(self) -> Foretold | Lacking:
        """Fit both models now, or say why it cannot be."""
        try:
            _ = self.buying, self.spending
        except BankmineError as error:
            return Lacking(str(error))
        return self

    @cached_property
    def spending(self) -> Spending:
        """How much."""
        return fit_spending(self.seen)

    @cached_property
    def dependence(self) -> pd.Series:
        """How frequency and spending go together, which the model takes to be independent."""
        return repeat_buying.dependence(self.seen)

    @property
    def came_back(self) -> pd.Series:
        """Whether each customer bought again in the time after."""
        return self.seen["later"] > 0

    @property
    def same_rate(self) -> pd.Series:
        """Purchases a day after the first, as they were: what is foretold where nobody is taken to stop."""
        return self.seen["x"] / self.seen["T"].clip(lower=1)

    @property
    def earns(self) -> float:
        """What the bank earns of each unit of money spent."""
        spent = self.seen["spent"].sum()
        return float(self.seen["earned"].sum() / spent) if spent > 0 else 0.0

    def expected(self, days: int, discount: float = 0.0) -> pd.Series:
        """Foretell what the bank earns of each customer, discounted by the middle of the time."""
        spent = self.buying.expected(self.seen, days) * self.spending.expected(self.seen)
        return spent * (self.earns * (1 + discount) ** (-days / 2 / 365)) * self._level

    @cached_property
    def again_by_model(self) -> pd.Series:
        """Chance that each customer buys at all in the time after, as the model has it."""
        return pd.Series(self.buying.again(self.seen, self.days), self.seen.index)

    @cached_property
    def again(self) -> pd.Series:
        """The same at the level of what happened to the buyers earlier; the model's where nothing is known of them."""
        if isinstance(self.earlier, Lacking):
            return self.again_by_model
        happened = self.earlier.again_by_model.to_numpy(), self.earlier.came_back.to_numpy()
        return pd.Series(recalibrated(*happened, self.again_by_model.to_numpy()), self.seen.index)

    @cached_property
    def alive(self) -> pd.Series:
        """Chance that each customer has not stopped, at the same level."""
        return self._alive_by_model * self._level

    @cached_property
    def _alive_by_model(self) -> pd.Series:
        return pd.Series(self.buying.alive(self.seen), self.seen.index).clip(lower=_SURELY_GONE)

    @cached_property
    def _level(self) -> pd.Series:
        """How much likelier customers are to be there than the model has it; none is surer to be than surely."""
        said, told = (chance.clip(lower=_SURELY_GONE) for chance in (self.again_by_model, self.again))
        return (told / said).clip(upper=1 / self._alive_by_model)

    @cached_property
    def by_frequency(self) -> pd.DataFrame:
        """By how often customers came back: how many, what was foretold of each, what came, what naive rates say."""
        rows = self.seen
        often = pd.qcut(rows["x"].rank(method="first"), _GROUPS, labels=False) if rows["x"].nunique() > 12 else None
        group = rows["x"].clip(upper=_GROUPS) if often is None else often
        told = pd.DataFrame({
            "came back": rows["x"], "foretold": self.buying.expected(rows, self.days), "came": rows["later"],
            "at the same rate": self.same_rate * self.days, "group": group,
        })  # fmt: skip
        table = told.groupby("group").agg("mean").reset_index(drop=True)
        error = told.groupby("group")["came"].sem().to_numpy()
        table.insert(0, "customers", told.groupby("group").size().to_numpy())
        return table.assign(low=table["came"] - 1.96 * error, high=table["came"] + 1.96 * error)

    def tracked(self, purchases: ir.Table, first: datetime.date, last: datetime.date) -> pd.DataFrame:
        """Set what all came back for, week by week, against what was foretold: `day`, and summed up `came`, `foretold`.

        Of customers who were seen until `last` from `first` on; the weeks after it are foretold.
        """
        until = last + datetime.timedelta(days=self.days)
        rows = purchases.filter(purchases.date >= ibis.literal(first), purchases.date <= ibis.literal(until))
        rows = rows.select("customer_id", "date").distinct()
        opening = rows.group_by("customer_id").agg(opening=rows.date.min())
        rows = rows.inner_join(opening.filter(opening.opening <= ibis.literal(last)), "customer_id")
        again = rows.filter(rows.date > rows.opening)
        week = again.date.delta(ibis.literal(first), unit="day") // 7
        counted = again.group_by(week=week).agg(came=again.count()).to_pandas().set_index("week")["came"]
        total = (until - first).days + 1
        weeks = np.arange(total // 7)
        came = counted.reindex(weeks, fill_value=0).cumsum().to_numpy(float)
        watched = self.seen["T"].to_numpy() + self.days
        foretold = self.buying.tracked(watched, (weeks + 1) * 7.0, float(total - 1))
        day = pd.Timestamp(first) + pd.to_timedelta((weeks + 1) * 7, unit="D")
        return pd.DataFrame({"day": day, "came": came, "foretold": foretold})
