"""Association: what goes with what, among what customers have had until a day, and whether it held in the year after.

Two things go together for three reasons: one leads to the other, both are of a kind of customer, or both have had long
to come. So customers are compared within strata, of the same age and time with us; what is left is no proof of the
first reason, but no longer of the others as far as strata tell them.
"""

from __future__ import annotations

import datetime
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from bankmine.errors import BankmineError
from bankmine.judging.together import fisher, lift, pooled
from bankmine.lacking import part

AHEAD = 365
_EVERYBODY, _NEVER_WITHOUT, _BUNDLED = 0.8, 0.99, 0.9
"""Shares from which an item is trivial, needs another, or is sold together with another."""
_FOUND, _SUPPORT, _FEWEST = 0.05, 0.01, 20
"""Level of significance; share of the customers and number of them that a rule is of, at least."""
_CUSTOMERS, _ITEMS, _SETS, _LARGEST = 50_000, 60, 400, 3
"""Customers, items, sets of items and items of a set that are looked at, at most."""
_BANDS = 5
"""Bands of how long customers have had what an item needs."""
_NEVER = np.iinfo(np.int32).max
_WITH = " with "


class Association:
    """Rules "who has had these has had that", tested within strata of customers, and tested again a year later.

    Parameters
    ----------
    taken : pd.DataFrame
        First day on which customers had each item: `customer_id`, `item`, `day`.
    strata : pd.Series
        Kind of each customer looked at, by `customer_id`: who is compared with whom. Those without any item count.
    split_day : date
        Rules are of what customers had by this day.
    as_of : date
        Last day that is known; of the time between, a year at most tells whether rules hold.
    smallest_group : int
        Customers that must have had the items of a rule.
    """

    def __init__(
        self, taken: pd.DataFrame, strata: pd.Series, split_day: datetime.date, as_of: datetime.date,
        smallest_group: int,
    ) -> None:  # fmt: skip
        some = np.sort(np.random.default_rng(0).permutation(len(strata))[:_CUSTOMERS])
        self._customers, self._stratum = strata.index[some], pd.factorize(strata.iloc[some], use_na_sentinel=False)[0]
        self._taken, self.day = taken, split_day
        self.ahead = min((as_of - split_day).days, AHEAD)
        self._smallest = smallest_group

    # --- items

    @part
    def _apart(self) -> pd.DataFrame:
        """Day of the first time, customers by the most frequent items."""
        rows = self._taken[self._taken["customer_id"].isin(self._customers) & self._taken["day"].notna()]
        number = (pd.to_datetime(rows["day"]) - pd.Timestamp(0)).dt.days
        had = rows["item"][number <= self._split].value_counts()
        items = had.index[had >= self._fewest][:_ITEMS]
        some = rows["item"].isin(items)
        place = self._customers.get_indexer(rows["customer_id"][some]), items.get_indexer(rows["item"][some])
        days = np.full((len(self._customers), len(items)), _NEVER, dtype=np.int32)
        np.minimum.at(days, place, number[some].to_numpy(np.int32))
        return pd.DataFrame(days, self._customers, items)

    @part
    def _sold(self) -> pd.Series:
        """Which items are sold together: a number of each, the same where nearly all took both on one day."""
        days, items = self._apart.to_numpy(), self._apart.columns
        had, together = days <= self._split, np.eye(len(items), dtype=bool)
        for one, other in combinations(range(len(items)), 2):
            same = had[:, one] & (days[:, one] == days[:, other])
            together[one, other] = same.sum() >= _BUNDLED * max((had[:, one] | had[:, other]).sum(), 1)
        return pd.Series(connected_components(csr_array(together), directed=False)[1], items)

    @part
    def bundles(self) -> list[str]:
        """Items that are sold together and count as one."""
        parts = [own.index for _, own in self._sold.groupby(self._sold) if len(own) > 1]
        return [_WITH.join(map(str, own)) for own in parts]

    @part
    def _days(self) -> pd.DataFrame:
        """Day of the first time; what is sold together is one item."""
        names = [_WITH.join(map(str, own.index)) for _, own in self._sold.groupby(self._sold)]
        return self._apart.T.groupby(self._sold).min().set_axis(names).T

    @property
    def _split(self) -> int:
        return (pd.Timestamp(self.day) - pd.Timestamp(0)).days

    @property
    def _fewest(self) -> int:
        return max(self._smallest, _FEWEST, int(_SUPPORT * len(self._customers)))

    @part
    def trivial(self) -> dict[str, float]:
        """Items that nearly everybody has, so that nothing follows: their shares."""
        share = (self._days <= self._split).mean()
        return share[share > _EVERYBODY].to_dict()

    @part
    def had(self) -> pd.DataFrame:
        """Whether each customer had each item by the day, without those that nearly everybody has."""
        had = self._days.drop(columns=list(self.trivial)) <= self._split
        if had.shape[1] < 2:
            raise BankmineError(
                f"fewer than two items were had by {self._fewest:,} customers by {self.day}: nothing goes together"
            )
        return had

    @part
    def _both(self) -> np.ndarray:
        """How many customers had both of two items."""
        had = self.had.to_numpy(np.float32)
        return had.T @ had

    @part
    def needs(self) -> list[tuple[str, str]]:
        """Items that hardly anybody has without another, as a fund without savings, and that other one."""
        share = self._both / np.diag(self._both)[:, None] - np.eye(len(self._both))
        return [tuple(self.had.columns[pair]) for pair in np.argwhere(share >= _NEVER_WITHOUT)]

    # --- rules

    @part
    def sets(self) -> pd.DataFrame:
        """Sets of two or three items that enough customers had, of which none needs another: `support`, `itemsets`.

        Enough had each without one of its items, too, or a rule would tell of the few who had. The most frequent ones
        where they are many: none of them is rarer than the last of as many pairs.
        """
        from mlxtend.frequent_patterns import fpgrowth

        pairs = np.sort(self._both[np.triu_indices(len(self._both), 1)])[::-1]
        fewest = max([self._fewest, *pairs[_SETS - 1 : _SETS]])
        found = fpgrowth(self.had, (fewest - 0.5) / len(self.had), use_colnames=True, max_len=_LARGEST)
        count = dict(zip(found["itemsets"], (found["support"] * len(self.had)).round(), strict=True))
        free = [
            len(own) > 1 and not any(own.issuperset(pair) for pair in self.needs)
            and all(count[own - {item}] - count[own] >= self._smallest for item in own)
            for own in found["itemsets"]
        ]  # fmt: skip
        found = found[free].sort_values("support", ascending=False, kind="stable").head(_SETS)
        if found.empty:
            raise BankmineError(
                f"no two items, of which one can be had without the other, were had by {self._fewest:,} customers "
                f"by {self.day}"
            )
        return found

    @part
    def tested(self) -> pd.DataFrame:
        """A row a set of items: what mostly comes last (`consequent`), with those before it (`antecedent`).

        `customers` had all of them, `support` is their share. `confidence`, `lift` with its interval and Fisher's exact
        `p_crude` are of all customers; it is `crude` that is found by these. `odds` with interval and `p` are within
        strata, among those who have had what an item needs, and for as long; of a rule of three those of the part that
        adds less. `first`: how often the consequent came last. `found`: more than chance, by `p` adjusted for how many
        rules there are (Benjamini and Hochberg). `again`: odds of taking the consequent in the time after, by those who
        had not, within strata too, and the shares that did; `held` where these odds are above 1.
        """
        rows = pd.DataFrame([self._rule(sorted(own, key=str)) for own in self.sets["itemsets"]])
        had, n = self.had.sum(), len(self.had)
        before, after = rows.pop("before").to_numpy(), had[rows["consequent"]].to_numpy()
        both = rows["customers"].to_numpy()
        rows["support"], rows["confidence"] = both / n, both / before
        rows["lift"], rows["lift_low"], rows["lift_high"] = lift(both, before, after, n)
        rows["p_crude"] = fisher(both, before, after, n)
        for name in ("p", "p_crude"):
            rows[f"{name}_adjusted"] = stats.false_discovery_control(rows[name].fillna(1.0))
        more = rows["lift_low"] > 1
        rows["crude"] = more & (rows["p_crude_adjusted"] < _FOUND)
        rows["found"] = more & (rows["odds_low"] > 1) & (rows["p_adjusted"] < _FOUND)
        rows["held"] = rows["again_low"] > 1
        order = rows.sort_values(["found", "odds_low"], ascending=False, kind="stable")
        return order.reset_index(drop=True)

    def _rule(self, items: list[str]) -> dict[str, object]:
        days, had = self._days[items].to_numpy(), self.had[items].to_numpy()
        whole = days[had.all(axis=1)]
        last = [(whole[:, [i]] > np.delete(whole, i, axis=1)).all(axis=1).mean() for i in range(len(items))]
        end = int(np.argmax(last))
        own, before = had[:, end], np.delete(had, end, axis=1)
        could, stratum = self._alike([other for item, other in self.needs if item in items])
        parts = [self._within(before, own, could, stratum, left_out) for left_out in range(before.shape[1])]
        weakest = min(parts, key=lambda found: np.nan_to_num(found["low"]))
        names = [str(name) for i, name in enumerate(items) if i != end]
        found = {"antecedent": " and ".join(names), "consequent": items[end], "customers": len(whole)}
        found |= {"items": len(items), "before": before.all(axis=1).sum(), "first": last[end]}
        found |= dict(zip(("odds", "odds_low", "odds_high", "p"), weakest.values(), strict=True))
        asked = could & ~own
        return found | self._again(before[asked].all(axis=1), days[asked, end], stratum[asked])

    def _alike(self, needed: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Say who has what is needed, and who is alike: of a stratum, and with it for as long."""
        could, since = self.had[needed].to_numpy().all(axis=1), self._days[needed].to_numpy()
        if not needed:
            return could, self._stratum
        since = since.max(axis=1)
        edges = np.quantile(since[could], np.arange(1, _BANDS) / _BANDS)
        return could, self._stratum * _BANDS + np.searchsorted(edges, since)

    def _within(
        self, before: np.ndarray, own: np.ndarray, could: np.ndarray, stratum: np.ndarray, left_out: int
    ) -> dict[str, float]:
        """Compare those who had all items before with those who lack one of them, within strata."""
        asked = could & np.delete(before, left_out, axis=1).all(axis=1)
        return pooled(before[asked, left_out], own[asked], stratum[asked])

    def _again(self, before: np.ndarray, day: np.ndarray, stratum: np.ndarray) -> dict[str, float]:
        """Compare, of those who could take the consequent and had not, who took it in the time after, within strata."""
        took = day <= self._split + self.ahead
        found, shares = pooled(before, took, stratum), {}
        for name, group in (("with", took[before]), ("without", took[~before])):
            told = min(group.sum(), len(group) - group.sum()) >= self._smallest
            shares[f"took_{name}"] = group.mean() if told else np.nan
        return {"again": found["odds"], "again_low": found["low"], "again_high": found["high"]} | shares
