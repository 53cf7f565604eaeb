"""Kept: what was checked or computed of a bank, in the cache; made and not kept where it has no key."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import ibis
import ibis.expr.types as ir
import joblib
import pandas as pd
import pyarrow as pa
from pandas.testing import assert_frame_equal
from pyarrow import feather

from bankmine.bank import cache
from bankmine.bank.checks import TableCheck, Violation

Checked = tuple[dict[str, ir.Table], dict[str, TableCheck]]
ANALYSES = ("privacy", "bank", "features", "learning", "judging", "deciding", "study", "topics")
"""Rooms of the library whose code any analysis may follow from."""
_JSON, _CHECKS, _FRAME = "told.json", "checks.json", "frame.arrow"


def kept_json(key: str, what: str, make: Callable[[], object]) -> object:
    """Return what is kept as JSON, lists for tuples, or make it."""
    if not key:
        return make()

    def write(folder: Path) -> bool:
        (folder / _JSON).write_text(json.dumps(make()), "utf-8")
        return True

    return json.loads((cache.opened(key, what, write) / _JSON).read_text("utf-8"))


def kept_tables(key: str, what: str, con: ibis.BaseBackend, make: Callable[[], Checked]) -> Checked:
    """Return the tables of a snapshot as an engine reads them from the cache, and what the checks found."""
    if not key:
        return make()
    made: list[Checked] = []

    def write(folder: Path) -> bool:
        made.append(make())
        return _write(folder, con, *made[0])

    folder = cache.opened(key, what, write)
    if folder is None:
        return made[0]
    told = json.loads((folder / _CHECKS).read_text("utf-8"))
    return {name: con.read_parquet(_file(folder, name)) for name in told}, {n: _check(c) for n, c in told.items()}


def kept_frame(key: str, what: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """Return a data frame that is kept, or make it; one that a file would give back changed is not kept."""
    if not key:
        return make()
    made: list[pd.DataFrame] = []

    def write(folder: Path) -> bool:
        made.append(make())
        try:
            # not compressed, it is read from where the system holds it, in a third of the time
            feather.write_feather(pa.Table.from_pandas(made[0]), folder / _FRAME, compression="uncompressed")
            assert_frame_equal(_frame(folder), made[0], check_exact=True, check_freq=False)
        except (AssertionError, pa.ArrowException):  # a type that the file does not know
            return False
        return True

    folder = cache.opened(key, what, write)
    return made[0] if made else _frame(folder)


def kept_analysis(what: str, given: object, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """Return a data frame that follows from what is given alone, and from the code of analyses; see `kept_frame`.

    Given are values, by which the entry is found: tables, arrays, models not yet fitted, with all their settings.
    """
    return kept_frame(cache.digest(what, joblib.hash(given), cache.library(*ANALYSES)), what, make)


def _frame(folder: Path) -> pd.DataFrame:
    return feather.read_table(folder / _FRAME, memory_map=True).to_pandas(date_as_object=False)


def _write(folder: Path, con: ibis.BaseBackend, tables: dict[str, ir.Table], checks: dict[str, TableCheck]) -> bool:
    """Write all; or tell that a column of a bank's own has a type that the files cannot hold."""
    for name, rows in tables.items():
        con.to_parquet(rows, _file(folder, name))
        if not _alike(con.read_parquet(_file(folder, name)), rows):
            return False
    told = {name: asdict(check) for name, check in checks.items()}
    (folder / _CHECKS).write_text(json.dumps(told, default=str), "utf-8")
    return True


def _alike(read: ir.Table, rows: ir.Table) -> bool:
    return [str(t).lstrip("!") for t in read.schema().types] == [str(t).lstrip("!") for t in rows.schema().types]


def _file(folder: Path, name: str) -> str:
    return str(folder / f"{name}.parquet")


def _check(told: dict) -> TableCheck:
    days = {n: datetime.date.fromisoformat(told[n]) if told[n] else None for n in ("first", "last")}
    found = [Violation(**v | {"examples": tuple(v["examples"])}) for v in told["violations"]]
    return TableCheck(**told | days | {"violations": found})
