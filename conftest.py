"""Notebooks under test share what one of them has checked of a source, as they do in a run."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from bankmine.bank.sharing import SHARED

_FOLDER = "BANKMINE_SHARED_BY_TESTED_NOTEBOOKS"
_kept: list[tempfile.TemporaryDirectory] = []


def pytest_configure(config: pytest.Config) -> None:
    if _FOLDER not in os.environ:  # else a worker, which has it from the process that started it
        _kept.append(tempfile.TemporaryDirectory(prefix="bankmine-"))
        os.environ[_FOLDER] = _kept[0].name
        (Path(_kept[0].name) / "2025-12-31").mkdir()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    os.environ.pop(SHARED, None)
    if item.path.suffix == ".ipynb":
        os.environ[SHARED] = os.environ[_FOLDER]
