"""Portraits of segments: what they are like and where they lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.decomposition import PCA

from bankmine.topics.segmentation.groups import sample
from bankmine.topics.segmentation.measures import Registry
from bankmine.topics.segmentation.model import ALL, Segmentation

CONFIDENCE = 0.95
_SHOWN = 3000


def profile(values: pd.DataFrame, segments: pd.Series, registry: Registry) -> pd.DataFrame:
    """Describe each segment, and all customers, by every feature.

    Parameters
    ----------
    values : pd.DataFrame
        Readable features.
    segments : pd.Series
        Categorical of segments, same index.
    registry : Registry
        Names and units of the features.

    Returns
    -------
    pd.DataFrame
        One row a feature of which anything is known and segment, "all customers" last: `feature`, `unit`, `segment`,
        `customers` of whom it is known, `mean` with `mean_low` and `mean_high` (t interval), `median` with `median_low`
        and `median_high` (order statistics, Conover, Practical Nonparametric Statistics, 1999, section 3.2). Intervals
        hold with 95 % confidence.
    """
    known = [f for f in registry.features if f.id in values.columns and values[f.id].notna().any()]
    groups = {name: segments == name for name in segments.cat.categories} | {ALL: np.ones(len(values), dtype=bool)}
    rows = [
        {"feature": f.name, "unit": f.unit, "segment": name, **_described(values.loc[rows, f.id].dropna().to_numpy())}
        for f in known for name, rows in groups.items()
    ]  # fmt: skip
    return pd.DataFrame(rows)


def profile_table(described: pd.DataFrame) -> pd.DataFrame:
    """Put means into a table for readers: features as rows, segments as columns, "1,200 ± 100" as cells.

    Parameters
    ----------
    described : pd.DataFrame
        From `profile`.
    """
    half = [float(f"{wide / 2:.2g}") for wide in described["mean_high"] - described["mean_low"]]
    parts = zip(described["mean"], half, described["unit"], strict=True)
    table = described.assign(cell=[f"{told(mean, unit)} ± {told(half, unit)}" for mean, half, unit in parts])
    table = table.pivot_table(index="feature", columns="segment", values="cell", aggfunc="first")
    return table.loc[described["feature"].unique(), described["segment"].unique()].rename_axis(None, axis=1)


@dataclass(frozen=True)
class Picture:
    """Customers on a plane."""

    points: pd.DataFrame
    """`x`, `y`, `segment` of at most 3,000 customers."""
    explained: tuple[float, float]
    """Shares of the variance of all comparable features that the axes show."""
    axes: tuple[str, str]
    """What the axes mean: the two features that weigh most."""


def picture(model: Segmentation, values: pd.DataFrame, registry: Registry) -> Picture | None:
    """Project customers on the two directions in which they differ most (principal components).

    Returns
    -------
    Picture or None
        None where fewer than two features vary.
    """
    some = values.iloc[sample(len(values), _SHOWN, 0)]
    points = model.pipeline.transform(some)
    if min(points.shape) < 2:
        return None
    components = PCA(2, svd_solver="full").fit(points)
    x, y = components.transform(points).T
    axes = tuple(_direction(pd.Series(c, index=points.columns), registry) for c in components.components_)
    frame = pd.DataFrame({"x": x, "y": y, "segment": model.assign(some)}, index=some.index)
    return Picture(frame, tuple(components.explained_variance_ratio_), axes)


def told(value: float, unit: str) -> str:
    """Write a value of a feature as a branch would say it."""
    if np.isnan(value):
        return "n/a"
    if unit == "share":
        return f"{value:.0%}" if abs(value) >= 0.1 else f"{value:.1%}"
    return f"{value:,.0f}" if abs(value) >= 100 or unit == "money" else f"{value:.3g}"


def _described(known: np.ndarray) -> dict[str, float]:
    n = len(known)
    if n < 2:
        only = float(known.mean()) if n else np.nan
        return {"customers": n, "mean": only, "mean_low": np.nan, "mean_high": np.nan,
                "median": only, "median_low": np.nan, "median_high": np.nan}  # fmt: skip
    half = stats.t.ppf(0.5 + CONFIDENCE / 2, n - 1) * known.std(ddof=1) / np.sqrt(n)
    ordered = np.sort(known)
    first = max(int(stats.binom.ppf((1 - CONFIDENCE) / 2, n, 0.5)) - 1, 0)
    return {
        "customers": n, "mean": known.mean(), "mean_low": known.mean() - half, "mean_high": known.mean() + half,
        "median": np.median(known), "median_low": ordered[first], "median_high": ordered[n - 1 - first],
    }  # fmt: skip


def _direction(weights: pd.Series, registry: Registry) -> str:
    most = weights[weights.abs().sort_values(ascending=False, kind="stable").index[:2]]
    return ", ".join(registry[f].high if w > 0 else registry[f].low for f, w in most.items())
