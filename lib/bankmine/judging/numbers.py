"""How numbers are written: three digits where no format is told, no exponent, never rounded onto what they are not."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal

MISSING = "n/a"
LINKS = "links"
"""Format of a column whose text holds links to sections: `[words](#~words-of-a-heading~others)`, the first there is."""
POINTS = "pp"
"""Ending of the format of a difference of shares, as `+.1pp`: in percentage points."""
DIGITS, MOST_DIGITS = 3, 8
_SMALLEST = 1e-4
_FINER = 2
"""Decimals that an interval may show beyond its format."""


class Hidden(float):
    """A number that is not told: not known to all that compute with it, its words to all that write it."""

    words: str

    def __new__(cls, words: str) -> Hidden:
        found = super().__new__(cls, "nan")
        found.words = words
        return found

    def __format__(self, spec: str) -> str:
        return self.words

    def __getnewargs__(self) -> tuple[str]:
        return (self.words,)


def missing(value: object) -> str:
    """Write what is not known, or not told."""
    return value.words if isinstance(value, Hidden) else MISSING


def written(value: float, *others: float, digits: int = DIGITS) -> str:
    """Write a number to three significant digits, a large or a whole one in full.

    More digits are shown where it would else read as one of the `others`, as a value beside its limit, or as the 0 or 1
    that it only comes near to. What is smaller than 0.0001 says so.
    """
    if not math.isfinite(value):
        return missing(value) if math.isnan(value) else f"{value:+.0f}".replace("inf", "∞")
    if value and abs(value) < _SMALLEST and not any(0 < abs(other) < _SMALLEST for other in others):
        return "<0.0001" if value > 0 else ">-0.0001"
    apart = [other for other in (0.0, 1.0, -1.0, *others) if math.isfinite(other) and not math.isclose(other, value)]
    for places in range(digits, MOST_DIGITS + 1):
        text = _rounded(value, places)
        if Decimal(text.replace(",", "")) not in {Decimal(_rounded(other, places).replace(",", "")) for other in apart}:
            break
    return text


def formatted(value: float, spec: str) -> str:
    """Write a number by a format; one that would read as 0 or as 100 % and is not says on which side of it it lies."""
    if isinstance(value, Hidden):
        return value.words
    if spec.endswith(POINTS):
        return f"{formatted(100.0 * value, spec.removesuffix(POINTS) + 'f')} pp"
    text = format(value, spec)
    if not isinstance(value, float) or not value or spec[-1:] not in ("f", "%"):
        return text
    if not text.strip(" +-,.%0"):
        return f"{'<' if value > 0 else '>-'}{re.sub('0(?=%?$)', '1', text.strip(' +-'))}"
    if spec[-1] == "%" and value < 1 and Decimal(text.strip(" +%")) == 100:
        return f">{format(1 - 10.0 ** (-len(text.partition('.')[2].strip('%')) - 2), spec).strip()}"
    return text


def with_bounds(value: float, low: float, high: float, spec: str, between: str) -> str:
    """Write an estimate with its interval, as "0.71 (0.66–0.75)", by a format made finer until its parts differ.

    Without an interval where none is known, and where the estimate is certain, as of a group against itself.
    """
    if not math.isfinite(value):
        return missing(value)
    if math.isnan(low) or math.isnan(high) or low == high == value:
        return formatted(value, spec)
    finer = apart([value, low, high], spec)
    told = [formatted(float(part), finer) for part in (value, low, high)]
    return f"{told[0]} ({told[1]}{between}{told[2]})"


def apart(values: Sequence[float], spec: str) -> str:
    """Return a format of decimals, made finer by two at most until values that differ read differently."""
    known = sorted(float(value) for value in values if math.isfinite(value))
    different = [b for a, b in zip([math.nan, *known], known, strict=False) if not math.isclose(a, b)]
    for more in range(_FINER + 1):
        finer = re.sub(r"\.(\d+)", lambda found, more=more: f".{int(found[1]) + more}", spec)
        told = {formatted(value, finer) for value in different}
        if len(told) == len(different) and not any(text[0] in "<>" for text in told):
            break
    return finer


def _rounded(value: float, digits: int) -> str:
    """Round to significant digits, but never a whole digit away; no more decimals than the number has."""
    exact = Decimal(repr(float(value)))
    if not exact or exact == exact.to_integral_value():
        return f"{int(exact):,}"
    decimals = min(max(digits - 1 - exact.adjusted(), 0), -exact.as_tuple().exponent)
    return f"{exact.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN):,f}"
