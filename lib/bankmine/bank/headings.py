"""Headings: which of a table's first rows names its columns, and what of the others is no row of it.

Exports begin with `sep=;`, notes or a cover, have a second row of headings or groups above them, repeat their headings
and end in totals. What is left out is told; rows are counted from 1, as a spreadsheet shows them.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

LOOKED = 100
"""First rows that are looked at."""
_BEFORE = 30
"""Rows that a preamble may have."""
_NUMERIC = re.compile(r"[-+(]?[\d.,' \u00a0\u202f/:%-]*\d[\d.,' \u00a0\u202f/:TZ%)-]*")
_GENERIC = re.compile(
    r"(?:x|v|y|f|c|var|variable|col|column|field|feature|unnamed:?|spalte|列|字段)?[ _.]*\d+|"
    r"[A-Z]{1,2}|x|y|target|class|id",
    re.I,
)
TOTALS = (
    r"(?i)(?:(?:grand |sub-?)?totals?|totaux|totale?|sum|summe|gesamt(?:summe)?|insgesamt|somme|suma|итого|всего|"
    r"[合总小]\s*计|[(\[]?\d+ rows?(?: affected| selected)?[.)\]]*|end of (?:file|report)|eof)[:.]?"
)
"""What the first cell of a row of totals or of an end mark says."""


@dataclass(frozen=True)
class Beside:
    """What was found beside the rows of a table."""

    names: dict[str, str] = field(default_factory=dict)
    """Name in a row of headings above -> name that is used."""
    remarks: list[str] = field(default_factory=list)
    """For the reader."""


@dataclass(frozen=True)
class Heading:
    """Where a table begins."""

    names: list[str]
    row: int
    """Position of the last row of headings; rows of data follow."""
    notes: Beside


def find_heading(rows: list[list[str]]) -> Heading:
    """Find the headings among a table's first rows, as texts."""
    cells = [[c.strip() for c in row] for row in rows]
    first = _first(cells)
    remarks = [f"rows 1 to {first} are no headings: left out ({_shown(cells[:first])})"] if first > 1 else []
    remarks += [f"row 1 is no heading: left out ({_shown(cells[:1])})"] if first == 1 else []
    names, groups = cells[first], _groups(cells, first)
    if groups:
        remarks[-1] = f"row {first} has headings of groups: {', '.join(dict.fromkeys(filter(None, groups)))}"
        twice = {n for n, times in Counter(n.lower() for n in names).items() if times > 1}
        names = [f"{g} {n}" if n.lower() in twice and g else n for g, n in zip(groups, names, strict=False)]
    if not _second(cells, first):
        return Heading(names, first, Beside({}, remarks))
    other = cells[first + 1]
    generic = sum(bool(_GENERIC.fullmatch(n)) for n in names if n) >= 0.7 * sum(map(bool, names))
    if generic and all(other) and len(set(other)) == len(other):
        remarks.append(f"row {first + 2} is a second row of headings: its names are used")
        return Heading(other, first + 1, Beside({n: o for n, o in zip(names, other, strict=False) if n}, remarks))
    remarks.append(f"row {first + 2} is a second row of headings: left out ({_shown([other])})")
    return Heading(names, first + 1, Beside({}, remarks))


def _first(cells: list[list[str]]) -> int:
    """Find the first row that can be headings: that fills the table's width where those before are notes."""
    widths = Counter(len(row) for row in cells[-(len(cells) // 2 + 1) :] if any(row))
    if not widths:
        return 0
    width = max(widths, key=lambda w: (widths[w], w))
    if width < 2 or _filled(cells[0]) > max(1, width / 2):
        return 0
    full = max(_filled(row) for row in cells)
    for i, row in enumerate(cells[1:_BEFORE], 1):
        if _filled(row) >= max(2, 0.8 * min(width, full)) and not any(map(_number, row)):
            return i
    return 0


def _groups(cells: list[list[str]], first: int) -> list[str]:
    """Return the group that each column stands under, where the row above the headings has merged ones."""
    if not first or len(cells[first - 1]) < len(cells[first]) or _filled(cells[first - 1]) < 2:
        return []
    found, last = [], ""
    for cell in cells[first - 1]:
        last = cell or last
        found.append(last)
    return found


def _second(cells: list[list[str]], first: int) -> bool:
    """Tell whether headings are followed by others: by texts where all further rows have numbers."""
    if len(cells) < first + 5:
        return False
    candidate, data = cells[first + 1], cells[first + 2 :]
    if any(map(_number, candidate)):
        return False
    texts = 0
    for i, cell in enumerate(candidate):
        values = [row[i] for row in data if len(row) > i and row[i]]
        if not (len(values) > 2 and all(map(_number, values))):
            continue
        if cell and not re.search(r"[^\W\d_]|%|[$€£¥]", cell):
            return False
        texts += bool(cell) and cell.lower() not in _NO_VALUE and sum(v == cell for v in values) == 0
    return texts >= 2


_NO_VALUE = {"na", "n/a", "nan", "null", "none", "\\n", "(null)", "<na>", "unknown", "missing", "nil", "#n/a"}


def _filled(row: list[str]) -> int:
    return sum(map(bool, row))


def _number(cell: str) -> bool:
    return bool(_NUMERIC.fullmatch(cell))


def _shown(rows: list[list[str]]) -> str:
    """Show how the first of some rows begins, and no more of it."""
    text = next((cell for row in rows for cell in row if cell), "empty")
    return repr(text if len(text) <= 30 else text[:29] + "…")


def is_end(text: str) -> bool:
    """Tell whether a line with too few values is a total, or a note at the end, and no row that was cut off."""
    first = re.split(r"[,;\t|]", text.strip().strip('"'))[0].strip()
    words = re.match(r"[#*(=]|--", first) or re.search(r"[^\W\d_]{2,} [^\W\d_]{2,}", first)
    return bool(re.fullmatch(TOTALS, first) or words)
