"""A state that cannot be used: one line says what is wrong and what to do, and what was answered stands."""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from live_stream import NOW, Stream
from sqlcipher3 import dbapi2 as dbapi

from bankmine.bank.snapshot import open_source
from bankmine.errors import BankmineError
from bankmine.live import command, ledger
from bankmine.live import warm_up as warming
from bankmine.topics.fraud.measures import KINDS

LINES = 60


class FaultyDiskError(Exception):
    """Something that goes wrong while a state is filled."""


@pytest.fixture
def scored(stream: Stream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[dict]]:
    """Run the command on the state in the folder, over some lines; return its answers, also when it fails."""
    given = "\n".join([line for line in stream.lines if "amount" in line][:LINES]).encode()
    monkeypatch.setattr(command, "_now", lambda: NOW)

    def run() -> list[dict]:
        out = io.BytesIO()
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(given)))
        monkeypatch.setattr("sys.stdout", SimpleNamespace(buffer=out))
        try:
            command.score(stream.files / "model.json", tmp_path / "state.sqlite")
        finally:
            run.answers = [json.loads(line) for line in out.getvalue().splitlines()]
        return run.answers

    return run


def written_over(part: float, file: Path, length: int = 4096, what: bytes = b"\xa5") -> None:
    """Write over some bytes at a part of the file."""
    size = file.stat().st_size
    with file.open("r+b") as opened:
        opened.seek(int(part * size) // 4096 * 4096)
        opened.write(what * length)


def cut(part: float, file: Path) -> None:
    with file.open("r+b") as opened:
        opened.truncate(int(part * file.stat().st_size))


def altered(sql: str, file: Path) -> None:
    connection = sqlite3.connect(file)
    connection.executescript(sql)
    connection.close()


DAMAGED = {
    "no database": lambda file: file.write_text("no database" * 1000),
    "header overwritten": lambda file: written_over(0, file, 100),
    "first page overwritten behind the header": lambda file: written_over(0, file) or header(file),
    "cut in the middle": lambda file: cut(0.5, file),
    "cut within a page": lambda file: cut(0.5001, file),
    "all pages but the first overwritten": lambda file: written_over(0.0001, file, file.stat().st_size - 4096),
    "all pages but the first empty": lambda file: written_over(0.0001, file, file.stat().st_size - 4096, b"\0"),
}
OTHER = {
    "another program's": "PRAGMA application_id = 7",
    "an earlier version": "PRAGMA user_version = 1",
    "a table more": "CREATE TABLE more (a)",
    "a trigger": "CREATE TRIGGER t AFTER INSERT ON labels BEGIN DELETE FROM labels; END",
    "an index less": "DROP INDEX transactions_merchant",
    "a column less": "ALTER TABLE transactions DROP COLUMN category",
}


def header(file: Path) -> None:
    """Give back the header, of a hundred bytes, to a file whose first page was overwritten."""
    with file.open("r+b") as opened:
        opened.write(b"SQLite format 3\0" + bytes((16, 0, 2, 2, 0, 64, 32, 32)))


@pytest.mark.parametrize("how", DAMAGED)
def test_a_damaged_state_is_one_line_that_says_what_to_do(how, stream, scored, tmp_path):
    state = stream.ledger(tmp_path)
    DAMAGED[how](state)
    with pytest.raises(BankmineError) as fault:
        scored()
    told = str(fault.value)
    assert "\n" not in told
    for advice in (f"{state} is damaged", "move it away", f"{state}-wal", "--warm-up", "send again", "holds"):
        assert advice in told
    state.rename(tmp_path / "away")
    assert len(scored()) == LINES  # as advised, though without a warm-up


def test_damage_that_is_met_on_the_way_leaves_the_answers_before_it(stream, scored, tmp_path):
    state = stream.ledger(tmp_path)
    expected = scored()
    stream.ledger(tmp_path)
    leaves = pages(state, "transactions_merchant")
    with state.open("r+b") as opened:
        for page in leaves[-len(leaves) // 12 :]:
            opened.seek((page - 1) * 4096)
            opened.write(b"\xa5" * 4096)
    with pytest.raises(BankmineError, match="is damaged"):
        scored()
    assert 0 < len(scored.answers) < LINES
    assert scored.answers == expected[: len(scored.answers)]


def pages(file: Path, index: str) -> list[int]:
    """Return the numbers of the leaves of an index."""
    connection = sqlite3.connect(file)
    try:
        return [page for (page,) in connection.execute("SELECT pageno FROM dbstat WHERE name = ?", (index,))][1:]
    finally:
        connection.close()


@pytest.mark.parametrize("failing", [FaultyDiskError, KeyboardInterrupt])
def test_a_warm_up_that_fails_leaves_an_empty_state_that_nobody_else_takes(small_bank, tmp_path, monkeypatch, failing):
    state, fetched = tmp_path / "state.sqlite", warming._fetched
    snapshot = open_source(str(small_bank)).as_of("2025-12-31")
    (tmp_path / "state.sqlite.filling").write_text("left by a process that was killed")

    def failed(asked: list) -> Iterator[tuple]:
        yield from fetched(asked[:2])
        with pytest.raises(BankmineError, match="Another process is using the state"):
            ledger.open_ledger(state)
        raise failing

    with closing(ledger.open_ledger(state)) as empty:
        with monkeypatch.context() as patched:
            patched.setattr(warming, "_fetched", failed)
            with pytest.raises(failing):
                warming.warm_up(empty, snapshot, KINDS)
        assert empty.newest() is None
        assert sorted(f.name for f in tmp_path.glob("*.filling*")) == []
        assert warming.warm_up(empty, snapshot, KINDS) > 0
        with pytest.raises(BankmineError, match="Another process is using the state"):
            ledger.open_ledger(state)
    with closing(ledger.open_ledger(state)) as filled:
        assert filled.newest() is not None


@pytest.mark.parametrize("how", OTHER)
def test_what_has_another_schema_is_refused(how, stream, scored, tmp_path):
    altered(OTHER[how], stream.ledger(tmp_path))
    with pytest.raises(BankmineError, match=r"is no state of this version: give another file .* --warm-up"):
        scored()


def test_a_state_in_use_is_refused(stream, scored, tmp_path):
    opened = ledger.open_ledger(stream.ledger(tmp_path))
    with pytest.raises(BankmineError, match="Another process is using the state"):
        scored()
    opened.close()
    assert len(scored()) == LINES


def test_a_state_that_may_not_be_written_is_one_line(stream, scored, tmp_path, monkeypatch):
    """As SQLite opens a file that this user may read only; root, who runs tests in containers, may write any."""
    state, connect = stream.ledger(tmp_path), dbapi.connect
    reading = SimpleNamespace(connect=lambda path, **how: connect(f"file:{path}?mode=ro", uri=True, **how))
    monkeypatch.setattr(ledger, "dbapi", SimpleNamespace(**vars(dbapi) | vars(reading)))
    with pytest.raises(BankmineError, match=r"cannot be written .*: let this user write the file and its folder"):
        scored()
    assert state.is_file()


def test_a_folder_and_a_path_that_leads_nowhere_are_one_line(scored, tmp_path):
    (tmp_path / "state.sqlite").mkdir()
    with pytest.raises(BankmineError, match="cannot be written"):
        scored()
    with pytest.raises(BankmineError, match="cannot be used"):
        ledger.open_ledger(Path("/dev/null/state.sqlite"))
