"""Demo banks of full size, one for each of five seeds, made once in a test session."""

from __future__ import annotations

from pathlib import Path

import pytest

from bankmine.demo import generate

SEEDS = (20251231, 7, 11, 23, 42)


@pytest.fixture(scope="session", params=SEEDS)
def seed_bank(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a bank of 5,000 customers and 36 months."""
    return generate(tmp_path_factory.mktemp("banks") / str(request.param), seed=request.param)
