"""Reject inference: what changes with the assumption about the refused, and what never may."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from bankmine.bank.sources import find_source
from bankmine.deciding.costs import Costs
from bankmine.errors import BankmineError
from bankmine.learning import models
from bankmine.learning.sample import Sample
from bankmine.topics.credit.lending import GRANT, REFUSE, granting, loan_costs
from bankmine.topics.credit.refused import FUZZY, NONE, PARCELLING, Study, study
from bankmine.topics.credit.rules import load_credit_rules
from demobank.scoreboard.credit import decision, refused
from demobank.scoreboard.truth import Truth

pytestmark = pytest.mark.slow


def world(seed: int = 0, size: int = 4000, seen: float = 1.0) -> tuple[Sample, Sample, pd.DataFrame, np.ndarray]:
    """Accepted, later accepted, refused; the old decision knew something that no column holds, weighted by `seen`."""
    rng = np.random.default_rng(seed)
    x, hidden = rng.normal(size=(2, size))
    bad = (rng.random(size) < expit(x + hidden - 2)).astype(float)
    accepted = x + seen * hidden + rng.normal(0, 0.3, size) < 0.5
    predictors = pd.DataFrame({"x": x, "噪音": rng.normal(size=size)})
    whole = Sample(predictors, pd.Series(bad), pd.Series(np.arange(size)))
    late = np.arange(size) >= size // 2
    return whole.at(accepted & ~late), whole.at(accepted & late), predictors[~accepted & ~late], bad[~accepted & ~late]


def costs_for(index: pd.Index, if_good: float = 5.0, if_bad: float = 50.0) -> Costs:
    zero = pd.Series(0.0, index)
    return Costs(tp=zero, fp=zero + if_good, fn=zero + if_bad, tn=zero)


def studied(estimator, parts: tuple, **options: object) -> Study:
    learnt, tested, rejected, _ = parts
    everyone = pd.concat([learnt.predictors, rejected])
    return study(estimator, learnt, rejected, tested, everyone, **options)


def decided(found: Study, if_good: float = 5.0, if_bad: float = 50.0) -> pd.DataFrame:
    """Decide by the model's own chances, at the chance up to which granting pays."""
    own = found.probabilities[NONE]
    cut = if_good / (if_good + if_bad)
    costs = costs_for(own.index, if_good, if_bad)

    def offers(chance: pd.Series) -> pd.DataFrame:
        yes = chance <= cut
        hoped = granting(chance, costs).where(yes, 0.0)
        return pd.DataFrame({"decision": np.where(yes, GRANT, REFUSE), "expected_profit": hoped}, chance.index)

    return found.decided(own, offers)


def test_chances_that_no_assumption_moves_stay_as_they_are_at_the_cut_off_too():
    found = studied(LogisticRegression(), world(size=1200), factors=(1.5,))
    own = found.probabilities[NONE]
    asked = []
    found.decided(own, lambda chance: asked.append(chance) or pd.DataFrame({"decision": GRANT, "expected_profit": own}))
    assert asked[0].equals(own)


def test_fuzzy_augmentation_with_the_models_own_probabilities_changes_nothing():
    """Rows weighted by what a maximum-likelihood model says of them anyway pull its coefficients nowhere."""
    found = studied(LogisticRegression(C=1e9, max_iter=1000, tol=1e-10), world(), factors=(1.0,))
    np.testing.assert_allclose(found.probabilities[f"{FUZZY} × 1"], found.probabilities[NONE], atol=1e-4)
    row = decided(found).loc[f"{FUZZY} × 1"]
    assert row["decided otherwise"] == pytest.approx(0, abs=0.002)
    assert row["assumed"] == pytest.approx(found.table.loc[NONE, "assumed"])


@pytest.mark.slow
def test_the_worse_the_refused_are_taken_to_be_the_fewer_are_approved():
    table = decided(studied(LogisticRegression(), world(), factors=(1.0, 2.0, 3.0)))
    for assumption in (PARCELLING, FUZZY):
        rows = table[table.index.str.startswith(assumption)]
        assert len(rows) == 3
        assert rows["assumed"].is_monotonic_increasing
        assert rows["share granted"].is_monotonic_decreasing
        assert rows["share granted"].iloc[-1] < table.loc[NONE, "share granted"] - 0.02
        assert rows["expected profit as offered"].is_monotonic_decreasing
    assert table.loc[NONE, ["gain", "decided otherwise"]].eq(0).all()


def test_what_the_old_decision_knew_is_not_in_the_accepted():
    parts = world(seen=1.0)
    found = studied(LogisticRegression(), parts, factors=(1.5,))
    true = parts[3].mean()
    assert found.table.loc[NONE, "assumed"] < 0.8 * true
    assert abs(found.table.loc[f"{FUZZY} × 1.5", "assumed"] - true) < abs(found.table.loc[NONE, "assumed"] - true)


def test_where_the_old_decision_saw_what_the_model_sees_the_accepted_tell_of_the_refused():
    parts = world(size=16_000, seen=0.0)
    found = studied(LogisticRegression(), parts, factors=(1.0,))
    assert found.table.loc[NONE, "assumed"] == pytest.approx(parts[3].mean(), rel=0.15)


def test_parcelling_draws_the_same_twice_and_otherwise_with_another_seed():
    first, again, other = (
        studied(DecisionTreeClassifier(max_depth=3, random_state=0), world(size=1500), factors=(1.5,), seed=seed)
        for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(first.refused, again.refused)
    assert not first.refused.equals(other.refused)
    assert set(first.refused[f"{PARCELLING} × 1.5"]) == {0.0, 1.0}


def test_no_probability_is_taken_beyond_one():
    assert (studied(LogisticRegression(), world(size=1200), factors=(50.0,)).refused <= 1).all(axis=None)


def test_what_cannot_be_studied_is_said():
    learnt, tested, rejected, bad = world(size=800)
    with pytest.raises(BankmineError, match="Nobody was refused"):
        studied(LogisticRegression(), (learnt, tested, rejected.iloc[:0], bad))
    with pytest.raises(BankmineError, match="takes no weights"):
        studied(KNeighborsClassifier(), (learnt, tested, rejected, bad))
    good = Sample(learnt.predictors, learnt.target * 0, learnt.entity)
    with pytest.raises(BankmineError, match="same outcome"):
        studied(LogisticRegression(), (good, tested, rejected, bad))


def test_the_demo_bank_is_scored_against_what_the_refused_would_have_done(small_applications, small_bank):
    found, truth = small_applications, Truth(find_source(str(small_bank)))
    sample, ids = found.sample, found.beside["application_id"]
    late = (sample.day >= sample.day[sample.known].quantile(0.7)).to_numpy()
    learnt, tested, turned_down = (
        sample.at(sample.known & ~late),
        sample.at(sample.known & late),
        found.rejected & ~late,
    )
    costs = loan_costs(found.beside, load_credit_rules("CNY"))
    model = models.candidates(sample)["logistic"]
    result = study(model, learnt, sample.predictors[turned_down], tested, sample.predictors, factors=(1.5,))
    assumed = result.refused[[NONE, f"{FUZZY} × 1.5"]].set_axis(["none", "inferred"], axis=1)
    rows = refused(truth, assumed.set_axis(ids[turned_down]))
    assert [row.passed for row in rows] == [True, True]
    grants = granting(result.probabilities[NONE], costs) > 0
    scored = (part.set_axis(ids) for part in (grants, costs.fp, -costs.fn))
    assert decision(truth, *scored)[0].passed
    assert not decision(truth, *(part.set_axis(ids) for part in (grants | True, costs.fp, -costs.fn)))[0].passed
