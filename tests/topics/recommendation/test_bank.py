"""10_recommendation of a bank: nothing is known before its day, rules are kept, what is shown is handed on."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bank_fixtures import write_parquet
from random_bank import random_bank
from thin_banks import THIN, lacking

from bankmine.bank.contract import DEBTS
from bankmine.deciding.offers import load_offers
from bankmine.errors import BankmineError
from bankmine.features.consent import ALLOWED, contact_allowed
from bankmine.lacking import Lacking
from bankmine.topics import recommendation
from bankmine.topics.recommendation import products
from bankmine.topics.recommendation.history import AHEAD, History
from bankmine.topics.recommendation.offers import Offers
from bankmine.topics.recommendation.products import PRODUCT_MODELS
from bankmine.topics.recommendation.study import BankRecommendations

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
LAST = "2025-12-31"


@pytest.fixture(scope="module")
def study(small_bank):
    return recommendation.study(str(small_bank), LAST)


@pytest.fixture(scope="module")
def handed(study) -> dict[str, pd.DataFrame]:
    return study.handed_on


def of(bank: dict[str, pd.DataFrame], folder: Path) -> BankRecommendations:
    return recommendation.study(str(write_parquet(bank, folder)), LAST)


def test_nothing_is_lacking_but_what_nobody_handed_on(study):
    parts = [study, study.history, study.products, study.offering, study.off_policy, study.judged_new, study.rules]
    why = {name: told for own in parts for name, told in lacking(own).items()}
    assert set(why) <= {"refused_by_07", "credit_bars", "scored", "all_table"}


def test_moments_know_nothing_of_later_days(study):
    day = dt.date(2025, 6, 30)
    moment, accounts = study.history.at(day), study.source.accounts.to_pandas()
    opened = pd.to_datetime(accounts["opened_on"])
    then = accounts[(opened <= pd.Timestamp(day)) & accounts["product"].isin(study.history.products)]
    then = then[then["customer_id"].isin(moment.customers)]
    assert moment.had.sum() == len(then)
    until = pd.Timestamp(day) + pd.Timedelta(days=AHEAD)
    later = accounts[(opened > pd.Timestamp(day)) & (opened <= until) & accounts["customer_id"].isin(moment.customers)]
    later = later[later["product"].isin(study.history.products)]
    assert study.history.taken(moment).sum() == len(later) > 0
    earlier = History(replace(study.source)).at(day)
    assert (earlier.had != moment.had).nnz == 0


def test_each_part_of_the_rows_begins_when_outcomes_of_the_one_before_were_known(study):
    for model in study.products.models.values():
        if not isinstance(model.split, Lacking):
            days = model.split.days
            assert max(days["train"]) + pd.Timedelta(days=AHEAD) <= min(days["tune"])
            assert max(days["tune"]) + pd.Timedelta(days=AHEAD) <= min(days["test"])
    assert pd.Timestamp(study.products.earlier) + pd.Timedelta(days=AHEAD) <= pd.Timestamp(study.products.cut)


def test_no_product_that_a_customer_has_had_has_a_chance(study):
    moment = study.offering.moment
    assert study.offering.chances.isna().equals(pd.DataFrame(
        moment.had.toarray() > 0, moment.customers, study.history.products
    ))  # fmt: skip
    told = study.offering.chances.stack()
    assert told.between(0, 1).all()


def test_offers_keep_every_rule_and_are_one_each(study, handed):
    offers, rules = handed["offers"], load_offers("CNY")
    assert offers.index.is_unique
    assert offers.attrs["list"]
    assert (offers["gain"] > 0).all()
    people = study.offering.people.loc[offers.index]
    assert contact_allowed(people, set()).eq(ALLOWED).all()
    age = study.offering.known.loc[offers.index, "age_years"]
    low, high = (offers["product"].map({name: own.ages[end] for name, own in rules.products.items()}) for end in (0, 1))
    assert age.between(low, high).all()
    rested = study.offering.known.loc[offers.index, "days_since_contact"]
    assert (rested.isna() | rested.ge(rules.rest)).all()
    assert not study.offering.complains[offers.index].any()
    worth = offers["product"].map({name: own.worth for name, own in rules.products.items()})
    gain = offers["chance"] * rules.moved["believed"] * worth - rules.contact
    assert np.allclose(offers["gain"], gain)
    assert (offers["gain_low"] <= offers["gain"]).all()


def test_what_is_shown_is_what_is_handed_on(study, handed):
    told, offers = study.offering.headline, handed["offers"]
    assert told["offers"] == len(offers)
    assert told["gain"] == pytest.approx(offers["gain"].sum())
    assert told["low"] < told["gain"] < told["high"]
    assert 0 <= told["loses"] < 1
    held = handed["offers_held_back"]
    assert told["held"] == len(held)
    assert not set(held.index) & set(offers.index)
    share = held["product"].value_counts() / study.offering.planned["product"].value_counts()
    assert (share.dropna() >= study.offering.rules.control).all()
    removed = study.offering.removed["offers"]
    assert removed.iloc[1:].sum() == removed.iloc[0]
    assert removed.iloc[-1] == len(offers)
    judged = handed["recommendation_judged"].reset_index()
    own = judged[(judged["taken"] == "new") & (judged["metric"] == "ndcg_10")].set_index("model")
    for name, one in study.judged_new.each.items():
        assert one["ndcg_10"] == own.loc[name, "value"]
    chances = handed["recommendation_chances"]
    cal = study.products.calibrated
    for name, rows in chances[chances["product"].isin(cal.index)].groupby("product"):
        assert rows["chance"].sum() == pytest.approx(cal.loc[name, "foretold"])
        assert rows["took"].sum() == cal.loc[name, "came"]


def test_credit_is_not_offered_to_whom_07_refuses_nor_where_07_is_silent(study, tmp_path):
    assert not study.offering.planned["product"].isin(DEBTS).any()  # nobody asked 07
    file = tmp_path / "credit_scores.parquet"

    def received(report: str, name: str, _: object) -> Path:
        if name != file.name:
            raise BankmineError(f"{report} has not run")
        return file

    def asked(**scores: list) -> Offers:
        pd.DataFrame(scores).to_parquet(file)
        return Offers(study.source, study.products, received, study._used)

    free = asked(customer_id=["nobody"], decision=["grant"], probability=[0.01])
    planned = free.planned
    credit = planned.index[planned["product"].isin(DEBTS)]
    assert len(credit) > 2
    assert free.credit["scored"] == 0
    again = asked(customer_id=credit[:2].tolist(), decision=["refuse", "grant"], probability=[0.01, 0.5])
    own = again.planned.reindex(credit[:2])["product"]
    assert not own.isin(DEBTS).any()
    assert again.planned["product"].drop(credit[:2], errors="ignore").equals(planned["product"].drop(credit[:2]))


def test_who_knows_no_ages_is_offered_nothing_and_told_why(tmp_path):
    bank = random_bank(customers=300, bookings=6000)
    bank["customers"] = bank["customers"].drop(columns="birth_date")
    found = of(bank, tmp_path).offering
    assert not found.allowed.any(axis=None)
    assert "ages" in found.unasked["too young or too old"]


def test_day_and_channel_are_those_that_others_handed_on(study, tmp_path):
    who = study.offering.made.index
    habits = pd.DataFrame({"customer_id": who, "payday": 10.0, "favourite_hour": 9.0, "favourite_channel": "mobile"})
    habits.loc[0, ["payday", "favourite_hour", "favourite_channel"]] = np.nan, np.nan, "atm"
    habits.to_parquet(tmp_path / "behaviour.parquet")
    best = pd.DataFrame(
        {"customer_id": [who[1], who[1]], "kind": "offer", "channel": ["sms", "branch"], "net": [1, 2.0]}
    )

    def received(report: str, name: str, _: object) -> Path:
        if not (tmp_path / name).exists():
            raise BankmineError(f"{report} has not run")
        return tmp_path / name

    made = Offers(study.source, study.products, received, study._used).made
    assert made.loc[who[0], ["when", "channel"]].tolist() == ["any day", "not known"]
    assert made.loc[who[1], ["when", "channel"]].tolist() == ["from day 10, when paid, about 9:00", "mobile"]
    best.to_parquet(tmp_path / "channel_for.parquet")
    assert Offers(study.source, study.products, received, study._used).made.loc[who[1], "channel"] == "branch"
    assert "nothing tells habits" in study.offering.reached["lacking"]


def test_a_hidden_consent_bars_everybody_and_its_lack_nobody(study):
    hidden = replace(study.source, unseen=frozenset({"customers.marketing_consent"}))
    assert "no offer is expected" in Offers(hidden, study.products, None, study._used).made.why
    told = study.offering.without_profile
    people = study.offering.people
    plain = people["marketing_consent"].eq(True) & ~people["profiling_consent"].eq(True)
    assert told["customers"] == plain.sum()


def test_a_grade_of_risk_bars_what_is_riskier(tmp_path):
    bank = random_bank(customers=300, bookings=6000)
    bank["customers"]["risk_grade"] = (np.arange(300) % 5 + 1).astype(str)
    found = of(bank, tmp_path)
    grade = found.offering.people["risk_grade"].astype(int)
    barred = found.offering.barred["riskier than the customer's grade, 2 where never tested"]
    assert barred["fund"].equals(grade < 3)
    assert not barred["savings"].any()


def test_who_was_never_tested_is_offered_nothing_risky(study):
    risky = [name for name, own in study.offering.rules.products.items() if own.risk > study.offering.rules.untested]
    assert risky == ["fund"]
    assert study.offering.risk_bars["fund"].all()
    assert not study.offering.made["product"].isin(risky).any()


def test_of_trials_only_those_count_and_the_rest_is_told_why(study):
    verdicts = study.off_policy.verdicts
    assert "were planned" in verdicts["fund_plan_2025_04"]
    assert "nobody was held back" in verdicts["personal_loan_rate_test"]
    figures = study.off_policy.figures.reset_index()
    assert set(figures["campaign"]) == {"card_instalments_2024_11", "term_deposit_2024_05"}
    own = figures[figures["campaign"] == "term_deposit_2024_05"].set_index("policy")
    share = own.loc["as many at random", "contacted"]
    mixed = share * own.loc["everybody", "value"] + (1 - share) * own.loc["nobody", "value"]
    assert own.loc["as many at random", "value"] == pytest.approx(mixed)
    rows = study.off_policy.campaigns["term_deposit_2024_05"]
    held = rows[rows["held"] == 1]
    assert own.loc["nobody", "value"] == pytest.approx(1000 * held["held_revenue"].mean())
    assert own.loc["everybody", "worth"] == pytest.approx((rows["treated"] == 1).sum())


def test_of_a_large_bank_some_are_judged_and_all_of_today_are_scored(tmp_path, monkeypatch):
    bank = random_bank(customers=300, bookings=6000)
    whole = of(bank, tmp_path / "whole")
    monkeypatch.setattr(products, "MOST", 60)
    found = of(bank, tmp_path / "some")
    assert len(found.products.moment(found.products.cut).customers) == 60
    assert found.offering.chances.shape == whole.offering.chances.shape
    assert len(found.history.at(found.products.cut).customers) > 60


# --- bad input


def test_too_short_a_history_falls_back_and_says_so(tmp_path):
    found = of(random_bank(customers=300, bookings=6000), tmp_path)
    assert set(found.products.lacking) == set(found.history.products)
    assert found.products.unlearnt["names"]
    chances = found.offering.chances
    assert chances.stack().between(0, 1).all()
    assert found.history.repeats > 0
    assert found.judged_all.choice["customers"] >= found.judged_new.choice["customers"]
    assert "own_frequency" in found.judged_all.each


def test_one_product_only_is_nothing_to_recommend(tmp_path):
    bank = random_bank(customers=120, bookings=3000)
    bank["accounts"] = bank["accounts"].assign(product="current")
    found = of(bank, tmp_path)
    assert "nothing to recommend" in found.judged_new.why
    assert "nothing to recommend" in found.offering.made.why
    assert found.handed_on == {}


def test_a_product_that_nobody_took_up_of_late_has_no_model(tmp_path):
    bank = random_bank(customers=300, bookings=6000)
    rows = bank["accounts"]
    old = (rows["product"] == "fund") & (pd.to_datetime(rows["opened_on"]) > pd.Timestamp("2024-06-30"))
    bank["accounts"] = rows[~old]
    found = of(bank, tmp_path)
    assert "fund" in found.products.lacking
    assert found.offering.chances["fund"].max() < found.offering.chances["mortgage"].max()


def test_nothing_opened_after_the_day_judged_is_said(tmp_path):
    bank = random_bank(customers=150, bookings=4000)
    rows = bank["accounts"]
    bank["accounts"] = rows[pd.to_datetime(rows["opened_on"]) <= pd.Timestamp("2025-06-30")]
    found = of(bank, tmp_path)
    assert "0 customers took any" in found.judged_new.why


def test_a_bank_without_contacts_and_consent_still_gets_offers(tmp_path):
    found = of(random_bank(customers=300, bookings=6000), tmp_path)
    assert "contacts" in found.off_policy.figures.why
    told = found.offering.not_asked
    assert "tells of no contacts" in told["rules"]
    assert "07_credit_scoring was not asked" in told["rules"]
    assert "marketing_consent" in found.offering.without_profile.why
    assert found.offering.removed["offers"].iloc[0] == found.offering.chances.size


@pytest.mark.parametrize("kind", THIN)
def test_thin_banks_break_nothing(kind, tmp_path):
    found = of(THIN[kind](), tmp_path)
    for own in (found, found.history, found.products, found.offering):
        assert all(isinstance(why, str) and why for why in lacking(own).values())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("contact: -1", "from 0 on"), ("moved: {low: 0.5, believed: 0.1, high: 0.3}", "rise from low to high"),
        ("products: {fund: {worth: 1, ages: [70, 18], risk: 3}}", "fund"), ("status: certain", "status"),
        ("products: {fund: {worth: 1, ages: [18, 70], risk: 9}}", "1 to 5"), ("tried: {bonus: gold}", "gold"),
        ("version: soon", "a day"), ("rest: [1]", "not a register of offers"),
    ],
)  # fmt: skip
def test_a_register_with_a_wrong_entry_is_refused(tmp_path, change, why):
    import yaml

    own = yaml.safe_load((Path(__file__).resolve().parents[3] / "data" / "offers.yml").read_text("utf-8"))["CNY"]
    file = tmp_path / "offers.yml"
    file.write_text(yaml.safe_dump({"CNY": own | yaml.safe_load(change)}))
    with pytest.raises(BankmineError, match=why):
        load_offers("CNY", file)


def test_offers_follow_the_model_in_use(study):
    by_models, plain = (
        Offers(study.source, study.products, None, lambda u=used: u) for used in (PRODUCT_MODELS, "popularity")
    )
    assert plain.chances.equals(study.products.shares(plain.moment))
    assert by_models.chances.equals(study.products.chances(plain.moment))
    assert not plain.chances.equals(by_models.chances)
    assert study.offering.chances.equals((by_models if study.judged_new.used == PRODUCT_MODELS else plain).chances)
    assert plain.made["reason"].nunique() == 1


def test_all_groups_are_told_how_often_they_are_offered_something(study):
    may = study.offering.allowed.any(axis=1).sum()
    assert set(study.offering.exposure) == {"age band", "gender", "city_tier"}
    for table in study.offering.exposure.values():
        assert may - table["rows"].sum() == 0 or may - table["rows"].sum() >= study.offering._smallest
        assert table["approved"].sum() <= len(study.offering.planned)
    assert study.offering.exposure["gender"].loc["female", "approved"] > 0
