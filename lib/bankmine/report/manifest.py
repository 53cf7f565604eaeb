"""Manifest: how a report came to be, beside the report."""

from __future__ import annotations

import platform
import subprocess
from datetime import date, timedelta
from pathlib import Path

from nbformat import NotebookNode

from bankmine.bank.snapshot import SOURCE_MIME
from bankmine.report.catalogue import Report
from bankmine.report.findings import collect
from bankmine.report.provenance import packages

_MAKES_REPORTS = ("lib", "notebooks", "data", "reports.yml", "requirements.lock")
"""What of the workspace a report depends on: a draft elsewhere makes no report doubtful, nor do ignored files."""


def build_manifest(report: Report, notebook: NotebookNode, base: dict, error: str | None) -> dict:
    """Put together what a reviewer needs to trace a report.

    Parameters
    ----------
    report : Report
        What was run.
    notebook : NotebookNode
        Executed.
    base : dict
        `source`, `as_of`, `git`, `code`, `parameters` and those of them `given` to the run; the source as the notebook
        itself read it takes its place.
    error : str or None
        One line on why it failed.
    """
    findings = collect(notebook)
    run = notebook.metadata.get("papermill", {})
    read = _read_source(notebook) or base["source"]
    return {
        "report": report.name, "title": report.title, "audience": report.audience, "cadence": report.cadence,
        "of_truth": report.needs_truth, "owner": report.owner, "due": _due(report, base["as_of"]),
        "number": report.number, "meaning": report.meaning, "decision": report.decision,
        "status": "failed" if error else "ok", "error": error,
        **base, "source": {n: told for n, told in read.items() if n != "used"}, "used": read.get("used"),
        "started_at": run.get("start_time"), "finished_at": run.get("end_time"), "seconds": run.get("duration"),
        "cells": _seconds_by_cell(notebook), "python": platform.python_version(),
        "packages": packages(), "findings": findings, "metrics": _metrics(findings),
        "alerts": [f["text"] for f in findings if f["alert"]],
    }  # fmt: skip


def git_state(workspace: Path) -> dict:
    """Tell the commit of a workspace, and whether what makes its reports differs from it (`dirty`)."""
    commit = _ask_git(workspace, "rev-parse", "HEAD")
    if commit is None:
        return {"commit": None, "dirty": None}
    changes = _ask_git(workspace, "status", "--porcelain", "--untracked-files=normal", "--", *_MAKES_REPORTS)
    return {"commit": commit, "dirty": bool(changes)}


def _due(report: Report, as_of: str) -> str | None:
    """Return the day by which the decision of a report is taken; None where its catalogue sets none."""
    return None if report.due is None else str(date.fromisoformat(as_of) + timedelta(days=report.due))


def _metrics(findings: list[dict]) -> dict[str, float]:
    return {
        f"{f['id']}.{name}": value
        for f in findings
        for name, value in f["values"].items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _read_source(notebook: NotebookNode) -> dict | None:
    outputs = [o for c in notebook.cells for o in c.get("outputs", [])]
    return next((dict(o["data"][SOURCE_MIME]) for o in outputs if SOURCE_MIME in o.get("data", {})), None)


def _seconds_by_cell(notebook: NotebookNode) -> list[dict]:
    code = [(i, c.metadata.get("papermill", {})) for i, c in enumerate(notebook.cells) if c.cell_type == "code"]
    return [{"cell": i, "seconds": round(told["duration"], 3)} for i, told in code if told.get("duration") is not None]


def _ask_git(workspace: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", *words], cwd=workspace, capture_output=True, text=True, check=False)
    except FileNotFoundError:  # a workspace that was copied to a machine without git runs as well
        return None
    return done.stdout.strip() if done.returncode == 0 else None
