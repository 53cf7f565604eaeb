"""Audit: who opened what, when, for which purpose, and what was handed on, one line of JSON after the other.

Each line holds the hash of the line before and its own, so that none can be altered, removed, inserted or moved without
breaking the chain; where there is a key, a line is sealed by it too, so that nobody without it can write a new chain.
Lines that are cut off at the end, or a chain that is written anew without a key, are seen by anchors outside the file:
see `stewardship.audit_check`. No line holds a value of data: names of tables and columns, counts, files and reasons.
"""

from __future__ import annotations

import errno
import fcntl
import hmac
import json
import os
import pwd
import stat
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from bankmine.errors import BankmineError
from bankmine.privacy.keys import Key, find_key
from bankmine.workspace import WORKSPACE

FILE, ROLE, PURPOSE, REPORT = "BANKMINE_AUDIT", "BANKMINE_ROLE", "BANKMINE_PURPOSE", "BANKMINE_REPORT"
"""Environment variables: the file of the audit; under which role, for which purpose and report this process works."""
REVEALED = "revealed"
"""The event of a list in which tokens were turned back, told as `file`."""
FIRST = "0" * 64
"""What stands for the hash of the line before the first."""
_LARGEST, _LONGEST = 1 << 16, 300
"""Bytes of a line, and characters of a text in it: more would be data, not what was done with them."""
_NAME, _NAMES = 60, 200
"""Characters of a name in a list of names, and how many such a list has."""
_PATIENCE = timedelta(minutes=1)
"""By how much clocks are set right in daily life."""
_PARTS = ("number", "at", "event", "user", "role", "purpose", "report", "told", "key", "before", "seal", "hash")
"""Of a line: a seal is of all that stands before it, and a hash too."""


class Head(NamedTuple):
    """The last line of a chain: its number and hash; kept elsewhere, an anchor."""

    number: int
    hash: str


def place() -> Path:
    """Return the file of the audit."""
    return Path(os.environ.get(FILE) or WORKSPACE / "data" / "audit.jsonl").expanduser().absolute()


def record(event: str, **told: object) -> Head:
    """Append a line: what is done, before it is done; whoever cannot be written down does not do it.

    Parameters
    ----------
    event : str
        What is done, as `opened`.
    **told : str, int, float, bool, None, or lists and dictionaries of these
        Names, counts and reasons, never values of data. `role`, `purpose` and `report` go before what the environment
        says of them.

    Raises
    ------
    BankmineError
        If the line cannot be written as a whole, the last one is damaged, or the clock went back.
    """
    of_process = {"role": os.environ.get(ROLE), "purpose": os.environ.get(PURPOSE), "report": _report()}
    what = {"event": event, "user": _user()} | {name: told.pop(name, None) or of_process[name] for name in of_process}
    what["told"] = told
    _refuse_data(what)
    key, file = find_key(), place()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        held = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)  # ends with the descriptor
            if not stat.S_ISREG(os.fstat(held).st_mode):
                raise _refusal(file, "it is no file")
            last = _last(held, file)
            now = datetime.now(UTC)
            if last and datetime.fromisoformat(last["at"]) - now > _PATIENCE:
                raise BankmineError(
                    f"The clock went back: it is {now:%Y-%m-%d %H:%M} UTC, but the last line of the audit {file} is of "
                    f"{last['at'][:16].replace('T', ' ')}. Nothing is opened: set the clock right."
                )
            number, before = (last["number"] + 1, last["hash"]) if last else (1, FIRST)
            line = _finished({"number": number, "at": now.isoformat(timespec="microseconds")} | what, before, key)
            _append(held, _text(line) + b"\n")
        finally:
            os.close(held)
    except OSError as error:
        raise _refusal(file, error.strerror or type(error).__name__) from None
    return Head(number, line["hash"])


def names(told: Iterable[str]) -> list[str]:
    """Return names of columns or files as a line can hold them: short ones, and how many more there are."""
    every = [name if len(name) <= _NAME else f"{name[: _NAME - 1]}…" for name in told]
    return every if len(every) <= _NAMES else [*every[:_NAMES], f"and {len(every) - _NAMES} more"]


def _report() -> str | None:
    """Name the notebook that this process runs, in a run or in JupyterLab; None where it runs none."""
    return os.environ.get(REPORT) or Path(os.environ.get("JPY_SESSION_NAME", "")).stem or None


def _user() -> str:
    """Name the user of the operating system: variables may say anything."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run under a number without a name
        return str(os.getuid())


def _refuse_data(told: object) -> None:
    """Refuse what may be data: anything but short texts, numbers, and lists and dictionaries of these."""
    if isinstance(told, dict):
        _refuse_data([*told, *told.values()])
    elif isinstance(told, list | tuple):
        for part in told:
            _refuse_data(part)
    elif isinstance(told, str) and len(told) > _LONGEST:
        raise BankmineError(f"A text for the audit has {len(told)} characters: give at most {_LONGEST}.")
    elif told is not None and type(told) not in (str, bool, int, float):
        raise TypeError(f"{type(told).__name__} does not belong into the audit: tell names and counts.")


def _finished(line: dict, before: str, key: Key | None) -> dict:
    line |= {"key": key and key.name, "before": before}
    line["seal"] = key and _seal(key, line)
    line["hash"] = _hash(line)
    return line


def _hash(line: dict) -> str:
    return sha256(_text({n: v for n, v in line.items() if n != "hash"})).hexdigest()


def _seal(key: Key, line: dict) -> str:
    return hmac.digest(key.of("audit"), _text({n: v for n, v in line.items() if n not in _PARTS[-2:]}), "sha256").hex()


def _text(line: dict) -> bytes:
    text = json.dumps(line, separators=(",", ":"), allow_nan=False).encode("ascii")
    if len(text) >= _LARGEST:
        raise BankmineError(f"A line of the audit would have {len(text):,} bytes: at most {_LARGEST:,} can be told.")
    return text


def _last(held: int, file: Path) -> dict | None:
    """Read the last line from the end of the file, however long it is; None where there is none."""
    size = os.fstat(held).st_size
    tail = os.pread(held, _LARGEST + 1, max(size - _LARGEST - 1, 0))
    if not tail:
        return None
    lines = tail.split(b"\n")
    if lines[-1] or (found := _parsed(lines[-2])) is None:
        raise _refusal(file, "its last line is torn or damaged")
    return found


def _parsed(text: bytes) -> dict | None:
    """Return a line that is written as lines are and has the hash that it says; None for any other."""
    with suppress(BankmineError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        line = json.loads(text)
        whole = tuple(line) == _PARTS and _text(line) == text and _hash(line) == line["hash"]
        kinds = (type(line["number"]), type(line["event"]), type(line["told"])) == (int, str, dict)
        sealed = isinstance(line["key"], str) == isinstance(line["seal"], str)
        if whole and kinds and sealed and datetime.fromisoformat(line["at"]).tzinfo:
            return line
    return None


@dataclass
class Chain:
    """What was found in the file of an audit."""

    hashes: list[str] = field(default_factory=list)
    """Of its lines, in their order."""
    fault: str = ""
    """What is wrong with the first line with which something is."""
    sealed: Counter[str] = field(default_factory=Counter)
    """How many lines are sealed by each key, by its name; '' for none."""
    done: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    """Event and what it was done by or to -> how often, and the last time."""
    revealed: list[str] = field(default_factory=list)
    """Files in which tokens were turned back."""


def verify(file: Path) -> Chain:
    """Read a whole audit and find the first line that was altered, removed, inserted or moved.

    Raises
    ------
    BankmineError
        If it cannot be read.
    """
    key, chain, faults = find_key(), Chain(), []
    lines: list[tuple[int, str]] = []
    try:
        with file.open("rb") as stream:
            for number, text in enumerate(stream, 1):
                line = _parsed(text.removesuffix(b"\n")) if text.endswith(b"\n") else None
                lines.append((line["number"], line["before"]) if line else (0, ""))
                chain.hashes.append(line["hash"] if line else "")
                faults.append(_fault(line, number, chain, key) if line else f"line {number} was altered, or is torn")
                if line:
                    _count(line, chain)
    except OSError as error:
        raise BankmineError(
            f"The audit {file} cannot be read: {error.strerror}. Ask its owner, or set {FILE} to it."
        ) from None
    numbers = [number for number, _ in lines]
    for i, (number, before) in enumerate(lines, 1):
        if not faults[i - 1] and number != i:
            faults[i - 1] = _moved(i, number, numbers[i:])
        elif not faults[i - 1] and before != (chain.hashes[i - 2] if i > 1 else FIRST):
            where = f"line {i - 1} was altered or exchanged" if i > 1 else "lines before the first were removed"
            faults[i - 1] = f"{where}: line {i} follows on another"
    chain.fault = next(filter(None, faults), "")
    return chain


def _moved(place: int, number: int, later: list[int]) -> str:
    if number < place:
        return f"line {place - 1} or {place} was inserted: both cannot be what they say"
    if place in later:
        return f"line {place} was moved: line {number} stands in its place"
    return f"line {place} was removed" if number == place + 1 else f"lines {place} to {number - 1} were removed"


def _fault(line: dict, number: int, chain: Chain, key: Key | None) -> str:
    """Say what is wrong with how a line is sealed."""
    sealed = line["key"] or ""
    unsealed = not sealed and any(chain.sealed)
    chain.sealed[sealed] += 1
    if key and sealed == key.name and not hmac.compare_digest(line["seal"], _seal(key, line)):
        return f"line {number} was not written by who has the key {sealed}"
    return f"line {number} is sealed by no key, though lines before it are: anybody may have written it" * unsealed


def _count(line: dict, chain: Chain) -> None:
    told = line["told"]
    by = line["event"], str(line["report"] or told.get("source") or "")
    times, last = chain.done.get(by, (0, ""))
    chain.done[by] = times + 1, max(last, line["at"])
    if line["event"] == REVEALED:
        chain.revealed.append(str(told.get("file")))


def _append(held: int, line: bytes) -> None:
    """Write the whole line onto the disk, or leave the file as it was."""
    size = os.fstat(held).st_size
    try:
        if os.write(held, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(held)
    except BaseException:
        os.ftruncate(held, size)
        raise


def _refusal(file: Path, why: str) -> BankmineError:
    return BankmineError(
        f"The audit {file} cannot be written ({why}), and nothing is opened without it: free some space or make it a "
        f"place you may write to; or keep it as it is for who looks into it, and set {FILE} to a new file."
    )
