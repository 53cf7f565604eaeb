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
from bankmine.learning import repeat_buying
from bankmine.learning.repeat_buying import Buying, Spending, fit_buying, fit_spending

_GROUPS = 7
"""Customers who came back so often or more are one group."""
_LEAST_DAYS = 28
"""Days that must be seen for customers to have had the time to come back."""


@dataclass(frozen=True)
class Foretold:
    """What customers are expected to buy in the `days` after they were seen, by what they bought before."""

    seen: pd.DataFrame
    """As of `seen`."""
    days: int
    """After which it is judged, and so far is foretold."""

    @cached_property
    def buying(self) -> Buying:
        """How often, and for how long."""
        if len(self.seen) and self.seen["T"].max() < _LEAST_DAYS:
            raise BankmineError(f"all purchases lie within {_LEAST_DAYS} days: nobody has had the time to come back")
        return fit_buying(self.seen)

    def fit(self) -> None:
        """Fit both models now; an error says why it cannot be."""
        _ = self.buying, self.spending

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
    def earns(self) -> float:
        """What the bank earns of each unit of money spent."""
        spent = self.seen["spent"].sum()
        return float(self.seen["earned"].sum() / spent) if spent > 0 else 0.0

    def expected(self, days: int, discount: float = 0.0) -> pd.DataFrame:
        """Foretell `purchases`, and what is `spent` and `earned`, discounted by the middle of the time."""
        count = self.buying.expected(self.seen, days)
        spent = count * self.spending.expected(self.seen)
        worth = (1 + discount) ** (-days / 2 / 365)
        told = {"purchases": count, "spent": spent * worth, "earned": spent * worth * self.earns}
        return pd.DataFrame(told, index=self.seen.index)

    def again(self) -> pd.Series:
        """Return the chance that each customer buys at all in the time after, as the model has it."""
        return pd.Series(self.buying.again(self.seen, self.days), self.seen.index)

    def alive(self) -> pd.Series:
        """Return the chance that each customer has not stopped, as the model has it."""
        return pd.Series(self.buying.alive(self.seen), self.seen.index)

    @cached_property
    def by_frequency(self) -> pd.DataFrame:
        """By how often customers came back: how many, what was foretold of each, what came, what naive rates say."""
        rows = self.seen
        often = pd.qcut(rows["x"].rank(method="first"), _GROUPS, labels=False) if rows["x"].nunique() > 12 else None
        group = rows["x"].clip(upper=_GROUPS) if often is None else often
        told = pd.DataFrame({
            "came back": rows["x"], "foretold": self.buying.expected(rows, self.days), "came": rows["later"],
            "at the same rate": (rows["x"] / rows["T"].clip(lower=1) * self.days), "group": group,
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
