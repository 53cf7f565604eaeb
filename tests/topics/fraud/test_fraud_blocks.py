"""Blocks: nothing that became known after a block's first day changes what is learnt for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from fraud_payments import FIRST, payments
from hypothesis import given, settings
from hypothesis import strategies as st

from bankmine.errors import BankmineError
from bankmine.learning.blocks import Plan, blocks, newest, table

PLAN = Plan(train=40, delay=10, test=14, blocks=3, settled=25)
SAMPLE, BESIDE, _ = payments()


def test_days_of_each_block():
    found = blocks(SAMPLE, BESIDE.known_on, PLAN)
    assert len(found) == 3
    for block in found:
        day = SAMPLE.day
        assert (block.end - block.start).days == 14
        assert set(day.iloc[block.test]) == set(pd.date_range(block.start, periods=14))
        until = block.start - pd.Timedelta(days=10)
        assert day.iloc[block.train].between(until - pd.Timedelta(days=40), until - pd.Timedelta(days=1)).all()
        assert day.iloc[block.recent].max() == block.start - pd.Timedelta(days=1)
        assert block.known.sum() == (BESIDE.known_on.iloc[block.train] < block.start).sum()
    assert [b.start for b in found[1:]] == [b.end for b in found[:-1]]
    assert found[-1].end == FIRST + pd.Timedelta(days=150 - 25)
    told = table(found, SAMPLE)
    assert (told["frauds_found_later"] > 0).any()
    assert told["frauds_known"].gt(10).all()


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(3, 30), st.integers(15, 50), st.integers(3, 20))
def test_the_future_changes_nothing_that_is_learnt(seed, delay, train, test):
    """Labels that became known on a block's first day or later are drawn anew: what it learns from stays the same."""
    plan = Plan(train, delay, test, 2, 20)
    rng = np.random.default_rng(seed)
    before = blocks(SAMPLE, BESIDE.known_on, plan)
    late = BESIDE.known_on.isna() | (BESIDE.known_on >= before[0].start)
    drawn = before[0].start + pd.to_timedelta(rng.integers(0, 40, len(SAMPLE)), unit="D")
    other = BESIDE.known_on.mask(late, pd.Series(drawn).where(rng.random(len(SAMPLE)) < 0.3))
    after = blocks(replace(SAMPLE, target=SAMPLE.target.mask(late & SAMPLE.known, 1.0)), other, plan)
    assert (after[0].train == before[0].train).all()
    assert (after[0].known == before[0].known).all()
    assert (after[0].recent == before[0].recent).all()


def test_the_newest_block_has_payments_without_labels():
    start = FIRST + pd.Timedelta(days=143)
    block = newest(SAMPLE, BESIDE.known_on, PLAN, start)
    assert SAMPLE.day.iloc[block.test].min() == start
    assert not SAMPLE.known[block.test].all()
    with pytest.raises(BankmineError, match="no payment from 2031-01-01"):
        newest(SAMPLE, BESIDE.known_on, PLAN, pd.Timestamp("2031-01-01"))


def test_a_short_history_gives_fewer_blocks():
    assert len(blocks(SAMPLE, BESIDE.known_on, replace(PLAN, blocks=30))) == 5


@pytest.mark.parametrize(
    ("sample", "known", "plan", "said"),
    [
        (SAMPLE, BESIDE.known_on, replace(PLAN, train=400), "424 days of payments are needed.*400.*there are 125"),
        (SAMPLE, BESIDE.known_on.mask(BESIDE.known_on.notna()), PLAN,
         "no fraud was known among the [0-9,]+ payments"),
        (SAMPLE, pd.Series(FIRST, SAMPLE.target.index), PLAN, "nothing but fraud was known"),
        (replace(SAMPLE, target=SAMPLE.target * np.nan), BESIDE.known_on, PLAN, "is 25 days old with a label"),
        (SAMPLE, BESIDE.known_on, replace(PLAN, settled=500), "No payment is 500 days old"),
        (SAMPLE, BESIDE.known_on + pd.Timedelta(days=900), PLAN, "no fraud was known"),
        (replace(SAMPLE, day=None), BESIDE.known_on, PLAN, "Payments need a time"),
        (SAMPLE.at(np.zeros(len(SAMPLE), bool)), BESIDE.known_on, PLAN, "No payment is 25 days old"),
    ],
)  # fmt: skip
def test_what_cannot_be_cut_is_told(sample, known, plan, said):
    """No frauds, labels all delayed past the test, no time, no rows: each says what to do."""
    with pytest.raises(BankmineError, match=said):
        blocks(sample, known, plan)


def test_lengths_must_make_sense():
    for wrong in ({"train": 0}, {"delay": -1}, {"blocks": 0}, {"settled": -2}):
        with pytest.raises(BankmineError, match="at least 1"):
            Plan(**wrong)
