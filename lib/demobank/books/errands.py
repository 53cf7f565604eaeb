"""What ordinary customers do now and then with larger sums: cash paid in, and money that only passes through.

Persons pay in cash a few times in a year, more often after Chinese New Year. And every few years somebody sells a car,
is paid back, or moves money from one bank to another: a sum comes in from outside in one to three parts and most of it
leaves within days. Neither is a case of anything; without them every such flow would be laundering.
"""

from __future__ import annotations

import numpy as np

from demobank.books.bookings import CURRENT, NONE, book, code, scattered, to_cents
from demobank.books.devices import PHONE
from demobank.books.peers import present
from demobank.crime.cases import DAY, HOUR, Town, by_day, strangers
from demobank.streams import Streams

PLANTED = {
    "errands.cash_a_month": 0.08,  # times that a person pays in cash
    "errands.passing_a_year": 0.3,  # times that a larger sum passes through a person's account
}


def errands(town: Town, streams: Streams) -> np.ndarray:
    """Return the bookings of all errands of a block."""
    return np.concatenate([_cash(streams("errands/cash"), town), _passing(streams("errands/passing"), town)])


def _cash(rng: np.random.Generator, town: Town) -> np.ndarray:
    """Pay in cash in whole hundreds."""
    world = town.world
    after = (world.calendar.from_new_year > 0) & (world.calendar.from_new_year < 20)
    rate = PLANTED["errands.cash_a_month"] * world.calendar.months * np.exp(-0.3 * world.trait("digital"))
    customer, day = scattered(rng, rate, np.where(after, 2.5, 1.0))
    active = rng.random(len(customer)) < world.life.activity[customer, world.calendar.month[day]]
    customer, day = customer[active], day[active]
    amount = town.habits.pay[customer] * 0.5 * np.exp(0.9 * rng.standard_normal(len(customer)))
    counter = rng.random(len(customer)) < 0.5
    second = (9 + 8 * rng.beta(1.6, 1.6, len(customer))) * HOUR
    return book(
        customer, product=CURRENT, day=day, second=second.astype(np.int64), kind="cash", category="cash",
        cents=to_cents(np.clip(np.round(amount, -2), 100, 49_000)),
        channel=np.where(counter, code("channel", "branch"), code("channel", "atm")),
    )  # fmt: skip


def _passing(rng: np.random.Generator, town: Town) -> np.ndarray:
    """Receive a sum in parts over a day or two, and send most of it on within days, in parts as well."""
    world, length = town.world, town.world.calendar.length
    expected = np.full(len(world), PLANTED["errands.passing_a_year"] * length / 365)
    customer, day = scattered(rng, expected, np.ones(length))
    start = by_day(rng, day)
    total = 9000 * np.exp(0.9 * rng.standard_normal(len(customer)))
    later = start + 2 * DAY + rng.integers(HOUR, 3 * DAY, len(customer))
    kept = rng.uniform(0.8, 1.0, len(customer))
    rows = np.concatenate(
        [
            _in_parts(rng, customer, start, total, out=False),
            _in_parts(rng, customer, later, total * kept, out=True),
        ]
    )
    rows = rows[rows["day"] < length]
    return rows[present(world, town.accounts, rows["customer"], rows["day"])]


def _in_parts(
    rng: np.random.Generator, customer: np.ndarray, start: np.ndarray, total: np.ndarray, *, out: bool
) -> np.ndarray:
    """Book sums in one to three payments each, to or from strangers, within two days from `start`."""
    each = np.repeat(np.arange(len(customer)), rng.choice([1, 1, 2, 3], len(customer)))
    part = rng.gamma(4.0, 1.0, len(each))
    yuan = total[each] * part / np.bincount(each, weights=part)[each]
    unit = np.array([1, 10, 100])[rng.integers(0, 3, len(each))]
    time = start[each] + rng.integers(1, 2 * DAY, len(each))
    return book(
        customer[each], product=CURRENT, day=time // DAY, second=np.maximum(time % DAY, 1),
        cents=to_cents(np.maximum(np.round(yuan / unit), 1) * unit), out=out, kind="transfer", category="transfer",
        channel="mobile", payee=strangers(rng, len(each)), device=PHONE if out else NONE,
    )  # fmt: skip
