"""12_channels, its causal half: estimands, limits and words on a small bank; bad input says what to do."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from bank_fixtures import read, write_parquet
from some_channels import LAST, snapshot, some
from thin_banks import THIN, lacking

from bankmine.features.contacts import each_contact
from bankmine.judging.adjusted import DOUBLY_ROBUST, NAIVE
from bankmine.topics import channels
from bankmine.topics.channels.effects import TRIAL, Effects

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture(scope="module")
def study(small_bank):
    return channels.study(str(small_bank), LAST)


@pytest.fixture(scope="module")
def tables(small_bank):
    return some(small_bank)


def test_nothing_is_lacking_but_what_so_few_cannot_tell(study):
    found = lacking(study.effects) | lacking(study.app) | lacking(study.decide)
    plt.close("all")
    # a bank of a thousand has too few who took up the app, and too few held back, to tell much
    assert all("cannot be told" in why or "are needed" in why or "surely" in why for why in found.values()), found


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
    for name in (
        "age_years",
        "deposits",
        "contacts_90d",
        "responses_365d",
        "channel_mobile_count_90d",
        "visit_days_30d",
    ):
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
        (lambda c: c[(c["channel"] == "sms") | c.index.isin(c[c["channel"] == "branch"].index[:3])], "one chan"),
        (lambda c: c.drop(columns="channel"), "contacts do not tell channel"),
        (lambda c: c.drop(columns="responded"), "contacts do not tell responded"),
        (lambda c: c.assign(responded=False), "all had the same outcome"),
        (lambda c: c[c["channel"] != "branch"].assign(cost=None, channel=lambda t: t["channel"].replace("sms", "fax")),
         "what a channel costs is assumed nowhere"),
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
    contacts = tables["contacts"][tables["contacts"]["channel"].isin(["sms", "mobile"])]
    born = pd.to_datetime(contacts["customer_id"].map(tables["customers"].set_index("customer_id")["birth_date"]))
    far = (born.dt.year - 1982).abs() > 6
    parted = contacts[far].assign(channel=np.where(born[far].dt.year < 1982, "sms", "mobile"))
    own = Effects(snapshot(tables, tmp_path, contacts=parted))
    assert "sms: cannot be told" in own.estimates.why
    assert own.evidence["verdict"].tolist() == ["cannot be told"]


@pytest.mark.parametrize("kind", THIN)
def test_thin_banks_say_so(kind, tmp_path):
    found = channels.study(str(write_parquet(THIN[kind](), tmp_path)), LAST)
    assert "contacts" in found.effects.estimates.why
    assert "events" in found.app.estimates.why
    assert "contacts" in found.decide.headline.why
    assert "channel_for" not in found.handed_on
    plt.close("all")


def test_effects_of_contacts_come_right_way_round(study):
    own = study.effects.estimates
    assert own.loc[("call_centre", NAIVE), "value"] < own.loc[("call_centre", DOUBLY_ROBUST), "value"]
