"""The desk's decision: thresholds and money worked by hand, capacity, the list of a day and what it catches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml
from fraud_payments import payments

from bankmine.deciding import costs as profit
from bankmine.errors import BankmineError
from bankmine.judging.reason_dictionary import load_reasons
from bankmine.learning.blocks import Plan, blocks
from bankmine.topics.fraud import alerts as fraud_alerts
from bankmine.topics.fraud import backtest
from bankmine.topics.fraud import desk as fraud_decision
from bankmine.topics.fraud.desk import BY_LOT, BY_SAVING, UNLIMITED

SAMPLE, BESIDE, KEYS = payments(days=120)
RULES = fraud_decision.load_desk("CNY")
BLOCK = blocks(SAMPLE, BESIDE.known_on, Plan(train=60, delay=7, test=14, blocks=1, settled=25))[0]


@pytest.fixture(scope="module")
def fitted() -> backtest.Fitted:
    return backtest.fit(SAMPLE, BLOCK, ["xgboost"])


@pytest.fixture(scope="module")
def judged(fitted) -> tuple:
    rows = SAMPLE.at(BLOCK.test)
    return rows, BESIDE.of(rows.target.index), fitted.scores(rows)["xgboost"].astype(float)


def test_costs_of_the_four_outcomes_and_the_chance_that_breaks_even():
    amount = pd.Series([100.0, 1000.0])
    costs = fraud_decision.costs(amount, RULES)
    lost, kept = RULES.lost, RULES.lost * RULES.stopped
    assert costs.if_event.tolist() == pytest.approx([kept * 100 - RULES.review, kept * 1000 - RULES.review])
    assert costs.if_none.tolist() == [-(RULES.review + RULES.friction)] * 2
    assert costs.fn.tolist() == [lost * 100, lost * 1000]
    even = RULES.break_even(amount)
    assert profit.expected(even, costs).tolist() == pytest.approx([0, 0], abs=1e-9)
    assert even[1] < even[0]


def test_a_currency_without_a_section_counts_no_costs():
    rules = fraud_decision.load_desk("XYZ")
    assert (rules.currency, rules.counted) == ("default", False)
    assert rules.break_even(pd.Series([5.0])).tolist() == [0.0]
    for name in ("definition", "actions"):
        assert fraud_decision.load_desk(name).currency == "default"


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"review": -1}, "not be negative"), ({"lost": 0}, "parts, above 0"), ({"capacity": 2}, "capacity is a part"),
     ({"stopped": "x"}, "not a register"), ({"colour": 1}, "not a register")],
)  # fmt: skip
def test_wrong_rules_are_refused(tmp_path, changed, said):
    told = yaml.safe_load(fraud_decision.REGISTRY.read_text("utf-8"))
    told["CNY"] |= changed
    (tmp_path / "f.yml").write_text(yaml.safe_dump(told), "utf-8")
    with pytest.raises(BankmineError, match=said):
        fraud_decision.load_desk("CNY", tmp_path / "f.yml")
    (tmp_path / "g.yml").write_text("- 1", "utf-8")
    with pytest.raises(BankmineError, match="not a register"):
        fraud_decision.load_desk("CNY", tmp_path / "g.yml")


def test_by_expected_saving_earns_most_and_never_looks_at_a_loss(judged):
    _, own, probability = judged
    scores, rules = pd.DataFrame({"rules": -own.amount}), replace(RULES, capacity=0.05)
    chosen = fraud_decision.policies(own, probability, scores, rules)
    gain = profit.expected(probability, fraud_decision.costs(own.amount, RULES))
    assert (gain[chosen[BY_SAVING]] > 0).all()
    assert not (chosen[BY_SAVING] & ~chosen[UNLIMITED]).any()
    assert chosen.drop(columns=UNLIMITED).groupby(own.day).sum().max().max() <= 4  # of up to 80 payments a day
    money = fraud_decision.earned(own, chosen, rules)
    assert money["profit"].drop(UNLIMITED).idxmax() == BY_SAVING
    assert money.loc[BY_SAVING, "profit"] > 0 > money.loc[BY_LOT, "profit"]
    table = fraud_decision.by_capacity(own, probability, RULES, (0.05, 0.2))
    assert table["actions"].is_monotonic_increasing
    assert table.index.tolist() == [0.005, 0.05, 0.2]


def test_a_threshold_of_the_block_before_gives_about_its_capacity(judged):
    _, own, probability = judged
    start = own.day.min()
    block = pd.Series(start, index=own.target.index)
    before = {start: probability.sample(frac=1, random_state=0)}
    table = fraud_decision.kept_to(probability, block, before, own, 0.1).iloc[0]
    assert table["alerts"] == pytest.approx(table["capacity"], rel=0.05)
    assert table["threshold"] == np.quantile(probability, 0.9)
    assert 0 < table["days_over"] < 1
    assert fraud_decision.kept_to(probability, block, {start: probability.head(0)}, own, 0.1).empty
    assert fraud_decision.threshold(probability.head(0), 0.1) == np.inf


def test_the_list_of_a_day_has_reasons_actions_and_goes_into_parquet(judged, fitted, tmp_path):
    rows, own, probability = judged
    wide = fitted.widened(rows.predictors)
    saving = fraud_alerts.looked_at(own, probability, RULES)
    listed = fraud_alerts.alert_list(own, probability, saving, KEYS, RULES)
    assert listed.groupby("day")["rank"].apply(lambda r: list(r) == list(range(1, len(r) + 1))).all()
    assert (listed["probability"] >= listed["worth_from"]).all()
    rules = pd.Series("", index=listed.index)
    told = fraud_alerts.with_reasons(listed, fitted.models["xgboost"], wide, RULES, rules)
    assert told["reasons"].str.len().gt(5).mean() > 0.9
    assert told["action"].isin(RULES.actions.values()).all()
    assert set(told["theme"].dropna()) <= {"device", "amount", "kind"} | {t for t in told["theme"] if "other" in str(t)}
    told.to_parquet(tmp_path / "alerts.parquet")
    again = pd.read_parquet(tmp_path / "alerts.parquet")
    pd.testing.assert_frame_equal(again, told)
    assert {"transaction_id", "account", "customer", "at", "amount", "expected_saving"} <= set(again)


def test_what_is_caught_and_missed_adds_up_in_every_part(judged):
    _, own, probability = judged
    alerted = probability.rank(ascending=False) <= 60
    table = fraud_alerts.caught_by(own, alerted, KEYS.loc[own.target.index, ["kind"]].assign(gap=None))
    assert table.groupby("by")[["payments", "alerts", "frauds"]].sum().drop_duplicates().shape[0] == 1
    assert table.groupby("by")["lost"].sum().max() == pytest.approx(table.groupby("by")["lost"].sum().min())
    assert set(table["by"]) == {"kind", "gap", "amount_band"}
    assert table.loc[table["by"] == "gap", "kind"].tolist() == ["not known"]
    known = table[table["frauds"] > 0]
    assert ((known["low"] <= known["found"] + 1e-9) & (known["found"] <= known["high"] + 1e-9)).all()


def test_every_feature_of_payments_has_words():
    dictionary = load_reasons(fraud_alerts.REASONS)
    assert set(RULES.actions) - {"other"} <= set(dictionary.themes)
    names = ["amount", "new_payee", "merchant_risk_7d", "customer_log_amount_z_30d", "device_mean_amount_30d",
             "hours_since_account_transaction", "customer_counterparty_known_days", "impossible_travel"]  # fmt: skip
    for name in names:
        reason = next(r for r in dictionary.reasons if r.match(name) is not None)
        assert "mean" not in "".join((reason.match(name) or {}).values())


def test_a_block_without_a_fraud_is_no_crash(judged):
    _, own, probability = judged
    own = replace(own, target=own.target * 0)
    block = pd.Series(own.day.min(), index=own.target.index)
    assert np.isnan(fraud_decision.kept_to(probability, block, {own.day.min(): probability}, own, 0.1)["value"]).all()
    table = fraud_alerts.caught_by(own, probability > 0.1, KEYS.loc[own.target.index, ["kind"]])
    assert table["found"].isna().all()
    assert (table["lost"] == 0).all()
    chosen = fraud_decision.policies(own, probability, pd.DataFrame({"rules": own.amount}), RULES)
    assert (fraud_decision.earned(own, chosen, RULES)["profit"] <= 0).all()
