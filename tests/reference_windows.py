"""The measures of transactions by their words: plain loops over all others, for tables of some dozen rows."""

from __future__ import annotations

import math

import pandas as pd

DAY = 86_400_000_000


def whole(value: float) -> int:
    return math.floor(value * 10_000 + 0.5)


def measured(rows: list[dict], delay: int) -> pd.DataFrame:
    """Measure each row by all others, one by one."""
    return pd.DataFrame([one(row, rows, delay) for row in rows])


def one(row: dict, rows: list[dict], delay: int) -> dict:
    found = {}
    for key in ("customer", "account", "device", "merchant", "counterparty"):
        if row[key] is not None:
            found |= at_key(key, row["at"], [r for r in rows if r[key] == row[key]], delay)
    return found | firsts(row, rows) | previous(row, rows)


def at_key(key: str, now: int, alike: list[dict], delay: int) -> dict:
    found = {}
    for days in (1, 7, 30):
        inside = [r for r in alike if now - days * DAY <= r["at"] < now]
        old = [r for r in alike if now - (delay + days) * DAY <= r["at"] < now - delay * DAY]
        told = [r for r in alike if r["label_at"] is not None and now - days * DAY <= r["label_at"] < now]
        found[f"{key}_count_{days}d"] = len(inside)
        found[f"{key}_amount_{days}d"] = sum(whole(r["amount"]) for r in inside) / 10_000
        if key in ("merchant", "counterparty"):
            found |= {f"{key}_judged_{days}d": len(old), f"{key}_frauds_known_{days}d": len(told)}
    if key == "account":
        found["account_frauds_known_30d"] = len(told)
    if key == "customer":
        logs = [whole(math.log(r["amount"])) for r in inside]
        found["customer_log_amount_30d"] = sum(logs) / 10_000
        found["customer_log_amount_squared_30d"] = sum(v * v for v in logs) / 10_000**2
        found["customer_largest_30d"] = max((whole(r["amount"]) for r in inside), default=math.nan) / 10_000
        found["customer_night_count_30d"] = sum(at_night(r["at"]) for r in inside)
    return found


def at_night(at: int) -> bool:
    time = pd.Timestamp(at, unit="us")
    return time != time.normalize() and (time.hour == 23 or time.hour < 6)


def firsts(row: dict, rows: list[dict]) -> dict:
    found = {}
    for keys in (
        ("customer",), ("customer", "device"), ("customer", "merchant"), ("customer", "counterparty"),
        ("customer", "country"), ("device",), ("counterparty",),
    ):  # fmt: skip
        if all(row[k] is not None for k in keys):
            first = min(r["at"] for r in rows if all(r[k] == row[k] for k in keys))
            found[f"first_{'_'.join(keys)}_seconds"] = (row["at"] - first) / 1_000_000
    return found


def previous(row: dict, rows: list[dict]) -> dict:
    found = {}
    for key in ("customer", "account"):
        earlier = [r["at"] for r in rows if row[key] is not None and r[key] == row[key] and r["at"] < row["at"]]
        if earlier:
            found[f"previous_{key}_seconds"] = (row["at"] - max(earlier)) / 1_000_000
    stood = [
        (r["at"], r["country"]) for r in rows
        if r["customer"] == row["customer"] and r["physical"] and r["country"] is not None and r["at"] < row["at"]
    ]  # fmt: skip
    if stood:
        found["previous_physical_seconds"] = (row["at"] - max(stood)[0]) / 1_000_000
        found["previous_physical_country"] = max(stood)[1]
    return found
