"""Calibration: whether of the rows that are given 5 % one in twenty has the event, with intervals.

Intervals of slope and intercepts take rows of one entity together. The others take rows to be independent: test them on
one row an entity, as those of a single day.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
from scipy import optimize, special, stats
from threadpoolctl import threadpool_limits

from bankmine.errors import BankmineError
from bankmine.judging.intervals import CONFIDENCE, around, clustered_error, wilson, wilson_clustered
from bankmine.learning.fitting import NEAREST, log_odds
from bankmine.learning.sample import codes, require_outcomes


def reliability(target: pd.Series, probabilities: pd.DataFrame, bins: int = 10) -> pd.DataFrame:
    """Compare predicted with observed rates, in bins of about equal size from the least to the most likely rows.

    `probabilities` has a column a model. Returns `model`, `bin`, `rows`, `events`, `predicted` (mean) and `observed`
    (rate) with `low`, `high` (Wilson); fewer bins where many rows have the same probability.
    """
    outcome, tables = require_outcomes(target), []
    for model in probabilities:
        table = _binned(outcome, _checked(probabilities[model].loc[target.index]), bins)
        tables.append(table.assign(model=model, predicted=table.expected / table.rows))
    found = pd.concat(tables).rename_axis("bin").reset_index()
    found["observed"] = found.events / found.rows
    found[["low", "high"]] = [wilson(e, n) for e, n in zip(found.events, found.rows, strict=True)]
    return found[["model", "bin", "rows", "events", "predicted", "observed", "low", "high"]]


def calibration(
    target: pd.Series,
    probabilities: pd.DataFrame,
    entity: pd.Series,
    bins: int = 10,
    rounds: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """Measure how far probabilities are from rates: `model`, `metric`, `value`, `low`, `high`.

    `slope` (1 where right, below where probabilities are too extreme) and `intercept` are of the logistic regression of
    the outcome on the log odds (Cox, Biometrika 45, 1958); `in_the_large` is the intercept at slope 1, above 0 where
    events are more than predicted. These are NaN where all rows have the event or none has. `ece` is the mean distance
    of predicted and observed rates of bins (Naeini et al., AAAI 2015); right probabilities exceed `ece_by_chance` in
    one of twenty samples of this size, drawn `rounds` times.
    """
    outcome, rows = require_outcomes(target), []
    for model in probabilities:
        probability = _checked(probabilities[model].loc[target.index])
        found = _error(outcome[None], probability, bins)[0]
        chance = np.random.default_rng(seed).random((rounds, len(outcome))) < probability
        rows.append((model, "ece", found, np.nan, np.nan))
        rows.append(
            (model, "ece_by_chance", np.quantile(_error(chance, probability, bins), CONFIDENCE), np.nan, np.nan)
        )
    lines = recalibration(target, probabilities, entity)
    return pd.concat([lines, pd.DataFrame(rows, columns=lines.columns)], ignore_index=True)


def recalibration(target: pd.Series, probabilities: pd.DataFrame, entity: pd.Series) -> pd.DataFrame:
    """Measure `slope`, `intercept` and `in_the_large` alone, as `calibration` does: it draws nothing."""
    outcome, rows = require_outcomes(target), []
    code, _ = codes(entity.loc[target.index])
    for model in probabilities:
        probability = _checked(probabilities[model].loc[target.index])
        rows += [(model, *row) for row in _recalibration(outcome, probability, code)]
    return pd.DataFrame(rows, columns=["model", "metric", "value", "low", "high"])


def hosmer_lemeshow(target: pd.Series, probability: pd.Series, bins: int = 10) -> tuple[float, float]:
    """Return the chi-squared statistic of observed against predicted rates, and the chance of a greater one.

    Source: Hosmer, Lemeshow and Sturdivant, Applied Logistic Regression (2013), 5.2.2; degrees of freedom are the
    number of bins, as for rows that the model was not fitted on. With many rows it finds differences of no importance.
    """
    outcome = require_outcomes(target)
    table = _binned(outcome, np.clip(_checked(probability.loc[target.index]), NEAREST, 1 - NEAREST), bins)
    variance = table.expected * (1 - table.expected / table.rows)
    statistic = float(((table.events - table.expected) ** 2 / variance).sum())
    return statistic, float(stats.chi2.sf(statistic, len(table)))


def jeffreys(events: int, rows: int, foretold: float) -> tuple[float, float, float]:
    """Return the chance that the true rate is at most the one foretold, and the interval of 95 % of the true rate.

    By Jeffreys' prior: the rate is Beta(events + 1/2, others + 1/2), so that there is an interval also of no events; a
    small chance says that the rate foretold is too low (ECB, Instructions for reporting the validation results of
    internal models, 2019, 2.5.3.1). Of no events it begins at 0, and of nothing else it ends at 1, or it would leave
    out what was observed (Brown, Cai and DasGupta, Statistical Science 16, 2001, 4.1.1). Rows are taken as independent.
    """
    belief = stats.beta(events + 0.5, rows - events + 0.5)
    low, high = map(float, belief.interval(CONFIDENCE))
    return float(belief.cdf(foretold)), low if events else 0.0, high if events < rows else 1.0


def _checked(probability: pd.Series) -> np.ndarray:
    values = probability.to_numpy(float)
    if not ((values >= 0) & (values <= 1)).all():
        raise BankmineError(f"{probability.name} is no probability in some rows: calibrate it first.")
    return values


def _bins(probability: np.ndarray, bins: int) -> np.ndarray:
    """Return the number of each row's bin, from 0; rows of equal probability share one."""
    edges = np.unique(np.quantile(probability, np.arange(1, bins) / bins, method="inverted_cdf"))
    return np.unique(np.searchsorted(edges, probability), return_inverse=True)[1]


def _binned(outcome: np.ndarray, probability: np.ndarray, bins: int) -> pd.DataFrame:
    frame = pd.DataFrame({"rows": 1, "events": outcome.astype(int), "expected": probability})
    return frame.groupby(_bins(probability, bins)).sum()


def _error(outcomes: np.ndarray, probability: np.ndarray, bins: int) -> np.ndarray:
    """Return the expected calibration error of each row of outcomes, shape (rounds, rows)."""
    bin_of = _bins(probability, bins)
    member = (bin_of[:, None] == np.arange(bin_of.max() + 1)).astype(np.float32)
    return np.abs(outcomes.astype(np.float32) @ member - probability @ member).sum(axis=1) / len(probability)


def _recalibration(outcome: np.ndarray, probability: np.ndarray, code: np.ndarray) -> list[tuple]:
    """Return metric, value, low and high of the slope and both intercepts."""
    odds = log_odds(probability)
    both = _logistic(np.column_stack([odds, np.ones_like(odds)]), outcome, np.zeros_like(odds), code)
    large = _logistic(np.ones((len(odds), 1)), outcome, odds, code)
    rows = zip(("slope", "intercept", "in_the_large"), np.concatenate([both, large]), strict=True)
    return [(metric, *figures) for metric, figures in rows]


def _logistic(design: np.ndarray, outcome: np.ndarray, offset: np.ndarray, code: np.ndarray) -> np.ndarray:
    """Fit a logistic regression; return value, low and high of each coefficient, NaN where it cannot be told.

    Errors take rows of one entity together (Liang and Zeger, Biometrika 73, 1986).
    """
    width = design.shape[1]
    if len(np.unique(outcome)) < 2 or np.linalg.matrix_rank(design) < width:
        return np.full((width, 3), np.nan)

    def chance(beta: np.ndarray) -> np.ndarray:
        return special.expit(offset + design @ beta)

    def information(beta: np.ndarray) -> np.ndarray:
        return (design * (chance(beta) * (1 - chance(beta)))[:, None]).T @ design

    start = np.eye(width)[0] * (width > 1)
    with threadpool_limits(1, user_api="blas"):  # many cores wait for each other over products of two columns
        found = optimize.root(lambda beta: design.T @ (chance(beta) - outcome), start, jac=information)
    pull = design * (outcome - chance(found.x))[:, None] @ np.linalg.pinv(information(found.x))
    return np.column_stack([found.x, *around(found.x, clustered_error(pull, code))])


def bands(score: pd.Series, target: pd.Series, entity: pd.Series, count: int = 10) -> pd.DataFrame:
    """Divide rows into at most `count` bands of about equal size by their score, which is high where events are few.

    Indexed by `band` in words, the best first: `low` and `high` (scores from, and below; the ends are open), `rows`,
    `share`, `bad`, `bad_rate` with `bad_rate_low` and `bad_rate_high`, and what a cut-off at `low` means: `approved`
    (share of rows), `bad_rate_approved`, `bad_refused` (share of all bad).
    """
    if not len(score) or target.isna().any():
        raise BankmineError("Bands are of rows whose outcome is known: leave out the others.")
    inner = np.unique(np.quantile(score, np.linspace(0, 1, count + 1)[1:-1], method="higher"))
    inner = inner[inner > score.min()]
    band = np.digitize(score, inner)
    bad, whose = target.astype(float).groupby(band), entity.groupby(band)
    table = bad.agg(rows="size", bad="sum").assign(share=lambda t: t["rows"] / len(score), bad_rate=bad.mean())
    table[["bad_rate_low", "bad_rate_high"]] = [wilson_clustered(part, whose.get_group(i)) for i, part in bad]
    table.insert(0, "low", np.r_[-np.inf, inner])
    table.insert(1, "high", np.r_[inner, np.inf])
    best = table.iloc[::-1].set_axis(pd.Index(_told(inner)[::-1], name="band"))
    rows, events = best["rows"].cumsum(), best["bad"].cumsum()
    caught = 1 - events / events.iloc[-1] if events.iloc[-1] else np.nan
    return best.assign(
        bad=best["bad"].astype(int), approved=rows / len(score), bad_rate_approved=events / rows, bad_refused=caught
    )


def _told(inner: np.ndarray) -> list[str]:
    if not len(inner):
        return ["all"]
    between = [f"{low:,.0f} to below {high:,.0f}" for low, high in pairwise(inner)]
    return [f"below {inner[0]:,.0f}", *between, f"{inner[-1]:,.0f} and more"]


def distribution(score: pd.Series, target: pd.Series, width: float = 10.0) -> pd.DataFrame:
    """Return the shares of good and of bad rows in bars of `width` points, indexed by `score`, where a bar begins.

    Rows of unknown outcome are left out; NaN where there are no good, or no bad rows at all.
    """
    known = target.notna()
    start = pd.Index(np.floor(score[known] / width), name="score")
    counts = pd.crosstab(start, target[known]).reindex(columns=[0.0, 1.0], fill_value=0)
    bars = np.arange(start.min(), start.max() + 1) if len(start) else np.empty(0)
    counts = counts.reindex(bars, fill_value=0)
    shares = counts / counts.sum().where(lambda total: total > 0)
    return shares.set_axis(["good", "bad"], axis=1).set_axis(pd.Index(bars * width, name="score"))
