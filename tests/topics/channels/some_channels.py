"""Tables of some customers of a demo bank, few enough to change and read again."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from bank_fixtures import read

from bankmine.bank.snapshot import Snapshot, open_source

LAST = "2025-12-31"
_TABLES = ("customers", "accounts", "transactions", "balances", "events", "contacts")


def some(bank: Path, customers: int = 250) -> dict[str, pd.DataFrame]:
    whole = {name: read(bank, name) for name in _TABLES}
    who = set(whole["customers"]["customer_id"].head(customers))
    accounts = whole["accounts"][lambda t: t["customer_id"].isin(who)]
    own = {n: t[t["customer_id"].isin(who)] if "customer_id" in t else t[t["account_id"].isin(accounts["account_id"])]
           for n, t in whole.items()}  # fmt: skip
    return own | {"transactions": own["transactions"].drop_duplicates("transaction_id")}


def snapshot(tables: dict[str, pd.DataFrame], folder: Path, as_of: str = LAST, **changed: pd.DataFrame) -> Snapshot:
    for name, rows in (tables | changed).items():
        rows.to_parquet(folder / f"{name}.parquet")
    return open_source(str(folder)).as_of(as_of)
