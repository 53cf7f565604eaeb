"""The study of recommendations: what next for each customer, who may be offered it, when and through which channel."""

from __future__ import annotations

import datetime

import pandas as pd

from bankmine.bank.flat import is_flat, open_unlabelled
from bankmine.bank.snapshot import Snapshot, open_source
from bankmine.errors import BankmineError
from bankmine.judging import disclosure
from bankmine.lacking import Lacking, optional, part
from bankmine.learning.recommenders import BY_SEGMENT, FACTORS, NEIGHBOURS, OWN, POPULAR
from bankmine.study.heading import Headed
from bankmine.study.received import Received
from bankmine.topics.recommendation.compared import Compared
from bankmine.topics.recommendation.history import AHEAD, History, Moment
from bankmine.topics.recommendation.off_policy import OffPolicy
from bankmine.topics.recommendation.offers import Offers
from bankmine.topics.recommendation.products import PRODUCT_MODELS, Products
from bankmine.topics.recommendation.rules import Rules
from bankmine.topics.recommendation.table_study import TableRecommendations

NEW, ALL = (POPULAR, BY_SEGMENT, NEIGHBOURS, FACTORS), (POPULAR, BY_SEGMENT, OWN, NEIGHBOURS, FACTORS)
"""Models of what a customer has never had, and of all that is taken, the simplest first."""
_YEAR = datetime.timedelta(days=365)


def study(
    source: str, as_of: str | datetime.date, *, id: str = "", item: str = "", time: str = "", horizon: int = 0,
    decimal: str = "", dates: str = "", clock: str = "", encoding: str = "", received: Received | None = None,
) -> BankRecommendations | TableRecommendations:  # fmt: skip
    """Open a source and set up the study of what to recommend; nothing is computed before it is asked for.

    Parameters
    ----------
    source : str
        Name or path of a bank, or of a flat table with a row a purchase.
    as_of : str or date
        Last day to know.
    id, time, decimal, dates, clock, encoding : str
        As for `open_unlabelled`, for a flat table.
    item : str
        Of a flat table: the column that tells what was bought.
    horizon : int
        Of a flat table: days at the end by which models are judged; 0 for the last fifth of all.
    received : callable, optional
        Finds what other reports of the day handed on: habits (05), scores of applicants (07), channels (12).

    Raises
    ------
    BankmineError
        If the source cannot be used. Where there is too little to learn from, the study's parts are lacking and say so.
    """
    if not is_flat(source):
        return BankRecommendations(open_source(source).as_of(as_of), received)
    written = {"decimal": decimal, "dates": dates, "clock": clock, "encoding": encoding}
    return TableRecommendations(open_unlabelled(source, id, time, as_of, **written), item, horizon)


class BankRecommendations(Headed):
    """What customers of a bank may want next."""

    def __init__(self, snapshot: Snapshot, received: Received | None) -> None:
        self.source = snapshot
        self.history = History(snapshot)
        self.products = Products(snapshot, self.history)
        self.offering = Offers(snapshot, self.products, received, self._used)

    @part
    def off_policy(self) -> OffPolicy:
        """Lists of earlier days held against campaigns that were trials."""
        return OffPolicy(self.source, self.history, self.offering.rules.tried)

    # --- what next for each

    @part
    def _earlier(self) -> Compared:
        """Models on an earlier half year, by which they are chosen."""
        return self._judged(self.products.moment(self.products.earlier))

    @part
    def judged_new(self) -> Compared:
        """Models on products newly taken in the last half year; the one in use is chosen on an earlier one."""
        earlier = optional(self, "_earlier")
        moment = self.products.moment(self.products.cut)
        return self._judged(moment, chosen_by=None if isinstance(earlier, Lacking) else earlier)

    @part
    def judged_all(self) -> Compared:
        """Models on all products taken, new and repeated: the same where nobody took a product twice."""
        if not self.history.repeats:
            return self.judged_new
        return self._judged(self.products.moment(self.products.cut), repeated=True)

    @part
    def all_table(self) -> pd.DataFrame:
        """Models on all products taken, as a page shows them, where these are others than the new ones."""
        if not self.history.repeats:
            raise BankmineError("nobody took a product twice, so these are the same as of what was newly taken")
        return self.judged_all.table

    def _judged(self, moment: Moment, repeated: bool = False, chosen_by: Compared | None = None) -> Compared:
        scores = {n: own for n, own in moment.scores().items() if n in (ALL if repeated else NEW)}
        if not repeated:  # a product that a customer has had has no chance to be taken newly
            scores[PRODUCT_MODELS] = self.products.scores(moment)
        taken, whose = self.history.taken(moment, repeated), pd.Series(moment.customers)
        what = f"products{'' if repeated else ' newly'} taken in the {AHEAD} days after {moment.day}"
        had, baseline = (moment.had > 0).sum(axis=0), OWN if repeated else POPULAR
        return Compared(moment.lists(scores, repeated), taken, had, whose, what, baseline, chosen_by)

    @part
    def choice(self) -> dict[str, object]:
        """The model in use, the simplest that none beat on the earlier half year, and how it did on the later one."""
        later = self.judged_new
        how = (
            "the simplest that none beat in the half year that it is judged by, as the one before tells too little"
            if later.judges_alone else f"the simplest that none beat in the half year after {self.products.earlier}"
        )  # fmt: skip
        return later.choice | {"how": how, "cut": self.products.cut}

    def _used(self) -> str:
        """Name the model in use; where none can be judged, the simplest that tells a chance."""
        judged = optional(self, "judged_new")
        return BY_SEGMENT if isinstance(judged, Lacking) else judged.used

    @part
    def first(self) -> pd.DataFrame:
        """The offers, as a page shows them."""
        return self.offering.first

    @part
    def took(self) -> dict[str, object]:
        """Of the `customers` with an account on the day judged, the share that took something new."""
        moment = self.products.moment(self.products.cut)
        took = int((self.history.taken(moment).sum(axis=1) > 0).sum())
        repeats = self.history.repeats
        told = (
            f"{repeats:,} accounts are of a product had before"
            if repeats
            else "nobody took a product twice: all are new"
        )
        return {
            "customers": len(moment.customers),
            "took": took / len(moment.customers),
            "repeats": told,
            "cut": moment.day,
        }

    # --- what goes with what

    @part
    def rules(self) -> Rules:
        """What customers had with what a year ago, those compared who are of the same age and time with the bank."""
        day = self.source.as_of - _YEAR
        strata = self.history.at(day).segment
        taken = self.history.openings.rename(columns={"product": "item"})
        first = taken.drop_duplicates(["customer_id", "item"])
        return Rules(first, strata, day, self.source.as_of, disclosure.smallest_group(self.source))

    # --- for others

    @part
    def _figures(self) -> pd.DataFrame:
        found = {"new": self.judged_new.figures, "all": self.judged_all.figures}
        return pd.concat(found, names=["taken"]).reset_index("taken").set_index("model")

    @part
    def _chances(self) -> pd.DataFrame:
        """Chances as they were judged, a row a customer and product, and whether it was taken."""
        moment = self.products.moment(self.products.cut)
        chance = self.products.chances(moment)
        took = pd.DataFrame(self.history.taken(moment).toarray() > 0, chance.index, chance.columns)
        long = chance.rename_axis("customer_id").melt(var_name="product", value_name="chance", ignore_index=False)
        return long.assign(took=took.melt()["value"].to_numpy(), day=pd.Timestamp(moment.day)).dropna(subset=["chance"])

    @part
    def handed_on(self) -> dict[str, pd.DataFrame]:
        """Whom to offer what, as a list to work through; what models said as they were judged, and all rules tested."""
        found = {
            "offers": optional(self.offering, "made"), "offers_held_back": optional(self.offering, "held"),
            "recommendation_judged": optional(self, "_figures"),
            "recommendation_chances": optional(self, "_chances"),
            "recommendation_order": optional(self.history, "order"),
        }  # fmt: skip
        rules = optional(self, "rules")
        found["recommendation_rules"] = rules if isinstance(rules, Lacking) else optional(rules, "handed")
        found = {name: frame.copy() for name, frame in found.items() if not isinstance(frame, Lacking)}
        if "offers" in found:
            found["offers"].attrs["list"] = True  # people work through it
        return found
