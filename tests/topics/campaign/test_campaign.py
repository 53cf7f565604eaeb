"""11_campaign of flat tables: what was planted is found, and every kind of bad table gets one clear answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from thin_banks import lacking

from bankmine.errors import BankmineError
from bankmine.lacking import Lacking
from bankmine.topics import campaign
from bankmine.topics.campaign.tried import BROKEN, TRIAL, UNCHECKED

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
COLUMNS = {"target": "bought", "treated": "mailed", "id": "customer", "value": "worth", "cost": "paid"}


def mailing(n: int = 1500, seed: int = 0) -> pd.DataFrame:
    """Draw a mailing: who is young is moved by it, who is rich buys anyway."""
    rng = np.random.default_rng(seed)
    rich, young = rng.normal(size=n), rng.random(n) < 0.5
    mailed = rng.random(n) < 0.5
    chance = np.clip(0.15 + 0.05 * rich + mailed * np.where(young, 0.25, -0.02), 0.01, 0.99)
    bought = rng.random(n) < chance
    return pd.DataFrame({
        "customer": [f"K{i:05d}" for i in range(n)], "income": np.round(rich * 1000 + 5000, 2),
        "age_band": np.where(young, "young", "old"), "mailed": np.where(mailed, "yes", "no"),
        "bought": np.where(bought, "yes", "no"), "worth": rng.uniform(20, 40, n).round(2), "paid": 1.5,
    })  # fmt: skip


def study(folder: Path, table: pd.DataFrame, **given: object) -> campaign.study:
    file = folder / "mailing.csv"
    table.to_csv(file, index=False)
    return campaign.study(str(file), "2025-12-31", **(COLUMNS | {"planned": 0.5} | given))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return study(tmp_path_factory.mktemp("mailing"), mailing())


def test_a_trial_is_believed_and_its_effect_found(whole):
    assert whole.tried.checks["verdict"].tolist() == [TRIAL]
    told = whole.tried.effects.loc[("the campaign", "responded")]
    assert told["low"] < 0.115 < told["high"]
    assert told["low"] > 0
    brought = whole.tried.returns.loc["the campaign"]
    assert brought["net"] == pytest.approx(brought["brought"] - 1.5)
    assert brought["each more"] == pytest.approx(1.5 / told["value"])
    assert brought["a response"] < brought["each more"]


def test_whom_it_moves_is_found(whole):
    moved = whole.moved
    assert moved.chosen != "random"
    effects = moved.effects.set_index("customer_id")["effect"]
    young = mailing().set_index("customer")["age_band"].reindex(effects.index) == "young"
    assert effects[young].mean() > effects[~young].mean() + 0.05
    table = moved.qini[moved.qini["metric"] == "qini"].set_index("model")
    assert table.loc["t_learner", "low"] > 0


def test_what_a_table_cannot_tell_is_lacking_with_a_reason(whole):
    assert isinstance(whole.plan, Lacking)
    assert isinstance(whole.prices, Lacking)
    assert set(lacking(whole.tried)) == set()
    assert {"campaign_checks", "campaign_effects", "uplift"} == set(whole.handed_on)


def test_what_is_shown_is_what_is_handed_on(whole):
    told, handed = whole.tried.each["the campaign"], whole.handed_on["campaign_effects"]
    own = handed.reset_index().query("outcome == 'responded'").iloc[0]
    assert told["effect"] == pytest.approx(100 * own["value"])
    assert len(whole.handed_on["uplift"]) == len(mailing())


def test_picked_customers_are_no_trial(tmp_path):
    table = mailing()
    rng = np.random.default_rng(1)
    picked = table["income"].rank(pct=True) + rng.normal(0, 0.3, len(table)) > 0.5
    found = study(tmp_path, table.assign(mailed=np.where(picked, "yes", "no")))
    assert found.tried.checks["verdict"].tolist() == [BROKEN]
    assert found.tried.broken["refused"] == "the campaign"
    assert isinstance(found.tried.each, Lacking)
    assert "no campaign is a trial" in found.tried.each.why


def test_without_a_plan_the_balance_alone_is_told(tmp_path):
    found = study(tmp_path, mailing(), planned=0.0)
    assert found.tried.checks["verdict"].tolist() == [UNCHECKED]
    assert "which share the plan treats" in found.tried.draw.why


def test_more_contacted_than_planned_is_refused(tmp_path):
    found = study(tmp_path, mailing(), planned=0.4)
    assert found.tried.checks["verdict"].tolist() == [BROKEN]


@pytest.mark.parametrize("arm", ["yes", "no"])
def test_a_table_of_one_arm_is_refused(tmp_path, arm):
    found = study(tmp_path, mailing(200).assign(mailed=arm))
    assert "nobody can be compared" in found.tried.checks.why


def test_an_arm_of_three_tells_nothing(tmp_path):
    table = mailing(400)
    table["mailed"] = np.where(np.arange(400) < 3, "yes", "no")
    found = study(tmp_path, table, planned=0.0)
    assert "3 customers were contacted: at least 20" in found.tried.checks["verdict"].iloc[0]
    assert isinstance(found.tried.effects, Lacking)


def test_a_customer_who_is_twice_in_a_campaign_is_refused_and_in_two_is_not(tmp_path):
    table = mailing(600)
    twice = pd.concat([table, table.head(5)])
    assert "5 rows are of a customer who has another row" in study(tmp_path, twice).tried.checks.why
    two = pd.concat([table.assign(wave="spring"), mailing(600, 1).assign(wave="autumn")])
    found = study(tmp_path, two, campaign="wave")
    assert found.tried.checks["verdict"].tolist() == [TRIAL, TRIAL]
    assert len(found.moved.effects) == 1200
    assert found.moved.effects["customer_id"].nunique() == 600


def test_costs_that_are_missing_are_told_and_those_told_are_used(tmp_path):
    assert "nothing tells what a contact" in study(tmp_path, mailing(), cost="").tried.returns.why
    table = mailing()
    table.loc[::2, "paid"] = np.nan
    assert study(tmp_path, table).tried.returns["cost"].iloc[0] == pytest.approx(1.5)
    assert "nothing tells what a response is worth" in study(tmp_path, mailing(), value="").tried.returns.why


def test_an_outcome_lost_in_one_arm_is_refused(tmp_path):
    table = mailing()
    lost = (table["mailed"] == "no") & (np.arange(len(table)) % 5 == 0)
    found = study(tmp_path, table.assign(bought=table["bought"].where(~lost)))
    assert found.tried.checks["verdict"].tolist() == [BROKEN]
    assert found.tried.checks["p of the unknown"].iloc[0] < 0.001


@pytest.mark.parametrize(
    ("given", "why"),
    [({"treated": ""}, "treated=…"), ({"treated": "mail"}, "mail"), ({"planned": 1.5}, "planned=1.5")],
)
def test_what_is_asked_wrongly_is_refused_with_a_hint(tmp_path, given, why):
    with pytest.raises(BankmineError, match=why):
        study(tmp_path, mailing(200), **given)


def test_a_value_that_is_no_number_is_told(tmp_path):
    assert "value=age_band" in study(tmp_path, mailing(200), value="age_band").tried.checks.why


def test_names_of_campaigns_may_be_anything(tmp_path):
    names = ["<b>春季</b>", '=HYPERLINK("x")']
    table = pd.concat([mailing(400, i).assign(wave=name) for i, name in enumerate(names)])
    found = study(tmp_path, table, campaign="wave")
    assert set(found.tried.each) == set(names)
