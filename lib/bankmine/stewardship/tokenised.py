"""Tokenised: a source whose keys become tokens, opened with both, for who is to get from one to the other."""

from __future__ import annotations

from dataclasses import dataclass

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc
from ibis.backends.duckdb import Backend

from bankmine.bank.pseudonyms import key_of
from bankmine.bank.snapshot import open_source
from bankmine.bank.sources import Source, find_source
from bankmine.errors import BankmineError
from bankmine.privacy.keys import Key


@dataclass(frozen=True)
class Tokenised:
    """The source, the key of its tokens, the engine, and its tables with the bank's own keys."""

    source: Source
    key: Key
    con: Backend
    plain: dict[str, ir.Table]


def open_tokenised(name: str) -> Tokenised:
    """Open a source of a bank's tables that asks for pseudonyms, or refuse."""
    source = find_source(name)
    if not source.pseudonyms or source.flat is not None:
        raise BankmineError(
            f"Source {source.name} has no tokens: it is no bank's tables whose source.yml says pseudonyms: true."
        )
    key, bank = key_of(source), open_source(name)
    return Tokenised(source, key, bank.reading.con, {n: typed.rows for n, typed in bank.plain.items()})


def replaced(column: pa.ChunkedArray, old: pa.Array, new: pa.Array) -> pa.ChunkedArray:
    """Put a new value in place of each old one in a column of text, and leave all others."""
    texts = column.cast(pa.string())
    places = pc.index_in(texts, value_set=old)
    return pc.if_else(pc.is_valid(places), pc.take(new, places), texts).cast(column.type)
