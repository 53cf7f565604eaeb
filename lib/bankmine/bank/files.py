"""Files: CSV, Parquet, workbooks and SQLite become tables of DuckDB.

Text files are read as text throughout, and workbooks unless their cells' own types are asked for, so that an identifier
keeps its leading zeros and a bad value is counted, not guessed away.
"""

from __future__ import annotations

import csv
import re
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import reduce
from itertools import islice
from pathlib import Path

import adbc_driver_sqlite.dbapi as sqlite
import duckdb
import fastexcel
import pyarrow as pa
from ibis.backends.duckdb import Backend

from bankmine.bank import work
from bankmine.bank.encodings import as_utf8, opened, refuse_bomb
from bankmine.bank.headings import LOOKED, TOTALS, Beside, Heading, find_heading, is_end

TEXT = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz", ".asc", ".asc.gz")
DATABASES = (".sqlite", ".sqlite3", ".db")
ENDINGS = (".parquet", *TEXT, ".csv.zip", ".zip", ".xlsx")
_DELIMITERS = ",;\t|"
_EMPTY = "it is empty, without even a header"
_REJECTED = 100
"""Lines that cannot be read which are looked at; ten ends of a file are more than there can be."""
_ENDS = 10
_ALL_ROWS = 2**31 - 2  # SQLite types values, not columns: only all rows of a column tell its type


def read_file(con: Backend, name: str, file: Path, spec: dict, as_text: bool = True) -> Beside:
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
        `sheet`, `table`, `member`, `encoding` or `options`, as `source.yml` gives them.
    as_text : bool
        Whether the cells of a workbook are read as text, rather than as the numbers and dates that they hold.

    Returns
    -------
    Beside
        What is not among its rows.

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
        rows, notes = _sheet(file, spec.get("sheet"), "string" if as_text else None)
        insert(con, name, rows)
        return _struck(con, name, notes)
    elif text.endswith(DATABASES):
        with _open_sqlite(file) as connection:
            fetch(con, name, connection, f"SELECT * FROM {identifier(spec.get('table', name))}")
    else:
        with tempfile.TemporaryDirectory(dir=work.folder()) as folder:
            whole = _unzip(file, Path(folder), spec) if text.endswith(".zip") else file
            found, encoding = as_utf8(whole, spec.get("encoding", ""), Path(folder))
            notes = _read_text(con, name, found, spec)
            notes.remarks[:0] = [f"{file.name} is {encoding} text, read as such"] if encoding else []
            return _struck(con, name, notes)
    return Beside()


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
        raise ValueError(_EMPTY)
    plain = pa.schema(
        [(f.name, f.type.storage_type if isinstance(f.type, pa.OpaqueType) else f.type) for f in rows.schema]
    )
    failures: list[Exception] = []

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            for b in rows:
                yield pa.RecordBatch.from_arrays([_storage(c) for c in b.columns], schema=plain)
        except Exception as failure:  # the engine would tell it with all of its way through
            failures.append(failure)

    con.con.register("_arriving", pa.RecordBatchReader.from_batches(plain, batches()))
    con.raw_sql(f"CREATE TABLE {identifier(name)} AS SELECT * FROM _arriving")
    con.con.unregister("_arriving")
    if failures:
        raise failures[0]


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


def _sheet(file: Path, sheet: str | None, dtypes: str | None) -> tuple[pa.RecordBatchReader | None, Beside]:
    """Read a sheet; its headings are read apart, as the reader would number those that are there twice."""
    _refuse_far_corners(file)
    book = fastexcel.read_excel(file)
    sheet, said = (sheet, []) if sheet else _sheet_with_a_table(book)
    heading = _first_rows(book, sheet)
    if heading is None:
        return None, Beside()
    rows = book.load_sheet(sheet, header_row=heading.row, dtypes=dtypes, schema_sample_rows=None).to_arrow()
    heading.notes.remarks[:0] = said
    return pa.Table.from_batches([rows]).rename_columns(_unique(heading.names)).to_reader(), heading.notes


_MOST_CELLS = 200_000_000
_WIDE, _ROW = re.compile(rb'<c r="([A-Z]{2,3})\d'), re.compile(rb'<row [^>]{0,99}?r="(\d{1,9})"')
_LETTERS, _OVERLAP, _PIECE = 26, 200, 1 << 22


def _refuse_far_corners(file: Path) -> None:
    """Raise a ValueError over a workbook that unpacks to too much, or whose sheets are read as billions of cells.

    One cell in the last column and row is enough for that: the reader lays out all that lie before it.
    """
    with zipfile.ZipFile(file) as archive:
        refuse_bomb(sum(part.file_size for part in archive.infolist()))
        for name in (n for n in archive.namelist() if n.startswith("xl/worksheets/")):
            columns, rows, before = _LETTERS, 0, b""
            with archive.open(name) as stream:
                while piece := stream.read(_PIECE):
                    text = before + piece
                    columns = max(columns, max(map(_column, set(_WIDE.findall(text))), default=0))
                    rows = max(rows, max(map(int, set(_ROW.findall(text))), default=0))
                    before = text[-_OVERLAP:]
            if columns * rows > _MOST_CELLS:
                raise ValueError(
                    f"{name} has a cell as far out as column {columns:,} or row {rows:,}: remove it, or save it as csv"
                )


def _column(letters: bytes) -> int:
    return reduce(lambda number, letter: number * _LETTERS + letter - ord("A") + 1, letters, 0)


def _sheet_with_a_table(book: fastexcel.ExcelReader) -> tuple[str, list[str]]:
    """Find the first sheet that is no cover: that has two columns and two rows."""
    first, *others = book.sheet_names
    for sheet in others:
        if (found := _first_rows(book, first)) and len([n for n in found.names if n]) > 1:
            break
        if (found := _first_rows(book, sheet)) and len([n for n in found.names if n]) > 1:
            return sheet, [f"sheet {first} holds no table: sheet {sheet} is read"]
    return first, []


def identifier(name: str) -> str:
    """Write a name as an identifier of SQL."""
    return '"' + name.replace('"', '""') + '"'


def _first_rows(book: fastexcel.ExcelReader, sheet: str) -> Heading | None:
    columns = book.load_sheet(sheet, header_row=None, n_rows=LOOKED, dtypes="string").to_arrow().columns
    cells = zip(*(column.to_pylist() for column in columns), strict=True)
    rows = [[cell or "" for cell in row] for row in cells]
    return find_heading(rows) if rows else None


def _storage(column: pa.Array) -> pa.Array:
    return column.storage if isinstance(column.type, pa.OpaqueType) else column


def _read_parquet(con: Backend, name: str, pattern: str) -> None:
    view = identifier(name)
    con.raw_sql(f"CREATE VIEW {view} AS SELECT * FROM read_parquet({quoted(pattern)}, union_by_name = true)")
    con.raw_sql(f"SELECT 1 FROM {view} LIMIT 1")  # a broken file must show now, not in a notebook's third cell


def _read_text(con: Backend, name: str, file: Path, spec: dict) -> Beside:
    """Read a text file by its header, not by guessing from its first rows, unless `options` say how."""
    if "options" in spec:
        options = {"all_varchar": True, "header": True} | spec["options"]
        listed = "".join(f", {key} = {quoted(value)}" for key, value in options.items())
        try:
            con.raw_sql(f"CREATE TABLE {identifier(name)} AS SELECT * FROM read_csv({quoted(file)}{listed})")
        except duckdb.InvalidInputException as error:  # whose further lines show a row, and advice on other options
            raise ValueError(str(error).splitlines()[0]) from None
        return Beside()
    heading, delimiter, skip = _header(file)
    columns = ", ".join(f"{quoted(c)}: 'VARCHAR'" for c in heading.names)
    con.raw_sql(
        f"CREATE TABLE {identifier(name)} AS SELECT * FROM read_csv({quoted(file)}, auto_detect = false, header = true,"
        f" skip = {skip}, delim = {quoted(delimiter)}, quote = '\"', escape = '\"', columns = {{{columns}}},"
        f" store_rejects = true, rejects_limit = {_REJECTED})"
    )
    _judge_rejects(con, heading)
    return heading.notes


def _judge_rejects(con: Backend, heading: Heading) -> None:
    """Leave out the end of a report, which has too few values for a row, and refuse a file with any other such line."""
    query = "SELECT line, error_type, error_message, csv_line FROM reject_errors ORDER BY line, column_idx"
    found = {row[0]: row[1:] for row in reversed(con.raw_sql(query).fetchall())}
    for table in ("reject_errors", "reject_scans"):
        con.raw_sql(f"DROP TABLE {table}")
    odd = {n: e for n, e in found.items() if not (e[0] == "MISSING COLUMNS" and is_end(e[2]))}
    if odd or len(found) > _ENDS:
        line = min(odd or found)
        kind, message, _ = found[line]
        values = re.search(r"Found: (\d+)", message)
        what = f"has {values[1]} values, not {len(heading.names)}" if values else "cannot be read"
        what = 'opens a quote " that is never closed' if kind == "UNQUOTED VALUE" else what
        more = f"; {len(odd):,} lines are like that" if len(odd) > 1 else ""
        raise ValueError(f"line {line:,} {what}{more}")
    heading.notes.remarks.extend(f"line {line:,} is no row: left out" for line in sorted(found))


def _header(file: Path) -> tuple[Heading, str, int]:
    """Headings and delimiter of a text file, and how many lines stand before the last line of headings."""
    with opened(file) as stream:
        start = [line.decode("utf-8-sig" if i == 0 else "utf-8") for i, line in enumerate(islice(stream, 2 * LOOKED))]
    if not "".join(start).strip():
        raise ValueError(_EMPTY)
    told = re.match(r'"?sep=(.)', start[0])
    # not by counting: a delimiter of another file may stand within the quotes of this one
    found = {d: _records(start[bool(told) :], d) for d in (told[1] if told else _DELIMITERS)}
    headings = {d: find_heading(rows) for d, (rows, _) in found.items()}
    delimiter = max(headings, key=lambda d: len(headings[d].names))
    heading, ends = headings[delimiter], found[delimiter][1]
    if told:
        heading.notes.remarks[:0] = [f"line 1, {start[0].strip()}, names the delimiter"]
    before = ends[heading.row - 1] if heading.row else 0
    return replace(heading, names=_unique(heading.names)), delimiter, before + bool(told)


def _records(lines: list[str], delimiter: str) -> tuple[list[list[str]], list[int]]:
    """Split lines into rows of values, and tell the line in which each row ends."""
    reader = csv.reader(lines, delimiter=delimiter)
    rows, ends = [], []
    for row in islice(reader, LOOKED):
        rows.append(row)
        ends.append(reader.line_num)
    return rows, ends


def _struck(con: Backend, name: str, notes: Beside) -> Beside:
    """Take out of a table what is no row of it, and say so: empty rows, repeated headings, totals."""
    table = identifier(name)
    columns = [row[0] for row in con.raw_sql(f"DESCRIBE {table}").fetchall()]
    cells = [f"{identifier(c)}::VARCHAR" for c in columns]
    if len(columns) < 2:
        return notes
    blanks = " + ".join(f"({c} IS NULL)::INT" for c in cells[1:])
    ended = f"2 * ({blanks}) >= {len(cells) - 1} OR rowid = (SELECT max(rowid) FROM {table})"
    kinds = {
        "empty rows": f"coalesce({', '.join(cells)}) IS NULL",
        "rows that repeat the headings": " AND ".join(
            f"trim({cell}) = {quoted(column)}" for cell, column in [*zip(cells, columns, strict=True)][:8]
        ),
        "rows of totals or end marks": f"regexp_full_match(trim({cells[0]}), {quoted(TOTALS)}) AND ({ended})",
    }
    counted = ", ".join(f"count(*) FILTER ({condition})" for condition in kinds.values())
    counts = con.raw_sql(f"SELECT {counted} FROM {table}").fetchone()
    notes.remarks.extend(f"{n:,} {kind} left out" for kind, n in zip(kinds, counts, strict=True) if n)
    if any(counts):
        con.raw_sql(f"DELETE FROM {table} WHERE {' OR '.join(f'({c})' for c in kinds.values())}")
    return notes


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
        refuse_bomb(archive.getinfo(member).file_size)  # no more of it is unpacked than it says here
        return Path(archive.extract(member, folder))
