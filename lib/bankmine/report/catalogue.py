"""Catalogue: the reports that `reports.yml` declares, and the parameters that their notebooks take."""

from __future__ import annotations

import ast
import datetime
import difflib
import re
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import yaml

from bankmine.bank.sources import OF_TABLES, ROLES, Source
from bankmine.errors import BankmineError, told
from bankmine.privacy import access
from bankmine.privacy.access import load_access
from bankmine.workspace import WORKSPACE

CATALOGUE = WORKSPACE / "reports.yml"
NOTEBOOKS = WORKSPACE / "notebooks"
_KEYS = {
    "report": str, "title": str, "audience": str, "cadence": str, "parameters": dict, "needs_truth": bool,
    "takes_flat": bool, "unlabelled": bool, "after": list, "owner": str, "due": int, "number": str, "meaning": str,
    "decision": str, "role": str, "purpose": str,
}  # fmt: skip
_SHAPES = {
    str: "text", dict: "a mapping of names to values", bool: "true or false", list: "a list of reports",
    int: "a number of days",
}  # fmt: skip
_NAME = re.compile(r"\w[\w-]*")
_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_KINDS = {
    int: "a whole number", float: "a number", bool: "true or false", list: "a list like ['a', 'b']",
    dict: "a mapping like {'a': 1}",
}  # fmt: skip


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
    needs_truth: bool = False
    """Runs on a demo bank only, as it scores against what was planted."""
    takes_flat: bool = False
    """Runs on a flat table as well as on a bank's tables, and takes the parameters that tell its columns."""
    unlabelled: bool = False
    """Takes flat tables whose rows have no outcome, as purchases; it runs on one only where it is named."""
    after: tuple[str, ...] = ()
    """Reports that it reads from: they run before it."""
    owner: str = ""
    """Who decides."""
    due: int | None = None
    """Days after the as-of day by which the decision is taken."""
    number: str = ""
    """The one number of the front page: the id of a finding and the name of a value of it, `churn.trend.now`."""
    meaning: str = ""
    """What that number is, in words."""
    decision: str = ""
    """Id of the finding that says what to do."""
    role: str = ""
    purpose: str = ""
    """As whom it runs and for what, by `data/access.yml`; that of who calls where its catalogue does not say so."""

    @property
    def notebook(self) -> Path:
        """File of the notebook."""
        return NOTEBOOKS / f"{self.name}.ipynb"

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Parameters as the notebook's tagged cell declares them: `name = value  # help`."""
        import nbformat  # these two take most of a second
        import papermill

        with told(f"{self.notebook} cannot be read"):
            found = papermill.inspect_notebook(nbformat.read(self.notebook, as_version=4))
        return {n: Parameter(n, self._default(n, p["default"]), p["help"].strip()) for n, p in found.items()}

    def _default(self, name: str, text: str) -> object:
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError):
            raise BankmineError(
                f"{self.notebook}: parameter {name} must have a plain value on its line, not {text}."
            ) from None


def load_catalogue() -> dict[str, Report]:
    """Read `reports.yml`.

    Raises
    ------
    BankmineError
        If it is not understood, or names a notebook that is not there.
    """
    with told(f"{CATALOGUE} cannot be read"):
        entries = yaml.safe_load(CATALOGUE.read_text("utf-8")) or []
    if not isinstance(entries, list):
        raise BankmineError(f"{CATALOGUE} must be a list of reports: begin each with `- report: name`.")
    reports = [_declared(e) for e in entries]
    names = [r.name for r in reports]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise BankmineError(f"{CATALOGUE} names {twice[0]} twice: remove one.")
    if lost := [r for r in reports if not r.notebook.is_file()]:
        raise BankmineError(f"{CATALOGUE} names {lost[0].name}, but {lost[0].notebook} is not there.")
    for report in reports:
        if unknown := [name for name in report.after if name not in names]:
            raise BankmineError(f"{CATALOGUE}: {report.name} comes after {unknown[0]!r}, which is no report here.")
    try:
        in_order(reports).prepare()
    except CycleError as error:
        waiting = " after ".join(reversed(error.args[1]))
        raise BankmineError(f"{CATALOGUE}: {waiting}: reports that wait for each other never run.") from None
    _check_access(reports, names)
    return {r.name: r for r in reports}


def _check_access(reports: list[Report], names: list[str]) -> None:
    """Refuse roles and purposes that are not there, and roles that may run a report that is not."""
    if (rules := load_access()) is None:
        return
    for report in reports:
        if report.role and report.role not in rules.roles:
            raise BankmineError(f"{CATALOGUE}: {report.name}: no role {report.role!r}: see {access.FILE}.")
        if report.purpose and report.purpose not in rules.register.purposes:
            raise BankmineError(f"{CATALOGUE}: {report.name}: no purpose {report.purpose!r}: see data/privacy.yml.")
    if lost := rules.unknown_report(names):
        raise BankmineError(f"{access.FILE} lists {lost}, which is no report of {CATALOGUE}.")


def in_order(reports: list[Report]) -> TopologicalSorter[str]:
    """Set up the order in which some reports may run: each after those of them that it reads from, as it names them."""
    names = {r.name for r in reports}
    return TopologicalSorter({r.name: [name for name in r.after if name in names] for r in reports})


def _declared(entry: object) -> Report:
    """Turn an entry of the catalogue into a report, or say what is wrong with it."""
    if not isinstance(entry, dict) or not {"report", "title"} <= set(entry):
        raise BankmineError(f"{CATALOGUE}: each entry needs `report` and `title`, unlike {entry!r}.")
    if odd := [key for key in entry if key not in _KEYS]:
        raise BankmineError(f"{CATALOGUE}: {odd[0]!r} is not understood. Entries hold {', '.join(_KEYS)}.")
    for key, value in entry.items():
        if not isinstance(value, _KEYS[key]):
            raise BankmineError(f"{CATALOGUE}: `{key}: {value}` must be {_SHAPES[_KEYS[key]]}.")
    if odd := [name for name in entry.get("after", []) if not isinstance(name, str)]:
        raise BankmineError(f"{CATALOGUE}: `after` must be {_SHAPES[list]}, unlike {odd[0]!r}.")
    if not _NAME.fullmatch(entry["report"]):
        raise BankmineError(f"{CATALOGUE}: {entry['report']!r} is no name of a notebook.")
    told = {"given" if key == "parameters" else key: value for key, value in entry.items()}
    return Report(name=told.pop("report"), **told | {"after": tuple(told.get("after", ()))})


def topic_of(name: str) -> str:
    """Return what the ids of a report's findings begin with: its name without its number."""
    return re.sub(r"[^a-z0-9_]", "_", re.sub(r"^\d+_", "", name).lower())


def choose(names: list[str]) -> list[Report]:
    """Pick reports by name, by number (`2`, `02`) or by what follows the number; all where none is named."""
    known = load_catalogue()
    if not known:
        raise BankmineError(f"{CATALOGUE} declares no report: make one with bankmine new.")
    return list({r.name: r for r in (_one(name, known) for name in names)}.values()) or list(known.values())


def fitting(reports: list[Report], source: Source, named: bool) -> list[Report]:
    """Leave out the reports that need a bank's tables where the source is a flat table, or truth where none is planted.

    Raises
    ------
    BankmineError
        If such a report was named, or none is left.
    """
    flat = source.flat is not None
    takes = {r.name: r.takes_flat and (named or not r.unlabelled) for r in reports}
    fit = [r for r in reports if (takes[r.name] if flat else source.has_truth or not r.needs_truth)]
    if len(fit) == len(reports) or (fit and not named):
        return fit
    unfit = next(r.name for r in reports if r not in fit)
    if flat:
        raise BankmineError(f"{unfit} needs the tables of a bank: source {source.name} is one flat table.")
    raise BankmineError(f"{unfit} needs a demo bank: source {source.name} has no planted truth to score against.")


def _one(name: str, known: dict[str, Report]) -> Report:
    for report in known.values():
        number, _, topic = report.name.partition("_")
        if name in (report.name, topic) or (name.isdigit() and name.zfill(2) == number):
            return report
    near = difflib.get_close_matches(name, known, 1, cutoff=0.4)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise BankmineError(f"No report {name!r}.{hint} There are {', '.join(known)}.")


def resolve_parameters(
    reports: list[Report], given: dict[str, str], source: str, as_of: datetime.date, flat: bool
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
    flat : bool
        Whether the source is a flat table.

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
        if name in OF_TABLES and not flat and all(r.takes_flat for r in reports if name in own[r.name]):
            raise BankmineError(f"Parameter {name} tells a column of a flat table: source {source} is a bank's tables.")
    return {r.name: _resolved(r, own[r.name], given) | {"source": source, "as_of": str(as_of)} for r in reports}


def _resolved(report: Report, parameters: dict[str, Parameter], given: dict[str, str]) -> dict:
    """Values for one report: the catalogue's, and the command line's where they differ."""
    roles = ({"id", "time"} if report.unlabelled else {*ROLES}) if report.takes_flat else set()
    if missing := {"source", "as_of", *roles} - set(parameters):
        raise BankmineError(
            f"{report.notebook} declares no {' and no '.join(sorted(missing))}: "
            "give it a cell with the tag `parameters` that sets them."
        )
    for name in set(report.given) - set(parameters):
        _refuse_unknown(name, list(parameters))
    wanted = report.given | {n: v for n, v in given.items() if n in parameters}
    return {n: typed_value(parameters[n], v) for n, v in wanted.items()}


def typed_value(parameter: Parameter, value: object) -> object:
    """Turn text into the type of the parameter's default.

    Raises
    ------
    BankmineError
        If it is not of that type.
    """
    kind = type(parameter.default)
    if kind is str:
        return _day(parameter, str(value)) if _ISO_DAY.fullmatch(parameter.default) else str(value)
    parsed = _literal(str(value).lower().capitalize() if kind is bool else str(value))
    if kind is float and type(parsed) is int:
        parsed = float(parsed)
    if type(parsed) is not kind:
        raise BankmineError(f"Parameter {parameter.name}: {value!r} is not {_KINDS.get(kind, kind.__name__)}.")
    return parsed


def _day(parameter: Parameter, text: str) -> str:
    try:
        return str(datetime.date.fromisoformat(text))
    except ValueError:
        raise BankmineError(f"Parameter {parameter.name}: {text!r} is not a date like 2025-12-31.") from None


def _literal(text: str) -> object:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None


def _refuse_unknown(name: str, known: list[str]) -> None:
    near = difflib.get_close_matches(name, known, 1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise BankmineError(f"No parameter {name!r}.{hint} There are {', '.join(known)}.")
