"""Recommendations of a flat table of purchases: which of its items each customer may want next."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from bankmine.bank.flat import Flat
from bankmine.bank.flat_purchases import items_of
from bankmine.errors import BankmineError
from bankmine.judging import disclosure
from bankmine.lacking import Lacking, optional, part
from bankmine.learning import recommenders
from bankmine.learning.recommenders import FACTORS, NEIGHBOURS, OWN, POPULAR, alike, recommend, top
from bankmine.study.heading import Headed
from bankmine.topics.recommendation.compared import FEWEST, Compared
from bankmine.topics.recommendation.rules import Rules

NEW = (POPULAR, NEIGHBOURS, FACTORS)
"""Models of what a customer has never had; what they had before says nothing of how often they will."""
ALL = (POPULAR, OWN, NEIGHBOURS, FACTORS)
_SHOWN, _LOOKED = 3, 10
_FIFTH, _BANDS = 5, 5
_HALVES = 4 * FEWEST
"""Customers who took something, from which on one half of them chooses a model and the other judges it."""
_ITEMS, _JUDGED = 10_000, 60_000_000
"""Most frequent items that are chosen from, and scores that models are judged by, at most."""
_REASON = {
    POPULAR: "popular of late", NEIGHBOURS: "often had with ", FACTORS: "had by customers with similar purchases",
}  # fmt: skip


@dataclass(frozen=True)
class _Known:
    """What customers had had by a day: customers by items, how often, and the same of late."""

    customers: pd.Index
    items: pd.Index
    history: csr_array
    recent: csr_array

    def counted(self, rows: pd.DataFrame) -> csr_array:
        """Count how often the same customers took the same items in other rows."""
        return _counted(rows, self.customers, self.items)


class TableRecommendations(Headed):
    """What customers of a table of purchases may want next; it tells nothing of who they are and what is earned.

    Parameters
    ----------
    flat : Flat
        The table, without an outcome.
    item : str
        The column that tells what was bought.
    horizon : int
        Days at the end by which recommendations are judged; 0 for the last fifth of all.
    """

    products = offering = off_policy = history = Lacking(
        "a table of purchases tells neither who customers are nor what is earned"
    )

    def __init__(self, flat: Flat, item: str, horizon: int = 0) -> None:
        self.source = flat
        found = items_of(flat, item)
        self._rows, self._remarks = found.rows, found.remarks
        first, self.day = self._rows["day"].min().date(), flat.as_of
        span = (self.day - first).days + 1
        if span == 1:
            raise BankmineError("all rows are of one day: nothing came after it by which to judge recommendations")
        self.horizon = horizon or max(span // _FIFTH, 1)
        if not 0 < self.horizon < span:
            raise BankmineError(f"horizon={horizon}: the table covers {span} days: give 1 to {span - 1}.")
        self.split_day = self.day - datetime.timedelta(days=self.horizon)

    def _facts(self) -> dict[str, object]:
        judged = f"purchases after {self.split_day}, {self.horizon} days, by models learnt on those before"
        return {"judged by": judged} | ({"left out": "; ".join(self._remarks)} if self._remarks else {})

    def _until(self, day: datetime.date, first: Sequence[str] = ()) -> _Known:
        """Return what was had by a day; some customers come first."""
        rows = self._rows[self._rows["day"] <= pd.Timestamp(day)]
        late = rows[rows["day"] > pd.Timestamp(day - datetime.timedelta(days=self.horizon))]
        items = rows.drop_duplicates(["customer_id", "item"])["item"].value_counts().index[:_ITEMS]
        customers = pd.Index(pd.unique(np.concatenate([np.asarray(first, object), rows["customer_id"].to_numpy()])))
        history, recent = (_counted(part, customers, items) for part in (rows, late if len(late) else rows))
        return _Known(customers, items, history, recent)

    # --- what would have come true

    @part
    def _split(self) -> tuple[_Known, csr_array]:
        """What was had by the day of the split, by those first who came back, and what these took after it."""
        known = self._rows["day"] <= pd.Timestamp(self.split_day)
        before, after = self._rows[known], self._rows[~known]
        if before.empty or after.empty:
            raise BankmineError(f"nobody bought anything {'before' if before.empty else 'after'} {self.split_day}")
        back = np.sort(np.intersect1d(after["customer_id"].unique(), before["customer_id"].unique()))
        most = max(_JUDGED // min(before["item"].nunique(), _ITEMS), 1)
        back = np.sort(np.random.default_rng(0).permutation(back)[:most])
        if not len(back):
            raise BankmineError(f"nobody who had bought by {self.split_day} bought again: give another horizon")
        found = self._until(self.split_day, back)
        return found, found.counted(after)[: len(back)]

    @part
    def taken(self) -> dict[str, object]:
        """Customers who came back, `back`, those of them who are judged by, and the share of items `unseen` before."""
        known, taken = self._split
        later = self._rows[self._rows["day"] > pd.Timestamp(self.split_day)]
        later = later[later["customer_id"].isin(known.customers)]
        told = {"back": later["customer_id"].nunique(), "customers": taken.shape[0], "items": len(known.items)}
        told |= {"days": self.horizon, "day": self.split_day}
        return told | {"unseen": 1 - later["item"].isin(known.items).mean()}

    @part
    def judged_new(self) -> Compared:
        """Models on items that customers had never had."""
        known, taken = self._split
        had = known.history[: taken.shape[0]] > 0
        new = csr_array((taken > 0) > had)
        return self._compared(NEW, new, had, "items newly taken", POPULAR)

    @part
    def judged_all(self) -> Compared:
        """Models on all items taken, new and repeated."""
        _, taken = self._split
        return self._compared(ALL, taken, None, "all items taken, new and repeated", OWN)

    @part
    def all_table(self) -> pd.DataFrame:
        """Models on all items taken, as a page shows them."""
        return self.judged_all.table

    def _compared(
        self, models: Sequence[str], taken: csr_array, excluded: csr_array | None, what: str, baseline: str
    ) -> Compared:
        """Hold models against what was taken; where enough took any, half of the customers choose, the others judge."""
        known, judged = self._split[0], taken.shape[0]
        lists = {name: top(self._learnt[name].first(judged), _LOOKED, excluded) for name in models}
        had, who = (known.history[:judged] > 0).sum(axis=0), pd.Series(known.customers[:judged])

        def of(rows: np.ndarray, chosen_by: Compared | None = None) -> Compared:
            own = {name: told[rows] for name, told in lists.items()}
            return Compared(own, taken[rows], had, who.iloc[rows], what, baseline, chosen_by)

        took = np.flatnonzero((taken > 0).sum(axis=1))
        if len(took) < _HALVES:
            return of(np.arange(judged))
        chooses = np.isin(np.arange(judged), np.random.default_rng(0).permutation(took)[: len(took) // 2])
        return of(np.flatnonzero(~chooses), of(np.flatnonzero(chooses)))

    @part
    def _learnt(self) -> dict[str, recommenders.Scores]:
        known, _ = self._split
        return recommend(known.history, known.recent, models=ALL)

    @part
    def recommendation_judged(self) -> pd.DataFrame:
        """Measures of all models, of new items and of all, as they are handed on."""
        found = {"new": self.judged_new.figures, "all": self.judged_all.figures}
        return pd.concat(found, names=["taken"]).reset_index("taken").set_index("model")

    # --- what next

    @part
    def offers(self) -> pd.DataFrame:
        """The first three items that each customer never had: by `customer_id`, `item`, `rank` and `reason`."""
        model, known = self.judged_new.used, self._until(self.day)
        scores = recommend(known.history, known.recent, models=[model])[model]
        lists = top(scores, _SHOWN, known.history)
        who, rank = np.nonzero(lists >= 0)
        item = lists[who, rank]
        reason = pd.Series(_REASON[model], range(len(who)))
        if model == NEIGHBOURS:
            reason += known.items[_nearest_had(known.history, who, item)].to_numpy()
        told = {"item": known.items[item], "rank": rank + 1, "reason": reason.to_numpy()}
        return pd.DataFrame(told, known.customers[who].rename("customer_id"))

    @part
    def first(self) -> pd.DataFrame:
        """What next for each, as a page shows it."""
        return self.offers

    @part
    def choice(self) -> dict[str, object]:
        """The simplest model that none is shown to beat on new items, and how it did."""
        told = self.judged_new.choice
        how = (
            "the simplest that none beat by the same purchases that it is judged by, which are too few for two halves"
            if self.judged_new.judges_alone else "the simplest that none beat among the other half of customers"
        )  # fmt: skip
        return told | {"how": how, "cut": self.split_day}

    @part
    def took(self) -> dict[str, object]:
        """Of customers known by the day of the split, the share that came back."""
        known, told = self._split[0], self.taken
        share, unseen = told["back"] / len(known.customers), told["unseen"]
        repeats = f"{unseen:.1%} of what these took nobody had had before, so that no model could name it"
        return {"customers": len(known.customers), "took": share, "repeats": repeats, "cut": self.split_day}

    @part
    def handed_on(self) -> dict[str, pd.DataFrame]:
        """What next for each, measures of all models, and all rules tested."""
        rules = optional(self, "rules")
        files = {
            "offers": optional(self, "offers"), "recommendation_judged": optional(self, "recommendation_judged"),
            "recommendation_rules": rules if isinstance(rules, Lacking) else optional(rules, "handed"),
        }  # fmt: skip
        return {name: frame for name, frame in files.items() if not isinstance(frame, Lacking)}

    # --- what goes with what

    @part
    def rules(self) -> Rules:
        """What customers had with what by the day of the split, those compared who had as many items."""
        rows = self._rows.drop_duplicates(["customer_id", "item"])
        first = self._rows.groupby(["customer_id", "item"], sort=False)["day"].min().reset_index()
        many = rows[rows["day"] <= pd.Timestamp(self.split_day)].groupby("customer_id").size()
        strata = pd.qcut(many.rank(method="first"), min(_BANDS, len(many)), labels=False)
        return Rules(first, strata, self.split_day, self.day, disclosure.smallest_group(self.source))


def _counted(rows: pd.DataFrame, customers: pd.Index, items: pd.Index) -> csr_array:
    who, what = customers.get_indexer(rows["customer_id"]), items.get_indexer(rows["item"])
    told = (who >= 0) & (what >= 0)
    shape = len(customers), len(items)
    return csr_array((np.ones(told.sum(), dtype=np.float32), (who[told], what[told])), shape)


def _nearest_had(history: csr_array, who: np.ndarray, item: np.ndarray) -> np.ndarray:
    """Return which of the items that each customer has had is the most like an item."""
    like = alike(history).T.tocsr()
    return np.asarray((history > 0)[who].multiply(like[item]).tocsr().argmax(axis=1)).ravel()
