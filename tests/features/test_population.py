"""How many customers there are in each sense of the word: as a plain count has it, and the same for all who count."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from bank_fixtures import write_parquet
from random_bank import random_bank

from bankmine.bank.snapshot import open_source
from bankmine.features import lifecycle
from bankmine.features.customers import customer_tables
from bankmine.features.population import population, waterfall
from bankmine.features.spine import spine_of
from bankmine.topics import profiling, segmentation
from bankmine.topics.churn.definition import Definition, labels

pytestmark = pytest.mark.slow
DAY = dt.date(2025, 6, 30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    frames = random_bank(seed=4, customers=150, bookings=6000)
    people = frames["customers"].customer_id[:20]
    mine = frames["accounts"].customer_id.isin(people)
    frames["accounts"].loc[mine, "closed_on"] = dt.date(2025, 6, 1)  # these have no account any more
    return str(write_parquet(frames, tmp_path_factory.mktemp("random")))


@pytest.fixture(scope="module")
def snapshot(folder):
    return open_source(folder).as_of(DAY)


@pytest.fixture(scope="module")
def told(snapshot) -> pd.DataFrame:
    return population(snapshot, DAY, customer_tables(snapshot, [DAY])[DAY])


def test_each_sense_is_what_the_tables_hold(snapshot, told):
    accounts, day = snapshot.accounts.to_pandas(), pd.Timestamp(DAY)
    closed_on = pd.to_datetime(accounts.closed_on)
    open_ = accounts[(pd.to_datetime(accounts.opened_on) <= day) & (closed_on.isna() | (closed_on > day))]
    assert told.index[told["with an account"]].tolist() == sorted(set(open_.customer_id) & set(told.index))
    assert 0 < told["with an account"].sum() <= len(told) - 15
    stage = lifecycle.stages(snapshot, [DAY]).set_index("customer_id").stage
    assert (told["not lost"] == (stage.reindex(told.index) != "lost")).all()


def test_who_is_present_is_who_is_judged_for_leaving(snapshot, told):
    judged = labels(snapshot, spine_of(snapshot, [DAY]), Definition()).to_pandas().set_index("customer_id").present
    assert (judged.reindex(told.index) == told["present"]).all()
    assert 0 < told["present"].sum() < len(told)


def test_nobody_without_an_account_is_anything_else(told):
    assert not told.loc[~told["with an account"]].to_numpy().any()


def test_the_waterfall_adds_up_and_falls(told):
    found = waterfall(told)
    assert found.index[0] == "all customers"
    assert (found["customers"] + found["others"] == len(told)).all()
    assert found["customers"].tolist() == [len(told), *told.sum()]
    np.testing.assert_allclose(found["share"], found["customers"] / len(told))


def test_pages_count_the_same_customers_under_the_same_name(folder, told):
    profile, kinds = profiling.study(folder, DAY), segmentation.study(folder, DAY)
    assert profile.waterfall["customers"].to_dict() == waterfall(told)["customers"].to_dict()
    assert profile.base["holders"] == told["with an account"].sum()
    assert profile.base["lost"] == (~told["not lost"]).sum() == (kinds.stage == "lost").sum()
    assert kinds.active["active"] == told["active"].sum() == (kinds.segment != "inactive").sum()
