"""Plots of contributions: what moves the risk of all customers, and how one predictor does."""

from __future__ import annotations

import warnings
from collections.abc import Hashable

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from pandas.api.types import is_numeric_dtype

from bankmine.judging.contributions import Contributions
from bankmine.judging.reason_dictionary import readable

with warnings.catch_warnings():
    # shap looks for a widget to show progress in, which a page cannot, and tells every reader that there is none
    warnings.filterwarnings("ignore", message="IProgress not found")
    import shap

_COLOURS = "viridis"
"""From dark violet to yellow: told apart with any kind of colour vision, and nowhere grey, which is for the missing."""
_POINTS = 2_000
_CATEGORIES = 12
_LONGEST = 40
_SMALL = 9
_ADDS = "what it adds to the log-odds"


def beeswarm(found: Contributions, predictors: pd.DataFrame, most: int = 10, seed: int = 0) -> Axes:
    """Draw the contributions of the strongest predictors, one point a row, coloured by the value.

    Parameters
    ----------
    found : Contributions
        Of the rows; of more than 2,000, as many are drawn by lot.
    predictors : pd.DataFrame
        Their values.
    most : int
        Predictors shown.
    seed : int
        Of the lot and of the places of points beside each other.

    Returns
    -------
    Axes
        The strongest predictor on top; what is missing or has no order is grey.
    """
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(predictors))[:_POINTS])
    strongest = list(found.pushes.abs().mean().sort_values(ascending=False, kind="stable").index[:most])
    values = predictors[strongest].iloc[rows]
    coloured = pd.DataFrame({i: _with_order(values[c]) for i, c in enumerate(strongest)})
    figure = plt.figure(figsize=(7.5, 1.0 + 0.38 * len(strongest)))
    # the older of two such functions in shap: the newer one takes no seed
    shap.summary_plot(
        found.pushes[strongest].iloc[rows].to_numpy(), coloured, feature_names=[_label(c) for c in strongest],
        max_display=most, cmap=plt.get_cmap(_COLOURS), rng=rng, plot_size=None, sort=False, show=False,
        color_bar_label="value",
    )  # fmt: skip
    axis = figure.axes[0]
    axis.set(title="What moves the risk, one point a row")
    axis.set_xlabel(f"{_ADDS}; right of 0: riskier", fontsize=_SMALL)
    axis.tick_params(labelsize=_SMALL)
    return axis


def dependence(found: Contributions, predictors: pd.DataFrame, predictor: Hashable | None = None) -> Axes:
    """Draw what one predictor adds to the risk against its value, the first and last hundredth of values cut off.

    Parameters
    ----------
    found, predictors
        As for `beeswarm`.
    predictor : str, optional
        Which; the strongest where it is not given. Of words the means of the most frequent are drawn.

    Returns
    -------
    Axes
        One point a row; a dashed line is the mean of those whose value is not known.
    """
    predictor = found.pushes.abs().mean().idxmax() if predictor is None else predictor
    added, values, axis = found.pushes[predictor], predictors[predictor], plt.figure().subplots()
    axis.set(title=f"How {_label(predictor)} moves the risk", xlabel=_label(predictor), ylabel=_ADDS)
    if _ordered(values):
        values = values.astype(float)
        axis.scatter(values, added, s=10, alpha=0.4, linewidths=0)
        axis.set_xlim(*_beyond(values.quantile([0.01, 0.99])))
        if values.isna().any():
            axis.axhline(added[values.isna()].mean(), linestyle="--", color="0.3", label="not known")
            axis.legend()
        return axis
    words = values.astype(str).where(values.notna(), "not known").str.slice(0, _LONGEST)
    sns.barplot(x=added, y=words, order=words.value_counts().index[:_CATEGORIES], errorbar=None, ax=axis)
    axis.set(xlabel=_ADDS, ylabel="")
    return axis


def _ordered(values: pd.Series) -> bool:
    return is_numeric_dtype(values.dtype) and values.notna().any()


def _beyond(limits: pd.Series) -> tuple[float, float]:
    """Return limits with a margin, also where both are the same."""
    margin = 0.03 * (limits.iloc[1] - limits.iloc[0]) or 0.5
    return limits.iloc[0] - margin, limits.iloc[1] + margin


def _with_order(values: pd.Series) -> pd.Series:
    """Return numbers as they are, and as words what has no order."""
    return values.astype(float) if _ordered(values) else values.astype(str).astype(object)


def _label(name: Hashable) -> str:
    words = readable(name)
    return words if len(words) <= _LONGEST else words[: _LONGEST - 1] + "…"
