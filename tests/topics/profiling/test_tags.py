"""The tag registry and what becomes of tags."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from bank_fixtures import write_parquet
from random_bank import random_bank

from bankmine.bank.snapshot import open_source
from bankmine.errors import BankmineError
from bankmine.features.customers import features
from bankmine.topics.profiling import tags


def tag(rule: str, id: str = "some") -> tags.Tag:
    return tags.Tag(id, "Some", "某", "rule", "what it means", rule, "retail", "monthly", "ordinary")


@pytest.mark.slow
def test_every_registered_tag_is_complete_and_can_be_assigned(tmp_path):
    snapshot = open_source(str(write_parquet(random_bank(), tmp_path))).as_of("2025-06-30")
    customers = features(snapshot).to_pandas().set_index("customer_id")
    register = tags.load_tags()
    held = tags.assign(register, customers)
    assert list(held.columns) == [t.id for t in register]
    assert all(vars(t)[field] for t in register for field in vars(t))
    assert {t.kind for t in register} <= {"fact", "rule"}
    assert {t.privacy for t in register} <= {"ordinary", "sensitive"}
    assert any("一" <= c <= "鿿" for t in register for c in t.name_zh)


def test_a_rule_holds_where_it_is_true_and_nowhere_else():
    customers = pd.DataFrame({"deposits": [1.0, 5.0, np.nan], "products": [1, 3, 3]}, index=list("abc"))
    rules = [tag("deposits > 2 and products >= 3"), tag("deposits >= quantile(deposits, 0.5)", "upper")]
    held = tags.assign(rules, customers)
    assert held["some"].tolist() == [False, True, False]
    assert held["upper"].tolist() == [False, True, False]


def test_a_tag_that_lacks_a_feature_is_not_available_and_has_no_numbers():
    customers = pd.DataFrame({"deposits": [1.0, 5.0]}, index=list("ab"))
    rules = [tag("deposits > 2"), tag("logins_30d > 3", "web")]
    held = tags.assign(rules, customers)
    assert list(held.columns) == ["some"]
    table = tags.coverage(rules, held, held)
    assert table["customers"].isna().tolist() == [False, True]


def test_steadiness_counts_only_customers_known_on_both_days():
    now = pd.DataFrame({"some": [True, True, False, True, True]}, index=list("abcdf"))
    before = pd.DataFrame({"some": [True, False, True, True, False]}, index=list("abcef"))
    (row,) = tags.coverage([tag("x > 0")], now, before).to_dict("records")
    assert (row["customers"], row["share"]) == (4, 0.8)
    assert (row["kept"], row["agreement"]) == (1 / 2, 1 / 4)


def test_outcomes_count_those_that_are_known_and_small_groups_are_left_out():
    index = [str(i) for i in range(100)]
    held = pd.DataFrame({"some": [i < 40 for i in range(100)], "few": [i < 5 for i in range(100)]}, index=index)
    outcome = pd.Series([i < 10 for i in range(100)], index=index).astype(object).where([i < 90 for i in range(100)])
    (row,) = tags.outcome_by_tag([tag("x"), tag("y", "few")], held, outcome).to_dict("records")
    assert (row["holders"], row["rate"]) == (40, 0.25)
    assert row["low"] < 0.25 < row["high"]


def test_the_wilson_interval_is_that_of_the_textbook():
    low, high = tags.wilson(10, 100)
    assert (round(low, 4), round(high, 4)) == (0.0552, 0.1744)  # Newcombe (1998), method 3 without correction
    assert tags.wilson(0, 20)[0] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("rule", ["deposits >", "deposits + 'a' > 2", "deposits.nothing() > 1"])
def test_a_rule_that_cannot_be_computed_names_its_tag(rule):
    customers = pd.DataFrame({"deposits": [1.0], "a": [1], "nothing": [1]})
    with pytest.raises(BankmineError, match="Tag some"):
        tags.assign([tag(rule)], customers)


@pytest.mark.parametrize(
    ("content", "told"), [("- id: a\n", "is not a list of tags"), ("- {id: a, colour: red}\n", "is not a list of tags")]
)
def test_a_broken_registry_is_told_in_one_line(tmp_path, content, told):
    file = tmp_path / "tags.yml"
    file.write_text(content)
    with pytest.raises(BankmineError, match=told):
        tags.load_tags(file)


def test_an_id_may_come_only_once(tmp_path):
    file = tmp_path / "tags.yml"
    entry = "{id: a, name: A, name_zh: 甲, kind: rule, definition: d, rule: x > 0, owner: o, refresh: r, privacy: p}"
    file.write_text(f"- {entry}\n- {entry}\n")
    with pytest.raises(BankmineError, match="the id a comes twice"):
        tags.load_tags(file)
