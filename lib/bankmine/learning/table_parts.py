"""Parts of a flat table: which rows models learn from, are calibrated by and judged by."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from bankmine.errors import BankmineError
from bankmine.learning import entity_splits
from bankmine.learning.sample import Sample
from bankmine.learning.splits import Fold, Split

LEARN, JUDGE = 0.56, 0.25
"""Parts of a table with days, by time, to learn from first and to be judged by last; those between calibrate."""
_TESTED = 5_000
"""Rows to test on in all, about: folds of a small table are drawn several times."""


@dataclass(frozen=True)
class Parts:
    """What models learn from, are calibrated by and judged by.

    Attributes
    ----------
    split : Split
        To learn from, to calibrate by, to be judged by.
    folds : list of (train, test)
        For comparing models: positions before those judged by.
    scoring : Split
        The same moved forward: `test` holds the rows to be scored today.
    how : str
        How rows were split, in words.
    """

    split: Split
    folds: list[Fold]
    scoring: Split
    how: str


def at_random(sample: Sample) -> Parts:
    """Split a table without days: whole entities at random."""
    split = entity_splits.held_out(sample)
    how = "at random by whole entities, as the table tells no days"
    return _parts_of_table(sample, split, how)


def in_order(sample: Sample, delay: int = 0) -> Parts:
    """Split a table with days by time: learnt from the first, calibrated by the next, judged by the last of its rows.

    Parameters
    ----------
    sample : Sample
        With days.
    delay : int
        Days after which the outcome of a row is known: each part ends so many days before the next begins.

    Raises
    ------
    BankmineError
        If the delay is negative, or a part would have fewer than `entity_splits.FEWEST` rows of either outcome.
    """
    if delay < 0:
        raise BankmineError(f"An outcome is known {delay} days after its row: give a delay of 0 days or more.")
    day, known = sample.day, sample.known
    first, second = (pd.Timestamp(int(q)) for q in np.quantile(day[known].astype("int64"), [LEARN, 1 - JUDGE]))
    test = known & (day > second).to_numpy()
    tune = known & (day > first).to_numpy() & _known_before(day, day[test].min(), delay)
    train = known & (day <= first).to_numpy() & _known_before(day, day[tune].min(), delay)
    masks = {"train": train, "tune": tune, "test": test}
    for part, rows in masks.items():
        rarer = min((sample.target[rows] == outcome).sum() for outcome in (0, 1))
        if rarer < (entity_splits.FEWEST if part == "train" else 2):
            raise BankmineError(
                f"Only {rarer} rows of the rarer outcome are in the part of the table, ordered by day, to {part}: give "
                f"a longer table{', a shorter delay' if delay else ''}, or leave out `time` to split it at random."
            )
    rows = {part: np.flatnonzero(mask) for part, mask in masks.items()}
    split = Split(**rows, days={part: tuple(day.iloc[r].sort_values().unique()) for part, r in rows.items()})
    told = (
        f"outcomes are taken to be known {delay} days after their row" if delay
        else "the table does not tell on which day an outcome became known: give `delay` where it took time"
    )  # fmt: skip
    how = (
        f"by time: judged by rows after {second:%Y-%m-%d}, learnt from those up to {split.days['train'][-1]:%Y-%m-%d}; "
        f"{told}"
    )
    return _parts_of_table(sample, split, how)


def _known_before(day: pd.Series, start: pd.Timestamp, delay: int) -> np.ndarray:
    """Say of which rows the outcome was known by a day; of none where there is no such day."""
    return (day + pd.Timedelta(days=delay) <= start).to_numpy() & (day < start).to_numpy()


def _parts_of_table(sample: Sample, split: Split, how: str) -> Parts:
    learnt = np.union1d(split.train, split.tune)
    repeats = int(np.clip(_TESTED // len(learnt), 1, 5))
    folds = entity_splits.stratified_folds(sample, learnt, folds=5, repeats=repeats)
    how += "; models are compared on stratified folds of the others" + f", drawn {repeats} times" * (repeats > 1)
    unknown = np.flatnonzero(~sample.known)
    return Parts(split, folds, replace(split, test=unknown) if len(unknown) else split, how)
