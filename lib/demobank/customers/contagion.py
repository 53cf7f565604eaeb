"""Contagion: who takes a fund may bring friends to take one too. Insurance does not spread.

An independent cascade on the ties. Whoever opens a fund within the window tells every neighbour with whom the tie is
known by that day, once. A neighbour who has none and could open one that day (holds savings, is of age) does so 10 to
60 days later with a chance of the transmission times the weight of the tie, unless the customer has left or opened
one by then. Openings drawn alone stay as they are; contagion only adds to them or brings them forward.

Insurance goes through the same steps with a transmission of zero: friends are alike and so take it alike, but none
because of another. Known in kind only: peer effects on buying funds and shares are well documented, their size is not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from bankmine.bank.contract import PRODUCTS
from demobank.arrow import dates, keys, words
from demobank.books.accounts import may_open
from demobank.books.bookings import FUND, INSURANCE, NONE
from demobank.customers.lifecycle import NEVER
from demobank.customers.ties import Ties
from demobank.customers.world import World
from demobank.streams import Streams

PLANTED: dict[str, float] = {
    # chance that an adopter brings along a neighbour with a tie of weight 1
    "contagion.transmission.fund": 0.35,
    "contagion.transmission.insurance": 0.0,
    # days from the friend's opening to one's own
    "contagion.shortest_delay": 10,
    "contagion.longest_delay": 60,
}

SPREADING = (FUND, INSURANCE)
"""Products whose adoptions are traced."""


@dataclass(frozen=True)
class Adoptions:
    """What each customer opened when, and because of whom; shape (customers, products) throughout."""

    opened: np.ndarray
    """Day of opening, NEVER where there is no such account."""
    infected_by: np.ndarray
    """Friend whose opening brought it about, NONE where the customer acted alone."""


@dataclass(frozen=True)
class _Chances:
    """The ways on which a product would spread, one value each: a success already decided, waiting for its cause."""

    source: np.ndarray
    target: np.ndarray
    since: np.ndarray
    delay: np.ndarray


def spread(world: World, ties: Ties, alone: np.ndarray, streams: Streams) -> Adoptions:
    """Add what spreads to the openings that customers decide on alone, shape (customers, products)."""
    opened, infected_by = alone.copy(), np.full(alone.shape, NONE)
    for product in SPREADING:
        chances = _draw_chances(streams(f"contagion/{PRODUCTS[product]}"), ties, product)
        opened[:, product], infected_by[:, product] = _cascade(world, chances, alone, product)
    return Adoptions(opened, infected_by)


def _draw_chances(rng: np.random.Generator, ties: Ties, product: int) -> _Chances:
    source, target = np.concatenate([[ties.first, ties.second], [ties.second, ties.first]], axis=1)
    chance = PLANTED[f"contagion.transmission.{PRODUCTS[product]}"] * np.tile(ties.weight, 2)
    succeeds = rng.random(len(source)) < chance
    shortest, longest = int(PLANTED["contagion.shortest_delay"]), int(PLANTED["contagion.longest_delay"])
    delay = rng.integers(shortest, longest + 1, len(source))
    since = np.tile(ties.since, 2)
    return _Chances(source[succeeds], target[succeeds], since[succeeds], delay[succeeds])


def _cascade(world: World, chances: _Chances, alone: np.ndarray, product: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the day of adoption and who brought it about, shape (customers,) each.

    Each round works out all adoptions anew from those of the round before. As no delay is shorter than ten days, each
    round is right for ten days more, so that the rounds come to rest.
    """
    day, before = alone[:, product], None
    while before is None or (day != before).any():
        before = day
        arrives = _arrival(world, chances, alone, product, before)
        day = alone[:, product].copy()
        np.minimum.at(day, chances.target, arrives)
    brought = (arrives == day[chances.target]) & (arrives < alone[chances.target, product])
    infected_by = np.full(len(day), NONE)
    infected_by[chances.target[brought]] = chances.source[brought]
    return day, infected_by


def _arrival(world: World, chances: _Chances, alone: np.ndarray, product: int, day: np.ndarray) -> np.ndarray:
    """Return the day on which each way would lead to an opening, given days of adoption; NEVER where it does not."""
    told = day[chances.source]
    arrives = told + chances.delay
    ends = np.minimum(world.life.left[chances.target], world.calendar.length)
    known = (told >= 0) & (chances.since <= told) & (arrives < ends)
    return np.where(known & may_open(world, alone, product, chances.target, told), arrives, NEVER)


def truth_of_adoptions(world: World, adoptions: Adoptions) -> pa.Table:
    """Return every adoption of the traced products; who brought it about may be outside a bank cut from its block."""
    customer, column = np.nonzero(adoptions.opened[:, SPREADING] < NEVER)
    product = np.array(SPREADING)[column]
    infected_by = adoptions.infected_by[customer, product]
    return pa.table(
        {
            "customer_id": keys("C", world.first + customer, 7),
            "product": words(product, PRODUCTS),
            "adopted_on": dates(world.calendar, adoptions.opened[customer, product]),
            "infected_by": keys("C", world.first + infected_by, 7, infected_by == NONE),
        }
    )
