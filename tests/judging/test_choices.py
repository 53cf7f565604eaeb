"""Which item comes next: losses by hand, and a better model is found where it is better."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bankmine.judging.choices import Choices
from bankmine.learning.next_item import POPULAR

ITEMS = list("abcd")


def choices(came: list[str | None], sharp: float, entity: list[int] | None = None) -> Choices:
    """Set a model that gives what comes the chance `sharp` against one that gives all items the same."""
    rows = pd.Series(came)
    flat = pd.DataFrame(0.25, rows.index, ITEMS)
    held = rows.to_numpy()[:, None] == np.array(ITEMS)
    own = pd.DataFrame(np.where(held, sharp, (1 - sharp) / 3), rows.index, ITEMS)
    return Choices({POPULAR: flat, "own": own}, rows, pd.Series(entity or range(len(rows))), POPULAR)


def test_losses_are_of_rows_where_one_of_the_items_came():
    told = choices(["a", "b", None, "unknown"], 0.5)
    assert len(told.scored) == 2
    assert told.mean("loss")["value"].to_dict() == pytest.approx({POPULAR: np.log(4), "own": np.log(2)})
    assert told.gains.loc["own", "value"] == pytest.approx(np.log(2))
    assert list(told.table.index) == [POPULAR, "own"]


def test_what_has_the_lowest_chance_of_four_is_not_among_the_first_three():
    assert choices(["a", "b"], 0.1).mean("first")["value"].to_dict() == {POPULAR: 1.0, "own": 0.0}


def test_a_model_is_the_best_only_where_that_is_shown():
    rng = np.random.default_rng(0)
    came = list(rng.choice(ITEMS, 200))
    assert choices(came, 0.5).best == "own"
    assert choices(came, 0.1).best == POPULAR
    mixed = choices(came, 0.5)
    sharp = np.where(rng.random(200) < 0.5, 0.9, 0.02)
    held = np.array(came)[:, None] == np.array(ITEMS)
    own = pd.DataFrame(np.where(held, sharp[:, None], (1 - sharp[:, None]) / 3), columns=ITEMS)
    assert Choices({POPULAR: mixed.chances[POPULAR], "own": own}, mixed.came, mixed.entity, POPULAR).best == POPULAR


def test_rows_of_one_customer_count_as_one():
    came = pd.Series(["a"] * 50 + ["b"] * 50)
    chances = {
        POPULAR: pd.DataFrame(0.25, came.index, ITEMS),
        "own": pd.DataFrame([[0.8, 0.15, 0.03, 0.02]] * 100, came.index, ITEMS),
    }
    apart, two = pd.Series(range(100)), pd.Series([0] * 50 + [1] * 50)
    assert Choices(chances, came, apart, POPULAR).best == "own"
    assert Choices(chances, came, two, POPULAR).best == POPULAR
