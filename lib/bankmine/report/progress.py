"""Progress: a live line per report on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
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

    def queued(self, reports: list[str], first: dict[str, str]) -> None:
        """Tell which reports are about to run, and why those of them that nobody named."""
        self._say_first(first)
        self._say(f"running {', '.join(reports)}")

    def cell(self, report: str, done: int, cells: int) -> None:
        """Do nothing: a log needs no line a cell."""

    def done(self, outcome: Outcome) -> None:
        """Tell what became of a report."""
        took = f" in {outcome.seconds:.1f} s" if outcome.seconds else ""
        if outcome.error:
            see = f" See {near(outcome.page)}" if outcome.page else ""
            self._say(f"FAILED {outcome.report}{took}: {outcome.error}{see}")
        else:
            alerts = f", {outcome.alerts} alert{'s' * (outcome.alerts != 1)}" if outcome.alerts else ""
            without = f", without {', '.join(outcome.without)}, which failed" if outcome.without else ""
            self._say(f"ok     {outcome.report}{took}{alerts}{without}: {near(outcome.page)}")

    def _say_first(self, first: dict[str, str]) -> None:
        for name, why in first.items():
            self._say(f"first  {name}, as it {why}")

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class Live(Lines):
    """The same, with a bar for each report below the lines."""

    def __init__(self, console: Console, bars: Bars) -> None:
        super().__init__(console)
        self._bars = bars
        self._tasks = {}

    def queued(self, reports: list[str], first: dict[str, str]) -> None:
        """Draw a bar for each report."""
        self._say_first(first)
        self._tasks = {r: self._bars.add_task(r, total=None) for r in reports}

    def cell(self, report: str, done: int, cells: int) -> None:
        """Move a report's bar."""
        self._bars.update(self._tasks[report], completed=done, total=cells)

    def done(self, outcome: Outcome) -> None:
        """Take a report's bar away and tell what became of it."""
        if outcome.report in self._tasks:  # the index has no bar
            self._bars.remove_task(self._tasks.pop(outcome.report))
        super().done(outcome)


@contextmanager
def shown() -> Iterator[Lines]:
    """Show progress on standard error, in the way that suits it."""
    console = Console(file=sys.stderr)
    if not console.is_interactive:
        yield Lines(console)
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Bars(*columns, console=console, transient=True) as bars:
        yield Live(console, bars)


def near(path: Path) -> str:
    """Write a path as short as it can be from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
