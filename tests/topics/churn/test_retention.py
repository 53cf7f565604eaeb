"""Retention: the rules, what a call earns by hand, whom the watchlist names, and what if calls work less often."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
import yaml
from empulse.metrics import mpc_score
from hypothesis import given, settings
from hypothesis import strategies as st

from bankmine.bank.snapshot import open_source
from bankmine.deciding import costs as profit
from bankmine.errors import BankmineError
from bankmine.features import value as margin
from bankmine.features import value as value_tiers
from bankmine.features.consent import ALLOWED, NOT_ALLOWED, contact_allowed, may_contact
from bankmine.features.spine import spine_of
from bankmine.judging.reasons import load_reasons, spoken
from bankmine.topics.churn import calls as lists
from bankmine.topics.churn import retention

RULES = retention.load_rules("CNY")
TIERS = list(value_tiers.TIERS)


def plain_rules(**changes) -> retention.RetentionRules:
    """Rules with round numbers: 60 kept of 200, value 1,000 for a margin of 500, calls of 10 and incentives of 50."""
    channel = retention.Channel("call", "call", 10.0, 50.0, 60.0, 140.0)
    told = {
        "owner": "o", "definition": "d", "currency": "CNY", "horizon": 2.0, "discount": 0.0,
        "channels": {"call": channel}, "actions": {"other": "listen", "price": "look at fees"},
        "tiers": {t: retention.TierRule(t, "call", 0.5) for t in TIERS},
    }  # fmt: skip
    return retention.RetentionRules(**{**told, **changes})


def listed_by(probability, worth, tier, rules, contact, reasons=None, answered=None) -> pd.DataFrame:
    """The list with whatever is not given left empty."""
    reasons = pd.Series(dtype=object) if reasons is None else reasons
    answered = pd.DataFrame(columns=["theme", "line"], dtype=object) if answered is None else answered
    return lists.listed(probability, worth, tier, rules, contact, reasons, answered)


def tiers_of(listed: pd.DataFrame, rules) -> pd.DataFrame:
    return lists.Calls(listed, rules, pd.Timestamp("2026-01-30"), "CNY", 1).tiers


def random_customers(seed: int, size: int = 80) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Probability to leave, yearly margin and tier of some customers."""
    rng = np.random.default_rng(seed)
    index = pd.Index([f"C{i:03}" for i in rng.permutation(size)])
    worth = pd.Series(rng.lognormal(6, 1.5, size) - 200, index)
    return pd.Series(rng.beta(1, 8, size), index), worth, value_tiers.tiers(worth)


def test_a_call_earns_what_the_paper_says():
    rules = plain_rules()
    worth = retention.value(pd.Series({"a": 500.0, "b": 0.0, "c": -80.0, "d": np.nan}), rules)
    assert worth.tolist() == [1000, 0, 0, 0]
    costs = retention.costs(worth, pd.Series("core", worth.index), rules)
    assert costs.if_event["a"] == pytest.approx(0.3 * (1000 - 50) - 10)
    assert costs.if_none.tolist() == [-60] * 4
    assert costs.if_event["b"] == pytest.approx(0.3 * -50 - 10)
    even = 60 / (275 + 60)
    assert profit.expected(pd.Series({"a": even}), costs.at(pd.Index(["a"])))["a"] == pytest.approx(0)


def test_with_one_value_for_all_the_most_profit_is_the_library_s():
    rng = np.random.default_rng(0)
    target = pd.Series((rng.random(400) < 0.2).astype(float))
    score = pd.Series(np.clip(0.3 * target + 0.7 * rng.random(400), 0, 1))
    worth, tier = pd.Series(1000.0, target.index), pd.Series("core", target.index)
    found = retention.retention_metrics(target, pd.DataFrame({"m": score}), worth, tier, plain_rules())
    same = mpc_score(target, score, accept_rate=0.3, clv=1000, incentive_cost=50, contact_cost=10)
    # theirs may draw lots between two thresholds (convex hull), ours may not
    assert found.loc["m", "max_profit"] == pytest.approx(same, rel=0.02)
    assert found.loc["m", "max_profit"] <= same + 1e-9
    assert found.loc["m", "empc"] > 0


def test_later_margins_count_less():
    margins = pd.Series({"a": 100.0})
    assert retention.value(margins, plain_rules(horizon=3, discount=0.1))["a"] == pytest.approx(
        90.909 + 82.645 + 75.131, abs=0.01
    )
    assert retention.value(margins, plain_rules(horizon=0))["a"] == 0


@pytest.mark.slow
@settings(max_examples=20)
@given(st.integers(0, 10_000), st.floats(0, 1))
def test_nobody_is_called_at_a_loss_without_leave_or_beyond_capacity(seed, capacity):
    probability, worth, tier = random_customers(seed)
    rules = plain_rules(tiers={t: retention.TierRule(t, "call", capacity) for t in TIERS})
    may = pd.Series(
        np.where(np.random.default_rng(seed).random(80) < 0.7, ALLOWED, "no contact allowed: x"), tier.index
    )
    listed = listed_by(probability, worth, tier, rules, may)
    assert sorted(listed.index) == sorted(probability.index)
    called = listed[listed["called"]]
    assert (called["expected_profit"] > 0).all()
    assert called["contact"].eq(ALLOWED).all()
    table = tiers_of(listed, rules)
    assert (table["called"] <= table["capacity"]).all()
    assert (table["called"] == np.minimum(table["capacity"], table["worth_calling"])).all()
    assert table["called"].sum() == len(called)
    assert not listed["called"].to_numpy()[len(called) :].any()


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_by_expected_profit_expects_more_than_any_other_way_within_the_same_capacity(seed):
    probability, margins, tier = random_customers(seed)
    worth = retention.value(margins, RULES)
    expected = profit.expected(probability, retention.costs(worth, tier, RULES))
    acted = lists.called(probability, worth, tier, RULES, pd.Series(0, tier.index)).astype(float)
    gains = acted.mul(expected, axis=0).sum()
    assert gains.idxmax() == lists.BY_PROFIT or gains.eq(gains.max()).loc[lists.BY_PROFIT]
    assert acted[lists.BY_RISK].sum() == pytest.approx(acted[lists.BY_LOT].sum())
    assert acted[lists.BY_PROFIT].sum() <= acted[lists.BY_RISK].sum()


def test_the_list_says_why_and_what_to_say():
    tier = pd.Series(["core", "core", "basic", None], list("abcd"))
    listed = listed_by(
        pd.Series([0.9, 0.8, 0.7, 0.9], list("abcd")),
        pd.Series(5000.0, list("abcd")),
        tier,
        plain_rules(),
        contact=pd.Series({"a": ALLOWED, "b": "no contact allowed: no consent to offers", "c": ALLOWED}),
        reasons=pd.Series({"a": '<b>fees</b>, "rates"'}),
        answered=pd.DataFrame(
            {"theme": ["price", "price", "a theme that nobody wrote an action for"], "line": ["fees", "fees", "else"]},
            index=["a", "b", "c"],
        ),
    )
    assert listed.loc["a", ["called", "action", "reasons"]].tolist() == [True, "look at fees", '<b>fees</b>, "rates"']
    assert listed.loc["a", "because"] == "fees"
    assert listed.loc["b", ["called", "action"]].tolist() == [False, NOT_ALLOWED]
    assert listed.loc["b", "because"] == "no contact allowed: no consent to offers"
    assert listed.loc["c", ["action", "because"]].tolist() == ["listen", lists.GENERAL]
    assert not listed.loc["d", "called"]
    assert listed.index[0] == "a"
    assert tiers_of(listed, plain_rules()).loc["core", "not_allowed"] == 1


@pytest.mark.parametrize("column", ["debts", "debts_mean_90d"])
def test_reasons_tell_what_is_owed_without_a_minus(column):
    debts = pd.Series([-1503.4, -503.2, 0.0])
    said = spoken(column, debts, load_reasons())
    assert said.say(-503.2, -1503.4) == "owes 503 (typical 1,503)"
    assert said.say(-1503.4, 0.0) == "owes 1,503 (typical 0)"
    assert said.say(np.nan, 0.0) == "debts not known"


def test_consent_is_needed_where_the_source_records_it():
    customers = pd.DataFrame(
        {"marketing_consent": [True, False, None, True], "profiling_consent": [True, True, False, None]},
        index=list("abcd"),
    )
    said = contact_allowed(customers, ())
    assert said["a"] == ALLOWED
    assert said["b"] == "no contact allowed: no consent to offers"
    assert said["c"] == "no contact allowed: no consent to offers and personal treatment"
    assert said["d"] == "no contact allowed: no consent to personal treatment"
    assert (contact_allowed(customers[[]], {"customers.region"}) == ALLOWED).all()


def test_nobody_may_be_contacted_where_who_agreed_is_hidden():
    customers = pd.DataFrame({"marketing_consent": [True, False]}, index=list("ab"))
    said = contact_allowed(customers, {"customers.profiling_consent"})
    assert set(said) == {"no contact allowed: who agreed to personal treatment is hidden here"}
    assert may_contact(said.to_frame()).empty


def test_break_even_is_where_profit_is_zero_and_belief_decides_how_likely_that_is():
    target = pd.Series([1.0, 0, 0, 0, np.nan] * 200)
    worth, tier, rules = pd.Series(1000.0, target.index), pd.Series("core", target.index), plain_rules()
    called, whose = pd.Series(True, target.index), target.index.to_series()
    table = retention.break_even(target, called, worth, tier, rules, whose)
    # to each leaver, 950 s - 10, three stayers: -180
    assert table.loc["core", "break_even"] == pytest.approx(190 / 950)
    assert table.loc["all", "profit"] == pytest.approx(200 * (0.3 * 950 - 190))
    assert table.loc["all", ["calls", "leavers"]].tolist() == [800, 200]
    assert table.loc["core", "chance"] > 0.99
    assert table.loc["premium", ["calls", "profit"]].tolist() == [0, 0]
    assert np.isnan(table.loc["premium", "chance"])
    unsure = plain_rules(channels={"call": retention.Channel("call", "call", 10, 50, 0.6, 1.4)})
    wide = retention.break_even(target, called, worth, tier, unsure, whose)
    assert wide.loc["core", "chance"] < 0.7
    assert wide.loc["all", "profit"] == pytest.approx(200 * (0.6 / 2 * 950 - 190))
    of_both, of_customers = (found.loc["all", "high"] - found.loc["all", "low"] for found in (wide, table))
    assert of_both > 1.5 * of_customers > 0
    nobody = retention.break_even(target * 0, called, worth, tier, rules, whose).loc["all"]
    assert nobody["profit"] == pytest.approx(200 * -240)
    assert nobody[["break_even", "chance"]].isna().all()


def test_of_few_leavers_it_is_not_told_from_which_success_on_calls_pay():
    target = pd.Series([1.0, 0] * 5 + [1.0, 0] * 4)
    tier = pd.Series(["core"] * 10 + ["basic"] * 8)
    month = pd.Series(np.arange(18) % 3)  # a round has fewer than five leavers, all of them together have not
    called, worth = pd.Series(True, target.index), pd.Series(1000.0, target.index)
    table = retention.break_even(target, called, worth, tier, plain_rules(), tier.index.to_series(), month)
    assert table.loc["core", "leavers"] == pytest.approx(5 / 3)
    assert table.loc[["core", "all"], ["break_even", "chance"]].notna().all(axis=None)
    assert table.loc["basic", ["break_even", "chance"]].isna().all()
    assert table.loc["basic", "profit"] > 0


def test_profit_rises_with_success_and_crosses_zero_at_break_even():
    rng = np.random.default_rng(1)
    target = pd.Series((rng.random(300) < 0.3).astype(float))
    worth, tier, whose = pd.Series(800.0, target.index), pd.Series("core", target.index), pd.Series(target.index // 3)
    called = pd.Series(rng.random(300) < 0.5)
    curve = retention.sensitivity(target, called, worth, tier, plain_rules(), whose)
    even = retention.break_even(target, called, worth, tier, plain_rules(), whose).loc["all", "break_even"]
    assert curve["profit"].is_monotonic_increasing
    assert np.interp(even, curve["success"], curve["profit"]) == pytest.approx(0, abs=1e-6)
    assert ((curve["low"] <= curve["profit"]) & (curve["profit"] <= curve["high"])).all()


@pytest.mark.parametrize("currency", ["CNY", "CZK", "EUR", ""])
def test_every_currency_has_rules_for_every_tier_or_takes_the_default(currency):
    rules = retention.load_rules(currency)
    assert rules.currency == (currency if currency in ("CNY", "CZK") else "default")
    terms = rules.terms(pd.Series(TIERS))
    assert terms.notna().all().all()
    assert terms["success"].between(0.05, 0.5).all()
    assert (rules.currency == "default") == (terms["contact"].eq(0).all())


def test_a_tier_that_there_are_no_rules_for_is_not_called():
    worth, tier = pd.Series({"a": 1e6}), pd.Series({"a": "diamond"})
    assert not lists.called(pd.Series({"a": 0.9}), worth, tier, RULES, pd.Series({"a": 0}))[lists.BY_PROFIT].any()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t["CNY"].pop("tiers"), "'tiers'"),
        (lambda t: t["CNY"]["tiers"].pop(), "the tiers must be premium"),
        (lambda t: t["CNY"]["tiers"][0].update(channel="pigeon"), "names a channel"),
        (lambda t: t["CNY"]["tiers"][0].update(capacity=20), "from 0 to 1"),
        (lambda t: t["CNY"]["channels"][0].update(contact=-1), "must not be negative"),
        (lambda t: t["CNY"]["channels"][0].update(contact="dear"), "not a register"),
        (lambda t: t["CNY"]["channels"][0].update(kept=0), "above zero"),
        (lambda t: t["actions"].pop(), "lack 'other'"),
        (lambda t: t["CNY"].update(budget=3), "budget"),
        (lambda t: t.pop("default"), "default"),
    ],
)
def test_rules_that_make_no_sense_are_refused(change, told, tmp_path):
    register = yaml.safe_load(retention.REGISTRY.read_text("utf-8"))
    change(register)
    file = tmp_path / "retention.yml"
    file.write_text(yaml.safe_dump(register, allow_unicode=True), "utf-8")
    with pytest.raises(BankmineError, match=told):
        retention.load_rules("XXX" if told == "default" else "CNY", file)


def test_a_list_of_a_bank_without_consents_or_cheap_channels(datasets):
    snapshot = open_source("berka").as_of(dt.date(1994, 1, 31))
    paid = margin.margin(snapshot, spine_of(snapshot)).to_pandas().set_index("customer_id")["margin"].astype(float)
    rules = retention.load_rules(snapshot.source.currency)
    may = contact_allowed(snapshot.customers.to_pandas().set_index("customer_id"), snapshot.unseen)
    probability = pd.Series(np.linspace(0.5, 0, len(paid)), paid.index)
    listed = listed_by(probability, paid, value_tiers.tiers(paid), rules, may)
    assert rules.currency == "CZK"
    assert (listed["contact"] == ALLOWED).all()
    assert 0 < listed["called"].sum() <= tiers_of(listed, rules)["capacity"].sum()


def test_tiers_of_which_too_few_customers_were_called_stand_with_a_neighbour_and_nothing_is_lost():
    tier = pd.Series(["basic"] * 12 + ["core"] * 9 + ["preferred"] * 3)
    target, called = pd.Series([1.0, 0, 0] * 8), pd.Series(True, tier.index)
    worth, rules, whose = pd.Series(1000.0, tier.index), plain_rules(), tier.index.to_series()
    apart, together = (retention.break_even(target, called, worth, tier, rules, whose, smallest=n) for n in (1, 5))
    assert together.index.tolist() == ["premium", "preferred or core", "basic", "all"]
    assert together.loc["preferred or core", "calls"] == 12
    assert together.loc["preferred or core", "profit"] == pytest.approx(
        apart.loc[["preferred", "core"], "profit"].sum()
    )
    pd.testing.assert_frame_equal(together.loc[["basic", "all"]], apart.loc[["basic", "all"]])
    # three customers in nine rows are three
    again = retention.break_even(
        target, called, worth, tier, rules, whose.where(tier != "basic", whose % 3), smallest=5
    )
    assert again.index.tolist() == ["premium", "preferred or core or basic", "all"]
