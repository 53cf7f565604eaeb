"""Sources: where a bank's data are, and which files or queries fill which table of the contract.

A source is a folder with a `source.yml` and one `<table>.sql` for each contract table that the bank can
fill, or a folder whose files are already named and headed as the contract, which needs neither. A source of one
flat table, for supervised analyses only, is a file, or a folder whose `source.yml` has a part `flat`.
"""

from __future__ import annotations

import datetime
import difflib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import unquote

from bankmine.bank.contract import TABLES
from bankmine.errors import BankmineError, SourceError, told
from bankmine.privacy.keys import KEY, find_key
from bankmine.privacy.register import load_register
from bankmine.registers import read_yaml
from bankmine.workspace import WORKSPACE

SOURCES = WORKSPACE / "data" / "sources"
_KEYS = {
    "title": str, "currency": str, "time_zone": str, "extracted_on": datetime.date, "path": str, "relations": dict,
    "database": dict, "terms": str, "get": str, "generator": str, "arguments": dict, "made_with": str,
    "balance_tolerance": (int, float), "flat": dict, "decimal": str, "dates": str, "encoding": str, "missing": list,
    "rates": dict, "clock": str, "pseudonyms": bool,
}  # fmt: skip
_FLAT_KEYS = {
    "file": (str, list, dict), "loader": str, "target": str, "positive": str, "id": str, "time": str,
    "categories": list, "drop": dict, "keep": list, "costs": dict,
}  # fmt: skip
READING = ("decimal", "dates", "clock", "encoding")
"""Parameters by which a notebook is told how the file of a flat table is written."""
CLOCKS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400, "unix": 1}
"""What a time that is a number may count, in seconds: from a moment that is not told, or from 1970."""
_MAY_BE = {"decimal": (".", ","), "dates": ("dmy", "mdy", "ymd"), "clock": tuple(CLOCKS)}
FLAT = "flat"
"""Relation that the one table of a flat source is read into."""
ROLES = ("target", "positive", "id", "time")
"""Parameters by which a notebook is told what the columns of a flat table are."""
OF_TABLES = (*ROLES, *READING, "keep")
"""All parameters that a notebook has for a flat table, whatever its topic."""
COSTS = ("tp", "fp", "fn", "tn")
"""Kinds of decisions that cost something: true and false positives, false and true negatives."""
_DATABASE_KEYS = {"driver": str, "uri_env": str, "relations": dict, "local": bool, "root_certificate": str}
_OPTIONAL = {"local", "root_certificate"}
_RELATION_KEYS = {"file": (str, list), "sheet": str, "table": str, "member": str, "options": dict, "encoding": str}
_OPTIONS = {
    "all_varchar": bool, "comment": str, "dateformat": str, "decimal_separator": str, "delim": str, "encoding": str,
    "escape": str, "header": bool, "ignore_errors": bool, "max_line_size": int, "new_line": str,
    "normalize_names": bool, "null_padding": bool, "nullstr": str, "parallel": bool, "quote": str, "sep": str,
    "skip": int, "strict_mode": bool, "thousands": str, "timestampformat": str,
}  # fmt: skip
"""Options of DuckDB's `read_csv` that a source may use, as literals."""
_GENERATORS = "bankmine.generators"
"""Entry points by which a package registers a function that makes a bank: `(folder, **arguments)`."""
_KINDS = {
    str: "text", bool: "true or false", int: "a whole number", dict: "a mapping", list: "a list",
    datetime.date: "a date like 2025-12-31", (int, float): "a number",
}  # fmt: skip
_LOADER = re.compile(r"empulse\.datasets:load_[a-z_]+")
"""What may be called to load a table: functions of that package and no others."""
_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Source:
    """Where a bank's data are and how to read them.

    Attributes
    ----------
    folder : Path
        Holds `source.yml` and the mapping; the file itself for a flat table that was given by its path.
    data : Path
        Holds the data files; the same folder where nothing else is said.
    extracted_on : datetime.date
        Last day the data can speak of: what is dated later is a defect. None where the source does not say.
    balance_tolerance : float
        How far a balance may be from what the flows say, in the source's currency; half a cent unless it is told.
    decimal, dates : str
        Decimal sign and order of day, month and year, where nothing in the files settles them.
    clock : str
        What the time of a flat table counts, where it is a number: hours, or unix seconds.
    encoding : str
        Of text files that are not UTF-8, where it cannot be recognised.
    missing : tuple of str
        Texts that stand for no value, beside the usual ones: -999.
    rates : dict
        Currency -> what one unit of it is worth in the source's; rows in others are left out.
    relations : dict
        Raw relation -> file, list of files (the first that exists is read), or mapping with options.
    database : dict
        `driver`, `uri_env` and `relations` (name -> query) of a database; whether it is `local`, or the file of its
        `root_certificate`.
    flat : dict
        `file` or `loader`, `target`, `positive`, `id`, `time`, `categories`, `drop`, `keep` and `costs` of a flat
        table, as far as they are told; None where the source is a bank's tables.
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
    decimal: str = ""
    dates: str = ""
    clock: str = ""
    encoding: str = ""
    missing: tuple[str, ...] = ()
    rates: dict = field(default_factory=dict)
    terms: str = ""
    get: str = ""
    generator: str = ""
    arguments: dict = field(default_factory=dict)
    flat: dict | None = None
    variables: tuple[str, ...] = ()
    """Names of the environment variables that it is read by."""
    pseudonyms: bool = False
    """Whether tokens take the place of keys as it is read."""
    key: str = ""
    """Name of the key by which tokens are made; empty where there are none, or no key is given."""

    @property
    def awaits_generation(self) -> bool:
        """Whether the data are still to be made by the source's generator."""
        return bool(self.generator) and not self.data.exists()

    @property
    def has_truth(self) -> bool:
        """Whether it is known what was planted in the data, so that analyses can be scored: a generator made them."""
        return bool(self.generator)

    @property
    def last_day(self) -> datetime.date:
        """Last day the data can speak of; today where the source does not say."""
        return self.extracted_on or datetime.date.today()

    @property
    def mappings(self) -> dict[str, str]:
        """Contract table -> the SQL that fills it; empty for a source that needs no mapping."""
        return {t: _text(f) for t in TABLES if (f := self.folder / f"{t}.sql").is_file()}

    @property
    def reads(self) -> dict[str, object]:
        """All of what is told that decides what is read, and how it is checked."""
        names = ("time_zone", "relations", "database", "balance_tolerance", "flat", "currency", "decimal", "dates",
                 "clock", "encoding", "missing", "rates")  # fmt: skip
        told = {name: getattr(self, name) for name in names} | {"last_day": self.last_day, "sql": self.mappings}
        if self.pseudonyms:
            told["key"] = self.key
            told["masking"] = {column: group.masking for column, group in load_register(self.folder).groups.items()}
        return told

    @property
    def secrets(self) -> list[str]:
        """Texts that must never show: the key, the database's URI, the password in it as it is and decoded."""
        uri = os.environ.get(self.database.get("uri_env", ""), "")
        found = re.findall(r"://[^:/]*:(.+)@|password=([^&\s]+)", uri)
        passwords = [p for pair in found for p in pair]
        return [s for s in (os.environ.get(KEY), uri, *passwords, *map(unquote, passwords)) if s]


def list_sources() -> list[str]:
    """Names of the sources of the workspace."""
    return sorted(f.parent.name for f in SOURCES.glob("*/source.yml"))


def find_source(name: str) -> Source:
    """Find a source by its name in `data/sources/`, or by the path of a folder or of the file of a flat table.

    Raises
    ------
    SourceError
        If there is none, or its `source.yml` is not understood.
    """
    named = SOURCES / name
    if re.fullmatch(r"\w[\w-]*", name) and (named / "source.yml").is_file():
        return _described(named, name)
    try:
        folder = Path(name).expanduser().resolve()
    except RuntimeError as error:  # a link that leads to itself, or the home of nobody
        raise SourceError(f"Source {name!r} leads nowhere: {error}.") from None
    if folder.is_file():
        told = {"relations": {FLAT: folder.name}, "flat": {}}
        return Source(_slug(folder.name.partition(".")[0], "table"), folder, folder.parent, folder.name, **told)
    if not name or not folder.is_dir():
        raise _unknown(name, folder)
    slug = _slug(folder.name, "folder")
    if (folder / "source.yml").is_file():
        return _described(folder, slug)
    return Source(name=slug, folder=folder, data=folder, title=folder.name)


def written(source: Source, decimal: str = "", dates: str = "", clock: str = "", encoding: str = "") -> Source:
    """Tell how the files of a source are written, beside what it says itself; '' where it is not told.

    Raises
    ------
    BankmineError
        If it is not one of what can be told.
    """
    given = {"decimal": decimal.strip(), "dates": dates.strip().lower(), "clock": clock.strip().lower()}
    given["encoding"] = encoding.strip()
    for name, may in _MAY_BE.items():
        if given[name] and given[name] not in may:
            raise BankmineError(f"{name}={given[name]}: it may be {' or '.join(may)}.")
    return replace(source, **{name: value for name, value in given.items() if value})


def ensure_generated(source: Source) -> None:
    """Let the source's generator make its data, if they are not there yet."""
    if source.awaits_generation:
        generator_of(source)(source.data, **source.arguments)


def generator_of(source: Source) -> Callable[..., Path]:
    """Return what makes the data of a source: a function that an installed package registers, and no other."""
    registered = entry_points(group=_GENERATORS)
    if source.generator not in registered.names:
        raise SourceError(
            f"{source.folder / 'source.yml'}: no generator is called {source.generator!r}; installed are "
            f"{', '.join(sorted(registered.names)) or 'none'}. Give one of these, or run `make setup` if it is new."
        )
    return registered[source.generator].load()


def _slug(name: str, kind: str) -> str:
    """Name the folder of a source's reports; a date would pass for a day's folder of the demo bank."""
    slug = re.sub(r"\W+", "-", name).strip("-").lower() or kind
    return f"{kind}-{slug}" if _DAY.fullmatch(slug) else slug


def _unknown(name: str, path: Path) -> SourceError:
    """Say that there is no such source, and which ones or which files are called nearly so."""
    files = [str(Path(name).parent / f.name) for f in path.parent.glob("*")]
    near = difflib.get_close_matches(name, [*list_sources(), *files], 1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return SourceError(
        f"No source {name!r}.{hint} The workspace has {', '.join(list_sources())}; else give the path of a folder, or "
        "of the file of a flat table."
    )


def _described(folder: Path, name: str) -> Source:
    file = folder / "source.yml"
    try:
        given = read_yaml(file) or {}
    except BankmineError as error:
        raise SourceError(str(error)) from None
    _check(given, _KEYS, file, "source.yml")
    if "flat" in given:
        _check_flat(given, file)
        given["relations"] = {FLAT: given["flat"]["file"]} if "file" in given["flat"] else {}
    _check_places(given, file)
    given.pop("made_with", None)  # provenance for readers
    given.setdefault("title", name)
    path = given.pop("path", ".")
    data = (folder / _expand(path, file)).resolve()
    variables = (*(match[0] for match in _VARIABLE.findall(str(path))), given.get("database", {}).get("uri_env", ""))
    given["missing"] = tuple(map(str, given.get("missing", ())))
    given["rates"] = {str(k): _rate(v, file) for k, v in given.get("rates", {}).items()}
    if given.get("pseudonyms") and (key := find_key()):
        given["key"] = key.name
    source = Source(name=name, folder=folder, data=data, variables=tuple(filter(None, variables)), **given)
    try:
        source = written(source, source.decimal, source.dates, source.clock, source.encoding)
    except BankmineError as error:
        raise SourceError(f"{file}: {error}") from None
    if source.generator:
        generator_of(source)  # refused when it is read, not when it is run
    return source


def _rate(value: object, file: Path) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise SourceError(f"{file}: rates must be numbers above zero, not {value!r}.")
    return float(value)


def _check(given: object, keys: dict[str, type], file: Path, what: str) -> None:
    """Refuse keys that nobody would read, and values of the wrong kind."""
    if not isinstance(given, dict):
        raise SourceError(f"{file}: {what} must be a mapping of {', '.join(keys)}.")
    if unknown := set(given) - set(keys):
        names = ", ".join(sorted(map(str, unknown)))
        raise SourceError(f"{file}: {what} has unknown keys: {names}. It may hold {', '.join(keys)}.")
    for key, value in given.items():
        kind = keys[key]
        wrong = datetime.datetime if kind is bool else datetime.datetime | bool
        if not isinstance(value, kind) or isinstance(value, wrong):
            raise SourceError(f"{file}: {key} must be {_KINDS.get(kind, 'text or a list')}, not {value!r}.")


def _check_places(given: dict, file: Path) -> None:
    """Check how relations say where they are."""
    if "database" in given:
        _check(given["database"], _DATABASE_KEYS, file, "database")
        if missing := set(_DATABASE_KEYS) - _OPTIONAL - set(given["database"]):
            raise SourceError(f"{file}: database lacks {', '.join(sorted(missing))}.")
    for name, spec in given.get("relations", {}).items():
        if isinstance(spec, dict):
            _check(spec, _RELATION_KEYS, file, f"relation {name}")
            _check(spec.get("options", {}), _OPTIONS, file, f"options of relation {name}")
        if not (spec.get("file") if isinstance(spec, dict) else spec):
            raise SourceError(f"{file}: relation {name} names no file.")


def _check_flat(given: dict, file: Path) -> None:
    """Check what is told of a flat table; whether it has the columns shows once it is read."""
    flat = given["flat"]
    _check(flat, _FLAT_KEYS, file, "flat")
    if ("file" in flat) == ("loader" in flat) or not flat.get("target"):
        raise SourceError(f"{file}: flat needs `target`, and either `file` or `loader`.")
    if "loader" in flat and not _LOADER.fullmatch(flat["loader"]):
        raise SourceError(
            f"{file}: loader {flat['loader']!r} is none: it may be a data set of empulse, as "
            "empulse.datasets:load_churn_tv_subscriptions."
        )
    if spare := {"relations", "database", "generator"} & set(given):
        raise SourceError(f"{file}: a source of one flat table has no {', '.join(sorted(spare))}.")
    if odd := set(flat.get("costs", {})) - set(COSTS):
        raise SourceError(
            f"{file}: costs has unknown keys: {', '.join(map(str, odd))}. It may hold {', '.join(COSTS)}."
        )


def _expand(path: str, file: Path) -> str:
    """Fill `${NAME}` and `${NAME:-default}` from the environment; a relative folder starts at the workspace."""

    def value(match: re.Match) -> str:
        found = os.environ.get(match[1], match[2])
        if found is None:
            raise SourceError(f"{file} needs the environment variable {match[1]}: set it to the folder of the data.")
        return str((WORKSPACE / found).resolve()) if match[1] in os.environ else found

    return _VARIABLE.sub(value, str(path))


def _text(file: Path) -> str:
    with told(f"{file} is not readable UTF-8 text"):
        return file.read_text("utf-8")
