"""All notebooks are run once in a session, by the runner; nbval checks each cell of that run, page tests its pages."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbval.plugin import IPyNbFile
from once import once_a_run

ROOT = Path(__file__).resolve().parents[1]
BANKMINE = Path(sys.executable).with_name("bankmine")


def reports_of_the_demo_bank(session: pytest.Session) -> Path:
    """Run all notebooks that this session asks for, and return the folder of their reports."""
    cells = {i.path.stem for i in session.items if i.path.suffix == ".ipynb"}
    by_name = [i for i in session.items if "folder_of_pages" in getattr(i, "fixturenames", [])]
    names = sorted(cells | {i.callspec.params["file"].stem for i in by_name})

    def run(out: Path) -> None:
        done = subprocess.run(
            [BANKMINE, "run", *names, "--out", part := out.with_name("reports.part")],
            cwd=ROOT, env=os.environ | {"NO_COLOR": "1"}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode in (0, 1), done.stderr  # 1: a notebook failed, which its own cells tell
        part.rename(out)

    (day,) = once_a_run("reports", run).glob("????-??-??")
    return day


class RunNotebook(IPyNbFile):
    """A notebook for nbval, whose kernel answers what the runner's did."""

    def setup(self) -> None:
        folder = reports_of_the_demo_bank(self.session)
        good = folder / self.path.name
        self.kernel = _Replay(good if good.exists() else good.with_suffix(".failed.ipynb"))
        self.setup_sanitize_files()


class _Replay:
    """What nbval asks of a kernel, answered with the outputs of an executed notebook."""

    def __init__(self, executed: Path) -> None:
        cells = nbformat.read(executed, as_version=4).cells
        self.cells = deque(c for c in cells if c.cell_type == "code")
        self.messages: deque[dict] = deque()

    def is_alive(self) -> bool:
        return True

    def execute_cell_input(self, source: str, allow_stdin: bool) -> str:
        """Tell what the next cell put out; it must be this one, and the run must have come so far."""
        cell = self.cells.popleft()
        while "injected-parameters" in cell.metadata.get("tags", []):
            cell = self.cells.popleft()
        assert cell.source == source, f"the run was of another cell: {cell.source}"
        assert cell.execution_count or not source.strip(), "the run did not come to this cell"
        self.messages += [*map(_message, cell.outputs), _told("status", execution_state="idle")]
        return _CELL

    def await_reply(self, _: str, timeout: float) -> None:
        """Return at once, as the cell has run."""

    def await_idle(self, _: str, timeout: float) -> None:
        self.messages.clear()

    def get_message(self, _: str, timeout: float) -> dict:
        return self.messages.popleft()

    def stop(self) -> None:
        """Do nothing, as nothing runs."""


_CELL = "cell"


def _message(output: NotebookNode) -> dict:
    return _told(output.output_type, **{k: v for k, v in output.items() if k != "output_type"})


def _told(kind: str, **content: object) -> dict:
    return {"msg_type": kind, "content": content, "parent_header": {"msg_id": _CELL}}
