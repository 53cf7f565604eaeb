"""A file that a report handed on encrypted is opened for who may, told in the audit, and for nobody else."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from pseudonyms import KEYS
from runner_fixtures import bankmine, make_workspace, refused

from bankmine.privacy.keys import KEY, Key
from bankmine.privacy.sealing import sealed
from bankmine.workspace import WORKSPACE as REPOSITORY

AUDITOR = {"BANKMINE_ROLE": "auditor", "BANKMINE_PURPOSE": "validation"}
ANALYST = {"BANKMINE_ROLE": "analyst", "BANKMINE_PURPOSE": "statistics"}
RETENTION = {"BANKMINE_ROLE": "retention", "BANKMINE_PURPOSE": "retention"}
USED = Key(bytes.fromhex(KEYS[0]))


@pytest.fixture
def workspace(tmp_path) -> Path:
    root = make_workspace(tmp_path / "bank", {"01_writes": ["1"]})
    folder = root / "reports" / "2025-12-31" / "06_churn"
    folder.mkdir(parents=True)
    (folder / "calls.csv").write_bytes(sealed(b"the list", "2025-12-31/06_churn/calls.csv", USED))
    (folder / "clear.csv").write_text("in the clear")
    return root


def test_a_file_is_opened_for_its_owner_alone_and_told(workspace, tmp_path):
    out, told = tmp_path / "calls.csv", {KEY: KEYS[0], "BANKMINE_AUDIT": str(tmp_path / "audit.jsonl")}
    listed = "reports/2025-12-31/06_churn/calls.csv"
    done = bankmine(workspace, "privacy", "open", listed, "--out", out, **told)
    assert done.code == 0, done.err
    assert out.read_bytes() == b"the list"
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert '"opened file"' in (tmp_path / "audit.jsonl").read_text("ascii")
    refused(bankmine(workspace, "privacy", "open", listed, "--out", out, **told), "is there already")


def with_roles(workspace: Path) -> None:
    for register in ("access.yml", "privacy.yml"):
        (workspace / "data" / register).write_bytes((REPOSITORY / "data" / register).read_bytes())


def test_a_role_opens_what_a_report_of_its_own_handed_on_and_what_no_report_did(workspace, tmp_path):
    with_roles(workspace)
    told = {KEY: KEYS[0], "BANKMINE_AUDIT": str(tmp_path / "audit.jsonl")}
    own, loose = "reports/2025-12-31/06_churn/calls.csv", tmp_path / "loose.csv"
    loose.write_bytes(sealed(b"of nobody", "a note", USED))
    for file, actor, content in ((own, RETENTION, b"the list"), (loose, ANALYST, b"of nobody")):
        out = tmp_path / f"{actor['BANKMINE_ROLE']}.csv"
        done = bankmine(workspace, "privacy", "open", file, "--out", out, **told, **actor)
        assert done.code == 0, done.err
        assert out.read_bytes() == content


WRONG = {
    "no key": ("calls.csv", {}, "is encrypted with key"),
    "another key": ("calls.csv", {KEY: KEYS[1]}, f"is encrypted with key {USED.name}, not with"),
    "not encrypted": ("clear.csv", {KEY: KEYS[0]}, "is not encrypted: read it as it is"),
    "not there": ("none.csv", {KEY: KEYS[0]}, "none.csv cannot be read"),
    "in the project": ("calls.csv", {KEY: KEYS[0], "out": "calls.csv"}, "lies in the project"),
    "a role that may not": ("calls.csv", {KEY: KEYS[0]} | AUDITOR, "Role auditor may not open"),
    "of a report of others": ("calls.csv", {KEY: KEYS[0]} | ANALYST, "Role analyst may not open what 06_churn handed"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_may_not_be_opened_is_refused_in_one_line(workspace, tmp_path, what):
    name, given, said = WRONG[what]
    audit = tmp_path / "audit.jsonl"
    if "BANKMINE_ROLE" in given:
        with_roles(workspace)
    told = {"BANKMINE_AUDIT": str(audit)} | {k: v for k, v in given.items() if k != "out"}
    out = workspace / given["out"] if "out" in given else tmp_path / "out.csv"
    file = f"reports/2025-12-31/06_churn/{name}"
    refused(bankmine(workspace, "privacy", "open", file, "--out", out, **told), said)
    assert not out.exists()
    assert not audit.exists()
