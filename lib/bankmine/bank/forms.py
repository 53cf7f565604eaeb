"""Forms: what a column of text holds (numbers, dates, yes and no, words), how it writes them, and SQL to read it.

A column is judged by all of its values, through their shapes: each value with a 9 for every digit. What could be read
in two ways is settled by the column's other values, then by what the source tells, then by the other columns of the
file; else it is not read, and the reason says what would settle it. Nothing here guesses silently.
"""

from __future__ import annotations

from dataclasses import replace

from ibis.backends.duckdb import Backend

from bankmine.bank import form_dates as dates
from bankmine.bank.files import quoted
from bankmine.bank.form_kinds import (
    BLANK,
    BOOLEAN,
    CATEGORY,
    DATE,
    MISSING,
    NUMBER,
    UNMISTAKABLE,
    Form,
    Seen,
    Told,
    are_codes,
    booleans,
    clocks,
    look,
    moments,
    numbers,
)  # fmt: skip
from bankmine.bank.form_numbers import WAYS

MOSTLY = 0.95
"""Share of the values from which a column of many different ones is what most of them are."""
_BATCH = 60
_GLANCE = 1000
"""Rows in which a column shows whether it can be plain numbers."""
_MANY = 50
_VALUES = 3
"""Different numbers or dates that make all others of a column, if they are one text, a code for no value."""


def trimmed(text: str) -> str:
    """Write SQL for text without surrounding blanks, NULL where nothing is left."""
    return f"nullif(trim({text}, {BLANK}), '')"


def lost_digits(text: str) -> str:
    """Write SQL that tells whether a key was shortened by a spreadsheet, as 6.22216E+15 was."""
    return f"regexp_full_match({text}, '[0-9]([.,][0-9]+)?[eE]\\+[0-9]+')"


def read_forms(
    con: Backend, relation: str, texts: dict[str, str], told: Told, wanted: dict[str, str] | None = None
) -> dict[str, Form]:
    """Find the forms of columns of text.

    Parameters
    ----------
    con : Backend
        DuckDB.
    relation : str
        Table or view, as SQL.
    texts : dict of str to str
        Column -> SQL of its text.
    told : Told
        What settles what nothing else does.
    wanted : dict of str to str, optional
        Column -> kind that it has to be, whatever share of it fits.
    """
    wanted = wanted or {}
    if told.missing:
        codes = ", ".join(map(quoted, told.missing))
        texts = {n: f"CASE WHEN {t} NOT IN ({codes}) THEN {t} END" for n, t in texts.items()}
    found = _plainest(con, relation, {n: t for n, t in texts.items() if wanted.get(n, NUMBER) == NUMBER})
    doubtful: dict[str, dict[str, Form]] = {}
    for name in (n for n in texts if n not in found):
        readings = _readings(con, relation, look(con, relation, name, texts[name]), told, wanted.get(name, ""))
        found[name] = next(iter(readings.values()))
        if len(readings) > 1:
            doubtful[name] = readings
    proven = {r.decimal for r in found.values() if r.decimal}, {r.order for r in found.values() if r.order}
    for name, readings in doubtful.items():
        found[name] = _settled(readings, told, *proven)
    return {name: found[name] for name in texts}


def _plainest(con: Backend, relation: str, texts: dict[str, str]) -> dict[str, Form]:
    """Read the columns that hold plain numbers beyond doubt, which is quick."""
    first = f"(SELECT * FROM {relation} LIMIT {_GLANCE})"
    unread = "count(*) FILTER ({t} <> '' AND try_cast({t} AS DOUBLE) IS NULL)"
    odd = count_all(con, first, [unread.format(t=text) for text in texts.values()])
    likely = {n: t for (n, t), some in zip(texts.items(), odd, strict=True) if not some}
    counts = iter(count_all(con, relation, [part for text in likely.values() for part in _plain_counts(text)]))
    found = {}
    for name, text in likely.items():
        rows, numbers, zeros, points, sure = (next(counts) for _ in range(5))
        if rows and rows == numbers and not zeros and (sure or not points):
            decimal = "." if sure else ""
            found[name] = Form(NUMBER, f"try_cast({text} AS DOUBLE)", rows=rows, fits=rows, decimal=decimal)
    return found


def _plain_counts(text: str) -> list[str]:
    return [
        f"count(nullif({text}, ''))", f"count(*) FILTER (isfinite(try_cast({text} AS DOUBLE)))",
        f"count(*) FILTER ({text} LIKE '0_%' AND {text} NOT LIKE '0.%')",
        f"count(*) FILTER ({text} LIKE '%.%')", f"count(*) FILTER ({text} LIKE '%.%' AND {text} NOT LIKE '%.___')",
    ]  # fmt: skip


def count_all(con: Backend, relation: str, parts: list[str]) -> list[int]:
    """Compute aggregates, not all in one query: the time to plan it grows with the square of their number."""
    batches = [parts[i : i + _BATCH] for i in range(0, len(parts), _BATCH)]
    return [n for b in batches for n in con.raw_sql(f"SELECT {', '.join(b)} FROM {relation}").fetchone()]


def _settled(readings: dict[str, Form], told: Told, decimals: set[str], orders: set[str]) -> Form:
    """Choose between readings by the other columns or by what is told; else say what would settle it."""
    one = next(iter(readings.values()))
    option, known, said = ("dates", orders, told.dates) if one.kind == DATE else ("decimal", decimals, told.decimal)
    for key in [said, *(known if len(known) == 1 else [])]:
        if key in readings:
            return readings[key]
    what = "dates" if one.kind == DATE else "numbers"
    either = " or ".join(f"{option}={key}" for key in readings)
    return replace(one, why=f"its {what} could be read in two ways, as {one.like}: say {either}")


def _readings(con: Backend, relation: str, seen: Seen, told: Told, wanted: str) -> dict[str, Form]:
    """List the ways in which a column can be read, by what would settle it; one where there is no doubt."""
    known = {s.text: s.rows for s in seen.shapes if s.text.lower() in MISSING}
    rows, distinct = seen.rows - sum(known.values()), seen.distinct - len(known)
    values = replace(seen, shapes=seen.rest(set(known)), rows=rows, distinct=distinct)
    word = _words(seen)
    if not rows:
        empty = {NUMBER: "NULL::DOUBLE", DATE: "NULL::TIMESTAMP", BOOLEAN: "NULL::BOOLEAN"}
        return {"": replace(word, kind=wanted, sql=empty[wanted], codes=known) if wanted else word}
    tries = [booleans, numbers, moments, clocks]
    if wanted:
        tries = {NUMBER: [numbers], BOOLEAN: [booleans], DATE: [moments]}[wanted]
    best: dict[str, Form] = {}
    for attempt in tries:
        tried = attempt(con, relation, values, told, bool(wanted))
        if tried and (not best or next(iter(tried.values())).fits > next(iter(best.values())).fits):
            best = tried
    if best and (wanted or _convincing(next(iter(best.values())), values)):
        if wanted:  # what does not fit is a fault there, and counted
            return {key: replace(form, codes=known) for key, form in best.items()}
        return {key: _with_codes(form, values, known) for key, form in best.items()}
    return {"": _unfit(values, wanted) if wanted else replace(word, why=_unread(values))}


def _unread(seen: Seen) -> str:
    """Say why a column is not learnt from that looks like dates or numbers and cannot be read; '' where it does not."""
    like = [s for s in seen.shapes if dates.looks_like_a_date(s.text)]
    if 2 * sum(s.rows for s in like) > seen.rows:
        what = "are written in several ways, or are none" if any(dates.formats(s.text) for s in like) else "are none"
        return (
            f"looks like dates that {what}, as {like[0].example}: write them like 2025-12-31, or tell it as categories"
        )
    anyhow = sum(s.rows for s in seen.shapes if any(way.fits(s.text) for way in WAYS))
    if anyhow >= MOSTLY * seen.rows and seen.distinct > _MANY and not are_codes(seen):
        shown = " and ".join(s.example for s in seen.shapes[:2])
        return f"its numbers are written in several ways, as {shown}: write them in one"
    return ""


def _words(seen: Seen) -> Form:
    """Read a column as it is, without what programs write for no value."""
    codes = {s.text: s.rows for s in seen.shapes if s.text.lower() in UNMISTAKABLE}
    text = f"nullif({seen.text}, '')"
    if codes:
        text = f"CASE WHEN {seen.text} NOT IN ({', '.join(map(quoted, codes))}) THEN {text} END"
    rows, distinct = seen.rows - sum(codes.values()), seen.distinct - len(codes)
    return Form(CATEGORY, text, "", rows, distinct, rows, codes=codes)


def _unfit(seen: Seen, kind: str) -> Form:
    """Read a column of which no value is what it has to be."""
    of_type = {NUMBER: "DOUBLE", DATE: "TIMESTAMP", BOOLEAN: "BOOLEAN"}[kind]
    odd = tuple(s.example for s in seen.shapes[:3])
    return Form(kind, f"NULL::{of_type}", "", seen.rows, seen.distinct, 0, odd)


def _convincing(form: Form, seen: Seen) -> bool:
    """Tell whether a column is what so many of its values are: all, all but a text that repeats, or most of many."""
    mostly = form.fits >= MOSTLY * seen.rows and seen.distinct > _MANY
    return form.fits == seen.rows or bool(_texts(form, seen)) or mostly


def _texts(form: Form, seen: Seen) -> dict[str, int]:
    """Return what does not fit, and how often it is there, if it can but stand for no value.

    That is one text that repeats, or a few beside very many different numbers or dates.
    """
    left = seen.rows - form.fits
    if len(form.odd) == 1 and form.kind == DATE and left > 1 and seen.distinct > _VALUES:
        return {form.odd[0]: left}
    rest = {s.text: s.rows for s in seen.shapes if s.text in form.odd and s.rows > 1 and "9" not in s.text}
    enough = _VALUES if len(rest) == 1 else _MANY
    return rest if sum(rest.values()) == left and seen.distinct > enough else {}


def _with_codes(form: Form, seen: Seen, known: dict[str, int]) -> Form:
    """Add what stands for no value."""
    found = _texts(form, seen)
    return replace(form, codes=known | found, rows=form.fits, odd=()) if found else replace(form, codes=known)
