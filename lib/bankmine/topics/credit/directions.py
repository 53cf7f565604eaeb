"""Directions: how risk moves with what is known of an applicant, as lenders say in `data/credit_directions.yml`."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from bankmine.bank.registers import entries, read_yaml
from bankmine.bank.sources import WORKSPACE
from bankmine.errors import BankmineError
from bankmine.topics.credit.bins import TRENDS

REGISTRY = WORKSPACE / "data" / "credit_directions.yml"
_SIGNS = {"rising": 1, "falling": -1}


@dataclass(frozen=True)
class Direction:
    """How risk moves with some predictors, and who says so."""

    id: str
    columns: list[str]
    """Patterns of their names; * stands for any characters."""
    trend: str
    """One of `binning.TRENDS`."""
    owner: str
    reason: str


def load_directions(file: Path = REGISTRY) -> list[Direction]:
    """Read the registry.

    Raises
    ------
    BankmineError
        If an entry lacks a field, has an unknown one, an id comes twice, or a trend is none.
    """
    found = entries(read_yaml(file), Direction, file, "directions")
    for direction in found:
        if direction.trend not in TRENDS:
            raise BankmineError(
                f"{file}: {direction.id} has trend {direction.trend!r}: say one of {', '.join(TRENDS)}."
            )
    return found


def directions_of(predictors: pd.DataFrame, directions: Sequence[Direction]) -> pd.DataFrame:
    """Find the direction of each number that has one; the first that matches holds.

    Returns
    -------
    pd.DataFrame
        Indexed by `predictor`: `trend`, `owner`, `reason`.
    """
    numbers = [c for c, kind in predictors.dtypes.items() if is_numeric_dtype(kind) and not is_bool_dtype(kind)]
    rows = {name: (d.trend, d.owner, d.reason) for name in numbers if (d := _first(name, directions))}
    columns = ["trend", "owner", "reason"]
    return pd.DataFrame.from_dict(rows, "index", columns=columns).rename_axis("predictor")


def signs(table: pd.DataFrame) -> dict[Hashable, int]:
    """Return 1 for predictors with which risk only rises, −1 where it only falls; others are left out."""
    return {name: _SIGNS[trend] for name, trend in table["trend"].items() if trend in _SIGNS}


def _first(name: Hashable, directions: Sequence[Direction]) -> Direction | None:
    return next((d for d in directions if any(fnmatchcase(str(name), pattern) for pattern in d.columns)), None)
