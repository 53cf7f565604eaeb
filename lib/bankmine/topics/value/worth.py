"""Worth: what each customer of a bank brought in, and is expected to bring in, by its parts.

Three ways to foretell a year are held against what came: last year again; the parts, contracts by how long they last
and purchases by how customers come back; boosted trees on the same measures.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError, one_line
from bankmine.features import purchases
from bankmine.features import value as margin
from bankmine.features.holdings import holders
from bankmine.features.spine import kept
from bankmine.judging.amounts import Amounts
from bankmine.lacking import Lacking, optional, part
from bankmine.learning import boosting
from bankmine.learning.foretold import Foretold
from bankmine.learning.lasting import YEAR, YEARS, expected
from bankmine.registers import read_yaml
from bankmine.workspace import WORKSPACE

REGISTRY = WORKSPACE / "data" / "value.yml"
NAIVE, PARTS, TREES = "last year again", "by its parts", "boosted trees"
FORETOLD = ("contracts", "services", "purchases")
_QUARTER = 92


@dataclass(frozen=True)
class ValueRules:
    """What finance decides."""

    owner: str
    discount: float
    acquisition: float
    at_risk: int
    list_owner: str


def load_rules(currency: str, file: Path = REGISTRY) -> ValueRules:
    """Read the rules for a currency, or the default ones."""
    try:
        sections = read_yaml(file)
        rules = ValueRules(**sections[currency if currency in sections else "default"])
        wrong = [n for n in (rules.discount, rules.acquisition, rules.at_risk) if isinstance(n, bool) or not n >= 0]
    except (TypeError, KeyError) as error:
        raise BankmineError(f"{file} is not a register of values: {one_line(error)}") from None
    if wrong:
        raise BankmineError(f"{file}: {wrong[0]!r} must be a number from 0.")
    if rules.at_risk % 1:
        raise BankmineError(f"{file}: at_risk counts customers, and {rules.at_risk!r} is no whole number.")
    return replace(rules, at_risk=int(rules.at_risk))


def measured(snapshot: Snapshot, days: list[datetime.date]) -> dict[datetime.date, pd.DataFrame]:
    """Measure what each customer brought in over the year and the quarter before each day, by customer.

    `deposits`, `lending`, `fees`, `cost` and `margin` of the year, and with `_now` the quarter's, a year.
    """
    year, quarter = (
        margin.margins(snapshot, days, length, (*margin.PARTS, "margin")).set_index(["customer_id", "day"])
        for length in (YEAR, _QUARTER)
    )
    found = year.join((quarter * (YEAR / _QUARTER)).add_suffix("_now")).reset_index("day")
    return {day: found[found["day"] == pd.Timestamp(day)].drop(columns="day").sort_index() for day in days}


@dataclass(eq=False)
class Look:
    """What the customers of a bank had brought in by a day, and were expected to bring in, by what was known then."""

    snapshot: Snapshot
    day: datetime.date
    discount: float
    measured: Callable[[datetime.date], pd.DataFrame]
    """Gives what is `measured` of a day, or an error where bookings do not reach back so far."""
    before: Look | None = None
    """A look at buyers of whom it was known on the day whether they came back."""

    @part
    def brought(self) -> pd.DataFrame:
        """What was brought in before the day."""
        return self.measured(self.day)

    @part
    def bought(self) -> Foretold:
        """What was bought in the year before the day, and in the year after as far as it is known."""
        _ = self.brought  # of a whole year
        first, until = (self.day + datetime.timedelta(days=n) for n in (1 - YEAR, YEAR))
        earlier = optional(self.before, "bought").fitted() if self.before else Lacking("nothing before it is known")
        return Foretold(purchases.bought(self.snapshot, first, self.day, until), YEAR, earlier)

    def week_by_week(self) -> pd.DataFrame:
        """Set what customers came back for, week by week, against what was foretold on the day; kept."""

        def computed() -> pd.DataFrame:
            first = self.day - datetime.timedelta(days=YEAR - 1)
            return self.bought.tracked(purchases.purchases(self.snapshot), first, self.day)

        rooms = ("bank", "features", "learning")
        return kept(self.snapshot, "purchases by week", [self.day], computed, None, rooms)

    @part
    def accounts(self) -> pd.DataFrame:
        """What accounts are expected to earn, as of `lasting.expected`; of all customers."""
        found = expected(self.snapshot, self.day, self.discount)
        return found.reindex(self.brought.index).fillna(0.0)

    @part
    def table(self) -> pd.DataFrame:
        """By customer, what was brought in, and what is expected by its parts.

        Parts and `margin` of the year before, and what of it was `purchased`; `contracts_12`, `services_12` and
        `purchases_12` of the year after and with `_36` of three years, discounted, and their sums `expected_12` and
        `expected_36`; `stays_12`, the year after if no account is closed; `plain`, the year after not discounted;
        `level`, three years of contracts by one chance to be closed at any age; `alive`, the chance to buy again.
        Purchases enter with the services of an account where there is no model of them.
        """
        brought, held, rate = self.brought, self.accounts, 1 + self.discount
        table = brought[[*margin.PARTS, "margin"]].assign(purchased=0.0)
        services, buys = brought["fees_now"] - brought["cost_now"], optional(self, "bought").fitted()
        ahead = {"plain": (YEAR, 0.0), "12": (YEAR, self.discount), "36": (YEAR * YEARS, self.discount)}
        bought = pd.DataFrame(0.0, brought.index, list(ahead))
        if not isinstance(buys, Lacking):
            table["purchased"] = buys.seen["earned"].reindex(brought.index).fillna(0.0)
            services = brought["fees"] - brought["cost"] - table["purchased"]
            there = brought.index.isin(holders(self.snapshot, self.day))  # who has no account left has no card
            for name, given in ahead.items():
                bought[name] = buys.expected(*given).reindex(brought.index).where(there).fillna(0.0)
            table["alive"] = buys.alive.reindex(brought.index).where(there, 0.0)
        served = [services * held["open"] ** (2 * k + 1) * rate ** -(k + 0.5) for k in range(YEARS)]
        for months, years in ((12, 1), (36, YEARS)):
            table[f"contracts_{months}"] = held[[f"year_{k}" for k in range(1, 1 + years)]].sum(axis=1)
            table[f"services_{months}"] = sum(served[:years])
            table[f"purchases_{months}"] = bought[str(months)]
            table[f"expected_{months}"] = table[[f"{name}_{months}" for name in FORETOLD]].sum(axis=1)
        table["plain"] = held["plain"] + services * held["open"] + bought["plain"]
        table["level"] = held[[f"level_{k}" for k in range(1, 1 + YEARS)]].sum(axis=1)
        return table.assign(
            stays_12=held["unclosed"] + services.where(held["open"] > 0, 0.0) * rate**-0.5 + bought["12"]
        )

    def judged(self, after: Look) -> Amounts:
        """Hold what was foretold in two ways against what came by a later day; who is not known then has nothing."""
        came = after.brought["margin"].reindex(self.table.index).fillna(0.0)
        return Amounts(pd.DataFrame({NAIVE: self.table["margin"], PARTS: self.table["plain"]}), came)

    def by_trees(self, before: Look, came: pd.Series) -> pd.Series:
        """Foretell by trees what a customer's year differs from the last, learnt of what `came` after a day before."""
        learnt, given = (
            look.brought.join(look.table.drop(columns=["stays_12", *look.brought.columns], errors="ignore"))
            for look in (before, self)
        )
        return boosting.amounts(learnt, came - before.table["margin"], given) + self.table["margin"]
