"""Snapshots: a bank's tables cut to what was known at the end of one day, without the rows that break a rule."""

from __future__ import annotations

import calendar
import datetime
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape as html_text

import ibis
import ibis.expr.types as ir
import pandas as pd

from bankmine.bank import cache, readers
from bankmine.bank.casting import BAD, Typed, named, typed
from bankmine.bank.checks import TableCheck, check
from bankmine.bank.classified import register_of
from bankmine.bank.contract import TABLES, Table
from bankmine.bank.currencies import in_one_currency
from bankmine.bank.form_kinds import Told
from bankmine.bank.harmless import harmless
from bankmine.bank.kept import Checked, kept_json, kept_tables
from bankmine.bank.pseudonyms import key_of, pseudonymised
from bankmine.bank.rules import MEANINGS
from bankmine.bank.seen import seen
from bankmine.bank.sources import Source, ensure_generated, find_source
from bankmine.bank.used import used
from bankmine.errors import BankmineError, SourceError, UnusableSourceError
from bankmine.privacy import access, audit

_MONTH, _STOPPED = 31, 0.05
"""Bookings have all but stopped where this many days have less than this part of what a month usually has."""
SOURCE_MIME = "application/vnd.bankmine.source+json"
"""Type of the output by which a notebook tells the runner what it has read."""


def open_source(name: str, engine: str = "duckdb") -> Bank:
    """Open a source by its name in `data/sources/` or by the path of a folder.

    Parameters
    ----------
    name : str
        Name or path.
    engine : str
        `duckdb` in this process, or `spark` for a folder of Parquet.

    Raises
    ------
    SourceError
        If the source cannot be found or read.
    UnusableSourceError
        If a required table or column is missing.
    """
    bank = read_source(name, engine)
    if bank.problems:
        raise UnusableSourceError(f"Source {bank.source.name} cannot be used: {'; '.join(bank.problems)}.")
    return bank


def read_source(name: str, engine: str = "duckdb") -> Bank:
    """Read a source as it is, without asking whether it can be used."""
    source = find_source(name)
    if source.flat is not None:
        raise SourceError(f"Source {source.name} is one flat table, not the tables of a bank: use open_flat.")
    if source.pseudonyms:
        key_of(source)  # refused before anything is opened
        if engine != "duckdb":
            raise SourceError(f"Source {source.name}: pseudonyms are made by the engine duckdb alone, not {engine}.")
    ensure_generated(source)
    return Bank(source, readers.Reading(source, engine))


@dataclass(frozen=True)
class Bank:
    """All that a source holds, as the source gives it; analyses see it through `as_of`."""

    source: Source
    reading: readers.Reading

    @property
    def fingerprint(self) -> str:
        """Of all that was read."""
        return self.reading.fingerprint

    @cached_property
    def raw(self) -> dict[str, ir.Table]:
        """Rows of each table as the source gives them, under the contract's names of columns."""
        return {name: named(rows, TABLES[name]) for name, rows in self.reading.tables.items()}

    @property
    def problems(self) -> list[str]:
        """What makes the source unusable: required tables or columns that are not there."""
        return self._looked[0]

    @cached_property
    def _typed(self) -> dict[str, Typed]:
        """Typed rows of each table, with what is to be said of them, and no key of the bank's where it asks so."""
        return pseudonymised(self.plain, self.source)

    @cached_property
    def plain(self) -> dict[str, Typed]:
        """Typed rows of each table, in one currency, with the bank's own keys: for who stewards these alone."""
        s = self.source
        told = Told(s.decimal, s.dates, s.missing, bool(s.time_zone), percent=0.01)

        def keep(what: str, make: Callable[[], object]) -> object:
            return kept_json(self._key(what), f"{s.name}: {what}", make)

        return in_one_currency({name: typed(rows, TABLES[name], told, keep) for name, rows in self.raw.items()}, s)

    @cached_property
    def tables(self) -> dict[str, ir.Table]:
        """Typed rows of each table, unchecked and uncut."""
        return {name: readers.settle(found.rows, name) for name, found in self._typed.items()}

    @property
    def span(self) -> tuple[datetime.date, datetime.date]:
        """First day of the bookings, and last day of the month of the last one: snapshots make sense between them."""
        first, last, _ = self._days
        return first, _month_end(last)

    @property
    def newest(self) -> datetime.date:
        """Last day of the month of the last booking, where no day is asked for; see `stray`."""
        if why := self.stray:
            raise BankmineError(why)
        return self.span[1]

    @property
    def stray(self) -> str:
        """Say why the last booking may be misdated, so that its day is not to be taken unasked; empty where it is not.

        It is, where it lies after today, or bookings have all but stopped before it.
        """
        _, last, steady = self._days
        if last > datetime.date.today():
            return (
                f"The last booking of source {self.source.name} is of {last}, which is after today: say --as-of "
                f"{_month_end(steady)}, or another day."
            )
        if _month_end(steady) < _month_end(last):
            return (
                f"The last booking of source {self.source.name} is of {last}, but after {steady} they have all but "
                f"stopped: say --as-of {_month_end(steady)}, or --as-of {_month_end(last)} if that is right."
            )
        return ""

    @property
    def _days(self) -> tuple[datetime.date, ...]:
        """Of the bookings the first day, the last, and the last on which they had not all but stopped."""
        if not self._looked[1]:
            raise UnusableSourceError(f"Source {self.source.name} holds no bookings up to {self.source.last_day}.")
        return tuple(map(datetime.date.fromisoformat, self._looked[1]))

    @cached_property
    def _looked(self) -> tuple[list[str], list[str], dict[str, list[str]]]:
        """Problems, the days of `_days`, and the columns of each table that there is."""

        def look() -> tuple[object, ...]:
            return *self._look(), {name: rows.columns for name, rows in self.raw.items()}

        with self.reading.undamaged():
            return kept_json(self._key(), f"{self.source.name}: whether it can be used", look)

    def _look(self) -> tuple[list[str], list[str]]:
        problems = [f"table {t.name} is missing" for t in TABLES.values() if t.required and t.name not in self.raw]
        for name, table in self.raw.items():
            absent = [c.name for c in TABLES[name].columns if c.required and c.name not in table.columns]
            problems += [f"table {name} lacks {', '.join(absent)}"] if absent else []
        if problems:
            return problems, []
        if problems := [f"{p} (in source.yml)" for found in self._typed.values() for p in found.problems]:
            return problems, []
        booked = self.tables["transactions"]
        if BAD + "at" in booked.columns and (why := _unread(booked)):
            return [why], []
        days = booked.select(day=ibis._.at.cast("date"))
        days = days.filter(days.day <= ibis.literal(self.source.last_day))
        counts = days.group_by("day").agg(n=days.count()).order_by("day").to_pandas()
        if counts.empty:
            return [], []
        steady = _last_steady(pd.Series(counts["n"].to_numpy(), pd.DatetimeIndex(counts["day"])))
        return [], [str(pd.Timestamp(day).date()) for day in (counts["day"].iloc[0], counts["day"].iloc[-1], steady)]

    def _key(self, *parts: object) -> str:
        """Name what follows from this source in the cache; nothing is kept of other engines than DuckDB."""
        if self.reading.con.name != "duckdb":
            return ""
        return cache.digest(self.fingerprint, self.source.reads, cache.library("privacy", "bank"), *parts)

    def as_of(self, day: str | datetime.date, role: str | None = None, purpose: str | None = None) -> Snapshot:
        """Cut every table to what was known at the end of a day, and leave out what breaks a rule.

        Parameters
        ----------
        day : str or date
            The day.
        role, purpose : str, optional
            Who looks, and for what: decides on what is masked and left out, where `data/access.yml` says so. By
            default those that the environment names (`BANKMINE_ROLE`, `BANKMINE_PURPOSE`), or that the file does.

        Raises
        ------
        BankmineError
            If the day does not parse or lies outside the data, the role may not act for the purpose, or the register of
            columns lists one that is not there.
        """
        register_of(self.source, self._looked[2])
        view = access.view(self.source.folder, role, purpose)
        day = self.valid_day(day)
        key = self._key(day)
        what = f"{self.source.name}, as of {day}: checked tables"
        with self.reading.undamaged():
            kept, checks = kept_tables(key, what, self.reading.con, lambda: self._checked(day))
        found = Snapshot(self.source, self.fingerprint, day, kept, checks, lambda: self._known(day), key)
        found = found if view is None else seen(found, view)
        own = {f"{name}.{column}" for name, columns in self._looked[2].items() for column in columns}
        there = {f"{name}.{column}" for name, rows in found.tables.items() for column in rows.columns}
        found = replace(found, unseen=frozenset(own - there))
        given = {n: {"rows": found.checks[n].kept, "columns": audit.names(t.columns)} for n, t in found.tables.items()}
        who = {"role": found.role, "purpose": found.purpose}
        audit.record(
            "opened", source=self.source.name, fingerprint=self.fingerprint, as_of=str(day), tables=given, **who
        )
        return found

    def _known(self, day: datetime.date) -> dict[str, ir.Table]:
        last = self.source.last_day
        return {n: _known(self.tables[n], t, day, last) for n, t in TABLES.items() if n in self.tables}

    def _checked(self, day: datetime.date) -> Checked:
        kept: dict[str, ir.Table] = {}
        checks: dict[str, TableCheck] = {}
        for name, rows in self._known(day).items():
            kept[name], checks[name] = check(rows, TABLES[name], kept, day, self.source)
            checks[name].remarks = self._typed[name].remarks
        for relation, notes in self.reading.notes.items():
            checks[relation if relation in checks else "customers"].remarks[:0] = notes.remarks
        self.reading.require_unchanged()
        return kept, checks

    def valid_day(self, day: str | datetime.date) -> datetime.date:
        """Turn ISO text into a day of the data, or say why it is none."""
        day = parse_day(day)
        first, last = self.span
        if not first <= day <= last:
            raise BankmineError(
                f"{day} lies outside the data of source {self.source.name}: give a day from {first} to {last}."
            )
        return day


def _last_steady(counts: pd.Series) -> pd.Timestamp:
    """Find the last day up to which a month has a fair share of the bookings that months usually have."""
    usual = counts.groupby(counts.index.to_period("M")).sum().median()
    return counts.index[counts.rolling(f"{_MONTH}D").sum() >= _STOPPED * usual].max()


def _month_end(day: datetime.date) -> datetime.date:
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])


def _unread(booked: ir.Table) -> str:
    """Say that no booking has a moment that can be read, where there are some."""
    bad = booked[BAD + "at"]
    counted = booked.aggregate(n=booked.count(), unread=bad.count(), like=bad.min())
    n, unread, like = counted.to_pyarrow().to_pylist()[0].values()
    return f"at of {unread:,} of {n:,} bookings is no timestamp, as {harmless(like)!r}" if n and unread == n else ""


def parse_day(day: str | datetime.date) -> datetime.date:
    """Turn ISO text like 2025-12-31 into a date.

    Raises
    ------
    BankmineError
        If it is none.
    """
    if isinstance(day, datetime.datetime):
        return day.date()
    try:
        return day if isinstance(day, datetime.date) else datetime.date.fromisoformat(day)
    except (TypeError, ValueError):
        raise BankmineError(f"{day!r} is not a date: write it like 2025-12-31.") from None


_READABLE = dict.fromkeys(("rows", "quarantined", "kept"), "{:,}".format)


@dataclass(frozen=True)
class Snapshot:
    """What a bank knew at the end of the day `as_of`; tables are attributes: `snapshot.transactions`."""

    source: Source
    fingerprint: str
    as_of: datetime.date
    tables: dict[str, ir.Table]
    checks: dict[str, TableCheck]
    deliver: Callable[[], dict[str, ir.Table]]
    """Gives `delivered`, for which the source is read."""
    key: str = ""
    """Names this snapshot in the cache; empty where nothing is kept of it."""
    role: str = ""
    purpose: str = ""
    """Who looks, and for what; empty where all is seen by everybody."""
    unseen: frozenset[str] = frozenset()
    """Columns, written `table.column`, that the source has and that are not here: who looks may not see them."""

    @cached_property
    def delivered(self) -> dict[str, ir.Table]:
        """The same tables before the rules: only for those who ask what was left out."""
        return self.deliver()

    def __getattr__(self, name: str) -> ir.Table:
        if name in TABLES:
            if name in self.tables:
                return self.tables[name]
            raise BankmineError(f"Source {self.source.name} has no table {name}.")
        raise AttributeError(name)

    def has(self, *columns: str) -> bool:
        """Tell whether the source fills all of these columns, written `table.column`."""
        return not self.lacking(*columns)

    def lacking(self, *columns: str) -> list[str]:
        """List those of these columns, written `table.column`, that the source does not fill."""
        pairs = [(c, *c.split(".")) for c in columns]
        return [c for c, table, name in pairs if table not in self.tables or name not in self.tables[table].columns]

    def require(self, *columns: str) -> None:
        """Refuse, by a `BankmineError`, what needs columns, written `table.column`, that the source does not fill."""
        if lacking := self.lacking(*columns):
            raise BankmineError(f"the source has no {' and no '.join(lacking)}")

    def violations(self) -> pd.DataFrame:
        """List every broken rule: table, rule, column, level, count, recent, examples, meaning."""
        found = [vars(v) | {"meaning": MEANINGS[v.rule]} for c in self.checks.values() for v in c.violations]
        names = ["table", "rule", "column", "level", "count", "recent", "examples", "meaning"]
        return pd.DataFrame(found, columns=names)

    def overview(self) -> pd.DataFrame:
        """List the tables: rows delivered, quarantined and kept, first and last day."""
        rows = [(c.name, c.rows, c.quarantined, c.kept, c.first, c.last) for c in self.checks.values()]
        return pd.DataFrame(rows, columns=["table", "rows", "quarantined", "kept", "first day", "last day"])

    def _repr_mimebundle_(self, **_: object) -> dict:
        columns, view = {n: t.columns for n, t in self.tables.items()}, None
        if self.role:
            view = access.view(self.source.folder, self.role, self.purpose)
        told = {
            "name": self.source.name, "title": self.source.title, "currency": self.source.currency,
            "fingerprint": self.fingerprint, "as_of": str(self.as_of),
            "rows": {c.name: c.kept for c in self.checks.values()},
            "used": used(self.source, columns, self.tables.get("customers"), view),
        }  # fmt: skip
        text = f"{self.source.title}, as of {self.as_of}"
        tables = self.overview().set_index("table")
        html = f"<p>{html_text(text)}</p>" + tables.to_html(border=0, index_names=False, formatters=_READABLE)
        return {
            SOURCE_MIME: told,
            "text/plain": f"{text}\n{tables.to_string(index_names=False, formatters=_READABLE)}",
            "text/html": html,
        }


def _known(rows: ir.Table, table: Table, day: datetime.date, extracted_on: datetime.date) -> ir.Table:
    """Cut rows to those known by a day, and blank the late values that were not yet known.

    Rows without a day or dated after the extraction stay in: the checks count them and leave them out.
    """
    when = rows[table.time]
    visible = (when < _midnight_after(day, when)) | when.isnull() | (when >= _midnight_after(extracted_on, when))
    late = {}
    for column in (c for c in table.columns if c.known_on and c.name in rows.columns):
        known = rows[column.known_on] <= ibis.literal(day)
        late[column.name] = known.ifelse(rows[column.name], ibis.null(column.type))
        bad = BAD + column.name
        # a day that cannot be read never becomes known, but is wrong all along
        if bad in rows.columns and column.known_on != column.name:
            late[bad] = known.ifelse(rows[bad], ibis.null("string"))
    return rows.filter(visible).mutate(**late)


def _midnight_after(day: datetime.date, when: ir.Value) -> ir.Scalar:
    """First moment after a day, of the type of the column it is compared with."""
    day += datetime.timedelta(days=1)
    if when.type().is_timestamp():
        return ibis.literal(datetime.datetime.combine(day, datetime.time()), type="timestamp")
    return ibis.literal(day)
