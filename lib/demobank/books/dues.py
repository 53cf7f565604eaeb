"""Money that goes out other than for purchases: rent, bills, premiums, plans, fees, cash, gifts, suppliers.

Bills and rent fall on a day of the month that is the customer's own. Cash and gifts arrive as a Poisson process; gifts
swell around Chinese New Year, when red packets are given. Some gifts go to fellow customers and are booked at both
ends; some go to payees not paid before; a few are large, as for furniture or a loan to a friend. Cash is drawn in
hundreds, at the counter by those who stay away from the app.
"""

from __future__ import annotations

import numpy as np

from demobank.books.accounts import Accounts
from demobank.books.bookings import CURRENT, FUND, INSURANCE, NONE, arrivals, book, code, to_cents
from demobank.books.devices import COMPUTER, PHONE
from demobank.books.peers import both_sides, fellows, present
from demobank.customers.habits import Habits
from demobank.customers.lifecycle import GONE
from demobank.customers.world import World
from demobank.streams import Streams

FRIENDS = 23_000
"""Payee numbers from here on belong to persons at other banks."""
PERSONS = 200_000
"""Persons at other banks."""
_CIRCLE = 6
_FELLOWS = (2, 4)
"""Places in the circle that are fellow customers'; they get about a fifth of the gifts."""
_LARGE = 0.04
"""Share of the gifts that are large."""
# electricity, gas and heating by month, January to December
_BILLS = np.array([1.5, 1.4, 1.1, 0.8, 0.75, 0.95, 1.35, 1.4, 1.05, 0.75, 0.85, 1.3])
_HOUR = 3600


def dues(world: World, accounts: Accounts, habits: Habits, ring: np.ndarray, streams: Streams) -> np.ndarray:
    """Return everything that goes out other than for purchases as bookings; `ring` tells who knows whom."""
    rng = streams("transactions/dues")
    parts = [
        _monthly(rng, world, habits.rent, "rent", "housing"),
        _monthly(rng, world, _power(rng, world), "direct_debit", "utilities"),
        _monthly(rng, world, _phone(rng, world), "direct_debit", "utilities"),
        _monthly(rng, world, _premium(world, accounts, habits), "premium", "insurance"),
        _plans(rng, world, accounts, habits),
        _fees(rng, world),
        _cash(streams("transactions/cash"), world, habits),
        _gifts(streams("transactions/gifts"), world, accounts, habits, fellows(ring), streams),
        _suppliers(streams("transactions/suppliers"), world, habits),
        _first_deposit(streams("transactions/first_deposit"), world, habits),
    ]
    return np.concatenate(parts)


def _shape(world: World) -> tuple[int, int]:
    return len(world), world.calendar.months


def _monthly(rng: np.random.Generator, world: World, amount: np.ndarray, kind: str, category: str) -> np.ndarray:
    """Book an amount a month, shape (customers, months), on a day of the month of each customer's own."""
    day = world.calendar.on_day_of_month(rng.integers(1, 29, len(world)))
    second = rng.integers(7 * _HOUR, 21 * _HOUR, day.shape)
    payee = FRIENDS + PERSONS + rng.integers(0, 4000, len(world))
    customer, month = np.nonzero((amount > 0) & (world.life.state != GONE))
    return book(
        customer, product=CURRENT, day=day[customer, month], second=second[customer, month],
        cents=to_cents(amount[customer, month]), out=True, kind=kind, category=category, payee=payee[customer],
        channel="mobile" if kind == "rent" else "internal",
    )  # fmt: skip


def _power(rng: np.random.Generator, world: World) -> np.ndarray:
    size = 130 * np.exp(0.25 * world.trait("income") + 0.3 * rng.standard_normal(len(world)))
    size *= rng.random(len(world)) < world.by_segment(0.4, 0.8, 0.75, 0.85, 0.6)
    season = _BILLS[world.calendar.month_of_year]
    return size[:, None] * season * np.exp(0.15 * rng.standard_normal(_shape(world)))


def _phone(rng: np.random.Generator, world: World) -> np.ndarray:
    tariff = np.array([29, 59, 79, 99, 129, 199])[rng.integers(0, 6, len(world))]
    tariff = tariff * (rng.random(len(world)) < 0.6)
    return np.broadcast_to(tariff[:, None], _shape(world))


def _premium(world: World, accounts: Accounts, habits: Habits) -> np.ndarray:
    """Return the premium of each month that begins with the policy in force."""
    insured = accounts.opened[:, INSURANCE, None] < world.calendar.month_start[:-1]
    return np.where(insured, habits.premium[:, None], 0.0)


def _plans(rng: np.random.Generator, world: World, accounts: Accounts, habits: Habits) -> np.ndarray:
    """Book both sides of the monthly payment into the fund."""
    day = world.calendar.on_day_of_month(rng.integers(1, 29, len(world)))
    open_fund = accounts.opened[:, FUND, None] <= day
    customer, month = np.nonzero((habits.plan > 0)[:, None] & open_fund & (world.life.state != GONE))
    common = {
        "day": day[customer, month], "second": 9 * _HOUR + 1800, "cents": to_cents(habits.plan[customer]),
        "kind": "investment", "channel": "mobile", "category": "transfer",
    }  # fmt: skip
    return np.concatenate(
        [
            book(customer, product=CURRENT, out=True, own=FUND, **common),
            book(customer, product=FUND, out=False, own=CURRENT, **common),
        ]
    )


def _fees(rng: np.random.Generator, world: World) -> np.ndarray:
    """Book the monthly fee for text messages, posted in the nightly batch, so that only its day is known."""
    subscribes = rng.random(len(world)) < world.by_segment(0.15, 0.3, 0.25, 0.5, 0.4)
    customer, month = np.nonzero(subscribes[:, None] & (world.life.state != GONE))
    return book(
        customer, product=CURRENT, day=world.calendar.month_start[month] + 20, second=0, cents=200, out=True,
        kind="fee", channel="internal", category="fee",
    )  # fmt: skip


def _cash(rng: np.random.Generator, world: World, habits: Habits) -> np.ndarray:
    month = world.calendar.month
    rate = world.by_segment(0.3, 0.6, 0.7, 1.6, 1.2) / 30.4 * np.exp(-0.25 * world.trait("digital"))
    ahead = (world.calendar.from_new_year >= -10) & (world.calendar.from_new_year < 0)
    customer, day = arrivals(rng, rate[:, None] * world.life.activity[:, month] * np.where(ahead, 2.2, 1.0))
    amount = habits.pay[customer] * 0.09 * np.exp(0.5 * rng.standard_normal(len(customer)))
    counter = rng.random(len(customer)) < 0.6 * (1 - habits.mobile[customer])
    return book(
        customer, product=CURRENT, day=day, second=_daytime(rng, counter),
        cents=to_cents(np.clip(np.round(amount, -2), 100, 20_000)), out=True, kind="cash", category="cash",
        channel=np.where(counter, code("channel", "branch"), code("channel", "atm")),
    )  # fmt: skip


def _daytime(rng: np.random.Generator, counter: np.ndarray) -> np.ndarray:
    """Draw a second of the day: during opening hours at the counter, from morning to late evening elsewhere."""
    chance = rng.beta(1.6, 1.6, len(counter))
    return np.where(counter, (9 + 8 * chance) * _HOUR, (7 + 16.5 * chance) * _HOUR).astype(np.int64)


def _gifts(
    rng: np.random.Generator, world: World, accounts: Accounts, habits: Habits, near: np.ndarray, streams: Streams
) -> np.ndarray:
    """Transfers to persons: a small circle of each customer's own, partly fellow customers, now and then a stranger."""
    since = world.calendar.from_new_year
    season = np.where((since >= -1) & (since < 6), 5.0, 1.0)
    rate = 2.0 / 30.4 * np.exp(0.25 * world.trait("engagement"))
    customer, day = arrivals(rng, rate[:, None] * world.life.activity[:, world.calendar.month] * season)
    amount = habits.pay[customer] * 0.035 * np.exp(0.9 * rng.standard_normal(len(customer)) - 0.4)
    circle = FRIENDS + rng.integers(0, PERSONS, (len(world), _CIRCLE))
    friend = (_CIRCLE * rng.random(len(customer)) ** 2).astype(int)
    counter = rng.random(len(customer)) < 0.35 * (1 - habits.mobile[customer])
    app = rng.random(len(customer)) < 0.3 + 0.65 * habits.mobile[customer]
    far = np.where(app, code("channel", "mobile"), code("channel", "online"))
    amount, stranger = _large_and_new(streams("transactions/new_payees"), amount)
    peer = _fellow(world, accounts, near, customer, friend, day)
    peer[stranger > 0] = NONE
    return both_sides(
        world, accounts,
        book(
            customer, product=CURRENT, day=day, second=_daytime(rng, counter), cents=to_cents(np.maximum(amount, 10)),
            out=True, kind="transfer", category="transfer", channel=np.where(counter, code("channel", "branch"), far),
            payee=np.select([peer >= 0, stranger > 0], [NONE, stranger], circle[customer, friend]),
            peer=peer, own=np.where(peer >= 0, CURRENT, NONE),
            device=np.where(counter, NONE, np.where(app, PHONE, COMPUTER)),
        ),
    )  # fmt: skip


def _large_and_new(rng: np.random.Generator, amount: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Make some transfers large, as for furniture or a loan to a friend, and send some to payees not paid before.

    Returns
    -------
    Yuan, in tens or, where large, mostly in hundreds; and the new payee, 0 where there is none.
    """
    chance, new, size, step = rng.random((4, len(amount)))
    large = chance < _LARGE
    amount = np.where(large, amount * (4 + 16 * size), amount)
    unit = np.where(large, np.array([10, 100, 100, 1000])[(4 * step).astype(int)], 10)
    stranger = np.where(new < np.where(large, 0.5, 0.1), FRIENDS + rng.integers(0, PERSONS, len(amount)), 0)
    return np.round(amount / unit) * unit, stranger


def _fellow(
    world: World, accounts: Accounts, near: np.ndarray, customer: np.ndarray, friend: np.ndarray, day: np.ndarray
) -> np.ndarray:
    """Return the fellow customer who is paid, NONE where the friend banks elsewhere or the fellow is not here."""
    place = np.full(_CIRCLE, NONE)
    place[list(_FELLOWS)] = np.arange(len(_FELLOWS))
    peer = np.where(place[friend] >= 0, near[customer, place[friend]], NONE)
    return np.where((peer >= 0) & present(world, accounts, peer, day), peer, NONE)


def _suppliers(rng: np.random.Generator, world: World, habits: Habits) -> np.ndarray:
    workdays = world.calendar.working[-world.calendar.length :] * 1.4
    rate = np.where(habits.business, 3 / 30.4, 0.0)[:, None] * workdays
    customer, day = arrivals(rng, rate * world.life.activity[:, world.calendar.month])
    amount = habits.pay[customer] * 0.25 * np.exp(0.7 * rng.standard_normal(len(customer)) - 0.25)
    return book(
        customer, product=CURRENT, day=day, second=rng.integers(9 * _HOUR, 18 * _HOUR, len(customer)),
        cents=to_cents(np.maximum(amount, 10)), out=True, kind="transfer", category="transfer", channel="online",
        payee=FRIENDS + rng.integers(0, PERSONS, len(customer)),
    )  # fmt: skip


def _first_deposit(rng: np.random.Generator, world: World, habits: Habits) -> np.ndarray:
    """Who joins within the window brings money along."""
    amount = habits.pay * np.exp(0.4 * rng.standard_normal(len(world)))
    counter = rng.random(len(world)) < 0.6 * (1 - habits.mobile)
    customer = np.flatnonzero(world.joined >= 0)
    return book(
        customer, product=CURRENT, day=world.joined[customer], second=_daytime(rng, counter)[customer],
        cents=to_cents(amount[customer]), kind="transfer", category="transfer",
        channel=np.where(counter, code("channel", "branch"), code("channel", "mobile"))[customer],
        payee=FRIENDS + PERSONS + 4000 + customer,
    )  # fmt: skip
