"""Flat columns: what the columns of any flat table hold (numbers, dates, booleans, categories), as SQL of DuckDB.

Text is typed by all of its values, not by its first rows. What could be read in two ways is left as it is, for nothing
here guesses silently: a column that is read in spite of some odd values says how many were taken as missing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ibis.backends.duckdb import Backend

from bankmine.bank.files import quoted
from bankmine.bank.sources import FLAT

NUMBER, BOOLEAN, CATEGORY, DATE, OTHER = "number", "boolean", "category", "date", "other"
MOSTLY = 0.95
"""Share of the values from which a column of many different ones is what most of them are."""
_MANY = 50
_BATCH = 60
_VALUE = "value"
_BLANK = "' \t\r\n\u00a0\u3000'"
_MISSING = ("na", "n/a", "#n/a", "nan", "null", "none", "-", "?")
"""Texts that stand for no value in a column whose other values are numbers, booleans or dates."""
_CODE = r"[+-]?0\d+"
_THOUSANDS = r"[+-]?\d{1,3}(,\d{3})*(\.\d+)?"
_DECIMAL_COMMA = r"[+-]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?"
_ISO = r"\d{4}[-/]\d{1,2}[-/]\d{1,2}([ T]\d.*)?"
_DATES = ("%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%Y年%m月%d日")
_TIMES = (*_DATES, "%Y%m%d", "%Y%m%d%H%M%S")
_COMPACT = (19000101, 21001231)
_SLASHED = ("%d/%m/%Y", "%m/%d/%Y")
_MONTHS = ("%Y-%m", "%Y/%m", "%Y%m", "%Y年%m月")
_NUMERIC = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL", "UTINYINT",
            "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")  # fmt: skip


@dataclass(frozen=True)
class Column:
    """How a column is read."""

    name: str
    kind: str
    sql: str
    """Its typed value: DOUBLE, BOOLEAN, VARCHAR or TIMESTAMP; missing as NULL."""
    rows: int = 0
    """Rows in which there is a value."""
    distinct: int = 0
    """Different texts; 0 where the column is not text."""
    odd: int = 0
    """Values that are not of the kind, and taken as missing."""
    two_ways: bool = False
    """Whether it holds numbers of which nobody can tell whether their comma is one of thousands or of decimals."""


def identifier(name: str) -> str:
    """Write a name as an identifier of DuckDB's SQL."""
    return '"' + name.replace('"', '""') + '"'


def text_of(name: str, kind: str = "VARCHAR") -> str:
    """Write SQL for the text of a column without surrounding blanks; whole numbers kept as 12.0 become 12."""
    trimmed = f"nullif(trim({identifier(name)}::VARCHAR, {_BLANK}), '')"
    return f"regexp_replace({trimmed}, '^([+-]?\\d+)\\.0$', '\\1')" if kind in ("FLOAT", "DOUBLE") else trimmed


def column_types(con: Backend) -> dict[str, str]:
    """Column -> type of DuckDB, without the parameters of a type."""
    return {row[0]: row[1].partition("(")[0] for row in con.raw_sql(f"DESCRIBE {FLAT}").fetchall()}


def read_columns(con: Backend, names: list[str], codes: list[str]) -> list[Column]:
    """Find out what columns of the flat table hold.

    Parameters
    ----------
    con : Backend
        DuckDB with the relation `flat`.
    names : list of str
        Columns to look at.
    codes : list of str
        Columns whose values are names, though they may look like numbers.
    """
    types = column_types(con)
    text = [n for n in names if n in codes or types[n] in ("VARCHAR", "ENUM", "UUID")]
    found = {n: _typed(n, types[n]) for n in names if n not in text} | _texts(con, text, types, codes)
    found = _dated(con, found, types)
    return [found[n] for n in names]


def parse_time(con: Backend, name: str) -> tuple[str, int]:
    """Find the way in which most values of a column are days.

    Returns
    -------
    tuple of str and int
        SQL of the timestamp, and rows in which it would be another where days and months could be swapped.
    """
    kind = column_types(con)[name]
    if kind.startswith(("DATE", "TIMESTAMP")):
        return f"{identifier(name)}::TIMESTAMP", 0
    text = text_of(_VALUE, kind)
    counts = _over_values(con, name, [f"{f} IS NOT NULL" for f in _times(text)])[2:]
    best = max(range(len(counts)), key=counts.__getitem__)
    day_first, month_first = (_as(text, f) for f in _SLASHED)
    swapped = 0
    if _times(text)[best] == day_first and counts[best] == counts[best + 1]:
        swapped = _over_values(con, name, [f"{day_first} <> {month_first}"])[2]
    return _times(text_of(name, kind))[best], swapped


def _times(text: str) -> list[str]:
    # a month stands for its end: what is told of it was known then
    months = [f"last_day({_as(text, f)})::TIMESTAMP" for f in _MONTHS]
    return [_iso(text), *(_as(text, f) for f in (*_TIMES, *_SLASHED)), *months]


def _typed(name: str, kind: str) -> Column:
    """Read a column that has a type of its own."""
    value = identifier(name)
    if kind in _NUMERIC:
        return Column(name, NUMBER, f"CASE WHEN isfinite({value}::DOUBLE) THEN {value}::DOUBLE END")
    if kind == "BOOLEAN":
        return Column(name, BOOLEAN, value)
    if kind.startswith(("DATE", "TIMESTAMP")):
        return Column(name, DATE, f"{value}::TIMESTAMP")
    return Column(name, OTHER, kind.lower())


def _texts(con: Backend, names: list[str], types: dict[str, str], codes: list[str]) -> dict[str, Column]:
    """Read columns of text: all those of plain numbers in one query, each of the others by its different values."""
    likely = [n for n in names if n not in codes]
    numbers = {n: _number(identifier(n)) for n in likely}
    parts = [
        part
        for n, c in zip(likely, map(identifier, likely), strict=True)
        for part in (f"count({c})", f"count({numbers[n]})", f"count(*) FILTER ({c} LIKE '0_%' AND {c} NOT LIKE '0.%')")
    ]
    counts = _counts(con, parts)
    plain = {
        n: Column(n, NUMBER, numbers[n], counts[3 * i])
        for i, n in enumerate(likely)
        if counts[3 * i] == counts[3 * i + 1] and not counts[3 * i + 2]
    }
    return plain | {n: _text(con, n, types[n], n in codes) for n in names if n not in plain}


def _text(con: Backend, name: str, kind: str, code: bool) -> Column:
    """Read a column of text that are not all plain numbers."""
    seen, text = text_of(_VALUE, kind), text_of(name, kind)
    missing, zeros = f"lower({seen}) IN {_MISSING}", f"regexp_full_match({seen}, '{_CODE}')"
    conditions = [missing, zeros, *(f"{sql} IS NOT NULL" for _, sql in _forms(seen))]
    rows, distinct, missing, zeros, *counts = _over_values(con, name, conditions)
    told, most = rows - missing, max(counts)
    category = Column(name, CATEGORY, text, rows, distinct)
    if code or zeros or not told or (most < told and (most < MOSTLY * told or distinct <= _MANY)):
        return category
    best = [i for i, n in enumerate(counts) if n == most]
    kind, sql = _forms(text)[best[0]]
    # what is a number without any comma is one in all ways
    return Column(name, kind, sql, most, distinct, told - most, two_ways=len(best) > 1 and best[0] != 0)


def _dated(con: Backend, found: dict[str, Column], types: dict[str, str]) -> dict[str, Column]:
    """Read numbers as dates where all of a column are like 20250131."""
    numbers = [c for c in found.values() if c.kind == NUMBER and not c.two_ways]
    ends = _counts(con, [f"{end}({c.sql})" for c in numbers for end in ("min", "max")])
    lowest, highest = _COMPACT
    likely = [
        c for c, low, high in zip(numbers, ends[::2], ends[1::2], strict=True)
        if low is not None and lowest <= low and high <= highest
    ]  # fmt: skip
    days = {c.name: _as(text_of(c.name, types[c.name]), "%Y%m%d") for c in likely}
    counts = iter(_counts(con, [f"count({sql})" for c in likely for sql in (days[c.name], c.sql)]))
    whole = [c for c in likely if next(counts) == next(counts)]
    return found | {c.name: replace(c, kind=DATE, sql=days[c.name]) for c in whole}


def _forms(text: str) -> list[tuple[str, str]]:
    """List what a column of text may be, and its value if it is that; plain numbers first."""
    comma = f"replace(replace({text}, '.', ''), ',', '.')"
    return [
        (NUMBER, _number(text)),
        (BOOLEAN, f"CASE lower({text}) WHEN 'true' THEN true WHEN 'false' THEN false END"),
        (NUMBER, f"CASE WHEN regexp_full_match({text}, '{_THOUSANDS}') THEN replace({text}, ',', '')::DOUBLE END"),
        (NUMBER, f"CASE WHEN regexp_full_match({text}, '{_DECIMAL_COMMA}') THEN {comma}::DOUBLE END"),
        (DATE, _iso(text)),
        *((DATE, _as(text, form)) for form in _DATES),
    ]


def _number(text: str) -> str:
    return f"CASE WHEN isfinite(try_cast({text} AS DOUBLE)) THEN try_cast({text} AS DOUBLE) END"


def _iso(text: str) -> str:
    return f"CASE WHEN regexp_full_match({text}, '{_ISO}') THEN try_cast({text} AS TIMESTAMP) END"


def _as(text: str, form: str) -> str:
    return f"try_strptime({text}, {quoted(form)})"


def _over_values(con: Backend, name: str, conditions: list[str]) -> list[int]:
    """Count rows that have a value, different values, and rows that meet each condition on `_VALUE`.

    Conditions are tried on each different value once, as patterns are slow and most text repeats.
    """
    met = "".join(f", coalesce(sum(n) FILTER ({c}), 0)::BIGINT" for c in conditions)
    value = identifier(_VALUE)
    values = f"SELECT {identifier(name)} AS {value}, count(*) AS n FROM {FLAT} GROUP BY 1"
    text = text_of(_VALUE)
    counted = f"coalesce(sum(n) FILTER ({text} IS NOT NULL), 0)::BIGINT, count(DISTINCT {text}){met}"
    return list(con.raw_sql(f"SELECT {counted} FROM ({values})").fetchone())


def _counts(con: Backend, parts: list[str]) -> list[int]:
    """Compute aggregates, not all in one query: the time to plan it grows with the square of their number."""
    batches = [parts[i : i + _BATCH] for i in range(0, len(parts), _BATCH)]
    return [n for b in batches for n in con.raw_sql(f"SELECT {', '.join(b)} FROM {FLAT}").fetchone()]
