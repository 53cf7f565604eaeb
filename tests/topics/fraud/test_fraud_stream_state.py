"""The kept state: the same measures as the batch, bounded memory, late arrivals and labels."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from live_stream import take
from pandas.api.types import is_numeric_dtype

from bankmine.live.ledger import open_ledger
from bankmine.live.memory import restore
from bankmine.live.messages import Label
from bankmine.topics.fraud.batch import raw_measures
from bankmine.topics.fraud.measures import DAY, SPECIFICATION
from bankmine.topics.fraud.stream_model import learnt_of
from bankmine.topics.fraud.stream_state import FraudState, Transaction

MANY = 10_000


def differing(found: list[dict[str, np.ndarray]], batch: dict[str, np.ndarray]) -> list[str]:
    """Names of the columns that differ by more than rounding."""
    return [name for name in found[0] if not _alike(np.array([f[name][0] for f in found]), batch[name])]


def _alike(one: np.ndarray, other: np.ndarray) -> bool:
    if other.dtype == object:
        return list(one) == list(other)
    nearest = 1e-12 if other.dtype == np.float64 else 1e-6  # models take single precision, the batch keeps it
    return np.allclose(one, other, rtol=nearest, atol=1e-9, equal_nan=True)


@pytest.fixture(scope="module")
def measured(stream, tmp_path_factory):
    """What a state that was warmed up measures of the first 10,000 transactions, with labels as they become known."""
    ledger = open_ledger(stream.ledger(tmp_path_factory.mktemp("state")))
    state, labels, found = restore(ledger, SPECIFICATION), list(reversed(stream.labels)), []
    for t in stream.transactions[:MANY]:
        while labels and labels[-1][1] <= t.at:
            state.label(*labels.pop())
        found.append(state.measures(t))
        take(ledger, state, t)
    ledger.close()
    return found


def test_measures_are_those_of_the_batch(measured, stream):
    batch = {name: values[:MANY] for name, values in stream.measures.items()}
    assert len(measured) == MANY
    assert set(measured[0]) == set(SPECIFICATION.names)
    assert differing(measured, batch) == []
    idle = {name for name, values in batch.items() if values.dtype != object and not np.nanmax(values) > 0}
    assert all(name.startswith("counterparty_frauds_known") for name in idle)  # nobody is cheated twice by one


def test_predictors_are_those_of_the_batch(measured, stream):
    some = range(0, MANY, 7)
    found = [learnt_of(stream.model, stream.transactions[i], measured[i], {}) for i in some]
    predictors = stream.predictors.iloc[some]
    assert set(predictors) <= set(found[0])
    words = {name for name in predictors if not is_numeric_dtype(predictors[name].dtype)}
    batch = {
        name: values.astype(object).where(values.notna(), None).to_numpy() if name in words else values.to_numpy()
        for name, values in predictors.items()
    }
    assert words == {"kind", "channel", "category", "country", "product"}
    assert differing([{name: one[name] for name in batch} for one in found], batch) == []


SCHEMA = {
    "transaction_id": "string", "at": "int64", "amount": "float64", "customer": "string", "account": "string",
    "device": "string", "merchant": "string", "counterparty": "string", "country": "string", "physical": "boolean",
    "balance": "float64", "label_at": "int64", "row": "int64",
}  # fmt: skip
BASE = 20_000 * DAY
EVENTS = st.lists(
    st.tuples(
        st.integers(0, 60 * 24).map(lambda hour: BASE + hour * DAY // 24),  # moments that coincide, and at midnight
        st.floats(0.01, 1e6),
        *(st.sampled_from(["x", "y"]) for _ in range(2)),
        *(st.sampled_from(["x", "ÿ", None]) for _ in range(4)),
        st.booleans(),
        st.none() | st.integers(0, 70).map(lambda day: BASE + day * DAY),
    ),
    min_size=1, max_size=40,
)  # fmt: skip


def transactions(events: list[tuple]) -> list[tuple[Transaction, int | None]]:
    """Make transactions and their labels, in the order of time."""
    ordered = sorted(events, key=lambda e: e[0])
    return [(Transaction(str(i), *event[:-1]), event[-1]) for i, event in enumerate(ordered)]


def batch_of(told: list[tuple[Transaction, int | None]], last: bool = False) -> dict[str, np.ndarray]:
    """Measure all of what is told, or of all that the last one."""
    frame = pd.DataFrame([asdict(t) | {"label_at": at} for t, at in told]).astype({"label_at": "Int64"})
    rows = ibis.memtable(frame.assign(row=range(len(frame))), schema=SCHEMA).cache()
    return raw_measures(rows.mutate(measured=rows.row == len(told) - 1) if last else rows)


DAYS_APART = [
    (BASE + day * DAY, 10.0, "x", "x", "x", "x", "x", "x", True, BASE + (day + 3) * DAY)
    for day in (0, 1, 6, 7, 8, 14, 29, 30, 31, 37, 38, 44, 60)
]
"""Moments that lie on the edges of windows."""


@pytest.mark.property
@settings(max_examples=12)
@example(DAYS_APART)
@given(EVENTS)
def test_any_history_is_measured_as_the_batch_does(events):
    told, found = transactions(events), []
    labels = sorted(((at, t) for t, at in told if at is not None), key=lambda pair: pair[0], reverse=True)
    with closing(open_ledger(Path(":memory:"))) as ledger:
        state = FraudState(ledger)
        for t, _ in told:
            while labels and labels[-1][0] <= t.at:
                at, cheated = labels.pop()
                state.label(cheated, at)
            found.append(state.measures(t))
            take(ledger, state, t)
    assert differing(found, batch_of(told)) == []


DAYS_BACK = [
    (BASE + day * DAY, 10.0 + day, customer, customer, "x", "x", "x", "x", True, None)
    for day, customer in ((60, "x"), (60, "y"), (15, "y"), (59, "x"), (14, "y"), (16, "x"), (61, "y"))
]
"""The clock of one account goes after the other's, by more than a window."""


@pytest.mark.slow
@pytest.mark.property
@settings(max_examples=8, deadline=None, phases=set(Phase) - {Phase.shrink})
@example(DAYS_BACK, None)
@given(EVENTS.map(lambda events: events[:10]), st.sampled_from([None, 0, 3, 6]))
def test_whoever_is_late_is_measured_as_the_batch_does_of_what_has_arrived(events, stopped):
    """In any order of arrival; a state that begins anew in between knows the same."""
    told = [(Transaction(str(i), *event[:-1]), event[-1]) for i, event in enumerate(events)]
    with closing(open_ledger(Path(":memory:"))) as ledger:
        state = FraudState(ledger)
        for i, (t, label_at) in enumerate(told):
            assert differing([state.measures(t)], batch_of([*told[:i], (t, None)], last=True)) == []
            take(ledger, state, t)
            if label_at is not None:
                state.label(t, label_at)
                with ledger.commit():
                    ledger.label(Label(t.transaction_id, True, label_at))
            if i == stopped:
                state = restore(ledger, SPECIFICATION)
