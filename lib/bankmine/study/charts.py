"""Charts that the pages of all studies share: neutral titles, units at the axes, told apart without colour."""

from __future__ import annotations

import warnings
from collections.abc import Hashable
from types import ModuleType

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from pandas.api.types import is_numeric_dtype

from bankmine.features.value import capture_curve
from bankmine.judging import calibration
from bankmine.judging.contributions import Contributions
from bankmine.judging.numbers import formatted
from bankmine.judging.reasons import readable
from bankmine.lacking import Lacking, Made, part

_COLOURS = "viridis"
"""From dark violet to yellow: told apart with any kind of colour vision, and nowhere grey, which is for the missing."""
_POINTS = 2_000
_CATEGORIES = 12
_LONGEST = 40
_SMALL = 9
_ADDS = "what it adds to the log-odds"


class chart(part[Made]):  # noqa: N801 - used as a decorator, like `part`
    """A part of a study that is drawn: on a figure of its own, whatever else is still open."""

    def _made(self, study: object) -> Made | Lacking:
        blank = plt.figure()
        try:
            return super()._made(study)
        finally:
            if not blank.axes:  # the chart has made its own, of another size
                plt.close(blank)


def gains(curve: pd.DataFrame) -> Axes:
    """Draw the share of events found among the rows with the highest scores; `curve` is of `ranking.gains_curve`."""
    axis = sns.lineplot(curve, x="chosen", y="caught", hue="model", style="model")
    axis.axline((0, 0), (1, 1), linestyle=":", color="0.6", linewidth=0.8)
    title = "Share of all events among the rows with the highest scores; dotted: at random"
    return titled(axis, title, "share of rows, the highest scores first", "share of all events", percent="xy")


def reliability(target: pd.Series, probabilities: pd.DataFrame) -> Axes:
    """Draw observed against foretold rates with intervals, in tenths of the rows."""
    bins = calibration.reliability(target, probabilities)
    away = bins["observed"] - bins["low"], bins["high"] - bins["observed"]
    several = len(probabilities.columns) > 1  # one model needs no legend, which would hide the highest tenth
    axis = sns.scatterplot(bins, x="predicted", y="observed", hue="model", style="model", legend=several)
    axis.errorbar(bins["predicted"], bins["observed"], away, fmt="none", alpha=0.4)
    axis.axline((0, 0), slope=1, linestyle="--", color="0.5")
    title = "Observed rate against the rate foretold, in tenths of the rows"
    return titled(axis, title, "foretold probability", "observed rate", percent="xy")


def profit(curve: pd.DataFrame, per: str, currency: str) -> Axes:
    """Draw profit by share of rows acted on; `curve` is of `policies.profit_curve`."""
    axis = sns.lineplot(curve, x="share", y="profit", hue="policy", style="policy")
    axis.axhline(0, color="0.6", linewidth=0.8)
    title = f"Profit {per} by share of rows acted on, without limits of capacity"
    return titled(axis, title, "share of rows acted on", f"profit, {currency}", percent="x")


def rate_over_time(rates: pd.DataFrame, what: str) -> Axes:
    """Draw a rate with its interval day by day: `day`, `rate`, `low`, `high`."""
    axis = line(rates, "day", "rate")
    axis.set(ylim=(0, None))
    axis.figure.autofmt_xdate()
    return titled(axis, what, "", "share", percent="y")


def line(found: pd.DataFrame, x: str, y: str, label: str | None = None, **dashed: str) -> Axes:
    """Draw a line with its interval (`low`, `high`), and dashed what it is held against: column -> label."""
    axis = sns.lineplot(found, x=x, y=y, marker="o", label=label)
    axis.fill_between(found[x], found["low"], found["high"], alpha=0.2)
    for name, beside in dashed.items():
        sns.lineplot(found, x=x, y=name, linestyle="--", color="0.3", label=beside, ax=axis)
    return axis


def shares_by_month(shares: pd.DataFrame, title: str, y: str) -> Axes:
    """Draw shares of a whole, a column each, by month."""
    axis = sns.lineplot(shares, markers=True)
    axis.set_ylim(0, None)
    sns.move_legend(axis, "center left", bbox_to_anchor=(1, 0.5), title="")
    axis.figure.autofmt_xdate()
    return titled(axis, title, "", y, percent="y")


def forest(found: pd.DataFrame, limit: float, none: float) -> Axes:
    """Draw estimates with their intervals, one below the other: `name`, `value`, `low`, `high`.

    The limit is dashed, and where there is no difference it is dotted.
    """
    axis = plt.figure(figsize=(6.4, 1.4 + 0.3 * len(found))).subplots()
    place = np.arange(len(found))[::-1]
    value, low, high = found[["value", "low", "high"]].to_numpy(float).T
    axis.errorbar(value, place, xerr=(value - low, high - value), fmt="o", capsize=3)
    axis.axvline(limit, color="0.3", linestyle="--", linewidth=1)
    axis.axvline(none, color="0.5", linestyle=":", linewidth=1)
    axis.set_yticks(place, found["name"])
    return axis


def titled(axis: Axes, title: str, x: str, y: str, percent: str = "") -> Axes:
    """Name a chart and its axes; those of shares, as "xy", are written in percent; short ones with a decimal."""
    axis.set(title=title, xlabel=x, ylabel=y)
    for name in percent:
        low, high = getattr(axis, f"get_{name}lim")()
        getattr(axis, f"{name}axis").set_major_formatter("{x:.0%}" if high - low > 0.1 else "{x:.1%}")
    return axis


def beeswarm(found: Contributions, predictors: pd.DataFrame, most: int = 10, seed: int = 0) -> Axes:
    """Draw the contributions of the `most` strongest predictors, one point a row, coloured by the value.

    The strongest is on top; what is missing or has no order is grey. Of more rows, 2,000 are drawn at random.
    """
    shap = _shap()
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
    """Draw what one predictor, or the strongest, adds to the risk against its value; its outer hundredths are cut off.

    One point a row, and a dashed line at the mean of those whose value is not known; of words the means of the most
    frequent.
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


def _shap() -> ModuleType:
    """Import shap where it is needed, as it takes seconds, without its word on widgets, which a page cannot have."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")
        import shap
    return shap


def captured(values: pd.Series, title: str, what: str) -> Axes:
    """Draw which share of the total the customers with the largest values hold, beside equal shares."""
    axis = sns.lineplot(capture_curve(values), x="customers", y="held", label="as held")
    axis.plot([0, 1], [0, 1], linestyle="--", color="grey", label="if all held the same")
    return titled(axis, title, "share of customers, the largest first", f"share of {what}", percent="xy")


def heat(
    shares: pd.DataFrame, title: str, spec: str = ".0%", *, tilted: bool = False, words: pd.DataFrame | None = None
) -> Axes:
    """Draw shares as a heat map, white for 0, with words for those not told; long names of columns are tilted.

    Cells hold the shares, or the words that are given, as shares with intervals.
    """
    written = shares.map(lambda share: formatted(share, spec)) if words is None else words
    written = written.replace({" than ": "\nthan ", r" \(": "\n("}, regex=True)
    numbers = shares.astype(float)
    axis = sns.heatmap(numbers.fillna(0), annot=written, fmt="", cbar=False, cmap="Blues", vmin=0, xticklabels=True)
    for label in (text for text in axis.texts if text.get_text()[-1:] != "%"):
        label.set_fontsize(_SMALL)
    axis.set(title=title, xlabel="", ylabel="")
    if tilted:
        axis.set_xticklabels(shares.columns.astype(str), rotation=30, ha="right", fontsize=_SMALL)
    return axis


def by_cohort(table: pd.DataFrame, title: str, spec: str) -> Axes:
    """Draw cohorts as a heat map, a row a month of joining and a column a month since."""
    axis = plt.figure(figsize=(8, 0.19 * len(table) + 1.6)).subplots()
    found = table.set_axis(table.index.astype(str)).set_axis(table.columns + 1, axis=1)
    bar = {"format": f"{{x:{spec}}}"}
    sns.heatmap(found, cmap="viridis", ax=axis, cbar_kws=bar, xticklabels=3, yticklabels=max(len(table) // 12, 1))
    axis.set(title=title, xlabel="month since joining", ylabel="joined in")
    return axis
