"""Reports that read from others: in which order they run, what runs first unasked, and what is never read."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import nbformat
import pytest
import yaml
from runner_fixtures import DEADLINE, PARAMETERS, bankmine, make_workspace, start, wait_at, write_notebook

pytestmark = pytest.mark.notebook
DAY = "2025-12-31"
OPENS = """
import os
from bankmine.bank.snapshot import open_source
from bankmine.errors import BankmineError
from bankmine.report.findings import finding
from bankmine.report.handed_on import place_for, received
snapshot = open_source(source).as_of(as_of)
snapshot
"""
WRITES = """
if os.environ.get("BANKMINE_MOOD") == "wait":
    open(os.environ["BANKMINE_GATE"]).read()
if os.environ.get("BANKMINE_MOOD") == "bad":
    raise ValueError("the well is dry")
place_for("water.txt", snapshot).write_text(f"water of {number}")
"""
READS = """
try:
    told = received("01_well", "water.txt", snapshot).read_text()
except BankmineError as error:
    told = str(error)
finding("{told}", id="cup.told", told=told)
"""
NUMBERED = PARAMETERS + "\nnumber = 1  # which"


def declare(root: Path, **after: list[str]) -> None:
    entries = [{"report": n, "title": f"What about {n}?", "after": a} for n, a in after.items()]
    (root / "reports.yml").write_text(yaml.safe_dump(entries), "utf-8")


@pytest.fixture
def workspace(tmp_path) -> Path:
    """The reader is declared first, so that nothing but its `after` makes it wait."""
    root = make_workspace(tmp_path / "bank", {"00_cup": [OPENS, READS]})
    write_notebook(root / "notebooks" / "01_well.ipynb", OPENS, WRITES, parameters=NUMBERED)
    declare(root, **{"00_cup": ["01_well"], "01_well": []})
    return root


def manifest(root: Path, name: str) -> dict:
    return json.loads((root / "reports" / DAY / f"{name}.json").read_text("utf-8"))


def read(root: Path) -> str:
    (found,) = [f for f in manifest(root, "00_cup")["findings"] if f["id"] == "cup.told"]
    return found["text"]


def test_a_report_waits_for_those_that_it_reads_from(workspace):
    done = bankmine(workspace, "run", "--jobs", 2)
    assert done.code == 0, done.err
    assert read(workspace) == "water of 1"
    assert [line.split()[1] for line in done.err.splitlines()[1:]] == ["01_well", "00_cup"]


def test_what_a_report_reads_from_runs_first_where_it_is_missing_and_once(workspace):
    done = bankmine(workspace, "run", "cup")
    assert done.code == 0, done.err
    assert done.err.splitlines()[:2] == ["first  01_well, as it has not run", "running 01_well, 00_cup"]
    assert read(workspace) == "water of 1"
    again = bankmine(workspace, "run", "cup")
    assert again.err.splitlines()[0] == "running 00_cup"
    assert again.err.count("\n") == 2


def test_parameters_are_those_of_named_reports_only(workspace):
    write_notebook(workspace / "notebooks" / "00_cup.ipynb", OPENS, READS, parameters=NUMBERED)
    assert bankmine(workspace, "run", "cup", "-p", "number=7").code == 0
    assert read(workspace) == "water of 1"
    assert (manifest(workspace, "00_cup")["given"], manifest(workspace, "01_well")["given"]) == ({"number": "7"}, {})


def test_what_is_stale_runs_again_and_is_not_read(workspace):
    assert bankmine(workspace, "run", "well", "-p", "number=7").code == 0
    done = bankmine(workspace, "run", "cup")
    assert done.err.splitlines()[0] == "first  01_well, as it has run with number of its own"
    assert read(workspace) == "water of 1"
    write_notebook(workspace / "notebooks" / "01_well.ipynb", OPENS, WRITES, "'deeper'", parameters=NUMBERED)
    done = bankmine(workspace, "run", "cup")
    assert done.err.splitlines()[0] == "first  01_well, as it has run by other code or registers"


def test_a_report_whose_predecessor_failed_says_so_and_reads_nothing_old(workspace):
    assert bankmine(workspace, "run").code == 0
    done = bankmine(workspace, "run", BANKMINE_MOOD="bad")
    assert done.code == 1
    assert "ok     00_cup" in done.err
    assert "1 alert, without 01_well, which failed: " in done.err
    assert read(workspace).startswith("01_well failed in this run: bankmine run 01_well --as-of 2025-12-31")
    told = manifest(workspace, "00_cup")
    assert told["alerts"] == [
        "01_well failed in this run, and what would be read from it is lacking: ValueError: the well is dry"
    ]
    assert told["findings"][0]["headline"]
    page = (workspace / "reports" / DAY / "00_cup.html").read_text("utf-8")
    assert page.index("the well is dry") < page.index("water.txt")
    assert "the well is dry" in (workspace / "reports" / "index.html").read_text("utf-8")
    assert bankmine(workspace, "run").code == 0
    assert manifest(workspace, "00_cup")["alerts"] == []


def test_a_predecessor_whose_page_cannot_be_made_has_failed_as_well(workspace):
    """It leaves no page that tells of its failure, and the good one of before is not read."""
    assert bankmine(workspace, "run").code == 0
    (workspace / "reports" / DAY / "01_well.failed.html").mkdir()
    done = bankmine(workspace, "run", BANKMINE_MOOD="bad")
    assert done.code == 1
    assert read(workspace).startswith("01_well failed in this run")


def test_an_interrupted_run_starts_nothing_that_waited(workspace, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    process = start(workspace, "run", BANKMINE_MOOD="wait", BANKMINE_GATE=str(gate))
    holding = wait_at(gate, process)
    process.send_signal(signal.SIGINT)
    told = process.communicate(timeout=DEADLINE)[1]
    os.close(holding)
    assert process.returncode == 130
    assert told.splitlines()[-1].startswith("bankmine: interrupted")
    assert not list((workspace / "reports").rglob("00_cup*"))


def test_a_notebook_run_by_hand_is_told_which_report_to_run(workspace):
    """As in JupyterLab: no runner says where reports are, or what failed."""
    cells = [PARAMETERS, OPENS, READS]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    shown = by_hand(workspace, notebook)
    assert shown == f"01_well has not run: bankmine run 01_well --as-of {DAY}"
    assert bankmine(workspace, "run", "well").code == 0
    assert by_hand(workspace, notebook) == "water of 1"


def by_hand(root: Path, notebook: nbformat.NotebookNode) -> str:
    from nbclient import NotebookClient

    copy, env = nbformat.from_dict(notebook), os.environ | {"BANKMINE_WORKSPACE": str(root)}
    NotebookClient(copy, resources={"metadata": {"path": str(root)}}).execute(env=env)
    return copy.cells[-1].outputs[0].data["text/plain"]
