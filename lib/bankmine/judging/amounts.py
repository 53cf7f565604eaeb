"""Amounts: what several ways foretold that customers would bring, held against what came.

A customer's amount may be far off though the order and the total are right, so all three are judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from bankmine.errors import BankmineError
from bankmine.judging.intervals import draws, interval

_TENTHS, _ROUNDS, _OF_A_GROUP = 10, 200, 20
_SAME, _MONTHS = 1e-9, 12
_FORGOTTEN = np.sqrt(13 * 25 / (6 * 12))
"""Standard deviation of the mean of twelve months of a random walk, over that of its step."""
_MIDDLE = (0.1, 0.9)
MEANT = _MIDDLE[1] - _MIDDLE[0]
"""Share of customers whose amount is meant to lie in the interval that they are given."""


@dataclass(frozen=True)
class Amounts:
    """What several ways foretold of a year, and what came; a row a customer."""

    foretold: pd.DataFrame
    """A column a way."""
    came: pd.Series

    @cached_property
    def table(self) -> pd.DataFrame:
        """By way, with intervals: `error` a customer, share of the `total`, `gini`, what the `top` tenth brought."""
        came, rows = self.came.to_numpy(), {}
        if not (came.sum() > 0 and came.max() > came.min()):
            raise BankmineError(
                "customers brought in nothing in all, or each the same: no way to foretell it is better"
            )
        counts = draws(len(came), _ROUNDS)
        counts = counts[:, counts.T @ came > 0]  # a share of nothing, drawn of few customers, is none
        best = _gini(came, came, counts)
        counts, best = counts[:, best > _SAME], best[best > _SAME]
        for way, said in self.foretold.items():
            given = said.to_numpy()
            figures = {
                "error": counts.T @ np.abs(given - came) / counts.sum(axis=0),
                "total": (counts.T @ given) / (counts.T @ came),
                "gini": _gini(given, came, counts) / best,
                "top": _top(given, came, counts),
            }
            rows[way] = {
                f"{name}{end}": value
                for name, values in figures.items()
                for end, value in zip(("", "_low", "_high"), (values[0], *interval(values)), strict=True)
            }
        return pd.DataFrame(rows).T.rename_axis("foretold")

    def smaller_error(self, way: str, than: str) -> pd.Series:
        """Return by how much the error of a way is smaller than that of another: `value`, `low`, `high`."""
        counts, came = draws(len(self.came), _ROUNDS), self.came.to_numpy()
        gap = np.abs(self.foretold[than].to_numpy() - came) - np.abs(self.foretold[way].to_numpy() - came)
        values = counts.T @ gap / counts.sum(axis=0)
        return pd.Series([values[0], *interval(values)], ["value", "low", "high"])

    @cached_property
    def tenths(self) -> pd.DataFrame:
        """By tenth of what was foretold by each way, the highest first: `foretold` and `came`, a customer."""
        parts = []
        for way, said in self.foretold.items():
            tenth = _group(said.rank(method="first", ascending=False)) + 1
            told = pd.DataFrame({"tenth": tenth, "foretold": said, "came": self.came}).groupby("tenth").mean()
            parts.append(told.assign(way=way).reset_index())
        return pd.concat(parts, ignore_index=True)

    def at(self, rows: pd.Index) -> Amounts:
        """Return some of the customers."""
        return Amounts(self.foretold.loc[rows], self.came[rows])


def chosen(judged: Amounts, ways: Sequence[str]) -> str:
    """Choose of ways, the simplest first, the one that no later one beats beyond chance."""
    way = ways[0]
    for other in ways[1:]:
        if other in judged.foretold and judged.smaller_error(other, way)["low"] > 0:
            way = other
    return way


def spread(said: pd.Series, came: pd.Series) -> pd.DataFrame:
    """Return how far from what was foretold four in five came to lie, by tenth of its size: `from`, `low`, `high`.

    Errors grow with the size, within a tenth as well: they are told as a part of it and of the `unit`, its median.
    """
    unit = float(said.abs().median())
    size = said.abs().sort_values()
    tenth = _group(size.rank(method="first"))
    off = ((came - said) / (said.abs() + unit).clip(lower=_SAME))[size.index]
    low, high = (off.groupby(tenth).quantile(q) for q in _MIDDLE)
    return pd.DataFrame({"from": size.groupby(tenth).min(), "low": low, "high": high, "unit": unit})


def around(said: pd.Series, off: pd.DataFrame) -> pd.DataFrame:
    """Return `low` and `high` of what is foretold, by how far others of the same size were off."""
    size = said.abs().to_numpy()
    told = off.iloc[np.searchsorted(off["from"].to_numpy()[1:], size, side="right")]
    by = (size + told["unit"].to_numpy()).clip(min=_SAME)
    ends = {end: said.to_numpy() + told[end].to_numpy() * by for end in ("low", "high")}
    return pd.DataFrame(ends, said.index)


def unsteadiness(monthly: pd.Series) -> float:
    """Return the standard error of the total of the next twelve months, as a share, from totals of months, by period.

    The level moves as a random walk, by what it moved from month to month beyond its trend, and the growth that enters
    the forecast was learnt from one year as unsteady as the next will be. An error tells where there is no year of it.
    """
    daily = monthly / monthly.index.days_in_month
    if len(daily) < _MONTHS + 1 or (daily <= 0).any():
        raise BankmineError(
            "a year of months in which the bank earned something is needed to say how sure the total is"
        )
    return float(np.log(daily).diff().std() * _FORGOTTEN * np.sqrt(2))


def _gini(order: np.ndarray, value: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the Gini coefficient of values in an order, by column of counts."""
    rank = np.argsort(-order, kind="stable")
    weights, values = counts[rank], value[rank, None] * counts[rank]
    held = values.cumsum(axis=0)
    area = ((held - values / 2) * weights).sum(axis=0) / (weights.sum(axis=0) * held[-1])
    return 2 * area - 1


def _top(order: np.ndarray, value: np.ndarray, counts: np.ndarray) -> np.ndarray:
    rank = np.argsort(-order, kind="stable")
    weights, values = counts[rank], value[rank, None] * counts[rank]
    first = weights.cumsum(axis=0) <= weights.sum(axis=0) / _TENTHS
    return (values * first).sum(axis=0) / values.sum(axis=0)


def _group(rank: pd.Series) -> pd.Series:
    """Return tenths of ranks, fewer where customers are few."""
    return pd.qcut(rank, min(_TENTHS, max(len(rank) // _OF_A_GROUP, 1)), labels=False)
