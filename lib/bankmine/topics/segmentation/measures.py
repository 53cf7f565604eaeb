"""What behavioural segments are formed of: the registry `data/segments.yml`, in units that people use.

Customers are described in units that a branch can use: money a month, numbers, shares, years.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bankmine.bank.ruled import Expression, Ruled, compute, value
from bankmine.errors import BankmineError, one_line
from bankmine.features.population import REGISTRY, Active, months_known
from bankmine.registers import entries, read_yaml

INACTIVE = "inactive"
FORMS, USES = ("amount", "share", "mix", "plain"), ("segments", "profile")


@dataclass(frozen=True)
class Feature(Ruled):
    """One feature: how it is computed and told, in which form it is compared, and who answers for it."""

    id: str
    name: str
    form: str
    value: str
    unit: str
    high: str
    low: str
    use: str
    owner: str
    privacy: str

    def read(self) -> Expression:
        """Read the value, once form and use are known to be right."""
        if self.form not in FORMS or self.use not in USES:
            raise BankmineError(f"Feature {self.id} has an unknown form or use: {', '.join(FORMS + USES)} are known.")
        return value(self.value, f"Feature {self.id}")

    @property
    def needs(self) -> frozenset[str]:
        """Names of the columns that the value is computed from."""
        months = {"tenure_days"} if "months" in self.parsed.columns else set()
        return self.parsed.columns - {"months"} | months


@dataclass(frozen=True)
class Name:
    """What a segment with some words is called where people read of it, what is done for it, and by whom."""

    id: str
    words: list[str]
    name: str
    name_zh: str
    to_do: str
    owner: str


@dataclass(frozen=True)
class Advisers:
    """The advisers of an owner of segments (`id`): how many customers one carries, and how many are there."""

    id: str
    name: str
    carries: int
    there: int

    def __post_init__(self) -> None:
        if not all(isinstance(n, int) for n in (self.carries, self.there)) or self.carries < 1 or self.there < 0:
            raise BankmineError(f"{self.name}: an adviser carries one customer at least, and none or more are there.")

    def needed(self, customers: int) -> int:
        """Return how many it takes to look after so many customers."""
        return -(-customers // self.carries)

    def told(self, customers: int) -> str:
        """Say the same in words."""
        needed = self.needed(customers)
        return f"{needed} {self.name}{'' if needed == 1 else 's'}"


@dataclass(frozen=True)
class Registry(Active):
    """Whom segments are formed of, the features in their order, names, and who looks after them."""

    features: tuple[Feature, ...]
    names: tuple[Name, ...] = ()
    advisers: tuple[Advisers, ...] = ()

    def advisers_of(self, owner: str) -> Advisers | None:
        """Return the advisers of an owner, if there are any."""
        return next((a for a in self.advisers if a.id == owner), None)

    def called(self, described: Iterable[str]) -> list[Name]:
        """Give each segment, described by its computed words, the first name that fits and is not taken yet."""
        free, found = list(self.names), []
        for words in described:
            fitting = (n for n in free if set(n.words) <= set(words.split(", ")))
            name = next(fitting, Name("", [], words, "", "", ""))
            free = [n for n in free if n is not name]
            found.append(name)
        return found

    def of(self, use: str) -> list[Feature]:
        """List the features of one use."""
        return [f for f in self.features if f.use == use]

    def __getitem__(self, id: str) -> Feature:
        """Return a feature by its id."""
        return next(f for f in self.features if f.id == id)


def load_registry(file: Path = REGISTRY) -> Registry:
    """Read the registry."""
    told = read_yaml(file)
    try:
        features = tuple(entries(told["features"], Feature, file, "features"))
        names = tuple(entries(told.get("names", []), Name, file, "names"))
        known = {INACTIVE, *(word for f in features for word in (f.high, f.low))}
        if unknown := sorted({word for name in names for word in name.words} - known):
            raise BankmineError(f"{file}: no feature has the word {unknown[0]!r}, by which a segment is named.")
        advisers = tuple(entries(told.get("advisers", []), Advisers, file, "advisers"))
        return Registry(**told["active"], features=features, names=names, advisers=advisers)
    except (TypeError, KeyError) as error:
        raise BankmineError(f"{file} is not a registry of segments: {one_line(error)}") from None


def readable(customers: pd.DataFrame, registry: Registry) -> pd.DataFrame:
    """Describe customers, a column a feature id, in units that a branch can use: money a month, numbers, years, shares.

    Features that need a column that is not there are left out; infinite values and shares of nothing are missing.
    """
    known = customers.assign(months=months_known(customers))
    there = [f for f in registry.features if f.needs <= set(customers.columns)]
    found = compute({f.id: f.parsed for f in there}, known).replace([np.inf, -np.inf], np.nan)
    mix = [f.id for f in there if f.form == "mix"]
    found[mix] = found[mix].clip(lower=0).div(found[mix].clip(lower=0).sum(axis=1).replace(0, np.nan), axis=0)
    return found
