"""What customers do next: the next product page or application within 30 days."""

from __future__ import annotations

import pandas as pd

from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.lacking import part
from bankmine.study.study import Study


def next_step(snapshot: Snapshot) -> NextStep:
    """Set up the question what customers of a bank do next; an error where the bank tells of no visits."""
    raise BankmineError("not yet there")


class NextStep(Study):
    """Who looks at a product, or applies, within 30 days."""

    @part
    def customers(self) -> pd.DataFrame:
        """Chance of each next page of each customer."""
        raise BankmineError("not yet there")
