"""The leak lab on samples whose lie is known, and the sentinel on predictors that know too much."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from bankmine.judging import leaks as leak_lab
from bankmine.learning.sample import Sample, thinned

MONTHS = pd.date_range("2024-01-31", periods=6, freq="ME")


def panel(seed: int = 0, customers: int = 300, told: float = 1.0) -> tuple[Sample, np.ndarray, np.ndarray]:
    """Customers over six months, who leave or not for good: `told` by a predictor, and each with a fingerprint.

    The first half is learned from, the other half is tested on, so that a fingerprint is of no honest use.
    """
    rng = np.random.default_rng(seed)
    leaves = (rng.random(customers) < 0.3).astype(float)
    rows = pd.DataFrame({"who": np.repeat(np.arange(customers), len(MONTHS)), "day": np.tile(MONTHS, customers)})
    rows.index = rng.permutation(len(rows))
    target = pd.Series(leaves[rows["who"]], rows.index)
    predictors = pd.DataFrame(
        {"told": told * target + rng.normal(size=len(rows)), "指纹 <b>": rng.random(customers)[rows["who"]]}, rows.index
    )
    train = (rows["who"] < customers // 2).to_numpy()
    return Sample(predictors, target, rows["who"].astype(str), rows["day"]), train, ~train


def after_the_fact(sample: Sample) -> pd.Series:
    """Tell, today, who has left: the whole truth for nearly all, and never in any other way on another day."""
    noise = pd.Series(np.random.default_rng(3).random(len(sample)) < 0.02, sample.target.index)
    return ((sample.target == 1) ^ noise).map({True: "stopped", False: "delivered"}).rename("mailing <status>")


def lie(model, *twins) -> pd.DataFrame:
    return leak_lab.lies(model, twins).set_index("twin")


def test_an_honest_model_does_not_lie():
    sample, train, test = panel()
    table = lie(LogisticRegression(), leak_lab.honest(sample, train, test))
    assert table.loc["honest", "auc_lie"] == 0
    assert table.loc["honest", "auc_claims"] == pytest.approx(
        roc_auc_score(sample.target[test], sample.predictors["told"][test]), abs=0.02
    )


def test_a_model_that_knows_its_customers_by_heart_lies_when_rows_are_split_at_random():
    sample, train, test = panel(told=0.0)
    learner = KNeighborsClassifier(1)
    fingerprint = sample.using(["指纹 <b>"])
    table = lie(
        learner, leak_lab.honest(fingerprint, train, test), leak_lab.random_rows(fingerprint, train, test),
        leak_lab.same_rows(fingerprint, train, test),
    )  # fmt: skip
    assert table.loc["random split", "auc_claims"] > 0.9
    assert table.loc["random split", "auc_delivers"] == pytest.approx(0.5, abs=0.1)
    assert table.loc["random split", "auc_lie_low"] > 0.25
    assert table.loc["same rows", "auc_claims"] == 1
    assert table.loc["same rows", "auc_delivers"] == table.loc["honest", "auc_delivers"]


def test_there_is_no_lie_where_rows_are_independent_and_alike():
    rng = np.random.default_rng(5)
    x = pd.DataFrame({"x": rng.normal(size=3000)})
    target = (rng.random(3000) < 1 / (1 + np.exp(-x["x"]))).astype(float)
    sample = Sample(x, target, pd.Series(np.arange(3000)))
    train = np.arange(3000) < 1500
    table = lie(LogisticRegression(), leak_lab.random_rows(sample, train, ~train))
    assert table.loc["random split", "auc_lie_low"] < 0 < table.loc["random split", "auc_lie_high"]
    assert abs(table.loc["random split", "auc_lie"]) < 0.04


def test_a_column_written_after_the_event_claims_all_and_delivers_what_is_left():
    sample, train, test = panel(told=0.5)
    twin = leak_lab.leaking_column(sample, train, test, after_the_fact(sample))
    table = lie(DecisionTreeClassifier(max_depth=2), leak_lab.honest(sample, train, test), twin)
    assert table.loc["leaking column", "auc_claims"] > 0.95
    assert table.loc["leaking column", "auc_lie_low"] > 0.2
    assert table.loc["leaking column", "auc_delivers"] <= table.loc["honest", "auc_claims"] + 0.05
    assert twin.delivers.predictors["mailing <status>_stopped"].eq(0).all()
    assert sample.predictors.shape[1] == 2


def test_a_leaking_number_is_replaced_by_what_the_others_have():
    sample, train, test = panel()
    closed_in = sample.target.where(sample.target == 0, 7.0).rename("closed_in")
    twin = leak_lab.leaking_column(sample, train, test, closed_in)
    assert set(twin.claims.predictors["closed_in"]) == {0.0, 7.0}
    assert set(twin.delivers.predictors["closed_in"]) == {0.0}


def test_unknown_outcomes_are_neither_learned_from_nor_tested_on():
    sample, train, test = panel()
    unknown = sample.target.where(sample.day < MONTHS[4])
    twin = leak_lab.honest(Sample(sample.predictors, unknown, sample.entity, sample.day), train, test)
    assert len(twin.learns) == 150 * 4
    assert twin.claims.known.all()


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_one_outcome_only_gives_a_row_without_figures(value):
    sample, train, test = panel()
    sample = Sample(sample.predictors, sample.target * 0 + value, sample.entity, sample.day)
    table = leak_lab.lies(
        LogisticRegression(), [twin(sample, train, test) for twin in (leak_lab.honest, leak_lab.random_rows)]
    )
    assert table["auc_claims"].isna().all()
    assert table["mistake"].tolist()[0] == "none"


def test_a_thinned_lab_keeps_customers_whole():
    sample, train, _ = panel()
    kept = thinned(sample, train, most=300)
    assert kept.sum() == 300
    assert (sample.entity[kept].value_counts() == len(MONTHS)).all()
    assert not (kept & ~train).any()
    assert (thinned(sample, train) == train).all()


def test_the_sentinel_finds_the_column_that_is_written_after_the_event():
    sample, train, test = panel(told=0.8)
    states = after_the_fact(sample).groupby(sample.entity).transform("first")
    learned = Sample(sample.predictors.assign(status=states), sample.target, sample.entity, sample.day)
    scored = learned.predictors[test].assign(status="delivered")
    table = leak_lab.sentinel(learned.at(train), scored)
    assert table.index[0] == "status"
    assert not table.loc["status", "changes"]
    assert table.loc["status", "risk_now"] < 0.2
    for sign in ("almost alone", "far above the next", "never changes", "silent"):
        assert sign in table.loc["status", "why"]
    assert not table.loc[["told", "指纹 <b>"], "suspicious"].any()


def test_a_strong_predictor_that_changes_and_is_heard_today_is_cleared():
    sample, train, test = panel(told=6.0)
    table = leak_lab.sentinel(sample.at(train), sample.predictors[test])
    assert table.loc["told", "auc"] > 0.99
    assert not table.loc["told", "suspicious"]
    # nothing clears it where neither days nor rows to be scored are known
    flat = Sample(sample.predictors, sample.target, pd.Series(np.arange(len(sample)), sample.target.index))
    assert leak_lab.sentinel(flat).loc["told", "why"] == "separates almost alone; far above the next"


def test_the_sentinel_counts_as_scikit_learn_does_with_what_is_missing_at_the_bottom():
    sample, _, _ = panel()
    values = sample.predictors["told"].where(sample.predictors["told"] > -0.5)
    rows = Sample(
        pd.DataFrame({"v": values, "constant": 1, "flag": sample.predictors["told"] > 0}), sample.target, sample.entity
    )
    auc = leak_lab.sentinel(rows)["auc"]
    assert auc["v"] == pytest.approx(roc_auc_score(sample.target, values.fillna(-99)))
    assert auc["flag"] == pytest.approx(roc_auc_score(sample.target, rows.predictors["flag"]))
    assert auc["constant"] == 0.5


def test_a_word_of_its_own_for_every_row_tells_nothing():
    sample, _, _ = panel()
    names = pd.Series([f"客户{i}" for i in range(len(sample))], sample.target.index)
    rows = Sample(pd.DataFrame({"name": names}), sample.target, sample.entity)
    assert leak_lab.sentinel(rows).loc["name", "auc"] < 0.55


def test_the_sentinel_is_silent_without_both_outcomes():
    sample, _, _ = panel()
    nobody = Sample(sample.predictors, sample.target * 0, sample.entity, sample.day)
    assert leak_lab.sentinel(nobody).empty


def coded(seed: int = 0, told: float = 0.0) -> tuple[Sample, np.ndarray, np.ndarray]:
    """Customers with a shop each of many shops, a number with gaps, and what one predictor tells."""
    rng = np.random.default_rng(seed)
    target = (rng.random(3000) < 0.3).astype(float)
    predictors = pd.DataFrame({
        "商店 <b>": pd.Categorical(rng.integers(0, 400, 3000).astype(str)),
        "number": np.where(rng.random(3000) < 0.2, np.nan, rng.normal(size=3000)),
        "told": told * target + rng.normal(size=3000),
    })  # fmt: skip
    train = np.arange(3000) < 2000
    return Sample(predictors, pd.Series(target), pd.Series(np.arange(3000))), train, ~train


@pytest.mark.slow
def test_rates_taken_from_the_test_claim_much_and_deliver_nothing():
    rows = coded()
    table = lie(LogisticRegression(), leak_lab.encoded(*rows), leak_lab.encoded(*rows, before=False))
    assert table.loc["encoded before the split", "auc_claims"] > 0.7
    assert table.loc["encoded before the split", "auc_lie_low"] > 0.1
    assert table.loc["encoded before the split", "auc_delivers"] == pytest.approx(0.5, abs=0.06)
    assert table.loc["encoded after the split", "auc_claims"] == pytest.approx(0.5, abs=0.06)


def test_rates_keep_what_predictors_tell():
    rows = coded(told=1.5)
    table = lie(LogisticRegression(), leak_lab.encoded(*rows, before=False))
    assert table.loc["encoded after the split", "auc_claims"] > 0.75
    twin = leak_lab.encoded(*rows)
    assert np.isfinite(twin.delivers.predictors.to_numpy()).all()
    assert not set(twin.learns.entity) & set(twin.claims.entity)
