"""12_channels, its causal half: estimands, limits and words on a small bank; every kind of bad input says what to do."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from bank_fixtures import read, write_parquet
from thin_banks import THIN, lacking

from bankmine.bank.snapshot import open_source
from bankmine.features.contacts import each_contact
from bankmine.features.take_up import OWN_BOOKINGS, by_month, first_sessions
from bankmine.judging.adjusted import DOUBLY_ROBUST, NAIVE
from bankmine.topics import channels
from bankmine.topics.channels.app import App
from bankmine.topics.channels.effects import TRIAL, Effects

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
LAST = "2025-12-31"
TABLES = ("customers", "accounts", "transactions", "balances", "events", "contacts")


@pytest.fixture(scope="module")
def study(small_bank):
    return channels.study(str(small_bank), LAST)


@pytest.fixture(scope="module")
def tables(small_bank) -> dict[str, pd.DataFrame]:
    """Return tables of some customers, enough to read and few enough to change."""
    whole = {name: read(small_bank, name) for name in TABLES}
    some = set(whole["customers"]["customer_id"].head(250))
    accounts = whole["accounts"][lambda t: t["customer_id"].isin(some)]
    own = {n: t[t["customer_id"].isin(some)] if "customer_id" in t else t[t["account_id"].isin(accounts["account_id"])]
           for n, t in whole.items()}  # fmt: skip
    own["transactions"] = own["transactions"].drop_duplicates("transaction_id")
    return own


def snapshot(tables, folder, as_of=LAST, **changed):
    for name, rows in (tables | changed).items():
        rows.to_parquet(folder / f"{name}.parquet")
    return open_source(str(folder)).as_of(as_of)


def test_nothing_is_lacking_but_what_so_few_cannot_tell(study):
    found = lacking(study.effects) | lacking(study.app) | lacking(study.decide)
    plt.close("all")
    assert all("cannot be told" in why or "held back" in why or "no channel" in why for why in found.values()), found


def test_contacts_are_those_whose_offer_has_lapsed(study, small_bank):
    found = each_contact(study.source)
    raw = read(small_bank, "contacts").drop_duplicates("contact_id")
    assert found["contacted_on"].max() <= pd.Timestamp(LAST) - pd.Timedelta(days=30)
    assert (found["day"] < found["contacted_on"]).all()
    assert (found["contacted_on"] - found["day"]).max() <= pd.Timedelta(days=31)
    both = found.merge(raw, on="contact_id", suffixes=("", "_raw"))
    assert (both["responded"] == both["responded_raw"].astype(float)).all()


def test_nothing_later_is_known_of_a_contact(tables, tmp_path):
    now, then = (Effects(snapshot(tables, tmp_path, as_of=day)) for day in (LAST, "2025-06-30"))
    same = now.contacts.reset_index().merge(then.contacts[["contact_id"]].reset_index(), on="contact_id")
    assert len(same) > 500
    late, early = now.known.loc[same["index_x"]], then.known.loc[same["index_y"]]
    for name in ("age_years", "deposits", "contacts_90d", "responses_365d", "channel_mobile_count_90d", "visit_days_30d"):
        np.testing.assert_allclose(late[name], early[name])


def test_the_plain_difference_is_that_of_the_shares(study):
    own = study.effects
    assert own.base == "mobile"
    rows = own.contacts[(own.contacts["offer"] == "newsletter") & own.contacts["treated"]]
    shares = rows.groupby("channel")["responded"].mean()
    naive = own.estimates.loc[("sms", NAIVE), "value"]
    assert naive == pytest.approx(shares["sms"] - shares["mobile"])
    told = own.contrasts["sms"]
    assert told["naive"] == pytest.approx(100 * naive)
    assert told["adjusted_low"] < told["adjusted"] < told["adjusted_high"]
    assert f"{100 * own.estimates.loc[('sms', TRIAL), 'value']:+.1f}" in told["trial_words"]


def test_the_trial_is_the_difference_of_those_held_back(study):
    own, rows = study.effects.trial.loc["sms"], study.effects.rows("newsletter")
    shares = rows[rows["channel"] == "sms"].groupby("treated")["responded"].mean()
    assert own["value"] == pytest.approx(100 * (shares[True] - shares[False]), abs=1e-6)
    assert own["low"] < own["value"] < own["high"]


def test_kinds_through_one_channel_are_told_apart(study):
    found = study.effects.kinds["verdict"]
    assert found["newsletter"] == "compared"
    assert found.drop("newsletter").eq("one channel only: cannot be told").all()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda c: c[c["channel"] == "sms"], "one channel only: cannot be told"),
        (lambda c: c[(c["channel"] == "sms") | c.index.isin(c.index[c["channel"] == "branch"][:3])], "one channel only"),
        (lambda c: c.drop(columns="channel"), "contacts do not tell channel"),
        (lambda c: c.drop(columns="responded"), "contacts do not tell responded"),
        (lambda c: c.assign(responded=False), "all had the same outcome"),
        (lambda c: c[c["channel"] != "branch"].assign(cost=None, channel=lambda t: t["channel"].replace("sms", "fax")),
         "nothing tells what a contact by fax costs"),
    ],
)  # fmt: skip
def test_contacts_that_tell_nothing_say_why(tables, tmp_path, change, why):
    own = Effects(snapshot(tables, tmp_path, contacts=change(tables["contacts"])))
    assert why in own.estimates.why
    assert why in own.contrasts.why


def test_without_anybody_held_back_the_adjusted_effect_stands_alone(tables, tmp_path):
    own = Effects(snapshot(tables, tmp_path, contacts=tables["contacts"][tables["contacts"]["treated"]]))
    assert "held back" in own.trial.why
    assert "held back" in own.losing.why
    assert TRIAL not in own.estimates.index.get_level_values("estimate")
    assert own.contrasts["sms"]["trial_words"].startswith("Nobody was held back")


def test_costs_that_contacts_do_not_tell_are_those_of_the_register(tables, tmp_path):
    (tmp_path / "source.yml").write_text("extracted_on: 2025-12-31\ncurrency: CNY\n", "utf-8")
    own = Effects(snapshot(tables, tmp_path, contacts=tables["contacts"].assign(cost=None)))
    assert own.costs("newsletter").to_dict() == {"mobile": 0.1, "sms": 0.3, "call_centre": 9.0, "branch": 30.0}


def test_a_channel_that_what_was_known_gives_away_cannot_be_told(tables, tmp_path):
    contacts = tables["contacts"]
    born = tables["customers"].set_index("customer_id")["birth_date"]
    old = pd.to_datetime(contacts["customer_id"].map(born)) < pd.Timestamp("1983-01-01")
    parted = contacts[contacts["channel"].isin(["sms", "mobile"])].assign(channel=np.where(old, "sms", "mobile")[
        contacts["channel"].isin(["sms", "mobile"])])  # fmt: skip
    own = Effects(snapshot(tables, tmp_path, contacts=parted))
    assert "sms: cannot be told" in own.estimates.why
    assert own.evidence["verdict"].tolist() == ["cannot be told"]


# --- taking up the app


def test_nobody_is_compared_who_had_the_app_or_had_just_come(study, small_bank):
    rows, bank = study.app.rows, study.source
    first = first_sessions(bank, "mobile")
    own = rows["customer_id"].map(first)
    assert (own.isna() | (own >= rows["month"])).all()
    assert (rows["treated"] == (own == rows["month"])).all()
    joined = pd.to_datetime(read(small_bank, "customers").set_index("customer_id")["joined_on"]).dt.to_period("M")
    assert (rows["customer_id"].map(joined) <= rows["month"] - 6).all()
    assert rows["month"].max() == pd.Period("2025-06")
    assert rows["month"].min() == pd.Period("2023-07")


def test_months_add_up_to_what_was_booked(study, small_bank):
    found = by_month(study.source)[OWN_BOOKINGS]
    raw = study.source.transactions
    owners = study.source.accounts.select("account_id", "customer_id")
    rows = raw.filter(raw.channel.isin(["mobile", "online", "branch", "atm", "pos", "call_centre"]))
    rows = rows.inner_join(owners, "account_id").select("customer_id", "at").to_pandas()
    month = pd.to_datetime(rows["at"]).dt.to_period("M")
    counts = rows.groupby(["customer_id", month]).size()
    own = counts.index.get_level_values(0)[100]
    assert found.loc[own].sum() == counts[own].sum()
    assert found.to_numpy().sum() == counts.sum()


def test_what_is_compared_ends_before_the_month_of_the_app_begins(study):
    rows = study.app.rows
    contrast = study.app._compared["app_bookings"].rows  # noqa: SLF001 - what is known is no part of a page
    panel = study.app.panels[OWN_BOOKINGS]
    one = rows.loc[contrast.known.index[contrast.treated.to_numpy(bool)][0]]
    before = panel.loc[one["customer_id"], one["month"] - 6 : one["month"] - 1].sum()
    after = panel.loc[one["customer_id"], one["month"] + 1 : one["month"] + 6].sum()
    assert contrast.known.loc[one.name, f"{OWN_BOOKINGS}, 6 months"] == before
    assert contrast.outcome[one.name] == after


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda e: e[e["channel"] != "mobile"], "nobody ever opened the app"),
        (lambda e: e.drop(columns="channel"), "events.channel"),
        (lambda e: e[e["at"] < pd.Timestamp("2023-05-01")], "nobody came into the arm"),
        (lambda e: e[e["at"] > pd.Timestamp("2025-11-01")], "without it for 6 months"),
    ],
)
def test_an_app_that_nobody_took_up_says_so(tables, tmp_path, change, why):
    own = App(snapshot(tables, tmp_path, events=change(tables["events"])))
    assert why in own.estimates.why
    assert why in own.contrasts.why


def test_three_who_took_it_up_are_too_few(tables, tmp_path):
    events, first = tables["events"], tables["events"].groupby("customer_id")["at"].min()
    late = first.index[first > pd.Timestamp("2023-07-01")][:3]
    early = first.index[first < pd.Timestamp("2023-03-01")]
    own = App(snapshot(tables, tmp_path, events=events[events["customer_id"].isin([*late, *early])]))
    assert "at least 20 are needed" in own.estimates.why


@pytest.mark.parametrize("kind", THIN)
def test_thin_banks_say_so(kind, tmp_path):
    found = channels.study(str(write_parquet(THIN[kind](), tmp_path)), LAST)
    assert "contacts" in found.effects.estimates.why
    assert "events" in found.app.estimates.why
    assert "contacts" in found.decide.headline.why
    assert "channel_for" not in found.handed_on
    plt.close("all")


def test_a_month_that_is_not_over_is_left_out(tables, tmp_path):
    middle = snapshot(tables, tmp_path, as_of="2025-11-14")
    assert by_month(middle)[OWN_BOOKINGS].columns[-1] == pd.Period("2025-10")


def test_effects_of_contacts_come_right_way_round(study):
    own = study.effects.estimates
    assert own.loc[("call_centre", NAIVE), "value"] < own.loc[("call_centre", DOUBLY_ROBUST), "value"]
