"""The churn sample: what was known of each customer who was present on a day, and whether the customer then left.

Columns of the customers table that the contract does not know have no date: a snapshot of the past may show what was
written into them later. They enter only where `data/churn.yml` says why they cannot know the future.
"""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.datatypes as dt
import pandas as pd

from bankmine.bank.contract import TABLES
from bankmine.bank.snapshot import Snapshot
from bankmine.bank.sources import WORKSPACE
from bankmine.errors import BankmineError
from bankmine.features.customers import all_known, fetched, typed
from bankmine.features.spine import KEYS
from bankmine.learning.columns import ALLOWED, REFUSED, load_columns, uses
from bankmine.learning.sample import Sample

REGISTRY = WORKSPACE / "data" / "churn.yml"
_OF_THE_BANK = ("customer_id", "joined_on", "birth_date")
"""Columns of customers that tell who a customer is, or that features are made of."""


def undated(snapshot: Snapshot) -> pd.DataFrame:
    """List the columns of customers that have no date: `use` by models, `reason` and `owner`, as of `uses`."""
    there = [c for c in snapshot.customers.columns if c not in TABLES["customers"].names]
    return uses(there, load_columns(REGISTRY, (ALLOWED, REFUSED)))


def customer_months(
    snapshot: Snapshot, outcomes: pd.DataFrame, leaking: Sequence[str] = ()
) -> tuple[Sample, pd.Series]:
    """Collect what was known of each customer who was present on a day.

    Parameters
    ----------
    snapshot : Snapshot
        What is known by now; of a row only what was known on its day is used.
    outcomes : pd.DataFrame
        `churn.labels`, fetched; only rows that are `present` are taken.
    leaking : sequence of str
        Columns of customers that are taken although the register refuses them: only to show what a leak does.

    Returns
    -------
    Sample
        Predictors: features, measures of lifecycle (bookings against what is usual), complaints, visits and contacts,
        and the person's attributes. Target: whether the customer left, not a number where that is not known.
    pd.Series
        Beside it, same index: kind of leaving, None for who stayed or is not known. Nothing for a model.

    Raises
    ------
    BankmineError
        If no customer was present, or a column asked for does not exist or cannot be used.
    """
    eligible = outcomes[outcomes.present.astype(bool)]
    if eligible.empty:
        raise BankmineError(
            "No customer is present on these days: lower `bookings`, or look back over more `present` days."
        )
    spine = ibis.memtable(eligible[list(KEYS)].assign(day=pd.to_datetime(eligible.day).dt.date))
    rows = eligible[[*KEYS, "leaves", "kind"]].assign(day=pd.to_datetime(eligible.day))
    rows = rows.sort_values(list(KEYS), ignore_index=True)
    known = all_known(snapshot, spine, rows[list(KEYS)])
    people = snapshot.customers.select("customer_id", *_attributes(snapshot, known.columns, leaking))
    predictors = typed(pd.concat([known, fetched(people, rows[["customer_id"]])], axis=1))
    return Sample(predictors, rows.leaves.astype(float), rows.customer_id, rows.day), rows.kind


def _attributes(snapshot: Snapshot, taken: Sequence[str], leaking: Sequence[str]) -> list[str]:
    """List the columns of customers that enter: those of the contract, and others that the register allows."""
    told, columns = undated(snapshot), snapshot.customers.columns
    if unknown := [c for c in leaking if c not in columns]:
        raise BankmineError(f"Table customers has no column {unknown[0]}: it has {', '.join(columns)}.")
    extra = [c for c in told.index if told.use[c] == ALLOWED or c in leaking]
    if clash := [c for c in extra if c in taken]:
        raise BankmineError(f"Column {clash[0]} of customers is named like a feature: rename it in the source.")
    types = snapshot.customers.schema()
    if wrong := [c for c in extra if not isinstance(types[c], dt.Numeric | dt.Boolean | dt.String)]:
        raise BankmineError(
            f"Column {wrong[0]} of customers is {types[wrong[0]]}: give a number, a truth value or text."
        )
    return [c for c in columns if c in TABLES["customers"].names and c not in _OF_THE_BANK] + extra
