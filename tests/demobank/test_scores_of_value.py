"""Scores of value on a bank of another seed: they pass with the truth that was planted, and fail with a false one."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from bankmine.bank.sources import find_source
from bankmine.topics import value as topic
from demobank import generate
from demobank.scoreboard.truth import Truth
from demobank.scoreboard.value import of_tables

pytestmark = pytest.mark.seeds


@pytest.fixture(scope="module")
def scored(tmp_path_factory) -> tuple[Truth, list[pd.DataFrame]]:
    bank = generate(tmp_path_factory.mktemp("value") / "bank", customers=3000, months=36, seed=11)
    told = topic.study(str(bank), "2025-12-31").handed_on
    return Truth(find_source(str(bank))), [
        told[f"value_{name}"].reset_index() for name in ("buyers", "parameters", "totals")
    ]


def failed(truth: object, tables: list[pd.DataFrame]) -> set[str]:
    return {s.recovered for s in of_tables(truth, *tables) if not s.passed}


def with_people(truth: Truth, **changed: object) -> SimpleNamespace:
    people = truth.table("customers").assign(**changed)
    return SimpleNamespace(table=lambda name: people)


def test_what_was_planted_is_recovered(scored):
    assert failed(*scored) == set()


def test_customers_who_buy_twice_as_often_fail_the_rate(scored):
    truth, tables = scored
    twice = with_people(truth, purchases_per_day=lambda t: t["purchases_per_day"] * 2)
    assert failed(twice, tables) == {"mean rate, as a multiple"}


def test_customers_in_another_order_fail_it(scored):
    truth, tables = scored
    mixed = with_people(truth, purchases_per_day=lambda t: np.random.default_rng(0).permutation(t["purchases_per_day"]))
    assert "rank correlation of the rate while alive" in failed(mixed, tables)


def test_those_who_never_left_fail_what_tells_who_has(scored):
    truth, tables = scored
    left = pd.Timestamp("2024-06-30").date()
    some = with_people(truth, left_on=lambda t: t["left_on"].where(t.index % 2 == 0, left))
    assert {
        "mean chance that a purchase is the last", "chance to buy again: how far it sets apart who has left"
    } <= failed(some, tables)  # fmt: skip


def test_a_total_that_did_not_come_fails(scored):
    truth, (buyers, parameters, totals) = scored
    assert failed(truth, [buyers, parameters, totals.assign(came=totals["came"] * 2)]) == {
        "what came, as a multiple of what was foretold"
    }
