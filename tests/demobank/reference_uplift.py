"""A plain, honest uplift model and plain differences: what the difficulty of the campaigns is measured with."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from reference_churn import dated
from xgboost import XGBClassifier

from bankmine.bank.snapshot import open_source
from bankmine.features.customers import features
from bankmine.features.spine import spine_of

RANDOMISED = ("term_deposit_2024_05", "card_instalments_2024_11", "retention_bonus_2025_09")
PICKED = "fund_plan_2025_04"
WINDOW = dt.timedelta(days=30)
RESAMPLES = 300


@dataclass(frozen=True)
class Difference:
    """Response of the treated less that of the control, its standard error, and the true average effect."""

    naive: float
    error: float
    truth: float

    @property
    def apart(self) -> float:
        """How many standard errors the difference is above the truth."""
        return (self.naive - self.truth) / self.error


def differences(folder: Path) -> dict[str, Difference]:
    """Return the plain difference of each campaign with a control, beside the truth."""
    rows = (
        pd.read_parquet(folder / "contacts")
        .drop_duplicates()
        .merge(pd.read_parquet(folder / "truth/contacts"), on="contact_id")
    )
    found = {}
    for campaign in (*RANDOMISED, PICKED):
        of_campaign = rows[rows.campaign == campaign]
        groups = of_campaign.responded.astype(float).groupby(of_campaign.treated)
        means, errors = groups.mean(), groups.var() / groups.size()
        found[campaign] = Difference(means[True] - means[False], np.sqrt(errors.sum()), of_campaign.effect.mean())
    return found


def listed(folder: Path) -> pd.DataFrame:
    """Return the contacts of the randomised campaigns with features as of the day before, and outcomes."""
    bank = open_source(str(folder))
    contacts = bank.as_of(bank.span[1]).contacts.to_pandas()
    contacts = contacts[contacts.campaign.isin(RANDOMISED)]
    contacts["day"] = pd.to_datetime(contacts.contacted_on) - pd.Timedelta(days=1)
    days = sorted(contacts.day.dt.date.unique())
    snapshot = bank.as_of(days[-1])
    return contacts.merge(dated(features(snapshot, spine_of(snapshot, days))), on=["customer_id", "day"])


def scored(folder: Path) -> list[pd.DataFrame]:
    """Train on a random half of each campaign, and return the other half with the predicted effect."""
    rows, halves = listed(folder), []
    known = set(pd.read_parquet(folder / "contacts").columns) | {"day"}
    rng = np.random.default_rng(0)
    for _, campaign in rows.groupby("campaign"):
        train = rng.random(len(campaign)) < 0.5
        predictors = campaign.drop(columns=[*known]).astype(float)
        chance = {
            treated: _model().fit(predictors[chosen], campaign.responded[chosen].astype(int)).predict_proba(predictors)
            for treated in (False, True)
            for chosen in [train & (campaign.treated == treated)]
        }
        uplift = chance[True][:, 1] - chance[False][:, 1]
        halves.append(campaign.assign(uplift=uplift)[~train])
    return halves


def _model() -> XGBClassifier:
    return XGBClassifier(
        n_estimators=100, max_depth=2, learning_rate=0.05, min_child_weight=10, reg_lambda=5, subsample=0.7,
        colsample_bytree=0.5, n_jobs=1, random_state=0,
    )  # fmt: skip


def qini(rows: pd.DataFrame) -> float:
    """Return the area between the Qini curve and the straight line, in responses won for each customer treated."""
    rows = rows.sort_values("uplift", ascending=False, kind="stable")
    treated, responded = rows.treated.to_numpy(), rows.responded.to_numpy(dtype=float)
    in_treated, in_control = np.cumsum(treated), np.cumsum(~treated)
    ratio = np.divide(in_treated, in_control, out=np.zeros(len(rows)), where=in_control > 0)
    won = np.cumsum(responded * treated) - ratio * np.cumsum(responded * ~treated)
    share = np.arange(1, len(rows) + 1) / len(rows)
    return float((won - won[-1] * share).mean() / in_treated[-1])


def qini_interval(folder: Path) -> tuple[float, float, float]:
    """Return the mean Qini coefficient of the held-out halves, and its 95 % bootstrap interval."""
    halves = scored(folder)
    rng = np.random.default_rng(1)
    again = [
        np.mean([qini(half.iloc[rng.integers(0, len(half), len(half))]) for half in halves]) for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(again, [0.025, 0.975])
    return float(np.mean([qini(half) for half in halves])), float(low), float(high)
