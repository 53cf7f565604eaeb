"""The case of a churn report: parts in the order of time, money of the row's own day, words for what is lacking."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from churn_banks import LAST, SHORT, bank_of, busy, faithful

from bankmine.bank.snapshot import open_source
from bankmine.deciding import costs as profit
from bankmine.errors import BankmineError
from bankmine.features import tiers as value_tiers
from bankmine.features.customers import spine_of
from bankmine.features.value import margin
from bankmine.judging import contributions, reason_dictionary
from bankmine.judging import ranking as metrics
from bankmine.judging import reasons as why
from bankmine.learning import fitting as recipe
from bankmine.learning import models, table_parts
from bankmine.topics.churn import case as churn_case
from bankmine.topics.churn import departures
from bankmine.topics.churn import hazard as churn_hazard
from bankmine.topics.churn import money as churn_money
from bankmine.topics.churn.calls import BY_LOT, BY_PROFIT, BY_RISK
from bankmine.topics.churn.definition import Definition

AS_OF = dt.date(2025, 12, 31)
DELAY = pd.Timedelta(days=SHORT.horizon)
TARGET = "是否流失"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("busy")


@pytest.fixture(scope="module")
def case(folder) -> churn_case.Case:
    return churn_case.of_bank(bank_of(folder, busy()), SHORT)


@pytest.fixture(scope="module")
def paying(case) -> churn_money.Money:
    return churn_money.money(case, case.parts.split.test)


def days_of(case, rows) -> pd.Series:
    return case.sample.day.iloc[rows]


# --- a bank


def test_each_part_was_known_before_the_next_began(case):
    for split, end in ((case.parts.split, AS_OF), (case.parts.scoring, None)):
        assert days_of(case, split.train).max() + DELAY <= days_of(case, split.tune).min()
        assert days_of(case, split.tune).max() + DELAY <= days_of(case, split.test).min()
        assert end is None or days_of(case, split.test).max() + DELAY <= pd.Timestamp(end)
    assert case.lacking == ""
    assert len(case.outcomes) > len(case.sample)


def test_today_is_scored_by_the_newest_months_that_are_known(case):
    split, scoring = case.parts.split, case.parts.scoring
    assert set(days_of(case, scoring.test)) == {pd.Timestamp(AS_OF)}
    assert len(scoring.test) == (case.sample.day == pd.Timestamp(AS_OF)).sum()
    assert not case.sample.known[scoring.test].any()
    assert days_of(case, scoring.train).max() > days_of(case, split.train).max()
    assert days_of(case, scoring.tune).max() == days_of(case, split.test).max()


def test_models_are_compared_before_the_months_they_are_judged_by(case):
    assert len(case.parts.folds) >= 2
    for train, test in case.parts.folds:
        assert days_of(case, train).max() + DELAY <= days_of(case, test).min()
        assert days_of(case, test).max() + DELAY <= days_of(case, case.parts.split.test).min()


def test_money_of_a_row_is_what_was_known_on_its_day(case, paying, folder):
    """A snapshot of that day, which holds nothing later, gives the same margin and the same tier."""
    rows = case.sample.at(case.parts.split.test)
    day = rows.day.min().date()
    then = open_source(str(folder)).as_of(day)
    told = margin(then, spine_of(then, [day])).to_pandas().set_index("customer_id")["margin"].astype(float)
    own = rows.entity[rows.day == pd.Timestamp(day)]
    assert 150 <= len(own) < len(rows)
    np.testing.assert_allclose(paying.margin[own.index], told[own], rtol=1e-9)
    assert paying.tier[own.index].tolist() == value_tiers.tiers(told)[own].astype(str).tolist()
    assert paying.costs.if_event.index.equals(rows.target.index)


def test_calls_keep_within_each_tier_s_capacity_of_a_month(case, paying):
    rows = case.sample.at(case.parts.split.test)
    probability = pd.Series(np.random.default_rng(0).beta(1, 8, len(rows)), rows.target.index)
    called = churn_money.policies(probability, paying, rows)
    groups = [paying.tier, rows.day]
    room = called.groupby(groups, observed=True).size() * [paying.rules.tiers[t].capacity for t, _ in
           called.groupby(groups, observed=True).size().index]  # fmt: skip
    for policy in (BY_PROFIT, BY_RISK, BY_LOT):
        assert (called[policy].astype(float).groupby(groups, observed=True).sum() <= room + 1e-6).all()
    assert called[BY_PROFIT].any()
    assert (profit.expected(probability, paying.costs)[called[BY_PROFIT]] > 0).all()


def test_the_refused_column_is_told_as_it_is_today(case):
    told = churn_case.refused_column(case)
    assert told.name == "mailing_status"
    assert told.name not in case.sample.predictors
    assert told.index.equals(case.sample.target.index)
    assert (told.groupby(case.sample.entity).nunique() == 1).all()


def test_a_history_that_is_too_short_says_what_to_give(tmp_path):
    short = churn_case.of_bank(bank_of(tmp_path, faithful(12), "2024-12-31"), SHORT)
    assert short.parts is None
    assert "give a longer history" in short.lacking
    assert len(short.sample) > 12  # rates are still told


def test_a_bank_without_leavers_and_one_of_leavers_only_say_so(tmp_path):
    kept = churn_case.of_bank(bank_of(tmp_path / "kept", faithful(12)), SHORT)
    assert kept.parts is None
    assert "None of the" in kept.lacking
    assert "define the event otherwise" in kept.lacking
    ends = pd.date_range("2024-01-31", LAST, freq="ME")
    visits = {f"V{i:02}-{n}": (str(end - pd.Timedelta(days=20 + n)), str(end + pd.Timedelta(days=8)))
              for i, end in enumerate(ends) for n in range(3)}  # fmt: skip
    lost = churn_case.of_bank(bank_of(tmp_path / "lost", visits), SHORT)
    assert lost.sample.target.dropna().eq(1).all()
    assert lost.parts is None
    assert "All of the" in lost.lacking


def test_leavers_to_learn_from_but_none_to_calibrate_by_is_said(tmp_path):
    early = {f"E{i}": ("2024-01-03", day) for i, day in enumerate(("2024-09-12", "2025-01-12", "2025-07-12"))}
    found = churn_case.of_bank(bank_of(tmp_path, faithful(12) | early), SHORT)
    assert found.sample.target.sum() == 3
    assert found.parts is None
    assert "rows to calibrate by" in found.lacking
    assert "take others" in found.lacking


def test_a_hazard_model_takes_as_many_covariates_as_there_are_leavers_for(case):
    lives = departures.followed(case.snapshot, case.sample, SHORT)
    assert 20 <= lives.left.sum() < 70
    left = lives.index[lives.left]
    found, lacking = churn_hazard.hazard(case, lives.drop(left[14:]))
    assert lacking == ""
    assert len(found.ratios) == 1
    nothing, why_not = churn_hazard.hazard(case, lives.drop(left[5:]))
    assert nothing is None
    assert "Look at earlier days" in why_not


# --- a flat table


def flat_file(folder, rows=700, unknown=60, columns=0) -> str:
    """A table of customers with Chinese names, three outcomes, a constant, gaps, and recent rows of unknown outcome."""
    rng = np.random.default_rng(1)
    idle, balance = rng.exponential(30, rows), rng.lognormal(8, 1.2, rows)
    chance = 1 / (1 + np.exp(2.2 - 0.05 * (idle - 30)))
    left = np.where(rng.random(rows) < chance, "已流失", np.where(rng.random(rows) < 0.2, "休眠", "在户")).astype(
        object
    )
    left[rows - unknown :] = None
    table = pd.DataFrame({
        "客户编号": [f"K{i:04}" for i in range(rows)], "账户余额(元)": balance.round(2), "常量": 1, TARGET: left,
        "静默天数": np.where(rng.random(rows) < 0.1, np.nan, idle.round()),
        "<b>等级</b>": rng.choice(["贵宾", "普通", '"新"'], rows),
    })  # fmt: skip
    more = pd.DataFrame(rng.normal(size=(rows, columns)).round(3), columns=[f"列 {i}" for i in range(columns)])
    pd.concat([table, more], axis=1).to_csv(folder / "客户.csv", index=False)
    return str(folder / "客户.csv")


def test_any_flat_table_goes_all_the_way_to_calls(tmp_path):
    file = flat_file(tmp_path, columns=500)
    case = churn_case.open_case(file, "", Definition(), target=TARGET, positive="已流失", id="客户编号")
    assert case.lacking == ""
    assert case.snapshot is None
    assert case.event == f"{TARGET} is 已流失"
    split, scoring = case.parts.split, case.parts.scoring
    assert scoring.test.tolist() == np.flatnonzero(case.sample.target.isna()).tolist()
    owners = [set(case.sample.entity.iloc[rows]) for rows in (split.train, split.tune, split.test, scoring.test)]
    assert sum(map(len, owners)) == len(set.union(*owners)) == 700
    candidates = models.candidates(case.sample.at(split.train), case.rule)
    applied = recipe.apply_models({name: candidates[name] for name in ("rule", "xgboost")}, case.sample, split)
    told = metrics.of(metrics.performance(applied.rows.target, applied.probability, applied.rows.entity), "xgboost")
    assert told.loc["auc", "low"] > 0.5
    live = recipe.apply_models({"xgboost": candidates["xgboost"]}, case.sample, scoring)
    pushed = contributions.contributions(live.fitted["xgboost"], live.rows.predictors)
    strongest = contributions.importance(pushed, live.rows.predictors)
    assert strongest.index[0] == "静默天数"
    assert "常量" not in strongest.index or strongest.importance["常量"] == 0
    words = why.reasons(pushed, live.rows.predictors, reason_dictionary.load_reasons())
    assert words["words"].str.contains("静默天数").any()


def test_a_flat_table_with_days_is_split_by_time_with_the_label_delay(tmp_path):
    file = pd.read_csv(flat_file(tmp_path))
    dated = file.assign(日期=pd.date_range("2024-01-01", periods=len(file)).strftime("%Y-%m-%d"))
    dated.sample(frac=1.0, random_state=0).to_csv(tmp_path / "dated.csv", index=False)
    for delay in (0, 30):
        case = churn_case.open_case(
            str(tmp_path / "dated.csv"), "", Definition(), target=TARGET, positive="已流失", time="日期", delay=delay
        )
        split, late = case.parts.split, pd.Timedelta(days=max(delay, 1))
        assert case.parts.how.startswith("by time")
        assert days_of(case, split.train).max() + late <= days_of(case, split.tune).min()
        assert days_of(case, split.tune).max() + late <= days_of(case, split.test).min()
        assert len(split.test) == pytest.approx(0.25 * case.sample.known.sum(), abs=2)
    with pytest.raises(BankmineError, match="0 days or more"):
        table_parts.in_order(case.sample, -1)


def test_calls_of_a_flat_table_are_as_many_by_every_policy(tmp_path):
    case = churn_case.open_case(flat_file(tmp_path), "", Definition(), target=TARGET, positive="已流失")
    assert churn_money.money(case, case.parts.split.test) is None  # the table tells no costs
    rows = case.sample.at(case.parts.split.test)
    told = pd.DataFrame({"tp": -50.0, "fp": 10.0, "fn": 0.0, "tn": 0.0}, index=rows.target.index)
    costs = profit.costs_in(told, {name: name for name in told})
    probability = pd.Series(np.linspace(0.01, 0.6, len(rows)), rows.target.index)
    called = churn_money.policies(probability, churn_money.Money(costs, pd.Series("all", told.index)), rows)
    assert called[BY_PROFIT].tolist() == (probability > 10 / 60).tolist()
    assert called[BY_RISK].sum() == called[BY_PROFIT].sum() == pytest.approx(called[BY_LOT].sum())


def test_a_flat_table_without_a_clear_event_or_with_few_says_what_to_do(tmp_path):
    file = flat_file(tmp_path)
    with pytest.raises(BankmineError, match="positive="):
        churn_case.open_case(file, "", Definition(), target=TARGET)
    with pytest.raises(BankmineError, match="Did you mean 是否流失"):
        churn_case.open_case(file, "", Definition(), target="是否流矢")
    few = pd.DataFrame({"x": np.sin(range(300)), "left": ["yes"] * 5 + ["no"] * 295})
    few.to_csv(tmp_path / "few.csv", index=False)
    case = churn_case.open_case(str(tmp_path / "few.csv"), "", Definition(), target="left")
    assert case.parts is None
    assert "take more rows" in case.lacking
