"""Samples: rows that models learn from or are applied to: what was known, of whom, on which day, what came of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bankmine.errors import BankmineError

if TYPE_CHECKING:  # live scoring, which needs neither, is to start at once
    from bankmine.bank.flat import Flat

CONFIDENCE = 0.95
"""Of all intervals: how often they hold what is true of all rows that there could be, not only of these."""


@dataclass(frozen=True)
class Sample:
    """Rows to learn from; all parts share one index without repeats.

    Attributes
    ----------
    predictors : pd.DataFrame
        What was known of each row on its day: numbers (missing as NaN), booleans, or categories.
    target : pd.Series
        1.0 where the event happened, 0.0 where it did not, NaN where it is not known by now.
    entity : pd.Series
        Whose row it is: rows of one customer are not independent of each other.
    day : pd.Series, optional
        Day of each row as a timestamp; None for a table without time.
    """

    predictors: pd.DataFrame
    target: pd.Series
    entity: pd.Series
    day: pd.Series | None = None

    def __len__(self) -> int:
        return len(self.predictors)

    @property
    def known(self) -> np.ndarray:
        """Whether the outcome of each row is known."""
        return self.target.notna().to_numpy()

    def at(self, rows: np.ndarray) -> Sample:
        """Return some of the rows, given as a mask or as positions; an unbroken run of them is a view, not a copy."""
        rows = unbroken(np.flatnonzero(rows) if rows.dtype == bool else rows)
        day = None if self.day is None else self.day.iloc[rows]
        return Sample(self.predictors.iloc[rows], self.target.iloc[rows], self.entity.iloc[rows], day)

    def mask(self, rows: np.ndarray) -> np.ndarray:
        """Return positions as a mask."""
        return np.isin(np.arange(len(self)), rows)

    def using(self, columns: list[str]) -> Sample:
        """Return the same rows with some of the predictors."""
        return replace(self, predictors=self.predictors[columns])


@dataclass(frozen=True)
class Panel:
    """Customers drawn at random from a large bank: models learn from their rows and are judged by them."""

    rows: np.ndarray
    """Mask of the rows that are theirs; others are learnt from where they have the event, or only scored."""
    share: float
    """Which part of all customers they are; 1 where all are in it."""


def unbroken(rows: np.ndarray) -> np.ndarray | slice:
    """Return positions that follow one another as a slice, by which a view is taken, and others as they are."""
    run = len(rows) and (np.diff(rows) == 1).all()
    return slice(rows[0], rows[-1] + 1) if run else rows


def flat_sample(flat: Flat) -> Sample:
    """Take the rows of a flat table to learn from; the index is that of `flat.costs`, too."""
    return Sample(flat.predictors, flat.target, flat.entity, flat.day)


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


def codes(entity: pd.Series) -> tuple[np.ndarray, int]:
    """Return the number of each row's entity, and how many entities there are."""
    found, names = pd.factorize(entity, use_na_sentinel=False)
    return found, len(names)


def require_outcomes(target: pd.Series) -> np.ndarray:
    """Return outcomes as numbers; raise a BankmineError where there is none, or one is neither 0 nor 1."""
    outcome = target.to_numpy(float)
    if not len(outcome) or not np.isin(outcome, (0, 1)).all():
        raise BankmineError(
            "Scores are judged by rows whose outcome is 0 or 1: leave out rows whose outcome is not known yet."
        )
    return outcome
