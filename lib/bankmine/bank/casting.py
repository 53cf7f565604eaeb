"""Casting: columns as the contract wants them, whatever the source holds, and without ever failing on a value."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from bankmine.bank.contract import Table

BAD = "_bad_"
"""Prefix of the columns that mark values which could not be cast."""


def named(raw: ir.Table, table: Table) -> ir.Table:
    """Name the contract's columns as it does, where the source differs by case or surrounding blanks only."""
    near = {c.strip().lower(): c for c in raw.columns}
    return raw.rename({c: near[c] for c in table.names if c in near and c not in raw.columns})


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
    doubtful = [c.name for c in columns if c.type != "string" and not _is(raw[c.name], c.type)]
    bad = {BAD + name: _given(raw[name]) & casts[name].isnull() for name in doubtful}
    return raw.drop(undated).mutate(**casts, **bad)


def _cast(value: ir.Value, target: str) -> ir.Value:
    """Cast to one of the contract's types; what does not fit becomes null."""
    if target == "string":
        return _as_text(value)
    if _is(value, target):
        return value
    if target == "int64":
        return _whole(_number(value))
    if target == "float64":
        return _number(value)
    kind = value.type()
    if target == "boolean" and kind.is_numeric():
        return (value == 1).ifelse(True, (value == 0).ifelse(False, ibis.null("boolean")))
    return (value if kind.is_temporal() else _text(value)).try_cast(target)


def _is(value: ir.Value, target: str) -> bool:
    """Tell whether a column has the type already, so that no value of it can be bad; any but floats, which can be ∞."""
    return target != "float64" and str(value.type()).removeprefix("!") == target


def _number(value: ir.Value) -> ir.FloatingValue:
    if not value.type().is_numeric():
        value = _text(value)
    value = value if value.type().is_float64() else value.try_cast("float64")
    return (value.isnan() | value.isinf()).ifelse(ibis.null("float64"), value)


def _whole(value: ir.FloatingValue) -> ir.IntegerValue:
    """Cast whole numbers only: engines would round 1.5 without a word."""
    return (value == value.floor()).ifelse(value, ibis.null("float64")).try_cast("int64")


def _as_text(value: ir.Value) -> ir.StringValue:
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
