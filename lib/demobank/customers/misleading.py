"""Two columns about customers that mislead a model of churn, on purpose.

`paper_statements` goes with age: the old get letters, and the old stay. Given age it tells nothing about leaving: the
planted spurious correlate. `mailing_status` is overwritten, without a date, when a leaver's letters are stopped. In a
snapshot of the past it knows the future: the planted leak.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from demobank.arrow import words
from demobank.customers.lifecycle import NEVER
from demobank.customers.world import World
from demobank.streams import Streams

SPURIOUS, LEAKING = "paper_statements", "mailing_status"
MAILING = ("delivered", "returned", "stopped")
PLANTED = {
    "churn.paper_statements_log_hazard": 0.0,
    "churn.share_of_leavers_with_mailing_stopped": 0.9,
}
_NOTICED = 20
"""Days after leaving until the mailing is stopped."""
_RETURNED, _STOPPED = 0.05, 0.01


def mislead(table: pa.Table, world: World, streams: Streams) -> pa.Table:
    """Add both columns to the table of customers."""
    paper = streams("customers/paper_statements").random(len(world)) < 1 / (1 + np.exp(-(world.age - 52) / 7))
    table = table.append_column(SPURIOUS, pa.array(paper))
    return table.append_column(LEAKING, words(_mailing(world, streams), MAILING))


def _mailing(world: World, streams: Streams) -> np.ndarray:
    chance, noticed = streams("customers/mailing_status").random((2, len(world)))
    left = (world.life.left < NEVER) & (world.life.left + _NOTICED < world.calendar.length)
    stopped = left & (noticed < PLANTED["churn.share_of_leavers_with_mailing_stopped"])
    usual = np.select([chance < _STOPPED, chance < _STOPPED + _RETURNED], [2, 1], 0)
    return np.where(stopped, 2, usual)
