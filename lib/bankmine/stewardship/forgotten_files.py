"""Files without a customer: tables, lists, pages, notebooks and manifests of reports, as they are to be from now on."""

from __future__ import annotations

import datetime
import io
import json
import re
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bankmine.privacy.keys import find_key
from bankmine.privacy.sealing import read_sealed, resealed
from bankmine.report.handed_on import as_list

FORGOTTEN = "forgotten"
"""What stands where the key of a customer stood."""
CUSTOMERS, ACCOUNTS = ("customer_id", "customer"), ("account_id", "account")
"""Columns that tell whose a row is."""
_UNTOUCHED = r"data:[\w/+.;=-]*base64,[A-Za-z0-9+/=]+|<(?P<of>script|style)\b.*?</(?P=of)>"
"""Of a page: pictures, and what is ours."""
_PICTURE = re.compile(r"image/(?!svg)")


@dataclass
class Keys:
    """Of a customer and of the accounts of that customer, as they stand in what is kept."""

    customers: set[str]
    accounts: set[str] = field(default_factory=set)

    def words(self) -> re.Pattern:
        """Match a key as a whole word, and no part of a longer one or of a number."""
        every = {form for key in self.customers | self.accounts for form in (key, escape(key), json.dumps(key)[1:-1])}
        # what stands before may be the n of a \n in the source of a notebook or in text that was written as JSON
        before = r"(?:(?<![\w-])(?<!\d\.)|(?<=\\[nrt]))"
        told = "|".join(sorted(map(re.escape, every), key=len, reverse=True))
        return re.compile(rf"(?P<kept>{_UNTOUCHED})|{before}(?:{told})(?![\w-])(?!\.\d)", re.ASCII | re.DOTALL)

    def of_engine(self) -> str:
        """Write the same for the engine of Arrow, which cannot look around; what is around stands in its groups."""
        every = ("".join(c if c.isalnum() else f"\\x{{{ord(c):x}}}" for c in k) for k in self.customers | self.accounts)
        return rf"(^|[^\w-])(?:{'|'.join(sorted(every, key=len, reverse=True))})($|[^\w-])"


@dataclass
class Changes:
    """What is to be written in the folder of a day, and what cannot be cleared."""

    folder: Path
    contents: dict[Path, bytes] = field(default_factory=dict)
    found: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Report -> how many rows go, and how many mentions are blanked."""
    tables: dict[Path, pa.Table] = field(default_factory=dict)
    """Those that lose rows or mentions, as lists are written anew from them."""
    remains: list[Path] = field(default_factory=list)


def accounts_in(folder: Path, customers: set[str]) -> set[str]:
    """Find accounts of a customer in the tables of a day: the source may know them no more."""
    found: set[str] = set()
    for file in folder.glob("*/*.parquet"):
        table = pq.read_table(pa.BufferReader(_read(file)))
        owned = table.filter(_among(table, CUSTOMERS, customers))
        for name in (n for n in ACCOUNTS if n in owned.column_names):
            found |= {str(key) for key in owned[name].unique().to_pylist() if key is not None}
    return found


def mentioned(folder: Path, keys: Keys) -> list[Path]:
    """Find people's own notebooks in which a customer is mentioned, as in a saved output."""
    words = keys.words()
    texts = {file: file.read_text("utf-8", errors="replace") for file in sorted(folder.glob("*.ipynb"))}
    return [file for file, text in texts.items() if any(m["kept"] is None for m in words.finditer(text))]


def without(folder: Path, keys: Keys) -> Changes:
    """Look through all files in the folder of a day and take a customer out of them."""
    changes, words = Changes(folder), keys.words()
    files = [f for f in sorted(folder.rglob("*")) if f.is_file() and not f.name.startswith(".")]
    for file in sorted(files, key=lambda f: f.suffix == ".xlsx"):  # lists are written anew from their tables
        report = file.relative_to(folder).parts[0].partition(".")[0]
        try:
            content, counts = _cleared(file, keys, words, changes)
        except UncleanError:
            changes.remains.append(file)
            continue
        if counts:
            changes.contents[file] = resealed(file, content, find_key())
            changes.found[report] += counts
    for report, counts in changes.found.items():
        for manifest in (folder / f"{report}.json", folder / f"{report}.failed.json"):
            _tell(manifest, counts, changes)
    return changes


class UncleanError(Exception):
    """A file that mentions a customer and that only people can clear."""


def _read(file: Path) -> bytes:
    return read_sealed(file)


def _cleared(file: Path, keys: Keys, words: re.Pattern, changes: Changes) -> tuple[bytes, Counter[str]]:
    """Return a file as it is to be, and how many rows and mentions are no longer in it."""
    if file.suffix == ".xlsx":
        return _list(file, words, changes)
    content = _read(file)
    if file.suffix == ".parquet":
        table, counts = _table(content, keys)
        if counts:
            changes.tables[file] = table
        return _as_parquet(table), counts
    blanked = Counter()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        if any(key.encode() in content for key in keys.customers | keys.accounts):
            raise UncleanError from None
        return content, blanked

    def blank(found: re.Match) -> str:
        blanked["mentions"] += found["kept"] is None
        return found["kept"] or FORGOTTEN

    if file.suffix in (".json", ".ipynb"):
        with suppress(ValueError, RecursionError):
            told = _walked(json.loads(text), lambda value: words.sub(blank, value))
            return json.dumps(told, indent=1, ensure_ascii=False).encode(), +blanked
        blanked.clear()
    return words.sub(blank, text).encode(), +blanked


def _walked(told: object, blank: Callable[[str], str]) -> object:
    """Blank all texts within JSON: numbers stay numbers, pictures stay pictures."""
    if isinstance(told, dict):
        return {blank(n): v if _PICTURE.match(n) else _walked(v, blank) for n, v in told.items()}
    if isinstance(told, list):
        return [_walked(value, blank) for value in told]
    return blank(told) if isinstance(told, str) else told


def _table(content: bytes, keys: Keys) -> tuple[pa.Table, Counter[str]]:
    """Drop rows that are a customer's own from a table, and blank what others say of the customer."""
    table = pq.read_table(pa.BufferReader(content))
    own = pc.or_(_among(table, CUSTOMERS, keys.customers), _among(table, ACCOUNTS, keys.accounts))
    left, counts, pattern = table.filter(pc.invert(own)), Counter(), keys.of_engine()
    for i, column in enumerate(table.schema):
        if pa.types.is_nested(column.type) and pc.any(_said(table[i], pattern)).as_py():
            raise UncleanError
        # of categories a file holds those as well that no row has
        if not _is_text(column.type) or not pc.any(_said(table[i], pattern)).as_py():
            continue
        texts = left[i].cast(pa.string())
        counts["mentions"] += pc.sum(_said(texts, pattern)).as_py() or 0
        for _ in range(2):  # two that stand side by side share what is between them
            texts = pc.replace_substring_regex(texts, pattern, rf"\1{FORGOTTEN}\2")
        left = left.set_column(i, column.name, texts)
    counts["rows"] = table.num_rows - left.num_rows
    return left, +counts


def _as_parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def _among(table: pa.Table, names: Iterable[str], keys: set[str]) -> pa.ChunkedArray | pa.Array:
    """Tell which rows have one of some keys in one of some columns."""
    found = pa.array(np.zeros(table.num_rows, bool))
    for name in (n for n in names if n in table.column_names):
        among = pc.is_in(table[name].cast(pa.string()), pa.array(sorted(keys), pa.string()))
        found = pc.or_(found, among.combine_chunks())
    return found


def _said(column: pa.ChunkedArray, pattern: str) -> pa.ChunkedArray:
    """Tell which texts mention a key."""
    while pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        column = pc.list_flatten(column)
    if not _is_text(column.type):
        return pa.chunked_array([pa.array([], pa.bool_())])
    return pc.match_substring_regex(column.cast(pa.string()), pattern).fill_null(False)


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _list(file: Path, words: re.Pattern, changes: Changes) -> tuple[bytes, Counter[str]]:
    """Write a list anew from its table, where nobody has written into it since."""
    content, table = _read(file), changes.tables.get(file.with_suffix(".parquet"))
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        told = [m for part in book.namelist() for m in words.finditer(book.read(part).decode("utf-8", "replace"))]
    if not any(m["kept"] is None for m in told):
        return content, Counter()
    if table is None or _edited(file):
        raise UncleanError
    day = datetime.date.fromisoformat(file.parent.parent.name)
    return as_list(table.drop_columns("as_of").to_pandas(), file.stem, day), Counter(lists=1)


def _edited(file: Path) -> bool:
    """Tell whether a file has another size than a manifest says."""
    with suppress(OSError, ValueError, LookupError, TypeError, RecursionError):
        told = json.loads(_read(file.parent.with_name(f"{file.parent.name}.json")))["files"]
        return told.get(f"{file.parent.name}/{file.name}", size := file.stat().st_size) != size
    return False


def _tell(manifest: Path, counts: Counter[str], changes: Changes) -> None:
    """Tell in a manifest how large files are now, and of how much was forgotten."""
    if not manifest.is_file():
        return
    with suppress(ValueError, LookupError, TypeError, AttributeError, RecursionError):
        told = json.loads(changes.contents.get(manifest) or _read(manifest))
        for file, content in changes.contents.items():
            name = str(file.relative_to(manifest.parent))
            if name in told["files"]:
                told["files"][name] = len(content)
        told["forgotten"] = told.get("forgotten", 0) + counts["rows"] + counts["mentions"]
        changes.contents[manifest] = json.dumps(told, indent=1, ensure_ascii=False).encode()
