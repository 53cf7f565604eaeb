"""Lines: what stands on standard input, one line at a time, in memory that no line can exhaust."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

LONGEST = 65_536
"""Bytes of the longest line that is read; a transaction takes less than a thousand."""


def numbered(stream: BinaryIO, longest: int = LONGEST) -> Iterator[tuple[int, bytes | None]]:
    """Read a stream line by line.

    Parameters
    ----------
    stream : BinaryIO
        Of lines that end with a line feed; the last one need not.
    longest : int
        Bytes; what is longer is passed over in pieces of that size.

    Yields
    ------
    tuple of (int, bytes or None)
        Number of the line, from 1, and what it holds without the blanks around it: None where it is too long. Blank
        lines are counted and passed over.
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
