"""Rules: what the contract forbids, as boolean expressions over the rows of one table."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from bankmine.bank.casting import BAD
from bankmine.bank.contract import TABLES, Column, Table

ROW, VALUE = "row", "value"
UNKNOWN_PARENT, BEFORE_PARENT = OF_PARENTS = ("unknown_parent", "before_parent")
OF_VALUES = ("wrong_type", "lost_digits", "unknown_value", UNKNOWN_PARENT)
"""Rules whose examples are the values that break them; those of all others are keys of rows."""

MEANINGS = {
    "wrong_type": "the value is not of the column's type",
    "lost_digits": "the key lost digits when a spreadsheet saved it, as 6.22216E+15 did",
    "null_key": "the key is empty",
    "missing_value": "a required value is empty",
    "unknown_value": "the contract does not know the value",
    "not_positive": "the amount is zero or negative",
    "negative": "the value is below zero",
    "in_future": "dated after the day the source was extracted",
    UNKNOWN_PARENT: "refers to an account or customer that is not there",
    BEFORE_PARENT: "dated before its account was opened or its customer joined",
    "duplicate_key": "the key was there before",
    "unreconciled": "the balance does not follow from the flows",
}
"""Rule -> what is wrong with a row or value that breaks it."""


@dataclass(frozen=True)
class Rule:
    """One rule on one column. `level` says whether the whole row or just the value is left out."""

    name: str
    column: str
    level: str
    broken: ir.BooleanValue


def rules_of_rows(rows: ir.Table, table: Table, extracted_on: datetime.date) -> list[Rule]:
    """List the rules that a row is judged by alone.

    Parameters
    ----------
    rows : ir.Table
        Rows as `casting.typed` gives them.
    table : Table
        The contract's table.
    extracted_on : datetime.date
        Last day that the source can speak of.
    """
    columns = [c for c in table.columns if c.name in rows.columns]
    found = [rule for c in columns for rule in _column_rules(rows, table, c)]
    future = rows[table.time].cast("date") > ibis.literal(extracted_on)
    return [*found, _rule("in_future", table.time, ROW, future)]


def rules_of_parents(joined: ir.Table, table: Table) -> list[Rule]:
    """List the rules that a row is judged by through what it refers to; rows are those of `with_parents`."""
    found = []
    for column in (c for c in table.parents if _key(c) in joined.columns):
        unknown = joined[column].notnull() & joined[_key(column)].isnull()
        before = joined[table.time].cast("date") < joined[_day(column)]
        found += [_rule(UNKNOWN_PARENT, column, ROW, unknown), _rule(BEFORE_PARENT, table.time, ROW, before)]
    return found


def with_parents(rows: ir.Table, table: Table, kept: dict[str, ir.Table]) -> ir.Table:
    """Add, for each column that refers to another table, the key and the first day of the row referred to."""
    for column, name in table.parents.items():
        if name in kept:
            parent, told = kept[name], TABLES[name]
            key, day = parent[told.key[0]], parent[told.time].cast("date")
            parent = parent.select(**{_key(column): key, _day(column): day})
            rows = rows.left_join(parent, rows[column] == parent[_key(column)])
    return rows


def _column_rules(rows: ir.Table, table: Table, column: Column) -> list[Rule]:
    value, level, found = rows[column.name], ROW if column.required else VALUE, []
    bad = rows[BAD + column.name].notnull() if BAD + column.name in rows.columns else ibis.literal(False)
    if BAD + column.name in rows.columns:
        name = "lost_digits" if column.type == "string" else "wrong_type"
        found.append(_rule(name, column.name, level, bad))
    if column.required:
        name = "null_key" if column.name in table.key else "missing_value"
        found.append(_rule(name, column.name, level, value.isnull() & ~bad))
    if column.values:
        found.append(_rule("unknown_value", column.name, level, value.notin(column.values)))
    if column.positive:
        found.append(_rule("not_positive", column.name, level, value <= 0))
    if column.non_negative:
        found.append(_rule("negative", column.name, level, value < 0))
    return found


def _rule(name: str, column: str, level: str, broken: ir.BooleanValue) -> Rule:
    return Rule(name, column, level, broken.fill_null(False))


def _key(column: str) -> str:
    return f"_key_{column}"


def _day(column: str) -> str:
    return f"_day_{column}"
