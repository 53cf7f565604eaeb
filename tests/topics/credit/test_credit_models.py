"""The scorecard and its challengers, side by side, and the directions that they follow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from samples import HOSTILE, applicants, sample_of
from sklearn.metrics import roc_auc_score

from bankmine.errors import BankmineError
from bankmine.learning.fitting import apply_models, cross_validated
from bankmine.learning.models import fit_all, scores
from bankmine.learning.sample import Sample
from bankmine.learning.splits import Split, held_out, stratified_folds
from bankmine.topics.credit.rules import Direction, directions_of, load_directions, signs
from bankmine.topics.credit.scorecard import CHALLENGER, SCORECARD, candidates

pytestmark = pytest.mark.slow

NAMES = ["rule", "raw_logistic", "scorecard", "tree", "forest", "svm", "network", "xgboost"]
SAID = [
    Direction("debts", ["debt*"], "rising", "credit risk", "less is left"),
    Direction("use", ["use"], "valley", "credit risk", "strain"),
    Direction("not", ["noise"], "falling", "credit risk", "for the test"),
]


@pytest.fixture(scope="module")
def people():
    return applicants(3000)


def test_all_models_are_compared_on_the_same_folds(people):
    folds = stratified_folds(people, np.arange(3000), folds=3, repeats=1)
    found = cross_validated(candidates(people, directions=SAID), people, folds)
    assert list(found.scores) == NAMES
    assert found.scores.stack().between(0, 1).all()
    assert (found.scores.mean() - people.target.mean()).abs().max() < 0.03  # chances are as frequent as events
    table = found.table("rule")
    assert (table["auc"].drop("rule") > table.loc["rule", "auc"]).all()
    assert table.loc[SCORECARD, "auc"] > table.loc["raw_logistic", "auc"] - 0.005


def test_models_are_the_same_again(people):
    few = people.at(np.arange(600)).using(["debt", "use", "job", "home"])
    one, other = (scores(fit_all(candidates(few), few), few) for _ in range(2))
    pd.testing.assert_frame_equal(one, other, check_exact=True)


def led_by(sample, directions):
    """The two models that follow directions, fitted."""
    found = candidates(sample, directions=directions)
    return fit_all({name: found[name] for name in (CHALLENGER, SCORECARD)}, sample)


def test_xgboost_and_the_scorecard_follow_the_directions(people):
    bad = pd.Series(people.predictors["noise"].to_numpy() + people.target.to_numpy() > 1).astype(float)
    against = replace(people, target=bad)  # risk rises with `noise`, of which it is said that it falls
    free, led = (led_by(against, directions) for directions in ([], SAID))
    rows = people.predictors.iloc[np.zeros(50, dtype=int)].reset_index(drop=True).assign(noise=np.linspace(-2, 2, 50))
    asked = replace(people, predictors=rows, target=bad.iloc[:50], entity=people.entity.iloc[:50])
    assert (scores(free, asked)[CHALLENGER].diff() > 0).any()
    assert not (scores(led, asked)[CHALLENGER].diff() > 0).any()
    card, obedient = free[SCORECARD]["model"], led[SCORECARD]["model"]
    assert card.bins_["noise"].trend == "rising"
    assert obedient.bins_["noise"].trend in ("falling", "")
    assert "noise" not in obedient.card_.bins
    debts = people.predictors.iloc[[5] * 50].reset_index(drop=True).assign(debt=np.linspace(0, 3, 50))
    told = scores(led_by(people, SAID), replace(asked, predictors=debts))
    assert (told[[CHALLENGER, SCORECARD]].diff().dropna() >= 0).all(axis=None)


def test_the_first_direction_that_matches_holds_and_only_of_numbers(people):
    found = directions_of(people.predictors, [Direction("x", ["debt"], "peak", "a", "b"), *SAID])
    assert found["trend"].to_dict() == {"debt": "peak", "use": "valley", "noise": "falling", "debt twice": "rising"}
    assert signs(found) == {"noise": -1, "debt twice": 1}
    assert directions_of(people.predictors[["home", "late"]], [Direction("all", ["*"], "rising", "a", "b")]).empty


def test_the_registry_is_read_and_checked(tmp_path):
    assert {"debt_burden", "utilisation"} <= {d.id for d in load_directions()}
    file = tmp_path / "directions.yml"
    file.write_text("- { id: a, columns: [b], trend: up, owner: c, reason: d }", "utf-8")
    with pytest.raises(BankmineError, match="a has trend 'up': say one of rising"):
        load_directions(file)


def test_what_is_judged_is_not_learnt_from(people):
    split = held_out(people)
    model = {SCORECARD: candidates(people)[SCORECARD]}
    poisoned = people.predictors.copy()
    poisoned.loc[poisoned.index[split.test], ["debt", "use"]] = 7e6
    bad = people.target.copy()
    bad.iloc[split.test] = 1 - bad.iloc[split.test]
    cards = [
        apply_models(model, sample, split).fitted[SCORECARD]["model"].card_.table
        for sample in (people, replace(people, predictors=poisoned, target=bad))
    ]
    pd.testing.assert_frame_equal(*cards)


def test_odd_columns_and_500_of_them_do_no_harm():
    sample = sample_of(800, more=500)
    assert set(HOSTILE) <= set(sample.predictors)
    train, test = np.arange(500), np.arange(500, 800)
    later = sample.predictors.copy()
    later.loc[later.index[500:], "region"] = np.nan
    later.loc[later.index[500:550], "signal"] = np.inf
    later.loc[later.index[550:600], "amount"] = -1e300
    found = apply_models(candidates(sample), replace(sample, predictors=later), Split(train, train, test, {}))
    assert found.raw.stack().between(0, 1).all()
    kept = found.fitted[SCORECARD]["model"].chosen_.table
    assert kept["kept"].sum() <= 20
    assert kept.index[0] == "signal"


def test_words_only_one_constant_column_and_few_rows_are_enough():
    sample = sample_of(120)
    for columns in (["region"], ["constant"], ["empty"], ["flag", "signal"]):
        some = sample.using(columns)
        assert scores(fit_all(candidates(some), some), some).stack().between(0, 1).all()


@pytest.mark.parametrize(("target", "why"), [(2.0, "other than 0 and 1"), (0.0, "the same outcome")])
def test_targets_that_are_no_event_are_refused(people, target, why):
    odd = replace(people, target=people.target.where(people.target == 0, target))
    with pytest.raises(BankmineError, match=why):
        fit_all(candidates(odd), odd)


def test_the_gaussian_kernel_sees_a_product_which_no_line_tells_and_gives_chances():
    drawn = np.random.default_rng(0)
    rows = pd.DataFrame(drawn.normal(size=(3000, 4)), columns=list("abcd"))
    bad = pd.Series((drawn.random(3000) < 1 / (1 + np.exp(2.5 - 2 * rows["a"] * rows["b"]))).astype(float))
    sample = Sample(rows, bad, pd.Series(range(3000)))
    learnt, judged = sample.at(np.arange(2500)), sample.at(np.arange(2500, 3000))
    some = {name: model for name, model in candidates(learnt).items() if name in ("svm", "raw_logistic")}
    chance = scores(fit_all(some, learnt), judged)
    assert roc_auc_score(judged.target, chance["svm"]) > 0.7
    assert roc_auc_score(judged.target, chance["raw_logistic"]) < 0.6
    assert abs(chance["svm"].mean() - bad.mean()) < 0.04
