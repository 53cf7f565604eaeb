"""Ledger: the file that holds what was judged and answered, so that a killed process goes on as if it had not been.

One SQLite file in WAL mode that one process at a time may use. A transaction, its answer and all that the state must
not forget are committed together and reach the disk before the answer is given (synchronous = FULL: also where the
power fails; https://www.sqlite.org/pragma.html#pragma_synchronous). So a transaction without an answer on the outside
may be sent again: it is counted once and answered alike. What is measured of the past is read by an index for each
key, when the key is next seen: a start reads nothing but labels. With a key the file and its log are encrypted by
SQLCipher, page by page, and a page that was altered is refused; without one they are SQLite's own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, fields
from operator import attrgetter
from pathlib import Path

from sqlcipher3 import dbapi2 as dbapi

from bankmine.errors import BankmineError
from bankmine.live.messages import Label
from bankmine.privacy.keys import KEY_FILE, Key, find_key
from bankmine.topics.fraud.measures import KEYS, SPECIFICATION, First
from bankmine.topics.fraud.stream_state import Transaction, values_of

_APPLICATION = 0x62616E6B
"""What the file's header says whose it is: "bank"."""
_VERSION = 3
COLUMNS = tuple(f.name for f in fields(Transaction))
"""Of the table `transactions`; behind them stands the answer."""
_NAMES = ", ".join(COLUMNS)
_row = attrgetter(*COLUMNS)
STOOD = "physical AND country NOT NULL"
_TABLES = (
    f"CREATE TABLE transactions ({_NAMES}, answer TEXT)",
    "CREATE TABLE labels (transaction_id TEXT PRIMARY KEY, is_fraud, known_at) WITHOUT ROWID",
    "CREATE TABLE accounts (account TEXT PRIMARY KEY, customer TEXT NOT NULL, product TEXT) WITHOUT ROWID",
    *(
        f"CREATE TABLE {f.name} ({', '.join(f.keys)}, at, PRIMARY KEY ({', '.join(f.keys)})) WITHOUT ROWID"
        for f in SPECIFICATION.firsts
    ),
    "CREATE TABLE lasts (key TEXT, value TEXT, at INTEGER, country TEXT, PRIMARY KEY (key, value)) WITHOUT ROWID",
    "CREATE TABLE tokens (field TEXT PRIMARY KEY, domain TEXT NOT NULL) WITHOUT ROWID",
)
"""`tokens` has which fields of transactions hold tokens. `lasts` has the last moments of customers and accounts, and
the last place (key `place`) of customers, of what `transactions` has forgotten."""
_INDEXES = (
    "CREATE UNIQUE INDEX transactions_id ON transactions (transaction_id)",
    "CREATE INDEX transactions_at ON transactions (at)",
    f"CREATE INDEX transactions_place ON transactions (customer, at, country) WHERE {STOOD}",
    *(f"CREATE INDEX transactions_{key} ON transactions ({key}, at, amount) WHERE {key} NOT NULL" for key in KEYS),
)
_CLEAR, _MARK = b"SQLite format 3\0", b"bank"
"""How a state in the clear begins, and one that is encrypted; behind the mark stands the name of its key."""
_OF_KEY = re.compile(_MARK + rb"([0-9a-f]{12})")
_SETTINGS = ("locking_mode = EXCLUSIVE", "trusted_schema = OFF", "cell_size_check = ON")
_DURABLE = ("journal_mode = WAL", "synchronous = FULL", "cache_size = -65536")
_FLEETING = ("journal_mode = OFF", "synchronous = OFF")
"""Of a file that is not a state yet; indexes sort faster in little memory."""


@contextmanager
def faults(path: Path) -> Iterator[None]:
    """Tell in one line what is wrong with the file of a state, and what to do."""
    try:
        yield
    except dbapi.Error as error:
        # an error without a code is of a text that is none
        code = getattr(error, "sqlite_errorcode", dbapi.SQLITE_CORRUPT)
        advice = _ADVICE.get(code) or _ADVICE.get(code & 0xFF, _UNUSABLE)
        raise BankmineError(advice.format(path=path, error=error)) from None


_UNUSABLE = "The state {path} cannot be used ({error}): give another file with --state."
_DAMAGED = (
    "The state {path} is damaged, or no state ({error}): move it away together with {path}-wal, start on a new one "
    "with --warm-up, and send again all lines from the day after that of the warm-up. What was answered holds."
)
_CLOSED = (
    "The state {path} cannot be written ({error}): let this user write the file and its folder, or mend the disk, then "
    "start again."
)
_ADVICE = {
    dbapi.SQLITE_BUSY: "Another process is using the state {path}: one at a time.",
    dbapi.SQLITE_CORRUPT: _DAMAGED,
    dbapi.SQLITE_NOTADB: _DAMAGED,
    dbapi.SQLITE_READONLY: _CLOSED,
    dbapi.SQLITE_IOERR: _CLOSED,  # a lock that may not be taken, above all: the driver tells no more
    dbapi.SQLITE_CANTOPEN: _CLOSED,
    dbapi.SQLITE_FULL: "The state {path} cannot be written ({error}): make room, start again, and send again what "
    "was not answered.",
}


def open_ledger(path: Path) -> Ledger:
    """Open the file of a state, or make it; refuse one that is in use, of another kind, or cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BankmineError(_UNUSABLE.format(path=path, error=error)) from None
    _refuse_other_key(path, find_key())
    with faults(path):
        connection = _connected(path, _DURABLE)
        objects = {sql for (sql,) in connection.execute("SELECT sql FROM sqlite_schema WHERE sql NOT NULL")}
        if not objects:
            _make(connection, (*_TABLES, *_INDEXES))
        elif objects != {*_TABLES, *_INDEXES} or _version(connection) != (_APPLICATION, _VERSION):
            raise BankmineError(
                f"{path} is no state of this version: give another file with --state, which --warm-up fills."
            )
        return Ledger(connection, path)


def _refuse_other_key(path: Path, key: Key | None) -> None:
    """Refuse a state that is not of the key that is set: by its first bytes, as its pages would only look damaged."""
    try:
        with path.open("rb") as file:
            begins = file.read(len(_CLEAR))
    except OSError:  # not there yet, or what the engine says better
        return
    if begins == _CLEAR and key:
        raise BankmineError(
            f"The state {path} is not encrypted, but a key is set: start a new one with --warm-up, or unset {KEY_FILE} "
            "to go on in the clear."
        )
    if found := _OF_KEY.fullmatch(begins):
        name = found[1].decode()
        if key is None or key.name != name:
            raise BankmineError(f"The state {path} is encrypted with key {name}: set {KEY_FILE} to the file of that.")


def _unlock(connection: dbapi.Connection, key: Key) -> None:
    """Give the key, which needs no stretching, and as salt its name, so that the file begins with that."""
    salt = _MARK + key.name.encode("ascii")
    connection.execute(f"PRAGMA key = \"x'{key.of('state').hex()}{salt.hex()}'\"")


def _connected(path: Path, settings: tuple[str, ...]) -> dbapi.Connection:
    connection = dbapi.connect(path, isolation_level=None, timeout=0)
    connection.execute("PRAGMA cipher_log_level = NONE")  # it would write into the answers' company
    if key := find_key():
        _unlock(connection, key)
    for setting in (*_SETTINGS, *settings):
        connection.execute(f"PRAGMA {setting}")
    return connection


def _version(connection: dbapi.Connection) -> tuple[int, int]:
    return tuple(connection.execute(f"PRAGMA {of}").fetchone()[0] for of in ("application_id", "user_version"))


def _make(connection: dbapi.Connection, objects: Iterable[str]) -> None:
    stamp = f"PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = {_VERSION}"
    connection.executescript(f"BEGIN; {'; '.join(objects)}; {stamp}; COMMIT;")


class Ledger:
    """The open file, which is also the past of a state (`stream_state.Past`)."""

    def __init__(self, connection: dbapi.Connection, path: Path) -> None:
        self._sql, self.path = connection, path

    @contextmanager
    def commit(self) -> Iterator[None]:
        """Do what is in the block as a whole, on the disk at its end, or not at all."""
        with self._sql:
            self._sql.execute("BEGIN IMMEDIATE")
            yield

    @contextmanager
    def filling(self) -> Iterator[None]:
        """Fill an empty ledger as a whole or not at all: in a file beside it, which then takes its place."""
        beside = self.path.with_name(f"{self.path.name}.filling")
        beside.unlink(missing_ok=True)  # of a process that was killed: no other fills what this one has locked
        empty, self._sql = self._sql, _connected(beside, _FLEETING)
        try:
            _make(self._sql, _TABLES)
            with self.commit():
                yield
            self._sql.close()
            with beside.open("rb") as file:
                os.fsync(file.fileno())
            # the empty file stays locked until the full one has its name; a log of it would be taken for the full one's
            empty.execute("PRAGMA journal_mode = DELETE")
            beside.replace(self.path)
        finally:
            self._sql.close()
            beside.unlink(missing_ok=True)
            empty.close()
            self._sql = _connected(self.path, _DURABLE)

    def fill(self, table: str, pieces: Iterable[Sequence[tuple]]) -> None:
        """Write the rows of a table as they are, then its indexes; call it within `filling`."""
        for rows in pieces:
            self._sql.executemany(f"INSERT INTO {table} VALUES ({_marks(len(rows[0]))})", rows)
        for index in _INDEXES if table == "transactions" else ():
            self._sql.execute(index)

    def rows(self, asked: str, *given: object) -> list[tuple]:
        """Return what a query of the module's own finds."""
        return self._sql.execute(asked, given).fetchall()

    def close(self) -> None:
        """Close the file; what was committed is on the disk."""
        self._sql.close()

    def find(self, transaction_id: str) -> tuple[Transaction, str | None] | None:
        """Return a transaction and its answer, None for the answer where it came with the warm-up."""
        asked = f"SELECT {_NAMES}, answer FROM transactions WHERE transaction_id = ?"
        found = self._sql.execute(asked, (transaction_id,)).fetchone()
        return found and (Transaction(*found[:-1]), found[-1])

    def add(self, t: Transaction, answer: str | None = None) -> None:
        """Add a transaction that is not there yet, and what it is the first of; call it within `commit`."""
        self._sql.execute(f"INSERT INTO transactions VALUES ({_marks(len(COLUMNS) + 1)})", (*_row(t), answer))
        # what is not earlier writes nothing, so that most transactions leave these pages alone
        earlier = "ON CONFLICT DO UPDATE SET at = excluded.at WHERE excluded.at < at"
        for first in SPECIFICATION.firsts:
            if (values := values_of(t, first)) is not None:
                marks = _marks(len(values) + 1)
                self._sql.execute(f"INSERT INTO {first.name} VALUES ({marks}) {earlier}", (*values, t.at))

    def answer(self, transaction_id: str, answer: str) -> None:
        """Keep the answer to a transaction that came with the warm-up; call it within `commit`."""
        self._sql.execute("UPDATE transactions SET answer = ? WHERE transaction_id = ?", (answer, transaction_id))

    def label(self, label: Label) -> None:
        """Keep what a transaction turned out to be, in place of what was known before; call it within `commit`."""
        self._sql.execute("INSERT OR REPLACE INTO labels VALUES (?, ?, ?)", astuple(label))

    def find_label(self, transaction_id: str) -> Label | None:
        """Return what is known of a transaction."""
        found = self._sql.execute("SELECT * FROM labels WHERE transaction_id = ?", (transaction_id,)).fetchone()
        return found and Label(found[0], bool(found[1]), found[2])

    def owner(self, account: str) -> tuple[str, str | None] | None:
        """Return whose account it is, and its product."""
        return self._sql.execute("SELECT customer, product FROM accounts WHERE account = ?", (account,)).fetchone()

    def own(self, account: str, customer: str, product: str | None) -> None:
        """Keep of an account whose it is, and its product; call it within `commit`."""
        self._sql.execute("INSERT INTO accounts VALUES (?, ?, ?)", (account, customer, product))

    def newest(self) -> int | None:
        """Return the moment of the latest transaction; None where there is none."""
        return self._sql.execute("SELECT max(at) FROM transactions").fetchone()[0]

    def first(self, first: First, values: tuple[str, ...]) -> int | None:
        """Return the earliest moment of these values; None where there is none."""
        asked = f"SELECT at FROM {first.name} WHERE {' AND '.join(f'{key} = ?' for key in first.keys)}"
        found = self._sql.execute(asked, values).fetchone()
        return found and found[0]

    def moves(self, key: str, value: str, start: int, end: int) -> list[tuple[int, float]]:
        """Return moments and amounts from a moment on up to, but not at, another, in order."""
        asked = f"SELECT at, amount FROM transactions WHERE {key} = ? AND at >= ? AND at < ? ORDER BY at"
        return self._sql.execute(asked, (value, start, end)).fetchall()

    def last(self, key: str, value: str, before: int) -> int | None:
        """Return the last moment of a customer or account before another."""
        asked = f"SELECT max(at) FROM transactions WHERE {key} = ? AND at < ?"
        (found,) = self._sql.execute(asked, (value, before)).fetchone()
        return self._forgotten(key, value)[0] if found is None else found

    def last_place(self, customer: str, before: int) -> tuple[int, str] | None:
        """Return when and where a customer last stood somewhere: of one moment the last country of the alphabet."""
        asked = f"""SELECT at, country FROM transactions WHERE customer = ? AND at < ? AND {STOOD}
            ORDER BY at DESC, country DESC LIMIT 1"""
        found = self._sql.execute(asked, (customer, before)).fetchone()
        return self._forgotten("place", customer) if found is None else found

    def _forgotten(self, key: str, value: str) -> tuple[int | None, str | None]:
        asked = "SELECT at, country FROM lasts WHERE key = ? AND value = ?"
        return self._sql.execute(asked, (key, value)).fetchone() or (None, None)


def _marks(number: int) -> str:
    return ", ".join("?" * number)
