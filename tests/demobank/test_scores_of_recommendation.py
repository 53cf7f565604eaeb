"""Scores of recommendations on a bank of another seed: they pass with what was planted, and fail with another truth."""

from __future__ import annotations

import pytest
from scored import handed_on

from bankmine.topics import recommendation as topic
from demobank.scoreboard.recommendation import of_tables

pytestmark = pytest.mark.seeds
NAMES = ("recommendation_rules", "recommendation_order", "recommendation_chances")


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    return handed_on(topic, NAMES, tmp_path_factory.mktemp("recommendation"), customers=3000)


def failed(truth, snapshot, tables) -> set[str]:
    return {s.planted for s in of_tables(truth, snapshot, *tables) if not s.passed}


def test_what_was_planted_is_recovered(scored):
    assert failed(*scored) == set()


def test_a_pair_that_is_not_found_and_one_that_is_none_fail(scored):
    truth, snapshot, (rules, *others) = scored
    without = rules[~(rules["antecedent"].eq("insurance") | rules["consequent"].eq("insurance"))]
    assert "mortgage and insurance go together" in failed(truth, snapshot, [without, *others])
    null = rules.head(1).assign(antecedent="credit_card", consequent="term_deposit", found=True)
    more = rules.iloc[0:0].merge(null, how="right")
    assert "cards and term deposits do not" in failed(truth, snapshot, [more, *others])


def test_another_order_and_chances_of_others_fail(scored):
    truth, snapshot, (rules, order, chances) = scored
    turned = order.rename(columns={"first": "then", "then": "first"})
    assert "savings before term deposits and funds" in failed(truth, snapshot, [rules, turned, chances])
    mixed = chances.assign(chance=chances["chance"].sample(frac=1, random_state=0).to_numpy())
    assert len(failed(truth, snapshot, [rules, order, mixed])) >= 3
    twice = chances.assign(chance=(2 * chances["chance"]).clip(upper=1))
    assert "products taken, of all customers" in failed(truth, snapshot, [rules, order, twice])
