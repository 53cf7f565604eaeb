"""A plain look at staff beside their peers: what the difficulty of finding the rogue is measured with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from demobank.branch.roster import HOURS, SHIFTS

QUIET = pd.Timedelta(days=60)
RECENT = pd.Timedelta(days=30)
LIMIT = 50_000


def actions_with_context(folder: Path) -> pd.DataFrame:
    """Return all actions of staff: out of shift or not, on a silent wealthy customer without a ticket or not."""
    rows = pd.read_parquet(folder / "staff_actions").sort_values("at")
    begins, ends = HOURS[rows["shift"].map(SHIFTS.index).to_numpy()].T
    hour = rows["at"].dt.hour + rows["at"].dt.minute / 60
    rows["out_of_shift"] = (hour < begins) | (hour >= ends)
    owners = pd.read_parquet(folder / "accounts").set_index("account_id")
    booked = pd.read_parquet(folder / "transactions", columns=["account_id", "at", "channel"])
    booked = booked[booked.channel != "internal"]
    booked["customer_id"] = booked.account_id.map(owners.customer_id)
    tickets = pd.read_parquet(folder / "feedback", columns=["customer_id", "at"])
    silent = ~_within(rows, booked, QUIET) & ~_within(rows, tickets, RECENT)
    rows["silent_wealthy"] = silent & _wealthy(folder, owners, rows)
    rows["below_limit"] = rows.amount.between(0.88 * LIMIT, LIMIT, inclusive="left")
    return rows


def _within(rows: pd.DataFrame, events: pd.DataFrame, tolerance: pd.Timedelta) -> np.ndarray:
    """Tell which rows have an event of the same customer at most `tolerance` before them."""
    events = events[["customer_id", "at"]].dropna().sort_values("at").assign(seen=True)
    return pd.merge_asof(rows, events, on="at", by="customer_id", tolerance=tolerance).seen.notna().to_numpy()


def _wealthy(folder: Path, owners: pd.DataFrame, rows: pd.DataFrame) -> np.ndarray:
    """Tell which rows are about a customer in the upper half of deposits at the month end before."""
    held = pd.read_parquet(folder / "balances").join(owners[["customer_id", "product"]], on="account_id")
    held = held[held["product"].isin(["current", "savings", "term_deposit"])]
    held = held.groupby(["month_end", "customer_id"]).balance.sum().reset_index()
    held["rank"] = held.groupby("month_end").balance.rank(pct=True)
    held["at"] = pd.to_datetime(held.month_end).astype(rows["at"].dtype)
    held = held.sort_values("at")[["customer_id", "at", "rank"]]
    return (pd.merge_asof(rows, held, on="at", by="customer_id")["rank"] > 0.5).to_numpy()


def beside_peers(rows: pd.DataFrame) -> pd.DataFrame:
    """Return each person's volume, shares, and by how many spreads these exceed those of the same role and shift."""
    staff = rows.groupby(["staff_id", "role", "shift"], observed=True).agg(
        volume=("at", "size"), out_of_shift=("out_of_shift", "mean"), silent_wealthy=("silent_wealthy", "mean"),
        below_limit=("below_limit", "mean"),
    ).reset_index()  # fmt: skip
    for column in ("out_of_shift", "silent_wealthy", "below_limit"):
        peers = staff.groupby(["role", "shift"])[column]
        spread = peers.transform(lambda share: share.quantile(0.75) - share.quantile(0.25))
        staff[f"{column}_beside"] = (staff[column] - peers.transform("median")) / (spread + 0.01)
    return staff.assign(score=staff.filter(like="_beside").clip(0, 6).sum(axis=1))
