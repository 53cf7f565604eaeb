"""From numbers to Arrow columns: keys of fixed width, words for codes, dates and timestamps without a time zone."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from demobank.seasons import Calendar

_THREE_DIGITS = ord("0") + np.stack(np.unravel_index(np.arange(1000), (10, 10, 10)), axis=1).astype(np.uint8)


def keys(prefix: str | np.ndarray, numbers: np.ndarray, width: int, missing: np.ndarray | None = None) -> pa.Array:
    """Write numbers as keys such as C0000123.

    Parameters
    ----------
    prefix
        One letter for all, or one a row, shape (n,), dtype S1.
    numbers
        Zero or more and of at most `width` digits, shape (n,).
    missing
        Rows without a key, shape (n,).
    """
    letters = np.empty((len(numbers), width + 1), dtype=np.uint8)
    letters[:, 0] = ord(prefix) if isinstance(prefix, str) else prefix.view(np.uint8)
    rest = np.maximum(numbers, 0).astype(np.int64)
    for end in range(width + 1, 1, -3):
        rest, three = np.divmod(rest, 1000)
        places = min(3, end - 1)
        letters[:, end - places : end] = _THREE_DIGITS[three, 3 - places :]
    offsets = np.arange(len(numbers) + 1, dtype=np.int32) * (width + 1)
    valid = None if missing is None else pa.py_buffer(np.packbits(~missing, bitorder="little"))
    return pa.Array.from_buffers(
        pa.string(), len(numbers), [valid, pa.py_buffer(offsets), pa.py_buffer(letters)], -1 if valid else 0
    )


def words(codes: np.ndarray, vocabulary: tuple[str, ...]) -> pa.Array:
    """Write codes as the words they stand for, shape (n,); codes below zero as missing."""
    index = pa.array(codes.astype(np.int32), mask=codes < 0)
    return pa.DictionaryArray.from_arrays(index, pa.array(vocabulary, pa.string()))


def dates(calendar: Calendar, day: np.ndarray, missing: np.ndarray | None = None) -> pa.Array:
    """Write days of the window as dates."""
    since_epoch = (day + calendar.start.astype(np.int64)).astype(np.int32)
    return pa.array(since_epoch, pa.int32(), mask=missing).cast(pa.date32())


def timestamps(calendar: Calendar, day: np.ndarray, second: np.ndarray) -> pa.Array:
    """Write days of the window and seconds of the day as local timestamps."""
    seconds = (day.astype(np.int64) + calendar.start.astype(np.int64)) * 86_400 + second
    return pa.array(seconds * 1_000_000, pa.int64()).cast(pa.timestamp("us"))


def yuan(cents: np.ndarray) -> pa.Array:
    """Write cents as yuan; the division rounds to the float nearest to the decimal number."""
    return pa.array(cents / 100, pa.float64())
