"""Rules: what is planted is found, what only seems so is not, and what is no rule is told apart."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest
from mlxtend.frequent_patterns import apriori

from bankmine.lacking import Lacking
from bankmine.topics.recommendation.rules import Rules

SPLIT, AS_OF = datetime.date(2024, 12, 31), datetime.date(2025, 12, 31)


def share(score: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-score))


def products(customers: int = 4000, seed: int = 0) -> tuple[pd.DataFrame, pd.Series]:
    """Make what customers take: insurance leans on a mortgage; card and deposit, both common among the old, do not.

    All have an account; a fund and a robot each need savings; a chequebook comes with its own pen.
    """
    rng = np.random.default_rng(seed)
    old = rng.integers(0, 3, customers)

    def taken(score: object) -> np.ndarray:
        day = rng.integers(0, 3 * 365, customers).astype(float)
        return np.where(rng.random(customers) < share(np.asarray(score, float)), day, np.nan)

    account, mortgage, savings = np.zeros(customers), taken(-1 + 0 * old), taken(0.5 + 0 * old)
    insurance = taken(-1.5 + 1.6 * ~np.isnan(mortgage))
    insurance = np.where(
        np.isnan(mortgage), insurance, np.maximum(insurance, mortgage + rng.integers(1, 200, customers))
    )
    card, deposit = taken(-2 + 1.2 * old), taken(-2 + 1.2 * old)
    fund, robot = (np.where(np.isnan(savings), np.nan, savings + 1 + taken(-0.5 + 0 * old) // 10) for _ in range(2))
    cheques = taken(-1.5 + 0 * old)
    wide = pd.DataFrame({
        "account": account, "mortgage": mortgage, "insurance": insurance, "savings": savings, "fund": fund,
        "robot": robot, "card": card, "deposit": deposit, "cheques": cheques, "pen": cheques,
    }, [f"C{i:05}" for i in range(customers)])  # fmt: skip
    long = wide.rename_axis("customer_id").melt(var_name="item", value_name="day", ignore_index=False).dropna()
    long["day"] = pd.Timestamp("2023-01-01") + pd.to_timedelta(long["day"], "D")
    return long.reset_index(), pd.Series(old, wide.index)


@pytest.fixture(scope="module")
def rules() -> Rules:
    return Rules(*products(), SPLIT, AS_OF, 10)


def pair(rules: Rules, *items: str) -> pd.Series:
    own = rules.tested.apply(lambda row: {*row["antecedent"].split(" and "), row["consequent"]} == set(items), axis=1)
    return rules.tested[own].iloc[0]


def test_the_planted_pair_is_found_and_held_a_year_later(rules):
    found = pair(rules, "mortgage", "insurance")
    assert found["found"]
    assert found["held"]
    assert found["antecedent"] == "mortgage"
    assert found["first"] > 0.99  # insurance was taken after the mortgage
    assert rules.tested.iloc[0].equals(found)
    assert found["took_with"] > 2 * found["took_without"]


def test_figures_of_a_rule_are_those_of_the_table(rules):
    taken, _ = products()
    early = taken[taken["day"] <= pd.Timestamp(SPLIT)]
    who = {item: set(own) for item, own in early.groupby("item")["customer_id"]}
    found = pair(rules, "mortgage", "insurance")
    both = len(who["mortgage"] & who["insurance"])
    assert found["customers"] == both
    assert found["support"] == both / 4000
    assert found["confidence"] == both / len(who["mortgage"])
    assert found["lift"] == pytest.approx(both / len(who["mortgage"]) / (len(who["insurance"]) / 4000))


def test_a_pair_of_the_same_kind_of_customers_is_crude_only(rules):
    found = pair(rules, "card", "deposit")
    assert found["crude"]
    assert found["lift_low"] > 1.1
    assert not found["found"]
    assert found["odds_low"] < 1 < found["odds_high"]
    assert rules.counts["confounded"] >= 1
    told = rules.table.reset_index()
    told = told[[{a, b} == {"card", "deposit"} for a, b in zip(told["who has had"], told["has had"], strict=True)]]
    assert told["holds among alike"].tolist() == ["not shown"]


def test_without_strata_it_would_be_found():
    taken, strata = products()
    blind = Rules(taken, strata * 0, SPLIT, AS_OF, 10)
    assert pair(blind, "card", "deposit")["found"]


def test_what_is_no_rule_is_told_apart(rules):
    assert rules.trivial == {"account": 1.0}
    assert sorted(rules.needs) == [("fund", "savings"), ("robot", "savings")]
    assert rules.bundles == ["cheques with pen"]
    said = rules.set_apart
    for words in ("everybody has account (100%)", "fund is hardly ever had without savings", "cheques with pen"):
        assert words in said
    items = set(rules.tested["consequent"]) | {i for own in rules.tested["antecedent"] for i in own.split(" and ")}
    assert "account" not in items
    assert "pen" not in items
    assert not any({"fund", "savings"} <= own for own in rules.sets["itemsets"])


def test_apriori_finds_the_same_sets(rules):
    same = apriori(rules.had, (rules._fewest - 0.5) / len(rules.had), use_colnames=True, max_len=3)
    same = {own: support for own, support in zip(same["itemsets"], same["support"], strict=True) if len(own) > 1}
    mine = dict(zip(rules.sets["itemsets"], rules.sets["support"], strict=True))
    assert len(mine) > 10
    assert mine == {own: support for own, support in same.items() if not ("savings" in own and own & {"fund", "robot"})}


def test_of_many_sets_the_most_frequent_are_tested(rules, monkeypatch):
    monkeypatch.setattr("bankmine.judging.association._SETS", 6)
    some = Rules(*products(), SPLIT, AS_OF, 10).sets
    assert some["itemsets"].tolist() == rules.sets["itemsets"].head(len(some)).tolist()
    assert 4 <= len(some) <= 6


def test_items_that_need_the_same_one_are_compared_among_those_who_have_it(rules):
    found = pair(rules, "fund", "robot")
    assert found["crude"]
    assert not found["found"]
    assert found["odds_low"] < 1 < found["odds_high"]


def test_the_one_that_mostly_came_last_follows_whatever_its_name():
    taken, strata = products()
    taken["item"] = taken["item"].replace({"insurance": "zeta"})
    assert pair(Rules(taken, strata, SPLIT, AS_OF, 10), "mortgage", "zeta")["consequent"] == "zeta"


def test_what_holds_of_all_and_turns_round_within_strata_is_not_found():
    rng = np.random.default_rng(0)
    stratum = rng.integers(0, 2, 6000)
    first = rng.random(6000) < np.array([0.1, 0.9])[stratum]
    second = rng.random(6000) < np.array([0.1, 0.9])[stratum] - 0.08 * first
    who, what = np.column_stack([first, second]).nonzero()
    taken = pd.DataFrame({"customer_id": who, "item": np.array(["a", "b"])[what], "day": pd.Timestamp("2024-03-01")})
    taken["day"] += pd.to_timedelta(rng.integers(0, 200, len(taken)), "D")
    found = Rules(taken, pd.Series(stratum), SPLIT, AS_OF, 10).tested.iloc[0]
    assert found["crude"]
    assert found["p"] < 0.001
    assert found["odds_high"] < 1
    assert not found["found"]


def test_of_unrelated_items_no_rule_is_found():
    rng = np.random.default_rng(3)
    had = rng.random((3000, 26)) < 0.3
    who, what = had.nonzero()
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 365, len(who)), "D")
    taken = pd.DataFrame({"customer_id": who, "item": [f"i{n}" for n in what], "day": day})
    rules = Rules(taken, pd.Series(0, range(3000)), SPLIT, AS_OF, 10)
    assert rules.counts["tested"] > 200
    assert (rules.tested["odds_low"] > 1).sum() > 3
    assert rules.counts["found"] == 0
    assert "no two items go together" in rules.strongest.why


def test_the_time_after_ends_with_what_is_known():
    taken, strata = products()
    early, late = (Rules(taken, strata, SPLIT, day, 10) for day in (datetime.date(2025, 3, 31), AS_OF))
    assert early.ahead == 90
    assert pair(early, "card", "deposit")["took_without"] < pair(late, "card", "deposit")["took_without"] / 2


def test_what_came_after_the_day_changes_no_rule_but_whether_it_held(rules):
    taken, strata = products()
    early = taken[taken["day"] <= pd.Timestamp(SPLIT)]
    other = Rules(early, strata, SPLIT, AS_OF, 10)
    after = ["again", "again_low", "again_high", "took_with", "took_without", "held"]
    pd.testing.assert_frame_equal(other.tested.drop(columns=after), rules.tested.drop(columns=after))
    assert not other.tested["held"].any()


def test_a_third_item_that_adds_nothing_makes_no_rule(rules):
    triple = pair(rules, "mortgage", "insurance", "savings")
    assert triple["crude"]
    assert not triple["found"]


def test_shares_of_too_few_customers_are_not_told():
    taken, strata = products(400)
    rows = Rules(taken, strata, SPLIT, AS_OF, 40).tested
    assert rows["customers"].min() >= 40
    assert rows["took_with"].isna().all()


def test_a_rule_to_which_there_are_too_few_exceptions_is_not_told():
    rng = np.random.default_rng(0)
    had = rng.random((1000, 3)) < [0.3, 0.5, 0.4]
    had[:, 0] &= had[:, 1] | (had.cumsum(axis=0)[:, 0] <= 15)  # some of the first 15 have the one without the other
    who, what = had.nonzero()
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 365, len(who)), "D")
    taken = pd.DataFrame({"customer_id": who, "item": np.array(list("abc"))[what], "day": day})
    exceptions = int((had[:, 0] & ~had[:, 1]).sum())
    assert 2 < exceptions < 16
    told = {smallest: Rules(taken, pd.Series(0, range(1000)), SPLIT, AS_OF, smallest).sets["itemsets"].tolist()
            for smallest in (exceptions, exceptions + 1)}  # fmt: skip
    assert frozenset("ab") in told[exceptions]
    assert frozenset("ab") not in told[exceptions + 1]


def test_facts_are_words_and_numbers(rules):
    first = next(iter(rules.strongest.values()))
    assert first["antecedent"] == "mortgage"
    assert first["later"] == "which held again in the time after"
    assert rules.counts["tested"] == len(rules.tested)
    assert rules.counts["ahead"] == 365
    assert rules.handed.index.name == "antecedent"
    assert not rules.handed.dtypes.eq("category").any()
    assert len(rules.chart.get_yticklabels()) == 10


def test_hostile_names_stay_text():
    rng, names = np.random.default_rng(0), ["<b>x</b>", "=1+1"]
    who = np.repeat(np.arange(300), 2)
    keep = rng.random(600) < 0.5
    taken = pd.DataFrame({"customer_id": who, "item": np.tile(names, 300), "day": pd.Timestamp("2024-03-01")})[keep]
    taken["day"] += pd.to_timedelta(rng.integers(0, 200, len(taken)), "D")
    found = Rules(taken, pd.Series(0, range(300)), SPLIT, AS_OF, 10)
    assert set(found.tested.iloc[0][["antecedent", "consequent"]]) == set(names)


@pytest.mark.parametrize("items", [0, 1])
def test_too_few_items(items):
    rows = pd.DataFrame({"customer_id": range(30 * items), "item": "a", "day": pd.Timestamp("2024-03-01")})
    found = Rules(rows, pd.Series(0, range(100)), SPLIT, AS_OF, 10)
    assert isinstance(found.tested, Lacking)
    assert "fewer than two items" in found.counts.why
