"""What the bank sees of an applicant on the day: the application form and the bureau's file.

Each attribute is a noisy trace of the latent traits, mostly of credit risk. An applicant without any credit so far
has no file at the bureau: all its columns are empty, and that tells something. Income and tenure are left out by some,
more often in the partner's app.

Three columns follow from others, so that the table agrees with itself: debt to income is instalments elsewhere, those
of loans here and that of the credit asked for, over the stated income of a month; applications to this bank in the last
half year count as inquiries; who pays a mortgage here lives in a mortgaged home. Dependants and months at the address
say nothing about default.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demobank.books.accounts import LOANS, Accounts
from demobank.books.bookings import CREDIT_CARD, MORTGAGE, PERSONAL_LOAN
from demobank.credit.credit_demand import PARTNER_APP, Requests
from demobank.credit.credit_people import LOOKS_BACK, MORTGAGED, RETIRED, RETIRED_AT, CreditPeople
from demobank.customers.habits import annuity
from demobank.customers.world import World
from demobank.seasons import Calendar
from demobank.streams import Streams

MONTH = 365.25 / 12
_RATES = {CREDIT_CARD: 0.18, PERSONAL_LOAN: 0.07, MORTGAGE: 0.04}
_CARD_MONTHS = 24
"""Months over which a drawn card counts as repaid."""


@dataclass(frozen=True)
class CreditFiles:
    """One value an application; money in yuan. What the table leaves out is here too, as default depends on it."""

    has_file: np.ndarray
    inquiries: np.ndarray
    utilisation: np.ndarray
    delinquencies: np.ndarray
    oldest_line: np.ndarray
    """Months."""
    other_debt: np.ndarray
    debt_to_income: np.ndarray
    employment: np.ndarray
    """Months in the job; five years for the retired, which the table does not show."""
    income: np.ndarray
    """Stated income a year."""
    housing: np.ndarray
    sector: np.ndarray
    dependants: np.ndarray
    at_address: np.ndarray
    """Months."""
    tells_income: np.ndarray
    tells_employment: np.ndarray


def draw_credit_files(
    world: World, book: Accounts, people: CreditPeople, requests: Requests, streams: Streams
) -> CreditFiles:
    """Draw what is known of each applicant on the day of the application."""
    customer, day = requests.customer, requests.day
    has_file = people.first_line[customer] <= day
    oldest = np.where(has_file, np.floor((day - people.first_line[customer]) / MONTH), 0).astype(np.int64)
    income = world.income[customer] * np.exp(0.12 * streams("credit_files/income").standard_normal(len(requests)))
    income = np.maximum(np.round(income, -3), 6000.0)
    other_debt, ratio = _debts(streams("credit_files/debts"), book, people, requests, income, has_file)
    retired, employment = _work(world, people, requests)
    tells_income, tells_employment = _tells(streams("credit_files/told"), requests, retired)
    return CreditFiles(
        has_file,
        _lately(world.calendar, people.inquiries, requests, 6) + _asked_here(requests),
        _utilisation(streams("credit_files/utilisation"), world, people, requests),
        np.minimum(_lately(world.calendar, people.late, requests, 24), 8),
        oldest, other_debt, ratio, employment, income,
        _housing(book, people, requests), np.where(retired, RETIRED, people.sector[customer]),
        people.dependants[customer], np.floor((day - people.moved[customer]) / MONTH).astype(np.int64),
        tells_income, tells_employment,
    )  # fmt: skip


def _lately(calendar: Calendar, counted: np.ndarray, requests: Requests, months: int) -> np.ndarray:
    """Count events in the whole months before the application."""
    now = LOOKS_BACK + calendar.month[requests.day]
    return counted[requests.customer, now] - counted[requests.customer, now - months]


def _asked_here(requests: Requests) -> np.ndarray:
    """Count each applicant's applications here in the half year before."""
    moment = requests.customer * 100_000 + requests.day
    return np.searchsorted(moment, moment) - np.searchsorted(moment, moment - 182)


def _utilisation(rng: np.random.Generator, world: World, people: CreditPeople, requests: Requests) -> np.ndarray:
    customer = requests.customer
    drawn = -0.75 + 0.9 * world.trait("credit_risk")[customer] + people.strain[customer]
    share = 1.15 / (1 + np.exp(-(drawn + 0.5 * rng.standard_normal(len(requests)))))
    return np.where(people.unused[customer], 0.0, np.round(share, 3))


def _debts(
    rng: np.random.Generator, book: Accounts, people: CreditPeople, requests: Requests, income: np.ndarray,
    has_file: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Draw what is owed elsewhere, and all instalments a month over the income of a month."""
    drawn, months = rng.standard_normal(len(requests)), rng.integers(12, 61, len(requests))
    load = 0.35 * np.exp(0.9 * people.burden[requests.customer] + 0.4 * drawn)
    other = np.where(has_file, np.round(income * np.minimum(load, 3.0), -2), 0.0)
    asked = np.select([requests.product == product for product in _RATES], [_asked(requests, p) for p in _RATES])
    service = other / months + _here(book, requests) + asked
    return other, np.round(np.minimum(service / (income / 12), 3.0), 3)


def _asked(requests: Requests, product: int) -> np.ndarray:
    monthly, months = _RATES[product] / 12, np.where(requests.term > 0, requests.term, _CARD_MONTHS)
    return requests.amount * monthly / (1 - (1 + monthly) ** -months)


def _here(book: Accounts, requests: Requests) -> np.ndarray:
    """Return the instalments of loans that run here on the day."""
    customer, day = requests.customer, requests.day
    instalments = [annuity(book, loan)[customer] / 100 for loan in LOANS]
    runs = [book.live(customer, np.full(len(customer), loan), day) for loan in LOANS]
    return np.where(runs, instalments, 0.0).sum(axis=0)


def _work(world: World, people: CreditPeople, requests: Requests) -> tuple[np.ndarray, np.ndarray]:
    """Tell who is retired, and months in the job of the others."""
    customer, day = requests.customer, requests.day
    since = np.where(day >= people.changes_job[customer], people.changes_job[customer], people.hired[customer])
    retired = world.age[customer] + day / 365.25 >= RETIRED_AT
    return retired, np.where(retired, 60, np.floor((day - since) / MONTH)).astype(np.int64)


def _housing(book: Accounts, people: CreditPeople, requests: Requests) -> np.ndarray:
    here = book.live(requests.customer, np.full(len(requests), MORTGAGE), requests.day)
    return np.where(here, MORTGAGED, people.housing[requests.customer])


def _tells(rng: np.random.Generator, requests: Requests, retired: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    income, employment = rng.random((2, len(requests)))
    share = np.where(requests.channel == PARTNER_APP, 0.15, 0.04)
    return income >= share, (employment >= share) & ~retired
