"""Compared: models on what was taken, as a page shows them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from bankmine.errors import BankmineError
from bankmine.topics.recommendation.compared import Compared


def compared(customers: int = 200, right: float = 0.7) -> Compared:
    """Hold two models against each other: one always names item 1 first, one item 0 so often as it is `right`."""
    rng = np.random.default_rng(0)
    taken = np.zeros((customers, 3))
    taken[:, 0] = 1
    taken[-10:] = 0
    own = np.where(rng.random(customers)[:, None] < right, [0, 1], [1, 0])
    lists = {"popularity": np.tile([1, 0], (customers, 1)), "item_neighbours": own}
    who = pd.Series(range(customers)).astype(str)
    return Compared(lists, csr_array(taken), np.array([5, 90, 0]), who, "items newly taken", "popularity")


def test_facts_of_each_are_those_of_the_table():
    found = compared()
    facts = found.each["item_neighbours"]
    assert facts["hit_1_low"] < facts["hit_1"] < facts["hit_1_high"]
    assert {"ndcg_10", "ndcg_10_low", "ndcg_10_high", "map_3", "coverage", "novelty"} <= set(facts)
    told = found.table.loc["item neighbours"]
    assert told["first one taken"].startswith(f"{facts['hit_1']:.3f}")
    assert list(found.table.index) == ["popularity", "item neighbours"]
    assert list(found.table["used"]) == ["", "yes"]
    assert found.table.loc["popularity", "NDCG@10 above popularity"] == ""


def test_the_choice_is_told_with_its_reason():
    better, same = compared(), compared(right=0)
    assert (better.used, same.used) == ("item_neighbours", "popularity")
    assert better.choice["words"] == "item neighbours: better than popularity"
    assert same.choice["words"] == "item neighbours: not shown to differ from popularity"
    assert better.choice["customers"] == 190
    assert better.choice["ndcg_10"] == better.each["item_neighbours"]["ndcg_10"]


def test_the_chart_names_models_and_unit():
    axis = compared().chart
    assert [label.get_text() for label in axis.get_yticklabels()] == ["popularity", "item neighbours"]
    assert "NDCG@10" in axis.get_xlabel()


def test_too_few_to_judge_by():
    with pytest.raises(BankmineError, match="items newly taken: 10 customers took any"):
        compared(customers=20)
