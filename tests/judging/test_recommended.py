"""Recommended: measures of ranked lists by hand and by their properties, and the simplest model that is not beaten."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from bankmine.errors import BankmineError
from bankmine.judging import recommended
from bankmine.judging.recommended import METRICS, against, measured, simplest_unbeaten

ITEMS = 12


def taken_by(*sets: set[int]) -> csr_array:
    return csr_array(np.array([[item in own for item in range(ITEMS)] for own in sets], dtype=int))


def figures(lists: list[list[int]], taken: csr_array, had: object = 0, entity: object = None) -> pd.Series:
    who = pd.Series(range(len(lists)) if entity is None else entity)
    had = np.broadcast_to(had, ITEMS)
    return measured({"one": np.array(lists)}, taken, had, who).set_index("metric")["value"]


def test_measures_by_hand():
    found = figures([[4, 1, 2, 0, 3, 5, 6, 7, 8, 9]], taken_by({1, 0, 9, 11}))
    gain = [1 / np.log2(place + 1) for place in range(1, 11)]
    assert found["map_3"] == pytest.approx((1 / 2) / 3)
    assert found["ndcg_5"] == pytest.approx((gain[1] + gain[3]) / sum(gain[:4]))
    assert found["ndcg_10"] == pytest.approx((gain[1] + gain[3] + gain[9]) / sum(gain[:4]))
    assert found[["hit_1", "hit_3"]].tolist() == [0, 1]
    assert found["coverage"] == 3 / 12


def test_two_of_three_in_the_first_three():
    assert figures([[1, 5, 2]], taken_by({1, 2, 3}))["map_3"] == pytest.approx((1 + 2 / 3) / 3)


@pytest.mark.parametrize(("place", "value"), [(0, 1), (1, 1 / 2), (2, 1 / 3), (3, 0)])
def test_with_one_item_taken_average_precision_is_the_reciprocal_rank(place, value):
    assert figures([[0, 1, 2, 3]], taken_by({place}))["map_3"] == pytest.approx(value)


def test_who_took_nothing_does_not_count_and_whose_list_is_empty_does():
    found = figures([[1, 2], [1, 2], [-1, -1]], taken_by({1}, set(), {1}))
    assert found["hit_1"] == found["ndcg_10"] == 1 / 2
    with pytest.raises(BankmineError, match="nobody took anything"):
        figures([[1, 2]], taken_by(set()))


def test_an_empty_place_is_no_hit_of_the_customer_before():
    taken = taken_by({1}, {ITEMS - 1})
    assert figures([[1, -1, -1], [-1, -1, -1]], taken)[["map_3", "hit_3"]].tolist() == [0.5, 0.5]


def test_novelty_is_the_surprise_of_what_is_shown():
    had = np.array([3, 1, 0] + [9] * 9)
    assert figures([[0, 1], [0, 2], [0, -1]], taken_by({0}, {0}, {0}), had)["novelty"] == pytest.approx((1 + 2) / 5)


def test_rows_of_one_customer_come_and_go_together():
    lists, taken = {"one": np.array([[0]] * 40 + [[1]] * 40)}, taken_by(*[{0}] * 80)
    two = measured(lists, taken, np.zeros(ITEMS), pd.Series([0] * 40 + [1] * 40)).set_index("metric").loc["hit_1"]
    many = measured(lists, taken, np.zeros(ITEMS), pd.Series(range(80))).set_index("metric").loc["hit_1"]
    assert two["high"] - two["low"] > 0.9 > 0.3 > many["high"] - many["low"]
    assert many["low"] < 0.5 < many["high"]


def test_at_all_hits_the_interval_is_exact():
    found = measured({"one": np.array([[0]] * 30)}, taken_by(*[{0}] * 30), np.zeros(ITEMS), pd.Series(range(30)))
    ends = found.set_index("metric").loc["hit_1", ["low", "high"]]
    assert ends.tolist() == pytest.approx([0.025 ** (1 / 30), 1])


def competing(customers: int, right: dict[str, float], seed: int = 0) -> tuple[dict, csr_array, pd.Series]:
    """Make lists whose first item is right so often; else the second."""
    rng = np.random.default_rng(seed)
    hit = {name: rng.random(customers) < share for name, share in right.items()}
    lists = {name: np.where(own[:, None], [0, 1], [1, 0]) for name, own in hit.items()}
    return lists, taken_by(*[{0}] * customers), pd.Series(range(customers))


def test_the_simplest_that_none_is_shown_to_beat():
    assert simplest_unbeaten(*competing(400, {"plain": 0.5, "same": 0.5, "better": 0.8})) == "better"
    assert simplest_unbeaten(*competing(400, {"plain": 0.5, "worse": 0.2, "same": 0.52})) == "plain"
    assert simplest_unbeaten(*competing(400, {"plain": 0.3, "good": 0.8, "as good": 0.81})) == "good"
    alike, taken, who = competing(50, {"plain": 0.5})
    assert simplest_unbeaten(alike | {"twin": alike["plain"]}, taken, who) == "plain"


def test_differences_are_told_on_the_same_resamples():
    lists, taken, who = competing(300, {"plain": 0.5})
    lists |= {"better": lists["plain"].copy()}
    lists["better"][:30] = [0, 1]
    found = against(lists, taken, who, "plain").set_index("metric").loc["hit_1"]
    gain = (lists["better"][:, 0] == 0).mean() - (lists["plain"][:, 0] == 0).mean()
    assert found["difference"] == pytest.approx(gain)
    assert 0 < found["low"] < gain < found["high"] < gain + 0.05


def test_of_many_customers_some_are_judged(monkeypatch):
    lists, taken, who = competing(2000, {"plain": 0.5})
    whole = measured(lists, taken, np.zeros(ITEMS), who).set_index("metric").loc["hit_1"]
    monkeypatch.setattr(recommended, "_MOST", 500)
    some = measured(lists, taken, np.zeros(ITEMS), who).set_index("metric").loc["hit_1"]
    assert some["value"] == pytest.approx(whole["value"], abs=0.08)
    assert some["high"] - some["low"] == pytest.approx(2 * (whole["high"] - whole["low"]), rel=0.2)


orders = st.permutations(range(ITEMS)).flatmap(
    lambda o: st.integers(0, ITEMS).map(lambda n: [*o[:n], *[-1] * (12 - n)])
)
baskets = st.sets(st.integers(0, ITEMS - 1), min_size=1)
rows = st.lists(st.tuples(orders, baskets), min_size=1, max_size=6)


@pytest.mark.property
@settings(max_examples=60, deadline=None)
@given(rows)
def test_measures_lie_between_0_and_1_and_right_lists_have_1(given_rows):
    taken = taken_by(*[basket for _, basket in given_rows])
    found = figures([order for order, _ in given_rows], taken)[list(METRICS)]
    assert found.between(0, 1 + 1e-12).all()
    right = [[*basket, *(set(range(ITEMS)) - basket)] for _, basket in given_rows]
    assert figures(right, taken)[list(METRICS)].tolist() == pytest.approx([1] * len(METRICS))


@pytest.mark.property
@settings(max_examples=30, deadline=None)
@given(rows, st.randoms(use_true_random=False))
def test_the_order_of_customers_does_not_matter(given_rows, rng):
    other = list(given_rows)
    rng.shuffle(other)
    both = [figures([order for order, _ in r], taken_by(*[own for _, own in r])) for r in (given_rows, other)]
    pd.testing.assert_series_equal(*both)
