"""Received: what another report of the same day handed on, as a table."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.privacy.sealing import read_sealed

Received = Callable[[str, str, Snapshot], Path]
"""Finds a file that a report of the same day handed on, as `report.handed_on.received`."""


def received_table(received: Received | None, report: str, name: str, snapshot: Snapshot) -> pd.DataFrame:
    """Read a table that another report handed on, indexed by its first column; an error tells where it is not there."""
    if received is None:
        raise BankmineError(f"{report} was not asked for its {name}")
    found = pd.read_parquet(io.BytesIO(read_sealed(received(report, f"{name}.parquet", snapshot))))
    return found.set_index(found.columns[0]).drop(columns="as_of", errors="ignore")
