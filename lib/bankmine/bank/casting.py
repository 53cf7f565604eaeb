"""Casting: columns as the contract wants them, whatever the source holds, and without ever failing on a value."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from bankmine.bank.contract import Table

BAD = "_bad_"
"""Prefix of the columns that mark values which could not be cast."""


def typed(raw: ir.Table, table: Table) -> ir.Table:
    """Cast the contract's columns and mark in `_bad_<column>` the values that could not be cast.

    A late column whose day of becoming known is not given is left out: nobody could say when it was known.

    Parameters
    ----------
    raw : ir.Table
        Rows as the source gives them, columns named as in the contract.
    table : Table
        The contract's table.
    """
    columns = [c for c in table.columns if c.name in raw.columns]
    undated = [c.name for c in columns if c.known_on and c.known_on not in raw.columns]
    columns = [c for c in columns if c.name not in undated]
    casts = {c.name: _cast(raw[c.name], c.type) for c in columns}
    bad = {BAD + name: _given(raw[name]) & cast.isnull() for name, cast in casts.items()}
    return raw.drop(undated).mutate(**casts, **bad)


def _cast(value: ir.Value, target: str) -> ir.Value:
    if target == "string":
        return _as_text(value)
    if str(value.type()).removeprefix("!") != target:
        value = _castable(value, target).try_cast(target)
    return (value.isnan() | value.isinf()).ifelse(ibis.null(target), value) if target == "float64" else value


def _castable(value: ir.Value, target: str) -> ir.Value:
    """Give a form from which the engine can try the cast; text is the form from which it always can."""
    kind = value.type()
    numbers = (kind.is_integer() or kind.is_floating()) and target in ("float64", "int64")
    if numbers or kind.is_temporal():
        return value
    return (value if kind.is_string() else value.cast("string")).strip().nullif("")


def _as_text(value: ir.Value) -> ir.StringValue:
    """Text of a key; whole numbers that a workbook keeps as 12.0 become 12."""
    if value.type().is_string():
        return value.nullif("")
    if value.type().is_floating():
        return (value == value.floor()).ifelse(value.try_cast("int64").cast("string"), value.cast("string"))
    return value.cast("string")


def _given(value: ir.Value) -> ir.BooleanValue:
    """Tell whether there is a value at all; NaN and blank text are none."""
    if value.type().is_string():
        return value.strip().nullif("").notnull()
    return value.notnull() & ~value.isnan() if value.type().is_floating() else value.notnull()
