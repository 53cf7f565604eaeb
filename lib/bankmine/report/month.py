"""The month: what the reports of a source ask to decide, with the one number of each, its history and what changed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date

from bankmine.judging.numbers import MISSING, formatted, written

_LONGEST_HISTORY = 13
"""Runs that a sparkline shows: a year of months and the one before."""
WIDTH, HEIGHT, EDGE = 120, 32, 4
_LEAST_SPAN = 0.1
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
    of_truth: bool = False
    owner: str = ""
    due: str = ""
    number: str = ""
    meaning: str = ""
    decision: str = ""
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

    def told(self, id: str) -> dict | None:
        """Return the finding of this id."""
        return next((found for found in self.findings if found["id"] == id), None)

    def value(self, number: str) -> float | None:
        """Return a value by its metric id."""
        finding, _, name = number.rpartition(".")
        return (self.told(finding) or {"numbers": {}})["numbers"].get(name)


def question(runs: list[Run]) -> dict:
    """Return a report's newest run, its last good one, and what the latter says beside the run before it."""
    good = [run for run in runs if run.status == "ok"]
    newest = max(runs, key=lambda run: (run.as_of, run.status == "failed", run.finished_at))
    last, before = (good[-1] if good else None), (good[-2] if len(good) > 1 else None)
    return {
        "run": newest,
        "title": next((run.title for run in reversed(runs) if run.title), newest.report),
        "of_truth": any(run.of_truth for run in runs),
        "last": last,
        "before": before,
        "headlines": _headlines(last, before) if last else [],
        "number": _number_of(last, good) if last else None,
        "decision": _decision(last) if last else "",
        "alerts": _alerts(newest, good),
    }


def _decision(run: Run) -> str:
    """Return what to do: the finding that the catalogue names, or the first headline."""
    first = next((found for found in run.findings if found["headline"]), None)
    said = run.told(run.decision) or first
    return said["text"] if said else ""


def _alerts(newest: Run, good: list[Run]) -> list[dict]:
    """Return the alerts of a run, with the first of the unbroken row of good runs that raised them."""
    if newest.status != "ok":
        return []
    earlier = [run for run in reversed(good) if run.as_of < newest.as_of]
    return [_alert(text, newest, earlier) for text in dict.fromkeys(newest.alerts)]


def _alert(text: str, run: Run, earlier: list[Run]) -> dict:
    place = next((n for n, found in enumerate(run.findings, 1) if found["alert"] and found["text"] == text), None)
    id, since = run.findings[place - 1]["id"] if place else None, run.as_of
    for before in earlier:
        if not any(found["alert"] and found["id"] == id for found in before.findings):
            break
        since = before.as_of
    link = f"{run.page}#finding-{place}" if run.page and place else run.page
    return {"text": text, "run": run, "link": link, "since": since, "new": since == run.as_of and bool(earlier)}


def _number_of(last: Run, good: list[Run]) -> dict | None:
    """Return the one number of a question as it is shown, what changed, and the line of its history."""
    finding, _, name = last.number.rpartition(".")
    told = last.told(finding)
    if not last.number or told is None:
        return None
    spec, value = told["spec"].get(name, ""), last.value(last.number)
    known = [(run.as_of, found) for run in good if (found := run.value(last.number)) is not None]
    before = good[-2].value(last.number) if len(good) > 1 else None
    return {
        "value": shown_number(value, spec),
        "change": change(value, before, spec) if len(good) > 1 else "",
        "line": _line(known[-_LONGEST_HISTORY:], spec),
    }


def _line(known: list[tuple[str, float]], spec: str) -> dict | None:
    """Return a sparkline of a value by day: its points, the last of them, and what it shows in words."""
    if len(known) < 2:
        return None
    days = [date.fromisoformat(day).toordinal() for day, _ in known]
    values = [value for _, value in known]
    # what moved by little looks so: the line has room for a tenth of its largest value at least
    span = max(max(values) - min(values), _LEAST_SPAN * max(map(abs, values)))
    middle, height = (max(values) + min(values)) / 2, HEIGHT - 2 * EDGE
    points = [
        (
            round(EDGE + (WIDTH - 2 * EDGE) * (day - days[0]) / (days[-1] - days[0]), 1),
            round(EDGE + height * (0.5 + ((middle - value) / span if span else 0)), 1),
        )
        for day, value in zip(days, values, strict=True)
    ]
    told = ", ".join(f"{day}: {shown_number(value, spec).strip()}" for day, value in known)
    return {"points": " ".join(f"{x},{y}" for x, y in points), "last": points[-1], "told": told}


def _headlines(last: Run, before: Run | None) -> list[dict]:
    """Return headlines, each text once: what several findings lack for the same reason is said once."""
    texts = {found["text"]: found for found in reversed(last.findings) if found["headline"]}
    return [_headline(found, before) for found in reversed(texts.values())]


def _headline(found: dict, before: Run | None) -> dict:
    earlier = {(f["id"], n): v for f in (before.findings if before else []) for n, v in f["numbers"].items()}
    changes = []
    for name, value in found["numbers"].items():
        spec, key = found["spec"].get(name, ""), (found["id"], name)
        moved = change(value, earlier[key], spec) if key in earlier else ("new" if before else "")
        changes.append({"name": name.replace("_", " "), "value": shown_number(value, spec), "change": moved})
    return {"text": found["text"], "changes": changes}


def shown_number(value: float | None, spec: str) -> str:
    """Write a value as its finding does, or to three digits where that told no format that fits."""
    if value is None:
        return MISSING
    try:
        return formatted(value, spec) if spec else written(value)
    except ValueError:  # a spec for integers and a manifest that says 3.0
        return written(value)


def change(value: float | None, earlier: float | None, spec: str) -> str:
    """Return the difference as precisely as the value is shown; for percentages, in percentage points."""
    if value is None or earlier is None:
        return "" if value is None else f"before: {MISSING}"
    spec, difference = SIGN.sub(r"\1", spec), value - earlier
    size = shown_number(abs(difference), spec)
    if size[0] == "<" or not size.strip(" 0.,%"):
        return "no change"
    unit = " pp" if size.endswith("%") else ""
    return f"{'+' if difference > 0 else '−'}{size.strip().removesuffix('%')}{unit}"
