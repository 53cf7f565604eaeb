"""What a lender finds out about a person and what stays with the person: credit history, work, home.

Everything here is drawn once a customer, so that two applications of one person agree with each other: a credit
history only grows longer, late payments and inquiries lie on days of their own, tenure starts again with a new job, the
sector stays.

Marginals, in kind and not in exact size: one adult in five never had credit at another lender, and the young have had
it for a short time; one borrower in four paid late in the last two years; a job lasts five years on average. Women work
in education, health and retail more often than men, men in construction, transport and technology, as in the labour
statistics of China. The sector depends on gender and on nothing else that matters here: it is a proxy of gender and
says nothing about default.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demobank.books.accounts import Accounts
from demobank.books.bookings import CREDIT_CARD, MORTGAGE, PERSONAL_LOAN
from demobank.customers.habits import Habits
from demobank.customers.lifecycle import NEVER
from demobank.customers.world import World
from demobank.streams import Streams

CREDIT = (CREDIT_CARD, PERSONAL_LOAN, MORTGAGE)
"""Products that are applied for."""

SECTORS = (
    "education_health", "retail_services", "public", "finance", "manufacturing", "construction", "technology",
    "transport", "retired",
)  # fmt: skip
MOSTLY_WOMEN = ("education_health", "retail_services")
RETIRED = SECTORS.index("retired")
# rows: men, women; columns: SECTORS but the last
_SECTOR_SHARES = np.array(
    [[0.07, 0.11, 0.12, 0.08, 0.20, 0.17, 0.13, 0.12], [0.29, 0.26, 0.13, 0.12, 0.10, 0.02, 0.05, 0.03]]
)
RETIRED_AT = 60.0
LOOKS_BACK = 24
"""Months of credit history known before the window."""

HOUSING = ("own", "mortgage", "rent", "family")
OWN, MORTGAGED, RENT, FAMILY = range(len(HOUSING))


@dataclass(frozen=True)
class CreditPeople:
    """One value a customer, shape (customers,); days count from the window's first."""

    first_line: np.ndarray
    """Day of the first credit anywhere, NEVER for those who never had any; what the bank itself lent counts."""
    hired: np.ndarray
    """Day on which the job at the start of the window began."""
    changes_job: np.ndarray
    """Day of the next job."""
    sector: np.ndarray
    """Code of SECTORS while working."""
    housing: np.ndarray
    """Code of HOUSING for who has no mortgage here."""
    moved: np.ndarray
    """Day of moving to the address."""
    dependants: np.ndarray
    burden: np.ndarray
    """How much is owed elsewhere, in standard units."""
    strain: np.ndarray
    """How far credit lines are drawn, in standard units."""
    unused: np.ndarray
    """Whether the customer keeps credit lines without using any."""
    late: np.ndarray
    """Late payments up to the start of each month from `LOOKS_BACK` months before the window on, shape (customers,
    LOOKS_BACK + months)."""
    inquiries: np.ndarray
    """The same of inquiries by other lenders."""


def draw_credit_people(world: World, book: Accounts, habits: Habits, streams: Streams) -> CreditPeople:
    """Draw a block's credit histories, jobs and homes."""
    first_line = _first_lines(streams("credit_people/histories"), world, book)
    burden, strain, unused = _debts(streams("credit_people/debts"), len(world))
    return CreditPeople(
        first_line,
        *_jobs(streams("credit_people/jobs"), world),
        _sectors(streams("credit_people/sectors"), world),
        *_homes(streams("credit_people/homes"), world, habits),
        burden, strain, unused,
        _late(streams("credit_people/late"), world, first_line),
        _inquiries(streams("credit_people/inquiries"), world, strain),
    )  # fmt: skip


def _debts(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw what is owed elsewhere and how lines are used; some use none of theirs, whatever their risk."""
    burden, strain = rng.standard_normal((2, size))
    return burden, strain, rng.random(size) < 0.2


def _late(rng: np.random.Generator, world: World, first_line: np.ndarray) -> np.ndarray:
    rate = np.exp(-1.6 + 0.9 * world.trait("credit_risk") + 0.4 * rng.standard_normal(len(world))) / 24
    month = world.calendar.start.astype("datetime64[M]") + np.arange(-LOOKS_BACK, world.calendar.months)
    day = (month.astype("datetime64[D]") - world.calendar.start).astype(np.int64)
    return _counted(rng, rate[:, None] * (day >= first_line[:, None]))


def _inquiries(rng: np.random.Generator, world: World, strain: np.ndarray) -> np.ndarray:
    rate = np.exp(0.35 + 0.4 * world.trait("credit_risk") + 0.25 * strain) / 6
    return _counted(rng, np.repeat(rate[:, None], LOOKS_BACK + world.calendar.months, axis=1))


def _counted(rng: np.random.Generator, rate: np.ndarray) -> np.ndarray:
    """Draw events from monthly rates, and count them up to the start of each month."""
    events = rng.poisson(rate)
    return events.cumsum(axis=1) - events


def _first_lines(rng: np.random.Generator, world: World, book: Accounts) -> np.ndarray:
    never = rng.random(len(world)) < 0.2
    age = 19 + rng.gamma(2.0, 2.0, len(world))
    elsewhere = np.where(never, NEVER, (365.25 * (age - world.age)).astype(np.int64))
    return np.minimum(elsewhere, book.opened[:, CREDIT].min(axis=1))


def _jobs(rng: np.random.Generator, world: World) -> tuple[np.ndarray, np.ndarray]:
    """Risky customers change jobs more often."""
    years, more = rng.exponential(5.0, (2, len(world))) * np.exp(-0.25 * world.trait("credit_risk"))
    hired = -(365.25 * np.minimum(years, np.maximum(world.age - 18, 0.1))).astype(np.int64)
    return hired, (365.25 * more).astype(np.int64)


def _sectors(rng: np.random.Generator, world: World) -> np.ndarray:
    limits = _SECTOR_SHARES[world.female.astype(int)].cumsum(axis=1)[:, :-1]
    return (rng.random(len(world))[:, None] > limits).sum(axis=1)


def _homes(rng: np.random.Generator, world: World, habits: Habits) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whoever pays rent rents; of the others the young live with their family, the rest own, some with a mortgage."""
    family, mortgage = rng.random((2, len(world)))
    with_family = family < 1 / (1 + np.exp((world.age - 29) / 3))
    owes = mortgage < np.clip(0.6 - 0.012 * (world.age - 30), 0.0, 0.6)
    housing = np.select([habits.rent[:, 0] > 0, with_family, owes], [RENT, FAMILY, MORTGAGED], OWN)
    moved = -(30.4 * rng.exponential(55.0, len(world))).astype(np.int64)
    return housing, moved, np.minimum(rng.poisson(np.where(world.age < 27, 0.2, 0.9)), 4)
