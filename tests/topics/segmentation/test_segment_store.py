"""Segments kept from month to month: saved, loaded, and their drift."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from segment_customers import DAY, REGISTRY, values

from bankmine.errors import BankmineError
from bankmine.judging.drift import psi
from bankmine.topics.segmentation import model as segment_store
from bankmine.topics.segmentation.model import fit
from bankmine.topics.segmentation.movement import drift


@pytest.fixture(scope="module")
def bank():
    return values()


@pytest.fixture(scope="module")
def model(bank):
    return fit(bank, REGISTRY, DAY, 5)


def _saved(model, file):
    file.write_text(segment_store.to_text(model), "utf-8")
    return file


@pytest.fixture
def file(model, tmp_path):
    return _saved(model, tmp_path / "segments.json")


@pytest.mark.slow
def test_saved_segments_assign_as_the_original_does(model, bank, file):
    again = segment_store.load(file)
    pd.testing.assert_series_equal(again.assign(bank), model.assign(bank))
    np.testing.assert_array_equal(again.points(bank), model.points(bank))
    for field in ("names", "day", "customers", "definitions"):
        assert getattr(again, field) == getattr(model, field)


def test_one_segment_without_any_feature_can_be_kept(bank, tmp_path):
    same = bank.iloc[[0] * 50]
    model = fit(same, REGISTRY, DAY, 3)
    again = segment_store.load(_saved(model, tmp_path / "one.json"))
    assert (again.assign(bank) == model.names[0]).all()


def test_the_file_tells_a_validator_what_it_needs_to_know(file):
    told = json.loads(file.read_text("utf-8"))
    assert told["day"] == "2025-12-31"
    assert set(told["versions"]) == {"python", "numpy", "pandas", "scikit-learn"}
    assert told["definitions"]["active"] == REGISTRY.rule
    assert set(told["standardise"]["mean"]) <= set(told["unskew"]["centre"])


def broken(told: dict, path: str, value: object) -> dict:
    *way, last = path.split(".")
    part = told
    for step in way:
        part = part[step]
    part[last] = value
    return told


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("format", "something else"), ("groups.means", [[1.0]]), ("groups.weights", [1.0]), ("names", []),
        ("shares", [0.5, "x", 0.1, 0.1, 0.1]), ("standardise.mean", {"income": float("nan")}), ("day", "soon"),
        ("unskew.centre", {"income": 1.0}), ("unskew", None), ("distances", [1.0]),
        ("unskew.centre.income", float("nan")),
    ],
)  # fmt: skip
def test_a_file_that_is_not_whole_is_refused(file, path, value):
    file.write_text(json.dumps(broken(json.loads(file.read_text("utf-8")), path, value)), "utf-8")
    with pytest.raises(BankmineError, match="form them anew"):
        segment_store.load(file)


def test_no_file_and_no_json_are_told(tmp_path):
    with pytest.raises(BankmineError, match="no saved segments"):
        segment_store.load(tmp_path / "none.json")
    (tmp_path / "bad.json").write_bytes(b"\x80\x04cos\nsystem\n.")
    with pytest.raises(BankmineError, match="form them anew"):
        segment_store.load(tmp_path / "bad.json")


def test_the_same_customers_have_not_drifted(model, bank):
    found = drift(model, bank)
    assert found.psi == pytest.approx(0)
    assert not found.shifted
    assert found.alarm == pytest.approx(2 / len(bank) * 9.488, rel=1e-3)  # chi-squared of four degrees, 95 %
    np.testing.assert_allclose(found.table["distance_now"], found.table["distance_then"])


def test_other_customers_have_drifted(model, bank):
    other = bank.sample(len(bank), replace=True, weights=(model.assign(bank) == model.names[0]) * 3 + 1, random_state=0)
    other = other.set_axis(bank.index).assign(income=lambda v: v["income"] * 2)
    found = drift(model, other)
    assert found.shifted
    assert (found.table["distance_now"] > found.table["distance_then"]).mean() > 0.5
    assert ((found.table["low"] > 0) | (found.table["high"] < 0)).any()
    assert (found.table["share_now"].sum(), found.table["share_then"].sum()) == (pytest.approx(1), pytest.approx(1))


def test_an_empty_month_is_told(model, bank):
    with pytest.raises(BankmineError, match="No customer is active"):
        drift(model, bank.iloc[:0])


def test_the_alarm_goes_off_once_in_twenty_times_without_any_drift():
    rng, shares, alarms = np.random.default_rng(0), np.array([0.4, 0.3, 0.2, 0.1]), 0
    for _ in range(2000):
        then, now = rng.multinomial(900, shares) / 900, rng.multinomial(400, shares) / 400
        alarms += psi(then, now, 900, 400) > (1 / 900 + 1 / 400) * 7.815
    assert 0.035 < alarms / 2000 < 0.065


@pytest.mark.property
@given(st.lists(st.floats(0, 1), min_size=2, max_size=6), st.integers(10, 10_000))
def test_the_index_is_never_negative_never_infinite_and_zero_for_equal_shares(shares, size):
    then = np.array(shares) / max(sum(shares), 1e-9)
    now = then[::-1]
    assert 0 <= psi(then, now, size, size) < np.inf
    assert psi(then, then, size, size) == 0
