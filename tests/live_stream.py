"""A month of a small demo bank as a stream of messages, what the batch says of it, and a model of the month before."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import ibis.expr.types as ir
import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline
from xgboost import XGBClassifier

from bankmine.bank.snapshot import open_source
from bankmine.judging.reasons import load_reasons
from bankmine.learning.encoding import Encode
from bankmine.live.ledger import Ledger, open_ledger
from bankmine.live.messages import microseconds
from bankmine.live.warm_up import warm_up
from bankmine.topics.fraud.alerts import REASONS
from bankmine.topics.fraud.batch import history, payments_out, raw_measures
from bankmine.topics.fraud.measures import KINDS
from bankmine.topics.fraud.payments import FraudSample, fraud_sample
from bankmine.topics.fraud.stream_model import FraudModel, as_json, streaming_model
from bankmine.topics.fraud.stream_state import FraudState, Transaction

WARM = dt.date(2025, 11, 30)
BEGIN = microseconds(dt.datetime(2025, 12, 1))
NOW = microseconds(dt.datetime(2026, 1, 10))
_FIELDS = list(Transaction.__slots__)


@dataclass(frozen=True)
class Stream:
    """The month, in the order of time; parts have a row each."""

    transactions: list[Transaction]
    labels: list[tuple[Transaction, int]]
    """Frauds, and when they became known, in this month."""
    measures: dict[str, np.ndarray]
    """Of the batch."""
    predictors: pd.DataFrame
    """Of the batch."""
    lines: list[str]
    """Messages: the transactions and, at the moment at which they become known, the labels."""
    fitted: Pipeline
    model: FraudModel
    files: Path
    """Holds `model.json` and `warm.sqlite`, a ledger that is warmed up to the month."""

    def ledger(self, folder: Path) -> Path:
        """Copy the ledger that is warmed up."""
        return Path(shutil.copy(self.files / "warm.sqlite", folder / "state.sqlite"))


def take(ledger: Ledger, state: FraudState, t: Transaction) -> None:
    """Take a transaction as the scorer does."""
    with ledger.commit():
        ledger.add(t)
        state.add(t)


def make_stream(folder: Path, files: Path) -> Stream:
    """Make a stream of the last month of a demo bank, and write what the command needs."""
    bank = open_source(str(folder))
    snapshot = bank.as_of("2025-12-31")
    rows = payments_out(snapshot)
    there = history(rows).cache()
    frame = there.to_pandas().sort_values(["at", "transaction_id"], ignore_index=True)
    sampled = fraud_sample(there, snapshot.as_of, days=61)
    now = (sampled.beside["at"] >= pd.Timestamp(WARM) + pd.Timedelta(days=1)).to_numpy()
    fitted = _fitted(sampled, ~now)
    known, words = there.columns, load_reasons(REASONS)
    model = streaming_model(fitted, sampled.sample.predictors[~now], known, words, threshold=0.01, day=WARM, factor=0.5)
    (files / "model.json").write_text(as_json(model), "utf-8")
    ledger = open_ledger(files / "warm.sqlite")
    warm_up(ledger, bank.as_of(WARM), KINDS)
    ledger.close()
    known = frame[frame.label_at > BEGIN].sort_values("label_at")
    return Stream(
        _transactions(frame[frame["at"] >= BEGIN]),
        list(zip(_transactions(known), known.label_at.astype(int), strict=True)),
        _measures(there, frame[frame["at"] >= BEGIN]), sampled.sample.predictors[now],
        _lines(rows.filter(rows["at"] >= dt.datetime(2025, 12, 1)).to_pandas(), frame), fitted, model, files,
    )  # fmt: skip


def _measures(there: ir.Table, frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """Measure transactions at once, in the order of a frame."""
    found = raw_measures(there.mutate(measured=there["at"] >= BEGIN))
    order = np.searchsorted(found["row"], frame["row"])
    return {name: values[order] for name, values in found.items()}


def _transactions(frame: pd.DataFrame) -> list[Transaction]:
    rows = frame.reindex(columns=_FIELDS).astype(object)
    return [Transaction(*row) for row in rows.where(rows.notna(), None).itertuples(index=False)]


def _fitted(sampled: FraudSample, past: np.ndarray) -> Pipeline:
    """Fit trees on the month before, as many as the report does."""
    predictors, target = sampled.sample.predictors[past], sampled.beside.known_on[past].notna().astype(float)
    trees = XGBClassifier(n_estimators=200, max_depth=5, learning_rate=0.07, n_jobs=1, random_state=0)
    return Pipeline([("encode", Encode()), ("model", trees)]).fit(predictors, target)


def _lines(rows: pd.DataFrame, frame: pd.DataFrame) -> list[str]:
    """Write messages in the order in which they become known; labels come before transactions of the same moment."""
    rows = rows.sort_values(["at", "transaction_id"])
    moments = rows["at"].astype("datetime64[us]").astype("int64")
    columns = ["transaction_id", "account_id", "amount", "direction", "kind", "channel", "category"]
    columns += ["merchant_id", "counterparty", "country", "device_id"]
    told = rows[columns].astype(object).where(rows[columns].notna(), None).to_dict("records")
    times = rows["at"].dt.strftime("%Y-%m-%dT%H:%M:%S.%f")
    found = [(m, 1, one | {"at": t}) for m, one, t in zip(moments, told, times, strict=True)]
    late = frame[(frame.label_at >= BEGIN) & (frame.label_at <= moments.max())]
    days = pd.to_datetime(late.fraud_known_on).dt.strftime("%Y-%m-%d")
    found += [
        (int(at), 0, {"transaction_id": id, "is_fraud": True, "fraud_known_on": day})
        for at, id, day in zip(late.label_at, late.transaction_id, days, strict=True)
    ]
    return [json.dumps(message, ensure_ascii=False) for *_, message in sorted(found, key=lambda one: one[:2])]
