"""The scorecard as SQL: one expression that gives each row of a table the points that the scorecard gives it.

It is plain enough for DuckDB, PostgreSQL and their kin: CASE, CAST, IN and comparisons. Names and values are those of
somebody's data, so they are quoted, and none of them stands in a comment.
"""

from __future__ import annotations

import sys
from collections.abc import Hashable, Iterable, Mapping
from functools import cached_property

import numpy as np
import pandas as pd

from bankmine.bank.files import quoted
from bankmine.bank.flat_columns import identifier
from bankmine.bank.sources import WORKSPACE
from bankmine.errors import BankmineError
from bankmine.judging.contributions import Contributions
from bankmine.judging.reasons import Dictionary, load_reasons, reasons
from bankmine.study.why import Why
from bankmine.topics.credit.bins import FLAG, WORDS, Bins
from bankmine.topics.credit.scorecard import Scorecard

_FINITE = f"BETWEEN {-sys.float_info.max!r} AND {sys.float_info.max!r}"
"""Holds of numbers, but neither of infinity nor, as databases order it, of what is not a number."""


def score_statement(
    card: Scorecard, table: str, columns: Mapping[Hashable, str] | None = None, grants_from: int | None = None
) -> str:
    """Write a query that gives all columns of a table and, of each row, the `score`.

    Parameters
    ----------
    card : Scorecard
        Fitted.
    table : str
        Name of the table.
    columns : mapping, optional
        Characteristic → name of its column in the table, where that is another.
    grants_from : int, optional
        Score from which credit is granted; where it is given, the query tells of each row whether it is `granted`.

    Raises
    ------
    BankmineError
        As of `score_expression`.
    """
    scale = card.scale
    told = f"{scale.base:g} points: {scale.odds:g} good to 1 bad; {scale.pdo:g} points more double the odds."
    scored = f"SELECT *,\n{score_expression(card, columns)}\nAS score\nFROM {identifier(table)}\n"
    if grants_from is None:
        return f"-- {told}\n{scored}"
    told += f" Credit is granted from {grants_from} points on."
    return f"-- {told}\nSELECT *, score >= {grants_from} AS granted FROM (\n{scored}) AS scored\n"


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


# --- score reasons: why an applicant has fewer points than others, in words that can be told to the applicant.

REGISTRY = WORKSPACE / "data" / "credit_reasons.yml"
"""Words for what is known of applicants, as `load_reasons` reads them."""
BEST, MEAN = "best", "mean"


def points_lost(card: Scorecard, predictors: pd.DataFrame, against: str = MEAN) -> pd.DataFrame:
    """Return the points that each row lacks for each characteristic; below 0 where it has more.

    Parameters
    ----------
    card : Scorecard
        Fitted.
    predictors : pd.DataFrame
        Rows.
    against : str
        `mean`: the mean points of the training rows, as the official interpretation of Regulation B has it (12 CFR
        1002, supplement I, 9(b)(2), credit scoring systems); `best`: those of the best bin in which there were rows,
        against which characteristics of a wide range are reasons of nearly everybody.

    Raises
    ------
    BankmineError
        If `against` is neither, or as of `Scorecard.points_of`.
    """
    return _usual(card, against) - card.points_of(predictors)


def score_reasons(
    card: Scorecard, predictors: pd.DataFrame, dictionary: Dictionary, k: int = 4, against: str = MEAN
) -> pd.DataFrame:
    """Say for each row what costs it most points.

    Parameters
    ----------
    card, predictors, against
        As for `points_lost`; whether a value is high or low is told by the median of these rows.
    dictionary : Dictionary
        From `load_reasons`.
    k : int
        Reasons a row, at most. More than four are not likely to help the applicant (the same, number of reasons).

    Returns
    -------
    pd.DataFrame
        As of `reasons.reasons`, with `points`: lost by the characteristics of the theme together.
    """
    factor, usual = card.scale.factor, _usual(card, against)
    lost = usual - card.points_of(predictors)
    found = Contributions(lost / factor, float(card.scale.offset - usual.sum()) / factor)
    told = reasons(found, predictors, dictionary, k)
    return told.assign(points=told["push"] * factor)


def _usual(card: Scorecard, against: str) -> pd.Series:
    """Return the points that rows are compared with, of each characteristic."""
    if against not in (BEST, MEAN):
        raise BankmineError(f"Points are compared with {MEAN!r} or {BEST!r}, not {against!r}.")
    usual = {}
    for name, bins in card.bins.items():
        points, rows = card.points[name], bins.good + bins.bad
        usual[name] = float(points[rows > 0].max() if against == BEST else np.average(points, weights=rows))
    return pd.Series(usual)


class PointsLost(Why):
    """Why applicants have fewer points than others: up to four reasons of each."""

    @cached_property
    def pushes(self) -> Contributions:
        """Points lost against the mean of the training rows, as log-odds."""
        card = self.model[-1].card_
        lost = points_lost(card, self.rows.predictors) / card.scale.factor
        return Contributions(lost, float(card.scale.offset - _usual(card, MEAN).sum()) / card.scale.factor)

    @cached_property
    def told(self) -> pd.DataFrame:
        """As of `score_reasons`."""
        return score_reasons(self.model[-1].card_, self.rows.predictors, load_reasons(self.register))
