"""Segments of active customers: formed, named by the two features in which each lies furthest from all, and kept.

They are kept as JSON, numbers that anybody can read; nothing in it is executed, so that a file from elsewhere can do no
harm.
"""

from __future__ import annotations

import datetime
import json
import platform
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import sklearn
from sklearn.pipeline import Pipeline

from bankmine.errors import BankmineError, one_line
from bankmine.features.population import is_active
from bankmine.privacy.sealing import read_sealed
from bankmine.topics.segmentation.groups import Groups, Standardise, Unskew, group, prepared
from bankmine.topics.segmentation.measures import INACTIVE, Registry, readable

FORMAT = "bankmine segments 1"
ALL = "all customers"
MOST = 20
_ACTIVE = "active"
_TELLING = 0.3
"""Standard deviations from the mean of all customers at which a feature is worth a word."""


@dataclass(frozen=True)
class Segmentation:
    """Segments as formed on one day: all that it takes to assign customers to them later."""

    pipeline: Pipeline
    groups: Groups
    names: tuple[str, ...]
    day: datetime.date
    customers: int
    shares: np.ndarray
    """Share of each segment in the customers it was formed of, shape (segments,)."""
    distances: np.ndarray
    """Their mean distance from the centre of their own segment, shape (segments,)."""
    definitions: dict[str, str]
    """How the registry defined who is active and the features, by id, when the segments were formed."""

    def points(self, values: pd.DataFrame) -> np.ndarray:
        """Return comparable features, shape (n, d)."""
        return self.pipeline.transform(values).to_numpy()

    def assign(self, values: pd.DataFrame) -> pd.Series:
        """Assign customers, given their readable features, to segments; a categorical in the order of the segments."""
        return self._named(self.groups.labels(self.points(values)), values.index)

    def assign_all(self, customers: pd.DataFrame, registry: Registry) -> pd.Series:
        """Assign all customers of a day, given their features; those who do not meet the rule are inactive."""
        self.require_same(registry)
        active = is_active(customers, registry)
        found = pd.Series(INACTIVE, index=customers.index, name="segment", dtype=object)
        if active.any():
            found[active] = self.assign(readable(customers[active], registry)).astype(object)
        return found.astype(pd.CategoricalDtype([*self.names, INACTIVE]))

    def require_same(self, registry: Registry) -> None:
        """Raise a BankmineError if the registry defines something otherwise than when the segments were formed."""
        now = definitions(registry)
        if changed := [id for id, value in self.definitions.items() if now.get(id) != value]:
            raise BankmineError(f"The registry defines {', '.join(changed)} anew since {self.day}: form segments anew.")

    def _named(self, labels: np.ndarray, index: pd.Index) -> pd.Series:
        return pd.Series(pd.Categorical.from_codes(labels, list(self.names)), index=index, name="segment")


def fit(values: pd.DataFrame, registry: Registry, day: datetime.date, k: int, seed: int = 0) -> Segmentation:
    """Form `k` segments, from 1 to `MOST`, by the readable features of the active customers of one day."""
    if not 1 <= k <= MOST:
        raise BankmineError(f"{k} segments cannot be formed: give 1 to {MOST}, of which nobody can use more.")
    pipeline, points = prepared(values, registry)
    groups = group(points.to_numpy(), k, seed)
    labels, distance = groups.labels(points.to_numpy()), groups.distance(points.to_numpy())
    names = _names(points.groupby(labels).mean(), registry)
    shares = np.bincount(labels, minlength=len(names)) / len(labels)
    used = {id: value for id, value in definitions(registry).items() if id in (_ACTIVE, *pipeline["unskew"].centre_)}
    return Segmentation(pipeline, groups, names, day, len(values), shares, _means(distance, labels), used)


def definitions(registry: Registry) -> dict[str, str]:
    """Return how a registry defines who is active and each feature, by id."""
    return {_ACTIVE: registry.rule} | {f.id: f.value for f in registry.features}


def _means(distance: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.bincount(labels, weights=distance) / np.bincount(labels)


def _names(means: pd.DataFrame, registry: Registry) -> tuple[str, ...]:
    """Name each segment by the two features that set it most apart; by more where two would be called the same."""
    if len(means) == 1:
        return (ALL,)
    telling = [row.abs().sort_values(ascending=False, kind="stable").index for _, row in means.iterrows()]
    names: list[str] = []
    for words in range(min(2, means.shape[1]), means.shape[1] + 1):
        pairs = zip(means.iterrows(), telling, strict=True)
        names = [_words(row, order[:words], registry) for (_, row), order in pairs]
        if len(set(names)) == len(names):
            break
    return tuple(f"{n} ({names[:i].count(n) + 1})" if names.count(n) > 1 else n for i, n in enumerate(names))


def _words(row: pd.Series, features: pd.Index, registry: Registry) -> str:
    """Put the features that tell something into words, in the order of the registry."""
    told = [f for f in features if abs(row[f]) >= _TELLING]
    words = [registry[f].high if row[f] > 0 else registry[f].low for f in row.index if f in told]
    return ", ".join(words) or "average"


def to_text(model: Segmentation) -> str:
    """Write segments as JSON; numbers are written in full, so that they are the same when loaded."""
    unskew, standardise = model.pipeline["unskew"], model.pipeline["standardise"]
    told = {
        "format": FORMAT,
        "day": model.day.isoformat(),
        "customers": model.customers,
        "versions": versions(),
        "names": list(model.names),
        "unskew": {"forms": unskew.forms, "centre": unskew.centre_, "floor": unskew.floor_},
        "standardise": {
            "low": standardise.low_, "high": standardise.high_, "mean": standardise.mean_,
            "deviation": standardise.deviation_,
        },
        "groups": {name: getattr(model.groups, name).tolist() for name in ("weights", "means", "precision")},
        "shares": model.shares.tolist(),
        "distances": model.distances.tolist(),
        "definitions": model.definitions,
    }  # fmt: skip
    return json.dumps(told, ensure_ascii=False, indent=1, allow_nan=False)


def load(path: Path) -> Segmentation:
    """Load saved segments; an error tells if there is no such file, or its numbers do not fit each other."""
    if not path.is_file():
        raise BankmineError(f"There are no saved segments at {path}: form them anew.")
    try:
        return _built(json.loads(read_sealed(path)))
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError, OSError) as error:
        raise BankmineError(
            f"{path.name} holds no segments of this version ({one_line(error)}): form them anew."
        ) from None


def versions() -> dict[str, str]:
    """Return the versions that segments are formed with."""
    return {
        "python": platform.python_version(), "numpy": np.__version__, "pandas": pd.__version__,
        "scikit-learn": sklearn.__version__,
    }  # fmt: skip


def _built(told: dict) -> Segmentation:
    if told["format"] != FORMAT:
        raise ValueError(f"its format is {told['format']!r}, not {FORMAT!r}")
    unskew = Unskew({str(k): str(v) for k, v in told["unskew"]["forms"].items()})
    unskew.centre_, unskew.floor_ = _numbers(told["unskew"]["centre"]), _numbers(told["unskew"]["floor"])
    standardise = Standardise()
    for name in ("low", "high", "mean", "deviation"):
        setattr(standardise, f"{name}_", _numbers(told["standardise"][name]))
    groups = Groups(*(np.array(told["groups"][name], dtype=float) for name in ("weights", "means", "precision")))
    names, shares, distances = tuple(map(str, told["names"])), np.array(told["shares"]), np.array(told["distances"])
    k, d = len(names), len(standardise.mean_)
    groups = Groups(groups.weights, groups.means.reshape(k, d), groups.precision.reshape(d, d))
    if not len(groups.weights) == len(shares) == len(distances) == k or k == 0:
        raise ValueError("the numbers of names, shares and centres differ")
    if not set(standardise.mean_) <= set(unskew.centre_) <= set(unskew.forms):
        raise ValueError("its features differ from part to part")
    if not all(np.isfinite(part).all() for part in (groups.weights, groups.means, groups.precision, shares, distances)):
        raise ValueError("a number is missing")
    pipeline = Pipeline([("unskew", unskew), ("standardise", standardise)])
    day = datetime.date.fromisoformat(told["day"])
    definitions = {str(id): str(value) for id, value in told["definitions"].items()}
    return Segmentation(pipeline, groups, names, day, int(told["customers"]), shares, distances, definitions)


def _numbers(told: dict[str, float]) -> dict[str, float]:
    numbers = {str(name): float(number) for name, number in told.items()}
    if not np.isfinite(list(numbers.values())).all():
        raise ValueError("a number is missing")
    return numbers
