"""Features: what was known of each customer on each day of a spine, as one query.

A spine is a table of (customer, day) rows; every feature of a row uses only what happened up to the end of its
day. The same expression runs on DuckDB and on Spark. Names read `<measure>_<window>d` and `days_since_<event>`.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.bookings import activity
from bankmine.features.holdings import balances, person, products
from bankmine.features.spine import KEYS, beside

_NOT_KNOWN_WITHOUT_EVENTS = ("_mean_", "_share_", "_regularity_", "days_since_", "deposits", "debts", "age_years")


def spine_of(snapshot: Snapshot, days: Sequence[datetime.date] = ()) -> ir.Table:
    """Pair every customer known on a day with that day.

    Parameters
    ----------
    snapshot : Snapshot
        What is known.
    days : sequence of datetime.date
        Days up to the snapshot's own, which is the default.

    Returns
    -------
    ir.Table
        `customer_id`, `day`.
    """
    days = list(days) or [snapshot.as_of]
    if late := [d for d in days if d > snapshot.as_of]:
        raise BankmineError(f"The snapshot knows nothing after {snapshot.as_of}: take {late[0]} out of the spine.")
    each = ibis.array([ibis.literal(d) for d in days]).unnest()
    pairs = snapshot.customers.select("customer_id", "joined_on", day=each)
    return pairs.filter(pairs.joined_on <= pairs.day).select(*KEYS)


def features(snapshot: Snapshot, spine: ir.Table | None = None) -> ir.Table:
    """Compute all features of each row of a spine.

    Parameters
    ----------
    snapshot : Snapshot
        What is known.
    spine : ir.Table, optional
        `customer_id`, `day`; all customers on the snapshot's day where it is not given.

    Returns
    -------
    ir.Table
        One row a spine row. Counts, sums and trends are 0 where nothing happened; means, shares and days since an
        event are null. Amounts are in the source's currency.
    """
    spine = spine_of(snapshot) if spine is None else spine
    held = spine.inner_join(snapshot.accounts, "customer_id")
    held = held.filter(held.opened_on <= held.day)
    parts = [
        person(snapshot.customers, spine),
        products(held),
        activity(snapshot.transactions, snapshot.accounts.select("account_id", "customer_id"), spine),
    ]
    if "balances" in snapshot.tables:
        parts.append(balances(snapshot.balances, held))
    table = beside(spine, parts)
    return table.fill_null({c: 0 for c in table.columns if c not in KEYS and not _stays_null(c)})


def _stays_null(name: str) -> bool:
    return any(part in name for part in _NOT_KNOWN_WITHOUT_EVENTS)
