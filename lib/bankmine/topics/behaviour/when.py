"""When customers spend and log in: hours, paydays and festivals, with effects that have intervals."""

from __future__ import annotations

import pandas as pd

from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.lacking import part


class When:
    """When the customers of a bank spend and log in."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.source = snapshot

    @part
    def customers(self) -> pd.DataFrame:
        """Payday and favourite hour of each customer."""
        raise BankmineError("not yet there")

    @property
    def files(self) -> dict[str, pd.DataFrame]:
        """What is handed on beside the table of customers."""
        return {}
