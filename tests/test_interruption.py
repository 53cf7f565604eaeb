"""Interruption: a signal ends a command in one line, also where Python does not hear or an end takes long."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from bank_fixtures import write_csv
from random_bank import random_bank

TOLD = "bankmine: interrupted; what was finished is kept, nothing half-written is left.\n"
HOLDS = """
import sys, threading
from bankmine import interruption as module
from bankmine.bank import work
from bankmine.interruption import interruption
interruption.listen()
if sys.argv[1] == "kernels":
    interruption.kernels_run.set()
    slept = threading.Event()
    module.time.sleep = lambda seconds: slept.set()
try:
    print(work.folder(), flush=True)
    threading.Event().wait()
finally:  # as an engine that finishes what it is at
    {end}
"""


def started(code: list[str], cache: Path) -> subprocess.Popen:
    env = os.environ | {"BANKMINE_CACHE": str(cache)}
    return subprocess.Popen(
        code, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_end_that_takes_long_is_cut_short_and_leaves_no_work(tmp_path, number):
    held = started([sys.executable, "-c", HOLDS.format(end="threading.Event().wait()"), "-"], tmp_path / "cache")
    work = Path(held.stdout.readline().strip())
    assert work.is_dir()
    held.send_signal(number)
    assert held.communicate(timeout=120) == ("", TOLD)
    assert held.returncode == 130
    assert not work.exists()


def test_an_end_that_waits_for_kernels_is_not_cut_short(tmp_path):
    end = "slept.wait(); print('ending', flush=True); sys.stdin.read(); print('ended', flush=True)"
    held = started([sys.executable, "-c", HOLDS.format(end=end), "kernels"], tmp_path / "cache")
    held.stdout.readline()
    held.send_signal(signal.SIGTERM)
    assert held.stdout.readline() == "ending\n"
    assert held.communicate("", timeout=120)[0] == "ended\n"


def test_a_signal_while_a_bank_opens(tmp_path):
    bank = write_csv(random_bank(customers=300, bookings=30_000), tmp_path / "bank")
    opening = started([Path(sys.executable).with_name("bankmine"), "check", str(bank)], tmp_path / "cache")
    cache, work = tmp_path / "cache", tmp_path / "cache.work"
    while opening.poll() is None and not (cache.is_dir() and any(cache.iterdir())):
        os.sched_yield()
    opening.send_signal(signal.SIGTERM)
    assert opening.communicate(timeout=120) == ("", TOLD)
    assert opening.returncode == 130
    assert not any(work.iterdir())
