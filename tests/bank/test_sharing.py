"""Notebooks of one run share a snapshot: checked once, and the same for all."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import pytest
from bank_fixtures import AS_OF, CORE, rows_of, small_bank, write_source

from bankmine.bank import snapshot as snapshots
from bankmine.bank.contract import TABLES
from bankmine.bank.sharing import SHARED
from bankmine.bank.snapshot import open_source


@pytest.fixture
def source(tmp_path) -> str:
    """A bank with a broken rule in every sense: a bad row, a bad value and a key that comes twice."""
    tables = small_bank()
    rows = tables["transactions"]
    rows.loc[0, "amount"] = -1
    rows.loc[1, "account_id"] = "nobody's"
    tables["transactions"] = rows._append(rows.iloc[-1], ignore_index=True)
    return str(write_source(tmp_path / "bank", tables))


@pytest.fixture
def shared(tmp_path, monkeypatch) -> dt.date:
    """Share the snapshot of a day."""
    (tmp_path / "shared" / str(AS_OF)).mkdir(parents=True)
    monkeypatch.setenv(SHARED, str(tmp_path / "shared"))
    return AS_OF


@pytest.fixture
def checked(monkeypatch) -> list[str]:
    """Names of the tables that were really checked."""
    names, check = [], snapshots.check
    monkeypatch.setattr(snapshots, "check", lambda rows, t, *rest: names.append(t.name) or check(rows, t, *rest))
    return names


def told(snapshot) -> tuple:
    return {n: sorted(rows_of(t), key=str) for n, t in snapshot.tables.items()}, snapshot.checks


def test_what_is_shared_is_what_would_have_been_checked(source, shared, checked, monkeypatch):
    first, second = (told(open_source(source).as_of(shared)) for _ in range(2))
    assert len(checked) == len(TABLES)
    monkeypatch.delenv(SHARED)
    assert first == second == told(open_source(source).as_of(shared))
    assert len(checked) == 2 * len(TABLES)
    assert any(c.violations for c in first[1].values())


def test_only_the_day_of_the_run_is_shared(source, shared, checked):
    for _ in range(2):
        open_source(source).as_of(shared - dt.timedelta(days=1))
    assert len(checked) == 2 * len(TABLES)


def test_another_source_is_not_taken_for_this_one(source, shared, tmp_path):
    there = told(open_source(source).as_of(shared))
    other = told(open_source(str(write_source(tmp_path / "other", small_bank()))).as_of(shared))
    assert there != other


def test_notebooks_that_come_together_check_once(source, shared, checked):
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: told(open_source(source).as_of(shared)), range(2)))
    assert found[0] == found[1]
    assert len(checked) == len(TABLES)


def test_a_type_that_files_cannot_hold_is_not_shared(tmp_path, shared, checked):
    folder = write_source(tmp_path / "bank", small_bank(*CORE), relations={n: f"{n}.parquet" for n in CORE})
    for name in CORE:
        extra = ", now()::TIMESTAMP_S AS fetched" if name == "customers" else ""
        (folder / f"{name}.sql").write_text(f"SELECT *{extra} FROM {name}", "utf-8")
    kinds = [open_source(str(folder)).as_of(shared).customers.fetched.type() for _ in range(2)]
    assert kinds[0] == kinds[1]
    assert len(checked) == 2 * len(CORE)
