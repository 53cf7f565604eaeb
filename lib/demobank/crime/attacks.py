"""Attacks on customers: whom fraud hits, when, and when it is found.

Attacks come at a rate that grows by a tenth a year. Who is hit follows the traits, with much chance left: stolen card
numbers hit those who buy much online, takeovers those in the app, talking people into payments the elderly. Merchants
whose terminals are tapped for some weeks are the same for the whole bank; a share of the customers who paid there in
that time are hit days to weeks later. An attack is found 1 to 30 days after it began, with a median of about 5; then
the card is stopped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demobank.books.accounts import Accounts
from demobank.books.bookings import CARD, CREDIT_CARD, CURRENT, MERCHANT, PUSH, TAKEOVER, code, scattered
from demobank.books.peers import present
from demobank.books.purchases import MERCHANTS
from demobank.customers.world import REGIONS, World
from demobank.seasons import SPENT_ON, Calendar
from demobank.streams import Streams

DRIFTS: tuple[tuple[str, str, str, str, str], ...] = (
    (
        "push_payment", "concept", "2025-07-01", "transactions",
        "a new kind of fraud: customers are talked into paying, on their own device, by day, in round amounts",
    ),
)  # fmt: skip
"""Name, kind, first day, table and description of each planned change."""

PLANTED = {
    "fraud.card_attacks_a_month": 8.5,  # among 1,000 customers at the start of 2024; so below
    "fraud.takeover_attacks_a_month": 6.5,
    "fraud.push_attacks_a_month": 6.5,
    "fraud.growth_a_year": 0.10,  # log growth of all rates
    "fraud.card_digital_log_odds": 0.45,  # of being hit, a unit of the trait; so below
    "fraud.card_engagement_log_odds": 0.25,
    "fraud.takeover_digital_log_odds": 0.35,
    "fraud.push_age_log_odds": 0.04,  # a year of age
    "fraud.tapped_merchants_a_month": 3.0,  # in the whole bank
    "fraud.tapped_hit_share": 0.17,  # of the customers who paid there in that time
    "fraud.found_days": 5.5,  # median from the attack's beginning until it is found
}
LONGEST = 30
"""Days after which an attack is found at the latest."""


@dataclass(frozen=True)
class Attacks:
    """Attacks on accounts of a block, shape (attacks,); days count from the window's first."""

    customer: np.ndarray
    product: np.ndarray
    scheme: np.ndarray
    day: np.ndarray
    """Day on which it begins."""
    found: np.ndarray
    """Day on which customer or bank finds out, after which nothing more is taken."""

    def of(self, *schemes: int) -> np.ndarray:
        """Return which attacks are of one of the schemes, as numbers."""
        return np.flatnonzero(np.isin(self.scheme, schemes))


@dataclass(frozen=True)
class Tapped:
    """Merchants whose terminals were tapped, the same for every block; days count from the window's first."""

    merchant: np.ndarray
    first: np.ndarray
    last: np.ndarray


def draw_tapped(calendar: Calendar, streams: Streams) -> Tapped:
    """Draw the tapped merchants: more often large ones, a third of them web shops, each once."""
    rng = streams.common("fraud/tapped")
    size = rng.poisson(PLANTED["fraud.tapped_merchants_a_month"] * calendar.months)
    category = rng.choice([SPENT_ON.index(c) for c in ("groceries", "dining", "shopping", "travel")], size)
    place = np.where(rng.random(size) < 0.35, len(REGIONS), (len(REGIONS) * rng.random(size) ** 1.5).astype(int))
    number = (MERCHANTS * rng.random(size) ** 2).astype(int)
    merchant, once = np.unique(((category + 1) * 100 + place) * 100 + number, return_index=True)
    first = rng.integers(-20, calendar.length, size)[once]
    return Tapped(merchant, first, first + rng.integers(20, 56, size)[once])


def draw_attacks(world: World, accounts: Accounts, genuine: np.ndarray, streams: Streams) -> Attacks:
    """Draw all attacks of a block, in order of their day; `genuine` tell who paid where terminals were tapped."""
    tapped = draw_tapped(world.calendar, streams)
    drawn = [
        _at_random(streams("fraud/cards"), world, CARD),
        _after_tapping(streams("fraud/tapping"), world.calendar, genuine, tapped),
        _at_random(streams("fraud/takeovers"), world, TAKEOVER),
        _at_random(streams("fraud/push"), world, PUSH),
    ]
    customer, day = (np.concatenate([attack[i] for attack in drawn]) for i in range(2))
    scheme = np.repeat([CARD, MERCHANT, TAKEOVER, PUSH], [len(attack[0]) for attack in drawn])
    product = _card_of(streams("fraud/products"), accounts, customer, scheme, day)
    inside = np.flatnonzero((day >= 0) & (day < world.calendar.length))
    order = inside[np.argsort(day[inside], kind="stable")]
    order = order[present(world, accounts, customer[order], day[order])]
    found = day + _until_found(streams("fraud/found"), len(day))
    return Attacks(customer[order], product[order], scheme[order], day[order], found[order])


def _at_random(rng: np.random.Generator, world: World, scheme: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw customers by their traits, and days by the growth of fraud."""
    rate = {CARD: "card", TAKEOVER: "takeover", PUSH: "push"}[scheme]
    growth = _growth(world.calendar)
    if scheme == PUSH:
        growth = np.where(world.calendar.start + np.arange(len(growth)) < np.datetime64(DRIFTS[0][2]), 0.0, growth)
    exposure = np.exp(_exposure(world, scheme))
    attacks = PLANTED[f"fraud.{rate}_attacks_a_month"] / 30.4 * growth.sum() / 1000
    return scattered(rng, attacks * exposure / exposure.mean(), growth)


def _exposure(world: World, scheme: int) -> np.ndarray:
    if scheme == PUSH:
        return PLANTED["fraud.push_age_log_odds"] * world.age
    if scheme == TAKEOVER:
        return PLANTED["fraud.takeover_digital_log_odds"] * world.trait("digital")
    return (
        PLANTED["fraud.card_digital_log_odds"] * world.trait("digital")
        + PLANTED["fraud.card_engagement_log_odds"] * world.trait("engagement")
    )  # fmt: skip


def _growth(calendar: Calendar) -> np.ndarray:
    """Return the rate of each day against the start of 2024, not more than doubled or halved."""
    days = (calendar.start - np.datetime64("2024-01-01")).astype(np.int64) + np.arange(calendar.length)
    return np.exp(np.clip(PLANTED["fraud.growth_a_year"] * days / 365.25, -0.7, 0.7))


def _after_tapping(
    rng: np.random.Generator, calendar: Calendar, genuine: np.ndarray, tapped: Tapped
) -> tuple[np.ndarray, np.ndarray]:
    """Hit a share of those who paid at a tapped merchant, each once, days to weeks after it."""
    paid = genuine[(genuine["kind"] == code("kind", "card")) & np.isin(genuine["merchant"], tapped.merchant)]
    number = np.searchsorted(tapped.merchant, paid["merchant"])
    exposed = (paid["day"] >= tapped.first[number]) & (paid["day"] <= tapped.last[number])
    pair = number[exposed].astype(np.int64) << 32 | paid["customer"][exposed]
    once = np.unique(pair, return_index=True)[1]
    paid = paid[exposed][once]
    hit = PLANTED["fraud.tapped_hit_share"] * _growth(calendar)[paid["day"]]
    paid = paid[rng.random(len(paid)) < hit]
    return paid["customer"].astype(np.int64), paid["day"] + 3 + rng.exponential(18.0, len(paid)).astype(np.int64)


def _card_of(
    rng: np.random.Generator, accounts: Accounts, customer: np.ndarray, scheme: np.ndarray, day: np.ndarray
) -> np.ndarray:
    """Choose the account: the credit card of most who have one when a card is hit, else the current account."""
    on_card = np.isin(scheme, (CARD, MERCHANT)) & (rng.random(len(customer)) < 0.65)
    on_card &= accounts.live(customer, np.full(len(customer), CREDIT_CARD), day)
    return np.where(on_card, CREDIT_CARD, CURRENT)


def _until_found(rng: np.random.Generator, size: int) -> np.ndarray:
    days = PLANTED["fraud.found_days"] * np.exp(0.75 * rng.standard_normal(size))
    return np.clip(np.rint(days), 1, LONGEST).astype(np.int64)
