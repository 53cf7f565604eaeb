"""Files: CSV, Parquet, workbooks and SQLite become tables of DuckDB.

Text files are read as text throughout, and workbooks unless their cells' own types are asked for, so that an identifier
keeps its leading zeros and a bad value is counted, not guessed away.
"""

from __future__ import annotations

import csv
import gzip
import tempfile
import zipfile
from collections import Counter
from itertools import chain
from pathlib import Path

import adbc_driver_sqlite.dbapi as sqlite
import duckdb
import fastexcel
import pyarrow as pa
from ibis.backends.duckdb import Backend

TEXT = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz", ".asc", ".asc.gz")
DATABASES = (".sqlite", ".sqlite3", ".db")
ENDINGS = (".parquet", *TEXT, ".csv.zip", ".zip", ".xlsx")
_DELIMITERS = ",;\t|"
_NO_UTF8 = "it is not UTF-8 text: save it as UTF-8"
_ALL_ROWS = 2**31 - 2  # SQLite types values, not columns: only all rows of a column tell its type


def read_file(con: Backend, name: str, file: Path, spec: dict, as_text: bool = True) -> None:
    """Make a file, or a folder of Parquet parts, the relation `name`.

    Parameters
    ----------
    con : Backend
        DuckDB.
    name : str
        Relation to make.
    file : Path
        File or folder.
    spec : dict
        `sheet`, `table`, `member` or `options`, as `source.yml` gives them.
    as_text : bool
        Whether the cells of a workbook are read as text, rather than as the numbers and dates that they hold.

    Raises
    ------
    Exception
        Of any kind, over a file that cannot be read: `errors.told` turns it into a line for the user.
    """
    text = file.name.lower()
    if file.is_dir():
        _read_parquet(con, name, f"{file}/**/*.parquet")
    elif text.endswith(".parquet"):
        _read_parquet(con, name, str(file))
    elif text.endswith(".xlsx"):
        insert(con, name, _sheet(file, spec.get("sheet", 0), "string" if as_text else None))
    elif text.endswith(DATABASES):
        with _open_sqlite(file) as connection:
            fetch(con, name, connection, f'SELECT * FROM "{spec.get("table", name)}"')
    elif text.endswith(".zip"):
        with tempfile.TemporaryDirectory() as folder:
            _read_text(con, name, _unzip(file, Path(folder), spec), spec)
    else:
        if text.endswith(".gz"):
            _check_whole(file)
        _read_text(con, name, file, spec)


def fetch(con: Backend, name: str, connection: object, query: str) -> None:
    """Stream a query's result into a table, batch by batch."""
    with connection.cursor() as cursor:
        if isinstance(connection, sqlite.AdbcSqliteConnection):
            cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": _ALL_ROWS})
        cursor.execute(query)
        insert(con, name, cursor.fetch_record_batch())


def insert(con: Backend, name: str, rows: pa.RecordBatchReader | None) -> None:
    """Fill a new table from Arrow; numbers that only the database has a type for come as their text."""
    if rows is None:
        raise ValueError("it is empty, without even a header")
    plain = pa.schema(
        [(f.name, f.type.storage_type if isinstance(f.type, pa.OpaqueType) else f.type) for f in rows.schema]
    )
    batches = (pa.RecordBatch.from_arrays([_storage(c) for c in b.columns], schema=plain) for b in rows)
    con.con.register("_arriving", pa.RecordBatchReader.from_batches(plain, batches))
    con.raw_sql(f'CREATE TABLE "{name}" AS SELECT * FROM _arriving')
    con.con.unregister("_arriving")


def sheets_of(book: Path) -> list[str]:
    """Names of the sheets of a workbook."""
    return fastexcel.read_excel(book).sheet_names


def tables_of(database: Path) -> list[str]:
    """Names of the tables and views of a SQLite file."""
    with _open_sqlite(database) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
        return [row[0] for row in cursor.fetchall()]


def quoted(value: object) -> str:
    """Write a value as a literal of DuckDB's SQL."""
    return str(value).lower() if isinstance(value, bool) else "'" + str(value).replace("'", "''") + "'"


def _open_sqlite(file: Path) -> sqlite.Connection:
    return sqlite.connect(f"{file.resolve().as_uri()}?mode=ro")


def _sheet(file: Path, sheet: int | str, dtypes: str | None) -> pa.RecordBatchReader | None:
    """Read a sheet; its headings are read apart, as the reader would number those that are there twice."""
    book = fastexcel.read_excel(file)
    rows = book.load_sheet(sheet, dtypes=dtypes, schema_sample_rows=None)
    if not rows.width:
        return None
    headings = book.load_sheet(sheet, header_row=None, n_rows=1, dtypes="string").to_arrow()
    names = _unique([column[0].as_py() or "" for column in headings.columns])
    return pa.Table.from_batches([rows.to_arrow()]).rename_columns(names).to_reader()


def _storage(column: pa.Array) -> pa.Array:
    return column.storage if isinstance(column.type, pa.OpaqueType) else column


def _read_parquet(con: Backend, name: str, pattern: str) -> None:
    con.raw_sql(f'CREATE VIEW "{name}" AS SELECT * FROM read_parquet({quoted(pattern)}, union_by_name = true)')
    con.raw_sql(f'SELECT 1 FROM "{name}" LIMIT 1')  # a broken file must show now, not in a notebook's third cell


def _read_text(con: Backend, name: str, file: Path, spec: dict) -> None:
    """Read a text file by its header, not by guessing from its first rows, unless `options` say how."""
    if "options" in spec:
        options = {"all_varchar": True, "header": True} | spec["options"]
        listed = "".join(f", {key} = {quoted(value)}" for key, value in options.items())
    else:
        header, delimiter = _header(file)
        columns = ", ".join(f"{quoted(c)}: 'VARCHAR'" for c in header)
        listed = (
            f", auto_detect = false, header = true, delim = {quoted(delimiter)}, quote = '\"', escape = '\"'"
            f", columns = {{{columns}}}"
        )
    try:
        con.raw_sql(f'CREATE TABLE "{name}" AS SELECT * FROM read_csv({quoted(file)}{listed})')
    except duckdb.InvalidInputException as error:  # of five lines, of which the reader's user needs these words
        raise ValueError(_NO_UTF8 if "Invalid unicode" in str(error) else str(error)) from None


def _check_whole(file: Path) -> None:
    """Read a packed file to its end: DuckDB takes one that was cut off on its way for a shorter one."""
    with gzip.open(file) as stream:
        while stream.read(1 << 20):
            pass


def _header(file: Path) -> tuple[list[str], str]:
    """Column names and delimiter of a text file."""
    unpacked = gzip.open if file.name.lower().endswith(".gz") else open
    try:
        with unpacked(file, "rt", encoding="utf-8-sig", newline="") as stream:
            line = stream.readline()
            # not by counting: a delimiter of another file may stand within the quotes of this one
            delimiter = max(_DELIMITERS, key=lambda d: len(next(csv.reader([line], delimiter=d), [])))
            names = next(csv.reader(chain([line], stream), delimiter=delimiter), [])
    except UnicodeDecodeError:
        raise ValueError(_NO_UTF8) from None
    if not names:
        raise ValueError("it is empty, without even a header")
    return _unique(names), delimiter


def _unique(headings: list[str]) -> list[str]:
    """Name the columns as the headings do; DuckDB does not tell names apart that differ by case only."""
    names = [n.strip() or f"column_{i}" for i, n in enumerate(headings, 1)]
    if twice := [n for n, times in Counter(n.lower() for n in names).items() if times > 1]:
        raise ValueError(f"it has the column {twice[0]} twice")
    return names


def _unzip(file: Path, folder: Path, spec: dict) -> Path:
    with zipfile.ZipFile(file) as archive:
        members = [m for m in archive.namelist() if m.lower().endswith(TEXT) and not m.startswith("__MACOSX")]
        member = spec.get("member") or (members[0] if len(members) == 1 else None)
        if member is None:
            raise ValueError(f"it holds {len(members)} text files: name one as `member:` in source.yml")
        return Path(archive.extract(member, folder))
