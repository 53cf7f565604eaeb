"""Judging block by block: better than chance, blind to the future, and probabilities that are rates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from fraud_payments import payments
from sklearn.metrics import average_precision_score

from bankmine.errors import BankmineError
from bankmine.learning.blocks import Plan
from bankmine.topics.fraud import backtest
from bankmine.topics.fraud.payments import lateness
from bankmine.topics.fraud.rules import ExpertRule

SAMPLE, BESIDE, KEYS = payments()
PLAN = Plan(train=45, delay=12, test=21, blocks=2, settled=21)
RULES = [ExpertRule("big", "Big", "大", "desk", "amount > 200 and new_device", 10, "large, on a new device")]


@pytest.fixture(scope="module")
def judged() -> backtest.Judged:
    return backtest.judge(SAMPLE, BESIDE, PLAN, RULES)


def test_every_model_says_something_of_every_payment_judged(judged):
    assert list(judged.scores) == ["random", "amount", "rules", *backtest.LEARNERS]
    assert judged.scores.notna().all(axis=None)
    assert len(judged.scores) == sum(len(b.test) for b in judged.blocks) == len(judged.payments)
    assert (judged.block == pd.Series({i: b.start for b in judged.blocks for i in SAMPLE.target.index[b.test]})).all()
    ranked = judged.scores.apply(lambda s: average_precision_score(judged.payments.target, s))
    assert ranked[["logistic", "forest", "xgboost", "xgboost_anomaly"]].min() > 2 * ranked["random"]
    assert ranked["xgboost"] > max(ranked["amount"], ranked["rules"])


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


def test_the_future_changes_no_score_of_an_earlier_block(judged):
    """Labels that became known in the first block or later are gone, and features from the second on are drawn anew."""
    rng = np.random.default_rng(0)
    known = BESIDE.known_on.mask(BESIDE.known_on >= judged.blocks[0].start)
    later = (SAMPLE.day >= judged.blocks[1].start).to_numpy()
    target = SAMPLE.target.mask(later & SAMPLE.known, pd.Series((rng.random(len(SAMPLE)) < 0.5).astype(float)))
    shuffled = SAMPLE.predictors.copy()
    shuffled.loc[later, "strange"] = rng.normal(size=later.sum())
    changed = replace(SAMPLE, predictors=shuffled, target=target)
    again = backtest.judge(changed, replace(BESIDE, known_on=known, target=target), PLAN, RULES)
    first = judged.block.index[judged.block == judged.blocks[0].start]
    learnt = list(backtest.LEARNERS)
    pd.testing.assert_frame_equal(again.scores.loc[first, learnt], judged.scores.loc[first, learnt])
    pd.testing.assert_series_equal(again.probability[first], judged.probability[first])
    assert not again.scores.loc[judged.block.index[-1], learnt].equals(
        judged.scores.loc[judged.block.index[-1], learnt]
    )


def test_payments_whose_labels_are_not_known_yet_are_judged_by_a_model_of_the_day(judged):
    start = SAMPLE.day.max() - pd.Timedelta(days=3)
    fitted, probability = backtest.judge_now(SAMPLE, BESIDE, PLAN, judged, start)
    assert set(SAMPLE.day[probability.index]) == set(pd.date_range(start, periods=4))
    assert probability.between(0, 1).all()
    assert fitted.learnt.day.max() < start - pd.Timedelta(days=PLAN.delay)


def test_without_frauds_or_settled_labels_it_says_what_to_do():
    none = replace(BESIDE, known_on=BESIDE.known_on.mask(BESIDE.known_on.notna()))
    with pytest.raises(BankmineError, match="no fraud was known"):
        backtest.judge(SAMPLE, none, PLAN, RULES)
    with pytest.raises(BankmineError, match="No payment is 900 days old"):
        backtest.judge(SAMPLE, BESIDE, replace(PLAN, settled=900), RULES)


def test_how_late_labels_are():
    late = lateness(BESIDE, (0, 10, 20))
    assert late[0] == 0
    assert 0.3 < late[10] < 0.7
    assert late[20] == 1
    assert lateness(replace(BESIDE, known_on=BESIDE.known_on.mask(BESIDE.known_on.notna()))).isna().all()
