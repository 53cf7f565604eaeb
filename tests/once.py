"""What is made once in a session of tests, whichever worker asks first."""

from __future__ import annotations

import fcntl
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import cloudpickle  # of a fitted model also the functions that it made for itself

SHARED = "BANKMINE_TESTED"
"""Environment variable: the folder that all workers of a session share; conftest.py beside the Makefile makes it."""


def once_a_run(name: str, make: Callable[[Path], object]) -> Path:
    """Make a folder in the first worker that asks for it; the others wait for it and read it. Nobody writes there."""
    folder = Path(os.environ[SHARED]) / name
    with folder.with_name(f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            make(folder)  # it appears once it is complete
    return folder


def once_made(name: str, make: Callable[[Path], object]) -> object:
    """Make an object once in a run, with a folder for files that it comes with; the other workers read a copy."""

    def write(file: Path) -> None:
        shutil.rmtree(folder := file.with_suffix(""), ignore_errors=True)  # of a worker that failed
        folder.mkdir()
        part = file.with_suffix(".part")
        part.write_bytes(cloudpickle.dumps(make(folder)))
        part.rename(file)

    return pickle.loads(once_a_run(f"{name}.pickle", write).read_bytes())
