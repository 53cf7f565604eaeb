"""The front page of all reports: what is new, what failed, what changed since the run before, and every run by date."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from bankmine.report.findings import MISSING
from bankmine.report.template import environment

DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
SHOWN_DATES = 12
# [[fill]align][sign] at the head of a format spec; a difference brings its own sign.
_SPEC = re.compile(r"(.?[<>=^])?[-+ ]?\d?[,_]?(\.\d{1,2})?[a-zA-Z%]?")
"""Format specs that a manifest may ask for: a wide one would fill the memory."""
_LARGEST = 1e300
_CLOCKS = timedelta(minutes=10)
"""By how much clocks may differ."""
SIGN = re.compile(r"^((?:.?[<>=^])?)[-+ ]")


@dataclass
class Run:
    """One manifest, as the index shows it; `error` says what is wrong with the run or with its manifest."""

    folder: str
    as_of: str
    report: str
    status: str
    page: str
    title: str = ""
    source: str = ""
    audience: str = ""
    error: str = ""
    finished_at: str = ""
    alerts: list[str] = field(default_factory=list)
    findings: list[dict] = field(default_factory=list)

    @property
    def label(self) -> str:
        """Return the status in words."""
        if self.status == "ok" and self.alerts:
            return f"{len(self.alerts)} alert{'s' if len(self.alerts) > 1 else ''}"
        return {"ok": "OK", "failed": "FAILED"}.get(self.status, "unreadable")

    @property
    def css(self) -> str:
        """Return the class that colours the status."""
        return {"OK": "fine", "FAILED": "failed", "unreadable": "failed"}.get(self.label, "alerting")


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
    counts = Counter(report["run"].css for source in sources for report in source["latest"])
    page = environment.get_template("index.html.j2").render(sources=sources, counts=counts)
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
    """Read a manifest; one that cannot be read is a run too, and says so, but a report may hand on JSON of its own."""
    name, failed = file.stem.removesuffix(".failed"), file.stem.endswith(".failed")
    page = file.with_suffix(".html")
    where = {
        "folder": "/".join(file.parts[:-2]),
        "as_of": file.parent.name,
        "report": name,
        "page": quote(page.as_posix()) if (out / page).exists() else "",
    }
    try:
        found = Run(**where, **_read(out / file))
        if not found.page:
            found.error = f"{found.error} Its page is lost: run it again.".strip()
        return found
    except (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        if not where["page"]:
            return None
        status = "failed" if failed else "unreadable"
        return Run(**where, status=status, error=f"The manifest {file.name} cannot be read: {_one_line(error)}")


def _read(file: Path) -> dict:
    manifest = json.loads(file.read_text(encoding="utf-8"))
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
        "numbers": numbers,
        "spec": spec,
    }


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"


def _source(runs: list[Run]) -> dict:
    """Return what the page shows of one source: every report's newest run, and all runs by date."""
    reports = {name: list(of_report) for name, of_report in groupby(runs, key=lambda run: run.report)}
    days = sorted({run.as_of for run in runs}, reverse=True)
    rows = [(day, [[r for r in of_report if r.as_of == day] for of_report in reports.values()]) for day in days]
    return {
        "title": next((run.source for run in reversed(runs) if run.source), runs[0].folder or "Reports"),
        "folder": runs[0].folder,
        "latest": [_latest(of_report) for of_report in reports.values()],
        "reports": list(reports),
        "rows": rows[:SHOWN_DATES],
        "older": rows[SHOWN_DATES:],
    }


def _latest(runs: list[Run]) -> dict:
    """Return a report's newest run, its last good one, and the headlines of the latter beside the run before it."""
    good = [run for run in runs if run.status == "ok"]
    newest = max(runs, key=lambda run: (run.as_of, run.status == "failed", run.finished_at))
    last, before = (good[-1] if good else None), (good[-2] if len(good) > 1 else None)
    return {
        "run": newest,
        "title": next((run.title for run in reversed(runs) if run.title), newest.report),
        "last": last,
        "before": before,
        "headlines": _headlines(last, before) if last else [],
    }


def _headlines(last: Run, before: Run | None) -> list[dict]:
    """Return headlines, each text once: what several findings lack for the same reason is said once."""
    texts = {found["text"]: found for found in reversed(last.findings) if found["headline"]}
    return [_headline(found, before) for found in reversed(texts.values())]


def _headline(found: dict, before: Run | None) -> dict:
    earlier = {(f["id"], n): v for f in (before.findings if before else []) for n, v in f["numbers"].items()}
    changes = []
    for name, value in found["numbers"].items():
        spec, key = found["spec"].get(name, ""), (found["id"], name)
        change = _change(value, earlier[key], spec) if key in earlier else ("new" if before else "")
        changes.append({"name": name.replace("_", " "), "value": _number(value, spec), "change": change})
    return {"text": found["text"], "changes": changes}


def _number(value: float | None, spec: str) -> str:
    if value is None:
        return MISSING
    try:
        return format(value, spec or ("," if isinstance(value, int) else ",.3g"))
    except ValueError:  # a spec for integers and a manifest that says 3.0, or no spec at all
        return f"{value:,.6g}"


def _change(value: float | None, earlier: float | None, spec: str) -> str:
    """Return the difference as precisely as the value is shown; for percentages, in percentage points."""
    if value is None or earlier is None:
        return "" if value is None else f"before: {MISSING}"
    spec, difference = SIGN.sub(r"\1", spec), value - earlier
    size, nothing = _number(abs(difference), spec), _number(abs(0 * difference), spec)
    if size == nothing:
        return "no change"
    unit = " pp" if size.endswith("%") else ""
    return f"{'+' if difference > 0 else '−'}{size.strip().removesuffix('%')}{unit}"
