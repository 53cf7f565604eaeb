"""Balances: what accounts hold when the window opens, and the table of balances at month ends.

Opening balances are log-normal around shares of income: about half a month's pay more in the current account than is
spent, savings from a few months' to a few years' income by wealth, loans as far repaid as their age says.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from bankmine.bank.contract import PRODUCTS
from demobank.arrow import dates, keys, yuan
from demobank.books.accounts import LOANS, Accounts, month_and_day
from demobank.books.bookings import CREDIT_CARD, CURRENT, SAVINGS, TERM_DEPOSIT
from demobank.books.ledger import CARRIED
from demobank.customers.habits import Habits, annuity
from demobank.customers.lifecycle import GONE
from demobank.customers.world import World
from demobank.streams import Streams


def opening_balances(world: World, accounts: Accounts, habits: Habits, streams: Streams) -> np.ndarray:
    """Return balances in cents when the window opens, shape (customers, products); debts are below zero."""
    rng = streams("balances/opening")
    spread = np.exp(rng.standard_normal((len(world), len(PRODUCTS))) * 0.45)
    wealth = np.exp(world.trait("wealth"))
    quiet = np.where(world.life.state[:, 0] == GONE, 0.15, 1.0)
    yuan_held = np.zeros(spread.shape)
    yuan_held[:, CURRENT] = 1.4 * habits.pay * spread[:, CURRENT] * quiet
    yuan_held[:, SAVINGS] = 0.4 * world.income * wealth * spread[:, SAVINGS] * quiet
    yuan_held[:, TERM_DEPOSIT] = np.round(0.6 * world.income * wealth * spread[:, TERM_DEPOSIT], -3) + 10_000
    debt = np.minimum(0.3 * habits.pay * spread[:, CREDIT_CARD], accounts.limit[:, CREDIT_CARD] * 0.006)
    yuan_held[:, CREDIT_CARD] = -debt * quiet
    cents = np.rint(yuan_held * 100).astype(np.int64)
    for product in LOANS:
        cents[:, product] = -_outstanding(world, accounts, product)
    return np.where((accounts.opened < 0) & (accounts.closed >= 0), cents, 0)


def _outstanding(world: World, accounts: Accounts, product: int) -> np.ndarray:
    """Return what is owed on a loan when the window opens, in cents, by the annuity formula."""
    began, _ = month_and_day(world.calendar, accounts.opened[:, product])
    paid = np.clip(-1 - began, 0, accounts.term[:, product])
    monthly = accounts.rate[:, product] / 12
    growth = (1 + monthly) ** paid
    owed = accounts.limit[:, product] * growth - annuity(accounts, product) * (growth - 1) / monthly
    return np.maximum(np.rint(owed), 0).astype(np.int64)


def month_end_balances(world: World, accounts: Accounts, held: np.ndarray) -> np.ndarray:
    """List balances from the opening of each account until it closes.

    Parameters
    ----------
    held
        Cents at month ends, shape (customers, products, months).

    Returns
    -------
    Rows of (customer, product, month, cents), in order of account and month.
    """
    ends = world.calendar.month_start[1:] - 1
    there = (accounts.opened[:, :, None] <= ends) & (ends < accounts.closed[:, :, None]) & CARRIED[None, :, None]
    customer, product, month = np.nonzero(there)
    order = np.lexsort((month, accounts.number[customer, product]))
    return np.stack([customer, product, month, held[there]], axis=1)[order]


def balances(world: World, accounts: Accounts, rows: np.ndarray) -> pa.Table:
    """Return rows of (customer, product, month, cents) as the table of balances."""
    customer, product, month, cents = rows.T
    return pa.table(
        {
            "account_id": keys("A", accounts.number[customer, product], 9),
            "month_end": dates(world.calendar, world.calendar.month_start[month + 1] - 1),
            "balance": yuan(cents),
        }
    )
