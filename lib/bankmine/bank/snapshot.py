"""Snapshots: a bank's tables cut to what was known at the end of one day, without the rows that break a rule."""

from __future__ import annotations

import calendar
import datetime
from dataclasses import dataclass
from functools import cached_property
from html import escape as html_text

import ibis
import ibis.expr.types as ir
import pandas as pd

from bankmine.bank import readers, sharing
from bankmine.bank.casting import BAD, named, typed
from bankmine.bank.checks import TableCheck, check
from bankmine.bank.contract import TABLES, Table
from bankmine.bank.rules import MEANINGS
from bankmine.bank.sources import Source, ensure_generated, find_source
from bankmine.errors import BankmineError, SourceError, UnusableSourceError

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
    ensure_generated(source)
    tables, fingerprint = readers.read(source, engine)
    return Bank(source, {name: named(rows, TABLES[name]) for name, rows in tables.items()}, fingerprint)


@dataclass(frozen=True)
class Bank:
    """All that a source holds, as the source gives it; analyses see it through `as_of`."""

    source: Source
    raw: dict[str, ir.Table]
    fingerprint: str

    @property
    def problems(self) -> list[str]:
        """What makes the source unusable: required tables or columns that are not there."""
        missing = [f"table {t.name} is missing" for t in TABLES.values() if t.required and t.name not in self.raw]
        for name, table in self.raw.items():
            absent = [c.name for c in TABLES[name].columns if c.required and c.name not in table.columns]
            missing += [f"table {name} lacks {', '.join(absent)}"] if absent else []
        return missing

    @cached_property
    def tables(self) -> dict[str, ir.Table]:
        """Typed rows of each table, unchecked and uncut."""
        return {name: readers.settle(typed(rows, TABLES[name]), name) for name, rows in self.raw.items()}

    @cached_property
    def span(self) -> tuple[datetime.date, datetime.date]:
        """First day of the bookings, and last day of the month of the last one: snapshots make sense between them."""
        days = self.tables["transactions"].select(day=ibis._.at.cast("date"))
        days = days.filter(days.day <= ibis.literal(self.source.last_day))
        found = days.aggregate(first=days.day.min(), last=days.day.max()).to_pyarrow().to_pylist()[0]
        if found["first"] is None:
            raise UnusableSourceError(f"Source {self.source.name} holds no bookings up to {self.source.last_day}.")
        last = found["last"]
        return found["first"], last.replace(day=calendar.monthrange(last.year, last.month)[1])

    def as_of(self, day: str | datetime.date) -> Snapshot:
        """Cut every table to what was known at the end of a day, and leave out what breaks a rule.

        Raises
        ------
        BankmineError
            If the day does not parse or lies outside the data.
        """
        day = self.valid_day(day)
        known = {n: _known(self.tables[n], t, day, self.source.last_day) for n, t in TABLES.items() if n in self.tables}
        con, place = known["customers"].get_backend(), sharing.place_of(self.fingerprint, day)
        if place and con.name == "duckdb":
            kept, checks = sharing.once(place, con, lambda: self._checked(known, day))
        else:
            kept, checks = self._checked(known, day)
        return Snapshot(self.source, self.fingerprint, day, kept, checks, known)

    def _checked(self, known: dict[str, ir.Table], day: datetime.date) -> sharing.Checked:
        kept: dict[str, ir.Table] = {}
        checks: dict[str, TableCheck] = {}
        for name, rows in known.items():
            kept[name], checks[name] = check(rows, TABLES[name], kept, day, self.source)
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
    delivered: dict[str, ir.Table]
    """The same tables before the rules: only for those who ask what was left out."""

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
        told = {
            "name": self.source.name, "title": self.source.title, "currency": self.source.currency,
            "fingerprint": self.fingerprint, "as_of": str(self.as_of),
            "rows": {c.name: c.kept for c in self.checks.values()},
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
            late[bad] = rows[bad] & known
    return rows.filter(visible).mutate(**late)


def _midnight_after(day: datetime.date, when: ir.Value) -> ir.Scalar:
    """First moment after a day, of the type of the column it is compared with."""
    day += datetime.timedelta(days=1)
    if when.type().is_timestamp():
        return ibis.literal(datetime.datetime.combine(day, datetime.time()), type="timestamp")
    return ibis.literal(day)
