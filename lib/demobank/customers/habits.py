"""How customers earn and spend: the constants behind each customer's bookings.

Spending follows income. What reaches the bank each month, less what is saved and what is owed, is the budget for
purchases, cash and gifts; the number of purchases is gamma-distributed over customers (as in the NBD model of repeat
buying), and their size is scaled so that the budget is met on average. Shares of categories follow household
consumption in the Chinese statistical yearbook in kind, blended over kinds of customers and varied by person.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demobank.books.accounts import Accounts
from demobank.books.bookings import FUND, INSURANCE, MORTGAGE, PERSONAL_LOAN
from demobank.customers.lifecycle import NEVER
from demobank.customers.world import World
from demobank.seasons import SPENT_ON
from demobank.streams import Streams

PAYROLL, PENSION, ELSEWHERE = range(3)
"""Where income comes from: an employer, a pension fund, or the customer's main account at another bank."""
PAYDAYS = np.array([5, 8, 10, 15, 20, 25])
_PAYDAY_SHARES = (0.15, 0.1, 0.33, 0.24, 0.06, 0.12)

# rows: kinds of customers, columns: SPENT_ON
_MIX = np.array(
    [
        [0.15, 0.31, 0.20, 0.15, 0.020, 0.010, 0.025, 0.015, 0.120],
        [0.35, 0.15, 0.19, 0.10, 0.015, 0.025, 0.050, 0.085, 0.035],
        [0.17, 0.25, 0.21, 0.09, 0.085, 0.030, 0.065, 0.025, 0.075],
        [0.47, 0.08, 0.09, 0.08, 0.020, 0.020, 0.210, 0.005, 0.025],
        [0.22, 0.26, 0.14, 0.18, 0.050, 0.040, 0.040, 0.030, 0.040],
    ]
)
MEDIAN = np.array([65.0, 55.0, 160.0, 22.0, 680.0, 420.0, 130.0, 600.0, 60.0])
"""Median purchase in each of SPENT_ON, yuan."""
SIGMA = np.array([0.7, 0.8, 1.0, 0.7, 0.9, 0.9, 0.9, 0.9, 0.8])
"""Spread of the logarithm of a purchase."""


@dataclass(frozen=True)
class Habits:
    """One value a customer, shape (customers,) unless said otherwise; money in yuan."""

    source: np.ndarray
    payday: np.ndarray
    """Day of the month."""
    pay: np.ndarray
    """Net income a month that reaches this bank."""
    business: np.ndarray
    """Whether irregular takings of a business come in."""
    rent: np.ndarray
    """Rent of each month, shape (customers, months): nobody rents once there is a mortgage."""
    premium: np.ndarray
    """Insurance premium a month."""
    plan: np.ndarray
    """Paid into the fund each month."""
    rate: np.ndarray
    """Purchases a day while active."""
    scale: np.ndarray
    """Multiplies the size of purchases, shape (customers, months), as what is owed begins and ends."""
    mix: np.ndarray
    """Share of each category, shape (customers, len(SPENT_ON))."""
    on_credit: np.ndarray
    """Share of purchases put on the credit card."""
    mobile: np.ndarray
    """Chance that something is done in the app, where it can be."""
    late: np.ndarray
    """Hours by which the customer is later than most: night owls above zero."""
    saving: np.ndarray
    """Share of income saved."""


def draw_habits(world: World, book: Accounts, streams: Streams) -> Habits:
    """Draw the habits of a block."""
    source, payday, wallet = _draw_pay(streams("habits/pay"), world)
    pay = world.income / 12.8 * 0.82 * wallet
    rng = streams("habits/spending")
    business = rng.random(len(world)) < world.by_segment(0.02, 0.02, 0.05, 0.01, 1.0)
    saving = np.clip(0.17 + 0.07 * world.trait("wealth") - 0.03 * world.trait("credit_risk"), 0.03, 0.45)
    rent, premium, plan = _draw_dues(streams("habits/dues"), world, book, pay)
    monthly = {INSURANCE: premium, FUND: plan} | {loan: annuity(book, loan) / 100 for loan in (PERSONAL_LOAN, MORTGAGE)}
    owed = rent + sum(amount[:, None] * _runs(world, book, product) for product, amount in monthly.items())
    budget = np.maximum((pay * (1 - saving))[:, None] - owed - 150, 0.22 * pay[:, None])
    rate, mix = _draw_purchases(rng, world)
    expected = rate * 30.4 * (mix * MEDIAN * np.exp(SIGMA**2 / 2)).sum(axis=1)
    return Habits(
        source, payday, pay, business, rent, premium, plan, rate=rate, mix=mix, saving=saving,
        scale=np.clip(0.72 * budget / expected[:, None], 0.25, 8.0),
        on_credit=rng.beta(2.0, 2.0, len(world)),
        mobile=1 / (1 + np.exp(-(1.5 * world.trait("digital")))),
        late=0.9 * rng.standard_normal(len(world)) + 0.5 * world.trait("digital"),
    )  # fmt: skip


def _draw_pay(rng: np.random.Generator, world: World) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    chance, share, day = rng.random((3, len(world)))
    domiciled = chance < world.by_segment(0.74, 0.85, 0.72, 0.9, 0.3)
    retired = world.age >= np.where(world.female, 55, 60)
    source = np.select([~domiciled, retired], [ELSEWHERE, PENSION], PAYROLL)
    of_employer = rng.choice(PAYDAYS, len(world), p=_PAYDAY_SHARES)
    payday = np.select([source == PAYROLL, source == PENSION], [of_employer, 10 + 5 * (day < 0.5)], 1 + day * 28)
    wallet = np.where(domiciled, 0.75 + 0.25 * share, 0.3 + 0.4 * share)
    return source, payday.astype(np.int64), wallet


def _draw_dues(
    rng: np.random.Generator, world: World, book: Accounts, pay: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    chance, size, premium, plan = rng.random((4, len(world)))
    homeless = book.opened[:, MORTGAGE] > 0
    rents = homeless & (chance < world.by_segment(0.62, 0.22, 0.05, 0.03, 0.3))
    rent = np.where(rents, np.round(pay * (0.15 + 0.12 * size), -1), 0.0)
    insured, invests = (book.opened[:, product] < NEVER for product in (INSURANCE, FUND))
    premiums = np.where(insured, np.round(pay * (0.02 + 0.04 * premium), 0), 0.0)
    plans = np.where(invests, np.round(pay * (0.04 + 0.08 * plan), -2), 0.0)
    return np.where(_runs(world, book, MORTGAGE), 0.0, rent[:, None]), premiums, plans


def _runs(world: World, book: Accounts, product: int) -> np.ndarray:
    """Tell in which months an account runs from the first day on, shape (customers, months).

    What customers spend follows from what they owe by then: what they will take later must not show before.
    """
    first = world.calendar.month_start[:-1]
    return (book.opened[:, product, None] < first) & (first <= book.closed[:, product, None])


def annuity(book: Accounts, product: int) -> np.ndarray:
    """Return the equal monthly instalment of a loan in cents, rounded up."""
    monthly = book.rate[:, product] / 12
    return np.ceil(book.limit[:, product] * monthly / (1 - (1 + monthly) ** -book.term[:, product])).astype(np.int64)


def _draw_purchases(rng: np.random.Generator, world: World) -> tuple[np.ndarray, np.ndarray]:
    level = world.by_segment(0.50, 0.42, 0.38, 0.20, 0.30)
    drive = 0.22 * world.trait("engagement") + 0.1 * world.trait("digital")
    rate = level * np.exp(drive) * rng.gamma(5.0, 1 / 5.0, len(world))
    weights = world.blend @ _MIX * np.exp(0.28 * rng.standard_normal((len(world), len(SPENT_ON))))
    return np.maximum(rate, 0.02), weights / weights.sum(axis=1, keepdims=True)
