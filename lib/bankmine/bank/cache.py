"""Cache: what took long to compute from a source is kept on disk, and opened from there by any later process.

An entry is a folder of files, named by a digest of all that it follows from: data, day, rules, code. It is written to
one side and renamed, so that none is half-written; sizes and checksums tell a damaged one, which is made anew. One
process makes an entry while others wait; who reads it holds a lock on it, so that it is not removed to make room.

With a key entries are encrypted: each has a name and a key of its own, derived from both, so that entries of several
keys stand side by side. The checksums are sealed with the rest of what is told of an entry: who changes a file cannot
change them, and an entry that is not as it was written, or is another's, is made anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path

import duckdb

from bankmine.errors import BankmineError, one_line
from bankmine.privacy.keys import find_key
from bankmine.privacy.sealing import is_sealed, sealed, unsealed
from bankmine.workspace import WORKSPACE

FOLDER, GIGABYTES = "BANKMINE_CACHE", "BANKMINE_CACHE_GB"
"""Environment variables: where the cache is, and how large it may grow."""
_MOST_GIGABYTES = "20"
_ABOUT = "about.json"
_READ, _MADE, _PART = ".read", ".made", ".part"
"""Endings of the files by which an entry is locked while it is read and made, and of its folder until it is whole."""
_OURS = re.compile(r"[0-9a-f]{64}(\.read|\.made|\.part)?")
"""Names of what the cache holds; nothing else is ever touched."""
_ENGINES = (
    "duckdb", "ibis-framework", "numpy", "optbinning", "pandas", "pyarrow", "scikit-learn", "scipy", "xgboost-cpu",
)  # fmt: skip
_LIBRARY = Path(__file__).resolve().parents[1]
_held: dict[Path, int] = {}
"""Entries that this process reads, with the descriptors of their locks: held until it ends."""


@dataclass(frozen=True)
class Entry:
    """One thing that is kept: what it is, its size in bytes, and when it was last opened, in seconds of the epoch."""

    folder: Path
    what: str
    size: int
    used: float


def place() -> Path:
    """Return the folder of the cache, readable by its owner only; made where it is not there.

    Raises
    ------
    BankmineError
        If it cannot be made, belongs to somebody else, or holds anything else, which would be shut off with it.
    """
    folder = Path(os.environ.get(FOLDER) or WORKSPACE / "data" / "cache").expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if foreign := next((f.name for f in folder.iterdir() if not _OURS.fullmatch(f.name)), None):
            raise BankmineError(
                f"{folder} cannot be the cache, as it holds {foreign}: set {FOLDER} to a folder of its own."
            )
        folder.chmod(0o700)
    except OSError as error:
        raise BankmineError(
            f"The cache {folder} cannot be used ({error.strerror}): set {FOLDER} to a folder of your own."
        ) from None
    return folder


def digest(*parts: object) -> str:
    """Return one name for all that something follows from, told as text or JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


@cache
def library(*rooms: str) -> str:
    """Return a digest of the code of rooms of the library, and of the engines that it runs on."""
    files = sorted(f for room in rooms for f in (_LIBRARY / room).rglob("*.py"))
    code = [(str(f.relative_to(_LIBRARY)), hashlib.sha256(f.read_bytes()).hexdigest()) for f in files]
    return digest(code, [version(name) for name in _ENGINES])


def opened(key: str, what: str, write: Callable[[Path], bool]) -> Path | None:
    """Return the folder of an entry, written now if it is not there or damaged.

    Parameters
    ----------
    key : str
        From `digest`.
    what : str
        What it is, for who lists the cache.
    write : callable
        Fills an empty folder; or returns False, where what was found cannot be kept: then there is no entry.
    """
    own = find_key()
    folder = place() / (digest(key, own.name) if own else key)
    while True:
        held = _lock(folder.with_suffix(_READ), fcntl.LOCK_SH)
        if _whole(folder):
            os.utime(folder)
            _hold(folder, held)
            return folder
        os.close(held)
        with _locked(folder.with_suffix(_MADE)):
            if not _whole(folder) and not _write(folder, what, write):
                return None
        _make_room()


def key_of(folder: Path) -> bytes | None:
    """Return the key of an entry, whole or in the making; None where nothing is encrypted."""
    key = find_key()
    return key.of(f"cache {folder.stem}") if key else None


def write_file(file: Path, content: bytes) -> None:
    """Write a file of an entry, encrypted where there is a key."""
    key = find_key()
    file.write_bytes(sealed(content, _named(file), key) if key else content)


def read_file(file: Path) -> bytes:
    """Read a file of an entry."""
    key, content = find_key(), file.read_bytes()
    return unsealed(content, file, _named(file), key) if key else content


def _named(file: Path) -> str:
    return f"{file.parent.stem}/{file.name}"


def listed() -> list[str]:
    """Say what is kept, latest used first: when it was used, its size, what it is."""
    found = _entries()
    lines = [f"{datetime.fromtimestamp(e.used):%Y-%m-%d %H:%M}  {e.size / 1e6:9,.1f} MB  {e.what}" for e in found]
    return [*lines, f"{len(found)} entries, {_gigabytes(found):.2f} of at most {_bound():g} GB, in {place()}"]


def cleared() -> list[str]:
    """Remove all that no process reads, and say how much."""
    found = _folders()
    gone = sum(_remove(f) for f in found)
    left = len(found) - gone
    return [f"{gone} entries removed from {place()}" + (f"; {left} in use are left" if left else "")]


def _entries() -> list[Entry]:
    """List what is kept, latest used first."""
    found = []
    for folder in _folders():
        with suppress(FileNotFoundError):  # removed meanwhile
            found.append(
                Entry(folder, _about(folder).get("what") or _why_not(folder), _size(folder), folder.stat().st_mtime)
            )
    return sorted(found, key=lambda e: -e.used)


def _folders() -> list[Path]:
    return [f for f in place().iterdir() if f.is_dir() and _OURS.fullmatch(f.name) and f.suffix != _PART]


def _write(folder: Path, what: str, write: Callable[[Path], bool]) -> bool:
    part = folder.with_suffix(_PART)
    for old in (part, folder):
        shutil.rmtree(old, ignore_errors=True)
    try:
        part.mkdir(mode=0o700)
        if not write(part):
            return False
        told = {"what": what, "files": {f.name: (f.stat().st_size, _checksum(f)) for f in sorted(part.iterdir())}}
        write_file(part / _ABOUT, json.dumps(told).encode())
        part.rename(folder)
    except (OSError, duckdb.IOException) as error:
        raise BankmineError(
            f"The cache {folder.parent} cannot be written: {one_line(error)}. Free some space, or set {FOLDER}."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return True


def _whole(folder: Path) -> bool:
    """Tell whether an entry is as it was written."""
    told = _about(folder).get("files", {})
    there = all((folder / n).is_file() and (folder / n).stat().st_size == size for n, (size, _) in told.items())
    return bool(told) and there and all(_checksum(folder / n) == c for n, (_, c) in told.items())


def _about(folder: Path) -> dict:
    try:
        return json.loads(read_file(folder / _ABOUT))
    except (OSError, ValueError, BankmineError):  # not there, damaged, altered: all mean that it is to be made
        return {}


def _why_not(folder: Path) -> str:
    """Say why nothing is told of an entry."""
    with suppress(OSError):
        if is_sealed((folder / _ABOUT).read_bytes()):
            return "encrypted with another key, or altered"
    return "damaged"


def _checksum(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _size(folder: Path) -> int:
    return sum(f.stat().st_size for f in folder.iterdir())


def _lock(file: Path, kind: int) -> int:
    """Lock a file; one that was removed meanwhile is made and locked again."""
    while True:
        held = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(held, kind)
            with suppress(FileNotFoundError):
                if file.stat().st_ino == os.fstat(held).st_ino:
                    return held
        except BaseException:
            os.close(held)
            raise
        os.close(held)


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    held = _lock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
        os.close(held)


def _hold(folder: Path, held: int) -> None:
    """Keep the lock on an entry that is read until the process ends."""
    if folder in _held:
        os.close(_held[folder])
    _held[folder] = held


def _make_room() -> None:
    """Remove what was not used for longest, until the cache is within its bound."""
    found = _entries()
    excess = _gigabytes(found) - _bound()
    for entry in reversed(found):
        if excess <= 0:
            return
        excess -= _gigabytes([entry]) if _remove(entry.folder) else 0


def _bound() -> float:
    told = os.environ.get(GIGABYTES) or _MOST_GIGABYTES
    if not re.fullmatch(r"\d+(\.\d+)?", told):
        raise BankmineError(f"{GIGABYTES} must be a number of gigabytes, as 20, not {told!r}.")
    return float(told)


def _gigabytes(found: list[Entry]) -> float:
    return sum(entry.size for entry in found) / 1e9


def _remove(folder: Path) -> bool:
    """Remove an entry unless somebody reads it."""
    try:
        held = _lock(folder.with_suffix(_READ), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    shutil.rmtree(folder, ignore_errors=True)
    folder.with_suffix(_READ).unlink(missing_ok=True)
    os.close(held)
    return True
