"""Who applies for credit, on which day, for what, how much, and where: before any decision.

Three sources, together 0.8 to 1 application a customer and year. Customers have wishes (a Poisson process): riskier and
younger ones more often, fewer around Chinese New Year, in Golden Week and at weekends. From `PARTNER_FROM` on a
partner's app brings more, mostly from the young and from people with a short credit history or none: the covariate
shift. And each credit account opened in the window was applied for 3 to 20 days before, though not before joining;
where that day lies ahead of the window, the application is not in the table.

A wish for a card or a mortgage of one who holds it already is for a limit increase, an instalment plan or a top-up:
what is approved of these, and of the wishes for a personal loan (instalment plans at shops), shows no account of its
own. A wish for a first card or mortgage that is approved leads to the account, so only rejected ones are left of those
that are not an account's own.

Sizes follow income, as in accounts; seasons are in kind, not in exact size.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np

from demobank.books.accounts import ADULT, OLDEST, Accounts
from demobank.books.bookings import CREDIT_CARD, MORTGAGE, PERSONAL_LOAN, arrivals
from demobank.credit.credit_people import CREDIT, CreditPeople
from demobank.customers.lifecycle import NEVER
from demobank.customers.world import World
from demobank.seasons import Calendar
from demobank.streams import Streams

PLANTED = {
    "applications.risk_log_rate": 0.3,
    "applications.age_log_rate": -0.02,
    "applications.partner_age_log_rate": -0.05,
    "applications.partner_thin_log_rate": 2.0,
}
"""Log of how much more often customers apply: for each unit of credit risk, for each year of age, the same in the
partner's app, and there for who has had credit for less than two years or never."""

PARTNER_FROM = "2025-01-01"
"""Day from which the partner's app brings applications."""

CHANNELS = ("branch", "call_centre", "online", "mobile", "partner_app")
BRANCH, CALL_CENTRE, ONLINE, MOBILE, PARTNER_APP = range(len(CHANNELS))
PURPOSES = (
    "consumption", "renovation", "education", "medical", "car", "business", "new_card", "limit_increase",
    "instalment_plan", "home_purchase", "top_up",
)  # fmt: skip
_OF_LOANS = np.array([0.40, 0.18, 0.10, 0.08, 0.10, 0.14])
NEW_CARD, LIMIT_INCREASE, INSTALMENT_PLAN, HOME_PURCHASE, TOP_UP = range(6, 11)

# a year, of a customer of average risk and 40 years; in the partner's app, of one of 35 with a long credit history
_PER_YEAR, _PARTNER_PER_YEAR = 1.25, 0.3
_PRODUCTS = (0.34, 0.56, 0.10)
"""Shares of CREDIT among wishes."""
_SOONEST, _LATEST = 3, 20
"""Days from an application to the opening of its account."""
_THIN = 730
"""Days up to which a credit history is short."""

_WISH = np.dtype([("customer", np.int64), ("day", np.int64), ("product", np.int64), ("source", np.int64)])
_CUSTOMER, _PARTNER, _ACCOUNT = range(3)

Record = TypeVar("Record")


@dataclass(frozen=True)
class Requests:
    """One value an application, in order of customer and day; money in yuan, days from the window's first."""

    customer: np.ndarray
    day: np.ndarray
    product: np.ndarray
    own: np.ndarray
    """Whether an account was opened for it: the customer's account of that product."""
    holds: np.ndarray
    """Whether the customer holds an account of that product on the day."""
    channel: np.ndarray
    purpose: np.ndarray
    amount: np.ndarray
    term: np.ndarray
    """Months to repay, 0 for a card."""

    def __len__(self) -> int:
        """Return the number of applications."""
        return len(self.customer)


def rows_of(record: Record, index: np.ndarray) -> Record:
    """Return a dataclass of arrays with the rows of `index` only."""
    return replace(record, **{f.name: getattr(record, f.name)[index] for f in fields(record)})


def draw_requests(world: World, book: Accounts, people: CreditPeople, streams: Streams) -> Requests:
    """Draw the applications of a block, with those that the decisions will take out again."""
    wishes = _wishes(world, book, people, streams)
    customer, day, product = (wishes[name] for name in ("customer", "day", "product"))
    own, holds = wishes["source"] == _ACCOUNT, book.live(customer, product, day)
    channel = _channels(streams("credit_demand/channels"), world.trait("digital")[customer])
    channel = np.where(wishes["source"] == _PARTNER, PARTNER_APP, channel)
    purpose = _purposes(streams("credit_demand/purposes"), product, holds)
    amount, term = _sizes(streams("credit_demand/sizes"), world.income[customer], product, holds)
    granted = _more(streams("credit_demand/more"), book.limit[customer, product] / 100)
    amount, term = np.where(own, granted, amount), np.where(own, book.term[customer, product], term)
    return Requests(customer, day, product, own, holds, channel, purpose, amount, term)


def _wishes(world: World, book: Accounts, people: CreditPeople, streams: Streams) -> np.ndarray:
    """Return the wishes of all sources that age allows, in order of customer and day."""
    of_customers = arrivals(streams("credit_demand/wishes"), _rate(world))
    of_partner = arrivals(streams("credit_demand/partner"), _partner_rate(world, people))
    rng = streams("credit_demand/products")
    wishes = np.concatenate(
        [
            _wish(*of_customers, rng.choice(CREDIT, len(of_customers[0]), p=_PRODUCTS), _CUSTOMER),
            _wish(*of_partner, rng.choice(CREDIT, len(of_partner[0]), p=_PRODUCTS), _PARTNER),
            _wish(*_for_accounts(streams("credit_demand/accounts"), world, book), _ACCOUNT),
        ]
    )
    wishes = wishes[np.lexsort((wishes["day"], wishes["customer"]))]
    age = world.age[wishes["customer"]] + wishes["day"] / 365.25
    oldest = np.array([OLDEST.get(product, 0) for product in range(max(CREDIT) + 1)])
    return wishes[(age >= ADULT) & (age <= oldest[wishes["product"]])]


def _wish(customer: np.ndarray, day: np.ndarray, product: np.ndarray, source: int) -> np.ndarray:
    rows = np.empty(len(customer), dtype=_WISH)
    rows["customer"], rows["day"], rows["product"], rows["source"] = customer, day, product, source
    return rows


def _rate(world: World) -> np.ndarray:
    """Return how many wishes each customer has on each day, shape (customers, days)."""
    age = PLANTED["applications.age_log_rate"] * (world.age - 40)
    weight = np.exp(PLANTED["applications.risk_log_rate"] * world.trait("credit_risk") + age)
    return _PER_YEAR / 365 * weight[:, None] * season(world.calendar) * _here(world)


def _partner_rate(world: World, people: CreditPeople) -> np.ndarray:
    started = day_of(world.calendar, PARTNER_FROM)
    thin = people.first_line > started - _THIN
    age = PLANTED["applications.partner_age_log_rate"] * (world.age - 35)
    weight = np.exp(age + PLANTED["applications.partner_thin_log_rate"] * thin)
    runs = np.arange(world.calendar.length) >= started
    return _PARTNER_PER_YEAR / 365 * weight[:, None] * season(world.calendar) * runs * _here(world)


def _here(world: World) -> np.ndarray:
    day = np.arange(world.calendar.length)
    return (day >= world.joined[:, None]) & (day < world.life.left[:, None])


def season(calendar: Calendar) -> np.ndarray:
    """Return how many apply on each day, around 1, shape (length,)."""
    since, month = calendar.from_new_year, calendar.month_of_year[calendar.month] + 1
    feast = np.where((since >= -4) & (since < 12), 0.4, np.where((since >= -32) & (since < -4), 1.15, 1.0))
    golden = (month == 10) & (calendar.day_of_month <= 7)
    return feast * np.where(golden, 0.6, 1.0) * np.where(calendar.weekday >= 5, 0.6, 1.15)


def day_of(calendar: Calendar, date: str) -> int:
    """Return the day of the window on which a date falls; below zero or past the end outside the window."""
    return int((np.datetime64(date, "D") - calendar.start).astype(np.int64))


def _for_accounts(rng: np.random.Generator, world: World, book: Accounts) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return customer, day and product of the applications behind accounts; none before the window, nor as a child."""
    ahead = rng.integers(_SOONEST, _LATEST + 1, (len(world), len(CREDIT)))
    opened = book.opened[:, CREDIT]
    grown = np.ceil((ADULT - world.age) * 365.25).astype(np.int64)
    day = np.maximum(opened - ahead, np.maximum(world.joined, grown)[:, None])
    customer, which = np.nonzero((opened < NEVER) & (day >= 0))
    return customer, day[customer, which], np.array(CREDIT)[which]


def _channels(rng: np.random.Generator, digital: np.ndarray) -> np.ndarray:
    remote, other = rng.random((2, len(digital)))
    far = remote < 1 / (1 + np.exp(-(0.2 + 1.1 * digital)))
    return np.where(far, np.where(other < 0.25, ONLINE, MOBILE), np.where(other < 0.15, CALL_CENTRE, BRANCH))


def _purposes(rng: np.random.Generator, product: np.ndarray, holds: np.ndarray) -> np.ndarray:
    of_loan = rng.choice(len(_OF_LOANS), len(product), p=_OF_LOANS)
    of_holder = np.where(rng.random(len(product)) < 0.6, LIMIT_INCREASE, INSTALMENT_PLAN)
    of_card, of_mortgage = np.where(holds, of_holder, NEW_CARD), np.where(holds, TOP_UP, HOME_PURCHASE)
    return np.select([product == CREDIT_CARD, product == MORTGAGE], [of_card, of_mortgage], of_loan)


def _sizes(
    rng: np.random.Generator, income: np.ndarray, product: np.ndarray, holds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Draw amount and term: a first card or mortgage is sized as the account would be, the rest is smaller."""
    spread, choice = np.exp(0.4 * rng.standard_normal(len(income))), rng.integers(0, 3, len(income))
    of_card, of_mortgage = np.where(holds, 0.1, 0.18), np.where(holds, 0.5, 3.6)
    share = np.select([product == CREDIT_CARD, product == MORTGAGE], [of_card, of_mortgage], 0.3)
    least = np.select([product == CREDIT_CARD, product == MORTGAGE], [2000.0, 50_000.0], 3000.0)
    of_loan, of_home = np.array([12, 24, 36])[choice], np.where(holds, 120, np.array([240, 360, 360])[choice])
    term = np.select([product == PERSONAL_LOAN, product == MORTGAGE], [of_loan, of_home], 0)
    return np.round(np.maximum(income * share * spread, least), -3), term


def _more(rng: np.random.Generator, granted: np.ndarray) -> np.ndarray:
    """Return what was asked for where less may have been granted."""
    return np.round(granted * (1 + 0.3 * np.maximum(rng.random(len(granted)) - 0.6, 0.0) / 0.4), -3)
