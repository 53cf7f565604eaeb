"""Models of fraud: learners with class weights, an anomaly detector alone, and its score as one predictor more.

Frauds are a few in a thousand payments, so that all of them are learnt from and of the genuine ones a random part; that
part, and the weights, raise the odds that a model tells by known factors, which are taken out again (Dal Pozzolo,
Caelen, Johnson and Bontempi, Calibrating probability with undersampling, IEEE Symposium on Computational Intelligence
2015; King and Zeng, Political Analysis 9, 2001). What is judged is never thinned or weighted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import Pipeline

from bankmine.learning import models
from bankmine.learning.blocks import Block
from bankmine.learning.encoding import Encode, SignedLog
from bankmine.learning.sample import Sample

ANOMALY = "anomaly"
"""The detector alone, and the predictor that its score becomes."""
WITH_ANOMALY = "xgboost_anomaly"
LEARNERS = ("logistic", "forest", "xgboost", WITH_ANOMALY, ANOMALY)
GENUINE = 15_000
"""Genuine payments that are learnt from at most: twice as many rank no better beside a thousand frauds, and take twice
as long."""
_WATCHED = 15_000
_TREE = 512
_SETTINGS = {
    "logistic": {},
    "forest": {"model__n_estimators": 30, "model__max_depth": 12, "model__min_samples_leaf": 3},
    "xgboost": {
        "model__n_estimators": 120, "model__max_depth": 5, "model__learning_rate": 0.1, "model__subsample": 0.8,
        "model__colsample_bytree": 0.5,
    },
}  # fmt: skip


@dataclass(frozen=True)
class Fitted:
    """Models that were fitted on what was known at one time."""

    models: dict[str, Pipeline]
    """Those that tell a chance, by name."""
    detector: Pipeline
    """The isolation forest."""
    factor: float
    """By what their odds are multiplied, to undo thinning and weights."""
    learnt: Sample
    """What they learnt from, with `ANOMALY` among the predictors."""

    def widened(self, predictors: pd.DataFrame) -> pd.DataFrame:
        """Return predictors with the detector's score beside them."""
        return predictors.assign(**{ANOMALY: _strangeness(self.detector, predictors)})

    def scores(self, sample: Sample) -> pd.DataFrame:
        """Return for each payment the chance of fraud by each model, and how strange it is by the detector (0 to 1)."""
        wide = replace(sample, predictors=self.widened(sample.predictors))
        told = models.scores(self.models, wide).apply(lambda chance: chance_of(chance, self.factor))
        return told.assign(**{ANOMALY: wide.predictors[ANOMALY]})


def fit(
    sample: Sample, block: Block, learners: Sequence[str] = LEARNERS, weight: float | None = None, seed: int = 0
) -> Fitted:
    """Fit models on payments and what was known of them when a block began.

    Parameters
    ----------
    sample : Sample
        All payments.
    block : Block
        Of it: which payments are learnt from, with which labels. The detector needs no label, and so learns from the
        payments just before the block.
    learners : sequence of str
        Some of `LEARNERS`.
    weight : float, optional
        What a fraud weighs, as a multiple of a genuine payment; where it is not given, the root of how many genuine
        ones are learnt from beside each: full balance makes probabilities coarse and ranks no better.
    seed : int
        Of the draws.

    Raises
    ------
    BankmineError
        If all labels are the same, or the predictors cannot be used.
    """
    rng = np.random.default_rng(seed)
    detector = _detector(seed).fit(sample.predictors.iloc[some(block.recent, _WATCHED, rng)])
    kept, share = _thinned(block.known, rng)
    few = replace(block, train=block.train[kept], known=block.known[kept]).learns(sample)
    few = replace(few, predictors=few.predictors.assign(**{ANOMALY: _strangeness(detector, few.predictors)}))
    weight = weight or float(np.sqrt((few.target == 0).sum() / max(few.target.sum(), 1)))
    chosen = [name for name in LEARNERS if name in learners and name != ANOMALY]
    found = models.fit_all(_candidates(few, chosen, weight, seed), few)
    return Fitted(found, detector, share / weight, few)


def chance_of(told: pd.Series, factor: float) -> pd.Series:
    """Multiply the odds of told chances: p f / (1 − p + p f)."""
    return told * factor / (1 - told + told * factor)


def _candidates(sample: Sample, names: list[str], weight: float, seed: int) -> dict[str, Pipeline]:
    plain = [c for c in sample.predictors.columns if c != ANOMALY]
    base = models.candidates(sample, seed=seed)
    found = {}
    for name in names:
        kind = "xgboost" if name == WITH_ANOMALY else name
        model = clone(base[kind]).set_params(**_SETTINGS[kind])
        weights = {"scale_pos_weight": weight} if kind == "xgboost" else {"class_weight": {0.0: 1.0, 1.0: weight}}
        model.set_params(**{f"model__{key}": value for key, value in weights.items()})
        found[name] = model if name == WITH_ANOMALY else model.set_params(encode__columns=plain)
    return found


def _detector(seed: int) -> Pipeline:
    """Set up the isolation forest (Liu, Ting and Zhou, IEEE Conference on Data Mining 2008) on drawn-in amounts."""
    forest = IsolationForest(n_estimators=64, max_samples=_TREE, random_state=seed, n_jobs=1)
    return Pipeline([("encode", Encode()), ("unskew", SignedLog()), ("model", forest)])


def _strangeness(detector: Pipeline, predictors: pd.DataFrame) -> np.ndarray:
    return -detector.score_samples(predictors)


def _thinned(known: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Return the places of all known frauds and of some other payments, in order, and the share of these."""
    others = np.flatnonzero(known == 0)
    kept = some(others, GENUINE, rng)
    return np.sort(np.concatenate([np.flatnonzero(known == 1), kept])), len(kept) / max(len(others), 1)


def some(positions: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """Return some of the positions at random, at most so many, in order."""
    return np.sort(rng.permutation(positions)[:most])
