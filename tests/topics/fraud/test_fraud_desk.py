"""What the desk gets and decides: cases worked by hand, the Handbook's card precision, capacity and money."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml
from fraud_payments import FIRST, payments
from hypothesis import given, settings
from hypothesis import strategies as st

from bankmine.deciding import costs as profit
from bankmine.deciding.policies import profit_of
from bankmine.errors import BankmineError
from bankmine.judging.reasons import load_reasons
from bankmine.learning.blocks import Plan, blocks
from bankmine.topics.fraud import alerts, backtest, desk
from bankmine.topics.fraud.desk import BY_AMOUNT, BY_LOT, BY_SAVING, UNLIMITED
from bankmine.topics.fraud.payments import Payments

_, OFTEN, _ = payments(days=60, rate=0.05)
SETTLED = OFTEN.of(OFTEN.target.index[OFTEN.target.notna()])


def some(rows: list[tuple[int, str, float, int, int | None]]) -> Payments:
    """Make payments of (day, account, amount, fraud, day on which it was known)."""
    day, account, amount, fraud, known = zip(*rows, strict=True)
    days = pd.Series(FIRST + pd.to_timedelta(day, unit="D"))
    moment = days + pd.to_timedelta(np.arange(len(rows)), unit="s")
    late = pd.Series([FIRST + pd.Timedelta(days=k) if k is not None else pd.NaT for k in known])
    whose = pd.Series(account)
    return Payments(pd.Series(fraud, dtype=float), pd.Series(amount), days, moment, whose, whose, late)


ATTACK = some(
    [(0, "a", 10.0, 1, 6), (1, "a", 20.0, 1, 6), (1, "a", 30.0, 1, 6), (3, "a", 40.0, 1, 6), (60, "a", 50.0, 1, 61),
     (2, "b", 100.0, 1, 4), (2, "c", 5.0, 0, None)]
)  # fmt: skip


def test_an_alert_saves_its_payment_and_those_of_later_days_of_the_same_attack():
    found = desk.saved(ATTACK, pd.Series([False, True, False, False, False, False, True]))
    assert found["held"].tolist() == [False, True, False, False, False, False]
    assert found["stopped"].tolist() == [False, False, False, True, False, False]
    waits = desk.episodes(found)
    assert waits["days"].tolist() == [1, 1, 2]
    assert waits["earlier"].tolist() == [5, 0, 0]


def test_shares_of_the_desk_by_hand():
    score = pd.DataFrame({"m": [0.0, 9, 0, 0, 0, 0, 8]})
    told = desk.list_figures(ATTACK, score, share=1e-9).set_index("metric")["value"]
    # one alert a day: on days 0, 3 and 60 the only payment, on day 1 the score of 9, on day 2 the genuine one
    assert told["alerts_a_day"] == 1
    assert told["alert_precision"] == pytest.approx(4 / 5)
    assert told["value_held"] == pytest.approx((10 + 20 + 40 + 50) / 250)
    assert told["value_saved"] == pytest.approx((10 + 20 + 30 + 40 + 50) / 250)
    assert told["frauds_found"] == pytest.approx(4 / 6)
    assert told["delay_days"] == pytest.approx(2 / 3)


@pytest.mark.slow
@settings(max_examples=20)
@given(st.integers(0, 1000), st.floats(0.001, 0.5))
def test_no_day_has_more_alerts_than_hands(seed, share):
    scores = pd.DataFrame({"s": np.random.default_rng(seed).integers(0, 4, len(SETTLED))}, SETTLED.target.index)
    looked = desk.within_capacity(scores, SETTLED.day, share)["s"]
    size = SETTLED.day.groupby(SETTLED.day).size()
    assert (looked.groupby(SETTLED.day).sum() == np.maximum(np.rint(share * size), 1)).all()
    for _, today in scores["s"].groupby(SETTLED.day):
        listed = looked[today.index]
        assert not today[~listed].gt(today[listed].min()).any()


def handbook_card_precision(rows: pd.DataFrame, k: int) -> list[float]:
    """Compute card precision@k as chapter 4 of the Fraud Detection Handbook describes it, each day by itself."""
    told = []
    for day in sorted(rows["day"].unique()):
        today = rows[rows["day"] == day]
        best = today.groupby("account")[["score", "target"]].max().sort_values("score", ascending=False).head(k)
        told.append(best["target"].sum() / k)
    return told


def test_card_precision_is_the_handbooks():
    rng, drawn, days = np.random.default_rng(0), {}, sorted(SETTLED.day.unique())
    drawn = {name: rng.random(len(SETTLED)) + weight * SETTLED.target for name, weight in (("a", 0.3), ("b", 0.1))}
    number = pd.DataFrame({"a": 10, "b": 5}, pd.DatetimeIndex(days))
    number.loc[days[3], "b"] = 0
    ours = desk.card_precision(SETTLED.target, pd.DataFrame(drawn), SETTLED.account, SETTLED.day, number)
    for name, score in drawn.items():
        told = {"day": SETTLED.day, "account": SETTLED.account, "score": score, "target": SETTLED.target}
        expected = handbook_card_precision(pd.DataFrame(told), number[name].iloc[0])
        asked = (number[name] > 0).to_numpy()
        assert ours.loc[asked, name].tolist() == pytest.approx(np.array(expected)[asked].tolist())
        assert ours.loc[~asked, name].isna().all()


def test_knowledge_is_better_than_chance_and_intervals_hold_the_figures():
    rng = np.random.default_rng(1)
    scores = pd.DataFrame(
        {"chance": rng.random(len(SETTLED)), "knows": SETTLED.target + 0.01 * rng.random(len(SETTLED))}
    )
    scores = scores.set_axis(SETTLED.target.index)
    told = pd.concat([desk.ranked_figures(SETTLED, scores), desk.list_figures(SETTLED, scores, 0.03)])
    assert (told["low"] <= told["value"] + 1e-9).all()
    assert (told["high"] >= told["value"] - 1e-9).all()
    wide = told.pivot_table(index="model", columns="metric", values="value")
    assert wide.loc["knows", "average_precision"] == pytest.approx(1)
    assert wide.loc["knows", "value_saved"] > 3 * wide.loc["chance", "value_saved"]
    assert wide.loc["knows", "delay_days"] < wide.loc["chance", "delay_days"]


def test_without_a_fraud_nothing_is_claimed():
    none = replace(SETTLED, target=SETTLED.target * 0, known_on=SETTLED.known_on.mask(SETTLED.known_on.notna()))
    scores = pd.DataFrame({"s": np.random.default_rng(0).random(len(none))}, none.target.index)
    told = pd.concat([desk.ranked_figures(none, scores), desk.list_figures(none, scores, 0.02)])
    told = told.set_index("metric")["value"]
    assert told[["average_precision", "value_held", "value_saved", "delay_days"]].isna().all()
    assert told["alert_precision"] == told["card_precision"] == 0


SAMPLE, BESIDE, KEYS = payments(days=120)
RULES = desk.load_desk("CNY")
BLOCK = blocks(SAMPLE, BESIDE.known_on, Plan(train=60, delay=7, test=14, blocks=1, settled=25))[0]


@pytest.fixture(scope="module")
def fitted() -> backtest.Fitted:
    return backtest.fit(SAMPLE, BLOCK, ["xgboost"])


@pytest.fixture(scope="module")
def judged(fitted) -> tuple:
    rows = SAMPLE.at(BLOCK.test)
    return rows, BESIDE.of(rows.target.index), fitted.scores(rows)["xgboost"].astype(float)


def earned(own: Payments, chosen: pd.DataFrame) -> pd.DataFrame:
    gain = profit.realised(own.target, desk.costs(own.amount, RULES))
    return profit_of(chosen, gain, own.entity, own.day)


def test_costs_of_the_four_outcomes_and_the_chance_that_breaks_even():
    amount = pd.Series([100.0, 1000.0])
    costs = desk.costs(amount, RULES)
    lost, kept = RULES.lost, RULES.lost * RULES.stopped
    assert costs.if_event.tolist() == pytest.approx([kept * 100 - RULES.review, kept * 1000 - RULES.review])
    assert costs.if_none.tolist() == [-(RULES.review + RULES.friction)] * 2
    assert costs.fn.tolist() == [lost * 100, lost * 1000]
    even = RULES.break_even(amount)
    assert profit.expected(even, costs).tolist() == pytest.approx([0, 0], abs=1e-9)
    assert even[1] < even[0]


def test_a_currency_without_a_section_counts_no_costs():
    rules = desk.load_desk("XYZ")
    assert (rules.currency, rules.counted) == ("default", False)
    assert rules.break_even(pd.Series([5.0])).tolist() == [0.0]
    for name in ("definition", "actions", "reference"):
        assert desk.load_desk(name).currency == "default"


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"review": -1}, "not be negative"), ({"lost": 0}, "parts, above 0"), ({"capacity": 2}, "capacity is a part"),
     ({"stopped": "x"}, "not a register"), ({"colour": 1}, "not a register")],
)  # fmt: skip
def test_wrong_rules_are_refused(tmp_path, changed, said):
    told = yaml.safe_load(desk.REGISTRY.read_text("utf-8"))
    told["CNY"] |= changed
    (tmp_path / "f.yml").write_text(yaml.safe_dump(told), "utf-8")
    with pytest.raises(BankmineError, match=said):
        desk.load_desk("CNY", tmp_path / "f.yml")
    (tmp_path / "g.yml").write_text("- 1", "utf-8")
    with pytest.raises(BankmineError, match="not a register"):
        desk.load_desk("CNY", tmp_path / "g.yml")


@pytest.mark.slow
def test_by_expected_saving_earns_most_and_never_looks_at_a_loss(judged):
    _, own, probability = judged
    rules = replace(RULES, capacity=0.05)
    chosen = desk.policies(own, probability, -own.amount, rules)
    gain = profit.expected(probability, desk.costs(own.amount, RULES))
    assert (gain[chosen[BY_SAVING]] > 0).all()
    assert not (chosen[BY_SAVING] & ~chosen[UNLIMITED]).any()
    assert chosen.drop(columns=UNLIMITED).groupby(own.day).sum().max().max() <= 4  # of up to 80 payments a day
    money = earned(own, chosen)
    # frauds are of large amounts here, so that the amount is no worse
    assert money["profit"].drop([UNLIMITED, BY_AMOUNT]).idxmax() == BY_SAVING
    assert money.loc[BY_SAVING, "profit"] > 0 > money.loc[BY_LOT, "profit"]
    table = desk.by_capacity(own, probability, RULES, (0.05, 0.2))
    assert table["actions"].is_monotonic_increasing
    assert table.index.tolist() == [0.005, 0.05, 0.2]


def test_a_threshold_of_the_block_before_gives_about_its_capacity(judged):
    _, own, probability = judged
    start = own.day.min()
    block = pd.Series(start, index=own.target.index)
    before = {start: probability.sample(frac=1, random_state=0)}
    table = desk.alerts_above(probability, block, before, own, 0.1).iloc[0]
    assert table["alerts"] == pytest.approx(table["capacity"], rel=0.05)
    assert table["threshold"] == np.quantile(probability, 0.9)
    assert 0 < table["days_over"] < 1
    assert desk.alerts_above(probability, block, {start: probability.head(0)}, own, 0.1).empty
    assert desk.threshold(probability.head(0), 0.1) == np.inf


def test_the_list_of_each_day_is_ordered_by_what_it_is_expected_to_save(judged):
    _, own, probability = judged
    listed = alerts.list_of_alerts(own, probability, KEYS, RULES)
    assert listed.groupby("day")["rank"].apply(lambda r: list(r) == list(range(1, len(r) + 1))).all()
    assert (listed["probability"] >= listed["worth_from"]).all()
    gain = profit.expected(probability, desk.costs(own.amount, RULES))
    pd.testing.assert_series_equal(listed["expected_saving"], gain[listed.index], check_names=False)
    assert {"transaction_id", "account", "customer", "at", "amount", "merchant"} <= set(listed)


def test_what_is_caught_and_missed_adds_up_in_every_part(judged):
    _, own, probability = judged
    alerted = probability.rank(ascending=False) <= 60
    table = alerts.caught_by(own, alerted, KEYS.loc[own.target.index, ["kind"]].assign(gap=None))
    assert table.groupby("by")[["payments", "alerts", "frauds"]].sum().drop_duplicates().shape[0] == 1
    assert table.groupby("by")["lost"].sum().max() == pytest.approx(table.groupby("by")["lost"].sum().min())
    assert set(table["by"]) == {"kind", "gap", "amount_band"}
    assert table.loc[table["by"] == "gap", "kind"].tolist() == ["not known"]
    known = table[table["frauds"] > 0]
    assert ((known["low"] <= known["found"] + 1e-9) & (known["found"] <= known["high"] + 1e-9)).all()


def test_every_feature_of_payments_has_words():
    dictionary = load_reasons(alerts.REASONS)
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
    assert np.isnan(desk.alerts_above(probability, block, {own.day.min(): probability}, own, 0.1)["value"]).all()
    table = alerts.caught_by(own, probability > 0.1, KEYS.loc[own.target.index, ["kind"]])
    assert table["found"].isna().all()
    assert (table["lost"] == 0).all()
    chosen = desk.policies(own, probability, own.amount, RULES)
    assert (earned(own, chosen)["profit"] <= 0).all()
