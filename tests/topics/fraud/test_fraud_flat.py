"""Flat tables of payments in public shapes: what they do not tell is said, and what must be said is an alert."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from public_shapes import CARDS, PAYSIM, SPARKOV, cards, paysim, sparkov, study_of

from bankmine.lacking import Lacking
from bankmine.study.validation import FAILS, PRESENT
from bankmine.topics.fraud import desk
from bankmine.topics.fraud.cautions import cautions, no_rates
from bankmine.topics.fraud.desk import BY_AMOUNT, BY_RULES, BY_SAVING
from bankmine.topics.fraud.fraud_study import FraudStudy


@pytest.fixture(scope="module")
def payers(tmp_path_factory) -> FraudStudy:
    """Payers who come once, in the shape of PaySim."""
    plan = {"delay": 1, "days": 25, "train": 10, "test": 5, "blocks": 2, "settled": 2}
    return study_of(paysim(), tmp_path_factory.mktemp("paysim"), PAYSIM, **plan)


@pytest.fixture(scope="module")
def holders(tmp_path_factory) -> FraudStudy:
    """Cards whose holders are told, in the shape of Sparkov."""
    plan = {"delay": 7, "days": 120, "train": 60, "test": 14, "blocks": 2, "settled": 10}
    return study_of(sparkov(), tmp_path_factory.mktemp("sparkov"), SPARKOV, **plan)


@pytest.fixture(scope="module")
def nobody(tmp_path_factory) -> FraudStudy:
    """Two days of payments by nobody known."""
    plan = {"delay": 0, "train": 1, "test": 1, "blocks": 1, "settled": 0, "compared": 1}
    return study_of(cards(), tmp_path_factory.mktemp("cards"), CARDS, **plan)


def answer(study: FraudStudy, asked: str) -> pd.Series:
    found = study.validation.answered
    return found[found["question"].str.contains(asked)].iloc[0]


def test_what_only_counts_time_and_what_is_known_afterwards_is_left_out_by_name(payers, holders):
    left = holders.source.dropped.set_index("column")["reason"]
    assert list(left.index) == ["unix_time"]
    assert "only counts time" in left["unix_time"]
    assert "newbalanceOrig: a balance after the payment" in payers.left_out["left"]
    assert not {"newbalanceOrig", "unix_time"} & {*payers.sample.predictors, *holders.sample.predictors}
    assert "newbalanceOrig" not in payers.attributes["fields"]
    assert {"gender", "Customer_Age", "zip"} <= set(holders.sample.predictors)


def test_rows_beyond_the_days_looked_at_are_counted(payers):
    step = paysim()["step"]
    last = int(step.max()) // 24 - 25  # the first day of the table has 23 hours, from 1 on
    assert f"{(step // 24 <= last).sum():,} rows up to 2000-01-05 are only the past" in payers.left_out["left"]
    assert (step // 24 > last).sum() == len(payers.sample)


def test_attributes_of_people_are_named_to_a_validator(payers, holders):
    assert "gender, Customer_Age, zip" in answer(holders, "personal or sensitive")["answer"]
    assert "no attribute of people by name" in answer(payers, "personal or sensitive")["answer"]


def test_a_delay_that_no_table_tells_is_no_answer(payers):
    assert isinstance(payers.late, Lacking)
    assert "delay=1 days stand for it" in payers.late.why
    assert answer(payers, "by scheme")["status"] != PRESENT
    watched = payers.validation.plan.set_index("metric")
    assert np.isnan(watched.loc["Median days until a fraud is known", "now"])


def test_where_no_rule_ever_holds_the_baseline_is_called_the_amount(payers, holders):
    assert not payers.backtest.fired.holds.any(axis=None)
    assert payers.baseline == "amount"
    assert "rules" not in payers.judged.table.index
    assert BY_RULES not in payers.earned.index
    assert "no expert rule ever holds" in payers.list_quality["simple"]
    assert payers.list_quality["rules"] == payers.judged.metric("alert_precision", "amount")["value"]
    assert holders.list_quality["simple"] == "expert rules"
    assert BY_RULES in holders.earned.index


def test_accounts_that_come_once_are_stopped_by_nothing(payers, holders):
    assert isinstance(payers.sooner, Lacking)
    assert payers.reached["how"] == "listed"
    assert payers.reached["value"] == payers.judged.metric("value_held")["value"]
    assert "stopped by an earlier alert" in holders.reached["how"]
    assert holders.reached["value"] == holders.judged.metric("value_saved")["value"]


def test_an_amount_that_saves_more_than_the_model_is_an_alert(holders):
    own, amount = holders.backtest.payments, holders.backtest.payments.amount
    largest = desk.within_capacity(amount.to_frame("amount"), own.day, holders.desk.capacity)["amount"]
    saved = amount[largest & (own.target == 1)].sum() / own.day.nunique()
    assert holders.earned.loc[BY_AMOUNT, "profit"] == pytest.approx(saved)
    told = holders.caution("amount")
    assert told["amount"] == pytest.approx(saved)
    assert told["more"] == pytest.approx(saved - holders.earned.loc[BY_SAVING, "profit"])
    assert told["more"] > 0
    assert told["low"] < told["more"] < told["high"]
    assert told["sure"] == "which may be chance"


def test_days_too_small_for_a_whole_alert_are_told(payers, holders, nobody):
    size = holders.backtest.payments.day.value_counts()
    assert (np.rint(holders.desk.capacity * size) < 1).all()
    assert holders.caution("raised") == {"days": 28, "of": 28, "share": holders.desk.capacity}
    assert payers.caution("raised") is nobody.caution("raised") is None


def test_a_list_that_is_not_there_is_an_alert(nobody, holders):
    assert nobody.obstacle is None
    assert "no payment after those judged" in nobody.caution("no_list")["why"]
    assert holders.caution("no_list") is None
    assert len(holders.list_of_day)


def test_one_day_has_no_interval_of_no_width(nobody):
    figures = nobody.judged.listed
    assert figures.loc[figures["metric"] == "alerts_a_day", ["low", "high"]].isna().all(axis=None)
    right = nobody.list_quality
    assert right["low"] < right["value"] < right["high"]
    hit = nobody.backtest.payments.target[nobody.acted[BY_SAVING]]
    assert right["value"] == pytest.approx(hit.mean())


def test_level_and_slope_are_told_and_what_is_far_off_is_an_alert(nobody, payers):
    told, own = nobody.calibrated, nobody.judged
    assert told["observed"] == own.rows.target.sum()
    assert told["foretold"] == pytest.approx(own.probability["xgboost"].sum())
    assert told["observed"] > 1.5 * told["foretold"]
    assert nobody.caution("chances")["observed"] == told["observed"]
    assert payers.caution("chances") is None


def calibrated(slope: float, level: float, error: float = 0.05) -> pd.Series:
    ends = {"low": slope - error, "high": slope + error, "level_low": level - error, "level_high": level + error}
    return pd.Series({"value": slope, "level": level} | ends)


@pytest.mark.parametrize(
    ("slope", "level", "error", "wrong"),
    [(1, 0, 0.05, False), (52.91, 0, 5, True), (0.3, 0, 0.1, True), (-1, 0, 0.1, True), (1, np.log(3), 0.1, True),
     (1, -np.log(3), 0.1, True), (1, np.log(1.2), 0.01, False), (1, np.log(3), 2, False), (np.nan, np.nan, 1, False)],
)  # fmt: skip
def test_chances_are_no_rates_where_they_are_surely_and_far_off(slope, level, error, wrong):
    assert no_rates(calibrated(slope, level, error)) is wrong


def test_a_slope_of_fifty_is_no_evidence_that_chances_are_rates(payers):
    assert answer(payers, "mean what they say")["status"] == PRESENT
    anew = FraudStudy(payers.source, payers.event, payers.found, payers.plan, payers.newest)
    vars(anew).setdefault("_parts", {}).update(vars(payers)["_parts"])
    vars(anew)["_parts"].pop("validation")
    steep = payers.judged.deviations.copy()
    steep.loc[steep["metric"] == "slope", ["value", "low", "high"]] = 52.91, 40, 66
    vars(anew.judged)["deviations"], kept = steep, payers.judged.deviations
    told = answer(anew, "mean what they say")
    vars(anew.judged)["deviations"] = kept
    assert told["status"] == FAILS
    assert "52.91" in told["answer"]


def test_a_ranking_worse_than_by_lot_and_a_threshold_that_alerts_nothing_are_alerts(payers):
    anew = FraudStudy(payers.source, payers.event, payers.found, payers.plan, payers.newest)
    parts = vars(anew).setdefault("_parts", {})
    parts.update(vars(payers)["_parts"] | {"threshold": 1.1})
    turned = payers.judged.figures.copy()
    of_model = (turned["metric"] == "auc") & (turned["model"] == "xgboost")
    turned.loc[of_model, ["value", "low", "high"]] = 0.2, 0.1, 0.3
    vars(anew.judged)["figures"] = turned
    try:
        told = cautions(anew)
    finally:
        vars(anew.judged).pop("figures")
    assert told["reversed"] == {"value": 0.2, "low": 0.1, "high": 0.3}
    assert told["silent"]["threshold"] == 1.1
    assert told["silent"]["payments"] == (payers.backtest.block == payers.backtest.block.max()).sum()
    assert not {"reversed", "silent"} & set(cautions(payers))


def test_what_became_of_fraud_adds_up_by_every_kind(holders):
    own = holders.backtest.payments
    tried = own.amount[own.target == 1].sum() / own.day.nunique()
    assert holders.fates.groupby("by").sum().sum(axis=1).tolist() == pytest.approx(
        [tried] * len(holders.fates.index.unique("by"))
    )
    listed = (own.amount * own.target)[holders.acted[BY_SAVING]].sum() / own.day.nunique()
    assert holders.fates.groupby("by")["listed"].sum().iloc[0] == pytest.approx(listed)
    worst = holders.most_lost
    assert worst["lost"] == holders.fates["lost"].max()


def test_false_alarms_by_group_follow_from_columns_of_a_table(holders, payers):
    assert set(holders.burdens) == {"age band", "gender"}
    assert set(holders.burdens["gender"].index) == {"F", "M"}
    assert isinstance(payers.burdens, Lacking)
    assert answer(payers, "like terms")["status"] != PRESENT


def test_figures_of_a_panel_say_that_they_are_of_one(payers):
    assert payers.panel is None
    part = FraudStudy(payers.source, payers.event, payers.found, payers.plan, payers.newest)
    part.share = 0.25
    assert part.panel == {"share": 0.25}
