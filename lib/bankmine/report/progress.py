"""Progress: a live line per report on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from bankmine.report.runner import Outcome


class Lines:
    """Tells how a run goes, one line an event."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def cell(self, report: str, cell: int, cells: int) -> None:
        """Do nothing: a log needs no line a cell."""

    def done(self, outcome: Outcome) -> None:
        """Tell what became of a report."""
        took = f" in {outcome.seconds:.1f} s" if outcome.seconds else ""
        if outcome.error:
            told = f"FAILED {outcome.report}{took}: {outcome.error}" + (
                f" See {_near(outcome.page)}." if outcome.page else ""
            )
        else:
            alerts = f", {outcome.alerts} alert{'s' * (outcome.alerts != 1)}" if outcome.alerts else ""
            told = f"ok     {outcome.report}{took}{alerts}: {_near(outcome.page)}"
        self._console.print(told, markup=False, highlight=False, soft_wrap=True)


class Live(Lines):
    """The same, with a bar for each report above the lines."""

    def __init__(self, console: Console, bars: Bars, reports: list[str]) -> None:
        super().__init__(console)
        self._bars = bars
        self._tasks = {r: bars.add_task(r, total=None) for r in reports}

    def cell(self, report: str, cell: int, cells: int) -> None:
        """Move a report's bar."""
        self._bars.update(self._tasks[report], completed=cell, total=cells)

    def done(self, outcome: Outcome) -> None:
        """Take a report's bar away and tell what became of it."""
        self._bars.remove_task(self._tasks[outcome.report])
        super().done(outcome)


@contextmanager
def shown(console: Console, reports: list[str]) -> Iterator[Lines]:
    """Show the progress of these reports in the way that suits the console."""
    if not console.is_terminal:
        for report in reports:
            console.print(f"queued {report}", markup=False, highlight=False)
        yield Lines(console)
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Bars(*columns, console=console, transient=True) as bars:
        yield Live(console, bars, reports)


def _near(path: Path) -> str:
    """Write a path as short as it can be from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
