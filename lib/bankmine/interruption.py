"""Interruption: SIGTERM, by which a scheduler loses patience, and Ctrl-C end a command within two seconds, in one line.

Python hears of a signal between two of its own steps only, and an engine that is closed first finishes what it is at.
Where a library takes a second for either, the process ends at once: nothing is half-written then, as all files are
renamed.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import FrameType

INTERRUPTED = 130
_PATIENCE = 0.9
"""Seconds until Python has to hear of a signal, and from then until the process has to have ended."""


class Interruption:
    """Whether a signal came; told to the user once, whoever of the two threads comes to it first."""

    def __init__(self) -> None:
        self.heard = threading.Event()
        self.kernels_run = threading.Event()
        """Set while kernels do the work: they are ended first, and no engine is busy in this process."""
        self._told = threading.Lock()

    def listen(self) -> None:
        """Hear of signals from now on."""
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._raise)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, args=[reading], daemon=True).start()

    def tell(self) -> None:
        """Say in one line that what was asked for was not finished."""
        if self._told.acquire(blocking=False):
            told = "bankmine: interrupted; what was finished is kept, nothing half-written is left."
            print(told, file=sys.stderr, flush=True)

    def _raise(self, number: int, frame: FrameType | None) -> None:
        self.heard.set()
        signal.default_int_handler(number, frame)

    def _watch(self, reading: int) -> None:
        while number := os.read(reading, 1):
            if number[0] in (signal.SIGINT, signal.SIGTERM):
                self._end()

    def _end(self) -> None:
        if self.heard.wait(_PATIENCE):
            time.sleep(_PATIENCE)  # this thread is gone as soon as the process has ended
            if self.kernels_run.is_set():
                return
        self.tell()
        if "bankmine.bank.work" in sys.modules:
            sys.modules["bankmine.bank.work"].leave()
        os._exit(INTERRUPTED)


interruption = Interruption()
