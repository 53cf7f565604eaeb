"""Chances of the next item: by hand, and nothing of rows that are not learnt from."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bankmine.errors import BankmineError
from bankmine.learning.next_item import POPULAR, next_chances

LAST = pd.Series(["a", "a", "b", None, "c", "a"])
COMING = pd.Series(["a", "b", "b", "a", None, "b"])
SEEN = pd.DataFrame({"a": [2, 0, 0, 0, 0, 20], "c": 5})
LEARNT = np.arange(4)


def test_chances_by_hand():
    found = next_chances(LAST, COMING, LEARNT, SEEN)
    assert found[POPULAR].iloc[5].to_dict() == {"a": 0.5, "b": 0.5}
    same = 2 / 3  # of three pages seen before, two came again
    again = found["same as last"]
    assert again.loc[0, "a"] == pytest.approx(same / (same + (1 - same) / 2))
    assert again.loc[4].to_dict() == {"a": 0.5, "b": 0.5}  # the last one is none of those that come
    follows = found["markov"]
    assert follows.loc[2, "b"] == pytest.approx((1 + 10) / 21)
    assert follows.loc[3].to_dict() == follows.loc[4].to_dict() == {"a": 0.5, "b": 0.5}
    assert found["own mix"].loc[5, "a"] == pytest.approx(30 / 40)
    assert all(np.allclose(chances.sum(axis=1), 1) for chances in found.values())


def test_rows_not_learnt_from_change_nothing():
    other = COMING.where(np.isin(COMING.index, LEARNT), "z")
    for model, chances in next_chances(LAST, COMING, LEARNT, SEEN).items():
        pd.testing.assert_frame_equal(chances, next_chances(LAST, other, LEARNT, SEEN)[model])


def test_one_kind_is_nothing_to_foretell():
    with pytest.raises(BankmineError, match="fewer than two kinds"):
        next_chances(LAST, COMING.where(COMING == "a"), LEARNT, SEEN)
