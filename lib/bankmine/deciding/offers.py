"""Rules of offers: what people decide of them in `data/offers.yml`, and whom each rule bars from which product."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bankmine.bank.contract import DEBTS
from bankmine.errors import BankmineError, one_line
from bankmine.registers import read_yaml, refuse, undated
from bankmine.workspace import WORKSPACE

REGISTER = WORKSPACE / "data" / "offers.yml"
LOW, BELIEVED, HIGH = MOVED = ("low", "believed", "high")
_STATUS = ("assumption", "trial")
_GRADES, _OLDEST = 5, 150


@dataclass(frozen=True)
class ProductRules:
    """What is decided of a product."""

    worth: float
    ages: tuple[int, int]
    risk: int


@dataclass(frozen=True)
class OfferRules:
    """What is decided and assumed of offers, in one currency."""

    owner: str
    version: datetime.date
    status: str
    contact: float
    moved: Mapping[str, float]
    rest: int
    control: float
    default_at_most: float
    untested: int
    tried: Mapping[str, str]
    products: Mapping[str, ProductRules]

    def too_young_or_old(self, age: pd.Series) -> pd.DataFrame:
        """Say by customer and product whether the age bars; one that is not known does."""
        return pd.DataFrame({name: ~age.between(*own.ages) for name, own in self.products.items()}, age.index)

    def too_risky(self, grade: pd.Series) -> pd.DataFrame:
        """Say by customer and product whether the product is riskier than the customer's grade, or `untested`."""
        grade = grade.fillna(self.untested)
        return pd.DataFrame({name: grade < own.risk for name, own in self.products.items()}, grade.index)

    def bars_credit(self, barred: pd.Series) -> pd.DataFrame:
        """Bar customers from all products that are credit, and from no other."""
        return pd.DataFrame({name: barred & (name in DEBTS) for name in self.products}, barred.index)

    def gain(self, chance: pd.DataFrame, moved: str = BELIEVED) -> pd.DataFrame:
        """Return what an offer is expected to earn: of what it moves a year's worth, less the contact."""
        worth = pd.Series({name: own.worth for name, own in self.products.items()}, dtype=float)
        return chance * self.moved[moved] * worth.reindex(chance.columns) - self.contact


def load_offers(currency: str, file: Path = REGISTER) -> OfferRules:
    """Read the rules for a currency, or the default ones; an error tells what is lacking or makes no sense."""
    try:
        sections = read_yaml(file)
        name = currency if currency in sections else "default"
        told = OfferRules(**sections[name])
        products = {of: ProductRules(**own) for of, own in dict(told.products).items()}
        rules = OfferRules(**vars(told) | {"products": products})
        moved = [rules.moved[end] for end in MOVED]
        numbers = [rules.contact, rules.rest, rules.default_at_most, *(own.worth for own in products.values())]
        wrong = [
            ([n for n in numbers if isinstance(n, bool) or not n >= 0], "amounts, days and chances must be from 0 on"),
            (not 0 < moved[0] <= moved[1] <= moved[2] <= 1, "moved must rise from low to high, within 0 and 1"),
            ([p for p, own in products.items() if not _ages(own.ages)], "ages are two whole numbers, from and to"),
            ([p for p, own in products.items() if own.risk not in range(1, _GRADES + 1)], "risk is a grade, 1 to 5"),
            (rules.untested not in range(1, _GRADES + 1), "untested is a grade, 1 to 5"),
            (sorted(set(rules.tried.values()) - set(products)), "an offer that was tried is of a product with rules"),
            (not 0 <= rules.control < 1, "control is a share, from 0 and below 1"),
            *undated(rules.version, rules.status, _STATUS),
        ]  # fmt: skip
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise BankmineError(f"{file} is not a register of offers: {one_line(error)}") from None
    refuse(file, name, wrong)
    return rules


def _ages(ages: object) -> bool:
    first, last = ages
    return isinstance(first, int) and isinstance(last, int) and 0 <= first <= last <= _OLDEST
