"""Ledger: the file that holds what was judged and answered, so that a killed process goes on as if it had not been.

One SQLite file in WAL mode that one process at a time may use. A transaction, its answer and all that the state must
not forget are committed together and reach the disk before the answer is given (synchronous = FULL: also where the
power fails; https://www.sqlite.org/pragma.html#pragma_synchronous). So a transaction without an answer on the outside
may be sent again: it is counted once and answered alike.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, fields
from operator import attrgetter
from pathlib import Path

from bankmine.errors import BankmineError
from bankmine.live.messages import Label
from bankmine.topics.fraud.stream_state import Transaction

_APPLICATION = 0x62616E6B
"""What the file's header says whose it is: "bank"."""
_VERSION = 1
COLUMNS = tuple(f.name for f in fields(Transaction))
"""Of the table `transactions`; behind them stands the answer."""
_NAMES = ", ".join(COLUMNS)
_row = attrgetter(*COLUMNS)
_SCHEMA = f"""
CREATE TABLE transactions ({_NAMES}, answer TEXT, UNIQUE (transaction_id));
CREATE INDEX transactions_at ON transactions (at);
CREATE TABLE labels (transaction_id TEXT PRIMARY KEY, is_fraud, known_at) WITHOUT ROWID;
CREATE TABLE accounts (account TEXT PRIMARY KEY, customer TEXT NOT NULL, product TEXT) WITHOUT ROWID;
CREATE TABLE firsts (first TEXT, one TEXT, two TEXT, at INTEGER, PRIMARY KEY (first, one, two)) WITHOUT ROWID;
"""
_SETTINGS = ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL", "trusted_schema = OFF")


def open_ledger(path: Path) -> Ledger:
    """Open the file of a state, or make it; refuse one that is in use, of another kind, or cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, isolation_level=None, timeout=0)
        _prepare(connection, path)
    except (sqlite3.Error, OSError) as error:
        if "locked" in str(error):
            raise BankmineError(f"Another process is using the state {path}: one at a time.") from None
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            raise damaged(path, error) from None
        raise BankmineError(f"The state {path} cannot be used ({error}): give another file with --state.") from None
    return Ledger(connection, path)


def damaged(path: Path, error: sqlite3.Error) -> BankmineError:
    """Say what to do with a state that cannot be read: what was answered stays right, and is sent again by nobody."""
    return BankmineError(
        f"The state {path} cannot be used, as it is damaged or none ({error}): give another file with --state, or move "
        "it away and start with --warm-up; then send again what was not answered."
    )


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    for setting in _SETTINGS:
        connection.execute(f"PRAGMA {setting}")
    whose, version, objects = (
        connection.execute(asked).fetchone()[0]
        for asked in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_schema")
    )
    if not objects:
        made = f"BEGIN; {_SCHEMA} PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = {_VERSION}; COMMIT;"
        connection.executescript(made)
    elif (whose, version) != (_APPLICATION, _VERSION):
        raise BankmineError(f"{path} is no state of this version: give another file with --state.")


class Ledger:
    """The open file, which is also where first moments are kept (`stream_state.Firsts`)."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._sql, self._path = connection, path

    @contextmanager
    def commit(self) -> Iterator[None]:
        """Do what is in the block as a whole, on the disk at its end, or not at all."""
        try:
            with self._sql:
                self._sql.execute("BEGIN IMMEDIATE")
                yield
        except sqlite3.OperationalError as error:
            raise BankmineError(f"The state {self._path} cannot be written: {error}. Make room, then go on.") from None

    def rows(self, asked: str, *given: object) -> list[tuple]:
        """Return what a query of the module's own finds."""
        return self._sql.execute(asked, given).fetchall()

    def close(self) -> None:
        """Close the file; what was committed is on the disk."""
        self._sql.close()

    def find(self, transaction_id: str) -> tuple[Transaction, str | None] | None:
        """Return a transaction and its answer, None for the answer where it came with the warm-up."""
        asked = f"SELECT {', '.join(COLUMNS)}, answer FROM transactions WHERE transaction_id = ?"
        found = self._sql.execute(asked, (transaction_id,)).fetchone()
        return found and (Transaction(*found[:-1]), found[-1])

    def add(self, transactions: Iterable[Transaction], answer: str | None = None) -> None:
        """Add transactions that are not there yet; call it within `commit`."""
        marks = ", ".join("?" * (len(COLUMNS) + 1))
        rows = ((*_row(t), answer) for t in transactions)
        self._sql.executemany(f"INSERT INTO transactions VALUES ({marks})", rows)

    def answer(self, transaction_id: str, answer: str) -> None:
        """Keep the answer to a transaction that came with the warm-up; call it within `commit`."""
        self._sql.execute("UPDATE transactions SET answer = ? WHERE transaction_id = ?", (answer, transaction_id))

    def label(self, labels: Iterable[Label]) -> None:
        """Keep what transactions turned out to be, in place of what was known before; call it within `commit`."""
        self._sql.executemany("INSERT OR REPLACE INTO labels VALUES (?, ?, ?)", map(astuple, labels))

    def find_label(self, transaction_id: str) -> Label | None:
        """Return what is known of a transaction."""
        found = self._sql.execute("SELECT * FROM labels WHERE transaction_id = ?", (transaction_id,)).fetchone()
        return found and Label(found[0], bool(found[1]), found[2])

    def owner(self, account: str) -> tuple[str, str | None] | None:
        """Return whose account it is, and its product."""
        return self._sql.execute("SELECT customer, product FROM accounts WHERE account = ?", (account,)).fetchone()

    def own(self, accounts: Iterable[tuple[str, str, str | None]]) -> None:
        """Keep of accounts whose they are, and their product; call it within `commit`."""
        self._sql.executemany("INSERT OR REPLACE INTO accounts VALUES (?, ?, ?)", accounts)

    def get(self, first: str, values: tuple[str, ...]) -> int | None:
        """Return the earliest moment noted under these values; None where there is none."""
        asked = "SELECT at FROM firsts WHERE first = ? AND one = ? AND two = ?"
        found = self._sql.execute(asked, (first, *_two(values))).fetchone()
        return found and found[0]

    def note(self, first: str, values: tuple[str, ...], at: int) -> None:
        """Note a moment; call it within `commit`."""
        self.note_all([(first, values, at)])

    def note_all(self, firsts: Iterable[tuple[str, tuple[str, ...], int]]) -> None:
        """Note many moments; call it within `commit`."""
        # what is not earlier writes nothing, so that most transactions leave these pages alone
        earlier = "ON CONFLICT DO UPDATE SET at = excluded.at WHERE excluded.at < at"
        rows = ((first, *_two(values), at) for first, values, at in firsts)
        self._sql.executemany(f"INSERT INTO firsts VALUES (?, ?, ?, ?) {earlier}", rows)


def _two(values: tuple[str, ...]) -> tuple[str, str]:
    return values if len(values) == 2 else (values[0], "")
