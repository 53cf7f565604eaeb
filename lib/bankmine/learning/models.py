"""Models: a simple rule and four learners, fitted on the same rows and compared on the same folds.

No rows are weighted or made up: where events are rare, that shifts probabilities and ranks no better (van den Goorbergh
and others, Journal of the American Medical Informatics Association 29, 2022). Sizes are chosen so that a sample of
25,000 rows and 150 predictors takes seconds.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Hashable, Mapping

import numpy as np
import pandas as pd
from pandas.api.types import is_datetime64_any_dtype, is_numeric_dtype
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.parallel import Parallel, delayed
from threadpoolctl import threadpool_limits

from bankmine.errors import BankmineError
from bankmine.learning.boosting import PLAIN, Boosted, inner_folds
from bankmine.learning.encoding import Encode, SignedLog, medians
from bankmine.learning.sample import Sample

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


def _areas(matrix: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the area under the ROC curve of each column alone; what is missing counts as the median."""
    ranks = pd.DataFrame(np.where(np.isnan(matrix), medians(matrix), matrix)).rank()
    events = target.sum()
    above = ranks[target == 1].sum() - events * (events + 1) / 2
    return (above / (events * (len(target) - events))).to_numpy()


RULE = "rule"
_ROWS_A_TREE = 5_000
_COLUMNS_A_TREE = 20
"""Least that each tree of a forest, and each boosted tree, is grown on, where there are as many."""


def candidates(
    sample: Sample, rule: Hashable | None = None, seed: int = 0, monotone: Mapping[Hashable, int] | None = None
) -> dict[str, Pipeline]:
    """Set up the models to compare; nothing is fitted yet.

    Parameters
    ----------
    sample : Sample
        Its predictors say which columns there are and of what kind.
    rule : str, optional
        The predictor that the simple rule ranks by; where it is not given, the one that ranks best alone in training.
    seed : int
        Of the learners that draw.
    monotone : mapping, optional
        Predictor → 1 where the chance may only rise with it, −1 where it may only fall; holds for XGBoost.

    Returns
    -------
    dict of Pipeline
        `rule`, `logistic`, `tree`, `forest` and `xgboost`. Each takes predictors as they are in a sample. XGBoost
        searches its setting where it is fitted by `fit_all` or side by side, unless `model__n_estimators` is set.

    Raises
    ------
    BankmineError
        If there is no predictor, one name comes twice, one holds dates, or a named one is not there or is no number.
    """
    predictors, monotone = sample.predictors, dict(monotone or {})
    _check_predictors(predictors)
    _check_named(predictors, [*monotone, *([] if rule is None else [rule])], numbers=list(monotone))
    # The penalty is a prior, C its variance: all predictors together are expected to move the log-odds of a row by a
    # standard deviation of 1, whether they are ten or hundreds.
    logistic = LogisticRegression(C=1 / predictors.shape[1], max_iter=500)
    drawn = min(len(predictors), max(_ROWS_A_TREE, len(predictors) // 10))
    forest = RandomForestClassifier(40, max_depth=8, min_samples_leaf=5, max_samples=drawn, random_state=seed, n_jobs=1)
    tree = DecisionTreeClassifier(max_depth=5, min_samples_leaf=0.005, random_state=seed)
    return {
        RULE: _pipeline(Rule(), columns=None if rule is None else [rule]),
        "logistic": _pipeline(logistic, unskew=SignedLog(), scale=StandardScaler()),
        "tree": _pipeline(tree),
        "forest": _pipeline(forest),
        "xgboost": _pipeline(_boosted(predictors, seed, monotone)),
    }


def fit_all(candidates: dict[str, Pipeline], sample: Sample) -> dict[str, Pipeline]:
    """Fit candidates on the rows of a sample whose outcome is known; those given stay unfitted.

    Raises
    ------
    BankmineError
        If all rows have the same outcome, or one is neither 0 nor 1.
    """
    sample = learnable(sample)
    fitted = fit_side_by_side([(model, sample) for model in candidates.values()])
    return dict(zip(candidates, [model for model, _ in fitted], strict=True))


def fit_side_by_side(tasks: list[tuple[Pipeline, Sample]]) -> list[tuple[Pipeline, float]]:
    """Fit on all cores, each model on one, so that the number of cores changes no bit of it.

    Rows are encoded once for all models that see them alike.

    Parameters
    ----------
    tasks : list of (Pipeline, Sample)
        Models, which stay unfitted, and the rows to fit each on: from `learnable`.

    Returns
    -------
    list of (Pipeline, float)
        In the same order: the fitted model and seconds of processor time that it took, without the encoding.
    """
    seen = [(id(sample), repr(model["encode"].get_params())) for model, sample in tasks]
    alike = dict(zip(seen, tasks, strict=True))
    cores = Parallel(n_jobs=-1, backend="threading")
    with threadpool_limits(1, user_api="blas"):
        found = cores(delayed(_encoded)(clone(model["encode"]), sample) for model, sample in alike.values())
        encoded = dict(zip(alike, found, strict=True))
        # the learners that take longest come last: begun first, they leave no core waiting for them in the end
        todo = [
            delayed(_fitted)(model, *encoded[key], sample) for key, (model, sample) in zip(seen, tasks, strict=True)
        ]
        return cores(todo[::-1])[::-1]


def learnable(sample: Sample, what: str = "learn from") -> Sample:
    """Return the rows whose outcome is known.

    Raises
    ------
    BankmineError
        If all have the same outcome, or one is neither 0 nor 1; `what` says what the rows are for.
    """
    known = sample.at(sample.known)
    found = set(known.target.unique())
    if other := found - {0.0, 1.0}:
        raise BankmineError(
            f"The target has values other than 0 and 1, as {max(other)}: say which of them is the event."
        )
    if len(found) < 2:
        outcome = f"the same outcome ({max(found):.0f})" if found else "no known outcome"
        raise BankmineError(
            f"All {len(sample):,} rows to {what} have {outcome}: take others, or define the event anew."
        )
    return known


def scores(fitted: dict[str, Pipeline], sample: Sample) -> pd.DataFrame:
    """Return the chance of the event for each row, one column a model."""
    encoders = {id(model["encode"]): model["encode"] for model in fitted.values()}
    encoded = {key: encode.transform(sample.predictors) for key, encode in encoders.items()}
    return pd.DataFrame(
        {name: model[1:].predict_proba(encoded[id(model["encode"])])[:, 1] for name, model in fitted.items()},
        index=sample.predictors.index,
    )


def _pipeline(model: BaseEstimator, columns: list[Hashable] | None = None, **between: BaseEstimator) -> Pipeline:
    return Pipeline([("encode", Encode(columns)), *between.items(), ("model", model)])


def _boosted(predictors: pd.DataFrame, seed: int, monotone: dict[Hashable, int]) -> Boosted:
    # `Encode` puts numbers first, in their order; XGBoost takes columns beyond the constraints as free
    numbers = [c for c, kind in predictors.dtypes.items() if is_numeric_dtype(kind)]
    return Boosted(
        **PLAIN | {"n_estimators": None}, subsample=0.7, min_child_weight=3, reg_lambda=5,
        colsample_bytree=min(1.0, max(0.2, _COLUMNS_A_TREE / predictors.shape[1])), max_bin=64, tree_method="hist",
        monotone_constraints=tuple(monotone.get(c, 0) for c in numbers) if monotone else None,
        random_state=seed, n_jobs=1,
    )  # fmt: skip


def _encoded(encode: Encode, sample: Sample) -> tuple[Encode, np.ndarray]:
    return encode, encode.fit(sample.predictors).transform(sample.predictors)


def _fitted(model: Pipeline, encode: Encode, matrix: np.ndarray, sample: Sample) -> tuple[Pipeline, float]:
    start = time.thread_time()
    searches = isinstance(model["model"], Boosted) and model["model"].n_estimators is None
    held_out = {"model__folds": inner_folds(sample)} if searches else {}
    rest = clone(model[1:]).fit(matrix, sample.target.to_numpy(dtype=float), **held_out)
    return Pipeline([("encode", encode), *rest.steps]), time.thread_time() - start


def _check_predictors(predictors: pd.DataFrame) -> None:
    if predictors.columns.empty:
        raise BankmineError("There is no predictor: give a table with more columns than target, id and time.")
    if twice := list(predictors.columns[predictors.columns.duplicated()]):
        raise BankmineError(f"Two predictors are called {twice[0]!r}: rename one.")
    if dates := [c for c, kind in predictors.dtypes.items() if is_datetime64_any_dtype(kind)]:
        raise BankmineError(f"Predictor {dates[0]!r} holds dates: give the days since then, or leave it out.")


def _check_named(predictors: pd.DataFrame, names: list[Hashable], numbers: list[Hashable]) -> None:
    for name in names:
        if name not in predictors.columns:
            near = difflib.get_close_matches(str(name), [str(c) for c in predictors.columns], 3, 0.4)
            raise BankmineError(f"There is no predictor {name!r}." + (f" Near: {', '.join(near)}." if near else ""))
        if name in numbers and not is_numeric_dtype(predictors[name].dtype):
            raise BankmineError(f"Predictor {name!r} is no number: no chance can rise or fall with it.")
