"""How many customers there are in each sense of the word: as a plain count has it, and the same for all who count."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from bank_fixtures import write_parquet
from random_bank import random_bank

from bankmine.bank.snapshot import open_source
from bankmine.errors import BankmineError
from bankmine.features import lifecycle
from bankmine.features import population as words
from bankmine.features.customers import customer_tables
from bankmine.features.population import STATES, history, load_states, population, states, waterfall
from bankmine.features.rfm import CELL_NAMES
from bankmine.features.spine import spine_of
from bankmine.topics import profiling, segmentation
from bankmine.topics.churn.definition import Definition, funnel, labels, outcomes
from bankmine.topics.profiling.tags import load_tags

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


def test_nobody_without_an_account_is_active_present_or_silent(told):
    never = ["active", "present", "silent", "new", "lost, account open"]
    assert not told.loc[~told["with an account"], never].to_numpy().any()


def test_each_customer_is_in_one_state_and_the_states_add_up_to_all(told):
    counts = states(told)
    found = waterfall(counts)
    assert found.index[0] == "all customers"
    assert found["customers"].iloc[0] == len(told) == found["customers"].iloc[1:].sum()
    for measure in ("active", "present", "silent"):
        assert found[measure].iloc[0] == told[measure].sum() == found[measure].iloc[1:].sum()
    assert counts.loc["lost", "customers"] == found.loc[["without an account", "lost, account open"], "customers"].sum()
    for one, other in (("active", "inactive"), ("lost", "not lost"), ("with an account", "without an account")):
        assert counts.loc[[one, other], "customers"].sum() == len(told)
    assert counts.loc[["left", "fell silent"], "customers"].isna().all()  # events are not counted on the day
    np.testing.assert_allclose(found["share"], found["customers"].astype(float) / len(told))


def test_rules_that_put_a_customer_into_two_states_are_refused(snapshot, tmp_path, monkeypatch):
    own = tmp_path / "states.yml"
    own.write_text(STATES.read_text("utf-8").replace("rule: accounts = 0", "rule: stage = 'lost'"), "utf-8")
    monkeypatch.setattr(words, "load_states", lambda: load_states(own))
    with pytest.raises(BankmineError, match="each customer into exactly one"):
        population(snapshot, DAY, customer_tables(snapshot, [DAY])[DAY])


def test_no_two_words_are_the_same_and_no_other_register_uses_one_for_something_else():
    ours = load_states()
    assert len({word.name for word in ours}) == len({word.name_zh for word in ours}) == len(ours)
    for tag in load_tags():
        same = [word for word in ours if word.name in tag.name.lower().split() or word.name_zh == tag.name_zh]
        assert all(tag.rule == word.rule for word in same), tag.name
    assert not {name.lower() for name in CELL_NAMES} & {word.name for word in ours}
    (new,) = [stage for stage in lifecycle.load_stages() if stage.id == "acquisition"]
    assert (new.name.lower(), new.name_zh) in {(word.name, word.name_zh) for word in ours}


def test_pages_count_the_same_customers_under_the_same_name(folder, told, snapshot):
    """02, 03 and 06 of one day: what they say, and what they hand on."""
    profile, kinds = profiling.study(folder, DAY), segmentation.study(folder, DAY)
    counts = states(told)["customers"]
    for page in (profile, kinds):
        assert page.handed_on["customer_states"]["customers"].equals(counts)
        assert page.waterfall["customers"].to_dict() == waterfall(states(told))["customers"].to_dict()
    base, active, life = profile.base, kinds.active, kinds.stages
    assert [base["customers"], base["holders"], base["lost"], base["lost_open"], base["new"]] == [
        counts[name] for name in ("all customers", "with an account", "lost", "lost, account open", "new")
    ]
    assert life == {name: counts[name] for name in ("decline", "lost", "new")}
    assert life["lost"] == (kinds.stage == "lost").sum()
    assert [active["active"], active["inactive"]] == [counts["active"], counts["inactive"]]
    assert counts["inactive"] == (kinds.segment == "inactive").sum()
    assert profile.activity["silent"] == counts["silent"] / counts["with an account"]
    assert profile.steadiness.set_index("tag")["customers"]["Silent"] == counts["silent"] > 0
    leaving = funnel(outcomes(snapshot, [DAY], Definition())).iloc[0]
    assert [leaving["known"], leaving["with_account"], leaving["present"]] == [
        counts[name] for name in ("all customers", "with an account", "present")
    ]


def test_history_ends_in_the_states_of_the_day_and_knows_nobody_before_they_joined(snapshot, told):
    days = [dt.date(2025, 3, 31), DAY]
    found = history(snapshot, days)
    for word in ("without an account", "lost, account open", "not lost"):
        assert (found[DAY].reindex(told.index).eq(word) == told[word]).all()
    joined = pd.to_datetime(snapshot.customers.to_pandas().set_index("customer_id")["joined_on"])
    assert found[days[0]].notna().sum() == (joined <= pd.Timestamp(days[0])).sum()
