"""Execution: one notebook in one kernel, told cell by cell, and what became of it in one line."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import nbformat
import papermill
from jupyter_client.manager import KernelManager
from nbformat import NotebookNode
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from bankmine.lacking import NotRun
from bankmine.report.catalogue import topic_of
from bankmine.report.findings import bundle
from bankmine.report.warm_kernels import harmless_environment, warmed
from bankmine.workspace import WORKSPACE

Progress = Callable[[int, int], None]
"""Told after each cell: cells done, cells in all."""

_ENGINE = "bankmine"
_ERROR_CELL = "papermill-error-cell-tag"
_TICK = 0.05
_MEMORY = (
    "The kernel was killed, most often because memory ran out: run with --jobs 1, close other programs, "
    "or take a machine with more memory."
)


class Kernels:
    """The kernels that are running, so that an interrupted run can end them."""

    def __init__(self, warm: Path | None = None) -> None:
        self.warm = warm
        """Socket of the process that they are forked from, if they are."""
        self._managers: list[KernelManager] = []
        self._lock = threading.Lock()
        self.stopped = False

    def add(self, manager: KernelManager) -> None:
        """Remember a kernel that is about to start."""
        with self._lock:
            self._managers.append(manager)

    def stop(self, tasks: list[Future]) -> None:
        """End all kernels, and those that are just starting, until no task is left that waits for one."""
        self.stopped = True
        for task in tasks:
            task.cancel()
        while waiting := [t for t in tasks if not t.done()]:
            self._kill()
            wait(waiting, timeout=_TICK)

    def _kill(self) -> None:
        with self._lock:
            groups = [m.provisioner.pgid for m in self._managers if _alive(m)]
        for group in groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)  # a kernel leads a group: its own workers go with it


@dataclass
class _Job:
    """What papermill's engine is given, and the notebook that it gives back however it ends."""

    folder: Path
    kernels: Kernels
    progress: Progress
    environment: dict[str, str]
    notebook: NotebookNode | None = None
    why_dead: str = ""


class _Engine(NBClientEngine):
    """papermill's engine, which also tells its progress and speaks to the kernel over a socket of its own."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: NotebookExecutionManager, kernel_name: str, *, job: _Job, **_: object
    ) -> None:
        job.notebook = nb_man.nb
        tell = nb_man.cell_complete

        def told(cell: NotebookNode, cell_index: int, **more: object) -> None:
            tell(cell=cell, cell_index=cell_index, **more)
            job.progress(cell_index + 1, len(nb_man.nb.cells))

        nb_man.cell_complete = told
        # no port to race for, nothing on the network; the path of a socket must be short, so not in the reports
        with tempfile.TemporaryDirectory(prefix="bankmine-") as private:
            _converse(nb_man, kernel_name, job, Path(private))


def _converse(nb_man: NotebookExecutionManager, kernel_name: str, job: _Job, private: Path) -> None:
    """Start a kernel whose files are all in a private folder, and let it execute the cells."""
    of_kernel = {"transport": "ipc", "ip": str(private / "kernel"), "connection_file": str(private / "kernel.json")}
    config = Config({"KernelManager": of_kernel})
    # after its last cell a kernel is ended at once: now and then one takes seconds to notice that it may go
    client = PapermillNotebookClient(
        nb_man, kernel_name=kernel_name, config=config, timeout=None, shutdown_kernel="immediate"
    )
    manager = client.create_kernel_manager()
    manager.kernel_spec.argv = warmed(manager.kernel_spec.argv, job.kernels.warm)
    job.kernels.add(manager)
    log = private / "kernel.log"
    # the workspace may be relative, and a kernel starts elsewhere
    env = harmless_environment() | {"BANKMINE_WORKSPACE": str(WORKSPACE)} | job.environment
    with log.open("wb") as stream:
        try:
            # what a kernel writes beside its cells' outputs is no matter for the command's own outputs
            client.execute(cwd=str(job.folder), env=env, stdout=subprocess.DEVNULL, stderr=stream)
        except RuntimeError:  # it died, or never lived
            job.why_dead = _why_dead(manager, log.read_text("utf-8", errors="replace"))
            raise


papermill_engines.register(_ENGINE, _Engine)


def execute(
    notebook: Path, parameters: dict, kernels: Kernels, progress: Progress, environment: dict[str, str]
) -> tuple[NotebookNode, str | None]:
    """Execute a notebook with parameters.

    Parameters
    ----------
    notebook : Path
        What to execute; the kernel works in its folder, as JupyterLab does.
    parameters : dict
        Checked before.
    kernels : Kernels
        Told of the kernel.
    progress : callable
        Told of each cell.
    environment : dict of str to str
        Variables of the kernel beyond those of this process.

    Returns
    -------
    tuple of NotebookNode and (str or None)
        The notebook as far as it came, and one line on why it failed if it did. One that `NotRun` ended is good.
    """
    given = nbformat.read(notebook, as_version=4)
    job = _Job(notebook.parent, kernels, progress, environment)
    error = None
    try:
        # neither path nor cwd for papermill: it fills in braces in the one, and changes the other for all threads
        papermill.execute_notebook(given, None, parameters, engine_name=_ENGINE, progress_bar=False, job=job)
    except PapermillExecutionError as failure:
        error = f"{failure.ename}: {_one_line(failure.evalue)}"
        if failure.ename == NotRun.__name__:
            return _ended(job.notebook, _one_line(failure.evalue), notebook), None
    except Exception as failure:  # whatever a kernel or its start raises is this notebook's failure, not the run's
        error = job.why_dead or f"The notebook cannot be executed: {type(failure).__name__}: {_one_line(str(failure))}"
    result = job.notebook or given
    if not error and any(c.source.strip() and c.execution_count is None for c in result.cells if c.cell_type == "code"):
        error = "The notebook ended before its last cell: something in it called exit."
    result.cells = [c for c in result.cells if _ERROR_CELL not in c.metadata.get("tags", [])]
    result.metadata.setdefault("papermill", {})["input_path"] = notebook.name
    return result, error


def _ended(executed: NotebookNode, why: str, notebook: Path) -> NotebookNode:
    """Cut a notebook off after the cell that ended it, which says why at the top of the page."""
    cells = [c for c in executed.cells if _ERROR_CELL not in c.metadata.get("tags", [])]
    last = next(i for i, c in enumerate(cells) if any(o.output_type == "error" for o in c.get("outputs", [])))
    told = bundle("Not run: {why}", id=f"{topic_of(notebook.stem)}.not_run", headline=True, why=why)
    kept = [o for o in cells[last].outputs if o.output_type != "error"]
    cells[last].outputs = [*kept, nbformat.v4.new_output("display_data", data=told)]
    executed.cells = cells[: last + 1]
    executed.metadata.setdefault("papermill", {})["input_path"] = notebook.name
    return executed


def _alive(manager: KernelManager) -> bool:
    return manager.has_kernel and manager.provisioner.has_process and manager.provisioner.process.poll() is None


def _why_dead(manager: KernelManager, log: str) -> str:
    """Say why a kernel is dead; nothing if it is not known to be."""
    process = manager.provisioner.process if manager.provisioner else None
    code = process.poll() if process else None
    if code is None:
        return ""
    if code == -signal.SIGKILL:
        return _MEMORY
    last = next((line for line in reversed(log.splitlines()) if line.strip()), "it left no message")
    return f"The kernel died (exit code {code}): {_one_line(last)}"


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"\x1b\[[0-9;]*m", "", text)).strip()[:500]
