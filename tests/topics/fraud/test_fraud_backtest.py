"""Blocks and what is judged by them: better than chance, blind to the future, and probabilities that are rates."""

from __future__ import annotations

from dataclasses import replace

import joblib
import numpy as np
import pandas as pd
import pytest
from fraud_payments import FIRST, payments
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from bankmine.errors import BankmineError
from bankmine.learning.blocks import Plan, blocks, newest, table
from bankmine.learning.sample import Panel
from bankmine.topics.fraud import backtest
from bankmine.topics.fraud.rules import ExpertRule

pytestmark = pytest.mark.slow

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


def some_customers(share: float) -> Panel:
    """A panel of about a share of the 200 customers."""
    return Panel((SAMPLE.entity.str[1:].astype(int) < 200 * share).to_numpy(), share)


@settings(max_examples=10)
@given(st.sampled_from([0.1, 0.4, 1.0]), st.integers(3, 30))
def test_of_those_outside_a_panel_known_frauds_are_learnt_from_and_nobody_is_judged(share, delay):
    plan, panel = replace(PLAN, delay=delay), some_customers(share)
    ours, known = panel.rows, BESIDE.known_on
    for block, whole in zip(blocks(SAMPLE, known, plan, panel), blocks(SAMPLE, known, plan), strict=True):
        assert (block.share, block.start) == (share, whole.start)
        assert set(block.test) == set(whole.test[ours[whole.test]])
        assert set(block.recent) == set(whole.recent[ours[whole.recent]])
        # all that was known as fraud by then, and of the rest, late frauds among them, the panel's
        assert set(block.train[block.known == 1]) == set(whole.train[whole.known == 1])
        assert set(block.train[block.known == 0]) == set(whole.train[(whole.known == 0) & ours[whole.train]])


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


def test_a_history_that_begins_without_known_frauds_gives_fewer_blocks():
    everything = blocks(SAMPLE, BESIDE.known_on, replace(PLAN, blocks=5))
    first = everything[2].start - pd.Timedelta(days=12)  # nobody labelled before: two blocks have nothing to learn from
    late = BESIDE.known_on.mask(BESIDE.known_on < first)
    found = blocks(SAMPLE, late, replace(PLAN, blocks=5))
    assert [b.start for b in found] == [b.start for b in everything[2:]]
    assert all(block.teaches for block in found)


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


JUDGED = Plan(train=45, delay=12, test=21, blocks=2, settled=21)
RULES = [ExpertRule("big", "Big", "大", "desk", "amount > 200 and new_device", 10, "large, on a new device")]


@pytest.fixture(scope="module")
def judged() -> backtest.Backtest:
    return backtest.judge(SAMPLE, BESIDE, JUDGED, RULES)


@pytest.mark.slow
def test_every_model_says_something_of_every_payment_judged(judged):
    assert list(judged.scores) == ["random", "amount", "rules", *backtest.LEARNERS]
    assert judged.scores.notna().all(axis=None)
    assert len(judged.scores) == sum(len(b.test) for b in judged.blocks) == len(judged.payments)
    assert (judged.block == pd.Series({i: b.start for b in judged.blocks for i in SAMPLE.target.index[b.test]})).all()
    ranked = judged.scores.apply(lambda s: average_precision_score(judged.payments.target, s))
    assert ranked[["logistic", "forest", "xgboost", "xgboost_anomaly"]].min() > 2 * ranked["random"]
    assert ranked["xgboost"] > max(ranked["amount"], ranked["rules"])


@pytest.mark.slow
def test_the_chosen_model_goes_back_further_than_the_others_and_says_the_same(judged):
    found = backtest.judge(SAMPLE, BESIDE, JUDGED, RULES, compared=1)
    last, first = judged.blocks[-1].start, judged.blocks[0].start
    everywhere = ["amount", "rules", backtest.CHOSEN, backtest.ANOMALY]
    pd.testing.assert_frame_equal(found.scores[everywhere], judged.scores[everywhere])
    pd.testing.assert_series_equal(found.probability, judged.probability)
    others = found.scores.columns.difference(everywhere)
    assert found.scores.loc[found.block == first, others].isna().all(axis=None)
    newest = found.newest
    assert [block.start for block in newest.blocks] == [last]
    assert newest.scores.notna().all(axis=None)
    learnt = list(backtest.LEARNERS)
    pd.testing.assert_frame_equal(newest.scores[learnt], judged.scores.loc[judged.block == last, learnt])
    assert newest.sample.target.equals(newest.payments.target)
    assert len(newest.fired.holds) == len(newest.fired.points) == len(newest.block) == len(newest.probability)
    assert newest.fitted is found.fitted
    assert list(newest.before) == [last]


@pytest.mark.slow
def test_what_was_kept_is_what_would_be_told_again(judged):
    kept, asked = {}, []

    def keep(what, given, make):
        asked.append((what, joblib.hash(given)))
        if asked[-1] not in kept:
            kept[asked[-1]] = make()
        return kept[asked[-1]]

    first, again = (backtest.judge(SAMPLE, BESIDE, JUDGED, RULES, keep=keep) for _ in range(2))
    assert len(kept) == 1
    assert set(again.fitted.models) == {backtest.CHOSEN}  # the rest is not fitted again
    for found in (first, again):
        pd.testing.assert_frame_equal(found.scores, judged.scores)
        pd.testing.assert_series_equal(found.probability, judged.probability)
    last = SAMPLE.at(judged.blocks[-1].test)
    told, same = (found.fitted.chance(backtest.CHOSEN, last) for found in (first, again))
    pd.testing.assert_series_equal(told, same)
    pd.testing.assert_series_equal(told, judged.scores.loc[last.target.index, backtest.CHOSEN])
    backtest.judge(SAMPLE, BESIDE, replace(JUDGED, train=40), RULES, keep=keep)
    backtest.judge(SAMPLE, BESIDE, JUDGED, RULES, compared=1, keep=keep)
    assert len(kept) == 3


def test_probabilities_are_rates_though_frauds_were_weighted_and_the_rest_thinned(judged, monkeypatch):
    expected = judged.probability.groupby(judged.block).sum()
    happened = judged.payments.target.groupby(judged.block).sum()
    assert (expected / happened).between(0.5, 1.6).all()  # a fifth of the labels was not known yet
    monkeypatch.setattr(backtest, "GENUINE", 800)
    for weight in (1.0, 5.0):
        fitted = backtest.fit(SAMPLE, judged.blocks[-1], ["logistic"], weight)
        assert len(fitted.learnt) < 1000
        told = fitted.scores(SAMPLE.at(judged.blocks[-1].test))["logistic"]
        assert 0.5 < told.sum() / happened.iloc[-1] < 1.6


def test_chances_are_rates_though_of_most_customers_only_frauds_are_learnt_from(judged):
    panel = some_customers(0.25)
    start = judged.blocks[-1].start
    block = next(b for b in blocks(SAMPLE, BESIDE.known_on, JUDGED, panel) if b.start == start)
    few, all_of_them = (
        backtest.fit(SAMPLE, one, ["logistic"]).scores(SAMPLE.at(judged.blocks[-1].test))["logistic"]
        for one in (block, judged.blocks[-1])
    )
    assert few.mean() == pytest.approx(all_of_them.mean(), rel=0.25)
    assert few.corr(all_of_them, method="spearman") > 0.95


@pytest.mark.slow
def test_the_future_changes_no_score_of_an_earlier_block(judged):
    """Labels that became known in the first block or later are gone, and features from the second on are drawn anew."""
    rng = np.random.default_rng(0)
    known = BESIDE.known_on.mask(BESIDE.known_on >= judged.blocks[0].start)
    later = (SAMPLE.day >= judged.blocks[1].start).to_numpy()
    target = SAMPLE.target.mask(later & SAMPLE.known, pd.Series((rng.random(len(SAMPLE)) < 0.5).astype(float)))
    shuffled = SAMPLE.predictors.copy()
    shuffled.loc[later, "strange"] = rng.normal(size=later.sum())
    changed = replace(SAMPLE, predictors=shuffled, target=target)
    again = backtest.judge(changed, replace(BESIDE, known_on=known, target=target), JUDGED, RULES)
    first = judged.block.index[judged.block == judged.blocks[0].start]
    learnt = list(backtest.LEARNERS)
    pd.testing.assert_frame_equal(again.scores.loc[first, learnt], judged.scores.loc[first, learnt])
    pd.testing.assert_series_equal(again.probability[first], judged.probability[first])
    assert not again.scores.loc[judged.block.index[-1], learnt].equals(
        judged.scores.loc[judged.block.index[-1], learnt]
    )


@pytest.mark.slow
def test_payments_whose_labels_are_not_known_yet_are_judged_by_a_model_of_the_day(judged):
    start = SAMPLE.day.max() - pd.Timedelta(days=3)
    _, fitted, probability = backtest.judge_newest(SAMPLE, BESIDE, JUDGED, judged, start)
    assert set(SAMPLE.day[probability.index]) == set(pd.date_range(start, periods=4))
    assert probability.between(0, 1).all()
    assert fitted.learnt.day.max() < start - pd.Timedelta(days=JUDGED.delay)


def test_without_frauds_or_settled_labels_it_says_what_to_do():
    none = replace(BESIDE, known_on=BESIDE.known_on.mask(BESIDE.known_on.notna()))
    with pytest.raises(BankmineError, match="no fraud was known"):
        backtest.judge(SAMPLE, none, JUDGED, RULES)
    with pytest.raises(BankmineError, match="No payment is 900 days old"):
        backtest.judge(SAMPLE, BESIDE, replace(JUDGED, settled=900), RULES)
