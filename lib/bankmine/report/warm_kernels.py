"""Warm kernels: all kernels of a run are forked from one process that has imported what takes seconds.

It is started first of all, so that it imports beside the run itself, which imports as much to check and to execute.

jupyter_client starts a small process as ever, `kernel_stub.py`, which hands its arguments, environment and streams to
the warm process over a socket, relays signals, and ends as the forked kernel ends. Whoever dies takes the kernel along:
a stub by its closed connection, the run by the closed standard input of the warm process. Where forking is not safe or
the warm process is not there, the stub becomes a plain kernel.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import re
import select
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_STUB = Path(__file__).with_name("kernel_stub.py")
_PLAIN = ["-m", "ipykernel_launcher"]
"""Arguments of Python that make a plain kernel."""
_TOPIC = re.compile(r"from bankmine\.topics import (\w+)")
"""How a notebook imports its topic."""
_STREAMS = 3
_HARMLESS = re.compile(
    r"(PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|TZ|TMPDIR|TERM|NO_COLOR|LD_LIBRARY_PATH|JAVA_HOME|VIRTUAL_ENV)"
    r"|(LC|XDG|BANKMINE|JUPYTER|JPY|IPYTHON|MPL|PYTHON|OMP|OPENBLAS|MKL|CONDA|SPARK|PYSPARK|HADOOP)_?\w*"
)
"""Names of environment variables that a kernel is given whatever the source: where things are, and how to compute."""
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""Environment of kernels: as many run as there are cores, and models are fitted side by side; beyond that, threads
only wait for each other."""
_ANY = (
    "ipykernel.ipkernel", "bankmine.report.findings", "bankmine.report.plots", "bankmine.report.tables",
    "bankmine.report.handed_on", "bankmine.bank.snapshot",
)  # fmt: skip
"""What any notebook imports."""


def warmed(argv: list[str], place: Path | None) -> list[str]:
    """Return the command that starts a kernel from the warm process, where it is a plain one of this Python."""
    program = shutil.which(argv[0]) if argv[0] != "python" else sys.executable
    if place is None or argv[1:3] != _PLAIN or program != sys.executable:
        return argv
    return [sys.executable, "-I", "-S", str(_STUB), str(place), *argv[3:]]


class Warm:
    """The process that kernels are forked from, started before it is known for which notebooks."""

    def __init__(self, place: Path | None, process: subprocess.Popen | None) -> None:
        self.place, self._process = place, process
        """Socket to reach it at; None where there is none."""
        self.told = False

    def preload(self, notebooks: list[Path]) -> None:
        """Have it import the topics of notebooks; from now on kernels can be forked."""
        if self._process:
            topics = sorted({topic for file in notebooks for topic in _TOPIC.findall(file.read_text("utf-8"))})
            with suppress(BrokenPipeError):  # it failed: kernels are plain
                self._process.stdin.write(" ".join(topics).encode() + b"\n")
                self._process.stdin.flush()
            self.told = True


def harmless_environment() -> dict[str, str]:
    """Return what a kernel may know of this process's environment: not the secrets of other sources and programs."""
    return ONE_THREAD | {name: value for name, value in os.environ.items() if _HARMLESS.fullmatch(name)}


@contextmanager
def warm_process() -> Iterator[Warm]:
    """Start the process that kernels are to be forked from, which imports while a run is still being checked."""
    if sys.platform != "linux":
        yield Warm(None, None)
        return
    # the path of a socket must be short
    with tempfile.TemporaryDirectory(prefix="bankmine-") as folder:
        place = Path(folder) / "warm"
        with socket.socket(socket.AF_UNIX) as listener:  # it listens before anybody calls, and until the process ends
            listener.bind(str(place))
            listener.listen(64)
            process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(listener.fileno())], stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
                pass_fds=[listener.fileno()], env=harmless_environment(),
            )  # fmt: skip
        warm = Warm(place, process)
        try:
            yield warm
        finally:
            if not warm.told:  # nothing was forked, and whoever made a wrong call is not to wait for imports
                process.kill()
            with suppress(BrokenPipeError):
                process.stdin.close()
            process.wait()


def _preload() -> None:
    """Import what kernels and topics need; nothing of it may start a thread, which a fork would leave behind."""
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"  # as a kernel has it before it imports
    os.environ["JPY_PARENT_PID"] = str(os.getpid())  # a kernel ends itself when this process is gone
    for name in _ANY:
        importlib.import_module(name)
    if not (told := sys.stdin.readline()):
        sys.exit()
    wanted = [f"bankmine.topics.{topic}" for topic in told.split()]
    for name in wanted:
        if select.select([sys.stdin], [], [], 0)[0]:  # the run ended while this was still starting
            sys.exit()
        inside = getattr(importlib.import_module(name), "__path__", [])
        wanted += [module.name for module in pkgutil.iter_modules(inside, f"{name}.")]
    if "bankmine.study.why" in sys.modules:
        importlib.import_module("shap")


class _Forker:
    """Forks a kernel for each stub that connects, and tells the stub how it ended."""

    def __init__(self, listener: int) -> None:
        self.listener = socket.socket(fileno=listener)
        self.kernels: dict[int, socket.socket] = {}
        self.ended = False

    def serve(self) -> list[str] | None:
        """Serve until standard input is closed; in a forked kernel, return its arguments."""
        ended, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ, self._fork)
        self.selector.register(ended, selectors.EVENT_READ, lambda: self._reap(ended))
        self.selector.register(sys.stdin, selectors.EVENT_READ, self._end)
        while not self.ended:
            for key, _ in self.selector.select():
                if arguments := key.data():
                    return arguments
        return None

    def _end(self) -> None:
        self.ended = True
        for kernel in self.kernels:
            _kill(kernel)

    def _fork(self) -> list[str] | None:
        stub, _ = self.listener.accept()
        told, streams, _, _ = socket.recv_fds(stub, 1 << 20, _STREAMS)
        size, _, told = told.partition(b"\n")
        while more := (stub.recv(1 << 20) if len(told) < int(size or 0) else b""):
            told += more
        kernel = os.fork() if len(told) == int(size or -1) else None  # else the stub was killed as it came
        if kernel != 0:
            for stream in streams:
                os.close(stream)
        if kernel is None:
            stub.close()
            return None
        with suppress(PermissionError, ProcessLookupError):  # done in both, as neither knows who is first
            os.setpgid(kernel, kernel)
        if kernel:
            self.kernels[kernel] = stub
            self.selector.register(stub, selectors.EVENT_READ, lambda: self._heard(kernel))
            with suppress(OSError):
                stub.sendall(b"+")
            return None
        self._become(stub, streams, given := json.loads(told))
        return given["arguments"]

    def _become(self, stub: socket.socket, streams: list[int], given: dict) -> None:
        """Take on, in a forked kernel, what the stub was started with."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for i, stream in enumerate(streams):
            os.dup2(stream, i)
            os.close(stream)
        self.selector.close()
        for connection in (*self.kernels.values(), stub, self.listener):
            connection.close()
        os.chdir(given["cwd"])
        parent = os.environ["JPY_PARENT_PID"]
        os.environ.clear()
        os.environ.update(given["environment"] | {"JPY_PARENT_PID": parent})

    def _heard(self, kernel: int) -> None:
        """Pass on a signal; a stub that is gone takes its kernel along."""
        if kernel not in self.kernels:  # reaped in the same round
            return
        numbers = b""
        with suppress(ConnectionResetError):
            numbers = self.kernels[kernel].recv(64)
        for number in numbers:
            os.kill(kernel, number)
        if not numbers:
            _kill(kernel)
            self.selector.unregister(self.kernels[kernel])

    def _reap(self, ended: int) -> None:
        os.read(ended, 4096)
        while self.kernels:
            kernel, status = os.waitpid(-1, os.WNOHANG)
            if not kernel:
                return
            stub = self.kernels.pop(kernel)
            with suppress(KeyError):
                self.selector.unregister(stub)
            with suppress(OSError):  # the stub was killed
                stub.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
            stub.close()


def _kill(kernel: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(kernel, signal.SIGKILL)  # a kernel leads a group: its own workers go with it


if __name__ == "__main__":
    forker = _Forker(int(sys.argv[1]))
    _preload()
    if arguments := forker.serve():
        sys.argv = ["ipykernel_launcher", *arguments]
        importlib.import_module("ipykernel.kernelapp").launch_new_instance()
    else:
        os._exit(0)  # the run waits for it: nothing is to be tidied up
