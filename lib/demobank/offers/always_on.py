"""The always-on newsletter: contacts all through the window, whose channel follows the customer.

Each month a part of the customers who may be contacted is sent an offer, on any of the first 28 days: the young and
digital by a push in the app, the old by a call or at the branch. The young respond more often with any channel and
with none. So the plain response rates put the app first, while what a channel adds is largest for a call; it shows when
customers of the same age are compared, or treated with those few who are held back at random.

What a channel adds is planted in log-odds and is the same for everybody, so that its order does not depend on whom it
reached.
"""

from __future__ import annotations

import numpy as np

from demobank.customers.world import World
from demobank.offers.campaigns import on_list
from demobank.offers.contacts import CHANNELS, contact
from demobank.offers.responses import answer, chance_of, revenue, traits_at, weighted
from demobank.streams import Streams

CAMPAIGN = "always_on"
_SHARE = 0.5
"""Share of the customers contacted in a month."""
_HELD_BACK = 0.05

PLANTED: dict[str, float] = {
    # log-odds of a response without a contact, and weights
    "always_on.without": -3.6,
    "always_on.without.age": -1.3,
    "always_on.without.activity": 0.4,
    # what each channel adds to them
    "channel.mobile": 0.1,
    "channel.sms": 0.35,
    "channel.branch": 0.65,
    "channel.call_centre": 1.05,
    # log-odds of each channel against the app, and weights
    "always_on.sms": -0.3,
    "always_on.sms.digital": -0.6,
    "always_on.sms.age": 0.4,
    "always_on.call_centre": -1.3,
    "always_on.call_centre.digital": -0.8,
    "always_on.call_centre.age": 1.1,
    "always_on.branch": -1.7,
    "always_on.branch.digital": -0.8,
    "always_on.branch.age": 1.3,
    "always_on.revenue": 60.0,  # median of a response at wealth 0, yuan
}


def always_on(world: World, consent: np.ndarray, streams: Streams) -> np.ndarray:
    """Return the contacts of the newsletter with what they do."""
    rng = streams("always_on/contacts")
    customer, month = np.nonzero(rng.random((len(world), world.calendar.months)) < _SHARE)
    day = world.calendar.month_start[month] + rng.integers(0, 28, len(month))
    held_back, choice = rng.random((2, len(month)))
    rows = contact(customer, CAMPAIGN, day=day, planned_share=1 - _HELD_BACK, treated=held_back >= _HELD_BACK)
    traits = traits_at(world, customer, day)
    rows["channel"] = _choose(traits, choice)
    _answer(streams("always_on/responses"), world, rows, traits)
    return rows[on_list(world, consent, customer, day)]


def _choose(traits: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Choose a channel for each contact by a multinomial logit, of which the app is the base."""
    others = [weighted(PLANTED, f"always_on.{channel}", traits) for channel in CHANNELS[1:]]
    odds = np.exp(np.column_stack([np.zeros(len(traits)), *others]))
    limits = (odds / odds.sum(axis=1, keepdims=True)).cumsum(axis=1)[:, :-1]
    return (chance[:, None] > limits).sum(axis=1)


def _answer(rng: np.random.Generator, world: World, rows: np.ndarray, traits: np.ndarray) -> None:
    without = weighted(PLANTED, "always_on.without", traits)
    added = np.array([PLANTED[f"channel.{channel}"] for channel in CHANNELS])
    answer(rng, world, rows, chance_of(without), chance_of(without + added[rows["channel"]]))
    rows["revenue"] = revenue(rng, world, rows, PLANTED["always_on.revenue"])
