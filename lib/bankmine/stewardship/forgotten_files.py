"""Files without a customer: tables, lists, pages, notebooks and manifests of reports, as they are to be from now on."""

from __future__ import annotations

import datetime
import io
import json
import re
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bankmine.errors import told
from bankmine.privacy.keys import find_key
from bankmine.privacy.sealing import read_sealed, resealed
from bankmine.report.handed_on import as_list

FORGOTTEN = "forgotten"
"""What stands where the key of a customer stood."""
CUSTOMERS, ACCOUNTS = ("customer_id", "customer"), ("account_id", "account")
"""Columns that tell whose a row is."""
OF_OTHERS = {"from_id": CUSTOMERS, "to_id": CUSTOMERS, "counterparty": ACCOUNTS}
"""Columns in which rows of others name a customer or an account."""
_UNMISTAKABLE = re.compile(r"(?=.*[^\W\d_])(?=.*\d)\S{5,}")
"""A key of at least five signs, among them a letter and a digit: in text no word and no number looks like it."""
_UNTOUCHED = r"data:[\w/+.;=-]*base64,[A-Za-z0-9+/=]+|<(?P<of>script|style)\b.*?</(?P=of)>"
"""Of a page: pictures, and what is ours."""
_PICTURE = re.compile(r"image/(?!svg)")


@dataclass
class Keys:
    """Of a customer and of the accounts of that customer, as they stand in what is kept."""

    customers: set[str]
    accounts: set[str] = field(default_factory=set)

    def of(self, columns: tuple[str, ...]) -> set[str]:
        """Return the keys that stand in columns of customers, or of accounts."""
        return self.customers if columns == CUSTOMERS else self.accounts


class Sought:
    """Keys as they are sought in text: those that nothing else looks like, which are blanked, and all others."""

    def __init__(self, keys: Keys) -> None:
        every = keys.customers | keys.accounts
        self.keys = keys
        self.sure = {key for key in every if _UNMISTAKABLE.fullmatch(key)}
        self.unsure = every - self.sure
        self.words, self.doubts = _words(self.sure), _words(self.unsure)


def _words(keys: set[str]) -> re.Pattern:
    """Match a key as a whole word, and no part of a longer one or of a number."""
    every = {form for key in keys for form in (key, escape(key), json.dumps(key)[1:-1])}
    # what stands before may be the n of a \n in the source of a notebook or in text that was written as JSON
    before = r"(?:(?<![\w-])(?<!\d\.)|(?<=\\[nrt]))"
    said = "|".join(sorted(map(re.escape, every), key=len, reverse=True)) or "(?!)"
    return re.compile(rf"(?P<kept>{_UNTOUCHED})|{before}(?:{said})(?![\w-])(?!\.\d)", re.ASCII | re.DOTALL)


def _of_engine(keys: set[str]) -> str:
    """Write the same for the engine of Arrow, which cannot look around; what is around stands in its groups."""
    every = ("".join(c if c.isalnum() else f"\\x{{{ord(c):x}}}" for c in key) for key in keys)
    return rf"(^|[^\w-])(?:{'|'.join(sorted(every, key=len, reverse=True))})($|[^\w-])"


def _mentions(words: re.Pattern, texts: Iterable[str]) -> bool:
    return any(found["kept"] is None for text in texts for found in words.finditer(text))


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
    doubtful: list[Path] = field(default_factory=list)
    """Those with a word or number that may be a key, or be none."""


def accounts_in(folder: Path, customers: set[str]) -> set[str] | None:
    """Find accounts of a customer in the tables of a day, as the source may know them no more; None of a stranger."""
    found: set[str] = set()
    known = False
    for file in folder.rglob("*.parquet"):
        table = _table_of(file)
        owned = table.filter(_among(table, CUSTOMERS, customers))
        tied = [column for column, whose in OF_OTHERS.items() if whose == CUSTOMERS]
        known |= bool(owned.num_rows) or pc.any(_among(table, tied, customers)).as_py()
        for name in (n for n in ACCOUNTS if n in owned.column_names):
            found |= {str(key) for key in owned[name].unique().to_pylist() if key is not None}
    return found if known else None


def mentioned(folder: Path, sought: Sought) -> tuple[list[Path], list[Path]]:
    """Find people's own notebooks in which a customer is mentioned, as in a saved output, and those that may do so."""
    texts = {file: _strings(file.read_text("utf-8", errors="replace")) for file in sorted(folder.glob("*.ipynb"))}
    sure = [file for file, said in texts.items() if _mentions(sought.words, said)]
    return sure, [file for file, said in texts.items() if file not in sure and _mentions(sought.doubts, said)]


def without(folder: Path, sought: Sought) -> Changes:
    """Look through all files in the folder of a day and take a customer out of them."""
    changes = Changes(folder)
    files = [f for f in sorted(folder.rglob("*")) if f.is_file() and not f.name.startswith(".")]
    for file in sorted(files, key=lambda f: f.suffix == ".xlsx"):  # lists are written anew from their tables
        report = file.relative_to(folder).parts[0].partition(".")[0]
        try:
            content, counts = _cleared(file, sought, changes)
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


def _reading(file: Path) -> AbstractContextManager[None]:
    return told(
        f"Nothing was forgotten, as {file} cannot be read (restore it from a copy, or remove it and run its report "
        "again)"
    )


def _table_of(file: Path) -> pa.Table:
    with _reading(file):
        return pq.read_table(pa.BufferReader(read_sealed(file)))


def _cleared(file: Path, sought: Sought, changes: Changes) -> tuple[bytes, Counter[str]]:
    """Return a file as it is to be, and how many rows and mentions are no longer in it."""
    if file.suffix == ".xlsx":
        return _list(file, sought, changes)
    if file.suffix == ".parquet":
        return _table(file, sought, changes)
    with _reading(file):
        content = read_sealed(file)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        if any(key.encode() in content for key in sought.sure):
            raise UncleanError from None
        if any(key.encode() in content for key in sought.unsure):
            changes.doubtful.append(file)
        return content, Counter()
    if _mentions(sought.doubts, _strings(text)):
        changes.doubtful.append(file)
    return _text(file, text, sought.words, changes)


def _text(file: Path, text: str, words: re.Pattern, changes: Changes) -> tuple[bytes, Counter[str]]:
    """Blank all mentions in a text; names in a manifest stay, as what reads it asks for them."""
    blanked = Counter()

    def blank(found: re.Match) -> str:
        blanked["mentions"] += found["kept"] is None
        return found["kept"] or FORGOTTEN

    if file.suffix in (".json", ".ipynb"):
        manifest = file.suffix == ".json" and file.parent == changes.folder
        with suppress(ValueError, RecursionError):
            said = _walked(json.loads(text), lambda value: words.sub(blank, value), names=not manifest)
            again = json.dumps(said, indent=1, ensure_ascii=False)
            if manifest and _mentions(words, [again]):
                changes.remains.append(file)
            return again.encode(), +blanked
        blanked.clear()
    return words.sub(blank, text).encode(), +blanked


def _walked(said: object, blank: Callable[[str], str], *, names: bool) -> object:
    """Blank all texts within JSON: numbers stay numbers, pictures stay pictures."""
    if isinstance(said, dict):
        parts = {n: v if _PICTURE.match(n) else _walked(v, blank, names=names) for n, v in said.items()}
        return {blank(n): v for n, v in parts.items()} if names else parts
    if isinstance(said, list):
        return [_walked(value, blank, names=names) for value in said]
    return blank(said) if isinstance(said, str) else said


def _strings(text: str) -> list[str]:
    """Return all texts within JSON, or the text itself where it is none."""
    found: list[str] = []

    def keep(value: str) -> str:
        found.append(value)
        return value

    with suppress(ValueError, RecursionError):
        _walked(json.loads(text), keep, names=True)
        return found
    return [text]


def _table(file: Path, sought: Sought, changes: Changes) -> tuple[bytes, Counter[str]]:
    """Drop rows that are a customer's own from a table, and blank what others say of the customer."""
    table, keys = _table_of(file), sought.keys
    own = pc.or_(_among(table, CUSTOMERS, keys.customers), _among(table, ACCOUNTS, keys.accounts))
    left, counts = table.filter(pc.invert(own)), Counter()
    for i, column in enumerate(table.schema):
        if column.name in OF_OTHERS and not pa.types.is_nested(column.type):
            blanked, n = _without_key(left, column.name, keys.of(OF_OTHERS[column.name]) | sought.sure)
        elif sought.sure and pc.any(_said(table[i], pattern := _of_engine(sought.sure))).as_py():
            if pa.types.is_nested(column.type):
                raise UncleanError
            # of categories a file holds those as well that no row has
            blanked, n = left[i].cast(pa.string()), 0
            if column.name not in (*CUSTOMERS, *ACCOUNTS):
                blanked, n = _without_mentions(blanked, pattern)
        else:
            continue
        left = left.set_column(i, column.name, blanked)
        counts["mentions"] += n
    counts["rows"] = table.num_rows - left.num_rows
    if counts := +counts:
        changes.tables[file] = left
    if sought.unsure and any(pc.any(_said(column, _of_engine(sought.unsure))).as_py() for column in left.columns):
        changes.doubtful.append(file)
    return _as_parquet(left), counts


def _without_key(table: pa.Table, name: str, keys: set[str]) -> tuple[pa.ChunkedArray, int]:
    """Return a column in which rows of others name somebody without some keys, and how often they stood there."""
    found, column = _among(table, [name], keys), table[name]
    text = _is_text(column.type)
    kept = column.cast(pa.string()) if text else column
    blank = pa.scalar(FORGOTTEN if text else None, kept.type)
    return pc.if_else(found, blank, kept), pc.sum(found).as_py() or 0


def _without_mentions(texts: pa.ChunkedArray, pattern: str) -> tuple[pa.ChunkedArray, int]:
    """Return texts in which keys are blanked, and in how many they stood."""
    n = pc.sum(_said(texts, pattern)).as_py() or 0
    for _ in range(2):  # two that stand side by side share what is between them
        texts = pc.replace_substring_regex(texts, pattern, rf"\1{FORGOTTEN}\2")
    return texts, n


def _as_parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def _among(table: pa.Table, names: Iterable[str], keys: set[str]) -> pa.ChunkedArray | pa.Array:
    """Tell which rows have one of some keys in one of some columns."""
    found = pa.array(np.zeros(table.num_rows, bool))
    for name in (n for n in names if n in table.column_names and not pa.types.is_nested(table.schema.field(n).type)):
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


def _list(file: Path, sought: Sought, changes: Changes) -> tuple[bytes, Counter[str]]:
    """Write a list anew from its table, where nobody has written into it since."""
    beside = file.with_suffix(".parquet")
    with _reading(file):
        content = read_sealed(file)
        with zipfile.ZipFile(io.BytesIO(content)) as book:
            texts = [book.read(part).decode("utf-8", "replace") for part in book.namelist()]
    sure, may = _mentions(sought.words, texts), _mentions(sought.doubts, texts)
    table, edited = changes.tables.get(beside), _edited(file)
    if (sure and table is None) or (table is not None and edited and (sure or may)):
        raise UncleanError
    if beside in changes.doubtful or (may and (edited or not beside.is_file())):
        changes.doubtful.append(file)
    if table is None or not (sure or may):
        return content, Counter()
    day = datetime.date.fromisoformat(file.parent.parent.name)
    return as_list(table.drop_columns("as_of").to_pandas(), file.stem, day), Counter(lists=1)


def _edited(file: Path) -> bool:
    """Tell whether a file has another size than a manifest says."""
    with suppress(OSError, ValueError, LookupError, TypeError, RecursionError):
        said = json.loads(read_sealed(file.parent.with_name(f"{file.parent.name}.json")))["files"]
        return said.get(f"{file.parent.name}/{file.name}", size := file.stat().st_size) != size
    return False


def _tell(manifest: Path, counts: Counter[str], changes: Changes) -> None:
    """Tell in a manifest how large files are now, and of how much was forgotten."""
    if not manifest.is_file():
        return
    with suppress(ValueError, LookupError, TypeError, AttributeError, RecursionError):
        said = json.loads(changes.contents.get(manifest) or read_sealed(manifest))
        for file, content in changes.contents.items():
            name = str(file.relative_to(manifest.parent))
            if name in said["files"]:
                said["files"][name] = len(content)
        said["forgotten"] = said.get("forgotten", 0) + counts["rows"] + counts["mentions"]
        changes.contents[manifest] = json.dumps(said, indent=1, ensure_ascii=False).encode()
