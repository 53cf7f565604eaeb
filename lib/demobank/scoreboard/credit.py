"""Scores of credit: the proxy that was planted, what the refused would have done, and what decisions earn.

As in `scores`, a function takes the truth and what an analysis found.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bankmine.judging import proxies
from bankmine.topics.credit import CreditStudy
from demobank.scoreboard.truth import Score, Truth, calibration, precision, rank, recall

_CREDIT = "07_credit_scoring"
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
        Score(_CREDIT, what, "rank correlation", rank(given, true), (0.4, 0.95)),
        Score(
            _CREDIT, what, "predicted as a multiple of the true one, of those granted",
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
    return [Score(_CREDIT, "high use of lines with many inquiries", what, recall(found, planted), (1, 1))]


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
        Score(_CREDIT, "the sector stands in for gender", "share found", found, (1, 1)),
        Score(_CREDIT, "nothing else does", "share of the finds that were planted", true, (0.5, 1)),
    ]


def refused(truth: Truth, assumed: pd.DataFrame) -> list[Score]:
    """Score what was assumed of refused applicants, against the chance that each of them had.

    `assumed` is indexed by application, with the columns `none` (model of accepted ones alone) and `inferred`.
    """
    true = truth.table("applications").set_index("application_id")["probability"].reindex(assumed.index).to_numpy()
    blind, told = (calibration(assumed[name].to_numpy(), true) for name in ("none", "inferred"))
    what = "assumed rate as a multiple of the true one"
    return [
        Score(_CREDIT, "refused go bad more often than accepted of the same score", what, blind, (0.35, 0.95)),
        Score(_CREDIT, "the same, by reject inference", what, told, (0.6, 1.5)),
    ]


def decision(truth: Truth, granted: pd.Series, if_good: pd.Series, if_bad: pd.Series) -> list[Score]:
    """Score decisions on all applicants, also those whom the bank refused, in money.

    Each series is indexed by application: whether the model grants, and what granting earns if the credit is repaid and
    if not. Profit is expected by the true chance; full knowledge of that chance, not of outcomes, is 1.
    """
    true = truth.table("applications").set_index("application_id")["probability"].reindex(granted.index)
    hoped = (1 - true) * if_good + true * if_bad
    earned = calibration(np.where(granted, hoped, 0.0), hoped.clip(lower=0).to_numpy())
    return [Score(_CREDIT, "true chance of default", "share of the profit that it would earn", earned, (0.35, 1))]


def of_study(truth: Truth, study: CreditStudy) -> list[Score]:
    """Score what a study of credit found, by its own models and decisions; nothing where it could make none."""
    if study.obstacle:
        return []
    number, rows = study.beside["application_id"], study.fitted[0].rows
    judged = pd.DataFrame({"probability": study.fitted[0].probability[study.chosen], "accepted": rows.known})
    granted, price = ~study.acted.iloc[:, 0].astype(bool), study.costs(rows)
    told = [s.set_axis(number[rows.target.index]) for s in (granted, price.fp, -price.fn)]
    assumed = study.inference.refused[["none", "fuzzy × 1.5"]].set_axis(["none", "inferred"], axis=1)
    old = study.old_proxies
    return [
        *risk(truth, judged.set_axis(number[judged.index])), *interaction(truth, study.seen.pairs),
        *decision(truth, *told), *proxy(truth, set(old.index[old["verdict"] == proxies.PROXY])),
        *refused(truth, assumed.set_axis(number[assumed.index])),
    ]  # fmt: skip
