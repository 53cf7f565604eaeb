"""Measure what a transaction takes that arrives at `bankmine score`; part of `make bench`, or by itself."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from io import BytesIO
from pathlib import Path

MANY = 5_000


def live_bench(folder: Path) -> None:
    """Make the demo bank and run in a process of its own, which keeps to one core."""
    subprocess.run([sys.executable, __file__, str(folder)], check=True)


def measured(bank: Path, folder: Path) -> None:
    """Answer the bank's last month line by line, and print how long each line took."""
    import numpy as np
    from live_stream import make_stream

    from bankmine.live.command import answer_all
    from bankmine.live.ledger import open_ledger
    from bankmine.live.messages import microseconds
    from bankmine.live.scorer import Scorer
    from bankmine.topics.fraud.stream_model import load

    stream = make_stream(bank, folder)
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    ledger, now = open_ledger(stream.ledger(folder)), microseconds(dt.datetime(2026, 1, 10))
    start = time.perf_counter()
    scorer = Scorer(ledger, load(folder / "model.json"), lambda: now)
    ready = time.perf_counter() - start
    lines = [line.encode() for line in stream.lines if "amount" in line][:MANY]
    took, worked = [], []
    with (folder / "answers").open("wb") as out:
        for line in lines:
            start, begun = time.perf_counter(), time.process_time()
            answer_all(scorer, BytesIO(line), out)
            took.append(1000 * (time.perf_counter() - start))
            worked.append(1000 * (time.process_time() - begun))
    ledger.close()
    (median, high), (usual, most) = np.percentile(took, [50, 99]), np.percentile(worked, [50, 99])
    print(f"one transaction as it arrives, one core, {len(took):,} of them: median {median:.2f} ms")
    print(f"  p99 {high:.2f} ms (goal: under 10); checked, measured, scored, explained, on the disk, answered")
    print(f"  of processor time, which others on the machine do not disturb: median {usual:.2f} ms, p99 {most:.2f} ms")
    print(f"  ready again after a kill: {ready:.1f} s with {len(stream.transactions):,} transactions a month")
    os.sched_setaffinity(0, cores)
    warmed(bank, folder, stream.transactions[-1].account)


def warmed(bank: Path, folder: Path, account: str) -> None:
    """Call the command on a new state, which it warms up, and once more; the bank was opened before."""
    from bankmine.live.ledger import open_ledger

    state = folder / "new.sqlite"
    seconds, gigabytes = called(folder, state, account, "--warm-up", str(bank))
    with closing(open_ledger(state)) as ledger:
        ((rows,),) = ledger.rows("SELECT count(*) FROM transactions")
    print(f"warm-up of a state of {rows:,} transactions: {seconds:.1f} s (goal: 60 for 2.9 million)")
    print(f"  peak memory {gigabytes:.1f} GB (goal: 3)")
    seconds, _ = called(folder, state, account)
    print(f"restart on that state, from the call to the first answer: {seconds:.1f} s (goal: 3)")


def called(folder: Path, state: Path, account: str, *more: str) -> tuple[float, float]:
    """Return the seconds of a call up to its first answer, and the most memory it had until then in GB."""
    words = [sys.executable, "-c", "from bankmine.cli import main; main()", "score", "--state", str(state), *more]
    sent = {"transaction_id": str(len(more)), "account_id": account, "at": "2025-12-31T23:59:00", "amount": 5}
    start = time.perf_counter()
    with subprocess.Popen(
        [*words, "--model", str(folder / "model.json")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        running.stdin.write(json.dumps(sent | {"direction": "out", "kind": "card"}).encode() + b"\n")
        running.stdin.flush()
        line = running.stdout.readline()  # before the answer the engine may have drawn its progress
        assert "score" in json.loads(line[line.index(b"{") :])
        seconds = time.perf_counter() - start
        peak = re.search(r"VmHWM:\s*(\d+)", Path(f"/proc/{running.pid}/status").read_text("utf-8"))
        running.stdin.close()
    return seconds, int(peak[1]) / 1e6


def main() -> None:
    """Make a demo bank in a folder and measure; without one, in a folder that is removed."""
    from demobank import generate

    os.environ |= {"BANKMINE_ROLE": "fraud_desk", "BANKMINE_PURPOSE": "fraud"}
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        measured(generate(Path(folder) / "bank"), Path(folder))


if __name__ == "__main__":
    main()
