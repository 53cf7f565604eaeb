"""Source check: what `bankmine check` says of a source, table by table."""

from __future__ import annotations

from collections.abc import Iterator

from bankmine.bank.checks import TableCheck, Violation
from bankmine.bank.contract import TABLES
from bankmine.bank.rules import MEANINGS, ROW
from bankmine.bank.snapshot import Bank

USABLE_SHARE = 0.5
"""Where less than this share of a required table breaks no rule, the mapping is wrong rather than the data."""

_LONGEST_KEY = 60


def check_lines(bank: Bank) -> tuple[list[str], list[str]]:
    """Check all that a source holds, up to its last day.

    Returns
    -------
    tuple of list of str
        Lines to print, and what makes the source unusable.
    """
    absent = [name for name in TABLES if name not in bank.raw]
    without = [f"not there: {', '.join(absent)}"] if absent else []
    if bank.problems:
        unchecked = [
            f"{n}: {rows.count().to_pyarrow().as_py():,} rows; {_columns(bank, n)}" for n, rows in bank.raw.items()
        ]
        return unchecked + without, bank.problems
    checks = bank.as_of(bank.span[1]).checks
    lines = [line for check in checks.values() for line in _table(bank, check)]
    spoilt = [
        f"only {c.kept:,} of {c.rows:,} rows of {c.name} keep the rules"
        for c in checks.values()
        if TABLES[c.name].required and c.kept < max(c.rows * USABLE_SHARE, 1)
    ]
    return lines + without, spoilt


def _table(bank: Bank, check: TableCheck) -> Iterator[str]:
    span = f"{check.first} to {check.last}" if check.first else "no day"
    left_out = f", {check.quarantined:,} of them left out" if check.quarantined else ""
    yield f"{check.name}: {check.rows:,} rows{left_out}, {span}; {_columns(bank, check.name)}"
    yield from map(_violation, check.violations)


def _unchecked(bank: Bank, name: str) -> str:
    return f"{name}: {bank.raw[name].count().to_pyarrow().as_py():,} rows; {_columns(bank, name)}"


def _columns(bank: Bank, name: str) -> str:
    there, told = bank.raw[name].columns, TABLES[name].names
    missing = [c for c in told if c not in there]
    further = [c for c in there if c not in told]
    text = f"columns {len(told) - len(missing)} of {len(told)}"
    text += f", missing {', '.join(missing)}" if missing else ""
    return text + (f", further {', '.join(map(_plain, further))}" if further else "")


def _violation(v: Violation) -> str:
    what = ("row" if v.level == ROW else "value") + "s" * (v.count != 1)
    examples = "; ".join(map(_plain, v.examples))
    return f"  {v.rule} in {v.column}: {v.count:,} {what} left out ({MEANINGS[v.rule]}), e.g. {examples}"


def _plain(text: str) -> str:
    """Keep a bank's own text to one line that cannot steer a terminal."""
    plain = "".join(c if c.isprintable() else "\ufffd" for c in text)
    return plain if len(plain) <= _LONGEST_KEY else plain[: _LONGEST_KEY - 1] + "…"
