"""The credit sample: what was known before each application, which months may be learnt from, and who is protected."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pytest
from bank_fixtures import write_parquet
from hypothesis import given, settings
from hypothesis import strategies as st
from random_bank import random_bank

from bankmine.bank.flat import open_flat
from bankmine.bank.snapshot import Snapshot, open_source
from bankmine.errors import BankmineError
from bankmine.features.customers import features
from bankmine.learning import splits
from bankmine.learning.columns import load_columns
from bankmine.learning.sample import Sample
from bankmine.topics.credit import applications as credit_sample
from bankmine.topics.credit import applications as credit_vintages
from bankmine.topics.credit.rules import REGISTRY
from bankmine.topics.credit.study import BankCredit, TableCredit

AS_OF = "2025-12-31"


def month_of(number: int, good: int, bad: int, open_: int, refused: int = 0) -> pd.DataFrame:
    """Applications of one month of 2024: repaid after a year, bad after half of it, and open or refused ones."""
    day = pd.Timestamp(2024, number, 10)
    outcome = [0.0] * good + [1.0] * bad + [np.nan] * (open_ + refused)
    known = [day + pd.DateOffset(years=1)] * good + [day + pd.DateOffset(months=6)] * bad
    return pd.DataFrame({
        "day": day, "approved": pd.array([True] * (good + bad + open_) + [False] * refused, dtype="boolean"),
        "defaulted": outcome, "outcome_on": pd.to_datetime(known + [pd.NaT] * (open_ + refused)),
    })  # fmt: skip


def made(*months: pd.DataFrame, as_of: str = AS_OF) -> tuple[Sample, pd.DataFrame]:
    beside = pd.concat(months, ignore_index=True)
    day = beside.pop("day")
    closed = credit_vintages.closed_by(beside, day, pd.Timestamp(as_of))
    target = beside["defaulted"].where(closed)
    entity = pd.Series([f"C{i}" for i in range(len(beside))])
    return Sample(pd.DataFrame({"x": np.arange(len(beside))}), target, entity, day), beside


def test_a_month_is_learnt_from_once_nearly_all_of_its_outcomes_are_known():
    sample, _ = made(month_of(1, good=90, bad=6, open_=4), month_of(2, good=90, bad=2, open_=8))
    assert sample.known.sum() == 96
    assert set(sample.day[sample.known].dt.month) == {1}


def test_of_a_young_month_bad_credits_are_known_and_yet_not_learnt_from():
    sample, beside = made(month_of(1, 50, 5, 0), month_of(9, 0, 7, 60))
    assert beside["defaulted"].sum() == 12
    assert sample.target.sum() == 5


def test_the_past_does_not_depend_on_what_became_known_later():
    months = [month_of(m, 40, 4, 0, refused=9) for m in (1, 4, 8)]
    sample, beside = made(*months)
    day = pd.Timestamp("2025-04-30")
    told = credit_vintages.closed_by(beside, sample.day, day)
    later = beside.assign(defaulted=beside["defaulted"].where(beside["outcome_on"] <= day, 1 - beside["defaulted"]))
    blind = beside.assign(
        defaulted=beside["defaulted"].where(beside["outcome_on"] <= day),
        outcome_on=beside["outcome_on"].where(beside["outcome_on"] <= day),
    )
    assert told.sum() == 88
    for other in (later, blind):
        assert (credit_vintages.closed_by(other, sample.day, day) == told).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 60), st.integers(0, 20), st.integers(0, 20), st.integers(0, 9))
def test_vintages_add_up_and_a_young_one_is_a_floor(good, bad, open_, refused):
    sample, beside = made(month_of(2, 60, 6, 0), month_of(5, good, bad, open_, refused))
    table = credit_vintages.vintages(sample, beside)
    assert table["applications"].sum() == len(sample)
    assert (table["known"] + table["open"] == table["approved"]).all()
    if good + bad + open_ + refused:
        young = table.loc["2024Q2"]
        approved, closed = good + bad + open_, open_ <= 0.05 * (good + bad + open_)
        assert bool(young["closed"]) == (closed and approved > 0)
        counted = good + bad if young["closed"] else approved
        assert young["rate"] == pytest.approx(bad / counted) if counted else np.isnan(young["rate"])
    steps = credit_vintages.application_funnel(sample, beside)["rows"]
    assert list(steps) == sorted(steps, reverse=True)
    assert steps.iloc[-1] == sample.known.sum()


def test_young_vintages_are_followed_only_to_the_age_that_all_of_them_have_reached():
    sample, beside = made(month_of(1, 50, 5, 0), month_of(11, 0, 3, 50), as_of="2025-06-30")
    ages = credit_vintages.by_age(sample, beside, pd.Timestamp("2025-06-30"))
    assert ages.groupby("vintage")["months"].max().to_dict() == {"2024Q1": 12, "2024Q4": 7}
    old = ages[ages["vintage"] == "2024Q1"].set_index("months")
    assert old["bad"].loc[[5, 6, 12]].tolist() == [0, 5, 5]
    assert ages[(ages["vintage"] == "2024Q4") & (ages["months"] == 6)]["rate"].item() == pytest.approx(3 / 53)


def test_nothing_is_learnt_that_was_not_known_when_the_test_begins():
    months = [month_of(m, 60, 12, 0, refused=20) for m in range(1, 13)]
    year = pd.DateOffset(years=1)
    early = [part.assign(day=part["day"] - year, outcome_on=part["outcome_on"] - year) for part in months]
    sample, beside = made(*early, *months)
    parts = credit_sample.in_time(credit_sample.Applications(sample, beside, pd.DataFrame()), test=3)
    split, first = parts.split, sample.day.iloc[parts.split.test].min()
    learnt = np.union1d(split.train, split.tune)
    assert (beside["outcome_on"].iloc[learnt] <= first).all()
    assert sample.day.iloc[split.train].max() < sample.day.iloc[split.tune].min()
    assert sample.day.iloc[split.test].dt.to_period("M").nunique() == 3
    assert set(sample.target.iloc[learnt]) == {0.0, 1.0}
    assert not set(split.test) & set(learnt)
    for train, test in parts.folds:
        assert not set(sample.entity.iloc[train]) & set(sample.entity.iloc[test])
        assert not set(split.test) & (set(train) | set(test))


def test_too_few_bad_credits_are_said_to_be_too_few():
    sample, beside = made(*(month_of(m, 50, 0, 0) for m in range(1, 13)))
    early = credit_sample.Applications(sample, beside.assign(outcome_on=sample.day), pd.DataFrame())
    with pytest.raises(BankmineError, match="0 of 500 applications to learn from went bad"):
        credit_sample.in_time(early, test=2)
    young = credit_sample.Applications(*made(month_of(1, 0, 4, 50)), pd.DataFrame())
    with pytest.raises(BankmineError, match="Outcomes of only 0 months"):
        credit_sample.in_time(young)


def test_who_a_person_is_and_what_was_decided_never_enter(small_applications):
    found = small_applications
    names = set(found.sample.predictors)
    assert {"gender", "age_years", "region", "marital_status"} <= set(found.protected)
    assert not names & {*found.protected, "approved", "account_id", "decision", "mailing_status", "defaulted"}
    assert {"employer_sector", "bureau_utilisation", "tenure_days", "deposits"} <= names
    assert (found.sample.target[found.rejected].isna()).all()
    assert found.decisions.target.mean() == pytest.approx(found.rejected.mean())
    assert found.columns.use["account_id"] == "refused"


def applying(folder: Path, *without: str, as_of: str = AS_OF, **columns: object) -> Snapshot:
    """Write a bank in which everyone applied once, some tables left out and some columns added."""
    bank = {name: table for name, table in random_bank(3).items() if name not in without}
    people = bank["customers"]
    day = pd.to_datetime(people.joined_on) + pd.Timedelta(days=200)
    asked = pd.DataFrame({
        "application_id": [f"L{i}" for i in range(len(people))], "customer_id": people.customer_id,
        "applied_on": day.dt.date, "product": "personal_loan", "amount": 1000.0,
        "defaulted": np.arange(len(people)) % 5 == 0, "outcome_known_on": (day + pd.Timedelta(days=10)).dt.date,
    }).assign(**columns)  # fmt: skip
    write_parquet(bank, folder)
    asked.to_parquet(folder / "applications.parquet")
    return open_source(str(folder)).as_of(as_of)


@pytest.mark.slow
def test_customers_are_described_as_features_describes_them_at_the_month_end_before(tmp_path):
    snapshot = applying(tmp_path)
    rows = credit_sample.applications(snapshot).sample
    day = (rows.day.dt.to_period("M").dt.to_timestamp() - pd.Timedelta(days=1)).dt.date
    spine = pd.DataFrame({"customer_id": rows.entity, "day": day})
    names = ["tenure_days", "accounts", "deposits", "deposits_mean_180d", "debts", "inflow_180d", "outflow_180d"]
    table = features(snapshot, ibis.memtable(spine)).select("customer_id", "day", *names, "salary_180d").to_pandas()
    table["day"] = pd.to_datetime(table["day"]).dt.date
    wanted = spine.merge(table, on=["customer_id", "day"], how="left").drop(columns=["customer_id", "day"])
    told = rows.predictors[list(wanted)].astype(float).to_numpy()
    there = wanted["tenure_days"].notna().to_numpy()
    assert there.sum() > 20
    assert (told[there] != 0).any(axis=0).all()
    np.testing.assert_allclose(told[there], wanted.astype(float).to_numpy()[there], rtol=1e-9)


@pytest.mark.slow
def test_what_is_known_of_an_application_does_not_change_as_time_passes(tmp_path):
    early, late = (credit_sample.applications(applying(tmp_path, as_of=day)) for day in ("2024-12-31", AS_OF))
    place = late.beside.set_index("application_id").index.get_indexer(early.beside["application_id"])
    assert (place >= 0).all()
    assert len(early.sample) < len(late.sample)
    now = late.sample.predictors.iloc[place].reset_index(drop=True)
    pd.testing.assert_frame_equal(early.sample.predictors, now)


@pytest.mark.slow
def test_a_bank_that_tells_little_still_has_a_sample(tmp_path):
    found = credit_sample.applications(applying(tmp_path, "balances", **{"评分 <b>": 1.0, "monthly_payment": 55.0}))
    assert found.sample.known.all()  # without a column of decisions, all were granted
    assert not found.rejected.any()
    assert "monthly_payment" in found.sample.predictors
    assert found.columns.use["评分 <b>"] == "refused"
    assert found.columns.reason["评分 <b>"].startswith("Not listed")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"monthly_payment": dt.date(2025, 1, 1)}, "must be a number"),
        ({"deposits": 1.0}, "named like a feature"),
    ],
)
def test_columns_that_cannot_be_used_are_named(tmp_path, columns, message):
    with pytest.raises(BankmineError, match=message):
        credit_sample.applications(applying(tmp_path, **columns))


@pytest.mark.slow
def test_a_bank_without_outcomes_is_told_so(tmp_path):
    bank = random_bank(3)
    source = open_source(str(write_parquet(bank, tmp_path))).as_of(AS_OF)
    with pytest.raises(BankmineError, match=r"applications\.defaulted"):
        credit_sample.applications(source)


def test_a_flat_table_keeps_protected_columns_beside(tmp_path):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"age": rng.integers(20, 70, 200), "收入 <i>": rng.random(200), "bad": rng.random(200) < 0.3})
    file = tmp_path / "loans.csv"
    rows.to_csv(file, index=False)
    case = TableCredit(open_flat(str(file), "bad"))
    assert list(case.sample.predictors) == ["收入 <i>"]
    assert list(case.beside) == ["age"]
    assert case.snapshot is None
    assert len(case.parts.folds) == 25
    rows[["age", "bad"]].to_csv(file, index=False)
    with pytest.raises(BankmineError, match="no column that a model may use"):
        TableCredit(open_flat(str(file), "bad"))


@pytest.mark.slow
def test_a_case_says_what_is_lacking_instead_of_failing(tmp_path):
    case = BankCredit(applying(tmp_path))
    assert not case.parts
    assert case.snapshot is case.source
    assert str(splits.FEWEST) in case.parts.why or "months" in case.parts.why


def test_the_register_refuses_an_unknown_use(tmp_path):
    assert load_columns(REGISTRY)["gender"].use == "protected"
    file = tmp_path / "credit.yml"
    file.write_text(REGISTRY.read_text("utf-8").replace("use: protected", "use: maybe"), "utf-8")
    with pytest.raises(BankmineError, match="use of gender is one of allowed, protected, refused, not 'maybe'"):
        load_columns(file)
