"""Judging uplift: whether those whom a learner names are moved more than others, on rows it has not learnt from.

Gain a head of contacting a share of the rows, the highest scores first: what contacts brought among them, estimated by
weighing each row by how likely it was to be in its arm (Horvitz and Thompson). Qini is the area between this curve and
the line of contacting at random, a head, so in the unit of the outcome; below 0 a learner ranks worse than chance.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from bankmine.judging.intervals import around, clustered_error, draws, interval
from bankmine.learning.sample import codes
from bankmine.learning.uplift import Trial

_ROUNDS, _POINTS, _TENTHS, _NEARLY_ALL = 200, 51, 10, [0.01, 0.99]


def brought(trial: Trial, outcome: pd.Series | None = None) -> pd.Series:
    """Return for each row what its contact brought, right on average over the draw: weighed by the chance of its arm.

    The mean outcome of both arms is taken out before, which leaves the average and narrows its spread.
    """
    said, treated = (trial.outcome if outcome is None else outcome).astype(float), trial.treated.astype(bool)
    ahead = said - (1 - trial.share) * said[treated].mean() - trial.share * said[~treated].mean()
    return (ahead / trial.share).where(treated, -ahead / (1 - trial.share))


def gains(worth: pd.Series, scores: pd.DataFrame, entity: pd.Series, base: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return gain curves, and Qini and AUUC by learner, with intervals: customers are drawn with all their rows.

    The curve: `model`, `share` contacted, `gain` a head with `low`, `high`. The table: `model`, `metric` (`qini`,
    `auuc`), `value`, `low`, `high`, and how far `ahead` of the model `base`, with `ahead_low` and `ahead_high`.
    """
    code, people = codes(entity)
    counts, at = draws(people, _ROUNDS), np.linspace(0, 1, _POINTS)
    drawn = {m: _gain_at(scores[m].to_numpy(float), worth.to_numpy(float), code, counts, at) for m in scores}
    curves, rows = [], []
    for model, gain in drawn.items():
        low, high = interval(gain)
        curves.append(pd.DataFrame({"model": model, "share": at, "gain": gain[0], "low": low, "high": high}))
    area = {model: np.trapezoid(gain, at, axis=1) for model, gain in drawn.items()}
    metrics = {"qini": {model: area[model] - drawn[model][:, -1] / 2 for model in drawn}, "auuc": area}
    for metric, values in metrics.items():
        for model, value in values.items():
            ahead = value - values[base]
            rows.append((model, metric, value[0], *interval(value), ahead[0], *interval(ahead)))
    names = ["model", "metric", "value", "low", "high", "ahead", "ahead_low", "ahead_high"]
    table = pd.DataFrame(rows, columns=names)
    return pd.concat(curves, ignore_index=True), table.astype(dict.fromkeys(names[2:], float))


def _gain_at(score: np.ndarray, worth: np.ndarray, code: np.ndarray, counts: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Sum up what contacts brought down a ranking, a head, at shares of the rows: shape (1 + rounds, points)."""
    order = np.argsort(-score, kind="stable")
    found = np.empty((counts.shape[1], len(at)))
    for i, drawn in enumerate(counts.T):
        times = drawn[code[order]]
        total = times.sum()
        seen = np.append(0.0, times.cumsum(dtype=float)) / total
        found[i] = np.interp(at, seen, np.append(0.0, (times * worth[order]).cumsum(dtype=float)) / total)
    return found


def mean(worth: pd.Series, entity: pd.Series) -> tuple[float, float, float]:
    """Return what contacts brought on average, with its ends by customers."""
    value = float(worth.mean())
    return value, *map(float, around(value, clustered_error(((worth - value) / len(worth)).to_numpy(), entity)))


def by_tenth(worth: pd.Series, score: pd.Series, entity: pd.Series) -> pd.DataFrame:
    """Hold foretold effects against what contacts did, in tenths by what was foretold, the highest first.

    `tenth`, `rows`, `foretold`, `value` with `low` and `high`.
    """
    tenth = pd.qcut(-score.rank(method="first"), min(_TENTHS, len(score)), labels=False) + 1
    rows = [
        (number, len(own), score[own.index].mean(), *mean(own, entity[own.index]))
        for number, own in worth.groupby(tenth)
    ]
    return pd.DataFrame(rows, columns=["tenth", "rows", "foretold", "value", "low", "high"])


def heterogeneity(worth: pd.Series, score: pd.Series, entity: pd.Series) -> dict[str, float]:
    """Say how far foretold differences between customers come true: the `slope` of what contacts did on the score.

    1 where they come true in full, 0 where they are none; with `low`, `high` and `p` of none or the other way round.
    `effect` is the mean one, `at` the mean score, `least` and `most` the ends of nearly all scores. This is the best
    linear predictor of effects (Chernozhukov and others, Econometrica 93, 2025).
    """
    ahead, said = (score - score.mean()).to_numpy(float), worth.to_numpy(float)
    size, told = (ahead**2).sum(), {"effect": said.mean(), "at": float(score.mean())}
    told |= dict(zip(("least", "most"), score.quantile(_NEARLY_ALL), strict=True))
    if not size:
        return told | {"slope": 0.0, "low": np.nan, "high": np.nan, "p": 1.0}
    slope = ahead @ said / size
    error = clustered_error(ahead * (said - said.mean() - slope * ahead) / size, entity)
    low, high = around(slope, error)
    return told | {"slope": slope, "low": float(low), "high": float(high), "p": float(stats.norm.sf(slope / error))}


def calibrated(told: dict[str, float], score: pd.Series) -> pd.Series:
    """Return effects as they come true: the mean one, and from it as far as `heterogeneity` says that differences do.

    A score beyond those that nearly all had counts as the last of these: what happens farther out nobody has seen.
    """
    ahead = score.clip(told["least"], told["most"]) - told["at"]
    return told["effect"] + max(told["slope"], 0.0) * ahead
