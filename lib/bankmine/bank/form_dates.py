"""Forms of dates and times: which formats a shape may have, in which order day, month and year stand, and the SQL.

A shape is a value in which every digit is a 9. Formats are those of `strptime`, which takes nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bankmine.bank.files import quoted
from bankmine.bank.form_numbers import plain, plain_sql

DMY, MDY, YMD = ORDERS = ("dmy", "mdy", "ymd")
"""What `dates=` may say: which of day, month and year comes first where nothing else tells."""
WALL, LOCAL = "wall", "local"
"""What becomes of a zone that is written: taken off, or the time brought to the source's zone."""
_MONTHS = {
    "Jan": "jan|ene|gen|янв", "Feb": "feb|fév|fev|фев", "Mar": "mar|mär|mrz|maa|мар", "Apr": "apr|avr|abr|апр",
    "May": "may|mai|mag|mei|maj|май|мая", "Jun": "jun|juin|giu|июн", "Jul": "jul|juil|lug|июл",
    "Aug": "aug|aoû|aou|ago|авг", "Sep": "sep|set|сен", "Oct": "oct|okt|ott|out|окт", "Nov": "nov|ноя",
    "Dec": "dec|dez|déc|dic|дек",
}  # fmt: skip
_ENGLISH = "|".join(_MONTHS)
_NAME = "(?:" + "|".join(sorted("|".join(_MONTHS.values()).split("|"), key=len, reverse=True)) + r")[^\W\d_]*\.?"
_TIME = re.compile(
    r"(?P<at>T| |, | - |)(?P<clock>\d{1,2}:\d\d(?::\d\d(?P<part>[.,]\d+)?)?)(?P<half> ?[ap]\.?m\.?)?"
    r"(?P<zone> ?(?:z|utc|gmt|[+-]\d\d(?::?\d\d)?))?",
    re.IGNORECASE,
)
_FAMILIES = [
    (re.compile(r"\d{4}([-/.])\d{1,2}\1\d{1,2}"), {YMD: "%Y{0}%m{0}%d"}),
    (re.compile(r"\d{1,2}([-/. ])\d{1,2}\1\d{4}"), {DMY: "%d{0}%m{0}%Y", MDY: "%m{0}%d{0}%Y"}),
    (
        re.compile(r"\d{1,2}([-/.])\d{1,2}\1\d{2}"),
        {DMY: "%d{0}%m{0}%y", MDY: "%m{0}%d{0}%y", YMD: "%y{0}%m{0}%d"},
    ),
    (re.compile(r"\d{4}年 ?\d{1,2}月 ?\d{1,2}[日号號]"), {"": "%Y年%m月%d日"}),
    (re.compile(r"\d{4}年 ?\d{1,2}月"), {"month": "%Y年%m月"}),
    (re.compile(r"\d{4}([-/])\d{2}"), {"month": "%Y{0}%m"}),
    (re.compile(r"\d{2}([-/])\d{4}"), {"month": "%m{0}%Y"}),
    (re.compile(rf"\d{{1,2}}(?:st|nd|rd|th|\.)?([-/ ]?){_NAME}(?:\1|,? )\d{{4}}", re.I), {"": "%d{0}%b{0}%Y"}),
    (re.compile(rf"\d{{1,2}}([-/ ]?){_NAME}\1\d{{2}}", re.I), {"": "%d{0}%b{0}%y"}),
    (re.compile(rf"{_NAME}([-/ ]?)\d{{1,2}}(?:st|nd|rd|th)?,?(?:\1| )\d{{4}}", re.I), {"": "%b{0}%d{0}%Y"}),
    (re.compile(rf"\d{{4}}([-/ ]?){_NAME}\1\d{{1,2}}", re.I), {"": "%Y{0}%b{0}%d"}),
    (re.compile(rf"{_NAME}([-/ ]?)\d{{4}}", re.I), {"month": "%b{0}%Y"}),
    (re.compile(rf"{_NAME}([-/ ]?)\d{{2}}", re.I), {"month": "%b{0}%y"}),
]  # fmt: skip
_LIKE_A_DATE = re.compile(r"(?:\d{4}([-/.])\d{1,2}\1\d{1,2}|\d{1,2}([-/.])\d{1,2}\2(?:\d{2}|\d{4}))(?:[T ].*)?")
_WEEKDAY = r"(?i)^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,? "
COMPACT = {
    "YYYYMMDD": "%Y%m%d", "YYYYMM": "%Y%m", "YYMMDD": "%y%m%d", "YYYYMMDDhhmmss": "%Y%m%d%H%M%S",
    "YYYYMMDDhhmm": "%Y%m%d%H%M",
}  # fmt: skip
"""Dates that are written as numbers."""
EXCEL = "TIMESTAMP '1899-12-30' + to_seconds(round({} * 86400))"
EXCEL_DAYS = (20_000, 70_000)
"""Serial days of Excel from 1954 to 2091."""
_CALLED_A_DATE = re.compile(
    r"date|datum|fecha|tarih|日期|时间|(^|_)(day|dob|dt|since|until|at|on|opened|closed|joined|born|expiry|start|end)"
    r"($|_)",
    re.I,
)


@dataclass(frozen=True)
class Written:
    """One format, and what has to be taken off or put in its way before it."""

    format: str
    month: bool
    """Whether it names a month, which stands for its last day."""


def formats(shape: str) -> dict[str, Written]:
    """List the formats that values of a shape may have, by order of day, month and year; none where they are no dates.

    The order is empty where a shape has but one.
    """
    shape = re.sub(_WEEKDAY, "", plain(shape)).replace(" de ", " ")
    for pattern, by_order in _FAMILIES:
        if not (found := pattern.match(shape)):
            continue
        rest, time = shape[found.end() :], ""
        if rest:
            clock = _TIME.fullmatch(rest)
            if not clock or "month" in by_order or (not clock["at"] and "年" not in shape):
                continue
            time = (clock["at"] or " ") + _clock(clock)
        sign = found[1] if found.groups() and found[1] else ""
        return {order: Written(f.format(sign) + time, order == "month") for order, f in by_order.items()}
    return {}


def _clock(found: re.Match) -> str:
    hours = "%I" if found["half"] else "%H"
    parts = [hours, "%M", "%S"][: found["clock"].count(":") + 1]
    return ":".join(parts) + (".%f" if found["part"] else "") + (" %p" if found["half"] else "") + (
        "%z" if found["zone"] else ""
    )  # fmt: skip


def looks_like_a_date(shape: str) -> bool:
    """Tell whether values of a shape look like dates, be they some or not: 31/12/2024, 99-99-99."""
    return bool(formats(shape)) or _LIKE_A_DATE.fullmatch(plain(shape)) is not None


def zoned(shape: str) -> bool:
    """Tell whether a zone is written."""
    return any("%z" in w.format for w in formats(shape).values())


def called_a_date(name: str) -> bool:
    """Tell whether a column's name says that it holds dates."""
    return _CALLED_A_DATE.search(name) is not None


def compact_sql(text: str, form: str) -> str:
    """Write SQL of a date that is written as a number; a month stands for its end."""
    at = f"try_strptime({text}, {quoted(form)})"
    at = f"CASE WHEN year({at}) BETWEEN 1900 AND 2199 THEN {at} END"
    return at if "%d" in form else f"last_day({at})::TIMESTAMP"


def time_of_day(shape: str) -> bool:
    """Tell whether values of a shape are times without a day."""
    found = _TIME.fullmatch(plain(shape))
    return bool(found and not found["at"] and not found["zone"])


def time_of_day_sql(text: str, shapes: list[str]) -> str:
    """Write SQL of the hours since midnight."""
    seen = "".join(shapes)
    wanted = sorted({_clock(_TIME.fullmatch(plain(s))) for s in shapes})
    tidy = _tidied(plain_sql(text, seen), plain(seen), WALL)
    at = "coalesce(" + ", ".join(f"try_strptime({tidy}, {quoted(f)})" for f in wanted) + ")"
    return f"epoch({at}::TIME) / 3600"


def dates_sql(text: str, shapes: list[str], order: str, zone: str, pivot: int | None = None) -> str:
    """Write SQL of the timestamp in `text`, of which these shapes were seen; NULL where it is none.

    `pivot` is the last year of this century that two digits can mean, where it is not 2068.
    """
    seen = plain("".join(shapes))
    found = {w for s in shapes for o, w in formats(s).items() if o in (order, "", "month") or len(formats(s)) == 1}
    tidy = _tidied(plain_sql(text, "".join(shapes)), seen, zone)
    parts = [_moment(tidy, w, zone, pivot) for w in sorted(found, key=lambda w: w.format)]
    return parts[0] if len(parts) == 1 else f"coalesce({', '.join(parts)})" if parts else "NULL::TIMESTAMP"


def _moment(text: str, written: Written, zone: str, pivot: int | None) -> str:
    at = f"try_strptime({text}, {quoted(written.format if zone == LOCAL else written.format.replace('%z', ''))})"
    if "%z" in written.format and zone == LOCAL:
        at = f"{at}::TIMESTAMP"
    if "%y" in written.format and pivot is not None:
        at = f"CASE WHEN year({at}) > {pivot} THEN {at} - INTERVAL 100 YEAR ELSE {at} END"
    if "%Y" in written.format:  # which takes 24 for the year 24
        at = f"CASE WHEN year({at}) > 999 THEN {at} END"
    return f"last_day({at})::TIMESTAMP" if written.month else at


def _tidied(text: str, seen: str, zone: str) -> str:
    """Write SQL that brings a text to what `strptime` takes, as far as what was seen needs it."""
    if re.search(_WEEKDAY, seen):
        text = f"regexp_replace({text}, {quoted(_WEEKDAY)}, '')"
    if re.search("年|月", seen):
        text = (
            f"replace(replace(replace({text}, ' ', ''), '号', '日'), '號', '日')"
            if re.search("[ 号號]", seen)
            else text
        )
        text = f"regexp_replace({text}, '日(\\d)', '日 \\1')" if "日9" in seen.replace(" ", "") else text
    if re.search(_NAME, seen, re.I):
        text = _in_english(text, seen)
    if re.search(r"[ap]\.?m", seen, re.I):
        text = f"regexp_replace({text}, '(?i) ?([ap])\\.?m\\.?', ' \\1M')"
    if re.search(r":99[.,]9", seen):
        text = f"regexp_replace({text}, '(:\\d\\d)[.,](\\d{{1,6}})\\d*', '\\1.\\2')"
    if re.search(r":99.*(?:z|utc|gmt|[+-])", seen, re.I):
        text = (
            f"regexp_replace(regexp_replace({text}, '(?i) ?(?:z|utc|gmt)$', '+00:00'), ' ([+-]\\d\\d:?\\d*)$', '\\1')"
        )
        text = f"regexp_replace({text}, '(:.*)[+-]\\d\\d(?::?\\d\\d)?$', '\\1')" if zone == WALL else text
    return text


def _in_english(text: str, seen: str) -> str:
    """Write SQL that names months by three letters, and takes off what stands beside them."""
    text = f"replace({text}, ' de ', ' ')" if " de " in seen else text
    text = f"regexp_replace({text}, '(\\d)(?:st|nd|rd|th|\\.)(\\W)', '\\1\\2')"
    for month, names in _MONTHS.items():
        if re.search(rf"(?:{names})", seen, re.I):
            text = f"regexp_replace({text}, '(?i)(?:{names})\\pL*\\.?', '{month}')"
    return f"replace({text}, ',', '')" if "," in seen else text
