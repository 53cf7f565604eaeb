"""Splits of samples without time: at random, but stratified, and with all rows of an entity in the same part.

A random split says how well a model tells rows apart that are like those it learnt from; it says nothing of next year.
"""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import RepeatedStratifiedKFold, train_test_split

from bankmine.errors import BankmineError
from bankmine.judging.resampling import codes
from bankmine.learning.sample import Sample
from bankmine.learning.splits import PARTS, Fold, Split

FEWEST = 20
"""Entities of the rarer outcome below which a sample is not divided."""


def held_out(sample: Sample, seed: int = 0, tune: float = 0.2, test: float = 0.25) -> Split:
    """Split a sample without time at random, stratified; all rows of an entity are in one part.

    Parameters
    ----------
    sample : Sample
        Rows without a known outcome are in no part.
    seed : int
        Of the random choice.
    tune, test : float
        Shares of the entities; the rest is learnt from.

    Raises
    ------
    BankmineError
        If fewer than `FEWEST` entities have the rarer outcome.
    """
    rows = np.flatnonzero(sample.known)
    owner, ever = _entities(sample, rows)
    rest, tested = train_test_split(np.arange(len(ever)), test_size=test, stratify=ever, random_state=seed)
    _, tuned = train_test_split(rest, test_size=tune / (1 - test), stratify=ever[rest], random_state=seed)
    part = np.zeros(len(ever), dtype=int)
    part[tuned], part[tested] = 1, 2
    return Split(*(rows[part[owner] == i] for i in range(3)), dict.fromkeys(PARTS, ()))


def stratified_folds(sample: Sample, rows: np.ndarray, folds: int = 5, repeats: int = 2, seed: int = 0) -> list[Fold]:
    """Cross-validate without time: stratified folds of entities, repeated; all rows of an entity are in one fold.

    Entities are stratified by whether they have the event in any row. (scikit-learn's StratifiedGroupKFold counts rows,
    and takes minutes for 100,000 entities.)

    Parameters
    ----------
    sample, seed
        As for `held_out`.
    rows : np.ndarray
        Positions to divide, as `Split.train`.
    folds, repeats : int
        `folds` parts, each tested once on a model of the others; so `repeats` times.

    Returns
    -------
    list of (train, test)
        Positions in the sample, `folds` × `repeats` of them.

    Raises
    ------
    BankmineError
        If fewer than `FEWEST` entities have the rarer outcome.
    """
    rows = rows[sample.known[rows]]
    owner, ever = _entities(sample, rows)
    splitter = RepeatedStratifiedKFold(n_splits=folds, n_repeats=repeats, random_state=seed)
    tested = [np.isin(np.arange(len(ever)), test)[owner] for _, test in splitter.split(ever, ever)]
    return [(rows[~test], rows[test]) for test in tested]


def _entities(sample: Sample, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of each row's entity, and whether each entity has the event in any row."""
    owner, entities = codes(sample.entity.iloc[rows])
    ever = np.bincount(owner, weights=sample.target.iloc[rows], minlength=entities) > 0
    if (rarer := min(ever.sum(), (~ever).sum())) < FEWEST:
        raise BankmineError(
            f"Only {rarer} of {entities:,} entities have the rarer outcome, and {FEWEST} are needed to divide them: "
            "take more rows, or define the event otherwise."
        )
    return owner, ever
