"""Flat predictors: what a flat table tells of each row, as numbers, booleans and categories; the rest with a reason."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
from ibis.backends.duckdb import Backend

from bankmine.bank.flat_columns import BOOLEAN, CATEGORY, DATE, MOSTLY, NUMBER, OTHER, Column
from bankmine.bank.sources import FLAT

_SURELY = 5
"""Repetitions to be expected among whole numbers drawn by chance from which their absence means that they are keys: the
chance of none is below 1 % (birthday problem)."""
_FEW = 20
"""Rows from which on it is no accident that no text is there twice, or that a column says the same as the target."""


def fetch(con: Backend, expressions: list[str]) -> pa.Table:
    """Compute SQL over the rows of the flat table, in their order."""
    named = ", ".join(f"{sql} AS c{i}" for i, sql in enumerate(expressions))
    return con.con.sql(f"SELECT {named} FROM {FLAT}").to_arrow_table()


def predictors(
    con: Backend, columns: list[Column], index: np.ndarray, day: pd.Series | None
) -> tuple[pd.DataFrame, dict[str, str], list[str]]:
    """Read the columns from which a model may learn.

    Parameters
    ----------
    con : Backend
        DuckDB with the relation `flat`.
    columns : list of Column
        What to read.
    index : np.ndarray
        Name of each row.
    day : pd.Series, optional
        Day of each row; None where there is none.

    Returns
    -------
    tuple of pd.DataFrame, dict and list
        Predictors (float64, bool or category), reason of each column left out, and remarks.
    """
    reasons = {c.name: why for c in columns if (why := _unfit(c, day is not None))}
    columns = [c for c in columns if c.name not in reasons]
    table = fetch(con, [c.sql for c in columns]) if columns else pa.table({})
    found, remarks = {}, [f"{c.name}: {c.odd:,} values are no {c.kind}, taken as missing" for c in columns if c.odd]
    for c, values in zip(columns, table.columns, strict=True):
        found[c.name] = _values(c, values, day).set_axis(index)
        if c.kind == DATE and (later := int((found[c.name] < 0).sum())):
            remarks.append(f"{c.name}: {later:,} dates after the day of their row were not known on it: missing")
            found[c.name] = found[c.name].mask(found[c.name] < 0)
    useless = {name: why for name, values in found.items() if (why := _useless(values))}
    useless |= {c.name: why for c in columns if c.kind == NUMBER and (why := _key(found[c.name]))}
    since = {c.name: _free(f"days_since_{c.name}", columns) for c in columns if c.kind == DATE}
    frame = pd.DataFrame({since.get(n, n): v for n, v in found.items() if n not in useless}, index=index)
    return frame, reasons | useless, remarks


def copies_of(target: pd.Series, frame: pd.DataFrame) -> dict[str, str]:
    """Find the columns that are the target under another name, wherever it is known."""
    known = target.notna().to_numpy()
    if known.sum() < _FEW:
        return {}
    happened = target[known].to_numpy() == 1
    two = [name for name in frame if frame[name][known].nunique(dropna=False) == 2]
    agree = {n: (pd.factorize(frame[n][known])[0].astype(bool) == happened).mean() for n in two}
    same = [n for n, share in agree.items() if share in (0, 1)]
    return dict.fromkeys(same, "the target under another name: it says the same in every row")


def _unfit(column: Column, dated: bool) -> str:
    """Say why a column cannot be a predictor, before its values are fetched."""
    if column.kind == OTHER:
        return f"of type {column.sql}, neither number, text, boolean nor date"
    if column.two_ways:
        return "its numbers could be read in two ways, as with 1,234: write them with a decimal point"
    if column.kind == DATE and not dated:
        return "a date, and there is no time column from which to count its days"
    if column.kind == CATEGORY and column.rows > _FEW and column.distinct >= MOSTLY * column.rows:
        return f"it identifies the row: {column.distinct:,} different texts in {column.rows:,} rows"
    return ""


def _values(column: Column, values: pa.ChunkedArray, day: pd.Series | None) -> pd.Series:
    if column.kind == CATEGORY:
        found = values.dictionary_encode().to_pandas()
        return found.cat.reorder_categories(sorted(found.cat.categories))
    if column.kind == DATE:
        at = values.cast(pa.timestamp("us")).to_pandas(date_as_object=False).astype("datetime64[us]")
        return (day.set_axis(at.index).astype("datetime64[us]") - at.dt.floor("D")).dt.days.astype(float)
    if column.kind == BOOLEAN and values.null_count == 0:
        return values.to_pandas()
    return values.cast(pa.float64()).to_pandas() if column.kind == NUMBER else values.cast(pa.int8()).to_pandas() * 1.0


def _useless(values: pd.Series) -> str:
    """Say why nothing can be learnt from a predictor."""
    given = values.dropna()
    if given.empty:
        return "no value in any row"
    if len(given) < len(values) or (given != given.iloc[0]).any():
        return ""
    value = given.iloc[0]
    return f"the same in every row: {value:g}" if isinstance(value, float) else f"the same in every row: {value}"[:80]


def _key(values: pd.Series) -> str:
    """Say where numbers are keys, not amounts: whole ones of which none is there twice, though they lie close."""
    if values.nunique() < len(values) or not (values % 1 == 0).all():
        return ""
    repetitions = len(values) ** 2 / (2 * (values.max() - values.min() + 1))
    return "it identifies the row: whole numbers, none of them twice" if repetitions > _SURELY else ""


def _free(name: str, columns: list[Column]) -> str:
    """Return a name that no other column has."""
    return name if all(c.name != name for c in columns) else _free(f"{name}_", columns)
