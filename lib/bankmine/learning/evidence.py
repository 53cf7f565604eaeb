"""Evidence: predictors of any kind as the log-odds of the event among the rows that hold the same value.

For the leak lab and for baselines, not for scorecards: nobody looked at the bins, and nothing makes them monotone.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype
from scipy.special import logit
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.preprocessing import TargetEncoder

_PARTS = 20
_PRIOR = 2.0
"""Rows of the overall rate that are added to those of each value, so that no rate is 0 or 1."""


class Evidence(TransformerMixin, BaseEstimator):
    """Numbers in twentieths and words as they are become weights of evidence; what is missing is a value of its own."""

    def fit(self, predictors: pd.DataFrame, target: pd.Series) -> Evidence:
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
