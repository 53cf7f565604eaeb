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
from ibis.backends.duckdb import Backend
from nbformat import NotebookNode

from bankmine.privacy.patterns import WORDS, found_in, looks, redacted

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
    con = ibis.duckdb.connect()
    for name, content in written.items():
        if name.removesuffix(".xlsx") + ".parquet" not in {*written} - {name}:  # a list is its table once more
            found |= {place: counts for place, counts in _in_file(con, name, content) if counts}
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
    return sum((Counter(found_in(text)) for text in _texts(told)), Counter())


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


def _in_file(con: Backend, name: str, content: bytes) -> Iterator[tuple[str, Counter[str] | dict[str, int]]]:
    """Count in a file that is handed on: by column in tables, in all text elsewhere."""
    if name.endswith((".parquet", ".xlsx")):
        table = pq.read_table(io.BytesIO(content)) if name.endswith(".parquet") else _sheet(content)
        # what was measured and computed is no number of anybody, and the engine knows no column of nothing at all
        table = table.drop_columns([f.name for f in table.schema if pa.types.is_floating(f.type) or _empty(f.type)])
        rows = con.create_table("handed_on", table, overwrite=True)
        yield from ((f"{name}, column {column}", counts) for column, counts in looks(rows, rows.columns).items())
    else:
        text = content.decode("utf-8")
        yield name, _count(json.loads(text)) if name.endswith(".json") else found_in(text)


def _empty(kind: pa.DataType) -> bool:
    """Tell columns without any value, lists of nothing among them, as of a table without categories."""
    return _empty(kind.value_type) if pa.types.is_list(kind) else pa.types.is_null(kind)


def _sheet(content: bytes) -> pa.Table:
    return pa.table(fastexcel.read_excel(content).load_sheet(0, dtypes="string").to_arrow())
