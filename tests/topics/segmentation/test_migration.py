"""How customers move between groups: chances, lengths of stay, flows and movers."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bankmine.judging.intervals import wilson
from bankmine.topics.segmentation import movement as migration

RNG = np.random.default_rng(5)
LABELS = st.sampled_from(["a", "b", "c", None])
HISTORIES = st.integers(1, 6).flatmap(
    lambda days: st.lists(st.lists(LABELS, min_size=days, max_size=days), min_size=1, max_size=25)
)


def frame(rows: list[str]) -> pd.DataFrame:
    """One customer a word, one day a letter; a dot where the customer is not known."""
    return pd.DataFrame([[None if c == "." else c for c in row] for row in rows])


def chain(customers: int, days: int, leaves: float) -> pd.DataFrame:
    """Customers who turn from a to b and back with a constant chance."""
    state = np.empty((customers, days), dtype=int)
    state[:, 0] = RNG.integers(0, 2, customers)
    for day in range(1, days):
        state[:, day] = np.where(RNG.random(customers) < leaves, 1 - state[:, day - 1], state[:, day - 1])
    return pd.DataFrame(np.array(["a", "b"])[state])


def test_a_history_has_a_row_a_customer_and_a_column_a_day():
    days = pd.to_datetime(["2025-02-28", "2025-01-31", "2025-02-28"])
    long = pd.DataFrame({"customer_id": ["x", "x", "y"], "day": days, "stage": pd.Categorical(["b", "a", "c"])})
    found = migration.history(long)
    assert found.columns.tolist() == sorted(days.unique())
    assert found.loc["x"].tolist() == ["a", "b"]
    assert pd.isna(found.loc["y"].iloc[0])


@pytest.mark.property
@given(HISTORIES)
def test_shares_of_each_group_add_up_to_one(rows):
    found = migration.transitions(pd.DataFrame(rows))
    np.testing.assert_allclose(found.groupby("from")["share"].sum(), 1)
    assert ((found.low <= found.share + 1e-12) & (found.share <= found.high + 1e-12)).all()
    steps = sum(a is not None and b is not None for row in rows for a, b in pairwise(row))
    assert found.steps.sum() == steps


def test_transitions_are_counted_between_neighbouring_known_days():
    found = migration.transitions(frame(["aab", "a.b", "bba"])).set_index(["from", "to"]).steps
    assert found.to_dict() == {("a", "a"): 1, ("a", "b"): 1, ("b", "a"): 1, ("b", "b"): 1}


def test_steps_of_one_customer_are_worth_less_than_as_many_of_others():
    """Half of the customers never move and half do at every step: no step of a customer is news after the first."""
    lone = pd.DataFrame([list("ab")] * 50 + [list("aa")] * 50)
    rows = pd.DataFrame([list("aaaaaaaa")] * 50 + [list("abababab")] * 50)
    few, many = (migration.transitions(f).set_index(["from", "to"]).loc[("a", "b")] for f in (lone, rows))
    assert many.steps == 4 * few.steps
    alone = wilson(int(many.steps), round(many.steps / many.share))
    assert many.high - many.low > 1.3 * (alone[1] - alone[0])


def test_the_matrix_has_the_groups_that_occur_in_their_order():
    found = migration.matrix(migration.transitions(frame(["ab", "aa", "cc"])), ["c", "b", "a", "z"])
    assert found.index.tolist() == found.columns.tolist() == ["c", "b", "a"]
    assert found.loc["a"].tolist() == [0, 0.5, 0.5]
    assert found.loc["b"].isna().all()  # nobody started there
    assert found.loc["c", "c"] == 1


def test_the_planted_chance_and_length_of_stay_are_found():
    history = chain(4000, 25, leaves=0.25)
    share = migration.transitions(history).set_index(["from", "to"])
    assert share.loc[("a", "b"), "low"] < 0.25 < share.loc[("a", "b"), "high"]
    stays = migration.sojourn(history)
    up_to_horizon = (1 - 0.75**24) / 0.25
    assert (stays.stay_low < up_to_horizon).all()
    assert (stays.stay_high > up_to_horizon).all()


def test_spells_that_had_not_ended_do_not_count_as_short():
    """Half of the customers are seen for three days only after they came."""
    history = chain(6000, 13, leaves=0.1)
    history.iloc[:3000, 4:] = None
    stays = migration.sojourn(history)
    up_to_horizon = (1 - 0.9**12) / 0.1
    assert ((stays.stay_low < up_to_horizon) & (up_to_horizon < stays.stay_high)).all()


def test_the_restricted_mean_is_that_of_a_worked_example():
    """Of four spells of b one ends after 1 day and one after 2; S(1) = 3/4, and S(2) = 3/4 · 1/2."""
    stays = migration.sojourn(frame(["abaa", "abba", "aabb", "abbb"]))
    row = stays.loc["b"]
    assert (row.spells, row.ended) == (4, 2)
    assert row.stay == pytest.approx(1 + 3 / 4 + 3 / 8)
    # Greenwood: (S(1) + S(2))² · 1 / (4 · 3) + S(2)² · 1 / (2 · 1)
    error = np.sqrt((9 / 8) ** 2 / 12 + (3 / 8) ** 2 / 2)
    assert (row.stay_high - row.stay) / 1.959964 == pytest.approx(error)


def test_a_gap_cuts_a_spell_in_two():
    row = migration.sojourn(frame(["a.ab"])).loc["a"]
    assert (row.spells, row.ended, row.stay) == (1, 1, 1)  # the first began before the days shown
    assert migration.sojourn(frame(["abb.a"])).loc["b", "ended"] == 0  # what became of b is not known


def test_a_group_that_nobody_enters_or_leaves_has_no_length_of_stay():
    row = migration.sojourn(frame(["aaa", "aaa"])).loc["a"]
    assert row.spells == 0
    assert np.isnan(row.stay)


@pytest.mark.property
@given(st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=40))
def test_flows_neither_lose_nor_make_customers(pairs):
    before, now = (pd.Series([p[i] for p in pairs], dtype=object) for i in (0, 1))
    found = migration.flows(before, now)
    assert found.customers.sum() == len(pairs)
    assert found.groupby("from").customers.sum().get("a", 0) == (before == "a").sum()
    assert found.groupby("to").customers.sum().get("a", 0) == (now == "a").sum()
    assert found.customers.is_monotonic_decreasing


def test_who_came_or_went_flows_from_or_to_the_unknown():
    before = pd.Series({"x": "a", "y": "a"}, dtype="category")
    now = pd.Series({"y": "b", "z": "a"}, dtype="category")
    found = migration.flows(before, now).set_index(["from", "to"]).customers
    assert found.to_dict() == {("a", "b"): 1, ("a", "not known"): 1, ("not known", "a"): 1}


def test_movers_of_some_moves_are_those_who_made_them():
    before, now = (
        pd.Series({"u": "a", "v": "a", "w": "b", "x": "a"}),
        pd.Series({"u": "b", "v": "c", "w": "a", "x": "b"}),
    )
    moved = migration.movers(before, now, pd.Series({"u": 1.0, "x": 9.0}))
    assert migration.of_moves(moved, pd.MultiIndex.from_tuples([("a", "b")])).index.tolist() == ["x", "u"]
    assert migration.of_moves(moved, pd.MultiIndex.from_tuples([], names=["from", "to"])).empty


def test_movers_are_those_who_changed_the_most_valuable_first():
    before = pd.Series({"u": "a", "v": "a", "w": "b", "x": "a", "y": "a"})
    now = pd.Series({"u": "b", "v": "a", "w": "c", "x": "b", "z": "a"})
    found = migration.movers(before, now, pd.Series({"u": 1.0, "v": 9.0, "w": 5.0}))
    assert found.to_dict("index") == {
        "w": {"from": "b", "to": "c", "margin": 5.0}, "u": {"from": "a", "to": "b", "margin": 1.0},
        "x": {"from": "a", "to": "b", "margin": 0.0},
    }  # fmt: skip
    assert found.index.tolist() == ["w", "u", "x"]


def test_a_mover_near_the_threshold_is_told_from_one_beyond_it():
    least = pd.Series({"premium": 1000.0, "core": 100.0, "basic": -5.0})
    moved = pd.DataFrame(
        {"from": ["core", "premium", "basic", "core"], "to": ["premium", "core", "core", "basic"],
         "margin": [1010.0, 700.0, 150.0, 99.0]}, index=list("wxyz"),
    )  # fmt: skip
    far = migration.from_threshold(moved, least)
    assert far.round(6).to_dict() == {"w": 0.01, "x": 0.3, "y": 0.5, "z": 0.01}


def test_the_usual_change_is_that_of_nine_in_ten():
    before = pd.Series(100.0, index=range(10))
    now = before + np.arange(10)
    assert migration.usual_change(before, now) == pytest.approx(np.quantile(np.arange(10) / 100, 0.9))
    assert np.isnan(migration.usual_change(before * 0, now))


def test_who_came_back_is_counted_among_those_who_changed():
    history = pd.DataFrame([list("aba"), list("abb"), list("aaa"), list("aba"), [None, "b", "a"]])
    assert migration.came_back(history) == 2 / 3
    assert np.isnan(migration.came_back(history.iloc[:, :2]))
