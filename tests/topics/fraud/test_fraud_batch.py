"""Measures of transactions equal plain loops, and nothing that comes later or is known later changes them."""

from __future__ import annotations

import ibis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_windows import DAY, measured

from bankmine.topics.fraud.batch import raw_measures
from bankmine.topics.fraud.features import derive
from bankmine.topics.fraud.measures import SPECIFICATION, Specification, Window

START = 20_000 * DAY
TEXTS = ("customer", "account", "device", "merchant", "counterparty", "country")
SCHEMA = {"row": "int64", "at": "int64", "amount": "float64", "physical": "boolean", "label_at": "int64"}
SCHEMA |= dict.fromkeys(TEXTS, "string")

# a grid of a quarter of a day, so that moments coincide and lie on the edges of windows, and a little beside it
MOMENT = st.builds(
    lambda quarters, beside: START + quarters * DAY // 4 + beside,
    st.integers(0, 200), st.sampled_from([0, 0, 0, -1, 1, 1_000_000, 3_600_000_000]),
)  # fmt: skip
OPTIONAL = st.sampled_from([None, "x", "y", "客<户>'\""])
ROW = st.fixed_dictionaries({
    "at": MOMENT, "amount": st.integers(1, 500_000).map(lambda cents: cents / 100),
    "customer": st.sampled_from(["a", "b"]), "account": st.sampled_from([None, "a1", "a2", "b1"]), "device": OPTIONAL,
    "merchant": OPTIONAL, "counterparty": OPTIONAL, "country": st.sampled_from([None, "CN", "DE", "ZA"]),
    "physical": st.booleans(), "late": st.sampled_from([None, None, 0, 1, 7, 20 * 4]),
})  # fmt: skip
ROWS = st.lists(ROW, min_size=40, max_size=80)
"""An example takes half a second whatever its size, so there are few, each of many rows."""

ROW_OF_ALL = {
    "at": START, "amount": 5.0, "customer": "a", "account": "a1", "device": "x", "merchant": "x", "counterparty": "x",
    "country": "CN", "physical": True, "late": None,
}  # fmt: skip


def numbered(rows: list[dict]) -> list[dict]:
    """Give rows their numbers, and labels the moment at which they became known."""
    labels = [None if r["late"] is None else r["at"] + r["late"] * DAY // 4 for r in rows]
    return [r | {"row": i, "label_at": label} for i, (r, label) in enumerate(zip(rows, labels, strict=True))]


@pytest.fixture(scope="module")
def engine() -> ibis.BaseBackend:
    return ibis.duckdb.connect()


def measure(engine: ibis.BaseBackend, rows: list[dict], **how) -> dict[str, np.ndarray]:
    frame = pa.table({name: [r[name] for r in rows] for name in SCHEMA}, ibis.schema(SCHEMA).to_pyarrow())
    table = engine.create_table("rows", frame, overwrite=True)
    return raw_measures(table, **how)


def agree(found: np.ndarray, wanted: np.ndarray) -> bool:
    if found.dtype == object:
        return list(found) == [v if isinstance(v, str) else None for v in wanted]
    return np.array_equal(found, wanted.astype(float), equal_nan=True)


@settings(max_examples=4)
@pytest.mark.property
@given(rows=ROWS, delay=st.sampled_from([0, 7]))
def test_measures_equal_plain_loops(engine, rows, delay):
    rows = numbered(rows)
    specification = Specification(**vars(SPECIFICATION) | {"delay": delay})
    found = measure(engine, rows, specification=specification)
    wanted = measured(rows, delay).reindex(columns=list(specification.names))
    wrong = [name for name in specification.names if not agree(found[name], wanted[name].to_numpy())]
    assert not wrong
    assert found["row"].tolist() == list(range(len(rows)))


@settings(max_examples=3)
@pytest.mark.property
@given(rows=ROWS, pick=st.integers(0, 79), later=ROWS, labels=st.lists(st.integers(0, 400), min_size=80, max_size=80))
def test_nothing_that_comes_or_is_known_later_changes_a_measure(engine, rows, pick, later, labels):
    rows = numbered(rows)
    chosen = rows[pick % len(rows)]
    now = chosen["at"]
    past = [r for r in rows if r["at"] < now or r is chosen]
    # every other transaction from now on is replaced, and so is every label that was not known before
    altered = [
        r | {"label_at": now + quarters * DAY // 4 if quarters % 3 else None} if (r["label_at"] or now) >= now else r
        for r, quarters in zip(past, labels, strict=False)
    ]
    new = [r | {"row": 100 + i} for i, r in enumerate(numbered(later)) if r["at"] >= now]
    before, after = measure(engine, rows), measure(engine, altered + new)
    for name in SPECIFICATION.names:
        kept = {r["row"]: i for i, r in enumerate(rows)}
        places = np.searchsorted(after["row"], sorted(r["row"] for r in past))
        wanted = before[name][sorted(kept[r["row"]] for r in past)]
        assert agree(after[name][places], wanted), name


@settings(max_examples=1)
@pytest.mark.property
@given(rows=ROWS, since=MOMENT)
def test_measuring_since_a_moment_gives_the_same_for_fewer(engine, rows, since):
    rows = numbered(rows)
    whole, part = measure(engine, rows), measure(engine, rows, since=since)
    chosen = np.array([r["at"] >= since for r in rows])
    assert part["row"].tolist() == whole["row"][chosen].tolist()
    assert all(agree(part[name], whole[name][chosen]) for name in SPECIFICATION.names)


def test_what_a_source_has_no_columns_for_is_not_measured(engine):
    rows = numbered([ROW_OF_ALL])
    measure(engine, rows)
    few = engine.table("rows").select("row", "at", "amount", "customer")
    found = raw_measures(few)
    assert {n.partition("_")[0] for n in found} == {"row", "customer", "first", "previous"}
    assert {n for n in found if n.startswith("first_")} == {"first_customer_seconds"}


def test_a_merchants_risk_counts_no_fraud_before_its_label(engine):
    rows = numbered([ROW_OF_ALL | {"at": START + d * DAY, "late": 4 * 7 if d == 0 else None} for d in (0, 6, 7, 8)])
    window = Specification((Window("merchant", "frauds_known", 1), Window("merchant", "judged", 1)))
    found = measure(engine, rows, specification=window)
    assert found["merchant_frauds_known_1d"].tolist() == [0, 0, 0, 1]  # at the moment of the label it is not seen yet
    assert found["merchant_judged_1d"].tolist() == [0, 0, 0, 1]


@settings(max_examples=1)
@pytest.mark.property
@given(rows=ROWS)
def test_features_of_one_transaction_are_those_among_many(engine, rows):
    rows = numbered(rows)
    own = {"amount": np.array([r["amount"] for r in rows]), "at": np.array([r["at"] for r in rows])}
    own["country"] = np.array([r["country"] for r in rows], dtype=object)
    own["physical"] = np.array([r["physical"] for r in rows])
    columns = measure(engine, rows) | own | {"balance": own["amount"] * 3}
    many = derive(columns)
    for i in range(len(rows)):
        alone = derive({name: values[i : i + 1] for name, values in columns.items()})
        assert list(alone) == list(many)
        assert all(np.array_equal(alone[n], many[n][i : i + 1], equal_nan=True) for n in many)


def test_a_payee_device_and_country_are_new_once(engine):
    rows = numbered([ROW_OF_ALL | {"at": START + hours * DAY // 24} for hours in (8, 9, 33)])
    rows[1]["country"] = "DE"
    found = derive(measure(engine, rows) | {
        "amount": np.array([5.0, 5.0, 100.0]), "at": np.array([r["at"] for r in rows]),
        "country": np.array(["CN", "DE", "CN"], dtype=object), "physical": np.array([True] * 3),
    })  # fmt: skip
    assert found["new_payee"].tolist() == [1, 0, 0]
    assert found["new_country"].tolist() == [1, 1, 0]
    assert np.array_equal(found["country_changed"], [np.nan, 1, 1], equal_nan=True)
    assert np.array_equal(found["impossible_travel"], [np.nan, 1, 0], equal_nan=True)
    assert found["amount_to_customer_largest_30d"][2] == 20
    assert found["hour"].tolist() == [8, 9, 9]
    assert found["weekend"].tolist() == [0, 0, 1]  # a Friday and a Saturday
    assert np.isnan(found["customer_log_amount_z_30d"][:2]).all()  # one payment is no habit


def test_of_two_places_at_one_moment_the_last_of_the_alphabet_is_the_previous(engine):
    rows = numbered([ROW_OF_ALL | {"country": c, "at": START + h} for c, h in (("ZA", 0), ("DE", 0), ("CN", 1))])
    found = measure(engine, rows)
    assert found["previous_physical_country"].tolist() == [None, None, "ZA"]
    assert found["customer_count_1d"].tolist() == [0, 0, 2]  # neither of two at one moment sees the other
