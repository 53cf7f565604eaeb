"""Execution: one notebook in one kernel, told cell by cell, and what became of it in one line."""

from __future__ import annotations

import os
import re
import signal
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

Progress = Callable[[int, int], None]
"""Told after each cell: cells done, cells in all."""

_ENGINE = "bankmine"
_ERROR_CELLS = {"papermill-error-cell-tag"}


class Kernels:
    """The kernels that are running, so that an interrupted run can end them."""

    def __init__(self) -> None:
        self._clients: list[PapermillNotebookClient] = []
        self._lock = threading.Lock()
        self.stopped = False

    def add(self, client: PapermillNotebookClient) -> None:
        """Remember a client whose kernel is about to start."""
        with self._lock:
            self._clients.append(client)

    def stop(self) -> None:
        """End all kernels; the cells that wait for them fail at once."""
        self.stopped = True
        with self._lock:
            for client in self._clients:
                if client.km and client.km.has_kernel:
                    os.kill(client.km.provisioner.pid, signal.SIGKILL)


class _Engine(NBClientEngine):
    """papermill's engine, which also tells its progress and speaks to the kernel over a socket of its own."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: NotebookExecutionManager,
        kernel_name: str,
        *,
        kernels: Kernels,
        progress: Progress,
        **options: object,
    ) -> NotebookNode:
        tell = nb_man.cell_complete

        def told(cell: NotebookNode, cell_index: int, **more: object) -> None:
            tell(cell=cell, cell_index=cell_index, **more)
            progress(cell_index + 1, len(nb_man.nb.cells))

        nb_man.cell_complete = told
        # no port to race for and nothing on the network; the path of a socket must be short, so not in the reports
        with tempfile.TemporaryDirectory(prefix="bankmine-") as sockets:
            config = Config({"KernelManager": {"transport": "ipc", "ip": f"{sockets}/kernel"}})
            client = PapermillNotebookClient(nb_man, kernel_name=kernel_name, config=config, timeout=None)
            kernels.add(client)
            return client.execute(cwd=options.get("cwd"))


papermill_engines.register(_ENGINE, _Engine)


def execute(
    notebook: Path, parameters: dict, work: Path, kernels: Kernels, progress: Progress
) -> tuple[NotebookNode, str | None]:
    """Execute a notebook with parameters.

    Parameters
    ----------
    notebook : Path
        What to execute; the kernel works in its folder, as JupyterLab does.
    parameters : dict
        Checked before.
    work : Path
        Folder for the unfinished notebook.
    kernels : Kernels
        Told of the kernel.
    progress : callable
        Told of each cell.

    Returns
    -------
    tuple of NotebookNode and (str or None)
        The notebook as far as it came, and one line on why it failed if it did.
    """
    executed = work / notebook.name
    error = None
    try:
        papermill.execute_notebook(
            notebook, executed, parameters, engine_name=_ENGINE, progress_bar=False, cwd=notebook.parent,
            kernels=kernels, progress=progress,
        )  # fmt: skip
    except PapermillExecutionError as failure:
        error = f"{failure.ename}: {_one_line(failure.evalue)}"
    except DeadKernelError:
        error = (
            "The kernel died while the notebook ran, most often for want of memory: "
            "run with --jobs 1, close other programs, or take a machine with more memory."
        )
    result = nbformat.read(executed, as_version=4)
    result.cells = [c for c in result.cells if not _ERROR_CELLS & set(c.metadata.get("tags", []))]
    return result, error


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"\x1b\[[0-9;]*m", "", text)).strip()[:500]
