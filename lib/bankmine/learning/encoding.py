"""Encoding: predictors of any kind as a matrix of numbers, and back from its columns to the predictors.

Whatever these transformers take, they learn from the rows that they are fitted on. Names of columns may hold any
character, since models are given positions, never names.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype
from scipy.special import logit
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, TargetEncoder

from bankmine.errors import BankmineError

RARE = 30
"""Rows of the training sample below which categories are taken together."""
_LARGEST = 1e30
"""Limit of what is kept of a number: the matrix is of single precision."""


class Encode(TransformerMixin, BaseEstimator):
    """Numbers and booleans as they are, categories as one column each; what is missing stays missing.

    An infinite number counts as missing. A missing word is a category of its own; rare ones, and those that come up
    later, share a column.

    Parameters
    ----------
    columns : sequence, optional
        Predictors to use; all where they are not given.

    Attributes
    ----------
    columns_ : list
        The predictors, numbers first.
    origin_ : np.ndarray
        Position in `columns_` of the predictor that each column of the matrix is of.
    """

    def __init__(self, columns: Sequence[Hashable] | None = None) -> None:
        self.columns = columns

    def fit(self, predictors: pd.DataFrame, y: object = None) -> Encode:
        """Learn which predictors are numbers, and the categories of the others."""
        used = predictors if self.columns is None else predictors[list(self.columns)]
        self.numbers_ = [c for c, kind in used.dtypes.items() if is_numeric_dtype(kind)]
        self.words_ = [c for c, kind in used.dtypes.items() if not is_numeric_dtype(kind)]
        self.columns_ = self.numbers_ + self.words_
        self.origin_ = np.arange(len(self.numbers_))
        if self.words_:
            self.categories_ = OneHotEncoder(
                min_frequency=RARE, handle_unknown="infrequent_if_exist", sparse_output=False, dtype=np.float32,
                feature_name_combiner=lambda predictor, category: predictor,
            ).fit(_text(used[self.words_]))  # fmt: skip
            names = [str(len(self.numbers_) + i) for i in range(len(self.words_))]
            self.origin_ = np.concatenate([self.origin_, self.categories_.get_feature_names_out(names).astype(int)])
        return self

    def transform(self, predictors: pd.DataFrame) -> np.ndarray:
        """Return the matrix, shape (rows, columns), in single precision.

        Raises
        ------
        BankmineError
            If a predictor is missing that was there when the model was fitted, or is no number any more.
        """
        if missing := [c for c in self.columns_ if c not in predictors.columns]:
            raise BankmineError(f"The model was fitted with {missing[0]!r}, which is not there: fit it anew.")
        if changed := [c for c in self.numbers_ if not is_numeric_dtype(predictors[c].dtype)]:
            raise BankmineError(f"The model was fitted with {changed[0]!r} as a number, which it is not any more.")
        numbers = predictors[self.numbers_]
        if set(numbers.dtypes) != {np.dtype(np.float32)}:
            numbers = numbers.astype(np.float64)
        numbers = single_precision(numbers.to_numpy())
        if not self.words_:
            return numbers
        place, first = _different(predictors[self.words_])
        return np.hstack([numbers, self.categories_.transform(_text(predictors[self.words_].iloc[first]))[place]])


class SignedLog(TransformerMixin, BaseEstimator):
    """Draw in the long tails of amounts of either sign, fill what is missing, and tell where it was.

    Each column becomes arsinh(value / typical size), which is linear near 0 and logarithmic far from it (Burbidge and
    others, Journal of the American Statistical Association 83, 1988); the typical size is the median of what is not 0.
    Missing values become the median, and a column that has some in training gets a second one of ones and zeros.

    Attributes
    ----------
    flagged_ : np.ndarray
        Positions of the columns that have a second one; these follow after all others, in that order.
    """

    def fit(self, matrix: np.ndarray, y: object = None) -> SignedLog:
        """Learn sizes, medians and where values are missing."""
        size = medians(np.abs(np.where(matrix == 0, np.nan, matrix)))
        self.size_ = np.where(size > 0, size, 1.0).astype(np.float32)
        self.middle_ = np.arcsinh(medians(matrix) / self.size_)
        self.flagged_ = np.flatnonzero(np.isnan(matrix).any(axis=0))
        return self

    def transform(self, matrix: np.ndarray) -> np.ndarray:
        """Return the matrix with the flags behind it."""
        missing, width = np.isnan(matrix), matrix.shape[1]
        found = np.empty((len(matrix), width + len(self.flagged_)), np.float32)
        drawn_in = np.divide(matrix, self.size_, out=found[:, :width])
        np.arcsinh(drawn_in, out=drawn_in)
        np.copyto(drawn_in, self.middle_, where=missing)
        found[:, width:] = missing[:, self.flagged_]
        return found


def single_precision(numbers: np.ndarray) -> np.ndarray:
    """Return numbers as models take them: infinite ones are missing, none is too large for single precision."""
    if numbers.dtype == np.float32 and not (np.abs(numbers) > _LARGEST).any():
        return numbers
    return np.where(np.isfinite(numbers), numbers, np.nan).clip(-_LARGEST, _LARGEST).astype(np.float32)


def medians(matrix: np.ndarray) -> np.ndarray:
    """Return the median of what is known in each column, 0 where nothing is."""
    # numpy warns of columns without a value, and warnings cannot be silenced for one of several threads
    return np.nanmedian(np.where(np.isnan(matrix).all(axis=0), 0.0, matrix), axis=0).astype(matrix.dtype)


def origin_of_columns(model: Pipeline) -> np.ndarray:
    """Return for each column that a model's last step sees the position of its predictor in the columns of `Encode`."""
    origin = model["encode"].origin_
    return np.concatenate([origin, origin[model["unskew"].flagged_]]) if "unskew" in model.named_steps else origin


def _different(words: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return which combination of words each row has, and the first row of each: there are far fewer than rows."""
    place = np.zeros(len(words), dtype=np.int64)
    for name in words:
        code, found = pd.factorize(words[name], use_na_sentinel=False)
        place = pd.factorize(place * len(found) + code)[0]
    return place, np.unique(place, return_index=True)[1]


def _text(words: pd.DataFrame) -> np.ndarray:
    return words.astype(str).where(words.notna(), "").to_numpy(dtype=object)


_PARTS = 20
_PRIOR = 2.0
"""Rows of the overall rate that are added to those of each value, so that no rate is 0 or 1."""


class WeightOfEvidence(TransformerMixin, BaseEstimator):
    """Numbers in twentieths and words as they are become weights of evidence; what is missing is a value of its own."""

    def fit(self, predictors: pd.DataFrame, target: pd.Series) -> WeightOfEvidence:
        """Learn edges and rates from rows with both outcomes."""
        numbers = [c for c, kind in predictors.dtypes.items() if is_numeric_dtype(kind)]
        self.edges_ = {c: edges_of(predictors[c], _PARTS) for c in numbers}
        self.encoder_ = TargetEncoder(target_type="binary", smooth=_PRIOR)
        self.encoder_.fit(self._levels(predictors), target.to_numpy(int))
        return self

    def transform(self, predictors: pd.DataFrame) -> pd.DataFrame:
        """Return log-odds, same index and columns."""
        rates = self.encoder_.transform(self._levels(predictors))
        return pd.DataFrame(logit(rates), index=predictors.index, columns=predictors.columns)

    def _levels(self, predictors: pd.DataFrame) -> np.ndarray:
        levels = [level(predictors[c], self.edges_.get(c)) for c in predictors.columns]
        return np.column_stack(levels).astype(object)


def edges_of(values: pd.Series, parts: int) -> np.ndarray:
    """Return the values that part numbers into equally many, as far as there are different ones."""
    return np.unique(values.astype(float).quantile(np.linspace(0, 1, parts + 1)[1:-1]).dropna())


def level(values: pd.Series, edges: np.ndarray | None) -> np.ndarray:
    """Put numbers between edges; words stay as they are (`edges` None). What is missing is a level of its own.

    An edge is a level of its own, too, since many rows may hold just that value, as 0 of an income.
    """
    if edges is None:
        return values.astype(str).where(values.notna(), "").to_numpy(object)
    numbers = values.astype(float)
    place = np.searchsorted(edges, numbers, side="left") + np.searchsorted(edges, numbers, side="right")
    return np.where(values.isna(), -1, place).astype(str)
