"""Demo banks that several tests read, made once in a test session: a small one, and five of full size."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from bankmine.bank.snapshot import open_source
from bankmine.topics.credit.applications import Applications, applications
from demobank import generate

SEEDS = (20251231, 7, 11, 23, 42)


@pytest.fixture(scope="session", params=SEEDS)
def seed_bank(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a bank of 5,000 customers and 36 months."""
    return generate(tmp_path_factory.mktemp("banks") / str(request.param), seed=request.param)


@pytest.fixture(scope="session")
def small_bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a bank of 1,000 customers and 36 months."""
    return generate(tmp_path_factory.mktemp("banks") / "small", customers=1000, months=36, seed=8)


@pytest.fixture(scope="session")
def small_applications(small_bank: Path) -> Applications:
    """Applications of the small bank, as known on its last day."""
    return applications(open_source(str(small_bank)).as_of("2025-12-31"))


def read(folder: Path, table: str, columns: list[str] | None = None) -> pd.DataFrame:
    """Read a table of a demo bank, or of its truth."""
    return pq.read_table(folder / table, columns=columns).to_pandas(date_as_object=False)


def bookings(folder: Path, columns: list[str]) -> pd.DataFrame:
    """Read all bookings but the catalogued ones, with owner and product."""
    defects = read(folder, "truth/defects").query("rule != 'duplicate_key'")
    rows = read(folder, "transactions", columns).drop_duplicates("transaction_id")
    rows = rows[~rows.transaction_id.isin(defects.key)]
    return rows.merge(read(folder, "accounts", ["account_id", "customer_id", "product"]), on="account_id")
