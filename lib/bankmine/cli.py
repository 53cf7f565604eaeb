"""The command `bankmine`: run · list · check · demo · index · new."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bankmine.errors import BankmineError, SourceError

GOOD, BAD, WRONG_CALL, INTERRUPTED = 0, 1, 2, 130

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)
_console = Console()

_Out = Annotated[Path, typer.Option(help="Folder of the reports.", file_okay=True)]


def main() -> None:
    """Run the command and turn what goes wrong into one line and an exit code."""
    try:
        app()
    except BankmineError as error:
        print(f"bankmine: {error}", file=sys.stderr)
        sys.exit(WRONG_CALL)
    except KeyboardInterrupt:
        print("bankmine: interrupted; finished reports are kept, nothing half-written is left.", file=sys.stderr)
        sys.exit(INTERRUPTED)


@app.command()
def run(
    reports: Annotated[list[str] | None, typer.Argument(help="Names or numbers; all where none is given.")] = None,
    source: Annotated[str, typer.Option(help="Name in data/sources, or path of a folder.")] = "demo",
    as_of: Annotated[
        str | None, typer.Option(help="Last day to know, like 2025-12-31; the data's last if not given.")
    ] = None,
    out: _Out = Path("reports"),
    jobs: Annotated[int, typer.Option(min=1, help="Notebooks at a time.")] = os.cpu_count() or 1,
    parameter: Annotated[
        list[str] | None, typer.Option("-p", metavar="NAME=VALUE", help="A notebook's parameter.")
    ] = None,
) -> None:
    """Execute notebooks into dated reports. Exit code 0: all good; 1: one failed; 2: wrong call, nothing ran."""
    from bankmine.report.progress import shown
    from bankmine.report.runner import plan_run
    from bankmine.report.runner import run as execute

    plan = plan_run(reports or [], source, as_of, out.absolute(), _pairs(parameter or []))
    with shown(_console, [r.name for r in plan.reports]) as lines:
        outcomes = execute(plan, jobs, lines.cell, lines.done)
    print(out / "index.html")
    sys.exit(BAD if any(o.error for o in outcomes) else GOOD)


@app.command("list")
def list_reports() -> None:
    """List the reports, their parameters, and the sources of the workspace."""
    from bankmine.bank.sources import list_sources
    from bankmine.report.catalogue import load_catalogue

    for report in load_catalogue().values():
        print(f"{report.name}  {report.title}\n    for {report.audience}; {report.cadence}")
        for p in report.parameters.values():
            print(f"    {p.name} = {p.default!r}  {p.help}")
    print(f"sources: {', '.join(list_sources())}")


@app.command()
def check(source: Annotated[str, typer.Argument(help="Name in data/sources, or path of a folder.")]) -> None:
    """Check a source against the contract. Exit code 0: usable; 1: unusable; 2: wrong call."""
    from bankmine.bank.snapshot import read_source
    from bankmine.bank.sources import find_source
    from bankmine.report.source_check import check_lines

    find_source(source)  # a source that is not there is a wrong call
    try:
        lines, problems = check_lines(read_source(source))
    except SourceError as error:
        lines, problems = [], [str(error)]
    for line in lines:
        print(line)
    print(f"unusable: {'; '.join(problems)}" if problems else "usable")
    sys.exit(BAD if problems else GOOD)


@app.command()
def demo(
    customers: Annotated[int, typer.Option(min=1)] = 5000,
    months: Annotated[int, typer.Option(min=1)] = 24,
    seed: Annotated[int | None, typer.Option(help="Another seed makes another bank.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder; data/demo if not given.")] = None,
) -> None:
    """Make the demo bank: a seeded synthetic bank with the truth that was planted in it."""
    from bankmine.bank.sources import find_source
    from bankmine.demo import generate

    told = find_source("demo")
    start = time.perf_counter()
    with _console.status("making the demo bank"):
        folder = generate(out or told.data, customers, months, told.arguments["seed"] if seed is None else seed)
    print(f"{customers:,} customers, {months} months in {time.perf_counter() - start:.0f} s: {folder}")


@app.command()
def index(out: _Out = Path("reports")) -> None:
    """Write the index of the reports anew."""
    from bankmine.report.index import write_index

    print(write_index(out))


@app.command()
def new(name: Annotated[str, typer.Argument(help="Like 04_value, or value for the next number.")]) -> None:
    """Make a notebook from the template and declare it in reports.yml."""
    from bankmine.report.new_notebook import new_notebook

    report = new_notebook(name)
    print(f"{report.notebook}: edit it in JupyterLab, then: bankmine run {report.name}")


def _pairs(given: list[str]) -> dict[str, str]:
    pairs = [p.partition("=") for p in given]
    if wrong := [name for name, equals, _ in pairs if not equals or not name]:
        raise BankmineError(f"-p {wrong[0]}: write a parameter as NAME=VALUE.")
    if fixed := [name for name, _, _ in pairs if name in ("source", "as_of")]:
        raise BankmineError(f"-p {fixed[0]}=…: give it as --{fixed[0].replace('_', '-')} instead.")
    return {name: value for name, _, value in pairs}
