"""Boosted trees whose depth, leaf weight, sampling of columns and number are searched on inner folds.

The search sees the rows to learn from only, so that whatever judges the model later has no part in it. It is short:
one setting after the other, each with early stopping (Prechelt, Neural Networks 11, 1998), on part of a large table;
the number of trees, which grows with the rows, and whether all that is worth it, are told by one fold of all of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xgboost
from scipy import stats
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from xgboost import QuantileDMatrix, XGBClassifier, XGBRegressor

from bankmine.learning.sample import CONFIDENCE, Sample, codes
from bankmine.learning.splits import FEWEST, Fold, stratified_folds

PLAIN = {"n_estimators": 120, "max_depth": 3, "learning_rate": 0.08}
"""What is kept unless rows held out show, beyond chance, that another setting leaves less log loss: in small tables,
what a search finds may as well be an accident of the rows."""
_SEARCHED = {"max_depth": (3, 2, 5), "min_child_weight": (3, 1, 20), "colsample_bynode": (0.5, 0.25)}
"""Searched one after the other, from the first of each, with the best of those before. Leaf weight is the least sum of
p (1 − p) over the rows of a leaf, and columns are drawn anew at each split, as in a forest."""
_COARSE, _FINE = (0.15, 100, 10), (0.05, 600, 30)
"""Learning rate, trees at most, after how many without a gain they stop: to compare settings, and to count trees."""
_WORK, _OF_A_ROW = 3_000_000, 60
"""Size of what settings are compared on, about: rows × (columns + what a row costs by itself, counted in columns)."""
_BINS, _FINEST = (64, 256), 12_000
"""Fewest and most values that are told apart in a column, and in all columns together."""
_FOLDS, _LATER = 5, 0.3
"""Inner folds, of which a table of more than half that size takes one; and the share of the rows, the latest, that
settings are judged by where rows have days."""
_EVENTS = 100
"""Events held out, or rows without one, below which nothing is searched: no setting could be told from another, as the
standard error of an AUC is then about 0.03 and more."""


class Boosted(XGBClassifier):
    """XGBoost; where `n_estimators` is None, and there are inner folds, it searches its setting first.

    Attributes
    ----------
    setting_ : dict
        The parameters that were found, or `PLAIN`; without any where `n_estimators` was given.
    """

    def fit(self, matrix: np.ndarray, target: np.ndarray, folds: Sequence[Fold] = ()) -> Boosted:
        """Learn from all rows, by the setting that told most of the rows held out by `folds`."""
        given, self.setting_ = self.get_params(), {}
        if self.n_estimators is None:
            self.setting_ = _searched(self.get_xgb_params(), matrix, target, folds)
        self.set_params(**self.setting_)
        super().fit(matrix, target)
        # what was asked for stays as it was, so that a clone searches again
        return self.set_params(**given)


def inner_folds(sample: Sample) -> list[Fold]:
    """Divide rows to search a setting on; no row of an entity is on both sides, none earlier than what it is judged by.

    Where rows have days, those of the latest days are held out of some entities, and earlier ones of the others learnt
    from. No fold where fewer than `FEWEST` entities have either outcome.
    """
    owner, entities = codes(sample.entity)
    ever = np.bincount(owner, weights=sample.target, minlength=entities) > 0
    if min(ever.sum(), (~ever).sum()) < FEWEST:
        return []
    folds = stratified_folds(sample, np.arange(len(sample)), folds=_FOLDS, repeats=1)
    days = np.zeros(0) if sample.day is None else np.unique(sample.day)
    if len(days) < 2:
        return folds
    begins = max(sample.day.quantile(1 - _LATER, interpolation="lower"), days[1])
    later = (sample.day >= begins).to_numpy()
    return [(train[~later[train]], test[later[test]]) for train, test in folds]


def settled(model: Pipeline) -> Pipeline:
    """Return a fitted model unfitted, with the setting that it found, so that it is not searched again.

    Models that are held against it, as on other customers, then differ by their rows and by nothing else.
    """
    found = getattr(model[-1], "setting_", {})
    return clone(model).set_params(**{f"model__{name}": value for name, value in found.items()})


def in_words(model: Pipeline) -> str:
    """Tell the setting of a fitted model, or "" where none was searched."""
    found = getattr(model[-1], "setting_", {})
    if not found:
        return ""
    told = f"{found['n_estimators']} trees of depth {found['max_depth']} at rate {found['learning_rate']:g}"
    if found == PLAIN:
        return f"{told}, as no other can be shown to foretell better"
    return f"{told}, leaf weight {found['min_child_weight']}, {found['colsample_bynode']:.0%} of the columns a split"


def _searched(given: dict[str, object], matrix: np.ndarray, target: np.ndarray, folds: Sequence[Fold]) -> dict:
    """Search one setting after the other; what is found is taken where it is shown to foretell better than `PLAIN`."""
    rows, columns = matrix.shape
    bins = {"max_bin": int(np.clip(_FINEST // columns, *_BINS))}
    share = _WORK / (rows * (columns + _OF_A_ROW))
    folds = _able(folds, target)[: _FOLDS if share >= 2 else 1]
    held_out = np.concatenate([target[test] for _, test in folds] or [np.zeros(0)])
    if min(held_out.sum(), (1 - held_out).sum()) < _EVENTS:
        return dict(PLAIN)
    some = np.random.default_rng(0).permutation(rows) < rows * share
    few = _able([(train[some[train]], test[some[test]]) for train, test in folds], target)
    if not few:
        return dict(PLAIN)
    few = _binned(matrix, target, few, bins)
    found = {name: values[0] for name, values in _SEARCHED.items()} | bins
    _, best = _told(given | found, few, *_COARSE)
    for name, (_, *values) in _SEARCHED.items():
        for value in values:
            _, other = _told(given | found | {name: value}, few, *_COARSE)
            if other.mean() < best.mean():
                found, best = found | {name: value}, other
    trees, best = _told(given | found, _binned(matrix, target, folds, bins), *_FINE)
    plain = _binned(matrix, target, folds, {"max_bin": given["max_bin"]})
    _, kept = _told(given | PLAIN, plain, PLAIN["learning_rate"], PLAIN["n_estimators"])
    gain = kept - best
    shown = gain.mean() > stats.norm.ppf(CONFIDENCE) * gain.std() / np.sqrt(len(gain))
    return found | {"learning_rate": _FINE[0], "n_estimators": trees} if shown else dict(PLAIN)


def _able(folds: Sequence[Fold], target: np.ndarray) -> list[Fold]:
    """Return the folds that have both outcomes to learn from and rows to be judged by."""
    return [(train, test) for train, test in folds if 0 < target[train].sum() < len(train) and len(test)]


def _binned(
    matrix: np.ndarray, target: np.ndarray, folds: Sequence[Fold], bins: dict[str, int]
) -> list[tuple[QuantileDMatrix, QuantileDMatrix]]:
    """Bin the rows of each fold once for all settings, by those learnt from."""
    found = []
    for train, test in folds:
        learnt = QuantileDMatrix(matrix[train], target[train], nthread=1, **bins)
        found.append((learnt, QuantileDMatrix(matrix[test], target[test], nthread=1, ref=learnt, **bins)))
    return found


def _told(
    params: dict[str, object], folds: list[tuple[QuantileDMatrix, QuantileDMatrix]], rate: float, most: int,
    patience: int | None = None,
) -> tuple[int, np.ndarray]:  # fmt: skip
    """Return how many trees are enough, in the middle of the folds, and the log loss of each row held out by as many.

    Without `patience` as many are grown as there may be.
    """
    params = {name: value for name, value in params.items() if name != "n_estimators"}
    models = [
        xgboost.train(
            params | {"learning_rate": rate, "eval_metric": "logloss"}, learnt, most, evals=[(held, "held")],
            early_stopping_rounds=patience, verbose_eval=False,
        )
        for learnt, held in folds
    ]  # fmt: skip
    trees = int(np.median([model.best_iteration + 1 for model in models])) if patience else most
    losses = []
    for model, (_, held) in zip(models, folds, strict=True):
        odds = model.predict(held, output_margin=True, iteration_range=(0, min(trees, model.num_boosted_rounds())))
        losses.append(np.logaddexp(0, np.where(held.get_label() == 1, -odds, odds)))
    return trees, np.concatenate(losses)


def amounts(learnt: pd.DataFrame, came: pd.Series, given: pd.DataFrame) -> pd.Series:
    """Foretell an amount of `given` rows by trees learnt on other rows, of the measures known of both."""
    known, own = learnt.columns.intersection(given.columns), learnt.index.intersection(came.index)
    model = XGBRegressor(
        n_estimators=200, max_depth=4, learning_rate=0.05, subsample=0.8, colsample_bytree=0.8, min_child_weight=20,
        n_jobs=2, random_state=0,
    )  # fmt: skip
    model.fit(learnt.loc[own, known].astype(float), came[own])
    return pd.Series(model.predict(given[known].astype(float)).astype(float), given.index)
