"""Resampling: how far a figure may be from the truth where rows of one customer are not independent of each other."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from bankmine.judging.intervals import CONFIDENCE


def draws(entities: int, rounds: int, seed: int = 0) -> np.ndarray:
    """Draw entities with replacement: the cluster bootstrap, in which all rows of an entity come or go together.

    Source: Field and Welsh, Journal of the Royal Statistical Society B 69 (2007).

    Parameters
    ----------
    entities : int
        Entities there are; as many are drawn in each round.
    rounds : int
        Samples wanted.
    seed : int
        Of the draws.

    Returns
    -------
    np.ndarray
        How often each entity was drawn, shape (entities, 1 + rounds); the first column is the sample itself, all ones.
    """
    rng = np.random.default_rng(seed)
    counts = np.ones((1 + rounds, entities), dtype=np.float32)
    for i in range(1, 1 + rounds):
        counts[i] = np.bincount(rng.integers(0, entities, entities), minlength=entities)
    return np.ascontiguousarray(counts.T)


def interval(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the 95 % interval of figures from their resampled values.

    The percentiles are moved by the bias of the bootstrap, since figures that pick a maximum, as Kolmogorov-Smirnov, or
    profit from repeated events, as average precision, come out higher in a resample than in the sample (BC: Efron,
    Canadian Journal of Statistics 9, 1981).

    Parameters
    ----------
    values : np.ndarray
        Shape (1 + rounds, …): the figure of the sample itself first. Rounds in which it is NaN do not count.

    Returns
    -------
    low, high : np.ndarray
        Shape (…); NaN where the figure is, and without rounds.
    """
    estimate, rounds = values[0], values[1:]
    if not len(rounds):
        return np.full_like(estimate, np.nan), np.full_like(estimate, np.nan)
    known = np.isfinite(rounds).sum(axis=0)
    below = (rounds < estimate).sum(axis=0) + 0.5 * (rounds == estimate).sum(axis=0)
    bias = stats.norm.ppf((below + 0.5) / (known + 1))
    return tuple(_quantile(rounds, stats.norm.cdf(2 * bias + z)) for z in stats.norm.interval(CONFIDENCE))


def _quantile(rounds: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return a quantile of each column, at a share of its own; NaN sort last and are left out."""
    ordered, known = np.sort(rounds, axis=0), np.isfinite(rounds).sum(axis=0)
    place = np.clip(share * (known + 1) - 1, 0, np.maximum(known - 1, 0))
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, np.maximum(known - 1, 0))
    at = [np.take_along_axis(ordered, i[None], axis=0)[0] for i in (low, high)]
    return np.where(known > 0, at[0] + (place - low) * (at[1] - at[0]), np.nan)


def codes(entity: pd.Series) -> tuple[np.ndarray, int]:
    """Return the number of each row's entity, and how many entities there are."""
    found, names = pd.factorize(entity, use_na_sentinel=False)
    return found, len(names)
