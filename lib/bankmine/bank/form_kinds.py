"""Form kinds: what the shapes of a column's values could be (yes and no, numbers, dates, times), with SQL to read it.

A shape is a value with a 9 for every digit. Each kind gives its readings by what would settle which one is right; one
where there is no doubt, none where no value is of that kind.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field

from ibis.backends.duckdb import Backend

from bankmine.bank import form_dates as dates
from bankmine.bank.files import quoted
from bankmine.bank.form_numbers import PERCENT_MIXED, WAYS, Way, currencies, plain
from bankmine.bank.harmless import harmless

NUMBER, BOOLEAN, CATEGORY, DATE, OTHER = "number", "boolean", "category", "date", "other"
BLANK = "' \t\r\n\u00a0\u3000\u202f\u2007\ufeff'"
UNMISTAKABLE = ("\\n", "(null)", "<na>", "null", "nan", "#n/a", "#na", "n/a", "<null>", "nat", "[null]")
"""Texts by which programs write that there is no value, in any column."""
MISSING = (*UNMISTAKABLE, "na", "none", "nil", "-", "--", "---", "?", ".", "..", "n.a.", "k.a.", "#value!", "#ref!",
           "#div/0!", "#null!", "unknown", "missing", "未知", "不详")  # fmt: skip
"""Texts that stand for no value in a column whose other values are numbers, yes and no, or dates."""
PAIRS = (
    ("false", "true"), ("no", "yes"), ("n", "y"), ("f", "t"), ("nein", "ja"), ("n", "j"), ("non", "oui"), ("n", "o"),
    ("no", "sí"), ("no", "si"), ("no", "sì"), ("n", "s"), ("não", "sim"), ("nao", "sim"), ("nee", "ja"),
    ("nej", "ja"), ("nie", "tak"), ("ne", "ano"), ("nem", "igen"), ("hayır", "evet"), ("нет", "да"), ("否", "是"),
    ("无", "有"), ("いいえ", "はい"), ("아니오", "예"),
)  # fmt: skip
"""No and yes in common languages."""
_DIGITS, _WIDE_DIGITS = "012345678", "０１２３４５６７８９"
_SHAPES = 2000
"""Shapes looked at, the most frequent first; columns of numbers or dates have far fewer."""


@dataclass(frozen=True)
class Told:
    """What a source tells of how its files write, and whether it has a time zone."""

    decimal: str = ""
    dates: str = ""
    missing: tuple[str, ...] = ()
    zone: bool = False
    percent: float = 1.0
    """What one percent is worth: 1, or 0.01 where the contract wants fractions."""
    clock: str = ""
    """What the time of a flat table counts, where it is a number."""


@dataclass(frozen=True)
class Form:
    """How a column of text is read."""

    kind: str
    sql: str
    """Its value: DOUBLE, BOOLEAN, VARCHAR or TIMESTAMP; missing as NULL."""
    words: str = ""
    """How it writes its values."""
    rows: int = 0
    """Values, without codes for none."""
    distinct: int = 0
    fits: int = 0
    odd: tuple[str, ...] = ()
    """Up to three values that do not fit."""
    like: str = ""
    """One that could be read in two ways."""
    codes: dict[str, int] = field(default_factory=dict)
    """Text that stands for no value -> rows."""
    why: str = ""
    """Why it cannot be read, though it looks like numbers or dates."""
    decimal: str = ""
    """Decimal sign that its numbers prove."""
    order: str = ""
    """Order of day and month that its dates prove."""


@dataclass(frozen=True)
class _Shape:
    text: str
    rows: int
    distinct: int
    zeros: int
    least: str

    @property
    def example(self) -> str:
        """One of it, as a message may show it."""
        return harmless(self.least, self.rows if self.distinct == 1 else 1)


@dataclass(frozen=True)
class Seen:
    """What was seen of a column; `text` is SQL of its trimmed text."""

    name: str
    text: str
    shapes: list[_Shape]
    rows: int
    distinct: int

    def rest(self, fitting: set[str]) -> list[_Shape]:
        return [s for s in self.shapes if s.text not in fitting]


def look(con: Backend, relation: str, name: str, text: str, digits: str = _DIGITS) -> Seen:
    """Count the shapes of a column, and the rows whose first digit is a zero."""
    rows = con.raw_sql(
        f"""WITH counted AS (SELECT {text} AS v, count(*) AS n FROM {relation} GROUP BY 1)
        SELECT translate(v, '{digits}', '{"9" * len(digits)}') AS shape, sum(n)::BIGINT, count(*),
            coalesce(sum(n) FILTER (v LIKE '0%' OR v LIKE '-0%' OR v LIKE '+0%'), 0)::BIGINT, min(v),
            sum(sum(n)) OVER ()::BIGINT, sum(count(*)) OVER ()::BIGINT,
            bool_or(bool_or(contains({BLANK}, left(v, 1)) OR contains({BLANK}, right(v, 1)))) OVER ()
        FROM counted WHERE v <> '' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {_SHAPES}"""
    ).fetchall()
    if rows and rows[0][7] and not text.startswith("trim("):
        return look(con, relation, name, f"trim({text}, {BLANK})", digits)
    if digits == _DIGITS and any(c in _WIDE_DIGITS for row in rows for c in row[0]):
        return look(con, relation, name, text, _DIGITS + _WIDE_DIGITS)
    shapes = [_Shape(*row[:5]) for row in rows]
    return Seen(name, text, shapes, rows[0][5] if rows else 0, rows[0][6] if rows else 0)


def _odd(seen: Seen, fitting: set[str]) -> tuple[str, ...]:
    return tuple(s.example for s in seen.rest(fitting)[:3])


def booleans(con: Backend, relation: str, seen: Seen, told: Told, wanted: bool) -> dict[str, Form]:
    """Read yes and no."""
    there = {s.text.lower() for s in seen.shapes}
    pairs = [pair for pair in PAIRS if there <= set(pair)] or ([_best_pair(seen)] if wanted else [])
    if wanted and not there & set(pairs[0]):
        pairs = [("0", "1")]
    pairs = [p for p in pairs if wanted or len(there) == 2 or p == PAIRS[0]]
    if not pairs:
        return {}
    no, yes = pairs[0]
    fitting = {s.text for s in seen.shapes if s.text.lower() in pairs[0]}
    fits = sum(s.rows for s in seen.shapes if s.text in fitting)
    text = seen.text
    if pairs[0] == ("0", "1"):
        text = f"regexp_replace({text}, '[.,]0*$', '')"
        fits = _count(con, relation, [f"{text} IN ('0', '1')"])[0]
        fitting = {s.text for s in seen.shapes if s.text in ("9", "9.9")} if fits == seen.rows else set()
    sql = f"CASE lower({text}) WHEN {quoted(yes)} THEN true WHEN {quoted(no)} THEN false END"
    return {"": Form(BOOLEAN, sql, f"{yes}, {no}", seen.rows, seen.distinct, fits, _odd(seen, fitting))}


def _best_pair(seen: Seen) -> tuple[str, str]:
    return max(PAIRS, key=lambda pair: sum(s.rows for s in seen.shapes if s.text.lower() in pair))


def are_codes(seen: Seen) -> bool:
    """Tell whether whole numbers begin with a zero, as codes do."""
    return any(s.zeros and len(t := plain(s.text).strip("+-")) > 1 and set(t) == {"9"} for s in seen.shapes)


def numbers(con: Backend, relation: str, seen: Seen, told: Told, wanted: bool) -> dict[str, Form]:
    """Read numbers; in two ways where the points or commas of all of them could be of decimals or of thousands."""
    if are_codes(seen) and not wanted:
        return {}
    fits = {way: _fitting(seen, way) for way in WAYS}
    counts = {way: sum(shapes.values()) for way, shapes in fits.items()}
    most = max(counts.values())
    tied = {way.decimal: way for way in reversed(WAYS) if counts[way] == most}
    signs = {d for d in ".," if any(d in plain(s) for s in fits[next(iter(tied.values()))])}
    if not most:
        return {}
    doubtful = len(tied) == 2 and bool(signs)
    chosen = list(tied.values()) if doubtful else [tied.get(".") or tied[","]]
    chosen.sort(key=lambda way: way.decimal, reverse=True)
    return {way.decimal: _number(seen, way, list(fits[way]), most, told, signs, doubtful) for way in chosen}


def _fitting(seen: Seen, way: Way) -> dict[str, int]:
    """Shape -> rows in which a number is written this way; no group of thousands begins with a zero."""
    fit = [s for s in seen.shapes if way.fits(s.text)]
    rows = {s.text: s.rows - (s.zeros if way.grouped(s.text) else 0) for s in fit}
    return {shape: n for shape, n in rows.items() if n}


def _number(seen: Seen, way: Way, shapes: list[str], fits: int, told: Told, signs: set[str], doubtful: bool) -> Form:
    sql = way.sql(seen.text, shapes, guarded=fits < seen.rows, percent=told.percent)
    odd = _odd(seen, set(shapes))
    like = next((s.example for s in seen.shapes if s.text in shapes and signs & set(plain(s.text))), "")
    coins, percents = currencies(shapes), {"%" in plain(s) for s in shapes}
    why = f"holds amounts in several currencies ({', '.join(coins)}): write them in one" if len(coins) > 1 else ""
    why = why or (f"{PERCENT_MIXED}: write them in one way" if len(percents) > 1 else "")
    proven = way.decimal if signs and not doubtful and (way.decimal in signs or way.group in signs) else ""
    words = way.words(shapes)
    return Form(NUMBER, sql, words, seen.rows, seen.distinct, fits, odd, like, why=why, decimal=proven)


def moments(con: Backend, relation: str, seen: Seen, told: Told, wanted: bool) -> dict[str, Form]:
    """Read dates and times, in each order of day, month and year that fits most of them."""
    written = {s.text: found for s in seen.shapes if (found := dates.formats(s.text))}
    if not written:
        return _serials(con, relation, seen) if wanted else {}
    open_orders = {o for found in written.values() if len(found) > 1 for o in found} or {""}
    orders = [o for o in dates.ORDERS if o in open_orders] or [""]
    zone = _zone(con, relation, seen, list(written), told)
    pivot, two_digits = None, any("%y" in w.format for found in written.values() for w in found.values())
    if two_digits:
        pivot = _pivot(con, relation, seen, list(written), orders, zone)
    sql = {o: dates.dates_sql(seen.text, list(written), o, zone, pivot) for o in orders}
    counts = dict(zip(orders, _count(con, relation, [f"({s}) IS NOT NULL" for s in sql.values()]), strict=True))
    most = max(counts.values())
    tied = [o for o in orders if counts[o] == most]
    if not most:
        return {}
    if len(tied) > 1 and not any(_count(con, relation, [f"({sql[tied[0]]}) <> ({sql[o]})" for o in tied[1:]])):
        tied = tied[:1]
    if len(tied) > 1 and two_digits:
        tied = _not_ahead(con, relation, {o: sql[o] for o in tied})
    if len(tied) > 1 and all("." in s for s in written if len(written[s]) > 1):
        tied = [dates.DMY] if dates.DMY in tied else tied  # nobody who writes points has the month before the day
    found, like = {}, next((s.example for s in seen.shapes if len(written.get(s.text, ())) > 1), "")
    for order in tied:
        odd = _examples(con, relation, seen.text, sql[order]) if most < seen.rows else ()
        words = _order_words(written, order) + (", zones to local time" if zone == dates.LOCAL else "")
        proven = order if len(tied) == 1 and len(orders) > 1 and order != dates.YMD else ""
        found[order] = Form(DATE, sql[order], words, seen.rows, seen.distinct, most, odd, like, order=proven)
    return found


def _not_ahead(con: Backend, relation: str, sql: dict[str, str]) -> list[str]:
    """Return the orders in which no date lies years ahead, or all: 28/02/24 is of 2024, not of 2028."""
    last = con.raw_sql(f"SELECT {', '.join(f'max(year({s}))' for s in sql.values())} FROM {relation}").fetchone()
    past = [o for o, year in zip(sql, last, strict=True) if year <= datetime.date.today().year + 1]
    return past or list(sql)


def _order_words(written: dict[str, dict], order: str) -> str:
    names = {"%Y": "YYYY", "%y": "YY", "%m": "MM", "%d": "DD", "%b": "month", "%H": "hh", "%M": "mm", "%S": "ss",
             "%I": "hh", "%p": "AM", ".%f": "", "%z": "zone"}  # fmt: skip
    told = []
    for found in written.values():
        one = (found.get(order) or next(iter(found.values()))).format
        for code, name in names.items():
            one = one.replace(code, name)
        told += [one] if one not in told else []
    return " or ".join(told[:3])


def _zone(con: Backend, relation: str, seen: Seen, shapes: list[str], told: Told) -> str:
    """Say what becomes of zones: local times of the source's; as written where it tells none and all are the same."""
    if not any(map(dates.zoned, shapes)):
        return dates.WALL
    if told.zone:
        return dates.LOCAL
    zone = f"replace(regexp_extract({seen.text}, '(?i)(z|utc|gmt|[+-]\\d\\d(?::?\\d\\d)?)$'), ':', '')"
    different = con.raw_sql(f"SELECT count(DISTINCT {zone}) FROM {relation} WHERE {seen.text} LIKE '%:%'").fetchone()[0]
    return dates.LOCAL if different > 1 else dates.WALL


def _pivot(con: Backend, relation: str, seen: Seen, shapes: list[str], orders: list[str], zone: str) -> int | None:
    """Return this year where two digits reach back into the last century and would lie ahead: those are births."""
    year, this = f"year({dates.dates_sql(seen.text, shapes, orders[0], zone)})", datetime.date.today().year
    first, last = con.raw_sql(f"SELECT min({year}), max({year}) FROM {relation}").fetchone()
    return this if first is not None and first < 2000 and last > this else None


def _serials(con: Backend, relation: str, seen: Seen) -> dict[str, Form]:
    """Read numbers that are dates: 20250131, or serial days of Excel."""
    number = f"try_cast({seen.text} AS DOUBLE)"
    compact = f"regexp_replace({seen.text}, '\\.0$', '')"
    forms = {words: dates.compact_sql(compact, f) for words, f in dates.COMPACT.items()}
    low, high = dates.EXCEL_DAYS
    forms["days of Excel"] = f"CASE WHEN {number} BETWEEN {low} AND {high} THEN {dates.EXCEL.format(number)} END"
    counts = _count(con, relation, [f"({sql}) IS NOT NULL" for sql in forms.values()])
    words, fits = max(zip(forms, counts, strict=True), key=lambda pair: pair[1])
    if not fits:
        return {}
    odd = _examples(con, relation, seen.text, forms[words]) if fits < seen.rows else ()
    return {"": Form(DATE, forms[words], words, seen.rows, seen.distinct, fits, odd)}


def clocks(con: Backend, relation: str, seen: Seen, told: Told, wanted: bool) -> dict[str, Form]:
    """Read times without a day as hours."""
    shapes = [s.text for s in seen.shapes if dates.time_of_day(s.text)]
    if not shapes:
        return {}
    sql = dates.time_of_day_sql(seen.text, shapes)
    fits = _count(con, relation, [f"({sql}) IS NOT NULL"])[0]
    return {"": Form(NUMBER, sql, "time of day, in hours", seen.rows, seen.distinct, fits, _odd(seen, set(shapes)))}


def _count(con: Backend, relation: str, conditions: list[str]) -> list[int]:
    return list(
        con.raw_sql(f"SELECT {', '.join(f'count(*) FILTER ({c})' for c in conditions)} FROM {relation}").fetchone()
    )


def _examples(con: Backend, relation: str, text: str, sql: str) -> tuple[str, ...]:
    """Return up to three different texts that are not read, codes for no value aside."""
    codes = ", ".join(map(quoted, MISSING))
    unread = f"nullif({text}, '') IS NOT NULL AND lower({text}) NOT IN ({codes}) AND ({sql}) IS NULL"
    found = con.raw_sql(f"SELECT {text} AS t, count(*) FROM {relation} WHERE {unread} GROUP BY 1 ORDER BY 1 LIMIT 3")
    return tuple(harmless(*row) for row in found.fetchall())
