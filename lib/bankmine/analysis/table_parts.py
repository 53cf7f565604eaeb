"""Parts of a flat table: which rows models of credit learn from, are calibrated by and judged by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bankmine.analysis import entity_splits
from bankmine.analysis.churn_case import Parts
from bankmine.analysis.sample import Sample
from bankmine.analysis.splits import Split
from bankmine.errors import BankmineError

LEARN, JUDGE = 0.56, 0.25
"""Parts of a table with days, by time, to learn from first and to be judged by last; those between calibrate."""
_TESTED = 5_000
"""Rows to test on in all, about: folds of a small table are drawn several times."""


def at_random(sample: Sample) -> Parts:
    """Split a table without days: whole entities at random."""
    split = entity_splits.held_out(sample)
    how = "at random by whole entities, as the table tells no days"
    return _parts_of_table(sample, split, how)


def in_order(sample: Sample) -> Parts:
    """Split a table with days by time: learnt from the first, calibrated by the next, judged by the last of its rows.

    Raises
    ------
    BankmineError
        If a part would have fewer than `entity_splits.FEWEST` rows of either outcome.
    """
    day, known = sample.day, sample.known
    first, second = np.quantile(day[known].astype("int64"), [LEARN, 1 - JUDGE])
    at = day.astype("int64")
    masks = {
        "train": known & (at <= first),
        "tune": known & (at > first) & (at <= second),
        "test": known & (at > second),
    }
    for part, rows in masks.items():
        rarer = min((sample.target[rows] == outcome).sum() for outcome in (0, 1))
        if rarer < (entity_splits.FEWEST if part == "train" else 2):
            raise BankmineError(
                f"Only {rarer} rows of the rarer outcome are in the part of the table, ordered by day, to {part}: give "
                "a longer table, or leave out `time` to split it at random."
            )
    rows = {part: np.flatnonzero(mask) for part, mask in masks.items()}
    split = Split(**rows, days={part: tuple(day.iloc[r].sort_values().unique()) for part, r in rows.items()})
    how = (
        f"by time: judged by rows after {split.days['tune'][-1]:%Y-%m-%d}, learnt from those up to "
        f"{split.days['train'][-1]:%Y-%m-%d}; the table does not tell on which day an outcome became known"
    )
    return _parts_of_table(sample, split, how)


def _parts_of_table(sample: Sample, split: Split, how: str) -> Parts:
    learnt = np.union1d(split.train, split.tune)
    repeats = int(np.clip(_TESTED // len(learnt), 1, 5))
    folds = entity_splits.stratified_folds(sample, learnt, folds=5, repeats=repeats)
    how += "; models are compared on stratified folds of the others" + f", drawn {repeats} times" * (repeats > 1)
    unknown = np.flatnonzero(~sample.known)
    return Parts(split, folds, replace(split, test=unknown) if len(unknown) else split, how)
