"""Runner: notebooks become dated reports, side by side but after those that they read, and none spoils another."""

from __future__ import annotations

import datetime
import json
import os
import signal
import tempfile
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import nbformat

from bankmine.bank import work
from bankmine.bank.flat import Flat, open_flat, open_unlabelled
from bankmine.bank.snapshot import Bank, open_source, parse_day
from bankmine.bank.sources import OF_TABLES, READING, SOURCES, Source, find_source
from bankmine.errors import BankmineError, one_line
from bankmine.privacy import audit
from bankmine.privacy.access import PURPOSE, ROLE, load_access
from bankmine.privacy.patterns import redacted
from bankmine.report.catalogue import Report, choose, fitting, in_order, load_catalogue, resolve_parameters, topic_of
from bankmine.report.execution import Kernels, execute
from bankmine.report.exporter import render
from bankmine.report.files import (
    FAILED_ENDINGS,
    GOOD_ENDINGS,
    claimed,
    own,
    publish,
    refresh_index,
    refuse_foreign,
    writing,
)
from bankmine.report.findings import bundle
from bankmine.report.handed_on import FAILED, REPORTS, STAGE, encrypted
from bankmine.report.manifest import build_manifest, git_state
from bankmine.report.provenance import code_of, obstacle
from bankmine.report.searched import blanked, personal_in
from bankmine.report.secrecy import hide, whole
from bankmine.report.warm_kernels import Warm
from bankmine.workspace import WORKSPACE

DEFAULT_SOURCE = "demo"


@dataclass(frozen=True)
class Plan:
    """A run that was checked and may start: nothing in it depends on a kernel."""

    reports: list[Report]
    parameters: dict[str, dict]
    out: Path
    folder: Path
    place: str
    base: dict
    code: dict[str, str]
    secrets: list[str]
    variables: tuple[str, ...]
    """Of the environment, that a kernel needs to read the source."""
    given: dict[str, str] = field(default_factory=dict)
    """Parameters of the command line."""
    first: dict[str, str] = field(default_factory=dict)
    """Reports that nobody named and that others read from, and why each is run."""
    actors: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Report -> role and purpose that it runs under; empty where there are no roles."""

    @property
    def told(self) -> dict[str, str]:
        """What the audit is told of it."""
        source = self.base["source"]
        return {"source": source["name"], "fingerprint": source["fingerprint"], "as_of": self.base["as_of"]}

    def manifest(self, report: Report) -> dict:
        """Return what is known of a report's run before it begins."""
        used = self.parameters[report.name]
        given = {} if report.name in self.first else {n: v for n, v in self.given.items() if n in used}
        role, purpose = self.actors.get(report.name, (report.role, report.purpose))
        told = {"role": role, "purpose": purpose, "parameters": used, "given": given}
        return self.base | told | {"code": self.code[report.name]}


@dataclass(frozen=True)
class Outcome:
    """What became of one report."""

    report: str
    error: str | None = None
    page: Path | None = None
    seconds: float | None = None
    alerts: int = 0
    without: tuple[str, ...] = ()
    """Reports that it reads from and that failed in this run."""


class Teller(Protocol):
    """Told how a run goes."""

    def queued(self, reports: list[str], first: dict[str, str]) -> None:
        """Tell which reports are about to run, and why those of them that nobody named."""

    def cell(self, report: str, done: int, cells: int) -> None:
        """Tell how many cells of a report are done."""

    def done(self, outcome: Outcome) -> None:
        """Tell what became of a report."""


def plan_run(names: list[str], source: str, as_of: str | None, out: Path, given: dict[str, str]) -> Plan:
    """Check all that can be checked before a kernel starts.

    Reports that a named one reads from run first, by their own parameters, unless they are there: good, of this day,
    these data, this code and these registers.

    Parameters
    ----------
    names : list of str
        Reports; all of the catalogue where none is named.
    source : str
        Name or path of the source.
    as_of : str or None
        Last day to know; the last day of the data where it is not given. A flat table without days is of the day on
        which it was extracted, or its file changed.
    out : Path
        Folder of the reports, absolute.
    given : dict of str to str
        Further parameters.

    Raises
    ------
    BankmineError
        If the source, the day, a report or a parameter is not as it must be.
    """
    named = fitting(choose(names), told := find_source(source), named=bool(names))
    flat = told.flat is not None
    actors = _actors(named)
    labelled = not all(r.unlabelled for r in named)
    opened, day = (_flat if flat else _bank)(source, as_of, given, actors.get(named[0].name, ("", "")), labelled)
    place = place_of(told)
    parameters = resolve_parameters(named, given, place, day, flat)
    folder = folder_of(told, out) / str(day)
    first = _not_there(named, opened, folder)
    known = load_catalogue()
    reports = [known[name] for name in first] + named
    parameters |= resolve_parameters(reports[: len(first)], {}, place, day, flat)
    actors = _actors(reports)
    code = {r.name: code_of(r, told) for r in reports}
    base = _base(opened, str(day))
    return Plan(reports, parameters, out, folder, place, base, code, told.secrets, told.variables, given, first, actors)


def _actors(reports: list[Report]) -> dict[str, tuple[str, str]]:
    """Say as whom and for what each report runs; refuse one that its role may not run, or not for its purpose."""
    if (rules := load_access()) is None:
        return {}
    actors = {r.name: rules.acting(r.role, r.purpose) for r in reports}
    for name, actor in actors.items():
        rules.require_run(name, *actor)
    return actors


def folder_of(source: Source, out: Path) -> Path:
    """Return where among reports those of a source are; refuse the folder of another."""
    place = place_of(source)
    folder = out if place == DEFAULT_SOURCE else out / source.name
    refuse_foreign(folder, place)
    return folder


def _not_there(named: list[Report], opened: Bank | Flat, folder: Path) -> dict[str, str]:
    """Find the reports that others read from and that are not to be read as they are: name -> why."""
    known = {r.name: r for r in fitting(list(load_catalogue().values()), opened.source, named=False)}
    found: dict[str, str] = {}
    looked = {r.name for r in named}
    asked = list(named)
    while asked:
        report = asked.pop()
        after = () if report.unlabelled and isinstance(opened, Flat) else report.after
        for name in [n for n in after if n in known and n not in looked]:
            looked.add(name)
            if why := obstacle(known[name], folder, opened):
                found[name] = why
                asked.append(known[name])
    return {name: found[name] for name in known if name in found}


def _bank(source: str, as_of: str | None, *_: object) -> tuple[Bank, datetime.date]:
    bank = open_source(source)
    return bank, bank.valid_day(as_of) if as_of is not None else bank.newest


def _flat(
    source: str, as_of: str | None, given: dict[str, str], actor: tuple[str, str], labelled: bool
) -> tuple[Flat, datetime.date]:  # fmt: skip
    """Read a flat table as the notebooks will, so that a wrong name of a column is refused before a kernel starts."""
    day = parse_day(as_of) if as_of is not None else ""
    names = OF_TABLES if labelled else ("id", "time", *READING)
    told = {name: given[name] for name in names if name in given}
    flat = (open_flat if labelled else open_unlabelled)(source, **told, as_of=day, role=actor[0], purpose=actor[1])
    return flat, flat.as_of


def execute_plan(plan: Plan, jobs: int, teller: Teller, warm: Warm) -> list[Outcome]:
    """Execute a plan and write its reports and the index.

    Parameters
    ----------
    plan : Plan
        From `plan_run`.
    jobs : int
        Kernels at a time.
    teller : Teller
        Told of each cell, and of each finished report.
    warm : Warm
        What kernels are forked from.

    Raises
    ------
    BankmineError
        If the folder cannot be written or another run is writing to it.
    """
    with claimed(plan.folder):
        if plan.place != DEFAULT_SOURCE:
            own(plan.folder.parent, plan.place)
        run = audit.record("run started", **plan.told, reports=[r.name for r in plan.reports])
        teller.queued([r.name for r in plan.reports], plan.first)
        warm.preload([r.notebook for r in plan.reports])
        outcomes = _run_all(plan, jobs, teller, Kernels(warm.place))
    status = {o.report: "failed" if o.error else "ok" for o in outcomes}
    ends = {
        "audit": lambda: audit.record("run finished", **plan.told, run=run.number, status=status),
        "index": lambda: refresh_index(plan.out),
    }
    return outcomes + [failure for what, end in ends.items() for failure in _ended(what, end, teller)]


def _run_all(plan: Plan, jobs: int, teller: Teller, kernels: Kernels) -> list[Outcome]:
    tasks: list[Future] = []
    outcomes: dict[str, Outcome] = {}
    reports = {r.name: r for r in plan.reports}
    order = in_order(plan.reports)
    order.prepare()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            while order.is_active():
                for report in (reports[name] for name in order.get_ready()):
                    failed = {n: o.error for n in report.after if (o := outcomes.get(n)) and o.error}
                    tasks.append(pool.submit(_run_one, plan, report, kernels, teller, failed))
                done, running = wait(tasks, return_when=FIRST_COMPLETED)
                tasks = list(running)
                for outcome in (task.result() for task in done):
                    outcomes[outcome.report] = outcome
                    teller.done(outcome)
                    order.done(outcome.report)
        except BaseException:  # Ctrl-C above all: no kernel may outlive the run, however often it is pressed
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            kernels.stop(tasks)
            raise
    return list(outcomes.values())


def _ended(what: str, end: Callable[[], object], teller: Teller) -> list[Outcome]:
    """Do what ends a run; where that fails, the reports are there all the same."""
    try:
        end()
    except BankmineError as failure:
        teller.done(Outcome(what, str(failure)))
        return [Outcome(what, str(failure))]
    return []


def _run_one(plan: Plan, report: Report, kernels: Kernels, teller: Teller, failed: dict[str, str]) -> Outcome:
    with tempfile.TemporaryDirectory(dir=work.folder()) as stage:
        places = {STAGE: stage, REPORTS: str(plan.folder.parent), FAILED: json.dumps(list(failed))}
        places |= {audit.REPORT: report.name}
        places |= {name: os.environ[name] for name in plan.variables if name in os.environ}
        places |= dict(zip((ROLE, PURPOSE), plan.actors.get(report.name, ()), strict=False))
        outcome = _run_staged(plan, report, kernels, teller, places, failed)
        return replace(outcome, without=tuple(failed))


def _run_staged(
    plan: Plan, report: Report, kernels: Kernels, teller: Teller, places: dict[str, str], failed: dict[str, str]
) -> Outcome:
    parameters = plan.parameters[report.name]
    notebook, error = execute(
        report.notebook, parameters, kernels, lambda done, cells: teller.cell(report.name, done, cells), places
    )
    if kernels.stopped:
        return Outcome(report.name, "interrupted")
    _warn(notebook, report, failed)
    for cell in notebook.cells:
        if "outputs" in cell:
            cell.outputs = whole(cell.outputs)
    notebook = nbformat.from_dict(hide(notebook, plan.secrets))
    manifest = build_manifest(report, notebook, plan.manifest(report), hide(error, plan.secrets))
    try:
        written = {} if error else _staged(places[STAGE], report)
        notebook, manifest, page, written = _without_people(plan, report, notebook, manifest, written)
        page = _write(plan, report, notebook, manifest, page, written)
    except BankmineError as failure:
        return Outcome(report.name, str(failure), None, manifest["seconds"])
    except Exception as failure:  # an output that cannot be shown must not spoil the other reports
        why = f"The page cannot be made: {type(failure).__name__}: {one_line(failure, plan.secrets)}"
        return Outcome(report.name, why, None, manifest["seconds"])
    return Outcome(report.name, manifest["error"], page, manifest["seconds"], len(manifest["alerts"]))


def _warn(notebook: nbformat.NotebookNode, report: Report, failed: dict[str, str]) -> None:
    """Say in a page, below its title, which of the reports that it reads from failed in this run."""
    if not failed:
        return
    says = "{report} failed in this run, and what would be read from it is lacking: {why}"
    told = [
        bundle(says, id=f"{topic_of(report.name)}.without_{number}", headline=True, alert=True, report=name, why=why)
        for number, (name, why) in enumerate(failed.items(), start=1)
    ]
    shown = [nbformat.v4.new_output("display_data", data=data) for data in told]
    notebook.cells.insert(1, nbformat.v4.new_code_cell(outputs=shown))


def _staged(stage: str, report: Report) -> dict[str, bytes]:
    """Return what a notebook wrote for other systems: path in the folder of the day -> content."""
    return {f"{report.name}/{f.name}": f.read_bytes() for f in sorted(Path(stage).iterdir()) if f.is_file()}


def _without_people(
    plan: Plan, report: Report, notebook: nbformat.NotebookNode, manifest: dict, written: dict[str, bytes]
) -> tuple[nbformat.NotebookNode, dict, str, dict[str, bytes]]:
    """Return what is published, encrypted by a key; where it looks personal, a failed page that shows none of it."""
    left = {name: encrypted(content, f"{plan.folder.name}/{name}") for name, content in written.items()}
    manifest["files"] = {name: len(content) for name, content in left.items()}
    page = render(notebook, manifest)
    if not (why := personal_in(notebook, manifest, page, written)):
        return notebook, manifest, page, left
    notebook = nbformat.from_dict(blanked(notebook))
    error = f"{redacted(manifest['error'])} {why}" if manifest["error"] else why
    for _ in range(2):
        manifest = blanked(build_manifest(report, notebook, plan.manifest(report), None)) | {"files": {}}
        manifest |= {"status": "failed", "error": error}
        page = render(notebook, manifest)
        if not personal_in(notebook, manifest, page, {}):
            break
        notebook.cells = []  # it shows only where pieces meet
    return notebook, manifest, page, {}


def _write(
    plan: Plan,
    report: Report,
    notebook: nbformat.NotebookNode,
    manifest: dict,
    page_text: str,
    written: dict[str, bytes],
) -> Path:
    """Publish page, notebook, manifest and what the notebook wrote; a good report takes the place of a failed one."""
    endings = FAILED_ENDINGS if manifest["error"] else GOOD_ENDINGS
    page, ipynb, told = (plan.folder / (report.name + ending) for ending in endings)
    of_run = {name: manifest.get(name) for name in ("report", "role", "purpose", "status", "files")}
    manifest["audit"] = audit.record("report", **plan.told, **of_run)._asdict()
    publish({
        page: page_text, ipynb: nbformat.writes(notebook),
        told: json.dumps(manifest, indent=1, ensure_ascii=False),
        **{plan.folder / name: content for name, content in written.items()},
    })  # fmt: skip
    if not manifest["error"]:
        with writing(page):
            for ending in FAILED_ENDINGS:
                (plan.folder / (report.name + ending)).unlink(missing_ok=True)
    return page


def place_of(source: Source) -> str:
    """Write a source as every notebook finds it, wherever the command was called."""
    return source.name if source.folder == SOURCES / source.name else str(source.folder)


def _base(opened: Bank | Flat, day: str) -> dict:
    source = opened.source
    told = {"name": source.name, "title": source.title, "currency": source.currency, "fingerprint": opened.fingerprint}
    return {"source": told, "as_of": day, "git": git_state(WORKSPACE)}
