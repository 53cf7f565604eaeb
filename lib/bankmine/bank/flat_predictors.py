"""Flat predictors: what a flat table tells of each row, as numbers, booleans and categories; the rest with a reason."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
from ibis.backends.duckdb import Backend

from bankmine.bank.form_kinds import BOOLEAN, CATEGORY, DATE, NUMBER, OTHER, Form
from bankmine.bank.forms import MOSTLY
from bankmine.bank.harmless import personal
from bankmine.bank.sources import FLAT

SINCE = "days_since_"
"""Begins the name of a predictor that is made of a date."""
_OF_PEOPLE = "it holds names, words or addresses of people, by which nobody is judged"
_COUNTS_TIME = "it only counts time: row by row it rises or falls with their day"
_SURELY = 5
"""Repetitions to be expected among whole numbers drawn by chance from which their absence means that they are keys: the
chance of none is below 1 % (birthday problem)."""
_GLANCE = 1000
"""Rows in which a column shows whether it can have two values only."""
_CLOCK = 0.999
"""Rank correlation with the days, of the highest that there can be, from which on a column counts nothing else."""
_LOOKED = 10_000
"""Rows by which that is told, at most."""
_FEW = 20
"""Rows from which on it is no accident that no text is there twice, or that a column says the same as the target."""


def fetch(con: Backend, expressions: list[str]) -> pa.Table:
    """Compute SQL over the rows of the flat table, in their order."""
    named = ", ".join(f"{sql} AS c{i}" for i, sql in enumerate(expressions))
    return con.con.sql(f"SELECT {named} FROM {FLAT}").to_arrow_table()


def predictors(
    con: Backend, forms: dict[str, Form], index: np.ndarray, day: pd.Series | None
) -> tuple[pd.DataFrame, dict[str, str], list[str]]:
    """Read the columns from which a model may learn.

    Parameters
    ----------
    con : Backend
        DuckDB with the relation `flat`.
    forms : dict of str to Form
        What to read, and how.
    index : np.ndarray
        Name of each row.
    day : pd.Series, optional
        Day of each row; None where there is none.

    Returns
    -------
    tuple of pd.DataFrame, dict and list
        Predictors (float64, bool or category), reason of each column left out, and remarks.
    """
    reasons = {n: why for n, form in forms.items() if (why := _unfit(form, day is not None))}
    forms = {n: form for n, form in forms.items() if n not in reasons}
    table = fetch(con, [form.sql for form in forms.values()]) if forms else pa.table({})
    index = pd.Index(index)  # the same object for all, or each would be compared with it
    found, remarks = {}, [line for n, form in forms.items() for line in _missing(n, form)]
    for (name, form), values in zip(forms.items(), table.columns, strict=True):
        found[name] = _values(form, values, day).set_axis(index)
        if form.kind == DATE and (later := int((found[name] < 0).sum())):
            remarks.append(f"{name}: {later:,} dates after the day of their row were not known on it: missing")
            found[name] = found[name].mask(found[name] < 0)
    useless = {name: why for name, values in found.items() if (why := _useless(values))}
    useless |= {n: why for n, form in forms.items() if form.kind == NUMBER and (why := _key(found[n]))}
    if day is not None:
        clocks = [n for n, form in forms.items() if form.kind == NUMBER and n not in useless]
        useless |= {n: _COUNTS_TIME for n in clocks if _counts_time(found[n], day)}
    words = {n: list(found[n].cat.categories) for n, form in forms.items() if form.kind == CATEGORY}
    useless |= {n: _OF_PEOPLE for n, values in words.items() if personal(n, values)}
    since = {n: _free(f"{SINCE}{n}", list(forms)) for n, form in forms.items() if form.kind == DATE}
    frame = pd.DataFrame({since.get(n, n): v for n, v in found.items() if n not in useless}, index=index)
    return frame, reasons | useless, remarks


def _missing(name: str, form: Form) -> list[str]:
    """Say how many values of a column are taken as missing, and which."""
    codes = ", ".join(f"{n:,} times {code!r}" for code, n in form.codes.items())
    odd, lost = ", ".join(f"{text[:40]!r}" for text in form.odd), form.rows - form.fits
    if not codes and not lost:
        return []
    what = "value" if form.kind == CATEGORY else form.kind
    shown = ", ".join(part for part in (codes, odd if lost else "") if part)
    return [f"{name}: {lost + sum(form.codes.values()):,} values are no {what}, taken as missing: {shown}"]


def copies_of(target: pd.Series, frame: pd.DataFrame) -> dict[str, str]:
    """Find the columns that are the target under another name, wherever it is known."""
    known = target.notna().to_numpy()
    if known.sum() < _FEW:
        return {}
    happened = target[known].to_numpy() == 1
    first = frame[known].iloc[:_GLANCE].nunique(dropna=False)
    two = [name for name in first.index[first <= 2] if frame[name][known].nunique(dropna=False) == 2]
    agree = {n: (pd.factorize(frame[n][known])[0].astype(bool) == happened).mean() for n in two}
    same = [n for n, share in agree.items() if share in (0, 1)]
    return dict.fromkeys(same, "the target under another name: it says the same in every row")


def _unfit(form: Form, dated: bool) -> str:
    """Say why a column cannot be a predictor, before its values are fetched."""
    if form.kind == OTHER:
        return f"of type {form.sql}, neither number, text, boolean nor date"
    if form.why:
        return form.why
    if form.kind == DATE and not dated:
        return "a date, and there is no time column from which to count its days"
    if form.kind == CATEGORY and form.rows > _FEW and form.distinct >= MOSTLY * form.rows:
        return f"it identifies the row: {form.distinct:,} different texts in {form.rows:,} rows"
    return ""


def _values(form: Form, values: pa.ChunkedArray, day: pd.Series | None) -> pd.Series:
    if form.kind == CATEGORY:
        found = values.dictionary_encode().to_pandas()
        return found.cat.reorder_categories(sorted(found.cat.categories))
    if form.kind == DATE:
        at = values.cast(pa.timestamp("us")).to_pandas(date_as_object=False).astype("datetime64[us]")
        return (day.set_axis(at.index).astype("datetime64[us]") - at.dt.floor("D")).dt.days.astype(float)
    if form.kind == BOOLEAN and values.null_count == 0:
        return values.to_pandas()
    return values.cast(pa.float64()).to_pandas() if form.kind == NUMBER else values.cast(pa.int8()).to_pandas() * 1.0


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
    if not (values % 1 == 0).all() or values.nunique() < len(values):
        return ""
    repetitions = len(values) ** 2 / (2 * (values.max() - values.min() + 1))
    return "it identifies the row: whole numbers, none of them twice" if repetitions > _SURELY else ""


def _counts_time(values: pd.Series, day: pd.Series) -> bool:
    """Tell whether numbers follow the days of their rows, as a clock in seconds does."""
    some = np.unique(np.linspace(0, len(values) - 1, min(len(values), _LOOKED)).astype(int))
    table = pd.DataFrame({"value": values.to_numpy()[some], "day": day.to_numpy()[some]}).dropna()
    if len(table) <= _FEW or table["day"].nunique() < 2 or table["value"].nunique() < 2:
        return False
    turn = table["day"].rank()
    most = turn.corr(turn.rank(method="first"))
    return abs(turn.corr(table["value"].rank())) >= _CLOCK * most


def _free(name: str, names: list[str]) -> str:
    """Return a name that no other column has."""
    return name if name not in names else _free(f"{name}_", names)
