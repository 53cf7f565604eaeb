"""Runner: notebooks become dated reports, in parallel, and one that fails spoils nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import nbformat

from bankmine.bank.snapshot import Bank, open_source
from bankmine.errors import BankmineError
from bankmine.report.catalogue import Report, choose, resolve_parameters
from bankmine.report.execution import Kernels, execute
from bankmine.report.exporter import render
from bankmine.report.files import FAILED_ENDINGS, GOOD_ENDINGS, claimed, publish
from bankmine.report.index import write_index
from bankmine.report.manifest import build_manifest

DEFAULT_SOURCE = "demo"

Progress = Callable[[str, int, int], None]
"""Told after each cell: report, cells done, cells in all."""


@dataclass(frozen=True)
class Plan:
    """A run that was checked and may start: nothing in it depends on a kernel."""

    reports: list[Report]
    parameters: dict[str, dict]
    folder: Path
    out: Path
    base: dict
    secrets: list[str]


@dataclass(frozen=True)
class Outcome:
    """What became of one report."""

    report: str
    error: str | None
    page: Path | None
    seconds: float | None
    alerts: int = 0


def plan_run(names: list[str], source: str, as_of: str | None, out: Path, given: dict[str, str]) -> Plan:
    """Check all that can be checked before a kernel starts.

    Parameters
    ----------
    names : list of str
        Reports; all of the catalogue where none is named.
    source : str
        Name or path of the source.
    as_of : str or None
        Last day to know; the last day of the data where it is not given.
    out : Path
        Folder of the reports.
    given : dict of str to str
        Further parameters.

    Raises
    ------
    BankmineError
        If the source, the day, a report or a parameter is not as it must be.
    """
    reports = choose(names)
    bank = open_source(source)
    day = bank.valid_day(as_of) if as_of else bank.span[1]
    place = str(bank.source.folder) if Path(source).is_dir() and source != bank.source.name else source
    parameters = resolve_parameters(reports, given, place, day)
    folder = out / str(day) if bank.source.name == DEFAULT_SOURCE else out / bank.source.name / str(day)
    return Plan(reports, parameters, folder, out, _base(bank, str(day)), bank.source.secrets)


def run(plan: Plan, jobs: int, progress: Progress, done: Callable[[Outcome], None]) -> list[Outcome]:
    """Execute a plan and write its reports and the index.

    Parameters
    ----------
    plan : Plan
        From `plan_run`.
    jobs : int
        Kernels at a time.
    progress, done : callable
        Told of each cell, and of each finished report.

    Raises
    ------
    BankmineError
        If the folder cannot be written or another run is writing to it.
    """
    kernels = Kernels()
    with claimed(plan.folder) as work, ThreadPoolExecutor(jobs) as pool:
        tasks = [pool.submit(_run_one, plan, report, work, kernels, progress) for report in plan.reports]
        outcomes = []
        try:
            for task in as_completed(tasks):
                outcomes.append(task.result())
                done(outcomes[-1])
        except BaseException:  # Ctrl-C above all: no kernel may outlive the run
            kernels.stop()
            pool.shutdown(cancel_futures=True)
            raise
        write_index(plan.out)
    return outcomes


def _run_one(plan: Plan, report: Report, work: Path, kernels: Kernels, progress: Progress) -> Outcome:
    parameters = plan.parameters[report.name]
    try:
        notebook, error = execute(
            report.notebook, parameters, work, kernels, lambda cell, cells: progress(report.name, cell, cells)
        )
    except OSError as failure:
        return Outcome(
            report.name, f"Cannot write to {work.parent}: {failure.strerror}. Free some space or use --out.", None, None
        )
    if kernels.stopped:
        return Outcome(report.name, "interrupted", None, None)
    notebook = _without_secrets(notebook, plan.secrets)
    manifest = build_manifest(report, notebook, plan.base | {"parameters": parameters}, error)
    manifest = json.loads(_hide(json.dumps(manifest, ensure_ascii=False), plan.secrets))
    endings = FAILED_ENDINGS if error else GOOD_ENDINGS
    page, ipynb, told = (plan.folder / (report.name + ending) for ending in endings)
    try:
        publish({
            page: render(notebook, manifest), ipynb: nbformat.writes(notebook),
            told: json.dumps(manifest, indent=1, ensure_ascii=False),
        })  # fmt: skip
    except BankmineError as failure:
        return Outcome(report.name, str(failure), None, manifest["seconds"])
    if not error:
        for ending in FAILED_ENDINGS:
            (plan.folder / (report.name + ending)).unlink(missing_ok=True)
    return Outcome(report.name, error, page, manifest["seconds"], len(manifest["alerts"]))


def _base(bank: Bank, day: str) -> dict:
    source = bank.source
    told = {"name": source.name, "title": source.title, "currency": source.currency, "fingerprint": bank.fingerprint}
    return {"source": told, "as_of": day}


def _without_secrets(notebook: nbformat.NotebookNode, secrets: list[str]) -> nbformat.NotebookNode:
    return nbformat.reads(_hide(nbformat.writes(notebook), secrets), as_version=4) if secrets else notebook


def _hide(text: str, secrets: list[str]) -> str:
    """Blank secrets in JSON text: a notebook may have printed its environment."""
    for secret in secrets:
        text = re.sub(re.escape(json.dumps(secret, ensure_ascii=False)[1:-1]), "***", text)
    return text
