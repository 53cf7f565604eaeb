"""The front page of all reports: the month, then every run by date, then whether the analyses find what is planted."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from bankmine.report.month import HEIGHT, WIDTH, Run, question
from bankmine.report.template import environment

DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
SHOWN_DATES = 12
# [[fill]align][sign] at the head of a format spec; a difference brings its own sign.
_SPEC = re.compile(r"(.?[<>=^])?[-+ ]?\d?[,_]?(\.\d{1,2})?([a-zA-Z%]|pp)?")
"""Format specs that a manifest may ask for: a wide one would fill the memory."""
_LARGEST = 1e300
_CLOCKS = timedelta(minutes=10)
"""By how much clocks may differ."""


def write_index(out: Path) -> Path:
    """Write ``index.html`` for all reports in a folder, in one step: a reader sees the old or the new one.

    Parameters
    ----------
    out : Path
        Holds ``[<source>/]<as_of>/<report>.json`` and the pages beside them.

    Returns
    -------
    Path
        The index.
    """
    out.mkdir(parents=True, exist_ok=True)
    runs = sorted(_runs(out), key=lambda run: (run.folder, run.report, run.as_of, run.status))
    sources = [_source(list(of_source)) for _, of_source in groupby(runs, key=lambda run: run.folder)]
    counts = Counter(found["run"].css for source in sources for found in source["questions"])
    page = environment.get_template("index.html.j2").render(sources=sources, counts=counts, width=WIDTH, height=HEIGHT)
    index, temporary = out / "index.html", out / f".index.html.{os.getpid()}"
    try:
        temporary.write_text(page, encoding="utf-8")
        temporary.replace(index)
    finally:
        temporary.unlink(missing_ok=True)
    return index


def _runs(out: Path) -> Iterator[Run]:
    """Yield a run for every manifest; a good run takes away what failed before it, whatever a clock said."""
    files = (file.relative_to(out) for pattern in ("*/[!.]*.json", "*/*/[!.]*.json") for file in out.glob(pattern))
    for file in files:
        if DAY.fullmatch(file.parent.name) and (run := _run(out, file)):
            yield run


def _run(out: Path, file: Path) -> Run | None:
    """Read a manifest; one that is damaged is a run too, and says so.

    A report may hand on JSON of its own: only what the runner wrote tells the name of its report, or lies beside the
    notebook that it executed.
    """
    name, failed = file.stem.removesuffix(".failed"), file.stem.endswith(".failed")
    page = file.with_suffix(".html")
    where = {
        "folder": "/".join(file.parts[:-2]),
        "as_of": file.parent.name,
        "report": name,
        "page": quote(page.as_posix()) if (out / page).exists() else "",
    }
    try:
        found = Run(**where, **_read(out / file, name))
        if not found.page:
            found.error = f"{found.error} Its page is lost: run it again.".strip()
        return found
    except (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        if not (out / file).with_suffix(".ipynb").exists():
            return None
        status = "failed" if failed else "unreadable"
        return Run(**where, status=status, error=f"The manifest {file.name} cannot be read: {_one_line(error)}")


def _read(file: Path, report: str) -> dict:
    manifest = json.loads(file.read_text(encoding="utf-8"))
    if manifest["report"] != report:
        raise ValueError(f"it is of {str(manifest['report'])[:60]}")
    if manifest["status"] not in ("ok", "failed"):
        raise ValueError(f"status {manifest['status']!r}")
    error, ended = str(manifest.get("error") or ""), str(manifest.get("finished_at") or "")
    if ended and datetime.fromisoformat(ended).astimezone(UTC) > datetime.now(UTC) + _CLOCKS:
        error = f"{error} It ended at {ended[:16]}, which is after now: a clock is wrong.".strip()
    return {
        "status": manifest["status"],
        "title": str(manifest["title"]),
        "source": str((manifest.get("source") or {}).get("title") or ""),
        "audience": str(manifest.get("audience") or ""),
        "error": error,
        "finished_at": ended,
        "of_truth": manifest.get("of_truth") is True,
        **{name: str(manifest.get(name) or "") for name in ("owner", "due", "number", "meaning", "decision")},
        "alerts": [str(alert) for alert in manifest.get("alerts") or []],
        "findings": [_finding(found) for found in manifest.get("findings") or []],
    }


def _finding(found: dict) -> dict:
    """Keep what the index needs of a finding, and notice here where something is missing."""
    numbers = {n: v for n, v in found["values"].items() if v is None or (type(v) in (int, float) and abs(v) < _LARGEST)}
    spec = {name: told for name, told in dict(found.get("formats") or {}).items() if _SPEC.fullmatch(str(told))}
    return {
        "id": str(found["id"]),
        "text": str(found["text"]),
        "headline": bool(found["headline"]),
        "alert": bool(found.get("alert")),
        "numbers": numbers,
        "spec": spec,
    }


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"


def _source(runs: list[Run]) -> dict:
    """Return what the page shows of one source: the month, and all runs by date; what it asks of the truth is last."""
    reports = {name: list(of_report) for name, of_report in groupby(runs, key=lambda run: run.report)}
    days = sorted({run.as_of for run in runs}, reverse=True)
    rows = [(day, [[r for r in of_report if r.as_of == day] for of_report in reports.values()]) for day in days]
    questions = [question(of_report) for of_report in reports.values()]
    return {
        "title": next((run.source for run in reversed(runs) if run.source), runs[0].folder or "Reports"),
        "folder": runs[0].folder,
        "day": days[0],
        "questions": questions,
        "asked": [found for found in questions if not found["of_truth"]],
        "scoreboard": [found for found in questions if found["of_truth"]],
        "alerts": [alert for found in sorted(questions, key=lambda q: q["of_truth"]) for alert in found["alerts"]],
        "reports": list(reports),
        "rows": rows[:SHOWN_DATES],
        "older": rows[SHOWN_DATES:],
    }
