"""What the churn report answers to a validator, in words computed from its parts, and the facts that are watched."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from bankmine.judging import drift
from bankmine.judging.ranking import of
from bankmine.lacking import Lacking
from bankmine.learning.fitting import Applied
from bankmine.learning.models import RULE, scores
from bankmine.learning.sample import Sample
from bankmine.topics.churn.case import Case

_PERSONAL = ("age_years", "gender", "marital_status", "education", "occupation", "region", "city_tier", "annual_income")


@dataclass(frozen=True)
class Found:
    """What the parts of the report found.

    Attributes
    ----------
    ranked, calibrated, lies, suspects, moved : pd.DataFrame
        From `metrics.performance`, `calibration.calibration`, `leak_lab.lies`, `leak_sentinel.sentinel` and
        `drift.psi_table`.
    earned : pd.DataFrame, optional
        From `profit_curves.profit_of`; None where costs are not told.
    """

    ranked: pd.DataFrame
    calibrated: pd.DataFrame
    lies: pd.DataFrame
    suspects: pd.DataFrame
    moved: pd.DataFrame
    earned: pd.DataFrame | None = None


def answers(case: Case, model: str, found: Found) -> dict[str, object]:
    """Say what the page found for each question of `data/validation.yml`.

    Parameters
    ----------
    case : Case
        Of the report; with parts.
    model : str
        The one that is used.
    found : Found
        By the parts of the report.

    Returns
    -------
    dict
        For `validation.validation_table`.
    """
    split, bank = case.parts.split, case.snapshot is not None
    auc, rule = (of(found.ranked, name).loc["auc"] for name in (model, RULE))
    slope = of(found.calibrated, model).loc["slope"]
    costly = Lacking("costs are not told")
    earned, moved, suspects = found.earned, found.moved, found.suspects
    personal = [c for c in case.sample.predictors.columns if c in _PERSONAL]
    return {
        "purpose": "a monthly list of whom to call; not for prices or terms",
        "definition": case.event,
        "definition_sensitivity": "rates by days of silence" if bank else Lacking("the table tells the outcome itself"),
        "data": f"{len(case.sample):,} rows of {case.sample.entity.nunique():,} customers, checked by 01_data_quality"
        if bank else f"{len(case.sample):,} rows of a flat table",
        "funnel": "counted by day" if bank else Lacking("a flat table does not tell who was left out"),
        "windows": case.parts.how,
        "sentinel": f"{int(suspects['suspicious'].sum())} suspicious predictors",
        "leak_lab": f"toy twins claim up to {found.lies['auc_claims'].max():.3f}",
        "decision": costly if earned is None else f"{earned['profit'].iloc[0]:,.0f} {'a month' if bank else 'in all'}",
        "profit_sensitivity": "by success rate" if bank else costly if earned is None else Lacking("costs are given"),
        "assumptions": "listed below",
        "limits": "at the end of this page",
        "comparison": "five models on the same folds",
        "baseline": f"simple rule, AUC {rule['value']:.3f}",
        "reasons": "themes, beeswarm and dependence",
        "performance": f"AUC {auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})",
        "split": f"{len(split.train):,} rows to learn from, {len(split.tune):,} to calibrate, {len(split.test):,} new",
        "calibration": f"slope {slope['value']:.2f} ({slope['low']:.2f} to {slope['high']:.2f})",
        "psi": f"{int(moved['shifted'].sum())} of {len(moved)} predictors shifted",
        "stability": "month by month" if case.sample.day is not None else Lacking("the table has no time"),
        "monitoring": "planned below",
        "reproducible": "seeds, data fingerprint and commit are in the manifest beside this page",
        "versions": "in the manifest beside this page",
        "sensitive": f"personal predictors: {', '.join(personal)}" if personal else "no personal attributes by name",
        "fairness": Lacking("all are offered the same terms; who is called is not compared by group here"),
        "consent": "who did not agree is not called" if bank else Lacking("a flat table tells no consent"),
    }  # fmt: skip


def facts(case: Case, model: str, applied: Applied, live: Applied, ranked: pd.DataFrame) -> dict[str, float]:
    """Return what is watched as it is today, and the limits that depend on the sample sizes.

    Parameters
    ----------
    case, model
        As for `answers`.
    applied, live : Applied
        The recipe on the rows judged by, and on those scored today.
    ranked : pd.DataFrame
        From `metrics.performance`.
    """
    months = max(len(case.parts.split.days["test"]), 1)
    rows, now = applied.rows, live.rows
    same = scores({model: applied.fitted[model]}, now)  # by one model, as scores of two cannot be compared
    found = drift.psi_table(applied.raw[[model]], same, rows.entity, now.entity).iloc[0]
    gained = now.predictors.isna().mean() - case.sample.at(case.parts.split.train).predictors.isna().mean()
    return {
        "rows": len(rows) / months, "events": rows.target.sum() / months,
        "auc": of(ranked, model).loc["auc", "value"], "expected_events": applied.probability[model].sum() / months,
        "score_psi": found["psi"], "score_psi_above": found["alarm"], "missing_gain": gained.max(), "model_age": 0.0,
    }  # fmt: skip


def facts_of_calls(rows: Sample, called: pd.Series) -> dict[str, float]:
    """Return how many of the rows were called in a month, and the share of leavers among them."""
    months = 1 if rows.day is None else rows.day.nunique()
    return {"actions": called.sum() / months, "precision": rows.target[called].mean()}
