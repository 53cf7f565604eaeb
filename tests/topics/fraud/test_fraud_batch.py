"""Measures of transactions equal plain loops, and nothing that comes later or is known later changes them."""

from __future__ import annotations

import math

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bankmine.topics.fraud import batch
from bankmine.topics.fraud.batch import raw_measures
from bankmine.topics.fraud.features import derive
from bankmine.topics.fraud.measures import SPECIFICATION, Specification, Window

DAY = 86_400_000_000
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


def numbered(rows: list[dict]) -> list[dict]:
    """Give rows their numbers, and labels the moment at which they became known."""
    labels = [None if r["late"] is None else r["at"] + r["late"] * DAY // 4 for r in rows]
    return [r | {"row": i, "label_at": label} for i, (r, label) in enumerate(zip(rows, labels, strict=True))]


@pytest.fixture(scope="module")
def engine() -> ibis.BaseBackend:
    return ibis.duckdb.connect()


def measure(
    engine: ibis.BaseBackend, rows: list[dict], measured: list[bool] | None = None, **how
) -> dict[str, np.ndarray]:
    frame = pa.table({name: [r[name] for r in rows] for name in SCHEMA}, ibis.schema(SCHEMA).to_pyarrow())
    frame = frame if measured is None else frame.append_column("measured", [measured])
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


@settings(max_examples=2)
@pytest.mark.property
@given(rows=ROWS, drawn=st.lists(st.booleans(), min_size=80, max_size=80), part=st.sampled_from([7, 1000]))
def test_measuring_some_in_parts_gives_the_same_for_fewer(engine, rows, drawn, part):
    rows = numbered(rows)
    chosen = np.array(drawn[: len(rows)])
    whole = measure(engine, rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch, "_PART", part)
        some = measure(engine, rows, measured=chosen.tolist())
    assert some["row"].tolist() == whole["row"][chosen].tolist()
    assert all(agree(some[name], whole[name][chosen]) for name in SPECIFICATION.names)


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
