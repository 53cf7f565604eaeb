"""Writing: Parquet parts in a folder that appears only once it is complete."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

MANIFEST = "source.yml"
"""Written last; a folder without it is not a finished bank."""


@contextmanager
def complete_or_nothing(out: Path) -> Iterator[Path]:
    """Give a temporary folder beside `out` to write into, and put it in the place of `out` at the end.

    A finished bank at `out` stays until then, also where writing fails. Anything else at `out` is refused.
    """
    if out.exists() and not (out / MANIFEST).exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} exists and is not a demo bank (it has no {MANIFEST}); choose another folder")
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        _replace(partial, out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _replace(new: Path, out: Path) -> None:
    old = out.with_name(f".{out.name}.{os.getpid()}.old")
    if out.exists():
        out.rename(old)
    new.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def write_part(folder: Path, table: str, part: int, rows: pa.Table) -> None:
    """Write one part of a table; words and keys as plain text columns, whatever they were in memory.

    Parts without rows are left out, but for the first, which tells the columns.
    """
    if part and not len(rows):
        return
    (folder / table).mkdir(parents=True, exist_ok=True)
    path = folder / table / f"part-{part:04d}.parquet"
    pq.write_table(rows, path, compression="zstd", compression_level=1, store_schema=False)
