"""Sharing: the notebooks of one run read the same snapshot, so that one checks it and writes it down for the others.

A runner makes a folder of its own, in it one named as the day, and tells notebooks by an environment variable. The
folder lives as long as the run; without one every notebook checks for itself.
"""

from __future__ import annotations

import datetime
import fcntl
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import ibis
import ibis.expr.types as ir

from bankmine.bank.checks import TableCheck, Violation

SHARED = "BANKMINE_SHARED"
"""Environment variable: folder in which snapshots are shared."""
Checked = tuple[dict[str, ir.Table], dict[str, TableCheck]]
_CHECKS = "checks.json"


def place_of(fingerprint: str, day: datetime.date) -> Path | None:
    """Return the folder in which a snapshot is shared, or None where it is not."""
    folder = Path(os.environ[SHARED]) / str(day) if SHARED in os.environ else None
    return folder / fingerprint if folder and folder.is_dir() else None


def once(place: Path, con: ibis.BaseBackend, compute: Callable[[], Checked]) -> Checked:
    """Take checked tables from a folder, or compute them and put them there for the next.

    Parameters
    ----------
    place : Path
        From `place_of`.
    con : ibis.BaseBackend
        Engine that reads them.
    compute : callable
        Gives tables without what breaks a rule, and what the checks found.
    """
    place.mkdir(exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one checks, the others wait
        if not (place / _CHECKS).is_file():
            tables, checks = compute()
            if not _write(place, con, tables, checks):
                return tables, checks
    told = json.loads((place / _CHECKS).read_text("utf-8"))
    return {name: con.read_parquet(_file(place, name)) for name in told}, {n: _check(c) for n, c in told.items()}


def _write(place: Path, con: ibis.BaseBackend, tables: dict[str, ir.Table], checks: dict[str, TableCheck]) -> bool:
    """Write all, the checks last; or tell that a column of a bank's own has a type that the files cannot hold."""
    for name, rows in tables.items():
        con.to_parquet(rows, _file(place, name))
        if not _alike(con.read_parquet(_file(place, name)), rows):
            return False
    told = {name: asdict(check) for name, check in checks.items()}
    (place / _CHECKS).write_text(json.dumps(told, default=str), "utf-8")
    return True


def _alike(read: ir.Table, rows: ir.Table) -> bool:
    return [str(t).lstrip("!") for t in read.schema().types] == [str(t).lstrip("!") for t in rows.schema().types]


def _file(place: Path, name: str) -> str:
    return str(place / f"{name}.parquet")


def _check(told: dict) -> TableCheck:
    days = {n: datetime.date.fromisoformat(told[n]) if told[n] else None for n in ("first", "last")}
    found = [Violation(**v | {"examples": tuple(v["examples"])}) for v in told["violations"]]
    return TableCheck(**told | days | {"violations": found})
