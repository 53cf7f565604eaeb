"""Provenance: what a report handed on is told from what other data, code, registers or parameters would have left."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from bankmine.bank.sources import Source
from bankmine.report import catalogue, provenance
from bankmine.report.catalogue import Report

WELL = Report("01_well", "Is there water?")


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(provenance, "WORKSPACE", tmp_path)
    monkeypatch.setattr(catalogue, "NOTEBOOKS", tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "wells.yml").write_text("- depth: 7", "utf-8")
    (tmp_path / "01_well.ipynb").write_text("{}", "utf-8")
    return tmp_path


@pytest.fixture
def read(workspace) -> SimpleNamespace:
    """Stands for a source that was opened: where it is and the fingerprint of what was read."""
    return SimpleNamespace(source=Source("bank", workspace, workspace, "Bank"), fingerprint="abc")


@pytest.fixture
def good(workspace, read) -> dict:
    """Manifest of a good report, which lies in the workspace with its file."""
    told = {
        "source": {"fingerprint": "abc"}, "code": provenance.code_of(WELL, read.source), "given": {},
        "files": {"water.txt": 5},
    }  # fmt: skip
    (workspace / "water.txt").write_text("water")
    leave(workspace, told)
    return told


def leave(folder: Path, told: dict) -> None:
    (folder / "01_well.json").write_text(json.dumps(told), "utf-8")


def test_a_report_of_these_data_and_this_code_is_there(workspace, read, good):
    assert provenance.obstacle(WELL, workspace, read) == ""


ALTERED = {
    "has not run": lambda folder: (folder / "01_well.json").unlink(),
    "failed when it last ran": lambda folder: (folder / "01_well.failed.json").touch(),
    "has run, but its manifest does not tell how": lambda folder: (folder / "01_well.json").write_text("{"),
    "has run, but water.txt is not what it left": lambda folder: (folder / "water.txt").write_text("wine"),
}


@pytest.mark.parametrize(("why", "alter"), ALTERED.items(), ids=lambda value: value if isinstance(value, str) else "")
def test_what_lies_there_is_not_what_was_left(workspace, read, good, why: str, alter: Callable[[Path], object]):
    alter(workspace)
    assert provenance.obstacle(WELL, workspace, read) == why


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("source", {"fingerprint": "abd"}, "has run on other data"),
        ("code", "abc", "has run by other code or registers"),
        ("given", {"number": "7"}, "has run with number of its own"),
    ],
)
def test_what_was_left_came_to_be_otherwise(workspace, read, good, key, value, why):
    leave(workspace, good | {key: value})
    assert provenance.obstacle(WELL, workspace, read) == why


def test_a_manifest_of_before_there_was_a_digest_of_code_tells_too_little(workspace, read, good):
    leave(workspace, {name: told for name, told in good.items() if name != "code"})
    assert provenance.obstacle(WELL, workspace, read) == "has run, but its manifest does not tell how"


@pytest.mark.parametrize(
    "alter",
    [
        lambda folder: (folder / "01_well.ipynb").write_text("{ }"),
        lambda folder: (folder / "data" / "wells.yml").write_text("- depth: 8"),
        lambda folder: (folder / "data" / "cups.yml").touch(),
    ],
)
def test_notebook_and_registers_belong_to_the_code(workspace, read, good, alter):
    alter(workspace)
    assert provenance.obstacle(WELL, workspace, read) == "has run by other code or registers"


def test_so_do_library_packages_catalogue_and_how_a_source_is_read(workspace, read, good, monkeypatch):
    told = {
        provenance.code_of(WELL, read.source),
        provenance.code_of(replace(WELL, given={"number": 2}), read.source),
        provenance.code_of(WELL, replace(read.source, balance_tolerance=5.0)),
    }
    monkeypatch.setattr(provenance, "packages", lambda: {"pandas": "0.1"})
    told.add(provenance.code_of(WELL, read.source))
    monkeypatch.setattr(provenance, "library", lambda room: "other")
    told.add(provenance.code_of(WELL, read.source))
    assert len(told) == 5
