"""Files of reports: written whole or not at all, by one run at a time."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bankmine.errors import BankmineError
from bankmine.report.index import write_index

GOOD_ENDINGS = (".html", ".ipynb", ".json")
FAILED_ENDINGS = tuple(f".failed{e}" for e in GOOD_ENDINGS)

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_OWNER = ".source"
ROTATION = Path(".rotation", "journal.json")
"""In the folder of a source's reports, while a rotation of keys moves files: where each of the new ones belongs."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the system's refusal to write into one line that says what to do.

    Raises
    ------
    BankmineError
        If what is done inside raises an OSError.
    """
    try:
        yield
    except OSError as error:
        first = "Free some space" if error.errno in _FULL else "Make that a place you may write to"
        raise BankmineError(
            f"Cannot write {path}: {error.strerror}. {first}, or give another folder with --out. "
            "Earlier reports are whole."
        ) from None


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Claim the folder of a day for this run.

    Raises
    ------
    BankmineError
        As `locked`, or if a rotation of keys did not end: finishing it would undo what is written now.
    """
    with locked(folder):
        refuse_half_rotated(folder.parent)
        yield


def refuse_half_rotated(folder: Path) -> None:
    """Refuse the folder of a source's reports in which a rotation of keys did not end."""
    if (folder / ROTATION).is_file():
        raise BankmineError(
            f"In {folder} a rotation of keys was interrupted: run `bankmine privacy rotate …` again first."
        )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock the folder of a day; the lock is the operating system's: it ends with the process, however that ends.

    Raises
    ------
    BankmineError
        If the folder cannot be written, or another run holds it.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / ".lock").open("a")
        tempfile.TemporaryFile(dir=folder).close()  # a lock of an earlier run may be writable in a folder that is not
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BankmineError(
                f"Another run is writing to {folder}: wait for it, or give another folder with --out."
            ) from None
        _clear(folder, "**/.*.part")
        yield


def publish(contents: dict[Path, str | bytes]) -> None:
    """Write several files beside their places, then move all of them there.

    Raises
    ------
    BankmineError
        If they cannot be written, a full disk for one; the old files are then untouched.
    """
    parts = {path: path.with_name(f".{path.name}.part") for path in contents}
    try:
        with writing(next(iter(contents))):
            for path, content in contents.items():
                path.parent.mkdir(exist_ok=True)
                with parts[path].open("wb") as stream:
                    stream.write(content.encode("utf-8") if isinstance(content, str) else content)
                    stream.flush()
                    os.fsync(stream.fileno())
            for path, part in parts.items():
                part.replace(path)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def refresh_index(out: Path) -> Path:
    """Write the index of all reports, after whoever is writing it.

    Raises
    ------
    BankmineError
        If it cannot be written.
    """
    with writing(out / "index.html"), (out / ".lock").open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        _clear(out, ".index.html.*")
        return write_index(out)


def refuse_foreign(folder: Path, place: str) -> None:
    """Refuse to mix the reports of two sources of the same name.

    Parameters
    ----------
    folder : Path
        Holds the days of a source; the first source that writes to it owns it.
    place : str
        Name of the source in the workspace, or path.

    Raises
    ------
    BankmineError
        If it belongs to another source.
    """
    mark = folder / _OWNER
    owner = mark.read_text("utf-8") if mark.is_file() else place
    if owner != place:
        raise BankmineError(
            f"{folder} holds the reports of another source, {owner}: give another folder with --out, or if that source "
            f"has only moved, remove {mark}."
        )


def own(folder: Path, place: str) -> None:
    """Note whose reports a folder holds."""
    if not (folder / _OWNER).exists():
        publish({folder / _OWNER: place})


def _clear(folder: Path, pattern: str) -> None:
    """Remove what a run that was killed has left: the lock is ours, so nobody needs it."""
    for left in folder.glob(pattern):
        left.unlink(missing_ok=True)
