"""12_channels, taking up the app: who is compared with whom, over which months, and what cannot be told."""

from __future__ import annotations

import pandas as pd
import pytest
from some_channels import LAST, snapshot, some

from bankmine.features.take_up import OWN_BOOKINGS, by_month, first_uses
from bankmine.topics import channels
from bankmine.topics.channels.app import App

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture(scope="module")
def study(small_bank):
    return channels.study(str(small_bank), LAST)


def begun_late(tables):
    """Let all have joined early in the log, two of three take up the app in 2024, and the third never."""
    who = tables["customers"]["customer_id"].drop_duplicates().sort_values(ignore_index=True)
    begin = pd.Series(
        [pd.Timestamp(2024, 1 + i % 12, 1) if i % 3 else pd.Timestamp(2030, 1, 1) for i in who.index], who
    )
    owner = tables["accounts"].drop_duplicates("account_id").set_index("account_id")["customer_id"]
    found = dict(tables)
    for name in ("events", "transactions"):
        rows = tables[name]
        of = rows["customer_id"] if name == "events" else rows["account_id"].map(owner)
        early = (rows["channel"] == "mobile") & (pd.to_datetime(rows["at"]) < of.map(begin))
        found[name] = rows.assign(channel=rows["channel"].mask(early, "online"))
    joined = pd.Timestamp("2023-02-01").date()
    return found | {"customers": tables["customers"].assign(joined_on=joined)}


@pytest.fixture(scope="module")
def tables(small_bank):
    return begun_late(some(small_bank))


@pytest.fixture(scope="module")
def late(tables, tmp_path_factory):
    return App(snapshot(tables, tmp_path_factory.mktemp("late")))


def test_nobody_is_compared_who_had_the_app_or_had_just_come(late):
    rows = late.rows
    own = rows["customer_id"].map(first_uses(late.source, "mobile"))
    assert (own.isna() | (own >= rows["month"])).all()
    assert (rows["treated"] == (own == rows["month"])).all()
    assert rows["treated"].any()
    assert rows["month"].min() >= pd.Period("2023-08")
    assert rows["month"].max() <= pd.Period("2025-06")


def test_nobody_is_compared_who_joined_before_the_log(tables, tmp_path):
    early = tables["customers"].assign(joined_on=pd.Timestamp("2022-06-01").date())
    assert "without it for 6 months" in App(snapshot(tables, tmp_path, customers=early)).rows.why


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


def test_what_is_compared_ends_before_the_month_of_the_app_begins(late):
    rows = late.rows
    contrast = late._contrast(OWN_BOOKINGS)
    panel = late.panels[OWN_BOOKINGS]
    one = rows.loc[contrast.known.index[contrast.treated.to_numpy(bool)][0]]
    before = panel.loc[one["customer_id"], one["month"] - 6 : one["month"] - 1].sum()
    after = panel.loc[one["customer_id"], one["month"] + 1 : one["month"] + 6].sum()
    assert contrast.known.loc[one.name, f"{OWN_BOOKINGS}, 6 months"] == before
    assert contrast.outcome[one.name] == after


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda e: e.drop(columns="channel"), "events.channel"),
        (lambda e: e[e["at"] > pd.Timestamp("2025-11-01")], "without it for 6 months"),
    ],
)
def test_an_app_that_nobody_took_up_says_so(tables, tmp_path, change, why):
    own = App(snapshot(tables, tmp_path, events=change(tables["events"])))
    assert why in own.estimates.why
    assert why in own.contrasts.why


def test_too_few_who_took_it_up_are_told_with_their_number(tables, tmp_path):
    who = tables["customers"]["customer_id"].drop_duplicates().sort_values(ignore_index=True)[:12]
    few = tables["customers"][tables["customers"]["customer_id"].isin(who)]
    own = App(snapshot(tables, tmp_path, customers=few))
    assert f"only {own.rows['treated'].sum()} customers are seen" in own.contrasts.why


def test_an_effect_whose_checks_fail_is_not_told(late):
    for name in ("app_bookings", "app_margin"):
        assert late.contrasts[name]["verdict"].startswith("cannot be told: ") == bool(late._failing(name))


def test_a_month_that_is_not_over_is_left_out(tables, tmp_path):
    middle = snapshot(tables, tmp_path, as_of="2025-11-14")
    assert by_month(middle)[OWN_BOOKINGS].columns[-1] == pd.Period("2025-10")
