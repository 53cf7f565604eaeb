"""Lines: what stands on standard input, one line at a time, in memory that no line can exhaust."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

LONGEST = 65_536
"""Bytes of the longest line that is read; a transaction takes less than a thousand."""


def numbered(stream: BinaryIO, longest: int = LONGEST) -> Iterator[tuple[int, bytes | None]]:
    """Read lines without the blanks around them, with their numbers from 1: None for one of more than `longest` bytes.

    Such a line is passed over in pieces; blank lines are counted and passed over.
    """
    number = 0
    while line := stream.readline(longest + 1):
        number += 1
        if len(line) > longest and not line.endswith(b"\n"):
            _pass_over(stream, longest)
            yield number, None
        elif line := line.strip():
            yield number, line


def _pass_over(stream: BinaryIO, longest: int) -> None:
    """Read to the end of a line and keep nothing of it."""
    while (piece := stream.readline(longest)) and not piece.endswith(b"\n"):
        pass
