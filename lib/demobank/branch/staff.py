"""What the staff of a branch do on customers' records in the ordinary course of business.

It follows the customers: routine comes with activity, follow-ups come after complaints, and one adviser of each branch
reviews the records of customers who fell silent, most of all the wealthy. Rates are of the kind of a log of sensitive
actions, some 13 a person and month; no public statistics are known to us. Amounts are those keyed in; the bookings
themselves are not in `transactions`.
"""

from __future__ import annotations

import numpy as np

from demobank.books.accounts import Accounts
from demobank.books.bookings import CREDIT_CARD, to_cents
from demobank.branch.roster import ADVISER, DAY, ROLES, Roster, moments, working_days
from demobank.customers.complaints import TOPICS
from demobank.customers.lifecycle import NEVER
from demobank.customers.world import World
from demobank.streams import Streams

ACTIONS = (
    "view_record", "print_statement", "change_phone", "change_address", "unlock_account", "reverse_fee",
    "manual_transfer", "raise_limit", "approve_exception",
)  # fmt: skip

PLANTED = {
    "staff.routine_actions_a_month": 0.36,
    "staff.reviews_of_silent_a_month": 0.07,
    "staff.reviews_by_wealth_log_rate": 0.5,
    "staff.reviews_by_one_adviser": 0.65,
    "staff.complaints_followed_up": 0.6,
    "staff.approval_limit": 50_000.0,
    "staff.transfers_kept_below_limit": 0.3,
}
"""Rates a customer and month, and what multiplies that of reviews (log scale); share of reviews that one adviser of the
branch does; share of complaints after which somebody looks at the record; yuan of a manual transfer above which a
second person approves, and share of larger ones that customers make a little smaller to be spared that."""

LIMIT = PLANTED["staff.approval_limit"]
_ROUTINE = np.array([0.45, 0.16, 0.08, 0.05, 0.07, 0.05, 0.06, 0.04, 0.04])
_OF_SILENT = np.array([0.7, 0.2, 0.06, 0.04, 0.0, 0.0, 0.0, 0.0, 0.0])
# rows: actions, columns: ROLES
_WHO = np.array(
    [
        [0.4, 0.4, 0.2], [0.8, 0.2, 0.0], [0.7, 0.1, 0.2], [0.7, 0.2, 0.1], [0.4, 0.0, 0.6], [0.1, 0.3, 0.6],
        [0.35, 0.0, 0.65], [0.0, 0.8, 0.2], [0.0, 0.3, 0.7],
    ]
)  # fmt: skip
# topic of a complaint: what is done after it, and how often
_REMEDIES = {
    "fee": ("reverse_fee", 0.5), "app": ("unlock_account", 0.2), "card": ("unlock_account", 0.3),
    "loan": ("approve_exception", 0.2), "security": ("unlock_account", 0.5),
}  # fmt: skip

ACTION = np.dtype(
    [
        ("customer", np.int32),
        ("day", np.int32),
        ("second", np.int32),
        ("staff", np.int16),  # counted from the first of the branch
        ("action", np.int8),
        ("cents", np.int64),
        ("wrong", np.bool_),
    ]
)


def rows_of(customer: np.ndarray, **columns: np.ndarray | int | bool) -> np.ndarray:
    """Return one action for each of `customer`, shape (n,)."""
    rows = np.zeros(len(customer), dtype=ACTION)
    rows["customer"] = customer
    for name, value in columns.items():
        rows[name] = value
    return rows


def ordinary_actions(world: World, accounts: Accounts, roster: Roster, streams: Streams) -> np.ndarray:
    """Draw all that is done in the ordinary course of business."""
    parts = [
        _routine(streams("staff/routine"), world),
        _follow_ups(streams("staff/follow_ups"), world),
        _reviews(streams("staff/reviews"), world, roster),
    ]
    rows = np.concatenate(parts)
    no_card = accounts.opened[rows["customer"], CREDIT_CARD] > rows["day"]
    rows["action"][no_card & (rows["action"] == ACTIONS.index("raise_limit"))] = ACTIONS.index("view_record")
    rng = streams("staff/duty")
    free = rows["staff"] < 0
    rows["staff"][free] = assign(rng, roster, rows["action"][free])
    rows["second"] = moments(rng, world.calendar, roster, rows["staff"], rows["day"])
    rows["cents"] = amounts(streams("staff/amounts"), rows["action"])
    return rows


def _routine(rng: np.random.Generator, world: World) -> np.ndarray:
    rate = PLANTED["staff.routine_actions_a_month"] * np.exp(0.2 * world.trait("engagement"))
    counts = rng.poisson(rate[:, None] * world.life.activity)
    customer, month = (np.repeat(place, counts[counts > 0]) for place in np.nonzero(counts))
    day = working_days(rng, world.calendar, month)
    action = rng.choice(len(ACTIONS), len(customer), p=_ROUTINE)
    there = (day >= world.joined[customer]) & (day < world.life.left[customer])
    return rows_of(customer[there], day=day[there], action=action[there], staff=-1)


def _follow_ups(rng: np.random.Generator, world: World) -> np.ndarray:
    """Look at the record one to five days after some complaints, and put some of the troubles right."""
    upset = world.complaints
    looked, mended = rng.random((2, len(upset.day)))
    day = upset.day + 1 + (4 * rng.random(len(upset.day))).astype(np.int64)
    there = (day < world.life.left[upset.customer]) & (day < world.calendar.length)
    seen = there & (looked < PLANTED["staff.complaints_followed_up"])
    parts = [rows_of(upset.customer[seen], day=day[seen], staff=-1)]
    for topic, (remedy, chance) in _REMEDIES.items():
        done = seen & (upset.topic == TOPICS.index(topic)) & (mended < chance)
        parts.append(rows_of(upset.customer[done], day=day[done], action=ACTIONS.index(remedy), staff=-1))
    return np.concatenate(parts)


def silent(world: World, day: np.ndarray | int) -> np.ndarray:
    """Tell which customers have fallen silent by a day and not closed their accounts, shape (customers,)."""
    return (world.life.left <= day) & (world.life.left < NEVER) & ~world.life.closes


def _reviews(rng: np.random.Generator, world: World, roster: Roster) -> np.ndarray:
    drawn_to = np.exp(PLANTED["staff.reviews_by_wealth_log_rate"] * world.trait("wealth"))
    rate = PLANTED["staff.reviews_of_silent_a_month"] * drawn_to[:, None]
    counts = rng.poisson(rate, (len(world), world.calendar.months))
    customer, month = (np.repeat(place, counts[counts > 0]) for place in np.nonzero(counts))
    day = working_days(rng, world.calendar, month)
    action = rng.choice(len(ACTIONS), len(customer), p=_OF_SILENT)
    keeper = rng.choice(roster.of(ADVISER, DAY))
    by_keeper = rng.random(len(customer)) < PLANTED["staff.reviews_by_one_adviser"]
    there = (world.life.left[customer] <= day) & ~world.life.closes[customer]
    staff = np.where(by_keeper, keeper, -1)
    return rows_of(customer[there], day=day[there], action=action[there], staff=staff[there])


def assign(rng: np.random.Generator, roster: Roster, action: np.ndarray) -> np.ndarray:
    """Choose who does each action, by role and by how much each person does."""
    chance, person = rng.random((2, len(action)))
    role = (chance[:, None] > _WHO.cumsum(axis=1)[action, :-1]).sum(axis=1)
    staff = np.empty(len(action), dtype=np.int64)
    for number in range(len(ROLES)):
        members = np.flatnonzero(roster.role == number)
        limits = roster.share[members].cumsum()[:-1]
        staff[role == number] = members[np.searchsorted(limits, person[role == number])]
    return staff


def amounts(rng: np.random.Generator, action: np.ndarray) -> np.ndarray:
    """Draw cents: many thousand yuan of transfers, tens of yuan of fees, nothing of the rest."""
    size, rounded = rng.standard_normal(len(action)), rng.random(len(action)) < 0.6
    avoided, below = rng.random((2, len(action)))
    transfer = np.clip(8000 * np.exp(1.1 * size), 20, 300_000)
    spared = (transfer > LIMIT) & (avoided < PLANTED["staff.transfers_kept_below_limit"])
    transfer = np.where(spared, LIMIT * (0.9 + 0.0999 * below), transfer)
    transfer = np.where(rounded, np.maximum(np.round(transfer, -2), 100), transfer)
    fee = np.clip(np.round(25 * np.exp(0.8 * size) * 2) / 2, 1, 500)
    moved, reversed_ = (action == ACTIONS.index(name) for name in ("manual_transfer", "reverse_fee"))
    return to_cents(np.select([moved, reversed_], [transfer, fee], 0.0))
