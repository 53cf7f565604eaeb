"""Portraits of segments: what they are like, where they lie, and by which rules a branch tells them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier

from bankmine.errors import BankmineError
from bankmine.judging.intervals import of_mean, of_median
from bankmine.topics.segmentation.groups import MANY, sample
from bankmine.topics.segmentation.measures import Registry
from bankmine.topics.segmentation.model import ALL, Segmentation

_SHOWN = 3000
_FOLDS = 5
_ONE_IN = 100
"""A rule must hold for one customer in so many."""


def profile(values: pd.DataFrame, segments: pd.Series, registry: Registry) -> pd.DataFrame:
    """Describe each segment, "all customers" last, by every readable feature of which anything is known.

    `low` and `high` are the interval of the mean; intervals are NaN where fewer than two customers are known.
    """
    known = [f for f in registry.features if f.id in values.columns and values[f.id].notna().any()]
    groups = {name: segments == name for name in segments.cat.categories} | {ALL: np.ones(len(values), dtype=bool)}
    rows = [
        {"feature": f.name, "unit": f.unit, "segment": name, **_described(values.loc[rows, f.id].dropna().to_numpy())}
        for f in known for name, rows in groups.items()
    ]  # fmt: skip
    return pd.DataFrame(rows)


def profile_table(described: pd.DataFrame) -> pd.DataFrame:
    """Put what `profile` described into a table: features as rows, segments as columns, "1,200 ± 100" as cells."""
    half = [float(f"{wide / 2:.2g}") for wide in described["high"] - described["low"]]
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


def picture(model: Segmentation, values: pd.DataFrame, registry: Registry) -> Picture:
    """Project customers on their first two principal components; an error tells if fewer than two features vary."""
    some = values.iloc[sample(len(values), _SHOWN, 0)]
    points = model.pipeline.transform(some)
    if min(points.shape) < 2:
        raise BankmineError("fewer than two features vary")
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
    mean, median = (known.mean(), np.median(known)) if len(known) else (np.nan, np.nan)
    (low, high), (median_low, median_high) = (
        (of_mean(known), of_median(known)) if len(known) > 1 else ((np.nan, np.nan), (np.nan, np.nan))
    )
    return {
        "mean": mean, "low": low, "high": high,
        "median": median, "median_low": median_low, "median_high": median_high,
    }  # fmt: skip


def _direction(weights: pd.Series, registry: Registry) -> str:
    most = weights[weights.abs().sort_values(ascending=False, kind="stable").index[:2]]
    return ", ".join(registry[f].high if w > 0 else registry[f].low for f, w in most.items())


@dataclass(frozen=True)
class Rules:
    """Segments as rules of a decision tree, and how far these are the segments."""

    table: pd.DataFrame
    """One row a rule: `segment`, `rule`, `customers` whom it holds for, `right` (share of these in the segment) and
    `covered` (share of the segment)."""
    accuracy: float
    """Share of customers, whom the rules were not made from, whose segment they tell."""
    baseline: float
    """Share of the largest segment: what always naming it tells."""


def rules(values: pd.DataFrame, segments: pd.Series, registry: Registry, depth: int = 4) -> Rules:
    """State segments as rules of at most `depth` conditions: a decision tree on the features that form them.

    A value that is not known counts as the median; the accuracy is cross-validated in five folds. An error tells if
    there is one segment only, or one of fewer than five customers.
    """
    columns = [f.id for f in registry.of("segments") if f.id in values.columns and values[f.id].notna().any()]
    some = sample(len(values), MANY, 0)
    filled, labels = values[columns].fillna(values[columns].median()).iloc[some], segments.iloc[some]
    if labels.nunique() < 2 or labels.value_counts().loc[lambda n: n > 0].min() < _FOLDS:
        raise BankmineError("there is one segment only, or one of fewer than five customers")
    units = [registry[c].unit for c in columns]
    tree = RoundedTree(units, max_depth=depth, min_samples_leaf=max(_FOLDS, len(labels) // _ONE_IN), random_state=0)
    text = labels.astype(str)
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    found = pd.Series(cross_val_predict(tree, filled, text, cv=folds), index=text.index)
    names = [n for n in segments.cat.categories if (text == n).any()]
    table = _leaves(tree.fit(filled, text), filled, text, registry)
    table = table.sort_values("segment", key=lambda s: s.map(names.index), kind="stable").reset_index(drop=True)
    return Rules(table, float((found == text).mean()), float(text.value_counts(normalize=True).max()))


class RoundedTree(DecisionTreeClassifier):
    """A decision tree whose limits are rounded to two digits, as people say them."""

    def __init__(self, units: list[str], max_depth: int = 4, min_samples_leaf: int = 5, random_state: int = 0) -> None:
        super().__init__(max_depth=max_depth, min_samples_leaf=min_samples_leaf, random_state=random_state)
        self.units = units

    def fit(self, values: pd.DataFrame, segments: pd.Series) -> RoundedTree:
        """Grow the tree, then round its limits."""
        super().fit(values, segments)
        for node, feature in enumerate(self.tree_.feature):
            if feature >= 0:
                self.tree_.threshold[node] = _rounded(self.tree_.threshold[node], self.units[feature])
        return self


def _leaves(tree: RoundedTree, values: pd.DataFrame, segments: pd.Series, registry: Registry) -> pd.DataFrame:
    """List the tree's rules; one that no customer follows any more, after rounding, is left out."""
    passed = tree.decision_path(values)
    rows = []
    for node, limits in _paths(tree):
        here = passed[:, [node]].toarray().ravel() > 0
        if here.any():
            name = tree.predict(values[here].iloc[:1])[0]
            hits = (segments[here] == name).sum()
            rule = " and ".join(_condition(registry, values.columns[f], *between) for f, between in limits.items())
            rows.append((name, rule, here.sum(), hits / here.sum(), hits / (segments == name).sum()))
    return pd.DataFrame(rows, columns=["segment", "rule", "customers", "right", "covered"])


def _paths(tree: RoundedTree) -> list[tuple[int, dict[int, tuple[float, float]]]]:
    """List the nodes that name a segment, with the limits on the way: feature → (more than, at most)."""
    found, open_ = [], [(0, {})]
    while open_:
        node, limits = open_.pop()
        feature, limit = tree.tree_.feature[node], tree.tree_.threshold[node]
        if len(_named_below(tree, node)) == 1:  # further conditions would not change the segment
            found.append((node, limits))
            continue
        low, high = limits.get(feature, (-np.inf, np.inf))
        open_.append((tree.tree_.children_right[node], limits | {feature: (max(low, limit), high)}))
        open_.append((tree.tree_.children_left[node], limits | {feature: (low, min(high, limit))}))
    return found


def _named_below(tree: RoundedTree, node: int) -> set[int]:
    left, right = tree.tree_.children_left[node], tree.tree_.children_right[node]
    if left < 0:
        return {int(tree.tree_.value[node].argmax())}
    return _named_below(tree, left) | _named_below(tree, right)


def _condition(registry: Registry, id: str, low: float, high: float) -> str:
    name, unit = registry[id].name, registry[id].unit
    if np.isinf(low):
        return f"{name} at most {told(high, unit)}"
    return f"{name} above {told(low, unit)}" + ("" if np.isinf(high) else f" and at most {told(high, unit)}")


def _rounded(value: float, unit: str) -> float:
    if unit == "share":
        return round(value, 2)
    digits = 1 - int(np.floor(np.log10(abs(value)))) if value else 0
    return float(round(value, digits))
