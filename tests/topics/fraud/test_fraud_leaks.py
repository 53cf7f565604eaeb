"""Twins: the mistakes claim more than they deliver; what is made up lies between real frauds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from fraud_payments import payments
from hypothesis import given, settings
from hypothesis import strategies as st

from bankmine.judging import leaks as leak_lab
from bankmine.learning import models
from bankmine.learning.blocks import Plan, blocks
from bankmine.topics.fraud import leaks as fraud_leaks

pytestmark = pytest.mark.slow

SAMPLE, BESIDE, KEYS = payments()
BLOCK = blocks(SAMPLE, BESIDE.known_on, Plan(train=60, delay=7, test=20, blocks=1, settled=25))[0]


def test_smote_claims_what_it_does_not_deliver_and_the_honest_twin_delivers_what_it_claims():
    twins = fraud_leaks.twins(SAMPLE, BLOCK, BESIDE.moment, KEYS)
    assert [t.name for t in twins] == ["honest", "random split", "SMOTE before the split", "risk without delay"]
    table = leak_lab.lies(models.candidates(SAMPLE)["xgboost"], twins).set_index("twin")
    assert table.loc["honest", "ap_lie"] == 0
    assert table.loc["SMOTE before the split", "ap_lie_low"] > 0.1
    for twin in twins:
        assert set(twin.delivers.target.index) <= set(SAMPLE.target.index[BLOCK.test])
    assert not set(twins[0].learns.target.index) & set(SAMPLE.target.index[BLOCK.test])
    assert len(fraud_leaks.twins(SAMPLE, BLOCK, BESIDE.moment, KEYS[["account"]])) == 3


def test_all_twins_learn_labels_as_they_were_known_when_the_block_began():
    honest, split, *_ = fraud_leaks.twins(SAMPLE, BLOCK, BESIDE.moment, KEYS)
    known = (BESIDE.known_on < BLOCK.start).astype(float)
    for twin in (honest, split):
        assert (twin.learns.target == known[twin.learns.target.index]).all()
    assert (honest.claims.target == SAMPLE.target[honest.claims.target.index]).all()


def test_made_up_frauds_lie_between_real_ones():
    few = SAMPLE.at(BLOCK.train[:2500])
    few = replace(few, target=few.target.fillna(0.0))
    grown = fraud_leaks.oversampled(few)
    assert len(grown) - len(few) == int(0.5 * (few.target == 0).sum()) - int(few.target.sum())
    real = few.predictors[few.target.to_numpy() == 1]
    made = grown.predictors.iloc[len(few) :]
    for column in ("strange", "amount", "noise"):
        assert made[column].between(real[column].min(), real[column].max()).mean() > 0.9
    assert made["kind"].isin(["card", "transfer"]).all()
    assert (grown.target.iloc[len(few) :] == 1).all()
    one = few.at(np.concatenate([np.flatnonzero(few.target == 0)[:50], np.flatnonzero(few.target == 1)[:1]]))
    assert fraud_leaks.oversampled(one) is one


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 40))
def test_earlier_frauds_are_those_of_a_plain_loop(seed, days):
    rng = np.random.default_rng(seed)
    size = 40
    at = pd.Series(pd.Timestamp("2025-01-01") + pd.to_timedelta(rng.integers(0, 60, size) * 86_400, unit="s"))
    key = pd.Series(rng.choice(["x", "y", None], size))
    fraud = rng.random(size) < 0.5
    told = fraud_leaks.earlier_frauds(at, key, fraud, days)
    span = pd.Timedelta(days=days)
    for i in range(size):
        expected = sum(fraud[j] and key[j] == key[i] and at[i] - span <= at[j] < at[i] for j in range(size))
        assert np.isnan(told[i]) if key[i] is None else told[i] == expected


def test_a_test_without_frauds_makes_no_claim():
    none = SAMPLE.target.where(SAMPLE.target.isna(), 0.0)
    none.iloc[BLOCK.train] = SAMPLE.target.iloc[BLOCK.train]
    twins = fraud_leaks.twins(replace(SAMPLE, target=none), BLOCK, BESIDE.moment, KEYS)
    table = leak_lab.lies(models.candidates(SAMPLE)["xgboost"], twins).set_index("twin")
    assert table["ap_delivers"].isna().all()
