"""Harmless: which values of a source a message may show, and which columns hold people's names and words.

Numbers and dates are, and a text that many rows share; of any other text only the shape is shown, which tells a data
owner how it is written and nobody who is meant.
"""

from __future__ import annotations

import re

SHARED = 3
"""Rows that share a text from which on it is nobody's own: the least count that statistical offices publish."""
_PLAIN = re.compile(r"[\d\s.,:;/+\-−–%¥￥$€£()'’年月日时分秒TZ]*|[+-]?\d+(\.\d+)?[eE][+-]?\d+|[+-]?(inf|infinity|nan)")
_JOINTS, _CLOCK = re.compile(r"[\s+\-().]"), re.compile(r"[T\s]\d{1,2}:\d{2}[\d:.]*")
_LONG = re.compile(r"\d{9}")
"""Digits that a phone, a card or a person has, and no date; wherever they are parted."""
_WHOSE = "(customer|client|cust|user|person|holder|contact|full|first|last|given|family|sur|客户|持卡人|联系人|法人)?"
_PERSONAL = re.compile(
    rf"{_WHOSE}(name|姓名|名字|名称)|姓名?|address|地址|.*(住址|家庭地址|联系地址)|(note|comment|remark|memo|text|备注|留言)s?"
)
_CONTACT = re.compile(r"[^@\s]+@[^@\s]+\.\w+|(\+?86)?1[3-9]\d{9}|\d{17}[\dXx]")


def harmless(text: str, times: int = 1) -> str:
    """Return a value that so many rows share as a message may show it: as it is, or letters and digits hidden."""
    digits = _LONG.search(_JOINTS.sub("", _CLOCK.sub("", text))) is not None
    letters = times < SHARED and not _PLAIN.fullmatch(text)
    return "".join(_hidden(c, digits, letters) for c in text)


def personal(column: str, values: list[str]) -> bool:
    """Tell whether a column holds names, words, or ways to reach people, by its name or by most of its values."""
    name = re.sub(r"[\s_\-.]+", "", column).lower()
    contacts = sum(bool(_CONTACT.fullmatch(re.sub(r"[\s\-]", "", value))) for value in values)
    return bool(_PERSONAL.fullmatch(name)) or 2 * contacts > len(values)


def _hidden(sign: str, digits: bool, letters: bool) -> str:
    if sign.isdigit():
        return "9" if digits else sign
    if not sign.isalpha() or not letters:
        return sign
    return "A" if sign.isupper() else "a" if sign.islower() else "字"
