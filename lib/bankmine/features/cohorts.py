"""Cohorts: customers by the month they joined in, how many stay, and when they have paid back what winning cost."""

from __future__ import annotations

from dataclasses import dataclass

import ibis
import numpy as np
import pandas as pd

from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.value import monthly_margin, whole_months

MONTHS = 36
_FEWEST = 2


@dataclass(frozen=True)
class Cohorts:
    """Customers by month of joining (rows) and months since (columns)."""

    size: pd.Series
    """How many joined."""
    stays: pd.DataFrame
    """Share that has an account open at the end of the month."""
    paid: pd.DataFrame
    """Margin summed up of a customer who joined, left or not."""

    def payback(self, cost: float) -> dict[str, object]:
        """Say when a customer who joined has brought in what winning one cost, over all cohorts as far as they go.

        `months` after joining, the first in which the mean of all customers who joined so long ago reaches `cost`;
        `cohorts` how many of `of` months of joining old enough reached it in as many. An error tells where it costs
        nothing or is not reached yet.
        """
        if not cost:
            raise BankmineError("data/value.yml gives no cost of winning a customer: there is nothing to pay back")
        mean = self.paid.mul(self.size, axis=0).sum() / self.paid.notna().mul(self.size, axis=0).sum()
        reached = mean.index[mean >= cost]
        if not len(reached):
            raise BankmineError(f"nobody who joined has yet brought in the {cost:,.0f} that winning a customer costs")
        month = int(reached[0])
        old = self.paid[month].dropna()
        return {"months": month + 1, "cohorts": int((old >= cost).sum()), "of": len(old), "cost": cost}


def joined(snapshot: Snapshot, smallest: int) -> Cohorts:
    """Follow those who joined in each of the months that the data cover.

    Months in which fewer than `smallest` joined are left out, as are months that are not over. An error tells where
    fewer than two months are left.
    """
    last = pd.Timestamp(snapshot.as_of).to_period("M")
    whole = last if pd.Timestamp(snapshot.as_of).is_month_end else last - 1
    first = whole_months(snapshot, whole, MONTHS)[0].start_time.date()
    members = snapshot.customers.filter(snapshot.customers.joined_on >= ibis.literal(first))
    members = members.select("customer_id", group=members.joined_on.truncate("M"))
    told = members.left_join(_gone(snapshot), "customer_id").select("group", "gone")
    told = told.group_by("group", gone=told.gone.truncate("M")).agg(customers=ibis._.count()).to_pandas()
    margin = monthly_margin(snapshot, members, first).to_pandas()
    if told.empty:
        raise BankmineError("nobody joined in the months that the data cover")
    cohort = pd.PeriodIndex(pd.to_datetime(told["group"]), freq="M")
    size = told.groupby(cohort)["customers"].sum()
    size = size[(size >= smallest) & (size.index <= whole)]
    if len(size) < _FEWEST:
        raise BankmineError(f"there are fewer than {_FEWEST} months in which at least {smallest} customers joined")
    gone = _since(cohort, pd.PeriodIndex(pd.to_datetime(told["gone"]), freq="M"), told["customers"], size.index)
    paid = _since(
        pd.PeriodIndex(pd.to_datetime(margin["group"]), freq="M"),
        pd.PeriodIndex(pd.to_datetime(margin["month"]), freq="M"), margin["margin"], size.index,
    )  # fmt: skip
    over = np.arange(paid.shape[1]) > np.array([(whole - c).n for c in size.index])[:, None]
    stays = (1 - gone.cumsum(axis=1).div(size, axis=0)).mask(over)
    return Cohorts(size, stays, paid.cumsum(axis=1).div(size, axis=0).mask(over))


def _gone(snapshot: Snapshot) -> ibis.expr.types.Table:
    """Say of each customer the day on which the last account was closed; null while one is open."""
    accounts = snapshot.accounts
    closed = accounts.closed_on if "closed_on" in accounts.columns else ibis.null("date")
    rows = accounts.select("customer_id", closed=closed)
    found = rows.group_by("customer_id").agg(left=rows.closed.max(), open=rows.closed.isnull().any())
    return found.select("customer_id", gone=found.open.ifelse(ibis.null("date"), found.left))


def _since(cohort: pd.PeriodIndex, month: pd.PeriodIndex, value: pd.Series, cohorts: pd.PeriodIndex) -> pd.DataFrame:
    """Lay values out by cohort and months since joining, 0 where there is none."""
    rows = pd.DataFrame({"cohort": cohort, "value": value.to_numpy()})
    rows["since"] = [np.nan if m is pd.NaT else (m - c).n for m, c in zip(month, cohort, strict=True)]
    rows = rows[rows["since"].between(0, MONTHS - 1)]
    table = rows.pivot_table(index="cohort", columns="since", values="value", aggfunc="sum", fill_value=0.0)
    return table.reindex(index=cohorts, columns=range(MONTHS), fill_value=0.0)
