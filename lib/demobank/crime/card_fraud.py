"""Purchases with stolen card numbers: bursts of two to eight within one to three days.

A fraudulent purchase is made after a genuine one of anybody in the block: its category, merchant, channel and hour are
drawn from those, with a liking for what can be sold again, and its size is what the victim would spend on it, times a
factor that varies from burst to burst and is often near one. Some bursts begin with a small trial, go on at night, or
happen abroad or in another region. So most of them can be told by several faint signs together, and by no single one.
"""

from __future__ import annotations

import numpy as np

from demobank.books.accounts import Accounts
from demobank.books.bookings import CARD, CREDIT_CARD, MERCHANT, NONE, code, to_cents
from demobank.books.devices import PHONE, devices_of, foreign_devices
from demobank.books.journeys import PLACES, relocated
from demobank.books.purchases import MERCHANTS
from demobank.crime.attacks import Attacks
from demobank.customers.habits import Habits
from demobank.customers.world import REGIONS, World
from demobank.seasons import SPENT_ON
from demobank.streams import Streams

PLANTED = {
    "fraud.purchases_more": 2.6,  # mean purchases of a burst beyond the first two
    "fraud.amount_log": 1.25,  # mean log of a burst's factor on the amounts
    "fraud.amount_log_spread": 0.7,  # between bursts
    "fraud.trial_share": 0.3,  # bursts that begin with a small purchase
    "fraud.night_share": 0.35,  # bursts at any hour
    "fraud.abroad_share": 0.15,  # bursts in another country
    "fraud.local_share": 0.45,  # bursts whose terminals are in the victim's region
    "fraud.outlet_share": 0.3,  # purchases at the web shops that fraudsters like at the time
    "fraud.card_new_device_share": 0.55,  # remote bursts on a device that is no customer's
    "fraud.card_own_device_share": 0.2,  # remote bursts on what looks like the victim's phone; others show no device
}
_LIKED = {"shopping": 2.5, "entertainment": 1.5, "travel": 1.6, "housing": 1.0, "groceries": 0.7, "dining": 0.6}
_LESS_LIKED = 0.4
_CONSIDERED = 40_000
"""Genuine bookings considered as patterns."""


def card_fraud(
    world: World, accounts: Accounts, habits: Habits, attacks: Attacks, genuine: np.ndarray, streams: Streams
) -> np.ndarray:
    """Return the purchases of all attacks on cards; `case` is the number of the attack."""
    rng = streams("fraud/bursts")
    patterns, chosen = _patterns(rng, genuine), attacks.of(CARD, MERCHANT)
    if not len(patterns):
        return patterns
    size = 2 + np.minimum(rng.poisson(PLANTED["fraud.purchases_more"], len(chosen)), 6)
    burst = np.repeat(np.arange(len(chosen)), size)
    rows = _copied(rng, world, habits, attacks, chosen[burst], patterns)
    rows["day"] += (rng.choice([1, 1, 2, 3], len(chosen))[burst] * rng.random(len(burst))).astype(np.int32)
    night = rng.random(len(chosen)) < PLANTED["fraud.night_share"]
    rows["second"] = np.where(night[burst], rng.integers(1, 86_400, len(burst)), rows["second"])
    rows = rows[np.lexsort((rows["second"], rows["day"], burst))]
    _to_places(rng, world, rows, burst, streams)
    rows["device"] = _devices(rng, world, rows, burst, streams)
    rows["cents"] = _capped(accounts, habits, rows, burst, _amounts(rng, rows, burst))
    return rows


def _patterns(rng: np.random.Generator, genuine: np.ndarray) -> np.ndarray:
    """Draw genuine purchases, those of what can be sold again more often."""
    rows = genuine[rng.integers(0, len(genuine), _CONSIDERED if len(genuine) else 0)]
    rows = rows[(rows["kind"] == code("kind", "card")) & (rows["country"] == 0)]
    liked = np.array([_LIKED.get(category, _LESS_LIKED) for category in SPENT_ON])
    weight = liked[rows["merchant"] // 10_000 - 1]
    return rows[rng.random(len(rows)) < weight / liked.max()]


def _copied(
    rng: np.random.Generator, world: World, habits: Habits, attacks: Attacks, attack: np.ndarray, patterns: np.ndarray
) -> np.ndarray:
    """Return patterns as purchases of the victims, in sizes that would be the victims' own."""
    rows = patterns[rng.integers(0, len(patterns), len(attack))]
    victim = attacks.customer[attack]
    month = world.calendar.month[rows["day"]]
    rows["cents"] = np.rint(rows["cents"] * habits.scale[victim, month] / habits.scale[rows["customer"], month])
    rows["customer"], rows["product"] = victim, attacks.product[attack]
    rows["day"], rows["scheme"], rows["case"] = attacks.day[attack], attacks.scheme[attack], attack
    return rows


def _to_places(rng: np.random.Generator, world: World, rows: np.ndarray, burst: np.ndarray, streams: Streams) -> None:
    """Move purchases at terminals to the victim's region or leave them elsewhere, and some to favoured web shops."""
    bursts = burst.max(initial=0) + 1
    terminal = rows["channel"] == code("channel", "pos")
    local = terminal & (rng.random(bursts) < PLANTED["fraud.local_share"])[burst]
    rows["merchant"][local] = relocated(rows["merchant"][local], world.region[rows["customer"][local]])
    outlet = ~terminal & (rng.random(len(rows)) < PLANTED["fraud.outlet_share"])
    category, merchant = _outlets(rng, world, rows["day"], streams)
    rows["merchant"][outlet], rows["category"][outlet] = merchant[outlet], category[outlet]
    abroad = (rng.random(bursts) < PLANTED["fraud.abroad_share"]) * (1 + rng.choice(len(PLACES), bursts, p=PLACES))
    rows["country"] = abroad[burst]


def _outlets(
    rng: np.random.Generator, world: World, day: np.ndarray, streams: Streams
) -> tuple[np.ndarray, np.ndarray]:
    """Draw category and merchant among the eight web shops that fraudsters of the whole bank like in a quarter."""
    common, quarters = streams.common("fraud/outlets"), world.calendar.length // 91 + 1
    liked = common.choice(
        [SPENT_ON.index(c) for c in ("shopping", "shopping", "travel", "entertainment")], (quarters, 8)
    )
    number = (MERCHANTS * common.random((quarters, 8)) ** 2).astype(int)
    chosen = np.minimum(day // 91, quarters - 1), rng.integers(0, 8, len(day))
    place = (liked[chosen] + 1) * 100 + len(REGIONS)
    return np.array([code("category", c) for c in SPENT_ON])[liked[chosen]], place * 100 + number[chosen]


def _devices(
    rng: np.random.Generator, world: World, rows: np.ndarray, burst: np.ndarray, streams: Streams
) -> np.ndarray:
    """Draw one way a burst: a device that is no customer's, what looks like the victim's phone, or none."""
    bursts = burst.max(initial=0) + 1
    foreign = foreign_devices(rng, world, bursts)[burst]
    own = devices_of(world, rows["customer"], PHONE, rows["day"], streams)
    limits = np.cumsum([PLANTED["fraud.card_new_device_share"], PLANTED["fraud.card_own_device_share"]])
    way = np.searchsorted(limits, rng.random(bursts))[burst]
    return np.where(
        rows["channel"] == code("channel", "pos"), NONE, np.select([way == 0, way == 1], [foreign, own], NONE)
    )


def _amounts(rng: np.random.Generator, rows: np.ndarray, burst: np.ndarray) -> np.ndarray:
    """Return cents: larger than usual in most bursts, by a factor of the burst's own, and a small trial first."""
    bursts = burst.max(initial=0) + 1
    lift = PLANTED["fraud.amount_log"] + PLANTED["fraud.amount_log_spread"] * rng.standard_normal(bursts)
    yuan = rows["cents"] / 100 * np.exp(lift[burst] + 0.35 * rng.standard_normal(len(rows)))
    first = np.diff(burst, prepend=NONE) > 0
    trial = first & (rng.random(bursts) < PLANTED["fraud.trial_share"])[burst]
    yuan = np.where(trial, 1 + 14 * rng.random(len(rows)), yuan)
    whole = rng.random(len(rows)) < 0.4
    return to_cents(np.where(whole, np.maximum(np.rint(yuan), 1.0), np.maximum(yuan, 0.5)))


def _capped(accounts: Accounts, habits: Habits, rows: np.ndarray, burst: np.ndarray, cents: np.ndarray) -> np.ndarray:
    """Scale a burst down to what the account bears: a quarter of the card's limit, or a month's pay."""
    customer = rows["customer"]
    bears = np.where(
        rows["product"] == CREDIT_CARD, accounts.limit[customer, CREDIT_CARD] / 4, habits.pay[customer] * 100
    )
    total = np.bincount(burst, weights=cents)
    return np.maximum(cents * np.minimum(1.0, bears / total[burst]), 50).astype(np.int64)
