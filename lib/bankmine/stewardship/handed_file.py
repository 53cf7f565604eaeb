"""A file that a report handed on, taken by a command: whose it is, and who may take it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bankmine.errors import BankmineError
from bankmine.privacy import access
from bankmine.privacy.sealing import report_of


@dataclass(frozen=True)
class Taken:
    """Who takes a file, for what, and the report that handed it on; empty where that was none."""

    role: str
    purpose: str
    report: str


def taken(file: Path, act: str) -> Taken:
    """Refuse a file to who may not do an act of `access.ACTS`, or may not run the report that handed it on.

    Raises
    ------
    BankmineError
        If the role may not, or the file cannot be read.
    """
    role, purpose = access.acting()
    access.require(role, act, purpose)
    try:
        report = report_of(file)
    except OSError as error:
        raise BankmineError(f"{file} cannot be read: {error.strerror}.") from None
    access.require_report(role, act, report)
    return Taken(role, purpose, report)
