"""A fraud model as it is applied to transactions that arrive one by one: trees, threshold, and reasons in words."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from xgboost import Booster, DMatrix

from bankmine.errors import BankmineError
from bankmine.judging.reason_dictionary import Spoken
from bankmine.judging.reasons import LEAST
from bankmine.learning.encoding import single_precision
from bankmine.topics.fraud.features import derive
from bankmine.topics.fraud.spec import SPECIFICATION, Specification
from bankmine.topics.fraud.transaction import Transaction, columns_of


@dataclass(frozen=True)
class Phrase:
    """How a predictor is given as a reason."""

    theme: str
    """Predictors of one theme are one reason."""
    spoken: Spoken
    typical: float
    """Median of the rows learnt from: what is above it is high; of a word 0."""


@dataclass(frozen=True)
class Word:
    """A predictor that is a word, as columns of ones and zeros."""

    name: str
    columns: dict[str, int]
    """Number of the column of each category, -1 where it has none; "" stands for a missing word."""
    other: int
    """Column of categories that were rare or not there when the model learnt; -1 where there is none."""
    width: int

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Return the columns of some values, shape (rows, width)."""
        found = [self.columns.get("" if value is None else str(value), self.other) for value in values]
        return (np.array(found)[:, None] == np.arange(self.width)).astype(np.float32)


@dataclass(frozen=True)
class FraudModel:
    """A model and all that is needed to apply it to a transaction as it arrives.

    Attributes
    ----------
    booster : Booster
        XGBoost's trees.
    features : tuple of str
        Names of the numbers it takes, in order, as `derive` gives them.
    words : tuple of Word
        What it takes of the transaction itself, behind the numbers.
    known : tuple of str
        Columns of the history that it learnt from: what a source lacked is not measured in real time either.
    delay : int
        Days by which labels are late.
    kinds : tuple of str
        Kinds of transactions that are judged; empty where the source tells none.
    threshold : float
        Chance from which there is an alert.
    factor : float
        By what the odds that the trees tell are multiplied, to undo thinning and weights.
    day : datetime.date
        Last day of what it learnt from.
    phrases : tuple of Phrase
        One for each of the numbers, then of the words.
    """

    booster: Booster
    features: tuple[str, ...]
    words: tuple[Word, ...]
    known: tuple[str, ...]
    delay: int
    kinds: tuple[str, ...]
    threshold: float
    factor: float
    day: datetime.date
    phrases: tuple[Phrase, ...]

    @property
    def specification(self) -> Specification:
        """What is to be measured of each transaction."""
        return replace(SPECIFICATION, delay=self.delay).possible(self.known)

    def matrix(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Put features and words in the order of the model, in single precision, shape (rows, columns)."""
        numbers = single_precision(np.column_stack([columns[name] for name in self.features]))
        return np.hstack([numbers, *(word.encode(columns[word.name]) for word in self.words)])

    def rows(self, columns: Mapping[str, np.ndarray]) -> DMatrix:
        """Put features and words as the trees take them."""
        return DMatrix(self.matrix(columns), nthread=1)

    def chance(self, rows: DMatrix) -> np.ndarray:
        """Return the chance of fraud of each of some rows."""
        told = self.booster.predict(rows).astype(np.float64)
        return told * self.factor / (1 - told + told * self.factor)

    def reasons(self, columns: Mapping[str, np.ndarray], row: DMatrix, k: int = 3) -> list[str]:
        """Say what raises the chance of one row most: its strongest themes, as `analysis.reasons` picks them.

        Parameters
        ----------
        columns : mapping of str to np.ndarray
            Features and words of the row: arrays of length 1.
        row : DMatrix
            The same from `rows`.
        k : int
            Reasons at most; fewer where fewer themes raise the odds by 5 %.
        """
        parts = self.booster.predict(row, pred_contribs=True)[0, :-1].astype(np.float64)
        pushes = np.bincount(self._origin, weights=parts)
        themes = np.bincount(self._themes, weights=pushes)
        strongest = [t for t in np.argsort(-themes, kind="stable")[:k] if themes[t] >= LEAST]
        return [self._said(int(np.where(self._themes == t, pushes, -np.inf).argmax()), columns) for t in strongest]

    def _said(self, which: int, columns: Mapping[str, np.ndarray]) -> str:
        phrase = self.phrases[which]
        if which < len(self.features):
            return phrase.spoken.say(float(columns[self.features[which]][0]), phrase.typical)
        return phrase.spoken.say(columns[self.words[which - len(self.features)].name][0], None)

    @cached_property
    def _origin(self) -> np.ndarray:
        """Number of the predictor that each column of the matrix is of."""
        return np.repeat(np.arange(len(self.phrases)), [1] * len(self.features) + [word.width for word in self.words])

    @cached_property
    def _themes(self) -> np.ndarray:
        """Number of the theme of each predictor."""
        return pd.factorize(np.array([p.theme for p in self.phrases], dtype=object))[0]


def learnt_of(model: FraudModel, t: Transaction, measures: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the features and words of a transaction that was measured: arrays of length 1."""
    columns = columns_of(t, measures, model.known)
    return columns | derive(columns)


def checked(model: FraudModel) -> FraudModel:
    """Return a model whose parts fit each other and the features of this version.

    Raises
    ------
    BankmineError
        If they do not.
    """
    nothing = Transaction("", 0, 1.0, "")
    measures = {name: np.array([np.nan]) for name in model.specification.names}
    there = learnt_of(model, nothing, measures)
    if missing := [name for name in (*model.features, *(word.name for word in model.words)) if name not in there]:
        raise BankmineError(f"The model takes {missing[0]!r}, which is no feature of a transaction: fit it without.")
    width = len(model.features) + sum(word.width for word in model.words)
    if model.booster.num_features() != width or len(model.phrases) != len(model.features) + len(model.words):
        raise BankmineError("The model's trees take other features than it names: save it anew.")
    if not (0 <= model.threshold <= 1 and 0 < model.factor < np.inf and 0 <= model.delay <= 365):
        raise BankmineError("The model's threshold, factor or delay is out of bounds: save it anew.")
    return model
