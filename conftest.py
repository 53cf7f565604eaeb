"""All tests of a session, and the notebooks under test, keep what they check of a source in one cache of their own."""

from __future__ import annotations

import os
import tempfile

import pytest

from bankmine.bank.cache import FOLDER

_made: list[tempfile.TemporaryDirectory] = []


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # a worker has it from the process that started it
        _made.append(tempfile.TemporaryDirectory(prefix="bankmine-tested-"))
        os.environ[FOLDER] = _made[0].name
