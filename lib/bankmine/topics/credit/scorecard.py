"""The scorecard: points for each bin of each characteristic, whose sum is the score; an estimator like any other.

The score is offset + factor × ln(odds of good to bad) with factor = PDO / ln 2 and offset = base score − factor ×
ln(base odds), and the points of a bin are its share of that (Siddiqi, Credit Risk Scorecards, 2006, chapter 6). Points
are whole numbers, and the chance is that of their sum, so that what is judged is what a database or a clerk computes.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin

from bankmine.errors import BankmineError
from bankmine.judging.intervals import wilson
from bankmine.topics.credit.bins import TRENDS, WORDS, Bins, fit_bins
from bankmine.topics.credit.characteristics import USUAL, Chosen, Selection, choose


@dataclass(frozen=True)
class Scale:
    """What a score means: `base` points at odds of `odds` good to 1 bad, and `pdo` points that double the odds."""

    base: float = 600.0
    odds: float = 50.0
    pdo: float = 20.0

    def __post_init__(self) -> None:
        if not (self.odds > 0 and self.pdo > 0):
            raise BankmineError(f"Odds and points that double them are above 0, not {self.odds:g} and {self.pdo:g}.")

    @property
    def factor(self) -> float:
        """Points for one more of the log-odds of good."""
        return self.pdo / np.log(2)

    @property
    def offset(self) -> float:
        """Score at even odds."""
        return self.base - self.factor * np.log(self.odds)

    def chance(self, score: np.ndarray) -> np.ndarray:
        """Return the chance of the event that scores stand for."""
        return expit((self.offset - score) / self.factor)


STANDARD = Scale()


@dataclass(frozen=True)
class Scorecard:
    """Points of a fitted scorecard."""

    scale: Scale
    bins: dict[Hashable, Bins]
    """Of each characteristic, strongest first."""
    points: dict[Hashable, np.ndarray]
    """Whole points of each bin of each characteristic."""

    @property
    def table(self) -> pd.DataFrame:
        """The scorecard as a table: one row a bin, as of `bin_table`, with its `points`."""
        tables = [bin_table(bins).assign(points=self.points[name]) for name, bins in self.bins.items()]
        return pd.concat(tables, ignore_index=True)

    def points_of(self, predictors: pd.DataFrame) -> pd.DataFrame:
        """Return the points of each row for each characteristic.

        Raises
        ------
        BankmineError
            If a characteristic is missing, or of another kind than it was.
        """
        if missing := [c for c in self.bins if c not in predictors.columns]:
            raise BankmineError(f"The scorecard was fitted with {missing[0]!r}, which is not there: fit it anew.")
        found = {name: self.points[name][bins.positions(predictors[name])] for name, bins in self.bins.items()}
        return pd.DataFrame(found, index=predictors.index)

    def score(self, predictors: pd.DataFrame) -> pd.Series:
        """Return the score of each row, high where the event is unlikely."""
        return self.points_of(predictors).sum(axis=1).rename("score")


class ScorecardModel(ClassifierMixin, BaseEstimator):
    """Learns a scorecard: bins, characteristics, logistic regression on weights of evidence, points.

    Parameters
    ----------
    scale : Scale
        What a score means.
    selection : Selection
        What characteristics have to be.
    trends : mapping, optional
        Predictor → how risk moves with it, one of `binning.TRENDS`; that of others rises or falls, as it tells more.

    Attributes
    ----------
    chosen_ : Chosen
        Every predictor, whether it is in the scorecard and why not.
    card_ : Scorecard
        The points.
    bins_ : dict of Bins
        Of every predictor, also of those that are not in the scorecard.
    """

    def __init__(
        self, scale: Scale = STANDARD, selection: Selection = USUAL, trends: Mapping[Hashable, str] | None = None
    ) -> None:
        self.scale = scale
        self.selection = selection
        self.trends = trends

    def fit(self, predictors: pd.DataFrame, target: np.ndarray) -> ScorecardModel:
        """Learn from rows whose target is 1 (the event) or 0.

        Raises
        ------
        BankmineError
            If a trend is none of `binning.TRENDS`.
        """
        trends, bad = dict(self.trends or {}), np.asarray(target, dtype=int)
        if unknown := set(trends.values()) - set(TRENDS):
            raise BankmineError(f"Risk cannot be {min(unknown)!r} with a value: say {', '.join(TRENDS)}.")
        self.classes_ = np.array([0.0, 1.0])
        self.bins_ = {name: fit_bins(predictors[name], bad, trends.get(name)) for name in predictors}
        woe = {name: bins.woe[bins.positions(predictors[name])] for name, bins in self.bins_.items()}
        self.chosen_ = choose(self.bins_, pd.DataFrame(woe, index=predictors.index), bad, self.selection)
        self.card_ = _card(self.scale, self.chosen_, self.bins_)
        return self

    def predict_proba(self, predictors: pd.DataFrame) -> np.ndarray:
        """Return the chances of no event and of the event, shape (rows, 2)."""
        chance = self.scale.chance(self.card_.score(predictors).to_numpy(dtype=float))
        return np.column_stack([1 - chance, chance])

    def predict(self, predictors: pd.DataFrame) -> np.ndarray:
        """Return the likelier outcome of each row."""
        return self.classes_[self.predict_proba(predictors).argmax(axis=1)]


def _card(scale: Scale, chosen: Chosen, bins: dict[Hashable, Bins]) -> Scorecard:
    names = list(chosen.coefficients.index)
    share = (scale.offset - scale.factor * chosen.intercept) / len(names)
    exact = {c: share - scale.factor * chosen.coefficients[c] * bins[c].woe for c in names}
    return Scorecard(scale, {c: bins[c] for c in names}, {c: np.rint(exact[c]).astype(int) for c in names})


def bin_table(bins: Bins) -> pd.DataFrame:
    """Tell the bins of one characteristic, one row a bin, also of those without a row.

    Returns
    -------
    pd.DataFrame
        `characteristic`, `bin` (words), `low`, `high` (of numbers: from, and below), `categories` (list, of words),
        `rows`, `share` of the training rows, `bad`, `bad_rate` with interval of 95 % `bad_low`, `bad_high` (Wilson),
        `woe`.
    """
    rows, beyond = bins.good + bins.bad, [np.nan] * (len(bins.good) - bins.missing)
    ends = np.full(bins.missing + 1, np.nan) if bins.kind == WORDS else np.r_[-np.inf, bins.edges, np.inf]
    table = pd.DataFrame({"characteristic": [bins.name] * len(rows), "bin": bins.labels})
    table["low"], table["high"] = [*ends[:-1], *beyond], [*ends[1:], *beyond]
    groups = [list(group) for group in bins.groups]
    table["categories"] = [*groups, *([] for _ in range(len(rows) - len(groups)))]
    table["rows"], table["share"], table["bad"] = rows.astype(int), rows / rows.sum(), bins.bad.astype(int)
    table["bad_rate"] = bins.bad / np.where(rows > 0, rows, np.nan)
    rates = [wilson(bad, n) if n else (np.nan, np.nan) for bad, n in zip(bins.bad, rows, strict=True)]
    table[["bad_low", "bad_high"]] = rates
    return table.assign(woe=bins.woe)
