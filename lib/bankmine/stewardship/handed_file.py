"""A file that a report handed on, taken by a command: whose it is, and who may take it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bankmine.errors import BankmineError
from bankmine.privacy import access
from bankmine.privacy.sealing import belonging, report_of
from bankmine.report.files import refuse_half_rotated


@dataclass(frozen=True)
class Taken:
    """Who takes a file, for what, and the report that handed it on, empty where that was none."""

    role: str
    purpose: str
    report: str
    folder: Path | None
    """That of the reports of its source, if it lies there."""


def taken(file: Path, act: str) -> Taken:
    """Refuse a file to who may not do an act of `access.ACTS`, or may not run the report that handed it on.

    Raises
    ------
    BankmineError
        If the role may not, the file cannot be read, or a rotation of keys is to be finished first.
    """
    role, purpose = access.acting()
    access.require(role, act, purpose)
    try:
        report = report_of(file)
    except OSError as error:
        raise BankmineError(f"{file} cannot be read: {error.strerror}.") from None
    access.require_report(role, act, report)
    place = file.resolve()
    folder = place.parents[2] if belonging(place) else None
    if folder is not None:
        refuse_half_rotated(folder)
    return Taken(role, purpose, report, folder)
