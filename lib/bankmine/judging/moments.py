"""What pay, festivals and days of the month do to one thing that customers do; each is computed once and kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import ibis.expr.types as ir
import numpy as np
import pandas as pd
from scipy import stats

from bankmine.bank.kept import ANALYSES
from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.festivals import MOMENTS, festivals
from bankmine.features.paydays import paydays
from bankmine.features.spine import drawn, kept
from bankmine.judging import disclosure
from bankmine.judging.after_pay import after_pay, net_of_pay
from bankmine.judging.daily import FEWEST, PERMUTED, Daily
from bankmine.judging.shared_days import around_festivals, by_month_day
from bankmine.lacking import Lacking, optional, part

_COLUMNS = ["moment", "need", "value", "low", "high", "net", "net_low", "net_high", "p", "p_differ", "group"]
_CUSTOMERS, _YEAR = 20_000, 365.25
_FOUND, _REGULAR = 0.05, 0.7
"""Level of significance; share of months with pay on the usual day from which what follows it is looked at."""
_AGES = {"under 30": 0, "30 to 44": 30, "45 to 59": 45, "60 and over": 60}


class Moments:
    """What moments do to one thing that customers do day by day, for all and by age.

    Parameters
    ----------
    snapshot : Snapshot
        The bank.
    name : str
        What all of it together is called.
    rows : callable
        Gives `customer_id`, `at` and `amount`, and `category` where it is told apart.
    did : str
        What customers did, for messages: "bought by card".
    """

    def __init__(self, snapshot: Snapshot, name: str, rows: Callable[[], ir.Table], did: str) -> None:
        self.source, self.name, self._rows, self._did = snapshot, name, rows, did

    @part
    def after_pay(self) -> pd.DataFrame:
        """What pay does: see `judging.after_pay`."""
        return self._kept("what pay does", lambda: after_pay(self._daily, self._pay))

    @part
    def around(self) -> pd.DataFrame:
        """What festivals do, net of pay where it is told: see `judging.shared_days`."""
        if self.source.source.currency != "CNY":
            raise BankmineError("Chinese New Year and Golden Week are looked at where amounts are in CNY")
        return self._kept("what festivals do", self._festivals)

    @part
    def month_days(self) -> pd.DataFrame:
        """What is done on each day of the month in multiples of the mean day, net of weekday and month."""
        return self._kept("days of the month", lambda: by_month_day(self._daily))

    def _festivals(self) -> pd.DataFrame:
        paid, done = optional(self, "after_pay"), self._daily
        net = done if isinstance(paid, Lacking) else net_of_pay(done, self._pay, paid)
        return around_festivals(net, festivals(done.dates[0].year, done.dates[-1].year), MOMENTS)

    @part
    def _pay(self) -> pd.DataFrame:
        return paydays(self.source)[lambda pay: pay["regular"] >= _REGULAR]

    @part
    def _daily(self) -> Daily:
        """What customers did by day; of a large bank what a panel of them did."""
        rows = self._rows()
        share = _CUSTOMERS / max(self.source.customers.count().to_pyarrow().as_py(), 1)
        rows = rows.filter(drawn(rows.customer_id, share)) if share < 1 else rows
        keys = {"customer_id": rows.customer_id, "date": rows["at"].cast("date")}
        keys |= {"category": rows.category} if "category" in rows.columns else {}
        found = rows.group_by(**keys).agg(amount=rows.amount.sum()).to_pandas().dropna()
        if found["customer_id"].nunique() < FEWEST:
            raise BankmineError(f"fewer than {FEWEST} customers {self._did}, too few to tell when they do")
        return Daily.of(found, self._ages, self.name)

    @property
    def _ages(self) -> pd.Series:
        """Age group of each customer, merged where too few."""
        known = self.source.customers
        people = known.select("customer_id", *(["birth_date"] if "birth_date" in known.columns else [])).to_pandas()
        born = pd.to_datetime(people.get("birth_date", pd.Series(pd.NaT, people.index)))
        age = (pd.Timestamp(self.source.as_of) - born).dt.days / _YEAR
        group = pd.cut(age, [*_AGES.values(), 200], right=False, labels=list(_AGES)).set_axis(people["customer_id"])
        return disclosure.merged(group, disclosure.smallest_group(self.source)).astype(object)

    def _kept(self, what: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        return kept(self.source, f"{what}: {self.name}", [self.source.as_of], make, rooms=ANALYSES)


def compared(done: Sequence[Moments]) -> pd.DataFrame:
    """Judge all that pay and festivals do to all that is done; where nothing is told, why not of the first.

    A row a `need` and a time, `when`: how many times the usual, whether it is `found` to be more than chance, and for
    `whom` it is most, where age groups differ. Both by *p* adjusted for the number of rows (Benjamini and Hochberg);
    it is `at_most` that where no date drawn by chance shows as much.
    """
    asked = [optional(what, name) for what in done for name in ("after_pay", "around")]
    told = [one for one in asked if not isinstance(one, Lacking)]
    if not told:
        raise BankmineError("; ".join(dict.fromkeys(one.why for one in asked[:2])))
    rows = pd.concat(told, ignore_index=True).reindex(columns=[*_COLUMNS, "festival"])
    rows = rows[rows["p"].notna() & rows["value"].gt(0)].reset_index(drop=True)
    festival = rows["moment"] + np.where(rows["moment"].eq("week"), " of ", " ") + rows["festival"]
    rows["when"] = festival.fillna(rows["moment"])
    for name in ("p", "p_differ"):
        rows[f"{name}_adjusted"] = stats.false_discovery_control(rows[name].fillna(1.0))
    rows["at_most"] = rows["p"] <= 1 / (1 + PERMUTED)
    rows["found"] = rows["p_adjusted"].lt(_FOUND) & ~(rows["low"].le(1) & rows["high"].ge(1))
    rows["whom"] = rows["group"].where(rows["p_differ_adjusted"] < _FOUND, "no age difference shown")
    return rows
