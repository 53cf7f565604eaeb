"""The number of segments, by criteria together, and the argument for it in words.

The silhouette (Rousseeuw, Journal of Computational and Applied Mathematics 20, 1987), the gap statistic (Tibshirani,
Walther and Hastie, JRSS B 63, 2001), the agreement of two methods, and the size of the smallest segment.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score, silhouette_score

from bankmine.topics.segmentation.groups import distinct, kmeans, mixture, sample
from bankmine.topics.segmentation.measures import Registry
from bankmine.topics.segmentation.model import prepared

MINIMUM = 100
"""Customers below which nothing is divided."""
SMALLEST = 0.05
"""Share of customers that a segment needs, to be worth an offer of its own."""
MOST = 9
_REFERENCES, _SAMPLE = 10, 3000
_STRENGTH = {0.7: "a strong structure", 0.5: "a reasonable structure", 0.25: "a weak structure"}
"""What a silhouette means from a value on (Kaufman and Rousseeuw, Finding Groups in Data, 1990)."""


@dataclass(frozen=True)
class Choice:
    """How many segments to form, and why."""

    k: int
    argument: str
    table: pd.DataFrame
    """Per number of segments: `silhouette`, `gap`, `gap_error`, `smallest` (share of the smallest segment), `agreement`
    (adjusted Rand index of k-means and mixture), `merit`; empty where there was nothing to choose."""


def choose(values: pd.DataFrame, registry: Registry, seed: int = 0) -> Choice:
    """Choose the number of segments.

    For each number up to `MOST`, two criteria are told as shares of the best that any number reaches: the silhouette,
    which is high for few segments far apart, and the gain in gap over one segment, which rises as long as further
    segments find more structure than evenly spread customers would have. The third is how far k-means and the mixture
    find the same segments. Of the numbers that leave no segment below `SMALLEST`, the one with the largest product of
    the three is taken. One segment is taken where the gap prefers one.

    Parameters
    ----------
    values, registry, seed
        As for `segmentation.fit`. Criteria are computed on a sample of at most 3,000 customers.

    Raises
    ------
    BankmineError
        If there is no active customer.
    """
    points = prepared(values, registry)[1].to_numpy()
    points = points[sample(len(points), _SAMPLE, seed)]
    if len(points) < MINIMUM:
        return Choice(
            1, f"Only {len(values):,} customers are active; {MINIMUM} are needed to divide them.", _criteria([])
        )
    if distinct(points) < 3:
        return Choice(1, "No feature differs between customers, so there is nothing to divide them by.", _criteria([]))
    return _chosen(criteria(points, seed))


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
    columns = ["segments", "silhouette", "gap", "gap_error", "smallest", "agreement"]
    table = pd.DataFrame(rows, columns=columns).set_index("segments")
    gain = (table["gap"] - table["gap"].iloc[:1].sum()).clip(lower=0)
    clear = table["silhouette"].clip(lower=0)
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
    row, clearest = table.loc[taken], int(table["silhouette"].idxmax())
    gained = (row["gap"] - table["gap"].iloc[0]) / (table["gap"].max() - table["gap"].iloc[0])
    means = next((words for least, words in _STRENGTH.items() if row["silhouette"] >= least), "segments that overlap")
    stops = f"stops to grow by more than its error at {by_gap}" if by_gap else f"still grows at {table.index[-1]}"
    return (
        f"The silhouette is highest for {clearest} segments ({table.loc[clearest, 'silhouette']:.2f}); the gap "
        f"{stops}; numbers up to {large.index.max()} leave every segment "
        f"{SMALLEST:.0%} of customers. {taken} are taken: they reach {gained:.0%} of the largest gain in gap and "
        f"{row['silhouette'] / table['silhouette'].max():.0%} of the highest silhouette, and k-means and mixture agree "
        f"to {row['agreement']:.2f}: no other number has a larger product of the three. A silhouette of "
        f"{row['silhouette']:.2f} means {means}."
    )
