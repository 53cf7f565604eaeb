"""Where processes work: a folder of their own that only they read, gone with them however they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from bank_fixtures import small_bank, write_source

from bankmine.bank import cache, work
from bankmine.bank.snapshot import open_source

pytestmark = pytest.mark.slow

HELD = """
import sys
from bankmine.bank.work import folder
mine = folder()
(mine / "customers.csv").write_text("secret")
print(mine, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv(cache.FOLDER, str(tmp_path / "cache"))
    monkeypatch.setattr(work, "_mine", {})
    return tmp_path / "cache.work"


def started() -> tuple[subprocess.Popen, Path]:
    process = subprocess.Popen([sys.executable, "-c", HELD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return process, Path(process.stdout.readline().strip())


def test_a_folder_is_its_owners_alone_and_gone_with_the_process(root):
    process, mine = started()
    assert mine.parent == root
    assert (root.stat().st_mode & 0o777, mine.stat().st_mode & 0o777) == (0o700, 0o700)
    process.communicate("")
    assert process.returncode == 0
    assert not list(root.iterdir())


def test_what_a_killed_process_left_goes_when_the_next_starts_and_nothing_in_use(root):
    alive, used = started()
    dead, left = started()
    dead.send_signal(signal.SIGKILL)
    dead.communicate()
    assert (left / "customers.csv").exists()
    mine = work.folder()
    assert mine.is_dir()
    assert not left.exists()
    assert (used / "customers.csv").exists()
    assert {p.name.removesuffix(".held") for p in root.iterdir()} == {used.name, mine.name}
    alive.communicate("")


def test_a_forked_process_has_a_folder_of_its_own(root):
    mine, (read, write) = work.folder(), os.pipe()
    if not (child := os.fork()):
        os.write(write, str(work.folder()).encode())
        os._exit(0)
    os.waitpid(child, 0)
    other = Path(os.read(read, 1000).decode())
    assert other != mine
    assert mine.is_dir()


def test_the_engine_spills_there(root, tmp_path):
    bank = open_source(str(write_source(tmp_path / "bank", small_bank())))
    (place,) = bank.reading.con.raw_sql("SELECT current_setting('temp_directory')").fetchone()
    assert Path(place) == work.folder()
