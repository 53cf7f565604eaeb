"""The demo bank: a seeded synthetic bank, written block by block, with the truth that was planted beside it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from demobank.block import Block
from demobank.customers.world import BLOCK
from demobank.seasons import make_calendar
from demobank.streams import Streams
from demobank.tables import TABLES

SEED = 20251231
END = date(2025, 12, 31)
REGISTER = "privacy.yml"
"""What the columns are that the bank has beyond the contract."""
MANIFEST = "source.yml"
"""Written last; a folder without it is not a finished bank."""


def generate(
    out: Path,
    customers: int = 5000,
    months: int = 36,
    seed: int = SEED,
    end: date = END,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Make a demo bank.

    Memory does not grow with the number of customers. The same arguments give the same bytes.

    Parameters
    ----------
    out
        Folder to write; a finished bank there is replaced once the new one is complete.
    customers
        Number of customers, 1 to 10 million.
    months
        Whole months of transactions, 1 or more.
    seed
        Zero or more; decides everything that is drawn.
    end
        Last day, which must end a month.
    progress
        Called with customers done and customers in all after each block.

    Returns
    -------
    The folder.
    """
    if not 1 <= customers <= 10_000_000:
        raise ValueError(f"customers must be between 1 and 10,000,000, got {customers}")
    calendar = make_calendar(end, months)
    with complete_or_nothing(Path(out)) as folder:
        for number, first in enumerate(range(0, customers, BLOCK)):
            kept = min(BLOCK, customers - first)
            block = Block(Streams(seed, number), calendar, kept)
            for table, make in TABLES.items():
                write_part(folder, table, number, make(block))
            if progress:
                progress(first + kept, customers)
        arguments = {"customers": customers, "months": months, "seed": seed, "end": end}
        shutil.copyfile(Path(__file__).with_name(REGISTER), folder / REGISTER)
        (folder / MANIFEST).write_text(_manifest(arguments), encoding="utf-8")
    return Path(out)


def _manifest(arguments: dict[str, int | date]) -> str:
    facts = {
        "title": "Demo bank (synthetic)",
        "currency": "CNY",
        "time_zone": "Asia/Shanghai",
        "extracted_on": arguments["end"].replace(),  # a copy, which YAML does not write as a reference
        "generator": "demobank",
        "arguments": arguments,
        "terms": "Synthetic: describes no real person or bank. Free to use.",
    }
    return yaml.safe_dump(facts, allow_unicode=True, sort_keys=False)


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
