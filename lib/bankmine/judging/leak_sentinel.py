"""Leak sentinel: predictors that know too much, each looked at by itself.

A predictor that separates events from the rest almost alone, or far better than any other, may have been written after
the event (Kaufman and others, ACM Transactions on Knowledge Discovery from Data 6, 2012). Or it is just good: then it
changes with the days of a customer, and speaks of those who are scored today as it did of those learned from. What was
written after the event never changes, since the source holds only its last state, and is silent where the event is yet
to come.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from bankmine.learning.sample import Sample

HIGH, FAR, INFORMATIVE = 0.9, 1.5, 0.7
"""A predictor alone separates well from an AUC of HIGH on, or FAR times as far from chance as the next one and from
INFORMATIVE on. Below that, no leak is worth the search."""
SILENT = 0.5
"""A predictor is silent that gives those scored today less than this part of the risk that the others give them."""
_MOST_ROWS = 10_000
_BINS = 20
_COLUMNS = ["auc", "changes", "risk_now", "suspicious", "why"]


def sentinel(learned: Sample, scored: pd.DataFrame | None = None, top: int = 10, seed: int = 0) -> pd.DataFrame:
    """Look at every predictor by itself and say which ones know too much.

    Parameters
    ----------
    learned : Sample
        Rows with known outcome; of many, 10,000 are looked at.
    scored : pd.DataFrame, optional
        The same predictors of the rows to be scored now, whose outcome nobody knows.
    top : int
        How many predictors to report, the strongest first.

    Returns
    -------
    pd.DataFrame
        Indexed by predictor: `auc` of it alone (from 0.5: its direction does not matter; a category counts by how often
        the event came in the other half of the rows), `changes` (whether it ever differs between days of one customer;
        missing where nobody has two days), `risk_now` (the risk that it alone gives those scored, over that of those
        learned from; missing without them), `suspicious`, and `why`. Empty without both outcomes.
    """
    rows = learned.at(learned.known)
    if len(rows) > _MOST_ROWS:
        rows = rows.at(np.sort(np.random.default_rng(seed).choice(len(rows), _MOST_ROWS, replace=False)))
    if rows.target.nunique() < 2:
        return pd.DataFrame(columns=_COLUMNS).rename_axis("predictor")
    auc = _alone(rows.predictors, rows.target).sort_values(ascending=False, kind="stable")
    names = list(auc.index[:top])
    changes = [_changes(learned, name) for name in names]
    table = pd.DataFrame({"auc": auc[names], "changes": pd.array(changes, dtype="boolean")}, index=names)
    table["risk_now"] = np.nan if scored is None else [_risk(rows, scored, name) for name in names]
    heard = table["risk_now"] if scored is None else table["risk_now"] / table["risk_now"].median()
    following = auc.shift(-1).reindex(names).fillna(0.5)
    table["why"] = [_why(*signs) for signs in zip(table["auc"], following, changes, heard, strict=True)]
    table["suspicious"] = table["why"] != ""
    return table[_COLUMNS].rename_axis("predictor")


def _alone(predictors: pd.DataFrame, target: pd.Series) -> pd.Series:
    """Return the AUC of each predictor, at least 0.5; a missing value is a level of its own, below all others.

    That of numbers follows from their mean rank among the events (Mann and Whitney, Annals of Mathematical Statistics
    18, 1947).
    """
    numbers = predictors.select_dtypes(["number", "bool"]).astype(float)
    events, others = (target == 1).sum(), (target == 0).sum()
    ranks = numbers.rank(na_option="top")[target == 1].mean()
    found = (ranks - (events + 1) / 2) / others
    halves = np.arange(len(target)) % 2 == 0
    words = predictors.columns.difference(numbers.columns, sort=False)
    counted = {
        name: np.where(halves, *(_rates(predictors[name], target, half) for half in (~halves, halves)))
        for name in words
    }
    found = pd.concat([found, pd.Series({n: roc_auc_score(target, rate) for n, rate in counted.items()}, dtype=float)])
    return found.where(found >= 0.5, 1 - found)


def _rates(values: pd.Series, target: pd.Series, among: np.ndarray) -> np.ndarray:
    """Return for each row how often the event came for its category among some rows."""
    text = values.astype("string").fillna("")
    return text.map(target[among].groupby(text[among]).mean()).fillna(target[among].mean()).to_numpy(float)


def _changes(rows: Sample, name: str) -> bool | None:
    """Say whether a predictor ever differs between the days of one customer; None where nobody has two days."""
    whose = rows.entity.to_numpy()
    if rows.day is None or len(np.unique(whose)) == len(whose):
        return None
    codes = pd.Series(pd.factorize(rows.predictors[name])[0], index=rows.entity.index)
    per_customer = codes.groupby(whose)
    return bool((per_customer.transform("min") != per_customer.transform("max")).any())


def _risk(rows: Sample, scored: pd.DataFrame, name: str) -> float:
    """Return the event rate that one predictor gives the scored rows, over that of the rows learned from."""
    past, now = rows.predictors[name], scored[name]
    if pd.api.types.is_numeric_dtype(past):
        edges = np.unique(past.astype(float).quantile(np.linspace(0, 1, _BINS + 1)[1:-1]).dropna())
        past, now = (
            pd.Series(np.where(v.isna(), -1, np.searchsorted(edges, v.astype(float))), v.index).astype(str)
            for v in (past, now)
        )
    rates = rows.target.groupby(past.astype("string").fillna("")).mean()
    given = now.astype("string").fillna("").map(rates).fillna(rows.target.mean())
    return float(given.mean() / rows.target.mean())


def _why(auc: float, following: float, changes: bool | None, heard: float) -> str:
    """Say why a predictor is suspicious; empty where it is not."""
    alone, far = auc >= HIGH, auc >= INFORMATIVE and auc - 0.5 >= FAR * (following - 0.5)
    cleared = changes is True and heard >= SILENT
    signs = [
        (alone and not cleared, "separates almost alone"),
        (far and not cleared, "far above the next"),
        (auc >= INFORMATIVE and changes is False, "never changes: not known since when"),
        (auc >= INFORMATIVE and heard < SILENT, "silent about those scored today"),
    ]
    return "; ".join(told for holds, told in signs if holds)
