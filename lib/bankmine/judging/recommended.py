"""Recommended: ranked lists of items held against what customers took, with intervals over customers.

A row is a customer who took something: whoever took nothing says nothing of the order of items. Of many customers some
at random are judged, which are enough for intervals narrower than anybody acts on.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from bankmine.errors import BankmineError
from bankmine.judging.intervals import draws, interval
from bankmine.learning.sample import codes

MAIN = "ndcg_10"
"""The measure by which models are chosen."""
METRICS = ("map_3", "ndcg_5", MAIN, "hit_1", "hit_3")
_SHOWN, _LONGEST = 3, 10
_MOST, _ROUNDS = 50_000, 500
_DIGITS = 12
"""What is the same in all resamples is to be the same, whatever the order that it was summed up in."""


def measured(lists: Mapping[str, np.ndarray], taken: csr_array, had: np.ndarray, entity: pd.Series) -> pd.DataFrame:
    """Measure the lists of each model: `model`, `metric`, `value`, `low`, `high`.

    Parameters
    ----------
    lists : mapping
        Of each model the codes of items, a row a customer, the best first, −1 where a list ends. Ten are looked at.
    taken : csr_array
        What was taken afterwards, customers by items; only whether.
    had : np.ndarray
        By item how many of these customers had it before.
    entity : pd.Series
        The customer of each row, in the order of rows.

    Returns
    -------
    pd.DataFrame
        `map_3`, `ndcg_5`, `ndcg_10`, `hit_1` and `hit_3`, of customers who took something. Of the first three of all
        lists, without intervals: `coverage`, the share of items that are among them, and `novelty`, how surprising they
        are in bits: 1 where half of all had them before, 0 where all had.

    Raises
    ------
    BankmineError
        If nobody took anything.
    """
    values, units = _resampled(lists, taken, entity)
    surprise, rows = -np.log2((had + 1) / (taken.shape[0] + 1)), []
    for model, figures in values.items():
        low, high = interval(figures, units)
        found = {"model": model, "metric": METRICS, "value": figures[0], "low": low, "high": high}
        shown = lists[model][:, :_SHOWN]
        shown = shown[shown >= 0]
        of_lists = {
            "coverage": len(np.unique(shown)) / taken.shape[1],
            "novelty": surprise[shown].sum() / max(len(shown), 1),
        }
        rows += [
            pd.DataFrame(found),
            pd.DataFrame({"model": model, "metric": of_lists.keys(), "value": of_lists.values()}),
        ]
    return pd.concat(rows, ignore_index=True)


def against(lists: Mapping[str, np.ndarray], taken: csr_array, entity: pd.Series, baseline: str) -> pd.DataFrame:
    """Measure by how much lists are better than those of a baseline, on the same resamples.

    `model`, `metric`, `difference`, `low`, `high`.
    """
    values, _ = _resampled(lists, taken, entity)
    rows = []
    for model in (name for name in lists if name != baseline):
        apart = values[model] - values[baseline]
        low, high = interval(apart)
        found = {"model": model, "metric": METRICS, "difference": apart[0], "low": low, "high": high}
        rows.append(pd.DataFrame(found))
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=["model", "metric", "difference"])


def simplest_unbeaten(lists: Mapping[str, np.ndarray], taken: csr_array, entity: pd.Series) -> str:
    """Return the first model, of lists from the simplest to the most complex, that none is shown to beat by NDCG@10."""
    values, _ = _resampled(lists, taken, entity)
    found = np.stack([figures[:, METRICS.index(MAIN)] for figures in values.values()], axis=1)
    ahead = found[:, :, None] - found[:, None, :]
    beats = (ahead[0] > 0) & (interval(ahead)[0] > 0)
    return list(lists)[int(np.argmin(beats.any(axis=0)))]


def _resampled(
    lists: Mapping[str, np.ndarray], taken: csr_array, entity: pd.Series
) -> tuple[dict[str, np.ndarray], int]:
    """Return the measures of each model in the sample and each resample, (1 + rounds, measures), and how many count."""
    who = np.flatnonzero((taken > 0).sum(axis=1))
    if not len(who):
        raise BankmineError("nobody took anything in the time that recommendations are judged by")
    who = np.sort(np.random.default_rng(0).permutation(who)[:_MOST])
    code, entities = codes(entity.iloc[who])
    counts, own = draws(entities, _ROUNDS), (taken[who] > 0).tocsr()
    found = np.column_stack([_by_customer(listed[who], own) for listed in lists.values()])
    sums = np.stack([np.bincount(code, weights=each) for each in found.T], axis=1)
    means = ((counts.T @ sums) / (counts.T @ np.bincount(code))[:, None]).round(_DIGITS)
    return dict(zip(lists, np.split(means, len(lists), axis=1), strict=True)), entities


def _by_customer(listed: np.ndarray, own: csr_array) -> np.ndarray:
    """Return the measures of each customer's list, columns as `METRICS`."""
    listed = np.pad(listed[:, :_LONGEST], ((0, 0), (0, max(_LONGEST - listed.shape[1], 0))), constant_values=-1)
    row = np.arange(len(listed))[:, None]
    key = np.where(listed >= 0, row * own.shape[1] + listed, -1)
    customer, item = own.nonzero()
    hit = np.isin(key, customer * own.shape[1] + item)
    relevant, place = np.bincount(customer, minlength=len(listed)), np.arange(1, _LONGEST + 1)
    precision = hit.cumsum(axis=1) / place
    gain = 1 / np.log2(place + 1)
    best = np.concatenate([[0.0], gain.cumsum()])
    ndcg = {k: (hit[:, :k] @ gain[:k]) / best[np.minimum(relevant, k)] for k in (5, 10)}
    average = (precision * hit)[:, :3].sum(axis=1) / np.minimum(relevant, 3)
    return np.column_stack([average, ndcg[5], ndcg[10], hit[:, 0], hit[:, :3].any(axis=1)])
