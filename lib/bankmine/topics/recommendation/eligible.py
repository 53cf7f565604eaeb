"""Eligible: who may be offered what, before anybody asks what it earns."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from bankmine.bank.snapshot import Snapshot
from bankmine.deciding.offers import OfferRules, load_offers
from bankmine.errors import BankmineError
from bankmine.features.consent import ALLOWED, contact_allowed
from bankmine.features.service import complaining
from bankmine.lacking import Lacking, optional, part
from bankmine.study.received import Received, received_table
from bankmine.topics.recommendation.history import Moment
from bankmine.topics.recommendation.products import PRODUCT_MODELS, Products

AGE, CREDIT = "too young or too old", "credit: refused by 07, or too likely to default"


class Eligible:
    """Customers of today and the products that each may be offered."""

    def __init__(
        self, snapshot: Snapshot, products: Products, received: Received | None, used: Callable[[], str]
    ) -> None:
        """Offers follow the model in use, which `used` names: models of products, or else shares of segments."""
        self.source, self._products, self._received, self._used = snapshot, products, received, used
        self.currency = snapshot.source.currency or "the source's currency"

    @part
    def rules(self) -> OfferRules:
        """What is decided of offers."""
        return load_offers(self.source.source.currency)

    @part
    def moment(self) -> Moment:
        """Customers of today."""
        return self._products.moment(self.source.as_of)

    @part
    def chances(self) -> pd.DataFrame:
        """Chance of each product to be taken within half a year, customers by products; NaN where it was had before."""
        return self._products.chances(self.moment) if self._by_models else self._products.shares(self.moment)

    @part
    def _by_models(self) -> bool:
        return self._used() == PRODUCT_MODELS

    @part
    def people(self) -> pd.DataFrame:
        """What the bank knows of customers of today."""
        people = self.source.customers.to_pandas().drop_duplicates("customer_id").set_index("customer_id")
        return people.reindex(self.moment.customers)

    @part
    def known(self) -> pd.DataFrame:
        """What features tell of them."""
        return self._products.known_on(self.source.as_of).reindex(self.moment.customers)

    @part
    def refused_by_07(self) -> pd.Series:
        """Whether 07 would refuse credit, or sees too high a chance of default, of those who applied lately."""
        scores = received_table(self._received, "07_credit_scoring", "credit_scores", self.source)
        bad = scores["decision"].eq("refuse") | scores["probability"].gt(self.rules.default_at_most)
        return pd.Series(self.moment.customers.isin(bad.index[bad]), self.moment.customers)

    @part
    def complains(self) -> pd.Series:
        """Whether a complaint is open."""
        return pd.Series(self.moment.customers.isin(complaining(self.source)), self.moment.customers)

    @part
    def not_rested(self) -> pd.Series:
        """Whether the last contact is too fresh."""
        if "days_since_contact" not in self.known:
            raise BankmineError("the source tells of no contacts")
        return self.known["days_since_contact"].lt(self.rules.rest)

    @part
    def age_bars(self) -> pd.DataFrame:
        """Whether the age bars from a product."""
        if "age_years" not in self.known:
            raise BankmineError("the source tells no ages")
        return self.rules.too_young_or_old(self.known["age_years"])

    @part
    def credit_bars(self) -> pd.DataFrame:
        """Whether 07 bars from credit."""
        return self.rules.bars_credit(self.refused_by_07)

    @part
    def risk_bars(self) -> pd.DataFrame:
        """Whether a product is riskier than the customer's own grade, or than may be offered to who has none."""
        grade = self.people.get("risk_grade", pd.Series(np.nan, self.people.index))
        return self.rules.too_risky(pd.to_numeric(grade, errors="coerce"))

    @part
    def _told(self) -> dict[str, pd.DataFrame | Lacking]:
        """By rule, in the order in which rules are asked, whom it bars from what; lacking where it cannot be told."""
        nobody = pd.DataFrame(False, self.moment.customers, self._products.history.products)
        had = self.chances.isna()
        no_rules = nobody.assign(**{name: name not in self.rules.products for name in nobody})
        consent = contact_allowed(self.people, self.source.unseen).ne(ALLOWED)
        rules = {
            "had it before": had, "may not be offered by data/offers.yml": no_rules,
            "did not agree to offers or to personal treatment": consent,
            "a complaint is open": optional(self, "complains"),
            f"contacted within {self.rules.rest} days": optional(self, "not_rested"),
            AGE: optional(self, "age_bars"), CREDIT: optional(self, "credit_bars"),
            f"riskier than the customer's grade, {self.rules.untested} where never tested": self.risk_bars,
        }  # fmt: skip
        return {name: _spread(told, nobody) for name, told in rules.items()}

    @part
    def unasked(self) -> dict[str, str]:
        """Rules that cannot be told, and why."""
        return {name: told.why for name, told in self._told.items() if isinstance(told, Lacking)}

    @part
    def barred(self) -> dict[str, pd.DataFrame]:
        """By rule, whom it bars from what. Where age or credit cannot be told, nobody is offered what hangs on it."""
        nobody = pd.DataFrame(False, self.moment.customers, self._products.history.products)
        everybody = pd.Series(True, self.moment.customers)
        unknown = {
            AGE: _spread(self.rules.too_young_or_old(everybody.map({True: np.nan})), nobody),
            CREDIT: _spread(self.rules.bars_credit(everybody), nobody),
        }
        return {
            name: unknown.get(name, nobody) if isinstance(told, Lacking) else told for name, told in self._told.items()
        }

    @part
    def allowed(self) -> pd.DataFrame:
        """Whether a product may be offered to a customer, by all rules."""
        found = pd.DataFrame(True, self.moment.customers, self._products.history.products)
        for told in self.barred.values():
            found &= ~told
        return found

    @part
    def scored(self) -> pd.Index:
        """Customers whom 07 has scored."""
        return received_table(self._received, "07_credit_scoring", "credit_scores", self.source).index


def _spread(told: pd.Series | pd.DataFrame | Lacking, nobody: pd.DataFrame) -> pd.DataFrame | Lacking:
    """Give what a rule says of customers, or of some products, for all products."""
    if isinstance(told, Lacking):
        return told
    if isinstance(told, pd.Series):
        return nobody.apply(lambda _: told.astype(bool))
    return told.reindex(columns=nobody.columns, fill_value=False).astype(bool)
