"""Ranking: metrics of one score in a sample and all its resamples at once, from running sums down the ranking.

Rows without an event between two with one are put together first: no metric changes by it, and there are few events.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

TOP = (0.01, 0.05, 0.10, 0.20)
"""Shares of the rows, highest scores first, for which lift and the share of events caught are told."""
_CELLS = 500_000
"""Steps × resamples that are worked on at a time: as many as fit into a processor's cache."""


def steps(outcome: np.ndarray, score: np.ndarray, code: np.ndarray) -> tuple[csr_array, csr_array]:
    """Return how many rows and how many events of each entity there are at each step down the ranking.

    Rows with equal scores are one step; so are neighbouring steps without an event. Shape (steps, entities).
    """
    order = np.argsort(-score, kind="stable")
    outcome, score, code = outcome[order], score[order], code[order]
    tied = np.cumsum(np.concatenate([[0], score[1:] != score[:-1]]))
    eventful = np.bincount(tied, weights=outcome) > 0
    step = np.cumsum(np.concatenate([[0], eventful[1:] | eventful[:-1]]))[tied]
    shape = (step[-1] + 1, code.max() + 1)
    rows, events = (csr_array((w.astype(np.float32), (step, code)), shape) for w in (np.ones_like(outcome), outcome))
    events.eliminate_zeros()
    return rows, events


def running(at_step: csr_array, counts: np.ndarray) -> np.ndarray:
    """Return how many there are down to each step, from 0 to all, in each resample: shape (1 + steps, resamples)."""
    return np.concatenate([np.zeros((1, counts.shape[1])), np.cumsum(at_step @ counts, axis=0, dtype=float)])


def upto(rows: np.ndarray, events: np.ndarray, share: float) -> np.ndarray:
    """Return the events among the first `share` of the rows; within a step they are spread evenly."""
    wanted, column = share * rows[-1], np.arange(rows.shape[1])
    after = np.minimum((rows <= wanted).sum(axis=0), len(rows) - 1)
    start, length = rows[after - 1, column], rows[after, column] - rows[after - 1, column]
    part = (wanted - start) / np.maximum(length, 1)
    return events[after - 1, column] + part * (events[after, column] - events[after - 1, column])


def figures(
    outcome: np.ndarray, score: np.ndarray, code: np.ndarray, counts: np.ndarray, top: tuple[int, ...]
) -> dict[str, np.ndarray]:
    """Return the metrics of one score in each resample; NaN where a resample holds but one outcome.

    Parameters
    ----------
    outcome, score, code : np.ndarray
        Of each row: 0 or 1, any number, the number of its entity from 0. Shape (rows,).
    counts : np.ndarray
        As of `resampling.draws`, shape (entities, resamples).
    top : tuple of int
        As for `metrics.performance`, which lists the metrics.
    """
    rows, events = steps(outcome, score, code)
    chunks = np.array_split(counts, 1 + counts.shape[1] * rows.shape[0] // _CELLS, axis=1)
    shares = {f"precision_top_{k}": min(k / len(outcome), 1) for k in top}
    parts = [_figures(running(rows, chunk), running(events, chunk), shares) for chunk in chunks]
    found = {metric: np.concatenate([part[metric] for part in parts]) for metric in parts[0]}
    return found | {"brier": _brier(outcome, score, code, counts)}


def _figures(rows: np.ndarray, events: np.ndarray, shares: dict[str, float]) -> dict[str, np.ndarray]:
    total, others = rows[-1], rows - events
    hits = np.where((events[-1] > 0) & (others[-1] > 0), events[-1], np.nan)
    auc = (np.diff(others, axis=0) * (events[1:] + events[:-1])).sum(axis=0) / (2 * hits * np.maximum(others[-1], 1))
    precision = events[1:] / np.maximum(rows[1:], 1)
    caught = {share: upto(rows, events, share) / hits for share in TOP}
    return {
        "auc": auc,
        "gini": 2 * auc - 1,
        "average_precision": (np.diff(events, axis=0) * precision).sum(axis=0) / hits,
        "ks": np.abs(events / hits - others / np.maximum(others[-1], 1)).max(axis=0),
        **{f"lift_{share * 100:g}": caught[share] / share for share in TOP},
        **{f"caught_{share * 100:g}": caught[share] for share in TOP},
        **{m: np.where(hits > 0, upto(rows, events, s) / (s * total), np.nan) for m, s in shares.items()},
    }


def _brier(outcome: np.ndarray, score: np.ndarray, code: np.ndarray, counts: np.ndarray) -> np.ndarray:
    if score.min() < 0 or score.max() > 1:
        return np.full(counts.shape[1], np.nan)
    return (np.bincount(code, weights=(score - outcome) ** 2) @ counts) / (np.bincount(code) @ counts)
