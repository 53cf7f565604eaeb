"""Leak lab: the toy twin of a model, what it claims, what it then delivers, and how much it lied.

A twin makes one mistake that is common in public work: it is tested on rows that it learned from, on rows of the same
customers and months, or with a column that was written after the event (Kaufman, Rosset, Perlich and Stitelman, Leakage
in data mining, ACM Transactions on Knowledge Discovery from Data 6, 2012). What it claims is measured on its own test,
what it delivers by the same fitted model on the honest one. Other mistakes, as preparing or resampling before the
split, are twins of their own: whoever knows the mistake builds the three samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import train_test_split
from sklearn.utils.parallel import Parallel, delayed

from bankmine.bank.flat_leaks import alone
from bankmine.judging.intervals import draws, interval
from bankmine.judging.ranking import figures
from bankmine.learning.encoding import WeightOfEvidence, edges_of
from bankmine.learning.sample import Sample, codes

_DRAWS = 200
_HELD_OUT = 0.25


@dataclass(frozen=True)
class Twin:
    """A model with one mistake in it, or none: fitted on `learns`, tested by itself on `claims`.

    `delivers` is the honest test, as the fitted model would meet it in use.
    """

    name: str
    mistake: str
    learns: Sample
    claims: Sample
    delivers: Sample


def honest(sample: Sample, train: np.ndarray, test: np.ndarray) -> Twin:
    """Make the twin without a mistake; masked rows of unknown outcome are left out."""
    test_rows = sample.at(test & sample.known)
    return Twin("honest", "none", sample.at(train & sample.known), test_rows, test_rows)


def same_rows(sample: Sample, train: np.ndarray, test: np.ndarray) -> Twin:
    """Make the twin that is tested on the rows that it learned from."""
    good = honest(sample, train, test)
    return Twin("same rows", "tested on the rows it learned from", good.learns, good.learns, good.delivers)


def random_rows(sample: Sample, train: np.ndarray, test: np.ndarray) -> Twin:
    """Make the twin whose training rows were split at random into rows to learn from and a test.

    Rows of one customer, and of later months, are then on both sides; where outcome windows overlap, the same event
    too.
    """
    good = honest(sample, train, test)
    rows, whole = np.arange(len(good.learns)), good.learns.target.to_numpy()
    rare = np.unique(whole, return_counts=True)[1].min(initial=0) < 2
    learns, claims = train_test_split(rows, test_size=_HELD_OUT, random_state=0, stratify=None if rare else whole)
    told = "rows split at random: the same customers and months on both sides"
    return Twin("random split", told, good.learns.at(learns), good.learns.at(claims), good.delivers)


def encoded(sample: Sample, train: np.ndarray, test: np.ndarray, before: bool = True) -> Twin:
    """Make the twin whose predictors were replaced by the event rates of their values before the split.

    Each value of a predictor, numbers in twentieths, becomes the log-odds of the event among the rows that hold it:
    weight of evidence, or target encoding. Taken from all rows at once, it tells the model the outcome of its own test
    (Micci-Barreca, SIGKDD Explorations 3, 2001, warns of it). Customers are held out whole, so that nothing else leaks.
    Not `before`, it is the honest counterpart, whose rates are of the rows that it learns from only.
    """
    good = honest(sample, train, test)
    people = good.learns.entity.unique()
    held = np.random.default_rng(0).permutation(len(people))[: int(np.ceil(_HELD_OUT * len(people)))]
    claims = good.learns.entity.isin(people[held]).to_numpy()
    known = np.ones_like(claims) if before else ~claims
    rates = WeightOfEvidence().fit(good.learns.predictors[known], good.learns.target[known])
    parts = [good.learns.at(~claims), good.learns.at(claims), good.delivers]
    coded = [replace(part, predictors=rates.transform(part.predictors)) for part in parts]
    told = "weight of evidence taken from all rows before they were split" if before else "none"
    return Twin("encoded before the split" if before else "encoded after the split", told, *coded)


def leaking_column(sample: Sample, train: np.ndarray, test: np.ndarray, column: pd.Series) -> Twin:
    """Make the twin that also uses a column, as the source has it today, which is overwritten after the event.

    In use the event has not happened yet: every row then holds what it holds for customers to whom nothing happened. As
    the source does not tell what that was for each, it is their most common value.
    """
    used = (train | test) & sample.known
    sample, train, test, column = sample.at(used), train[used], test[used], column.loc[sample.target.index[used]]
    added = column if pd.api.types.is_numeric_dtype(column) else pd.get_dummies(column, prefix=column.name, dtype=float)
    added = pd.DataFrame(added)
    quiet = added[train & (sample.target == 0).to_numpy()]
    before = quiet.value_counts(dropna=False).index[0] if len(quiet) else added.iloc[0]
    constant = pd.DataFrame([tuple(before)] * len(added), index=added.index, columns=added.columns)
    written = Sample(pd.concat([sample.predictors, added], axis=1), sample.target, sample.entity, sample.day)
    good, unwritten = honest(written, train, test), sample.at(test)
    unwritten = replace(unwritten, predictors=pd.concat([unwritten.predictors, constant[test]], axis=1))
    told = f"uses {column.name}, which is overwritten after the event"
    return Twin("leaking column", told, good.learns, good.claims, unwritten)


def lies(model: BaseEstimator, twins: Sequence[Twin]) -> pd.DataFrame:
    """Fit every twin by the same recipe and say how far its claim is from what it delivers.

    For `auc` and `ap` (average precision) `_claims`, `_delivers`, `_lie` with `_lie_low`, `_lie_high`, by customer;
    `rate` and `rate_delivers` are shares of events, on which `ap` depends. NaN where a test or what is learnt has one
    outcome.
    """
    able = [twin for twin in twins if twin.learns.target.nunique() >= 2]
    fitted = _fit_once(model, [twin.learns for twin in able])
    cores = Parallel(n_jobs=-1, backend="threading")
    found = cores(delayed(_lie)(fit, twin) for fit, twin in zip(fitted, able, strict=True))
    told = {id(twin): lie for twin, lie in zip(able, found, strict=True)}
    rows = [{"twin": twin.name, "mistake": twin.mistake, **told.get(id(twin), {})} for twin in twins]
    names = [f"{m}_{part}" for m in ("auc", "ap") for part in ("claims", "delivers", "lie", "lie_low", "lie_high")]
    return pd.DataFrame(rows).reindex(columns=["twin", "mistake", *names, "rate", "rate_delivers"])


def _fit_once(model: BaseEstimator, learns: list[Sample]) -> list[BaseEstimator]:
    """Fit on each sample, on all cores; samples that hold the same share a fit."""
    first = [next(i for i, other in enumerate(learns) if _same(rows, other)) for rows in learns]
    needed = sorted(set(first))
    cores = Parallel(n_jobs=-1, backend="threading")
    fitted = dict(zip(needed, cores(delayed(_fitted)(model, learns[i]) for i in needed), strict=True))
    return [fitted[i] for i in first]


def _same(one: Sample, other: Sample) -> bool:
    return one is other or (one.target.equals(other.target) and one.predictors.equals(other.predictors))


def _fitted(model: BaseEstimator, rows: Sample) -> BaseEstimator:
    return clone(model).fit(rows.predictors, rows.target.to_numpy(int))


def _lie(model: BaseEstimator, twin: Twin) -> dict[str, float]:
    """Measure claim and delivery with the same drawings of customers, so that what they share cancels out."""
    people = pd.Index(pd.concat([twin.claims.entity, twin.delivers.entity]).unique())
    counts = draws(len(people), _DRAWS)
    tests = [twin.claims] if twin.claims is twin.delivers else [twin.claims, twin.delivers]
    measured = [_measures(model, rows, people, counts) for rows in tests]
    found = {"rate": twin.claims.target.mean(), "rate_delivers": twin.delivers.target.mean()}
    for name, metric in (("auc", "auc"), ("ap", "average_precision")):
        claimed, delivered = measured[0][metric], measured[-1][metric]
        lie = claimed - delivered
        low, high = interval(lie[:, None])
        found |= {f"{name}_claims": claimed[0], f"{name}_delivers": delivered[0], f"{name}_lie": lie[0]}
        found |= {f"{name}_lie_low": low[0], f"{name}_lie_high": high[0]}
    return found


def _measures(model: BaseEstimator, rows: Sample, people: pd.Index, counts: np.ndarray) -> dict[str, np.ndarray]:
    """Return metrics of a model on rows, in each drawing of people."""
    code, own = pd.factorize(rows.entity)
    score = model.predict_proba(rows.predictors)[:, 1]
    return figures(rows.target.to_numpy(), score, code, counts[people.get_indexer(own)])


HIGH, FAR, INFORMATIVE = 0.9, 1.5, 0.7
"""A predictor alone separates well from an AUC of HIGH on, or FAR times as far from chance as the next one and from
INFORMATIVE on. Below that, no leak is worth the search."""
SILENT = 0.5
"""A predictor is silent that gives those scored today less than this part of the risk that the others give them."""
_MOST_ROWS = 10_000
_TOP = 10
_BINS = 20
_COLUMNS = ["auc", "changes", "risk_now", "suspicious", "why"]


def sentinel(learned: Sample, scored: pd.DataFrame | None = None) -> pd.DataFrame:
    """Look at every predictor by itself and say which of the ten strongest know too much.

    `auc` of it alone is from 0.5 (a category counts by how often the event came in the other half of the rows);
    `changes`: whether it ever differs between days of one customer; `risk_now`: the risk that it alone gives those
    `scored`, over that of those learned from. Missing where that cannot be told; empty without both outcomes.
    """
    rows = learned.at(learned.known)
    if len(rows) > _MOST_ROWS:
        rows = rows.at(np.sort(np.random.default_rng(0).choice(len(rows), _MOST_ROWS, replace=False)))
    if rows.target.nunique() < 2:
        return pd.DataFrame(columns=_COLUMNS).rename_axis("predictor")
    auc = alone(rows.predictors, rows.target).sort_values(ascending=False, kind="stable")
    names = list(auc.index[:_TOP])
    whose = codes(learned.entity)[0]
    changes = [_changes(learned, whose, name) for name in names]
    table = pd.DataFrame({"auc": auc[names], "changes": pd.array(changes, dtype="boolean")}, index=names)
    table["risk_now"] = np.nan if scored is None else [_risk(rows, scored, name) for name in names]
    heard = table["risk_now"] if scored is None else table["risk_now"] / table["risk_now"].median()
    following = auc.shift(-1).reindex(names).fillna(0.5)
    table["why"] = [_why(*signs) for signs in zip(table["auc"], following, changes, heard, strict=True)]
    table["suspicious"] = table["why"] != ""
    return table[_COLUMNS].rename_axis("predictor")


def _changes(rows: Sample, whose: np.ndarray, name: str) -> bool | None:
    """Say whether a predictor ever differs between the days of one customer; None where nobody has two days."""
    if rows.day is None or whose.max() + 1 == len(whose):
        return None
    per_customer = pd.Series(pd.factorize(rows.predictors[name])[0]).groupby(whose)
    return bool((per_customer.min() != per_customer.max()).any())


def _risk(rows: Sample, scored: pd.DataFrame, name: str) -> float:
    """Return the event rate that one predictor gives the scored rows, over that of the rows learned from."""
    past, now = rows.predictors[name], scored[name]
    if pd.api.types.is_numeric_dtype(past):
        edges = edges_of(past, _BINS)
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
