"""Sealing: files encrypted with the key of the workspace, so that who has the disk has nothing.

AES-256-GCM by `cryptography`, in an envelope: each file has a random key of its own, wrapped by one derived from the
workspace's. The header says in the clear the version, the name of the key and what the file is; all of it is
authenticated with the content, so that no file passes for another. Nonces are random, of 96 bits, and no key of a file
seals twice.
"""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bankmine.errors import BankmineError
from bankmine.privacy.keys import KEY_FILE, Key, find_key

_MAGIC, _VERSION = b"bankmine sealed", 1
_HEAD = struct.Struct(f">{len(_MAGIC)}sB12sH")
"""What it is, version, name of the key, length of what the file is."""
_NONCE, _WRAPPED = 12, 48
_DAY, _PARTS = re.compile(r"\d{4}-\d{2}-\d{2}"), 3


def sealed(content: bytes, about: str, key: Key) -> bytes:
    """Encrypt what a file is to hold; `about` says what the file is, and is no secret."""
    told = about.encode()
    head = _HEAD.pack(_MAGIC, _VERSION, key.name.encode("ascii"), len(told)) + told
    own, wrapping, nonce = AESGCM.generate_key(256), os.urandom(_NONCE), os.urandom(_NONCE)
    head += wrapping + AESGCM(key.of("sealing")).encrypt(wrapping, own, head)
    return head + nonce + AESGCM(own).encrypt(nonce, content, head)


def unsealed(content: bytes, place: Path | str, about: str, key: Key | None) -> bytes:
    """Decrypt what `sealed` made; `place` is what messages call it.

    Raises
    ------
    BankmineError
        If it is of another key or version, is something else than `about`, or is not as it was written.
    """
    altered = BankmineError(f"{place} was altered or is not whole: restore it from a copy, or make it anew.")
    try:
        magic, version, name, length = _HEAD.unpack_from(content)
        told = content[_HEAD.size : _HEAD.size + length].decode()
    except (struct.error, UnicodeDecodeError):
        raise altered from None
    if magic != _MAGIC:
        raise altered
    if version != _VERSION:
        raise BankmineError(f"{place} is encrypted as version {version}: open it with the version that wrote it.")
    if key is None:
        raise BankmineError(f"{place} is encrypted with key {_harmless(name)}: set {KEY_FILE} to the file of that key.")
    if key.name.encode("ascii") != name:
        raise BankmineError(
            f"{place} is encrypted with key {_harmless(name)}, not with {key.name}: set {KEY_FILE} to the file of that."
        )
    if told != about:
        raise BankmineError(f"{place} holds another file, which was put in its place: restore it, or make it anew.")
    start = _HEAD.size + length
    wrapping, end = content[start : start + _NONCE], start + _NONCE + _WRAPPED
    try:
        own = AESGCM(key.of("sealing")).decrypt(wrapping, content[start + _NONCE : end], content[:start])
        nonce = content[end : end + _NONCE]
        return AESGCM(own).decrypt(nonce, memoryview(content)[end + _NONCE :], content[:end])
    except (InvalidTag, ValueError):  # of what is cut off the nonce may be too short to be one
        raise altered from None


def is_sealed(content: bytes) -> bool:
    """Tell whether something was sealed."""
    return content.startswith(_MAGIC)


def read_sealed(path: Path) -> bytes:
    """Read a file that a report handed on, encrypted or in the clear; in its folder it must be what belongs there.

    Raises
    ------
    BankmineError
        As `unsealed`.
    """
    content = path.read_bytes()
    if not is_sealed(content):
        return content
    return unsealed(content, path, belonging(path) or _said(content), find_key())


def report_of(path: Path) -> str:
    """Name the report that handed a file on, by its folder, or by what it says where it is encrypted; "" if by none.

    What an encrypted file says is to be believed once it was opened.
    """
    with path.open("rb") as stream:
        head = stream.read(_HEAD.size + 0xFFFF)
    parts = (_said(head) if is_sealed(head) else belonging(path.resolve())).split("/")
    return parts[1] if len(parts) == _PARTS and _DAY.fullmatch(parts[0]) else ""


def resealed(path: Path, content: bytes, key: Key | None) -> bytes:
    """Return what is to take the place of a file: encrypted, with a key, if that file is."""
    was = path.read_bytes()
    return sealed(content, belonging(path) or _said(was), key) if key and is_sealed(was) else content


def belonging(path: Path) -> str:
    """Say what a file must be in the folder of a report of a day; elsewhere, "", it may be any."""
    day, report, name = path.absolute().parts[-3:] if len(path.absolute().parts) > 3 else ("", "", "")
    return f"{day}/{report}/{name}" if _DAY.fullmatch(day) else ""


def _said(content: bytes) -> str:
    """Return what a sealed file says that it is: not to be believed before it was opened."""
    if len(content) < _HEAD.size:
        return ""
    length = _HEAD.unpack_from(content)[-1]
    return content[_HEAD.size : _HEAD.size + length].decode(errors="replace")


def _harmless(name: bytes) -> str:
    return name.decode() if re.fullmatch(rb"[0-9a-f]{12}", name) else "of no known name"
