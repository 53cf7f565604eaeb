"""What several tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from demo_banks import seed_bank, small_applications, small_bank  # noqa: F401 - fixtures for all tests
from hypothesis import settings
from live_stream import stream  # noqa: F401 - likewise
from postgres_server import server  # noqa: F401 - likewise

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
