"""The register of values, and why worth rose and fell."""

from __future__ import annotations

import pandas as pd
import pytest

from bankmine.errors import BankmineError
from bankmine.topics.value import changes, worth


@pytest.mark.parametrize("currency", ["CNY", "CZK", "EUR"])
def test_the_register_is_complete_and_owned(currency):
    rules = worth.load_rules(currency)
    assert rules.owner
    assert 0 < rules.discount < 1
    assert rules.at_risk > 0


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("default: {owner: o, discount: 0.1, acquisition: 1.0}", "not a register of values.*at_risk"),
        (
            "default: {owner: o, discount: 0.1, acquisition: 1.0, list_owner: r, at_risk: 5, cost: 3}",
            "not a register of values.*cost",
        ),
        (
            "default: {owner: o, discount: -0.1, acquisition: 1.0, list_owner: r, at_risk: 5}",
            "-0.1 must be a number from 0",
        ),
        (
            "default: {owner: o, discount: .nan, acquisition: 1.0, list_owner: r, at_risk: 5}",
            "nan is too large a number for a register, or none",
        ),
        (
            "default: {owner: o, discount: 0.1, acquisition: true, list_owner: r, at_risk: 5}",
            "True must be a number from 0",
        ),
        (
            "default: {owner: o, discount: 0.1, acquisition: 1.0, list_owner: r, at_risk: 2.5}",
            "at_risk counts customers, and 2.5 is no whole number",
        ),
        ("default: {owner: o, discount: ten, acquisition: 1.0, list_owner: r, at_risk: 5}", "not a register of values"),
        (
            "CZK: {owner: o, discount: 0.1, acquisition: 1.0, list_owner: r, at_risk: 5}",
            "not a register of values.*default",
        ),
        ("default: 5", "not a register of values"),
        ("- default", "value.yml"),
        ("", "value.yml"),
        ("default: {owner: [", "value.yml"),
    ],
)
def test_a_broken_register_is_told_in_one_line(tmp_path, content, told):
    file = tmp_path / "value.yml"
    file.write_text(content)
    with pytest.raises(BankmineError, match=told) as refused:
        worth.load_rules("CNY", file)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("moved", "change", "why"),
    [
        ([900.0, 500.0, 0.0, -50.0], 1350.0, "deposits earn 900 more and credit earns 500 more a year"),
        ([900.0, 400.0, 0.0, 0.0], 1300.0, "deposits earn 900 more a year"),
        ([-100.0, 0.0, -1200.0, -700.0], -2000.0,
         "purchases are expected to earn 1,200 less and fees less costs bring 700 less a year"),
        ([-300.0, 250.0, 0.0, 0.0], -50.0, "deposits earn 300 less a year"),
        ([50.0, 0.0, 0.0, 0.0], -80.0, "how long its accounts are expected to last, and what is left of them"),
    ],
)  # fmt: skip
def test_why_worth_moved_names_the_largest_part_and_one_that_is_nearly_as_large(moved, change, why):
    parts = pd.DataFrame([moved], ["a"], list(changes._MOVED))
    assert changes._why(parts, pd.Series([change], ["a"]))["a"] == why
