"""What an analysis hands on of a demo bank of another seed, beside the truth that its scores are set against."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pandas as pd

from bankmine.bank.snapshot import Snapshot, open_source
from demobank import generate
from demobank.scoreboard.truth import Truth

LAST = "2025-12-31"


def handed_on(
    topic: ModuleType, names: Sequence[str], folder: Path, customers: int
) -> tuple[Truth, Snapshot, list[pd.DataFrame]]:
    """Make a bank and return its truth, the snapshot of its last day, and the named tables that a topic hands on."""
    bank = generate(folder / "bank", customers=customers, months=36, seed=11)
    told = topic.study(str(bank), LAST).handed_on
    snapshot = open_source(str(bank)).as_of(LAST)
    return Truth(snapshot.source), snapshot, [told[name].reset_index() for name in names]
