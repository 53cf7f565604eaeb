"""12_channels, its decision: whom to reach how keeps consent and costs, is judged on later contacts, is handed on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bankmine.errors import BankmineError
from bankmine.features.consent import ALLOWED, contact_allowed
from bankmine.learning import arms
from bankmine.topics import channels
from bankmine.topics.channels.costs import load_costs
from bankmine.topics.channels.decide import AS_NOW, CHOSEN, NONE
from bankmine.topics.channels.study import Channels

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
LAST = "2025-12-31"


@pytest.fixture(scope="module")
def study(small_bank):
    return channels.study(str(small_bank), LAST)


def test_nobody_is_contacted_who_did_not_agree_or_has_left(study):
    found = study.decide.channel_for
    assert found.index.is_unique
    assert found["kind"].unique().tolist() == ["newsletter"]
    people = study.source.customers.to_pandas().set_index("customer_id")
    assert contact_allowed(people, study.source.unseen)[found.index].eq(ALLOWED).all()
    accounts = study.source.accounts.to_pandas()
    assert set(found.index) <= set(accounts.loc[accounts["closed_on"].isna(), "customer_id"])


def test_another_channel_than_the_best_for_all_is_chosen_only_where_it_surely_brings_more(study):
    found = study.decide.channel_for
    usual = found["channel"].mode()[0]
    none, others = found[found["channel"] == NONE], found[~found["channel"].isin([usual, NONE])]
    assert (none[["net", "low", "high"]] == 0).all(axis=None)
    assert (others["net"] > 0).all()
    assert (found["low"] <= found["net"] + 1e-9).all()
    assert (found["net"] <= found["high"] + 1e-9).all()
    assert found["channel"].ne("branch").all()  # thirty yuan a talk, for what a response brings
    assert (found["net"] >= 0).all()  # who is expected to bring less than a contact costs is left alone
    assert set(found["channel"]) <= {usual, *study.decide._tried}


def test_what_is_shown_is_what_is_handed_on(study):
    handed, told = study.handed_on, study.decide.headline
    assert told["customers"] == len(handed["channel_for"])
    policies = handed["channel_policies"]
    assert told["more"] == pytest.approx(policies.loc[CHOSEN, "ahead"] * told["contacts"] / 1000)
    assert told["low"] < told["more"] < told["high"]
    for channel, one in study.effects.contrasts.items():
        own = handed["channel_effects"].loc[channel]
        assert one["adjusted"] == pytest.approx(100 * own.loc["doubly robust", "value"])
    for name, one in study.app.contrasts.items():
        assert one["naive"] == pytest.approx(handed["channel_effects"].loc[(name, "naive"), "value"])


def test_as_now_is_what_contacts_brought(study):
    rows = study.effects.rows("newsletter")
    later = rows[rows["contacted_on"] > rows["contacted_on"].quantile(2 / 3)]
    later = later[later["customer_id"].isin(study.decide.people.index)]
    made = later[later["treated"]]
    assert study.decide.policies.loc[AS_NOW, "value"] == pytest.approx(1000 * (made["revenue"] - made["cost"]).mean())
    assert study.decide.policies.loc[AS_NOW, "ahead"] == 0


def test_the_same_for_all_is_judged_by_its_cost(study):
    found = study.decide.policies["value"]
    assert found["all by branch"] < found["all by call centre"] < found["all by sms"]


def test_hidden_consent_bars_everybody(study):
    again = Channels(replace(study.source, unseen=frozenset({"customers.marketing_consent"})))
    assert "nobody" in again.decide.channel_for.why
    assert "nobody" in again.decide.headline.why


def test_a_shift_counts_only_who_has_app_or_web(study):
    told, found, costs = study.decide.shift, study.decide.errands, load_costs("CNY").errand
    assert (found["could"] <= found["there"]).all()
    assert told["moved"] == pytest.approx(0.1 * found["could"].sum())
    saved = costs.loc["branch", "believed"] - costs.loc["mobile", "believed"]
    assert told["saves"] == pytest.approx(told["moved"] * saved)
    assert told["low"] < told["saves"] < told["high"]


def test_arms_add_what_was_planted_and_the_first_adds_nothing():
    rng = np.random.default_rng(0)
    size, names = 30_000, ["none", "text", "call"]
    known = pd.DataFrame({"age": rng.normal(40, 10, size)})
    arm = pd.Series(rng.choice(names, size))
    odds = -1 - 0.05 * (known["age"] - 40) + arm.map({"none": 0.0, "text": 0.4, "call": 1.0})
    outcome = pd.Series((rng.random(size) < 1 / (1 + np.exp(-odds))).astype(float))
    entity = pd.Series(np.arange(size) // 3)
    model = arms.fit(known, arm, outcome, entity, names)
    for name, true in (("text", 0.4), ("call", 1.0)):
        assert abs(model.added.loc[name, "value"] - true) < 4 * model.added.loc[name, "error"]
    chances = model.chances(known.head(5))
    assert chances.shape == (1 + arms.ROUNDS, 5, 3)
    assert (chances[0, :, 2] > chances[0, :, 1]).all()


def test_arms_of_one_outcome_are_refused():
    known, same = pd.DataFrame({"age": [1.0, 2.0]}), pd.Series([0.0, 0.0])
    with pytest.raises(BankmineError, match="all responded alike"):
        arms.fit(known, pd.Series(["a", "b"]), same, pd.Series([1, 2]), ["a", "b"])
