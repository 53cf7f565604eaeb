"""Imports point one way, and nothing but a test may read the planted truth."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "lib" / "bankmine"
ROOMS = ("features", "learning", "judging", "deciding", "study", "topics")
MAY_IMPORT = {
    "bank": {"bank", "errors", "lacking"},
    **{room: {*ROOMS, "bank", "errors", "lacking"} for room in ROOMS},
    "report": {*ROOMS, "report", "bank", "errors", "lacking"},
    "live": {*ROOMS, "live", "bank", "errors", "lacking"},
}
TRUTH = re.compile(
    r"""demobank\.(truth|scores)|demobank import .*\b(truth|scores\w*)\b|/truth\b|truth/|["']truth["']"""
)
"""What a line says that imports the scoreboard's modules or opens the folder of the truth."""
MODULES = sorted(f for room in MAY_IMPORT for f in (LIBRARY / room).rglob("*.py"))


def rooms_imported(file: Path) -> set[str]:
    """First part below `bankmine` of whatever a module imports."""
    nodes = list(ast.walk(ast.parse(file.read_text("utf-8"))))
    names = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    names += [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return {name.split(".")[1] for name in names if name.startswith("bankmine.")}


@pytest.mark.parametrize("file", MODULES, ids=lambda f: str(f.relative_to(LIBRARY)))
def test_imports_point_one_way(file):
    assert rooms_imported(file) <= MAY_IMPORT[file.relative_to(LIBRARY).parts[0]]


def test_nothing_but_the_scoreboard_names_the_truth():
    readers = [f for f in (ROOT / "lib").rglob("*.py") if "demobank" not in f.parts]
    readers += [f for f in (ROOT / "notebooks").glob("*.ipynb") if f.name != "00_scoreboard.ipynb"]
    assert len(readers) > 30
    assert not [f.name for f in readers if TRUTH.search(f.read_text("utf-8"))]


@pytest.mark.parametrize(
    "line",
    [
        "from demobank.truth import Truth",
        "from demobank import defects, truth",
        "from demobank.scores import silence",
        "from demobank import planted, scores_churn",
        "importlib.import_module('demobank.truth')",
        'pd.read_parquet(folder / "truth")',
        'read("data/demo/truth/customers")',
    ],
)
def test_every_way_to_the_truth_is_seen(line):
    assert TRUTH.search(line)


@pytest.mark.parametrize("line", ["the truth about customers", "snapshot.source.has_truth", "needs_truth: true"])
def test_talking_of_truth_is_allowed(line):
    assert not TRUTH.search(line)
