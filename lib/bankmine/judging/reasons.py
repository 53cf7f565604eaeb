"""Reasons: why a model gives a row its risk, in words that a relationship manager can use.

Predictors of one theme are one reason, so that the same thing is not said three times; a theme speaks through its
predictor that raises the risk most. Only what raises the risk is a reason.
"""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from bankmine.judging.contributions import Contributions, by_theme
from bankmine.judging.intervals import wilson
from bankmine.judging.reason_dictionary import Dictionary, spoken, themes_of

LEAST = 0.05
"""Log-odds below which nothing is a reason: it changes the odds by less than 5 %."""


def reasons(
    found: Contributions, predictors: pd.DataFrame, dictionary: Dictionary, k: int = 3, typical: pd.Series | None = None
) -> pd.DataFrame:
    """Say for each row what raises its risk most.

    Parameters
    ----------
    found : Contributions
        Of the rows.
    predictors : pd.DataFrame
        All rows that are scored, in the same order: whether a value is high or low is told by their median.
    dictionary : Dictionary
        From `load_reasons`.
    k : int
        Reasons a row, at most; fewer where fewer themes raise its risk by 5 % of the odds.
    typical : pd.Series, optional
        By predictor, what a value is high or low against, where the rows are some of those that are scored and their
        own medians would not tell.

    Returns
    -------
    pd.DataFrame
        One row a reason, with the index of the row it is of: `rank` (from 1), `theme` (id), `name`, `name_zh`,
        `predictor` that speaks, `push` (log-odds that the theme adds) and `words`.
    """
    themes = themes_of(predictors, found.pushes.abs().mean(), dictionary)
    push = by_theme(found.pushes, themes["theme"])
    speaker = _speakers(found.pushes, themes["theme"])
    order = np.argsort(-push.to_numpy(), axis=1, kind="stable")[:, :k]
    pushes = np.take_along_axis(push.to_numpy(), order, axis=1)
    row, rank = np.nonzero(pushes >= LEAST)
    theme = order[row, rank]
    column = speaker[row, theme]
    names = themes.drop_duplicates("theme").set_index("theme").loc[push.columns[theme]]
    middle = {} if typical is None else typical.to_dict()
    words = _words(predictors[found.pushes.columns], row, column, dictionary, middle)
    return pd.DataFrame(
        {"rank": rank + 1, "theme": push.columns[theme], "name": names["name"].to_numpy(),
         "name_zh": names["name_zh"].to_numpy(), "predictor": found.pushes.columns[column],
         "push": pushes[row, rank], "words": words},
        index=found.pushes.index[row],
    )  # fmt: skip


def in_one_line(told: pd.DataFrame, rows: pd.Index) -> pd.Series:
    """Join the reasons of each row; "" where there is none."""
    return told.groupby(level=0, sort=False)["words"].agg("; ".join).reindex(rows, fill_value="").rename("reasons")


def strongest_theme(told: pd.DataFrame, rows: pd.Index) -> pd.Series:
    """Return the id of the theme that raises the risk of each row most; missing where there is none."""
    return told.loc[told["rank"] == 1, "theme"].reindex(rows)


def top_themes(told: pd.DataFrame, alerted: pd.Index) -> pd.DataFrame:
    """Count what raises the risk of those on a list.

    Parameters
    ----------
    told : pd.DataFrame
        From `reasons`.
    alerted : pd.Index
        Rows on the list.

    Returns
    -------
    pd.DataFrame
        One row a theme, most frequent first: `theme`, `name`, `name_zh`, `rows` of which it is a reason, `share` of the
        list with its interval of 95 % `low`, `high`, `first`: share of which it is the first reason, and `example`.
    """
    listed = told[told.index.isin(alerted)]
    table = listed.groupby(["theme", "name", "name_zh"], sort=False, as_index=False).agg(
        rows=("rank", "size"), first=("rank", lambda rank: (rank == 1).sum() / len(alerted)), example=("words", "first")
    )
    table["share"] = table["rows"] / max(len(alerted), 1)
    table[["low", "high"]] = [wilson(n, len(alerted)) for n in table["rows"]] or np.empty((0, 2))
    table = table.sort_values(["rows", "theme"], ascending=[False, True]).reset_index(drop=True)
    return table[["theme", "name", "name_zh", "rows", "share", "low", "high", "first", "example"]]


def _speakers(values: pd.DataFrame, themes: pd.Series) -> np.ndarray:
    """Return for each row and theme the position of the predictor that adds most, shape (rows, themes)."""
    matrix, theme = values.to_numpy(), themes.to_numpy()
    positions = [np.flatnonzero(theme == name) for name in themes.unique()]
    return np.column_stack([p[matrix[:, p].argmax(axis=1)] for p in positions])


def _words(
    predictors: pd.DataFrame, row: np.ndarray, column: np.ndarray, dictionary: Dictionary, middle: dict[Hashable, float]
) -> list[str]:
    """Say the values of some cells."""
    words = np.empty(len(row), dtype=object)
    for position in np.unique(column):
        values = predictors.iloc[:, position]
        here = np.flatnonzero(column == position)
        words[here] = _said(predictors.columns[position], values, values.iloc[row[here]], dictionary, middle)
    return list(words)


def _said(
    name: Hashable, values: pd.Series, told: pd.Series, dictionary: Dictionary, middle: dict[Hashable, float]
) -> list[str]:
    how = spoken(name, values, dictionary)
    if not is_numeric_dtype(values.dtype):
        return [how.say(value, None) for value in told]
    typical = 0.5 if is_bool_dtype(values.dtype) else middle.get(name, float(values.astype(float).median()))
    return [how.say(value, typical) for value in told.astype(float)]
