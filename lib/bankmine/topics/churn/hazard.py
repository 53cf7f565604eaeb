"""When customers leave: the hazard model of a churn report, on a few covariates that every bank has."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bankmine.topics.churn.case import Case, or_lacking
from bankmine.topics.churn.hazards import FEWEST, Hazards, cox

COVARIATES = ("deposits", "debts", "tenure_days", "transactions_30d", "salary_90d", "complaints_365d", "age_years")
"""What is told of the first day, the first ones first."""
_LEAVERS = 2 * FEWEST
"""Leavers for each covariate, so that enough are left where some are held out."""


def hazard(case: Case, lives: pd.DataFrame) -> tuple[Hazards | None, str]:
    """Fit a hazard model on what was known on the first day, or say why there is none.

    Covariates are the first of `COVARIATES` that differ among the bank's leavers, as many as there are leavers for;
    amounts and counts as logarithms.

    Parameters
    ----------
    case : Case
        Of a bank.
    lives : pd.DataFrame
        From `departures.followed`.
    """
    there = [c for c in COVARIATES if c in case.sample.predictors.columns]
    known = case.sample.predictors.loc[lives.index, there].astype(float).clip(lower=0).transform(np.log1p).fillna(0.0)
    of_leavers = known[lives["left"]]
    differ = known.loc[:, of_leavers.max() > of_leavers.min()]
    return or_lacking(cox, lives, differ.iloc[:, : max(len(of_leavers) // _LEAVERS, 1)])
