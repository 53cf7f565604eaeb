"""11_campaign of a bank: the plan keeps every limit, what is shown is handed on, nothing is known before its day."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from thin_banks import THIN, lacking

from bankmine.bank.snapshot import open_source
from bankmine.errors import BankmineError
from bankmine.features import contacts
from bankmine.features.consent import ALLOWED
from bankmine.judging import disclosure, trials
from bankmine.lacking import Lacking, optional
from bankmine.topics import campaign
from bankmine.topics.campaign.offers import Offers
from bankmine.topics.campaign.plan import Plan
from bankmine.topics.campaign.rules import load_rules
from bankmine.topics.campaign.study import BankCampaigns
from bankmine.topics.campaign.tried import BROKEN

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
LAST = "2025-12-31"


@pytest.fixture(scope="module")
def study(small_bank):
    return campaign.study(str(small_bank), LAST)


@pytest.fixture(scope="module")
def handed(study) -> dict[str, pd.DataFrame]:
    return study.handed_on


def test_the_campaign_whose_customers_were_picked_is_refused(study):
    refused = study.tried.checks.index[study.tried.checks["verdict"] == BROKEN]
    assert list(refused) == ["fund_plan_2025_04"]
    assert "fund_plan_2025_04" not in study.moved.trials
    assert "fund_plan_2025_04" not in study.offers.effects


def test_nothing_is_lacking_but_segments_that_nobody_handed_on(study):
    assert set(lacking(study.tried)) | set(lacking(study.moved)) | set(lacking(study.plan)) == set()
    assert "03_segmentation" in study.prices.apart.why


def test_the_plan_keeps_its_limits_and_asks_nobody_who_did_not_agree(study, small_bank):
    rules, plan = load_rules("CNY"), study.plan.contacts
    assert plan.index.is_unique
    made = plan[~plan["held_back"]]
    assert made["cost"].sum() <= rules.budget
    assert all(n <= rules.capacity[c] for c, n in made["channel"].value_counts().items())
    open_to = study.offers.open_to.loc[plan.index]
    assert open_to["contact"].eq(ALLOWED).all()
    assert open_to["rested"].all()
    assert (plan["gain"] > 0).all()
    asked = plan.groupby("campaign")["held_back"].mean()
    sizes = plan.groupby("campaign").size()
    assert ((asked - rules.control).abs() <= 1 / sizes).all()


def test_what_is_shown_is_what_is_handed_on(study, handed):
    told, made = study.plan.headline, handed["contacts_next"]
    assert told["contacts"] == len(made)
    assert told["held"] == len(handed["contacts_held_back"])
    assert told["gain"] == pytest.approx(made["gain"].sum())
    assert told["cost"] == pytest.approx(made["cost"].sum())
    assert told["low"] < told["gain"] < told["high"]
    assert not set(made.index) & set(handed["contacts_held_back"].index)
    assert made.attrs["list"]
    assert study.plan.left_out["customers"].iloc[1:].sum() == study.plan.left_out["customers"].iloc[0]
    own = handed["campaign_effects"].reset_index()
    for name, one in study.tried.each.items():
        row = own[(own["campaign"] == name) & (own["outcome"] == "responded")].iloc[0]
        assert one["effect"] == pytest.approx(100 * row["value"])


def test_a_plan_that_does_not_know_whom_06_calls_says_so(study):
    assert "06_churn" in study.offers.unasked["why"]
    assert any("which is not known" in who for who in study.plan.left_out.index)
    asked = Offers(study.source, study.tried, study.moved, study.offers.rules, lambda: study.plan.contacts.index[:5])
    assert asked.unasked is None
    assert not asked.gain.index.isin(study.plan.contacts.index[:5]).any()


def test_no_offer_goes_to_too_few_to_be_judged_and_all_groups_are_compared(study):
    sizes = study.plan.contacts.groupby("campaign").size()
    assert (sizes >= 2 * trials.FEWEST).all()
    scarce = Plan(study.offers, smallest=int(sizes.min()) + 1)
    assert sizes.idxmin() not in set(optional(scarce, "contacts").get("campaign", []))
    free = study.offers.gain.index
    for table in study.plan.impact.values():
        unknown = len(free) - table["rows"].sum()
        assert unknown == 0 or unknown >= disclosure.smallest_group(study.source)
        assert len(study.plan.contacts) - unknown <= table["approved"].sum() <= len(study.plan.contacts)


def test_a_hidden_consent_bars_everybody(study):
    again = BankCampaigns(replace(study.source, unseen=frozenset({"customers.marketing_consent"})), None)
    assert not again.offers.open_to["contact"].eq(ALLOWED).any()
    assert "nobody is known to have agreed" in again.plan.contacts.why


def test_an_offer_that_still_stands_is_not_judged(small_bank):
    found = contacts.contacted(open_source(str(small_bank)).as_of("2025-10-01"))
    assert "retention_bonus_2025_09" not in set(found["campaign"])
    later = contacts.contacted(open_source(str(small_bank)).as_of("2025-10-08"))
    assert "retention_bonus_2025_09" in set(later["campaign"])


def test_contacts_add_up_by_customer_and_what_followed_is_known_only_when_over(small_bank):
    bank = open_source(str(small_bank)).as_of(LAST)
    found, rows = contacts.contacted(bank), bank.contacts.to_pandas()
    rows = rows[pd.to_datetime(rows["contacted_on"]) <= pd.Timestamp(LAST) - pd.Timedelta(days=30)]
    assert found["treated"].sum() == rows["treated"].sum()
    assert found["held_responded"].sum() == (rows["responded"].astype(bool) & ~rows["treated"]).sum()
    assert found["treated_cost"].sum() == pytest.approx(rows.loc[rows["treated"], "cost"].sum())
    after = contacts.what_followed(bank, found)
    over = found["day"] + pd.Timedelta(days=contacts.AFTER) <= pd.Timestamp(LAST)
    assert after["margin"].notna().equals(over)
    gone = (
        bank.accounts.to_pandas()
        .groupby("customer_id")["closed_on"]
        .agg(lambda c: pd.Timestamp(c.max()) if c.notna().all() else pd.NaT)
    )
    left = found["customer_id"].map(gone) <= found["day"] + pd.Timedelta(days=contacts.AFTER)
    assert after.loc[over, "left"].astype(bool).equals(left[over])


def test_the_rate_is_one_that_was_tried_and_all_are_asked_the_same(study):
    best, rows = study.prices.best, study.prices.rows
    assert rows["rate"].min() <= best["rate"] <= min(rows["rate"].max(), best["cap"])
    assert best["earned_low"] <= best["earned"] <= best["earned_high"]
    own = study.prices.elasticity.loc["all"]
    assert own["high"] < 0
    earned = study.prices.earned
    assert best["earned"] == pytest.approx(earned["value"].max())
    assert best["rate"] == pytest.approx(earned.loc[earned["value"].idxmax(), "rate"])


@pytest.mark.parametrize("kind", THIN)
def test_banks_without_campaigns_say_so_once(kind, tmp_path):
    from bank_fixtures import write_parquet

    found = campaign.study(str(write_parquet(THIN[kind](), tmp_path)), LAST)
    assert "contacts" in found.tried.checks.why
    assert set(lacking(found.plan).values()) == {found.tried.checks.why} | {
        why for why in lacking(found.plan).values() if "contacts" in why
    }
    assert found.handed_on == {}


def test_a_register_with_a_wrong_number_is_refused(tmp_path):
    file = tmp_path / "campaigns.yml"
    file.write_text("CNY: {owner: marketing, budget: -5, rest: 7, control: 0.2}\n")
    with pytest.raises(BankmineError, match="-5"):
        load_rules("CNY", file)
    file.write_text("CNY: {owner: marketing, budget: 5, rest: 7, control: 1.0}\n")
    with pytest.raises(BankmineError, match="control below 1"):
        load_rules("CNY", file)
    file.write_text("default: {owner: marketing}\n")
    with pytest.raises(BankmineError, match="not a register of campaigns"):
        load_rules("CNY", file)


def test_effects_are_learnt_from_the_day_before(study, small_bank):
    bank = open_source(str(small_bank)).as_of(LAST)
    own = study.tried.by_campaign["card_instalments_2024_11"].head(20)
    known = study.tried.known["card_instalments_2024_11"].loc[own.index]
    day = own["day"].iloc[0].date() - dt.timedelta(days=1)
    before = open_source(str(small_bank)).as_of(day).contacts
    seen = before.filter(before.treated, before.contacted_on > day - dt.timedelta(days=90)).customer_id.to_pandas()
    counts = own["customer_id"].map(seen.value_counts()).fillna(0)
    assert np.array_equal(known["contacts_90d"], counts)
    assert not isinstance(study.tried.effects, Lacking)
    assert bank.as_of == dt.date(2025, 12, 31)
