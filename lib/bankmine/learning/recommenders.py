"""Recommenders: how well each item suits each customer, by what customers have had, from the simplest model on.

Scores say an order and nothing else. Where a model cannot tell items apart, as for a customer without a history, the
more popular one comes first. Rows of customers are worked on some at a time, so that many items cost no memory.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import csr_array, csr_matrix, vstack
from threadpoolctl import threadpool_limits

from bankmine.errors import BankmineError

POPULAR, BY_SEGMENT, OWN = "popularity", "popularity_by_segment", "own_frequency"
NEIGHBOURS, FACTORS = "item_neighbours", "factorisation"
MODELS = (POPULAR, BY_SEGMENT, OWN, NEIGHBOURS, FACTORS)
"""From the simplest to the most complex."""
_DRAWN_BY = 20
"""Customers who take items as all do that are added to a segment, so that few of them do not make a share."""
_NEIGHBOURS, _LEARNT = 100, 100_000
"""Items that speak for an item; customers that factors of items are learnt from, at most."""
_FACTORS, _SHRUNK = 16, 1.0
"""Few and held small, as histories are short: on 100,000 ratings of films 64 do worse than popularity."""
_CELLS = 4_000_000
"""Customers × items that are worked on at a time."""
_SLIGHTLY = 1e-6


@dataclass(frozen=True)
class Scores:
    """Scores of customers, the rows of a history, for items, its columns; the highest comes first."""

    shape: tuple[int, int]
    at: Callable[[slice], np.ndarray]
    """Scores of some of the customers, as a matrix."""

    @classmethod
    def of(cls, matrix: np.ndarray) -> Scores:
        """Take scores that are there already."""
        return cls(matrix.shape, matrix.__getitem__)

    def first(self, customers: int) -> Scores:
        """Return the scores of the first so many customers."""
        return Scores((customers, self.shape[1]), self.at)


def recommend(
    history: csr_array, recent: csr_array | None = None, segment: pd.Series | None = None, seed: int = 0,
    models: Collection[str] = MODELS,
) -> dict[str, Scores]:  # fmt: skip
    """Learn models of what customers take from what they have had.

    Parameters
    ----------
    history : csr_array
        How often each customer (row) has had each item (column).
    recent : csr_array, optional
        The same of a time that has just been, by which popularity is counted; all of `history` without.
    segment : pd.Series, optional
        Segment of each customer, missing where it is not known; without it there is no popularity by segment.
    seed : int
        Where factors begin.
    models : collection of str
        Names of those to learn, of `MODELS`.

    Returns
    -------
    dict
        Scores by model, the simplest first.
    """
    if 0 in history.shape:
        raise BankmineError("nobody has had anything: there is nothing to recommend by")
    taken = (history if recent is None else recent) > 0
    popular = _in_order(taken.sum(axis=0))
    learn = {
        POPULAR: lambda: Scores(history.shape, lambda rows: np.tile(popular, (history[rows].shape[0], 1))),
        BY_SEGMENT: lambda: _by_segment(taken, segment, popular),
        OWN: lambda: Scores(history.shape, lambda rows: history[rows].toarray() + popular),
        NEIGHBOURS: lambda: _by_neighbours(history, popular),
        FACTORS: lambda: _by_factors(history, popular, seed),
    }  # fmt: skip
    return {name: learn[name]() for name in MODELS if name in models and (name != BY_SEGMENT or segment is not None)}


def top(scores: Scores, k: int, excluded: csr_array | None = None) -> np.ndarray:
    """Return the codes of the `k` items with the highest scores of each customer, the best first.

    What is excluded, and what has a score of −∞, is never among them: lists that are shorter end with −1.
    """
    lists = np.full((scores.shape[0], k), -1, dtype=np.int32)
    many = min(k, scores.shape[1])
    for rows in _runs(*scores.shape):
        found = np.array(scores.at(rows), dtype=float)
        if excluded is not None:
            found[excluded[rows].nonzero()] = -np.inf
        first = np.sort(np.argpartition(-found, many - 1, axis=1)[:, :many], axis=1)
        value = np.take_along_axis(found, first, axis=1)
        order = np.argsort(-value, axis=1, kind="stable")
        allowed = np.isfinite(np.take_along_axis(value, order, axis=1))
        lists[rows, :many] = np.where(allowed, np.take_along_axis(first, order, axis=1), -1)
    return lists


def _runs(customers: int, items: int) -> Iterator[slice]:
    step = max(_CELLS // items, 1)
    yield from (slice(start, min(start + step, customers)) for start in range(0, customers, step))


def _in_order(takers: np.ndarray) -> np.ndarray:
    """Return scores between 0 and 1 by how many took each item, no two the same."""
    score = np.empty(len(takers))
    score[np.argsort(-takers, kind="stable")] = np.arange(len(takers), 0, -1) / (len(takers) + 1)
    return score


def _by_segment(taken: csr_array, segment: pd.Series, popular: np.ndarray) -> Scores:
    """Score items by the share that takes them in the customer's segment; of an unknown segment by that of all."""
    code, names = pd.factorize(segment)
    customers, everybody = len(code), taken.sum(axis=0) / taken.shape[0]
    told = code >= 0
    member = csr_array((np.ones(told.sum()), (code[told], np.flatnonzero(told))), (len(names) + 1, customers))
    sizes = member.sum(axis=1)[:, None]
    share = ((member @ taken).toarray() + _DRAWN_BY * everybody) / (sizes + _DRAWN_BY) + _SLIGHTLY * popular
    return Scores(taken.shape, lambda rows: share[code[rows]])  # of no segment, -1, is the last row


def alike(history: csr_array) -> csr_array:
    """Return how like items are: the cosine of who has had either; of each column's item the hundred most like it.

    Source: Sarwar and others, Item-based Collaborative Filtering, WWW (2001).
    """
    had = (history > 0).astype(np.float32)
    size = np.sqrt(np.maximum(had.sum(axis=0), 1.0))
    had.data /= size[had.indices]
    of = had.T.tocsr()
    return vstack([_nearest(of[rows] @ had) for rows in _runs(of.shape[0], of.shape[0])]).T.tocsr()


def _by_neighbours(history: csr_array, popular: np.ndarray) -> Scores:
    """Score items by how like they are to those that a customer has had."""
    like, own = alike(history), history > 0
    return Scores(history.shape, lambda rows: (own[rows] @ like).toarray() + _SLIGHTLY * popular)


def _nearest(like: csr_array) -> csr_array:
    """Keep the largest entries of each row."""
    like = like.toarray()
    if like.shape[1] > _NEIGHBOURS:
        least = -np.partition(-like, _NEIGHBOURS - 1, axis=1)[:, [_NEIGHBOURS - 1]]
        like[like < least] = 0
    return csr_array(like)


def _by_factors(history: csr_array, popular: np.ndarray, seed: int) -> Scores:
    """Score items by the product of factors of customers and items, learnt by alternating least squares.

    Source: Hu, Koren and Volinsky, Collaborative Filtering for Implicit Feedback Datasets, ICDM (2008).
    """
    from implicit.cpu.als import AlternatingLeastSquares  # takes a second, which not all who recommend need

    customers, items = history.shape
    counts = csr_matrix(history, dtype=np.float32)
    some = np.sort(np.random.default_rng(seed).permutation(customers)[:_LEARNT])
    with threadpool_limits(1, user_api="blas"):  # many cores wait for each other over products of few columns
        factors = max(min(_FACTORS, items // 4), 1)
        model = AlternatingLeastSquares(factors, regularization=_SHRUNK, num_threads=1, random_state=seed)
        model.fit(counts[some], show_progress=False)

    def scored(rows: slice) -> np.ndarray:
        own = counts[rows]
        with threadpool_limits(1, user_api="blas"):
            return model.recalculate_user(np.arange(own.shape[0]), own) @ model.item_factors.T + _SLIGHTLY * popular

    return Scores(history.shape, scored)
