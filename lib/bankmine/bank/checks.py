"""Checks: the contract's rules counted, shown with examples, and applied.

A row that breaks a rule is quarantined: left out of the snapshot and counted. A bad value in a column that
a row can live without is dropped and counted, and its row stays.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from functools import reduce
from operator import or_

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.util import gen_name

from bankmine.bank.casting import BAD
from bankmine.bank.contract import Table
from bankmine.bank.reconciliation import unreconciled
from bankmine.bank.rules import ROW, VALUE, Rule, rules_of_parents, rules_of_rows, with_parents

EXAMPLES = 3


@dataclass(frozen=True)
class Violation:
    """How often one rule is broken in one column of one table."""

    table: str
    rule: str
    column: str
    level: str
    count: int
    examples: tuple[str, ...]


@dataclass
class TableCheck:
    """What the checks found in one table; `rows` and `kept` are counts."""

    name: str
    rows: int
    kept: int
    first: datetime.date | None
    last: datetime.date | None
    violations: list[Violation] = field(default_factory=list)

    @property
    def quarantined(self) -> int:
        """Rows left out."""
        return self.rows - self.kept


def check(
    rows: ir.Table, table: Table, kept: dict[str, ir.Table], extracted_on: datetime.date, tolerance: float
) -> tuple[ir.Table, TableCheck]:
    """Check one table against its rules and against the tables it refers to.

    Parameters
    ----------
    rows : ir.Table
        Rows of the table as `casting.typed` gives them.
    table : Table
        The contract's table.
    kept : dict of str to ir.Table
        What was kept of the tables checked before; parents come first.
    extracted_on : datetime.date
        Last day that the source can speak of.
    tolerance : float
        How far a balance may be from what the flows say.

    Returns
    -------
    tuple of ir.Table and TableCheck
        Rows that break no rule, with bad values dropped, and what was found.
    """
    joined = with_parents(rows, table, kept)
    of_rows, of_parents = rules_of_rows(rows, table, extracted_on), rules_of_parents(joined, table)
    rules = of_rows + of_parents
    counts = _counts(joined, table, rules)
    result = TableCheck(table.name, counts["rows"], counts["kept"], counts["first"], counts["last"])
    broken = [rule for i, rule in enumerate(rules) if counts[f"rule_{i}"]]
    for rule in broken:
        keys = _examples(joined.filter(rule.broken), table)
        number = counts[f"rule_{rules.index(rule)}"]
        result.violations.append(Violation(table.name, rule.name, rule.column, rule.level, number, keys))
    # joining the parents again on every use is dear, so only tables with orphans do
    good = _apply(joined if any(r in broken for r in of_parents) else rows, broken)
    good = good.select([c for c in rows.columns if not c.startswith(BAD)])
    good = rows.get_backend().create_view(gen_name(table.name), good)  # queries upon a view compile quickly
    if counts["keys"] < counts["kept"]:
        good = _keep_first(good, table, result)
    if table.name == "balances" and "transactions" in kept:
        wrong = unreconciled(good, kept["transactions"], tolerance).to_pyarrow()
        good = _leave_out(good, table, wrong, result)
    return good, result


def _counts(rows: ir.Table, table: Table, rules: list[Rule]) -> dict:
    """Count in one query the rows, those that break no rule, the keys of these, and each rule's violations."""
    good = ~reduce(or_, [r.broken for r in rules if r.level == ROW])
    day, kept = rows[table.time].cast("date"), good.sum().fill_null(0)
    key = rows[table.key[0]] if len(table.key) == 1 else ibis.struct({c: rows[c] for c in table.key or rows.columns})
    return rows.aggregate(
        rows=rows.count(), kept=kept, first=day.min(where=good), last=day.max(where=good),
        keys=key.nunique(where=good) if table.key else kept,
        **{f"rule_{i}": rule.broken.sum() for i, rule in enumerate(rules)},
    ).to_pyarrow().to_pylist()[0]  # fmt: skip


def _apply(rows: ir.Table, broken: list[Rule]) -> ir.Table:
    """Leave out the rows that break a rule of rows, and blank the values that break a rule of values."""
    dropped: dict[str, ir.Value] = {}
    for rule in (r for r in broken if r.level == VALUE):
        value = dropped.get(rule.column, rows[rule.column])
        dropped[rule.column] = rule.broken.ifelse(ibis.null(value.type()), value)
    of_rows = [rule.broken for rule in broken if rule.level == ROW]
    good = rows.filter(~reduce(or_, of_rows)) if of_rows else rows
    return good.mutate(**dropped) if dropped else good


def _keep_first(rows: ir.Table, table: Table, result: TableCheck) -> ir.Table:
    """Keep the earliest row of each key."""
    counted = rows.group_by(*table.key).agg(copies=rows.count())
    repeated = counted.filter(counted.copies > 1).to_pyarrow()
    keys = ibis.memtable(repeated).drop("copies")
    extra = sum(repeated["copies"].to_pylist()) - repeated.num_rows
    _quarantine(result, "duplicate_key", table.key[-1], extra, _examples(keys, table))
    order = [table.time, *(c for c in rows.columns if c != table.time)]
    copies = rows.semi_join(keys, table.key)
    copies = copies.mutate(_rank=ibis.row_number().over(group_by=table.key, order_by=order))
    return rows.anti_join(keys, table.key).union(copies.filter(copies._rank == 0).drop("_rank"))


def _leave_out(rows: ir.Table, table: Table, wrong: pa.Table, result: TableCheck) -> ir.Table:
    """Leave out the balances with these keys."""
    if not wrong.num_rows:
        return rows
    keys = ibis.memtable(wrong)
    _quarantine(result, "unreconciled", "balance", wrong.num_rows, _examples(keys, table))
    return rows.anti_join(keys, table.key)


def _quarantine(result: TableCheck, rule: str, column: str, number: int, keys: tuple[str, ...]) -> None:
    result.kept -= number
    result.violations.append(Violation(result.name, rule, column, ROW, number, keys))


def _examples(rows: ir.Table, table: Table) -> tuple[str, ...]:
    """Keys of the first few rows; a table without a key of its own shows what the row refers to, and when."""
    columns = table.key or (*table.parents, table.time)
    texts = [rows[c].cast("string").fill_null("(empty)") for c in columns]
    label = reduce(lambda left, right: left + " · " + right, texts)
    return tuple(rows.select(label=label).order_by("label").limit(EXAMPLES).to_pyarrow()["label"].to_pylist())
