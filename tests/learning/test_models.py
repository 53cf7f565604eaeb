"""Models: the rule, the learners and their comparison, on rows as hostile as a bank's."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import HOSTILE, sample_of
from sklearn.metrics import roc_auc_score

from bankmine.errors import BankmineError
from bankmine.learning.encoding import Encode, SignedLog
from bankmine.learning.fitting import cross_validated
from bankmine.learning.models import Rule, candidates, fit_all, scores

NAMES = ["rule", "logistic", "tree", "forest", "xgboost"]
HALVES = (np.arange(400), np.arange(400, 800))


def fitted_scores(sample, train=slice(0, 400), **options):
    return scores(fit_all(candidates(sample, **options), sample.at(np.arange(len(sample))[train])), sample)


@pytest.mark.slow
def test_every_model_finds_what_is_there_and_tells_a_chance():
    sample = sample_of(1500)
    found = fitted_scores(sample, slice(0, 1000))
    assert list(found) == NAMES
    assert found.index.equals(sample.predictors.index)
    assert found.stack().between(0, 1).all()
    later = found.iloc[1000:]
    assert all(roc_auc_score(sample.target.iloc[1000:], later[name]) > 0.65 for name in NAMES)
    assert abs(later.mean() - sample.target.mean()).max() < 0.06  # no weights: chances are as frequent as events


@pytest.mark.slow
def test_columns_may_be_constant_empty_hostile_or_many():
    sample = sample_of(800, more=500)
    found = fitted_scores(sample)
    assert set(HOSTILE) <= set(sample.predictors)
    assert found.notna().all(axis=None)


def test_unseen_categories_missing_and_infinite_values_are_scored():
    sample = sample_of(800)
    fitted = fit_all(candidates(sample), sample.at(np.arange(400)))
    odd = sample.predictors.iloc[400:].copy()
    odd["region"] = odd["region"].astype(object).where(np.arange(400) % 2 == 0, "<b>never seen</b>")
    odd.iloc[:50, :3] = np.nan
    odd.iloc[50:100, 0] = np.inf
    odd.iloc[100:150, 0] = -1e300
    later = scores(fitted, sample_of(400).__class__(odd, sample.target.iloc[400:], sample.entity.iloc[400:]))
    assert later.stack().between(0, 1).all()


def test_words_only_are_enough():
    sample = sample_of(800)
    words = sample.using(["region"])
    fitted = fit_all(candidates(words), words)
    found = scores(fitted, words)
    assert found.notna().all(axis=None)
    assert found["rule"].groupby(sample.predictors["region"].eq("region 2")).nunique().tolist() == [1, 1]


def test_nullable_numbers_are_numbers():
    plain = sample_of(800).using(["signal", "amount"])
    nullable = plain.__class__(plain.predictors.astype("Float64"), plain.target, plain.entity)
    pd.testing.assert_frame_equal(fitted_scores(nullable), fitted_scores(plain))


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    sample = sample_of(800)
    once, again, other = (fitted_scores(sample, seed=seed) for seed in (3, 3, 4))
    assert (once.to_numpy() == again.to_numpy()).all()
    assert (once[["forest", "xgboost"]] != other[["forest", "xgboost"]]).any(axis=None)


@pytest.mark.slow
def test_nothing_is_learnt_from_rows_that_are_not_given():
    clean, poisoned = sample_of(800), sample_of(800)
    later = np.arange(800) >= 400
    poisoned.predictors.loc[later, ["signal", "amount"]] = 1e12
    poisoned.predictors["region"] = poisoned.predictors["region"].astype(str).mask(later, "region 9")
    poisoned.target[later] = 1 - poisoned.target[later]
    pd.testing.assert_frame_equal(fitted_scores(clean)[~later], fitted_scores(poisoned)[~later])


def test_rows_of_unknown_outcome_are_not_learnt_from():
    sample = sample_of(800)
    sample.target.iloc[200:400] = np.nan
    models = candidates(sample)
    some, known = (scores(fit_all(models, sample.at(np.arange(n))), sample) for n in (400, 200))
    pd.testing.assert_frame_equal(some, known)


@pytest.mark.parametrize(
    ("target", "message"),
    [(0.0, "same outcome"), (1.0, "same outcome"), (np.nan, "no known outcome"), (2.0, "other than 0 and 1")],
)
def test_a_target_without_two_outcomes_is_refused(target, message):
    sample = sample_of(100)
    sample.target[:] = target
    with pytest.raises(BankmineError, match=message):
        fit_all(candidates(sample), sample)


def test_predictors_that_cannot_be_used_are_refused():
    sample = sample_of(100)
    with pytest.raises(BankmineError, match="Near: signal"):
        candidates(sample, "singal")
    with pytest.raises(BankmineError, match="no number"):
        candidates(sample, monotone={"region": 1})
    with pytest.raises(BankmineError, match="no predictor"):
        candidates(sample.using([]))
    with pytest.raises(BankmineError, match="called 'signal'"):
        candidates(sample.using(["signal", "signal"]))
    dated = sample.__class__(sample.predictors.assign(since=pd.Timestamp("2025-01-31")), sample.target, sample.entity)
    with pytest.raises(BankmineError, match="'since' holds dates"):
        candidates(dated)


def test_other_predictors_than_those_learnt_from_are_refused():
    sample = sample_of(200)
    fitted = fit_all(candidates(sample), sample)
    with pytest.raises(BankmineError, match="'signal', which is not there"):
        scores(fitted, sample.using(["amount"]))
    words = sample.__class__(sample.predictors.assign(signal="high"), sample.target, sample.entity)
    with pytest.raises(BankmineError, match="'signal' as a number"):
        scores(fitted, words)


@pytest.mark.slow
@pytest.mark.parametrize("sign", [1, -1])
def test_a_chance_moves_one_way_only_where_it_is_asked_to(sign):
    sample = sample_of(800)
    model = fit_all({"x": candidates(sample, monotone={"wave": sign})["xgboost"]}, sample)["x"]
    free = fit_all({"x": candidates(sample)["xgboost"]}, sample)["x"]
    rows = pd.concat([sample.predictors.iloc[[0]]] * 50).assign(wave=np.linspace(-2, 2, 50))
    steps = [np.diff(m.predict_proba(rows)[:, 1]) * sign for m in (model, free)]
    assert steps[0].min() >= 0
    assert steps[1].min() < 0


@pytest.mark.property
@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=4, max_size=60), st.booleans())
def test_the_rule_never_turns(rows, gap):
    values, target = (np.array(part, dtype=float) for part in zip(*rows, strict=True))
    values[0] = np.nan if gap else values[0]
    if len(set(target)) < 2:
        return
    rule = Rule().fit(values[:, None], target)
    asked = np.linspace(-7, 7, 40)
    chance = rule.predict_proba(asked[:, None])[:, 1]
    assert (np.diff(chance) * (1 if rule.rises_ else -1) >= 0).all()
    assert 0 <= rule.predict_proba(np.array([[np.nan]]))[0, 1] <= 1


def ranked_by(model):
    encode, rule = model["encode"], model["model"]
    return encode.columns_[encode.origin_[rule.column_]], rule.rises_


def test_the_rule_ranks_as_its_column_does_and_takes_the_strongest():
    sample = sample_of(800)
    fitted = fit_all({"rule": candidates(sample)["rule"]}, sample)
    assert ranked_by(fitted["rule"]) == ("signal", True)
    values, target = sample.predictors["signal"], sample.target
    known = values.notna()
    chance = scores(fitted, sample)["rule"]
    assert roc_auc_score(target[known], chance[known]) == pytest.approx(roc_auc_score(target[known], values[known]))
    named = fit_all({"rule": candidates(sample, "amount")["rule"]}, sample)
    assert ranked_by(named["rule"]) == ("amount", False)


def test_long_tails_are_drawn_in_and_gaps_are_flagged():
    matrix = np.array([[0.0, np.nan, 7], [-1e6, np.nan, 7], [1e6, np.nan, 7], [np.nan, np.nan, 7]], dtype=np.float32)
    seen = SignedLog().fit(matrix).transform(matrix)
    assert seen.shape == (4, 5)
    assert np.isfinite(seen).all()
    assert seen[1, 0] == -seen[2, 0] == pytest.approx(-np.arcsinh(1))
    assert (seen[:, 3] == [0, 0, 0, 1]).all()


def test_infinite_numbers_are_missing_and_huge_ones_are_not():
    seen = Encode().fit_transform(pd.DataFrame({"n": [np.inf, -np.inf, 1e300, -1e300, 2]}))[:, 0]
    assert np.isnan(seen[:2]).all()
    assert seen[2] > 1e29
    assert seen[3] < -1e29


def test_rare_categories_share_a_column():
    words = pd.DataFrame({"n": [1.0] * 100, "word": ["often"] * 60 + ["rare"] * 10 + ["other"] * 10 + [None] * 20})
    encode = Encode().fit(words)
    assert list(encode.origin_) == [0, 1, 1]
    assert (encode.transform(words).sum(axis=0) == [100, 60, 40]).all()


@pytest.mark.slow
def test_models_are_compared_on_the_same_folds():
    sample = sample_of(800)
    folds = [HALVES, HALVES[::-1], (np.arange(200, 600), np.r_[0:200, 600:800])]
    found = cross_validated(candidates(sample, "signal"), sample, folds)
    assert found.scores.index.sort_values().equals(sample.predictors.index)
    assert found.scores.notna().all(axis=None)
    each = found.folds.set_index(["model", "fold"])
    assert (each.groupby("fold")["events"].nunique() == 1).all()
    fitted = fit_all({"tree": candidates(sample, "signal")["tree"]}, sample.at(HALVES[0]))
    chance = scores(fitted, sample.at(HALVES[1]))["tree"]
    assert each.loc[("tree", 0), "auc"] == pytest.approx(roc_auc_score(sample.target.iloc[HALVES[1]], chance))
    table = found.table()
    assert list(table.index) == NAMES
    assert table.loc["rule", "auc_gain"] == 0
    assert (table["auc_low"] < table["auc"]).all()
    gains = each["auc"].unstack("fold").sub(each["auc"].loc["rule"])
    assert table["auc_gain"].to_numpy() == pytest.approx(gains.loc[NAMES].mean(axis=1).to_numpy())


def test_of_two_folds_no_interval_is_told():
    sample = sample_of(800)
    chosen = {name: candidates(sample)[name] for name in ("rule", "tree")}
    table = cross_validated(chosen, sample, [HALVES, HALVES[::-1]]).table()
    assert table["auc"].notna().all()
    assert table[["auc_low", "auc_gain_high"]].isna().all(axis=None)


def test_folds_without_both_outcomes_are_refused():
    sample = sample_of(800)
    with pytest.raises(BankmineError, match="no fold"):
        cross_validated(candidates(sample), sample, [])
    sample.target.iloc[400:] = 0.0
    with pytest.raises(BankmineError, match="All 400 rows to test on have the same outcome"):
        cross_validated(candidates(sample), sample, [HALVES])
