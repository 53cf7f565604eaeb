"""Journeys within the country and purchases from foreign shops, so that neither tells fraud from what is genuine.

Customers leave their region for two to seven days about one and a half times a year, more often in the seasons of
travel, and then pay at terminals there. About one purchase in a hundred made in the app or on the web is from a shop
abroad.
"""

from __future__ import annotations

import numpy as np

from demobank.books.bookings import NONE, code, scattered
from demobank.customers.world import REGIONS, World
from demobank.seasons import SPENT_ON
from demobank.streams import Streams

PLANTED = {
    "journeys.a_year": 1.5,  # within the country, of a customer of average income
    "journeys.foreign_shop_share": 0.012,  # of the purchases made in the app or on the web
}
PLACES = (0.3, 0.12, 0.14, 0.14, 0.08, 0.08, 0.06, 0.04, 0.04)
"""Share of each of COUNTRIES after the first."""
_LONGEST = 7


def travelled(world: World, rows: np.ndarray, streams: Streams) -> np.ndarray:
    """Move purchases `rows` of those on a journey to merchants of the region where they are; change `rows`."""
    at_terminal = rows["channel"] == code("channel", "pos")
    there = _whereabouts(world, streams)[rows["customer"], rows["day"]]
    moved = at_terminal & (rows["country"] == 0) & (there != NONE)
    rows["merchant"][moved] = relocated(rows["merchant"][moved], there[moved])
    rng = streams("journeys/foreign_shops")
    abroad = ~at_terminal & (rng.random(len(rows)) < PLANTED["journeys.foreign_shop_share"])
    rows["country"][abroad] = 1 + rng.choice(len(PLACES), abroad.sum(), p=PLACES)
    return rows


def relocated(merchant: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Return the merchant of the same rank and category in another place."""
    return merchant // 10_000 * 10_000 + place.astype(merchant.dtype) * 100 + merchant % 100


def _whereabouts(world: World, streams: Streams) -> np.ndarray:
    """Return the region in which each customer travels on each day, NONE at home, shape (customers, days)."""
    rng = streams("journeys/within")
    expected = PLANTED["journeys.a_year"] * world.calendar.length / 365 * np.exp(0.3 * world.trait("income"))
    customer, leaves = scattered(rng, expected, world.calendar.demand[SPENT_ON.index("travel")])
    place = rng.integers(0, len(REGIONS), len(customer))
    length = rng.integers(2, _LONGEST + 1, len(customer))
    there = np.full((len(world), world.calendar.length), NONE, dtype=np.int8)
    for after in range(_LONGEST):
        on = (after < length) & (leaves + after < world.calendar.length)
        there[customer[on], leaves[on] + after] = place[on]
    return there
