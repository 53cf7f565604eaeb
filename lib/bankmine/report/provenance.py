"""Provenance: by what code and registers a report came to be, and whether what it handed on may be read."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
from contextlib import suppress
from functools import cache
from pathlib import Path

from bankmine.bank.cache import digest, library
from bankmine.bank.flat import Flat
from bankmine.bank.snapshot import Bank, Snapshot
from bankmine.bank.sources import Source
from bankmine.report.catalogue import Report
from bankmine.workspace import WORKSPACE


def code_of(report: Report, source: Source) -> str:
    """Return a digest of all that makes a report of a source but its data: library, notebook, registers, packages."""
    files = [report.notebook, *sorted((WORKSPACE / "data").glob("*.yml"))]
    told = [(f.name, hashlib.sha256(f.read_bytes()).hexdigest()) for f in files]
    return digest(library("."), packages(), told, report.given, source.reads)


@cache
def packages() -> dict[str, str]:
    """Return the versions of the direct dependencies that are installed."""
    names = {re.split(r"[\[<>=!~; ]", r)[0] for r in importlib.metadata.requires("bankmine") or []}
    found = {}
    for name in sorted(names):
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def obstacle(report: Report, folder: Path, source: Bank | Snapshot | Flat) -> str:
    """Say why what a report handed on in the folder of a day is not that of this source by this code; "" if it is."""
    if (folder / f"{report.name}.failed.json").exists():  # a good run takes it away
        return "failed when it last ran"
    try:
        told = json.loads((folder / f"{report.name}.json").read_text("utf-8"))
        data, code, given, files = told["source"]["fingerprint"], told["code"], told["given"], dict(told["files"])
    except FileNotFoundError:
        return "has not run"
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return "has run, but its manifest does not tell how"
    if data != source.fingerprint:
        return "has run on other data"
    if code != code_of(report, source.source):
        return "has run by other code or registers"
    if given:
        return f"has run with {', '.join(given)} of its own"
    lost = [n for n, size in files.items() if not (folder / n).is_file() or (folder / n).stat().st_size != size]
    return f"has run, but {lost[0]} is not what it left" if lost else ""
