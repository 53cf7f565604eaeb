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
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from ibis.util import gen_name
from pandas.testing import assert_frame_equal
from pyarrow import feather
from pyarrow.parquet.encryption import create_decryption_properties, create_encryption_properties

from bankmine.bank import cache
from bankmine.bank.checks import TableCheck, Violation

Checked = tuple[dict[str, ir.Table], dict[str, TableCheck]]
ANALYSES = ("privacy", "bank", "features", "learning", "judging", "deciding", "study", "topics")
"""Rooms of the library whose code any analysis may follow from."""
_JSON, _CHECKS, _FRAME = "told.json", "checks.json", "frame.arrow"
_ROWS = 122_880
"""Of a group of an encrypted table, as many as DuckDB takes where nothing is encrypted."""


def kept_json(key: str, what: str, make: Callable[[], object]) -> object:
    """Return what is kept as JSON, lists for tuples, or make it."""
    if not key:
        return make()

    def write(folder: Path) -> bool:
        cache.write_file(folder / _JSON, json.dumps(make()).encode())
        return True

    return json.loads(cache.read_file(cache.opened(key, what, write) / _JSON))


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
    told = json.loads(cache.read_file(folder / _CHECKS))
    return {name: _table(folder, name, con) for name in told}, {n: _check(c) for n, c in told.items()}


def kept_frame(key: str, what: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """Return a data frame that is kept, or make it; one that a file would give back changed is not kept."""
    if not key:
        return make()
    made: list[pd.DataFrame] = []

    def write(folder: Path) -> bool:
        made.append(make())
        try:
            _write_frame(pa.Table.from_pandas(made[0]), folder)
            assert_frame_equal(_frame(folder), made[0], check_exact=True, check_freq=False)
        except (AssertionError, pa.ArrowException, OverflowError):  # a type that the file does not know, or too large
            return False
        return True

    folder = cache.opened(key, what, write)
    return made[0] if made else _frame(folder)


def kept_analysis(what: str, given: object, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """Return a data frame that follows from what is given alone, and from the code of analyses; see `kept_frame`.

    Given are values, by which the entry is found: tables, arrays, models not yet fitted, with all their settings.
    """
    return kept_frame(cache.digest(what, joblib.hash(given), cache.library(*ANALYSES)), what, make)


def _write_frame(rows: pa.Table, folder: Path) -> None:
    if cache.key_of(folder) is None:
        # not compressed, it is read from where the system holds it, in a third of the time
        feather.write_feather(rows, folder / _FRAME, compression="uncompressed")
    else:
        held = pa.BufferOutputStream()
        feather.write_feather(rows, held, compression="uncompressed")
        cache.write_file(folder / _FRAME, memoryview(held.getvalue()).cast("B"))


def _frame(folder: Path) -> pd.DataFrame:
    file = folder / _FRAME
    held = file if cache.key_of(folder) is None else pa.BufferReader(cache.read_file(file))
    return feather.read_table(held, memory_map=True).to_pandas(date_as_object=False)


def _write(folder: Path, con: ibis.BaseBackend, tables: dict[str, ir.Table], checks: dict[str, TableCheck]) -> bool:
    """Write all; or tell that a column of a bank's own has a type that the files cannot hold."""
    for name, rows in tables.items():
        _write_table(folder, name, con, rows)
        if not _alike(_table(folder, name, con), rows):
            return False
    told = {name: asdict(check) for name, check in checks.items()}
    cache.write_file(folder / _CHECKS, json.dumps(told, default=str).encode())
    return True


def _write_table(folder: Path, name: str, con: ibis.BaseBackend, rows: ir.Table) -> None:
    if (key := cache.key_of(folder)) is None:
        con.to_parquet(rows, _file(folder, name))
        return
    given = create_encryption_properties(key, aad_prefix=name.encode(), store_aad_prefix=False)
    with (
        con.to_pyarrow_batches(rows, chunk_size=_ROWS) as batches,
        pq.ParquetWriter(_file(folder, name), batches.schema, encryption_properties=given) as file,
    ):
        for batch in batches:
            file.write_batch(batch, row_group_size=_ROWS)


def _table(folder: Path, name: str, con: ibis.BaseBackend) -> ir.Table:
    """Open a table; what is encrypted is read by Arrow, as DuckDB stumbles over pages and filters in it."""
    if (key := cache.key_of(folder)) is None:
        return con.read_parquet(_file(folder, name))
    given = create_decryption_properties(key, aad_prefix=name.encode())
    form = ds.ParquetFileFormat(
        default_fragment_scan_options=ds.ParquetFragmentScanOptions(decryption_properties=given)
    )
    view = gen_name(name)
    con.con.register(view, ds.dataset(_file(folder, name), format=form))
    return con.table(view)


def _alike(read: ir.Table, rows: ir.Table) -> bool:
    return [str(t).lstrip("!") for t in read.schema().types] == [str(t).lstrip("!") for t in rows.schema().types]


def _file(folder: Path, name: str) -> str:
    return str(folder / f"{name}.parquet")


def _check(told: dict) -> TableCheck:
    days = {n: datetime.date.fromisoformat(told[n]) if told[n] else None for n in ("first", "last")}
    found = [Violation(**v | {"examples": tuple(v["examples"])}) for v in told["violations"]]
    return TableCheck(**told | days | {"violations": found})
