"""Readers: raw relations of any kind become tables of one engine.

DuckDB reads CSV and Parquet itself; workbooks and databases arrive through Arrow. Text files are read as
text throughout, so that an identifier keeps its leading zeros and a bad value is counted, not guessed away.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import adbc_driver_manager
import adbc_driver_postgresql.dbapi
import adbc_driver_sqlite.dbapi
import duckdb
import fastexcel
import ibis
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from bankmine.bank.contract import TABLES
from bankmine.bank.sources import Source
from bankmine.errors import SourceError

_TEXT = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz", ".asc", ".asc.gz")
_ENDINGS = (".parquet", *_TEXT, ".csv.zip", ".zip", ".xlsx")
_DATABASES = (".sqlite", ".sqlite3", ".db")
_FAILURES = (duckdb.Error, OSError, zipfile.BadZipFile, fastexcel.FastExcelError, adbc_driver_manager.Error)
_DRIVERS = {"postgresql": adbc_driver_postgresql.dbapi, "sqlite": adbc_driver_sqlite.dbapi}


def read(source: Source, engine: str = "duckdb") -> tuple[dict[str, ir.Table], str]:
    """Read a source into an engine.

    Parameters
    ----------
    source : Source
        What to read.
    engine : str
        `duckdb`, or `spark` for a folder of Parquet named and headed as the contract.

    Returns
    -------
    tuple of dict and str
        Contract table -> rows as the source gives them, and the fingerprint of all that was read.
    """
    if engine == "spark":
        return _read_with_spark(source)
    con = _connect(source)
    fingerprint = _load(con, source)
    con.raw_sql("CREATE SCHEMA mapped")
    for table, sql in source.mappings.items():
        with _told(f"{source.folder / table}.sql fails", source):
            con.raw_sql(f'CREATE TABLE mapped."{table}" AS {sql}')
    there = [t for t in con.list_tables() if t in TABLES]
    mapped = {t: con.table(t, database="mapped") for t in source.mappings}
    return mapped or {t: con.table(t) for t in there}, fingerprint


def _read_with_spark(source: Source) -> tuple[dict[str, ir.Table], str]:
    con = ibis.pyspark.connect()  # the session that is running, or a new one
    files = {t: source.data / f for t in TABLES if (f := _file_of(source.data, t))}
    if text := [str(f) for f in files.values() if f.suffix not in ("", ".parquet")]:
        raise SourceError(f"Spark reads Parquet only here, not {text[0]}: convert it, or use the duckdb engine.")
    digest = hashlib.sha256()
    for table, file in files.items():
        _update(digest, table, file)
    return {t: con.read_parquet(str(f), table_name=t) for t, f in files.items()}, digest.hexdigest()


def _connect(source: Source) -> Backend:
    """Open an in-process DuckDB that never reaches for the network."""
    con = ibis.duckdb.connect(autoinstall_known_extensions=False, autoload_known_extensions=False)
    con.raw_sql("SET preserve_insertion_order = false")  # memory stays flat on large scans
    con.raw_sql("SET enable_progress_bar = false")
    con.raw_sql(
        f"SET TimeZone = {_quoted(source.time_zone or 'UTC')}"
    )  # times with a zone become the bank's local time
    return con


def _load(con: Backend, source: Source) -> str:
    """Make every raw relation a table or view; return SHA-256 over names and contents of files and query results."""
    digest = hashlib.sha256()
    for name, spec in _relations(source).items():
        file = _first_existing(source, spec)
        with _told(f"{file} cannot be read", source):
            _read_file(con, name, file, spec if isinstance(spec, dict) else {})
        _update(digest, name, file)
    for name, query in source.database.get("relations", {}).items():
        with _told(f"The database of source {source.name} cannot be read (relation {name})", source):
            _read_query(con, name, query, source)
        digest.update(f"{name}{_content_hash(con, name)}".encode())
    return digest.hexdigest()


def _relations(source: Source) -> dict:
    if source.relations or source.database:
        return source.relations
    if not source.data.is_dir():
        raise SourceError(f"{source.data} is missing. {source.get}".strip())
    found = {t: f for t in TABLES if (f := _file_of(source.data, t))}
    for book in sorted(f for f in source.data.iterdir() if f.suffix in _DATABASES):
        found |= {t: {"file": book.name, "table": t} for t in _sqlite_tables(book) if t in TABLES and t not in found}
    for book in sorted(source.data.glob("*.xlsx")):
        sheets = fastexcel.read_excel(book).sheet_names
        found |= {t: {"file": book.name, "sheet": t} for t in sheets if t in TABLES and t not in found}
    return found


def _file_of(folder: Path, table: str) -> str | None:
    if (folder / table).is_dir():
        return table
    return next((table + e for e in _ENDINGS if (folder / (table + e)).is_file()), None)


def _first_existing(source: Source, spec: str | list | dict) -> Path:
    names = spec["file"] if isinstance(spec, dict) else spec
    names = [names] if isinstance(names, str) else names
    for candidate in names:
        if (source.data / candidate).exists():
            return source.data / candidate
    wanted = names[0] + (f" (or {', '.join(names[1:])})" if names[1:] else "")
    raise SourceError(f"Source {source.name}: {wanted} is missing in {source.data}. {source.get}".strip())


def _read_file(con: Backend, name: str, file: Path, spec: dict) -> None:
    text = str(file)
    if file.is_dir():
        parquet = any(file.glob("**/*.parquet"))
        pattern = f"{text}/**/*.parquet" if parquet else f"{text}/*.csv*"
        _read_parquet(con, name, pattern) if parquet else _read_text(con, name, pattern, spec)
    elif text.endswith(".parquet"):
        _read_parquet(con, name, text)
    elif text.endswith(".xlsx"):
        con.create_table(name, fastexcel.read_excel(file).load_sheet(spec.get("sheet", 0)).to_arrow(), temp=True)
    elif text.endswith(_DATABASES):
        with adbc_driver_sqlite.dbapi.connect(text) as connection:
            _fetch(con, name, connection, f'SELECT * FROM "{spec.get("table", name)}"')
    elif text.endswith(".zip"):
        with tempfile.TemporaryDirectory() as folder:
            _read_text(con, name, str(_unzip(file, Path(folder), spec)), spec)
    else:
        _read_text(con, name, text, spec)


def _read_parquet(con: Backend, name: str, pattern: str) -> None:
    con.raw_sql(f'CREATE TEMP VIEW "{name}" AS SELECT * FROM read_parquet({_quoted(pattern)}, union_by_name = true)')
    con.raw_sql(f'SELECT 1 FROM "{name}" LIMIT 1')  # a broken file must show now, not in a notebook's third cell


def _read_text(con: Backend, name: str, pattern: str, spec: dict) -> None:
    options = {"all_varchar": True, "header": True} | spec.get("options", {})
    listed = "".join(f", {key} = {_quoted(value)}" for key, value in options.items())
    con.raw_sql(f'CREATE TEMP TABLE "{name}" AS SELECT * FROM read_csv({_quoted(pattern)}{listed})')


def _read_query(con: Backend, name: str, query: str, source: Source) -> None:
    variable = source.database.get("uri_env", "")
    if variable not in os.environ:
        raise SourceError(
            f"Source {source.name} needs the environment variable {variable}: set it to the database's URI."
        )
    if source.database.get("driver") not in _DRIVERS:
        raise SourceError(f"Source {source.name}: database.driver must be one of {', '.join(_DRIVERS)}.")
    with _DRIVERS[source.database["driver"]].connect(os.environ[variable]) as connection:
        _fetch(con, name, connection, query)


def _fetch(con: Backend, name: str, connection: object, query: str) -> None:
    """Stream a query's result into a table, batch by batch."""
    with connection.cursor() as cursor:
        cursor.execute(query)
        con.create_table(name, cursor.fetch_record_batch(), temp=True)


def _sqlite_tables(file: Path) -> list[str]:
    with adbc_driver_sqlite.dbapi.connect(str(file)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
        return [row[0] for row in cursor.fetchall()]


def _unzip(file: Path, folder: Path, spec: dict) -> Path:
    with zipfile.ZipFile(file) as archive:
        members = [m for m in archive.namelist() if m.lower().endswith(_TEXT) and not m.startswith("__MACOSX")]
        member = spec.get("member") or (members[0] if len(members) == 1 else None)
        if member is None:
            raise SourceError(f"{file} holds {len(members)} text files: name one as `member:` in source.yml.")
        return Path(archive.extract(member, folder))


def _update(digest: hashlib._Hash, name: str, file: Path) -> None:
    for part in sorted(p for p in file.rglob("*") if p.is_file()) if file.is_dir() else [file]:
        with part.open("rb") as stream:
            digest.update(f"{name}/{part.name}:{hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())


def _content_hash(con: Backend, name: str) -> str:
    return str(con.raw_sql(f'SELECT count(*), bit_xor(hash(t)) FROM "{name}" t').fetchone())


def _quoted(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else "'" + str(value).replace("'", "''") + "'"


@contextmanager
def _told(what: str, source: Source) -> Iterator[None]:
    """Turn a reader's failure into one line without the source's secrets; the cause is dropped, it may hold them."""
    try:
        yield
    except SourceError:
        raise
    except (
        duckdb.Error,
        OSError,
        zipfile.BadZipFile,
        fastexcel.FastExcelError,
        adbc_driver_sqlite.dbapi.Error,
    ) as error:
        reason = " ".join(str(error).split())
        for secret in source.secrets:
            reason = reason.replace(secret, "***")
        raise SourceError(f"{what}: {reason[:300]}") from None
