"""Forms of numbers: decimal and thousands signs, currencies, negative amounts, percent and Chinese units, as patterns.

A pattern holds for values and for their shapes alike, in which every digit is a 9, so that a column is judged by its
few shapes; the SQL of DuckDB that reads it takes off no more than what was seen there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bankmine.bank.files import quoted

_WIDE = "０１２３４５６７８９，．－＋（）％￥＄／：−–\u00a0\u202f\u2009\u2007\u3000’‘＇"
_PLAIN = "0123456789,.-+()%¥$/:--     '''"
_TO_PLAIN = str.maketrans(_WIDE, _PLAIN)
_CURRENCIES = {
    "USD": "US$ USD $", "EUR": "EUR €", "GBP": "GBP £", "CNY": "CNY RMB CN¥ ¥ 元 圆", "JPY": "JPY 円", "HKD": "HKD HK$",
    "TWD": "TWD NT$", "CHF": "CHF Fr.", "INR": "INR ₹ Rs. Rs", "KRW": "KRW ₩ 원", "RUB": "RUB ₽ руб.", "BRL": "BRL R$",
    "CZK": "CZK Kč", "PLN": "PLN zł", "TRY": "TRY ₺", "SEK": "SEK", "NOK": "NOK", "DKK": "DKK kr.", "HUF": "HUF Ft",
    "CAD": "CAD C$", "AUD": "AUD A$", "NZD": "NZD", "SGD": "SGD S$", "MXN": "MXN", "ZAR": "ZAR", "THB": "THB ฿",
    "IDR": "IDR Rp", "MYR": "MYR RM", "PHP": "PHP ₱", "VND": "VND ₫", "ILS": "ILS ₪", "SAR": "SAR", "AED": "AED",
    "RON": "RON lei", "UAH": "UAH ₴", "NGN": "NGN ₦", "KES": "KES KSh",
}  # fmt: skip
CURRENCY_OF = {sign: code for code, signs in _CURRENCIES.items() for sign in signs.split()}
"""Sign or code of a currency -> its code."""
_CURRENCY = "|".join(map(re.escape, sorted(CURRENCY_OF, key=len, reverse=True)))
_SEEN_CURRENCY = re.compile(_CURRENCY)
_UNIT = "[万萬亿億]"
_SIGNS = {".": r"\.", ",": ",", " ": " ", "'": "'", "": ""}
_WAYS = [(".", ","), (",", "."), (".", " "), (",", " "), (".", "'"), (",", "'")]
"""Decimal sign, sign of thousands."""
PERCENT_MIXED = "some of its numbers have a % and some have none"


def plain(text: str) -> str:
    """Write full-width signs, dashes, blanks and apostrophes as the usual ones."""
    return text.translate(_TO_PLAIN)


def plain_sql(text: str, seen: str) -> str:
    """Write SQL for the same, where it changes anything of what was seen."""
    return text if plain(seen) == seen else f"translate({text}, {quoted(_WIDE)}, {quoted(_PLAIN)})"


def _pattern(decimal: str, group: str) -> str:
    d, g = _SIGNS[decimal], _SIGNS[group]
    # Indian lakhs have groups of two before the last; a group of thousands never begins with a zero
    grouped = rf"[1-9]\d{{0,2}}(?:{g}\d{{3}})+(?:{d}\d+)?|[1-9]\d?(?:{g}\d\d)+{g}\d{{3}}(?:{d}\d+)?"
    body = rf"(?:{grouped}|\d+(?:{d}\d*)?(?:[eE][+-]?\d{{1,3}})?|{d}\d+(?:[eE][+-]?\d{{1,3}})?)"
    coin = f"(?:{_CURRENCY})"
    behind = rf"(?: ?%| ?{_UNIT}[元圆]?)?(?: ?{coin})?"
    signed = rf"[+-]? ?(?:{coin} ?)?[+-]? ?{body}{behind} ?-?"
    return rf"(?:{signed}|-?(?:{coin} ?)?\((?:{coin} ?)?{body}{behind}\)(?: ?{coin})?)"


@dataclass(frozen=True)
class Way:
    """One way of writing numbers."""

    decimal: str
    group: str

    @property
    def pattern(self) -> str:
        """Regular expression of Python and of RE2."""
        return _PATTERNS[self.decimal, self.group]

    def fits(self, shape: str) -> bool:
        """Tell whether values of a shape are numbers, written this way."""
        return _COMPILED[self.decimal, self.group].fullmatch(plain(shape)) is not None

    def grouped(self, shape: str) -> bool:
        """Tell whether the sign of thousands is in a shape."""
        return bool(re.search(rf"9{_SIGNS[self.group]}9", plain(shape)))

    def sql(self, text: str, shapes: list[str], guarded: bool, percent: float = 1.0) -> str:
        """Write SQL of the number in `text`, of which these shapes were seen; NULL where it is none.

        `guarded` says that there are values of other shapes.
        """
        seen = "".join(shapes)
        text, seen = plain_sql(text, seen), plain(seen)
        strips = sorted({re.escape(c) for c in _SEEN_CURRENCY.findall(seen)}, key=len, reverse=True)
        strips += [c for c in " %万萬亿億元圆" if c in seen]
        strips += [re.escape(self.group)] if self.group in ",.'" and self.group in seen else []
        number = text
        if len(strips) == 1 and strips[0] in (",", r"\.", "'", " ", "%"):
            number = f"replace({text}, {quoted(strips[0][-1])}, '')"
        elif strips:
            number = f"regexp_replace({text}, {quoted('|'.join(strips))}, '', 'g')"
        if "(" in seen:
            number = f"replace(replace({number}, '(', '-'), ')', '')"
        if any(plain(s).rstrip().endswith("-") for s in shapes):
            number = f"regexp_replace({number}, '^(.*)-$', '-\\1')"
        if self.decimal == "," and "," in seen:
            number = f"replace({number}, ',', '.')"
        number = f"try_cast({number} AS DOUBLE)"
        number = f"CASE WHEN isfinite({number}) THEN {number} END"
        if guarded:
            number = f"CASE WHEN regexp_full_match({text}, {quoted(self.pattern)}) THEN {number} END"
        if re.search(_UNIT, seen):
            times = (
                f"CASE WHEN regexp_matches({text}, '[亿億]') THEN 1e8 WHEN regexp_matches({text}, '[万萬]') THEN 1e4"
            )
            number = f"({number}) * ({times} ELSE 1 END)"
        return f"({number}) * {percent}" if "%" in seen and percent != 1 else number

    def words(self, shapes: list[str]) -> str:
        """Say what is special about how these are written."""
        seen = plain("".join(shapes))
        grouped = any(self.grouped(s) for s in shapes)
        told = ["decimal comma"] if self.decimal == "," and "," in seen else []
        told += [f"thousands {self.group!r}"] if grouped else []
        told += ["negative in brackets"] if "(" in seen else []
        told += ["minus behind"] if any(plain(s).endswith("-") for s in shapes) else []
        told += ["percent"] if "%" in seen else []
        told += ["万, 亿"] if re.search(_UNIT, seen) else []
        return ", ".join([*told, *currencies(shapes)])


def currencies(shapes: list[str]) -> list[str]:
    """Codes of the currencies that stand beside numbers of these shapes."""
    return sorted({CURRENCY_OF[sign] for shape in shapes for sign in _SEEN_CURRENCY.findall(plain(shape))})


_PATTERNS = {way: _pattern(*way) for way in _WAYS}
_COMPILED = {way: re.compile(pattern) for way, pattern in _PATTERNS.items()}
WAYS = [Way(*way) for way in _WAYS]
"""All of them, the plainest first."""
