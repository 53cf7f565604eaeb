"""Population: how many customers there are in each sense of the word, counted once and named the same on all pages."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

import ibis
import pandas as pd

from bankmine.bank.registers import read_yaml
from bankmine.bank.ruled import Expression, Ruled, condition, holds
from bankmine.bank.snapshot import Snapshot
from bankmine.bank.sources import WORKSPACE
from bankmine.errors import BankmineError, one_line
from bankmine.features import lifecycle
from bankmine.features.bookings import own_outflows

REGISTRY = WORKSPACE / "data" / "segments.yml"
PRESENT_DAYS, PRESENT_BOOKINGS = 30, 3
"""Who is present moved money so many days ago at most, and so often."""
LOST, ALL, WITH_ACCOUNT = "lost", "all customers", "with an account"
LEFT_OUT = {
    WITH_ACCOUNT: "without an account", "active": "set apart as inactive", "not lost": "lost",
    "present": "not present",
}  # fmt: skip
"""What a customer can be, each in all but few customers a part of the one before -> what all others are called."""
MEANINGS = {
    WITH_ACCOUNT: "An account is open", "not lost": "Whose stage of life is not `lost` (data/lifecycle.yml)",
    "present": f"Moved money {PRESENT_BOOKINGS} times in {PRESENT_DAYS} days, with an account open: judged for leaving",
}  # fmt: skip
_DAYS_A_MONTH = 365.25 / 12


@dataclass(frozen=True)
class Active(Ruled):
    """Whom segments are formed of: a rule with its definition and owner."""

    definition: str
    rule: str
    owner: str

    def read(self) -> Expression:
        """Read who is active."""
        return condition(self.rule, f"{REGISTRY.name}, who is active")


def load_active(file: Path = REGISTRY) -> Active:
    """Read who is active."""
    try:
        return Active(**read_yaml(file)["active"])
    except (TypeError, KeyError) as error:
        raise BankmineError(f"{file} is not a registry of segments: {one_line(error)}") from None


def is_active(customers: pd.DataFrame, rule: Active) -> pd.Series:
    """Tell of each customer whether the rule of the registry holds; columns that are not there count as nothing."""
    needs = rule.parsed.columns - {"months"}
    known = customers.reindex(columns=sorted(needs)).fillna(0).assign(months=months_known(customers))
    return holds({"active": rule.parsed}, known)["active"]


def months_known(customers: pd.DataFrame) -> pd.Series:
    """Return the part of the last year in which each customer was known, in months: one at least."""
    return customers["tenure_days"].clip(30, 365) / _DAYS_A_MONTH


def population(snapshot: Snapshot, day: datetime.date, customers: pd.DataFrame) -> pd.DataFrame:
    """Tell of each customer of a day, given their features, what the customer is: a column for each of `LEFT_OUT`."""
    stage = lifecycle.stages(snapshot, [day]).set_index("customer_id")["stage"].reindex(customers.index)
    own = own_outflows(snapshot.transactions)
    since = ibis.literal(day - datetime.timedelta(days=PRESENT_DAYS))
    own = own.filter(own.date > since, own.date <= ibis.literal(day))
    owners = snapshot.accounts.select("account_id", "customer_id")
    moved = own.inner_join(owners, "account_id").group_by("customer_id").agg(bookings=ibis._.count()).to_pandas()
    often = moved.set_index("customer_id")["bookings"].reindex(customers.index, fill_value=0) >= PRESENT_BOOKINGS
    holding = customers["accounts"] > 0
    told = [holding, is_active(customers, load_active()), stage != LOST, holding & often]
    return pd.DataFrame(dict(zip(LEFT_OUT, told, strict=True)), dtype=bool)


def waterfall(told: pd.DataFrame) -> pd.DataFrame:
    """Count a `population`, by what a customer is: `customers`, `share` of all, and how many are what else."""
    counts = told.sum()
    table = pd.DataFrame({"customers": [len(told), *counts]}, pd.Index([ALL, *LEFT_OUT], name="customers who are"))
    table["share"] = table["customers"] / max(len(told), 1)
    table["others"] = len(told) - table["customers"]
    table["others are"] = ["", *LEFT_OUT.values()]
    meanings = MEANINGS | {"active": f"{load_active().definition}: sorted into segments"}
    table["meaning"] = ["Known to the bank on the day", *(meanings[name] for name in LEFT_OUT)]
    return table
