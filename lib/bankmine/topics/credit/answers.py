"""What the credit report answers to a validator, in words computed from its parts, and the facts that are watched."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from bankmine.judging import drift
from bankmine.judging.fairness import worst_ratio
from bankmine.judging.ranking import of
from bankmine.lacking import Lacking
from bankmine.learning.fitting import Applied
from bankmine.learning.models import RULE, scores
from bankmine.topics.credit.case import Case
from bankmine.topics.credit.scorecard import SCORECARD, ScorecardModel


@dataclass(frozen=True)
class Found:
    """What the parts of the report found.

    Attributes
    ----------
    card : ScorecardModel
        The scorecard.
    ranked, calibrated, lies, suspects, moved : pd.DataFrame
        From `ranking.performance`, `calibration.calibration`, `leaks.lies`, `leaks.sentinel` and
        `drift.psi_table` of its characteristics.
    impact : dict of pd.DataFrame
        Adverse impact by attribute, at the cut-off.
    earned : pd.DataFrame, optional
        From `profit_curves.profit_of`; None where costs are not told.
    inferred : pd.DataFrame, optional
        `reject_inference.Study.table`; None where nobody was refused.
    """

    card: ScorecardModel
    ranked: pd.DataFrame
    calibrated: pd.DataFrame
    lies: pd.DataFrame
    suspects: pd.DataFrame
    moved: pd.DataFrame
    impact: dict[str, pd.DataFrame]
    earned: pd.DataFrame | None = None
    inferred: pd.DataFrame | None = None


def answers(case: Case, found: Found) -> dict[str, object]:
    """Say what the page found for each question of `data/validation.yml`.

    Parameters
    ----------
    case : Case
        Of the report; with parts.
    found : Found
        By the parts of the report.

    Returns
    -------
    dict
        For `validation.validation_table`.
    """
    return {**_of_the_data(case, found), **_of_the_model(case, found), **_of_the_decision(case, found)}


def _of_the_data(case: Case, found: Found) -> dict[str, object]:
    bank, known = case.snapshot is not None, int(case.sample.known.sum())
    kept_out = case.columns.index[case.columns["use"] != "allowed"]
    return {
        "purpose": "decisions on applications, checked by people; not for marketing or collections",
        "definition": "data/credit.yml: 90 days past due within a year" if bank else case.event,
        "definition_sensitivity": "bad credits of each vintage by age" if bank
        else Lacking("the table tells the outcome itself"),
        "data": f"{len(case.sample):,} applications, {known:,} with a known outcome",
        "funnel": "from applications to outcomes" if bank else Lacking("a flat table does not tell who was left out"),
        "windows": case.parts.how,
        "sentinel": f"{int(found.suspects['suspicious'].sum())} suspicious predictors",
        "leak_lab": f"toy twins claim up to {found.lies['auc_claims'].max():.3f}",
        "sensitive": f"kept out: {', '.join(map(str, kept_out))}" if len(kept_out) else "no protected column by name",
        "psi": f"{int(found.moved['shifted'].sum())} of {len(found.moved)} characteristics shifted",
        "stability": "month by month" if case.sample.day is not None else Lacking("the table has no time"),
        "reproducible": "seeds, data fingerprint and commit are in the manifest beside this page",
        "versions": "in the manifest beside this page",
    }  # fmt: skip


def _of_the_model(case: Case, found: Found) -> dict[str, object]:
    auc, rule = (of(found.ranked, name).loc["auc"] for name in (SCORECARD, RULE))
    slope = of(found.calibrated, SCORECARD).loc["slope"]
    kept, split = int(found.card.chosen_.table["kept"].sum()), case.parts.split
    return {
        "comparison": "six models and a straw man on the same folds",
        "baseline": f"simple rule, AUC {rule['value']:.3f}",
        "reasons": "points of each bin, and contributions of the challenger",
        "binning": f"{kept} of {len(found.card.bins_)} characteristics, with reasons; from training rows only",
        "performance": f"AUC {auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})",
        "split": f"{len(split.train):,} rows to learn from, {len(split.tune):,} to calibrate, {len(split.test):,} new",
        "calibration": f"slope {slope['value']:.2f} ({slope['low']:.2f} to {slope['high']:.2f})",
        "monitoring": "planned below",
        "assumptions": "listed below",
        "limits": "at the end of this page",
    }  # fmt: skip


def _of_the_decision(case: Case, found: Found) -> dict[str, object]:
    costly = Lacking("costs are not told")
    attribute, group, ratio = worst_ratio(found.impact)
    told = f"lowest adverse impact ratio {ratio:.2f} ({attribute}: {group})"
    span = () if found.inferred is None else found.inferred["approval"].agg(["min", "max"])
    return {
        "decision": costly if found.earned is None else f"{found.earned['profit'].iloc[0]:,.0f} in all at the cut-off",
        "profit_sensitivity": costly if found.earned is None else "by cut-off, and by what is assumed of the refused",
        "reject_inference": Lacking("nobody refused is told of") if found.inferred is None
        else f"approvals between {span['min']:.0%} and {span['max']:.0%}, by assumption",
        "fairness": told if attribute else Lacking("no protected attribute is told"),
        "explanation": "four reasons in words for each applicant; the score is a proposal, a person decides on request",
    }  # fmt: skip


def facts(case: Case, applied: Applied, live: Applied, found: Found) -> dict[str, float]:
    """Return what is watched as it is today, and the limits that depend on the sample sizes.

    Parameters
    ----------
    case : Case
        Of the report.
    applied, live : Applied
        The scorecard on the rows judged by, and on those scored today.
    found : Found
        By the parts of the report.
    """
    months = max(applied.rows.day.dt.to_period("M").nunique(), 1) if applied.rows.day is not None else 1
    known, now = applied.rows.at(applied.rows.known), live.rows
    same = scores({SCORECARD: applied.fitted[SCORECARD]}, now)  # by one model, as scores of two cannot be compared
    moved = drift.psi_table(applied.raw[[SCORECARD]], same, applied.rows.entity, now.entity).iloc[0]
    gained = now.predictors.isna().mean() - case.sample.at(case.parts.split.train).predictors.isna().mean()
    expected = applied.probability.loc[known.target.index, SCORECARD].sum()
    return {
        "rows": len(known) / months, "events": known.target.sum() / months,
        "auc": of(found.ranked, SCORECARD).loc["auc", "value"], "expected_events": expected / months,
        "score_psi": moved["psi"], "score_psi_above": moved["alarm"], "missing_gain": gained.max(), "model_age": 0.0,
        "adverse_impact": 1 - worst_ratio(found.impact)[2],
    }  # fmt: skip
