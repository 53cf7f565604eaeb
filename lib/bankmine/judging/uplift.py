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

_ROUNDS, _POINTS, _TENTHS = 200, 51, 10


def brought(trial: Trial, outcome: pd.Series | None = None) -> np.ndarray:
    """Return for each row what its contact brought, right on average over the draw: weighed by the chance of its arm.

    The mean outcome of both arms is taken out before, which leaves the average and narrows its spread.
    """
    said = (trial.outcome if outcome is None else outcome).to_numpy(float)
    treated = trial.treated.to_numpy(bool)
    middle = (1 - trial.share) * said[treated].mean() + trial.share * said[~treated].mean()
    return np.where(treated, (said - middle) / trial.share, -(said - middle) / (1 - trial.share))


def gains(parts: list[tuple[Trial, pd.DataFrame]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return gain curves, and Qini and AUUC by learner with intervals, of several trials together.

    The curve: `model`, `share` contacted, `gain` a head with `low`, `high`. The table: `model`, `metric` (`qini`,
    `auuc`), `value`, `low`, `high`, and `ahead` of the response model with `ahead_low` and `ahead_high`. Customers are
    drawn with all their rows.
    """
    worth = np.concatenate([brought(trial) for trial, _ in parts])
    scores = pd.concat([told for _, told in parts], ignore_index=True)
    code, people = codes(pd.concat([trial.entity for trial, _ in parts], ignore_index=True))
    counts = draws(people, _ROUNDS)
    at = np.linspace(0, 1, _POINTS)
    drawn = {model: _gain_at(scores[model].to_numpy(float), worth, code, counts, at) for model in scores}
    curves = []
    for model, gain in drawn.items():
        low, high = interval(gain)
        curves.append(pd.DataFrame({"model": model, "share": at, "gain": gain[0], "low": low, "high": high}))
    area = {model: np.trapezoid(gain, at, axis=1) for model, gain in drawn.items()}
    qini = {model: area[model] - drawn[model][:, -1] / 2 for model in drawn}
    rows = []
    for metric, values in (("qini", qini), ("auuc", area)):
        for model in drawn:
            ahead = values[model] - values["response"] if "response" in values else np.full(_ROUNDS + 1, np.nan)
            rows.append((model, metric, values[model][0], *interval(values[model]), ahead[0], *interval(ahead)))
    names = ["model", "metric", "value", "low", "high", "ahead", "ahead_low", "ahead_high"]
    return pd.concat(curves, ignore_index=True), pd.DataFrame(rows, columns=names).astype(dict.fromkeys(names[2:], float))


def _gain_at(score: np.ndarray, worth: np.ndarray, code: np.ndarray, counts: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Sum up what contacts brought down a ranking, a head, at shares of the rows: shape (1 + rounds, points)."""
    order = np.argsort(-score, kind="stable")
    found = np.empty((counts.shape[1], len(at)))
    for i, drawn in enumerate(counts.T[:, code[order]]):
        seen = np.append(0.0, drawn.cumsum()) / drawn.sum()
        found[i] = np.interp(at, seen, np.append(0.0, (drawn * worth[order]).cumsum()) / drawn.sum())
    return found


def by_tenth(trial: Trial, score: pd.Series) -> pd.DataFrame:
    """Hold foretold effects against what contacts did, in tenths by what was foretold, the highest first.

    `tenth`, `rows`, `foretold`, `value` with `low` and `high`.
    """
    tenth = pd.qcut(-score.rank(method="first"), min(_TENTHS, len(score)), labels=False).to_numpy() + 1
    worth, rows = brought(trial), []
    for number in np.unique(tenth):
        own = tenth == number
        error = clustered_error((worth[own] - worth[own].mean()) / own.sum(), trial.entity[own])
        rows.append((number, own.sum(), score[own].mean(), worth[own].mean(), *around(worth[own].mean(), error)))
    return pd.DataFrame(rows, columns=["tenth", "rows", "foretold", "value", "low", "high"])


def heterogeneity(trial: Trial, score: pd.Series) -> dict[str, float]:
    """Say how far foretold differences between customers come true: the `slope` of what contacts did on the score.

    1 where they come true in full, 0 where they are none; with `low`, `high` and `p` of none or the other way round.
    `effect` is the mean one. The best linear predictor of effects (Chernozhukov and others, Econometrica 93, 2025).
    """
    ahead, worth = (score - score.mean()).to_numpy(float), brought(trial)
    size = (ahead**2).sum()
    if not size:
        return {"effect": worth.mean(), "slope": 0.0, "low": np.nan, "high": np.nan, "p": 1.0}
    slope = ahead @ worth / size
    error = clustered_error(ahead * (worth - worth.mean() - slope * ahead) / size, trial.entity)
    low, high = around(slope, error)
    return {"effect": worth.mean(), "slope": slope, "low": float(low), "high": float(high),
            "p": float(stats.norm.sf(slope / error))}  # fmt: skip


def calibrated(trial: Trial, score: pd.Series, of: pd.Series | None = None) -> pd.Series:
    """Return effects as they come true: the mean one, and from it as far as differences were found to (0 at least)."""
    told = heterogeneity(trial, score)
    return told["effect"] + np.clip(told["slope"], 0.0, 1.0) * ((score if of is None else of) - score.mean())
