"""Flat columns: what the columns of any flat table hold, as SQL of DuckDB; what text means is told in `forms`."""

from __future__ import annotations

from dataclasses import replace

from ibis.backends.duckdb import Backend

from bankmine.bank import form_dates as dates
from bankmine.bank.files import identifier
from bankmine.bank.form_kinds import BOOLEAN, CATEGORY, DATE, NUMBER, OTHER, Form, Told
from bankmine.bank.forms import count_all, read_forms, trimmed
from bankmine.bank.sources import CLOCKS, FLAT

_COMPACT = (19000101, 21001231)
_STAND_INS = (0, 99999999, 99991231, 99990101, 19000101)
STARTS = "2000-01-01"
"""Day from which hours and the like are counted, as the file does not tell it."""
_MOST_SECONDS = 200 * 366 * 86_400
_NUMERIC = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL", "UTINYINT",
            "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")  # fmt: skip


def text_of(name: str, kind: str = "VARCHAR") -> str:
    """Write SQL for the text of a column without surrounding blanks; whole numbers kept as 12.0 become 12."""
    text = trimmed(f"{identifier(name)}::VARCHAR")
    return f"regexp_replace({text}, '^([+-]?\\d+)\\.0$', '\\1')" if kind in ("FLOAT", "DOUBLE") else text


def column_types(con: Backend) -> dict[str, str]:
    """Column -> type of DuckDB, without the parameters of a type."""
    return {row[0]: row[1].partition("(")[0] for row in con.raw_sql(f"DESCRIBE {FLAT}").fetchall()}


def read_columns(con: Backend, names: list[str], categories: list[str], told: Told) -> dict[str, Form]:
    """Find out what columns of the flat table hold.

    Parameters
    ----------
    con : Backend
        DuckDB with the relation `flat`.
    names : list of str
        Columns to look at.
    categories : list of str
        Columns whose values are names, though they may look like numbers.
    told : Told
        What settles what could be read in two ways.
    """
    types = column_types(con)
    text = [n for n in names if types[n] in ("VARCHAR", "ENUM", "UUID") and n not in categories]
    found = {n: _typed(n, types[n]) for n in names if n not in text and n not in categories}
    found |= read_forms(con, FLAT, {n: identifier(n) if types[n] == "VARCHAR" else text_of(n) for n in text}, told)
    for n in (n for n in names if n in categories):
        counted = f"count({text_of(n, types[n])}), count(DISTINCT {text_of(n, types[n])})"
        rows, distinct = con.raw_sql(f"SELECT {counted} FROM {FLAT}").fetchone()
        found[n] = Form(CATEGORY, text_of(n, types[n]), "as told", rows, distinct, rows)
    return {n: found[n] for n in names} | _dated(con, found, types)


def time_form(con: Backend, name: str, told: Told) -> Form:
    """Find the way in which the values of a column are moments; other columns settle what it leaves open."""
    kind = column_types(con)[name]
    if told.clock:
        return _counted(con, name, kind, told)
    if kind.startswith(("DATE", "TIMESTAMP")):
        return _typed(name, kind)
    wanted = {name: DATE}
    found = read_forms(con, FLAT, {name: text_of(name, kind)}, told, wanted)[name]
    if not found.why:
        return found
    texts = {n: identifier(n) for n, k in column_types(con).items() if k == "VARCHAR" and n != name}
    return read_forms(con, FLAT, {name: text_of(name, kind)} | texts, told, wanted)[name]


def _counted(con: Backend, name: str, kind: str, told: Told) -> Form:
    """Read numbers that count hours or the like as moments."""
    text = {name: text_of(name, kind)}
    found = _typed(name, kind) if kind in _NUMERIC else read_forms(con, FLAT, text, told, {name: NUMBER})[name]
    start, size = "1970-01-01" if told.clock == "unix" else STARTS, CLOCKS[told.clock]
    # what would lie beyond all days is no moment
    seconds = f"CASE WHEN ({found.sql}) BETWEEN 0 AND {_MOST_SECONDS / size} THEN ({found.sql}) * {size} END"
    moment = f"TIMESTAMP '{start}' + to_microseconds(round(({seconds}) * 1000000)::BIGINT)"
    return replace(found, kind=DATE, sql=moment, words=f"{told.clock} from {start}")


def _typed(name: str, kind: str) -> Form:
    """Read a column that has a type of its own."""
    value = identifier(name)
    if kind in _NUMERIC:
        return Form(NUMBER, f"CASE WHEN isfinite({value}::DOUBLE) THEN {value}::DOUBLE END")
    if kind == "BOOLEAN":
        return Form(BOOLEAN, value)
    if kind.startswith(("DATE", "TIMESTAMP")):
        return Form(DATE, f"{value}::TIMESTAMP")
    return Form(OTHER, kind.lower())


def _dated(con: Backend, found: dict[str, Form], types: dict[str, str]) -> dict[str, Form]:
    """Read numbers as dates where all of a column are like 20250131, or it is called a date and holds days of Excel."""
    numbers = [n for n, f in found.items() if f.kind == NUMBER and not f.why]
    given = {n: f"CASE WHEN ({found[n].sql}) NOT IN {_STAND_INS} THEN {found[n].sql} END" for n in numbers}
    ends = count_all(con, FLAT, [f"{end}({sql})" for sql in given.values() for end in ("min", "max")])
    spans = {n: (ends[2 * i], ends[2 * i + 1]) for i, n in enumerate(numbers) if ends[2 * i] is not None}
    serial = [n for n, span in spans.items() if _within(span, dates.EXCEL_DAYS) and dates.called_a_date(n)]
    days = {
        n: dates.compact_sql(text_of(n, types[n]), "%Y%m%d") for n, span in spans.items() if _within(span, _COMPACT)
    }
    counts = iter(count_all(con, FLAT, [f"count({sql})" for n in days for sql in (days[n], given[n], found[n].sql)]))
    counted = {n: (next(counts), next(counts), next(counts)) for n in days}
    read = {
        n: replace(found[n], kind=DATE, sql=days[n], words="YYYYMMDD", codes=_stand_ins(rows - real))
        for n, (fits, real, rows) in counted.items()
        if fits >= real
    }
    return read | {
        n: replace(found[n], kind=DATE, sql=dates.EXCEL.format(found[n].sql), words="days of Excel") for n in serial
    }


def _stand_ins(rows: int) -> dict[str, int]:
    return {"0, 99999999 or the like": rows} if rows else {}


def _within(span: tuple[float, float], of: tuple[int, int]) -> bool:
    return of[0] <= span[0] and span[1] <= of[1]
