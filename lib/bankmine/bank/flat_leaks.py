"""Flat leaks: predictors that tell nearly everything of the target by themselves, as what was written after it does."""

from __future__ import annotations

import numpy as np
import pandas as pd

SURE, NEARLY = 0.99, 0.95
"""A predictor alone tells nearly everything from an AUC of SURE on, or from NEARLY on if none below it comes near."""
_FAR = 1.25
"""Times as far from chance as the best predictor below NEARLY is no longer near it."""
_LEAST = 0.9
"""Lower end of the interval of an AUC below which too few rows tell it."""
_FEWEST = 10
"""Events, and rows without, from which on there is something to tell."""
_MOST_EVENTS, _MOST_OTHERS = 5_000, 20_000
_Z = 1.96


def telling(predictors: pd.DataFrame, target: pd.Series) -> pd.Series:
    """Return the AUC of each predictor that alone tells nearly everything of the target, the highest first."""
    rows = _some(target)
    if rows is None:
        return pd.Series(dtype=float)
    return nearly_all(alone(predictors.iloc[rows], target.iloc[rows]), target.iloc[rows])


def nearly_all(auc: pd.Series, target: pd.Series) -> pd.Series:
    """Return those AUC of single predictors that are too high to be true, the highest first."""
    usual = auc[auc < NEARLY].max() - 0.5
    far = auc - 0.5 >= _FAR * (0 if np.isnan(usual) else usual)
    much = (auc >= SURE) | ((auc >= NEARLY) & far)
    return auc[much & (_lower(auc, target) >= _LEAST)].sort_values(ascending=False, kind="stable")


def alone(predictors: pd.DataFrame, target: pd.Series) -> pd.Series:
    """Return the AUC of each predictor, at least 0.5; a missing value is a level of its own, below all others.

    That of numbers follows from their mean rank among the events (Mann and Whitney, Annals of Mathematical Statistics
    18, 1947); a category counts by how often the event came in the other half of the rows.
    """
    numbers = predictors.select_dtypes(["number", "bool"]).astype(float)
    # at random, as every second row may be an event
    halves = np.random.default_rng(0).random(len(target)) < 0.5
    words = predictors.columns.difference(numbers.columns, sort=False)
    counted = {
        name: np.where(halves, *(_rates(predictors[name], target, half) for half in (~halves, halves)))
        for name in words
    }
    values = pd.concat([numbers, pd.DataFrame(counted, index=predictors.index, dtype=float)], axis=1)
    events, others = (target == 1).sum(), (target == 0).sum()
    found = (values.rank(na_option="top")[target == 1].mean() - (events + 1) / 2) / others
    return found.where(found >= 0.5, 1 - found)


def _rates(values: pd.Series, target: pd.Series, among: np.ndarray) -> np.ndarray:
    """Return for each row how often the event came for its category among some rows."""
    text = values.astype("string").fillna("")
    return text.map(target[among].groupby(text[among]).mean()).fillna(target[among].mean()).to_numpy(float)


def _some(target: pd.Series) -> np.ndarray | None:
    """Pick rows of either outcome, all where there are not many; None where there are too few of one."""
    rng, picked = np.random.default_rng(0), []
    for outcome, most in ((1.0, _MOST_EVENTS), (0.0, _MOST_OTHERS)):
        rows = np.flatnonzero(target == outcome)
        if len(rows) < _FEWEST:
            return None
        picked.append(rows if len(rows) <= most else rng.choice(rows, most, replace=False))
    return np.sort(np.concatenate(picked))


def _lower(auc: pd.Series, target: pd.Series) -> pd.Series:
    """Return the lower end of the interval of 95 % of each AUC (Hanley and McNeil, Radiology 143, 1982)."""
    events, others = (target == 1).sum(), (target == 0).sum()
    two_events, two_others = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (events - 1) * (two_events - auc**2) + (others - 1) * (two_others - auc**2)
    return auc - _Z * np.sqrt((variance / (events * others)).clip(lower=0))
