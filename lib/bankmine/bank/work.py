"""Work: a folder of this process alone for what is spilled, unpacked or staged, and lists of customers may be in it.

It lies next to the cache. A process holds a lock on its folder for as long as it lives, however it ends; each that
starts removes what dead ones left.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from bankmine.bank import cache
from bankmine.errors import BankmineError

_HELD = ".held"
"""Ending of the file by whose lock a folder is known to be in use."""
_mine: dict[int, Path] = {}


def folder() -> Path:
    """Return the folder of this process, readable by its owner only; it is gone when the process ends.

    Raises
    ------
    BankmineError
        If it cannot be made.
    """
    process = os.getpid()  # a forked one has a folder of its own
    if process not in _mine:
        place = cache.place()
        root = place.with_name(f"{place.name}.work")
        try:
            root.mkdir(mode=0o700, exist_ok=True)
            root.chmod(0o700)
            _clear(root)
            _mine[process] = _taken(root)
        except OSError as error:
            raise BankmineError(
                f"The folder {root} cannot be used to work in ({error.strerror}): set {cache.FOLDER} to another place."
            ) from None
        atexit.register(leave)
    return _mine[process]


def _taken(root: Path) -> Path:
    """Make a folder whose lock is held before it is there, so that nobody takes it for one that was left."""
    while True:
        descriptor, name = tempfile.mkstemp(_HELD, f"{os.getpid()}-", root)
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # until the process ends
        if (held := Path(name)).exists():  # else another process took it for one that was left
            mine = held.with_suffix("")
            mine.mkdir(mode=0o700)
            return mine
        os.close(descriptor)


def _clear(root: Path) -> None:
    """Remove the folders whose lock nobody holds."""
    for held in root.glob(f"*{_HELD}"):
        with suppress(OSError):  # another process removes it just now
            descriptor = os.open(held, os.O_RDWR)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(held.with_suffix(""), ignore_errors=True)
                held.unlink()
            finally:
                os.close(descriptor)


def leave() -> None:
    """Remove the folder of this process, if it has one."""
    if mine := _mine.pop(os.getpid(), None):
        shutil.rmtree(mine, ignore_errors=True)
        mine.with_suffix(_HELD).unlink(missing_ok=True)
        _clear(mine.parent)  # kernels are ended, not asked to end
