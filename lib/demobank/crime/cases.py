"""Cases: bookings that belong together because one plan is behind them, be it laundering or something innocent.

Each booking of a case knows its typology, the case's number and the role of the customer booked on; the table of truth
is made of these. Nothing of this shows in the table of transactions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from demobank.arrow import words
from demobank.books.accounts import Accounts
from demobank.books.bookings import CURRENT, NONE, book, code, to_cents
from demobank.books.devices import PHONE
from demobank.books.dues import FRIENDS, PERSONS
from demobank.books.peers import both_sides, present
from demobank.customers.habits import Habits
from demobank.customers.world import World

TYPOLOGIES = (
    "structuring", "fan_in", "fan_out", "cycle", "mule",
    "innocent_cash", "innocent_payroll", "innocent_tuition", "innocent_collection", "innocent_club",
)  # fmt: skip
"""Kinds of laundering, and what is done in innocence and looks like each of them."""
ROLES = (
    "depositor", "collector", "sender", "distributor", "recipient", "member", "mule",
    "shop", "employer", "staff", "school", "family", "host", "organiser",
)  # fmt: skip
LIMIT = 50_000
"""Yuan in cash on one day from which banks in China report (People's Bank of China, order 2016 no. 3)."""
HOUR = 3600
DAY = 86_400


@dataclass(frozen=True)
class Town:
    """The customers of a block among whom cases happen."""

    world: World
    accounts: Accounts
    habits: Habits
    ring: np.ndarray
    """Customers in the order in which they know each other."""


@dataclass(frozen=True)
class Case:
    """One case; its methods return the case's bookings. Times are seconds since the window's start."""

    town: Town
    typology: str
    number: int

    def between(
        self, sender: np.ndarray, receiver: np.ndarray, time: np.ndarray, yuan: np.ndarray, roles: tuple[str, str]
    ) -> np.ndarray:
        """Book payments between customers at both ends, with the roles of sender and receiver."""
        rows = self._book(
            sender, time, yuan, out=True, kind="transfer", channel="mobile", device=PHONE, own=CURRENT, peer=receiver
        )
        rows = both_sides(self.town.world, self.town.accounts, rows)
        rows["role"] = np.where(rows["out"], *(ROLES.index(role) for role in roles))
        return rows

    def outside(
        self, customer: np.ndarray, time: np.ndarray, yuan: np.ndarray, role: str, *, payee: np.ndarray | int,
        out: bool, kind: str = "transfer", channel: str = "mobile",
    ) -> np.ndarray:  # fmt: skip
        """Book payments between a customer and somebody at another bank."""
        device = PHONE if out and channel == "mobile" else NONE
        return self._book(
            customer, time, yuan, out=out, kind=kind, channel=channel, payee=payee, device=device,
            role=ROLES.index(role),
        )  # fmt: skip

    def cash(
        self, customer: np.ndarray | int, time: np.ndarray, yuan: np.ndarray, role: str, *, out: bool, atm: np.ndarray
    ) -> np.ndarray:
        """Book cash, at a machine where `atm` says so or the counter is closed."""
        hour = np.asarray(time) % DAY / HOUR
        channel = np.where(atm | (hour < 9) | (hour >= 17), code("channel", "atm"), code("channel", "branch"))
        return self._book(
            customer, time, yuan, out=out, kind="cash", category="cash", channel=channel, role=ROLES.index(role)
        )

    def _book(
        self, customer: np.ndarray | int, time: np.ndarray, yuan: np.ndarray, category: str = "transfer",
        **columns: np.ndarray | int | str | bool,
    ) -> np.ndarray:  # fmt: skip
        world = self.town.world
        customer, time, yuan = np.broadcast_arrays(customer, np.asarray(time, dtype=np.int64), yuan)
        rows = book(
            customer, product=CURRENT, day=time // DAY, second=np.maximum(time % DAY, 1), cents=to_cents(yuan),
            category=category, typology=TYPOLOGIES.index(self.typology), case=self.number, **columns,
        )  # fmt: skip
        rows = rows[(time >= 0) & (time < world.calendar.length * DAY) & (yuan > 0)]
        return rows[present(world, self.town.accounts, rows["customer"], rows["day"])]


def times(rng: np.random.Generator, expected: float) -> int:
    """Draw how often something happens in a block: `expected` on average, and hardly more or less."""
    return int(expected + rng.random())


def strangers(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw accounts of persons at other banks."""
    return FRIENDS + rng.integers(0, PERSONS, size)


def by_day(rng: np.random.Generator, day: np.ndarray) -> np.ndarray:
    """Return a time between 9:00 and 20:00 on each day."""
    day = np.asarray(day, dtype=np.int64)
    return day * DAY + rng.integers(9 * HOUR, 20 * HOUR, day.shape)


def parts(rng: np.random.Generator, total: float, size: int) -> np.ndarray:
    """Split an amount into uneven parts of whole tens."""
    shares = rng.dirichlet(np.full(size, 6.0))
    return np.round(total * shares, -1)


def truth_of_cases(ids: pa.Array, rows: np.ndarray) -> pa.Table:
    """Return the bookings of all cases with their ids, one row each."""
    return pa.table(
        {
            "transaction_id": ids,
            "typology": words(rows["typology"], TYPOLOGIES),
            "case": pa.array(rows["case"], pa.int64()),
            "role": words(rows["role"], ROLES),
            "laundering": pa.array(rows["typology"] < TYPOLOGIES.index("innocent_cash")),
        }
    )
