"""Recommenders: scores by hand, lists that hold nothing excluded, tastes found where there are any."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.sparse import csr_array

from bankmine.errors import BankmineError
from bankmine.learning import recommenders
from bankmine.learning.recommenders import BY_SEGMENT, FACTORS, MODELS, NEIGHBOURS, OWN, POPULAR, Scores, recommend, top

HISTORY = csr_array(np.array([[3, 1, 0, 0], [0, 1, 0, 1], [0, 1, 0, 2], [0, 0, 0, 0], [1, 0, 1, 0]]))
SEGMENT = pd.Series(["a", "b", "b", "a", None])


def firsts(name: str, k: int = 4, **given: object) -> list[list[int]]:
    return top(recommend(HISTORY, models=[name], **given)[name], k).tolist()


def test_popularity_counts_customers_not_purchases_and_only_of_late():
    assert firsts(POPULAR)[0] == [1, 0, 3, 2]
    recent = csr_array(np.array([[0, 0, 0, 0], [0, 0, 0, 9], [0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]]))
    assert firsts(POPULAR, recent=recent) == [[2, 3, 0, 1]] * 5


def test_popularity_by_segment_is_that_of_others_alike():
    found = recommend(HISTORY, segment=SEGMENT)[BY_SEGMENT].at(slice(0, 5))
    everybody = np.array([2, 3, 1, 2]) / 5
    assert found[1] == pytest.approx((np.array([0, 2, 0, 2]) + 20 * everybody) / 22, abs=1e-5)
    assert found[4] == pytest.approx(everybody, abs=1e-5)  # whose segment is not known
    assert BY_SEGMENT not in recommend(HISTORY)


def test_own_frequency_is_how_often_then_how_popular():
    assert firsts(OWN) == [[0, 1, 3, 2], [1, 3, 0, 2], [3, 1, 0, 2], [1, 0, 3, 2], [0, 2, 1, 3]]


def test_neighbours_are_alike_by_the_cosine_of_who_has_them():
    found = recommend(HISTORY)[NEIGHBOURS].at(slice(0, 5))
    like = np.array([[1, 1 / 6**0.5, 1 / 2**0.5, 0], [1 / 6**0.5, 1, 0, 2 / 6**0.5]])
    assert found[0] == pytest.approx(like.sum(axis=0), abs=1e-5)
    assert np.argsort(-found[3]).tolist() == [1, 0, 3, 2]  # who has nothing gets what is popular


def tastes(customers: int = 300, items: int = 40, seed: int = 0) -> tuple[csr_array, np.ndarray]:
    """Make customers of four tastes, each of which takes a quarter of the items."""
    rng = np.random.default_rng(seed)
    taste = rng.integers(0, 4, customers)
    chance = np.where(taste[:, None] == np.arange(items) % 4, 0.5, 0.01)
    return csr_array((rng.random((customers, items)) < chance).astype(int)), taste


@pytest.mark.parametrize("name", [BY_SEGMENT, NEIGHBOURS, FACTORS])
def test_tastes_are_found(name):
    history, taste = tastes()
    first = top(recommend(history, segment=pd.Series(taste))[name], 1, history)[:, 0]
    assert (first % 4 == taste).mean() > 0.9
    popular = top(recommend(history)[POPULAR], 1, history)[:, 0]
    assert (popular % 4 == taste).mean() < 0.5


def test_customers_in_runs_get_what_all_at_once_get(monkeypatch):
    history, taste = tastes()
    segment = pd.Series(taste)
    at_once = {name: top(scores, 5, history) for name, scores in recommend(history, segment=segment).items()}
    monkeypatch.setattr(recommenders, "_CELLS", 40 * 7)
    for name, scores in recommend(history, segment=segment).items():
        assert (top(scores, 5, history) == at_once[name]).all(), name


def test_few_neighbours_of_an_item_speak_for_it(monkeypatch):
    monkeypatch.setattr(recommenders, "_NEIGHBOURS", 1)
    found = recommend(HISTORY)[NEIGHBOURS].at(slice(0, 1))
    assert found[0] == pytest.approx([1, 1, 0, 0], abs=1e-5)  # each item only by itself


def test_customers_whom_factors_were_not_learnt_from_are_scored(monkeypatch):
    history, taste = tastes()
    monkeypatch.setattr(recommenders, "_LEARNT", 150)
    first = top(recommend(history)[FACTORS], 1, history)[:, 0]
    assert (first % 4 == taste).mean() > 0.9


def test_the_same_again_and_in_the_same_order():
    history, taste = tastes()
    once, again = (recommend(history, segment=pd.Series(taste), seed=3) for _ in range(2))
    assert tuple(once) == MODELS
    for name in MODELS:
        assert (once[name].at(slice(0, 300)) == again[name].at(slice(0, 300))).all()


@pytest.mark.property
@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(float, st.tuples(st.integers(1, 6), st.integers(1, 9)), elements=st.sampled_from([-np.inf, 0, 1, 2])),
    st.integers(1, 12), st.data(),
)  # fmt: skip
def test_lists_hold_each_allowed_item_once_the_best_first(matrix, k, data):
    out = data.draw(arrays.arrays(bool, matrix.shape))
    lists = top(Scores.of(matrix), k, csr_array(out))
    assert lists.shape == (len(matrix), k)
    allowed = ~out & np.isfinite(matrix)
    for scores, may, listed in zip(matrix, allowed, lists, strict=True):
        items = listed[listed >= 0]
        assert len(items) == min(k, may.sum()) == len(set(items.tolist()))
        assert may[items].all()
        assert (listed[: len(items)] >= 0).all()
        assert scores[items].tolist() == sorted(scores[may], reverse=True)[: len(items)]


def test_scores_are_not_changed_by_what_is_excluded():
    matrix = np.ones((2, 3))
    top(Scores.of(matrix), 1, csr_array(np.eye(2, 3)))
    assert (matrix == 1).all()


def test_nothing_to_learn_from_is_an_error():
    with pytest.raises(BankmineError, match="nobody has had anything"):
        recommend(csr_array((0, 5)))


@pytest.mark.parametrize("items", [1, 2])
def test_one_or_two_items_are_enough(items):
    history = csr_array(np.eye(4, items, dtype=int))
    assert all(top(scores, 3).max() == items - 1 for scores in recommend(history).values())
