"""Calibration: what is right is found right, what is wrong is found wrong, and a calibrator keeps ranks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import alike
from scipy import special, stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from bankmine.errors import BankmineError
from bankmine.judging.calibration import calibration, hosmer_lemeshow, reliability
from bankmine.judging.intervals import wilson
from bankmine.learning.fitting import ISOTONIC_FROM, Calibrator, log_odds


def independent(rows: int, seed: int = 0, slope: float = 1.0, shift: float = 0.0) -> tuple[pd.Series, pd.DataFrame]:
    """Return outcomes, and probabilities that are right at slope 1 and shift 0."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(-2, 1, rows)
    target = pd.Series((rng.random(rows) < special.expit(shift + slope * odds)).astype(float))
    return target, pd.DataFrame({"m": special.expit(odds)})


def figures(target, probabilities, entity=None) -> pd.DataFrame:
    entity = target.index.to_series() if entity is None else entity
    return calibration(target, probabilities, entity).set_index("metric")


@pytest.mark.slow
@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (0.5, -0.3), (1.6, 0.4)])
def test_slope_and_intercept_are_those_of_the_logistic_regression(slope, shift):
    target, probabilities = independent(20_000, slope=slope, shift=shift)
    found = figures(target, probabilities)
    model = LogisticRegression(C=np.inf, tol=1e-8).fit(log_odds(probabilities[["m"]].to_numpy()), target)
    assert found.value["slope"] == pytest.approx(model.coef_[0, 0], abs=1e-3)
    assert found.value["intercept"] == pytest.approx(model.intercept_[0], abs=1e-3)
    for metric, truth in (("slope", slope), ("intercept", shift)):
        assert found.low[metric] < truth < found.high[metric]
    alone = special.expit(log_odds(probabilities.m.to_numpy()) + found.value["in_the_large"])
    assert alone.mean() == pytest.approx(target.mean())
    assert slope == 1 or found.value["ece"] > found.value["ece_by_chance"]


@pytest.mark.slow
def test_right_probabilities_are_found_right_nineteen_times_in_twenty():
    hits, chance, rejected = [], [], []
    for seed in range(120):
        rows = alike(700, seed)
        found = figures(rows.target, rows[["probability"]], rows.entity)
        truth = pd.Series({"slope": 1.0, "intercept": 0.0, "in_the_large": 0.0})
        hits.append(((found.low[truth.index] < truth) & (truth < found.high[truth.index])).to_numpy())
        target, probabilities = independent(2000, seed)
        found = figures(target, probabilities)
        chance.append(found.value["ece"] < found.value["ece_by_chance"])
        rejected.append(hosmer_lemeshow(target, probabilities.m)[1] < 0.05)
    assert np.mean(hits, axis=0) == pytest.approx([0.95] * 3, abs=0.04)
    assert np.mean(chance) == pytest.approx(0.95, abs=0.04)
    assert np.mean(rejected) == pytest.approx(0.05, abs=0.04)


def test_wrong_probabilities_are_rejected():
    target, probabilities = independent(5000, slope=0.5)
    statistic, p = hosmer_lemeshow(target, probabilities.m)
    assert p < 1e-6
    assert statistic > stats.chi2.ppf(0.99, 10)


def test_bins_are_of_equal_size_with_counted_rates():
    target, probabilities = independent(1000)
    found = reliability(target, probabilities.assign(constant=0.1, two=np.where(probabilities.m > 0.2, 0.3, 0.1)))
    ten = found[found.model == "m"]
    assert ten.rows.tolist() == [100] * 10
    assert ten.predicted.is_monotonic_increasing
    lowest = probabilities.m <= probabilities.m.nsmallest(100).max()
    assert ten.events.iloc[0] == target[lowest].sum()
    assert ten.predicted.iloc[0] == pytest.approx(probabilities.m[lowest].mean())
    assert (ten.low.iloc[0], ten.high.iloc[0]) == pytest.approx(wilson(int(target[lowest].sum()), 100))
    assert found[found.model == "constant"].rows.tolist() == [1000]
    assert found[found.model == "two"].predicted.tolist() == pytest.approx([0.1, 0.3])


@pytest.mark.parametrize("outcome", [0.0, 1.0])
def test_with_one_outcome_the_slope_is_not_told(outcome):
    target, probabilities = independent(200)
    found = figures(target * 0 + outcome, probabilities)
    assert found.value[["slope", "intercept", "in_the_large"]].isna().all()
    assert found.value[["ece", "ece_by_chance"]].notna().all()


def test_one_probability_for_all_has_no_slope_but_a_level():
    target, probabilities = independent(500)
    found = figures(target, probabilities * 0 + 0.1)
    assert np.isnan(found.value["slope"])
    assert found.value["in_the_large"] == pytest.approx(special.logit(target.mean()) - special.logit(0.1))


def test_certain_probabilities_are_finite_odds():
    target, probabilities = independent(500)
    certain = probabilities.assign(m=np.where(probabilities.m < 0.1, 0.0, probabilities.m))
    assert np.isfinite(figures(target, certain).value).all()
    assert np.isfinite(hosmer_lemeshow(target, certain.m)).all()


def test_what_is_no_probability_is_refused():
    target, probabilities = independent(100)
    for wrong in (probabilities * 10, probabilities.where(probabilities > 0.1)):
        with pytest.raises(BankmineError, match="m is no probability"):
            reliability(target, wrong)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.booleans()), min_size=2, max_size=80).filter(
        lambda rows: len({y for _, y in rows}) == 2
    ),
    st.booleans(),
)
def test_ranks_stay_and_probabilities_are_proper(rows, of_probabilities):
    score = np.array([s for s, _ in rows])
    score = stats.rankdata(score) / (len(score) + 1) if of_probabilities else score
    calibrate = Calibrator().fit(score, pd.Series([float(y) for _, y in rows]))
    probability = calibrate.predict(np.sort(score))
    assert calibrate.of_probabilities_ == (score.min() >= 0 and score.max() <= 1)
    assert (np.diff(probability) >= 0).all()
    assert ((probability > 0) & (probability < 1)).all()


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "method"), [(2000, "sigmoid"), (30_000, "isotonic")])
def test_distorted_scores_become_probabilities(rows, method):
    target, right = independent(2 * rows, seed=1)
    distorted = (right.m**3).to_numpy()
    calibrate = Calibrator().fit(distorted[:rows], target[:rows])
    assert calibrate.method_ == method
    assert calibrate.reason.startswith(f"{method}, chosen by {int(target[:rows].sum()):,} events in {rows:,} rows")
    assert (min(calibrate.events_, rows - calibrate.events_) >= ISOTONIC_FROM) == (method == "isotonic")
    later = pd.DataFrame({"m": calibrate.predict(distorted[rows:])}, index=target.index[rows:])
    assert roc_auc_score(target[rows:], later.m) == roc_auc_score(target[rows:], distorted[rows:])
    found = figures(target[rows:], later)
    assert found.low["slope"] < 1 < found.high["slope"]
    assert np.abs(later.m - right.m[rows:]).mean() < 0.02
    raw = figures(target[rows:], pd.DataFrame({"m": distorted[rows:]}, index=later.index))
    assert found.value["ece"] < raw.value["ece"] / 5


def test_a_score_of_the_wrong_way_round_is_not_turned():
    target, right = independent(2000)
    calibrate = Calibrator().fit((1 - right.m).to_numpy(), target)
    assert not calibrate.ordered_
    assert "do not bear the score out" in calibrate.reason
    found = calibrate.predict(np.linspace(0, 1, 50))
    assert (np.diff(found) > 0).all()
    assert calibrate.predict((1 - right.m).to_numpy()) == pytest.approx(np.full(2000, target.mean()), abs=0.01)


def test_days_since_become_probabilities_of_later_days_too():
    target, right = independent(4000)
    days = np.round(100 * right.m.to_numpy())
    calibrate = Calibrator().fit(days, target)
    assert not calibrate.of_probabilities_
    assert calibrate.predict(np.array([0.0, 1.0])) == pytest.approx(calibrate.predict(np.array([0.0, 1.0, 90.0]))[:2])
    assert calibrate.predict(days).mean() == pytest.approx(target.mean(), abs=0.005)


def test_a_constant_score_gets_the_rate():
    target, _ = independent(500)
    assert Calibrator().fit(np.full(500, 0.4), target).predict(np.array([0.4])) == pytest.approx(
        target.mean(), abs=1e-3
    )


def test_nothing_is_fitted_on_one_outcome_or_on_missing_scores():
    with pytest.raises(BankmineError, match=r"None of 5 rows .* tune on more rows"):
        Calibrator().fit(np.arange(5.0), pd.Series([0.0] * 5))
    with pytest.raises(BankmineError, match="missing or infinite"):
        Calibrator().fit(np.array([np.nan, 1.0]), pd.Series([0.0, 1.0]))
