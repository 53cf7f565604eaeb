"""Journeys: shares that add up, purchases that are all counted, and a bank of one channel."""

from __future__ import annotations

import pandas as pd
import pytest
from bank_fixtures import write_parquet
from random_bank import random_bank
from thin_banks import lacking

from bankmine.bank.snapshot import Snapshot, open_source
from bankmine.topics.channels.journeys import DAYS, Journeys

pytestmark = pytest.mark.slow
LAST = "2025-12-31"


@pytest.fixture(scope="module")
def snapshot(small_bank) -> Snapshot:
    return open_source(str(small_bank)).as_of(LAST)


@pytest.fixture(scope="module")
def journeys(snapshot: Snapshot) -> Journeys:
    return Journeys(snapshot)


def test_both_ways_add_up_and_have_intervals(journeys: Journeys):
    assert lacking(journeys) == {}
    found = journeys.attributed
    for name in ("last_touch", "share"):
        assert found[name].sum() == pytest.approx(1)
    assert found["removal"].between(0, 1).all()
    for name in ("last_touch", "removal", "share"):
        assert (found[f"{name}_low"] <= found[name]).all()
        assert (found[name] <= found[f"{name}_high"]).all()
    assert journeys.files()["journeys"].equals(found)


def test_each_spell_with_a_product_taken_is_one_purchase(journeys: Journeys, snapshot: Snapshot):
    last = pd.Timestamp(LAST)
    rows = snapshot.accounts.to_pandas().merge(snapshot.customers.select("customer_id", "joined_on").to_pandas())
    opened, joined = pd.to_datetime(rows["opened_on"]), pd.to_datetime(rows["joined_on"])
    spell = (last - opened).dt.days // DAYS
    rows = rows.assign(spell=spell, opened=opened, joined=joined)[spell < 12]
    first = rows.sort_values("opened").drop_duplicates(["customer_id", "spell"])
    there = (first["opened"] - first["joined"]).dt.days >= DAYS
    assert journeys.facts["taken"] == there.sum()


def test_the_two_ways_disagree_most_where_the_facts_say(journeys: Journeys):
    apart = (journeys.attributed["share"] - journeys.attributed["last_touch"]).abs()
    own = journeys.attributed.loc[apart.idxmax()]
    assert journeys.facts["channel"] == str(apart.idxmax()).replace("_", " ")
    assert (journeys.facts["share"], journeys.facts["last_touch"]) == (own["share"], own["last_touch"])


def test_one_channel_cannot_be_compared(tmp_path):
    bank = random_bank(customers=150, bookings=9000)
    bank["transactions"]["channel"] = "branch"
    study = Journeys(open_source(str(write_parquet(bank, tmp_path))).as_of(LAST))
    assert "nothing to compare" in study.facts.why


def test_cards_and_cash_alone_are_no_journey(tmp_path):
    bank = random_bank(customers=150, bookings=9000)
    bank["transactions"]["channel"] = "pos"
    study = Journeys(open_source(str(write_parquet(bank, tmp_path))).as_of(LAST))
    assert "no channel is touched" in study.attributed.why
    assert study.files() == {}
