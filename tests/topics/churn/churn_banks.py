"""Tiny banks of two years in which customers leave when they are told to."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
from bank_fixtures import write_source

from bankmine.bank.snapshot import Snapshot, open_source
from bankmine.topics.churn.definition import Definition

FIRST, LAST = pd.Timestamp("2024-01-01"), pd.Timestamp("2025-12-31")
SHORT = Definition(gap=0, silent=30, fall=0.0, present=30, bookings=1)
"""Of a month each, so that two years are long enough."""


def bank_of(folder: Path, stays: dict[str, tuple[str, str]], as_of: str = "2025-12-31") -> Snapshot:
    """Write a bank whose customers pay weekly from the one day to the other, on which they close, and open it."""
    days = {name: pd.date_range(first, last, freq="7D") for name, (first, last) in stays.items()}
    booked = pd.DataFrame(
        [(f"A-{name}", at) for name, found in days.items() for at in found], columns=["account_id", "at"]
    )
    accounts = pd.DataFrame({
        "account_id": [f"A-{name}" for name in stays], "customer_id": list(stays), "product": "current",
        "opened_on": [pd.Timestamp(first).date() for first, _ in stays.values()],
        "closed_on": [_closed(last) for _, last in stays.values()],
    })  # fmt: skip
    people = pd.DataFrame({"customer_id": list(stays), "joined_on": accounts.opened_on})
    people["mailing_status"] = np.where(accounts.closed_on.isna(), "delivered", "stopped")
    size = dict(zip(accounts.account_id, 300.0 * 1.03 ** np.arange(len(accounts)), strict=True))
    booked = booked.assign(
        transaction_id=[f"T{i}" for i in range(len(booked))], amount=booked.account_id.map(size).round(2),
        direction="out", kind="card",
    )  # fmt: skip
    frames = {"customers": people, "accounts": accounts, "transactions": booked}
    return open_source(str(write_source(folder, frames, currency="CNY"))).as_of(as_of)


def faithful(customers: int) -> dict[str, tuple[str, str]]:
    """Customers who stay for both years."""
    return {f"S{i:02}": (str(FIRST + pd.Timedelta(days=i % 7)), str(LAST)) for i in range(customers)}


def busy(leavers: int = 60) -> dict[str, tuple[str, str]]:
    """Customers of whom a few leave in each month, beside some who stay."""
    gone = FIRST + pd.to_timedelta(np.linspace(150, 715, leavers).astype(int), "D")
    return faithful(150) | {f"G{i:02}": (str(FIRST + pd.Timedelta(days=i % 7)), str(day)) for i, day in enumerate(gone)}


def _closed(last: str) -> dt.date | None:
    return None if pd.Timestamp(last) >= LAST else pd.Timestamp(last).date()
