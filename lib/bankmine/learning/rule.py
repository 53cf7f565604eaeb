"""The simple rule that every model is held against: a rank by one column, as a person would make it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.isotonic import IsotonicRegression
from sklearn.pipeline import Pipeline

from bankmine.learning.encoding import medians

_DRAWN_BY = 20
"""Rows at the mean rate that are added to those without a value, so that few of them do not make a rate."""


class Rule(ClassifierMixin, BaseEstimator):
    """Rank by one column: the rate of the event rises or falls with it and never turns (isotonic regression).

    Of several columns it takes the one that ranks best alone, in either direction, on the rows that it is fitted on.
    Rows on one step of the rate keep the order of the column. Where the value is not known there is a rate of its own.

    Attributes
    ----------
    column_ : int
        Position of the column.
    rises_ : bool
        Whether the event is more frequent where the value is high.
    """

    def fit(self, matrix: np.ndarray, target: np.ndarray) -> Rule:
        """Choose the column and learn its rates."""
        target = np.asarray(target, dtype=float)
        area = _areas(matrix, target)
        self.classes_ = np.array([0.0, 1.0])
        self.column_ = int(np.abs(area - 0.5).argmax())
        self.rises_ = bool(area[self.column_] >= 0.5)
        values = matrix[:, self.column_]
        known = ~np.isnan(values)
        self.unknown_rate_ = (target[~known].sum() + _DRAWN_BY * target.mean()) / ((~known).sum() + _DRAWN_BY)
        self.ordered_ = np.sort(values[known]) if known.any() else np.zeros(1)
        edge = 1 / (len(target) + 2)
        self.rate_ = IsotonicRegression(y_min=edge, y_max=1 - edge, increasing=self.rises_, out_of_bounds="clip")
        # without a known value, one made up: it is never asked for but by rows that come up later
        self.rate_.fit(*((values[known], target[known]) if known.any() else ([0.0], [self.unknown_rate_])))
        return self

    def predict_proba(self, matrix: np.ndarray) -> np.ndarray:
        """Return the chances of no event and of the event, shape (rows, 2)."""
        values = matrix[:, self.column_]
        known = np.where(np.isnan(values), self.ordered_[0], values)
        place = np.searchsorted(self.ordered_, known) / len(self.ordered_)
        tie = 1e-6 * (place if self.rises_ else 1 - place)
        chance = np.where(np.isnan(values), self.unknown_rate_, np.minimum(self.rate_.predict(known) + tie, 1.0))
        return np.column_stack([1 - chance, chance])

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        """Return the likelier outcome of each row."""
        return self.classes_[self.predict_proba(matrix).argmax(axis=1)]


def rule_in_words(model: Pipeline) -> str:
    """Say what a fitted rule ranks by, and which way: "days_since_outflow, the higher the riskier"."""
    encode, rule = model["encode"], model["model"]
    name = encode.columns_[encode.origin_[rule.column_]]
    if name in encode.words_:
        return f"{name}, one of its categories against the others"
    return f"{name}, the {'higher' if rule.rises_ else 'lower'} the riskier"


def _areas(matrix: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the area under the ROC curve of each column alone; what is missing counts as the median."""
    ranks = pd.DataFrame(np.where(np.isnan(matrix), medians(matrix), matrix)).rank()
    events = target.sum()
    above = ranks[target == 1].sum() - events * (events + 1) / 2
    return (above / (events * (len(target) - events))).to_numpy()
