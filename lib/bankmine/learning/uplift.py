"""Uplift: how much a contact is expected to raise a customer's chance of an outcome, from trials.

Learners see what was known of each row before, whether it was treated, and the outcome; each returns an effect a row.
The plain response model, which ranks by how likely the treated respond, stands beside them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline

from bankmine.errors import BankmineError
from bankmine.learning import models
from bankmine.learning.sample import Sample

RANDOM, RESPONSE, T_LEARNER, X_LEARNER, FOREST = "random", "response", "t_learner", "x_learner", "forest"
LEARNERS = (T_LEARNER, X_LEARNER, FOREST)
"""Those that estimate effects."""
FOLDS = 5
_TREES, _LEAF, _DEEP, _DRAWN = 200, 25, 6, 5_000
_ALPHAS = np.logspace(1, 5, 5)


@dataclass(frozen=True)
class Trial:
    """Rows of a trial; all parts share one index."""

    known: pd.DataFrame
    """What was known of each row before."""
    treated: pd.Series
    """Whether each was treated."""
    outcome: pd.Series
    """1.0 where it responded, else 0.0."""
    entity: pd.Series
    """Whose row it is."""
    share: float
    """Share that was treated, by the draw."""

    def __len__(self) -> int:
        return len(self.known)

    def at(self, rows: np.ndarray) -> Trial:
        """Return some of the rows, by a mask or positions."""
        told = [part[rows] if rows.dtype == bool else part.iloc[rows] for part in
                (self.known, self.treated, self.outcome, self.entity)]  # fmt: skip
        return Trial(*told, self.share)

    def arm(self, *, treated: bool) -> Sample:
        """Return the rows of one arm to learn from."""
        own = self.treated.to_numpy(bool) == treated
        return models.learnable(Sample(self.known[own], self.outcome[own], self.entity[own]), "learn from in one arm")


Effects = Callable[[pd.DataFrame], np.ndarray]
"""Foretells the effect on rows, from what is known of them."""


def fit(trial: Trial, seed: int = 0) -> dict[str, Effects]:
    """Fit all learners to the rows of a trial; a BankmineError where an arm has one outcome only."""
    with_, without = (_chances(trial.arm(treated=arm)) for arm in (True, False))
    encode = with_.pipeline[:-1]

    def difference(known: pd.DataFrame) -> np.ndarray:
        return with_(known) - without(known)

    return {
        RANDOM: lambda known: np.random.default_rng(seed).random(len(known)),
        RESPONSE: with_, T_LEARNER: difference, X_LEARNER: _crossed(trial, with_, without, encode),
        FOREST: _forest(trial, encode, seed),
    }  # fmt: skip


@dataclass(frozen=True)
class _Chances:
    pipeline: Pipeline

    def __call__(self, known: pd.DataFrame) -> np.ndarray:
        return self.pipeline.predict_proba(known)[:, 1]


def _chances(rows: Sample) -> _Chances:
    return _Chances(clone(models.candidates(rows)["logistic"]).fit(rows.predictors, rows.target.to_numpy(float)))


def _crossed(trial: Trial, with_: Effects, without: Effects, encode: Pipeline) -> Effects:
    """Learn each arm's differences from what the other arm's model says of it (Künzel and others, PNAS 116, 2019)."""
    treated, outcome = trial.treated.to_numpy(bool), trial.outcome.to_numpy(float)
    matrix = encode.transform(trial.known)
    gained = RidgeCV(_ALPHAS).fit(matrix[treated], outcome[treated] - without(trial.known[treated]))
    missed = RidgeCV(_ALPHAS).fit(matrix[~treated], with_(trial.known[~treated]) - outcome[~treated])

    def effects(known: pd.DataFrame) -> np.ndarray:
        seen = encode.transform(known)
        return trial.share * missed.predict(seen) + (1 - trial.share) * gained.predict(seen)

    return effects


def _forest(trial: Trial, encode: Pipeline, seed: int) -> Effects:
    """Grow a causal forest (Athey, Tibshirani and Wager, Annals of Statistics 47, 2019)."""
    from econml.grf import CausalForest  # takes seconds to import, and only this topic needs it

    drawn = min(0.45, _DRAWN / len(trial))
    grown = CausalForest(
        _TREES, max_samples=drawn, min_samples_leaf=_LEAF, max_depth=_DEEP, max_features="sqrt", inference=False,
        random_state=seed,
    )  # fmt: skip
    treatment = trial.treated.to_numpy(float) - trial.share
    outcome = trial.outcome.to_numpy(float)
    grown.fit(encode.transform(trial.known), treatment, outcome - outcome.mean())
    return lambda known: grown.predict(encode.transform(known)).ravel()


def cross_fitted(trial: Trial, seed: int = 0) -> pd.DataFrame:
    """Foretell the effect on each row by learners that have seen none of its customer: a column a learner.

    Folds hold as many of each arm and outcome as of all rows.
    """
    refused = trial.treated.astype(int) * 2 + trial.outcome.astype(int)
    if refused.value_counts().min() < FOLDS or refused.nunique() < 4:
        raise BankmineError(f"fewer than {FOLDS} customers of an arm responded, or did not: no effect can be learnt")
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    parts = []
    for learnt, judged in folds.split(trial.known, refused, trial.entity):
        rows, fitted = trial.at(judged), fit(trial.at(learnt), seed)
        parts.append(pd.DataFrame({name: f(rows.known) for name, f in fitted.items()}, rows.known.index))
    return pd.concat(parts).loc[trial.known.index]
