"""RFM: measures against a plain count, quintiles whatever the ties, and the named cells."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest
from bank_fixtures import write_parquet
from hypothesis import given
from hypothesis import strategies as st
from random_bank import random_bank

from bankmine.bank.snapshot import open_source
from bankmine.features import rfm
from bankmine.features.spine import spine_of

DAY = dt.date(2025, 6, 30)


@pytest.fixture(scope="module")
def frames():
    return random_bank(bookings=900)


@pytest.fixture(scope="module")
def found(frames, tmp_path_factory) -> pd.DataFrame:
    snapshot = open_source(str(write_parquet(frames, tmp_path_factory.mktemp("random")))).as_of("2025-12-31")
    measures = rfm.rfm(snapshot, spine_of(snapshot, [DAY, dt.date(2025, 1, 1)]), 60).to_pandas()
    return measures[pd.to_datetime(measures.day) == pd.Timestamp(DAY)].set_index("customer_id").sort_index()


@pytest.mark.slow
def test_measures_are_those_of_the_customers_own_outflows(frames, found):
    t = frames["transactions"].merge(frames["accounts"], on="account_id")
    age = (pd.Timestamp(DAY) - t["at"].dt.normalize()).dt.days
    own = t[(t.direction == "out") & (t.kind != "fee") & (age >= 0) & (age < 60)].assign(age=age)
    expected = own.groupby("customer_id").agg(
        recency=("age", "min"), frequency=("age", "size"), monetary=("amount", "sum")
    )
    expected = expected.reindex(found.index).fillna({"recency": 60, "frequency": 0, "monetary": 0.0})
    pd.testing.assert_frame_equal(found[["recency", "frequency", "monetary"]], expected, check_dtype=False)
    assert (found.frequency == 0).any()
    assert found.frequency.nunique() > 3


@pytest.mark.property
@given(st.lists(st.integers(0, 12), min_size=1, max_size=80))
def test_quintiles_differ_in_size_by_no_more_than_ties(values):
    values = pd.Series(values)
    score = rfm.quintile(values)
    assert score.between(1, 5).all()
    assert (values.groupby(score).max().iloc[:-1].to_numpy() < values.groupby(score).min().iloc[1:].to_numpy()).all()
    ties = values.value_counts().max()
    for step in range(1, 5):  # no more than half a tie may lie on the wrong side of a cut
        assert abs((score <= step).sum() - step * len(values) / 5) <= ties / 2 + 0.5


@pytest.mark.property
@given(st.permutations(range(30)))
def test_scores_do_not_depend_on_the_order_of_rows(order):
    measures = pd.DataFrame({
        "recency": [i % 7 for i in range(30)], "frequency": [i % 11 for i in range(30)], "monetary": range(30),
    })  # fmt: skip
    scored = rfm.scores(measures)
    pd.testing.assert_frame_equal(rfm.scores(measures.iloc[list(order)]).sort_index(), scored)


def test_without_ties_quintiles_are_equal_and_recent_is_high():
    measures = pd.DataFrame({"recency": range(25), "frequency": range(25), "monetary": range(25)})
    scored = rfm.scores(measures)
    assert scored.r.value_counts().eq(5).all()
    assert scored.r.iloc[0] == 5
    assert scored.f.iloc[0] == scored.m.iloc[0] == 1
    assert scored.score.iloc[0] == "511"


@pytest.mark.parametrize(
    ("r", "f", "name"),
    [(5, 5, "Champions"), (3, 4, "Loyal"), (1, 1, "Hibernating"), (2, 3, "At risk"), (1, 5, "Can't lose them"),
     (5, 1, "Recent"), (4, 1, "Promising"), (3, 3, "Need attention"), (3, 1, "About to sleep"),
     (4, 3, "Potential loyalists")],
)  # fmt: skip
def test_cells_have_their_classic_names(r, f, name):
    assert rfm.CELLS[r - 1][f - 1] == name


def test_every_cell_has_one_of_the_names_and_every_name_a_cell():
    assert {name for row in rfm.CELLS for name in row} == set(rfm.CELL_NAMES)
    assert [len(row) for row in rfm.CELLS] == [5] * 5


def test_customers_who_are_all_the_same_are_all_in_the_middle():
    same = pd.DataFrame({"recency": [365] * 9, "frequency": [0] * 9, "monetary": [0.0] * 9})
    assert rfm.scores(same).cell.eq("Need attention").all()
