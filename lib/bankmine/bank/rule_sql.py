"""Rules of people as SQL: one expression, held against a list of what it may be made of, and written anew from it.

So DuckDB never sees what the owner of a rule wrote, and a rule can do nothing but compare and count. Nothing is let in
that DuckDB writes out several times, as `nullif` or `case x when`: nested, it would grow without end.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokens import TokenType

from bankmine.errors import BankmineError, one_line

_LONGEST, _SHOWN = 2_000, 60
"""Characters of a rule, and of a part of it in a message."""
_NESTED = 20
"""Brackets within each other, so that the parser can follow."""
_COMPARES = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
_COMPUTES = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/"}
_FUNCTIONS = {exp.Abs: "abs", exp.Coalesce: "coalesce", exp.Least: "least", exp.Greatest: "greatest"}
_PARTS = {
    exp.Identifier: "this quoted", exp.Column: "this", exp.Literal: "this is_string", exp.Boolean: "this", exp.Null: "",
    exp.Paren: "this", exp.And: "this expression", exp.Or: "this expression", exp.Not: "this", exp.Neg: "this",
    exp.In: "this expressions", exp.Between: "this low high", exp.Like: "this expression negate",
    exp.Is: "this expression", exp.Case: "ifs default", exp.If: "this true", exp.Round: "this decimals",
    exp.Quantile: "this quantile", exp.Cast: "this to", exp.DataType: "this",
    **dict.fromkeys([*_COMPARES, *_COMPUTES], "this expression"),
    **dict.fromkeys(_FUNCTIONS, "this expressions ignore_nulls"),
}  # fmt: skip
"""Whatever a rule may be made of -> what sqlglot may have found in it."""
_ALLOWED = (
    "take columns, numbers, words in quotes, + - * /, comparisons, and, or, not, in, between, like, is null, case, "
    "cast as double, abs, coalesce, greatest, least, round and quantile"
)


@dataclass(frozen=True)
class Expression:
    """A rule that was understood."""

    text: str
    of: str
    """Whose rule it is, for messages."""
    columns: frozenset[str]
    """Names of the columns that it needs."""
    sql: str
    """The same rule, written anew for DuckDB."""


def condition(text: object, of: str, alone: bool = False) -> Expression:
    """Read a rule that holds of a row or not.

    Parameters
    ----------
    text : object
        SQL, as `amount > 500 and (night or new_payee)`; a column alone holds where it is not zero.
    of : str
        Whose rule it is, for messages.
    alone : bool
        Whether each row is judged by itself, without quantiles over all rows.

    Raises
    ------
    BankmineError
        If it is anything else than such a rule.
    """
    return _read(text, of, alone, _truth)


def value(text: object, of: str, alone: bool = False) -> Expression:
    """Read a rule that gives a number, as `income / 12`; else as `condition`."""
    return _read(text, of, alone, _value)


def _read(text: object, of: str, alone: bool, write: Callable[[exp.Expression, str], str]) -> Expression:
    if not isinstance(text, str) or len(text) > _LONGEST:
        raise BankmineError(f"{of}: a rule is text of at most {_LONGEST:,} characters, not {_short(text)}.")
    if max(accumulate((c in "([{") - (c in ")]}") for c in text), default=0) > _NESTED:
        raise BankmineError(f"{of}: {_short(text)} has more than {_NESTED} brackets within each other: write fewer.")
    try:
        marks = sqlglot.tokenize(text, read="duckdb")
        if odd := [m for m in marks if m.comments or m.token_type == TokenType.SEMICOLON]:
            raise BankmineError(f"{of}: a rule has no comment and no semicolon, as after {odd[0].text!r}: take it out.")
        tree = sqlglot.parse_one(text, into=exp.Condition, dialect="duckdb")
        _check(tree, of, alone)
        columns = frozenset(node.name for node in tree.find_all(exp.Column))
        return Expression(text, of, columns, write(tree, of))
    except RecursionError:
        raise BankmineError(f"{of}: {_short(text)} nests too deep: write it shorter.") from None
    except SqlglotError as error:
        found = error.errors[0]["description"] if getattr(error, "errors", None) else error
        raise BankmineError(f"{of}: {_short(text)} cannot be read as SQL: {one_line(found)}.") from None


def _check(tree: exp.Expression, of: str, alone: bool) -> None:
    """Refuse the outermost part that is not allowed."""
    for node in tree.walk():
        known = _PARTS.get(type(node))
        if known is None or {name for name, there in node.args.items() if there} - set(known.split()):
            raise _refused(node, of, f"is not allowed in a rule: {_ALLOWED}")
        if isinstance(node, exp.Quantile) and alone:
            raise _refused(node, of, "is not allowed here, where each row is judged by itself: write a number")


def _truth(node: exp.Expression, of: str) -> str:
    """Write a part that is true or false."""
    if type(node) in _COMPARES:
        return f"({_value(node.this, of)} {_COMPARES[type(node)]} {_value(node.expression, of)})"
    if type(node) in (exp.Column, exp.Case, exp.Coalesce):
        return f"CAST({_value(node, of)} AS BOOLEAN)"
    if type(node) not in _TRUTHS:
        raise _refused(node, of, "is neither true nor false: compare it with something")
    return _TRUTHS[type(node)](node, of)


def _value(node: exp.Expression, of: str) -> str:
    """Write a part that is a number or words."""
    if type(node) in _COMPUTES:
        return f"({_value(node.this, of)} {_COMPUTES[type(node)]} {_value(node.expression, of)})"
    if type(node) in _FUNCTIONS:
        return f"{_FUNCTIONS[type(node)]}({_list([node.this, *node.expressions], of)})"
    if type(node) not in _VALUES:
        raise _refused(node, of, f"is not allowed where a value is needed: {_ALLOWED}")
    return _VALUES[type(node)](node, of)


def _joined(node: exp.And | exp.Or, of: str) -> str:
    return f"({_truth(node.this, of)} {node.key.upper()} {_truth(node.expression, of)})"


def _in(node: exp.In, of: str) -> str:
    if not node.expressions:
        raise _refused(node, of, "has an empty list: write what is in it")
    return f"({_value(node.this, of)} IN ({_list(node.expressions, of)}))"


def _between(node: exp.Between, of: str) -> str:
    low, high = (_value(node.args[part], of) for part in ("low", "high"))
    return f"({_value(node.this, of)} BETWEEN {low} AND {high})"


def _like(node: exp.Like, of: str) -> str:
    link = "NOT LIKE" if node.args.get("negate") else "LIKE"
    return f"({_value(node.this, of)} {link} {_value(node.expression, of)})"


def _is_null(node: exp.Is, of: str) -> str:
    if not isinstance(node.expression, exp.Null):
        raise _refused(node, of, "is not allowed: only `is null` and `is not null` are")
    return f"({_value(node.this, of)} IS NULL)"


def _round(node: exp.Round, of: str) -> str:
    places = node.args.get("decimals")
    if places and not (isinstance(places, exp.Literal) and places.is_int):
        raise _refused(node, of, "is not allowed: round to a whole number of places, as round(x, 2)")
    return f"round({_value(node.this, of)}, {int(places.name) if places else 0})"


def _quantile(node: exp.Quantile, of: str) -> str:
    column, share = node.this, node.args.get("quantile")
    if not (isinstance(share, exp.Literal) and share.is_number and 0 <= float(share.name) <= 1):
        raise _refused(node, of, "is not allowed: give a share of the customers, as quantile(x, 0.9)")
    if not isinstance(column, exp.Column):
        raise _refused(node, of, "is not allowed: a quantile is that of a column, as quantile(x, 0.9)")
    return f"(quantile_cont({_value(column, of)}, {_literal(share, of)}) OVER ())"


def _cast(node: exp.Cast, of: str) -> str:
    if node.to.this != exp.DataType.Type.DOUBLE:
        raise _refused(node, of, "is not allowed: cast to double")
    return f"CAST({_value(node.this, of)} AS DOUBLE)"


def _case(node: exp.Case, of: str) -> str:
    whens = "".join(f" WHEN {_truth(part.this, of)} THEN {_value(part.args['true'], of)}" for part in node.args["ifs"])
    default = node.args.get("default")
    return f"(CASE{whens} ELSE {_value(default, of) if default else 'NULL'} END)"


def _literal(node: exp.Literal, of: str) -> str:
    """Write words, or a number as floating point: DuckDB would take 0.1 for a decimal, which counts otherwise."""
    if node.is_string:
        return node.sql("duckdb")
    if not math.isfinite(number := float(node.name)):
        raise _refused(node, of, "is too large a number")
    return repr(number) if "e" in repr(number) else f"{number!r}e0"


def _list(nodes: list[exp.Expression], of: str) -> str:
    return ", ".join(_value(node, of) for node in nodes)


def _refused(node: exp.Expression, of: str, why: str) -> BankmineError:
    return BankmineError(f"{of}: {_short(node.sql('duckdb'))} {why}.")


def _short(text: object) -> str:
    return repr(str(text)[:_SHOWN])


_TRUTHS: dict[type, Callable[..., str]] = {
    exp.Paren: lambda node, of: _truth(node.this, of), exp.Not: lambda node, of: f"(NOT {_truth(node.this, of)})",
    exp.Boolean: lambda node, _: node.sql("duckdb"), exp.And: _joined, exp.Or: _joined, exp.In: _in,
    exp.Between: _between, exp.Like: _like, exp.Is: _is_null,
}  # fmt: skip
_VALUES: dict[type, Callable[..., str]] = {
    exp.Paren: lambda node, of: _value(node.this, of), exp.Neg: lambda node, of: f"(- {_value(node.this, of)})",
    exp.Column: lambda node, _: exp.to_identifier(node.name, quoted=True).sql("duckdb"), exp.Literal: _literal,
    exp.Boolean: lambda node, _: f"{int(node.this)}e0", exp.Null: lambda *_: "NULL", exp.Round: _round,
    exp.Quantile: _quantile, exp.Cast: _cast, exp.Case: _case,
}  # fmt: skip
