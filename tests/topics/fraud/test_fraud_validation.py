"""What the fraud report answers to a validator: every question, and facts that are numbers."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from fraud_payments import payments

from bankmine.judging import calibration, drift, leak_sentinel
from bankmine.judging import leaks as leak_lab
from bankmine.lacking import Lacking
from bankmine.learning import models
from bankmine.learning.blocks import Plan
from bankmine.study import validation
from bankmine.topics.fraud import alerts as fraud_alerts
from bankmine.topics.fraud import answers as told
from bankmine.topics.fraud import backtest as fraud_judged
from bankmine.topics.fraud import desk as fraud_decision
from bankmine.topics.fraud import leaks as fraud_leaks
from bankmine.topics.fraud.payments import lateness


@pytest.fixture(scope="module")
def parts():
    sample, own, keys = payments()
    judged = fraud_judged.judge(sample, own, Plan(40, 14, 20, 2, 20), [], ["xgboost"])
    desk = fraud_decision.load_desk("CNY")
    acted = fraud_decision.policies(judged.payments, judged.probability, judged.scores, desk)
    alerted = acted[fraud_decision.BY_SAVING]
    learnt = judged.fitted[-1].learnt.using(list(judged.sample.predictors))
    found = told.Found(
        fraud_decision.desk_figures(judged.payments, judged.scores, desk.capacity, rounds=20),
        fraud_decision.earned(judged.payments, acted, desk),
        fraud_alerts.caught_by(judged.payments, alerted, judged.sample.predictors[["kind"]]),
        leak_lab.lies(
            models.candidates(sample)["xgboost"], fraud_leaks.twins(sample, judged.blocks[-1], own.moment, keys)
        ),
        leak_sentinel.sentinel(learnt, judged.sample.predictors),
        drift.psi_table(learnt.predictors, judged.sample.predictors, learnt.entity, judged.sample.entity),
        calibration.calibration(judged.payments.target, judged.probability.to_frame("xgboost"), own.entity, rounds=20),
        lateness(own),
    )
    case = SimpleNamespace(event="fraud", found=SimpleNamespace(sample=sample))
    return case, judged, alerted, found


def test_every_question_is_answered(parts):
    case, judged, _, found = parts
    answers = told.answers(case, judged, found)
    assert not any("nan" in str(answer) for answer in answers.values())
    table = validation.validation_table("fraud", answers)
    assert set(table["status"]) == {validation.ANSWERED, validation.FOR_PEOPLE}
    assumed = validation.assumption_table("fraud", answers)
    assert set(assumed["status"]) == {validation.ANSWERED}


def test_labels_later_than_a_month_are_said(parts):
    case, judged, _, found = parts
    slow = told.answers(case, judged, told.Found(**{**vars(found), "late": found.late * 0.0}))
    assert isinstance(slow["label_delay"], Lacking)


def test_facts_are_numbers_of_a_month(parts):
    _, judged, alerted, found = parts
    facts = told.facts(judged, alerted, found, 5.0)
    assert np.isfinite(pd.Series(facts)).all()
    months = judged.payments.day.nunique() / 30.4
    assert facts["rows"] * months == pytest.approx(len(judged.sample))
    assert facts["events"] * months == pytest.approx(judged.payments.target.sum())
    assert facts["precision"] == pytest.approx(judged.payments.target[alerted].mean())
    plan = validation.monitoring_plan("fraud", facts)
    assert plan["now"].notna().all()


def test_value_by_capacity_rises_to_all_of_it(parts):
    _, judged, _, _ = parts
    curve = fraud_decision.value_by_capacity(judged.payments, judged.scores[["xgboost", "random"]], 0.25)
    wide = curve.pivot_table(index="share", columns="model", values="value")
    assert (wide.diff().dropna() >= 0).all(axis=None)
    assert wide.loc[1.0].tolist() == [pytest.approx(1.0)] * 2
    assert wide.loc[0.25, "xgboost"] > wide.loc[0.25, "random"]
