"""Runner: notebooks become dated reports, in parallel, and one that fails spoils nothing else."""

from __future__ import annotations

import datetime
import json
import signal
import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import nbformat

from bankmine.bank.flat import Flat, open_flat
from bankmine.bank.snapshot import Bank, open_source, parse_day
from bankmine.bank.sources import READING, ROLES, SOURCES, WORKSPACE, Source, find_source
from bankmine.errors import BankmineError, one_line
from bankmine.report.catalogue import Report, choose, fitting, resolve_parameters
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
from bankmine.report.handed_on import REPORTS, STAGE
from bankmine.report.manifest import build_manifest, git_state
from bankmine.report.secrecy import hide
from bankmine.report.warm_kernels import warm_process

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
    secrets: list[str]


@dataclass(frozen=True)
class Outcome:
    """What became of one report."""

    report: str
    error: str | None = None
    page: Path | None = None
    seconds: float | None = None
    alerts: int = 0


class Teller(Protocol):
    """Told how a run goes."""

    def queued(self, reports: list[str]) -> None:
        """Tell which reports are about to run."""

    def cell(self, report: str, done: int, cells: int) -> None:
        """Tell how many cells of a report are done."""

    def done(self, outcome: Outcome) -> None:
        """Tell what became of a report."""


def plan_run(names: list[str], source: str, as_of: str | None, out: Path, given: dict[str, str]) -> Plan:
    """Check all that can be checked before a kernel starts.

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
    reports = fitting(choose(names), told := find_source(source), named=bool(names))
    flat = told.flat is not None
    opened, day = (_flat if flat else _bank)(source, as_of, given)
    place = _place(told)
    parameters = resolve_parameters(reports, given, place, day, flat)
    of_source = out if place == DEFAULT_SOURCE else out / told.name
    refuse_foreign(of_source, place)
    return Plan(reports, parameters, out, of_source / str(day), place, _base(opened, str(day)), told.secrets)


def _bank(source: str, as_of: str | None, _: dict[str, str]) -> tuple[Bank, datetime.date]:
    bank = open_source(source)
    return bank, bank.valid_day(as_of) if as_of is not None else bank.span[1]


def _flat(source: str, as_of: str | None, given: dict[str, str]) -> tuple[Flat, datetime.date]:
    """Read a flat table as the notebooks will, so that a wrong name of a column is refused before a kernel starts."""
    day = parse_day(as_of) if as_of is not None else ""
    flat = open_flat(source, **{name: given[name] for name in (*ROLES, *READING) if name in given}, as_of=day)
    return flat, flat.as_of


def execute_plan(plan: Plan, jobs: int, teller: Teller) -> list[Outcome]:
    """Execute a plan and write its reports and the index.

    Parameters
    ----------
    plan : Plan
        From `plan_run`.
    jobs : int
        Kernels at a time.
    teller : Teller
        Told of each cell, and of each finished report.

    Raises
    ------
    BankmineError
        If the folder cannot be written or another run is writing to it.
    """
    with claimed(plan.folder):
        if plan.place != DEFAULT_SOURCE:
            own(plan.folder.parent, plan.place)
        teller.queued([r.name for r in plan.reports])
        with warm_process([r.notebook for r in plan.reports]) as warm:
            outcomes = _run_all(plan, jobs, teller, Kernels(warm))
    return outcomes + _index(plan.out, teller)


def _run_all(plan: Plan, jobs: int, teller: Teller, kernels: Kernels) -> list[Outcome]:
    tasks, outcomes = [], []
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for report in plan.reports:
                tasks.append(pool.submit(_run_one, plan, report, kernels, teller))
            for task in as_completed(tasks):
                outcomes.append(task.result())
                teller.done(outcomes[-1])
        except BaseException:  # Ctrl-C above all: no kernel may outlive the run, however often it is pressed
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            kernels.stop(tasks)
            raise
    return outcomes


def _index(out: Path, teller: Teller) -> list[Outcome]:
    """Write the index; where that fails, the reports are there all the same."""
    try:
        refresh_index(out)
    except BankmineError as failure:
        teller.done(Outcome("index", str(failure)))
        return [Outcome("index", str(failure))]
    return []


def _run_one(plan: Plan, report: Report, kernels: Kernels, teller: Teller) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="bankmine-") as stage:
        places = {STAGE: stage, REPORTS: str(plan.folder.parent)}
        return _run_staged(plan, report, kernels, teller, places)


def _run_staged(plan: Plan, report: Report, kernels: Kernels, teller: Teller, places: dict[str, str]) -> Outcome:
    parameters = plan.parameters[report.name]
    notebook, error = execute(
        report.notebook, parameters, kernels, lambda done, cells: teller.cell(report.name, done, cells), places
    )
    if kernels.stopped:
        return Outcome(report.name, "interrupted")
    notebook = nbformat.from_dict(hide(notebook, plan.secrets))
    manifest = build_manifest(report, notebook, plan.base | {"parameters": parameters}, hide(error, plan.secrets))
    try:
        page = _write(plan, report, notebook, manifest, {} if error else _staged(places[STAGE]))
    except BankmineError as failure:
        return Outcome(report.name, str(failure), None, manifest["seconds"])
    except Exception as failure:  # an output that cannot be shown must not spoil the other reports
        why = f"The page cannot be made: {type(failure).__name__}: {one_line(failure, plan.secrets)}"
        return Outcome(report.name, why, None, manifest["seconds"])
    return Outcome(report.name, manifest["error"], page, manifest["seconds"], len(manifest["alerts"]))


def _staged(stage: str) -> dict[str, bytes]:
    """Return what a notebook wrote for other systems: name -> content."""
    return {f.name: f.read_bytes() for f in sorted(Path(stage).iterdir()) if f.is_file()}


def _write(
    plan: Plan, report: Report, notebook: nbformat.NotebookNode, manifest: dict, written: dict[str, bytes]
) -> Path:
    """Publish page, notebook, manifest and what the notebook wrote; a good report takes the place of a failed one."""
    endings = FAILED_ENDINGS if manifest["error"] else GOOD_ENDINGS
    page, ipynb, told = (plan.folder / (report.name + ending) for ending in endings)
    manifest["files"] = {name: len(content) for name, content in written.items()}
    publish({
        page: render(notebook, manifest), ipynb: nbformat.writes(notebook),
        told: json.dumps(manifest, indent=1, ensure_ascii=False),
        **{plan.folder / name: content for name, content in written.items()},
    })  # fmt: skip
    if not manifest["error"]:
        with writing(page):
            for ending in FAILED_ENDINGS:
                (plan.folder / (report.name + ending)).unlink(missing_ok=True)
    return page


def _place(source: Source) -> str:
    """Write a source as every notebook finds it, wherever the command was called."""
    return source.name if source.folder == SOURCES / source.name else str(source.folder)


def _base(opened: Bank | Flat, day: str) -> dict:
    source = opened.source
    told = {"name": source.name, "title": source.title, "currency": source.currency, "fingerprint": opened.fingerprint}
    return {"source": told, "as_of": day, "git": git_state(WORKSPACE)}
