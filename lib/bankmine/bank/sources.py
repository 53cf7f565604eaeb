"""Sources: where a bank's data are, and which files or queries fill which table of the contract.

A source is a folder with a `source.yml` and one `<table>.sql` for each contract table that the bank can
fill, or a folder whose files are already named and headed as the contract, which needs neither.
"""

from __future__ import annotations

import datetime
import difflib
import os
import pkgutil
import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from bankmine.bank.contract import TABLES
from bankmine.errors import SourceError

WORKSPACE = Path(__file__).resolve().parents[3]
SOURCES = WORKSPACE / "data" / "sources"
_KEYS = {
    "title", "currency", "time_zone", "extracted_on", "path", "relations", "database", "terms", "get",
    "generator", "arguments", "made_with", "balance_tolerance",
}  # fmt: skip


@dataclass(frozen=True)
class Source:
    """Where a bank's data are and how to read them.

    Attributes
    ----------
    folder : Path
        Holds `source.yml` and the mapping.
    data : Path
        Holds the data files; the same folder where nothing else is said.
    extracted_on : datetime.date
        Last day the data can speak of: what is dated later is a defect. None where the source does not say.
    balance_tolerance : float
        How far a balance may be from what the flows say, in the source's currency; half a cent unless it is told.
    relations : dict
        Raw relation -> file, list of files (the first that exists is read), or mapping with options.
    database : dict
        `driver`, `uri_env` and `relations` (name -> query) of a database.
    """

    name: str
    folder: Path
    data: Path
    title: str
    currency: str = ""
    time_zone: str = ""
    extracted_on: datetime.date | None = None
    relations: dict = field(default_factory=dict)
    database: dict = field(default_factory=dict)
    balance_tolerance: float = 0.005
    terms: str = ""
    get: str = ""
    generator: str = ""
    arguments: dict = field(default_factory=dict)

    @property
    def mappings(self) -> dict[str, str]:
        """Contract table -> the SQL that fills it; empty for a source that needs no mapping."""
        return {t: f.read_text("utf-8") for t in TABLES if (f := self.folder / f"{t}.sql").is_file()}

    @property
    def secrets(self) -> list[str]:
        """Values that must never show: those of the environment variables that the source names."""
        uri = os.environ.get(self.database.get("uri_env", ""), "")
        password = re.search(r"://[^:/@]*:([^@]+)@", uri)
        return [s for s in (uri, password[1] if password else "") if s]


def list_sources() -> list[str]:
    """Names of the sources of the workspace."""
    return sorted(f.parent.name for f in SOURCES.glob("*/source.yml"))


def find_source(name: str) -> Source:
    """Find a source by its name in `data/sources/`, or by the path of a folder.

    Raises
    ------
    SourceError
        If there is none, or its `source.yml` is not understood.
    """
    named = SOURCES / name
    if re.fullmatch(r"\w[\w-]*", name) and (named / "source.yml").is_file():
        return _described(named, name)
    folder = Path(name).expanduser().resolve()
    if not folder.is_dir():
        near = difflib.get_close_matches(name, list_sources(), 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise SourceError(
            f"No source {name!r}:{hint} the workspace has {', '.join(list_sources())}; else give the path of a folder."
        )
    slug = re.sub(r"\W+", "-", folder.name).strip("-").lower() or "folder"
    if (folder / "source.yml").is_file():
        return _described(folder, slug)
    return Source(name=slug, folder=folder, data=folder, title=folder.name)


def ensure_generated(source: Source) -> None:
    """Let the source's generator make its data, if they are not there yet."""
    if source.generator and not source.data.exists():
        pkgutil.resolve_name(source.generator)(source.data, **source.arguments)


def _described(folder: Path, name: str) -> Source:
    file = folder / "source.yml"
    try:
        told = yaml.safe_load(file.read_text("utf-8")) or {}
    except (yaml.YAMLError, OSError) as error:
        raise SourceError(f"{file} is not readable YAML: {_one_line(error)}") from None
    if not isinstance(told, dict) or (unknown := set(told) - _KEYS):
        odd = ", ".join(sorted(unknown)) if isinstance(told, dict) else "its form"
        raise SourceError(f"{file}: not understood: {odd}. It may hold {', '.join(sorted(_KEYS))}.")
    told.pop("made_with", None)  # provenance for readers
    told.setdefault("title", name)
    _check_day(told, file)
    data = (folder / _expand(told.pop("path", "."), file)).resolve()
    return Source(name=name, folder=folder, data=data, **told)


def _check_day(told: dict, file: Path) -> None:
    day = told.get("extracted_on")
    if day is not None and type(day) is not datetime.date:
        raise SourceError(f"{file}: extracted_on must be a date like 2025-12-31, not {day!r}.")


def _expand(path: str, file: Path) -> str:
    """Fill `${NAME}` and `${NAME:-default}` from the environment; a relative folder starts at the workspace."""

    def value(match: re.Match) -> str:
        found = os.environ.get(match[1], match[2])
        if found is None:
            raise SourceError(f"{file} needs the environment variable {match[1]}: set it to the folder of the data.")
        return str((WORKSPACE / found).resolve()) if match[1] in os.environ else found

    return re.sub(r"\$\{(\w+)(?::-([^}]*))?\}", value, str(path))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
