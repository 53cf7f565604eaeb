"""A small valid bank as data frames, with every table of the contract, and writers for every kind of source."""

from __future__ import annotations

import datetime as dt
import gzip
import sqlite3
import zipfile
from pathlib import Path

import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from bankmine.bank.contract import TABLES

AS_OF = dt.date(2025, 6, 30)
EXTRACTED_ON = dt.date(2025, 12, 31)
TEXTS = (
    '王小明, "VIP"',
    "line one\nline two",
    "<script>alert(1)</script> & co",
    "=1+1",
    "  blanks  ",
    "it's; a\ttab | 'q'",
)
CORE = ("customers", "accounts", "transactions")
_ARROW = {
    "string": pa.string(), "date": pa.date32(), "timestamp": pa.timestamp("us"), "float64": pa.float64(),
    "int64": pa.int64(), "boolean": pa.bool_(),
}  # fmt: skip
_AFFINITIES = {"float64": "REAL", "int64": "INTEGER", "boolean": "INTEGER"}


def small_bank(*names: str) -> dict[str, pd.DataFrame]:
    """Make the bank, or some of its tables: six customers, eight accounts, bookings from January to December 2025."""
    made = {
        "customers": _customers, "accounts": _accounts, "transactions": _transactions, "balances": _balances,
        "applications": _applications, "events": _events, "contacts": _contacts, "feedback": _feedback,
        "relations": _relations, "staff_actions": _staff_actions, "market": _market,
    }  # fmt: skip
    return {name: made[name]() for name in names or made}


def _day(month: int, day: int = 1, year: int = 2025) -> dt.date:
    return dt.date(year, month, day)


def _time(month: int, day: int, *clock: int) -> dt.datetime:
    return dt.datetime(2025, month, day, *clock)


def _month_end(month: int) -> dt.date:
    return _day(month % 12 + 1, 1, 2025 + month // 12) - dt.timedelta(days=1)


def _customers() -> pd.DataFrame:
    columns = [
        "customer_id",
        "joined_on",
        "birth_date",
        "gender",
        "city_tier",
        "annual_income",
        "marketing_consent",
        "note",
    ]
    rows = [
        (f"000{i}", _day(1 + i, 3, 2024), _day(i, 2 * i, 1960 + i), [None, "female", "male"][i % 3], i % 4 + 1,
         None if i == 4 else 50_000.25 * i, [True, False, None][i % 3], TEXTS[i - 1])
        for i in range(1, 7)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns, dtype=object)


def _accounts() -> pd.DataFrame:
    columns = ["account_id", "customer_id", "product", "opened_on", "closed_on", "credit_limit"]
    rows = [(f"A{i}", f"000{i}", "current", _day(1 + i, 4, 2024), None, None) for i in range(1, 7)]
    rows += [
        ("A7", "0001", "savings", _day(1, 15), _day(3, 31), None),
        ("A8", "0002", "personal_loan", _day(2, 1), _day(9, 15), 12_000.0),
        ("A9", "0003", "credit_card", _day(8, 1), None, 5_000.0),
    ]
    return pd.DataFrame(rows, columns=columns, dtype=object)


def _transactions() -> pd.DataFrame:
    columns = ["account_id", "at", "amount", "direction", "kind", "channel", "category", "is_fraud", "fraud_known_on"]
    rows = []
    for month in range(1, 13):
        for i in range(1, 7):
            rows.append(
                (f"A{i}", _time(month, 5, 9), round(1000.1 * i, 2), "in", "salary", "online", "transfer", None, None)
            )
            fraud = (month + i) % 4 == 0
            known = min(_day(month, 10) + dt.timedelta(days=45), EXTRACTED_ON)
            rows.append(
                (
                    f"A{i}",
                    _time(month, 10, 20, 15, 30),
                    round(300.2 * i, 2),
                    "out",
                    "card",
                    "pos",
                    "groceries",
                    fraud,
                    known,
                )
            )
    rows += [
        ("A1", _time(6, 30, 23, 59, 59), 12.5, "out", "card", "mobile", None, None, None),
        ("A1", _time(7, 1), 7.5, "out", "card", "mobile", None, None, None),
    ]
    frame = pd.DataFrame(rows, columns=columns, dtype=object)
    frame.insert(0, "transaction_id", [f"T{i:03}" for i in range(len(frame))])
    return frame


def _balances() -> pd.DataFrame:
    booked = _transactions()
    signed = booked.amount.where(booked.direction == "in", -booked.amount).astype(float)
    rows = [
        (
            f"A{i}",
            _month_end(m),
            round(500.0 + float(signed[(booked.account_id == f"A{i}") & (booked["at"] < until)].sum()), 2),
        )
        for i in range(1, 7)
        for m in range(1, 13)
        for until in [dt.datetime.combine(_month_end(m), dt.time()) + dt.timedelta(days=1)]
    ]
    return pd.DataFrame(rows, columns=["account_id", "month_end", "balance"], dtype=object)


def _applications() -> pd.DataFrame:
    columns = ["application_id", "customer_id", "applied_on", "product", "amount", "term_months", "approved",
               "defaulted", "outcome_known_on"]  # fmt: skip
    rows = [
        ("P1", "0002", _day(1, 20), "personal_loan", 12_000.0, 12, True, False, _day(5, 1)),
        ("P2", "0003", _day(3, 2), "mortgage", 90_000.0, 240, True, True, _day(10, 1)),
        ("P3", "0004", _day(11, 2), "credit_card", 2_000.0, None, False, None, None),
    ]
    return pd.DataFrame(rows, columns=columns, dtype=object)


def _events() -> pd.DataFrame:
    rows = [(f"000{m % 6 + 1}", _time(m, 12, 8, m), "mobile", "home", "view", 1.5 * m) for m in range(1, 13)]
    return pd.DataFrame(rows, columns=["customer_id", "at", "channel", "page", "action", "seconds"], dtype=object)


def _contacts() -> pd.DataFrame:
    columns = ["contact_id", "customer_id", "campaign", "contacted_on", "treated", "responded", "responded_on", "cost",
               "revenue"]  # fmt: skip
    rows = [
        ("K1", "0001", "spring", _day(4, 1), True, True, _day(4, 9), 2.0, 40.0),
        ("K2", "0002", "spring", _day(4, 1), True, True, _day(7, 20), 2.0, 30.0),
        ("K3", "0003", "spring", _day(4, 1), False, None, None, None, None),
        ("K4", "0004", "autumn", _day(9, 1), True, True, _day(9, 5), 2.0, 10.0),
    ]
    return pd.DataFrame(rows, columns=columns, dtype=object)


def _feedback() -> pd.DataFrame:
    rows = [
        ("F1", "0001", _time(2, 3, 10), "complaint", TEXTS[0] + TEXTS[1], 1, _day(2, 10)),
        ("F2", "0005", _time(6, 20, 11), "question", TEXTS[2], None, _day(7, 4)),
        ("F3", "0006", _time(8, 1, 12), "praise", TEXTS[3], 5, None),
    ]
    return pd.DataFrame(
        rows, columns=["ticket_id", "customer_id", "at", "kind", "text", "rating", "resolved_on"], dtype=object
    )


def _relations() -> pd.DataFrame:
    rows = [("0001", "0002", "family", _day(12, 1, 2024), 1.0), ("0003", "0006", "payment", _day(7, 7), 0.5)]
    return pd.DataFrame(rows, columns=["from_id", "to_id", "kind", "since", "weight"], dtype=object)


def _staff_actions() -> pd.DataFrame:
    rows = [(f"S{m}", "E1", _time(m, 15, 14), "limit raised", "0001", 100.0 * m) for m in (2, 6, 7, 11)]
    return pd.DataFrame(rows, columns=["action_id", "staff_id", "at", "action", "customer_id", "amount"], dtype=object)


def _market() -> pd.DataFrame:
    rows = [(_month_end(m), "policy_rate", round(0.03 + m / 1000, 3)) for m in range(1, 13)]
    return pd.DataFrame(rows, columns=["day", "series", "value"], dtype=object)


def arrow(name: str, frame: pd.DataFrame) -> pa.Table:
    """Type a frame as the contract says; columns that it does not know are text."""
    told = {c.name: c.type for c in TABLES[name].columns}
    schema = pa.schema([(c, _ARROW[told.get(c, "string")]) for c in frame.columns])
    return pa.Table.from_pylist(frame.astype(object).where(frame.notna(), None).to_dict("records"), schema=schema)


def write_csv(bank: dict[str, pd.DataFrame], folder: Path, ending: str = ".csv", **options: object) -> Path:
    """Write `.csv`, `.csv.gz` or `.csv.zip` files named as the contract."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in bank.items():
        content = frame.to_csv(index=False, **options).encode(options.get("encoding", "utf-8"))
        file = folder / (name + ending)
        if ending == ".csv.zip":
            with zipfile.ZipFile(file, "w") as archive:
                archive.writestr(f"{name}.csv", content)
        else:
            file.write_bytes(gzip.compress(content) if ending.endswith(".gz") else content)
    return folder


def write_parquet(bank: dict[str, pd.DataFrame], folder: Path, parts: bool = False) -> Path:
    """Write one Parquet file a table, or a folder of two parts."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in bank.items():
        rows = arrow(name, frame)
        if parts:
            (folder / name).mkdir()
            pq.write_table(rows.slice(0, 1), folder / name / "part-0.parquet")
            pq.write_table(rows.slice(1), folder / name / "part-1.parquet")
        else:
            pq.write_table(rows, folder / f"{name}.parquet")
    return folder


def write_xlsx(bank: dict[str, pd.DataFrame], folder: Path, one_book: bool = False) -> Path:
    """Write one workbook a table, or one workbook with a sheet for each table."""
    folder.mkdir(parents=True, exist_ok=True)
    options = {"engine": "xlsxwriter", "engine_kwargs": {"options": {"strings_to_formulas": False}}}
    books = {"bank": bank} if one_book else {name: {name: frame} for name, frame in bank.items()}
    for book, sheets in books.items():
        with pd.ExcelWriter(folder / f"{book}.xlsx", **options) as writer:
            for name, frame in sheets.items():
                frame.to_excel(writer, sheet_name=name, index=False)
    return folder


def write_sqlite(bank: dict[str, pd.DataFrame], folder: Path) -> Path:
    """Write one SQLite file with a table for each."""
    folder.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(folder / "bank.sqlite")
    for name, frame in bank.items():
        texts = frame.map(lambda v: str(v) if isinstance(v, dt.date) else v)
        told = {c.name: c.type for c in TABLES[name].columns}
        affinities = {c: _AFFINITIES.get(told.get(c), "TEXT") for c in frame.columns}
        texts.to_sql(name, connection, index=False, dtype=affinities)
    connection.close()
    return folder


def write_source(folder: Path, bank: dict[str, pd.DataFrame] | None = None, **keys: object) -> Path:
    """Write a `source.yml`, and the bank as Parquet beside it."""
    write_parquet(bank or {}, folder)
    (folder / "source.yml").write_text(
        yaml.safe_dump({"extracted_on": EXTRACTED_ON} | keys, allow_unicode=True), "utf-8"
    )
    return folder


def rows_of(table: ir.Table | pa.Table) -> list[tuple]:
    """Rows of a table, sorted, to compare with others."""
    found = table if isinstance(table, pa.Table) else table.to_pyarrow()
    return sorted(zip(*found.to_pydict().values(), strict=True), key=repr)


def read(folder: Path, table: str, columns: list[str] | None = None) -> pd.DataFrame:
    """Read a table of a demo bank, or of its truth."""
    return pq.read_table(folder / table, columns=columns).to_pandas(date_as_object=False)


def bookings(folder: Path, columns: list[str]) -> pd.DataFrame:
    """Read all bookings but the catalogued ones, with owner and product."""
    defects = read(folder, "truth/defects").query("rule != 'duplicate_key'")
    rows = read(folder, "transactions", columns).drop_duplicates("transaction_id")
    rows = rows[~rows.transaction_id.isin(defects.key)]
    return rows.merge(read(folder, "accounts", ["account_id", "customer_id", "product"]), on="account_id")
