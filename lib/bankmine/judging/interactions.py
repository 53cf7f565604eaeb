"""Interactions: pairs of predictors that move the risk together other than each by itself would."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline
from xgboost import DMatrix

from bankmine.errors import BankmineError
from bankmine.judging.contributions import origin_of_columns

_ROWS = 150
"""Enough to rank pairs by; a row takes a hundredth of a second."""


def interactions(model: Pipeline, predictors: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Rank pairs of predictors by how far they move the log-odds beyond what each of them does alone.

    SHAP interaction values of boosted trees (Lundberg and others, Nature Machine Intelligence 2, 2020), those of the
    categories of a predictor added up. What a scorecard, which adds points, cannot see.

    Parameters
    ----------
    model : Pipeline
        `xgboost` of `fit_all`.
    predictors : pd.DataFrame
        Rows; of many a random part.
    seed : int
        Of the part.

    Returns
    -------
    pd.DataFrame
        One row a pair, the strongest first: `first`, `second` and `size` (mean over the rows of the absolute log-odds
        that the two add together).

    Raises
    ------
    BankmineError
        If the model is another.
    """
    if not hasattr(model["model"], "get_booster"):
        raise BankmineError("Only boosted trees tell interactions: give xgboost.")
    some = predictors.sample(min(len(predictors), _ROWS), random_state=seed)
    matrix = DMatrix(model[:-1].transform(some), nthread=1)
    cells = model["model"].get_booster().predict(matrix, pred_interactions=True)[:, :-1, :-1]
    names = model["encode"].columns_
    belongs = (origin_of_columns(model)[:, None] == np.arange(len(names))).astype(np.float32)
    size = np.abs(belongs.T @ cells @ belongs).mean(axis=0)
    first, second = np.triu_indices(len(names), 1)
    found = pd.DataFrame({"first": [names[i] for i in first], "second": [names[i] for i in second]})
    # each half of the matrix holds half of what a pair does
    return found.assign(size=2 * size[first, second]).sort_values("size", ascending=False, ignore_index=True)
