"""Source check: what `bankmine check` says of a source, table by table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import ibis.expr.types as ir

from bankmine.bank.checks import TableCheck, Violation
from bankmine.bank.classified import register_of
from bankmine.bank.contract import TABLES
from bankmine.bank.flat import Flat
from bankmine.bank.rules import MEANINGS, ROW
from bankmine.bank.snapshot import Bank
from bankmine.bank.sources import FLAT, Source
from bankmine.privacy import access
from bankmine.privacy.patterns import WORDS, looks
from bankmine.privacy.register import FILE, GENERAL, NONE, REDACT, UNLISTED, Group

USABLE_SHARE = 0.5
"""Where less than this share of a required table breaks no rule, the mapping is wrong rather than the data."""

_LONGEST_KEY = 60
_LONGEST_LINE = 200
_LONGEST_LIST = 2_000
"""Of names of columns that are to be copied into a register."""


def check_lines(bank: Bank) -> tuple[list[str], list[str]]:
    """Check all that a source holds, up to its last day.

    Returns
    -------
    tuple of list of str
        Lines to print, and what makes the source unusable.
    """
    absent = [name for name in TABLES if name not in bank.raw]
    looking = seen_as(access.view(bank.source.folder))
    without = [f"not there: {', '.join(absent)}"] if absent else []
    if bank.problems:
        unchecked = [
            f"{n}: {rows.count().to_pyarrow().as_py():,} rows; {_columns(bank, n)}" for n, rows in bank.raw.items()
        ]
        return unchecked + without, bank.problems
    with bank.reading.undamaged():
        told = list(_privacy(bank.source, bank.raw))
    checks = bank.as_of(bank.span[1]).checks
    lines = [line for check in checks.values() for line in _table(bank, check)]
    spoilt = [
        f"only {c.kept:,} of {c.rows:,} rows of {c.name} keep the rules"
        for c in checks.values()
        if TABLES[c.name].required and c.kept < max(c.rows * USABLE_SHARE, 1)
    ]
    return [*lines, *without, looking, *told, *([bank.stray] if bank.stray else [])], spoilt


def seen_as(view: access.View | None) -> str:
    """Say by which role and purpose a source is looked at."""
    if view is None:
        return f"roles: {access.FILE} is not there, so everybody sees all"
    return f"roles: seen as {view.role}, for {view.purpose}; {access.ROLE} and {access.PURPOSE} say otherwise"


def flat_lines(flat: Flat) -> list[str]:
    """Tell what a flat table holds, and what of it no model will see."""
    kinds = flat.predictors.dtypes.map(lambda t: {"float64": "numbers", "bool": "booleans"}.get(str(t), "categories"))
    counts = ", ".join(f"{kind} {n}" for kind, n in kinds.value_counts().items())
    known = flat.target.notna()
    rows = f"{len(known):,} rows of {flat.entity.nunique():,} entities, as of {flat.as_of}"
    event = f"{flat.event} in {flat.target.sum():,.0f} of the {known.sum():,} that tell ({flat.target.mean():.1%})"
    means = [] if flat.costs is None else [f"{c} {v:,.2f}" for c, v in flat.costs.mean().items()]
    costs = [f"costs a row, on average: {', '.join(means)} {flat.currency}".rstrip()] if means else []
    dropped = [f"left out: {c} ({reason})" for c, reason in flat.dropped.itertuples(index=False)]
    columns = [_form(*told) for told in flat.forms.itertuples(index=False)]
    looking = seen_as(access.view(flat.source.folder))
    lines = [rows, event, f"predictors: {counts}", *costs, *dropped, *flat.remarks, *columns, looking]
    told = _privacy(flat.source, {FLAT: flat.rows.con.table(FLAT)})
    return [*(_plain(line, _LONGEST_LINE) for line in lines), *told]


def _privacy(source: Source, tables: dict[str, ir.Table]) -> Iterator[str]:
    """Tell which columns no register lists, and which look personal but are not listed as such; never their values."""
    register = register_of(source, {name: rows.columns for name, rows in tables.items()})
    groups = {(name, c): register.group(f"{name}.{c}") for name, rows in tables.items() for c in rows.columns}
    told = source.folder / FILE.name if (source.folder / "source.yml").is_file() else f"{FILE.name} beside a source.yml"
    unlisted = [f"{name}.{c}" for (name, c), group in groups.items() if group is UNLISTED]
    if unlisted:
        yield _plain(
            f"not classified, so taken for sensitive: {len(unlisted):,} "
            f"column{'s' * (len(unlisted) != 1)}, list them in {told}: {', '.join(map(_plain, unlisted))}",
            _LONGEST_LIST,
        )
    for name, rows in tables.items():
        for column, counts in looks(rows, [c for c in rows.columns if _open(groups[name, c])]).items():
            values = rows[column].count().to_pyarrow().as_py()
            what = " and ".join(f"{WORDS[kind]} in {n:,}" for kind, n in counts.items())
            said = f"{_plain(name)}.{_plain(column)} looks like {what} of {values:,} values"
            yield f"{said}: {_remedy(groups[name, column], told)}"


def _open(group: Group) -> bool:
    """Whether what looks personal in such a column is to be told: others are protected as what they are listed as."""
    return group is UNLISTED or group.kind == GENERAL or group.masking in (NONE, REDACT)


def _remedy(group: Group, told: Path | str) -> str:
    if group.masking == REDACT:
        return "these are blanked for all who may not see the column plainly"
    if group is UNLISTED:
        return f"list it in {told} as personal or sensitive, or leave it out"
    listed = f"{group.kind}, masking {group.masking}, under {_plain(group.id)!r}"
    return f"it is listed as {listed}: change that, or leave it out"


def _form(column: str, kind: str, written: str, values: int, fit: int, odd: tuple[str, ...]) -> str:
    """Tell how a column of a flat table is read, and which values are not."""
    how = f" ({written})" if written else ""
    count = f", {fit:,} of {values:,} values fit" if values and kind != "not read" else ""
    return f"  {column}: {kind}{how}{count}" + (f", not {', '.join(map(repr, odd))}" if odd else "")


def _table(bank: Bank, check: TableCheck) -> Iterator[str]:
    span = f"{check.first} to {check.last}" if check.first else "no day"
    left_out = f", {check.quarantined:,} of them left out" if check.quarantined else ""
    yield f"{check.name}: {check.rows:,} rows{left_out}, {span}; {_columns(bank, check.name)}"
    yield from (_plain(f"  {remark}", _LONGEST_LINE) for remark in check.remarks)
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
    known = TABLES[v.table][v.column].values if v.rule == "unknown_value" else ()
    may = f"; known are {', '.join(known)}" if known else ""
    return f"  {v.rule} in {v.column}: {v.count:,} {what} left out ({MEANINGS[v.rule]}), e.g. {examples}{may}"


def _plain(text: str, longest: int = _LONGEST_KEY) -> str:
    """Keep a bank's own text to one line that cannot steer a terminal."""
    plain = "".join(c if c.isprintable() else "\ufffd" for c in text)
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"
