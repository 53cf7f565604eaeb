"""The recipe: each part of a split does its own work and no other's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from samples import sample_of

from bankmine.errors import BankmineError
from bankmine.learning import models
from bankmine.learning.fitting import Applied, apply_models
from bankmine.learning.sample import Sample
from bankmine.learning.splits import Split

SAMPLE = sample_of(900)
SPLIT = Split(np.arange(400), np.arange(400, 650), np.arange(650, 900), {})
MODELS = {name: model for name, model in models.candidates(SAMPLE).items() if name in ("rule", "logistic", "tree")}


@pytest.fixture(scope="module")
def applied() -> Applied:
    return apply_models(MODELS, SAMPLE, SPLIT)


def poisoned(rows: np.ndarray, target: bool = False, predictors: bool = False) -> Sample:
    """The sample with other outcomes, or other numbers, in some rows."""
    found = SAMPLE
    if target:
        other = found.target.copy()
        other.iloc[rows] = np.random.default_rng(1).permutation(1 - other.iloc[rows])
        found = replace(found, target=other)
    if predictors:
        other = found.predictors.copy()
        other.loc[other.index[rows], "signal"] = np.linspace(-900, 900, len(rows))
        found = replace(found, predictors=other)
    return found


def same(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    return bool(np.array_equal(one.to_numpy(), other.to_numpy()))


@pytest.mark.slow
def test_outcomes_of_the_rows_judged_by_change_nothing(applied):
    for other in (
        poisoned(SPLIT.test, target=True),
        replace(SAMPLE, target=SAMPLE.target.mask(SAMPLE.target.index >= 650)),
    ):
        again = apply_models(MODELS, other, SPLIT)
        assert same(again.raw, applied.raw)
        assert same(again.probability, applied.probability)
        assert vars(again.calibrators["tree"]) == vars(applied.calibrators["tree"])


@pytest.mark.slow
def test_a_row_that_is_judged_knows_nothing_of_the_others(applied):
    again = apply_models(MODELS, poisoned(SPLIT.test[:100], predictors=True), SPLIT)
    assert same(again.probability.iloc[100:], applied.probability.iloc[100:])
    assert not same(again.probability.iloc[:100], applied.probability.iloc[:100])


def test_models_do_not_learn_from_the_rows_that_calibrate_them(applied):
    again = apply_models(MODELS, poisoned(SPLIT.tune, target=True, predictors=True), SPLIT)
    assert same(again.raw, applied.raw)
    assert not same(again.probability, applied.probability)


def test_calibrators_are_fitted_on_the_rows_between(applied):
    for name, calibrator in applied.calibrators.items():
        assert calibrator.rows_ == len(SPLIT.tune)
        assert calibrator.events_ == SAMPLE.target.iloc[SPLIT.tune].sum()
        np.testing.assert_array_equal(applied.probability[name], calibrator.predict(applied.raw[name]))
        assert applied.probability[name].between(0, 1, inclusive="neither").all()


def test_the_given_candidates_stay_unfitted_and_rows_keep_their_index(applied):
    assert not any(hasattr(model["model"], "classes_") for model in MODELS.values())
    assert applied.rows.target.index.equals(applied.probability.index)
    assert list(applied.probability) == list(MODELS)


def test_one_outcome_to_learn_from_or_to_calibrate_by_is_refused():
    for rows in (SPLIT.train, SPLIT.tune):
        target = SAMPLE.target.copy()
        target.iloc[rows] = 0.0
        with pytest.raises(BankmineError, match=f"{len(rows)} rows"):
            apply_models(MODELS, replace(SAMPLE, target=target), SPLIT)
