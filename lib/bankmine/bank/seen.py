"""Seen: what of a snapshot a role sees for a purpose, in the engine, upon the same kept tables for all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import ibis.expr.types as ir
from ibis.backends.duckdb import Backend
from ibis.util import gen_name

from bankmine.bank import cache
from bankmine.bank.casting import BAD
from bankmine.bank.checks import TableCheck
from bankmine.bank.contract import TABLES
from bankmine.bank.files import identifier
from bankmine.bank.sources import FLAT
from bankmine.errors import BankmineError
from bankmine.privacy.access import View
from bankmine.privacy.patterns import redacted_sql
from bankmine.privacy.register import ABSENT, NONE, REDACT, TOKEN, YEAR

if TYPE_CHECKING:
    from bankmine.bank.snapshot import Snapshot

_OWNER = "customer_id"
_MUST_SEE = ("target", "id", "time")
"""Parts of a flat table without which nothing is learnt from it."""


def seen(snapshot: Snapshot, view: View) -> Snapshot:
    """Return a snapshot in which columns are masked or absent, and rows left out, as a view says.

    A table of which a column that the contract requires is absent is left out whole.
    """
    tables = snapshot.tables
    masked = {f"{n}.{c}": how for n, t in tables.items() for c in t.columns if (how := _masking(view, n, t, c)) != NONE}
    there = {
        name: table
        for name, table in _rows_seen(tables, view, snapshot.source.name).items()
        if not any(c.required and masked.get(f"{name}.{c.name}") == ABSENT for c in TABLES[name].columns)
    }
    hides = bool(masked) or view.limited
    told = view.rows, view.consent, masked
    checks = {n: _check(snapshot.checks[n], rows, masked, view) for n, rows in there.items()}

    def deliver() -> dict[str, ir.Table]:
        found = _rows_seen(snapshot.delivered, view, snapshot.source.name)
        return {name: _columns_seen(found[name], name, masked) for name in there}

    return replace(
        snapshot, tables={name: _columns_seen(rows, name, masked) for name, rows in there.items()}, checks=checks,
        deliver=deliver, key=cache.digest(snapshot.key, told) if snapshot.key and hides else snapshot.key,
        role=view.role, purpose=view.purpose,
    )  # fmt: skip


def flat_seen(con: Backend, view: View, title: str, roles: Mapping[str, object]) -> None:
    """Mask and drop columns of the relation `flat`, where a view says so; refuse what must be seen and is not.

    `roles` are the columns that say what became of a row, whose it is, and of which day.
    """
    if view.limited:
        raise BankmineError(
            f"Role {view.role} sees for {view.purpose} only some customers, and {title}, a flat table, has none."
        )
    rows = con.table(FLAT)
    masked = {f"{FLAT}.{c}": how for c in rows.columns if (how := _masking(view, FLAT, rows, c)) not in (NONE, TOKEN)}
    if out := [c for role in _MUST_SEE if f"{FLAT}.{(c := roles.get(role))}" in masked]:
        raise BankmineError(f"Role {view.role} may not see {out[0]} of {title} for {view.purpose}.")
    if masked:
        name = gen_name(FLAT)
        made = con.create_table(name, _columns_seen(rows, FLAT, masked), temp=True)
        con.create_table(FLAT, made, temp=True)  # hides the delivered one, which it could not be made from
        con.drop_table(name, database=("temp", "main"))


def _masking(view: View, name: str, table: ir.Table, column: str) -> str:
    """How a column is masked: what cannot be masked so is absent."""
    how, kind = view.masking(f"{name}.{column}"), table[column].type()
    fits = how in (NONE, TOKEN) or (how == YEAR and kind.is_temporal())
    fits |= how == REDACT and kind.is_string() and table.get_backend().name == "duckdb"
    return how if fits else ABSENT


def _columns_seen(rows: ir.Table, name: str, masked: Mapping[str, str]) -> ir.Table:
    """Mask and drop columns; a key stays the token that it is where it came as one."""
    own = {c: masked[f"{name}.{c}"] for c in rows.columns if f"{name}.{c}" in masked}
    gone = [c for c, how in own.items() if how == ABSENT]
    gone += [BAD + c for c in own if BAD + c in rows.columns]  # the text that could not be read
    years = {c: rows[c].truncate("Y").cast(rows[c].type()) for c, how in own.items() if how == YEAR}
    rows = rows.mutate(**years) if years else rows
    rows = rows.drop(*gone) if gone else rows
    texts = [c for c, how in own.items() if how == REDACT]
    return _redacted(rows, texts) if texts else rows


def _redacted(rows: ir.Table, texts: list[str]) -> ir.Table:
    """Blank what looks personal in texts."""
    con = rows.get_backend()
    view = con.create_view(gen_name("seen"), rows).get_name()
    shown = ", ".join(f"{redacted_sql(identifier(c))} AS {identifier(c)}" for c in texts)
    return con.sql(f"SELECT * REPLACE ({shown}) FROM {identifier(view)}")


def _rows_seen(tables: Mapping[str, ir.Table], view: View, source: str) -> dict[str, ir.Table]:
    """Keep the customers that are seen, and of every other table what is theirs, or nobody's."""
    if not view.limited or "customers" not in tables:
        return dict(tables)
    people = tables["customers"]
    if lacking := [c for c in (*view.consent, *view.rows) if c not in people.columns]:
        raise BankmineError(
            f"Role {view.role} sees for {view.purpose} only customers by {lacking[0]}, which {source} does not tell."
        )
    told = [people[c].cast("boolean").fill_null(False) for c in view.consent]
    told += [people[c].cast("string").isin(values) for c, values in view.rows.items()]
    found = {"customers": people.filter(*told)}
    for name, table in TABLES.items():
        if name in tables and name not in found:
            parents = table.parents or ({_OWNER: "customers"} if _OWNER in table.names else {})
            found[name] = _of_parents(tables[name], parents, found)
    return found


def _of_parents(rows: ir.Table, parents: Mapping[str, str], found: Mapping[str, ir.Table]) -> ir.Table:
    """Keep rows whose every parent is seen; what could tell of a parent and does not is not seen."""
    for column, parent in parents.items():
        if column not in rows.columns:
            return rows.filter(False)
        keys = found[parent].select(seen_key=TABLES[parent].key[0])
        rows = rows.semi_join(keys, [(column, "seen_key")])
    return rows


def _check(check: TableCheck, rows: ir.Table, masked: Mapping[str, str], view: View) -> TableCheck:
    """Tell what the checks found, without examples and remarks that show what is not seen."""
    table = TABLES[check.name]
    hidden = {column.partition(".")[2] for column in masked if column.partition(".")[0] == check.name}
    keyless = view.limited or not hidden.isdisjoint(table.key or (*table.parents, table.time))
    violations = [replace(v, examples=()) if keyless or v.column in hidden else v for v in check.violations]
    remarks = [r for r in check.remarks if hidden.isdisjoint(re.findall(r"\w+", r))]
    kept = rows.count().to_pyarrow().as_py() if view.limited else check.kept
    return replace(check, kept=kept, rows=kept + check.quarantined, violations=violations, remarks=remarks)
