"""What several tests share: the real data sets, and demo banks that are made once in a run, whichever worker asks."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from live_stream import stream  # noqa: F401 - a fixture, beside the function that the bench calls
from postgres_server import server  # noqa: F401 - a fixture, beside the words that are in its URI

from bankmine.bank.snapshot import open_source
from bankmine.topics.credit.applications import Applications, applications
from demobank import generate

SEEDS = (20251231, 7, 11, 23, 42)

# The same examples in every run: a failure is seen by all or by none.
settings.register_profile("bankmine", deadline=None, derandomize=True, database=None)
settings.load_profile("bankmine")


@pytest.fixture(scope="session")
def datasets() -> Path:
    """Folder of the real data sets, or skip the test."""
    folder = os.environ.get("BANKMINE_DATASETS")
    if not folder or not Path(folder).is_dir():
        pytest.skip("real data are not here: set BANKMINE_DATASETS to the folder that holds them")
    return Path(folder).resolve()


def once_a_run(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Make a folder in the first worker that asks for it; the others wait for it and read it. Nobody writes there."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent  # each worker has a folder of its own in that of the run
    folder = shared / "banks" / name
    folder.parent.mkdir(exist_ok=True)
    with (folder.parent / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            make(folder)  # it appears once it is complete
    return folder


@pytest.fixture(scope="session", params=SEEDS)
def seed_bank(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a bank of 5,000 customers and 36 months."""
    return once_a_run(tmp_path_factory, str(request.param), lambda folder: generate(folder, seed=request.param))


@pytest.fixture(scope="session")
def small_bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a bank of 1,000 customers and 36 months."""
    return once_a_run(tmp_path_factory, "small", lambda folder: generate(folder, customers=1000, months=36, seed=8))


@pytest.fixture(scope="session")
def small_applications(small_bank: Path) -> Applications:
    """Applications of the small bank, as known on its last day."""
    return applications(open_source(str(small_bank)).as_of("2025-12-31"))
