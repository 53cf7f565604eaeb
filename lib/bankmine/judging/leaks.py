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

from bankmine.judging.resampling import draws
from bankmine.judging.running import figures
from bankmine.learning.evidence import Evidence
from bankmine.learning.sample import Sample

_DRAWS = 100
_Z = 1.96
_HELD_OUT = 0.25


@dataclass(frozen=True)
class Twin:
    """A model with one mistake in it, or none.

    Attributes
    ----------
    name : str
        Short, for a table.
    mistake : str
        What is wrong with it, in words.
    learns : Sample
        What it is fitted on.
    claims : Sample
        Its own test.
    delivers : Sample
        The honest test, as the fitted model would meet it in use.
    """

    name: str
    mistake: str
    learns: Sample
    claims: Sample
    delivers: Sample


def thinned(sample: Sample, rows: np.ndarray, most: int = 6_000, seed: int = 0) -> np.ndarray:
    """Keep some customers with all their rows, so that a lab takes seconds.

    Parameters
    ----------
    sample : Sample
        All rows.
    rows : np.ndarray
        Mask of the rows to keep some of.
    most : int
        About how many to keep.

    Returns
    -------
    np.ndarray
        Mask; of a small sample the same.
    """
    people = sample.entity[rows].unique()
    share = min(1.0, most / max(rows.sum(), 1))
    kept = np.random.default_rng(seed).permutation(len(people))[: int(np.ceil(share * len(people)))]
    return rows & sample.entity.isin(people[kept]).to_numpy()


def honest(sample: Sample, train: np.ndarray, test: np.ndarray) -> Twin:
    """Make the twin without a mistake.

    Parameters
    ----------
    sample : Sample
        All rows.
    train, test : np.ndarray
        Masks of the rows to learn from and to be tested on, as the model itself has them; rows of unknown outcome are
        left out.
    """
    test_rows = sample.at(test & sample.known)
    return Twin("honest", "none", sample.at(train & sample.known), test_rows, test_rows)


def same_rows(sample: Sample, train: np.ndarray, test: np.ndarray) -> Twin:
    """Make the twin that is tested on the rows that it learned from."""
    good = honest(sample, train, test)
    return Twin("same rows", "tested on the rows it learned from", good.learns, good.learns, good.delivers)


def random_rows(sample: Sample, train: np.ndarray, test: np.ndarray, seed: int = 0) -> Twin:
    """Make the twin whose training rows were split at random into rows to learn from and a test.

    Rows of one customer, and of later months, are then on both sides; where outcome windows overlap, the same event
    too.
    """
    good = honest(sample, train, test)
    rows, whole = np.arange(len(good.learns)), good.learns.target.to_numpy()
    rare = np.unique(whole, return_counts=True)[1].min(initial=0) < 2
    learns, claims = train_test_split(rows, test_size=_HELD_OUT, random_state=seed, stratify=None if rare else whole)
    told = "rows split at random: the same customers and months on both sides"
    return Twin("random split", told, good.learns.at(learns), good.learns.at(claims), good.delivers)


def encoded(sample: Sample, train: np.ndarray, test: np.ndarray, before: bool = True, seed: int = 0) -> Twin:
    """Make the twin whose predictors were replaced by the event rates of their values before the split.

    Each value of a predictor, numbers in twentieths, becomes the log-odds of the event among the rows that hold it:
    weight of evidence, or target encoding. Taken from all rows at once, it tells the model the outcome of its own test
    (Micci-Barreca, SIGKDD Explorations 3, 2001, warns of it). Customers are held out whole, so that nothing else leaks.

    Parameters
    ----------
    sample, train, test
        As for `honest`.
    before : bool
        False for the twin's honest counterpart, whose rates are of the rows that it learns from only.
    seed : int
        Of the customers who are held out.
    """
    good = honest(sample, train, test)
    people = good.learns.entity.unique()
    held = np.random.default_rng(seed).permutation(len(people))[: int(np.ceil(_HELD_OUT * len(people)))]
    claims = good.learns.entity.isin(people[held]).to_numpy()
    known = np.ones_like(claims) if before else ~claims
    rates = Evidence().fit(good.learns.predictors[known], good.learns.target[known])
    parts = [good.learns.at(~claims), good.learns.at(claims), good.delivers]
    coded = [replace(part, predictors=rates.transform(part.predictors)) for part in parts]
    told = "weight of evidence taken from all rows before they were split" if before else "none"
    return Twin("encoded before the split" if before else "encoded after the split", told, *coded)


def leaking_column(sample: Sample, train: np.ndarray, test: np.ndarray, column: pd.Series) -> Twin:
    """Make the twin that also uses a column which is overwritten after the event.

    In use the event has not happened yet: every row then holds what it holds for customers to whom nothing happened. As
    the source does not tell what that was for each, it is their most common value.

    Parameters
    ----------
    sample, train, test
        As for `honest`.
    column : pd.Series
        As the source has it today, one value a row of the sample. Text becomes one yes-or-no predictor a value.
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


def lies(model: BaseEstimator, twins: Sequence[Twin], seed: int = 0) -> pd.DataFrame:
    """Fit every twin by the same recipe and say how far its claim is from what it delivers.

    Parameters
    ----------
    model : BaseEstimator
        A classifier of scikit-learn's kind; it is cloned. It is fitted once for twins that learn from the same rows.
    twins : sequence of Twin
        The honest one among them, to compare with.
    seed : int
        Of the bootstrap by customer, by which intervals are told: 1.96 standard errors to either side.

    Returns
    -------
    pd.DataFrame
        One row a twin: `twin`, `mistake`, and for `auc` and `ap` (average precision) what it `claims` and `delivers`
        and the `lie` between, with `low` and `high`: columns `auc_claims`, `auc_delivers`, `auc_lie`, `auc_lie_low`,
        `auc_lie_high`, the same of `ap`, and `rate` and `rate_delivers`, the share of events, which `ap` depends on.
        NaN where a test has events only, or none; twins that have nothing to learn from are NaN too.
    """
    able = [twin for twin in twins if twin.learns.target.nunique() >= 2]
    fitted = _fit_once(model, [twin.learns for twin in able])
    cores = Parallel(n_jobs=-1, backend="threading")
    found = cores(delayed(_lie)(fit, twin, seed) for fit, twin in zip(fitted, able, strict=True))
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


def _lie(model: BaseEstimator, twin: Twin, seed: int) -> dict[str, float]:
    """Measure claim and delivery with the same drawings of customers, so that what they share cancels out."""
    people = pd.Index(pd.concat([twin.claims.entity, twin.delivers.entity]).unique())
    counts = draws(len(people), _DRAWS, seed)
    tests = [twin.claims] if twin.claims is twin.delivers else [twin.claims, twin.delivers]
    measured = [_measures(model, rows, people, counts) for rows in tests]
    found = {"rate": twin.claims.target.mean(), "rate_delivers": twin.delivers.target.mean()}
    for name, metric in (("auc", "auc"), ("ap", "average_precision")):
        claimed, delivered = measured[0][metric], measured[-1][metric]
        lie = claimed - delivered
        half = _Z * np.std(lie[1:])
        found |= {f"{name}_claims": claimed[0], f"{name}_delivers": delivered[0], f"{name}_lie": lie[0]}
        found |= {f"{name}_lie_low": lie[0] - half, f"{name}_lie_high": lie[0] + half}
    return found


def _measures(model: BaseEstimator, rows: Sample, people: pd.Index, counts: np.ndarray) -> dict[str, np.ndarray]:
    """Return metrics of a model on rows, in each drawing of people."""
    code, own = pd.factorize(rows.entity)
    score = model.predict_proba(rows.predictors)[:, 1]
    return figures(rows.target.to_numpy(), score, code, counts[people.get_indexer(own)], ())
