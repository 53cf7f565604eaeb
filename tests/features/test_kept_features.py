"""Features that are kept are those that would be computed, of the same rows only."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pandas as pd
import pytest
from bank_fixtures import AS_OF, small_bank, write_source

from bankmine.bank import cache
from bankmine.bank.snapshot import Snapshot, open_source
from bankmine.features import customers, lifecycle, rfm, value
from bankmine.features.spine import spine_of

pytestmark = pytest.mark.slow

EARLIER = AS_OF - dt.timedelta(days=60)


@pytest.fixture
def snapshot(tmp_path, monkeypatch) -> Snapshot:
    monkeypatch.setenv(cache.FOLDER, str(tmp_path / "cache"))
    return open_source(str(write_source(tmp_path / "bank", small_bank()))).as_of(AS_OF)


@pytest.fixture
def computed(monkeypatch) -> list[int]:
    """Grows by one whenever features are really computed."""
    calls, features = [], customers.features
    monkeypatch.setattr(customers, "features", lambda *given: calls.append(1) or features(*given))
    return calls


def known(snapshot: Snapshot, *days: dt.date) -> pd.DataFrame:
    spine = spine_of(snapshot, days)
    keys = spine.to_pandas().sort_values(["customer_id", "day"], ignore_index=True)
    return customers.all_known(snapshot, spine, keys.assign(day=pd.to_datetime(keys["day"])))


def test_what_is_kept_is_what_would_be_computed(snapshot, computed):
    first, again = known(snapshot, AS_OF), known(snapshot, AS_OF)
    assert len(computed) == 1
    pd.testing.assert_frame_equal(first, again)
    tables = [customers.customer_tables(snapshot, [EARLIER, AS_OF]) for _ in range(2)]
    assert len(computed) == 2
    for day in (EARLIER, AS_OF):
        pd.testing.assert_frame_equal(tables[0][day], tables[1][day])


def test_other_rows_are_another_entry(snapshot, computed):
    one, both = known(snapshot, AS_OF), known(snapshot, EARLIER, AS_OF)
    assert len(computed) == 2
    assert len(one) < len(both)
    customers.customer_tables(snapshot, [AS_OF])
    customers.customer_tables(snapshot, [EARLIER])
    assert len(computed) == 4


@pytest.mark.parametrize("fetch", [value.margins, rfm.fetched, lifecycle.stages], ids=["margin", "RFM", "lifecycle"])
def test_what_is_kept_of_all_customers_is_what_would_be_computed(snapshot, monkeypatch, fetch):
    first = fetch(snapshot, [EARLIER, AS_OF])
    pd.testing.assert_frame_equal(fetch(snapshot, [EARLIER, AS_OF]), first)
    assert set(fetch(snapshot, [EARLIER]).day) < set(first.day)
    pd.testing.assert_frame_equal(fetch(replace(snapshot, key=""), [EARLIER, AS_OF]), first)


def test_margins_by_other_rules_or_of_another_window_are_another_entry(snapshot, monkeypatch):
    rules = value.load_rules(snapshot.source.currency)
    first = value.margins(snapshot, [AS_OF]).margin.sum()
    assert value.margins(snapshot, [AS_OF], days=30).margin.sum() != first
    monkeypatch.setattr(value, "load_rules", lambda currency: replace(rules, account=rules.account + 1))
    assert value.margins(snapshot, [AS_OF]).margin.sum() < first
