"""Catalogue: the reports that `reports.yml` declares, and the parameters that their notebooks take."""

from __future__ import annotations

import ast
import datetime
import difflib
import re
from dataclasses import dataclass, field
from pathlib import Path

import papermill
import yaml

from bankmine.bank.snapshot import parse_day
from bankmine.bank.sources import WORKSPACE
from bankmine.errors import BankmineError

CATALOGUE = WORKSPACE / "reports.yml"
NOTEBOOKS = WORKSPACE / "notebooks"
_KEYS = {"report", "title", "audience", "cadence", "parameters"}
_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Parameter:
    """One parameter of a notebook: its default and the comment beside it."""

    name: str
    default: object
    help: str


@dataclass(frozen=True)
class Report:
    """One report: a notebook with the question it answers."""

    name: str
    title: str
    audience: str = ""
    cadence: str = ""
    given: dict = field(default_factory=dict)

    @property
    def notebook(self) -> Path:
        """File of the notebook."""
        return NOTEBOOKS / f"{self.name}.ipynb"

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Parameters as the notebook's tagged cell declares them: `name = value  # help`."""
        told = papermill.inspect_notebook(str(self.notebook))
        return {n: Parameter(n, ast.literal_eval(p["default"]), p["help"].strip()) for n, p in told.items()}


def load_catalogue() -> dict[str, Report]:
    """Read `reports.yml`.

    Raises
    ------
    BankmineError
        If it is not understood, or names a notebook that is not there.
    """
    try:
        told = yaml.safe_load(CATALOGUE.read_text("utf-8")) or []
        reports = [Report(e["report"], e["title"], e.get("audience", ""), e.get("cadence", ""), e.get("parameters") or {})
                   for e in told]  # fmt: skip
        odd = {key for entry in told for key in entry} - _KEYS
    except (yaml.YAMLError, OSError, KeyError, TypeError, AttributeError) as error:
        raise BankmineError(f"{CATALOGUE} is not a list of reports with `report` and `title`: {error!r}.") from None
    if odd:
        raise BankmineError(f"{CATALOGUE}: not understood: {', '.join(sorted(odd))}. Entries hold {', '.join(_KEYS)}.")
    if lost := [r.name for r in reports if not r.notebook.is_file()]:
        raise BankmineError(f"{CATALOGUE} names {lost[0]}, but {NOTEBOOKS / lost[0]}.ipynb is not there.")
    return {r.name: r for r in reports}


def choose(names: list[str]) -> list[Report]:
    """Pick reports by name, by number (`2`, `02`) or by what follows the number; all where none is named."""
    known = load_catalogue()
    return [_one(name, known) for name in names] if names else list(known.values())


def _one(name: str, known: dict[str, Report]) -> Report:
    for report in known.values():
        number, _, topic = report.name.partition("_")
        if name in (report.name, topic) or (name.isdigit() and name.zfill(2) == number):
            return report
    near = difflib.get_close_matches(name, known, 1, cutoff=0.4)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise BankmineError(f"No report {name!r}.{hint} There are {', '.join(known)}.")


def resolve_parameters(
    reports: list[Report], given: dict[str, str], source: str, as_of: datetime.date
) -> dict[str, dict]:
    """Check the parameters of a run against the notebooks' own, before any kernel starts.

    Parameters
    ----------
    reports : list of Report
        Reports of the run.
    given : dict of str to str
        Parameters of the command line, as text.
    source, as_of
        What every notebook is run with.

    Returns
    -------
    dict of str to dict
        Report -> parameter -> value, of the type of the notebook's default.

    Raises
    ------
    BankmineError
        If no report knows a parameter, or a value is not of its type.
    """
    own = {r.name: r.parameters for r in reports}
    for name in given:
        if not any(name in p for p in own.values()):
            _refuse_unknown(name, sorted({n for p in own.values() for n in p}))
    resolved = {}
    for report in reports:
        parameters = own[report.name]
        if missing := {"source", "as_of"} - set(parameters):
            raise BankmineError(f"{report.notebook} has no parameter {min(missing)}: its parameters cell needs it.")
        for name in set(report.given) - set(parameters):
            _refuse_unknown(name, list(parameters))
        wanted = report.given | {n: v for n, v in given.items() if n in parameters}
        values = {n: typed_value(parameters[n], v) for n, v in wanted.items()}
        resolved[report.name] = values | {"source": source, "as_of": str(as_of)}
    return resolved


def typed_value(parameter: Parameter, value: object) -> object:
    """Turn text into the type of the parameter's default.

    Raises
    ------
    BankmineError
        If it is not of that type.
    """
    kind = type(parameter.default)
    if kind is str:
        is_day = parameter.name == "as_of" or _ISO_DAY.fullmatch(parameter.default)
        return str(parse_day(str(value))) if is_day else str(value)
    try:
        parsed = (
            ast.literal_eval(str(value)) if kind is not bool else {"true": True, "false": False}[str(value).lower()]
        )
    except (ValueError, SyntaxError, KeyError):
        parsed = None
    if kind is float and type(parsed) is int:
        parsed = float(parsed)
    if type(parsed) is not kind:
        raise BankmineError(f"Parameter {parameter.name}: {value!r} is not {_NAMES.get(kind, kind.__name__)}.")
    return parsed


_NAMES = {int: "a whole number", float: "a number", bool: "true or false", list: "a list like ['a', 'b']"}


def _refuse_unknown(name: str, known: list[str]) -> None:
    near = difflib.get_close_matches(name, known, 1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise BankmineError(f"No parameter {name!r}.{hint} There are {', '.join(known)}.")
