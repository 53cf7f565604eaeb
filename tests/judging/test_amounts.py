"""Amounts: order, total and error of what was foretold, the choice of a way, and intervals that hold what they mean."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bankmine.errors import BankmineError
from bankmine.judging.amounts import MEANT, Amounts, around, chosen, spread, unsteadiness

WAYS = ("simple", "better", "best")


@pytest.fixture(scope="module")
def came() -> pd.Series:
    return pd.Series(np.random.default_rng(0).lognormal(3, 1, 2000), name="came")


def noisy(came: pd.Series, size: float, seed: int = 1) -> pd.Series:
    return came * np.random.default_rng(seed).lognormal(0, size, len(came))


def test_the_perfect_order_has_gini_one_and_the_reverse_minus_one(came):
    found = Amounts(pd.DataFrame({"perfect": came * 3, "reverse": -came}), came).table
    assert found.loc["perfect", "gini"] == pytest.approx(1)
    assert found.loc["reverse", "gini"] == pytest.approx(-1)
    assert found.loc["perfect", "total"] == pytest.approx(3)
    assert found.loc["perfect", "error"] == pytest.approx(2 * came.mean())
    best = came.nlargest(len(came) // 10).sum() / came.sum()
    assert found.loc["perfect", "top"] == pytest.approx(best)


@pytest.mark.filterwarnings("error")
def test_figures_by_hand():
    found = Amounts(pd.DataFrame({"a": [1.0, 2, 3, 4]}), pd.Series([1.0, 1, 2, 4])).table.loc["a"]
    assert [found["error"], found["total"], found["gini"]] == pytest.approx([0.5, 10 / 8, 1])


def test_intervals_hold_what_they_are_of_and_narrow_with_customers(came):
    def of(rows: int) -> pd.Series:
        return Amounts(pd.DataFrame({"a": noisy(came, 0.5)[:rows]}), came[:rows]).table.loc["a"]

    few, many = of(200), of(2000)
    for name in ("error", "total", "gini", "top"):
        assert few[f"{name}_low"] < few[name] < few[f"{name}_high"]
        assert many[f"{name}_high"] - many[f"{name}_low"] < few[f"{name}_high"] - few[f"{name}_low"]


def test_the_simplest_way_is_chosen_that_none_beats_beyond_chance(came):
    def way(*sizes: float, seed: int = 0) -> str:
        said = {name: noisy(came, size, seed + i) for i, (name, size) in enumerate(zip(WAYS, sizes, strict=True))}
        return chosen(Amounts(pd.DataFrame(said), came), WAYS)

    assert sum(way(0.5, 0.5, 0.5, seed=3 * i) == "simple" for i in range(20)) >= 16
    assert way(0.5, 0.2, 0.2) == "better"
    assert way(0.5, 0.2, 0.1) == "best"
    assert way(0.5, 0.6, 0.2) == "best"
    assert chosen(Amounts(pd.DataFrame({"simple": came + 1, "best": came}), came), WAYS) == "best"  # one is not there


def test_tenths_begin_with_the_highest_foretold(came):
    found = Amounts(pd.DataFrame({"a": came}), came).tenths
    assert list(found["tenth"]) == list(range(1, 11))
    assert found["foretold"].is_monotonic_decreasing
    assert found["came"].to_numpy() == pytest.approx(found["foretold"].to_numpy())


def test_intervals_learnt_of_some_hold_the_meant_share_of_others(came):
    said = noisy(came, 0.4)
    half = came.index % 2 == 0
    given = around(said[~half], spread(said[half], came[half]))
    inside = (given["low"] <= came[~half]) & (came[~half] <= given["high"])
    assert inside.mean() == pytest.approx(MEANT, abs=0.06)
    large = said[~half] > said.median()
    wide = given["high"] - given["low"]
    assert wide[large].mean() > 2 * wide[~large].mean()  # those of the large ones are wider
    for group in (large, ~large):
        assert inside[group].mean() == pytest.approx(MEANT, abs=0.08)


@pytest.mark.parametrize("came", [[0.0] * 60, [-1.0, 1.0] * 30, [5.0] * 60, [2.0]])
def test_nothing_or_the_same_of_all_cannot_be_judged(came):
    with pytest.raises(BankmineError, match="customers brought in nothing in all, or each the same"):
        _ = Amounts(pd.DataFrame({"a": np.arange(float(len(came)))}), pd.Series(came)).table


@pytest.mark.filterwarnings("error")
def test_one_who_brought_all_has_an_interval():
    """In many draws that customer is missing, and there is nothing to have a share of."""
    found = Amounts(pd.DataFrame({"a": np.arange(30.0)}), pd.Series([0.0] * 29 + [9.0])).table.loc["a"]
    assert found["gini"] == pytest.approx(1)
    assert found.notna().all()


def test_a_total_is_as_unsteady_as_its_months_were():
    """A random walk drawn often: the year after the last twelve months lies within two errors of their mean."""
    rng, months = np.random.default_rng(0), pd.period_range("2023-01", periods=48, freq="M")
    off, said = [], []
    for _ in range(300):
        level = np.exp(rng.normal(0, 0.03, 48).cumsum()) * 1000 * months.days_in_month
        walk = pd.Series(level, months)
        said.append(unsteadiness(walk.iloc[:36]))
        growth = walk.iloc[24:36].sum() / walk.iloc[12:24].sum()
        off.append(np.log(walk.iloc[36:].sum() / (walk.iloc[24:36].sum() * growth)))
    assert np.std(off) == pytest.approx(np.mean(said), rel=0.35)


@pytest.mark.parametrize("months", [[1.0] * 12, [1.0] * 12 + [0.0] + [1.0] * 12, [-1.0] * 24])
def test_too_few_months_or_months_without_margin_tell_nothing_of_a_total(months):
    with pytest.raises(BankmineError, match="a year of months in which the bank earned something"):
        unsteadiness(pd.Series(months, pd.period_range("2023-01", periods=len(months), freq="M")))
