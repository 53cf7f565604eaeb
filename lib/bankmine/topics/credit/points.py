"""The scorecard as SQL: one expression that gives each row of a table the points that the scorecard gives it.

It is plain enough for DuckDB, PostgreSQL and their kin: CASE, CAST, IN and comparisons. Names and values are those of
somebody's data, so they are quoted, and none of them stands in a comment.
"""

from __future__ import annotations

import sys
from collections.abc import Hashable, Iterable, Mapping

import numpy as np

from bankmine.bank.files import quoted
from bankmine.bank.flat_columns import identifier
from bankmine.errors import BankmineError
from bankmine.topics.credit.bins import FLAG, WORDS, Bins
from bankmine.topics.credit.scorecard import Scorecard

_FINITE = f"BETWEEN {-sys.float_info.max!r} AND {sys.float_info.max!r}"
"""Holds of numbers, but neither of infinity nor, as databases order it, of what is not a number."""


def score_statement(card: Scorecard, table: str, columns: Mapping[Hashable, str] | None = None) -> str:
    """Write a query that gives all columns of a table and, of each row, the `score`.

    Parameters
    ----------
    card : Scorecard
        Fitted.
    table : str
        Name of the table.
    columns : mapping, optional
        Characteristic → name of its column in the table, where that is another.

    Raises
    ------
    BankmineError
        As of `score_expression`.
    """
    scale = card.scale
    told = f"{scale.base:g} points: {scale.odds:g} good to 1 bad; {scale.pdo:g} points more double the odds."
    return f"-- {told}\nSELECT *,\n{score_expression(card, columns)}\nAS score\nFROM {identifier(table)}\n"


def score_expression(card: Scorecard, columns: Mapping[Hashable, str] | None = None) -> str:
    """Write the score as one SQL expression: a sum of CASE expressions, one a characteristic.

    What is missing or not finite has the points of the bin of missing values; a category that was rare in training or
    not there, those of its bin.

    Parameters
    ----------
    card, columns
        As for `score_statement`.

    Raises
    ------
    BankmineError
        If a name cannot be one of a column, or two of them differ by upper and lower case only, which databases take
        for the same, or if a category holds the character 0.
    """
    names = {name: (columns or {}).get(name, str(name)) for name in card.bins}
    _check_names(list(names.values()))
    _check_categories(card.bins.values())
    return "\n+ ".join(_case(names[name], card.bins[name], card.points[name]) for name in card.bins)


def _case(column: str, bins: Bins, points: np.ndarray) -> str:
    """Write the points of one characteristic."""
    cases, last = _conditions(identifier(column), bins)
    lines = [f"  WHEN {condition} THEN {points[place]:d}" for condition, place in cases]
    return "\n".join(["CASE", *lines, f"  ELSE {points[last]:d}", "END"])


def _conditions(name: str, bins: Bins) -> tuple[list[tuple[str, int]], int]:
    """Return conditions, of which the first that holds decides, each with its bin, and the bin of the rest."""
    if bins.kind == FLAG:
        return [(f"{name} IS NULL", bins.missing), (name, bins.missing - 1)], 0
    if bins.kind == WORDS:
        text = f"CAST({name} AS VARCHAR)"
        listed = [f"{text} IN ({', '.join(quoted(category) for category in group)})" for group in bins.groups]
        return [(f"{name} IS NULL", bins.missing), *((c, i) for i, c in enumerate(listed))], bins.missing + 1
    number = f"CAST({name} AS DOUBLE PRECISION)"
    missing = (f"{name} IS NULL OR NOT {number} {_FINITE}", bins.missing)
    return [missing, *((f"{number} < {_number(e)}", i) for i, e in enumerate(bins.edges))], bins.missing - 1


def _number(value: float) -> str:
    """Write a number with an exponent, so that no database takes it for a decimal and rounds it."""
    told = repr(float(value))
    return told if "e" in told else f"{told}e0"


def _check_names(names: list[str]) -> None:
    if wrong := [name for name in names if not name or "\0" in name]:
        raise BankmineError(f"No column of a database can be called {wrong[0]!r}: say in `columns` what it is called.")
    folded = [name.casefold() for name in names]
    if twice := [name for name, low in zip(names, folded, strict=True) if folded.count(low) > 1]:
        raise BankmineError(
            f"Databases take the columns {', '.join(map(repr, twice[:3]))} for the same: say in `columns` what they "
            "are called there."
        )


def _check_categories(bins: Iterable[Bins]) -> None:
    found = [(b.name, category) for b in bins for group in b.groups for category in group if "\0" in category]
    if found:
        name, category = found[0]
        raise BankmineError(
            f"Category {category!r} of {name!r} holds the character 0, which not every database can hold: clean it and "
            "fit the scorecard anew."
        )
