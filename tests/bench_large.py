"""Measure every notebook on large banks: `make bench-large`. It takes about an hour, and 10 GB of disk.

Each notebook runs by itself, as the scheduler runs it, with nothing kept of the bank but its checked tables. Memory is
that of all its processes together, each page that several share counted once, and looked at twice a second.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

NOTEBOOKS = (
    "01_data_quality", "02_profiling", "03_segmentation", "06_churn", "07_credit_scoring", "08_fraud", "00_scoreboard",
)  # fmt: skip
"""The scoreboard last: it reads what the others handed on."""
CALL = [sys.executable, "-c", "from bankmine.cli import main; main()"]
_LOOK = 0.5
"""Seconds between two looks at the memory."""


def measured(command: list[str], env: dict[str, str]) -> tuple[float, float, int]:
    """Run a command and return its seconds, the peak memory of all its processes in GB, and its exit code."""
    start, peak = time.perf_counter(), 0
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, start_new_session=True) as running:
        while running.poll() is None:
            peak = max(peak, sum(map(_memory, _family(running.pid))))
            with suppress(subprocess.TimeoutExpired):
                running.wait(_LOOK)
    return time.perf_counter() - start, peak / 1e6, running.returncode


def _family(root: int) -> list[int]:
    """List a process and all that descend from it."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):  # it has ended meanwhile
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    found, new = [root], {root}
    while new := {child for child, parent in parents.items() if parent in new}:
        found += new
    return found


def _memory(process: int) -> int:
    """Return the memory of a process in KB, of pages that are shared its part."""
    with suppress(OSError):
        if told := re.search(r"^Pss: +(\d+)", Path(f"/proc/{process}/smaps_rollup").read_text(), re.MULTILINE):
            return int(told[1])
    return 0


def bench(customers: int, notebooks: list[str], banks: Path, env: dict[str, str]) -> None:
    """Make a bank of as many customers where there is none, open it, and run the notebooks one after the other."""
    bank = banks / str(customers)
    with tempfile.TemporaryDirectory(dir=banks) as out:
        tasks = {"made": ["demo", "--customers", str(customers), "--out", str(bank)], "checked": ["check", str(bank)]}
        tasks |= {name: ["run", name, "--source", str(bank), "--out", out] for name in notebooks}
        if bank.is_dir():
            del tasks["made"]
        for what, task in tasks.items():
            seconds, gigabytes, code = measured([*CALL, *task], env)
            failed = f"  failed ({code})" if code else ""
            print(f"{customers:>9,} customers  {what:<18} {seconds:7.1f} s  {gigabytes:5.1f} GB{failed}", flush=True)


def main() -> None:
    """Run the notebooks that are named, or all, on banks of the sizes that are told."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--customers", type=int, nargs="+", default=[5_000, 30_000, 100_000])
    parser.add_argument("--notebooks", nargs="+", default=list(NOTEBOOKS))
    parser.add_argument("--banks", type=Path, help="where banks are made and stay; else in a folder that goes")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        banks = given.banks or Path(folder)
        env = os.environ | {"BANKMINE_CACHE": str(Path(folder) / "cache")}
        for customers in given.customers:
            bench(customers, given.notebooks, banks, env)


if __name__ == "__main__":
    main()
