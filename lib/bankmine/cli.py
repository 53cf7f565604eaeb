"""The command `bankmine`: run · list · check · demo · index · cache · new · score · privacy."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from bankmine.errors import BankmineError, SourceError
from bankmine.interruption import INTERRUPTED, interruption

GOOD, BAD, WRONG_CALL = 0, 1, 2
_LONGEST_PATH = 120

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

privacy = typer.Typer(help="Keys, pseudonyms, who looked, and the rights of people.")
app.add_typer(privacy, name="privacy")

_PLACE = "Name in data/sources, or path of a folder, or of the file of a flat table."
_Parameters = Annotated[list[str] | None, typer.Option("-p", metavar="NAME=VALUE", help="A notebook's parameter.")]


def _place(given: str | Path) -> Path:
    """Refuse an empty place, as a variable that is not set leaves it: it would be where the command was called."""
    if not str(given).strip():
        raise BankmineError("A folder is given as nothing: is a variable not set? Name it, or leave the option out.")
    return Path(given)


_Out = Annotated[Path, typer.Option(help="Folder of the reports.", parser=_place)]


def main() -> None:
    """Run the command and turn what goes wrong into one line and an exit code."""
    interruption.listen()
    os.umask(os.umask(0o077) | 0o027)  # what is written is nobody's business beyond the group
    # jsonschema does without this module, which compiles for two seconds a grammar that no notebook needs.
    sys.modules.setdefault("rfc3987_syntax", None)
    try:
        code = app(standalone_mode=False)
    except TyperException as error:
        code = _refuse(f"{error.format_message().rstrip('.')}. See bankmine --help.")
    except BankmineError as error:
        code = INTERRUPTED if interruption.heard.is_set() else _refuse(str(error))
    except OSError as error:  # a path that is too long, leads nowhere, or may not be entered; too many open files
        code = INTERRUPTED if interruption.heard.is_set() else _refuse(_of_system(error))
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception:  # a library may have an error of its own for being interrupted
        if not interruption.heard.is_set():
            raise
        code = INTERRUPTED
    if code == INTERRUPTED:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # pressed again, it would only spoil the exit code
        interruption.tell()
    sys.exit(code)


def _of_system(error: OSError) -> str:
    name = str(error.filename or "")
    shown = name if len(name) <= _LONGEST_PATH else f"{name[:_LONGEST_PATH]}…"
    return f"{shown or 'The system'}: {error.strerror or type(error).__name__}. Give another place, or mend this one."


def _refuse(message: str) -> int:
    print(f"bankmine: {' '.join(message.split())}", file=sys.stderr)
    return WRONG_CALL


@app.callback()
def _described() -> None:
    """Mine a bank's customer data: notebooks become dated reports."""


@app.command()
def run(
    reports: Annotated[list[str] | None, typer.Argument(help="Names or numbers; all where none is given.")] = None,
    source: Annotated[str | None, typer.Option(help=_PLACE + " The demo bank if not given.")] = None,
    as_of: Annotated[
        str | None, typer.Option(help="Last day to know, like 2025-12-31; the data's last if not given.")
    ] = None,
    out: _Out = Path("reports"),
    jobs: Annotated[int, typer.Option(min=1, help="Notebooks at a time.")] = len(os.sched_getaffinity(0)),
    parameter: _Parameters = None,
) -> None:
    """Execute notebooks into dated reports. Exit code 0: all good; 1: one failed; 2: wrong call, nothing ran."""
    given = _pairs(parameter or [])
    if source is not None and "source" in given:
        raise BankmineError("The source is given twice: with --source and with -p source=….")
    if not (source := given.pop("source", "demo" if source is None else source)).strip():
        raise BankmineError("The source is given as nothing: is a variable not set? Name it, or leave the option out.")
    from bankmine.report.warm_kernels import warm_process

    with warm_process() as warm:  # before the imports that take as long as its own
        from bankmine.bank.sources import find_source
        from bankmine.report.progress import near, shown
        from bankmine.report.runner import execute_plan, plan_run

        if (told := find_source(source)).awaits_generation:
            print(f"making {told.title}, once: {near(told.data)}", file=sys.stderr)
        plan = plan_run(reports or [], source, as_of, out.absolute(), given)
        interruption.kernels_run.set()
        with shown() as teller:
            outcomes = execute_plan(plan, jobs, teller, warm)
    print(near(plan.out / "index.html"))
    raise typer.Exit(BAD if any(o.error for o in outcomes) else GOOD)


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
def check(source: Annotated[str, typer.Argument(help=_PLACE)], parameter: _Parameters = None) -> None:
    """Check a source against the contract, or a flat table. Exit code 0: usable; 1: unusable; 2: wrong call."""
    from bankmine.bank.flat import open_flat
    from bankmine.bank.snapshot import read_source
    from bankmine.bank.sources import OF_TABLES, find_source
    from bankmine.report.source_check import check_lines, flat_lines

    given = _pairs(parameter or [])
    flat = find_source(source).flat is not None  # a source that is not there is a wrong call
    if odd := [name for name in given if name not in OF_TABLES or not flat]:
        raise BankmineError(f"-p {odd[0]}: a check takes {', '.join(OF_TABLES)}, of a flat table only.")
    try:
        lines, problems = (flat_lines(open_flat(source, **given)), []) if flat else check_lines(read_source(source))
    except SourceError as error:
        lines, problems = [], [str(error).rstrip(".")]
    for line in lines:
        print(line)
    if problems:
        print(f"bankmine: source {source} is unusable: {'; '.join(problems)}.", file=sys.stderr)
        raise typer.Exit(BAD)
    print("usable")


@app.command()
def demo(
    customers: Annotated[int, typer.Option(min=1)] = 5000,
    months: Annotated[int, typer.Option(min=1)] = 36,
    seed: Annotated[int | None, typer.Option(help="Another seed makes another bank.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder; data/demo if not given.")] = None,
) -> None:
    """Make the demo bank: a seeded synthetic bank with the truth that was planted in it."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from bankmine.bank.sources import find_source, generator_of

    told = find_source("demo")
    folder, start = out or told.data, time.perf_counter()
    try:
        shown = (
            TextColumn("making the demo bank"),
            BarColumn(),
            TextColumn("{task.completed:,} of {task.total:,} customers"),
            TimeRemainingColumn(),
        )
        with Progress(*shown, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("", total=customers)
            generator_of(told)(
                folder,
                customers,
                months,
                told.arguments["seed"] if seed is None else seed,
                progress=lambda done, _: bar.update(task, completed=done),
            )
    except OSError as error:
        raise BankmineError(f"Cannot write {folder}: {error.strerror}. Give another folder with --out.") from None
    print(f"{customers:,} customers, {months} months in {time.perf_counter() - start:.0f} s: {folder}")


@app.command()
def index(out: _Out = Path("reports")) -> None:
    """Write the index of the reports anew."""
    from bankmine.report.files import refresh_index

    if not out.is_dir():
        raise BankmineError(f"{out} is no folder: give that of the reports with --out.")
    print(refresh_index(out))


@app.command()
def cache(clear: Annotated[bool, typer.Option("--clear", help="Remove all that nobody reads now.")] = False) -> None:
    """List what is kept of checked sources and features so that it need not be computed again, or clear it."""
    from bankmine.bank.cache import cleared, listed

    for line in cleared() if clear else listed():
        print(line)


@app.command()
def new(name: Annotated[str, typer.Argument(help="Like 04_value, or value for the next number.")]) -> None:
    """Make a notebook from the template and declare it in reports.yml."""
    from bankmine.privacy import access
    from bankmine.report.new_notebook import new_notebook
    from bankmine.report.progress import near

    report = new_notebook(name)
    print(f"{near(report.notebook)}: edit it in JupyterLab, then: bankmine run {report.name}")
    if access.load_access():
        print(f"{near(access.FILE)}: let it list {report.name} under the reports of role {report.role}")


@app.command()
def score(
    model: Annotated[Path, typer.Option(help="A saved fraud model: 08_fraud writes one beside its report.")],
    state: Annotated[Path, typer.Option(help="File of what was judged up to now; made where it is not there.")],
    warm_up: Annotated[str | None, typer.Option(help=_PLACE + " Fills a new state.")] = None,
    as_of: Annotated[str | None, typer.Option(help="Last day of the warm-up; the data's last if not given.")] = None,
) -> None:
    """Judge transactions as they arrive: JSON lines on standard input, scores with reasons on standard output."""
    from bankmine.live.command import score as score_lines

    score_lines(model, state, warm_up, as_of)


@privacy.command("key")
def make_key(file: Annotated[Path, typer.Argument(help="New file, outside the project.", parser=_place)]) -> None:
    """Make a new key, by which names become tokens and what is kept is encrypted."""
    from bankmine.privacy import keys

    made = keys.make_key(file)
    print(
        f"{file}: key {made.name}. Set {keys.KEY_FILE} to it, and keep a copy apart: what it protects is lost with it."
    )


@privacy.command("audit")
def check_audit(reports: _Out = Path("reports")) -> None:
    """Say who did what, and whether the audit is whole. Exit code 0: it is; 1: it is not; 2: wrong call."""
    from bankmine.stewardship.audit_check import checked

    says, faults = checked(reports)
    for line in says:
        print(line)
    if faults:
        print(f"bankmine: the audit is broken: {'; '.join(faults)}.", file=sys.stderr)
        raise typer.Exit(BAD)
    print("whole")


@privacy.command("forget")
def forget_customer(
    customer: Annotated[str, typer.Argument(help="Key by which the source calls them.")],
    source: Annotated[str, typer.Option(help=_PLACE)],
    state: Annotated[Path | None, typer.Option(help="State of live scoring.", parser=_place)] = None,
    reports: _Out = Path("reports"),
) -> None:
    """Take a customer out of what the workspace keeps, and say where they remain."""
    from bankmine.stewardship.forget import forgotten

    for line in forgotten(customer, source, state, reports):
        print(line)


@privacy.command()
def rotate(
    to: Annotated[Path, typer.Option(help="File of the new key.", parser=_place)],
    source: Annotated[str, typer.Option(help=_PLACE)],
    reports: Annotated[Path, typer.Option(help="Folder of the reports.", parser=_place)] = Path("reports"),
) -> None:
    """Bring the reports of a source, their tokens and encryption, from the key in use to a new one."""
    from bankmine.stewardship import rotate as rotation

    for line in rotation.rotate(source, to, reports.absolute()):
        print(line)


@privacy.command()
def reveal(
    listed: Annotated[
        Path, typer.Argument(metavar="LIST", help="Parquet or xlsx that a report handed on.", parser=_place)
    ],
    reason: Annotated[str, typer.Option(help="Why; written into the audit.")],
    source: Annotated[str, typer.Option(help=_PLACE)],
    out: Annotated[Path, typer.Option(help="New workbook, outside the project.", parser=_place)],
) -> None:
    """Write a list with the bank's own keys in place of tokens, for those who call the customers."""
    from bankmine.stewardship import reveal as revealing

    revealed = revealing.reveal(listed, source, reason, out)
    print(f"{out}: {revealed.rows:,} rows. Remove it when the calls are made.")
    if revealed.left_out:
        print(f"{revealed.left_out:,} rows are left out: these customers have not agreed, or no longer do")


@privacy.command("open")
def open_file(
    file: Annotated[Path, typer.Argument(help="What a report handed on, encrypted.", parser=_place)],
    out: Annotated[Path, typer.Option(help="New file, outside the project.", parser=_place)],
) -> None:
    """Decrypt a file for who has the key; told in the audit."""
    from bankmine.stewardship.unsealing import unseal

    unseal(file, out)
    print(f"{out}: in the clear. Remove it when it was used.")


def _pairs(given: list[str]) -> dict[str, str]:
    pairs = [p.partition("=") for p in given]
    if wrong := [p for p, (name, equals, _) in zip(given, pairs, strict=True) if not equals or not name]:
        raise BankmineError(f"-p {wrong[0]}: write a parameter as NAME=VALUE.")
    if any(name == "as_of" for name, _, _ in pairs):
        raise BankmineError("-p as_of=…: give it as --as-of instead.")
    return {name: value for name, _, value in pairs}
