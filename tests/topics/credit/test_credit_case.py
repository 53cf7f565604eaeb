"""The case of a credit report: rows parted by time or at random, who is decided on, groups, and hostile tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from samples import HOSTILE, sample_of

from bankmine.errors import BankmineError
from bankmine.judging import fairness
from bankmine.learning import fitting as recipe
from bankmine.learning import splits
from bankmine.learning.sample import Sample
from bankmine.topics import credit
from bankmine.topics.credit import scorecard as credit_models
from bankmine.topics.credit.points import score_statement


@pytest.fixture(scope="module")
def bank(small_bank) -> credit.CreditStudy:
    return credit.study(str(small_bank), "2025-12-31")


def table(path, size: int = 500, days: bool = False, **columns: object) -> str:
    rows = sample_of(size)
    known = rows.predictors[["signal", "amount", "region", "constant", *HOSTILE[:5]]]
    told = pd.concat([known, pd.DataFrame(columns, index=known.index)], axis=1).assign(
        bad=rows.target.map({1.0: "ja", 0.0: "nein"})
    )
    if days:
        told["day"] = (pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(size), "D")).strftime("%Y-%m-%d")
    told.to_csv(path / "applicants.csv", index=False)
    return str(path / "applicants.csv")


def opened(file: str, **more: str) -> credit.CreditStudy:
    return credit.study(file, "", target="bad", positive="ja", **more)


def test_a_table_with_days_is_parted_by_time(tmp_path):
    case = opened(table(tmp_path, days=True), time="day")
    split, day = case.parts.split, case.sample.day
    assert day.iloc[split.train].max() < day.iloc[split.tune].min()
    assert day.iloc[split.tune].max() < day.iloc[split.test].min()
    assert len(split.train) + len(split.tune) + len(split.test) == len(case.sample)
    assert len(split.test) == pytest.approx(splits.JUDGE * len(case.sample), abs=2)
    assert case.parts.how.startswith("by time")
    for train, test in case.parts.folds:
        assert not set(test) & set(split.test)
        assert not set(train) & set(split.test)


def test_a_table_without_days_is_parted_at_random_and_says_so(tmp_path):
    case = opened(table(tmp_path))
    assert case.parts.how.startswith("at random")
    assert len(case.parts.folds) == 5 * 5  # a small table is drawn several times
    assert case.deciding is case.split
    assert not case.cut_off
    assert not case.earned


def test_days_with_too_few_bad_rows_in_a_part_say_what_to_do():
    rows = sample_of(400)
    target = rows.target.where(np.arange(400) < 200, 0.0)
    sample = Sample(rows.predictors, target, rows.entity, pd.Series(pd.date_range("2024-01-01", periods=400)))
    with pytest.raises(BankmineError, match=r"to t(une|est): give a longer table, or leave out `time`"):
        splits.in_order(sample)


@pytest.mark.parametrize(
    "columns",
    [{}, {"constant two": 1}, {f"more {i}": np.arange(500) % (i + 2) for i in range(40)}, {"'; DROP --": "'; --"}],
)
def test_hostile_tables_get_a_scorecard_and_its_query(tmp_path, columns):
    case = opened(table(tmp_path, **columns))
    recipes = credit_models.candidates(case.sample.at(case.parts.split.train))
    some = {name: recipes[name] for name in (credit_models.SCORECARD, credit_models.CHALLENGER)}
    applied = recipe.apply_models(some, case.sample, case.deciding)
    assert applied.probability.to_numpy().min() >= 0
    assert applied.probability.to_numpy().max() <= 1
    card = applied.fitted[credit_models.SCORECARD][-1].card_
    assert {"signal", "amount"} <= set(card.bins)
    assert "constant" not in card.bins
    assert score_statement(card, "applicants").count("CASE") == len(card.bins)


def test_rows_whose_outcome_is_not_known_are_scored_and_not_learnt_from(tmp_path):
    file = table(tmp_path)
    rows = pd.read_csv(file)
    rows.loc[450:, "bad"] = None
    rows.to_csv(file, index=False)
    case = opened(file)
    assert list(case.parts.scoring.test) == list(range(450, 500))
    assert max(map(max, (case.parts.split.train, case.parts.split.tune, case.parts.split.test))) < 450


def test_all_applicants_of_the_months_judged_are_decided_on(bank):
    asked, split = bank.sample.at(bank.deciding.test), bank.parts.split
    assert set(split.test) < set(bank.deciding.test)
    refused = bank.applications.rejected[bank.deciding.test]
    assert refused.any()
    assert asked.target[refused].isna().all()
    assert asked.day.min() == bank.sample.day.iloc[split.test].min()
    assert bank.loan_costs.fn.index.equals(bank.sample.target.index)


def test_protected_attributes_are_groups_and_in_no_model(bank):
    groups = bank.groups()
    assert {"gender", "age band"} <= set(groups)
    assert not set(bank.sample.predictors) & {"gender", "age_years", "birth_date", "marital_status", "region"}
    name, marked = fairness.two_groups(groups, bank.beside["approved"].eq(True).fillna(False))
    assert name in ("gender is female", "gender is male")
    assert set(marked.dropna()) == {0.0, 1.0}


def test_the_group_that_is_approved_less_often_is_marked():
    group = pd.Series(["a"] * 60 + ["b"] * 40)
    approved = pd.Series([True] * 30 + [False] * 30 + [True] * 30 + [False] * 10)
    name, marked = fairness.two_groups({"x": pd.Series(range(100)) % 3, "y": group}, approved)
    assert name == "y is a"
    assert marked.sum() == 60
    assert fairness.two_groups({"y": group.where(group == "a")}, approved) is None


def test_the_cut_off_is_chosen_on_applicants_before_those_it_is_judged_by(bank, tmp_path):
    before, judged = (bank.sample.day.iloc[rows] for rows in (bank.before, bank.deciding.test))
    assert before.max() < judged.min()
    assert set(bank.parts.split.tune) < set(bank.before)
    assert bank.applications.rejected[bank.before].any()
    case = opened(table(tmp_path, days=True), time="day")
    assert not set(case.before) & set(case.deciding.test)
