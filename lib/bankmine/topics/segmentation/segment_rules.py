"""Segments as rules that a branch can use: a shallow decision tree, and how far its rules are the segments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_fscore_support
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier

from bankmine.topics.segmentation.groups import MANY, sample
from bankmine.topics.segmentation.measures import Registry
from bankmine.topics.segmentation.portrait import told

_FOLDS = 5
_ONE_IN = 100
"""Share of customers whom a rule must hold for."""


@dataclass(frozen=True)
class Rules:
    """Segments as rules of a decision tree, and how far these are the segments."""

    table: pd.DataFrame
    """One row a rule: `segment`, `rule`, `customers` whom it holds for, `right` (share of these in the segment) and
    `covered` (share of the segment)."""
    fidelity: pd.DataFrame
    """Per segment: `customers`, `precision` and `recall` of the rules, on customers that they were not made from."""
    accuracy: float
    """Share of such customers whose segment the rules tell."""
    baseline: float
    """Share of the largest segment: what always naming it tells."""


def rules(values: pd.DataFrame, segments: pd.Series, registry: Registry, depth: int = 4) -> Rules | None:
    """State segments as rules in units that a branch can use.

    A decision tree on the features that form segments; limits are rounded to two digits before customers are counted.
    A value that is not known counts as the median. The tree's fidelity is measured by cross-validation in five folds.

    Parameters
    ----------
    values, segments, registry
        As for `profile`.
    depth : int
        Conditions in a rule, at most.

    Returns
    -------
    Rules or None
        None where there is one segment only, or one of fewer than five customers.
    """
    columns = [f.id for f in registry.of("segments") if f.id in values.columns and values[f.id].notna().any()]
    some = sample(len(values), MANY, 0)
    filled, labels = values[columns].fillna(values[columns].median()).iloc[some], segments.iloc[some]
    if labels.nunique() < 2 or labels.value_counts().loc[lambda n: n > 0].min() < _FOLDS:
        return None
    units = [registry[c].unit for c in columns]
    tree = RoundedTree(units, max_depth=depth, min_samples_leaf=max(_FOLDS, len(labels) // _ONE_IN), random_state=0)
    text = labels.astype(str)
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    found = pd.Series(cross_val_predict(tree, filled, text, cv=folds), index=text.index)
    names = [n for n in segments.cat.categories if (text == n).any()]
    precision, recall, _, count = precision_recall_fscore_support(text, found, labels=names, zero_division=0)
    fidelity = pd.DataFrame({"customers": count, "precision": precision, "recall": recall}, index=names)
    table = _leaves(tree.fit(filled, text), filled, text, registry)
    table = table.sort_values("segment", key=lambda s: s.map(names.index), kind="stable").reset_index(drop=True)
    return Rules(table, fidelity, float((found == text).mean()), float(text.value_counts(normalize=True).max()))


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
