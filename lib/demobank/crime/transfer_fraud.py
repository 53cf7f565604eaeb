"""Transfers by or for fraudsters: taken-over accounts, and customers who are talked into paying.

Who takes over an account comes with a device of his own, mostly, and sends money to accounts of helpers in one to five
transfers within hours, at any time of the day, sometimes after a small trial. From 2025-07-01 on, customers are also
talked into paying: on their own phone or at the counter, by day, in round amounts. Devices and helpers' accounts serve
for one to several attacks in a row. Genuine customers send such amounts to new payees as well, and on new devices.
"""

from __future__ import annotations

import numpy as np

from demobank.books.bookings import CURRENT, NONE, PUSH, TAKEOVER, book, code, to_cents
from demobank.books.devices import PHONE, devices_of, foreign_devices
from demobank.crime.attacks import Attacks
from demobank.crime.cases import strangers
from demobank.customers.habits import Habits
from demobank.customers.world import World
from demobank.streams import Streams

PLANTED = {
    "fraud.transfers_more": 1.3,  # mean transfers of a takeover beyond the first
    "fraud.takeover_pay": 0.6,  # median taken over, in months of pay
    "fraud.takeover_own_device_share": 0.15,  # takeovers by remote control of the victim's phone
    "fraud.takeover_trial_share": 0.3,
    "fraud.push_pay": 0.8,  # median paid by those talked into it, in months of pay
    "fraud.same_helpers_share": 0.4,  # attacks with the device and payee of the attack before
}
_MOST = 1.6
"""Months of pay that an attack takes at most."""


def takeovers(world: World, habits: Habits, attacks: Attacks, streams: Streams) -> np.ndarray:
    """Return the transfers of all takeovers; `case` is the number of the attack."""
    rng = streams("fraud/takeover_transfers")
    chosen = attacks.of(TAKEOVER)
    each = np.repeat(
        np.arange(len(chosen)), 1 + np.minimum(rng.poisson(PLANTED["fraud.transfers_more"], len(chosen)), 4)
    )
    second = _hours(rng, len(chosen))[each] + _elapsed(rng, each, 3.0)
    rows = _transfers(rng, attacks, chosen[each], second)
    cents = _shares(rng, habits, rows, each, PLANTED["fraud.takeover_pay"], np.array([1, 10, 100, 100]))
    trial = (np.diff(each, prepend=NONE) > 0) & (rng.random(len(chosen)) < PLANTED["fraud.takeover_trial_share"])[each]
    rows["cents"] = np.where(trial, 100 * rng.integers(5, 100, len(rows)), cents)
    gang = _gangs(rng, len(chosen))
    rows["payee"] = strangers(rng, len(chosen))[gang[each]]
    own = devices_of(world, rows["customer"], PHONE, rows["day"], streams)
    controlled = rng.random(len(chosen)) < PLANTED["fraud.takeover_own_device_share"]
    rows["device"] = np.where(controlled[each], own, foreign_devices(rng, world, len(chosen))[gang[each]])
    app = rng.random(len(chosen)) < 0.65
    rows["channel"] = np.where(app[each] | controlled[each], code("channel", "mobile"), code("channel", "online"))
    return rows


def pushed(world: World, habits: Habits, attacks: Attacks, streams: Streams) -> np.ndarray:
    """Return the transfers of all who were talked into paying; `case` is the number of the attack."""
    rng = streams("fraud/pushed_transfers")
    chosen = attacks.of(PUSH)
    each = np.repeat(np.arange(len(chosen)), 1 + np.minimum(rng.poisson(0.9, len(chosen)), 3))
    later = rng.integers(0, 4, len(each))
    second = (9 + 8 * rng.beta(1.6, 1.6, len(each))) * 3600 + 86_400 * later
    rows = _transfers(rng, attacks, chosen[each], second)
    rows["cents"] = _shares(rng, habits, rows, each, PLANTED["fraud.push_pay"], np.array([100, 500, 500, 1000]))
    rows["payee"] = strangers(rng, len(chosen))[_gangs(rng, len(chosen))[each]]
    counter = rng.random(len(rows)) < 0.35 * (1 - habits.mobile[rows["customer"]])
    own = devices_of(world, rows["customer"], PHONE, rows["day"], streams)
    rows["device"] = np.where(counter, NONE, own)
    rows["channel"] = np.where(counter, code("channel", "branch"), code("channel", "mobile"))
    return rows


def _transfers(rng: np.random.Generator, attacks: Attacks, attack: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return transfers at seconds after the start of each attack's first day."""
    second = second.astype(np.int64)
    return book(
        attacks.customer[attack], product=CURRENT, day=attacks.day[attack] + second // 86_400,
        second=np.maximum(second % 86_400, 1), out=True, kind="transfer", category="transfer",
        scheme=attacks.scheme[attack], case=attack,
    )  # fmt: skip


def _hours(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw seconds of the day: half of them at any hour, half by day."""
    anytime = rng.random(size) < 0.5
    return np.where(anytime, 24 * rng.random(size), 8 + 14 * rng.beta(1.6, 1.6, size)) * 3600


def _elapsed(rng: np.random.Generator, each: np.ndarray, mean: float) -> np.ndarray:
    """Return seconds since the first of each attack's transfers, some hours apart."""
    gaps = rng.exponential(mean * 3600, len(each))
    total = np.cumsum(gaps)
    first = np.flatnonzero(np.diff(each, prepend=NONE) > 0)
    return total - total[first][each]


def _shares(
    rng: np.random.Generator, habits: Habits, rows: np.ndarray, each: np.ndarray, median: float, units: np.ndarray
) -> np.ndarray:
    """Split what each attack takes over its transfers; return cents, rounded to one of `units` yuan."""
    attacks = each.max(initial=NONE) + 1
    taken = np.minimum(median * np.exp(0.8 * rng.standard_normal(attacks)), _MOST)[each] * habits.pay[rows["customer"]]
    part = rng.gamma(4.0, 1.0, len(each))
    yuan = taken * part / np.bincount(each, weights=part)[each]
    unit = units[rng.integers(0, len(units), attacks)][each]
    return to_cents(np.maximum(np.round(yuan / unit), 1) * unit)


def _gangs(rng: np.random.Generator, size: int) -> np.ndarray:
    """Return the gang behind each attack, as a number; some attacks are by the gang of the one before."""
    return np.cumsum(rng.random(size) >= PLANTED["fraud.same_helpers_share"]) % max(size, 1)
