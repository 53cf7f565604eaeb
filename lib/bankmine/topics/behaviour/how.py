"""How customers bank: channels, what sessions are for, and paths to an application."""

from __future__ import annotations

import pandas as pd

from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.lacking import part


class How:
    """How the customers of a bank use app and web."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.source = snapshot

    @part
    def customers(self) -> pd.DataFrame:
        """Favourite channel and state of each customer."""
        raise BankmineError("not yet there")

    def files(self) -> dict[str, pd.DataFrame]:
        """What is handed on beside the table of customers."""
        return {}
