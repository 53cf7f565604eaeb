"""Source check: what `bankmine check` says of a source, table by table."""

from __future__ import annotations

from collections.abc import Iterator

from bankmine.bank.checks import TableCheck, Violation
from bankmine.bank.contract import TABLES
from bankmine.bank.rules import MEANINGS, ROW
from bankmine.bank.snapshot import Bank

USABLE_SHARE = 0.5
"""Where less than this share of a required table breaks no rule, the mapping is wrong rather than the data."""


def check_lines(bank: Bank) -> tuple[list[str], list[str]]:
    """Check all that a source holds, up to its last day.

    Returns
    -------
    tuple of list of str
        Lines to print, and what makes the source unusable.
    """
    if bank.problems:
        return [_columns(bank, name) for name in bank.raw], bank.problems
    checks = bank.as_of(bank.span[1]).checks
    lines = [line for check in checks.values() for line in _table(bank, check)]
    spoilt = [
        f"only {c.kept:,} of {c.rows:,} rows of {c.name} keep the rules"
        for c in checks.values()
        if TABLES[c.name].required and c.kept < max(c.rows * USABLE_SHARE, 1)
    ]
    return lines, spoilt


def _table(bank: Bank, check: TableCheck) -> Iterator[str]:
    span = f"{check.first} to {check.last}" if check.first else "no day"
    left_out = f", {check.quarantined:,} of them left out" if check.quarantined else ""
    yield f"{check.name}: {check.rows:,} rows{left_out}, {span}; {_columns(bank, check.name).partition(': ')[2]}"
    yield from map(_violation, check.violations)


def _columns(bank: Bank, name: str) -> str:
    there = bank.raw[name].columns
    missing = [c.name for c in TABLES[name].columns if c.name not in there]
    extra = [c for c in there if c not in TABLES[name].names]
    told = f"{name}: columns {len(TABLES[name].names) - len(missing)} of {len(TABLES[name].names)}"
    told += f", missing {', '.join(missing)}" if missing else ""
    return told + (f", further {', '.join(extra)}" if extra else "")


def _violation(v: Violation) -> str:
    what = ("row" if v.level == ROW else "value") + "s" * (v.count != 1)
    return f"  {v.rule} in {v.column}: {v.count:,} {what} left out ({MEANINGS[v.rule]}), e.g. {'; '.join(v.examples)}"
