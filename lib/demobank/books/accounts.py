"""Accounts: who holds which product, from when to when, at what limit and rate.

Everyone has a current account from the day of joining. Whether a customer ever takes another product follows from the
latent traits (logistic), when, from a waiting time (exponential) after the product it usually follows: savings and
cards after the current account, term deposits and funds after savings. A mortgage makes insurance likelier beyond
what the traits explain (the planted affinity); cards and term deposits share no trait, so that they are unrelated
given the traits and the time with the bank (the planted null pair).

Loans are repaid in equal instalments and close with the last one. Who leaves and still owes on a loan falls silent
instead of closing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from bankmine.bank.contract import PRODUCTS
from demobank.arrow import dates, keys, words
from demobank.books.bookings import (
    CREDIT_CARD,
    CURRENT,
    FUND,
    INSURANCE,
    MORTGAGE,
    PERSONAL_LOAN,
    SAVINGS,
    TERM_DEPOSIT,
)  # fmt: skip
from demobank.customers.lifecycle import NEVER
from demobank.customers.world import World
from demobank.seasons import Calendar
from demobank.streams import Streams

PER_CUSTOMER = 10
"""Account numbers set aside for each customer; the last is never given out."""

LOANS = (PERSONAL_LOAN, MORTGAGE)

# product: constant, weight of each latent (LATENTS), mean wait in years, product it follows
_TAKES = {
    SAVINGS: (1.5, (0.1, 0.8, -0.1, 0.2, 0.0, -0.3, 0.3), 1.0, CURRENT),
    CREDIT_CARD: (0.1, (0.4, 0.0, 0.5, 0.3, 0.0, 0.2, 0.0), 2.0, CURRENT),
    MORTGAGE: (-1.3, (0.7, 0.0, 0.2, 0.3, -0.2, -0.3, 0.2), 3.0, CURRENT),
    PERSONAL_LOAN: (-1.3, (0.0, -0.4, 0.2, 0.0, 0.2, 0.6, 0.0), 2.5, CURRENT),
    TERM_DEPOSIT: (-1.2, (0.0, 0.9, 0.0, 0.0, 0.2, 0.0, 0.5), 2.5, SAVINGS),
    FUND: (-1.4, (0.5, 0.7, 0.5, 0.0, -0.2, 0.2, 0.0), 3.0, SAVINGS),
    INSURANCE: (-1.5, (0.4, 0.3, 0.0, 0.3, -0.2, -0.2, 0.2), 3.0, CURRENT),
}
PLANTED = {"products.insurance_by_mortgage_log_odds": 1.4, "products.term_deposit_by_card_log_odds": 0.0}
"""What holding one product adds to the log-odds of another, given the traits: the affinity, and the null pair."""
_DRAWN_BY = {
    INSURANCE: (MORTGAGE, PLANTED["products.insurance_by_mortgage_log_odds"]),
    TERM_DEPOSIT: (CREDIT_CARD, PLANTED["products.term_deposit_by_card_log_odds"]),
}
"""Product -> product that makes it likelier, and by how much."""
ADULT = 18
"""Age from which anything but a savings account can be had."""
OLDEST = {MORTGAGE: 58, PERSONAL_LOAN: 65, CREDIT_CARD: 75}
"""Age up to which credit is given."""


@dataclass(frozen=True)
class Accounts:
    """Accounts of one block, shape (customers, products) throughout; days count from the window's first."""

    opened: np.ndarray
    """Day of opening, NEVER where there is no such account."""
    closed: np.ndarray
    """Day of closing, NEVER while open."""
    limit: np.ndarray
    """Credit limit or amount lent in cents, 0 where there is none."""
    rate: np.ndarray
    """Interest a year as a fraction."""
    term: np.ndarray
    """Instalments of a loan, 0 elsewhere."""
    number: np.ndarray
    """Account number in the bank."""

    def live(self, customer: np.ndarray, product: np.ndarray, day: np.ndarray) -> np.ndarray:
        """Tell whether each account could be booked on at a day: opened, and closed on no earlier day."""
        return (self.opened[customer, product] <= day) & (day < self.closed[customer, product])


def draw_accounts(world: World, opened: np.ndarray, streams: Streams) -> Accounts:
    """Draw the accounts of a block, given the days of opening, shape (customers, products)."""
    limit, rate, term = _terms(streams("accounts/terms"), world)
    closed = _closings(world, opened, term)
    held = opened < NEVER
    order = np.where(held, opened, NEVER).argsort(axis=1, kind="stable").argsort(axis=1)
    number = (world.first + np.arange(len(world)))[:, None] * PER_CUSTOMER + order
    return Accounts(opened, closed, np.where(held, limit, 0), rate, term, number)


def draw_openings(world: World, streams: Streams) -> np.ndarray:
    """Draw the days on which customers alone decide to open each product, NEVER where they do not."""
    rng = streams("accounts/openings")
    chance = rng.random((len(world), len(PRODUCTS)))
    wait = (365 * rng.standard_exponential((len(world), len(PRODUCTS)))).astype(np.int64)
    opened = np.full((len(world), len(PRODUCTS)), NEVER, dtype=np.int64)
    opened[:, CURRENT] = world.joined
    ends = np.minimum(world.life.left, world.calendar.length)
    for product, (_, _, years, after) in _TAKES.items():
        score = affinity(world.latents, opened < NEVER, product)
        day = opened[:, after] + 1 + (years * wait[:, product]).astype(np.int64)
        takes = (chance[:, product] < 1 / (1 + np.exp(-score))) & (opened[:, after] < NEVER) & (day < ends)
        opened[:, product] = np.where(takes & _old_enough(world.age, product, day), day, NEVER)
    return opened


def affinity(latents: np.ndarray, holds: np.ndarray, product: int) -> np.ndarray:
    """Return the log-odds that each customer ever takes a product, by traits and by the products that are taken."""
    constant, weights, _, _ = _TAKES[product]
    score = constant + latents @ np.array(weights)
    if product in _DRAWN_BY:
        other, log_odds = _DRAWN_BY[product]
        score += log_odds * holds[:, other]
    return score


def true_chance(score: np.ndarray, waited: np.ndarray, product: int, days: int) -> np.ndarray:
    """Return the chance that who has waited some days without a product takes it within more `days`; 0 if it cannot be.

    `waited` is since the product that it follows, NaN without that one.
    """
    ever, mean = 1 / (1 + np.exp(-score)), 365 * _TAKES[product][2]
    still, after = np.exp(-waited / mean), np.exp(-(waited + days) / mean)
    return np.nan_to_num(ever * (still - after) / (1 - ever + ever * still))


def follows(product: int) -> int:
    """Return the product that one follows."""
    return _TAKES[product][-1]


def may_open(world: World, opened: np.ndarray, product: int, customer: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Tell whether each customer could open a product on a day: of the right age, and holding what it follows."""
    return (opened[customer, _TAKES[product][-1]] <= day) & _old_enough(world.age[customer], product, day)


def _old_enough(age: np.ndarray, product: int, day: np.ndarray) -> np.ndarray:
    age = age + day / 365.25
    return (age >= (ADULT if product != SAVINGS else 0)) & (age <= OLDEST.get(product, 100))


def _terms(rng: np.random.Generator, world: World) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw limits, rates and instalments; lending is sized by income, as affordability rules do."""
    shape = (len(world), len(PRODUCTS))
    limit, rate, term = np.zeros(shape), np.zeros(shape), np.zeros(shape, dtype=np.int64)
    spread = np.exp(0.35 * rng.standard_normal(shape))
    choice = rng.random(shape)
    limit[:, CREDIT_CARD] = np.maximum(world.income / 12 * 2.2 * spread[:, CREDIT_CARD], 3000)
    limit[:, PERSONAL_LOAN] = np.maximum(world.income * 0.45 * spread[:, PERSONAL_LOAN], 5000)
    limit[:, MORTGAGE] = np.maximum(world.income * 3.6 * spread[:, MORTGAGE], 100_000)
    risk = world.trait("credit_risk")
    rate[:, CREDIT_CARD] = 0.18
    rate[:, PERSONAL_LOAN] = np.clip(0.062 + 0.012 * risk, 0.034, 0.14)
    rate[:, MORTGAGE] = 0.033 + 0.012 * choice[:, MORTGAGE]
    rate[:, SAVINGS], rate[:, TERM_DEPOSIT] = 0.002, 0.013 + 0.006 * choice[:, TERM_DEPOSIT]
    term[:, PERSONAL_LOAN] = np.array([12, 24, 36])[(choice[:, PERSONAL_LOAN] * 3).astype(int)]
    term[:, MORTGAGE] = np.array([240, 360])[(spread[:, MORTGAGE] > 0.9).astype(int)]
    return (np.round(limit, -3) * 100).astype(np.int64), np.round(rate, 4), term


def _closings(world: World, opened: np.ndarray, term: np.ndarray) -> np.ndarray:
    closed = np.full(opened.shape, NEVER, dtype=np.int64)
    for product in LOANS:
        last = last_instalment(world.calendar, opened[:, product], term[:, product])
        closed[:, product] = np.where(last < world.calendar.length, last, NEVER)
    owes = ((opened[:, LOANS] < NEVER) & (closed[:, LOANS] >= world.life.left[:, None])).any(axis=1)
    leaves = world.life.closes & ~owes & (world.life.left > opened[:, CURRENT])
    held = (opened < NEVER) & (closed == NEVER)
    return np.where(leaves[:, None] & held, world.life.left[:, None], closed)


def month_and_day(calendar: Calendar, day: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the month, counted from the window's first and NEVER for NEVER, and the day of the month."""
    absolute = calendar.start + np.where(day < NEVER, day, 0)
    first = absolute.astype("datetime64[M]")
    month = (first - calendar.start.astype("datetime64[M]")).astype(np.int64)
    day_of_month = (absolute - first.astype("datetime64[D]")).astype(np.int64) + 1
    return np.where(day < NEVER, month, NEVER), day_of_month


def last_instalment(calendar: Calendar, opened: np.ndarray, term: np.ndarray) -> np.ndarray:
    """Return the day of a loan's last instalment; instalments fall on the day of the month of opening, at most 28."""
    month, day = month_and_day(calendar, opened)
    month = np.where(opened < NEVER, month, 0)
    last = (calendar.start.astype("datetime64[M]") + month + term).astype("datetime64[D]") + np.minimum(day, 28) - 1
    return np.where(opened < NEVER, (last - calendar.start).astype(np.int64), NEVER)


def accounts(world: World, book: Accounts) -> pa.Table:
    """Return the block's accounts as a table, in order of customer and opening."""
    customer, product = np.nonzero(book.opened < NEVER)
    order = np.argsort(book.number[customer, product])
    customer, product = customer[order], product[order]
    closed, limit, rate = (a[customer, product] for a in (book.closed, book.limit, book.rate))
    return pa.table(
        {
            "account_id": keys("A", book.number[customer, product], 9),
            "customer_id": keys("C", world.first + customer, 7),
            "product": words(product, PRODUCTS),
            "opened_on": dates(world.calendar, book.opened[customer, product]),
            "closed_on": dates(world.calendar, np.where(closed < NEVER, closed, 0), closed == NEVER),
            "credit_limit": pa.array(limit / 100, mask=limit == 0),
            "interest_rate": pa.array(rate, mask=rate == 0),
        }
    )
