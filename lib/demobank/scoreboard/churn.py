"""Scores of the model of leaving: its ranking and level, its reasons, and the two columns that were to mislead it.

The truth is the chance to leave within three months given all latents. The label of the analysis looks four months
ahead and misses who falls silent late, so that it sees more or less a constant share of the true chance. That share is
taken from the months learnt from, and the score is held against it times the true chance. The truth does not foresee
that a cause ends, as the competitor's offer does: so levels are compared on the last day judged by.
"""

from __future__ import annotations

import pandas as pd
from scipy.special import expit, logit

from bankmine.study.evidence import JUDGED, LEARNT
from demobank.customers.misleading import LEAKING, SPURIOUS
from demobank.scoreboard.truth import (
    Measure,
    Score,
    Truth,
    calibration,
    precision,
    rank,
    recall,
    separation,
    share,
    slope,
)

CHURN = "06_churn"
_TRUE = "true chance to leave"
_CAUSES = ("activity", "complaint", "digital", "price")
"""Themes of reasons that are planted causes of leaving or their signs: payments and visits fade with the engagement, a
complaint is unsettled, rates are compared. Loyalty shows in no column of its own."""
_RISKIEST = 20
"""Reasons are those of one in so many customers, the riskiest."""
_FIFTH = 4


def of_tables(
    truth: Truth, rows: pd.DataFrame, pushes: pd.DataFrame, suspects: pd.DataFrame, watched: pd.DataFrame
) -> list[Score]:
    """Score what the report handed on of its XGBoost: `churn_judged`, `_pushes`, `_suspects` and `_monitoring`."""
    off = watched.set_index("metric")["now"].filter(like="Level of chances").item()
    rows = rows.rename(columns={"chance_xgboost": "score", "outcome": "leaves"}).dropna(subset="leaves")
    judged, learned = (rows[rows["part"] == name] for name in (JUDGED, LEARNT))
    return [*risk(truth, judged, learned, off), *reasons(truth, judged), *columns(pushes, suspects)]


def risk(truth: Truth, judged: pd.DataFrame, learned: pd.DataFrame, off: float) -> list[Score]:
    """Score the chance that was foretold against the true one.

    Parameters
    ----------
    truth : Truth
        Of the bank.
    judged : pd.DataFrame
        `customer_id`, `day`, `leaves` (0 or 1) and `score`, of days that no model learnt from.
    learned : pd.DataFrame
        `customer_id`, `day` and `leaves` of the days learnt from.
    off : float
        By how much chances were too low, in log-odds, as the report tells it: the world may change between the days
        learnt from and those judged, which no model can foresee and every report must tell.
    """
    before, rows = _with_truth(truth, learned), _with_truth(truth, judged)
    seen = before["leaves"].mean() / before["leaves_soon"].mean()
    last = rows[rows["day"] == rows["day"].max()]
    score, true = last["score"].to_numpy(), last["leaves_soon"].to_numpy()
    wide = rows.pivot_table(index="customer_id", columns="day", values=["score", "leaves_soon", "leaves"])
    parted = separation(*(wide[name].to_numpy() for name in ("score", "leaves_soon", "leaves")))
    level, rise = calibration(expit(logit(score) + off), seen * true), slope(score, seen * true)
    return [
        Score(CHURN, _TRUE, "rank correlation of the score", rank(score, true), (0.2, 0.6)),
        Score(CHURN, _TRUE, "AUC above chance, as a share of the best possible", parted, (0.4, 0.95)),
        Score(CHURN, _TRUE, "mean score, at the level that is told, as a multiple", level, (0.55, 1.8)),
        Score(CHURN, _TRUE, "rise with the score (calibration slope)", rise, (0.4, 2.5)),
    ]


def reasons(truth: Truth, judged: pd.DataFrame) -> list[Score]:
    """Score the reasons given against the causes.

    Parameters
    ----------
    truth : Truth
        Of the bank.
    judged : pd.DataFrame
        As for `risk`, with the themes of the reasons given, `reason_1` the strongest.
    """
    rows = _with_truth(truth, judged)
    listed = rows.index.isin(rows["score"].nlargest(len(rows) // _RISKIEST).index)
    first, told = rows["reason_1"].isin(_CAUSES), rows.filter(like="reason_")
    falls, upset = (told.eq(theme).any(axis=1) for theme in ("activity", "complaint"))
    open_long, fades, active = rows["complaint_unsettled"], rows["state"] == "fading", rows["state"] == "active"
    activity, complaint = "share of whom a reason is falling activity", "share of whom a reason is a complaint"
    return [
        Score(CHURN, "causes of leaving", "share of first reasons of the riskiest", _among(first, listed), (0.85, 1)),
        Score(CHURN, "customers who fade", activity, _among(falls, fades), (0.45, 1)),
        Score(CHURN, "customers who are active", activity, _among(falls, active), (0, 0.4)),
        Score(CHURN, "a complaint unsettled for thirty days", complaint, _among(upset, open_long), (0.7, 1)),
        Score(CHURN, "no complaint unsettled for so long", complaint, _among(upset, ~open_long), (0, 0.4)),
    ]


def columns(pushes: pd.DataFrame, suspects: pd.DataFrame) -> list[Score]:
    """Score what the model and the leak sentinel made of the columns that were to mislead them.

    Parameters
    ----------
    pushes : pd.DataFrame
        Contributions of each predictor to the rows of the last day judged.
    suspects : pd.DataFrame
        The sentinel's table: `predictor` and `suspicious`; the leaking column was put among them.
    """
    sizes = pushes.drop(columns=["customer_id", "as_of"]).abs()
    fifth = sizes.mean().nlargest(_FIFTH + 1).index[-1]
    weight = calibration(sizes[SPURIOUS].to_numpy(), sizes[fifth].to_numpy())
    found = suspects.loc[suspects["suspicious"], "predictor"]
    noise, other = "weight as a multiple of the fifth strongest predictor's", "share of the finds that were planted"
    return [
        Score(CHURN, f"{SPURIOUS}, which causes nothing", noise, weight, (0, 0.5)),
        Score(CHURN, f"{LEAKING}, which knows the future", "share found", recall(found, [LEAKING]), (1, 1)),
        Score(CHURN, "no other column knows the future", other, precision(found, [LEAKING]), (0.5, 1)),
    ]


def _among(hits: pd.Series, of: pd.Series) -> Measure:
    return share((hits & of).sum(), of.sum())


def _with_truth(truth: Truth, rows: pd.DataFrame) -> pd.DataFrame:
    """Set what was true in the month beside each row, in the same order and with the same index."""
    months = truth.table("months").rename(columns={"month_end": "day"})
    months["day"] = pd.to_datetime(months["day"])
    return rows.merge(months, on=["customer_id", "day"], how="left", validate="one_to_one").set_axis(rows.index)
