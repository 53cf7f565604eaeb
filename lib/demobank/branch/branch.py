"""The branch of a block of customers: its staff, all that they do, and the tables of both."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from demobank.arrow import dates, keys, timestamps, words
from demobank.books.accounts import Accounts
from demobank.branch.misconduct import PLANTED, ROGUE_FROM, corrections, wrong_actions
from demobank.branch.roster import DAY, OPERATIONS, ROLES, SHIFTS, Roster, draw_roster
from demobank.branch.staff import ACTIONS, ordinary_actions
from demobank.customers.world import World
from demobank.streams import Streams

STAFF_KINDS = ("ordinary", "rogue", "busy")
ORDINARY, ROGUE, BUSY = range(len(STAFF_KINDS))
PER_CUSTOMER_ACTIONS = 1000
"""Action numbers set aside for each customer."""
PER_BRANCH = 100
"""Staff numbers set aside for each branch."""


@dataclass(frozen=True)
class Branch:
    """The staff of a branch and all that they do."""

    number: int
    roster: Roster
    kind: np.ndarray
    """Place in STAFF_KINDS, shape (staff,)."""
    actions: np.ndarray
    """In order of time, dtype `staff.ACTION`."""
    count: np.ndarray
    """Counts the actions on each customer, shape (actions,)."""


def draw_branch(world: World, accounts: Accounts, deposits: np.ndarray, streams: Streams) -> Branch:
    """Draw the branch of a block; the rogue and the busy one are in the first only.

    Parameters
    ----------
    deposits
        Held by each customer at each month end, shape (customers, months).
    """
    roster = draw_roster(streams("staff/roster"))
    kind = np.full(len(roster), ORDINARY)
    parts = []
    if streams.block == 0:
        candidates = roster.of(OPERATIONS, DAY)
        rogue, busy = streams("staff/misconduct").choice(candidates, 2, replace=False)
        wrong = wrong_actions(world, deposits, roster, rogue, streams)
        kind[busy] = BUSY
        if len(wrong):
            kind[rogue] = ROGUE
            roster = _spare(roster, rogue)
        parts = [wrong, corrections(world, roster, busy, streams)]
    rows = np.concatenate([ordinary_actions(world, accounts, roster, streams), *parts])
    rows = rows[np.lexsort((rows["customer"], rows["second"], rows["day"]))]
    return Branch(streams.block, roster, kind, rows, _counted(rows["customer"]))


def _spare(roster: Roster, rogue: int) -> Roster:
    """Give the rogue a little less than the usual work, so that the sum tells nothing."""
    share = roster.share.copy()
    peers = roster.role == roster.role[rogue]
    share[rogue] = PLANTED["staff.rogue_share_of_ordinary_work"] * share[peers].mean()
    return replace(roster, share=share / np.bincount(roster.role, weights=share)[roster.role])


def _counted(customer: np.ndarray) -> np.ndarray:
    """Count from 0 the rows of each customer, in the order given."""
    order = np.argsort(customer, kind="stable")
    count = np.empty(len(customer), dtype=np.int64)
    count[order] = np.arange(len(customer)) - np.searchsorted(customer[order], customer[order])
    return count


def staff_actions(world: World, branch: Branch) -> pa.Table:
    """Return all that staff did as the table of staff actions."""
    rows, staff = branch.actions, branch.actions["staff"]
    return pa.table(
        {
            "action_id": _action_ids(world, branch),
            "staff_id": keys("S", branch.number * PER_BRANCH + staff.astype(np.int64), 6),
            "at": timestamps(world.calendar, rows["day"], rows["second"]),
            "action": words(rows["action"], ACTIONS),
            "customer_id": keys("C", world.first + rows["customer"].astype(np.int64), 7),
            "amount": pa.array(rows["cents"] / 100, pa.float64(), mask=rows["cents"] == 0),
            "role": words(branch.roster.role[staff], ROLES),
            "branch": keys("B", np.full(len(rows), branch.number), 4),
            "shift": words(branch.roster.shift[staff], SHIFTS),
        }
    )


def truth_of_staff(world: World, branch: Branch) -> pa.Table:
    """Return who is ordinary, busy or a rogue, and from when."""
    start = int((ROGUE_FROM - world.calendar.start).astype(np.int64))
    return pa.table(
        {
            "staff_id": keys("S", branch.number * PER_BRANCH + np.arange(len(branch.kind)), 6),
            "kind": words(branch.kind, STAFF_KINDS),
            "from_day": dates(world.calendar, np.full(len(branch.kind), start), branch.kind != ROGUE),
        }
    )


def truth_of_staff_actions(world: World, branch: Branch, kept: int) -> pa.Table:
    """Return the wrong actions of the rogue on the first `kept` customers."""
    wrong = branch.actions["wrong"] & (branch.actions["customer"] < kept)
    return pa.table({"action_id": _action_ids(world, branch).filter(pa.array(wrong))})


def _action_ids(world: World, branch: Branch) -> pa.Array:
    number = (world.first + branch.actions["customer"].astype(np.int64)) * PER_CUSTOMER_ACTIONS
    return keys("L", number + branch.count, 10)
