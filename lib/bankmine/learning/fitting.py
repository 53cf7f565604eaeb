"""Fitting: models learn from one part of a sample, are calibrated by the next and applied to the last.

And which of them to take: candidates are compared on the same folds, with intervals and what fitting them costs.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import special, stats
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.utils.parallel import Parallel, delayed
from threadpoolctl import threadpool_limits

from bankmine.errors import BankmineError
from bankmine.learning.models import RULE, fit_side_by_side, learnable, scores
from bankmine.learning.sample import CONFIDENCE, Sample, require_outcomes
from bankmine.learning.splits import Split

ISOTONIC_FROM = 1000
"""Events, and rows without one, from which steps are fitted instead of a curve: with fewer the steps follow chance
(Niculescu-Mizil and Caruana, International Conference on Machine Learning 2005)."""
_SHARE_OF_CURVE = 0.01
_FLAT = 1e-3
NEAREST = 1e-9
"""How near to 0 or 1 a probability is taken for its log odds."""


class Calibrator(RegressorMixin, BaseEstimator):
    """Makes chances of scores, whether these are chances or not; a higher score has a higher chance: ranks stay.

    The number of events decides how: by a curve, or by steps with 1 % of the curve, so that no two scores become one.
    The curve is logistic in the log odds of the score, or in the score where that is no chance, with Platt's targets
    against certainty (Advances in Large Margin Classifiers, 1999). Where it would fall, it is made nearly flat.

    Attributes
    ----------
    method_ : str
        `sigmoid`, a curve, or `isotonic`, steps.
    rows_, events_ : int
        That it was fitted on.
    of_probabilities_ : bool
        Whether all scores that it was fitted on lie between 0 and 1.
    centre_, slope_, intercept_ : float
        Of the curve.
    ordered_ : bool
        Whether the event was likelier where the score was higher.
    steps_ : tuple of two tuples, or None
        Scores at which steps begin and end, and the share of events there; between two it is drawn straight.
    """

    def fit(self, raw: np.ndarray, target: pd.Series) -> Calibrator:
        """Learn from scores, and outcomes 1.0 and 0.0 in the same order, of rows that the model did not learn from."""
        outcome, raw = require_outcomes(target), np.asarray(raw, dtype=float)
        if not np.isfinite(raw).all():
            raise BankmineError("Some scores are missing or infinite: give each row a score before it is calibrated.")
        self.rows_, self.events_ = len(outcome), int(outcome.sum())
        if self.events_ in (0, self.rows_):
            raise BankmineError(
                f"{'All' if self.events_ else 'None'} of {self.rows_:,} rows have the event, so that probabilities "
                "cannot be fitted: tune on more rows."
            )
        self.of_probabilities_ = bool(raw.min() >= 0 and raw.max() <= 1)
        evidence = self._evidence(raw)
        # equal scores have no spread, though rounding may see one; those that are nearly equal may have none, either
        self.centre_, spread = float(evidence.mean()), (evidence.std() if np.ptp(evidence) else 0.0) or 1.0
        slope, self.intercept_ = _curve(outcome, (evidence - self.centre_) / spread)
        self.ordered_ = bool(slope > _FLAT)
        if not self.ordered_:
            slope, self.intercept_ = _FLAT, float(special.logit(self.events_ / self.rows_))
        self.slope_, self.steps_ = float(slope / spread), None
        if self.ordered_ and min(self.events_, self.rows_ - self.events_) >= ISOTONIC_FROM:
            found = IsotonicRegression(out_of_bounds="clip").fit(raw, outcome)
            self.steps_ = tuple(found.X_thresholds_.tolist()), tuple(found.y_thresholds_.tolist())
        self.method_ = "isotonic" if self.steps_ else "sigmoid"
        return self

    def predict(self, raw: np.ndarray) -> np.ndarray:
        """Return the chance of each score, strictly between 0 and 1."""
        raw = np.asarray(raw, dtype=float)
        curve = special.expit(self.intercept_ + self.slope_ * (self._evidence(raw) - self.centre_))
        if self.steps_ is None:
            return curve
        return (1 - _SHARE_OF_CURVE) * np.interp(raw, *self.steps_) + _SHARE_OF_CURVE * curve

    def taken_in(self) -> Calibrator:
        """Return the calibrator of a model that has made the curve its own: what it gives is the chance."""
        found = copy(self)
        found.of_probabilities_, found.method_, found.steps_ = True, "sigmoid", None
        found.slope_, found.intercept_ = 1.0, self.centre_
        return found

    @property
    def reason(self) -> str:
        """Which method was chosen and why, in words."""
        chosen = f"{self.method_}, chosen by {self.events_:,} events in {self.rows_:,} rows"
        return chosen if self.ordered_ else f"{chosen}, which do not bear the score out: all are given about the same"

    def _evidence(self, raw: np.ndarray) -> np.ndarray:
        return log_odds(raw) if self.of_probabilities_ else raw


def log_odds(probability: np.ndarray) -> np.ndarray:
    """Return log odds, finite also where a probability is 0 or 1."""
    return special.logit(np.clip(probability, NEAREST, 1 - NEAREST))


def _curve(outcome: np.ndarray, evidence: np.ndarray) -> tuple[float, float]:
    """Return slope and intercept; each row counts as an event by Platt's target, and as none by the rest of it."""
    events = outcome.sum()
    aim = np.where(outcome == 1, (events + 1) / (events + 2), 1 / (len(outcome) - events + 2))
    model = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000)
    # on many cores a product of one column takes ten times the work, as they wait for each other
    with threadpool_limits(1, user_api="blas"):
        model.fit(np.tile(evidence, 2)[:, None], np.repeat([1, 0], len(aim)), np.concatenate([aim, 1 - aim]))
    return float(model.coef_[0, 0]), float(model.intercept_[0])


@dataclass(frozen=True)
class Applied:
    """Models that were fitted, calibrated and applied, by name."""

    rows: Sample
    """What they were applied to."""
    fitted: dict[str, Pipeline]
    calibrators: dict[str, Calibrator]
    raw: pd.DataFrame
    """Scores as the models give them: rows × models."""
    probability: pd.DataFrame
    """The same, calibrated."""

    def calibrated_by(self, model: str, rows: Sample) -> Applied:
        """Return the same models, one of them calibrated anew by other rows of known outcome; it ranks as before."""
        raw = scores({model: self.fitted[model]}, rows)[model]
        return replace(self, calibrators=self.calibrators | {model: Calibrator().fit(raw, rows.target)})

    def chances(self, model: str, rows: Sample) -> pd.Series:
        """Return the calibrated chance of other rows by one of the models."""
        raw = scores({model: self.fitted[model]}, rows)[model]
        return pd.Series(self.calibrators[model].predict(raw), index=raw.index, name=model)


def apply_models(candidates: dict[str, Pipeline], sample: Sample, split: Split) -> Applied:
    """Fit models on `split.train`, calibrate them by `split.tune`, apply them to `split.test`; they stay unfitted."""
    return apply_side_by_side([(candidates, split)], sample)[0]


def apply_side_by_side(tasks: list[tuple[dict[str, Pipeline], Split]], sample: Sample) -> list[Applied]:
    """Do as `apply_models` with several splits of a sample, fitting the models of all at the same time.

    A model with `take_in` makes the curve of its calibration its own, as a scorecard does with its points.
    """
    learnt = [learnable(sample.at(split.train)) for _, split in tasks]
    fits = [(model, rows) for (models, _), rows in zip(tasks, learnt, strict=True) for model in models.values()]
    found = iter(fit_side_by_side(fits))
    return [_applied({name: next(found)[0] for name in models}, sample, split) for models, split in tasks]


def _applied(fitted: dict[str, Pipeline], sample: Sample, split: Split) -> Applied:
    tuned, rows = sample.at(split.tune), sample.at(split.test)
    calibrators = {name: Calibrator().fit(raw, tuned.target) for name, raw in scores(fitted, tuned).items()}
    for name, model in fitted.items():
        if calibrators[name].ordered_ and hasattr(model[-1], "take_in"):
            calibrators[name] = model[-1].take_in(calibrators[name])
    raw = scores(fitted, rows)
    probability = pd.DataFrame({name: calibrators[name].predict(raw[name]) for name in raw}, index=raw.index)
    return Applied(rows, fitted, calibrators, raw, probability)


_FEWEST_FOLDS = 3


@dataclass(frozen=True)
class CrossValidated:
    """Candidates on the same folds."""

    scores: pd.DataFrame
    """Chance of the event for each row that was tested, by models that did not learn from it; one column a candidate.
    A row that was tested several times has the mean."""
    folds: pd.DataFrame
    """One row a candidate and fold: `model`, `fold`, `learnt` (rows learnt from), `rows` and `events` tested, `auc`,
    `average_precision`, and `seconds` of processor time to fit."""

    def table(self, baseline: str = RULE, simplest: str = RULE) -> pd.DataFrame:
        """Sum up each candidate: means over the folds with intervals of 95 %, and the gain over two of them, by fold.

        By `model`: `auc`, `average_precision` and, over the baseline, `auc_gain`, over the simplest, `ahead`, with
        `…_low`, `…_high`, and `seconds` a fold. Intervals are of Student's t, with the variance that counts how much
        folds share (Nadeau and Bengio, Machine Learning 52, 2003); NaN with fewer than three folds, of which no spread
        can be told.
        """
        wide = self.folds.pivot_table(index="fold", columns="model", sort=False)
        gain = wide["auc"].sub(wide["auc"][baseline], axis=0)
        shared = (self.folds["rows"] / self.folds["learnt"]).mean()
        figures = ["auc", "average_precision"]
        parts = [_over_folds(wide[name], shared).clip(0, 1).add_prefix(name) for name in figures]
        parts.append(_over_folds(gain, shared).add_prefix("auc_gain"))
        parts.append(_over_folds(wide["auc"].sub(wide["auc"][simplest], axis=0), shared).add_prefix("ahead"))
        return pd.concat(parts, axis=1).assign(seconds=wide["seconds"].mean())


def cross_validated(
    candidates: dict[str, Pipeline], sample: Sample, folds: list[tuple[np.ndarray, np.ndarray]]
) -> CrossValidated:
    """Fit and test candidates on the same folds; rows without a known outcome are left out.

    A BankmineError where there is no fold, or all rows that one learns from or is tested on have the same outcome.
    """
    if not folds:
        raise BankmineError("There is no fold to compare models on: take more rows or fewer folds.")
    parts = [(learnable(sample.at(train)), learnable(sample.at(test), "test on")) for train, test in folds]
    tasks = [(name, fold) for name in candidates for fold in range(len(folds))]
    found = fit_side_by_side([(candidates[name], parts[fold][0]) for name, fold in tasks])
    fitted = dict(zip(tasks, found, strict=True))
    # a support vector machine takes longer to score rows than to learn
    chances = Parallel(n_jobs=-1, backend="threading")(
        delayed(scores)({name: fitted[name, fold][0] for name in candidates}, test)
        for fold, (_, test) in enumerate(parts)
    )
    rows = [
        {"model": name, "fold": fold, "learnt": len(parts[fold][0]), **_judged(parts[fold][1], chances[fold][name]),
         "seconds": seconds}
        for (name, fold), (_, seconds) in fitted.items()
    ]  # fmt: skip
    return CrossValidated(pd.concat(chances).groupby(level=0).mean(), pd.DataFrame(rows))


def _judged(test: Sample, chance: pd.Series) -> dict[str, float]:
    return {
        "rows": len(test), "events": int(test.target.sum()), "auc": roc_auc_score(test.target, chance),
        "average_precision": average_precision_score(test.target, chance),
    }  # fmt: skip


def _over_folds(values: pd.DataFrame, shared: float) -> pd.DataFrame:
    """Return the mean of each column, `_low` and `_high`; `shared` is rows tested over rows learnt from."""
    folds, mean = len(values), values.mean()
    if folds < _FEWEST_FOLDS:
        return pd.DataFrame({"": mean, "_low": np.nan, "_high": np.nan})
    half = stats.t.ppf((1 + CONFIDENCE) / 2, folds - 1) * values.std() * np.sqrt(1 / folds + shared)
    return pd.DataFrame({"": mean, "_low": mean - half, "_high": mean + half})
