"""Tables that a reader can trust: every label escaped, numbers rounded and aligned, the same bytes on every run."""

import datetime as dt
import html
import math
import re
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from IPython.display import HTML
from markupsafe import Markup

from bankmine.judging.numbers import LINKS, Hidden, formatted, missing, written
from bankmine.lacking import Lacking
from bankmine.report.findings import printable
from bankmine.report.template import environment

SIGNIFICANT = 3
_LINK = re.compile(r"\[([^\]]*)\]\(#(~[\w~-]*)\)")
MOST_DECIMALS = 4
MOST_DIGITS = 4
"""Digits of a number of a column beyond which decimals say nothing."""
LONGEST_WORDS = 28
"""Characters that stay on one line."""
SHORT = 12
"""Characters of a row's label that do: a day is no longer."""


class Table:
    """A data frame as the reader sees it; Jupyter and the report show its HTML.

    Parameters
    ----------
    frame, caption, formats, limit
        As for `table`.
    """

    def __init__(self, frame: pd.DataFrame, caption: str, formats: dict[str, str], limit: int) -> None:
        self.frame, self.caption, self.formats, self.limit = frame, caption, formats, limit

    def __repr__(self) -> str:
        return f"{printable(self.caption)}\n{self.frame.head(self.limit).to_string()}"

    def _repr_html_(self) -> str:
        shown = self.frame.head(self.limit)
        columns = [self._column(shown, position) for position in range(shown.shape[1])]
        labels = [_index_labels(shown.index, level) for level in _levels(shown.index)]
        return environment.get_template("table.html.j2").render(
            caption=printable(self.caption),
            note=f"first {len(shown):,} of {len(self.frame):,} rows" if len(shown) < len(self.frame) else "",
            index_kinds=["narrow" if _narrow(label) else "text" for label in labels],
            index_names=[_heading(shown.index.names[level]) for level in _levels(shown.index)],
            columns=columns,
            rows=[
                ([label[row] for label in labels], [column["cells"][row] for column in columns])
                for row in range(len(shown))
            ],
        )

    def _column(self, shown: pd.DataFrame, position: int) -> dict[str, object]:
        name, values = shown.columns[position], shown.iloc[:, position]
        spec = self.formats.get(name)
        write = _links if spec == LINKS else partial(_given, spec=spec) if spec else _writer(values)
        cells = [write(value) for value in values]
        return {"label": _heading(name), "kind": "num" if _is_number(values) else _kind_of_text(cells), "cells": cells}


def table(
    frame: pd.DataFrame | object, caption: str, formats: dict[str, str] | None = None, limit: int = 100
) -> Table | HTML:
    """Return a data frame as a table for readers.

    Parameters
    ----------
    frame : pd.DataFrame, or an object that has one as its `table`, or Lacking
        Its index becomes row headers, unless it only counts the rows. Where it is lacking, the page says why.
    caption : str
        What the table holds, with the units.
    formats : dict of str, optional
        Column → format spec, ``{"share": ".1%"}``, beside those of `intervals.shown`. Other columns
        are rounded to about three significant digits.
    limit : int
        The most rows to show; the caption then says how many there are.

    Returns
    -------
    Table
        Displays itself in Jupyter and in the report.

    Raises
    ------
    ValueError
        If the caption is empty or a format names no column.
    """
    frame = frame if isinstance(frame, pd.DataFrame | Lacking) else frame.table
    if isinstance(frame, Lacking):
        told = html.escape(printable(f"{caption}: not shown, as {frame.why}"))
        return HTML(f'<p class="lacking">{told}</p>')
    formats = {n: f for n, f in frame.attrs.get("formats", {}).items() if n in frame.columns} | (formats or {})
    if not caption.strip():
        raise ValueError("a table needs a caption that says what it holds")
    if unknown := [name for name in formats or {} if name not in frame.columns]:
        raise ValueError(f"formats for columns that are not in the table: {unknown}")
    return Table(frame, caption, formats or {}, limit)


def _levels(index: pd.Index) -> range:
    """Return no level for an index that only counts the rows."""
    return range(0 if isinstance(index, pd.RangeIndex) and index.name is None else index.nlevels)


def _narrow(labels: list[str]) -> bool:
    """Tell whether labels, as days, are short enough to stay on one line."""
    return max(map(len, labels), default=0) <= SHORT


def _index_labels(index: pd.Index, level: int) -> list[str]:
    return [_label(value) for value in index.get_level_values(level)]


def _label(name: object) -> str:
    if isinstance(name, tuple):
        return " · ".join(filter(None, map(_label, name)))
    return "" if name is None else _any(name)


def _heading(name: object) -> str:
    """Write the name of a column; names as Python has them are read as words."""
    return _label(name).replace("_", " ")


def _kind_of_text(cells: list[str]) -> str:
    """Tell words, which stay on one line, from sentences, which need room to wrap."""
    return "prose" if max(map(len, cells), default=0) > LONGEST_WORDS else "text"


def _is_number(values: pd.Series) -> bool:
    if isinstance(values.dtype, pd.CategoricalDtype) or pd.api.types.is_bool_dtype(values):
        return False
    if any(isinstance(value, Hidden) for value in values) or pd.api.types.infer_dtype(values, skipna=True) == "integer":
        return True
    return pd.api.types.is_numeric_dtype(values) or pd.api.types.is_timedelta64_dtype(values)


def _writer(values: pd.Series) -> Callable[[object], str]:
    if not _is_number(values) or pd.api.types.is_timedelta64_dtype(values):
        return _any
    numbers = pd.to_numeric(values, errors="coerce").astype("float64").abs()
    numbers = numbers[np.isfinite(numbers)]
    return partial(_rounded, decimals=_decimals(numbers[numbers > 0]))


def _decimals(sizes: pd.Series) -> int:
    """Give the column's typical number three significant digits; one number of decimals keeps the points in line."""
    if not len(sizes) or (sizes == sizes.round()).all():
        return 0
    return min(max(SIGNIFICANT - 1 - math.floor(math.log10(sizes.median())), 0), MOST_DECIMALS)


def _rounded(value: float, decimals: int) -> str:
    """Round to the decimals of a column; to fewer where a number is so large that they say nothing, none for a 0."""
    if pd.isna(value):
        return missing(value)
    if not np.isfinite(value):
        return written(value)
    large = math.floor(math.log10(abs(value))) if value else 0
    fewer = min(decimals, max(MOST_DIGITS - 1 - large, 0)) if value else 0
    return formatted(float(value), f",.{fewer}f")


def _given(value: object, spec: str) -> str:
    if _is_missing(value):
        return missing(value)
    return printable(spec.format(value) if "{" in spec else formatted(value, spec))


def _links(value: object) -> Markup:
    """Write text with its links to sections, all else as text."""
    return Markup("").join(
        Markup('<a href="#{}">{}</a>').format(piece[2], piece[1]) if (piece := _LINK.fullmatch(part)) else part
        for part in re.split(r"(\[[^\]]*\]\(#[^)]*\))", _any(value))
    )


def _any(value: object) -> str:
    if _is_missing(value):
        return missing(value)
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float):
        return written(value)
    if isinstance(value, dt.datetime):
        return f"{value:%Y-%m-%d}" if value.time() == dt.time() else f"{value:%Y-%m-%d %H:%M}"
    return printable(str(value))


def _is_missing(value: object) -> bool:
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))
