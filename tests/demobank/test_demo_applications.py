"""Applications for credit: whole, consistent with accounts, and with the planted truth in them and nothing more."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.special import expit
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, PoissonRegressor
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from xgboost import XGBClassifier

from bankmine.bank.contract import DEBTS
from bankmine.bank.contract import TABLES as CONTRACT
from demobank import generate
from demobank.block import Block
from demobank.credit import credit_people
from demobank.credit.applications import DRIFTS
from demobank.credit.credit_policy import PLANTED as POLICY
from demobank.credit.default_risk import PLANTED, a_year_later
from demobank.seasons import make_calendar
from demobank.streams import Streams
from demobank.tables import TABLES

pytestmark = pytest.mark.slow

NUMBERS = (
    "amount", "term_months", "stated_income", "debt_to_income", "employment_months", "dependants", "address_months",
    "bureau_inquiries_6m", "bureau_utilisation", "delinquencies_24m", "oldest_line_months", "other_debt",
)  # fmt: skip
WORDS = ("product", "applied_through", "purpose", "employer_sector", "housing")
SPLIT = 18
"""Months after the first application at which the model is made."""
END = dt.date(2025, 12, 31)
TYPES = {
    "string": pa.string(), "date": pa.date32(), "float64": pa.float64(), "int64": pa.int64(), "boolean": pa.bool_(),
}  # fmt: skip
FILED = ["bureau_inquiries_6m", "bureau_utilisation", "delinquencies_24m", "oldest_line_months", "other_debt"]
MADE = ("applications", "customers", "truth/applications", "truth/customers")
YEAR, DAY = pd.DateOffset(years=1), pd.Timedelta(days=1)


def reference(applications: pd.DataFrame) -> dict[str, float]:
    """Return the out-of-time AUC of both models, and how many defaults they learnt from and were tested on.

    They learn from the columns of `applications` alone, as known on the day of the application: from approved ones of
    the window's first eighteen months whose twelve months were over by then. Cohorts and not single outcomes are
    closed, as defaults are known sooner than repayments.
    """
    train, test = split(applications)
    scores = {name: model.fit(*train).predict_proba(test[0])[:, 1] for name, model in _models().items()}
    found = {name: float(roc_auc_score(test[1], score)) for name, score in scores.items()}
    return found | {"train_defaults": int(train[1].sum()), "test_defaults": int(test[1].sum())}


def split(applications: pd.DataFrame) -> tuple[tuple[pd.DataFrame, pd.Series], tuple[pd.DataFrame, pd.Series]]:
    """Return attributes and outcomes of the closed cohorts before the day of the split and after it."""
    approved = applications[applications.approved]
    first, last = applications.applied_on.min().to_period("M").to_timestamp(), applications.outcome_known_on.max()
    made_on, year = first + pd.DateOffset(months=SPLIT), pd.DateOffset(years=1)
    train = approved[approved.applied_on < made_on - year]
    test = approved[(approved.applied_on >= made_on) & (approved.applied_on <= last - year)]
    return tuple((_attributes(part), part.defaulted.astype(bool)) for part in (train, test))


def _attributes(rows: pd.DataFrame) -> pd.DataFrame:
    numbers = {name: rows[name].astype("float64") for name in NUMBERS}
    return pd.DataFrame(numbers | {name: rows[name].astype(str) for name in WORDS})


def _models() -> dict[str, object]:
    codes = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    trees = make_column_transformer(("passthrough", list(NUMBERS)), (codes, list(WORDS)))
    boosted = XGBClassifier(
        n_estimators=300, max_depth=2, learning_rate=0.03, min_child_weight=5, subsample=0.7, colsample_bytree=0.4,
        n_jobs=1, random_state=0,
    )  # fmt: skip
    scaled = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    lines = make_column_transformer((scaled, list(NUMBERS)), (codes, list(WORDS)))
    return {
        "xgboost": make_pipeline(trees, boosted),
        "logistic": make_pipeline(lines, LogisticRegression(C=0.3, max_iter=2000)),
    }


def block(seed: int, number: int = 0, months: int = 36, end: dt.date = END, kept: int = 1000) -> Block:
    return Block(Streams(seed, number), make_calendar(end, months), kept)


def of_blocks(seed: int, tables: tuple[str, ...], blocks: int = 5, **window: object) -> dict[str, pd.DataFrame]:
    """Return tables of whole blocks without the rows that were delivered twice."""
    made = [block(seed, number, **window) for number in range(blocks)]
    frames = {t: [TABLES[t](b).to_pandas(date_as_object=False) for b in made] for t in tables}
    return {t: pd.concat(parts).drop_duplicates(ignore_index=True) for t, parts in frames.items()}


@pytest.fixture(scope="module")
def bank() -> dict[str, pd.DataFrame]:
    return of_blocks(3, MADE) | {"accounts": _accounts(3, 5)}


def _accounts(seed: int, blocks: int) -> pd.DataFrame:
    """Accounts without the catalogued defects."""
    parts = [TABLES["accounts"](block(seed, number)).to_pandas(date_as_object=False) for number in range(blocks)]
    return pd.concat(parts, ignore_index=True).query("product in @DEBTS", local_dict={"DEBTS": DEBTS})


@pytest.fixture(scope="module")
def rows(bank) -> pd.DataFrame:
    """Applications with their truth, and with gender and true risk of the applicant."""
    people = bank["customers"][["customer_id", "joined_on", "gender"]].merge(bank["truth/customers"], on="customer_id")
    return bank["applications"].merge(bank["truth/applications"], on="application_id", validate="one_to_one").merge(
        people, on="customer_id", validate="many_to_one"
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("demo") / "bank", customers=150, months=2, seed=3)


def test_columns_are_those_of_the_contract_and_more(folder):
    schema, told = pq.read_schema(folder / "applications" / "part-0000.parquet"), CONTRACT["applications"]
    assert set(told.names) <= set(schema.names)
    assert {name: schema.field(name).type for name in told.names} == {c.name: TYPES[c.type] for c in told.columns}
    assert len(schema.names) > len(told.names) + 12
    truth = pq.read_table(folder / "truth/applications").to_pandas()
    assert set(truth.application_id) == set(pq.read_table(folder / "applications").to_pandas().application_id)


def test_keys_are_unique_and_count_the_customers_applications(rows):
    assert rows.application_id.is_unique
    assert rows.application_id.str.fullmatch(r"L\d{10}").all()
    assert rows.sort_values("application_id").groupby("customer_id").applied_on.is_monotonic_increasing.all()
    number = rows.application_id.str[1:].astype("int64")
    assert (number // 1000 == rows.customer_id.str[1:].astype("int64")).all()
    assert (number % 1000 == rows.groupby("customer_id").cumcount()).all()


def test_applicants_are_grown_customers_of_that_day(rows, bank):
    assert (rows.applied_on >= rows.joined_on).all()
    assert not (rows.applied_on >= rows.left_on).any()
    assert rows.applied_on.between("2023-01-01", "2025-12-31").all()
    born = pd.to_datetime(rows.merge(bank["customers"], on="customer_id").birth_date, errors="coerce")
    age = ((rows.applied_on - born).dt.days / 365.25).dropna()
    assert age.min() >= 17.99
    assert age[rows["product"] == "mortgage"].max() < 58.1
    assert age[rows["product"] == "personal_loan"].max() < 65.1
    assert age.max() < 75.1


def test_each_credit_account_has_its_application(rows, bank):
    own = rows[rows.account_id.notna()].merge(bank["accounts"], on=["account_id", "customer_id"], suffixes=("", "_of"))
    opened = bank["accounts"][bank["accounts"].opened_on >= "2023-01-21"]
    assert len(own) == rows.account_id.notna().sum() > 1000
    assert set(opened.account_id) <= set(own.account_id)
    assert own.account_id.is_unique
    assert own.approved.all()
    assert (own["product"].astype(str) == own.product_of.astype(str)).all()
    assert (own.amount >= own.credit_limit).all()
    ahead = (own.opened_on - own.applied_on).dt.days
    assert ahead.max() == 20
    assert ((ahead >= 3) | (own.applied_on == own.joined_on)).all()


def test_first_cards_and_mortgages_without_an_account_were_rejected(rows):
    first = rows[rows.account_id.isna() & rows.purpose.isin(["new_card", "home_purchase"])]
    assert len(first) > 500
    assert not first.approved.any()


def test_outcomes_are_of_the_approved_and_in_time(rows):
    known = rows[rows.outcome_known_on.notna()]
    assert (rows.defaulted.notna() == rows.outcome_known_on.notna()).all()
    assert known.approved.all()
    assert known.outcome_known_on.max() <= pd.Timestamp(END)
    assert (known.defaulted.astype(bool) == known.would_default).all()
    repaid, lost = known[~known.would_default], known[known.would_default]
    assert (repaid.outcome_known_on == repaid.applied_on + YEAR).all()
    assert (lost.outcome_known_on - lost.applied_on).dt.days.between(120, 364).all()
    assert rows[rows.approved & (rows.applied_on + YEAR <= pd.Timestamp(END))].defaulted.notna().all()
    assert rows[rows.approved & ~rows.would_default & (rows.applied_on >= "2025-01-01")].defaulted.isna().all()


def test_a_year_after_29_february_is_28_february():
    calendar = make_calendar(dt.date(2025, 3, 31), 24)
    day = np.array([(dt.date(2024, 2, d) - dt.date(2023, 4, 1)).days for d in (28, 29)])
    later = a_year_later(calendar, day)
    assert [str(calendar.start + d) for d in later] == ["2025-02-28", "2025-02-28"]


def test_after_a_default_the_door_is_closed(rows):
    bad = rows[rows.approved & rows.would_default & rows.outcome_known_on.notna()].groupby("customer_id")
    known = rows.customer_id.map(bad.outcome_known_on.min())
    after = rows[rows.applied_on > known]
    assert len(bad) > 300
    assert after.account_id.notna().all()


@pytest.mark.parametrize("number", range(2))
def test_marginals(number, rows):
    found = rows if number == 0 else of_blocks(11, MADE[:1] + MADE[2:3], 3)
    if number:
        found = found["applications"].merge(found["truth/applications"], on="application_id")
    yes, partner = found.approved, found.applied_through == "partner_app"
    customers = 5000 if number == 0 else 3000
    assert 0.75 < len(found) / customers / 3 < 1.0
    assert 0.64 < yes.mean() < 0.70
    assert 0.05 < found[yes].would_default.mean() < 0.085
    assert 0.15 < found[~yes].would_default.mean() < 0.25
    assert 0.06 < found[~partner].bureau_utilisation.isna().mean() < 0.13
    assert 0.02 < (found.decision == "manual").mean() < 0.08
    assert set(found["product"]) == set(DEBTS)
    assert found.bureau_utilisation.between(0, 1.2).sum() == found.bureau_utilisation.notna().sum()


def test_fewer_apply_around_new_year_and_riskier_and_younger_ones_more(rows, bank):
    per_day = rows.groupby("applied_on").size().reindex(pd.date_range("2023-01-01", END), fill_value=0)
    feast = pd.concat([per_day[d : d + 10 * DAY] for d in pd.to_datetime(["2023-01-22", "2024-02-10", "2025-01-29"])])
    assert feast.mean() < 0.6 * per_day.mean()
    people = bank["truth/customers"].merge(bank["customers"][["customer_id", "birth_date"]], on="customer_id")
    people["age"] = 2023 - pd.to_numeric(people.birth_date.str[:4])
    people = people[people.left_on.isna() & people.age.between(20, 55)]
    wished = rows[rows.account_id.isna() & (rows.applied_through != "partner_app")].customer_id.value_counts()
    count = people.customer_id.map(wished).fillna(0)
    model = PoissonRegressor(alpha=0).fit(people[["credit_risk", "age"]], count)
    assert 0.15 < model.coef_[0] < 0.4
    assert -0.03 < model.coef_[1] < -0.01


def effects(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return the log-odds of default part by part, from the table, the true risk and the planted constants."""
    told = {name.removeprefix("default."): value for name, value in PLANTED.items()}
    file = rows.bureau_utilisation.notna()
    high = rows.bureau_utilisation >= told["interaction_utilisation"]
    weak = rows.applied_on >= "2024-10-01"
    tenure = np.where(rows.employer_sector == "retired", 60, rows.employment_months)
    history = (
        told["delinquencies"] * rows.delinquencies_24m.clip(upper=4)
        + told["inquiries"] * rows.bureau_inquiries_6m.clip(upper=8)
        + told["oldest_line"] * (np.log1p(rows.oldest_line_months / 12) - 2.0)
    )
    both = high & (rows.bureau_inquiries_6m >= told["interaction_inquiries"])
    away = rows.bureau_utilisation - told["utilisation_best"]
    return {
        "risk": told["credit_risk"] * rows.credit_risk,
        "utilisation": np.where(file, told["utilisation"] * away**2, 0),
        "interaction": told["interaction"] * both,
        "employment": np.where(weak, told["employment_weakened"], told["employment"]) * (np.log1p(tenure) - 3.5),
        "history": np.where(file, history, told["no_file"]),
        "others": told["constant"]
        + told["debt_to_income"] * rows.debt_to_income.clip(upper=2)
        + told["renting"] * (rows.housing == "rent")
        + told["owning"] * (rows.housing == "own")
        + told["business"] * (rows.purpose == "business")
        + told["card"] * (rows["product"] == "credit_card")
        + told["mortgage"] * (rows["product"] == "mortgage"),
    }  # fmt: skip


def test_default_follows_from_the_table_the_risk_and_the_economy_and_nothing_else(rows):
    parts = effects(rows)
    economy = rows.log_odds - sum(parts.values())
    told = economy.notna()
    assert told.mean() > 0.85
    assert np.allclose(economy[told], rows.from_economy[told], atol=2e-6)
    assert (rows.groupby(rows.applied_on.dt.to_period("M")).from_economy.nunique() == 1).all()
    assert 0.02 < rows.from_economy.std() < 0.3
    assert np.allclose(rows.probability, expit(rows.log_odds), atol=2e-6)
    for name in ("risk", "utilisation", "interaction"):
        assert np.allclose(parts[name], rows["from_" + name], atol=2e-6), name


def test_outcomes_fall_as_the_probabilities_say(rows):
    band = pd.qcut(rows.probability, 10)
    found = rows.groupby(band, observed=True).agg(
        p=("probability", "mean"), d=("would_default", "mean"), n=("probability", "size")
    )
    error = np.sqrt(found.p * (1 - found.p) / found.n)
    assert (((found.d - found.p) / error) ** 2).sum() < 30


def test_planted_signs_and_shapes(rows):
    assert PLANTED["default.employment"] < PLANTED["default.employment_weakened"] < 0 < PLANTED["default.interaction"]
    use = pd.cut(rows.bureau_utilisation, [-0.01, 0.0, 0.2, 0.6, 1.2])
    default = rows.groupby(use, observed=True).would_default.mean().to_numpy()
    assert default[0] > 1.5 * default[2]
    assert default[3] > 3 * default[2]
    for column in ("delinquencies_24m", "bureau_inquiries_6m", "debt_to_income"):
        assert rows[[column, "would_default"]].astype(float).corr("spearman").iloc[0, 1] > 0.1, column
    for column in ("employment_months", "oldest_line_months"):
        assert rows[[column, "would_default"]].astype(float).corr("spearman").iloc[0, 1] < -0.05, column


def test_the_interaction_is_worse_than_the_sum(rows):
    high, many = rows.bureau_utilisation >= 0.65, rows.bureau_inquiries_6m >= 4
    rest = (rows.log_odds - rows.from_interaction).to_numpy()[:, None]
    model = LogisticRegression(C=1e6).fit(np.column_stack([rest, high, many, high & many]), rows.would_default)
    assert 0.85 < model.coef_[0, 0] < 1.15
    assert np.abs(model.coef_[0, 1:3]).max() < 0.45
    assert 1.2 < model.coef_[0, 3] < 2.4


def test_the_sector_tells_gender_and_not_default(rows):
    known = rows[rows.gender.notna() & (rows.employer_sector != "retired")]
    share = known.groupby("employer_sector", observed=True).gender.transform(lambda g: (g == "female").mean())
    assert 0.68 < roc_auc_score(known.gender == "female", share) < 0.85
    women = (known.gender == "female").to_numpy()
    mostly = known.employer_sector.isin(credit_people.MOSTLY_WOMEN).to_numpy()
    both = np.column_stack([known.log_odds, women, mostly])
    model = LogisticRegression(C=1e6).fit(both, known.would_default)
    assert np.abs(model.coef_[0, 1:]).max() < 0.2
    for group in (women, mostly):
        assert abs(known.log_odds[group].mean() - known.log_odds[~group].mean()) < 0.2
    assert PLANTED["default.sector"] == PLANTED["default.gender"] == 0


def test_the_policy_follows_its_score_and_is_harder_on_women(rows):
    own = rows.account_id.notna()
    yes = rows[~own].groupby(pd.qcut(rows.policy_score[~own], 5), observed=True).approved.mean().to_numpy()
    assert (np.diff(yes) < 0).all()
    assert yes[0] > 0.85
    assert yes[-1] < 0.25
    assert ((rows.decision == "manual") == (rows.approved != rows.policy_approves)).all()
    by_hand = rows[~own & ~rows.policy_approves]
    assert 0.01 < by_hand.approved.mean() < 2 * POLICY["credit_policy.approved_by_hand"]
    assert (own & (rows.decision == "manual")).sum() > 200
    approved = rows.groupby("gender", observed=True).approved.mean()
    assert 0.82 < approved["female"] / approved["male"] < 0.97


def test_drifts_start_on_their_days(rows):
    days = {name: starts for name, _, starts, _, _ in DRIFTS}
    assert {table for *_, table, _ in DRIFTS} == {"applications"}
    partner = rows.applied_through == "partner_app"
    after = rows.applied_on >= days["partner_app"]
    assert not partner[~after].any()
    assert 0.2 < partner[after].mean() < 0.4
    thin = rows.bureau_utilisation.isna() | (rows.oldest_line_months < 24)
    assert thin[partner].mean() > 2 * thin[after & ~partner].mean()
    tenure = np.log1p(rows.employment_months)
    weak = rows.applied_on >= days["employment_weakens"]
    slopes = [
        np.polyfit(tenure[s & tenure.notna()], rows.from_employment[s & tenure.notna()], 1)[0] for s in (~weak, weak)
    ]
    assert np.allclose(slopes, [PLANTED["default.employment"], PLANTED["default.employment_weakened"]], atol=1e-5)


def test_two_applications_of_one_person_agree(rows):
    ordered = rows.sort_values(["customer_id", "applied_on"])
    before = ordered.groupby("customer_id").shift()
    months = (ordered.applied_on - before.applied_on).dt.days / (365.25 / 12)
    again = before.applied_on.notna()
    grown = (ordered.oldest_line_months - before.oldest_line_months)[again]
    gap = (grown - months[again]).dropna()
    assert (gap.abs() <= 1).all()
    assert not (ordered.bureau_utilisation.isna() & before.bureau_utilisation.notna())[again].any()
    assert (rows[rows.employer_sector != "retired"].groupby("customer_id").employer_sector.nunique() == 1).all()
    soon = again & (months > 0) & (months < 5.9) & ordered.bureau_inquiries_6m.notna()
    assert soon.sum() > 1000
    assert (ordered.bureau_inquiries_6m[soon] >= 1).all()


def test_what_is_missing_tells_something(rows):
    no_file = rows[FILED].isna()
    assert (no_file.nunique(axis=1) == 1).all()
    partner = rows.applied_through == "partner_app"
    assert rows.stated_income.isna()[partner].mean() > 2 * rows.stated_income.isna()[~partner].mean() > 0
    assert (rows.stated_income.isna() == rows.debt_to_income.isna()).all()
    assert (rows.term_months.isna() == (rows["product"] == "credit_card")).all()
    assert rows.employment_months[rows.employer_sector == "retired"].isna().all()
    always = ["amount", "approved", "decision", "applied_through", "purpose", "housing", "employer_sector"]
    assert rows[always].notna().all(axis=None)


@pytest.mark.parametrize(
    ("end", "months"), [(dt.date(2025, 12, 31), 1), (dt.date(2024, 10, 31), 2), (dt.date(2019, 2, 28), 1),
                        (dt.date(2026, 6, 30), 14)]
)  # fmt: skip
def test_windows_before_and_after_the_drifts(end, months):
    found = of_blocks(9, ("applications", "truth/applications"), 1, end=end, months=months)
    rows, first = found["applications"], (pd.Timestamp(end) + DAY) - pd.DateOffset(months=months)
    assert len(rows) > 20
    assert rows.applied_on.between(first, pd.Timestamp(end)).all()
    assert (rows.applied_through == "partner_app").any() == (end.year >= 2025)
    assert found["truth/applications"].notna().all(axis=None)


def test_a_block_in_which_nobody_applies_has_the_same_columns():
    full, empty = block(3, months=1), block(3, months=1)
    nobody = np.full(len(empty.world), 12.0)
    empty.world = replace(empty.world, age=nobody)
    for table in ("applications", "truth/applications"):
        made = TABLES[table](empty)
        assert len(made) == 0
        assert made.schema == TABLES[table](full).schema


def test_a_customer_is_the_same_in_a_bank_of_any_size():
    few, many = block(3, kept=7, months=6), block(3, months=6)
    for table in ("applications", "truth/applications"):
        small, whole = TABLES[table](few), TABLES[table](many)
        assert 0 < len(small) < 60
        assert small.to_pylist() == whole.slice(0, len(small)).to_pylist()
        assert small["application_id"].to_pylist()[-1] < "L0000007000" <= whole["application_id"][len(small)].as_py()


@pytest.mark.seeds
@pytest.mark.parametrize("seed", [20251231, 7, 11, 23, 42])
def test_plain_xgboost_finds_who_defaults_and_not_too_well(seed):
    found = reference(of_blocks(seed, ("applications",))["applications"])
    assert 0.74 < found["xgboost"] < 0.84
    assert 0.68 < found["logistic"] < found["xgboost"] + 0.02
