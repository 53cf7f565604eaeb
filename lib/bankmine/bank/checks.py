"""Checks: the contract's rules counted, shown with examples, and applied.

A row that breaks a rule is quarantined: left out of the snapshot and counted. A bad value in a column that
a row can live without is dropped and counted, and its row stays.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add, or_

import ibis
import ibis.expr.types as ir
from ibis.util import gen_name

from bankmine.bank.casting import BAD
from bankmine.bank.contract import Table
from bankmine.bank.harmless import harmless
from bankmine.bank.readers import few, fits
from bankmine.bank.reconciliation import unreconciled
from bankmine.bank.rules import OF_PARENTS, OF_VALUES, ROW, VALUE, Rule, rules_of_parents, rules_of_rows, with_parents
from bankmine.bank.sources import Source

EXAMPLES = 3
RECENT_DAYS = 30
_VERDICT = "_verdict_"
"""Column with the rules that a row breaks, a bit each."""


@dataclass(frozen=True)
class Violation:
    """How often one rule is broken in one column of one table, in all and by rows dated in the last 30 days."""

    table: str
    rule: str
    column: str
    level: str
    count: int
    recent: int
    examples: tuple[str, ...]


@dataclass
class TableCheck:
    """What the checks found in one table; `rows`, `recent` (dated in the last 30 days) and `kept` are counts."""

    name: str
    rows: int
    recent: int
    kept: int
    first: datetime.date | None
    last: datetime.date | None
    violations: list[Violation] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    """How its values were written, and what was beside its rows."""

    @property
    def quarantined(self) -> int:
        """Rows left out."""
        return self.rows - self.kept


def check(
    rows: ir.Table, table: Table, kept: dict[str, ir.Table], day: datetime.date, source: Source
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
    day : datetime.date
        Day of the snapshot.
    source : Source
        Says up to which day it can speak, and how exact its balances are.

    Returns
    -------
    tuple of ir.Table and TableCheck
        Rows that break no rule, with bad values dropped, and what was found.
    """
    joined = with_parents(rows, table, kept)
    rules = rules_of_rows(rows, table, source.last_day) + rules_of_parents(joined, table)
    judged = joined.mutate(**{_VERDICT: _verdict(rules)})
    # a table without a key is read but once or twice: no copies are looked for, and no other table refers to it
    if table.key and fits(rows):  # files are read, parents joined and rules applied once, not in every query upon it
        rows = joined = judged = _at_hand(judged, rows, table)
        rules = [replace(rule, broken=(rows[_VERDICT] & _bit(i)) != 0) for i, rule in enumerate(rules)]
    result, broken = _count(judged, table, rules, day)
    # joining the parents again on every use is dear, so only tables with orphans do
    good = _apply(joined if any(r.name in OF_PARENTS for r in broken) else rows, broken)
    good = good.select([c for c in rows.columns if not c.startswith(BAD) and c != _VERDICT])
    good = rows.get_backend().create_view(gen_name(table.name), good)  # queries upon a view compile quickly
    good = _keep_first(good, rows, table, result, day)
    if table.name == "balances" and "transactions" in kept:
        wrong = unreconciled(good, kept["transactions"], source.balance_tolerance).to_pyarrow()
        wrong = few(wrong, rows.get_backend())
        if _leave_out(wrong, table, "unreconciled", "balance", result, day):
            good = good.anti_join(wrong, table.key)
    return good, result


def _verdict(rules: list[Rule]) -> ir.IntegerValue:
    return reduce(add, [rule.broken.ifelse(_bit(i), ibis.literal(0, type="int64")) for i, rule in enumerate(rules)])


def _bit(position: int) -> ir.IntegerScalar:
    return ibis.literal(1 << position, type="int64")


def _at_hand(judged: ir.Table, rows: ir.Table, table: Table) -> ir.Table:
    """Keep rows and their verdicts in memory."""
    return rows.get_backend().create_table(gen_name(table.name), judged.select(*rows.columns, _VERDICT))


def _count(judged: ir.Table, table: Table, rules: list[Rule], day: datetime.date) -> tuple[TableCheck, list[Rule]]:
    """Count in one query the rows of each verdict, and from these each rule's violations; then look for examples."""
    date = judged[table.time].cast("date")
    found = judged.group_by(_VERDICT).agg(
        rows=judged.count(), recent=_recent(judged, table, day).sum(), first=date.min(), last=date.max()
    )
    verdicts = found.to_pyarrow().to_pylist()
    by_rule = {str(i): [v for v in verdicts if v[_VERDICT] >> i & 1] for i in range(len(rules))}
    broken = {i: rule for (i, hits), rule in zip(by_rule.items(), rules, strict=True) if hits}
    of_keys = {i: rule.broken for i, rule in broken.items() if rule.name not in OF_VALUES}
    keys = _examples(judged, table, of_keys) if of_keys else {}
    keys |= {i: _found(judged, rule) for i, rule in broken.items() if rule.name in OF_VALUES}
    violations = [
        Violation(table.name, r.name, r.column, r.level, *_sums(by_rule[i]), keys[i]) for i, r in broken.items()
    ]
    left_out = sum(1 << int(i) for i, rule in broken.items() if rule.level == ROW)
    good = [v for v in verdicts if not v[_VERDICT] & left_out]
    first = min((v["first"] for v in good if v["first"]), default=None)
    last = max((v["last"] for v in good if v["last"]), default=None)
    kept = _sums(good)[0]
    return TableCheck(table.name, *_sums(verdicts), kept, first, last, violations), list(broken.values())


def _sums(verdicts: list[dict]) -> tuple[int, int]:
    """Return the rows of some verdicts, and how many of them are dated lately."""
    return sum(v["rows"] for v in verdicts), sum(v["recent"] for v in verdicts)


def _apply(rows: ir.Table, broken: list[Rule]) -> ir.Table:
    """Leave out the rows that break a rule of rows, and blank the values that break a rule of values."""
    dropped: dict[str, ir.Value] = {}
    for rule in (r for r in broken if r.level == VALUE):
        value = dropped.get(rule.column, rows[rule.column])
        dropped[rule.column] = rule.broken.ifelse(ibis.null(value.type()), value)
    of_rows = [rule.broken for rule in broken if rule.level == ROW]
    good = rows.filter(~reduce(or_, of_rows)) if of_rows else rows
    return good.mutate(**dropped) if dropped else good


def _keep_first(good: ir.Table, rows: ir.Table, table: Table, result: TableCheck, day: datetime.date) -> ir.Table:
    """Keep the earliest row of each key; `rows` are all, among which keys are counted without any join."""
    if not table.key:
        return good
    counted = rows.group_by(*table.key).agg(copies=rows.count())
    repeated = counted.filter(counted.copies > 1).drop("copies").to_pyarrow()
    if not repeated.num_rows:
        return good
    keys = few(repeated, rows.get_backend())
    order = [table.time, *(c for c in good.columns if c != table.time)]
    copies = good.semi_join(keys, table.key)
    copies = copies.mutate(_rank=ibis.row_number().over(group_by=table.key, order_by=order))
    copies = few(copies.to_pyarrow(), rows.get_backend())  # looked for once, not in every query upon the table
    _leave_out(copies.filter(copies._rank > 0), table, "duplicate_key", table.key[-1], result, day)
    first = copies.filter(copies._rank == 0).drop("_rank").cast(good.schema())  # Spark's types are finer than Arrow's
    return good.anti_join(keys, table.key).union(first)


def _leave_out(rows: ir.Table, table: Table, rule: str, column: str, result: TableCheck, day: datetime.date) -> int:
    """Add rows to what is left out, and return how many they are."""
    told = rows.select(label=_label(rows, table), recent=_recent(rows, table, day)).to_pyarrow()
    if told.num_rows:
        recent, keys = sum(told["recent"].to_pylist()), tuple(sorted(set(told["label"].to_pylist()))[:EXAMPLES])
        result.kept -= told.num_rows
        result.violations.append(Violation(table.name, rule, column, ROW, told.num_rows, recent, keys))
    return told.num_rows


def _examples(rows: ir.Table, table: Table, broken: dict[str, ir.BooleanValue]) -> dict[str, tuple[str, ...]]:
    """Find the first few keys of the rows that break each rule, in one query."""
    hits = rows.filter(reduce(or_, broken.values())).select(label=_label(rows, table), **broken)
    firsts = [
        hits.filter(hits[n]).select("label", name=ibis.literal(n)).order_by("label").limit(EXAMPLES) for n in broken
    ]
    found = ibis.union(*firsts) if len(firsts) > 1 else firsts[0]
    labels: dict[str, list[str]] = {n: [] for n in broken}
    for row in found.to_pyarrow().to_pylist():
        labels[row["name"]].append(row["label"])
    return {n: tuple(sorted(shown)) for n, shown in labels.items()}


def _found(rows: ir.Table, rule: Rule) -> tuple[str, ...]:
    """Find the most frequent values that break a rule: of columns without personal data, or keys that are missed."""
    bad = BAD + rule.column
    name = bad if bad in rows.columns and rule.name not in OF_PARENTS else rule.column
    hits = rows.filter(rule.broken).select(value=rows[name].cast("string"))
    counted = hits.group_by("value").agg(n=hits.count()).order_by(ibis.desc("n"), "value").limit(EXAMPLES)
    told = [(row["value"], row["n"]) for row in counted.to_pyarrow().to_pylist()]
    if rule.name not in OF_PARENTS:  # whose values are keys
        told = [(value and harmless(value, n), n) for value, n in told]
    return tuple(f"{value!r} {n:,} time{'s' * (n != 1)}" for value, n in told)


def _label(rows: ir.Table, table: Table) -> ir.StringValue:
    """Write the key of each row; a table without one shows what the row refers to, and when."""
    texts = [rows[c].cast("string").fill_null("(empty)") for c in table.key or (*table.parents, table.time)]
    return reduce(lambda left, right: left + " · " + right, texts)


def _recent(rows: ir.Table, table: Table, day: datetime.date) -> ir.BooleanValue:
    date = rows[table.time].cast("date")
    return date.between(ibis.literal(day - datetime.timedelta(days=RECENT_DAYS - 1)), ibis.literal(day)).fill_null(
        False
    )
