"""Encodings: text files that are not UTF-8 are recognised or named, and converted as a stream before they are read."""

from __future__ import annotations

import codecs
import gzip
import os
import re
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from charset_normalizer import from_bytes

_CHUNK, _SAMPLE = 1 << 20, 1 << 16
_CANDIDATES = ["gb18030", "big5", "cp932", "cp949", "cp1250", "cp1251", "cp1252"]
_WESTERN = "cp1252"
_WESTERN_SIGNS = set("€‚„…‘’“”–—£§°«»".encode("cp1252"))
_NEAR = 0.1
"""Mess by which two readings of the same bytes are about equally clean."""
_COMMON = 0.9
"""Share of everyday characters in a text of names and places."""
_RARE = 0.75
"""The same, below which an encoding that somebody named is not believed."""
_EVERYDAY = {"gb18030": ("gb2312", 0xB0, 0xD7), "big5": ("big5", 0xA4, 0xC6)}
"""Codec and first bytes of the characters that are used every day (level 1 of GB 2312 and of Big5)."""
_FAMILY = {"gbk": "gb18030", "gb2312": "gb18030", "gb18030": "gb18030", "big5": "big5", "big5hkscs": "big5"}
_NAMES = {
    "gb18030": "GB18030 (GBK)", "big5": "Big5", "cp932": "Shift-JIS", "cp949": "Korean (cp949)",
    "cp1250": "Windows-1250", "cp1251": "Windows-1251", "cp1252": "Windows-1252",
    **dict.fromkeys(("utf-16", "utf-16-le", "utf-16-be"), "UTF-16"),
}  # fmt: skip
_NEVER_WESTERN = [("šžŠŽŸýÝþÞðÐ",), ("õû", "öüÖÜ"), ("ìòø", "íáúÈ")]
"""Letters of Windows-1252, one of each part, that are mostly others of Windows-1250: Jiøí, Gyõr."""
_UNCLEAR = (
    "it is not UTF-8 text, and its encoding cannot be told for certain: name it, as encoding=gbk, or save it as UTF-8"
)


UNPACK = "BANKMINE_UNPACK_GB"
"""Environment variable: how large a file may become when it is unpacked."""
_MOST_GIGABYTES = "20"


def opened(file: Path) -> BinaryIO:
    """Open a file, or what is packed in it, as bytes."""
    return _Packed(file) if file.name.lower().endswith(".gz") else file.open("rb")


def refuse_bomb(size: int) -> None:
    """Raise a ValueError if a file is larger, when it is unpacked, than anything that was meant to be read."""
    bound = os.environ.get(UNPACK) or _MOST_GIGABYTES
    if not re.fullmatch(r"\d+(\.\d+)?", bound):
        raise ValueError(f"{UNPACK} must be a number of gigabytes, as 20, not {bound!r}")
    if size > float(bound) * 1e9:
        raise ValueError(f"unpacked it has more than {float(bound):g} GB: set {UNPACK} if that is right")


class _Packed(gzip.GzipFile):
    """A packed file whose bytes are counted as they come, as nothing in it tells how many there are."""

    def read(self, size: int | None = -1) -> bytes:
        found = super().read(size)
        refuse_bomb(self.tell())
        return found


def as_utf8(file: Path, encoding: str, folder: Path) -> tuple[Path, str]:
    """Return the file if it is UTF-8, or a copy that is; and its encoding in words if it was another.

    Reading it to its end also finds a packed file that was cut off on its way, which DuckDB takes for a shorter one.

    Raises
    ------
    ValueError
        If its encoding cannot be told, or it is not of the one that was named.
    """
    if not encoding and _is_utf8(file):
        return file, ""
    found = _named(file, encoding) if encoding else _recognised(file)
    copy = folder / "text.csv"
    decoder = codecs.getincrementaldecoder(found)()
    try:
        with opened(file) as stream, copy.open("w", encoding="utf-8", newline="") as out:
            while chunk := stream.read(_CHUNK):
                out.write(decoder.decode(chunk))
            out.write(decoder.decode(b"", final=True))
    except UnicodeDecodeError:
        raise ValueError(
            f"it is not {_NAMES.get(found, found)} text throughout: name its encoding, as encoding=…"
        ) from None
    return copy, _NAMES.get(found, found)


def _named(file: Path, encoding: str) -> str:
    """Return an encoding that somebody named, unless there is no such, or it makes rare characters of common ones."""
    try:
        family = _FAMILY.get(codecs.lookup(encoding).name, "")
        if family and _everyday(family, set(_foreign(file).decode(encoding))) < _RARE:
            raise ValueError(f"read as {encoding}, many of its characters are rare ones: another encoding is likelier")
    except LookupError:
        raise ValueError(f"encoding={encoding} is not known: name one like gb18030, big5, cp1252 or utf-16") from None
    except UnicodeDecodeError:
        raise ValueError(f"it is not {encoding} text: name its encoding, as encoding=…") from None
    return encoding


def _is_utf8(file: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with opened(file) as stream:
        try:
            while chunk := stream.read(_CHUNK):
                if b"\0" in decoder.decode(chunk).encode("ascii", "ignore") and _utf_16(chunk):
                    return False
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            while stream.read(_CHUNK):  # to its end, as told
                pass
            return False
    return True


def _utf_16(start: bytes) -> str:
    """Tell the byte order of UTF-16 by its mark, or by where the zero bytes of plain letters stand."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    even, odd = start[::2], start[1::2]
    for zeros, others, order in ((odd, even, "utf-16-le"), (even, odd, "utf-16-be")):
        if zeros.count(0) > 0.05 * len(zeros) and zeros.count(0) > 5 * others.count(0):
            return order
    return ""


def _recognised(file: Path) -> str:
    """Recognise an encoding by the lines that are not plain ASCII; refuse where two are equally likely."""
    with opened(file) as stream:
        if order := _utf_16(stream.read(4096)):
            return order
    sample = _foreign(file)
    if not {b for b in sample if b > 127} - _WESTERN_SIGNS:
        return _WESTERN
    texts = {name: text for name, text in _readings(sample).items() if _plausible(name, text)}
    if _WESTERN in texts and not set(texts) & set(_EVERYDAY):
        return _WESTERN
    if len(set(texts.values())) != 1:
        raise ValueError(_UNCLEAR)
    return next(iter(texts))


def _readings(sample: bytes) -> dict[str, str]:
    """Return the cleanest readings as a detector sees them, and the Chinese ones, which it misses among many blanks."""
    matches = from_bytes(sample, cp_isolation=_CANDIDATES, threshold=0.3)
    found = {name: m for m in matches for name in m.could_be_from_charset if name in _CANDIDATES}
    least = min((m.chaos for m in found.values()), default=0)
    texts = {name: str(m) for name, m in found.items() if m.chaos <= least + _NEAR}
    for name in _EVERYDAY:
        with suppress(UnicodeDecodeError):
            texts[name] = sample.decode(name)
    return texts


def _foreign(file: Path) -> bytes:
    """Return the first lines that are not plain ASCII."""
    found = b""
    with opened(file) as stream:
        for line in stream:
            found += b"" if line.isascii() else line
            if len(found) > _SAMPLE:
                break
    return found


def _plausible(encoding: str, text: str) -> bool:
    """Tell whether a reading looks like text that people write."""
    foreign = {c for c in text if not c.isascii()}
    if encoding in _EVERYDAY:
        return _everyday(encoding, foreign) >= _COMMON
    if encoding == "cp949":
        common = [c for c in foreign if "가" <= c <= "힣" and len(c.encode("euc_kr", "replace")) == 2]
        return len(common) >= _COMMON * len(foreign)
    if encoding == "cp1251":
        return sum("а" <= c <= "я" for c in foreign) > len(foreign) / 2
    if encoding == "cp932":
        return any("ぁ" <= c <= "ヶ" for c in foreign)
    if encoding == _WESTERN and any(all(set(part) & foreign for part in parts) for parts in _NEVER_WESTERN):
        return False
    # a sign between letters is a letter of another encoding: £ódŸ
    return not any((_sign(a) and b.isalpha()) or (_sign(b) and a.isalpha()) for a, b in pairwise(text))


def _everyday(encoding: str, characters: set[str]) -> float:
    """Share of the Chinese characters that are used every day."""
    codec, first, last = _EVERYDAY[encoding]
    leads = [c.encode(codec, "replace")[0] for c in characters if not c.isascii() and c.isalpha()]
    return sum(first <= b <= last for b in leads) / len(leads) if leads else 0.0


def _sign(character: str) -> bool:
    return not character.isascii() and not character.isalpha() and character not in "’‘“”–—€°«»…·\u00a0№§®™"
