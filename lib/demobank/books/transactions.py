"""The table of transactions: all bookings of a block, numbered and put into words."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from bankmine.bank.contract import CATEGORIES, CHANNELS
from demobank.arrow import keys, timestamps, words, yuan
from demobank.books.accounts import PER_CUSTOMER, Accounts
from demobank.books.bookings import COUNTRIES, KINDS, UNKNOWN_ACCOUNT
from demobank.books.devices import device_ids, identified
from demobank.books.dues import dues
from demobank.books.errands import errands
from demobank.books.income import income
from demobank.books.journeys import travelled
from demobank.books.peers import draw_ring
from demobank.books.purchases import purchases
from demobank.crime.attacks import draw_attacks
from demobank.crime.cases import Town
from demobank.crime.fraud import refused, with_fraud
from demobank.crime.fraud_labels import labels
from demobank.crime.innocents import innocents
from demobank.crime.laundering import laundering
from demobank.customers.habits import Habits
from demobank.customers.ties import Ties
from demobank.customers.world import World
from demobank.streams import Streams

PER_CUSTOMER_BOOKINGS = 100_000
"""Transaction numbers set aside for each customer."""


def known_flows(world: World, ties: Ties, accounts: Accounts, habits: Habits, streams: Streams) -> np.ndarray:
    """Return the bookings that do not depend on balances, on accounts that are open, within the window."""
    ring = draw_ring(ties, streams)
    town = Town(world, accounts, habits, ring)
    rows = np.concatenate(
        [
            income(world, habits, streams),
            dues(world, accounts, habits, ring, streams),
            travelled(world, purchases(world, accounts, habits, streams), streams),
            errands(town, streams),
            innocents(town, streams),
            laundering(town, streams),
        ]
    )
    attacks = draw_attacks(world, accounts, rows, streams)
    stopped = refused(world, attacks, rows, streams)
    rows = rows[accounts.live(rows["customer"], rows["product"], rows["day"]) & ~stopped]
    rows["device"] = identified(world, ring, rows, streams)
    return with_fraud(world, accounts, habits, attacks, rows, streams)


def numbered(rows: np.ndarray) -> np.ndarray:
    """Count each customer's bookings from 0; `rows` are in order of customer and time."""
    customer = rows["customer"]
    first = np.searchsorted(customer, np.arange(customer[-1] + 1 if len(rows) else 0))
    rows["number"] = np.arange(len(rows)) - first[customer]
    return rows


def transactions(world: World, accounts: Accounts, rows: np.ndarray) -> pa.Table:
    """Return bookings as the table of transactions."""
    customer = rows["customer"].astype(np.int64)
    own = rows["own"]
    owner = np.where(rows["peer"] >= 0, rows["peer"], customer)
    other = np.where(own >= 0, accounts.number[owner, np.maximum(own, 0)], rows["payee"])
    return pa.table(
        {
            "transaction_id": transaction_ids(world, rows),
            "account_id": keys("A", _account_number(world, accounts, rows), 9),
            "at": timestamps(world.calendar, rows["day"], rows["second"]),
            "amount": yuan(rows["cents"]),
            "direction": words(rows["out"], ("in", "out")),
            "kind": words(rows["kind"], KINDS),
            "channel": words(rows["channel"], CHANNELS),
            "category": words(rows["category"], CATEGORIES),
            "merchant_id": keys("M", rows["merchant"], 6, rows["merchant"] < 0),
            "counterparty": keys(np.where(own >= 0, b"A", b"X"), other, 9, other < 0),
            "country": words(rows["country"], COUNTRIES),
            "device_id": device_ids(world, rows["device"]),
            **labels(world.calendar, rows),
        }
    )


def transaction_ids(world: World, rows: np.ndarray) -> pa.Array:
    """Write the numbers of bookings as ids."""
    customer = world.first + rows["customer"].astype(np.int64)
    return keys("T", customer * PER_CUSTOMER_BOOKINGS + rows["number"], 12)


def _account_number(world: World, accounts: Accounts, rows: np.ndarray) -> np.ndarray:
    customer, product = rows["customer"], rows["product"]
    unknown = (world.first + customer.astype(np.int64)) * PER_CUSTOMER + PER_CUSTOMER - 1
    known = accounts.number[customer, np.minimum(product, accounts.number.shape[1] - 1)]
    return np.where(product == UNKNOWN_ACCOUNT, unknown, known)
