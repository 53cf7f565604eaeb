"""Planted defects: what is wrong with the data, on purpose, and the catalogue that says so.

Rows that a checker must refuse are added and never replace good ones, so that what is left still reconciles. Each
kind has a small share of the rows; sources of error are those that banks report: files delivered twice, signs and
dates mangled in transfer, master data that lags behind, a branch system that was down, fields left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from bankmine.bank.contract import CHANNELS
from demobank.arrow import dates, keys, words
from demobank.books.accounts import PER_CUSTOMER, Accounts
from demobank.books.bookings import RULES, UNKNOWN_ACCOUNT, moment
from demobank.customers.lifecycle import NEVER
from demobank.customers.people import MISSING, SPARSE_REGION
from demobank.customers.world import REGIONS, World
from demobank.seasons import Calendar
from demobank.streams import Streams

SHARES = {
    "duplicate_key": 0.001, "not_positive": 0.0005, "in_future": 0.0005, "before_parent": 0.0005,
    "unknown_parent": 0.0005, "unreconciled": 0.001, "unknown_value": 0.002, "wrong_type": 0.003,
}  # fmt: skip
"""Share of the rows of a table that each kind of defect takes."""
DEVICES_LOST = 0.3
"""Share of device numbers missing in one month."""
_DETAIL = {
    "duplicate_key": "row delivered twice",
    "not_positive": "amount of zero or less",
    "in_future": "booked after the extract",
    "before_parent": "booked before the account was opened",
    "unknown_parent": "no such account",
}
_NO_PRODUCTS = ("gold", "wealth_plan", "curent")
_NO_DAYS = ("-02-30", "-04-31", "-13-05")


@dataclass(frozen=True)
class Incidents:
    """What went wrong once for the whole bank; days and months count from the window's first."""

    region: int
    monday: int
    device_month: int
    app_day: int
    """Day on which the app was down."""


def draw_incidents(calendar: Calendar, streams: Streams) -> Incidents:
    """Choose the region and week without card terminals, well away from New Year, and when devices and app failed."""
    rng = streams.common("defects/incidents")
    mondays = np.flatnonzero(calendar.weekday[:-6] == 0)
    ordinary = mondays[np.abs(calendar.from_new_year[mondays]) > 21]
    choice = ordinary if len(ordinary) else mondays
    region, monday, device_month = rng.integers(4), rng.choice(choice), rng.integers(calendar.months)
    return Incidents(int(region), int(monday), int(device_month), int(rng.integers(calendar.length)))


def lose(incidents: Incidents, world: World, rows: np.ndarray, streams: Streams) -> np.ndarray:
    """Return `rows` without those of the outage, and without some of the device numbers.

    Lost before balances are computed: the volume shows the outage, the balances do not.
    """
    week = (rows["day"] >= incidents.monday) & (rows["day"] < incidents.monday + 7)
    there = world.region[rows["customer"]] == incidents.region
    rows = rows[~(week & there & (rows["channel"] == CHANNELS.index("pos")))]
    forgotten = streams("defects/devices").random(len(rows)) < DEVICES_LOST
    rows["device"][forgotten & (world.calendar.month[rows["day"]] == incidents.device_month)] = -1
    return rows


def spoil_bookings(world: World, accounts: Accounts, rows: np.ndarray, streams: Streams) -> np.ndarray:
    """Return numbered `rows` with bad ones among them, marked in `rule`, in order of customer and time."""
    rng = streams("defects/transactions")
    opened, closed = (days[rows["customer"], rows["product"]] for days in (accounts.opened, accounts.closed))
    any_row = np.ones(len(rows), dtype=bool)
    negative = _copies(rng, rows, any_row, "not_positive")
    negative["cents"] *= -rng.integers(0, 2, len(negative))
    future = _copies(rng, rows, closed == NEVER, "in_future")
    future["day"] = world.calendar.length - 1 + rng.integers(1, 400, len(future))
    early = _copies(rng, rows, opened > 60, "before_parent")
    early["day"] = accounts.opened[early["customer"], early["product"]] - rng.integers(1, 60, len(early))
    orphan = _copies(rng, rows, any_row, "unknown_parent")
    orphan["product"] = UNKNOWN_ACCOUNT
    extra = _numbered_after(rows, np.concatenate([negative, future, early, orphan]))
    twice = _copies(rng, rows, any_row, "duplicate_key")
    added = np.concatenate([extra, twice])
    added = added[np.argsort(moment(added), kind="stable")]
    return np.insert(rows, np.searchsorted(moment(rows), moment(added), side="right"), added)


def _copies(rng: np.random.Generator, rows: np.ndarray, eligible: np.ndarray, rule: str) -> np.ndarray:
    among = np.flatnonzero(eligible)
    number = min(round(SHARES[rule] * len(rows)), len(among))
    copies = rows[rng.choice(among, number, replace=False)]
    copies["rule"] = RULES.index(rule)
    return copies


def _numbered_after(rows: np.ndarray, extra: np.ndarray) -> np.ndarray:
    """Give extra rows the numbers after each customer's last good one, so that good rows keep theirs."""
    extra = extra[np.argsort(extra["customer"], kind="stable")]
    customer = extra["customer"]
    count = np.bincount(rows["customer"], minlength=customer.max(initial=0) + 1)
    extra["number"] = count[customer] + np.arange(len(extra)) - np.searchsorted(customer, customer)
    return extra


def spoil_balances(rows: np.ndarray, booked: np.ndarray, streams: Streams) -> tuple[np.ndarray, np.ndarray]:
    """Put some balances off: at most one an account, none in its first two months, where flows can tell.

    Parameters
    ----------
    rows
        Rows of (customer, product, month, cents), in order of account and month.
    booked
        Whether the account of each row has bookings; a balance without flows cannot be checked.

    Returns
    -------
    The rows, and which of them are off.
    """
    rng = streams("defects/balances")
    account = rows[:, 0] * 100 + rows[:, 1]
    later = np.flatnonzero((account[2:] == account[:-2]) & booked[2:]) + 2
    chosen = np.sort(rng.choice(later, round(SHARES["unreconciled"] * len(rows)) if len(later) else 0, replace=False))
    chosen = chosen[np.unique(account[chosen], return_index=True)[1]]
    rows = rows.copy()
    rows[chosen, 3] += rng.integers(100, 500_000, len(chosen)) * rng.choice([-1, 1], len(chosen))
    off = np.zeros(len(rows), dtype=bool)
    off[chosen] = True
    return rows, off


def spoil_customers(table: pa.Table, streams: Streams) -> tuple[pa.Table, np.ndarray]:
    """Give some customers an impossible birth date; return the table and which rows."""
    rng = streams("defects/customers")
    off = rng.random(len(table)) < SHARES["wrong_type"]
    ending = rng.integers(0, len(_NO_DAYS), len(table))
    real = table["birth_date"].to_pylist()
    born = [day[:4] + _NO_DAYS[e] if bad else day for day, bad, e in zip(real, off, ending, strict=True)]
    return table.set_column(table.schema.get_field_index("birth_date"), "birth_date", pa.array(born)), off


def spoil_accounts(world: World, table: pa.Table, streams: Streams) -> tuple[pa.Table, pa.Table]:
    """Add accounts of products that the bank does not have, without bookings; return the table and the added rows."""
    rng = streams("defects/accounts")
    per_customer = SHARES["unknown_value"] * 3
    customer = np.flatnonzero(rng.random(len(world)) < per_customer)
    product = rng.integers(0, len(_NO_PRODUCTS), len(customer))
    added = pa.table(
        {
            "account_id": keys("A", (world.first + customer) * PER_CUSTOMER + PER_CUSTOMER - 2, 9),
            "customer_id": keys("C", world.first + customer, 7),
            "product": words(product, _NO_PRODUCTS).cast(pa.string()),
            "opened_on": dates(world.calendar, world.joined[customer]),
        }
    )
    plain = table.set_column(2, "product", table["product"].cast(pa.string()))
    return pa.concat_tables([plain, added], promote_options="default"), added


def deliver_twice(table: pa.Table, name: str, streams: Streams) -> tuple[pa.Table, pa.Table]:
    """Repeat some rows of a table whose first column is its key; return the table and the catalogue's entries."""
    again = streams(f"defects/{name}").random(len(table)) < SHARES["duplicate_key"]
    keys_again = table.column(0).filter(pa.array(again)).combine_chunks()
    rows = table.take(pa.array(np.repeat(np.arange(len(table)), 1 + again)))
    return rows, catalogue(name, "duplicate_key", keys_again, _DETAIL["duplicate_key"])


def lose_sessions(incidents: Incidents, calendar: Calendar, events: pa.Table) -> pa.Table:
    """Return the events without those of the app on the day on which it was down."""
    day = pa.scalar((calendar.start + incidents.app_day).astype(object))
    down = pa.compute.equal(events["at"].cast(pa.date32()), day)
    app = pa.compute.equal(events["channel"].cast(pa.string()), "mobile")
    return events.filter(pa.compute.invert(pa.compute.and_(down, app)))


def catalogue(table: str, rule: str, key: list[str] | pa.Array, detail: str) -> pa.Table:
    """Return entries of the catalogue: one a key."""
    size = len(key)
    column = {"table": [table] * size, "rule": [rule] * size, "key": key, "detail": [detail] * size}
    return pa.table(column, schema=pa.schema([(name, pa.string()) for name in column]))


def of_bookings(table: pa.Table, rows: np.ndarray) -> list[pa.Table]:
    """Return the entries of the spoiled bookings `rows`, written as `table`."""
    ids = table["transaction_id"]
    return [
        catalogue("transactions", rule, ids.filter(pa.array(rows["rule"] == number)).combine_chunks(), _DETAIL[rule])
        for number, rule in enumerate(RULES)
    ]


def of_bank(incidents: Incidents, calendar: Calendar) -> list[pa.Table]:
    """Return the entries that concern the whole bank."""
    monday, region = calendar.start + incidents.monday, REGIONS[incidents.region]
    month = calendar.start.astype("datetime64[M]") + incidents.device_month
    outage = f"no rows of pos in {region}, {monday} to {monday + 6}"
    devices = f"{DEVICES_LOST:.0%} of device_id missing in {month}"
    sparse = REGIONS[SPARSE_REGION]
    return [
        catalogue("transactions", "timeliness", [f"{region}/pos/{monday}"], outage),
        catalogue("transactions", "completeness", [f"device_id/{month}"], devices),
        catalogue("events", "timeliness", [f"mobile/{calendar.start + incidents.app_day}"], "no rows of the app"),
        *(
            catalogue(
                "customers", "completeness", [f"{column}/{sparse}"], f"{there:.0%} missing, {other:.0%} elsewhere"
            )
            for column, (there, other) in MISSING.items()
        ),
    ]
