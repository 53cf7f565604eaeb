"""Boosted trees: the search of their setting, which sees the rows to learn from and nothing later or nearer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from samples import sample_of
from sklearn.base import clone

from bankmine.judging.contributions import contributions
from bankmine.learning import boosting
from bankmine.learning.boosting import PLAIN, in_words, inner_folds, settled
from bankmine.learning.fitting import cross_validated
from bankmine.learning.models import candidates, fit_all, scores
from bankmine.learning.sample import Sample

pytestmark = pytest.mark.slow


def drawn(odds, size=3000, columns=6, seed=1):
    """Rows of their own entities whose log-odds are a function of the columns."""
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(rng.normal(size=(size, columns)), columns=list("abcdefgh")[:columns])
    target = pd.Series((rng.random(size) < 1 / (1 + np.exp(-odds(rows)))).astype(float))
    return Sample(rows, target, pd.Series(np.arange(size)))


def fitted(sample, **options):
    return fit_all({"xgboost": candidates(sample, **options)["xgboost"]}, sample)["xgboost"]


def setting(sample):
    return fitted(sample)["model"].setting_


@pytest.fixture(scope="module")
def deep():
    return drawn(lambda r: 2.5 * np.sign(r["a"] * r["b"] * r["c"]), 2500, columns=4)


@pytest.fixture(scope="module")
def found(deep):
    return fitted(deep)


@pytest.fixture(scope="module")
def some(deep):
    return deep.at(np.arange(1000))


def test_depth_is_found_where_predictors_work_together_only(deep, found):
    assert found["model"].setting_["max_depth"] == 5
    searches = candidates(deep)["xgboost"]
    given = clone(searches).set_params(model__n_estimators=PLAIN["n_estimators"])
    folds = cross_validated({"given": given, "searches": searches}, deep, inner_folds(deep)[:1]).folds
    assert folds["auc"].iloc[1] > folds["auc"].iloc[0] + 0.03


@pytest.mark.parametrize(("weight", "most"), [(1, 300), (0, 30)], ids=["linear", "noise"])
def test_trees_stay_shallow_where_nothing_works_together_and_few_where_there_is_nothing(weight, most):
    found = setting(drawn(lambda r: weight * (r["a"] - r["b"]) - 1.5))
    assert found["max_depth"] == 2
    assert found["n_estimators"] <= most


def test_the_setting_is_the_same_again_and_beside_other_fits(some):
    models = candidates(some)
    alone = fit_all({"xgboost": models["xgboost"]}, some)
    beside = fit_all(models, some)
    assert alone["xgboost"]["model"].setting_ == beside["xgboost"]["model"].setting_
    pd.testing.assert_series_equal(
        scores(alone, some)["xgboost"], scores({"xgboost": beside["xgboost"]}, some)["xgboost"], check_exact=True
    )


def dated(sample, days=6):
    ends = pd.date_range("2025-01-31", periods=days, freq="ME")
    return replace(sample, day=pd.Series(ends[np.arange(len(sample)) % days], index=sample.target.index))


def test_no_entity_is_on_both_sides_and_nothing_is_judged_by_earlier_rows():
    sample = dated(sample_of(3000))
    for some in (sample, replace(sample, day=None)):
        folds = inner_folds(some)
        assert len(folds) == 5
        for train, test in folds:
            assert not set(some.entity.iloc[train]) & set(some.entity.iloc[test])
            assert some.day is None or some.day.iloc[train].max() < some.day.iloc[test].min()
    tested = np.concatenate([test for _, test in inner_folds(replace(sample, day=None))])
    assert np.array_equal(np.sort(tested), np.arange(3000))
    assert len(inner_folds(dated(sample, 1))) == 5
    assert all(len(train) and len(test) for train, test in inner_folds(dated(sample, 2)))


def test_what_is_judged_has_no_part_in_the_search(deep):
    rows, poisoned = np.arange(1000), replace(deep, predictors=deep.predictors.copy(), target=deep.target.copy())
    poisoned.predictors.iloc[1000:] = 1e6
    poisoned.target.iloc[1000:] = 1 - poisoned.target.iloc[1000:]
    one, other = (fit_all({"x": candidates(s.at(rows))["xgboost"]}, s.at(rows))["x"]["model"] for s in (deep, poisoned))
    assert one.setting_ == other.setting_
    assert one.get_booster().save_raw() == other.get_booster().save_raw()


def test_a_small_table_keeps_the_plain_setting():
    sample = sample_of(30)
    few = replace(sample, target=pd.Series(np.arange(30) < 5, dtype=float))
    assert inner_folds(few) == []
    assert setting(few) == PLAIN
    assert "no other" in in_words(fitted(few))


@pytest.mark.parametrize("early", [True, False])
def test_days_of_one_outcome_keep_the_plain_setting(early):
    sample = dated(sample_of(3000))  # events are on the first days only, of which none is held out, or on the last
    there = sample.day <= sample.day.min() if early else sample.day >= sample.day.max()
    assert setting(replace(sample, target=sample.target.where(there, 0.0))) == PLAIN


def test_a_fold_of_one_outcome_is_left_out(deep):
    folds, target = inner_folds(deep), deep.target.to_numpy()
    genuine = folds[0][0][target[folds[0][0]] == 0]
    odd = [(genuine, folds[0][1]), (folds[0][0], np.empty(0, dtype=int)), *folds[:2]]
    searches, matrix = candidates(deep)["xgboost"]["model"], deep.predictors.to_numpy(np.float32)
    one, other = (clone(searches).fit(matrix, target, held).setting_ for held in (odd, folds[:2]))
    assert one == other != PLAIN


def test_a_given_number_of_trees_is_not_searched_and_a_clone_searches_again(deep, found):
    model = candidates(deep)["xgboost"].set_params(model__n_estimators=7)
    given = fit_all({"x": model}, deep)["x"]["model"]
    assert given.get_booster().num_boosted_rounds() == 7
    assert given.setting_ == {}
    assert in_words(fit_all({"x": model}, deep)["x"]) == ""
    assert found["model"].get_params()["n_estimators"] is None
    again = fit_all({"x": settled(found)}, deep)["x"]
    assert again["model"].get_booster().save_raw() == found["model"].get_booster().save_raw()
    assert again["model"].setting_ == {}


def test_a_found_setting_follows_directions_and_tells_reasons():
    linear = drawn(lambda r: r["a"] - r["b"] + np.sin(3 * r["a"]) - 1, 1500)
    led = fitted(linear, monotone={"a": 1})
    assert led["model"].setting_ != PLAIN
    rows = linear.predictors.iloc[[3] * 40].assign(a=np.linspace(-2, 2, 40))
    chance = led.predict_proba(rows)[:, 1]
    assert (np.diff(chance) >= 0).all()
    found = contributions(led, rows)
    odds = np.log(chance / (1 - chance))
    assert (found.base + found.pushes.sum(axis=1)).to_numpy() == pytest.approx(odds, abs=1e-3)


def test_a_large_table_is_searched_on_one_fold(deep, monkeypatch):
    folds, searches = inner_folds(deep), candidates(deep)["xgboost"]["model"]
    matrix, target = deep.predictors.to_numpy(np.float32), deep.target.to_numpy()
    monkeypatch.setattr(boosting, "_WORK", 100_000)
    one, other = (clone(searches).fit(matrix, target, held).setting_ for held in (folds, folds[:1]))
    assert one == other != PLAIN
