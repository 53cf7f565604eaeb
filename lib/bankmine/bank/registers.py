"""Registers: rules that people own, as YAML, and the only way in which they are read and computed.

What a rule may say, and why it can run no code, is in `rule_sql.py`. Numbers are floating point; what is unknown, a
division by zero too, stays unknown as in SQL.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import duckdb
import pandas as pd
import pyarrow as pa
import yaml

from bankmine.bank.rule_sql import Expression, condition, value
from bankmine.errors import BankmineError, one_line

Entry = TypeVar("Entry")
_LARGE = 1e18
"""Beyond it, whole numbers are no longer exact, and nothing of a bank is counted so high."""
_LARGEST, _DEEPEST = 256_000, 20
"""Bytes of a register, and how deep its parts nest: those of a bank have less than 20,000 and 5."""
__all__ = ["Expression", "Ruled", "compute", "condition", "entries", "holds", "read_rules", "read_yaml", "value"]
_POSITION = "row number"
_ENGINE = {"enable_external_access": False, "python_enable_replacements": False, "ieee_floating_point_ops": False}
"""No files, no variables of Python, and dividing by 0 is unknown, not NaN, which is DuckDB's largest number."""


class _Loader(yaml.SafeLoader):
    """Reads plain values only; what nests deeply or repeats itself by aliases would explode when it is used."""

    depth = 0

    def compose_node(self, parent: object, index: object) -> yaml.Node:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError(f"write out what the alias *{self.peek_event().anchor} repeats.")
        self.depth += 1
        if self.depth > _DEEPEST:
            raise yaml.YAMLError(f"its parts nest deeper than {_DEEPEST}: write it flatter.")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


@dataclass(frozen=True)
class Ruled:
    """Whatever has a rule that people own: it is understood, or refused, when the entry is made."""

    parsed: Expression = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parsed", self.read())

    def read(self) -> Expression:
        """Read the rule; as here a condition in the field `rule` of an entry with an `id`."""
        return condition(self.rule, f"{type(self).__name__} {self.id}")


def read_rules(file: Path, kind: type[Entry], what: str) -> list[Entry]:
    """Read a register that is a list of rules, of which there is one at least; else as `entries`."""
    found = entries(read_yaml(file), kind, file, what)
    if not found:
        raise BankmineError(f"{file} is not a list of {what}: it is empty.")
    return found


def read_yaml(file: Path) -> object:
    """Read a register's YAML; an error tells if it is none, or larger or deeper than a register can be."""
    try:
        if file.stat().st_size > _LARGEST:
            raise BankmineError(f"{file} is larger than {_LARGEST:,} bytes: a register is not; split it.")
        found = yaml.load(file.read_text("utf-8"), _Loader)
    except UnicodeDecodeError as error:
        raise BankmineError(f"{file} is not readable UTF-8 text: {one_line(error)}") from None
    except (OSError, yaml.YAMLError, ValueError) as error:  # a date that does not exist is a ValueError
        raise BankmineError(f"{file} is not readable YAML: {one_line(error)}") from None
    if large := next((n for n in _numbers(found) if not -_LARGE < n < _LARGE), None):
        raise BankmineError(f"{file}: {str(large)[:20]} is too large a number for a register, or none: write another.")
    return found


def _numbers(told: object) -> Iterator[float]:
    """Go through all numbers that YAML gave."""
    if isinstance(told, dict):
        told = [*told, *told.values()]
    if isinstance(told, list):
        for one in told:
            yield from _numbers(one)
    elif isinstance(told, int | float):
        yield told


def entries(told: object, kind: type[Entry], file: Path, what: str) -> list[Entry]:
    """Turn a list of mappings, as YAML gives it, into dataclasses that have an `id`.

    An error names the file and tells if it is no list of `what`, an entry lacks a field, has an unknown one or a rule
    that is refused, or an id comes twice.
    """
    try:
        found = [kind(**entry) for entry in told]
    except TypeError as error:
        raise BankmineError(f"{file} is not a list of {what}: {one_line(error)}") from None
    except BankmineError as error:
        raise BankmineError(f"{file}: {error}") from None
    ids = [entry.id for entry in found]
    if twice := sorted({i for i in ids if ids.count(i) > 1}):
        raise BankmineError(f"{file}: the id {twice[0]} comes twice.")
    return found


def holds(conditions: Mapping[str, Expression], rows: pd.DataFrame) -> pd.DataFrame:
    """Tell in which rows conditions hold, one column a condition; where one is unknown it does not.

    An error tells if one needs a column that is not there, or compares what cannot be compared, as words with numbers.
    """
    return _computed(conditions, "coalesce({}, FALSE)", rows)


def compute(values: Mapping[str, Expression], rows: pd.DataFrame) -> pd.DataFrame:
    """Compute numbers over rows: one column a rule, NaN where it is unknown; else as `holds`."""
    return _computed(values, "CAST({} AS DOUBLE)", rows)


def _computed(rules: Mapping[str, Expression], form: str, rows: pd.DataFrame) -> pd.DataFrame:
    for rule in rules.values():
        if lacking := sorted(rule.columns - set(rows.columns)):
            raise BankmineError(f"{rule.of}: {rule.text!r} needs {lacking[0]!r}, which is not there.")
    names = sorted({name for rule in rules.values() for name in rule.columns})
    if len({n.casefold() for n in [*names, _POSITION]}) <= len(names):
        raise BankmineError(f"Two of the columns {', '.join(names)} have the same name but for capitals: rename one.")
    with duckdb.connect(config=_ENGINE) as con:
        try:
            con.register("rows", pa.table({n: _array(rows[n]) for n in names} | {_POSITION: range(len(rows))}))
        except pa.ArrowException as error:
            raise BankmineError(f"A column that rules need holds values of several kinds: {one_line(error)}") from None
        try:
            found = _query(con, [form.format(rule.sql) for rule in rules.values()])
        except duckdb.Error:
            for rule in rules.values():  # one query does not tell in which of its rules it failed
                try:
                    _query(con, [form.format(rule.sql)])
                except duckdb.Error as error:
                    told = one_line(str(error).split("LINE 1")[0])
                    raise BankmineError(f"{rule.of}: {rule.text!r} cannot be computed: {told}") from None
            raise
    return found.set_axis(list(rules), axis=1).set_axis(rows.index)


def _query(con: duckdb.DuckDBPyConnection, wanted: list[str]) -> pd.DataFrame:
    named = "".join(f", {sql} AS c{i}" for i, sql in enumerate(wanted))
    return con.sql(f'SELECT "{_POSITION}" AS p{named} FROM rows ORDER BY p').df().drop(columns="p")


def _array(column: pd.Series) -> pa.Array:
    """Return numbers and booleans as floating point, all else as it is, and nulls where a value is missing."""
    if pd.api.types.is_bool_dtype(column.dtype) or pd.api.types.is_numeric_dtype(column.dtype):
        return pa.array(column.to_numpy(float, na_value=math.nan), from_pandas=True)
    return pa.array(column.astype(object) if column.dtype == "category" else column, from_pandas=True)
