"""Searched: what a report is about to publish is searched for what looks personal, and what is found blanked."""

from __future__ import annotations

import html
import io
import json
import re
from collections import Counter
from collections.abc import Iterator

import fastexcel
import ibis
import pyarrow as pa
import pyarrow.parquet as pq
from nbformat import NotebookNode

from bankmine.privacy.patterns import WORDS, found_in, looks, named, redacted, suspects

_UNSEEN = re.compile(r"<(style|script)\b.*?</\1>", re.DOTALL)
_INLINE = re.compile(r"</?(?:a|abbr|b|bdi|code|em|i|mark|span|strong|sub|sup|u)\b[^>]*>")
_TAG = re.compile(r"<[^>]*>")
_PICTURES = ("image/",)
_LEAST_NUMBER = 10**12
"""Whole numbers below are amounts or counts, however much they look like phones."""
_MOST_PLACES = 5


def personal_in(notebook: NotebookNode, manifest: dict, page: str, written: dict[str, bytes]) -> str:
    """Say what looks personal in what is about to be published and where, without its values; '' where nothing does."""
    found = {f"cell {number}": counts for number, cell in _numbered(notebook) if (counts := _count(cell))}
    for place, search in (("the manifest", lambda: _count(manifest)), ("the page", lambda: found_in(_visible(page)))):
        if not found and (counts := search()):
            found[place] = counts
    found |= _in_files(written)
    if not found:
        return ""
    told = [f"{' and '.join(f'{WORDS[k]} ({n:,})' for k, n in c.items())} in {p}" for p, c in found.items()]
    more = f"; and in {len(told) - _MOST_PLACES} more places" if len(told) > _MOST_PLACES else ""
    return (
        f"It was not published, as it shows what looks personal: {'; '.join(told[:_MOST_PLACES])}{more}. Mask this or "
        "leave it out before it is shown or handed on, and run the report again."
    )


def blanked(told: object) -> object:
    """Blank what looks personal wherever it stands; of cells that hold any, all outputs go."""
    if isinstance(told, dict):
        shown = {"outputs": []} if "outputs" in told and _count(told) else {}
        return {k: v if k.startswith(_PICTURES) else blanked(v) for k, v in (told | shown).items()}
    if isinstance(told, list):
        return [blanked(value) for value in told]
    if isinstance(told, str):
        return redacted(told)
    return "***" if _is_long(told) else told


def _numbered(notebook: NotebookNode) -> Iterator[tuple[str, NotebookNode]]:
    for place, cell in enumerate(notebook.cells):
        yield f"[{n}]" if (n := cell.get("execution_count")) else f"number {place}", cell


def _count(told: object) -> Counter[str]:
    return Counter(found_in("\n".join(_texts(told))))


def _texts(told: object) -> Iterator[str]:
    """Go through all text but pictures; of HTML through what is seen of it."""
    if isinstance(told, dict):
        for name, value in told.items():
            if name.startswith(_PICTURES):
                continue
            yield from [_visible(value)] if name == "text/html" and isinstance(value, str) else _texts(value)
    elif isinstance(told, list):
        for value in told:
            yield from _texts(value)
    elif isinstance(told, str):
        yield told
    elif _is_long(told):
        yield str(told)


def _is_long(told: object) -> bool:
    return isinstance(told, int) and abs(told) >= _LEAST_NUMBER


def _visible(page: str) -> str:
    """Return the text of HTML: inline tags part nothing, others do; pictures are within tags."""
    return html.unescape(_TAG.sub("\n", _INLINE.sub("", _UNSEEN.sub("\n", page))))


def _in_files(written: dict[str, bytes]) -> dict[str, Counter[str] | dict[str, int]]:
    """Count in files that are handed on: by column in tables, in all text elsewhere."""
    found, tables = {}, {}
    for name, content in written.items():
        if name.endswith(".parquet"):
            tables[name] = _table(content)
        elif not name.endswith(".xlsx"):
            text = content.decode("utf-8")
            found[name] = _count(json.loads(text)) if name.endswith(".json") else found_in(text)
        elif name.removesuffix(".xlsx") + ".parquet" not in written:  # else a list is its table once more
            tables[name] = _sheet(content)
    found = {name: counts for name, counts in found.items() if counts}
    suspected = {name: table.select(columns) for name, table in tables.items() if (columns := suspects(table))}
    for name, table in suspected.items():
        found |= {f"{name}, column {column}": counts for column, counts in _in_table(table).items() if counts}
    return found


def _in_table(table: pa.Table) -> dict[str, Counter[str] | dict[str, int]]:
    """Count by column, in the engine; what holds lists is few and searched as text."""
    nested = [f.name for f in table.schema if pa.types.is_nested(f.type)]
    found = {column: _count(table[column].to_pylist()) for column in nested}
    flat = table.drop_columns(nested)
    if flat.num_columns:
        rows = ibis.duckdb.connect().create_table("handed_on", flat)
        found |= looks(rows, rows.columns)
    return found


def _table(content: bytes) -> pa.Table:
    """Read a table without what was measured and computed, which is no number of anybody."""
    file = pq.ParquetFile(io.BytesIO(content))
    told = [f.name for f in file.schema_arrow if not pa.types.is_floating(f.type) or named(f.name)]
    return file.read(columns=told, use_threads=False)


def _sheet(content: bytes) -> pa.Table:
    return pa.table(fastexcel.read_excel(content).load_sheet(0, dtypes="string").to_arrow())
