"""Files of reports: whole or not at all, one run at a time, and where they came from."""

from __future__ import annotations

import subprocess

import pytest
from runner_fixtures import contents

from bankmine.errors import BankmineError
from bankmine.report.files import claimed, own, publish, refuse_foreign
from bankmine.report.manifest import git_state


def test_publish_writes_all_files_or_none(tmp_path):
    page, told = tmp_path / "a.html", tmp_path / "a.json"
    publish({page: "good", told: "{}"})
    assert contents(tmp_path) == {"a.html": b"good", "a.json": b"{}"}
    with pytest.raises(BankmineError, match="Cannot write"):
        publish({page: "new", tmp_path / "gone" / "deeper" / "a.json": "{}"})
    assert contents(tmp_path) == {"a.html": b"good", "a.json": b"{}"}


def test_what_cannot_be_encoded_leaves_no_half_file(tmp_path):
    publish({tmp_path / "a.html": "good"})
    with pytest.raises(UnicodeEncodeError):
        publish({tmp_path / "a.html": "half \ud800"})
    assert contents(tmp_path) == {"a.html": b"good"}


def test_a_folder_is_claimed_once_and_free_again_after(tmp_path):
    day = tmp_path / "2025-12-31"
    with claimed(day), pytest.raises(BankmineError, match="Another run"), claimed(day):
        pass
    (day / ".a.html.part").touch()
    with claimed(day):
        assert contents(day) == {}


def test_a_folder_keeps_to_one_source(tmp_path):
    refuse_foreign(tmp_path, "/data/a/bank")
    own(tmp_path, "/data/a/bank")
    own(tmp_path, "/data/b/bank")
    refuse_foreign(tmp_path, "/data/a/bank")
    with pytest.raises(BankmineError, match=r"another source, /data/a/bank: .* --out"):
        refuse_foreign(tmp_path, "/data/b/bank")


def _git(folder, *words):
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def test_a_workspace_is_dirty_by_what_makes_reports_only(tmp_path):
    assert git_state(tmp_path) == {"commit": None, "dirty": None}
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "01_a.ipynb").write_text("{}")
    (tmp_path / ".gitignore").write_text("__pycache__/\n")
    _git(tmp_path, "init", "--quiet")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "--quiet", "--message", "first")
    (tmp_path / "README.md").write_text("a draft")
    (tmp_path / "lib" / "__pycache__").mkdir(parents=True)
    (tmp_path / "lib" / "__pycache__" / "a.pyc").touch()
    clean = git_state(tmp_path)
    assert len(clean["commit"]) == 40
    assert clean["dirty"] is False
    (tmp_path / "lib" / "new.py").touch()
    assert git_state(tmp_path) == clean | {"dirty": True}
    (tmp_path / "lib" / "new.py").unlink()
    (tmp_path / "notebooks" / "01_a.ipynb").write_text("{ }")
    assert git_state(tmp_path)["dirty"] is True
