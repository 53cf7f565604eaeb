"""What several tests share: the real data sets, and demo banks that are made once in a run, whichever worker asks.

What takes long to import is imported by the fixtures that need it: the quick tests, `make check`, read this file, too.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from once import once_a_run, once_made
from postgres_server import server  # noqa: F401 - a fixture, beside the words that are in its URI

from bankmine.privacy import access

if TYPE_CHECKING:
    from live_stream import Stream

    from bankmine.topics.credit.applications import Applications

SEEDS = (20251231, 7, 11, 23, 42)

# The same examples in every run: a failure is seen by all or by none.
settings.register_profile("bankmine", deadline=None, derandomize=True, database=None)
settings.load_profile("bankmine")

# Tests look at all of a bank, as whoever has no roles; what roles see is tested with files of their own.
access.FILE = access.FILE.with_name("no-access.yml")


@pytest.fixture(scope="session")
def datasets() -> Path:
    """Folder of the real data sets, or skip the test."""
    folder = os.environ.get("BANKMINE_DATASETS")
    if not folder or not Path(folder).is_dir():
        pytest.skip("real data are not here: set BANKMINE_DATASETS to the folder that holds them")
    return Path(folder).resolve()


def demo_bank(name: str, **drawn: object) -> Path:
    """Make a demo bank once in a run."""
    from demobank import generate

    return once_a_run(name, lambda folder: generate(folder, **drawn))


@pytest.fixture(scope="session", params=SEEDS)
def seed_bank(request: pytest.FixtureRequest) -> Path:
    """Folder of a bank of 5,000 customers and 36 months."""
    return demo_bank(str(request.param), seed=request.param)


@pytest.fixture(scope="session")
def small_bank() -> Path:
    """Folder of a bank of 1,000 customers and 36 months."""
    return demo_bank("small", customers=1000, months=36, seed=8)


@pytest.fixture(scope="session")
def small_applications(small_bank: Path) -> Applications:
    """Applications of the small bank, as known on its last day."""
    from bankmine.bank.snapshot import open_source
    from bankmine.topics.credit.applications import applications

    return once_made("applications", lambda _: applications(open_source(str(small_bank)).as_of("2025-12-31")))


@pytest.fixture(scope="session")
def stream(small_bank: Path) -> Stream:
    """December of the small bank, as it arrives."""
    from live_stream import make_stream

    return once_made("stream", lambda folder: make_stream(small_bank, folder))
