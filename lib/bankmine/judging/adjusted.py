"""Adjusted effects: one arm against another where nobody drew who came into which, by what was known before.

Four estimates stand side by side: the plain difference, a regression, weights by the chance of the arm, and both at
once (AIPW, right where either of its two models is). All compare like with like as far as what was known tells; none
knows what nobody recorded, so beside them stand how far the arms overlap, how alike they become, and how strong
something unrecorded would have to be to undo the finding. Models are fitted on other customers than they speak of.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeCV
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bankmine.errors import BankmineError
from bankmine.judging import trials
from bankmine.judging.intervals import around, clustered_error
from bankmine.learning.encoding import Encode, SignedLog

NAIVE, REGRESSION, WEIGHTED, DOUBLY_ROBUST = "naive", "regression", "weighted", "doubly robust"
EVERYBODY, TREATED = "everybody", "the treated"
"""Whose effect is estimated."""
EDGE = 0.05
"""A chance of the arm below this, or above one less it: hardly any such row is seen in the other arm."""
ALIKE = 0.1
"""Standardised difference from which arms are not alike (Austin, Statistics in Medicine 28, 2009)."""
LEAST = 0.2
"""Share of rows that both arms must cover before an effect is told."""
_FOLDS, _ALPHAS, _PER_SD = 5, np.logspace(0, 4, 5), 0.91
_NEARLY_ALL = 1 - 1e-9
"""Share of the variance of what was known that a regression uses: columns that say the same twice count once."""


@dataclass(frozen=True)
class Contrast:
    """Rows of two arms; all parts share one index without repeats."""

    known: pd.DataFrame
    """What was known of each row before."""
    treated: pd.Series
    """Whether it is of the arm in question."""
    outcome: pd.Series
    """What came: a number."""
    entity: pd.Series
    """Whose row it is: folds and intervals are by these."""
    of: str = EVERYBODY
    """Whose effect: `EVERYBODY` of both arms, or `TREATED`."""

    def at(self, rows: np.ndarray) -> Contrast:
        """Return some of the rows, by a mask."""
        parts = {n: getattr(self, n)[rows] for n in ("known", "treated", "outcome", "entity")}
        return replace(self, **parts)


def refuse(rows: Contrast) -> None:
    """Raise a BankmineError where arms or outcomes are such that nothing can be compared."""
    people = {arm: rows.entity[rows.treated.astype(bool) == arm].nunique() for arm in (True, False)}
    if not people[True]:
        raise BankmineError("nobody came into the arm in question: there is nothing to compare")
    if not people[False]:
        raise BankmineError("everybody came into the arm in question: there is nobody to compare with")
    if (fewest := min(people.values())) < trials.FEWEST:
        raise BankmineError(f"an arm has {fewest} customers: at least {trials.FEWEST} are needed to tell an effect")
    if rows.outcome.nunique() < 2:
        raise BankmineError("all had the same outcome in either arm")


def fit(rows: Contrast, seen: pd.Series | None = None) -> pd.DataFrame:
    """Foretell of each row, by models of others, the `chance` of the arm and the outcome `with_` and `without` it.

    Learnt from are the rows `seen`, as those who were not held back; all are where it is not given.
    """
    learn = np.ones(len(rows.known), bool) if seen is None else seen.to_numpy(bool)
    refuse(rows.at(learn))
    treated, outcome = rows.treated.to_numpy(bool), rows.outcome.to_numpy(float)
    two = set(np.unique(outcome)) <= {0.0, 1.0}
    strata = treated * 2 + (outcome.astype(int) if two else 0)
    found = pd.DataFrame(0.0, rows.known.index, ["chance", "with_", "without"])
    for others, told in StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=0).split(strata, strata, rows.entity):
        learnt = others[learn[others]]
        prepare = make_pipeline(Encode(), SignedLog(), StandardScaler()).fit(rows.known.iloc[learnt])
        matrix, new = prepare.transform(rows.known.iloc[learnt]), prepare.transform(rows.known.iloc[told])
        found.iloc[told, 0] = _said(_logistic(), matrix, treated[learnt], new)
        for column, arm in ((1, True), (2, False)):
            own = treated[learnt] == arm
            model = _logistic() if two else RidgeCV(_ALPHAS)
            found.iloc[told, column] = _said(model, matrix[own], outcome[learnt][own], new)
    return found


def _logistic() -> LogisticRegression:
    return LogisticRegression(max_iter=500)


def _said(model: BaseEstimator, matrix: np.ndarray, outcome: np.ndarray, new: np.ndarray) -> np.ndarray:
    if np.ptp(outcome.astype(float)) == 0:
        return np.full(len(new), float(outcome[0]))
    model.fit(matrix, outcome)
    return model.predict_proba(new)[:, 1] if isinstance(model, LogisticRegression) else model.predict(new)


# --- who can be compared


def comparable(rows: Contrast, chance: pd.Series) -> pd.Series:
    """Say which rows might have come into either arm; of the effect on the treated: might as well have been spared."""
    return chance.between(0 if rows.of == TREATED else EDGE, 1 - EDGE)


def overlap(rows: Contrast, chance: pd.Series) -> dict[str, float]:
    """Say how far arms overlap: the `share` of the rows in question that is comparable, `effective` rows of each arm.

    Effective is how many equally weighted rows would tell as much (Kish, Survey Sampling, 1965).
    """
    inside, treated = comparable(rows, chance), rows.treated.astype(bool)
    told = {"share": float(inside[treated].mean() if rows.of == TREATED else inside.mean())}
    weight = weights(rows, chance)[inside]
    for arm, own in (("treated", treated[inside]), ("others", ~treated[inside])):
        w = weight[own]
        told |= {arm: int(own.sum()), f"effective_{arm}": float(w.sum() ** 2 / (w**2).sum()) if len(w) else 0.0}
    return told


def kept(rows: Contrast, chance: pd.Series) -> pd.Series:
    """Say which rows are compared: the comparable ones; an error tells where the arms hardly overlap."""
    found, inside = overlap(rows, chance), comparable(rows, chance)
    if found["share"] < LEAST or min(found["effective_treated"], found["effective_others"]) < trials.FEWEST:
        raise BankmineError(
            f"cannot be told: {found['share']:.0%} of them might as well have come into the other arm, with "
            f"{found['effective_treated']:,.0f} and {found['effective_others']:,.0f} effective rows"
        )
    return inside


def weights(rows: Contrast, chance: pd.Series) -> pd.Series:
    """Weigh each row so that both arms become those whose effect is estimated."""
    treated = rows.treated.astype(bool)
    if rows.of == TREATED:
        return (chance / (1 - chance)).where(~treated, 1.0)
    return (1 / chance).where(treated, 1 / (1 - chance))


def balance(rows: Contrast, chance: pd.Series) -> pd.DataFrame:
    """Compare what was known of both arms, `before` and `after` weighing: standardised differences, the largest first.

    The unit is the standard deviation before, so that weights cannot hide a difference by widening it.
    """
    matrix = trials.prepared(rows.known)
    treated = rows.treated.to_numpy(bool)
    spread = np.sqrt((matrix[treated].var() + matrix[~treated].var()) / 2).to_numpy()
    told = {}
    for when, weight in (("before", np.ones(len(matrix))), ("after", weights(rows, chance).to_numpy())):
        means = [np.average(matrix[own], axis=0, weights=weight[own]) for own in (treated, ~treated)]
        told[when] = (means[0] - means[1]) / np.where(spread > 0, spread, 1.0)
    table = pd.DataFrame({"known before": matrix.columns, **told})
    return table.loc[table["before"].abs().sort_values(ascending=False, kind="stable").index].reset_index(drop=True)


# --- the estimates


def estimates(rows: Contrast, found: pd.DataFrame) -> pd.DataFrame:
    """Estimate the effect in four ways, a row each: `value`, `low`, `high`, `error`; `found` is of `fit`.

    The plain difference is of all rows, the others of those that are `kept`.
    """
    inside = kept(rows, found["chance"])
    own, models = rows.at(inside.to_numpy()), found[inside]
    ones, none = pd.Series(1.0, rows.known.index), found[["with_", "without"]] * 0.0
    weight = weights(own, models["chance"])
    told = {
        NAIVE: difference(rows, ones, none),
        REGRESSION: _regression(own),
        WEIGHTED: difference(own, weight, none[inside]),
        DOUBLY_ROBUST: difference(own, weight, models),
    }
    return pd.DataFrame(told).T.rename_axis("estimate")


def difference(rows: Contrast, weight: pd.Series, models: pd.DataFrame) -> dict[str, float]:
    """Return the weighted difference of the arms, beyond what `models` foretell of each; with its interval by entity.

    Weights of an arm are made to add up to one (Hájek), so that no estimate leaves the range of outcomes. Source:
    Robins, Rotnitzky and Zhao, Journal of the American Statistical Association 89 (1994).
    """
    treated, outcome = rows.treated.to_numpy(bool), rows.outcome.to_numpy(float)
    whose = treated if rows.of == TREATED else np.ones(len(treated), bool)
    with_, without = (models[c].to_numpy(float) for c in ("with_", "without"))
    foretold = with_ - without
    value = foretold[whose].mean()
    pull = np.where(whose, foretold - value, 0.0) / whose.sum()
    for own, model, sign in ((treated, with_, 1), (~treated, without, -1)):
        w = np.where(own, weight, 0.0) / weight[own].sum()
        left = w @ (outcome - model)
        value, pull = value + sign * left, pull + sign * w * (outcome - model - left)
    return _told(value, clustered_error(pull, rows.entity))


def _told(value: float, error: float) -> dict[str, float]:
    low, high = around(value, error)
    return {"value": float(value), "low": float(low), "high": float(high), "error": float(error)}


def _regression(rows: Contrast) -> dict[str, float]:
    """Regress outcomes on the arm and on what was known, as it is most often done: one effect for all.

    By what known columns leave of both (Frisch and Waugh, Econometrica 1, 1933), with errors by entity.
    """
    both = np.column_stack([rows.treated.to_numpy(float), rows.outcome.to_numpy(float)])
    directions = PCA(_NEARLY_ALL, svd_solver="full").fit_transform(trials.prepared(rows.known).to_numpy(float))
    treated, outcome = (both - LinearRegression().fit(directions, both).predict(directions)).T
    value = treated @ outcome / (treated @ treated)
    pull = treated * (outcome - value * treated) / (treated @ treated)
    return _told(value, clustered_error(pull, rows.entity))


# --- how sure


def e_value(told: dict[str, float] | pd.Series, without: float, spread: float | None = None) -> float:
    """Say how strong something unrecorded would have to be to explain the whole finding, its interval included.

    As a risk ratio with both arm and outcome, beyond what was known: 1 where there is nothing to explain away. Of
    shares `without` is the one without the arm; of numbers their `spread` is told, and the ratio is approximate.
    Source: VanderWeele and Ding, Annals of Internal Medicine 167 (2017).
    """
    if told["low"] <= 0 <= told["high"]:
        return 1.0
    nearest = told["low"] if told["low"] > 0 else told["high"]
    ratio = np.exp(_PER_SD * nearest / spread) if spread else max((without + nearest) / without, 1e-9)
    ratio = max(ratio, 1 / ratio)
    return float(ratio + np.sqrt(ratio * (ratio - 1)))
