"""Unsealing: one file that a report handed on, encrypted, is written in the clear for who may open it."""

from __future__ import annotations

import os
from pathlib import Path

from bankmine.errors import BankmineError
from bankmine.privacy import audit
from bankmine.privacy.sealing import is_sealed, read_sealed
from bankmine.stewardship.handed_file import taken
from bankmine.workspace import WORKSPACE


def unseal(file: Path, out: Path) -> None:
    """Decrypt a file into a new one that its owner alone can read.

    Raises
    ------
    BankmineError
        If the role may not, or may not run the file's report, the file is not encrypted, by another key or altered, or
        the place is in the project or taken; then nothing is written.
    """
    by = taken(file, "open")
    if out.resolve().is_relative_to(WORKSPACE):
        raise BankmineError(f"{out} lies in the project, which others read: give another place with --out.")
    if out.exists():
        raise BankmineError(f"{out} is there already: give another file with --out.")
    with file.open("rb") as stream:
        encrypted = is_sealed(stream.read(64))
    if not encrypted:
        raise BankmineError(f"{file} is not encrypted: read it as it is.")
    content = read_sealed(file)
    # who was not written down gets nothing
    audit.record("opened file", file=str(file.absolute()), out=str(out.absolute()), role=by.role, purpose=by.purpose)
    try:
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(content)
    except OSError as error:
        out.unlink(missing_ok=True)
        raise BankmineError(f"{out} cannot be written: {error.strerror}. Give another file with --out.") from None
