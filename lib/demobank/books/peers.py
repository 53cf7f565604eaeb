"""Money between customers of the bank: who knows whom, and bookings at both ends.

Customers stand in a ring, those of a community (`ties`) side by side; the neighbours in it are a customer's fellows, so
that knowing is mutual and fellows of fellows know each other. Payments between customers stay within the block.
"""

from __future__ import annotations

import numpy as np

from demobank.books.accounts import Accounts
from demobank.books.bookings import CURRENT, NONE
from demobank.customers.ties import Ties
from demobank.customers.world import World
from demobank.streams import Streams


def draw_ring(ties: Ties, streams: Streams) -> np.ndarray:
    """Return the customers in the order of the ring, shape (customers,)."""
    return np.lexsort((streams("peers/ring").random(len(ties.community)), ties.community))


def fellows(ring: np.ndarray) -> np.ndarray:
    """Return the two neighbours of each customer in the ring, shape (customers, 2)."""
    near = np.empty((len(ring), 2), dtype=np.int64)
    near[ring] = np.stack([np.roll(ring, -1), np.roll(ring, 1)], axis=1)
    return near


def around(ring: np.ndarray, customer: int, size: int) -> np.ndarray:
    """Return the `size` customers who follow one in the ring."""
    place = int(np.flatnonzero(ring == customer)[0])
    return ring[(place + 1 + np.arange(size)) % len(ring)]


def present(world: World, accounts: Accounts, customer: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Tell who has a current account at a day and has not left the bank."""
    return accounts.live(customer, np.full(len(customer), CURRENT), day) & (day < world.life.left[customer])


def both_sides(world: World, accounts: Accounts, rows: np.ndarray) -> np.ndarray:
    """Add the other end of each payment to a fellow customer; one whose ends are not both here is left out."""
    to_peer = rows["peer"] != NONE
    sent = rows[to_peer]
    here = accounts.live(sent["customer"], sent["product"], sent["day"])
    sent = sent[here & present(world, accounts, sent["peer"], sent["day"])]
    received = sent.copy()
    received["customer"], received["peer"] = sent["peer"], sent["customer"]
    received["product"], received["own"] = sent["own"], sent["product"]
    received["out"] = ~sent["out"]
    received["device"] = NONE
    return np.concatenate([rows[~to_peer], sent, received])
