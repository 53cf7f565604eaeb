"""When customers spend and log in: hours, paydays and festivals, with effects that have intervals."""

from __future__ import annotations

import datetime
from collections.abc import Callable

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from bankmine.bank.contract import INCOME_KINDS
from bankmine.bank.kept import ANALYSES
from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.spine import kept
from bankmine.judging import disclosure
from bankmine.lacking import Lacking, optional, part
from bankmine.learning.sample import drawn
from bankmine.topics.behaviour.effects import Spending, after_pay
from bankmine.topics.behaviour.festivals import around_festivals, festivals

_CUSTOMERS, _YEAR, _FOUND = 20_000, 365, 0.05
_REGULAR, _PAYMENTS, _EARLY, _LATE = 0.7, 3, 7, 3
"""Share of payments on the usual payday from which pay is regular; days by which it may be early or late."""
_AGES = (0, 30, 45, 60, 200)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class When:
    """When the customers of a bank spend and log in."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.source = snapshot

    @property
    def _owned(self) -> ir.Table:
        return self.source.accounts.select("account_id", "customer_id")

    @property
    def _purchases(self) -> ir.Table:
        """What customers chose to buy: card payments where kinds are told, nothing that was fraud."""
        t = self.source.transactions
        if "is_fraud" in t.columns:
            t = t.filter(~t.is_fraud.fill_null(False))
        t = t.filter(t.direction == "out")
        return (t.filter(t.kind == "card") if "kind" in t.columns else t).inner_join(self._owned, "account_id")

    @part
    def _pay(self) -> pd.DataFrame:
        """Arrivals of salaries and pensions: `customer_id`, `date`."""
        self.source.require("transactions.kind")
        t = self.source.transactions
        t = t.filter(t.direction == "in", t.kind.isin(INCOME_KINDS)).inner_join(self._owned, "account_id")
        found = t.select("customer_id", date=t["at"].cast("date")).distinct().to_pandas()
        if found.empty:
            raise BankmineError("nobody is paid a salary or pension here")
        return found.assign(date=pd.to_datetime(found["date"])).sort_values(["customer_id", "date"], ignore_index=True)

    @part
    def _paydays(self) -> pd.DataFrame:
        """Pay that came as usual, once a month: `customer_id`, `date`, `month`, `payday`, and how `regular` that is."""
        pay = self._pay.assign(of=self._pay["date"].dt.day)
        often = pay.groupby(["customer_id", "of"]).size().reset_index(name="n")
        usual = often.sort_values(["n", "of"]).groupby("customer_id")["of"].last()
        pay["payday"] = pay["customer_id"].map(usual)
        month = pay["date"].dt.to_period("M")
        due = [_due(month + ahead, pay["payday"]) for ahead in (-1, 0, 1)]
        late = pd.concat([(pay["date"] - day).dt.days for day in due], axis=1, keys=(-1, 0, 1))
        nearest = late.abs().idxmin(axis=1)
        pay["late"] = np.take_along_axis(late.to_numpy(), nearest.to_numpy()[:, None] + 1, axis=1)[:, 0]
        pay["month"] = month.dt.year * 12 + month.dt.month + nearest
        on_time = pay[pay["late"].between(-_EARLY, _LATE)]
        first = on_time.assign(off=on_time["late"].abs()).sort_values(["customer_id", "month", "off"])
        first = first.drop_duplicates(["customer_id", "month"])
        span = first.groupby("customer_id")["month"].agg(lambda m: m.max() - m.min() + 1)
        counted = first.groupby("customer_id").size()
        regular = (counted / span).where(counted >= _PAYMENTS)
        return first.assign(regular=first["customer_id"].map(regular))[
            ["customer_id", "date", "month", "payday", "regular"]
        ]

    @part
    def _spent(self) -> Spending:
        """What customers bought, by day and category; of a large bank what a panel of them bought."""
        bought = self._purchases
        share = _CUSTOMERS / max(self.source.customers.count().to_pyarrow().as_py(), 1)
        if share < 1:
            bought = bought.filter(drawn(bought.customer_id, share))
        named = {"category": bought.category if "category" in bought.columns else ibis.literal("purchases")}
        keys = {"customer_id": bought.customer_id, "date": bought["at"].cast("date"), **named}
        rows = bought.group_by(**keys).agg(amount=bought.amount.sum()).to_pandas().dropna(subset="category")
        if rows["customer_id"].nunique() < 2:
            raise BankmineError("fewer than two customers paid by card")
        rows = rows.sort_values(["customer_id", "date", "category"], ignore_index=True)
        customer, names = pd.factorize(rows["customer_id"])
        category, categories = pd.factorize(rows["category"], sort=True)
        day = (pd.to_datetime(rows["date"]) - pd.Timestamp(0)).dt.days
        found = pd.DataFrame({"customer": customer, "day": day, "category": category, "amount": rows["amount"]})
        return Spending(found, list(categories), self._ages.reindex(names))

    @property
    def _ages(self) -> pd.Series:
        """Age group of each customer, merged where too few."""
        known = self.source.customers
        people = known.select("customer_id", *(["birth_date"] if "birth_date" in known.columns else [])).to_pandas()
        born = pd.to_datetime(people.get("birth_date", pd.Series(pd.NaT, people.index)))
        age = (pd.Timestamp(self.source.as_of) - born).dt.days / _YEAR
        labels = ["under 30", "30 to 44", "45 to 59", "60 and over"]
        group = pd.cut(age, _AGES, right=False, labels=labels).set_axis(people["customer_id"])
        return disclosure.merged(group, disclosure.smallest_group(self.source)).astype(object)

    def _of_panel(self) -> pd.DataFrame:
        """Regular pay of those who bought, by position."""
        place = pd.Series(range(len(self._spent.groups)), self._spent.groups.index)
        pay = self._paydays[self._paydays["regular"] >= _REGULAR]
        day = (pay["date"] - pd.Timestamp(0)).dt.days
        return pd.DataFrame({"customer": pay["customer_id"].map(place), "day": day, "month": pay["month"]}).dropna()

    @part
    def _after_pay(self) -> pd.DataFrame:
        return self._kept("what pay does", lambda: after_pay(self._spent, self._of_panel()))

    @part
    def _around(self) -> pd.DataFrame:
        """What festivals do, net of pay where it is told."""
        if self.source.source.currency != "CNY":
            raise BankmineError("Chinese New Year and Golden Week are looked at where amounts are in CNY")
        return self._kept("what festivals do", self._festivals)

    def _festivals(self) -> pd.DataFrame:
        told = optional(self, "_after_pay")
        pay = pd.DataFrame({"customer": [], "day": []}) if isinstance(told, Lacking) else self._of_panel()
        curve = pd.Series(dtype=float) if isinstance(told, Lacking) else _curve(told).set_index("day")["value"]
        first = datetime.date(1970, 1, 1) + datetime.timedelta(days=self._spent.first)
        last = first + datetime.timedelta(days=self._spent.days - 1)
        return around_festivals(self._spent, pay, curve, festivals(first, last))

    def _kept(self, what: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        return kept(self.source, what, [self.source.as_of], make, rooms=ANALYSES)


def _due(month: pd.Series, day: pd.Series) -> pd.Series:
    """Return a day of each month, the last where it has no such day."""
    return month.dt.to_timestamp() + pd.to_timedelta(np.minimum(day, month.dt.days_in_month) - 1, "D")


def _curve(told: pd.DataFrame) -> pd.DataFrame:
    return told[told["moment"] == ""]
