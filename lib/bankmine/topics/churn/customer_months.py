"""The churn sample: what was known of each customer who was present on a day, and whether the customer then left.

Columns of the customers table have no date: a snapshot of the past may show what was written into them later. They
enter only where `data/undated.yml` says why they cannot know the future.
"""

from __future__ import annotations

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import pandas as pd

from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.customers import all_known, fetched
from bankmine.features.spine import KEYS, drawn
from bankmine.learning.columns import ALLOWED, load_undated, uses
from bankmine.learning.sample import Sample

_OF_THE_BANK = ("customer_id", "joined_on", "birth_date")
"""Columns of customers that tell who a customer is, or that features are made of."""


def undated(snapshot: Snapshot) -> pd.DataFrame:
    """List the columns of customers that have no date: `use` by models, `reason` and `owner`, as of `uses`."""
    return uses([c for c in snapshot.customers.columns if c not in _OF_THE_BANK], load_undated())


MOST = 25_000
"""Customers that are learnt from and judged, about: of a larger bank some at random."""


def share_of_panel(outcomes: pd.DataFrame) -> float:
    """Return which part of the customers of the last day is looked at on days before, 1 where they are not too many."""
    return min(1.0, MOST / max((outcomes.day == outcomes.day.max()).sum(), 1))


def customer_months(snapshot: Snapshot, outcomes: pd.DataFrame) -> Sample:
    """Collect what was known of each customer who was present on a day, of `outcomes` from `definition.labels`.

    Predictors are features, measures of lifecycle, complaints, visits and contacts, and the person's attributes. Of a
    large bank a panel of customers is taken, and all of the last day, to be scored.
    """
    eligible, share = outcomes[outcomes.present.astype(bool)], share_of_panel(outcomes)
    newest = eligible.day == outcomes.day.max()
    if share < 1:
        people = snapshot.customers.filter(drawn(snapshot.customers.customer_id, share)).select("customer_id")
        eligible = eligible[newest | eligible.customer_id.isin(people.to_pandas()["customer_id"])]
    if eligible.empty:
        raise BankmineError(
            "No customer is present on these days: lower `bookings`, or look back over more `present` days."
        )
    rows = eligible[[*KEYS, "leaves"]].assign(day=pd.to_datetime(eligible.day))
    rows = rows.sort_values(list(KEYS), ignore_index=True)
    # all customers of one day and some of many: of each the engine adds up those that it needs
    whole = [rows[KEYS[0]].notna()] if share == 1 else [rows.day == rows.day.max(), rows.day < rows.day.max()]
    known = pd.concat([all_known(snapshot, _spine(rows[part]), rows.loc[part, list(KEYS)]) for part in whole])
    known = known.sort_index()
    people = snapshot.customers.select("customer_id", *_attributes(snapshot, known.columns))
    found = pd.concat([known, fetched(people, rows[["customer_id"]])], axis=1)
    objects = [c for c in found.columns if found[c].dtype == object]
    texts = {c for c in objects if found[c].map(type).eq(str).any()}
    # of what is no text, truth values with gaps are objects
    predictors = found.astype({c: "category" if c in texts else float for c in objects})
    return Sample(predictors, rows.leaves.astype(float), rows.customer_id, rows.day)


def _spine(rows: pd.DataFrame) -> ir.Table:
    return ibis.memtable(rows[list(KEYS)].assign(day=rows.day.dt.date))


def _attributes(snapshot: Snapshot, taken: pd.Index) -> list[str]:
    """List the columns of customers that enter, as the register allows."""
    told, types = undated(snapshot), snapshot.customers.schema()
    entering = list(told.index[told.use == ALLOWED])
    if clash := [c for c in entering if c in taken]:
        raise BankmineError(f"Column {clash[0]} of customers is named like a feature: rename it in the source.")
    if wrong := [c for c in entering if not isinstance(types[c], dt.Numeric | dt.Boolean | dt.String)]:
        raise BankmineError(
            f"Column {wrong[0]} of customers is {types[wrong[0]]}: give a number, a truth value or text."
        )
    return entering
