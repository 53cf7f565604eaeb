"""Ruled: conditions and numbers that people own in registers, and the only way in which they are computed.

What a rule may say, and why it can run no code, is in `rule_sql.py`. Numbers are floating point; what is unknown, a
division by zero too, stays unknown as in SQL.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa

from bankmine.bank.rule_sql import Expression, condition, value
from bankmine.errors import BankmineError, one_line
from bankmine.registers import Entry, entries, read_yaml

__all__ = ["Expression", "Ruled", "compute", "condition", "holds", "read_rules", "value"]
_POSITION = "row number"
_ENGINE = {"enable_external_access": False, "python_enable_replacements": False, "ieee_floating_point_ops": False}
"""No files, no variables of Python, and dividing by 0 is unknown, not NaN, which is DuckDB's largest number."""


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
