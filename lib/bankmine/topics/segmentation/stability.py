"""Stability: whether segments are found again, whether they are more than a cut cloud, and what views foretell.

A view is any division of customers: segments, RFM cells, value deciles. It is worth what the means of its groups, taken
on an earlier pair of days, foretell of a later outcome, not how well it fits the past.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.metrics import adjusted_rand_score, silhouette_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder

from bankmine.bank.kept import kept_analysis
from bankmine.errors import BankmineError
from bankmine.judging.intervals import interval
from bankmine.topics.segmentation.groups import Groups, group, sample
from bankmine.topics.segmentation.model import Segmentation

FOUND_AGAIN = 0.8
"""Mean adjusted Rand index over bootstrap samples from which segments are reproducible ("good recovery", Steinley,
Psychological Methods 9, 2004)."""
HOLDS = 0.75
"""Mean Jaccard index from which one segment is stable (Hennig, Computational Statistics & Data Analysis 52, 2007)."""
CLEARLY = 1.25
"""Silhouette, in units of the highest of structureless clouds, from which a structure is clear."""
LEAST = 0.25
"""Silhouette below which there is no structure to speak of (Kaufman and Rousseeuw, Finding Groups in Data, 1990)."""
_CLOUDS = 19
"""Structureless clouds: to exceed all of them has a chance of one in twenty without any structure."""
_MOST = 2000
_NOTHING = "no view"
NAIVE = "the quarter before"
"""The forecast that everything stays as it was, which a view must be held against."""
_TAIL = 0.01


@dataclass(frozen=True)
class Reproduction:
    """How far repeated groupings agree with the first one."""

    agreement: np.ndarray
    """Adjusted Rand index of each repetition, shape (rounds,)."""
    overlap: np.ndarray
    """Largest Jaccard index of each group with a group of the repetition, shape (rounds, groups)."""


@dataclass(frozen=True)
class Verdict:
    """What kind of segments these are."""

    kind: str
    """`natural`, `reproducible` or `constructive`; `none` where there is one segment."""
    table: pd.DataFrame
    """Per criterion: `found`, `structureless` (the highest of the clouds without structure), `threshold`, `met`."""


def bootstrap(model: Segmentation, values: pd.DataFrame, rounds: int = 30, seed: int = 0) -> Reproduction:
    """Form segments of bootstrap samples of the customers a model was formed of (`_MOST` of them), and assign all."""
    points = _some(model.points(values), seed)
    rng = np.random.default_rng(seed)
    draws = [rng.integers(0, len(points), len(points)) for _ in range(rounds)]
    return _again(model, points, [(rows, seed) for rows in draws])


def seeds(model: Segmentation, values: pd.DataFrame, rounds: int = 10) -> Reproduction:
    """Form segments of the same customers from other random starts; see `bootstrap`."""
    points = _some(model.points(values), 0)
    return _again(model, points, [(np.arange(len(points)), seed) for seed in range(1, rounds + 1)])


def segments_found_again(model: Segmentation, found: Reproduction) -> pd.DataFrame:
    """Say of each segment how far it is found again: mean `jaccard`, and `low`, below which one time in twenty lies."""
    mean = found.overlap.mean(axis=0)
    frame = pd.DataFrame({"jaccard": mean, "low": np.quantile(found.overlap, 0.05, axis=0), "stable": mean >= HOLDS})
    frame.insert(0, "segment", list(model.names)[: len(frame)])
    return frame


def verdict(model: Segmentation, values: pd.DataFrame, found: Reproduction, seed: int = 0) -> Verdict:
    """Judge segments by how far a bootstrap `found` them again, after Dolnicar and Leisch (Marketing Letters 21, 2010).

    Natural segments are there in the data, reproducible ones are found again though little separates them, constructive
    ones are one of many ways to divide. Even a cloud without structure can be cut alike again and again, along its
    longest axes; so the same is done to normal clouds of the same covariance.
    """
    points, k = _some(model.points(values), seed), len(model.names)
    if k < 2:
        return Verdict("none", _criteria([]))
    clouds = range(seed, seed + _CLOUDS)
    found_in = kept_analysis(
        "segments of structureless clouds", (points, k, clouds),
        lambda: pd.DataFrame([_structureless(points, k, cloud) for cloud in clouds], columns=["again", "clear"]),
    )  # fmt: skip
    again, clear = found_in.max(skipna=False)
    agreement, silhouette = found.agreement.mean(), _silhouette(points, model.groups.labels(points))
    own = "silhouette of the segments"
    table = _criteria([
        ("adjusted Rand index, bootstrap", agreement, again, FOUND_AGAIN, agreement >= FOUND_AGAIN),
        ("adjusted Rand index above structureless", agreement, again, again, agreement > again),
        (f"{own}, above structureless", silhouette, clear, CLEARLY * clear, silhouette > CLEARLY * clear),
        (f"{own}, a weak structure or more", silhouette, clear, LEAST, silhouette >= LEAST),
    ])  # fmt: skip
    kind = "natural" if table["met"].all() else "reproducible" if table["met"].iloc[0] else "constructive"
    return Verdict(kind, table)


def stayed(model: Segmentation, now: pd.DataFrame, before: pd.DataFrame) -> float:
    """Return the share of the customers active on both days whom this day's model sorts into the same segment."""
    both = now.index.intersection(before.index)
    return float((model.assign(now.loc[both]).astype(str) == model.assign(before.loc[both]).astype(str)).mean())


def _structureless(points: np.ndarray, k: int, seed: int) -> tuple[float, float]:
    """Group a normal cloud of the same covariance; return how far a bootstrap sample agrees, and the silhouette."""
    rng = np.random.default_rng(seed)
    cloud = rng.multivariate_normal(
        np.zeros(points.shape[1]), np.atleast_2d(np.cov(points.T)), len(points), method="eigh"
    )
    groups = group(cloud, k, seed)
    other = group(cloud[rng.integers(0, len(cloud), len(cloud))], k, seed)
    return _compared(cloud, groups, [other]).agreement[0], _silhouette(cloud, groups.labels(cloud))


def _some(points: np.ndarray, seed: int) -> np.ndarray:
    return points[sample(len(points), _MOST, seed)]


def _again(model: Segmentation, points: np.ndarray, drawn: list[tuple[np.ndarray, int]]) -> Reproduction:
    """Form segments of the points of each draw, by its seed, and compare them with the model's on all points."""
    k = len(model.names)

    def made() -> pd.DataFrame:
        found = _compared(points, model.groups, [group(points[rows], k, seed) for rows, seed in drawn])
        return pd.DataFrame(np.column_stack([found.agreement, found.overlap])).add_prefix("of_")

    table = kept_analysis("segments found again", (points, model.groups, k, drawn), made).to_numpy()
    return Reproduction(table[:, 0], table[:, 1:])


def _compared(points: np.ndarray, first: Groups, others: list[Groups]) -> Reproduction:
    return _agreement(first.labels(points), [o.labels(points) for o in others], len(first.weights))


def _agreement(labels: np.ndarray, others: list[np.ndarray], groups: int) -> Reproduction:
    agreement = np.array([adjusted_rand_score(labels, other) for other in others])
    return Reproduction(agreement, np.array([_jaccard(labels, other, groups) for other in others]))


def _jaccard(labels: np.ndarray, other: np.ndarray, groups: int) -> np.ndarray:
    both = np.zeros((groups, other.max() + 1))
    np.add.at(both, (labels, other), 1)
    either = both.sum(axis=1, keepdims=True) + both.sum(axis=0) - both
    return (both / np.maximum(either, 1)).max(axis=1)


def _silhouette(points: np.ndarray, labels: np.ndarray) -> float:
    return float(silhouette_score(points, labels)) if 1 < len(np.unique(labels)) < len(labels) else np.nan


def _criteria(rows: list[tuple[str, float, float, float, bool]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["criterion", "found", "structureless", "threshold", "met"]).set_index(
        "criterion"
    )


def out_of_time(
    earlier: pd.DataFrame, outcome_then: pd.Series, later: pd.DataFrame, outcome_later: pd.Series,
    outcome_before: pd.Series, with_view: str = "segments", rounds: int = 500, seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """Compare how much of a later outcome several views (columns) tell, alone and beside one of them, by `view`.

    Group means (beside another view: main effects of both) are estimated on the earlier pair of days and foretell the
    later outcome. R² is 1 − Σ(y − forecast)² / Σ(y − earlier mean)²: above 0 a view foretells better than telling all
    customers the earlier mean, below 0 worse (Campbell and Thompson, Review of Financial Studies 21, 2008). The outcome
    is cut at the first and last hundredth of the earlier one, so that a few large customers do not decide. `gain` is
    that of a pair over the view without `with_view`. Intervals are of a bootstrap of the later customers. Beside the
    views stands the naive forecast `NAIVE`: the later customers' own outcome in the period before.

    Unknown groups are a group; customers without an outcome are left out. The first outcome must be known by the second
    day. An error tells if fewer than two customers have an outcome on a day, or it does not vary.
    """
    then, after = outcome_then.dropna(), outcome_later.dropna()
    earlier, later = (_groups(views.reindex(o.index)) for views, o in ((earlier, then), (later, after)))
    limits = _limits(then, after)
    then, after = then.clip(*limits), after.clip(*limits)

    others = [view for view in earlier.columns if view != with_view and with_view in earlier.columns]
    views = [(view,) for view in earlier.columns] + [(view, with_view) for view in others]
    errors = pd.DataFrame({" + ".join(v): _missed(earlier[[*v]], then, later[[*v]], after) for v in views})
    naive = outcome_before.reindex(after.index).fillna(then.mean()).clip(*limits)
    errors[NAIVE] = (after - naive).to_numpy() ** 2
    errors[_NOTHING] = (after - then.mean()).to_numpy() ** 2
    sums = _resampled(errors, rounds, seed)
    table = pd.DataFrame({"view": errors.columns[:-1], "customers": len(later)}).set_index("view")
    table[["r2", "low", "high"]] = [_told(sums[_NOTHING] - sums[v], sums[_NOTHING]) for v in table.index]
    gains = {f"{v} + {with_view}": _told(sums[v] - sums[f"{v} + {with_view}"], sums[_NOTHING]) for v in others}
    return table.join(pd.DataFrame(gains, index=["gain", "gain_low", "gain_high"]).T.astype(float))


def _missed(earlier: pd.DataFrame, then: pd.Series, later: pd.DataFrame, after: pd.Series) -> np.ndarray:
    """Return the squared error of each later customer's forecast by views."""
    return (after.to_numpy() - _means().fit(earlier, then).predict(later)) ** 2


def _limits(then: pd.Series, after: pd.Series) -> tuple[float, float]:
    if min(len(then), len(after)) < 2 or then.nunique() < 2 or after.nunique() < 2:
        raise BankmineError("The outcome is known of too few customers, or is the same for all: give other days.")
    return float(then.quantile(_TAIL)), float(then.quantile(1 - _TAIL))


def _groups(views: pd.DataFrame) -> pd.DataFrame:
    return views.astype(str).where(views.notna(), "unknown")


def _means() -> Pipeline:
    """Make the forecast by group means; small groups are drawn to the mean of all, groups that come up later are it."""
    return make_pipeline(OneHotEncoder(handle_unknown="ignore"), Ridge(alpha=1.0))


def _resampled(errors: pd.DataFrame, rounds: int, seed: int) -> pd.DataFrame:
    """Sum up each column over the customers, in the first row, and over bootstrap samples of them."""
    rng, values = np.random.default_rng(seed), errors.to_numpy()
    sums = [values.sum(axis=0)]
    sums += [values[rng.integers(0, len(values), len(values))].sum(axis=0) for _ in range(rounds)]
    return pd.DataFrame(sums, columns=errors.columns)


def _told(part: pd.Series, whole: pd.Series) -> tuple[float, float, float]:
    ratio = (part / whole).to_numpy()
    return ratio[0], *np.ravel(interval(ratio[:, None]))
