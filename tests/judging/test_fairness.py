"""Fairness: whom decisions fall on, whether scores mean the same for everyone, and what stands in for who one is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from bankmine.bank.sources import find_source
from bankmine.errors import BankmineError
from bankmine.judging import fairness, proxies
from bankmine.judging.contributions import contributions
from bankmine.learning import models
from bankmine.learning.sample import Sample
from demobank.scoreboard.credit import proxy
from demobank.scoreboard.truth import Truth


def decided(**groups: tuple[int, int]) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Approvals of groups, each given as approved and rows; every row is a customer of its own."""
    approved = np.concatenate([np.arange(n) < yes for yes, n in groups.values()])
    group = pd.Series(np.repeat(list(groups), [n for _, n in groups.values()]))
    return pd.Series(approved), group, pd.Series(np.arange(len(group)))


def test_the_ratio_has_the_interval_of_katz():
    table = fairness.adverse_impact(*decided(women=(50, 100), men=(80, 100)), "men")
    half = 1.959964 * np.sqrt(1 / 50 - 1 / 100 + 1 / 80 - 1 / 100)
    row = table.loc["women"]
    assert row["ratio"] == pytest.approx(0.625)
    assert np.log(row["ratio_low"]) == pytest.approx(np.log(0.625) - half, rel=0.01)
    assert np.log(row["ratio_high"]) == pytest.approx(np.log(0.625) + half, rel=0.02)
    assert table.loc["men", ["ratio", "ratio_low", "ratio_high"]].tolist() == [1, 1, 1]


def test_a_reference_that_is_named_before_holds_though_another_group_fares_better():
    table = fairness.adverse_impact(*decided(a=(50, 100), b=(80, 100), c=(30, 100)), reference="a")
    assert table["verdict"].tolist() == [fairness.REFERENCE, fairness.ABOVE, fairness.MAY_BE_BELOW]
    assert table["ratio"].tolist() == pytest.approx([1, 1.6, 0.6])


def test_applications_of_one_customer_do_not_count_as_many_customers():
    approved, group, entity = decided(a=(50, 100), b=(80, 100))
    once = fairness.adverse_impact(approved, group, entity, "b")
    thrice = fairness.adverse_impact(
        *(pd.concat([part] * 3, ignore_index=True) for part in (approved, group, entity)), "b"
    )
    np.testing.assert_allclose(once[["ratio", "ratio_low"]], thrice[["ratio", "ratio_low"]])
    assert thrice["rows"].sum() == 600


@pytest.mark.parametrize(
    ("yes", "rows", "verdict"),
    [
        (300, 1000, fairness.BELOW), (77, 100, fairness.MAY_BE_BELOW), (860, 1000, fairness.LESS_OFTEN),
        (885, 1000, fairness.ALIKE), (950, 1000, fairness.ALIKE), (10, 20, fairness.TOO_FEW), (0, 100, fairness.BELOW),
    ],
)  # fmt: skip
def test_verdicts_follow_the_interval(yes, rows, verdict):
    table = fairness.adverse_impact(*decided(others=(900, 1000), asked=(yes, rows)), "others")
    assert table.loc["asked", "verdict"] == verdict
    assert table.loc["others", "verdict"] == fairness.REFERENCE


def test_the_reference_is_the_one_named_before_and_not_the_best_afterwards():
    groups = decided(old=(35, 35), young=(1000, 2000), few=(5, 5))
    table = fairness.adverse_impact(*groups, "young")
    assert table.loc["young", "verdict"] == fairness.REFERENCE
    assert table.loc["old", "ratio"] == 2
    assert table.loc["old", "verdict"] == fairness.ABOVE
    assert np.isnan(table.loc["few", "ratio"])
    assert fairness.worst_ratio({"age": table})[:2] == ("age", "young")
    assert fairness.adverse_impact(*groups, "few")["ratio"].isna().all()
    assert fairness.adverse_impact(*groups, "nobody")["ratio"].isna().all()


def test_who_is_below_for_sure_is_named_before_a_few_who_happen_to_be_lower():
    groups = decided(most=(1000, 2000), sure=(100, 1000), few=(1, 40))
    table = fairness.adverse_impact(*groups, "most")
    assert table.loc["few", "ratio"] < table.loc["sure", "ratio"] == 0.2
    table.loc["few", "verdict"] = fairness.MAY_BE_BELOW
    assert fairness.worst_ratio({"age": table}) == ("age", "sure", 0.2)
    assert fairness.ranked({"age": table}).index.get_level_values("group").tolist() == ["sure", "few", "most"]


def test_nothing_is_said_where_nothing_can_be():
    approved, group, entity = decided(a=(0, 50), b=(0, 50))
    assert fairness.adverse_impact(approved, group, entity, "a")["ratio"].isna().all()
    unknown = pd.Series([None] * 100, dtype=object)
    assert fairness.adverse_impact(approved, unknown, entity, "a").empty
    assert np.isnan(fairness.worst_ratio({})[2])


def test_ages_fall_into_bands():
    bands = fairness.age_bands(pd.Series([18, 24.9, 25, 64, 65, 99, np.nan]))
    assert bands.astype(object).fillna("?").tolist() == [
        "under 25", "under 25", "25 to 34", "55 to 64", "65 and over", "65 and over", "?"
    ]  # fmt: skip


def test_ages_that_are_no_years_are_parted_into_quarters():
    bands = fairness.age_bands(pd.Series(np.random.default_rng(0).normal(size=400)))
    assert bands.value_counts().tolist() == [100] * 4


def test_a_score_that_is_harsher_to_a_group_is_told():
    rng = np.random.default_rng(1)
    p = pd.Series(expit(rng.normal(-1.5, 1, 6000)))
    group = pd.Series(rng.choice(["a", "b"], 6000))
    true = expit(np.log(p / (1 - p)) - 0.7 * (group == "b"))
    bad, entity = pd.Series((rng.random(6000) < true).astype(float)), pd.Series(np.arange(6000))
    table = fairness.same_score(bad, p, group, entity)
    assert table["verdict"].tolist() == ["alike", "fewer events than foretold"]
    assert table.loc["b", "shift_low"] < -0.7 < table.loc["b", "shift_high"]
    none = fairness.same_score(bad * 0, p, group, entity)
    assert (none["verdict"] == fairness.TOO_FEW).all()


def work(seed: int = 0, size: int = 2400, fair: bool = False) -> tuple[Sample, pd.Series, pd.DataFrame]:
    """Women work in other sectors; outcomes follow debts; an old rule looks at the sector too, unless it is fair."""
    rng = np.random.default_rng(seed)
    entity = pd.Series([f"C{i}" for i in np.repeat(np.arange(size // 2), 2)])
    woman = np.repeat(rng.random(size // 2) < 0.5, 2).astype(float)
    sector = pd.Series(
        np.where(rng.random(size) < np.where(woman == 1, 0.75, 0.25), "健康 <b>", "bau"), dtype="category"
    )
    debts = pd.Series(rng.normal(size=size))
    bad = (rng.random(size) < expit(debts - 1)).astype(float)
    predictors = pd.DataFrame({"sector": sector, "debts": debts, "noise": rng.normal(size=size)})
    pushes = pd.DataFrame({
        "sector": (sector == "健康 <b>") * (0.0 if fair else 0.6), "debts": debts, "noise": 0.1 * predictors["noise"],
    })  # fmt: skip
    return Sample(predictors, pd.Series(bad), entity), pd.Series(woman), pushes


def test_a_proxy_in_use_is_found_and_shown_to_be_of_no_use():
    sample, woman, pushes = work()
    table = proxies.proxies(sample, woman, pushes)
    assert table.index[0] == "sector"
    assert table["verdict"].to_dict() == {"sector": proxies.PROXY, "debts": "", "noise": ""}
    row = table.loc["sector"]
    assert row["tells_low"] < 0.75 < row["tells_high"]
    assert row["gap_low"] < 0.3 < row["gap_high"]
    assert row["lost_low"] <= 0  # the score would rank no worse without it
    assert table.loc["debts", "foretells_low"] > 0.65
    assert pushes.sum(axis=1)[woman == 1].mean() - pushes.sum(axis=1)[woman == 0].mean() == pytest.approx(
        table["gap"].sum()
    )


def test_a_predictor_that_tells_but_moves_nothing_is_no_proxy_in_use():
    sample, woman, pushes = work(fair=True)
    assert proxies.proxies(sample, woman, pushes).loc["sector", "verdict"] == proxies.SILENT


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_an_attribute_drawn_at_random_has_no_proxy(seed):
    sample, _, pushes = work(seed % 7, size=1200)
    people = sample.entity.unique()
    drawn = pd.Series(np.random.default_rng(seed + 99).random(len(people)) < 0.5, people).astype(float)
    table = proxies.proxies(sample, sample.entity.map(drawn), pushes)
    assert (table["verdict"] != proxies.PROXY).all()


def test_a_u_shape_tells_and_an_identity_does_not():
    rng = np.random.default_rng(2)
    woman = np.repeat(rng.random(600) < 0.5, 3).astype(float)
    entity = pd.Series(np.repeat(np.arange(600), 3))
    u = pd.Series(np.where(woman == 1, rng.choice([-2.0, 2.0], 1800), 0.0) + rng.normal(0, 0.3, 1800))
    who = pd.Series(np.repeat([f"name {i}" for i in range(600)], 3), dtype="category")
    rare = pd.Series(np.where((woman == 1) & (rng.random(1800) < 0.08), 50.0, 0.0))
    sample = Sample(pd.DataFrame({"u": u, "who": who, "rare": rare}), pd.Series(np.nan, range(1800)), entity)
    table = proxies.proxies(sample, pd.Series(woman), pd.DataFrame({"u": u * 0, "who": u, "rare": u}))
    assert 0.51 < table.loc["rare", "tells_low"] < 0.55
    assert table.loc["u", "tells_low"] > 0.9
    assert table.loc["who", "tells_low"] < 0.55
    assert table["foretells"].isna().all()


def test_too_few_of_a_group_are_said_to_be_too_few():
    sample, woman, pushes = work()
    with pytest.raises(BankmineError, match="customers are in the smaller group"):
        proxies.proxies(sample, woman.where(woman == 1), pushes)


def test_the_planted_proxy_is_found_in_the_old_decisions(small_applications, small_bank):
    decisions, gender = small_applications.decisions, small_applications.beside["gender"]
    woman = (gender == "female").astype(float).where(gender.notna())
    fitted = models.fit_all({"logistic": models.candidates(decisions)["logistic"]}, decisions)
    pushes = contributions(fitted["logistic"], decisions.predictors).pushes
    table = proxies.proxies(decisions, woman, pushes)
    flagged = set(table.index[table["verdict"] == proxies.PROXY])
    truth = Truth(find_source(str(small_bank)))
    assert all(score.passed for score in proxy(truth, flagged))
    assert not all(score.passed for score in proxy(truth, {"purpose"}))
    assert table.loc["employer_sector", "gap_low"] > 0.2
