"""The register of values, worth added up, and how unsteady a bank's margin is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bankmine.errors import BankmineError
from bankmine.topics.value import worth


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
        ("default: {owner: o, discount: 0.1, acquisition: 1.0, at_risk: 5, cost: 3}", "not a register of values.*cost"),
        ("default: {owner: o, discount: -0.1, acquisition: 1.0, at_risk: 5}", "-0.1 must be a number from 0"),
        (
            "default: {owner: o, discount: .nan, acquisition: 1.0, at_risk: 5}",
            "nan is too large a number for a register, or none",
        ),
        ("default: {owner: o, discount: 0.1, acquisition: true, at_risk: 5}", "True must be a number from 0"),
        (
            "default: {owner: o, discount: 0.1, acquisition: 1.0, at_risk: 2.5}",
            "at_risk counts customers, and 2.5 is no whole number",
        ),
        ("default: {owner: o, discount: ten, acquisition: 1.0, at_risk: 5}", "not a register of values"),
        ("CZK: {owner: o, discount: 0.1, acquisition: 1.0, at_risk: 5}", "not a register of values.*default"),
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


def test_a_total_is_as_unsteady_as_its_months_were():
    """A random walk drawn often: the year after the last twelve months lies within two errors of their mean."""
    rng, months = np.random.default_rng(0), pd.period_range("2023-01", periods=48, freq="M")
    off, said = [], []
    for _ in range(300):
        level = np.exp(rng.normal(0, 0.03, 48).cumsum()) * 1000 * months.days_in_month
        walk = pd.Series(level, months)
        said.append(worth.unsteadiness(walk.iloc[:36]))
        growth = walk.iloc[24:36].sum() / walk.iloc[12:24].sum()
        off.append(np.log(walk.iloc[36:].sum() / (walk.iloc[24:36].sum() * growth)))
    assert np.std(off) == pytest.approx(np.mean(said), rel=0.35)


@pytest.mark.parametrize("months", [[1.0] * 12, [1.0] * 12 + [0.0] + [1.0] * 12, [-1.0] * 24])
def test_too_few_months_or_months_without_margin_tell_nothing_of_a_total(months):
    with pytest.raises(BankmineError, match="a year of months in which the bank earned something"):
        worth.unsteadiness(pd.Series(months, pd.period_range("2023-01", periods=len(months), freq="M")))
