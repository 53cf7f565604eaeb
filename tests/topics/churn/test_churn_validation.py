"""What the churn report answers to a validator: every question, or the reason why not, and facts that are numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from churn_banks import SHORT, bank_of, busy
from learnable_rows import sample_of

from bankmine.deciding import costs as profit
from bankmine.deciding import policies as profit_curves
from bankmine.judging import calibration, drift, leak_sentinel
from bankmine.judging import leaks as leak_lab
from bankmine.judging import ranking as metrics
from bankmine.learning import fitting as recipe
from bankmine.learning import models
from bankmine.study import validation
from bankmine.topics.churn import answers as told
from bankmine.topics.churn import case as churn_case
from bankmine.topics.churn import money as churn_money
from bankmine.topics.churn.case import Case
from bankmine.topics.churn.definition import Definition

MODEL = "logistic"
NEVER = ("not shown on this page", "nan", "None")


@pytest.fixture(scope="module")
def bank(tmp_path_factory) -> Case:
    return churn_case.of_bank(bank_of(tmp_path_factory.mktemp("bank"), busy(110)), SHORT)


@pytest.fixture(scope="module")
def flat(tmp_path_factory) -> Case:
    rows, file = sample_of(600), tmp_path_factory.mktemp("flat") / "rows.csv"
    known = rows.predictors[["signal", "amount", "wave", "region"]]
    known.assign(left=rows.target.map({1.0: "yes", 0.0: "no"})).to_csv(file, index=False)
    return churn_case.open_case(str(file), "", Definition(), target="left")


def applied_to(case: Case) -> tuple[recipe.Applied, recipe.Applied]:
    candidates = models.candidates(case.sample.at(case.parts.split.train), case.rule)
    some = {name: candidates[name] for name in (models.RULE, MODEL)}
    return tuple(recipe.apply_models(some, case.sample, split) for split in (case.parts.split, case.parts.scoring))


def found_in(case: Case, applied: recipe.Applied, live: recipe.Applied) -> told.Found:
    """Compute the parts of the report as the notebook does."""
    split, rows = case.parts.split, applied.rows
    learned, masks = case.sample.at(split.train), [case.sample.mask(part) for part in (split.train, split.test)]
    twins = [make(case.sample, *masks) for make in (leak_lab.honest, leak_lab.same_rows)]
    paying = churn_money.money(case, split.test)
    called = churn_money.policies(applied.probability[MODEL], paying, rows) if paying else None
    earned = None if called is None else profit_curves.profit_of(
        called, profit.realised(rows.target, paying.costs), rows.entity, rows.day)  # fmt: skip
    return told.Found(
        metrics.performance(rows.target, applied.probability, rows.entity),
        calibration.calibration(rows.target, applied.probability[[MODEL]], rows.entity),
        leak_lab.lies(applied.fitted[MODEL], twins).set_index("twin"),
        leak_sentinel.sentinel(learned, live.rows.predictors),
        drift.psi_table(learned.predictors, live.rows.predictors, learned.entity, live.rows.entity),
        earned,
    )


@pytest.mark.parametrize("kind", ["bank", "flat"])
def test_every_question_is_answered_or_says_why_not(kind, request):
    case = request.getfixturevalue(kind)
    assert case.lacking == ""
    applied, live = applied_to(case)
    found = found_in(case, applied, live)
    answers = told.answers(case, MODEL, found)
    assert not any(word in str(answer) for answer in answers.values() for word in NEVER)
    for table, answer in ((validation.validation_table("churn", answers), "answer"),
                          (validation.assumption_table("churn", answers), "found")):  # fmt: skip
        assert not table[answer].str.contains("not shown on this page").any()
        assert (table[answer] != "").all()
        open_ones = table[table["status"].isin([validation.OPEN, validation.PARTLY])]
        assert open_ones[answer].str.contains("not there, as|nothing on this page checks it").all()
    assert all(
        ("costs are not told" in str(answers[n])) == (kind == "flat") for n in ("decision", "profit_sensitivity")
    )
    facts = told.facts(case, MODEL, applied, live, found.ranked)
    assert np.isfinite(pd.Series(facts)).all()
    assert facts["rows"] * max(len(case.parts.split.days["test"]), 1) == pytest.approx(len(case.parts.split.test))
    assert 0 < facts["events"] < facts["rows"]
    calls = told.facts_of_calls(applied.rows, applied.probability[MODEL] > applied.probability[MODEL].median())
    plan = validation.monitoring_plan("churn", facts | calls)
    assert plan["now"].isna().sum() == 1  # the success of calls: only a campaign with a group held back tells
    within = plan.dropna(subset=["below", "above"])
    assert (within["below"] <= within["now"]).all()
    assert (within["now"] <= within["above"]).all()


def test_calls_are_counted_by_month_and_judged_by_who_left(bank):
    rows = bank.sample.at(bank.parts.split.test)
    found = told.facts_of_calls(rows, rows.target == 1)
    assert found == {"actions": pytest.approx(rows.target.sum() / rows.day.nunique()), "precision": 1.0}
    assert np.isnan(told.facts_of_calls(rows, rows.target == 2)["precision"])
