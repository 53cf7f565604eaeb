"""Credit models: the scorecard and those that challenge it, fitted side by side like any other candidates."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from bankmine.errors import BankmineError
from bankmine.learning import models
from bankmine.learning.encoding import Encode, SignedLog
from bankmine.learning.sample import Sample
from bankmine.topics.credit.characteristics import USUAL, Selection
from bankmine.topics.credit.directions import Direction, directions_of, signs
from bankmine.topics.credit.scorecard import STANDARD, Scale, ScorecardModel

SCORECARD, CHALLENGER, STRAW_MAN = "scorecard", "xgboost", "raw_logistic"
_FOLDS = 3
_FARTHEST = 3.0
"""Standard deviations beyond which a scaled value counts as that far: rare categories are far from everything."""


def candidates(
    sample: Sample, scale: Scale = STANDARD, selection: Selection = USUAL, directions: Sequence[Direction] = (),
    rule: Hashable | None = None, seed: int = 0,
) -> dict[str, Pipeline]:  # fmt: skip
    """Set up the models to compare; nothing is fitted yet.

    Parameters
    ----------
    sample : Sample
        Its predictors say which columns there are and of what kind.
    scale : Scale
        What a score of the scorecard means.
    selection : Selection
        What its characteristics have to be.
    directions : sequence of Direction
        From `load_directions`; the scorecard's bins and XGBoost follow them.
    rule : str, optional
        The predictor that the simple rule ranks by; where it is not given, the one that ranks best alone in training.
    seed : int
        Of the learners that draw.

    Returns
    -------
    dict of Pipeline
        `rule`, `raw_logistic` (numbers as they are: the straw man), `scorecard`, `tree`, `forest`, `svm`, `network`,
        `xgboost`. Each takes predictors as they are in a sample.

    Raises
    ------
    BankmineError
        As of `models.candidates`.
    """
    known = directions_of(sample.predictors, directions)
    common = models.candidates(sample, rule, seed, signs(known))
    card = ScorecardModel(scale, selection, known["trend"].to_dict())
    return {
        models.RULE: common[models.RULE],
        STRAW_MAN: _raw(LogisticRegression(max_iter=500)),
        # the scorecard bins words and gaps itself
        SCORECARD: Pipeline([("encode", FunctionTransformer()), ("model", card)]),
        "tree": common["tree"],
        "forest": common["forest"],
        "svm": _scaled(SupportVectors(seed=seed)),
        "network": _scaled(_network(seed)),
        CHALLENGER: common[CHALLENGER],
    }


class SupportVectors(ClassifierMixin, BaseEstimator):
    """Support vector machine with Gaussian kernel on at most some thousand rows, its distances made chances.

    Both outcomes weigh the same in the machine, or it would look for no event where events are rare; chances are those
    of the rows as they are (Platt, in Advances in Large Margin Classifiers, 1999), from distances of rows that the
    machine did not learn from. Time grows with the square of the rows.

    Parameters
    ----------
    rows : int
        To learn from, at most: of more, a random part, stratified.
    width : float
        Of the kernel's exponent, times the number of columns.
    seed : int
        Of the part.
    """

    def __init__(self, rows: int = 4_000, width: float = 0.1, seed: int = 0) -> None:
        self.rows = rows
        self.width = width
        self.seed = seed

    def fit(self, matrix: np.ndarray, target: np.ndarray) -> SupportVectors:
        """Learn from a scaled matrix without gaps.

        Raises
        ------
        BankmineError
            If fewer than 3 rows have the rarer outcome.
        """
        target = np.asarray(target, dtype=int)
        if (rarer := np.bincount(target, minlength=2).min()) < _FOLDS:
            raise BankmineError(
                f"A support vector machine needs {_FOLDS} rows of each outcome to tell chances, and of the rarer there "
                f"is {rarer}: take more rows, or leave it out."
            )
        if len(target) > self.rows:
            matrix, _, target, _ = train_test_split(
                matrix, target, train_size=self.rows, stratify=target, random_state=self.seed
            )
        machine = SVC(gamma=self.width / matrix.shape[1], class_weight="balanced")
        folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=self.seed)
        self.model_ = CalibratedClassifierCV(machine, method="sigmoid", cv=folds, ensemble=False).fit(matrix, target)
        self.classes_ = np.array([0.0, 1.0])
        return self

    def predict_proba(self, matrix: np.ndarray) -> np.ndarray:
        """Return the chances of no event and of the event, shape (rows, 2)."""
        return self.model_.predict_proba(matrix)

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        """Return the likelier outcome of each row."""
        return self.classes_[self.predict_proba(matrix).argmax(axis=1)]


def _network(seed: int) -> MLPClassifier:
    """Set up a network that its penalty keeps from learning by heart.

    Not scikit-learn's early stopping, which goes by accuracy: where events are rare, that is highest for who foretells
    none. The units are smooth, so that second-order steps arrive, and neither order nor size of steps is to be chosen.
    """
    return MLPClassifier(
        (16,), activation="tanh", solver="lbfgs", alpha=80.0, tol=3e-4, max_iter=1_000, random_state=seed
    )


def _raw(model: BaseEstimator) -> Pipeline:
    fill = SimpleImputer(strategy="median", keep_empty_features=True)
    return Pipeline([("encode", Encode()), ("fill", fill), ("scale", StandardScaler()), ("model", model)])


def _scaled(model: BaseEstimator) -> Pipeline:
    near = FunctionTransformer(np.clip, kw_args={"a_min": -_FARTHEST, "a_max": _FARTHEST, "dtype": np.float64})
    steps = {"encode": Encode(), "unskew": SignedLog(), "scale": StandardScaler(), "near": near, "model": model}
    return Pipeline(list(steps.items()))
