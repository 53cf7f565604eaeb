"""Score reasons: why an applicant has fewer points than others, in words that can be told to the applicant."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bankmine.bank.sources import WORKSPACE
from bankmine.errors import BankmineError
from bankmine.judging.contributions import Contributions
from bankmine.judging.reason_dictionary import Dictionary
from bankmine.judging.reasons import reasons
from bankmine.topics.credit.scorecard import Scorecard

REGISTRY = WORKSPACE / "data" / "credit_reasons.yml"
"""Words for what is known of applicants, as `load_reasons` reads them."""
BEST, MEAN = "best", "mean"


def points_lost(card: Scorecard, predictors: pd.DataFrame, against: str = MEAN) -> pd.DataFrame:
    """Return the points that each row lacks for each characteristic; below 0 where it has more.

    Parameters
    ----------
    card : Scorecard
        Fitted.
    predictors : pd.DataFrame
        Rows.
    against : str
        `mean`: the mean points of the training rows, as the official interpretation of Regulation B has it (12 CFR
        1002, supplement I, 9(b)(2), credit scoring systems); `best`: those of the best bin in which there were rows,
        against which characteristics of a wide range are reasons of nearly everybody.

    Raises
    ------
    BankmineError
        If `against` is neither, or as of `Scorecard.points_of`.
    """
    return _usual(card, against) - card.points_of(predictors)


def score_reasons(
    card: Scorecard, predictors: pd.DataFrame, dictionary: Dictionary, k: int = 4, against: str = MEAN
) -> pd.DataFrame:
    """Say for each row what costs it most points.

    Parameters
    ----------
    card, predictors, against
        As for `points_lost`; whether a value is high or low is told by the median of these rows.
    dictionary : Dictionary
        From `load_reasons`.
    k : int
        Reasons a row, at most. More than four are not likely to help the applicant (the same, number of reasons).

    Returns
    -------
    pd.DataFrame
        As of `reasons.reasons`, with `points`: lost by the characteristics of the theme together.
    """
    factor, usual = card.scale.factor, _usual(card, against)
    lost = usual - card.points_of(predictors)
    found = Contributions(lost / factor, float(card.scale.offset - usual.sum()) / factor)
    told = reasons(found, predictors, dictionary, k)
    return told.assign(points=told["push"] * factor)


def _usual(card: Scorecard, against: str) -> pd.Series:
    """Return the points that rows are compared with, of each characteristic."""
    if against not in (BEST, MEAN):
        raise BankmineError(f"Points are compared with {MEAN!r} or {BEST!r}, not {against!r}.")
    usual = {}
    for name, bins in card.bins.items():
        points, rows = card.points[name], bins.good + bins.bad
        usual[name] = float(points[rows > 0].max() if against == BEST else np.average(points, weights=rows))
    return pd.Series(usual)
