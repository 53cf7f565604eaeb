"""What the credit report answers to a validator: every question, or the reason why not, and facts that are numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from learnable_rows import sample_of

from bankmine.bank.snapshot import open_source
from bankmine.deciding import policies as profit_curves
from bankmine.judging import calibration, drift, fairness
from bankmine.judging import leaks as leak_lab
from bankmine.judging import ranking as metrics
from bankmine.learning import fitting as recipe
from bankmine.learning import models
from bankmine.study import validation
from bankmine.topics.credit import answers as told
from bankmine.topics.credit import case as credit_case
from bankmine.topics.credit import lending as credit_decision
from bankmine.topics.credit import refused as reject_inference
from bankmine.topics.credit import scorecard as credit_models
from bankmine.topics.credit.scorecard import Scale, ScorecardModel

SOME = (models.RULE, credit_models.SCORECARD)


@pytest.fixture(scope="module")
def bank(small_bank) -> credit_case.Case:
    return credit_case.of_bank(open_source(str(small_bank)).as_of("2025-12-31"))


@pytest.fixture(scope="module")
def flat(tmp_path_factory) -> credit_case.Case:
    rows, file = sample_of(600), tmp_path_factory.mktemp("flat") / "rows.csv"
    known = rows.predictors[["signal", "amount", "wave", "region"]]
    known.assign(bad=rows.target.map({1.0: "yes", 0.0: "no"})).to_csv(file, index=False)
    return credit_case.open_case(str(file), "", target="bad")


def found_in(case: credit_case.Case) -> tuple[told.Found, recipe.Applied, recipe.Applied]:
    """Compute the parts of the report as the notebook does."""
    recipes = credit_models.candidates(case.sample.at(case.parts.split.train), Scale())
    some = {name: recipes[name] for name in SOME}
    applied, live = recipe.apply_side_by_side([(some, case.deciding), (some, case.parts.scoring)], case.sample)
    learned, judged = case.sample.at(case.parts.split.train), applied.rows.at(applied.rows.known)
    chances = applied.probability.loc[judged.target.index]
    masks = [case.sample.mask(part) for part in (case.parts.split.train, case.parts.split.test)]
    plain = models.candidates(learned)["logistic"]
    model: ScorecardModel = applied.fitted[credit_models.SCORECARD][-1]
    earned = inferred = None
    impact = {}
    if case.costs:
        costs = case.costs.at(applied.rows.target.index)
        grants = credit_decision.policies(applied.probability[credit_models.SCORECARD], costs, 0.1)
        gain = credit_decision.granted(applied.rows.target, costs)
        earned = profit_curves.profit_of(grants, gain, applied.rows.entity)
        groups = {name: group.loc[costs.fp.index] for name, group in case.protected.items()}
        impact = {n: fairness.adverse_impact(grants["cut-off"], g, applied.rows.entity) for n, g in groups.items()}
        refused = case.sample.predictors[case.all_applications.rejected]
        inferred = reject_inference.study(
            plain, learned, refused, judged, applied.rows.predictors, costs, factors=[1.5]
        ).table
    names = list(model.card_.bins)
    found = told.Found(
        model,
        metrics.performance(judged.target, chances, judged.entity),
        calibration.calibration(judged.target, chances[[credit_models.SCORECARD]], judged.entity),
        leak_lab.lies(plain, [make(case.sample, *masks) for make in (leak_lab.honest, leak_lab.same_rows)]),
        leak_lab.sentinel(learned, live.rows.predictors),
        drift.psi_table(learned.predictors[names], live.rows.predictors[names], learned.entity, live.rows.entity),
        impact, earned, inferred,
    )  # fmt: skip
    return found, applied, live


@pytest.mark.parametrize("kind", ["bank", "flat"])
def test_every_question_is_answered_or_says_why_not(kind, request):
    case = request.getfixturevalue(kind)
    assert case.lacking == ""
    found, applied, live = found_in(case)
    answers = told.answers(case, found)
    assert not any(word in str(answer) for answer in answers.values() for word in ("nan", "None", "not shown"))
    table = validation.validation_table("credit", answers)
    assert not table["answer"].str.contains("not shown on this page").any()
    assert (table["answer"] != "").all()
    lacking = table[table["status"].isin([validation.OPEN, validation.PARTLY])]
    assert len(lacking) == {"bank": 0, "flat": 6}[kind]
    assert not validation.assumption_table("credit", answers)["found"].str.contains("not shown").any()
    facts = told.facts(case, applied, live, found)
    plan = validation.monitoring_plan("credit", facts)
    assert plan["now"].isna().sum() == {"bank": 0, "flat": 1}[kind]  # a table without groups has no adverse impact
    judged = applied.rows.known
    months = applied.rows.day.dt.to_period("M").nunique() if applied.rows.day is not None else 1
    assert facts["rows"] * months == pytest.approx(judged.sum())
    assert facts["events"] * months == pytest.approx(applied.rows.target.sum())
    assert np.isfinite(pd.Series(facts).drop("adverse_impact")).all()
