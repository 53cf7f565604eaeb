"""History: which products customers of a bank had taken by a day, and which ones they took in the months after."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.holdings import holders, openings
from bankmine.judging import disclosure
from bankmine.judging.intervals import shown, wilson, with_interval
from bankmine.judging.reasons import readable
from bankmine.lacking import part
from bankmine.learning.recommenders import Scores, recommend, top

AHEAD = 180
"""Days in which a product is taken or not."""
NEARLY_ALL = 0.95
"""Share of customers who have had a product, from which recommending it says nothing."""
_AGES, _YEARS, _YEAR = (18, 30, 45, 60), (1, 3, 8), 365.25
_LONGEST = 10


@dataclass(frozen=True)
class Moment:
    """Customers with an open account on a day, and what they had taken by then."""

    day: datetime.date
    customers: pd.Index
    had: csr_array
    """Accounts opened up to the day, customers by products."""
    recent: csr_array
    """Of these, those of the last `AHEAD` days."""
    segment: pd.Series
    """Age and years with the bank, in bands."""

    def scores(self) -> dict[str, Scores]:
        """Learn the models that need no more than what customers have had."""
        return recommend(self.had, self.recent, self.segment)

    def lists(self, scores: dict[str, Scores], repeated: bool = False) -> dict[str, np.ndarray]:
        """Return the list of each model and customer; without what the customer has had, unless that may come again."""
        return {name: top(own, _LONGEST, None if repeated else self.had) for name, own in scores.items()}


class History:
    """Products that customers of a bank took, by day."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.source = snapshot

    @part
    def openings(self) -> pd.DataFrame:
        """Accounts as of `holdings.openings`."""
        return openings(self.source)

    @part
    def trivial(self) -> list[str]:
        """Products that nearly all customers have had."""
        found = self.openings.groupby("product")["customer_id"].nunique() / self.openings["customer_id"].nunique()
        return found.index[found >= NEARLY_ALL].tolist()

    @part
    def products(self) -> list[str]:
        """The others, in order of their names."""
        found = sorted(set(self.openings["product"]) - set(self.trivial))
        if not found:
            only = ", ".join(self.trivial) or "no product"
            raise BankmineError(f"customers hold {only} and nothing else: there is nothing to recommend")
        return found

    @part
    def _people(self) -> pd.DataFrame:
        told = [c for c in ("customer_id", "joined_on", "birth_date") if c in self.source.customers.columns]
        people = self.source.customers.select(*told).to_pandas().drop_duplicates("customer_id")
        return people.set_index("customer_id").apply(pd.to_datetime)

    def at(self, day: datetime.date, among: pd.Index | None = None) -> Moment:
        """Say who was a customer on a day, of all or among some, and what each had taken by then."""
        customers = holders(self.source, day).sort_values() if among is None else among
        if customers.empty:
            raise BankmineError(f"nobody had an account open on {day}")
        segment = _banded(self._people.reindex(customers), pd.Timestamp(day))
        before = pd.Timestamp(day) - pd.Timedelta(days=AHEAD)
        return Moment(day, customers, self._opened(customers, pd.Timestamp.min, day),
                      self._opened(customers, before, day), segment)  # fmt: skip

    def taken(self, moment: Moment, repeated: bool = False) -> csr_array:
        """Count what customers took in the `AHEAD` days after a moment, with or without what they had had before."""
        until = pd.Timestamp(moment.day) + pd.Timedelta(days=AHEAD)
        found = self._opened(moment.customers, moment.day, until)
        return found if repeated else csr_array(found.toarray() * (moment.had.toarray() == 0))

    @part
    def order(self) -> pd.DataFrame:
        """Which of two products comes first: of customers who took both on different days, the share that took `first`.

        `customers` and `share` with its interval, a row a pair of which one is first more often than chance explains.
        """
        days = self.openings.drop_duplicates(["customer_id", "product"])
        days = days.pivot_table(index="customer_id", columns="product", values="day")[self.products]
        rows = []
        for first, then in permutations(self.products, 2):
            n = int((days[first] != days[then])[days[[first, then]].notna().all(axis=1)].sum())
            sooner = int((days[first] < days[then]).sum())
            if n and (low := wilson(sooner, n)[0]) > 0.5:
                rows.append((first, then, n, sooner / n, low, wilson(sooner, n)[1]))
        if not rows:
            raise BankmineError("of no two products one comes first more often than chance explains")
        found = pd.DataFrame(rows, columns=["first", "then", "customers", "share", "low", "high"])
        return found.sort_values("share", ascending=False, ignore_index=True)

    @part
    def order_table(self) -> pd.DataFrame:
        """The same as it is shown, without pairs that too few took both of."""
        found = self.order[self.order["customers"] >= disclosure.smallest_group(self.source)]
        told = pd.DataFrame({
            "first": found["first"].map(readable), "then": found["then"].map(readable), "took both": found["customers"],
            "in this order": with_interval(found, "share", ".0%"),
        })  # fmt: skip
        return shown(told.set_index("first"), **{"took both": ",.0f"})

    @part
    def repeats(self) -> int:
        """How many accounts are of a product that the customer had had before."""
        return int(self.openings.duplicated(["customer_id", "product"]).sum())

    def _opened(self, customers: pd.Index, after: object, until: object) -> csr_array:
        day = self.openings["day"]
        rows = self.openings[(day > pd.Timestamp(after)) & (day <= pd.Timestamp(until))]
        who, what = customers.get_indexer(rows["customer_id"]), pd.Index(self.products).get_indexer(rows["product"])
        told = (who >= 0) & (what >= 0)
        shape = len(customers), len(self.products)
        return csr_array((np.ones(told.sum(), dtype=np.int32), (who[told], what[told])), shape)


def _banded(people: pd.DataFrame, day: pd.Timestamp) -> pd.Series:
    """Name the segment of each customer, by what any clerk sees: age, where it is told, and years with the bank."""
    edges = {"birth_date": _AGES, "joined_on": _YEARS}
    parts = [
        pd.cut((day - people[name]).dt.days / _YEAR, [-np.inf, *cuts, np.inf], right=False).astype(str)
        for name, cuts in edges.items() if name in people
    ]  # fmt: skip
    return parts[0].str.cat(parts[1:], sep=" ")
