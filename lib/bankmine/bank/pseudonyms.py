"""Pseudonyms at the door: of a source that asks for them, no key of its own gets any further than here.

What names a person otherwise is left out with it: columns that the register lists for no purpose, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import ibis
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend
from ibis.util import gen_name

from bankmine.bank.casting import BAD, Typed, as_text
from bankmine.bank.contract import TABLES
from bankmine.bank.files import identifier, quoted
from bankmine.bank.flat_columns import column_types, text_of
from bankmine.bank.forms import lost_digits
from bankmine.bank.readers import spooled
from bankmine.bank.sources import FLAT, Source
from bankmine.errors import SourceError
from bankmine.privacy import tokens
from bankmine.privacy.keys import Key, require_key
from bankmine.privacy.register import FILE, TOKEN, UNLISTED, load_register

_HIDDEN = "***"
"""Stands for what was to be a key and lost digits."""


@dataclass(frozen=True)
class Parts:
    """How the columns of one table are treated: key -> its domain, and those that are left out."""

    keys: dict[str, str]
    out: list[str]


def key_of(source: Source) -> Key:
    """Return the key of a source that asks for pseudonyms, or refuse where none is given."""
    return require_key(f"Source {source.name}, of which pseudonyms take the place of keys,")


def parts_of(source: Source, table: str, columns: Iterable[str]) -> Parts:
    """Tell by the register how columns of a table are treated; see the head of this module."""
    register = load_register(source.folder)
    groups = {c: register.group(f"{table}.{c}") for c in columns if not c.startswith(BAD)}
    own = TABLES[table].names if table in TABLES else ()
    if lost := [c for c, group in groups.items() if c in own and group is UNLISTED]:
        raise SourceError(f"Source {source.name} has pseudonyms, and {FILE} does not list {table}.{lost[0]}: add it.")
    keys = {c: tokens.domain_of(c) for c, group in groups.items() if group.masking == TOKEN}
    return Parts(keys, [c for c, group in groups.items() if not group.purposes and c not in keys])


def keys_of(tables: dict[str, ir.Table], source: Source) -> dict[str, ir.Table]:
    """Return a source's own keys by domain, each in a column `key`, from typed rows of its tables."""
    found: dict[str, list[ir.Table]] = {}
    for name, rows in tables.items():
        for column, domain in parts_of(source, name, rows.columns).keys.items():
            found.setdefault(domain, []).append(rows.select(key=as_text(rows[column])).distinct())
    return {domain: tokens.together(keys) for domain, keys in found.items()}


def pseudonymised(tables: dict[str, Typed], source: Source) -> dict[str, Typed]:
    """Put tokens in place of keys in typed rows of a source that asks for it, and leave out what names a person."""
    if not source.pseudonyms:
        return tables
    key = key_of(source)
    mappings = {d: tokens.mapped(k, d, key) for d, k in keys_of({n: t.rows for n, t in tables.items()}, source).items()}
    return {
        name: _of_table(table, parts_of(source, name, table.rows.columns), mappings) for name, table in tables.items()
    }


def _of_table(table: Typed, parts: Parts, mappings: dict[str, ir.Table]) -> Typed:
    rows = table.rows
    bad = {BAD + c: rows[BAD + c].notnull().ifelse(_HIDDEN, None) for c in parts.keys if BAD + c in rows.columns}
    rows = rows.drop(*parts.out, *(BAD + c for c in parts.out if BAD + c in rows.columns))
    rows = rows.mutate(**{c: as_text(rows[c]) for c in parts.keys}, **bad)
    said = [f"{', '.join(parts.out)}: left out, as keys are pseudonyms"] if parts.out else []
    if parts.keys:  # once, not in every query upon the rows, of which the checks make many
        rows = spooled(tokens.put(rows, {c: mappings[domain] for c, domain in parts.keys.items()}))
    return replace(table, rows=rows, remarks=[*table.remarks, *said])


def pseudonymise_flat(con: Backend, source: Source, roles: dict[str, str]) -> list[str]:
    """Do the same to the relation of a flat table, of which the columns with a role stay; say what was left out.

    What is left out stays as a column that is empty, so that a description may name it.
    """
    if not source.pseudonyms:
        return []
    key, types = key_of(source), column_types(con)
    parts = flat_parts(con, source, roles)
    sql = {c: text_of(c, types[c]) for c in parts.keys} | dict.fromkeys(parts.out, "NULL::VARCHAR")
    picked = ", ".join(f"{sql.get(c, identifier(c))} AS {identifier(c)}" for c in types)
    con.raw_sql(f"CREATE TABLE {(made := gen_name(FLAT))} AS SELECT {picked} FROM {FLAT}")
    rows = con.table(made).mutate(_row_=ibis.row_number())
    mappings = {c: tokens.mapped(rows.select(key=c), domain, key) for c, domain in parts.keys.items()}
    put = con.create_table(gen_name(FLAT), tokens.put(rows, mappings).order_by("_row_").drop("_row_")).get_name()
    # the raw relation goes, so that nothing reads it; a join need not keep the order of rows
    con.raw_sql(f"DROP TABLE {made}")
    con.raw_sql(f"DROP {_kind(con)} {FLAT}")
    con.raw_sql(f"ALTER TABLE {put} RENAME TO {FLAT}")
    return [f"{', '.join(parts.out)}: left out, as keys are pseudonyms"] if parts.out else []


def flat_parts(con: Backend, source: Source, roles: dict[str, str]) -> Parts:
    """Tell how columns of a flat table are treated, whose `id` is a key whatever the register says."""
    types = column_types(con)
    parts = parts_of(source, FLAT, types)
    stay = {roles[role] or source.flat.get(role, "") for role in ("target", "time", "id")}
    keys = {c: domain for c, domain in parts.keys.items() if c not in stay}
    if (own := roles["id"] or source.flat.get("id", "")) in types:
        keys[own] = tokens.domain_of(own, tokens.CUSTOMER)
    for column in keys:
        lost = f"SELECT count(*) FROM {FLAT} WHERE {lost_digits(text_of(column, types[column]))}"
        if n := con.raw_sql(lost).fetchone()[0]:
            raise SourceError(f"{column}: {n:,} keys lost digits when a spreadsheet saved them: export it as text.")
    return Parts(keys, [c for c in parts.out if c not in stay])


def _kind(con: Backend) -> str:
    asked = f"SELECT count(*) FROM duckdb_views() WHERE view_name = {quoted(FLAT)}"
    return "VIEW" if con.raw_sql(asked).fetchone()[0] else "TABLE"
