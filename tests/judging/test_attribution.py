"""Attribution: the textbook's numbers exactly, what must hold of any journeys, and intervals that draw customers."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bankmine.errors import BankmineError
from bankmine.features.touches import BEGUN, NOTHING, TAKEN
from bankmine.judging.attribution import attributed, removal_effects

PATHS = st.lists(st.tuples(st.lists(st.sampled_from("ABCD"), max_size=6), st.booleans()), min_size=1, max_size=12)


def moves(*paths: tuple[str, bool]) -> pd.DataFrame:
    """Lay paths out as moves: each of a customer of its own, letters for channels."""
    rows = []
    for i, (path, taken) in enumerate(paths):
        stops = [BEGUN, *path, TAKEN if taken else NOTHING]
        rows += [(f"C{i}", start, end, 1) for start, end in pairwise(stops)]
    return pd.DataFrame(rows, columns=["customer_id", "start", "end", "n"])


def test_removal_effects_of_the_textbook_are_exact():
    found = attributed(moves(("ABC", True), ("A", False), ("BC", False)))
    assert found["removal"].tolist() == pytest.approx([0.5, 1.0, 1.0], abs=1e-12)
    assert found["share"].tolist() == pytest.approx([0.2, 0.4, 0.4], abs=1e-12)
    assert found["last_touch"].tolist() == [0.0, 0.0, 1.0]


def test_who_comes_back_and_who_touches_nothing_counts_too():
    # from the start 3/4 into A, 1/4 straight to a purchase; from A 2/4 to B, 1/4 to a purchase; from B 1/2 back to A
    found = attributed(moves(("ABA", True), ("AB", False), ("A", False), ("", True)))
    chance = 0.75 * (1 / 4) / (1 - 2 / 4 * 1 / 2) + 0.25
    assert found["removal"].to_dict() == pytest.approx({"A": 1 - 0.25 / chance, "B": 1 - (0.75 / 4 + 0.25) / chance})


@given(PATHS)
def test_shares_add_up_and_no_channel_is_worth_more_than_all(paths: list[tuple[list[str], bool]]):
    collapsed = [("".join(c for i, c in enumerate(p) if i == 0 or p[i - 1] != c), taken) for p, taken in paths]
    if not any(p and taken for p, taken in collapsed):
        with pytest.raises(BankmineError, match=r"no channel|no product"):
            attributed(moves(*collapsed))
        return
    found = attributed(moves(*collapsed), rounds=20)
    assert found["removal"].between(0, 1).all()
    assert found["share"].sum() == pytest.approx(1)
    assert found["last_touch"].sum() == pytest.approx(1)


def test_removal_is_what_walking_the_chain_gives():
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 9, (1, 5, 6)).astype(float)
    chances = counts[0] / counts[0].sum(axis=1, keepdims=True)

    def walked(without: int | None) -> float:
        there, bought = np.eye(1, 5)[0], 0.0
        for _ in range(400):
            step = there @ chances
            if without is not None:
                step[without] = 0.0
            bought += step[4]
            there = np.concatenate([[0.0], step[:4]])
        return bought

    wanted = [1 - walked(i) / walked(None) for i in range(4)]
    assert removal_effects(counts)[0].tolist() == pytest.approx(wanted, abs=1e-9)


def test_intervals_hold_the_estimate_and_narrow_with_customers():
    few, many = ([("ABC", True), ("A", False), ("BC", False), ("CA", True)] * times for times in (10, 160))
    wide, narrow = (attributed(moves(*paths)) for paths in (few, many))
    for found in (wide, narrow):
        assert ((found["removal_low"] <= found["removal"]) & (found["removal"] <= found["removal_high"])).all()
    width = [(found["removal_high"] - found["removal_low"]).loc["A"] for found in (wide, narrow)]
    assert width[1] == pytest.approx(width[0] / 4, rel=0.3)


def test_where_no_channel_is_touched_nothing_can_be_put_down_to_one():
    with pytest.raises(BankmineError, match="no channel is touched"):
        attributed(moves(("", True), ("", False)))
    with pytest.raises(BankmineError, match="no product is taken"):
        attributed(moves(("A", False), ("", True)))
