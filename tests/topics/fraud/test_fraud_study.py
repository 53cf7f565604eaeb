"""The study of fraud: what the page shows is what is handed on, and what cannot be made says why."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bankmine.bank.snapshot import open_source
from bankmine.lacking import Lacking
from bankmine.learning.blocks import Plan
from bankmine.study import validation
from bankmine.topics import fraud
from bankmine.topics.fraud import desk
from bankmine.topics.fraud.alerts import SIGNS
from bankmine.topics.fraud.backtest import CHOSEN
from bankmine.topics.fraud.fraud_study import FraudStudy
from bankmine.topics.fraud.stream_model import load

PLAN = Plan(train=60, delay=10, test=28, blocks=4, settled=21)


@pytest.fixture(scope="module")
def study(small_bank) -> FraudStudy:
    return fraud.of_bank(open_source(str(small_bank)).as_of("2025-12-31"), PLAN, days=240, compared=2)


@pytest.fixture(scope="module")
def model(study, tmp_path_factory):
    """The model as it is read from the file that is handed on."""
    file = tmp_path_factory.mktemp("out") / "fraud_model.json"
    file.write_text(study.handed_on["fraud_model.json"], "utf-8")
    return load(file)


def columns(predictors: pd.DataFrame) -> dict[str, np.ndarray]:
    plain = predictors.select_dtypes("category").astype(object)
    words = {name: values.where(values.notna(), None).to_numpy() for name, values in plain.items()}
    return {name: words.get(name, predictors[name].to_numpy()) for name in predictors}


def chance_by(model, predictors: pd.DataFrame) -> np.ndarray:
    return model.chance(model.rows(columns(predictors)))


def test_the_alerts_of_the_page_are_those_of_the_file(study):
    file = study.handed_on["fraud_alerts"].reset_index()
    today = file[file["day"] == study.day]
    assert study.to_look_at["alerts"] == len(today) > 0
    assert study.to_look_at["saving"] == pytest.approx(today["expected_saving"].sum())
    page = study.first(5)
    first = today.head(5)
    assert page.index.tolist() == first["rank"].tolist() == list(range(1, len(page) + 1))
    named = {"chance of fraud": "probability", "expected saving": "expected_saving"}
    for shown in ("amount", *named):
        assert page[shown].tolist() == first[named.get(shown, shown)].tolist()
    for told, row in zip(page["what to do, and why"], first.itertuples(), strict=True):
        assert told == f"{row.action}. Why: {'; '.join(row.reasons.split('; ')[:2])}"
    for told, row in zip(page["payment"], first.itertuples(), strict=True):
        assert told == f"{row.at:%H:%M} {row.channel}: {row.account} of {row.customer} to {row.paid_to}"
        assert row.paid_to == (row.merchant if pd.isna(row.counterparty) else row.counterparty)
    assert study.handed_on["fraud_today"].reset_index().equals(today.reset_index(drop=True))
    assert study.handed_on["fraud_today"].attrs["list"]  # as xlsx, too
    place = f"--source {study.source.source.folder} --as-of {study.source.as_of}"
    assert f"{place} -p customer={first['customer'].iloc[0]} --out portraits" in study.portrait["command"]
    assert file["reasons"].str.len().gt(5).mean() > 0.9
    assert file["action"].isin(study.desk.actions.values()).all()
    assert (file["probability"] >= file["worth_from"]).all()
    assert file["day"].min() > study.backtest.payments.day.max()


def test_the_file_of_the_model_gives_the_scores_and_the_threshold_of_the_page(study, model):
    np.testing.assert_allclose(chance_by(model, study.today.predictors), study.scores, rtol=1e-6)
    file = study.handed_on["fraud_alerts"]
    ids = study.found.beside["transaction_id"]
    rows = study.sample.predictors.loc[ids.index[ids.isin(file["transaction_id"])]]
    assert np.sort(chance_by(model, rows)) == pytest.approx(np.sort(file["probability"]), rel=1e-6)
    assert model.threshold == study.threshold == study.thresholds["threshold"].iloc[-1]


def test_the_figures_of_the_model_that_leaves_are_those_of_the_block_it_never_saw(study, model):
    last, tested = study.backtest.blocks[-1], study.backtest
    own = study.sample.at(last.test)
    np.testing.assert_allclose(chance_by(model, own.predictors), tested.probability[own.target.index], rtol=1e-6)
    assert pd.Timestamp(model.day) < last.start
    assert study.sample.day.iloc[last.train].max() < last.start - pd.Timedelta(days=PLAN.delay)
    alerted = tested.probability[own.target.index] >= model.threshold
    assert study.thresholds["alerts"].iloc[-1] == pytest.approx(alerted.groupby(own.day).sum().mean())
    value = study.judged.metric("value_held")["value"]
    frauds = tested.payments.amount.where(tested.payments.target == 1, 0.0)
    assert value == pytest.approx(frauds[study.acted["expected saving"]].sum() / frauds.sum())


def test_headlines_rank_as_the_list_does(study):
    listed, own = study.acted["expected saving"], study.backtest.payments
    assert study.judged.metric("alert_precision")["value"] == pytest.approx(own.target[listed].mean())
    assert study.judged.metric("alerts_a_day")["value"] == pytest.approx(listed.groupby(own.day).sum().mean())
    watched = study.validation.plan.set_index("metric").loc["Share of events among those the list put first"]
    newest = own.day > own.day.max() - pd.Timedelta(days=28)
    assert watched["now"] == pytest.approx(own.target[listed & newest].mean())
    assert watched["measured on"].endswith(f"from {own.day[newest].min():%Y-%m-%d} to {own.day.max():%Y-%m-%d}")
    assert listed.sum() / own.day.nunique() == pytest.approx(study.earned["actions"].iloc[0])
    assert study.saved["profit"] == pytest.approx(study.earned["profit"].iloc[0])
    assert study.list_quality["found"] == pytest.approx(listed[own.target == 1].mean())
    weeks = study.weeks[study.weeks.index >= own.day.min()]["profit"]
    assert (7 * weeks).sum() == pytest.approx(study.saved["profit"] * own.day.nunique())


def test_figures_of_the_headlines_are_of_the_last_blocks_and_a_validator_computes_them_again(study):
    file = study.handed_on["fraud_judged"].reset_index()
    assert file["block"].nunique() == len(study.weeks) / 4 == 4
    last = file[file["compared"]]
    assert sorted(last["block"].unique()) == [block.start for block in study.backtest.blocks]
    days, listed = last["day"].nunique(), last[last["alerted"]]
    assert listed["saved"].sum() / days == pytest.approx(study.saved["profit"])
    assert listed["outcome"].mean() == pytest.approx(study.judged.metric("alert_precision")["value"])
    by_rules = last.loc[last["rules"], "outcome"].mean()
    assert by_rules == pytest.approx(study.judged.metric("alert_precision", "rules")["value"])
    held = (last["amount"] * last["outcome"])[last["alerted"]].sum() / (last["amount"] * last["outcome"]).sum()
    assert held == pytest.approx(study.judged.metric("value_held")["value"])
    assert (file.loc[file["alerted"], "expected_saving"] > 0).all()
    terms = study.desk
    hoped = file["chance"] * (terms.lost * terms.stopped * file["amount"] + terms.friction)
    np.testing.assert_allclose(hoped - terms.review - terms.friction, file["expected_saving"], atol=1e-6)
    assert study.by_block.index.tolist()[-1] == study.saved["when"] == "the last 2 blocks"
    assert study.leaves["saved"] == study.by_block["saved a day"].iloc[-2]
    assert study.by_block["came"].iloc[-1] == f"{study.judged.rows.target.sum():,.0f}"
    assert study.by_block["frauds foretold"].iloc[-1] == f"{study.calibrated['foretold']:,.0f}"


def test_signs_are_handed_on_as_the_page_shows_them(study):
    file = study.handed_on["fraud_signs"]
    assert (file.index.name, list(file)) == ("week", list(SIGNS))
    assert file.index.equals(study.signs.weeks.index)
    assert len(file.select_dtypes(bool).columns) == len(SIGNS)
    for sign in SIGNS:
        assert file[sign].tolist() == study.signs.weeks[f"{sign}_alarm"].tolist()


def test_twins_lie_by_the_recipe_that_is_used_with_the_columns_of_their_mistake(study):
    found = study.lies["ap_claims"]
    assert found["honest"] == study.lies.loc["honest", "ap_delivers"]
    assert found["risk without delay"] != found["honest"]  # the recipe names its columns, the twin has more


def test_what_was_fitted_anew_stays_and_stands_beside(study):
    table = study.refit.table
    assert list(table) == ["in use", "fitted anew, stays"]
    assert table.loc["judged on a block"].tolist() == ["yes", "not yet"]
    assert int(table.loc["alerts", "in use"]) == study.to_look_at["alerts"]
    assert 0 < study.refit.agreement <= 1
    assert 0 <= study.refit.same_actions <= 1


def test_every_question_is_answered_and_facts_are_numbers_of_a_month(study):
    found = study.validation
    there = {validation.PRESENT, validation.FAILS}
    assert set(found.answered["status"]) - there == {validation.FOR_PEOPLE}
    assert set(found.assumptions["status"]) <= there
    assert not found.answered["answer"].str.contains("nan").any()
    assert np.isfinite(pd.Series(study.facts())).all()
    assert found.plan["now"].notna().all()
    events = found.plan["now"][found.plan["metric"].str.startswith("Events in a month")].item()
    own = study.backtest.payments
    assert events * own.day.nunique() / 30.4 == pytest.approx(own.target.sum())


def test_money_saved_and_value_reached_are_of_the_same_frauds(study):
    own, listed = study.backtest.payments, study.acted["expected saving"]
    frauds = own.amount[own.target == 1].sum()
    held = own.amount[listed & (own.target == 1)].sum()
    paid = study.desk.review * listed.sum() + study.desk.friction * (listed & (own.target == 0)).sum()
    assert study.reached["kept"] * frauds == pytest.approx(study.desk.lost * study.desk.stopped * held - paid)
    assert study.reached["kept"] < study.reached["value"] == study.judged.metric("value_saved")["value"]


def test_what_is_told_in_two_places_is_one_figure(study):
    table = study.refit.table
    drift = f"{study.drift['shifted']} of {study.drift['columns']}"
    assert table.loc["predictors that shifted since", "in use"] == drift
    late = (study.payments.known_on - study.payments.day).dt.days.median()
    assert study.late["median"] == late
    answers = "; ".join(study.validation.answered["answer"]) + "; ".join(study.validation.assumptions["found"])
    assert f"known within {late:.0f} days" in answers


def test_value_by_capacity_rises_to_all_of_it(study):
    judged = study.judged
    scores = judged.probability[[CHOSEN, "random"]]
    wide = desk.value_by_capacity(judged.payments, scores, 0.25).pivot_table(
        index="share", columns="model", values="value"
    )
    assert (wide.diff().dropna() >= 0).all(axis=None)
    assert wide.loc[1.0].tolist() == [pytest.approx(1.0)] * 2
    assert wide.loc[0.25, CHOSEN] > wide.loc[0.25, "random"]


def test_a_bank_with_nothing_to_learn_from_lacks_all_that_is_made_from_it(small_bank):
    few = fraud.of_bank(open_source(str(small_bank)).as_of("2025-12-31"), PLAN, days=40)
    assert "days of payments are needed" in few.obstacle["why"]
    for name in ("backtest", "judged", "to_look_at", "weeks_chart", "refit", "validation", "handed_on"):
        assert isinstance(getattr(few, name), Lacking), name
    assert isinstance(few.first(), Lacking)
    assert few.rate["frauds"] > 0


def listed_then(study, day: str, number: int = 50) -> tuple[pd.DataFrame, pd.Series]:
    """Return a list of an earlier day, the likeliest fifty of two weeks then, and which of them are fraud."""
    last = pd.Timestamp(day)
    tested = study.history
    own = tested.payments.day.between(last - pd.Timedelta(days=13), last)
    best = tested.probability[own].nlargest(number)
    ids = study.found.beside["transaction_id"][best.index]
    table = pd.DataFrame({"customer": study.sample.entity[best.index], "transaction_id": ids, "probability": best})
    table = table.assign(day=study.sample.day[best.index], as_of=last.date())
    return table, study.sample.target[best.index] == 1


def test_an_earlier_list_is_held_against_what_is_known_by_now(study, tmp_path):
    table, fraud_among = listed_then(study, "2025-11-01")
    table.to_parquet(tmp_path / "good.parquet", index=False)
    pd.concat([table, table]).to_parquet(tmp_path / "twice.parquet", index=False)
    found = {"2025-11-01": tmp_path / "good.parquet", "2025-11-02": tmp_path / "twice.parquet"}
    anew = FraudStudy(study.source, study.event, study.found, study.plan, study.newest)
    anew.find_lists = lambda file, source: found if file == "fraud_alerts.parquet" else {}
    told = anew.earlier_lists.headline
    assert (told["acted"], told["events"]) == (50, fraud_among.sum())
    assert told["share"] == pytest.approx(fraud_among.mean())
    assert told["low"] < told["share"] < told["high"]
    assert told["foretold"] == pytest.approx(table["probability"].sum())
    days = study.sample.day.between(table["day"].min(), table["day"].max())
    assert told["others"] == days.sum() - 50
    assert told["others_events"] == (study.sample.target[days] == 1).sum() - fraud_among.sum()
    assert told["event"] == "were fraud"
    assert "2025-11-02" in anew.earlier_lists.set_aside["which"]
    assert isinstance(study.earlier_lists, Lacking)


def test_the_list_is_told_with_its_false_alarms_and_by_capacity(study):
    own, listed = study.backtest.payments, study.acted["expected saving"]
    days, right = own.day.nunique(), own.target[listed].sum()
    told = study.list_quality
    assert told["right"] == pytest.approx(right / days)
    assert told["wrong"] == pytest.approx((listed.sum() - right) / days)
    assert told["right"] + told["wrong"] == pytest.approx(told["alerts"])
    at_capacity = study.hands.loc[study.desk.capacity]
    assert at_capacity["right"] == pytest.approx(right / listed.sum())
    assert at_capacity["right_low"] < at_capacity["right"] < at_capacity["right_high"]
    assert at_capacity["profit"] == pytest.approx(study.saved["profit"])


def test_what_is_not_judged_yet_is_counted(study):
    told, last = study.young, study.backtest.payments.day.max()
    assert pd.Timestamp(told["last"]) == last
    assert pd.Timestamp(told["first"]) == study.backtest.payments.day.min()
    assert told["younger"] == (study.sample.day > last).sum() == len(study.today)
    assert told["settled"] == PLAN.settled


def test_false_alarms_by_group_are_of_the_genuine_payments_judged(study):
    own, listed = study.backtest.payments, study.acted["expected saving"]
    people = study.source.customers.select("customer_id", "gender").to_pandas().set_index("customer_id")["gender"]
    genuine, gender = own.target == 0, own.entity.map(people)
    assert set(study.burdens) == {"age band", "gender"}
    told = study.burdens["gender"]
    for group in ("female", "male"):
        rows = genuine & (gender == group)
        assert told.loc[group, "payments"] == rows.sum()
        assert told.loc[group, "rate"] == pytest.approx(10_000 * listed[rows].mean())
    ages = study.burdens["age band"]
    for table, named in ((told, "male"), (ages, "35 to 44")):
        assert table.index[table["verdict"] == "reference"].tolist() == [named]
    assert ages["payments"].sum() <= genuine.sum()
    assert {"25 to 34", "65 and over"} <= set(ages.index)


def test_false_alarms_that_fall_unevenly_fail_the_test_of_fairness(study):
    anew = FraudStudy(study.source, study.event, study.found, study.plan, study.newest)
    for uneven, status in ((False, validation.PRESENT), (True, validation.FAILS)):
        kept = {k: v for k, v in vars(study)["_parts"].items() if k != "validation"}
        vars(anew)["_parts"] = kept | {"heaviest": study.heaviest | {"uneven": uneven}}
        found = anew.validation.answered
        assert found.loc[found["question"].str.contains("like terms"), "status"].tolist() == [status]
