"""Purchases: an inhomogeneous Poisson process over days for each customer.

The rate of a day is the customer's own rate, times the month's activity, times the bump after payday, times the
season of each category. Given the day, the category is drawn from the customer's mix weighted by the season, the
amount from the category's log-normal, scaled to the customer's budget, the hour from the category's day.

A purchase goes to the credit card for those who have one and prefer it, else to the current account. Merchants belong
to a region, or to the whole country for what is bought online; half of the purchases go to a favourite.
"""

from __future__ import annotations

import numpy as np

from demobank.books.accounts import Accounts
from demobank.books.bookings import CREDIT_CARD, CURRENT, NONE, arrivals, book, code, to_cents
from demobank.books.income import paydays
from demobank.customers.habits import MEDIAN, SIGMA, Habits
from demobank.customers.world import REGIONS, World
from demobank.seasons import SPENT_ON
from demobank.streams import Streams

MERCHANTS = 60
"""Merchants of each category in each region, and as many again that sell in the whole country."""
_BUMP = (1.0, 1.55, 1.4, 1.25, 1.15, 1.08)
"""Spending on the payday itself and on the five days after."""
PLANTED: dict[str, float] = {f"spending.payday.{after}": factor for after, factor in enumerate(_BUMP)}
_OWN_DEVICES = 3

# Hours by which none, a quarter, half, three quarters and all of the day's purchases are made.
_HOURS = {
    "groceries": (6.5, 10, 16, 18.5, 22), "dining": (6.5, 12, 13, 18.7, 23.5), "shopping": (8, 12.5, 16.5, 20.3, 24.5),
    "transport": (5.5, 8.3, 13, 18, 23.8), "travel": (6, 10.5, 14.5, 19, 23.9), "housing": (8, 10.5, 14, 17, 21),
    "health": (7, 9.3, 11, 15.5, 20.5), "education": (8, 10.5, 14.5, 18.5, 21.5),
    "entertainment": (9, 15, 19.3, 21.5, 25.5),
}  # fmt: skip
# Share made in the app or on the web by those who like to; the rest at a terminal.
_REMOTE = np.array([0.35, 0.55, 0.75, 0.6, 0.85, 0.35, 0.25, 0.6, 0.7])


def purchases(world: World, accounts: Accounts, habits: Habits, streams: Streams) -> np.ndarray:
    """Return the block's purchases as bookings."""
    rng = streams("transactions/purchases")
    customer, day = arrivals(rng, _rates(world, habits))
    category = _categories(rng, world, habits, customer, day)
    scale = habits.scale[customer, world.calendar.month[day]]
    amount = MEDIAN[category] * np.exp(SIGMA[category] * rng.standard_normal(len(customer))) * scale
    channel, remote = _channels(rng, habits, customer, category)
    credit = rng.random(len(customer)) < habits.on_credit[customer]
    credit &= accounts.live(customer, np.full(len(customer), CREDIT_CARD), day)
    return book(
        customer,
        product=np.where(credit, CREDIT_CARD, CURRENT),
        day=day,
        second=_seconds(rng, habits.late[customer], category),
        cents=_prices(rng, amount),
        out=True,
        kind="card",
        channel=channel,
        category=np.array([code("category", c) for c in SPENT_ON])[category],
        merchant=_merchants(rng, streams, world, customer, category, remote),
        country=_countries(streams("transactions/trips"), world, customer, day, remote),
        device=np.where(remote, _devices(rng, len(customer)), NONE),
    )


def _rates(world: World, habits: Habits) -> np.ndarray:
    """Return purchases expected of each customer on each day, shape (customers, days)."""
    calendar = world.calendar
    rates = habits.mix @ calendar.demand
    rates *= habits.rate[:, None] * world.life.activity[:, calendar.month]
    paid = paydays(world, habits)
    for after, factor in enumerate(_BUMP):
        customer, month = np.nonzero((paid + after >= 0) & (paid + after < calendar.length))
        rates[customer, paid[customer, month] + after] *= factor
    return rates


def _categories(
    rng: np.random.Generator, world: World, habits: Habits, customer: np.ndarray, day: np.ndarray
) -> np.ndarray:
    limits = (habits.mix[customer] * world.calendar.demand.T[day]).cumsum(axis=1)
    return (rng.random(len(customer))[:, None] * limits[:, -1:] > limits[:, :-1]).sum(axis=1)


def _channels(
    rng: np.random.Generator, habits: Habits, customer: np.ndarray, category: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    remote = rng.random(len(customer)) < _REMOTE[category] * (0.08 + 0.92 * habits.mobile[customer])
    app = rng.random(len(customer)) < 0.55 + 0.4 * habits.mobile[customer]
    far = np.where(app, code("channel", "mobile"), code("channel", "online"))
    return np.where(remote, far, code("channel", "pos")), remote


def _seconds(rng: np.random.Generator, late: np.ndarray, category: np.ndarray) -> np.ndarray:
    """Draw the second of the day, never the first: midnight exactly would read as time unknown."""
    chance = rng.random(len(category))
    hour = np.empty(len(category))
    for number, name in enumerate(SPENT_ON):
        chosen = category == number
        hour[chosen] = np.interp(chance[chosen], (0, 0.25, 0.5, 0.75, 1), _HOURS[name])
    hour += 0.8 * late
    return np.clip((hour % 24 * 3600).astype(np.int64), 1, 86_399)


def _prices(rng: np.random.Generator, amount: np.ndarray) -> np.ndarray:
    """Round two purchases in five to whole yuan, as shops do, and the others to cents."""
    whole = rng.random(len(amount)) < 0.4
    return to_cents(np.where(whole, np.maximum(np.rint(amount), 1.0), np.maximum(amount, 0.5)))


def _merchants(
    rng: np.random.Generator, streams: Streams, world: World, customer: np.ndarray, category: np.ndarray,
    remote: np.ndarray,
) -> np.ndarray:  # fmt: skip
    favourite = (MERCHANTS * streams("transactions/favourites").random((len(world), len(SPENT_ON))) ** 2).astype(int)
    usual = rng.random(len(customer)) < 0.5
    # the square makes small numbers common: a few merchants sell much, most sell little
    other = (MERCHANTS * rng.random(len(customer)) ** 2).astype(int)
    number = np.where(usual, favourite[customer, category], other)
    place = np.where(remote, len(REGIONS), world.region[customer])
    return ((category + 1) * 100 + place) * 100 + number


def _devices(rng: np.random.Generator, size: int) -> np.ndarray:
    return np.minimum(rng.geometric(0.85, size) - 1, _OWN_DEVICES - 1)


def _countries(
    rng: np.random.Generator, world: World, customer: np.ndarray, day: np.ndarray, remote: np.ndarray
) -> np.ndarray:
    """Return the country of each purchase: abroad while on a trip, and not for what is bought remotely."""
    abroad = np.zeros((len(world), world.calendar.length), dtype=np.int8)
    rate = 0.25 / 365 * np.exp(0.6 * world.trait("income"))
    season = world.calendar.demand[SPENT_ON.index("travel")]
    traveller, leaves = arrivals(rng, rate[:, None] * season)
    length, place = rng.integers(3, 10, len(traveller)), rng.choice(9, len(traveller), p=_PLACES)
    for after in range(9):
        there = (after < length) & (leaves + after < world.calendar.length)
        abroad[traveller[there], leaves[there] + after] = 1 + place[there]
    return np.where(remote, 0, abroad[customer, day])


_PLACES = (0.3, 0.12, 0.14, 0.14, 0.08, 0.08, 0.06, 0.04, 0.04)
"""Share of trips to each of COUNTRIES after the first."""
