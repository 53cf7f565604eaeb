"""Money that comes in from outside: salaries, pensions, takings of a business, money from other banks.

Employers pay on their day of the month, or on the last working day before it where that is a weekend or a holiday;
pensions likewise. A bonus of about a month's pay follows one to three weeks before Chinese New Year. Pay rises a
little every April. Money from an account at another bank comes on any day. Nobody is paid here after leaving.
"""

from __future__ import annotations

import numpy as np

from demobank.books.bookings import CURRENT, arrivals, book, code, to_cents
from demobank.customers.habits import ELSEWHERE, PAYROLL, PENSION, Habits
from demobank.customers.lifecycle import GONE
from demobank.customers.world import World
from demobank.streams import Streams

EMPLOYERS = 3000
_KINDS = {PAYROLL: "salary", PENSION: "pension", ELSEWHERE: "transfer"}


def paydays(world: World, habits: Habits) -> np.ndarray:
    """Return the day on which income arrives, shape (customers, months); below zero if moved ahead of the window."""
    nominal = world.calendar.on_day_of_month(habits.payday)
    shifted = world.calendar.working_day_before(nominal)
    return np.where(habits.source[:, None] == ELSEWHERE, nominal, shifted)


def income(world: World, habits: Habits, streams: Streams) -> np.ndarray:
    """Return everything that comes in from outside as bookings."""
    return np.concatenate(
        [_pay(world, habits, streams), _bonus(world, habits, streams), _takings(world, habits, streams)]
    )


def _pay(world: World, habits: Habits, streams: Streams) -> np.ndarray:
    rng = streams("transactions/pay")
    day = paydays(world, habits)
    monthly = _raised(world, habits) * np.exp(_wobble(habits)[:, None] * rng.standard_normal(day.shape))
    second = rng.integers(8 * 3600, 11 * 3600, day.shape)
    employer = _employers(streams, world)
    customer, month = np.nonzero((day >= 0) & (world.life.state != GONE))
    source = habits.source[customer]
    return book(
        customer,
        product=CURRENT,
        day=day[customer, month],
        second=second[customer, month],
        cents=to_cents(monthly[customer, month]),
        kind=np.array([code("kind", _KINDS[s]) for s in sorted(_KINDS)])[source],
        channel=np.where(source == ELSEWHERE, code("channel", "mobile"), code("channel", "internal")),
        category="transfer",
        payee=employer[customer],
    )


def _raised(world: World, habits: Habits) -> np.ndarray:
    """Return pay in each month with a rise of 3.5 % every April, shape (customers, months)."""
    months = world.calendar.start.astype("datetime64[M]").astype(int) + np.arange(world.calendar.months)
    rises = (months - 3) // 12 - (months[0] - 3) // 12
    base = np.where(habits.business, 0.35, 1.0) * habits.pay
    return base[:, None] * 1.035**rises


def _wobble(habits: Habits) -> np.ndarray:
    """Return the spread of pay from month to month: pensions hardly vary, transfers from elsewhere much."""
    return np.array([0.04, 0.0, 0.3])[habits.source]


def _employers(streams: Streams, world: World) -> np.ndarray:
    """Draw the paying account of each customer: a few employers pay many, most pay few."""
    return (EMPLOYERS * streams("transactions/employers").random(len(world)) ** 2).astype(np.int64)


def _bonus(world: World, habits: Habits, streams: Streams) -> np.ndarray:
    rng = streams("transactions/bonus")
    calendar = world.calendar
    size = habits.pay * np.exp(0.5 * rng.standard_normal(len(world)))
    ahead = rng.integers(7, 22, len(world))
    eve = np.flatnonzero(calendar.from_new_year == -1)
    customer, feast = np.nonzero(np.ones((len(world), len(eve)), dtype=bool))
    day = calendar.working_day_before(np.maximum(eve[feast] - ahead[customer], 0))
    state = world.life.state[customer, calendar.month[np.maximum(day, 0)]]
    paid = (habits.source[customer] == PAYROLL) & (day >= 0) & (state != GONE)
    customer, day = customer[paid], day[paid]
    return book(
        customer, product=CURRENT, day=day, second=rng.integers(9 * 3600, 12 * 3600, len(customer)),
        cents=to_cents(size[customer]), kind="salary", channel="internal", category="transfer",
        payee=_employers(streams, world)[customer],
    )  # fmt: skip


def _takings(world: World, habits: Habits, streams: Streams) -> np.ndarray:
    """Book takings of small businesses: irregular, skewed, and gone quiet around New Year."""
    rng = streams("transactions/takings")
    calendar = world.calendar
    open_days = np.where(np.abs(calendar.from_new_year) < 8, 0.15, calendar.week_of("shopping"))
    rate = np.where(habits.business, 7 / 30.4, 0.0)[:, None] * open_days * world.life.activity[:, calendar.month]
    customer, day = arrivals(rng, rate)
    amount = habits.pay[customer] * 0.2 * np.exp(0.8 * rng.standard_normal(len(customer)) - 0.32)
    channel = np.array([code("channel", c) for c in ("pos", "mobile", "atm")])
    return book(
        customer, product=CURRENT, day=day, second=rng.integers(9 * 3600, 22 * 3600, len(customer)),
        cents=to_cents(np.maximum(amount, 1.0)), kind="settlement",
        channel=channel[rng.choice(3, len(customer), p=(0.5, 0.35, 0.15))], category="transfer",
        payee=EMPLOYERS + rng.integers(0, 20_000, len(customer)),
    )  # fmt: skip
