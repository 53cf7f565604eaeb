"""Contributions: how far each predictor moves the chance that a model gives to a row, as SHAP values.

They say what the model uses, not what would change if a customer did otherwise: a contribution is no cause.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from xgboost import DMatrix

from bankmine.errors import BankmineError
from bankmine.learning.encoding import origin_of_columns
from bankmine.learning.models import fit_side_by_side, learnable
from bankmine.learning.sample import Sample

_MONOTONE = 0.3
"""Rank correlation of values and contributions from which a predictor is said to work in one direction."""
_TOP = 10
_ROWS = 8_000


@dataclass(frozen=True)
class Contributions:
    """What makes up the log-odds of each row: `base` and the sum of its `pushes`."""

    pushes: pd.DataFrame
    """Log-odds that each predictor adds, one row a row, one column a predictor."""
    base: float
    """Log-odds of a row of which nothing is known."""


def contributions(model: Pipeline, predictors: pd.DataFrame) -> Contributions:
    """Take apart the log-odds that a fitted model of `fit_all` gives to each row: `xgboost` or `logistic`.

    For XGBoost exact SHAP values along the paths of the trees (Lundberg and others, Nature Machine Intelligence 2,
    2020); for a logistic regression coefficient × distance from the training mean, the SHAP values of predictors taken
    as independent (Lundberg and Lee, Advances in Neural Information Processing Systems 30, 2017). What the categories
    of a predictor add, and its being missing, is added up.
    """
    matrix, last = model[:-1].transform(predictors), model["model"]
    if hasattr(last, "get_booster"):
        parts = last.get_booster().predict(DMatrix(matrix, nthread=1), pred_contribs=True).astype(np.float64)
        parts, base = parts[:, :-1], parts[:, -1].mean()
    elif hasattr(last, "coef_"):
        parts, base = matrix * last.coef_.astype(np.float64), float(last.intercept_[0])
    else:
        raise BankmineError(f"{type(last).__name__} tells no reasons: explain xgboost or logistic.")
    pushes = pd.DataFrame(parts @ _belongs(model), index=predictors.index, columns=model["encode"].columns_)
    return Contributions(pushes, float(base))


def _belongs(model: Pipeline) -> np.ndarray:
    """Say of each column of the matrix whether it is of each predictor, shape (columns, predictors)."""
    return origin_of_columns(model)[:, None] == np.arange(len(model["encode"].columns_))


def importance(found: Contributions, predictors: pd.DataFrame) -> pd.DataFrame:
    """Rank predictors by how far they move the log-odds of the rows on average, the most important first.

    `importance` is the mean absolute log-odds, `share` its part of all; `direction` is "more is riskier", "less is
    riskier", "it depends" or, of words, "by category", and "not used" where a predictor moves no row.
    """
    size = found.pushes.abs().mean()
    table = pd.DataFrame({"importance": size, "share": size / (size.sum() or 1.0), "direction": "not used"})
    used = size.index[size > 0]
    table.loc[used, "direction"] = "by category"
    numbers = [c for c in used if is_numeric_dtype(predictors[c].dtype)]
    values = predictors[numbers].astype(float)
    together = values.rank().corrwith(found.pushes[numbers].where(values.notna()).rank())
    table.loc[numbers, "direction"] = np.select(
        [together >= _MONOTONE, together <= -_MONOTONE], ["more is riskier", "less is riskier"], "it depends"
    )
    return table.sort_values("importance", ascending=False, kind="stable").rename_axis("predictor")


def agreement(first: pd.Series, second: pd.Series) -> dict[str, float]:
    """Compare two rankings of the same predictors by importance.

    `rank_correlation` (Spearman) is over those that either uses; `same_top` is the share of the ten most important of
    the one that are among those of the other.
    """
    used = first.index[(first > 0) | (second.reindex(first.index) > 0)]
    first, second = first[used], second.reindex(used)
    top = min(_TOP, len(used))
    same = first.nlargest(top).index.intersection(second.nlargest(top).index)
    return {
        "rank_correlation": first.corr(second, method="spearman"),
        "same_top": len(same) / top if top else np.nan,
    }


def steadiness(model: Pipeline, sample: Sample, predictors: pd.DataFrame) -> pd.DataFrame:
    """Ask whether a model fitted on other customers, or drawn anew, would give the same importance to predictors.

    It is fitted on two parts of the sample without a common customer, halves or about 8,000 rows each, and on the first
    with another seed; `predictors` are the rows explained. What is `compared`, with the figures of `agreement`.
    """
    sample = learnable(sample)
    entities = np.random.default_rng(0).permutation(sample.entity.unique())
    taken = int(len(entities) * min(0.5, _ROWS / len(sample)))
    parts = entities[:taken], entities[len(entities) - taken :]
    one, other = (learnable(sample.at(sample.entity.isin(part).to_numpy())) for part in parts)
    redrawn = clone(model).set_params(model__random_state=1)
    fitted = fit_side_by_side([(model, one), (model, other), (redrawn, one)])
    first, *others = (contributions(again, predictors).pushes.abs().mean() for again, _ in fitted)
    compared = ("other customers", "another seed")
    return pd.DataFrame([{"compared": c, **agreement(first, o)} for c, o in zip(compared, others, strict=True)])


def by_theme(values: pd.DataFrame, themes: pd.Series) -> pd.DataFrame:
    """Add up contributions of the predictors of each theme, one column a theme, in the order of the themes."""
    names = themes.unique()
    belongs = themes.reindex(values.columns).to_numpy()[:, None] == names
    return pd.DataFrame(values.to_numpy() @ belongs, index=values.index, columns=names)


_ROWS_OF_PAIRS = 150
"""Enough to rank pairs by; a row takes a hundredth of a second."""


def interactions(model: Pipeline, predictors: pd.DataFrame) -> pd.DataFrame:
    """Rank pairs of predictors by how far they move the log-odds beyond what each does alone; of boosted trees only.

    `size` is the mean absolute log-odds over some of the rows, of SHAP interaction values (Lundberg and others, Nature
    Machine Intelligence 2, 2020), categories added up: what a scorecard, which adds points, cannot see.
    """
    if not hasattr(model["model"], "get_booster"):
        raise BankmineError("Only boosted trees tell interactions: give xgboost.")
    some = predictors.sample(min(len(predictors), _ROWS_OF_PAIRS), random_state=0)
    matrix = DMatrix(model[:-1].transform(some), nthread=1)
    cells = model["model"].get_booster().predict(matrix, pred_interactions=True)[:, :-1, :-1]
    names, belongs = model["encode"].columns_, _belongs(model).astype(np.float32)
    size = np.abs(belongs.T @ cells @ belongs).mean(axis=0)
    first, second = np.triu_indices(len(names), 1)
    found = pd.DataFrame({"first": [names[i] for i in first], "second": [names[i] for i in second]})
    # each half of the matrix holds half of what a pair does
    return found.assign(size=2 * size[first, second]).sort_values("size", ascending=False, ignore_index=True)
