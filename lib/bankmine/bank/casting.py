"""Casting: columns as the contract wants them, whatever the source holds, and without ever failing on a value.

What text means is told in `forms`; Spark reads Parquet, whose columns have types of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import ibis
import ibis.expr.types as ir
from ibis.util import gen_name

from bankmine.bank.contract import Column, Table
from bankmine.bank.files import identifier, quoted
from bankmine.bank.flat_columns import text_of
from bankmine.bank.form_kinds import BOOLEAN, DATE, MISSING, NUMBER, Form, Told
from bankmine.bank.forms import lost_digits, read_forms, trimmed

BAD = "_bad_"
"""Prefix of the columns that hold the text of values which could not be cast."""
_KINDS = {"int64": NUMBER, "float64": NUMBER, "boolean": BOOLEAN, "date": DATE, "timestamp": DATE}
_MOMENTS, _LAST_YEAR = ("date", "timestamp"), 9999
_FREE_TEXT = "text"
"""The one column of the contract that people write."""


@dataclass(frozen=True)
class Typed:
    """Rows in the contract's types, what is to be said of how they were written, and what makes them unusable."""

    rows: ir.Table
    remarks: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def named(raw: ir.Table, table: Table) -> ir.Table:
    """Name the contract's columns as it does, where the source differs by case or surrounding blanks only."""
    near = {c.strip().lower(): c for c in raw.columns}
    return raw.rename({c: near[c] for c in table.names if c in near and c not in raw.columns})


Counts = dict[str, dict[str, int]]
"""By column, how many of its words need tidying up, by why."""
Keep = Callable[[str, Callable[[], object]], object]
"""Returns what follows from the source alone, by a name, kept from before or made."""


def typed(raw: ir.Table, table: Table, told: Told, keep: Keep) -> Typed:
    """Cast the contract's columns and keep in `_bad_<column>` the values that could not be cast.

    A late column whose day of becoming known is not given is left out: nobody could say when it was known.

    Parameters
    ----------
    raw : ir.Table
        Rows as the source gives them, columns named as in the contract.
    table : Table
        The contract's table.
    told : Told
        What settles values that could be read in two ways.
    keep : callable
        Keeps how many words need tidying up, for which all rows are read.
    """
    columns = [c for c in table.columns if c.name in raw.columns]
    undated = [c.name for c in columns if c.known_on and c.known_on not in raw.columns]
    columns = [c for c in columns if c.name not in undated]
    read = _read_texts(raw, table, columns, told, keep) if raw.get_backend().name == "duckdb" else Typed(raw)
    rows = read.rows
    casts = {c.name: _cast(rows[c.name], c.type) for c in columns}
    doubtful = [c.name for c in columns if c.type != "string" and not _is(rows[c.name], c.type)]
    doubtful = [n for n in doubtful if raw[n].type() == rows[n].type() or table[n].type == "int64"]
    bad = {BAD + n: _unfit(rows, n, casts[n]) for n in doubtful}
    return replace(read, rows=rows.drop(undated).mutate(**casts, **bad))


def _unfit(rows: ir.Table, name: str, cast: ir.Value) -> ir.StringValue:
    """Text of the values that are there and could not be cast."""
    lost = (_given(rows[name]) & cast.isnull()).ifelse(rows[name].cast("string"), ibis.null("string"))
    return rows[BAD + name].coalesce(lost) if BAD + name in rows.columns else lost


def _read_texts(raw: ir.Table, table: Table, columns: list[Column], told: Told, keep: Keep) -> Typed:
    """Read the columns that hold text, by their forms, and tidy up keys and the contract's own values."""
    con = raw.get_backend()
    types = {c: str(raw[c].type()).lstrip("!") for c in raw.columns}
    wanted = {c.name: _KINDS[c.type] for c in columns if c.type != "string" and _is_text(types[c.name], c)}
    words = [c for c in columns if c.type == "string" and types[c.name] == "string" and c.name != _FREE_TEXT]
    if not wanted and not words:
        return Typed(raw)
    view = con.create_view(gen_name(table.name), raw).get_name()
    kinds = {n: "DOUBLE" if types[n].startswith("float") else "VARCHAR" for n in wanted}
    texts = {n: identifier(n) if types[n] == "string" else text_of(n, kinds[n]) for n in wanted}
    forms = read_forms(con, identifier(view), texts, told, wanted)
    untidy = keep(f"untidy words of {table.name}", lambda: _untidy(con, view, table, words))
    tidied = {c.name: _tidy(c, untidy[c.name]) for c in words if c.name in untidy}
    shown = {n: form.sql for n, form in forms.items()} | {n: sql for n, (sql, *_) in tidied.items()}
    bad = {n: _bad(form, texts[n]) for n, form in forms.items() if form.fits < form.rows}
    bad |= {n: lost for n, (_, lost, _) in tidied.items() if lost}
    picked = [f"{shown.get(c, identifier(c))} AS {identifier(c)}" for c in raw.columns]
    picked += [f"{sql} AS {identifier(BAD + n)}" for n, sql in bad.items()]
    query = f"SELECT {', '.join(picked)} FROM {identifier(view)}"
    con.raw_sql(f"CREATE VIEW {identifier(made := gen_name(table.name))} AS {query}")
    remarks = [line for _, _, lines in tidied.values() for line in lines] + [_told(n, f) for n, f in forms.items()]
    problems = [f"{table.name}, {n}: {f.why}" for n, f in forms.items() if f.why]
    return Typed(con.table(made), remarks, problems)


def _is_text(kind: str, column: Column) -> bool:
    """Tell whether a column is text where it should not be; days may be numbers, too, as 20250131."""
    days = _KINDS[column.type] == DATE and kind.startswith(("int", "float", "uint"))
    return kind == "string" or days


def _bad(form: Form, text: str) -> str:
    codes = ", ".join(map(quoted, [*MISSING, *(c.lower() for c in form.codes)]))
    given = f"{trimmed(text)} IS NOT NULL AND lower({trimmed(text)}) NOT IN ({codes})"
    return f"CASE WHEN {given} AND ({form.sql}) IS NULL THEN {trimmed(text)} END"


def _told(name: str, form: Form) -> str:
    codes = "".join(f", {n:,} times {code!r} for no value" for code, n in form.codes.items())
    how = f" ({form.words})" if form.words else ""
    return f"{name}: {form.kind}{how}, {form.fits:,} of {form.rows:,} values fit{codes}"


def _untidy(con: ibis.BaseBackend, view: str, table: Table, columns: list[Column]) -> Counts:
    """Count blanks around words, keys like 100.0, shortened keys, and values that are not the contract's, if any."""
    keys = {*table.key, *table.parents}
    # what is rare is looked for first by what costs little
    kinds = {
        "padded": "{c} <> coalesce({t}, '')",
        "decimals": "contains({c}, '.') AND regexp_full_match({t}, '[0-9]+[.]0+')",
        "lost": f"contains({{c}}, '+') AND {lost_digits('{t}')}",
        "case": "{t} NOT IN ({v})",
    }
    found = {}
    for column in columns:
        name, text, values = _written(column)
        asked = ["padded", *(["decimals", "lost"] if column.name in keys else []), *(["case"] if column.values else [])]
        counted = [f"count(*) FILTER ({kinds[k].format(c=name, t=text, v=values)})" for k in asked]
        query = f"SELECT {', '.join(counted)} FROM {identifier(view)}"
        counts = dict(zip(asked, con.raw_sql(query).fetchone(), strict=True))
        if any(counts.values()):
            found[column.name] = counts
    return found


def _written(column: Column) -> tuple[str, str, str]:
    """Write SQL for a column's name, for its trimmed text, and for the contract's values."""
    name = identifier(column.name)
    return name, trimmed(name), ", ".join(map(quoted, column.values)) or "''"


def _tidy(column: Column, counts: dict[str, int]) -> tuple[str, str, list[str]]:
    """Cut blanks around words, write 100.0 as 100 in keys and the contract's values as it does.

    Returns SQL of the value, SQL of what is no key, and remarks.
    """
    _, text, values = _written(column)
    name, sql, lost, remarks = column.name, text, "", []
    if n := counts["padded"]:
        remarks.append(f"{name}: blanks cut from {n:,} values")
    if n := counts.get("decimals"):
        sql = f"regexp_replace({sql}, '^([0-9]+)[.]0+$', '\\1')"
        remarks.append(f"{name}: {n:,} keys like 100.0 are 100")
    if counts.get("lost"):
        lost = f"CASE WHEN {lost_digits(text)} THEN {text} END"
        sql = f"CASE WHEN NOT {lost_digits(text)} THEN {sql} END"
    if n := counts.get("case"):
        folded = f"regexp_replace(lower({text}), '[ -]+', '_', 'g')"
        sql = f"CASE WHEN {folded} IN ({values}) THEN {folded} ELSE {text} END"
        remarks.append(f"{name}: {n:,} values in another case or unknown")
    return sql, lost, remarks


def _cast(value: ir.Value, target: str) -> ir.Value:
    """Cast to one of the contract's types; what does not fit becomes null."""
    if target == "string":
        return as_text(value)
    if _is(value, target):
        return value
    if target == "int64":
        return _whole(_number(value))
    if target == "float64":
        return _number(value)
    kind = value.type()
    if target == "boolean" and kind.is_numeric():
        return (value == 1).ifelse(True, (value == 0).ifelse(False, ibis.null("boolean")))
    found = (value if kind.is_temporal() else _text(value)).try_cast(target)
    if target not in _MOMENTS:
        return found
    # infinity has no year, and beyond these other libraries know no day
    return found.year().between(1, _LAST_YEAR).ifelse(found, ibis.null(target))


def _is(value: ir.Value, target: str) -> bool:
    """Tell whether a column has the type already, so that no value of it can be bad; days and floats can be ∞."""
    return target not in ("float64", *_MOMENTS) and str(value.type()).removeprefix("!") == target


def _number(value: ir.Value) -> ir.FloatingValue:
    if not value.type().is_numeric():
        value = _text(value)
    value = value if value.type().is_float64() else value.try_cast("float64")
    return (value.isnan() | value.isinf()).ifelse(ibis.null("float64"), value)


def _whole(value: ir.FloatingValue) -> ir.IntegerValue:
    """Cast whole numbers only: engines would round 1.5 without a word."""
    return (value == value.floor()).ifelse(value, ibis.null("float64")).try_cast("int64")


def as_text(value: ir.Value) -> ir.StringValue:
    """Text of a key; whole numbers that a file keeps as 12.0 become 12."""
    if value.type().is_string():
        return value.nullif("")
    if value.type().is_floating():
        return (value == value.floor()).ifelse(value.try_cast("int64").cast("string"), value.cast("string"))
    return value.cast("string")


def _text(value: ir.Value) -> ir.StringValue:
    """Text without surrounding blanks: the form from which every engine can try a cast."""
    return (value if value.type().is_string() else value.cast("string")).strip().nullif("")


def _given(value: ir.Value) -> ir.BooleanValue:
    """Tell whether there is a value at all; NaN and blank text are none."""
    if value.type().is_string():
        return value.strip().nullif("").notnull()
    return value.notnull() & ~value.isnan() if value.type().is_floating() else value.notnull()
