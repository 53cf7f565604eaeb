"""Scores of credit: the proxy that was planted, what the refused would have done, and what decisions earn.

A function takes the truth and what an analysis found.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bankmine.judging import proxies
from bankmine.study.evidence import JUDGED
from demobank.scoreboard.truth import Score, Truth, calibration, precision, rank, recall

CREDIT = "07_credit_scoring"
PLANTED_PROXIES = {"employer_sector"}
"""Columns of applications that follow gender and say nothing about default, and that the old rules used."""


PLANTED_PAIR = {"bureau_utilisation", "bureau_inquiries_6m"}
"""Columns of applications that together are worse than the two alone."""


def risk(truth: Truth, judged: pd.DataFrame) -> list[Score]:
    """Score the probabilities of later applicants, also of those refused, against the chance that each of them had.

    `judged` is indexed by application, with the columns `probability` and `accepted` (whether its outcome is known).
    """
    true = truth.table("applications").set_index("application_id")["probability"].reindex(judged.index).to_numpy()
    given, accepted = judged["probability"].to_numpy(), judged["accepted"].to_numpy(bool)
    what = "true chance of default"
    return [
        Score(CREDIT, what, "rank correlation", rank(given, true), (0.4, 0.95)),
        Score(
            CREDIT, what, "predicted as a multiple of the true one, of those granted",
            calibration(given[accepted], true[accepted]), (0.6, 1.6),
        ),
    ]  # fmt: skip


def interaction(truth: Truth, pairs: pd.DataFrame, first: int = 3) -> list[Score]:
    """Score the search for pairs; `pairs` has `first` and `second`, the strongest first.

    Raises
    ------
    BankmineError
        If the truth has no such effect: it is not of a bank with applications.
    """
    planted = {" × ".join(sorted(PLANTED_PAIR))} if truth.constant("default.interaction") else set()
    top = pairs.head(first)
    found = {" × ".join(sorted(pair)) for pair in zip(top["first"], top["second"], strict=True)}
    what = f"share found among the {first} strongest"
    return [Score(CREDIT, "high use of lines with many inquiries", what, recall(found, planted), (1, 1))]


def proxy(truth: Truth, flagged: set[str]) -> list[Score]:
    """Score the search for proxies of gender in the old decisions; `flagged` are the predictors called one.

    Raises
    ------
    BankmineError
        If the truth has no such effects: it is not of a bank with applications.
    """
    silent = truth.constant("default.sector") == truth.constant("default.gender") == 0
    planted = PLANTED_PROXIES if silent else set()
    found, true = recall(flagged, planted), precision(flagged, planted)
    return [
        Score(CREDIT, "the sector stands in for gender", "share found", found, (1, 1)),
        Score(CREDIT, "nothing else does", "share of the finds that were planted", true, (0.5, 1)),
    ]


def refused(truth: Truth, assumed: pd.DataFrame) -> list[Score]:
    """Score what was assumed of refused applicants, against the chance that each of them had.

    `assumed` is indexed by application, with the columns `none` (model of accepted ones alone) and `inferred`.
    """
    true = truth.table("applications").set_index("application_id")["probability"].reindex(assumed.index).to_numpy()
    blind, told = (calibration(assumed[name].to_numpy(), true) for name in ("none", "inferred"))
    what = "assumed rate as a multiple of the true one"
    return [
        Score(CREDIT, "refused go bad more often than accepted of the same score", what, blind, (0.35, 0.95)),
        Score(CREDIT, "the same, by reject inference", what, told, (0.6, 1.5)),
    ]


def decision(truth: Truth, granted: pd.Series, if_good: pd.Series, if_bad: pd.Series) -> list[Score]:
    """Score decisions on all applicants, also those whom the bank refused, in money.

    Each series is indexed by application: whether the model grants, and what granting earns if the credit is repaid and
    if not. Profit is expected by the true chance; full knowledge of that chance, not of outcomes, is 1.
    """
    true = truth.table("applications").set_index("application_id")["probability"].reindex(granted.index)
    hoped = (1 - true) * if_good + true * if_bad
    earned = calibration(np.where(granted, hoped, 0.0), hoped.clip(lower=0).to_numpy())
    return [Score(CREDIT, "true chance of default", "share of the profit that it would earn", earned, (0.35, 1))]


def of_tables(
    truth: Truth, rows: pd.DataFrame, assumed: pd.DataFrame, pairs: pd.DataFrame, old: pd.DataFrame
) -> list[Score]:
    """Score what the report handed on: `credit_judged`, `credit_refused`, `credit_pairs`, `credit_old_proxies`."""
    judged = rows[rows["part"] == JUDGED].set_index("application_id")
    foretold = pd.DataFrame({"probability": judged["chance"], "accepted": judged["outcome"].notna()})
    granted = judged["granted"].astype(bool)
    told = assumed.set_index("application_id")[["none", "fuzzy × 1.5"]].set_axis(["none", "inferred"], axis=1)
    decided = decision(truth, granted, judged["if_good"], judged["if_bad"])
    named = set(old.loc[old["verdict"] == proxies.PROXY, "predictor"])
    found = [*risk(truth, foretold), *interaction(truth, pairs), *decided, *proxy(truth, named)]
    return [*found, *refused(truth, told)]
