"""Readers: raw relations of any kind become tables of one engine, and the source's SQL those of the contract."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pkgutil
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import adbc_driver_postgresql.dbapi as postgresql
import adbc_driver_sqlite.dbapi as sqlite
import duckdb
import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
from ibis.backends.duckdb import Backend
from ibis.util import gen_name

from bankmine.bank import files, work
from bankmine.bank.contract import TABLES
from bankmine.bank.headings import Beside
from bankmine.bank.sources import FLAT, Source
from bankmine.errors import BankmineError, SourceError, told

_DRIVERS = {"postgresql": postgresql, "sqlite": sqlite}
# A driver's own words about a failed connection may quote any part of the URI, so none of them are passed on.
_REFUSALS = {
    "root certificate file": "the root_certificate of source.yml is not there; give the file of the authority",
    "password authentication failed": "user or password is wrong",
    "no password supplied": "the URI holds no password",
    "Connection refused": "no server answers there; is it running?",
    "could not translate host name": "the host is not known",
    "timeout": "the server did not answer in time",
    "timed out": "the server did not answer in time",
    "does not exist": "the server has no such database or user",
    "unable to open database file": "there is no such file",
    "does not support SSL": "the server answers without TLS; let it, or say `local: true` in source.yml if it is local",
    "does not match host name": "its certificate is of another name; name the host as the certificate does",
    "certificate verify failed": "its certificate is of no trusted authority, or old; give its root_certificate",
    "signature failure": "its certificate is not signed by the authority that it names; is it the bank's server?",
}
_PROVEN = "verify-full"
"""How a server is reached that is not local: by TLS, its certificate of a trusted authority and of its name."""
_SOCKET = re.compile(r"(?:^|[?&\s])host\s*=\s*'?/|^\w+://(?:[^@/]*@)?/")
"""A URI of a socket of this machine."""
_CONNECT_SECONDS, _STATEMENT_SECONDS = 10, 3600
"""How long a database may take to answer, and for one query; its URI may say otherwise."""
_MEMORY = "2GB"
"""Of the engine, beside what analyses take; beyond it queries work on disk."""
_AT_HAND = 60_000_000
"""Values of a table that may be kept in memory, which takes about a gigabyte."""


class Reading:
    """A source in an engine: `duckdb`, or `spark` for a folder of Parquet named and headed as the contract."""

    def __init__(self, source: Source, engine: str = "duckdb") -> None:
        if engine not in _ENGINES:
            raise BankmineError(f"No engine {engine!r}: there is {' and '.join(_ENGINES)}.")
        self.source, self.engine = source, engine

    @cached_property
    def con(self) -> ibis.BaseBackend:
        """The engine, in which nothing is read yet."""
        return _connect(self.source) if self.engine == "duckdb" else _spark()

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over names and contents of files and of what queries give, which are asked for this."""
        if self.source.database:
            _ = self.tables
        return _fingerprint(self.source, self.con)

    @property
    def tables(self) -> dict[str, ir.Table]:
        """Contract table -> rows as the source gives them, read when they are first asked for."""
        return self._read[0]

    @property
    def notes(self) -> dict[str, Beside]:
        """Relation -> what was found beside its rows."""
        return self._read[1]

    @cached_property
    def _read(self) -> tuple[dict[str, ir.Table], dict[str, Beside]]:
        return _ENGINES[self.engine](self.con, self.source)

    @contextmanager
    def undamaged(self) -> Iterator[None]:
        """As the function of this name."""
        with undamaged(self.con, self.source):
            yield

    def require_unchanged(self) -> None:
        """Refuse what was read of files that changed meanwhile: it must not be kept under their old fingerprint."""
        if not self.source.database and _fingerprint(self.source, self.con) != self.fingerprint:
            raise SourceError(f"The files of source {self.source.name} changed while they were read: run it again.")


def read_flat(source: Source) -> tuple[Backend, str, Beside]:
    """Read a source of one flat table into the relation `flat` of DuckDB, its rows in the order of the file.

    Returns
    -------
    tuple of Backend, str and Beside
        The engine that holds the relation, the fingerprint of what was read, and what was beside the rows.
    """
    con = _connect(source)
    con.raw_sql("SET preserve_insertion_order = true")
    if not (loader := source.flat.get("loader")):
        if odd := [f for f in _files(source.relations[FLAT]) if not f.lower().endswith(files.ENDINGS)]:
            raise SourceError(f"{odd[0]} cannot be read: a flat table ends in {', '.join(files.ENDINGS)}.")
        notes = _load(con, source, as_text=False)
        return con, _fingerprint(source, con), notes[FLAT]
    package = loader.partition(".")[0]
    if importlib.util.find_spec(package) is None:
        raise SourceError(
            f"Source {source.name} comes within the package {package}, which is not there: `pip install {package}`, "
            f"and mind its licence. {source.get}".strip()
        )
    with told(f"The loader {loader} of source {source.name} fails"):
        frame = _frame(pkgutil.resolve_name(loader)(backend=pd))
        files.insert(con, FLAT, pa.Table.from_pandas(frame, preserve_index=False).to_reader())
    return con, hashlib.sha256(_content_hash(con, FLAT).encode()).hexdigest(), Beside()


@contextmanager
def undamaged(con: ibis.BaseBackend, source: Source) -> Iterator[None]:
    """Where a query fails as a file is damaged inside, say which: of Parquet the end may be whole and a part not."""
    try:
        yield
    except duckdb.Error:
        for name, spec in _relations(source).items():
            with told(f"{_first_existing(source, spec)} is damaged inside: write or copy it anew"):
                _content_hash(con, name)
        raise


def flat_file(source: Source) -> Path:
    """Find the file of a source of one flat table."""
    return _first_existing(source, source.relations[FLAT])


def settle(rows: ir.Table, name: str) -> ir.Table:
    """Keep rows in memory where those of the contract table `name` that they come from are, else upon the files."""
    con = rows.get_backend()
    stored = f"SELECT count(*) FROM duckdb_tables() WHERE table_name = {files.quoted(name)}"
    if con.name == "duckdb" and con.raw_sql(stored).fetchone()[0]:
        return con.create_table(gen_name(name), rows)
    return con.create_view(gen_name(name), rows)


def fits(rows: ir.Table) -> bool:
    """Tell whether rows are few enough to be kept in memory; of Spark's none are."""
    return rows.get_backend().name == "duckdb" and rows.count().to_pyarrow().as_py() * len(rows.columns) <= _AT_HAND


def spooled(rows: ir.Table) -> ir.Table:
    """Compute rows once for several queries: kept in memory where they are few, else on disk."""
    if fits(rows):
        return rows.cache()
    con, file = rows.get_backend(), work.folder() / f"{gen_name('spooled')}.parquet"
    con.to_parquet(rows, file)
    return con.read_parquet(file)


def few(rows: pa.Table, con: ibis.BaseBackend) -> ir.Table:
    """Give a few rows to an engine; DuckDB gets a table of its own, as its joins cannot filter all that is Arrow's."""
    return con.create_table(gen_name("few"), rows) if con.name == "duckdb" else ibis.memtable(rows)


def _read_with_duckdb(con: Backend, source: Source) -> tuple[dict[str, ir.Table], dict[str, Beside]]:
    notes = _load(con, source)
    con.raw_sql("CREATE SCHEMA mapped")
    for table, sql in source.mappings.items():
        with told(f"{source.folder / table}.sql fails", source.secrets):
            con.raw_sql(f"CREATE TABLE mapped.{files.identifier(table)} AS {sql}")
    mapped = {t: con.table(t, database="mapped") for t in source.mappings}
    there = con.list_tables()
    return (mapped or {t: con.table(t) for t in TABLES if t in there}), notes


def _read_with_spark(con: ibis.BaseBackend, source: Source) -> tuple[dict[str, ir.Table], dict[str, Beside]]:
    found = {} if source.mappings else _relations(source)
    if not found or any(not isinstance(f, str) or Path(f).suffix not in ("", ".parquet") for f in found.values()):
        raise SourceError(f"Source {source.name}: Spark reads Parquet files named as the contract; use engine duckdb.")
    tables = {}
    for table, name in found.items():
        with told(f"{source.data / name} cannot be read"):
            tables[table] = con.read_parquet(str(source.data / name), table_name=table)
    return tables, {}


_ENGINES = {"duckdb": _read_with_duckdb, "spark": _read_with_spark}


def _spark() -> ibis.BaseBackend:
    """Take the session of Spark that is running, or a new one."""
    try:
        return ibis.pyspark.connect()
    except ImportError:
        raise BankmineError("Engine spark needs PySpark: install ibis-framework[pyspark].") from None


def _connect(source: Source) -> Backend:
    """Open an in-process DuckDB that never reaches for the network; times with a zone become the bank's local time."""
    con = ibis.duckdb.connect(autoinstall_known_extensions=False, autoload_known_extensions=False)
    con.raw_sql("SET preserve_insertion_order = false")  # memory stays flat on large scans
    con.raw_sql(f"SET memory_limit = '{_MEMORY}'")
    con.raw_sql(f"SET temp_directory = {files.quoted(work.folder())}")
    with told(f"Source {source.name}: time_zone {source.time_zone!r} is not known"):
        con.raw_sql(f"SET TimeZone = {files.quoted(source.time_zone or 'UTC')}")
    return con


def _frame(data: Any) -> pd.DataFrame:
    """Put a data set of empulse into one table: predictors, target, and what its costs are made of for each row."""
    costs = {name: values.ravel() for name, values in (data.instance_costs or {}).items()}
    return data.data.assign(**{data.target.name: data.target}, **costs)


def _load(con: Backend, source: Source, as_text: bool = True) -> dict[str, Beside]:
    """Make every raw relation a table or view, and tell what was found beside the rows of each."""
    notes = {}
    for name, spec in _relations(source).items():
        file = _first_existing(source, spec)
        with told(f"{file} cannot be read", source.secrets):
            given = {"encoding": source.encoding} | (spec if isinstance(spec, dict) else {})
            notes[name] = files.read_file(con, name, file, given, as_text)
    for name, query in source.database.get("relations", {}).items():
        with told(f"The database of source {source.name} cannot be read (relation {name})", source.secrets):
            _read_query(con, name, query, source)
    return notes


def _fingerprint(source: Source, con: ibis.BaseBackend) -> str:
    """Return SHA-256 over names and contents of files, and of results of queries, which the engine holds by now."""
    digest = hashlib.sha256()
    for name, spec in _relations(source).items():
        file = _first_existing(source, spec)
        with told(f"{file} cannot be read", source.secrets):
            _update(digest, name, file)
    for name in source.database.get("relations", {}):
        digest.update(f"{name}{_content_hash(con, name)}".encode())
    return digest.hexdigest()


def _relations(source: Source) -> dict:
    """Raw relation -> where it is; without a list of them, whatever in the folder is named as the contract."""
    if source.relations or source.database:
        return source.relations
    if not source.data.is_dir():
        raise SourceError(f"{source.data} is missing. {source.get}".strip())
    found = {t: f for t in TABLES if (f := _file_of(source.data, t))}
    there = sorted(f for f in source.data.iterdir() if f.is_file() and not f.name.startswith(("~", ".")))
    for book in there:
        inside, part = [], "table"
        with told(f"{book} cannot be read"):
            if book.suffix in files.DATABASES:
                inside = files.tables_of(book)
            elif book.suffix == ".xlsx" and book.stem not in TABLES:
                inside, part = files.sheets_of(book), "sheet"
        found |= {t: {"file": book.name, part: t} for t in inside if t in TABLES and t not in found}
    return found


def _file_of(folder: Path, table: str) -> str | None:
    if (folder / table).is_dir():
        return table
    return next((table + e for e in files.ENDINGS if (folder / (table + e)).is_file()), None)


def _first_existing(source: Source, spec: str | list | dict) -> Path:
    names = _files(spec)
    for candidate in names:
        if (source.data / candidate).exists():
            return source.data / candidate
    wanted = names[0] + (f" (or {', '.join(names[1:])})" if names[1:] else "")
    raise SourceError(f"Source {source.name}: {wanted} is missing in {source.data}. {source.get}".strip())


def _files(spec: str | list | dict) -> list[str]:
    names = spec["file"] if isinstance(spec, dict) else spec
    return [names] if isinstance(names, str) else names


def _read_query(con: Backend, name: str, query: str, source: Source) -> None:
    variable, driver = source.database["uri_env"], _DRIVERS.get(source.database["driver"])
    if driver is None:
        raise SourceError(f"Source {source.name}: database.driver must be one of {', '.join(_DRIVERS)}.")
    if not os.environ.get(variable):
        raise SourceError(
            f"Source {source.name} needs the environment variable {variable}: set it to the database's URI."
        )
    uri = os.environ[variable]
    if driver is postgresql:
        _refuse_weak(uri, source)
    try:
        connection = driver.connect(_guarded(uri, source) if driver is postgresql else uri)
    except Exception as error:
        why = next((why for words, why in _REFUSALS.items() if words in str(error)), "the URI is not understood")
        raise SourceError(f"The database of source {source.name} cannot be reached: {why}. See {variable}.") from None
    with connection:
        if driver is postgresql and "statement_timeout" not in uri:
            with connection.cursor() as cursor:
                cursor.execute(f"SET statement_timeout = '{_STATEMENT_SECONDS}s'")
        files.fetch(con, name, connection, query)


def _refuse_weak(uri: str, source: Source) -> None:
    """Refuse a URI that asks for less than TLS with the server's name proven."""
    told = re.findall(r"sslmode\s*=\s*'?([^&\s']*)", unquote(uri))
    if not source.database.get("local") and any(mode != _PROVEN for mode in told):
        raise SourceError(
            f"Source {source.name}: the URI says a weaker sslmode than {_PROVEN}: take it out of "
            f"{source.database['uri_env']}, or say `local: true` under database in source.yml if the server is local."
        )


def _guarded(uri: str, source: Source) -> str:
    """Let a server answer in some seconds, and prove who it is unless it is local, if the URI does not say so."""
    wanted = {"connect_timeout": str(_CONNECT_SECONDS)}
    if not (source.database.get("local") or _SOCKET.search(unquote(uri))):
        root = source.database.get("root_certificate", "system")
        wanted |= {"sslmode": _PROVEN, "sslrootcert": root if root == "system" else str(source.folder / root)}
    for name, value in wanted.items():
        if not re.search(rf"\b{name}\s*=", uri):
            told = quote(value, safe="") if "://" in uri else "'" + value.replace("\\", r"\\").replace("'", r"\'") + "'"
            uri += f"{'&' if '?' in uri else '?' if '://' in uri else ' '}{name}={told}"
    return uri


def _update(digest: hashlib._Hash, name: str, file: Path) -> None:
    for part in sorted(p for p in file.rglob("*") if p.is_file()) if file.is_dir() else [file]:
        with part.open("rb") as stream:
            digest.update(f"{name}/{part.name}:{hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())


def _content_hash(con: Backend, name: str) -> str:
    return str(con.raw_sql(f"SELECT count(*), bit_xor(hash(t)) FROM {files.identifier(name)} t").fetchone())
