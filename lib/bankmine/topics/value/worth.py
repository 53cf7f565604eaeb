"""Worth: what each customer brought in, and is expected to bring in, by its parts, with an interval.

Three ways to foretell a year are held against what came: last year again; the parts, contracts by how long they last
and purchases by how customers come back; boosted trees on the same measures. The parts are used where they are better
than last year beyond chance, trees where they are better than both.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
from xgboost import XGBRegressor

from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError, one_line
from bankmine.features.purchases import purchases, seen
from bankmine.features.spine import KEYS, kept, spine_of
from bankmine.features.value import load_rules as _margin_rules
from bankmine.features.value import margin
from bankmine.lacking import Lacking
from bankmine.learning.foretold import Foretold
from bankmine.learning.lasting import YEAR, YEARS, expected, lasting
from bankmine.registers import read_yaml
from bankmine.workspace import WORKSPACE

REGISTRY = WORKSPACE / "data" / "value.yml"
NAIVE, PARTS, TREES = "last year again", "by its parts", "boosted trees"
REALISED, FORETOLD = ("deposits", "lending", "fees", "cost"), ("contracts", "services", "purchases")
ROOMS = ("bank", "features", "learning", "topics")
"""Whose code what is kept follows from."""
_QUARTER, _MONTHS = 92, 12
_SURELY_GONE = 1e-3
_FORGOTTEN = np.sqrt(13 * 25 / (6 * 12))
"""Standard deviation of the mean of twelve months of a random walk, over that of its step."""


@dataclass(frozen=True)
class ValueRules:
    """What finance decides."""

    owner: str
    discount: float
    acquisition: float
    at_risk: int


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

    def computed() -> pd.DataFrame:
        spine = spine_of(snapshot, days)
        year, quarter = (
            margin(snapshot, spine, length).to_pandas().set_index(list(KEYS)) for length in (YEAR, _QUARTER)
        )
        return year.join((quarter * (YEAR / _QUARTER)).add_suffix("_now")).reset_index()

    found = kept(
        snapshot, "margin of the year and of the quarter", days, computed, _margin_rules(snapshot.source.currency)
    )
    found = found.assign(day=pd.to_datetime(found["day"]).dt.date)
    return {day: found[found["day"] == day].drop(columns="day").set_index("customer_id").sort_index() for day in days}


def bought(snapshot: Snapshot, day: datetime.date) -> Foretold:
    """Sum up what customers bought in the year before a day, and in the year after it as far as it is known."""

    def computed() -> pd.DataFrame:
        start, end = day - datetime.timedelta(days=YEAR - 1), day + datetime.timedelta(days=YEAR)
        return seen(purchases(snapshot), start, day, end).reset_index()

    return Foretold(
        kept(
            snapshot, "purchases of a year", [day], computed, _margin_rules(snapshot.source.currency), ROOMS
        ).set_index("customer_id"),
        YEAR,
    )


def tracked(snapshot: Snapshot, then: Foretold, day: datetime.date) -> pd.DataFrame:
    """Set what customers came back for, week by week, against what was foretold on a day; kept."""
    start = day - datetime.timedelta(days=YEAR - 1)

    def computed() -> pd.DataFrame:
        return then.tracked(purchases(snapshot), start, day)

    return kept(snapshot, "purchases by week", [day], computed, None, ROOMS)


@dataclass(frozen=True)
class Worth:
    """What customers are worth on a day: realised, and expected by its parts."""

    day: datetime.date
    table: pd.DataFrame
    """By customer: parts and `margin` of the year before; `contracts_12`, `services_12` and `purchases_12` of the year
    after and with `_36` of three years, discounted, and their sums `expected_12` and `expected_36`; `plain`, the year
    after not discounted; `level`, three years of contracts by one chance to be closed at any age; `alive`, the chance
    to buy again."""


def worth(
    snapshot: Snapshot, day: datetime.date, brought: pd.DataFrame, buys: Foretold | Lacking, discount: float,
    again: pd.Series | Lacking,
) -> Worth:  # fmt: skip
    """Foretell by parts, from what was known on a day; `brought` is of `measured`.

    `again` are chances to buy again within a year at the level of what happened; where they are lacking, the model's.
    Purchases enter with the services of an account where there is no model of them.
    """
    held = contracts(snapshot, day, discount).reindex(brought.index).fillna(0.0)
    table = brought[[*REALISED, "margin"]].copy()
    services = (brought["fees_now"] - brought["cost_now"]).rename("services")
    bought_ = pd.DataFrame(0.0, brought.index, ["plain", "12", "36"])
    table["purchased"] = 0.0
    if not isinstance(buys, Lacking):
        table["purchased"] = buys.seen["earned"].reindex(brought.index).fillna(0.0)
        services = brought["fees"] - brought["cost"] - table["purchased"]
        model = buys.alive().clip(lower=_SURELY_GONE)
        level = 1.0 if isinstance(again, Lacking) else again / buys.again().clip(lower=_SURELY_GONE)
        table["alive"] = (model * level).clip(upper=1.0).reindex(brought.index)
        level = table["alive"] / model
        for name, days, rate in (("plain", YEAR, 0.0), ("12", YEAR, discount), ("36", YEAR * YEARS, discount)):
            earned = buys.expected(days, rate)["earned"].reindex(brought.index)
            bought_[name] = (earned * level).fillna(0.0)
        closed = ~brought.index.isin(_holders(snapshot, day))  # who has no account left has no card
        bought_[closed], table.loc[closed, "alive"] = 0.0, 0.0
    served = [services * held["open"] ** (2 * k + 1) * (1 + discount) ** -(k + 0.5) for k in range(YEARS)]
    for months, years in ((12, 1), (36, YEARS)):
        table[f"contracts_{months}"] = held[[f"year_{k}" for k in range(1, 1 + years)]].sum(axis=1)
        table[f"services_{months}"] = sum(served[:years])
        table[f"purchases_{months}"] = bought_[str(months)]
        table[f"expected_{months}"] = table[[f"{name}_{months}" for name in FORETOLD]].sum(axis=1)
    table["plain"] = held["plain"] + services * held["open"] + bought_["plain"]
    table["level"] = held[[f"level_{k}" for k in range(1, 1 + YEARS)]].sum(axis=1)
    return Worth(day, table)


def _holders(snapshot: Snapshot, day: datetime.date) -> list[str]:
    rows = snapshot.accounts.filter(snapshot.accounts.opened_on <= ibis.literal(day))
    if "closed_on" in rows.columns:
        rows = rows.filter(rows.closed_on.isnull() | (rows.closed_on > ibis.literal(day)))
    return rows.select("customer_id").distinct().to_pandas()["customer_id"].tolist()


def contracts(snapshot: Snapshot, day: datetime.date, discount: float) -> pd.DataFrame:
    """Foretell what accounts earn, as of `contracts.expected`; kept."""

    def computed() -> pd.DataFrame:
        return expected(snapshot, day, lasting(snapshot, day), discount).sort_index().reset_index()

    what = "what accounts are expected to earn"
    found = kept(snapshot, what, [day], computed, (discount, _margin_rules(snapshot.source.currency)), ROOMS)
    return found.set_index("customer_id")


def trees(before: Worth, came: pd.Series, brought: pd.DataFrame, now: Worth, now_brought: pd.DataFrame) -> pd.Series:
    """Foretell by boosted trees what a customer's year differs from the one before, learnt on an earlier year.

    Of the same measures as the parts, and these themselves, known on the day.
    """
    learnt, given = _measures(before, brought), _measures(now, now_brought)
    known = learnt.columns.intersection(given.columns)  # chances to buy again may be known on one of both days
    own = learnt.index.intersection(came.index)
    model = XGBRegressor(
        n_estimators=200, max_depth=4, learning_rate=0.05, subsample=0.8, colsample_bytree=0.8, min_child_weight=20,
        n_jobs=2, random_state=0,
    )  # fmt: skip
    model.fit(learnt.loc[own, known], came[own] - before.table.loc[own, "margin"])
    return pd.Series(model.predict(given[known]).astype(float), given.index) + now.table["margin"]


def _measures(found: Worth, brought: pd.DataFrame) -> pd.DataFrame:
    return brought.join(found.table[[c for c in found.table if c not in brought]]).astype(float)


def unsteadiness(monthly: pd.Series) -> float:
    """Return the standard error of the total of the next twelve months, as a share, from a bank's margin by month.

    The level moves as a random walk, by what it moved from month to month beyond its trend, and the growth that enters
    the forecast was learnt from one year as unsteady as the next will be. An error tells where there is no year of it.
    """
    daily = monthly / monthly.index.days_in_month
    if len(daily) < _MONTHS + 1 or (daily <= 0).any():
        raise BankmineError(
            "a year of months in which the bank earned something is needed to say how sure the total is"
        )
    return float(np.log(daily).diff().std() * _FORGOTTEN * np.sqrt(2))
