"""Lifecycle: where in their life with the bank customers are, by the rules of `data/lifecycle.yml`.

The rules need few measures, so that two years of month ends take seconds where all features would take minutes.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from ibis import _

from bankmine.bank.ruled import Ruled, holds, read_rules
from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.bookings import own_outflows
from bankmine.features.holdings import deposits_on
from bankmine.features.spine import KEYS, beside, by_period, kept, spine_of
from bankmine.workspace import WORKSPACE

REGISTRY = WORKSPACE / "data" / "lifecycle.yml"
RECENT, GAP, YEAR = 60, 90, 365
"""Days: bookings of the recent ones are set against those from the gap to a year back."""
LEAST_HISTORY = 30
"""Days before the gap without which it is not known what is usual."""
UNSTEADINESS = 0.2
"""How far a steady customer's count varies beyond a Poisson one, as a fraction of its mean."""
_ALL = "True"


@dataclass(frozen=True)
class Stage(Ruled):
    """One stage: its names, what it means, the rule that gives it, and who answers for that."""

    id: str
    name: str
    name_zh: str
    definition: str
    rule: str
    owner: str


def load_stages(file: Path = REGISTRY) -> list[Stage]:
    """Read the stages in the order in which their rules are tried; the last rule must be `True`."""
    stages = read_rules(file, Stage, "stages")
    if stages[-1].rule != _ALL:
        raise BankmineError(f'{file}: the last stage takes all customers that are left: give it the rule "{_ALL}".')
    return stages


def assign(rules: list[Stage], measures: pd.DataFrame) -> pd.Series:
    """Give each row the first stage whose rule holds; a categorical in the order of the rules."""
    held = holds({stage.id: stage.parsed for stage in rules}, measures)
    first = np.argmax(held.to_numpy(), axis=1) if len(measures) else []
    codes = pd.Categorical.from_codes(first, categories=[s.id for s in rules])
    return pd.Series(codes, index=measures.index, name="stage")


def stages(snapshot: Snapshot, days: Sequence[datetime.date] = ()) -> pd.DataFrame:
    """Say in which stage of life each customer was on each day, once the customer was known.

    Sorted: `customer_id`, `day` (timestamp), `stage` and the measures of the rules. Month ends suit balances best.
    """
    days = list(days) or [snapshot.as_of]
    found = kept(snapshot, "lifecycle", days, lambda: measures(snapshot, spine_of(snapshot, days)).to_pandas())
    found = found.assign(day=pd.to_datetime(found["day"])).sort_values(list(KEYS)).reset_index(drop=True)
    found.insert(len(KEYS), "stage", assign(load_stages(), found))
    return found


def measures(snapshot: Snapshot, spine: ir.Table) -> ir.Table:
    """Compute, a row a spine row, what the rules of stages use; `data/lifecycle.yml` says what each is.

    What the season changed for all is taken from the customers of the spine, so that it should hold all of a day, or a
    fair sample. What is not known is null, as usual bookings of new customers and deposits of those who have none.
    """
    table = spine.inner_join(snapshot.customers.select("customer_id", "joined_on"), "customer_id")
    table = table.select(*KEYS, tenure_days=table.day.delta(table.joined_on, unit="day"))
    held = spine.inner_join(snapshot.accounts, "customer_id")
    held = held.filter(held.opened_on <= held.day)
    a_year_ago = held.day - ibis.interval(days=YEAR)
    closed = held.closed_on if "closed_on" in held.columns else ibis.null("date")
    now, then = closed.isnull() | (closed > held.day), closed.isnull() | (closed > a_year_ago)
    holdings = held.group_by(*KEYS).agg(
        accounts=now.sum(),
        products=held["product"].nunique(where=now),
        products_year_ago=held["product"].nunique(where=then & (held.opened_on <= a_year_ago)),
    )
    owners = snapshot.accounts.select("account_id", "customer_id")
    own = own_outflows(snapshot.transactions).inner_join(owners, "account_id")
    sums = {"count": ibis._.count(), "first": ibis._.date.min(), "last": ibis._.date.max()}
    periods = by_period(own, spine, (0, RECENT, GAP, YEAR), sums)
    bookings = periods.group_by(*KEYS).agg(
        own_bookings_60d=periods["count"].sum(where=periods.age < RECENT),
        own_bookings_365d=periods["count"].sum(),
        before=periods["count"].sum(where=periods.age >= GAP),
        first=periods["first"].min(),
        last=periods["last"].max(),
    )
    table = beside(table, [holdings, bookings])
    counts = ("accounts", "products", "products_year_ago", "own_bookings_60d", "own_bookings_365d", "before")
    compared = _compared(table.fill_null(dict.fromkeys(counts, 0)))
    return deposits_on(snapshot, compared, deposits=_.day, deposits_year_ago=_.day - ibis.interval(days=YEAR))


def _compared(t: ir.Table) -> ir.Table:
    """Set recent bookings against usual ones, over as many days as the customer and the bank's data go back."""
    on_the_day = ibis.window(group_by="day")
    # the first booking of any customer: before it the bank's data do not go back
    seen = t.day.delta(t["first"].min().over(on_the_day), unit="day")
    t = t.mutate(observed_days=ibis.least(t.tenure_days, seen, YEAR - 1) + 1)
    days = t.observed_days - GAP
    t = t.mutate(usual=(days >= LEAST_HISTORY).ifelse(t.before * RECENT / days, ibis.null("float64")))
    active = (t.own_bookings_60d > 0) & (t.usual > 0)
    recent, usual = (active.ifelse(x, 0).sum().over(on_the_day) for x in (t.own_bookings_60d, t.usual))
    t = t.mutate(usual_bookings_60d=t.usual * (recent / usual.nullif(0)))
    usual = t.usual_bookings_60d
    # variance of a negative binomial count (NB2; Cameron and Trivedi, Regression Analysis of Count Data, 2013, 3.3)
    deviation = (usual + (UNSTEADINESS * usual) ** 2).sqrt().nullif(0)
    quiet = t.day.delta(t["last"], unit="day").fill_null(t.observed_days)
    return t.mutate(
        change_60d=t.own_bookings_60d / usual.nullif(0) - 1,
        surprise_60d=(t.own_bookings_60d - usual) / deviation,
        quiet_days=quiet,
    ).drop("usual", "before", "first", "last")
