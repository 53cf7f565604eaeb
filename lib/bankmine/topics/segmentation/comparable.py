"""Comparable features: numbers without a unit out of skewed amounts, shares and mixes of spending.

Amounts become logarithms, shares log-odds, and what is spent on several things centred log-ratios (Aitchison, The
Statistical Analysis of Compositional Data, 1986); then tails are cut and all are scaled. Whatever this takes is learned
from the customers that a transformer is fitted on.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

from bankmine.errors import BankmineError

_SHRINK = 0.2
"""Weight of the mean share against a customer's own, so that shares of 0 and 1 have log-odds."""
_FLOOR = 0.1
"""Part of the median that is added to an amount before its logarithm is taken."""
_TAIL = 0.01


class Unskew(TransformerMixin, BaseEstimator):
    """Fill what is missing with the median and bring each feature into the form in which it is compared.

    Parameters
    ----------
    forms : dict of str
        Feature → amount, share, mix or plain; other columns are ignored.

    Attributes
    ----------
    centre_ : dict of float
        Per feature the value for those of whom it is not known: the median, for shares and mixes the mean.
    """

    def __init__(self, forms: dict[str, str]) -> None:
        self.forms = forms

    def fit(self, values: pd.DataFrame, y: None = None) -> Unskew:
        """Learn centres; features of which nothing is known, and mixes that nobody buys, are dropped."""
        there = [c for c in self.forms if c in values.columns and values[c].notna().any()]
        centre = {c: values[c].mean() if self.forms[c] in ("share", "mix") else values[c].median() for c in there}
        positive = {c: values.loc[values[c] > 0, c].median() for c in there if self.forms[c] == "amount"}
        self.floor_ = {c: float(_FLOOR * m) if m > 0 else 1.0 for c, m in positive.items()}
        self.centre_ = {c: float(m) for c, m in centre.items() if self.forms[c] != "mix" or m > 0}
        return self

    def transform(self, values: pd.DataFrame) -> pd.DataFrame:
        """Transform customers.

        Raises
        ------
        BankmineError
            If a feature is missing that was there when the pipeline was fitted.
        """
        if missing := [c for c in self.centre_ if c not in values.columns]:
            raise BankmineError(f"These segments were formed with {', '.join(missing)}, which is not there: form anew.")
        filled = values[list(self.centre_)].fillna(self.centre_)
        parts = {c: self._one(filled[c]) for c in self.centre_ if self.forms[c] != "mix"}
        return pd.DataFrame(parts, index=values.index).join(self._mix(filled))

    def _one(self, values: pd.Series) -> pd.Series:
        name, form = values.name, self.forms[values.name]
        if form == "amount":
            return np.log(values.clip(lower=0) + self.floor_[name])
        return _logit(self._shrunk(values)) if form == "share" else values

    def _shrunk(self, values: pd.Series) -> pd.Series:
        # a mean of exactly 0 or 1 means that all are the same, and the feature is dropped as constant
        middle = min(max(self.centre_[values.name], 1e-9), 1 - 1e-9)
        return (values.clip(0, 1) + _SHRINK * middle) / (1 + _SHRINK)

    def _mix(self, values: pd.DataFrame) -> pd.DataFrame:
        names = [c for c in self.centre_ if self.forms[c] == "mix"]
        logs = np.log(pd.DataFrame({c: self._shrunk(values[c]) for c in names}, index=values.index))
        # centred log-ratios add up to 0: the last one follows from the others
        return logs.sub(logs.mean(axis=1), axis=0).iloc[:, :-1]


class Standardise(TransformerMixin, BaseEstimator):
    """Cut each feature at its first and last hundredth, drop those that do not vary, and scale the others.

    Attributes
    ----------
    low_, high_, mean_, deviation_ : dict of float
        Limits, and mean and standard deviation within them, of the features that are kept.
    """

    def fit(self, values: pd.DataFrame, y: None = None) -> Standardise:
        """Learn limits, means and deviations."""
        low, high = values.quantile(_TAIL), values.quantile(1 - _TAIL)
        kept = values.columns[(high - low) > 1e-9 * (1 + high.abs())]
        self.low_, self.high_ = low.loc[kept].to_dict(), high.loc[kept].to_dict()
        cut = self._cut(values)
        self.mean_, self.deviation_ = cut.mean().to_dict(), cut.std(ddof=0).to_dict()
        return self

    def transform(self, values: pd.DataFrame) -> pd.DataFrame:
        """Cut and scale customers."""
        return self._cut(values).sub(pd.Series(self.mean_, dtype=float)).div(pd.Series(self.deviation_, dtype=float))

    def _cut(self, values: pd.DataFrame) -> pd.DataFrame:
        kept = list(self.low_)
        return values[kept].clip(pd.Series(self.low_, dtype=float), pd.Series(self.high_, dtype=float), axis=1)


def _logit(share: pd.Series) -> pd.Series:
    return np.log(share / (1 - share))
