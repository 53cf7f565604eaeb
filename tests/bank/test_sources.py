"""Every kind of source gives the same typed tables, and whatever is wrong with one is told in one clear line."""

from __future__ import annotations

import gzip
import shutil
import signal
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import adbc_driver_postgresql.dbapi as postgresql
import pandas as pd
import pyarrow.parquet as pq
import pytest
from bank_fixtures import (
    CORE,
    arrow,
    rows_of,
    small_bank,
    write_csv,
    write_parquet,
    write_source,
    write_sqlite,
    write_xlsx,
)
from postgres_server import PASSWORD, QUOTED

from bankmine.bank.contract import TABLES
from bankmine.bank.flat import open_flat
from bankmine.bank.snapshot import SOURCE_MIME, open_source, read_source
from bankmine.bank.sources import find_source, list_sources
from bankmine.errors import BankmineError, SourceError, UnusableSourceError, told

pytestmark = pytest.mark.slow

LAST = "2025-12-31"


def assert_is_small_bank(folder: Path, *names: str) -> None:
    bank = small_bank(*names)
    snapshot = open_source(str(folder)).as_of(LAST)
    assert snapshot.violations().empty
    assert list(snapshot.tables) == list(bank)
    for name, frame in bank.items():
        found = snapshot.tables[name]
        assert rows_of(found.select(*frame.columns)) == rows_of(arrow(name, frame)), name
        types = {c.name: c.type for c in TABLES[name].columns if c.name in frame.columns}
        assert {c: str(found[c].type()).removeprefix("!").removesuffix("(6)") for c in types} == types, name


def message(folder: Path | str, kind: type[BankmineError] = SourceError) -> str:
    """Open a source that cannot be used and return the one line that says why."""
    with pytest.raises(kind) as caught:
        open_source(str(folder)).as_of(LAST)
    text = str(caught.value)
    assert "\n" not in text
    assert "Traceback" not in text
    assert caught.value.__cause__ is None
    return text


# --- files


def test_csv(tmp_path):
    assert_is_small_bank(write_csv(small_bank(), tmp_path), *TABLES)


@pytest.mark.parametrize("ending", [".csv.gz", ".csv.zip"])
def test_packed_csv(tmp_path, ending):
    assert_is_small_bank(write_csv(small_bank(*CORE), tmp_path, ending), *CORE)


@pytest.mark.parametrize(
    "options",
    [{"sep": ";"}, {"sep": "\t"}, {"sep": "|"}, {"encoding": "utf-8-sig"}, {"lineterminator": "\r\n"}, {"quoting": 1}],
    ids=["semicolon", "tab", "bar", "bom", "crlf", "all quoted"],
)
def test_csv_dialects(tmp_path, options):
    assert_is_small_bank(write_csv(small_bank(*CORE), tmp_path, **options), *CORE)


def test_parquet_files(tmp_path):
    assert_is_small_bank(write_parquet(small_bank(), tmp_path), *TABLES)


def test_parquet_parts(tmp_path):
    assert_is_small_bank(write_parquet(small_bank(*CORE), tmp_path, parts=True), *CORE)


def test_a_workbook_a_table(tmp_path):
    assert_is_small_bank(write_xlsx(small_bank(*CORE), tmp_path), *CORE)


def test_a_workbook_with_a_sheet_a_table(tmp_path):
    assert_is_small_bank(write_xlsx(small_bank(), tmp_path, one_book=True), *TABLES)


def test_sqlite(tmp_path):
    assert_is_small_bank(write_sqlite(small_bank(), tmp_path), *TABLES)


@pytest.mark.parametrize("write", [write_csv, write_xlsx, write_sqlite])
def test_a_value_of_another_type_far_down_a_column_is_counted(tmp_path, write):
    bank = small_bank(*CORE)
    many = pd.concat([bank["customers"].iloc[[0]]] * 3000, ignore_index=True)
    many["customer_id"] = [f"{i:05}" for i in range(3000)]
    many["annual_income"] = [None] * 1500 + [50] * 1498 + [50.5, "a lot"]
    many["birth_date"] = None
    bank["customers"] = pd.concat([bank["customers"], many], ignore_index=True)
    snapshot = open_source(str(write(bank, tmp_path))).as_of(LAST)
    assert snapshot.violations()[["rule", "column", "count", "examples"]].values.tolist() == [
        ["wrong_type", "annual_income", 1, ("'a aaa' 1 time",)]
    ]
    customers = snapshot.customers.to_pandas().set_index("customer_id")
    assert customers.annual_income["02998"] == 50.5
    assert len(customers) == 3006


def test_a_workbook_may_be_open_in_excel(tmp_path):
    folder = write_xlsx(small_bank(*CORE), tmp_path, one_book=True)
    (folder / "~$bank.xlsx").write_bytes(b"lock")
    assert_is_small_bank(folder, *CORE)


def test_headers_in_other_case_and_with_blanks(tmp_path):
    bank = small_bank(*CORE)
    folder = write_csv({n: f.rename(columns=lambda c: f" {c.title()} ") for n, f in bank.items()}, tmp_path)
    snapshot = open_source(str(folder)).as_of(LAST)
    for name, frame in bank.items():
        known = [c for c in frame.columns if c in TABLES[name].names]
        assert rows_of(snapshot.tables[name].select(*known)) == rows_of(arrow(name, frame).select(known))


@pytest.mark.parametrize("write", [write_csv, write_parquet, write_xlsx, write_sqlite])
def test_tables_without_rows_and_columns_without_values(tmp_path, write):
    bank = small_bank(*CORE, "contacts")
    bank["contacts"] = bank["contacts"].iloc[:0]
    bank["customers"]["gender"] = None
    bank["transactions"]["category"] = None
    assert len(open_source(str(write(bank, tmp_path))).as_of(LAST).tables["contacts"].to_pandas()) == 0
    assert rows_of(open_source(str(tmp_path)).as_of(LAST).customers) == rows_of(arrow("customers", bank["customers"]))


def test_numbers_of_a_parquet_file_that_pandas_made(tmp_path):
    bank = small_bank(*CORE)
    frame = bank["customers"].assign(
        customer_id=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        city_tier=[1.0, 2.0, None, 1.5, 3.0, 4.0],
        marketing_consent=[1, 0, 1, 0, 1, 2],
        joined_on=pd.to_datetime(bank["customers"].joined_on),
        birth_date=["1970-02-30", "", " ", None, "1971-01-01", "1972-01-01"],
        annual_income=[float("inf"), float("nan"), 1.0, 2.0, 3.0, -4.0],
    )
    for table in ("accounts", "transactions"):
        bank[table] = bank[table].iloc[:0]
    write_parquet({k: bank[k] for k in ("accounts",)}, tmp_path)
    write_parquet({"transactions": small_bank("transactions")["transactions"]}, tmp_path)
    frame.to_parquet(tmp_path / "customers.parquet")
    snapshot = open_source(str(tmp_path)).as_of(LAST)
    found = snapshot.customers.to_pandas().sort_values("customer_id").astype(object)
    found = found.where(found.notna(), None)
    assert found.customer_id.tolist() == ["1", "2", "3", "4", "5", "6"]
    assert found.city_tier.tolist() == [1, 2, None, None, 3, 4]
    assert found.marketing_consent.tolist() == [True, False, True, False, True, None]
    assert found.annual_income.tolist() == [None, None, 1.0, 2.0, 3.0, None]
    wrong = snapshot.violations().query("table == 'customers'").groupby("column")["count"].sum().to_dict()
    assert wrong == {"birth_date": 1, "city_tier": 1, "marketing_consent": 1, "annual_income": 2}


# --- mapped sources


MAPPED = {
    "customers": "SELECT * FROM kunde",
    "accounts": "SELECT konto AS account_id, * EXCLUDE (konto) FROM accounts -- a comment at the end",
    "transactions": "SELECT t.* REPLACE (CAST(amount AS DOUBLE) / 100 AS amount) FROM buchung t;",
}


def mapped(folder: Path, **keys: object) -> Path:
    bank = small_bank(*CORE)
    cents = bank["transactions"].assign(amount=[round(a * 100) for a in bank["transactions"].amount])
    accounts = bank["accounts"].rename(columns={"account_id": "konto"})
    write_csv({"kunde": bank["customers"], "accounts": accounts, "buchung": cents}, folder / "in", sep=";")
    for table, sql in MAPPED.items():
        (folder / f"{table}.sql").write_text(sql, "utf-8")
    relations = {"kunde": ["nowhere.csv", "kunde.csv"], "accounts": "accounts.csv", "buchung": {"file": "buchung.csv"}}
    return write_source(folder, **{"path": "in", "relations": relations} | keys)


def test_mapped_source(tmp_path):
    assert_is_small_bank(mapped(tmp_path), *CORE)


def test_options_of_a_file(tmp_path):
    mapped(tmp_path, relations={
        "kunde": {"file": "kunde.csv", "options": {"delim": ";", "quote": '"'}}, "accounts": "accounts.csv",
        "buchung": "buchung.csv",
    })  # fmt: skip
    assert_is_small_bank(tmp_path, *CORE)


def test_path_from_the_environment(tmp_path, monkeypatch):
    folder = mapped(tmp_path / "bank", path="${BANK_FILES}/in")
    assert "BANK_FILES" in message(folder)
    monkeypatch.setenv("BANK_FILES", str(folder))
    assert_is_small_bank(folder, *CORE)


def test_the_fingerprint_tells_data_apart(tmp_path):
    one, two, three = (mapped(tmp_path / n) for n in "abc")
    (three / "in" / "kunde.csv").write_text((three / "in" / "kunde.csv").read_text().replace("1961", "1951"))
    prints = [open_source(str(f)).fingerprint for f in (one, two, three)]
    assert prints[0] == prints[1] != prints[2]


def test_sql_that_fails(tmp_path):
    (mapped(tmp_path) / "accounts.sql").write_text("SELECT nothing FROM accounts")
    text = message(tmp_path)
    assert "accounts.sql fails" in text
    assert "nothing" in text


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT CAST('王小明' AS INTEGER) FROM accounts",
        "SELECT strptime('王小明', '%Y') FROM accounts",
        "SELECT DATE '2020-13-王小明' FROM accounts",
        "SELECT CAST(['王小明'] AS INTEGER[]) FROM accounts",
    ],
)
def test_sql_that_fails_over_a_value_does_not_show_it(tmp_path, sql):
    (mapped(tmp_path) / "accounts.sql").write_text(sql, "utf-8")
    text = message(tmp_path)
    assert "accounts.sql fails" in text
    assert "王小明" not in text


def test_sql_in_another_encoding(tmp_path):
    (mapped(tmp_path) / "accounts.sql").write_bytes("SELECT '现金' FROM accounts".encode("gbk"))
    assert "accounts.sql is not readable UTF-8 text" in message(tmp_path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("title: [", "is not readable YAML"),
        ("just words", "must be a mapping"),
        ("tilte: Bank", "unknown keys: tilte"),
        ("extracted_on: soon", "extracted_on must be a date like 2025-12-31, not 'soon'"),
        ("extracted_on: 2025-12-31 10:00:00", "extracted_on must be a date"),
        ("balance_tolerance: much", "balance_tolerance must be a number"),
        ("relations: kunde.csv", "relations must be a mapping"),
        ("relations: {kunde: {flie: x}}", "relation kunde has unknown keys: flie"),
        ("relations: {kunde: []}", "relation kunde names no file"),
        ("database: {driver: postgresql}", "database lacks relations, uri_env"),
        ("database: {uri: 'postgresql://u:p@h/d'}", "unknown keys: uri"),
        ("generator: os:system", "no generator is called 'os:system'; installed are demobank"),
        ("generator: 'demobank:generate'", "no generator is called 'demobank:generate'"),
        (
            "relations: {kunde: {file: x.csv, options: {\"header=true); COPY (SELECT 1) TO 'x'; --\": 1}}}",
            "options of relation kunde has unknown keys",
        ),
        ("relations: {kunde: {file: x.csv, options: {skip: [1]}}}", "skip must be a whole number"),
        ("relations: {kunde: {file: x.csv, options: {header: 1}}}", "header must be true or false"),
        ("time_zone: Middle/Earth", "time_zone 'Middle/Earth' is not known"),
    ],
)
def test_broken_source_yml(tmp_path, content, says):
    (tmp_path / "source.yml").write_text(content)
    assert says in message(tmp_path)


def test_source_yml_in_another_encoding(tmp_path):
    (tmp_path / "source.yml").write_bytes("title: 银行".encode("gbk"))
    assert "is not readable UTF-8 text" in message(tmp_path)


def test_a_missing_file_says_which_and_where_to_get_it(tmp_path):
    mapped(tmp_path, get="Ask the data office.")
    (tmp_path / "in" / "kunde.csv").unlink()
    text = message(tmp_path)
    assert "nowhere.csv (or kunde.csv) is missing in" in text
    assert text.endswith("Ask the data office.")
    shutil.rmtree(tmp_path / "in")
    assert "Ask the data office." in message(tmp_path)


# --- whatever can be wrong


def test_an_unknown_source_suggests_one():
    near = list_sources()[0]
    text = message(near + "x")
    assert f"Did you mean {near}?" in text
    assert "give the path of a folder" in text
    assert "No source ''" in message("")


def test_an_unknown_engine(tmp_path):
    with pytest.raises(BankmineError, match="No engine 'sparc': there is duckdb and spark"):
        open_source(str(write_csv(small_bank(*CORE), tmp_path)), engine="sparc")


def test_a_missing_table_and_missing_columns(tmp_path):
    bank = small_bank(*CORE)
    write_csv(
        {"customers": bank["customers"], "accounts": bank["accounts"].drop(columns=["product", "opened_on"])}, tmp_path
    )
    text = message(tmp_path, UnusableSourceError)
    assert "table transactions is missing" in text
    assert "table accounts lacks product, opened_on" in text
    assert len(read_source(str(tmp_path)).problems) == 2


def test_an_empty_folder(tmp_path):
    assert "table customers is missing" in message(tmp_path, UnusableSourceError)


def test_no_bookings(tmp_path):
    bank = small_bank(*CORE)
    bank["transactions"] = bank["transactions"].iloc[:0]
    assert "holds no bookings" in message(write_csv(bank, tmp_path), UnusableSourceError)


BROKEN = {
    "customers.csv": [(b"", "without even a header"), (b"\xff\xfec\x00\x01", "it is not UTF-16 text throughout"),
                      ("customer_id,joined_on\n1,中\n".encode("gbk"), "cannot be told for certain"),
                      (b"customer_id,joined_on\n1\n", "line 2 has 1 values, not 2"),
                      (b'customer_id,joined_on\n1,"x\n', 'line 2 opens a quote " that is never closed'),
                      (b"customer_id,joined_on, Joined_On\n1,x,y\n", "joined_on twice")],
    "customers.csv.gz": [(b"not gzip", "gzip"), (gzip.compress(b"customer_id\n" * 9999)[:-9], "ended before")],
    "customers.csv.zip": [(b"not zip", "zip")],
    "customers.parquet": [(b"", ""), (b"PAR1 nothing PAR1", "")],
    "customers.xlsx": [(b"", ""), (b"PK not a workbook", "")],
    "bank.xlsx": [(b"PK not a workbook", "")],
    "bank.sqlite": [(b"not a database, but long enough" * 99, "not a database")],
}  # fmt: skip


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [(file, *case) for file, cases in BROKEN.items() for case in cases],
)
def test_a_file_that_cannot_be_read(tmp_path, capfd, file, content, says):
    write_csv(small_bank("accounts", "transactions"), tmp_path)
    (tmp_path / file).write_bytes(content)
    text = message(tmp_path)
    assert f"{file} cannot be read" in text
    assert says in text
    assert capfd.readouterr() == ("", "")


def damage(file: Path, column: str) -> None:
    """Overwrite what a column of a Parquet file holds; the end of the file, which says what is where, stays whole."""
    group = pq.ParquetFile(file).metadata.row_group(0)
    own = next(c for c in map(group.column, range(group.num_columns)) if c.path_in_schema == column)
    begin = own.dictionary_page_offset or own.data_page_offset
    content = bytearray(file.read_bytes())
    content[begin + 6 : begin + own.total_compressed_size] = b"\xff" * (own.total_compressed_size - 6)
    file.write_bytes(content)


@pytest.mark.parametrize("column", ["transaction_id", "at", "amount", "channel"])
def test_a_parquet_file_that_is_damaged_inside_a_column_is_named(tmp_path, column):
    file = write_parquet(small_bank(*CORE), tmp_path) / "transactions.parquet"
    damage(file, column)
    assert f"{file} is damaged inside: write or copy it anew" in message(tmp_path)


def test_a_flat_table_that_is_damaged_inside_a_column_is_named(tmp_path):
    file = tmp_path / "t.parquet"
    pd.DataFrame({"x": range(50), "y": [0, 1] * 25}).to_parquet(file)
    damage(file, "x")
    with pytest.raises(SourceError, match=r"t\.parquet is damaged inside: write or copy it anew"):
        open_flat(str(file), target="y")


def test_a_header_alone_is_a_table_without_rows(tmp_path):
    folder = write_csv(small_bank(*CORE), tmp_path)
    (folder / "events.csv").write_text("customer_id,at")
    assert open_source(str(folder)).as_of(LAST).events.count().to_pyarrow().as_py() == 0


def test_a_zip_with_two_files(tmp_path):
    folder = write_csv(small_bank(*CORE), tmp_path, ".csv.zip")
    shutil.copy(folder / "accounts.csv.zip", folder / "more.zip")
    with zipfile.ZipFile(folder / "accounts.csv.zip", "a") as archive:
        archive.writestr("other.csv", "a,b\n")
    assert "name one as `member:`" in message(folder)


def test_a_failure_is_one_short_line_without_secrets():
    with pytest.raises(SourceError) as caught, told("It fails", ["secret", "very secret"]):
        raise ValueError("a very secret\n  thing " + "x" * 999)
    assert str(caught.value).startswith("It fails: a *** thing xxx")
    assert len(str(caught.value)) < 400


# --- databases


@pytest.fixture(scope="session")
def uri(server) -> str:
    """URI of a database that holds the small bank."""
    found = f"postgresql://bank:{QUOTED}@{server}/postgres"
    with postgresql.connect(found) as connection, connection.cursor() as cursor:
        for name, frame in small_bank().items():
            cursor.adbc_ingest(name, arrow(name, frame))
        connection.commit()
    return found


@pytest.fixture
def database(tmp_path, monkeypatch):
    """Write a source upon a database whose URI is in the environment."""

    def write(uri: str, relations: dict[str, str] | None = None, driver: str = "postgresql") -> Path:
        monkeypatch.setenv("BANK_URI", uri)
        relations = relations or {name: f"SELECT * FROM {name}" for name in CORE}
        told = {"driver": driver, "uri_env": "BANK_URI", "relations": relations, "local": True}
        return write_source(tmp_path, database=told, time_zone="Asia/Shanghai")

    return write


def test_postgresql(database, uri):
    assert_is_small_bank(database(uri, {name: f"SELECT * FROM {name}" for name in TABLES}), *TABLES)


def test_types_that_only_postgresql_has(database, uri):
    exact = (
        "SELECT transaction_id::char(9) AS transaction_id, account_id, at AT TIME ZONE 'Asia/Shanghai' AS at,"
        " amount::numeric(12, 2) AS amount, direction::name AS direction, '{\"a\": 1}'::jsonb AS more FROM transactions"
    )
    folder = database(uri, {name: f"SELECT * FROM {name}" for name in CORE[:2]} | {"transactions": exact})
    found = open_source(str(folder)).as_of(LAST).transactions
    columns = ["account_id", "at", "amount", "direction"]
    assert rows_of(found.select(*columns)) == rows_of(
        arrow("transactions", small_bank()["transactions"]).select(columns)
    )


def test_sqlite_as_a_database(database, tmp_path):
    file = write_sqlite(small_bank(*CORE), tmp_path / "elsewhere") / "bank.sqlite"
    assert_is_small_bank(database(str(file), driver="sqlite"), *CORE)


def test_the_secret_never_shows(database, uri):
    folder = database(uri)
    bank = open_source(str(folder))
    snapshot = bank.as_of(LAST)
    shown = snapshot._repr_mimebundle_()
    assert set(shown) == {SOURCE_MIME, "text/plain", "text/html"}
    for text in (repr(bank), repr(snapshot), str(shown), repr(find_source(str(folder)))):
        assert PASSWORD not in text
        assert QUOTED not in text


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (lambda uri: uri.replace(QUOTED, "geheim"), "user or password is wrong"),
        (lambda uri: uri.replace(QUOTED, ""), "holds no password"),
        (lambda uri: uri.replace(QUOTED, PASSWORD), "the URI is not understood"),
        (lambda uri: uri.replace(QUOTED, "p@geheim"), "the host is not known"),
        (lambda uri: uri.replace(QUOTED, "geheim%zz"), "the URI is not understood"),
        (lambda uri: uri.replace("://", "//"), "the URI is not understood"),
        (lambda uri: f"host=127.0.0.1 port=geheim password={QUOTED}", "the URI is not understood"),
        (lambda uri: uri.replace("/postgres", "/nobank"), "no such database"),
    ],
    ids=["wrong", "none", "raw", "at", "percent", "scheme", "pairs", "database"],
)
def test_a_database_that_cannot_be_reached(database, uri, capfd, broken, says):
    text = message(database(broken(uri)))
    assert says in text
    assert "BANK_URI" in text
    assert not any(part in text for part in ("heim", "€", QUOTED))
    assert capfd.readouterr() == ("", "")


def test_a_database_that_is_down(database):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        text = message(database(f"postgresql://bank:{QUOTED}@127.0.0.1:{free.getsockname()[1]}/x"))
    assert "no server answers there" in text
    assert QUOTED not in text


@pytest.fixture
def silent():
    """A server that takes calls and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener


def test_a_database_that_does_not_answer(database, silent):
    text = message(database(f"postgresql://bank:{QUOTED}@127.0.0.1:{silent.getsockname()[1]}/x?connect_timeout=2"))
    assert "the server did not answer in time" in text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_even_what_waits_for_a_database(database, silent, number):
    folder = database(f"postgresql://bank:{QUOTED}@127.0.0.1:{silent.getsockname()[1]}/x?connect_timeout=600")
    command = Path(sys.executable).with_name("bankmine")
    waiting = subprocess.Popen([command, "check", folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    held, _ = silent.accept()
    waiting.send_signal(number)
    out, err = waiting.communicate()
    held.close()
    assert waiting.returncode == 130
    assert (out, err) == ("", "bankmine: interrupted; what was finished is kept, nothing half-written is left.\n")


def test_a_query_that_takes_too_long(database, uri):
    told = {name: f"SELECT * FROM {name}" for name in CORE[:2]} | {"transactions": "SELECT pg_sleep(600)"}
    text = message(database(f"{uri}?options=-c%20statement_timeout%3D200", told))
    assert "relation transactions" in text
    assert "statement timeout" in text


def test_a_query_that_fails(database, uri):
    text = message(database(uri, {"customers": f"SELECT '{QUOTED}' FROM nowhere"}))
    assert "relation customers" in text
    assert '"nowhere" does not exist' in text
    assert QUOTED not in text


def test_a_missing_variable_and_an_unknown_driver(database, monkeypatch):
    assert "database.driver must be one of postgresql, sqlite" in message(database("x", driver="oracle"))
    folder = database("x")
    monkeypatch.delenv("BANK_URI")
    assert "needs the environment variable BANK_URI" in message(folder)


# --- what unpacks to more than anybody meant


def test_a_cell_at_the_far_corner_of_a_workbook_is_refused(tmp_path):
    write_csv(small_bank(*CORE), tmp_path)
    (tmp_path / "customers.csv").unlink()
    with pd.ExcelWriter(tmp_path / "customers.xlsx", engine="xlsxwriter") as writer:
        small_bank()["customers"].to_excel(writer, index=False)
        next(iter(writer.sheets.values())).write(1_048_575, 16_383, "x")
    assert "as far out as column 16,384 or row 1,048,576" in message(tmp_path)


BOMBS = {
    "zip": lambda file, text: zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED).writestr("customers.csv", text),
    "csv.gz": lambda file, text: file.write_bytes(gzip.compress(text)),
    "xlsx": lambda file, text: zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED).writestr("xl/workbook.xml", text),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch, kind):
    monkeypatch.setenv("BANKMINE_UNPACK_GB", "0.001")
    write_csv(small_bank(*CORE), tmp_path)
    (tmp_path / "customers.csv").unlink()
    BOMBS[kind](tmp_path / f"customers.{kind}", b"customer_id,joined_on\n" + b"C1,2020-01-01\n" * 100_000)
    text = message(tmp_path)
    assert "unpacked it has more than 0.001 GB: set BANKMINE_UNPACK_GB if that is right" in text
    monkeypatch.setenv("BANKMINE_UNPACK_GB", "much")
    assert "must be a number of gigabytes" in message(tmp_path)
