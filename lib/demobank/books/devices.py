"""Phones and computers: which one a customer used on a day, and the ids under which the bank knows them.

A device is known by an id that the bank computes from what the device tells. A phone keeps its id until the customer
buys another, about every two and a half years; a browser gets a new one every few months, when its traces are
cleared. Some share a computer with a fellow customer, and some purchases come without an id. So a new device is
common, most often innocent, and no more than a hint. Ids are scattered by a multiplication modulo a prime, so that
they tell neither the owner nor the age of a device.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from demobank.arrow import keys
from demobank.books.bookings import NONE
from demobank.books.peers import fellows
from demobank.customers.world import World
from demobank.streams import Streams

PHONE, COMPUTER, OTHER = range(3)
"""What bookings name as device before `identified` tells which one it was."""

PLANTED = {
    "devices.phone_days": 900.0,  # median time until a phone is replaced
    "devices.browser_days": 120.0,  # median time until a browser gets another id
    "devices.shared_share": 0.12,  # customers whose computer is a fellow customer's
    "devices.missing_share": 0.06,  # purchases in app and web without a device id
}
PER_CUSTOMER = 100
"""Device numbers set aside for each customer."""
_FIRST = np.array([0, 20, 60])
"""Number of a customer's first phone, computer and other device."""
_GENERATIONS = np.array([20, 40, 20])
_FOREIGN = 80
"""Numbers from here on are never a customer's own."""
_PRIME, _FACTOR = 999_999_937, 618_033_989


def identified(world: World, ring: np.ndarray, rows: np.ndarray, streams: Streams) -> np.ndarray:
    """Return the number within the block of the device used for each booking, NONE where the bank has no id."""
    kind = rows["device"]
    chosen = np.flatnonzero(kind != NONE)
    chosen = chosen[streams("devices/missing").random(len(chosen)) >= PLANTED["devices.missing_share"]]
    owner, kind = rows["customer"][chosen], kind[chosen]
    shares = streams("devices/shared").random(len(world)) < PLANTED["devices.shared_share"]
    owner = np.where((kind == COMPUTER) & shares[owner], fellows(ring)[owner, 0], owner)
    device = np.full(len(rows), NONE, dtype=np.int32)
    device[chosen] = devices_of(world, owner, kind, rows["day"][chosen], streams)
    return device


def devices_of(
    world: World, owner: np.ndarray, kind: np.ndarray | int, day: np.ndarray, streams: Streams
) -> np.ndarray:
    """Return the number of the device of a kind that each owner has on a day."""
    rng = streams("devices/own")
    median = np.array([PLANTED["devices.phone_days"], *[PLANTED["devices.browser_days"]] * 2])
    days = median * np.exp(0.4 * rng.standard_normal((len(world), len(median))))
    since = rng.random(days.shape)
    generation = (day / days[owner, kind] + since[owner, kind]).astype(np.int64)
    return owner * PER_CUSTOMER + _FIRST[kind] + np.minimum(generation, _GENERATIONS[kind] - 1)


def foreign_devices(rng: np.random.Generator, world: World, size: int) -> np.ndarray:
    """Draw numbers of devices that belong to no customer."""
    own = rng.integers(0, len(world), size) * PER_CUSTOMER
    return own + rng.integers(_FOREIGN, PER_CUSTOMER, size)


def device_ids(world: World, device: np.ndarray) -> pa.Array:
    """Write numbers of devices as ids, each id once and the rows as codes."""
    used = np.zeros(len(world) * PER_CUSTOMER, dtype=bool)
    used[device[device != NONE]] = True
    number = world.first * PER_CUSTOMER + np.flatnonzero(used)
    scattered = np.where(number < _PRIME, number * _FACTOR % _PRIME, number)
    index = pa.array(used.cumsum(dtype=np.int32)[device] - 1, mask=device == NONE)
    return pa.DictionaryArray.from_arrays(index, keys("D", scattered, 9))
