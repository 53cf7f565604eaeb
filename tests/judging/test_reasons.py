"""Reasons: contributions that add up, and words that say what raises a risk, once each."""

from __future__ import annotations

import functools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import sample_of
from scipy.special import logit

from bankmine.bank.contract import CATEGORIES, CHANNELS, PRODUCTS
from bankmine.errors import BankmineError
from bankmine.judging.contributions import Contributions, agreement, by_theme, contributions, importance, steadiness
from bankmine.judging.reasons import (
    REGISTRY,
    in_one_line,
    load_reasons,
    readable,
    reasons,
    spoken,
    strongest,
    themes_of,
    top_themes,
)
from bankmine.learning.models import candidates, fit_all
from bankmine.learning.sample import Sample
from bankmine.report.plots import use_theme
from bankmine.study.charts import beeswarm, dependence

DICTIONARY = load_reasons()
EXPLAINED = ("xgboost", "logistic")


@functools.cache
def explained() -> tuple[Sample, dict]:
    sample = sample_of(800)
    models = candidates(sample)
    return sample, fit_all({name: models[name] for name in (*EXPLAINED, "tree")}, sample)


def told(values: dict[str, list], pushes: dict[str, list], k: int = 3) -> pd.DataFrame:
    """Reasons of rows with given values and contributions."""
    index = [f"C{i}" for i in range(len(next(iter(values.values()))))]
    found = Contributions(pd.DataFrame(pushes, index=index, dtype=float), -3.0)
    return reasons(found, pd.DataFrame(values, index=index), DICTIONARY, k)


@pytest.mark.property
@settings(max_examples=25)
@given(
    rows=st.lists(st.integers(0, 799), min_size=1, max_size=20), gap=st.integers(0, 6), name=st.sampled_from(EXPLAINED)
)
def test_contributions_add_up_to_the_log_odds(rows, gap, name):
    sample, fitted = explained()
    asked = sample.predictors.iloc[sorted(set(rows))].copy()
    asked.isetitem(gap, None if gap == 6 else np.nan)
    found = contributions(fitted[name], asked)
    assert sorted(map(str, found.pushes)) == sorted(map(str, asked))
    assert (found.base + found.pushes.sum(axis=1)).to_numpy() == pytest.approx(
        logit(fitted[name].predict_proba(asked)[:, 1]), abs=2e-4
    )


@pytest.mark.slow
def test_of_other_models_no_reasons_are_told():
    sample, fitted = explained()
    with pytest.raises(BankmineError, match="explain xgboost or logistic"):
        contributions(fitted["tree"], sample.predictors)


@pytest.mark.parametrize("name", EXPLAINED)
def test_importance_finds_what_drives_the_risk_and_which_way(name):
    sample, fitted = explained()
    table = importance(contributions(fitted[name], sample.predictors), sample.predictors)
    assert list(table.index[:1]) == ["signal"]
    assert table["direction"][["signal", "amount", "region"]].tolist() == [
        "more is riskier", "less is riskier", "by category",
    ]  # fmt: skip
    assert table.loc[["constant", "empty"], "importance"].tolist() == [0, 0]
    assert table.loc["constant", "direction"] == "not used"
    assert table["share"].sum() == pytest.approx(1)


def test_what_is_not_used_is_no_reason():
    sample, fitted = explained()
    found = contributions(fitted["xgboost"], sample.predictors)
    table = reasons(found, sample.predictors, DICTIONARY, k=20)
    assert not set(table["predictor"]) & {"constant", "empty"}
    assert (table["push"] >= 0.05).all()
    assert table["words"].str.len().min() > 0
    assert {"signal", "amount", "region"} <= set(table["predictor"])


@pytest.mark.property
@settings(max_examples=12)
@given(st.integers(1, 5), st.integers(0, 99))
def test_reasons_are_the_themes_that_raise_the_risk_most(k, seed):
    names = ["transactions_30d", "outflow_trend_90d", "complaints_90d", "tenure_days", "deposits", "wave"]
    rng = np.random.default_rng(seed)
    values = {n: list(rng.integers(0, 50, 12)) for n in names}
    pushes = pd.DataFrame({n: rng.normal(0, 0.3, 12) for n in names}, index=[f"C{i}" for i in range(12)])
    table = told(values, pushes.to_dict("list"), k)
    themes = pd.Series(["activity", "activity", "complaint", "tenure", "balance", "other: wave"], index=names)
    numbers = pd.DataFrame(values, index=pushes.index)
    ordinary = (numbers >= numbers.quantile(0.25)) & (numbers <= numbers.quantile(0.75))
    for row, push in by_theme(pushes, themes).iterrows():
        speaks = pushes.loc[row].where(~ordinary.loc[row]).groupby(themes).max() > 0
        first = push[(push >= 0.05) & speaks[push.index]].nlargest(k)
        here = table[table.index == row]
        assert here["theme"].tolist() == list(first.index)
        assert here["rank"].tolist() == list(range(1, len(first) + 1))
        own = pushes.loc[row].mask(ordinary.loc[row])
        spoke = [own[themes.index[themes == t]].idxmax() for t in first.index]
        assert here["predictor"].tolist() == spoke


def test_reasons_are_said_with_the_value():
    table = told(
        {"days_since_own_outflow": [2, 38, 1], "transactions_30d": [40, 1, 30], "open_complaint_days": [np.nan, 41, 3],
         "channel_call_centre_count_30d": [0, 4, 0]},
        {"days_since_own_outflow": [0, 2, 0], "transactions_30d": [0, 1, 0], "open_complaint_days": [-1, 1, 0],
         "channel_call_centre_count_30d": [0, 0, 0.2]},
    )  # fmt: skip
    assert in_one_line(table, pd.Index(["C0", "C1", "C2"])).tolist() == [
        "",
        "no own payment for 38 days; complaint open for 41 days",
        "",  # no booking by call centre is what all have
    ]  # fmt: skip
    rows = pd.Index(["C0", "C1", "C2"])
    assert strongest(table, rows)["theme"].fillna("none").tolist() == ["none", "activity", "none"]
    assert strongest(table, rows, ["activity"])["theme"].fillna("none").tolist() == ["none", "complaint", "none"]
    assert strongest(table, rows, ["activity"]).loc["C1", "line"] == "complaint open for 41 days"
    assert strongest(table, rows, ["activity", "complaint"])["theme"]["C1"] == "activity"
    assert in_one_line(table, rows, sized=True)["C1"] == (
        "Payments made (odds × 20.1): no own payment for 38 days; Complaint (odds × 2.7): complaint open for 41 days"
    )


def test_unknown_values_flags_and_words_are_said_too():
    values = {"deposits_change_365d": [np.nan, 5.0], "flag": [True, False], "region": ["<b>南京</b>", None],
              "tenure_days": pd.array([pd.NA, 10], dtype="Int64"), "accounts": ["many", "few"]}  # fmt: skip
    table = told(values, {n: [1, 1] for n in values}, k=9)
    assert set(table.loc["C0", "words"]) == {
        "change of deposits not known", "flag: yes", "region: <b>南京</b>", "tenure days not known", "accounts: many",
    }  # fmt: skip
    assert {"flag: no", "region not known"} <= set(table.loc["C1", "words"])
    assert not table.loc["C1", "words"].str.contains("typical 10").any()  # 10 days where 10 are typical


def test_what_goes_together_is_one_reason_under_the_name_of_the_strongest():
    rng = np.random.default_rng(0)
    one = rng.normal(size=200)
    frame = pd.DataFrame({"a": one, "b {x}": np.exp(one), "c": -one, "d": rng.normal(size=200), "e": np.ones(200)})
    themes = themes_of(frame, pd.Series({"d": 3.0, "b {x}": 2.0, "a": 1.0, "c": 0.5, "e": 0.0}), DICTIONARY)
    assert themes.loc[["a", "b {x}", "c"], "theme"].tolist() == ["other: b {x}"] * 3
    assert themes.loc[["d", "e"], "theme"].tolist() == ["other: d", "other: e"]


def test_a_column_called_like_a_theme_is_not_that_theme():
    themes = themes_of(pd.DataFrame({"price": [1.0, 2.0]}), pd.Series({"price": 1.0}), DICTIONARY)
    assert themes.loc["price", "theme"] == "other: price"


def test_the_dictionary_knows_what_the_bank_measures():
    names = [f"channel_{c}_count_30d" for c in CHANNELS] + [f"category_{c}_outflow_365d" for c in CATEGORIES]
    names += [f"{p}_accounts" for p in PRODUCTS] + ["salary_30d", "salary_count_90d", "inflow_mean_30d", "deposits"]
    names += ["slow_open_complaints_365d", "days_since_visit", "rate_views_30d", "responses_365d", "gender"]
    names += ["days_since_own_booking", "change_60d", "surprise_60d", "own_bookings_60d", "products_year_ago"]
    values = pd.DataFrame({name: [0.0, 1.0] for name in names})
    assert set(themes_of(values, pd.Series(1.0, names), DICTIONARY)["theme"]) <= set(DICTIONARY.themes)
    assert spoken("category_cash_outflow_365d", values["deposits"], DICTIONARY).say(5.0, 70.0) == (
        "only 5 spent on cash in 365 days (typical 70)"
    )


def test_hostile_names_are_said_as_they_are():
    sample, _ = explained()
    for name in ("{value:.9f}", "<script>alert(1)</script>", "余额 (元)"):
        words = spoken(name, sample.predictors[name], DICTIONARY).say(1.5, 0.5)
        assert words == f"{readable(name)} 1.5 (typical 0.5)"
    assert readable("fee_share_90d") == "fee share (90 days)"


def test_themes_of_a_list_are_counted():
    table = told({"transactions_30d": [9, 1, 2, 3] + [9] * 12, "tenure_days": [9, 9, 1, 9] + [9] * 12},
                 {"transactions_30d": [0, 1, 2, 1] + [0] * 12, "tenure_days": [1, 0, 3, 0] + [0] * 12})  # fmt: skip
    counted = top_themes(table, pd.Index(["C1", "C2", "C3"])).set_index("theme")
    assert counted.loc["activity", ["rows", "share", "first"]].tolist() == pytest.approx([3, 1, 2 / 3])
    assert counted.loc["tenure", ["rows", "first"]].tolist() == pytest.approx([1, 1 / 3])
    assert (counted["low"] < counted["share"]).all()
    assert top_themes(table, pd.Index([])).empty


@pytest.mark.slow
def test_reasons_of_other_customers_and_other_seeds_are_compared():
    sample = sample_of(1200)
    model = candidates(sample)["xgboost"]
    table = steadiness(model, sample, sample.predictors).set_index("compared")
    assert table.index.tolist() == ["other customers", "another seed"]
    assert table["same_top"].min() > 0.5
    assert table["rank_correlation"].between(-1, 1).all()


def test_agreement_is_one_with_oneself_and_minus_one_with_the_opposite():
    size = pd.Series(np.arange(30.0), index=[f"p{i}" for i in range(30)])
    assert agreement(size, size) == pytest.approx({"rank_correlation": 1, "same_top": 1})
    assert agreement(size + 1, 30 - size) == pytest.approx({"rank_correlation": -1, "same_top": 0})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("themes"), "two parts"),
        (lambda d: d["reasons"][0].update(theme="nothing"), "theme 'nothing', which is not there"),
        (lambda d: d["reasons"][0].update(high="{unknown}"), "{unknown} is not there"),
        (lambda d: d["reasons"][0].update(low="{value.__class__}"), "cannot say"),
        (lambda d: d["reasons"][0].update(missing="{value}"), "{value} is not there"),
        (lambda d: d["reasons"][0].update(high="{value:q}"), "cannot say"),
        (lambda d: d["reasons"][0].update(extra=1), "not a list of reasons"),
        (lambda d: d["themes"].append(dict(d["themes"][0])), "comes twice"),
    ],
)
def test_a_dictionary_that_cannot_be_said_is_refused(tmp_path, change, message):
    text = yaml.safe_load(REGISTRY.read_text("utf-8"))
    change(text)
    file = tmp_path / "reasons.yml"
    file.write_text(yaml.safe_dump(text, allow_unicode=True), "utf-8")
    with pytest.raises(BankmineError, match=message):
        load_reasons(file)


@pytest.mark.slow
def test_plots_are_the_same_each_time_and_take_any_predictor():
    use_theme()
    sample, fitted = explained()
    found = contributions(fitted["xgboost"], sample.predictors)
    axes = [beeswarm(found, sample.predictors, most=30) for _ in range(2)]
    points = [np.vstack([np.asarray(c.get_offsets()) for c in axis.collections]) for axis in axes]
    assert points[0].shape[0] == len(sample) * len(sample.predictors.columns)
    np.testing.assert_array_equal(*points)
    for predictor in (None, "region", "constant", "empty", "$x$"):
        title = dependence(found, sample.predictors, predictor).get_title(loc="left")
        assert (predictor or "signal") in title
    plt.close("all")
