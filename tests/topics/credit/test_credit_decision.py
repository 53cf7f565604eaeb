"""The decision on credit: money by hand, cut-offs by brute force, tiers by risk alone, and swap sets that add up."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from bankmine.errors import BankmineError
from bankmine.topics.credit import lending as credit_tiers
from bankmine.topics.credit import lending as decision
from bankmine.topics.credit import lending as swap_set
from bankmine.topics.credit.rules import REGISTRY, load_credit_rules

RULES = load_credit_rules("CNY")


def loans(*rows: tuple[str, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["product", "amount", "term_months"]).assign(rate=np.nan)


def applicants(seed: int = 0, size: int = 800) -> tuple[pd.DataFrame, pd.Series, pd.Series, pd.Series]:
    """Applications, their true chance to go bad, the outcome of those of them that were granted, and whose they are."""
    rng = np.random.default_rng(seed)
    beside = pd.DataFrame({
        "product": rng.choice(["credit_card", "personal_loan", "mortgage"], size, p=[0.3, 0.6, 0.1]),
        "amount": rng.lognormal(10, 0.7, size).round(-2) + 500, "term_months": rng.choice([12.0, 24.0, 60.0], size),
    }, index=rng.permutation(size)).assign(rate=np.nan)  # fmt: skip
    beside["term_months"] = beside["term_months"].where(beside["product"] != "credit_card")
    p = pd.Series(expit(rng.normal(-2.8, 1.2, size)), beside.index)
    bad = pd.Series((rng.random(size) < p).astype(float), beside.index).where(rng.random(size) < 0.7)
    return beside, p, bad, pd.Series(rng.integers(0, size // 2, size), beside.index)


def test_a_loan_earns_what_a_calculator_says():
    beside = loans(("personal_loan", 24_000, 24), ("credit_card", 10_000, np.nan), ("personal_loan", 6_000, 6))
    costs = decision.loan_costs(beside, RULES)
    months = [(24 - m) / 24 for m in range(12)]  # owed in each of the first twelve months, repaid in equal parts
    assert costs.fp[0] == pytest.approx(24_000 * (0.085 - 0.025) * sum(months) / 12 - 120)
    assert costs.fp[1] == pytest.approx(10_000 * 0.55 * (0.15 - 0.025) - 120)
    assert costs.fp[2] == pytest.approx(6_000 * 0.06 * sum((6 - m) / 6 for m in range(6)) / 12 - 120)
    assert costs.fn[0] == pytest.approx(24_000 * 0.9 * 0.55 + 120)
    p = pd.Series([0.1, 0.0, 1.0])
    hoped = decision.granting(p, costs)
    assert hoped[0] == pytest.approx(0.9 * costs.fp[0] - 0.1 * costs.fn[0])
    assert hoped[1] == pytest.approx(costs.fp[1])
    assert hoped[2] == pytest.approx(-costs.fn[2])
    earned = decision.granted(pd.Series([0.0, 1.0, np.nan]), costs)
    assert earned[:2].tolist() == pytest.approx([costs.fp[0], -costs.fn[1]])
    assert np.isnan(earned[2])


def test_an_agreed_rate_goes_before_the_list_price():
    beside = loans(("personal_loan", 24_000, 24), ("personal_loan", 24_000, 24)).assign(rate=[np.nan, 0.2])
    costs = decision.loan_costs(beside, RULES)
    assert costs.fp[1] > costs.fp[0]
    with pytest.raises(BankmineError, match="no product 'fund'"):
        decision.loan_costs(loans(("fund", 1, 1)), RULES)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_the_cut_off_earns_at_least_what_any_other_does(seed):
    beside, p, _, _ = applicants(seed, 60)
    p = p.round(2)  # with ties
    costs = decision.loan_costs(beside, RULES)
    hoped, cut = decision.granting(p, costs), decision.cut_off(p, costs)
    best = max([0.0, *(hoped[p <= level].sum() for level in p.unique())])
    earned = hoped[p <= cut].sum() if cut else 0.0
    assert earned == pytest.approx(best)
    assert hoped[hoped > 0].sum() >= best - 1e-6


def test_nobody_is_granted_where_all_go_bad():
    beside, p, _, _ = applicants()
    assert decision.cut_off(p * 0 + 1, decision.loan_costs(beside, RULES)) == 0


def test_the_trade_off_goes_from_few_and_good_to_all():
    beside, p, bad, entity = applicants()
    costs = decision.loan_costs(beside, RULES)
    table = decision.trade_off(bad, p, costs, entity)
    assert table["approval"].is_monotonic_increasing
    assert table["expected_bad_rate"].is_monotonic_increasing
    last = table.iloc[-1]
    assert last["approval"] == 1
    assert last["known"] == bad.notna().sum()
    assert last["bad_rate"] == pytest.approx(bad.mean())
    assert last["profit"] == pytest.approx(decision.granted(bad, costs).sum(), rel=1e-4)
    assert last["expected_profit"] == pytest.approx(decision.granting(p, costs).sum())
    assert (table["low"] <= table["bad_rate"] + 1e-12).all()
    assert (table["profit_low"] < table["profit_high"]).all()


def test_metrics_of_the_literature_rank_the_better_model_first():
    beside, p, bad, _ = applicants(size=4000)
    noise = pd.Series(np.random.default_rng(1).permutation(p), p.index)
    table = decision.credit_metrics(bad, pd.DataFrame({"good": p, "noise": noise}), decision.loan_costs(beside, RULES))
    assert (
        table.loc["good", ["empcs", "max_profit", "savings"]] > table.loc["noise", ["empcs", "max_profit", "savings"]]
    ).all()
    assert decision.credit_metrics(bad * 0, p.to_frame("one"), decision.loan_costs(beside, RULES)).isna().all(axis=None)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_offers_never_lose_money_and_know_risk_and_product_only(seed, with_income):
    beside, p, _, _ = applicants(seed, 120)
    income = pd.Series(np.random.default_rng(seed).lognormal(8, 1, len(p)), p.index) if with_income else None
    found = credit_tiers.offers(p, beside, RULES, income)
    yes = found["why"] == ""
    assert (found.loc[yes, "expected_profit"] > 0).all()
    assert (found.loc[yes, "limit"] <= beside.loc[yes, "amount"]).all()
    assert (found.loc[yes, "price"] <= RULES.highest_rate).all()
    assert (found.loc[yes, "price"] >= RULES.terms(beside["product"])["rate"][yes] - 1e-9).all()
    assert (found["decision"] == np.where(yes, "grant", "refuse")).all()
    assert ((found["tier"] == credit_tiers.REFUSED) == ~yes).all()
    assert found.loc[~yes, "expected_profit"].eq(0).all()
    assert found.loc[~yes, ["limit", "price"]].isna().all(axis=None)
    assert found.loc[yes, "limit"].gt(0).all()
    key = [found["tier"].astype(str), beside["product"], beside["term_months"].fillna(0)]
    assert (found.loc[yes, "price"].groupby([k[yes] for k in key]).nunique() <= 1).all()
    few = p.index[: len(p) // 3]  # what one is offered does not depend on who else applies
    alone = credit_tiers.offers(p[few], beside.loc[few], RULES, None if income is None else income[few])
    pd.testing.assert_frame_equal(alone, found.loc[few])


def test_a_riskier_tier_pays_more_and_gets_less():
    p = pd.Series([0.01, 0.03, 0.07, 0.12, 0.5])
    beside = loans(*[("personal_loan", 40_000, 24)] * 5)
    found = credit_tiers.offers(p, beside, RULES, pd.Series([3000.0] * 5))
    assert found["tier"].astype(str).tolist() == ["A", "B", "C", "D", credit_tiers.REFUSED]
    assert found["price"][:4].is_monotonic_increasing
    assert found["limit"].tolist()[:4] == [40_000, 40_000, 32_000, 18_000]
    assert np.isnan(found["limit"].iloc[4])
    assert found["why"].tolist() == ["", "", "", "", "risk above the cut-off"]
    assert credit_tiers.tier_of(pd.Series([0.02, 0.0200001]), RULES).astype(str).tolist() == ["A", "B"]


def test_tiers_are_summed_up():
    beside, p, bad, entity = applicants()
    found = credit_tiers.offers(p, beside, RULES)
    table = credit_tiers.tier_table(found, p, bad, entity)
    assert table["applicants"].sum() == len(p)
    assert table["known"].sum() == bad.notna().sum()
    assert table["expected_profit"].sum() == pytest.approx(found["expected_profit"].sum())
    assert table["expected_bad_rate"].iloc[:4].is_monotonic_increasing
    assert np.isnan(table.loc[credit_tiers.REFUSED, "price"])


def test_a_person_decides_on_who_is_out_of_scope():
    p = pd.Series([0.01, 0.01, 0.5])
    beside = loans(*[("personal_loan", 40_000, 24)] * 3)
    strange = pd.Series(["", "out of scope: applied through app", "out of scope: applied through app"])
    found = credit_tiers.offers(p, beside, RULES, strange=strange)
    assert found["decision"].tolist() == ["grant", "a person decides", "a person decides"]
    assert found["tier"].astype(str).tolist() == ["A", "a person decides", "a person decides"]
    assert found["why"].tolist() == strange.tolist()
    assert found["limit"].isna().tolist() == [False, True, True]


def test_tiers_of_nothing_known():
    beside, p, bad, entity = applicants()
    found = credit_tiers.offers(p, beside, RULES)
    unknown = credit_tiers.tier_table(found, p, bad * np.nan, entity)
    assert unknown[["bad_rate", "low", "high"]].isna().all(axis=None)


def test_the_swap_set_parts_everyone_and_its_money_adds_up():
    beside, p, bad, entity = applicants(size=3000)
    costs = decision.loan_costs(beside, RULES)
    blurred = expit(np.log(p / (1 - p)) + np.random.default_rng(1).normal(0, 1.5, len(p)))
    both = pd.DataFrame({"scorecard": blurred, "挑战者": p})
    table = swap_set.swap_set(bad, both, costs, entity, 0.6)
    assert table["applicants"].sum() == 3000
    assert table.loc["only scorecard", "applicants"] == table.loc["only 挑战者", "applicants"] > 100
    assert table.loc["only scorecard", "bad_rate"] > table.loc["only 挑战者", "bad_rate"]
    assert table["profit"].sum() == pytest.approx(decision.granted(bad, costs).sum(), rel=1e-3)
    money = swap_set.gain(bad, both, costs, entity, 0.6)
    assert money.loc["挑战者", "behind"] == pytest.approx(
        table.loc["only scorecard", "profit"] - table.loc["only 挑战者", "profit"], rel=1e-3
    )
    assert money.loc["挑战者", "behind_high"] < 0  # the truth earns more than what is blurred


def test_a_model_swaps_nobody_with_itself():
    beside, p, bad, entity = applicants()
    costs = decision.loan_costs(beside, RULES)
    table = swap_set.swap_set(bad, pd.DataFrame({"a": p, "b": p}), costs, entity, 0.5)
    assert table.loc[["only a", "only b"], "applicants"].tolist() == [0, 0]
    assert table.loc[["only a", "only b"], ["bad_rate", "low", "high"]].isna().all(axis=None)
    assert swap_set.gain(bad, pd.DataFrame({"a": p, "b": p}), costs, entity, 0.5).loc["b", "behind"] == 0
    assert swap_set.approves(pd.DataFrame({"a": p * 0}), 0.25)["a"].sum() == 200


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("lgd: 0.55", "lgd: 5.5", "are parts"), ("up_to: 0.04", "up_to: 0.01", "tiers rise"),
        ("id: mortgage", "id: yacht", "products are"), ("granting: 120", "granting: -1", "granting must not"),
        ("typical: 30000", "typical: 0", "typical must be"), ("granting: 120", "granting: much", "not a register"),
        ("share: 1.0, incomes: 24", "share: 1.0", "tiers"), ("months: 12", "month: 12", "not a register"),
    ],
)  # fmt: skip
def test_rules_that_make_no_sense_are_refused(tmp_path, old, new, message):
    file = tmp_path / "credit.yml"
    file.write_text(REGISTRY.read_text("utf-8").replace(old, new), "utf-8")
    with pytest.raises(BankmineError, match=message):
        load_credit_rules("CNY", file)


def test_an_unknown_currency_takes_the_default():
    rules = load_credit_rules("XXX")
    assert rules.currency == "default"
    assert rules.granting == 0
