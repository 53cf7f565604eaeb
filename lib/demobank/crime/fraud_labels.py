"""What the bank learns about fraud, and when: labels that come late, are missing, or are wrong.

The label of a fraudulent booking becomes known on the day on which the attack is found, 1 to 30 days after it. About
3 % are never noticed, more often small ones; about 2 % are cleared by mistake. A few customers dispute bookings of
their own: some of these are confirmed as fraud, which makes about 4 % of the confirmed labels wrong, and as many are
cleared. What would become known after the window's end is not known.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from demobank.arrow import dates, words, yuan
from demobank.books.bookings import (
    AFTER_END,
    CLEARED,
    CONFIRMED,
    DISPUTE,
    NONE,
    OUTCOMES,
    SCHEMES,
    UNNOTICED,
    code,
)  # fmt: skip
from demobank.seasons import Calendar
from demobank.streams import Streams

PLANTED = {
    "fraud.never_share": 0.03,  # of the fraudulent bookings: never noticed
    "fraud.cleared_share": 0.02,  # of the fraudulent bookings: cleared by mistake
    "fraud.dispute_share": 0.04,  # genuine bookings among those confirmed as fraud
    "fraud.dispute_days": 5.0,  # median until a dispute is settled
}
_SMALL = 2000
"""Cents below which fraud is more often overlooked."""


def label(calendar: Calendar, rows: np.ndarray, found: np.ndarray, streams: Streams) -> np.ndarray:
    """Return the fraudulent `rows` with labels; `found` is the day on which each one's attack is found."""
    rng = streams("fraud/labels")
    chance = rng.random(len(rows))
    never = PLANTED["fraud.never_share"] * np.where(rows["cents"] < _SMALL, 2.0, 0.95)
    outcome = np.select(
        [chance < never, chance < never + PLANTED["fraud.cleared_share"]], [UNNOTICED, CLEARED], CONFIRMED
    )
    rows["outcome"] = np.where((outcome != UNNOTICED) & (found >= calendar.length), AFTER_END, outcome)
    rows["known"] = np.where(np.isin(rows["outcome"], (CONFIRMED, CLEARED)), found, NONE)
    return rows


def dispute(calendar: Calendar, genuine: np.ndarray, confirmed: int, streams: Streams) -> None:
    """Mark some `genuine` bookings as disputed, among the larger payments out; `confirmed` counts the true labels."""
    rng = streams("fraud/disputes")
    share = PLANTED["fraud.dispute_share"]
    number = int(confirmed * share / (1 - share) + rng.random())
    considered = rng.integers(0, len(genuine), 80 * number if len(genuine) else 0)
    rows = genuine[considered]
    paid = np.isin(rows["kind"], (code("kind", "card"), code("kind", "transfer"))) & rows["out"]
    weight = np.where(paid & (rows["typology"] == NONE), np.sqrt(rows["cents"]), 0.0)
    kept = np.unique(considered[rng.random(len(rows)) * weight.max(initial=1.0) < weight])
    disputed = rng.permutation(kept)[: 2 * number]
    days = np.exp(np.log(PLANTED["fraud.dispute_days"]) + 0.75 * rng.standard_normal(len(disputed)))
    known = genuine["day"][disputed] + np.clip(np.rint(days), 1, 30).astype(np.int64)
    outcome = np.where(np.arange(len(disputed)) % 2 == 0, CONFIRMED, CLEARED)
    heard = known < calendar.length
    genuine["scheme"][disputed[heard]] = DISPUTE
    genuine["outcome"][disputed[heard]] = outcome[heard]
    genuine["known"][disputed[heard]] = known[heard]


def labels(calendar: Calendar, rows: np.ndarray) -> dict[str, pa.Array]:
    """Return the columns of `transactions` with the label and the day on which it became known."""
    unlabelled = rows["known"] == NONE
    return {
        "is_fraud": pa.array(rows["outcome"] == CONFIRMED, mask=unlabelled),
        "fraud_known_on": dates(calendar, rows["known"], unlabelled),
    }


def truth_of_fraud(calendar: Calendar, ids: pa.Array, rows: np.ndarray) -> pa.Table:
    """Return the fraudulent and the disputed bookings with their ids."""
    return pa.table(
        {
            "transaction_id": ids,
            "scheme": words(rows["scheme"], SCHEMES),
            "fraud": pa.array(rows["scheme"] != DISPUTE),
            "incident": pa.array(rows["case"], pa.int64(), mask=rows["case"] == NONE),
            "day": dates(calendar, rows["day"]),
            "amount": yuan(rows["cents"]),
            "labelled": words(rows["outcome"], OUTCOMES),
        }
    )
