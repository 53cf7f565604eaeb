"""Keys: the one secret of a workspace, kept outside it, and what is derived from it for each use."""

from __future__ import annotations

import os
import re
import secrets
import stat
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bankmine.errors import BankmineError
from bankmine.workspace import WORKSPACE

KEY, KEY_FILE = "BANKMINE_KEY", "BANKMINE_KEY_FILE"
"""Environment variables: the key itself, or the file that holds it."""
_BYTES = 32
_WRITTEN = re.compile(rf"[0-9a-fA-F]{{{2 * _BYTES}}}")
_HOW = f"a key is {2 * _BYTES} hexadecimal digits, as `bankmine privacy key FILE` makes one"


@dataclass(frozen=True)
class Key:
    """A secret of 32 bytes, which is never used itself: each use has a key derived from it."""

    secret: bytes = field(repr=False)

    def of(self, use: str) -> bytes:
        """Derive the 32 bytes for one use (HKDF with SHA-256, RFC 5869)."""
        return HKDF(SHA256(), _BYTES, salt=None, info=f"bankmine {use}".encode()).derive(self.secret)

    @cached_property
    def name(self) -> str:
        """What tells this key from others and nothing of it: written into what was made with it."""
        return self.of("name").hex()[:12]


def find_key() -> Key | None:
    """Return the key that the environment names, None where it names none.

    Raises
    ------
    BankmineError
        If it is none, or others can read its file.
    """
    told, file = os.environ.get(KEY), os.environ.get(KEY_FILE)
    if empty := [name for name, value in ((KEY, told), (KEY_FILE, file)) if value is not None and not value.strip()]:
        raise BankmineError(f"{empty[0]} is set to nothing, so nothing would be encrypted: give it a key or unset it.")
    if told and file:
        raise BankmineError(f"The key is given twice: unset {KEY} or {KEY_FILE}.")
    if file:
        return read_key(Path(file).expanduser())
    return _parsed(told, KEY) if told else None


def require_key(what: str) -> Key:
    """Return the key, or refuse: `what` says what cannot be done without it."""
    if found := find_key():
        return found
    raise BankmineError(
        f"{what} needs a key: make one with `bankmine privacy key FILE`, outside the project, and set {KEY_FILE} to it."
    )


def read_key(file: Path) -> Key:
    """Read a key from a file that only its owner can read, outside the project."""
    try:
        told = file.stat()
        text = file.read_text("ascii", errors="replace")
    except OSError as error:
        raise BankmineError(f"The key {file} cannot be read: {error.strerror}. Set {KEY_FILE} to its file.") from None
    if stat.S_IMODE(told.st_mode) & 0o077:
        raise BankmineError(
            f"The key {file} can be read by others: chmod 600 {file}, and make a new key if they may have."
        )
    if file.resolve().is_relative_to(WORKSPACE):
        raise BankmineError(f"The key {file} lies in the project, with what it protects: move it out of {WORKSPACE}.")
    return _parsed(text, str(file))


def make_key(file: Path) -> Key:
    """Make a new key in a file of mode 0600, never over another."""
    if file.resolve().is_relative_to(WORKSPACE):
        raise BankmineError(f"A key does not belong into the project: give a file outside {WORKSPACE}.")
    key, made = Key(secrets.token_bytes(_BYTES)), False
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as stream:
            made = True
            stream.write(f"{key.secret.hex()}\n")
    except OSError as error:
        if made:  # on a full disk
            file.unlink()
        raise BankmineError(f"The key {file} cannot be made: {error.strerror}. Give another file.") from None
    return key


def _parsed(text: str, place: str) -> Key:
    if not _WRITTEN.fullmatch(text.strip()):
        raise BankmineError(f"{place} holds no key: {_HOW}.")
    return Key(bytes.fromhex(text.strip()))
