"""Innocent look-alikes of laundering: cash of shops, pay of small employers, school fees, collections, savings clubs.

Each resembles one way of laundering: shops pay in cash week after week, some always just below the limit of reporting
(structuring); employers pay many on one day (fan-out); schools and the organiser of a trip are paid by many, and the
organiser passes everything on within days (fan-in, mule); in a savings club the members pay each other in turn, so
that money goes in circles (cycle). Sizes overlap with those of laundering. After a wedding the gifts
of the guests are paid in within days, close to the limit as well.
"""

from __future__ import annotations

import numpy as np

from demobank.books.bookings import book
from demobank.books.income import EMPLOYERS
from demobank.books.peers import around
from demobank.crime.cases import DAY, HOUR, LIMIT, Case, Town, by_day, parts, strangers, times
from demobank.streams import Streams

PLANTED = {
    "innocents.shops": 7.0,  # business customers of a block who pay in cash each week
    "innocents.employers": 4.0,  # business customers of a block who pay others of it
    "innocents.schools": 2.0,
    "innocents.weddings_a_year": 8.0,  # in a block; so below
    "innocents.collections_a_year": 8.0,
    "innocents.clubs_a_year": 1.5,
}
_OF_BUSINESSES = ("shops", "employers", "schools")
_FEES = np.array([2400, 3200, 4800])
_TERMS = {1: 14, 8: 0}
"""Months of the year in which fees fall due, February and September, and days before the first is paid."""


def innocents(town: Town, streams: Streams) -> np.ndarray:
    """Return the bookings of all look-alikes of a block."""
    owners = list(streams("innocents/owners").permutation(np.flatnonzero(town.habits.business)))
    found = [book(np.array([], dtype=np.int64))]
    number = town.world.first * 10
    for name, (typology, make) in _MAKERS.items():
        rng = streams(f"innocents/{name}")
        for _ in range(times(rng, _expected(name, town.world.calendar.months))):
            someone = int(rng.integers(len(town.ring)))
            if name in _OF_BUSINESSES:
                if not owners:
                    break
                someone = owners.pop()
            found += make(rng, Case(town, typology, number), someone)
            number += 1
    return np.concatenate(found)


def _expected(name: str, months: int) -> float:
    if name in _OF_BUSINESSES:
        return PLANTED[f"innocents.{name}"]
    return PLANTED[f"innocents.{name}_a_year"] * months / 12


def _shop(rng: np.random.Generator, case: Case, owner: int) -> list[np.ndarray]:
    """Pay in the week's cash and pay suppliers; every second shop keeps below the limit to be spared the form."""
    calendar = case.town.world.calendar
    day = np.arange(rng.integers(7), calendar.length, 7)
    day = np.minimum(day + rng.integers(0, 2, len(day)), calendar.length - 1)
    size = 26_000 * np.exp(0.5 * rng.standard_normal())
    season = calendar.year_of("shopping")[day] * np.where(np.abs(calendar.from_new_year[day]) < 8, 0.3, 1.0)
    taken = np.round(size * season * np.exp(0.35 * rng.standard_normal(len(day))), -2)
    if rng.random() < 0.5:
        taken = np.minimum(taken, LIMIT - 100 * rng.integers(1, 60, len(day)))
    time = by_day(rng, day)
    supplier = strangers(rng, 6)[rng.integers(0, 6, len(day))]
    spent, later = np.round(taken * rng.uniform(0.75, 0.98, len(day)), 0), rng.integers(3 * HOUR, 5 * DAY, len(day))
    return [
        case.cash(owner, time, taken, "shop", out=False, atm=rng.random(len(day)) < 0.3),
        case.outside(owner, time + later, spent, "shop", payee=supplier, out=True, channel="online"),
    ]


def _wedding(rng: np.random.Generator, case: Case, host: int) -> list[np.ndarray]:
    """Pay in what the guests gave in cash over some days, and pay for the feast and the home later."""
    size = int(rng.integers(2, 6))
    time = by_day(rng, rng.integers(case.town.world.calendar.length) + np.cumsum(rng.integers(0, 3, size)))
    given = np.round(np.minimum(30_000 * np.exp(0.5 * rng.standard_normal(size)), LIMIT - 100), -2)
    paid = parts(rng, given.sum() * rng.uniform(0.4, 0.95), int(rng.integers(1, 4)))
    later = time[-1] + rng.integers(HOUR, 12 * DAY, len(paid))
    return [
        case.cash(host, time, given, "host", out=False, atm=rng.random(size) < 0.3),
        case.outside(host, later, paid, "host", payee=strangers(rng, len(paid)), out=True),
    ]


def _employer(rng: np.random.Generator, case: Case, owner: int) -> list[np.ndarray]:
    """Pay 10 to 40 part-time staff on a day of the month out of the takings of the weeks before."""
    calendar = case.town.world.calendar
    staff = _others(rng, owner, case.town.world.age < 60, rng.integers(10, 41))
    nominal = calendar.on_day_of_month(np.array([rng.choice([5, 10, 15, 20])]))[0]
    payday = calendar.working_day_before(nominal)
    who, month = _employed(rng, calendar.months, len(staff))
    wage = 2200 * np.exp(0.4 * rng.standard_normal(len(staff)))
    paid = np.round(wage[who] * np.exp(0.08 * rng.standard_normal(len(who))), 0)
    time = payday * DAY + 10 * HOUR + rng.integers(0, HOUR, calendar.months)
    bill = np.bincount(month, weights=paid, minlength=calendar.months)
    week, of_month = np.divmod(np.arange(4 * calendar.months), calendar.months)
    takings = np.round(bill[of_month] / 4 * np.exp(0.3 * rng.standard_normal(len(week))) * 1.1, 2)
    return [
        case.between(np.full(len(who), owner), staff[who], time[month] + 9 * who, paid, ("employer", "staff")),
        case.outside(
            owner, by_day(rng, payday[of_month] - 7 * week - 1), takings, "employer", out=False, kind="settlement",
            channel="pos", payee=EMPLOYERS + rng.integers(0, 20_000),
        ),
    ]  # fmt: skip


def _employed(rng: np.random.Generator, months: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return who of the staff is paid in which month; most come or go within the window."""
    hired = rng.integers(-months, months + 1, (size, 1))
    stays = rng.integers(3, 60, (size, 1))
    month = np.arange(months)
    return np.nonzero((hired <= month) & (month < hired + stays))


def _school(rng: np.random.Generator, case: Case, owner: int) -> list[np.ndarray]:
    """Take fees from 30 to 60 families in February and September, and spend them until the next term."""
    calendar = case.town.world.calendar
    parents = (case.town.world.age > 26) & (case.town.world.age < 54)
    families = _others(rng, owner, parents, rng.integers(30, 61))
    fee = rng.choice(_FEES) * np.array([1.0, 1.15, 1.3])[rng.integers(0, 3, len(families))]
    found = []
    for month, delay in _TERMS.items():
        for start in calendar.month_start[:-1][calendar.month_of_year == month] + delay:
            pays = rng.random(len(families)) < 0.9
            day = start + np.minimum(rng.exponential(4.0, len(families)), 13).astype(np.int64)
            yuan = np.round(fee * rng.choice([1.0, 1.0, 0.9, 1.05], len(families)), -1)
            sent = families[pays], np.full(pays.sum(), owner), by_day(rng, day[pays]), yuan[pays]
            found.append(case.between(*sent, ("family", "school")))
            costs = np.round(yuan[pays].sum() * rng.uniform(0.1, 0.2, 5), -1)
            when = by_day(rng, start + 20 + 30 * np.arange(5))
            found.append(
                case.outside(owner, when, costs, "school", payee=strangers(rng, 5), out=True, channel="online")
            )
    return found


def _collection(rng: np.random.Generator, case: Case, organiser: int) -> list[np.ndarray]:
    """Collect the same sum from fellows within days, as for a trip or a party, and pay it on at once."""
    others = around(case.town.ring, organiser, int(rng.integers(5, 15)))
    first = int(rng.integers(case.town.world.calendar.length))
    sum_each = rng.choice([300, 500, 800, 1000, 1500, 2500, 4000]) * rng.choice([1, 1, 2], len(others))
    time = by_day(rng, first + rng.integers(0, 4, len(others)))
    total = sum_each.sum() * rng.uniform(0.93, 1.08)
    return [
        case.between(others, np.full(len(others), organiser), time, sum_each, ("member", "organiser")),
        case.outside(
            organiser, time.max() + rng.integers(HOUR, 3 * DAY, 1), np.round([total], -1), "organiser",
            payee=strangers(rng, 1), out=True,
        ),
    ]  # fmt: skip


def _club(rng: np.random.Generator, case: Case, founder: int) -> list[np.ndarray]:
    """Pay a fixed sum each month to the member whose turn it is."""
    members = np.append(around(case.town.ring, founder, int(rng.integers(3, 6))), founder)
    rounds = len(members) * int(rng.integers(1, 4))
    first = int(rng.integers(-15 * rounds, case.town.world.calendar.length))
    turn, payer = np.divmod(np.arange(rounds * len(members)), len(members))
    holder = turn % len(members)
    pays = payer != holder
    time = by_day(rng, first + 30 * turn + rng.integers(0, 3, len(turn)))
    yuan = np.full(pays.sum(), float(rng.choice([1000, 2000, 5000, 10_000])))
    return [case.between(members[payer[pays]], members[holder[pays]], time[pays], yuan, ("member", "member"))]


def _others(rng: np.random.Generator, owner: int, eligible: np.ndarray, size: int) -> np.ndarray:
    """Draw customers other than the owner."""
    return rng.permutation(np.setdiff1d(np.flatnonzero(eligible), owner))[:size]


_MAKERS = {
    "shops": ("innocent_cash", _shop),
    "employers": ("innocent_payroll", _employer),
    "schools": ("innocent_tuition", _school),
    "weddings": ("innocent_cash", _wedding),
    "collections": ("innocent_collection", _collection),
    "clubs": ("innocent_club", _club),
}
