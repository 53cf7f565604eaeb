"""Imports point one way, modules stay small, and nothing but a test may read the planted truth."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "lib" / "bankmine"
MAY_IMPORT = {
    "bank": {"bank", "errors"},
    "demo": {"demo", "bank", "errors"},
    "analysis": {"analysis", "bank", "errors"},
    "report": {"report", "analysis", "bank", "errors"},
}
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


def test_modules_stay_small():
    long = {f.name: n for f in MODULES if (n := len(f.read_text("utf-8").splitlines())) > 250}
    assert not long


def test_nothing_but_the_demo_bank_names_the_truth():
    readers = [f for f in MODULES if "demo" not in f.parts] + list((ROOT / "notebooks").glob("*.ipynb"))
    assert len(readers) > 30
    assert not [f.name for f in readers if "truth/" in f.read_text("utf-8") or "demo.truth" in f.read_text("utf-8")]
