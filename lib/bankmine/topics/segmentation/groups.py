"""Grouping: customers as points, and the groups that they fall into.

k-means finds groups of equal roundness; features that go together, such as income and deposits, then count twice. So
its groups are where a Gaussian mixture starts whose groups share one covariance (Fraley and Raftery, Journal of the
American Statistical Association 97, 2002): it learns what goes together within groups and measures distances
accordingly. A customer's group is the one of the highest linear score, so that a model is a small table of numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

MANY = 50_000
"""Customers that groups are formed of, at most: of more, a random sample, which tells centres to a hundredth."""
STARTS = 20
_RIDGE = 1e-3
"""Added to the variances within groups, in units of a feature's variance over all customers."""


@dataclass(frozen=True)
class Groups:
    """Groups in d features that share one shape."""

    weights: np.ndarray
    """Shares, shape (groups,)."""
    means: np.ndarray
    """Centres, shape (groups, d)."""
    precision: np.ndarray
    """Inverse of the covariance within groups, shape (d, d)."""

    def scores(self, points: np.ndarray) -> np.ndarray:
        """Return the log-posterior of each group up to a constant: linear in the features, shape (n, groups)."""
        directions = self.precision @ self.means.T
        return points @ directions - (self.means.T * directions).sum(axis=0) / 2 + np.log(self.weights)

    def labels(self, points: np.ndarray) -> np.ndarray:
        """Return the number of each point's group, shape (n,)."""
        return self.scores(points).argmax(axis=1)

    def probability(self, points: np.ndarray) -> np.ndarray:
        """Return the probability of each group, shape (n, groups)."""
        return softmax(self.scores(points), axis=1)

    def distance(self, points: np.ndarray) -> np.ndarray:
        """Return each point's Mahalanobis distance from the centre of its own group, shape (n,)."""
        gap = points - self.means[self.labels(points)]
        return np.sqrt(np.maximum(((gap @ self.precision) * gap).sum(axis=1), 0))


def kmeans(points: np.ndarray, k: int, seed: int, starts: int = STARTS) -> tuple[np.ndarray, float]:
    """Group points by k-means with several starts (k-means++).

    One thread computes it: small sums gain nothing by more, and their order stays the same on any machine.

    Returns
    -------
    labels : np.ndarray
        Shape (n,); numbers without a meaning.
    dispersion : float
        Sum of the squared distances from the centres.
    """
    k = min(k, distinct(points))
    if k == 1:
        return np.zeros(len(points), dtype=int), float(((points - points.mean(axis=0)) ** 2).sum())
    with threadpool_limits(1, user_api="openmp"):
        found = KMeans(k, n_init=starts, random_state=seed).fit(points)
    return found.labels_, float(found.inertia_)


def group(points: np.ndarray, k: int, seed: int = 0) -> Groups:
    """Form groups: k-means first, then the mixture that starts from it.

    Parameters
    ----------
    points : np.ndarray
        Comparable features, shape (n, d) with n > 0.
    k : int
        Groups wanted; fewer come out where there are fewer different points, or where one loses all its customers.
    seed : int
        Of the starts and of the sample.

    Returns
    -------
    Groups
        The largest first; among groups of one size, the one whose centre is smaller in the first features.
    """
    points = points[sample(len(points), MANY, seed)]
    return mixture(points, kmeans(points, k, seed)[0])


def mixture(points: np.ndarray, labels: np.ndarray) -> Groups:
    """Let a mixture start from groups that are already there, with as many groups; see `group`."""
    found = _mixture(points, np.unique(labels, return_inverse=True)[1])
    return _ordered(found, np.bincount(found.labels(points), minlength=len(found.weights)))


def sample(size: int, most: int, seed: int) -> np.ndarray:
    """Draw row numbers at random, in order; all of them where there are no more than wanted."""
    if size <= most:
        return np.arange(size)
    return np.sort(np.random.default_rng(seed).choice(size, most, replace=False))


def distinct(points: np.ndarray) -> int:
    """Count different points."""
    return len(np.unique(points, axis=0)) if points.shape[1] else 1


def _mixture(points: np.ndarray, labels: np.ndarray) -> Groups:
    start = _pooled(points, labels)
    if len(start.weights) == 1:
        return start
    mixture = GaussianMixture(
        len(start.weights), covariance_type="tied", weights_init=start.weights, means_init=start.means,
        precisions_init=start.precision, reg_covar=_RIDGE, max_iter=200, random_state=0,
    ).fit(points)  # fmt: skip
    return Groups(mixture.weights_, mixture.means_, mixture.precisions_)


def _pooled(points: np.ndarray, labels: np.ndarray) -> Groups:
    sizes = np.bincount(labels)
    means = np.array([points[labels == g].mean(axis=0) for g in range(len(sizes))])
    gap = points - means[labels]
    covariance = gap.T @ gap / len(points) + _RIDGE * np.eye(points.shape[1])
    return Groups(sizes / len(points), means, np.linalg.inv(covariance))


def _ordered(groups: Groups, sizes: np.ndarray) -> Groups:
    """Put the largest group first and leave out those without customers."""
    order = np.lexsort((*groups.means.T[::-1], -sizes))
    order = order[sizes[order] > 0]
    weights = groups.weights[order] / groups.weights[order].sum()
    return Groups(weights, groups.means[order], groups.precision)
