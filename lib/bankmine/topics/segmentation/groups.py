"""Groups: features made comparable, customers grouped by them, and the argument for how many groups to form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from bankmine.bank.kept import kept_analysis
from bankmine.errors import BankmineError
from bankmine.topics.segmentation.measures import Registry

_SHRINK = 0.2
"""Weight of the mean share against a customer's own, so that shares of 0 and 1 have log-odds."""
_FLOOR = 0.1
"""Part of the median that is added to an amount before its logarithm is taken."""
_TAIL = 0.01
MANY = 50_000
"""Customers that groups are formed of, at most: of more, a random sample, which tells centres to a hundredth."""
STARTS = 20
_RIDGE = 1e-3
"""Added to the variances within groups, in units of a feature's variance over all customers."""
MINIMUM = 100
"""Customers below which nothing is divided."""
SMALLEST = 0.05
"""Share of customers that a segment needs, to be worth an offer of its own."""
MOST = 9
_REFERENCES, _SAMPLE = 10, 3000
CLEAR = "silhouette of k-means"
"""That of the segments themselves, a mixture, is lower, as k-means is made for it, and is told by the verdict."""


class Unskew(TransformerMixin, BaseEstimator):
    """Fill what is missing, and bring each feature into the form in which it is compared: `forms`, others are ignored.

    Amounts become logarithms, shares log-odds, and what is spent on several things centred log-ratios (Aitchison, The
    Statistical Analysis of Compositional Data, 1986). The median is filled in, for shares and mixes the mean.
    """

    def __init__(self, forms: dict[str, str]) -> None:
        self.forms = forms

    def fit(self, values: pd.DataFrame, y: None = None) -> Unskew:
        """Learn centres; features of which nothing is known, and mixes that nobody buys, are dropped."""
        there = [c for c in self.forms if c in values.columns and values[c].notna().any()]
        centre = {c: values[c].mean() if self.forms[c] in ("share", "mix") else values[c].median() for c in there}
        positive = {c: values.loc[values[c] > 0, c].median() for c in there if self.forms[c] == "amount"}
        self.floor_ = {c: float(_FLOOR * m) if m > 0 else 1.0 for c, m in positive.items()}
        self.centre_ = {c: float(m) for c, m in centre.items() if self.forms[c] != "mix" or m > 0}
        return self

    def transform(self, values: pd.DataFrame) -> pd.DataFrame:
        """Transform customers, who must have all features that were there when the pipeline was fitted."""
        if missing := [c for c in self.centre_ if c not in values.columns]:
            raise BankmineError(f"These segments were formed with {', '.join(missing)}, which is not there: form anew.")
        filled = values[list(self.centre_)].fillna(self.centre_)
        parts = {c: self._one(filled[c]) for c in self.centre_ if self.forms[c] != "mix"}
        return pd.DataFrame(parts, index=values.index).join(self._mix(filled))

    def _one(self, values: pd.Series) -> pd.Series:
        name, form = values.name, self.forms[values.name]
        if form == "amount":
            return np.log(values.clip(lower=0) + self.floor_[name])
        return _logit(self._shrunk(values)) if form == "share" else values

    def _shrunk(self, values: pd.Series) -> pd.Series:
        # a mean of exactly 0 or 1 means that all are the same, and the feature is dropped as constant
        middle = min(max(self.centre_[values.name], 1e-9), 1 - 1e-9)
        return (values.clip(0, 1) + _SHRINK * middle) / (1 + _SHRINK)

    def _mix(self, values: pd.DataFrame) -> pd.DataFrame:
        names = [c for c in self.centre_ if self.forms[c] == "mix"]
        logs = np.log(pd.DataFrame({c: self._shrunk(values[c]) for c in names}, index=values.index))
        # centred log-ratios add up to 0: the last one follows from the others
        return logs.sub(logs.mean(axis=1), axis=0).iloc[:, :-1]


class Standardise(TransformerMixin, BaseEstimator):
    """Cut each feature at its first and last hundredth, drop those that do not vary, and scale the others."""

    def fit(self, values: pd.DataFrame, y: None = None) -> Standardise:
        """Learn limits, means and deviations."""
        low, high = values.quantile(_TAIL), values.quantile(1 - _TAIL)
        kept = values.columns[(high - low) > 1e-9 * (1 + high.abs())]
        self.low_, self.high_ = low.loc[kept].to_dict(), high.loc[kept].to_dict()
        cut = self._cut(values)
        self.mean_, self.deviation_ = cut.mean().to_dict(), cut.std(ddof=0).to_dict()
        return self

    def transform(self, values: pd.DataFrame) -> pd.DataFrame:
        """Cut and scale customers."""
        return self._cut(values).sub(pd.Series(self.mean_, dtype=float)).div(pd.Series(self.deviation_, dtype=float))

    def _cut(self, values: pd.DataFrame) -> pd.DataFrame:
        kept = list(self.low_)
        return values[kept].clip(pd.Series(self.low_, dtype=float), pd.Series(self.high_, dtype=float), axis=1)


def _logit(share: pd.Series) -> pd.Series:
    return np.log(share / (1 - share))


@dataclass(frozen=True)
class Groups:
    """Groups in d features that share one shape; a customer's group is the one of the highest linear score."""

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

    def distance(self, points: np.ndarray) -> np.ndarray:
        """Return each point's Mahalanobis distance from the centre of its own group, shape (n,)."""
        gap = points - self.means[self.labels(points)]
        return np.sqrt(np.maximum(((gap @ self.precision) * gap).sum(axis=1), 0))


def kmeans(points: np.ndarray, k: int, seed: int, starts: int = STARTS) -> tuple[np.ndarray, float]:
    """Group points by k-means++; return labels, shape (n,), and the sum of the squared distances from the centres.

    One thread computes it: small sums gain nothing by more, and their order stays the same on any machine.
    """
    k = min(k, distinct(points))
    if k == 1:
        return np.zeros(len(points), dtype=int), float(((points - points.mean(axis=0)) ** 2).sum())
    with threadpool_limits(1):
        found = KMeans(k, n_init=starts, random_state=seed).fit(points)
    return found.labels_, float(found.inertia_)


def group(points: np.ndarray, k: int, seed: int = 0) -> Groups:
    """Form groups of points, shape (n, d) with n > 0: k-means first, then the mixture that starts from it.

    k-means finds groups of equal roundness, so that features that go together, such as income and deposits, count
    twice; a Gaussian mixture of one covariance learns what goes together within groups (Fraley and Raftery, Journal of
    the American Statistical Association 97, 2002). Fewer come out where there are fewer different points, or where one
    loses all its customers. The largest comes first; among groups of one size, the one whose centre is smaller in the
    first features.
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
    )  # fmt: skip
    with threadpool_limits(1):
        mixture.fit(points)
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


@dataclass(frozen=True)
class Choice:
    """How many segments to form, and why."""

    k: int
    argument: str
    table: pd.DataFrame
    """Per number of segments: `CLEAR`, `gap`, `gap_error`, `smallest` (share of the smallest segment), `agreement`
    (adjusted Rand index of k-means and mixture), `merit`; empty where there was nothing to choose."""


def preprocessing(registry: Registry) -> Pipeline:
    """Make the pipeline, not yet fitted, that turns readable features into comparable ones.

    Its output is a frame of those features that form segments, are there and vary, with mean 0 and variance 1 over the
    customers that it was fitted on. Features that only describe are ignored.
    """
    forms = {f.id: f.form for f in registry.of("segments")}
    return Pipeline([("unskew", Unskew(forms)), ("standardise", Standardise())])


def prepared(values: pd.DataFrame, registry: Registry) -> tuple[Pipeline, pd.DataFrame]:
    """Fit the preprocessing on active customers; return it with their comparable features."""
    if values.empty:
        raise BankmineError(f"No customer is active on this day ({registry.definition}): give another day.")
    pipeline = preprocessing(registry).fit(values)
    return pipeline, pipeline.transform(values)


def choose(values: pd.DataFrame, registry: Registry, seed: int = 0) -> Choice:
    """Choose the number of segments.

    For each number up to `MOST`, two criteria are told as shares of the best that any number reaches: the silhouette
    (Rousseeuw, Journal of Computational and Applied Mathematics 20, 1987), which is high for few segments far apart,
    and the gain in gap over one segment (Tibshirani, Walther and Hastie, JRSS B 63, 2001), which rises as long as
    further segments find more structure than evenly spread customers would have. The third is how far k-means and the
    mixture find the same segments. Of the numbers that leave no segment below `SMALLEST`, the one with the largest
    product of the three is taken; one where the gap prefers one. Criteria are computed on 3,000 customers at most.
    """
    points = prepared(values, registry)[1].to_numpy()
    points = points[sample(len(points), _SAMPLE, seed)]
    if len(points) < MINIMUM:
        return Choice(
            1, f"Only {len(values):,} customers are active; {MINIMUM} are needed to divide them.", _criteria([])
        )
    if distinct(points) < 3:
        return Choice(1, "No feature differs between customers, so there is nothing to divide them by.", _criteria([]))
    return _chosen(kept_analysis("numbers of segments", (points, seed), lambda: criteria(points, seed)))


def criteria(points: np.ndarray, seed: int = 0) -> pd.DataFrame:
    """Compute the criteria of each number of segments; see `Choice.table`.

    The gap compares the logarithm of the dispersion within segments to that of evenly spread points, drawn over the
    range of the principal components; its error is their standard deviation times sqrt(1 + 1 / draws).
    """
    rng = np.random.default_rng(seed)
    axes = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)[2]
    turned = points @ axes.T
    spread = [rng.uniform(turned.min(axis=0), turned.max(axis=0), turned.shape) for _ in range(_REFERENCES)]
    rows = [_row(points, spread, k, seed) for k in range(1, min(MOST, distinct(points) - 1) + 1)]
    return _criteria(rows)


def _row(points: np.ndarray, spread: list[np.ndarray], k: int, seed: int) -> tuple[float, ...]:
    labels, dispersion = kmeans(points, k, seed)
    even = np.log([kmeans(reference, k, seed, starts=2)[1] for reference in spread])
    mixed = mixture(points, labels).labels(points)
    silhouette = silhouette_score(points, labels) if k > 1 else np.nan
    smallest = min(np.bincount(labels, minlength=k).min(), np.bincount(mixed, minlength=k).min()) / len(points)
    error = even.std() * np.sqrt(1 + 1 / len(even))
    gap = even.mean() - np.log(max(dispersion, np.finfo(float).tiny))
    return k, silhouette, gap, error, smallest, adjusted_rand_score(labels, mixed)


def _criteria(rows: list[tuple[float, ...]]) -> pd.DataFrame:
    columns = ["segments", CLEAR, "gap", "gap_error", "smallest", "agreement"]
    table = pd.DataFrame(rows, columns=columns).set_index("segments")
    gain = (table["gap"] - table["gap"].iloc[:1].sum()).clip(lower=0)
    clear = table[CLEAR].clip(lower=0)
    return table.assign(merit=gain / gain.max() * clear / clear.max() * table["agreement"])


def _chosen(table: pd.DataFrame) -> Choice:
    by_gap = next((k for k in table.index[:-1] if _enough(table, k)), None)
    large = table[table["smallest"] >= SMALLEST].drop(index=1, errors="ignore")
    if by_gap == 1 or large.empty:
        why = (
            "The gap statistic finds no more structure in two segments than in customers spread evenly"
            if by_gap == 1 else f"Any division leaves a segment below {SMALLEST:.0%} of customers"
        )  # fmt: skip
        return Choice(1, f"{why}: one segment is taken.", table)
    taken = int(large["merit"].idxmax())
    return Choice(taken, _argument(table, large, by_gap, taken), table)


def _enough(table: pd.DataFrame, k: int) -> bool:
    """Tell whether one segment more gains no more gap than its error (the rule of Tibshirani et al.)."""
    return bool(table.loc[k, "gap"] >= table.loc[k + 1, "gap"] - table.loc[k + 1, "gap_error"])


def _argument(table: pd.DataFrame, large: pd.DataFrame, by_gap: int | None, taken: int) -> str:
    row, clearest = table.loc[taken], int(table[CLEAR].idxmax())
    gained = (row["gap"] - table["gap"].iloc[0]) / (table["gap"].max() - table["gap"].iloc[0])
    stops = f"stops to grow by more than its error at {by_gap}" if by_gap else f"still grows at {table.index[-1]}"
    return (
        f"The silhouette of k-means is highest for {clearest} segments ({table.loc[clearest, CLEAR]:.2f}); the gap "
        f"{stops}; numbers up to {large.index.max()} leave every segment "
        f"{SMALLEST:.0%} of customers. {taken} are taken: they reach {gained:.0%} of the largest gain in gap and "
        f"{row[CLEAR] / table[CLEAR].max():.0%} of the highest silhouette, and k-means and mixture agree "
        f"to {row['agreement']:.2f}: no other number has a larger product of the three."
    )
