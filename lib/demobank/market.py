"""The market: rates of deposits here and at a competitor, a policy rate, an exchange rate and a share index.

Daily series of the whole bank. Levels are near those of China in 2023 to 2025 in kind, not in exact size. Deposit rates
are steps; the others are mean-reverting or random walks. In the second quarter of 2025 a competitor pays much more on
savings than the bank: the planted shock, which drives price-sensitive customers away.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from demobank.arrow import dates
from demobank.seasons import Calendar
from demobank.streams import Streams

PLANTED = {"market.competitor_extra_rate": 0.009}
"""How much more the competitor pays while it attacks, as a fraction a year."""
ATTACK = (np.datetime64("2025-04-01"), np.datetime64("2025-07-01"))
"""First day of the competitor's offer, and the first day without it."""
_CUTS = ("2023-06-08", "2023-09-01", "2023-12-22", "2024-07-25", "2024-10-18", "2025-05-20")
"""Days on which deposit rates of the large banks were cut."""

DRIFTS = (
    (
        "competitor_rate",
        "prior",
        str(ATTACK[0]),
        "accounts",
        "a competitor's savings rate raises churn until June 2025",
    ),
)


def attacked(calendar: Calendar) -> np.ndarray:
    """Return the share of each month on which the competitor attacks, shape (months,)."""
    days = calendar.start + np.arange(calendar.length)
    under = (days >= ATTACK[0]) & (days < ATTACK[1])
    return np.bincount(calendar.month, weights=under) / np.bincount(calendar.month)


def market(calendar: Calendar, streams: Streams) -> pa.Table:
    """Return one row a day and series."""
    rng = streams.common("market/series")
    days = calendar.start + np.arange(calendar.length)
    own = 0.0175 - 0.0015 * (days[:, None] >= np.array(_CUTS, dtype="datetime64[D]")).sum(axis=1)
    extra = np.where((days >= ATTACK[0]) & (days < ATTACK[1]), PLANTED["market.competitor_extra_rate"], 0.0005)
    steps = rng.standard_normal((3, calendar.length))
    series = {
        "own_savings_rate": own,
        "competitor_savings_rate": own + extra,
        "interbank_rate": np.clip(0.018 + _reverting(steps[0], 0.97, 0.0004), 0.005, None),
        "usd_cny": 7.15 + _reverting(steps[1], 0.995, 0.012),
        "share_index": 3500 * np.exp(np.cumsum(0.011 * steps[2])),
    }
    values = np.stack([np.round(s, 4 if name != "share_index" else 2) for name, s in series.items()], axis=1)
    return pa.table(
        {
            "day": dates(calendar, np.repeat(np.arange(calendar.length), len(series))),
            "series": pa.array(list(series) * calendar.length),
            "value": values.ravel(),
        }
    )


def _reverting(steps: np.ndarray, memory: float, size: float) -> np.ndarray:
    """Return a series that returns to zero by `1 - memory` a day (autoregressive of order one)."""
    level, path = 0.0, np.empty(len(steps))
    for day, step in enumerate(size * steps):
        path[day] = level = memory * level + step
    return path
