"""Who knows whom: communities of customers and the ties within and between them.

A community is a village, a circle of colleagues, a neighbourhood of 15 to 60 customers. Most customers live among
their like: customers are put in order of region, kind and age and cut into communities, after a part of them has
changed places at random (homophily, which is there whether or not anything spreads). Within a community households
know each other, colleagues and friends do with some chance; a few ties lead to other communities. In some communities
a core knows nearly everyone else of the core, so that the customers with the most ties share their neighbours.

A tie has no direction and is written once, from the smaller customer number to the larger. It is known from a day on,
never before both have joined or after one has left. About 5 ties a customer; sizes and shares are plausible in kind,
not taken from a source.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from demobank.arrow import dates, keys, words
from demobank.customers.world import BLOCK, World
from demobank.streams import Streams

KINDS = ("family", "employer", "payment", "referral")
FAMILY, EMPLOYER, PAYMENT, REFERRAL = range(len(KINDS))
SMALLEST, LARGEST = 15, 60
"""Customers of a community."""

PLANTED: dict[str, float] = {
    # share of the customers who live among their like; the others live anywhere
    "relations.homophily": 0.8,
    # ties expected of each customer, before those that come too late are left out
    "relations.colleagues": 1.9,
    "relations.payments_within": 0.7,
    "relations.payments_across": 0.5,
    "relations.referrals": 0.4,
    # share of the communities with a core, share of such a community in it, share of its pairs that are tied
    "relations.cores": 0.3,
    "relations.core_size": 0.35,
    "relations.core_density": 0.7,
}

_PER_COMMUNITY = 100
"""Numbers of communities set aside for each block."""
_NEW_HOUSEHOLD = 0.63
_RETIRED = 62
# years until a tie is known, for each of KINDS, where it is not a referral
_WAIT = np.array([0.3, 1.2, 1.5, 0.0])
# shape of the beta distribution of the strength of a tie, for each of KINDS
_STRENGTH = np.array([[6.0, 2.0], [3.0, 4.0], [2.0, 3.0], [4.0, 3.0]])


@dataclass(frozen=True)
class Ties:
    """Communities, one value a customer, and ties, one value a tie; customers are counted within the block."""

    community: np.ndarray
    core: np.ndarray
    """Whether a customer belongs to the core of the community."""
    first: np.ndarray
    second: np.ndarray
    """The two customers of a tie; `first` is the smaller number, and ties are in order of both."""
    kind: np.ndarray
    since: np.ndarray
    """Day on which the tie was first known, counted from the window's first."""
    weight: np.ndarray
    """Strength, above 0 and up to 1."""


def draw_ties(world: World, streams: Streams) -> Ties:
    """Draw the communities and ties of a block."""
    community, household, core = _communities(streams("relations/communities"), world)
    first, second, kind = _pairs(streams("relations/pairs"), world, community, household, core)
    since = _dates(streams("relations/dates"), world, first, second, kind)
    weight = np.maximum(np.round(streams("relations/weights").beta(*_STRENGTH[kind].T), 3), 0.01)
    ends = np.minimum(np.minimum(world.life.left[first], world.life.left[second]), world.calendar.length)
    seen = since < ends
    return Ties(community, core, first[seen], second[seen], kind[seen], since[seen], weight[seen])


def _communities(rng: np.random.Generator, world: World) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return community, household and membership of the core of each customer."""
    order = np.lexsort((world.age, world.segment, world.region))
    moves = np.flatnonzero(rng.random(BLOCK) >= PLANTED["relations.homophily"])
    order[moves] = rng.permutation(order[moves])
    sizes = _sizes(rng)
    number = np.repeat(np.arange(len(sizes)), sizes)
    starts = (rng.random(BLOCK) < _NEW_HOUSEHOLD) | (np.diff(number, prepend=-1) > 0)
    cored = rng.random(len(sizes)) < PLANTED["relations.cores"]
    inner = cored[number] & (rng.random(BLOCK) < PLANTED["relations.core_size"])
    community, household, core = (np.empty(BLOCK, dtype=a.dtype) for a in (number, number, inner))
    community[order], household[order], core[order] = number, starts.cumsum(), inner
    return community, household, core


def _sizes(rng: np.random.Generator) -> np.ndarray:
    """Draw sizes until all customers have a place; where the last is too small, the largest gives some away."""
    sizes = rng.integers(SMALLEST, LARGEST + 1, BLOCK // SMALLEST + 1)
    sizes = sizes[: np.searchsorted(sizes.cumsum(), BLOCK) + 1]
    sizes[-1] -= sizes.sum() - BLOCK
    lacking = max(SMALLEST - sizes[-1], 0)
    sizes[sizes.argmax()] -= lacking
    sizes[-1] += lacking
    return sizes


def _pairs(
    rng: np.random.Generator, world: World, community: np.ndarray, household: np.ndarray, core: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the pairs that are tied, and the kind of each tie: one number decides for each possible pair."""
    first, second = np.triu_indices(BLOCK, 1)
    same = community[first] == community[second]
    family = household[first] == household[second]
    one_each = same / (np.bincount(community)[community[first]] - 1)
    of_core = same & core[first] & core[second]
    colleagues, within, across, referrals, density = (
        PLANTED[f"relations.{name}"]
        for name in ("colleagues", "payments_within", "payments_across", "referrals", "core_density")
    )
    chances = (
        family,
        np.where(of_core, density, colleagues * one_each),
        np.where(same, within * one_each, across / BLOCK),
        referrals * one_each,
    )
    kind = (rng.random(len(first)) >= np.cumsum(chances, axis=0)).sum(axis=0)
    tied = kind < len(KINDS)
    first, second, kind = first[tied], second[tied], kind[tied]
    retired = np.maximum(world.age[first], world.age[second]) >= _RETIRED
    return first, second, np.where((kind == EMPLOYER) & retired, PAYMENT, kind)


def _dates(
    rng: np.random.Generator, world: World, first: np.ndarray, second: np.ndarray, kind: np.ndarray
) -> np.ndarray:
    """Return the day of each tie: a referral soon after the second joined, others after a wait."""
    both = np.maximum(world.joined[first], world.joined[second])
    soon = rng.integers(0, 30, len(first))
    wait = (365 * _WAIT[kind] * rng.standard_exponential(len(first))).astype(np.int64)
    return both + np.where(kind == REFERRAL, soon, wait)


def relations(world: World, ties: Ties, kept: int) -> pa.Table:
    """Return the ties between the first `kept` customers as a table, in order of both."""
    rows = np.flatnonzero(ties.second < kept)
    return pa.table(
        {
            "from_id": keys("C", world.first + ties.first[rows], 7),
            "to_id": keys("C", world.first + ties.second[rows], 7),
            "kind": words(ties.kind[rows], KINDS),
            "since": dates(world.calendar, ties.since[rows]),
            "weight": pa.array(ties.weight[rows]),
        }
    )


def truth_of_communities(world: World, ties: Ties) -> pa.Table:
    """Return the community of each customer, and whether the customer belongs to its core."""
    number = world.first // BLOCK * _PER_COMMUNITY + ties.community
    return pa.table(
        {
            "customer_id": keys("C", world.first + np.arange(len(world)), 7),
            "community": keys("G", number, 7),
            "core": pa.array(ties.core),
        }
    )
