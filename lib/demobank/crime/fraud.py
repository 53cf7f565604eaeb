"""Fraud: bookings of all attacks among the genuine ones, cards stopped once it is found, and labels.

About 0.3 % of the bookings are fraudulent. That is far more than banks report; a bank of a few thousand customers would
else have too few to learn from.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from demobank.arrow import dates, keys
from demobank.books.accounts import Accounts
from demobank.books.bookings import CARD, CONFIRMED, CREDIT_CARD, MERCHANT, code
from demobank.crime.attacks import Attacks, draw_tapped
from demobank.crime.card_fraud import card_fraud
from demobank.crime.fraud_labels import dispute, label
from demobank.crime.transfer_fraud import pushed, takeovers
from demobank.customers.habits import Habits
from demobank.customers.world import World
from demobank.seasons import Calendar
from demobank.streams import Streams

_NEW_CARD = 7
"""Days without a card after it is stopped, at most."""
_NUMBERS = 100
"""Numbers of attacks set aside for each customer."""


def with_fraud(
    world: World, accounts: Accounts, habits: Habits, attacks: Attacks, genuine: np.ndarray, streams: Streams
) -> np.ndarray:
    """Return genuine bookings and those of the attacks; mark the disputed among the genuine."""
    rows = np.concatenate(
        [
            card_fraud(world, accounts, habits, attacks, genuine, streams),
            takeovers(world, habits, attacks, streams),
            pushed(world, habits, attacks, streams),
        ]
    )
    rows, found = _possible(world, accounts, rows, attacks.found[rows["case"]])
    rows = label(world.calendar, rows, found, streams)
    rows["case"] += world.first * _NUMBERS
    dispute(world.calendar, genuine, int((rows["outcome"] == CONFIRMED).sum()), streams)
    return np.concatenate([genuine, rows])


def _possible(world: World, accounts: Accounts, rows: np.ndarray, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keep what happens before the attack is found, within the window, on accounts that are open."""
    here = (
        (rows["day"] < found)
        & (rows["day"] < world.calendar.length)
        & (rows["day"] < world.life.left[rows["customer"]])
    )
    here &= accounts.live(rows["customer"], rows["product"], rows["day"])
    return rows[here], found[here]


def refused(world: World, attacks: Attacks, rows: np.ndarray, streams: Streams) -> np.ndarray:
    """Tell which purchases are refused, as they fall into the days between the stop of a card and the next card."""
    chosen = attacks.of(CARD, MERCHANT)
    lasts = streams("fraud/new_cards").integers(2, _NEW_CARD + 1, len(chosen))
    stopped = np.zeros((len(world), 2, world.calendar.length), dtype=bool)
    for after in range(_NEW_CARD):
        day = attacks.found[chosen] + after
        on = (after < lasts) & (day < world.calendar.length)
        stopped[attacks.customer[chosen[on]], (attacks.product[chosen[on]] == CREDIT_CARD) * 1, day[on]] = True
    by_card = rows["kind"] == code("kind", "card")
    return by_card & stopped[rows["customer"], (rows["product"] == CREDIT_CARD) * 1, rows["day"]]


def truth_of_tapped(calendar: Calendar, streams: Streams) -> pa.Table:
    """Return the tapped merchants of the whole bank."""
    tapped = draw_tapped(calendar, streams)
    return pa.table(
        {
            "merchant_id": keys("M", tapped.merchant, 6),
            "first_day": dates(calendar, tapped.first),
            "last_day": dates(calendar, tapped.last),
        }
    )
