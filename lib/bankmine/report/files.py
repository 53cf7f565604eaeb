"""Files of reports: written whole or not at all, by one run at a time."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bankmine.errors import BankmineError

GOOD_ENDINGS = (".html", ".ipynb", ".json")
FAILED_ENDINGS = tuple(f".failed{e}" for e in GOOD_ENDINGS)


@contextmanager
def claimed(folder: Path) -> Iterator[Path]:
    """Claim the folder of a day for this run and yield a place inside it for what is not finished.

    The lock is the operating system's: it ends with the process, however that ends.

    Raises
    ------
    BankmineError
        If the folder cannot be written, or another run holds it.
    """
    lock = folder / ".lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = lock.open("a+")
    except OSError as error:
        raise BankmineError(f"Cannot write to {folder}: {error.strerror}. Give another folder with --out.") from None
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BankmineError(
                f"Another run is writing to {folder}: wait for it, or give another folder with --out."
            ) from None
        _clear_leftovers(folder)
        work = Path(tempfile.mkdtemp(prefix=".work-", dir=folder))
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)


def publish(contents: dict[Path, str]) -> None:
    """Write several files beside their places, then move all of them there.

    Raises
    ------
    BankmineError
        If they cannot be written, a full disk for one; the old files are then untouched.
    """
    parts = {path: path.with_name(f".{path.name}.part") for path in contents}
    try:
        for path, text in contents.items():
            with parts[path].open("w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
        for path, part in parts.items():
            part.replace(path)
    except OSError as error:
        raise BankmineError(
            f"Cannot write {next(iter(contents))}: {error.strerror}. Free some space or give another folder with --out; "
            "earlier reports are untouched."
        ) from None
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def _clear_leftovers(folder: Path) -> None:
    """Remove what a run that was killed has left: the lock is ours, so nobody needs it."""
    for work in folder.glob(".work-*"):
        shutil.rmtree(work, ignore_errors=True)
    for part in folder.glob(".*.part"):
        part.unlink()
