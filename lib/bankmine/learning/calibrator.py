"""Calibrator: scores into probabilities, fitted on rows that the model did not learn from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from bankmine.errors import BankmineError
from bankmine.judging.calibration import log_odds
from bankmine.judging.ranking import require_outcomes

ISOTONIC_FROM = 1000
"""Events, and rows without one, from which steps are fitted instead of a curve: with fewer the steps follow chance
(Niculescu-Mizil and Caruana, International Conference on Machine Learning 2005)."""
_SHARE_OF_CURVE = 0.01
_FLAT = 1e-3


@dataclass(frozen=True)
class Calibrator:
    """Turns scores into probabilities; a higher score has a higher probability, so that ranks stay."""

    method: str
    """`sigmoid` (a curve), or `isotonic` (steps, with 1 % of the curve so that no two scores become one)."""
    rows: int
    """Fitted on."""
    events: int
    """Among them."""
    centre: float
    """Of the scores, or of their log odds where they are probabilities; so the slope and intercept."""
    slope: float
    intercept: float
    of_probabilities: bool
    """Whether the scores it was fitted on lie between 0 and 1."""
    ordered: bool
    """Whether the event is likelier where the score is higher in the rows it was fitted on."""
    steps: tuple[tuple[float, ...], tuple[float, ...]] | None
    """Scores at which steps begin and end, and the share of events there; between two it is drawn straight."""

    @property
    def reason(self) -> str:
        """Which method was chosen and why, in words."""
        chosen = f"{self.method}, chosen by {self.events:,} events in {self.rows:,} rows"
        return chosen if self.ordered else f"{chosen}, which do not bear the score out: all are given about the same"

    def __call__(self, score: np.ndarray) -> np.ndarray:
        """Return the probability of each score, strictly between 0 and 1."""
        score = np.asarray(score, dtype=float)
        curve = special.expit(self.intercept + self.slope * (_evidence(score, self.of_probabilities) - self.centre))
        if self.steps is None:
            return curve
        return (1 - _SHARE_OF_CURVE) * np.interp(score, *self.steps) + _SHARE_OF_CURVE * curve


def fit_calibrator(target: pd.Series, score: np.ndarray) -> Calibrator:
    """Fit a calibrator; the number of events decides its method.

    The curve is logistic in the log odds, or in the score where that is no probability, with Platt's targets against
    certainty (Advances in Large Margin Classifiers, 1999). Where it would fall, it is made nearly flat.

    Parameters
    ----------
    target : pd.Series
        1.0 where the event happened, 0.0 where it did not: of rows the model did not learn from.
    score : np.ndarray
        Their scores, probabilities or not, in the same order.

    Returns
    -------
    Calibrator
        Call it with scores.

    Raises
    ------
    BankmineError
        If all rows have the event or none has, an outcome is not known or a score is missing.
    """
    outcome, score = require_outcomes(target), np.asarray(score, dtype=float)
    if not np.isfinite(score).all():
        raise BankmineError("Some scores are missing or infinite: give each row a score before it is calibrated.")
    rows, events = len(outcome), int(outcome.sum())
    if events in (0, rows):
        raise BankmineError(
            f"{'All' if events else 'None'} of {rows:,} rows have the event, so that probabilities cannot be fitted: "
            "tune on more rows."
        )
    of_probabilities = bool(score.min() >= 0 and score.max() <= 1)
    evidence = _evidence(score, of_probabilities)
    centre, spread = evidence.mean(), evidence.std() if np.ptp(evidence) else 1.0
    slope, intercept = _curve(outcome, (evidence - centre) / spread)
    ordered = bool(slope > _FLAT)
    if not ordered:
        slope, intercept = _FLAT, float(special.logit(events / rows))
    steps = None
    if min(events, rows - events) >= ISOTONIC_FROM and ordered:
        found = IsotonicRegression(out_of_bounds="clip").fit(score, outcome)
        steps = tuple(found.X_thresholds_.tolist()), tuple(found.y_thresholds_.tolist())
    method = "sigmoid" if steps is None else "isotonic"
    return Calibrator(method, rows, events, float(centre), slope / spread, intercept, of_probabilities, ordered, steps)


def _evidence(score: np.ndarray, of_probabilities: bool) -> np.ndarray:
    return log_odds(score) if of_probabilities else score


def _curve(outcome: np.ndarray, evidence: np.ndarray) -> tuple[float, float]:
    """Return slope and intercept; each row counts as an event by Platt's target, and as none by the rest of it."""
    events = outcome.sum()
    aim = np.where(outcome == 1, (events + 1) / (events + 2), 1 / (len(outcome) - events + 2))
    model = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000)
    model.fit(np.tile(evidence, 2)[:, None], np.repeat([1, 0], len(aim)), np.concatenate([aim, 1 - aim]))
    return float(model.coef_[0, 0]), float(model.intercept_[0])
