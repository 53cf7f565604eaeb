"""Charts that the pages of all studies share: neutral titles, units at the axes, told apart without colour."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from bankmine.judging import calibration


def gains(curve: pd.DataFrame) -> Axes:
    """Draw the share of events found among the rows with the highest scores; `curve` is of `ranking.gains_curve`."""
    axis = sns.lineplot(curve, x="chosen", y="caught", hue="model", style="model")
    axis.axline((0, 0), (1, 1), linestyle=":", color="0.6", linewidth=0.8)
    axis.set(title="Share of all events among the rows with the highest scores; dotted: by lot")
    axis.set(xlabel="share of rows, the highest scores first", ylabel="share of all events")
    return _percent(axis, "both")


def reliability(target: pd.Series, probabilities: pd.DataFrame) -> Axes:
    """Draw observed against foretold rates with intervals, in tenths of the rows."""
    bins = calibration.reliability(target, probabilities)
    away = bins["observed"] - bins["low"], bins["high"] - bins["observed"]
    axis = sns.scatterplot(bins, x="predicted", y="observed", hue="model", style="model")
    axis.errorbar(bins["predicted"], bins["observed"], away, fmt="none", alpha=0.4)
    axis.axline((0, 0), slope=1, linestyle="--", color="0.5")
    axis.set(title="Observed rate against the rate foretold, in tenths of the rows")
    axis.set(xlabel="foretold probability", ylabel="observed rate")
    return _percent(axis, "both")


def profit(curve: pd.DataFrame, per: str, currency: str) -> Axes:
    """Draw profit by share of rows acted on; `curve` is of `policies.profit_curve`."""
    axis = sns.lineplot(curve, x="share", y="profit", hue="policy", style="policy")
    axis.axhline(0, color="0.6", linewidth=0.8)
    axis.set(title=f"Profit {per} by share of rows acted on, without limits of capacity")
    axis.set(xlabel="share of rows acted on", ylabel=f"profit, {currency}")
    return _percent(axis, "x")


def rate_over_time(rates: pd.DataFrame, what: str) -> Axes:
    """Draw a rate with its interval day by day: `day`, `rate`, `low`, `high`."""
    axis = sns.lineplot(rates, x="day", y="rate", marker="o")
    axis.fill_between(rates["day"], rates["low"], rates["high"], alpha=0.2)
    axis.set(title=what, xlabel="", ylabel="share", ylim=(0, None))
    axis.figure.autofmt_xdate()
    return _percent(axis, "y")


def _percent(axis: Axes, which: str) -> Axes:
    """Write the numbers of axes as percent, with a decimal where the axis is short."""
    for name in ("x", "y") if which == "both" else (which,):
        low, high = getattr(axis, f"get_{name}lim")()
        getattr(axis, f"{name}axis").set_major_formatter("{x:.0%}" if high - low > 0.1 else "{x:.1%}")
    return axis
