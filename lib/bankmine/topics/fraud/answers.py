"""What the fraud report answers to a validator, in words computed from its parts, and the facts that are watched."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from bankmine.judging import drift
from bankmine.judging.ranking import of
from bankmine.lacking import Lacking
from bankmine.topics.fraud.backtest import CHOSEN, Judged
from bankmine.topics.fraud.payments import FraudCase


@dataclass(frozen=True)
class Found:
    """What the parts of the report found.

    Attributes
    ----------
    desk, earned, missed, lies, suspects, moved, calibrated : pd.DataFrame
        From `fraud_metrics.desk`, `desk.earned`, `fraud_alerts.caught_by`, `leaks.lies`,
        `leak_sentinel.sentinel`, `drift.psi_table` and `calibration.calibration`.
    late : pd.Series
        From `backtest.lateness`.
    """

    desk: pd.DataFrame
    earned: pd.DataFrame
    missed: pd.DataFrame
    lies: pd.DataFrame
    suspects: pd.DataFrame
    moved: pd.DataFrame
    calibrated: pd.DataFrame
    late: pd.Series


def answers(case: FraudCase, judged: Judged, found: Found) -> dict[str, object]:
    """Say what the page found for each question of `data/validation.yml`.

    Parameters
    ----------
    case : FraudCase
        Of the report; with something to learn from.
    judged : Judged
        Its payments.
    found : Found
        By the parts of the report.

    Returns
    -------
    dict
        For `validation.validation_table`.
    """
    return {**_of_the_data(case, judged, found), **_of_the_model(judged, found), **_of_the_decision(found)}


def _of_the_data(case: FraudCase, judged: Judged, found: Found) -> dict[str, object]:
    frauds, known = int((case.found.sample.target == 1).sum()), int(case.found.sample.known.sum())
    twice = found.late.index[found.late >= 0.5]
    return {
        "purpose": "a daily list of payments to look at; no customer is refused or judged by it",
        "definition": f"{case.event}, as far as reported",
        "definition_sensitivity": "value found by capacity, and by kind of payment",
        "data": f"{known:,} payments old enough for their label, {frauds:,} of them known as fraud",
        "funnel": "from payments to known frauds",
        "windows": "windows end strictly before the payment; labels count from the midnight after they are known",
        "sentinel": f"{int(found.suspects['suspicious'].sum())} suspicious predictors",
        "leak_lab": f"toy twins claim up to {found.lies['ap_claims'].max():.2f} of average precision",
        "label_delay": f"half of the known frauds are known within {twice[0]} days" if len(twice)
        else Lacking("half of the labels come later than a month"),
        "split": f"{len(judged.blocks)} blocks rolled forward, each learnt from labels known at its start",
        "psi": f"{int(found.moved['shifted'].sum())} of {len(found.moved)} predictors shifted",
        "stability": "block by block, and week by week",
        "sensitive": "whose payment it is, and how that person pays; ids are no predictors",
        "reproducible": "seeds, data fingerprint and commit are in the manifest beside this page",
        "versions": "in the manifest beside this page",
    }  # fmt: skip


def _of_the_model(judged: Judged, found: Found) -> dict[str, object]:
    precision, rules = (of(found.desk, name).loc["average_precision"] for name in (CHOSEN, "rules"))
    slope, span = of(found.calibrated, CHOSEN).loc["slope"], f"{precision['low']:.2f} to {precision['high']:.2f}"
    return {
        "comparison": f"{judged.scores.shape[1]} ways to rank the same payments",
        "baseline": f"expert rules, average precision {rules['value']:.2f}",
        "reasons": "in words for each alert",
        "performance": f"average precision {precision['value']:.2f} ({span})",
        "calibration": f"slope {slope['value']:.2f} ({slope['low']:.2f} to {slope['high']:.2f})",
        "monitoring": "planned below",
        "assumptions": "listed below",
        "limits": "at the end of this page",
    }


def _of_the_decision(found: Found) -> dict[str, object]:
    best, worst = found.earned.iloc[0], found.missed.iloc[0]
    return {
        "decision": f"{best['profit']:,.0f} a day saved ({best['low']:,.0f} to {best['high']:,.0f})",
        "profit_sensitivity": "by capacity",
        "schemes": f"most is missed by {worst['by']} {worst['kind']}; planted schemes on the scoreboard",
        "explanation": "reasons in words beside each alert; a person looks and decides",
    }


def facts(judged: Judged, alerted: pd.Series, found: Found, late_days: float) -> dict[str, float]:
    """Return what is watched as it is today, and the limits that depend on the sample sizes.

    Parameters
    ----------
    judged : Judged
        Payments judged.
    alerted : pd.Series
        Whether each was looked at.
    found : Found
        By the parts of the report.
    late_days : float
        Median days until a fraud is known.
    """
    months = max(judged.payments.day.dt.normalize().nunique() / 30.4, 1e-9)
    halves = judged.scores[[CHOSEN]], judged.block == judged.block.max()
    entity = judged.payments.entity
    moved = drift.psi_table(
        halves[0][~halves[1]], halves[0][halves[1]], entity[~halves[1]], entity[halves[1]]
    ).iloc[0] if (~halves[1]).any() else {"psi": float("nan"), "alarm": float("nan")}  # fmt: skip
    gained = found.moved["missing_now"] - found.moved["missing_then"]
    return {
        "rows": len(judged.sample) / months, "events": (judged.payments.target == 1).sum() / months,
        "auc": of(found.desk, CHOSEN).loc["auc", "value"], "expected_events": judged.probability.sum() / months,
        "actions": alerted.sum() / months, "precision": judged.payments.target[alerted].mean(),
        "score_psi": moved["psi"], "score_psi_above": moved["alarm"], "missing_gain": gained.max(), "model_age": 0.0,
        "label_delay_days": late_days,
    }  # fmt: skip
