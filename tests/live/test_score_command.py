"""`bankmine score` as a process: killed in the middle of a stream, started twice, asked wrongly."""

from __future__ import annotations

import io
import json
import os
import select
import signal
import subprocess
from pathlib import Path

import pytest
from bank_fixtures import CORE, small_bank, write_source
from live_stream import NOW, Stream
from runner_fixtures import COMMAND, DEADLINE, environment

from bankmine.live.command import answer_all
from bankmine.live.ledger import open_ledger
from bankmine.live.memory import restore, tidy
from bankmine.live.scorer import Scorer

pytestmark = pytest.mark.slow

LINES = 420
FIRST = "first_customer_counterparty_seconds"


class Running:
    """The command at work; what it is asked and what it answers are lines."""

    def __init__(self, folder: Path, model: Path, *more: str) -> None:
        words = [COMMAND, "score", "--model", str(model), "--state", str(folder / "state.sqlite"), *more]
        self.process = subprocess.Popen(
            words, cwd=folder, env=environment(folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, bufsize=0,
        )  # fmt: skip
        self.answers = os.fdopen(os.dup(self.process.stdout.fileno()), "rb")

    def send(self, lines: list[str]) -> None:
        self.process.stdin.write("".join(line + "\n" for line in lines).encode())

    def read(self, count: int) -> list[str]:
        return [self.answers.readline().decode() for _ in range(count)]

    def kill(self) -> bytes:
        """Kill it once it has answered something more, and return what was on its way and never read."""
        select.select([self.answers], [], [], DEADLINE)
        self.process.kill()
        self.process.wait(DEADLINE)
        return self.answers.read()

    def end(self) -> tuple[int, str]:
        """Let it end with its input, and return its exit code and what it told."""
        self.process.stdin.close()
        code = self.process.wait(DEADLINE)
        return code, self.process.stderr.read().decode()


@pytest.fixture
def folder(stream: Stream, tmp_path: Path) -> Path:
    stream.ledger(tmp_path)
    return tmp_path


@pytest.fixture
def unbroken(stream: Stream, tmp_path: Path) -> tuple[list[str], dict]:
    """Answers of a run that nothing disturbs, and what it measures of a later transaction."""
    place = tmp_path / "unbroken"
    place.mkdir()
    ledger, out = open_ledger(stream.ledger(place)), io.BytesIO()
    answer_all(Scorer(ledger, stream.model, lambda: NOW), io.BytesIO("\n".join(stream.lines[:LINES]).encode()), out)
    ledger.close()
    return out.getvalue().decode().splitlines(keepends=True), later(stream, place)


def later(stream: Stream, place: Path) -> dict:
    """What a state measures of transactions after the stream, and how many transactions and labels it holds."""
    ledger = open_ledger(place / "state.sqlite")
    tidy(ledger)  # as every start does
    state = restore(ledger, stream.model.specification)
    measured = [repr(state.measures(t)) for t in stream.transactions[LINES : LINES + 200]]
    counts = [ledger.rows(f"SELECT count(*) FROM {table}") for table in ("transactions", "labels", FIRST)]
    ledger.close()
    return {"measured": measured, "counts": counts, "size": len(state)}


def test_kills_lose_nothing_and_count_nothing_twice(stream, folder, unbroken):
    lines, answers, model = stream.lines[:LINES], [], stream.files / "model.json"
    for received in (1, 70, 130):
        running, start = Running(folder, model), max(len(answers) - 20, 0)
        running.send(lines[start : start + 180])
        again = running.read(received)
        lost = running.kill()
        assert lost  # answered, and so on the disk, but nobody knows
        assert again[: len(answers) - start] == answers[start : start + received]
        answers[start : start + received] = again
    running, start = Running(folder, model), max(len(answers) - 20, 0)
    running.send(lines[start:])
    answers[start:] = running.read(LINES - start)
    assert running.end()[0] == 0
    expected, state = unbroken
    assert answers == expected
    assert later(stream, folder) == state


def test_a_second_process_is_refused_and_a_signal_ends_the_first(stream, folder):
    first = Running(folder, stream.files / "model.json")
    first.send(stream.lines[:1])
    first.read(1)
    second = Running(folder, stream.files / "model.json")
    code, told = second.end()
    assert (code, told.count("\n")) == (2, 1)
    assert "Another process is using the state" in told
    first.process.send_signal(signal.SIGTERM)
    code, told = first.end()
    assert code == 130
    assert "interrupted" in told


def test_a_state_that_is_damaged_is_refused_in_one_line_that_says_what_to_do(stream, folder):
    whole = (folder / "state.sqlite").read_bytes()
    half = len(whole) // 2
    for content in (whole[:half], whole[:4096] + b"\xff" * (len(whole) - 4096), b"\xff" * 200 + whole[200:]):
        (folder / "state.sqlite").write_bytes(content)
        running = Running(folder, stream.files / "model.json")
        code, told = running.end()
        assert (code, told.count("\n")) == (2, 1), told
        assert "is damaged" in told
        assert "move it away together with" in told
        assert (folder / "state.sqlite").stat().st_size == len(content)  # nothing of it is lost


def test_a_new_state_is_warmed_up_once_and_lines_that_are_wrong_are_counted(stream, tmp_path):
    source, model = tmp_path / "bank", stream.files / "model.json"
    write_source(source, small_bank(*CORE), title="Small bank")
    line = json.dumps({"transaction_id": "n", "account_id": "A2", "at": "2025-12-31T10:00:00", "amount": 5,
                       "direction": "out", "kind": "card"})  # fmt: skip
    running = Running(tmp_path, model, "--warm-up", str(source), "--as-of", "2025-12-30")
    running.send([line, "<b>", line])
    first, wrong, again = running.read(3)
    code, told = running.end()
    assert code == 0, told
    assert first == again
    assert json.loads(wrong) == {"error": "the line is no JSON in UTF-8", "line": 2}
    assert "transactions to warm up" in told
    assert told.endswith("bankmine: 2 transactions, 1 lines that could not be taken.\n")
    running = Running(tmp_path, model, "--warm-up", str(source))
    running.answers.close()
    running.process.stdout.close()
    running.send([line])
    code, told = running.end()
    assert code == 2
    assert "no warm-up" in told
    assert told.splitlines()[-1] == "bankmine: Nobody reads the answers any more: send again what was not answered."
