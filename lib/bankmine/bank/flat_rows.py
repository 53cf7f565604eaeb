"""Flat rows: which columns of a flat table say whose rows they are and of which day, and what they cost."""

from __future__ import annotations

import calendar
import datetime
import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from ibis.backends.duckdb import Backend

from bankmine.bank.files import identifier, quoted
from bankmine.bank.flat_columns import STARTS, column_types, read_columns, text_of, time_form
from bankmine.bank.flat_predictors import fetch
from bankmine.bank.form_kinds import Form, Told
from bankmine.bank.forms import MOSTLY, lost_digits
from bankmine.bank.harmless import harmless, personal
from bankmine.bank.readers import flat_file
from bankmine.bank.ruled import compute, value
from bankmine.bank.snapshot import parse_day
from bankmine.bank.sources import CLOCKS, COSTS, FLAT, Source
from bankmine.errors import BankmineError, SourceError

_SHOWN = 12
_OFTEN = 10
"""Rows that are alike are copies where there are this many times as many as chance would make."""
_YEARS = pd.Timestamp("1900-01-01"), pd.Timestamp("2199-12-31")
"""Days beyond are stand-ins such as 9999-12-31, and no time of a row."""


@dataclass(frozen=True)
class Rows:
    """The rows of a flat table that were known at the end of a day; the relation `flat` holds no others."""

    con: Backend
    source: Source
    roles: dict[str, str]
    """Role -> column; `positive` -> value."""
    index: np.ndarray
    """Position of each row in the table as it was delivered."""
    day: pd.Series | None
    """Day of each row; None without a time column."""
    as_of: datetime.date
    remarks: list[str]
    """What the reader should know of the table; the functions below add to it."""
    told: Told
    """What settles forms that could be read in two ways."""
    time: Form | None
    """How the moments of the rows are written."""

    @cached_property
    def forms(self) -> dict[str, Form]:
        """Form of each column but those that have a role, or are told to have been known later only."""
        taken = {self.roles.get(role, "") for role in ("target", "id", "time")} | set(self.source.flat.get("drop", {}))
        told = replace(self.told, dates=self.told.dates or self.time.order) if self.time else self.told
        names = [c for c in self.columns if c not in taken]
        return read_columns(self.con, names, self.source.flat.get("categories", []), told)

    @property
    def columns(self) -> list[str]:
        """Columns of the table."""
        return list(column_types(self.con))

    def texts(self, column: str) -> pd.Series:
        """Text of a column, missing where there is none."""
        text = text_of(column, column_types(self.con)[column])
        return fetch(self.con, [text])[0].to_pandas().set_axis(self.index)


def known_rows(con: Backend, source: Source, asked: dict[str, str], as_of: str | datetime.date, told: Told) -> Rows:
    """Find the columns that were asked for, and cut the table to what was known at the end of a day.

    Where no `target` is among what is asked, the rows need no outcome.

    Raises
    ------
    BankmineError
        If there is no such column, its days cannot be read, or the day lies outside them.
    """
    roles = {role: value or source.flat.get(role, "") for role, value in asked.items()}
    _check_roles(con, roles, source)
    if not roles["time"]:
        index = np.arange(_count(con))
        return Rows(con, source, roles, index, None, _last_day(as_of, None, source), [], told, None)
    time, days, remarks = _days(con, roles["time"], told)
    if told.clock not in ("", "unix"):
        remarks.append(f"{roles['time']} counts {told.clock} from a day that is not told: {STARTS} stands for it")
    last = _last_day(as_of, days, source)
    known = (days <= pd.Timestamp(last)).to_numpy()
    if later := int((days > pd.Timestamp(last)).sum()):
        remarks.append(f"{later:,} rows of days after {last} left out")
    if not known.all():
        # this relation hides the delivered one, so that nothing is learnt from a later row, not even a type
        between = f"BETWEEN {quoted(_YEARS[0].date())} AND {quoted(last)}"
        con.raw_sql(f"CREATE OR REPLACE TEMP TABLE {FLAT} AS SELECT * FROM {FLAT} WHERE ({time.sql})::DATE {between}")
    day = days[known].astype("datetime64[ns]").rename("day")
    return Rows(con, source, roles, np.flatnonzero(known), day, last, remarks, told, time)


def refuse_unknown(given: Iterable[str], columns: list[str], what: str) -> None:
    """Refuse names that are no columns, with the nearest ones that are."""
    for name in given:
        if name not in columns:
            folded = {c.casefold(): c for c in columns}
            near = [folded[n] for n in difflib.get_close_matches(name.casefold(), folded, 3, cutoff=0.5)]
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            shown = ", ".join(columns[:_SHOWN]) + (f", … ({len(columns)} in all)" if len(columns) > _SHOWN else "")
            raise BankmineError(f"{what}={name}: there is no such column.{hint} The table has {shown}.")


def entity_of(rows: Rows) -> pd.Series:
    """Tell whose each row is; a row without an id is somebody's of its own."""
    if not rows.roles["id"]:
        return _without_copies(rows)
    _refuse_lost_digits(rows)
    found = rows.texts(rows.roles["id"])
    alone = found.isna()
    if alone.any():
        rows.remarks.append(f"{alone.sum():,} rows without {rows.roles['id']}: each taken for somebody else's")
    found = found.where(~alone, "row " + found.index.astype(str).to_series(found.index)).rename("entity")
    again = found.duplicated() if rows.day is None else pd.concat([found, rows.day], axis=1).duplicated()
    if again.any():
        what = rows.roles["id"] + (f" and the day of {rows.roles['time']}" if rows.day is not None else "")
        rows.remarks.append(f"{again.sum():,} rows repeat the {what} of an earlier one: kept, and never split apart")
    return found


def _without_copies(rows: Rows) -> pd.Series:
    """Take each row for somebody's of its own; but rows that are alike in every column, unless by chance, for one's."""
    entity = pd.Series(rows.index, index=rows.index, name="entity")
    alike = fetch(rows.con, [f"hash({FLAT})"])[0].to_pandas().set_axis(rows.index)
    copies = int(alike.duplicated().sum())
    if not copies:
        return entity
    said = f"{copies:,} rows repeat an earlier one in every column"
    if _by_chance(rows) * _OFTEN >= copies:
        rows.remarks.append(f"{said}: kept, as its columns have so few values that rows are alike by chance")
        return entity
    rows.remarks.append(f"{said}: taken for one case each with it, and never split apart")
    return entity.groupby(alike.to_numpy()).transform("min").rename("entity")


def _by_chance(rows: Rows) -> float:
    """Return how many rows would repeat an earlier one if columns had nothing to do with each other."""
    alike = 1.0
    for column in rows.columns:
        counted = f"SELECT count(*)::DOUBLE AS n FROM {FLAT} GROUP BY {identifier(column)}"
        alike *= rows.con.raw_sql(f"SELECT sum(n * n) / sum(n) ** 2 FROM ({counted})").fetchone()[0]
    n = len(rows.index)
    return n * (1 - (1 - alike) ** (n / 2))


def _refuse_lost_digits(rows: Rows) -> None:
    """Refuse ids that a spreadsheet has shortened: those of different customers are the same then."""
    column = rows.roles["id"]
    lost = lost_digits(text_of(column, column_types(rows.con)[column]))
    count, like = rows.con.raw_sql(f"SELECT count(*), min({identifier(column)}) FROM {FLAT} WHERE {lost}").fetchone()
    if count:
        raise BankmineError(
            f"id={column}: {count:,} of its values lost digits when a spreadsheet saved them, like {like}: export the "
            "column as text."
        )


def costs_of(rows: Rows) -> pd.DataFrame | None:
    """Compute the costs that the source tells, 0 for those that it leaves out; None where it tells none."""
    given = rows.source.flat.get("costs")
    if not given:
        return None
    file = rows.source.folder / "source.yml"
    try:
        rules = {f"{n}_cost": value(str(given.get(n, 0)), f"{file}, costs of {n}", alone=True) for n in COSTS}
        needed = sorted({column for rule in rules.values() for column in rule.columns})
        refuse_unknown(needed, list(column_types(rows.con)), "costs")
        table = fetch(rows.con, ["NULL", *map(identifier, needed)]).to_pandas().set_axis(["", *needed], axis=1)
        found = compute(rules, table.set_axis(rows.index))
    except BankmineError as error:  # a source that cannot be used, not a wrong call
        raise SourceError(str(error)) from None
    if lacking := [c for c in found if not np.isfinite(found[c]).all()]:
        raise SourceError(f"Source {rows.source.name}: {lacking[0]} is missing in some rows: tell it for all.")
    return found


def _check_roles(con: Backend, roles: dict[str, str], source: Source) -> None:
    columns = list(column_types(con))
    if not _count(con):
        raise SourceError(f"{source.title} holds no rows, only the columns {', '.join(columns[:_SHOWN])}.")
    for role in ("target", "id", "time"):
        refuse_unknown([roles[role]] if roles.get(role) else [], columns, role)
    refuse_unknown(source.flat.get("drop", {}), columns, "drop")
    refuse_unknown(source.flat.get("categories", []), columns, "categories")
    refuse_unknown(source.flat.get("keep", []), columns, "keep")
    if roles.get("target") == "":
        two = _with_two_values(con, columns)
        hint = f" Columns with two values: {', '.join(two[:_SHOWN])}." if two else ""
        raise BankmineError(f"Say which column of {source.title} tells what became of the rows: target=….{hint}")
    named = [roles[role] for role in ("target", "id", "time") if roles.get(role)]
    if twice := [c for c in named if named.count(c) > 1]:
        raise BankmineError(f"The column {twice[0]} cannot be two of target, id and time.")


def _count(con: Backend) -> int:
    return con.raw_sql(f"SELECT count(*) FROM {FLAT}").fetchone()[0]


def _with_two_values(con: Backend, columns: list[str]) -> list[str]:
    counted = ", ".join(f"count(DISTINCT {identifier(c)})" for c in columns)
    different = con.raw_sql(f"SELECT {counted} FROM {FLAT}").fetchone()
    return [c for c, n in zip(columns, different, strict=True) if n == 2]


def _days(con: Backend, column: str, told: Told) -> tuple[Form, pd.Series, list[str]]:
    """Read the day of each row, and how it is written; a few that cannot be read are left out, many refused."""
    form = time_form(con, column, told)
    if form.why:
        clocks = "" if told.clock else f" Where it counts hours or the like, say clock={' or clock='.join(CLOCKS)}."
        raise BankmineError(f"time={column}: {form.why}, or write days like 2025-12-31.{clocks}")
    days = fetch(con, [f"({form.sql})::TIMESTAMP"])[0].to_pandas().astype("datetime64[us]").dt.floor("D")
    days = days.where(days.between(*_YEARS))
    share = days.isna().mean()
    if share > 1 - MOSTLY:
        raise BankmineError(
            f"time={column}: {share:.1%} of the rows have no day there that can be read{_example(con, column, days)}. "
            "Write days like 2025-12-31, say clock=hours or the like where it counts them, or leave time empty."
        )
    return form, days, [f"{days.isna().sum():,} rows without a day in {column} left out"] if share else []


def _example(con: Backend, column: str, days: pd.Series) -> str:
    texts = fetch(con, [text_of(column)])[0].to_pandas()[days.isna()].dropna()
    if personal(column, []):
        return ""
    return f", like {harmless(texts.iloc[0][:40], int((texts == texts.iloc[0]).sum()))!r}" if len(texts) else ""


def _last_day(as_of: str | datetime.date, days: pd.Series | None, source: Source) -> datetime.date:
    """Tell the last day to know: the one asked for, or the table's last, or that of its extraction or its file."""
    if days is None:
        return parse_day(as_of) if as_of else _extracted(source)
    first, last = days.min().date(), days.max().date()
    if not as_of:
        return last
    day, end = parse_day(as_of), last.replace(day=calendar.monthrange(last.year, last.month)[1])
    if not first <= day <= end:
        raise BankmineError(f"{day} lies outside the data of source {source.name}: give a day from {first} to {end}.")
    return day


def _extracted(source: Source) -> datetime.date:
    """Tell the day of a table whose rows have none; that of the file is the same however often it is read."""
    if source.extracted_on:
        return source.extracted_on
    if not source.relations:
        raise BankmineError(f"Source {source.name} is of no day: tell it as extracted_on in its source.yml.")
    return datetime.date.fromtimestamp(flat_file(source).stat().st_mtime)
