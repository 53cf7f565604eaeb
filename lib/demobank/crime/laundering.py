"""Money laundering: five ways of it, by a few customers who take part in several cases.

- structuring: cash paid in over days, each time just below the limit of reporting, then sent away;
- fan_in: many pay one, who passes the sum on;
- fan_out: a sum from outside is spread over many, who pass their parts on;
- cycle: a sum goes through three to six hands within days, less a fee each time, and comes back;
- mule: money from outside is received and passed on within a day or two, several times.

About ten cases in a block of 1,000 customers and 36 months. Who takes part is drawn from a ring of about 2 % of the
customers, rather young, in need of money, or with a business. Their own life goes on, and their accounts were theirs
before. Sizes overlap with what shops, small employers and schools do in innocence (`innocents`).
"""

from __future__ import annotations

import numpy as np

from demobank.books.bookings import book
from demobank.books.peers import present
from demobank.crime.cases import DAY, HOUR, LIMIT, Case, Town, by_day, parts, strangers, times
from demobank.streams import Streams

PLANTED = {
    "laundering.ring_share": 0.022,  # customers from whom launderers are drawn
    "laundering.risk_log_odds": 0.6,  # of being drawn, a unit of credit risk
    "laundering.business_log_odds": 1.0,  # of being drawn, with a business
    "laundering.structuring_cases": 2.4,  # in a block and 36 months; so below
    "laundering.fan_in_cases": 1.9,
    "laundering.fan_out_cases": 1.6,
    "laundering.cycle_cases": 1.6,
    "laundering.mule_cases": 2.6,
}
_FIRST_NUMBER = 5000
"""Numbers of laundering cases follow those of the look-alikes."""
_LASTS = 90
"""Days for which all who take part must be with the bank."""


def laundering(town: Town, streams: Streams) -> np.ndarray:
    """Return the bookings of all laundering in a block."""
    ring = _ring(streams("laundering/ring"), town)
    numbers = iter(range(town.world.first * 10 + _FIRST_NUMBER, (town.world.first + 1000) * 10))
    found = [book(np.array([], dtype=np.int64))]
    for typology, (make, people) in _MAKERS.items():
        rng = streams(f"laundering/{typology}")
        expected = PLANTED[f"laundering.{typology}_cases"] * town.world.calendar.months / 36
        for _ in range(times(rng, expected)):
            start = int(rng.integers(town.world.calendar.length))
            members = _members(rng, town, ring, start, people)
            if len(members):
                found += make(rng, Case(town, typology, next(numbers)), members, start)
    return np.concatenate(found)


def _ring(rng: np.random.Generator, town: Town) -> np.ndarray:
    """Draw those who may take part, a smaller chance for those over 50."""
    world = town.world
    log_odds = PLANTED["laundering.risk_log_odds"] * world.trait("credit_risk")
    log_odds += PLANTED["laundering.business_log_odds"] * town.habits.business - np.maximum(world.age - 50, 0) / 10
    weight = np.exp(log_odds)
    size = round(PLANTED["laundering.ring_share"] * len(world))
    return rng.choice(len(world), size, replace=False, p=weight / weight.sum())


def _members(rng: np.random.Generator, town: Town, ring: np.ndarray, start: int, people: tuple[int, int]) -> np.ndarray:
    """Draw the members of a case from the ring; none where too few are with the bank all the time."""
    there = [present(town.world, town.accounts, ring, np.full(len(ring), day)) for day in (start - 1, start + _LASTS)]
    free = rng.permutation(ring[there[0] & there[1]])
    return free[: rng.integers(people[0], people[1] + 1)] if len(free) >= people[0] else free[:0]


def _onward(
    rng: np.random.Generator, case: Case, customer: np.ndarray | int, time: np.ndarray, yuan: np.ndarray, role: str
) -> np.ndarray:
    """Pass most of a sum on to another bank within hours or days."""
    time, yuan = np.atleast_1d(time, yuan)
    later = rng.uniform(0.5 * HOUR, 2.5 * DAY, len(time)).astype(np.int64)
    rest = np.round(yuan * rng.uniform(0.88, 0.98, len(yuan)), -1)
    return case.outside(customer, time + later, rest, role, payee=strangers(rng, len(time)), out=True)


def _structuring(rng: np.random.Generator, case: Case, members: np.ndarray, start: int) -> list[np.ndarray]:
    size = int(rng.integers(3, 11))
    below = np.clip(rng.exponential(7000, size), 100, 25_000)
    time = by_day(rng, start + np.cumsum(rng.integers(0, 4, size)))
    yuan = np.round(LIMIT - below, -2)
    sent = parts(rng, yuan.sum(), int(rng.integers(2, 8)))
    return [
        case.cash(members, time, yuan, "depositor", out=False, atm=rng.random(size) < 0.4),
        _onward(rng, case, members, np.sort(rng.choice(time, len(sent))), sent, "depositor"),
    ]


def _fan_in(rng: np.random.Generator, case: Case, members: np.ndarray, start: int) -> list[np.ndarray]:
    collector, senders = members[0], members[1:]
    away = int(rng.integers(2, 7))
    time = by_day(rng, start + rng.integers(0, 6, len(senders) + away))
    yuan = np.round(6000 * np.exp(0.7 * rng.standard_normal(len(time))), -1)
    own, other = slice(len(senders)), slice(len(senders), None)
    before = time[own] - rng.integers(HOUR, 2 * DAY, len(senders))
    passed = parts(rng, yuan.sum(), int(rng.integers(1, 4)))
    return [
        case.outside(senders, before, yuan[own] * 1.05, "sender", payee=strangers(rng, len(senders)), out=False),
        case.between(senders, np.full(len(senders), collector), time[own], yuan[own], ("sender", "collector")),
        case.outside(collector, time[other], yuan[other], "collector", payee=strangers(rng, away), out=False),
        _onward(rng, case, collector, np.full(len(passed), time.max()), passed, "collector"),
    ]


def _fan_out(rng: np.random.Generator, case: Case, members: np.ndarray, start: int) -> list[np.ndarray]:
    distributor, recipients = members[0], members[1:]
    away = int(rng.integers(2, 8))
    total = float(np.round(36_000 * np.exp(0.6 * rng.standard_normal()), -3))
    given = parts(rng, total * rng.uniform(0.9, 0.98), len(recipients) + away)
    funded = by_day(rng, np.array([start]))
    time = funded + rng.integers(HOUR, 3 * DAY, len(given))
    own, other = slice(len(recipients)), slice(len(recipients), None)
    senders = np.full(len(recipients), distributor)
    return [
        case.outside(distributor, funded, np.array([total]), "distributor", payee=strangers(rng, 1), out=False),
        case.between(senders, recipients, time[own], given[own], ("distributor", "recipient")),
        case.outside(distributor, time[other], given[other], "distributor", payee=strangers(rng, away), out=True),
        _onward(rng, case, recipients, time[own], given[own], "recipient"),
    ]


def _cycle(rng: np.random.Generator, case: Case, members: np.ndarray, start: int) -> list[np.ndarray]:
    size = len(members)
    funded = by_day(rng, np.array([start]))
    time = funded + np.cumsum(rng.uniform(HOUR, 2 * DAY, size)).astype(np.int64)
    first = float(np.round(13_000 * np.exp(0.7 * rng.standard_normal()), -2))
    yuan = np.round(first * np.cumprod(1 - rng.uniform(0.005, 0.04, size)), rng.choice([0, -1, -2]))
    return [
        case.outside(members[0], funded, np.array([first]), "member", payee=strangers(rng, 1), out=False),
        case.between(members, np.roll(members, -1), time, yuan, ("member", "member")),
        _onward(rng, case, members[0], time[-1:], yuan[-1:], "member"),
    ]


def _mule(rng: np.random.Generator, case: Case, members: np.ndarray, start: int) -> list[np.ndarray]:
    found = []
    for episode in start + np.cumsum(rng.integers(3, 25, rng.integers(2, 6))):
        size = int(rng.integers(1, 4))
        time = by_day(rng, episode + rng.integers(0, 2, size))
        yuan = np.round(5000 * np.exp(0.8 * rng.standard_normal(size)), rng.choice([0, -1, -2]))
        passed = parts(rng, yuan.sum(), int(rng.integers(1, 4)))
        found += [
            case.outside(members, time, yuan, "mule", payee=strangers(rng, size), out=False),
            _onward(rng, case, members, np.full(len(passed), time.max()), passed, "mule"),
        ]
    return found


_MAKERS = {
    "structuring": (_structuring, (1, 1)),
    "fan_in": (_fan_in, (3, 5)),
    "fan_out": (_fan_out, (3, 5)),
    "cycle": (_cycle, (3, 6)),
    "mule": (_mule, (1, 1)),
}
"""What books each typology, and the least and largest number of members."""
