"""The table of applications for credit, and its truth.

An application takes shape in steps: who asks (`credit_demand`), what the bank sees (`credit_files`), what becomes of it
(`default_risk`), and what the bank decides (`credit_policy`). Two kinds are left out at the end: an approved one for a
first card or mortgage without the account (who was approved opened it, and those are there), and any wish after the
customer's own default was known, as the door is closed then.

About 13,000 applications of 5,000 customers in three years; two thirds are approved, of which 5 to 8 % default; of the
rejected 15 to 25 % would. The outcome is known for approved ones only, twelve months later or on the day of the
default, and not after the last day of the window. So in the last year of the window only defaults are known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from bankmine.bank.contract import PRODUCTS
from demobank.arrow import dates, keys, words
from demobank.books.accounts import Accounts
from demobank.books.bookings import CREDIT_CARD, PERSONAL_LOAN
from demobank.credit.credit_demand import CHANNELS, PARTNER_FROM, PURPOSES, Requests, draw_requests, rows_of
from demobank.credit.credit_files import CreditFiles, draw_credit_files
from demobank.credit.credit_people import HOUSING, SECTORS, draw_credit_people
from demobank.credit.credit_policy import Decisions, decide
from demobank.credit.default_risk import WEAKENS_FROM, DefaultRisk, draw_default_risk
from demobank.customers.habits import Habits
from demobank.customers.lifecycle import NEVER
from demobank.customers.world import World
from demobank.streams import Streams

PER_CUSTOMER_APPLICATIONS = 1000
"""Application numbers set aside for each customer."""

DRIFTS = (
    (
        "partner_app", "covariate", PARTNER_FROM, "applications",
        "a new channel brings younger applicants with short credit histories or none",
    ),
    (
        "employment_weakens", "concept", WEAKENS_FROM, "applications",
        "months in the job say less about default than before",
    ),
)  # fmt: skip
"""What changed on a day: name, kind, first day, table, description."""


@dataclass(frozen=True)
class Applications:
    """The applications of one block, in order of customer and day."""

    requests: Requests
    files: CreditFiles
    risk: DefaultRisk
    decisions: Decisions


def draw_applications(world: World, book: Accounts, habits: Habits, streams: Streams) -> Applications:
    """Draw the applications of a block."""
    people = draw_credit_people(world, book, habits, streams)
    requests = draw_requests(world, book, people, streams)
    files = draw_credit_files(world, book, people, requests, streams)
    risk = draw_default_risk(world, requests, files, streams)
    decisions = decide(requests, files, streams)
    drawn = Applications(requests, files, risk, decisions)
    return applications_of(drawn, np.flatnonzero(_stays(drawn, len(world))))


def applications_of(drawn: Applications, index: np.ndarray) -> Applications:
    """Return the applications of `index` only."""
    return Applications(*(rows_of(getattr(drawn, part), index) for part in Applications.__annotations__))


def _stays(drawn: Applications, customers: int) -> np.ndarray:
    requests, risk, approved = drawn.requests, drawn.risk, drawn.decisions.approved
    first_credit = ~requests.holds & (requests.product != PERSONAL_LOAN)
    bad = np.full(customers, NEVER)
    lost = approved & risk.defaults & ~(first_credit & ~requests.own)
    np.minimum.at(bad, requests.customer[lost], risk.known[lost])
    closed_door = requests.day > bad[requests.customer]
    return requests.own | ~(closed_door | (first_credit & approved))


def applications(world: World, book: Accounts, drawn: Applications) -> pa.Table:
    """Return applications as the bank knows them on the last day of the window."""
    requests, files, decisions = drawn.requests, drawn.files, drawn.decisions
    calendar, customer = world.calendar, requests.customer
    open_still = ~decisions.approved | (drawn.risk.known >= calendar.length)
    account = book.number[customer, requests.product]
    by_hand = decisions.approved != decisions.by_rule
    return pa.table(
        {
            "application_id": _ids(world, requests),
            "customer_id": keys("C", world.first + customer, 7),
            "applied_on": dates(calendar, requests.day),
            "product": words(requests.product, PRODUCTS),
            "amount": requests.amount,
            "term_months": pa.array(requests.term, mask=requests.product == CREDIT_CARD),
            "approved": decisions.approved,
            "defaulted": pa.array(drawn.risk.defaults, mask=open_still),
            "outcome_known_on": dates(calendar, drawn.risk.known, open_still),
            "decision": words(by_hand.astype(int), ("auto", "manual")),
            "account_id": keys("A", account, 9, ~requests.own),
            "applied_through": words(requests.channel, CHANNELS),
            "purpose": words(requests.purpose, PURPOSES),
            **_seen(files),
        }
    )


def _seen(files: CreditFiles) -> dict[str, pa.Array]:
    """Return the attributes as far as they were told or filed."""
    no_file, no_income = ~files.has_file, ~files.tells_income
    return {
        "stated_income": pa.array(files.income, mask=no_income),
        "debt_to_income": pa.array(files.debt_to_income, mask=no_income),
        "employment_months": pa.array(files.employment, mask=~files.tells_employment),
        "employer_sector": words(files.sector, SECTORS),
        "housing": words(files.housing, HOUSING),
        "dependants": pa.array(files.dependants, pa.int64()),
        "address_months": pa.array(files.at_address, pa.int64()),
        "bureau_inquiries_6m": pa.array(files.inquiries, mask=no_file),
        "bureau_utilisation": pa.array(files.utilisation, mask=no_file),
        "delinquencies_24m": pa.array(files.delinquencies, mask=no_file),
        "oldest_line_months": pa.array(files.oldest_line, mask=no_file),
        "other_debt": pa.array(files.other_debt, mask=no_file),
    }


def truth_of_applications(world: World, drawn: Applications) -> pa.Table:
    """Return the true probability of default, its parts and what became or would have become of each application."""
    risk, decisions = drawn.risk, drawn.decisions
    parts = {
        name: getattr(risk, name).round(6)
        for name in ("log_odds", "from_risk", "from_utilisation", "from_interaction", "from_employment", "from_economy")
    }
    return pa.table(
        {
            "application_id": _ids(world, drawn.requests),
            "probability": risk.probability,
            "would_default": risk.defaults,
            **parts,
            "policy_score": decisions.score.round(6),
            "policy_approves": decisions.by_rule,
        }
    )


def _ids(world: World, requests: Requests) -> pa.Array:
    """Count each customer's applications from 0."""
    customer = requests.customer
    count = np.arange(len(customer)) - np.searchsorted(customer, customer)
    return keys("L", (world.first + customer) * PER_CUSTOMER_APPLICATIONS + count, 10)
