"""How numbers are written where no format is told: three digits, no exponent, and never rounded onto a limit."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_EVEN, Decimal

MISSING = "n/a"
DIGITS, MOST_DIGITS = 3, 8
_SMALLEST = 1e-4


def written(value: float, *others: float, digits: int = DIGITS) -> str:
    """Write a number to three significant digits, a large or a whole one in full.

    More digits are shown where it would else read as one of the `others`, as a value beside its limit, or as the 0 or 1
    that it only comes near to. What is smaller than 0.0001 says so.
    """
    if not math.isfinite(value):
        return MISSING if math.isnan(value) else f"{value:+.0f}".replace("inf", "∞")
    if value and abs(value) < _SMALLEST and not any(0 < abs(other) < _SMALLEST for other in others):
        return "<0.0001" if value > 0 else ">-0.0001"
    apart = [other for other in (0.0, 1.0, -1.0, *others) if math.isfinite(other) and not math.isclose(other, value)]
    for places in range(digits, MOST_DIGITS + 1):
        text = _rounded(value, places)
        if Decimal(text.replace(",", "")) not in {Decimal(_rounded(other, places).replace(",", "")) for other in apart}:
            break
    return text


def _rounded(value: float, digits: int) -> str:
    """Round to significant digits, but never a whole digit away; no more decimals than the number has."""
    exact = Decimal(repr(float(value)))
    if not exact or exact == exact.to_integral_value():
        return f"{int(exact):,}"
    decimals = min(max(digits - 1 - exact.adjusted(), 0), -exact.as_tuple().exponent)
    return f"{exact.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN):,f}"
