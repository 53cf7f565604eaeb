"""Population: how many customers there are in each sense of the word, counted once and named the same on all pages.

The words and their rules are the register `data/states.yml`.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ibis
import numpy as np
import pandas as pd

from bankmine.bank.ruled import Expression, Ruled, condition, holds
from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError, one_line
from bankmine.features import lifecycle
from bankmine.features.bookings import own_outflows
from bankmine.registers import entries, read_yaml
from bankmine.workspace import WORKSPACE

REGISTRY, STATES = WORKSPACE / "data" / "segments.yml", WORKSPACE / "data" / "states.yml"
PRESENT_DAYS, PRESENT_BOOKINGS = 30, 3
"""Who is present moved money so many days ago at most, and so often."""
LOST = "lost"
ALL, WITH_ACCOUNT, WITHOUT, LOST_OPEN, NOT_LOST = (
    "all customers", "with an account", "without an account", "lost, account open", "not lost",
)  # fmt: skip
MEASURES = ["active", "present", "silent"]
STATE, _EVENT = "state", "event"
_DAYS_A_MONTH = 365.25 / 12


@dataclass(frozen=True)
class State(Ruled):
    """A word for what a customer is on a day: its names, what it means, who is it, and which page acts on it."""

    id: str
    name: str
    name_zh: str
    kind: str
    definition: str
    rule: str
    page: str


def load_states(file: Path = STATES) -> list[State]:
    """Read the words, in their order."""
    return entries(_section(file, "states"), State, file, "states")


def load_win_back(file: Path = STATES) -> dict[str, object]:
    """Read who answers for winning back whom is lost (`owner`), and how many calls there are hands for."""
    told = _section(file, "win_back")
    if not isinstance(told, dict) or not isinstance(calls := told.get("calls_a_month"), int) or calls < 0:
        raise BankmineError(f"{file}: win_back needs an owner and calls_a_month, a whole number from 0.")
    return told


def _section(file: Path, name: str) -> object:
    told = read_yaml(file)
    if not isinstance(told, dict) or name not in told:
        raise BankmineError(f"{file} is not a register of states: it has no {name}.")
    return told[name]


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
    """Tell of each customer of a day, given their features, what the customer is: a column a word but for events.

    An error tells if the rules of states do not put each customer into exactly one.
    """
    stage = lifecycle.stages(snapshot, [day]).set_index("customer_id")["stage"].reindex(customers.index)
    own = own_outflows(snapshot.transactions)
    since = ibis.literal(day - datetime.timedelta(days=PRESENT_DAYS))
    own = own.filter(own.date > since, own.date <= ibis.literal(day))
    owners = snapshot.accounts.select("account_id", "customer_id")
    moved = own.inner_join(owners, "account_id").group_by("customer_id").agg(bookings=ibis._.count()).to_pandas()
    often = moved.set_index("customer_id")["bookings"].reindex(customers.index, fill_value=0) >= PRESENT_BOOKINGS
    present = (customers["accounts"] > 0) & often
    known = customers.assign(stage=stage.astype(object), active=is_active(customers, load_active()), present=present)
    words = [word for word in load_states() if word.kind != _EVENT]
    told = holds({word.name: word.parsed for word in words}, known)
    if (told[[word.name for word in words if word.kind == STATE]].sum(axis=1) != 1).any():
        raise BankmineError(f"{STATES}: the rules of states must put each customer into exactly one of them.")
    return told


def states(told: pd.DataFrame) -> pd.DataFrame:
    """Count a `population` by word: `customers`, `share` of all, how many of them are by each measure, and meaning.

    Of events, which are not counted on the day, there is the meaning alone.
    """
    words = load_states()
    counted = [word.name for word in words if word.name in told]
    by = pd.DataFrame({name: told.loc[told[name], MEASURES].sum() for name in counted}).T.astype("Int64")
    table = pd.DataFrame({"customers": told[counted].sum().astype("Int64")}).join(by)
    table.insert(1, "share", table["customers"].astype(float) / max(len(told), 1))
    table = table.reindex([word.name for word in words]).rename_axis("customers who are")
    meaning = {name: [getattr(word, name) for word in words] for name in ("kind", "name_zh", "definition", "page")}
    told = {stage.id: stage.definition for stage in lifecycle.load_stages()} | {"active": load_active().definition}
    meaning["definition"] = [_filled(text, told) for text in meaning["definition"]]
    return table.assign(**meaning)


def _filled(text: str, told: dict[str, str]) -> str:
    """Put what other registers tell into a definition that names them, as `{lost}`."""
    for id, definition in told.items():
        text = text.replace(f"{{{id}}}", definition)
    return text


def waterfall(counts: pd.DataFrame) -> pd.DataFrame:
    """Return of `states` all customers, and the states that these add up from, with their measures."""
    rows = [ALL, *counts.index[counts["kind"] == STATE]]
    return counts.loc[rows, ["customers", "share", *MEASURES, "definition"]]


def history(snapshot: Snapshot, days: Sequence[datetime.date]) -> pd.DataFrame:
    """Say of each customer (rows) on each day who was not lost, lost with an account open, or without an account."""
    found = lifecycle.stages(snapshot, days)
    lost = found["stage"].eq(LOST)
    word = np.select([found["accounts"].eq(0), lost], [WITHOUT, LOST_OPEN], NOT_LOST)
    table = found.assign(word=word).pivot_table(index="customer_id", columns="day", values="word", aggfunc="first")
    return table.set_axis(table.columns.date, axis=1)
