"""Command: `bankmine score`, transactions in on standard input, scores with reasons out on standard output."""

from __future__ import annotations

import datetime
import os
import sys
from collections import Counter
from pathlib import Path
from typing import BinaryIO

from bankmine.errors import BankmineError
from bankmine.live.ledger import Ledger, faults, open_ledger
from bankmine.live.lines import numbered
from bankmine.live.memory import tidy
from bankmine.live.messages import FaultError, Label, microseconds, read
from bankmine.live.scorer import Scorer, as_line
from bankmine.privacy import audit
from bankmine.topics.fraud.stream_model import load

_DESK, _PURPOSE = "fraud_desk", "fraud"
"""As whom a source is read to warm up, where the environment names nobody, and what for."""


def score(model: Path, state: Path, source: str | None = None, as_of: str | None = None) -> None:
    """Answer every line of standard input by one on standard output, by the model of a file, until it ends.

    `state` is made where it is not there; one that has no transaction takes those of `source` up to the day `as_of`.
    """
    kept = load(model)
    told = {"model": model.name, "state": state.name}
    audit.record("scoring started", **told, warm_up=source is not None)
    ledger, counts = open_ledger(state), Counter()
    try:
        with faults(state):
            if source is not None:
                _warm(ledger, source, as_of, kept.kinds)
            tidy(ledger)
            scorer = Scorer(ledger, kept, _now)
            counts = scorer.counts
            answer_all(scorer, sys.stdin.buffer, sys.stdout.buffer)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains once more at its end
        raise BankmineError("Nobody reads the answers any more: send again what was not answered.") from None
    finally:
        ledger.close()
        audit.record("scoring ended", **told, counts=dict(counts))
    print(f"bankmine: {', '.join(f'{n:,} {what}' for what, n in counts.items()) or 'no line came'}.", file=sys.stderr)


def answer_all(scorer: Scorer, given: BinaryIO, out: BinaryIO) -> None:
    """Answer lines one by one and count their kinds; a wrong one is answered by what is wrong and does nothing else."""
    for number, line in numbered(given):
        try:
            if line is None:
                raise FaultError("the line is too long")
            message = read(line)
            answer = scorer.answer(message)
            scorer.counts["labels" if isinstance(message, Label) else "transactions"] += 1
        except FaultError as fault:
            answer = as_line({"error": str(fault), "line": number})
            scorer.counts["lines that could not be taken"] += 1
        out.write(answer.encode() + b"\n")
        out.flush()


def _warm(ledger: Ledger, source: str, as_of: str | None, kinds: tuple[str, ...]) -> None:
    if ledger.rows("SELECT 1 FROM transactions LIMIT 1"):
        print("bankmine: the state holds transactions already and goes on with these: no warm-up.", file=sys.stderr)
        return
    # the engine is loaded only where it is needed: a restart after a kill is to be quick
    from bankmine.bank.snapshot import open_source
    from bankmine.live.warm_up import warm_up
    from bankmine.privacy.access import ROLE

    bank = open_source(source)
    day = bank.newest if as_of is None else as_of
    snapshot = bank.as_of(day, os.environ.get(ROLE) or _DESK, _PURPOSE)
    print(f"bankmine: {warm_up(ledger, snapshot, kinds):,} transactions to warm up.", file=sys.stderr)


def _now() -> int:
    return microseconds(datetime.datetime.now())
