"""Credit rules: what granting earns and costs, as `data/credit.yml` says; it says what models may use, too.

Credit risk owns the money, compliance what is protected. Income is counted for as long as the outcome is watched.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from bankmine.bank.contract import PRODUCTS
from bankmine.errors import BankmineError
from bankmine.registers import entries, read_yaml
from bankmine.topics.credit.bins import TRENDS
from bankmine.workspace import WORKSPACE

REGISTRY = WORKSPACE / "data" / "credit.yml"


@dataclass(frozen=True)
class ProductRule:
    """List price a year, what is lost at default (`drawn`, `at_default`: parts of the amount), and a typical amount."""

    id: str
    rate: float
    lgd: float
    drawn: float
    at_default: float
    typical: float


@dataclass(frozen=True)
class TierRule:
    """Highest chance to default, and most that is granted: a part of what is asked for, and a number of incomes."""

    id: str
    up_to: float
    share: float
    incomes: float


@dataclass(frozen=True)
class CreditRules:
    """What granting earns and costs, for the credits of one currency; rates are fractions a year."""

    definition: str
    """What bad means, in words."""
    owner: str
    currency: str
    """Whose section was read: `default` where the currency has none."""
    cost_of_funds: float
    granting: float
    """Cost of granting one credit, in the currency."""
    months: int
    """For which income is counted."""
    highest_rate: float
    products: dict[str, ProductRule]
    tiers: list[TierRule]
    """Best first."""

    def terms(self, product: pd.Series) -> pd.DataFrame:
        """Look up the rule of each application's product: `rate`, `lgd`, `drawn`, `at_default`, `typical`."""
        table = pd.DataFrame([vars(rule) for rule in self.products.values()]).set_index("id")
        if unknown := sorted(set(product.astype(str)) - set(table.index)):
            raise BankmineError(f"{REGISTRY.name} has no product {unknown[0]!r} for {self.currency}: add it there.")
        return table.loc[product.astype(str)].set_axis(product.index)


def load_credit_rules(currency: str, file: Path = REGISTRY) -> CreditRules:
    """Read the rules for a currency, or the default ones where it has none; refuse numbers that make no sense."""
    told = read_yaml(file)
    try:
        section = currency if currency in told else "default"
        parts = dict(told[section])
        products = {p.id: p for p in entries(parts.pop("products"), ProductRule, file, "products")}
        tiers = entries(told["tiers"], TierRule, file, "tiers")
        rules = CreditRules(told["definition"], currency=section, products=products, tiers=tiers, **parts)
        _check(rules, file)
    except (TypeError, AttributeError, KeyError) as error:
        raise BankmineError(f"{file} is not a register of credit: {' '.join(str(error).split())}") from None
    return rules


@dataclass(frozen=True)
class Grade:
    """A grade of the master scale: chances above those of the better grades, and up to this."""

    id: str
    up_to: float


def load_grades(file: Path = REGISTRY) -> list[Grade]:
    """Read the master scale, best first; refuse one that does not rise up to 1."""
    found = entries(read_yaml(file).get("grades"), Grade, file, "grades")
    ends = [grade.up_to for grade in found]
    if not ends or ends != sorted(set(ends)) or ends[0] <= 0 or ends[-1] != 1:
        raise BankmineError(f"{file}: grades rise, best first, and the last one is up to 1.")
    return found


@dataclass(frozen=True)
class Form:
    """What the application form means for the scorecard."""

    told: list[str]
    """Columns that applicants fill in themselves."""
    scope: list[str]
    """Columns of which every value must have been learnt from or judged."""
    reference: dict[str, str]
    """Protected attribute -> the group that others are held against."""


def load_form(file: Path = REGISTRY) -> Form:
    """Read the part `form` of the register."""
    told = read_yaml(file).get("form")
    if not isinstance(told, dict) or set(told) != {"told", "scope", "reference"}:
        raise BankmineError(f"{file}: form must have told, scope and reference.")
    named = told["reference"]
    names = [told["told"], told["scope"], list(named.values()) if isinstance(named, dict) else None]
    if not all(isinstance(part, list) and all(isinstance(name, str) for name in part) for part in names):
        raise BankmineError(f"{file}: told and scope are lists of columns, reference says a group of each attribute.")
    return Form(**told)


def _check(rules: CreditRules, file: Path) -> None:
    """Refuse rules that do not fit together, or numbers that make no sense."""
    limits = [tier.up_to for tier in rules.tiers]
    parts = [p for rule in rules.products.values() for p in (rule.lgd, rule.drawn, rule.at_default)]
    wrong = [
        (not set(rules.products) <= set(PRODUCTS), f"products are {', '.join(PRODUCTS)}"),
        (rules.granting < 0 or rules.months < 1, "granting must not be negative, months at least 1"),
        (any(not 0 <= part <= 1 for part in parts), "lgd, drawn and at_default are parts, from 0 to 1"),
        (any(min(p.drawn, p.typical) <= 0 for p in rules.products.values()), "drawn and typical must be above zero"),
        (not limits or limits != sorted(set(limits)) or not 0 < limits[0] <= limits[-1] <= 1, "tiers rise, best first"),
        (any(not 0 <= t.share <= 1 or t.incomes < 0 for t in rules.tiers), "share is a part, incomes not negative"),
    ]
    if told := [what for is_wrong, what in wrong if is_wrong]:
        raise BankmineError(f"{file}, section {rules.currency}: {told[0]}.")


# --- directions: how risk moves with what is known of an applicant, as lenders say in `data/credit_directions.yml`.

DIRECTIONS = WORKSPACE / "data" / "credit_directions.yml"
_SIGNS = {"rising": 1, "falling": -1}


@dataclass(frozen=True)
class Direction:
    """How risk moves with some predictors, and who says so."""

    id: str
    columns: list[str]
    """Patterns of their names; * stands for any characters."""
    trend: str
    """One of `bins.TRENDS`."""
    owner: str
    reason: str


def load_directions(file: Path = DIRECTIONS) -> list[Direction]:
    """Read the registry; refuse a trend that is none."""
    found = entries(read_yaml(file), Direction, file, "directions")
    for direction in found:
        if direction.trend not in TRENDS:
            raise BankmineError(
                f"{file}: {direction.id} has trend {direction.trend!r}: say one of {', '.join(TRENDS)}."
            )
    return found


def directions_of(predictors: pd.DataFrame, directions: Sequence[Direction]) -> pd.DataFrame:
    """Find `trend`, `owner` and `reason` of each number that has a direction; the first that matches holds."""
    numbers = [c for c, kind in predictors.dtypes.items() if is_numeric_dtype(kind) and not is_bool_dtype(kind)]
    rows = {name: (d.trend, d.owner, d.reason) for name in numbers if (d := _first(name, directions))}
    columns = ["trend", "owner", "reason"]
    return pd.DataFrame.from_dict(rows, "index", columns=columns).rename_axis("predictor")


def signs(table: pd.DataFrame) -> dict[Hashable, int]:
    """Return 1 for predictors with which risk only rises, −1 where it only falls; others are left out."""
    return {name: _SIGNS[trend] for name, trend in table["trend"].items() if trend in _SIGNS}


def _first(name: Hashable, directions: Sequence[Direction]) -> Direction | None:
    return next((d for d in directions if any(fnmatchcase(str(name), pattern) for pattern in d.columns)), None)
