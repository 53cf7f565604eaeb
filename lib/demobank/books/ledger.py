"""The ledger: books the known flows month by month, and what customers and the bank do in answer to the balances.

Every change of a balance is a booking, and every booking changes a balance, in whole cents. So balances reconcile
with flows by construction. The mechanisms that answer to balances are in `settlement`.
"""

from __future__ import annotations

import numpy as np

from bankmine.bank.contract import DEBTS, DEPOSITS, PRODUCTS
from demobank.books.accounts import Accounts
from demobank.books.bookings import NONE, book, moment, signed
from demobank.customers.world import World

CARRIED = np.array([product in DEPOSITS + DEBTS for product in PRODUCTS])
"""Products with a balance; funds and policies are valued elsewhere."""


class Ledger:
    """Balances of a block in cents, shape (customers, products), and all bookings so far."""

    def __init__(self, world: World, accounts: Accounts, opening: np.ndarray, known: np.ndarray) -> None:
        self.world = world
        self.accounts = accounts
        self.balance = opening.copy()
        self._parts = [known]
        self._net = _net_by_month(world, known)
        self.booked = np.zeros(opening.shape, dtype=bool)
        """Accounts with at least one booking, shape (customers, products)."""
        self.booked[known["customer"], known["product"]] = True
        self.month_ends = np.zeros((*opening.shape, world.calendar.months), dtype=np.int64)

    def begin(self, month: int) -> None:
        """Book the known flows of a month."""
        self.balance += self._net[:, :, month]

    def end(self, month: int) -> None:
        """Keep the balances at the end of a month."""
        self.month_ends[:, :, month] = self.balance

    def bookings(self) -> np.ndarray:
        """Return all bookings, in order of customer and time."""
        rows = np.concatenate(self._parts)
        return rows[np.argsort(moment(rows), kind="stable")]

    def post(self, product: int, cents: np.ndarray, *, out: bool, **columns: np.ndarray | int | str) -> None:
        """Book on one account of each customer; `cents` (customers,) is zero where nothing is booked.

        Columns with one value a customer are cut to those who book.
        """
        customer = np.flatnonzero(cents > 0)
        columns = {name: value[customer] if isinstance(value, np.ndarray) else value for name, value in columns.items()}
        self._parts.append(book(customer, product=product, cents=cents[customer], out=out, **columns))
        self.booked[customer, product] = True
        self.balance[customer, product] += -cents[customer] if out else cents[customer]

    def move(self, source: int, target: int, cents: np.ndarray, **columns: np.ndarray | int | str) -> None:
        """Book a transfer between two accounts of the same customer, on both."""
        self.post(source, cents, out=True, own=target, payee=NONE, **columns)
        self.post(target, cents, out=False, own=source, payee=NONE, **columns)


def _net_by_month(world: World, rows: np.ndarray) -> np.ndarray:
    """Sum signed cents by customer, product and month; sums stay below 2**53, where floats are exact."""
    shape = (len(world), len(PRODUCTS), world.calendar.months)
    cell = np.ravel_multi_index((rows["customer"], rows["product"], world.calendar.month[rows["day"]]), shape)
    sums = np.bincount(cell, weights=signed(rows).astype(np.float64), minlength=int(np.prod(shape)))
    return sums.astype(np.int64).reshape(shape)
