"""Patterns of what looks personal: one table of them, for columns (`looks`, `redacted_sql`) and for text (`found_in`).

The patterns are of the dialect that DuckDB and Python read alike, and checksums are written in both; a test holds that
they agree. What is found is counted and never shown. Digits, letters and signs of full width count as the plain ones.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc

PHONE, IDENTITY, CARD, EMAIL, ADDRESS, NAME = "phone", "identity card", "bank card", "e-mail", "address", "name"
WORDS = {
    PHONE: "phone numbers", IDENTITY: "identity card numbers", CARD: "bank card numbers", EMAIL: "e-mail addresses",
    ADDRESS: "postal addresses", NAME: "names of people",
}  # fmt: skip
"""How each kind is spoken of."""

_WIDE = dict(zip((*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B)),
                 "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", strict=True))  # fmt: skip
_WIDE |= {ord(wide): plain for wide, plain in zip("＠．＋－‐‑–\u3000\xa0", "@.+----  ", strict=True)}
_BLANKED = "***"

_APART = r"(^|[^0-9A-Za-z_.])"
"""What may stand before a number: not the rest of a longer one, of a word or of a decimal."""
_GROUPS_APART = r"(^ *|[^0-9A-Za-z_. -]|[^0-9 ] +)"
"""The same before a number in groups, which in a row of numbers would be found anywhere."""
_AFTER = "(?:^|[^0-9A-Za-z_.])"
"""What stands right before either."""
_END = r"(?:\.[0-9]+)?)\b"
"""A decimal is taken with its fraction, with which it passes no check."""
_HAN = "[一-鿿]"
_ISSUED = (
    r"62[0-9]{14,17}|4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})|3[47][0-9]{13}|35(?:2[89]|[3-8][0-9])[0-9]{12}"
    r"|(?:5[1-5][0-9]{2}|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}"
)
"""Numbers of the length of their issuer: UnionPay, Visa, American Express, JCB, Mastercard."""
_PROVINCES = "1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]|91"
_BORN = r"(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
_WEIGHTS, _SIGNS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2), "10X98765432"
"""Of the check digit by GB 11643, which is ISO 7064 MOD 11-2."""
_DOUBLED = str.maketrans("0123456789", "0246813579")
_MOBILE = r"(?:(?:\+|00)?86[ -]?)?1[3-9][0-9]"
_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪"
    "范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
)
_NAMED = rf"(?:欧阳|上官|司马|诸葛|司徒|东方|皇甫|尉迟|公孙|慕容|[{_SURNAMES}]){_HAN}{{1,2}}"
_WHOSE = "(customer|client|cust|user|person|holder|contact|full|first|last|given|family|sur|客户|持卡人|联系人|法人)?"


def _luhn(digits: str) -> bool:
    doubled = "".join(d.translate(_DOUBLED) if i % 2 else d for i, d in enumerate(reversed(digits)))
    return sum(map(int, doubled)) % 10 == 0


def _identity(number: str) -> bool:
    if not re.fullmatch(r"[0-9]{17}[0-9Xx]", number):
        return False
    try:
        datetime.datetime.strptime(number[6:14], "%Y%m%d")
    except ValueError:
        return False
    return _SIGNS[sum(w * int(d) for w, d in zip(_WEIGHTS, number, strict=False)) % 11] == number[17].upper()


def _card(number: str) -> bool:
    return bool(re.fullmatch(_ISSUED, number)) and _luhn(number)


def _whole(number: str) -> bool:
    return "." not in number


def _digit(of: str, place: int) -> str:
    return f"({of} // {10**place}) % 10"


_LUHN_SUM = " + ".join(
    f"2 * ({_digit('n', place)}) + {_digit('n', place)} // 5" if place % 2 else _digit("n", place)
    for place in range(19)
)
_SIGN_SUM = " + ".join(f"({_digit('s.n', 16 - i)}) * {w}" for i, w in enumerate(_WEIGHTS))


def _cards_sql(found: str) -> str:
    issued = f"list_filter({found}, lambda d: regexp_full_match(d, '{_ISSUED}'))"
    numbers = f"list_transform({issued}, lambda d: TRY_CAST(d AS BIGINT))"
    return f"list_filter({numbers}, lambda n: ({_LUHN_SUM}) % 10 = 0)"


def _identities_sql(found: str) -> str:
    shaped = f"list_filter({found}, lambda d: regexp_full_match(d, '[0-9]{{17}}[0-9Xx]'))"
    numbers = f"list_transform({shaped}, lambda d: {{'d': d, 'n': TRY_CAST(left(d, 17) AS BIGINT)}})"
    signed = f"list_filter({numbers}, lambda s: substr('{_SIGNS}', ({_SIGN_SUM}) % 11 + 1, 1) = upper(right(s.d, 1)))"
    return f"list_filter({signed}, lambda s: try_strptime(substr(s.d, 7, 8), '%Y%m%d') IS NOT NULL)"


def _whole_sql(found: str) -> str:
    return f"list_filter({found}, lambda d: NOT contains(d, '.'))"


@dataclass(frozen=True)
class _Kind:
    """What is found by its pattern: each has what stands before it as group 1, and itself as group 2."""

    id: str
    patterns: tuple[str, ...]
    quick: str
    """Simpler, and passed by all that the patterns find."""
    holds: Callable[[str], bool] | None = None
    """What it must pass beside, once blanks and hyphens are taken out."""
    holding_sql: Callable[[str], str] | None = None
    """The same in SQL: of a list of what was found, those that pass."""
    most: float = 0.0
    """Share of the column's bare numbers that must be found, as so many of any numbers pass by chance."""


_KINDS = (
    _Kind(
        IDENTITY,
        (
            rf"{_APART}((?:{_PROVINCES})[0-9]{{4}}{_BORN}[0-9]{{3}}[0-9Xx]{_END}",
            rf"{_GROUPS_APART}((?:{_PROVINCES})[0-9]{{4}}[ -]{_BORN}[ -]?[0-9]{{3}}[0-9Xx]{_END}",
        ),
        rf"{_AFTER}[1-9][0-9]{{5}}[ -]?(?:18|19|20)[0-9]{{6}}", _identity, _identities_sql, 0.01,
    ),
    _Kind(
        CARD,
        (
            rf"{_APART}([2-6][0-9]{{12,18}}{_END}",
            rf"{_GROUPS_APART}([2-6][0-9]{{3}}(?:[ -][0-9]{{4}}){{3}}(?:[ -]?[0-9]{{1,3}})?{_END}",
            rf"{_GROUPS_APART}(3[47][0-9]{{2}}[ -][0-9]{{6}}[ -][0-9]{{5}}{_END}",
            rf"{_GROUPS_APART}(62[0-9]{{4}}[ -][0-9]{{10,13}}{_END}",
        ),
        rf"{_AFTER}[2-6][0-9]{{3}}[ -]?[0-9]{{2}}[0-9 -]{{7}}", _card, _cards_sql, 0.5,
    ),
    _Kind(
        PHONE,
        (
            rf"{_APART}({_MOBILE}[0-9]{{8}}{_END}",
            rf"{_GROUPS_APART}({_MOBILE}(?:[ -][0-9]{{4}}){{2}}{_END}",
            r"(^|[^0-9A-Za-z_.-])((?:0(?:10|2[0-9])-[2-9][0-9]{7}|0[3-9][0-9]{2}-[2-9][0-9]{6,7}))\b",
        ),
        rf"{_AFTER}(?:00)?(?:86[ -]?)?(?:1[3-9][0-9][ -]?[0-9]{{4}}|0[0-9]{{2,3}}-[2-9])", _whole, _whole_sql, 0.5,
    ),
    _Kind(
        EMAIL,
        (r"(^|[^0-9A-Za-z._%+-])([0-9A-Za-z._%+-]{1,64}@(?:[0-9A-Za-z-]{1,63}\.){1,8}[A-Za-z]{2,24})\b",),
        "@",
    ),
    _Kind(
        ADDRESS,
        (
            rf"(^|[^0-9A-Za-z.,-])({_HAN}{{2,8}}(?:省|市|自治区){_HAN}{{1,8}}(?:区|县|市|镇|乡){_HAN}{{1,8}}"
            rf"(?:路|街|道|巷|村|小区)(?: ?[0-9]{{1,5}}号)?|{_HAN}{{2}}(?:路|街|大道|巷|弄|胡同) ?"
            rf"[0-9一二三四五六七八九十百]{{1,5}}(?:号|弄|栋|幢)|[0-9]{{1,5}}[A-Za-z]? (?:[A-Z][a-z]{{1,15}} ){{1,3}}"
            rf"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Boulevard|Blvd)\b)",
        ),
        r"[路街道巷弄村同区]|[0-9][A-Za-z]? [A-Z][a-z]+ ",
    ),
)  # fmt: skip
_NUMBERS = _KINDS[:3]
_WORTH_A_LOOK = "|".join(kind.quick for kind in _KINDS)
"""What has none of this has nothing of any kind."""
_HEADINGS = {
    NAME: (rf"{_WHOSE}(name|姓名|名字)|姓名?|(客户|持卡人|联系人|法人)名称", r"[A-Za-z一-鿿]"),
    ADDRESS: (rf"{_WHOSE}(home|street|postal|mailing)?(address|地址)|.*(住址|家庭地址|联系地址)", r"[A-Za-z一-鿿]"),
    PHONE: (
        rf"{_WHOSE}(mobile|cell|tele)?phone(no|number)?|{_WHOSE}(mobile|tel)(no|number)?|.*(手机|电话)号?码?",
        r"^[0-9() +/.-]{7,24}$",
    ),
    IDENTITY: (r".*身份证号?码?|证件号码?|idcard(no|number)?|nationalid|passport(no|number)?|ssn", r"[0-9]{4}"),
    CARD: (r"(银行)?卡号|(bank|credit|debit)?card(no|number)", r"^[0-9 -]{13,23}$"),
}
"""Kind -> how a column that holds it is called, and what its values then have."""
_BARE = r"[0-9() +-]{7,}[Xx]?"
_PEOPLE, _FEWEST = 0.6, 10
"""A column holds names, where so many of its values are made like them, and at least so many different ones."""
_LONG_NUMBER, _SHORT_NUMBER = 1e10, 1e6


def plain(text: str) -> str:
    """Write digits, letters and signs of full width as the plain ones."""
    return text if text.isascii() else text.translate(_WIDE)


def found_in(text: str) -> dict[str, int]:
    """Count what looks personal in a text, by kind; names of people are told by whole columns only."""
    text = plain(text)
    counts = {k.id: len(_hits(k, text)) for k in _KINDS if re.search(k.quick, text)}
    return {kind: n for kind, n in counts.items() if n}


def redacted(text: str) -> str:
    """Blank what looks personal in a text, checksum or not: a number that was mistyped tells of somebody as well."""
    text = plain(text)
    for kind in _KINDS:
        for pattern in kind.patterns if re.search(kind.quick, text) else ():
            text = re.sub(pattern, rf"\1{_BLANKED}", text, flags=re.ASCII)
    return text


def redacted_sql(column_sql: str) -> str:
    """Return DuckDB's SQL for the same of a text, itself given as SQL."""
    sql = _plain_sql(column_sql)
    for pattern in (p for kind in _KINDS for p in kind.patterns):
        sql = f"regexp_replace({sql}, {_literal(pattern)}, '\\1{_BLANKED}', 'g')"
    return sql


def named(column: str) -> str | None:
    """Return the kind of personal data that a column is called after."""
    name = re.sub(r"[\s_\-.]+", "", plain(column)).lower()
    return next((kind for kind, (called, _) in _HEADINGS.items() if re.fullmatch(called, name)), None)


def suspects(table: pa.Table) -> list[str]:
    """Name the columns of a table in memory in which `looks` could find anything, without an engine."""
    return [name for name in table.column_names if _suspect(name, table[name])]


def _suspect(name: str, values: pa.ChunkedArray) -> bool:
    kind = values.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _suspect(name, pc.list_flatten(values))
    if pa.types.is_dictionary(kind):
        return _suspect(name, values.cast(kind.value_type))
    if pa.types.is_nested(kind) or named(name):
        return values.null_count < len(values)
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_floating(kind):
        most = pc.max(values).as_py()
        return most is not None and most >= _LONG_NUMBER
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return False
    if pc.any(pc.match_substring_regex(values, f"{_WORTH_A_LOOK}|[{''.join(map(chr, _WIDE))}]")).as_py():
        return True
    people = values.filter(pc.match_substring_regex(values, f"^{_NAMED}$"))
    return pc.count_distinct(people).as_py() >= _FEWEST


def looks(rows: ir.Table, columns: Iterable[str]) -> dict[str, dict[str, int]]:
    """Count in DuckDB the values of columns that look personal: column -> kind -> count, where there are any.

    Bare numbers count where so many of them are found that it is not by chance; those within other text always do.
    """
    texts = {
        c: text for c in columns if (text := _as_text(rows[c], _SHORT_NUMBER if named(c) else _LONG_NUMBER)) is not None
    }
    found = {column: _looks(rows, column, texts[column]) for column in _worth_a_look(rows, texts)}
    return {column: counts for column, counts in found.items() if counts}


def _worth_a_look(rows: ir.Table, texts: dict[str, ir.StringValue]) -> list[str]:
    """Name the columns in which anything could be found: one quick query for all, as most have nothing."""
    if not texts:
        return []
    con = rows.get_backend()
    told = con.compile(rows.select(**{f"v{i}": text for i, text in enumerate(texts.values())}))
    quick = [_plain_sql(f"v{i}") for i in range(len(texts))]
    any_ = ", ".join(f"bool_or(regexp_matches({v}, {_literal(_WORTH_A_LOOK)}) OR {_like_names(v)})" for v in quick)
    there = con.raw_sql(f"SELECT {any_} FROM ({told})").fetchone()
    return [column for column, yes in zip(texts, there, strict=True) if yes or (named(column) and yes is not None)]


def _looks(rows: ir.Table, column: str, text: ir.StringValue) -> dict[str, int]:
    heading = named(column)
    con = rows.get_backend()
    told = f"SELECT {_plain_sql('v')} AS v FROM ({con.compile(rows.select(v=text))}) WHERE length(v) > 1"
    told = f"SELECT v, regexp_matches(v, {_literal(_WORTH_A_LOOK)}) AS long FROM ({told})"
    kinds = _NUMBERS if rows[column].type().is_numeric() else _KINDS
    bare = f"regexp_full_match(v, {_literal(_BARE)})"
    like_names = _like_names("v")
    shape = f"regexp_matches(v, {_literal(_HEADINGS[heading][1])})" if heading else "false"
    counts = [f"count(*) FILTER ({bare} AND h{i}), count(*) FILTER (h{i})" for i in range(len(kinds))]
    hits = ", ".join(f"{_hit_sql(k)} AS h{i}" for i, k in enumerate(kinds))
    n, named_, different, bares, shaped, *of_kinds = con.raw_sql(
        f"SELECT count(*), count(*) FILTER ({like_names}), approx_count_distinct(v) FILTER ({like_names}), "
        f"count(*) FILTER ({bare}), count(*) FILTER ({shape}), {', '.join(counts)} "
        f"FROM (SELECT v, {hits} FROM ({told}))"
    ).fetchone()
    found = {}
    for kind, of_bare, all_ in zip(kinds, of_kinds[::2], of_kinds[1::2], strict=True):
        found[kind.id] = all_ if of_bare >= kind.most * bares else all_ - of_bare
    if named_ >= _PEOPLE * n and different >= _FEWEST:
        found[NAME] = named_
    if heading:
        found[heading] = max(found.get(heading, 0), shaped)
    return {kind: count for kind, count in found.items() if count}


def _as_text(values: ir.Value, least: float) -> ir.StringValue | None:
    """Return the text of a column; of numbers that of long whole ones; None of what is no text, as a date."""
    kind = values.type()
    if kind.is_string() or kind.is_nested():
        return values.cast("string")
    if not kind.is_numeric() or kind.is_boolean():
        return None
    whole = values.cast("float64")
    return ((whole >= least) & (whole < 1e19) & (whole == whole.floor())).ifelse(
        values.cast("decimal(20, 0)").cast("string"), ibis.null("string")
    )


def _like_names(sql: str) -> str:
    return f"CASE WHEN length({sql}) < 5 THEN regexp_full_match({sql}, {_literal(_NAMED)}) ELSE false END"


def _hits(kind: _Kind, text: str) -> list[str]:
    found = [match[2] for p in kind.patterns for match in re.finditer(p, text, re.ASCII)]
    return [f for f in found if kind.holds is None or kind.holds(_joined(f))]


def _joined(number: str) -> str:
    return number.replace(" ", "").replace("-", "")


def _hit_sql(kind: _Kind) -> str:
    """Tell in SQL whether `v` has what is found in a text."""
    if kind.holding_sql is None:
        deep = " OR ".join(f"regexp_matches(v, {_literal(p)})" for p in kind.patterns)
    else:
        found = " || ".join(f"regexp_extract_all(v, {_literal(p)}, 2)" for p in kind.patterns)
        joined = f"list_transform({found}, lambda x: replace(replace(x, ' ', ''), '-', ''))"
        deep = f"len({kind.holding_sql(joined)}) > 0"
    return f"CASE WHEN long AND regexp_matches(v, {_literal(kind.quick)}) THEN {deep} ELSE false END"


def _plain_sql(sql: str) -> str:
    wide, narrow = "".join(map(chr, _WIDE)), "".join(_WIDE.values())
    return (
        f"(CASE WHEN strlen({sql}) = length({sql}) THEN {sql} "  # ASCII, as most is
        f"WHEN regexp_matches({sql}, '[{wide}]') THEN translate({sql}, '{wide}', '{narrow}') ELSE {sql} END)"
    )


def _literal(pattern: str) -> str:
    return "'" + pattern.replace("'", "''") + "'"
