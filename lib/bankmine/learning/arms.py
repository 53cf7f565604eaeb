"""Arms: the chance of an outcome by which of several things is done, additive in log-odds to what was known before.

One thing adds as much to everybody's log-odds, so that what it adds to the chance differs by how likely somebody is
without it. That is a strong assumption and needs few rows; what it leaves out is seen where choices are judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from bankmine.errors import BankmineError
from bankmine.learning.encoding import Encode, SignedLog

ROUNDS = 200


@dataclass(frozen=True)
class Arms:
    """A fitted model: the first arm is the one without anything done."""

    names: tuple[str, ...]
    prepare: Pipeline
    beliefs: np.ndarray
    """Coefficients of the columns, of each arm but the first, and the constant; the estimate, then draws of it."""

    @property
    def added(self) -> pd.DataFrame:
        """What each arm adds to the log-odds: `value`, and `error`, by entity."""
        own = self.beliefs[:, -len(self.names) : -1]
        return pd.DataFrame({"value": own[0], "error": own[1:].std(axis=0)}, list(self.names[1:]))

    def chances(self, known: pd.DataFrame, *, draws: bool = True) -> np.ndarray:
        """Foretell the chance of the outcome by arm: shape (1 + rounds, rows, arms), the estimate first."""
        number, beliefs = len(self.names) - 1, self.beliefs if draws else self.beliefs[:1]
        columns, arms = beliefs[:, : -number - 1], beliefs[:, -number - 1 : -1]
        without = self.prepare.transform(known) @ columns.T + beliefs[:, -1]
        added = np.column_stack([np.zeros(len(arms)), arms])
        return special.expit(without.T[:, :, None] + added[:, None, :])


def fit(
    known: pd.DataFrame, arm: pd.Series, outcome: pd.Series, entity: pd.Series, names: Sequence[str], seed: int = 0
) -> Arms:
    """Fit the model and draw what else it might be, by entity (sandwich: Liang and Zeger, Biometrika 73, 1986)."""
    if outcome.nunique() < 2:
        raise BankmineError("all responded alike: nothing can be learnt of what makes them respond")
    prepare = make_pipeline(Encode(), SignedLog(), StandardScaler())
    matrix = prepare.fit_transform(known)
    done = np.column_stack([arm.eq(name).to_numpy(float) for name in names[1:]])
    design = np.column_stack([matrix, done])
    model = LogisticRegression(max_iter=1000).fit(design, outcome.to_numpy(float))
    chance, design = model.predict_proba(design)[:, 1], np.column_stack([design, np.ones(len(design))])
    penalty = np.diag(np.append(np.ones(design.shape[1] - 1), 0.0))
    bread = np.linalg.inv(design.T @ (design * (chance * (1 - chance))[:, None]) + penalty)
    pull = pd.DataFrame(design * (outcome.to_numpy(float) - chance)[:, None]).groupby(pd.factorize(entity)[0]).sum()
    estimate = np.append(model.coef_[0], model.intercept_)
    drawn = np.random.default_rng(seed).multivariate_normal(
        estimate, bread @ (pull.T.to_numpy() @ pull.to_numpy()) @ bread, ROUNDS, method="eigh"
    )
    return Arms(tuple(names), prepare, np.vstack([estimate, drawn]))
