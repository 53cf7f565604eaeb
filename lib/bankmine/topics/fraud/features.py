"""Features of transactions for fraud detection, derived from raw measures by one function for batch and real time.

Each compares a transaction with what is usual: for the customer, the card, the device, the place, the payee. Because
whole columns and single transactions go through the same arithmetic on arrays, the two cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bankmine.topics.fraud.measures import DAY, KEYS, NIGHT_FROM, NIGHT_TO, PREVIOUS_PHYSICAL, WINDOWS

HOUR_SECONDS, DAY_SECONDS = 3_600, 86_400
UNREACHABLE_HOURS = 3.0
"""Nobody who stood at a terminal in one country stands at one in another within as many hours."""
DOUBT = 5.0
"""Transactions without fraud that are added to those at a place, so that one fraud at a rare place is no certainty."""
LONG_KNOWN = 90.0
"""Days from which on somebody is known for long: beyond them a figure would tell how long records go back, and grow."""
STEADY = 0.1
"""Least standard deviation of the logarithm of amounts to compare with: of who always pays the same, 10 percent."""
_THURSDAY = 3
"""Weekday of the first day of 1970, Monday being 0."""
_NEWS = {"device": "new_device", "merchant": "new_merchant", "counterparty": "new_payee", "country": "new_country"}

Columns = Mapping[str, np.ndarray]


def derive(columns: Columns) -> dict[str, np.ndarray]:
    """Derive what models learn from, of one transaction or of millions: float64 arrays, NaN where it is not known.

    `columns` are arrays of one length: the measures of `measures` as far as they are there, and `amount`, `at`
    (microseconds since 1970, local time), and where known `country` (text or None), `physical` (whether the customer
    stood there) and `balance` (before the transaction). Which features there are depends on them, never on values.
    """
    parts = (_moment, _habit, _traffic, _risk, _news, _pace, _place, _means)
    return {name: values for part in parts for name, values in part(columns).items()}


def _moment(c: Columns) -> dict[str, np.ndarray]:
    """Tell how much and when; a moment at midnight sharp has no known time of day."""
    into_day = c["at"] % DAY
    hour = np.where(into_day == 0, np.nan, into_day / (DAY // 24))
    night = np.where(np.isnan(hour), np.nan, (hour >= NIGHT_FROM) | (hour < NIGHT_TO))
    return {
        "amount": c["amount"].astype(float), "log_amount": np.log(c["amount"]),
        "round_hundred": _true(c["amount"] % 100 == 0), "hour": hour, "night": night,
        "weekend": _true((c["at"] // DAY + _THURSDAY) % 7 >= 5),
    }  # fmt: skip


def _habit(c: Columns) -> dict[str, np.ndarray]:
    """Compare the amount and the hour with the customer's own of the last 30 days."""
    if "customer_log_amount_30d" not in c:
        return {}
    count, total, squares = (c[f"customer_{m}_30d"] for m in ("count", "log_amount", "log_amount_squared"))
    mean = _ratio(total, count)
    spread = np.sqrt(np.maximum(_ratio(squares, count) - mean**2, STEADY**2))
    return {
        "customer_log_amount_z_30d": np.where(count > 1, (np.log(c["amount"]) - mean) / spread, np.nan),
        "amount_to_customer_largest_30d": _ratio(c["amount"], c["customer_largest_30d"]),
        "customer_night_share_30d": _ratio(c["customer_night_count_30d"], count),
    }


def _traffic(c: Columns) -> dict[str, np.ndarray]:
    """Tell how much went on at each key, and compare the amount with the mean: the customer's own over all windows."""
    found = {}
    for key, days in ((k, d) for k in KEYS for d in WINDOWS if f"{k}_count_{d}d" in c):
        count, amount = c[f"{key}_count_{days}d"], c[f"{key}_amount_{days}d"]
        mean = _ratio(amount, count)
        found |= {f"{key}_count_{days}d": count, f"{key}_amount_{days}d": amount}
        if key == "customer" or days == WINDOWS[-1]:
            found[f"{key}_mean_amount_{days}d"] = mean
            found[f"amount_to_{key}_mean_{days}d"] = _ratio(c["amount"], mean)
    return found


def _risk(c: Columns) -> dict[str, np.ndarray]:
    """Tell which part of the transactions at a place, old enough to be judged, was known as fraud."""
    found = {name: c[name] for name in ("account_frauds_known_30d",) if name in c}
    for key, days in ((k, d) for k in KEYS for d in WINDOWS if f"{k}_judged_{d}d" in c):
        if f"{key}_frauds_known_{days}d" in c:
            frauds = c[f"{key}_frauds_known_{days}d"]
            found[f"{key}_frauds_known_{days}d"] = frauds
            found[f"{key}_risk_{days}d"] = frauds / (c[f"{key}_judged_{days}d"] + DOUBT)
    return found


def _news(c: Columns) -> dict[str, np.ndarray]:
    """Tell what the customer does for the first time, and for how long the customer and the bank have known it."""
    found = {}
    for name in (n for n in c if n.startswith("first_")):
        what = name.removeprefix("first_").removesuffix("_seconds")
        found[f"{what}_known_days"] = np.minimum(c[name] / DAY_SECONDS, LONG_KNOWN)
        if (new := _NEWS.get(what.removeprefix("customer_"))) and what.startswith("customer_"):
            found[new] = np.where(np.isnan(c[name]), np.nan, c[name] == 0)
    return found


def _pace(c: Columns) -> dict[str, np.ndarray]:
    """Tell how long ago the last transactions were, and how much busier the last day was than the last 30."""
    names = {f"previous_{key}_seconds": f"hours_since_{key}_transaction" for key in KEYS}
    found = {new: c[old] / HOUR_SECONDS for old, new in names.items() if old in c}
    if {"customer_count_1d", "customer_count_30d"} <= set(c):
        found["customer_pace_1d"] = _ratio(c["customer_count_1d"], c["customer_count_30d"] / 30)
    return found


def _place(c: Columns) -> dict[str, np.ndarray]:
    """Compare the country with that in which the customer last stood at a terminal."""
    seconds, country = PREVIOUS_PHYSICAL
    if country not in c:
        return {}
    hours, moved = c[seconds] / HOUR_SECONDS, c["country"] != c[country]
    known = ~np.isnan(hours) & (c["country"] != np.array(None))
    return {
        "hours_since_physical": hours, "country_changed": np.where(known, moved, np.nan),
        "impossible_travel": np.where(known, moved & c["physical"].astype(bool) & (hours < UNREACHABLE_HOURS), np.nan),
    }  # fmt: skip


def _means(c: Columns) -> dict[str, np.ndarray]:
    """Compare the amount with what was on the account."""
    return {"amount_to_balance": _ratio(c["amount"], c["balance"])} if "balance" in c else {}


def _true(condition: np.ndarray) -> np.ndarray:
    return condition.astype(float)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Divide; NaN where there is nothing to divide by."""
    above, below = np.broadcast_arrays(above, below)
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
