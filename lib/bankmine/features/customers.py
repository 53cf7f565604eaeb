"""Customers: all that was known of each on each day of a spine, or some of it, as a query or fetched in order.

Every feature of a row uses only what happened up to the end of its day. The same expression runs on DuckDB and on
Spark. Names read `<measure>_<window>d` and `days_since_<event>`.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection

import ibis
import ibis.expr.types as ir
import pandas as pd

from bankmine.bank.snapshot import Snapshot
from bankmine.features import lifecycle
from bankmine.features.bookings import activity, totals
from bankmine.features.holdings import balances, products
from bankmine.features.service import service
from bankmine.features.spine import KEYS, beside, kept, spine_of

_NOT_KNOWN_WITHOUT_EVENTS = ("_mean_", "_share_", "_regularity_", "days_since_", "deposits", "debts", "age_years")
_OF_LIFECYCLE = {"days_since_own_booking": "quiet_days"}
"""Measures of lifecycle under the names that features have."""
_OF_WINDOW = re.compile(r"(?!deposits|debts).*_\d+d")
PORTRAIT = {
    "tenure_days": "days with the bank", "age_years": "age", "products": "products held", "accounts": "open accounts",
    "inflow_90d": "inflow, 90 days", "outflow_90d": "outflow, 90 days", "transactions_90d": "bookings, 90 days",
    "days_since_outflow": "days since last outflow", "deposits": "deposits", "debts": "debts",
    "salary_90d": "salary and pension, 90 days", "weekend_share_90d": "share of bookings at weekends",
    "night_share_90d": "share of bookings at night",
}  # fmt: skip
"""Features of a portrait -> what they are called in it."""


def features(snapshot: Snapshot, spine: ir.Table | None = None, only: Collection[str] = ()) -> ir.Table:
    """Compute features of each row of a spine, or of all customers on the snapshot's day.

    `only` names the few that are wanted, of bookings only sums, as `inflow_180d`: a fraction of the time of all. What
    the source does not tell is left out. Counts, sums and trends are 0 where nothing happened; means, shares and days
    since an event are null. Amounts are in the source's currency.
    """
    spine = spine_of(snapshot) if spine is None else spine
    people = spine.inner_join(snapshot.customers, "customer_id")
    person = {"tenure_days": people.day.delta(people.joined_on, unit="day")}
    if "birth_date" in people.columns:
        person["age_years"] = (people.day.delta(people.birth_date, unit="day") / 365.25).floor().cast("int64")
    held = spine.inner_join(snapshot.accounts, "customer_id")
    held = held.filter(held.opened_on <= held.day)
    booked = snapshot.transactions, snapshot.accounts.select("account_id", "customer_id"), spine
    sums = [name for name in only if _OF_WINDOW.fullmatch(name)]
    parts = [people.select(*KEYS, **person), products(held)]
    if sums or not only:
        parts.append(totals(*booked, sums) if only else activity(*booked))
    if "balances" in snapshot.tables:
        parts.append(balances(snapshot.balances, held))
    table = beside(spine, parts)
    table = table.select(*KEYS, *(c for c in only if c in table.columns)) if only else table
    counted = [c for c in table.columns if not any(part in c for part in _NOT_KNOWN_WITHOUT_EVENTS)]
    return table.fill_null({c: 0 for c in counted if c not in KEYS})


def all_known(snapshot: Snapshot, spine: ir.Table, keys: pd.DataFrame) -> pd.DataFrame:
    """Fetch features, measures of lifecycle, complaints, visits and contacts, in the order of keys: the spine, fetched.

    Each part is fetched by a query of its own, as one of two hundred columns takes seconds to compile.
    """

    def computed() -> pd.DataFrame:
        taken: list[str] = []
        parts = []
        measures = lifecycle.measures(snapshot, spine).rename(_OF_LIFECYCLE)
        for part in (features(snapshot, spine), measures, service(snapshot, spine)):
            new = [c for c in part.columns if c not in (*KEYS, *taken)]
            parts.append(fetched(part.select(*KEYS, *new), keys))
            taken += new
        return pd.concat(parts, axis=1)

    return kept(snapshot, "all that is known", keys, computed)


def some_known(snapshot: Snapshot, keys: pd.DataFrame, only: Collection[str]) -> pd.DataFrame:
    """Fetch the features named, and complaints, visits and contacts, of keys (`customer_id`, `day`) in any order.

    Keys may come twice; the index of the rows is theirs. A fraction of the time of `all_known`.
    """
    wanted = keys[list(KEYS)].drop_duplicates().sort_values(list(KEYS), ignore_index=True)

    def computed() -> pd.DataFrame:
        spine = ibis.memtable(wanted.assign(day=wanted["day"].dt.date))
        spine = spine.select("customer_id", day=spine.day.cast("date"))
        parts = features(snapshot, spine, only), service(snapshot, spine)
        return pd.concat([fetched(part, wanted) for part in parts], axis=1)

    found = kept(snapshot, "some that is known", wanted, computed, tuple(only))
    found = found.set_axis(pd.MultiIndex.from_frame(wanted))
    return found.loc[pd.MultiIndex.from_frame(keys[list(KEYS)])].set_axis(keys.index)


def fetched(part: ir.Table, keys: pd.DataFrame) -> pd.DataFrame:
    """Fetch the columns of a table in the order of keys: `customer_id`, and `day` if the table has it."""
    rows = part.to_pyarrow().to_pandas(date_as_object=False)
    if "day" in keys:
        rows = rows.assign(day=rows.day.astype(keys.day.dtype))
    found = keys.merge(rows, on=list(keys.columns), how="left").drop(columns=list(keys.columns))
    return found.set_axis(keys.index)


def customer_tables(snapshot: Snapshot, days: list[datetime.date]) -> dict[datetime.date, pd.DataFrame]:
    """Compute features of all customers on several days in one query, with what the bank knows of the person.

    A table a day, indexed by customer; empty for a day before the first customer joined.
    """
    person = snapshot.customers.to_pandas()
    found = kept(snapshot, "features", days, lambda: features(snapshot, spine_of(snapshot, days)).to_pandas())
    known = pd.to_datetime(found["day"])
    # day by day: a large bank's customers of all days are never held twice
    return {day: _with_person(found[known == pd.Timestamp(day)], person) for day in days}


def _with_person(rows: pd.DataFrame, person: pd.DataFrame) -> pd.DataFrame:
    return rows.merge(person, on="customer_id", how="left").sort_values("customer_id").set_index("customer_id")
