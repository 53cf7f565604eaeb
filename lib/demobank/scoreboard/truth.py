"""The scoreboard's ground: the planted truth of a demo bank, and measures of what an analysis recovered of it.

Nothing but the scoreboard and tests may import this module. A measure is an estimate with its interval; a score sets a
measure against the bounds that it must fall in. Bounds hold for any seed and for any bank of a few thousand customers;
where a known effect is estimated, they are the effect itself, give or take what chance explains.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import astuple, dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import adjusted_rand_score

from bankmine.bank.sources import Source
from bankmine.errors import BankmineError
from bankmine.judging.intervals import wilson
from bankmine.judging.numbers import with_bounds

CONFIDENCE = 0.95
BY_CHANCE = 0.001
"""Chance that an estimate without any error but sampling misses the bounds of `around`."""
_RESAMPLES = 200
_LARGE = 100
"""From which on decimals say nothing."""


class Truth:
    """The planted truth of one demo bank: its tables by name, and its constants."""

    def __init__(self, source: Source) -> None:
        self.folder: Path = source.data / "truth"
        if not source.has_truth:
            raise BankmineError(f"Source {source.name} has no planted truth: give a demo bank (bankmine demo).")
        self.table = cache(self._read)

    def _read(self, name: str) -> pd.DataFrame:
        if not (self.folder / name).is_dir():
            raise BankmineError(f"{self.folder} lacks {name}: make the demo bank anew (bankmine demo).")
        return pd.read_parquet(self.folder / name)

    def constant(self, name: str) -> float:
        """Return one planted constant."""
        constants = self.table("constants").set_index("name")["value"]
        if name not in constants:
            raise BankmineError(f"{self.folder} lacks the constant {name}: make the demo bank anew (bankmine demo).")
        return constants[name]


@dataclass(frozen=True)
class Measure:
    """An estimate and the interval that holds what is estimated, with 95 % confidence."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Score:
    """What one analysis recovered of one planted thing, and the bounds that this must fall in."""

    analysis: str
    planted: str
    recovered: str
    measure: Measure
    within: tuple[float, float]
    unit: str = "share, correlation or multiple"

    @property
    def passed(self) -> bool:
        """Whether the estimate lies within the bounds; one that could not be computed does not."""
        return bool(self.within[0] <= self.measure.value <= self.within[1])

    @property
    def room(self) -> float:
        """How far the estimate is from the nearer bound that it could miss, as a share of their distance."""
        (low, high), value = self.within, self.measure.value
        distances = [value - low] * (low > 0) + [high - value] * (high < 1)
        return min(distances, default=np.nan) / (high - low) if high > low else np.nan


def share(hits: float, of: int) -> Measure:
    """Measure a share of counts, such as recall and precision."""
    return Measure(hits / of, *wilson(hits, of)) if of else Measure(np.nan, np.nan, np.nan)


def recall(found: Collection[str], planted: Collection[str]) -> Measure:
    """Measure the share of what was planted that was found."""
    return share(len(set(found) & set(planted)), len(set(planted)))


def precision(found: Collection[str], planted: Collection[str]) -> Measure:
    """Measure the share of what was found that was planted."""
    return share(len(set(found) & set(planted)), len(set(found)))


def captured(value: np.ndarray, flagged: np.ndarray) -> Measure:
    """Measure the share of a total, such as the money of all frauds, that lies in the flagged rows."""
    return resampled(lambda v, f: v[f].sum() / v.sum(), np.asarray(value, float), np.asarray(flagged, bool))


def rank(score: np.ndarray, true: np.ndarray) -> Measure:
    """Measure how well a score puts in order what it estimates (Spearman's rank correlation)."""
    return resampled(lambda s, t: stats.spearmanr(s, t).statistic, np.asarray(score), np.asarray(true))


def separation(score: np.ndarray, best: np.ndarray, event: np.ndarray) -> Measure:
    """Measure how far a score sets events apart, as a share of what the best possible score does: 1 is as far.

    That is its AUC above chance over that of the best score, from mean ranks of the events (Mann and Whitney, Annals of
    Mathematical Statistics 18, 1947). Shape (customers, days), NaN where not known; customers are resampled whole.
    """
    return resampled(_apart, np.asarray(score, float), np.asarray(best, float), np.asarray(event, float))


def calibration(probability: np.ndarray, true: np.ndarray) -> Measure:
    """Measure the mean predicted probability as a multiple of the mean true one: 1 is right on the whole."""
    return resampled(lambda p, t: p.mean() / t.mean(), np.asarray(probability, float), np.asarray(true, float))


def slope(estimate: np.ndarray, true: np.ndarray) -> Measure:
    """Measure by how much the truth rises with the estimate (least squares): below 1 the estimate exaggerates."""
    return resampled(lambda e, t: np.cov(e, t)[0, 1] / e.var(ddof=1), np.asarray(estimate), np.asarray(true))


def agreement(groups: np.ndarray, true: np.ndarray) -> Measure:
    """Measure how far groups are the true ones (adjusted Rand index: 0 by chance, 1 if the same)."""
    return resampled(adjusted_rand_score, *(pd.factorize(np.asarray(labels))[0] for labels in (groups, true)))


def balanced(groups: np.ndarray, true: np.ndarray) -> Measure:
    """Measure the mean, over the true groups, of the share of each that was put into it (balanced accuracy).

    Groups are numbers from 0 on, below 0 where not known, shape (customers,) or (customers, days); customers are
    resampled whole.
    """
    return resampled(lambda g, t: _told_right(_confusion(g, t)), groups, true)


def kappa(groups: np.ndarray, true: np.ndarray) -> Measure:
    """Measure how far groups are the true ones beyond chance (Cohen 1960); groups as for `balanced`."""
    return resampled(lambda g, t: _beyond_chance(_confusion(g, t)), groups, true)


def effect(estimate: float, standard_error: float) -> Measure:
    """Wrap an estimate with its standard error, such as a difference of means or a coefficient."""
    half = stats.norm.ppf(0.5 + CONFIDENCE / 2) * standard_error
    return Measure(estimate, estimate - half, estimate + half)


def difference(with_it: np.ndarray, without: np.ndarray) -> Measure:
    """Measure the difference of two independent means, such as treated less control."""
    one, other = np.asarray(with_it, float), np.asarray(without, float)
    return effect(one.mean() - other.mean(), np.sqrt(one.var(ddof=1) / len(one) + other.var(ddof=1) / len(other)))


def around(true: float, measure: Measure) -> tuple[float, float]:
    """Return the bounds in which an unbiased estimate of a true effect falls but once in a thousand times."""
    standard_error = (measure.high - measure.low) / 2 / stats.norm.ppf(0.5 + CONFIDENCE / 2)
    half = stats.norm.ppf(1 - BY_CHANCE / 2) * standard_error
    return true - half, true + half


def scoreboard(scores: list[Score]) -> pd.DataFrame:
    """Put scores into one table, in their order: numbers, and the estimate and its bounds as text."""
    rows = [
        (
            "pass" if s.passed else "FAIL",
            s.analysis,
            s.planted,
            s.recovered,
            *astuple(s.measure),
            *s.within,
            s.room,
            s.unit,
        )
        for s in scores
    ]
    names = [
        "result",
        "analysis",
        "planted",
        "recovered",
        "value",
        "low",
        "high",
        "at_least",
        "at_most",
        "room",
        "unit",
    ]
    board = pd.DataFrame(rows, columns=names)
    board["estimate"] = [_estimate(*found) for found in board[names[4:7]].to_numpy()]
    board["bounds"] = [f"{low:.3g} to {high:.3g}" for low, high in board[names[7:9]].to_numpy()]
    return board


def _estimate(*found: float) -> str:
    """Write an estimate with its interval: counts, as of days, as such, and large amounts without decimals."""
    counts = found[0] > 1 and all(value == round(value) for value in found if np.isfinite(value))
    large = np.nanmax(np.abs(found)) >= _LARGE
    return with_bounds(*found, ".0f" if counts or large else ".3f", " to ")


def require_passed(scores: list[Score]) -> None:
    """Raise an error that names every failing score."""
    if failed := [f"{s.analysis}: {s.planted} ({s.recovered} {s.measure.value:.3g})" for s in scores if not s.passed]:
        raise BankmineError(f"{len(failed)} of {len(scores)} scores fail: {'; '.join(failed)}.")


def _confusion(groups: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Count pairs of true group (rows) and group (columns)."""
    known = (groups >= 0) & (true >= 0)
    size = int(max(groups.max(), true.max())) + 1
    return np.bincount(true[known] * size + groups[known], minlength=size**2).reshape(size, size)


def _apart(score: np.ndarray, best: np.ndarray, event: np.ndarray) -> float:
    known = ~np.isnan(event)
    ranks = stats.rankdata([score[known], best[known]], axis=1)
    ahead = ranks[:, event[known] == 1].mean(axis=1) - ranks.mean(axis=1)
    return float(ahead[0] / ahead[1])


def _told_right(counts: np.ndarray) -> float:
    there = counts.sum(axis=1) > 0
    return float((np.diag(counts)[there] / counts.sum(axis=1)[there]).mean())


def _beyond_chance(counts: np.ndarray) -> float:
    shares = counts / counts.sum()
    chance = (shares.sum(axis=0) * shares.sum(axis=1)).sum()
    return float((np.trace(shares) - chance) / (1 - chance))


def resampled(statistic: Callable[..., float], *columns: np.ndarray) -> Measure:
    """Measure a statistic of paired columns, with its bootstrap percentile interval, seeded."""
    rng = np.random.default_rng(0)
    size = len(columns[0])
    if not size:
        return Measure(np.nan, np.nan, np.nan)
    draws = (rng.integers(0, size, size) for _ in range(_RESAMPLES))
    found = [statistic(*(c[rows] for c in columns)) for rows in draws]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(found, (tail, 1 - tail))
    return Measure(float(statistic(*columns)), float(low), float(high))
