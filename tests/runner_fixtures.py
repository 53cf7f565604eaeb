"""A small workspace with tiny notebooks, and the real command run in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
import yaml
from bank_fixtures import CORE, small_bank, write_source

COMMAND = Path(sys.executable).with_name("bankmine")
DEADLINE = 120
"""Seconds after which a test gives up waiting: a safety net, no measure."""

PARAMETERS = 'source = "demo"  # where from\nas_of = "2025-12-31"  # last day'
STEADY = """\
from IPython.display import display

found = {"id": "steady.days", "text": "31 days", "values": {"days": 31, "of": as_of}, "formats": {"days": "d"},
         "headline": True, "alert": True}
display({"text/plain": "31 days", "application/vnd.bankmine.finding+json": found}, raw=True)"""
MOODY = """\
import os

match os.environ.get("BANKMINE_MOOD"):
    case "bad":
        raise ValueError("the <b>roof</b> is leaking")
    case "wait":
        open(os.environ["BANKMINE_GATE"]).read()"""

BIG = """\
import os

if os.environ.get("BANKMINE_MOOD") == "bad":
    os.kill(os.getpid(), 9)  # as the system does where memory runs out"""
# Imports take most of a refused call's time, so many of them share an interpreter; it reads calls and tells what became
# of each.
_MANY = """\
import contextlib, io, json, sys
from pathlib import Path
from bankmine.cli import main

def call(words, files):
    for name, text in files.items():
        Path(name).write_text(text)
    sys.argv = ["bankmine", *words]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            return end.code, out.getvalue(), err.getvalue()

results = [call(*c) for c in json.load(sys.stdin)]
json.dump(results, sys.stdout)"""


@dataclass(frozen=True)
class Finished:
    """What a command left behind."""

    code: int
    out: str
    err: str


def as_json(*cells: str, parameters: str | None = PARAMETERS, kernel: str = "python3") -> str:
    """Text of a notebook of code cells, the first of them tagged as parameters."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(c) for c in cells],
        metadata={"kernelspec": {"name": kernel, "display_name": kernel, "language": "python"}},
    )
    if parameters is not None:
        notebook.cells.insert(0, nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    return nbformat.writes(notebook)


def write_notebook(file: Path, *cells: str, **options: str | None) -> None:
    """Write such a notebook."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(as_json(*cells, **options), "utf-8")


def make_workspace(root: Path, notebooks: dict[str, Iterable[str]]) -> Path:
    """Make a workspace whose demo source is the small bank."""
    write_source(root / "data" / "sources" / "demo", small_bank(*CORE), title="Small bank", currency="CNY")
    for name, cells in notebooks.items():
        write_notebook(root / "notebooks" / f"{name}.ipynb", *cells)
    declare(root, *notebooks)
    return root


def declare(root: Path, *names: str) -> None:
    """Write a catalogue of these notebooks."""
    entries = [{"report": name, "title": f"What about {name}?", "audience": "testers"} for name in names]
    (root / "reports.yml").write_text("# kept by hand\n" + yaml.safe_dump(entries), "utf-8")


def environment(root: Path, **more: str) -> dict[str, str]:
    """Environment of a command in a workspace."""
    return os.environ | {"BANKMINE_WORKSPACE": str(root), "NO_COLOR": "1"} | more


def bankmine(
    root: Path,
    *words: object,
    cwd: Path | None = None,
    before: Callable[[], None] | None = None,
    wrapper: Iterable[str] = (),
    **env: str,
) -> Finished:
    """Run the command in a workspace to its end."""
    done = subprocess.run(
        [*wrapper, COMMAND, *map(str, words)], cwd=cwd or root, env=environment(root, **env), preexec_fn=before,
        capture_output=True, text=True, timeout=DEADLINE, check=False,
    )  # fmt: skip
    return Finished(done.returncode, done.stdout, done.stderr)


def unprivileged() -> list[str]:
    """Return what to write before a command so that root may enter and write no more than others; else skip."""
    if os.geteuid():
        return []
    taken = "-dac_override,-dac_read_search"
    wrapper = ["setpriv", f"--bounding-set={taken}", f"--inh-caps={taken}"]
    if not shutil.which("setpriv") or subprocess.run([*wrapper, "true"], check=False).returncode:
        pytest.skip("root may enter and write everywhere, and setpriv cannot take that right away here")
    return wrapper


def bankmine_many(
    root: Path, calls: list[tuple[list[str], dict[str, str]]], wrapper: Iterable[str] = (), **env: str
) -> list[Finished]:
    """Call the command many times in one process, each time with words, and with files that are written before."""
    done = subprocess.run(
        [*wrapper, sys.executable, "-c", _MANY], input=json.dumps(calls), cwd=root, env=environment(root, **env),
        capture_output=True, text=True, timeout=DEADLINE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [Finished(*result) for result in json.loads(done.stdout)]


def start(root: Path, *words: object, **env: str) -> subprocess.Popen:
    """Start the command in a workspace; it is in a process group of its own."""
    return subprocess.Popen(
        [COMMAND, *map(str, words)], cwd=root, env=environment(root, **env), start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_at(gate: Path, process: subprocess.Popen) -> int:
    """Wait until a notebook reads from the named pipe `gate`; it waits there until the descriptor is closed."""
    give_up = time.monotonic() + DEADLINE
    while time.monotonic() < give_up and process.poll() is None:
        try:
            return os.open(gate, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody reads yet
            time.sleep(0.02)
    process.kill()
    raise AssertionError(f"the notebook never came to its gate: {process.communicate()}")


def contents(folder: Path) -> dict[str, bytes]:
    """Every file under a folder; locks are not told, as they are empty and stay."""
    files = (f for f in sorted(folder.rglob("*")) if f.is_file() and f.name != ".lock")
    return {str(f.relative_to(folder)): f.read_bytes() for f in files}


def refused(done: Finished, *words: str) -> None:
    """Assert that a call was refused in one line that holds these words."""
    assert done.code == 2, done
    assert done.out == ""
    assert done.err.startswith("bankmine: ")
    assert done.err.count("\n") == 1, done.err
    assert all(word in done.err for word in words), done.err
