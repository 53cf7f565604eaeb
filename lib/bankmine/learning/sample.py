"""Samples: rows that models learn from or are applied to: what was known, of whom, on which day, what came of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd


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
        """Return some of the rows, given as a mask or as positions."""
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        day = None if self.day is None else self.day.iloc[rows]
        return Sample(self.predictors.iloc[rows], self.target.iloc[rows], self.entity.iloc[rows], day)

    def mask(self, rows: np.ndarray) -> np.ndarray:
        """Return positions as a mask."""
        return np.isin(np.arange(len(self)), rows)

    def using(self, columns: list[str]) -> Sample:
        """Return the same rows with some of the predictors."""
        return replace(self, predictors=self.predictors[columns])
