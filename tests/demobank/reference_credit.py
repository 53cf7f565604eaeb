"""The plain models that say how hard the demo bank's credit scoring is: XGBoost and logistic regression.

Both learn from the columns of `applications` alone, as they were known on the day of the application: from approved
applications of the window's first eighteen months whose twelve months were over by then, and are tested on approved
ones that came later and whose outcome is closed. Cohorts and not single outcomes are closed, as defaults are known
sooner than repayments.
"""

from __future__ import annotations

import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from xgboost import XGBClassifier

NUMBERS = (
    "amount", "term_months", "stated_income", "debt_to_income", "employment_months", "dependants", "address_months",
    "bureau_inquiries_6m", "bureau_utilisation", "delinquencies_24m", "oldest_line_months", "other_debt",
)  # fmt: skip
WORDS = ("product", "applied_through", "purpose", "employer_sector", "housing")
SPLIT = 18
"""Months after the first application at which the model is made."""


def reference(applications: pd.DataFrame) -> dict[str, float]:
    """Return the out-of-time AUC of both models, and how many defaults they learnt from and were tested on."""
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
