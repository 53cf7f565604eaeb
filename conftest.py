"""What holds for all tests, and for the notebooks under test: one folder and one cache a session, what is quick."""

from __future__ import annotations

import gc
import os
import re
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

LENGTHY = {"slow", "browser", "notebook", "property", "seeds"}
"""Marks of tests that `make check` leaves out; of a file that is marked as a whole not even the imports are made."""
COSTLY = {"datasets", "seed_bank", "small_bank", "server", "stream"}
"""Fixtures of which the same holds."""
_MARKED = re.compile(r"^pytestmark = .*", re.M)
_made: list[tempfile.TemporaryDirectory] = []


# jsonschema does without this module, which compiles for seconds a grammar that no notebook needs.
sys.modules.setdefault("rfc3987_syntax", None)
# What is imported stays: looking through all of it for garbage, again and again, takes a tenth of the time.
gc.disable()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="unit tests on tiny tables only, as in make check")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # a worker has it from the process that started it
        _made.append(tempfile.TemporaryDirectory(prefix="bankmine-tested-"))
        os.environ["BANKMINE_TESTED"] = _made[0].name
        os.environ["BANKMINE_CACHE"] = f"{_made[0].name}/cache"
        os.environ["BANKMINE_AUDIT"] = f"{_made[0].name}/audit.jsonl"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if not config.option.quick or collection_path.suffix != ".py":
        return None
    marks = _MARKED.search(collection_path.read_text("utf-8"))
    return True if marks and LENGTHY & set(re.findall(r"mark\.(\w+)", marks[0])) else None


def _fixtures(item: pytest.Item) -> list[str]:
    return getattr(item, "fixturenames", [])


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(parent: pytest.Collector) -> Generator[None, list, list]:
    """Let nbval check what the one run of all notebooks put out."""
    found = yield
    if not any(type(f).__name__ == "IPyNbFile" for f in found):
        return found
    from notebook_run import RunNotebook  # imports nbval

    return [RunNotebook.from_parent(parent, path=f.path) for f in found]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not quick; else begin with the files that take longest, so that no worker ends alone."""
    if config.option.quick:
        lengthy = {i for i in items if LENGTHY & {m.name for m in i.iter_markers()} or COSTLY & {*_fixtures(i)}}
        config.hook.pytest_deselected(items=[*lengthy])
        items[:] = [i for i in items if i not in lengthy]
        return
    first = (None, "notebook", "browser", "slow")
    rank = {i.path: 0 if i.path.suffix == ".ipynb" else len(first) for i in items}
    for item in items:
        rank[item.path] = min([rank[item.path], *(first.index(m.name) for m in item.iter_markers() if m.name in first)])
    items.sort(key=lambda item: rank[item.path])


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()
