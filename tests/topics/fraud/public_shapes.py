"""Files in the shape of public data sets of payments, small and made up: PaySim, Sparkov, and cards of two days."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from bankmine.topics import fraud
from bankmine.topics.fraud.fraud_study import FraudStudy

PAYSIM = {"target": "isFraud", "id": "nameOrig", "time": "step", "clock": "hours", "amount": "amount"}
SPARKOV = {
    "target": "is_fraud", "id": "cc_num", "time": "trans_date_trans_time", "amount": "amt", "merchant": "merchant",
}  # fmt: skip
CARDS = {"target": "Class", "time": "Time", "clock": "seconds", "amount": "Amount"}


def paysim(size: int = 9_000, days: int = 30) -> pd.DataFrame:
    """Hours of a month; each payer comes once, and frauds empty large accounts, so that the amount tells them."""
    rng = np.random.default_rng(1)
    step = np.sort(rng.integers(1, days * 24, size))
    fraud = rng.random(size) < 0.02
    amount = np.where(fraud, rng.lognormal(12.5, 0.8, size), rng.lognormal(8, 1, size)).round(2)
    before = amount * np.where(fraud, 1, rng.uniform(0.5, 4, size)).round(2)
    return pd.DataFrame({
        "step": step, "type": np.where(fraud | (rng.random(size) < 0.4), "TRANSFER", "PAYMENT"), "amount": amount,
        "nameOrig": [f"C{i}" for i in range(size)], "oldbalanceOrg": before.round(2),
        "newbalanceOrig": (before - amount).clip(0).round(2), "isFraud": fraud.astype(int),
    })  # fmt: skip


def sparkov(size: int = 9_000, days: int = 150) -> pd.DataFrame:
    """Cards that pay for months, with a clock beside the moment and what their holders are."""
    rng = np.random.default_rng(2)
    card = rng.integers(0, 120, size)
    second = np.sort(rng.integers(0, days * 86_400, size))
    night = (second % 86_400) < 4 * 3600
    fraud = rng.random(size) < np.where(night, 0.12, 0.005)
    moment = pd.Timestamp("2020-01-01") + pd.to_timedelta(second, unit="s")
    return pd.DataFrame({
        "trans_date_trans_time": moment.strftime("%Y-%m-%d %H:%M:%S"), "cc_num": [f"4{c:015}" for c in card],
        "merchant": [f"M{i}" for i in rng.integers(0, 60, size)],
        "amt": np.where(fraud, rng.lognormal(6, 0.6, size), rng.lognormal(3.5, 0.8, size)).round(2),
        "gender": np.where(card % 2, "F", "M"), "Customer_Age": 20 + card % 60, "zip": 10_000 + 7 * card,
        "unix_time": 1_325_376_000 + second, "is_fraud": fraud.astype(int),
    })  # fmt: skip


def cards(size: int = 6_000) -> pd.DataFrame:
    """Two days of payments of nobody known, by components without names."""
    rng = np.random.default_rng(3)
    fraud = rng.random(size) < 0.05
    second = np.sort(rng.integers(0, 2 * 86_400, size))
    found = {f"V{i}": rng.normal(np.where(fraud, 0.6, 0), 1).round(4) for i in range(1, 5)}
    return pd.DataFrame({
        "Time": second, **found, "Amount": rng.lognormal(3, 1, size).round(2), "Class": fraud.astype(int),
    })  # fmt: skip


def study_of(table: pd.DataFrame, folder: Path, roles: dict[str, str], **plan: int) -> FraudStudy:
    """Write a table and open it as a study, as of its last day."""
    file = folder / "payments.csv"
    table.to_csv(file, index=False)
    return fraud.study(str(file), "", **roles, **plan)
