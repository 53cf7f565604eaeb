"""A plain, honest model of churn: what the difficulty of the demo bank is measured with."""

from __future__ import annotations

import datetime as dt
from functools import cache
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pandas as pd
from sklearn.metrics import roc_auc_score
from xgboost import XGBClassifier

from bankmine.bank.snapshot import Snapshot, open_source
from bankmine.features.bookings import fell_silent
from bankmine.features.customers import features
from bankmine.features.spine import spine_of

TRAIN = [dt.date(2024, 3, 31), dt.date(2024, 6, 30), dt.date(2024, 9, 30)]
TEST = [dt.date(2025, 3, 31), dt.date(2025, 6, 30)]
GAP, SILENT, PRESENT = 90, 90, 30
"""Who moved money in the last 30 days and none at all from day 91 to day 180 left in between; the outcome of the last
training day is known before the first test day."""


@cache
def customer_months(folder: Path) -> pd.DataFrame:
    """Return features and outcome of every customer who was present, on each day of TRAIN and TEST."""
    snapshot = open_source(str(folder)).as_of(TEST[-1] + dt.timedelta(days=GAP + SILENT))
    spine = spine_of(snapshot, TRAIN + TEST)
    rows = dated(features(snapshot, spine)).merge(silent_after(snapshot, spine, GAP, SILENT), on=["customer_id", "day"])
    before = silent_after(snapshot, spine, -PRESENT, PRESENT).rename(columns={"fell_silent": "absent"})
    rows = rows.merge(before, on=["customer_id", "day"])
    return rows[~rows.pop("absent").astype(bool)].reset_index(drop=True)


def silent_after(snapshot: Snapshot, spine: ir.Table, shift: int, days: int) -> pd.DataFrame:
    """Return who moved no money in `days` days that begin `shift` days after the day of the spine."""
    shifted = spine.mutate(day=spine.day + ibis.interval(days=shift))
    found = dated(fell_silent(snapshot, shifted, days))
    found["day"] -= pd.Timedelta(days=shift)
    return found


def dated(table: ir.Table) -> pd.DataFrame:
    """Fetch a table with its days as timestamps."""
    rows = table.to_pandas()
    rows["day"] = pd.to_datetime(rows.day)
    return rows


def churn_auc(folder: Path, leak: bool = False) -> float:
    """Train on earlier days, test on later ones; `leak` adds the column that is overwritten after the event."""
    rows = customer_months(folder)
    predictors = rows.drop(columns=["customer_id", "day", "fell_silent"]).astype(float)
    if leak:
        told = pd.read_parquet(folder / "customers", columns=["customer_id", "mailing_status"])
        predictors["stopped"] = rows.merge(told, on="customer_id").mailing_status.eq("stopped").astype(float)
    train = rows.day.isin(pd.to_datetime(TRAIN))
    model = XGBClassifier(n_estimators=150, max_depth=3, learning_rate=0.06, subsample=0.8, n_jobs=2, random_state=0)
    model.fit(predictors[train], rows.fell_silent[train].astype(int))
    return roc_auc_score(rows.fell_silent[~train].astype(int), model.predict_proba(predictors[~train])[:, 1])
