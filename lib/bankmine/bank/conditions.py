"""Conditions: a small language in which people write rules over features, safe because it can do nothing else.

A condition is made of names of columns, numbers, words in quotes, `+ - * /`, comparisons (also chained), `in` a list,
`and`, `or`, `not` and brackets. It is parsed as a Python expression, of which nothing but these is let through: there
are no calls, attributes or subscripts, so that whoever writes rules cannot run code. What is unknown in a row makes a
comparison unknown, and `and`, `or`, `not` follow the logic of three values of SQL (Kleene).
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np
import pandas as pd

from bankmine.errors import BankmineError

_COMPARES: dict[type, Callable] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}  # fmt: skip
_COMPUTES: dict[type, Callable] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide,
}  # fmt: skip
_MEMBERS = (ast.In, ast.NotIn)
_LONGEST = 500
"""Characters of a condition, so that none nests deeper than the parser can follow."""


@dataclass(frozen=True)
class Condition:
    """A condition that was understood; it can be asked of any columns that have its names."""

    text: str
    names: frozenset[str]
    """Columns that it needs."""
    tree: ast.expr

    def holds(self, columns: Mapping[str, np.ndarray | pd.Series]) -> np.ndarray:
        """Tell in which rows the condition holds; where it is unknown it does not.

        Parameters
        ----------
        columns : mapping of str to np.ndarray
            One array a name, all of the same length; numbers (missing as NaN), booleans, or words (missing as None).

        Returns
        -------
        np.ndarray
            Boolean, shape (rows,).

        Raises
        ------
        BankmineError
            If a column is not there, or words are compared with numbers.
        """
        if lacking := sorted(self.names - set(columns)):
            raise BankmineError(f"The condition {self.text!r} needs {lacking[0]!r}, which is not there.")
        known = {name: _array(columns[name]) for name in self.names}
        rows = len(next(iter(known.values()))) if known else 1
        # dividing by 0 gives an infinite number or none, which compares as such
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.broadcast_to(self._told(known), rows) == 1

    def _told(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        try:
            return _truth(self.tree, columns)
        except (TypeError, ValueError) as error:
            raise BankmineError(f"The condition {self.text!r} cannot be computed: {error}") from None


def parse(text: str, of: str) -> Condition:
    """Read a condition.

    Parameters
    ----------
    text : str
        As `amount > 500 and (night or new_payee)`.
    of : str
        Whose condition it is, for messages.

    Raises
    ------
    BankmineError
        If it is no condition of this language.
    """
    if not isinstance(text, str) or len(text) > _LONGEST:
        raise BankmineError(f"{of}: a condition is text of at most {_LONGEST} characters, not {str(text)[:60]!r}.")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BankmineError(f"{of}: {text!r} is not a condition: {getattr(error, 'msg', error)}.") from None
    _check_truth(tree, f"{of}: {text!r}")
    names = frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
    if not names:
        raise BankmineError(f"{of}: {text!r} names no column, so that it says nothing of a row.")
    return Condition(text, names, tree)


def _check_truth(node: ast.expr, of: str) -> None:
    """Refuse whatever is neither true nor false, or not of the language."""
    match node:
        case ast.BoolOp(values=parts):
            for part in parts:
                _check_truth(part, of)
        case ast.UnaryOp(op=ast.Not(), operand=part):
            _check_truth(part, of)
        case ast.Compare(left=left, ops=ops, comparators=others):
            _check_value(left, of)
            for op, other in zip(ops, others, strict=True):
                _check_other(op, other, of)
        case ast.Name():
            pass
        case _:
            raise BankmineError(f"{of} is not a condition: {ast.unparse(node)!r} is neither true nor false.")


def _check_other(op: ast.cmpop, other: ast.expr, of: str) -> None:
    if not isinstance(op, _MEMBERS):
        if type(op) not in _COMPARES:
            raise BankmineError(f"{of}: only <, <=, >, >=, ==, != and in compare, not {type(op).__name__}.")
        _check_value(other, of)
    elif not isinstance(other, ast.List | ast.Tuple) or not all(isinstance(e, ast.Constant) for e in other.elts):
        raise BankmineError(f"{of}: after `in` there must be a list as ['atm', 'pos'].")


def _check_value(node: ast.expr, of: str) -> None:
    match node:
        case ast.Name():
            pass
        case ast.Constant(value=value) if isinstance(value, int | float | str):
            pass
        case ast.UnaryOp(op=ast.USub(), operand=part):
            _check_value(part, of)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _COMPUTES:
            _check_value(left, of)
            _check_value(right, of)
        case _:
            raise BankmineError(
                f"{of}: {ast.unparse(node)!r} is not allowed: take names of columns, numbers, words in quotes, + - * /."
            )


def _truth(node: ast.expr, columns: dict[str, np.ndarray]) -> np.ndarray:
    """Return 1 where a part holds, 0 where it does not, NaN where that is unknown."""
    match node:
        case ast.BoolOp(op=op, values=parts):
            decides = 0.0 if isinstance(op, ast.And) else 1.0
            return reduce(lambda a, b: _either(a, b, decides), [_truth(part, columns) for part in parts])
        case ast.UnaryOp(operand=part):
            return 1 - _truth(part, columns)
        case ast.Name(id=name):
            return _yes_or_no(columns[name])
    values = [node.left, *node.comparators]
    links = [_compare(op, a, b, columns) for op, a, b in zip(node.ops, values, values[1:], strict=False)]
    return reduce(lambda a, b: _either(a, b, 0.0), links)


def _either(one: np.ndarray, other: np.ndarray, decides: float) -> np.ndarray:
    """Join two truths: that of one decides where it is `decides`, else the unknown stays unknown."""
    return np.where((one == decides) | (other == decides), decides, np.where(np.isnan(one), one, other))


def _compare(op: ast.cmpop, left: ast.expr, right: ast.expr, columns: dict[str, np.ndarray]) -> np.ndarray:
    one = _value(left, columns)
    if isinstance(op, _MEMBERS):
        wanted = [element.value for element in right.elts]
        found = pd.Series(np.atleast_1d(one)).isin(wanted).to_numpy() != isinstance(op, ast.NotIn)
        return np.where(pd.isna(one), np.nan, found)
    other = _value(right, columns)
    unknown = pd.isna(one) | pd.isna(other)
    if np.asarray(one).dtype == object or np.asarray(other).dtype == object:
        # words that are missing cannot be ordered: they are left out by what stands in their place
        one, other = (np.where(unknown, _stand_in(one, other), value) for value in (one, other))
    return np.where(unknown, np.nan, _COMPARES[type(op)](one, other))


def _stand_in(one: object, other: object) -> object:
    return next((v for v in [*np.atleast_1d(one), *np.atleast_1d(other)] if not pd.isna(v)), 0.0)


def _value(node: ast.expr, columns: dict[str, np.ndarray]) -> np.ndarray | float | str:
    match node:
        case ast.Name(id=name):
            return columns[name]
        case ast.Constant(value=value):
            return value if isinstance(value, str) else float(value)
        case ast.UnaryOp(operand=part):
            return np.negative(_value(part, columns))
    return _COMPUTES[type(node.op)](_value(node.left, columns), _value(node.right, columns))


def _yes_or_no(column: np.ndarray) -> np.ndarray:
    if column.dtype == object:
        raise ValueError("a column of words is neither true nor false")
    return np.where(np.isnan(column), np.nan, column != 0)


def _array(column: np.ndarray | pd.Series) -> np.ndarray:
    """Return numbers and booleans as numbers, words as objects."""
    if isinstance(column, np.ndarray) and column.dtype.kind in "fiub":  # without pandas, as one payment is soon asked
        return column.astype(float, copy=False)
    column = pd.Series(column)
    number = pd.api.types.is_numeric_dtype(column.dtype)
    return column.astype(float).to_numpy() if number else column.astype(object).to_numpy()
