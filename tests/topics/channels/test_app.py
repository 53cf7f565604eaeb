"""12_channels, taking up the app: who is compared with whom, over which months, and what cannot be told."""

from __future__ import annotations

import pandas as pd
import pytest
from bank_fixtures import read
from some_channels import LAST, snapshot, some

from bankmine.features.take_up import OWN_BOOKINGS, by_month, first_sessions
from bankmine.topics import channels
from bankmine.topics.channels.app import App

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture(scope="module")
def study(small_bank):
    return channels.study(str(small_bank), LAST)


@pytest.fixture(scope="module")
def tables(small_bank):
    return some(small_bank)


def test_nobody_is_compared_who_had_the_app_or_had_just_come(study, small_bank):
    rows, bank = study.app.rows, study.source
    first = first_sessions(bank, "mobile")
    own = rows["customer_id"].map(first)
    assert (own.isna() | (own >= rows["month"])).all()
    assert (rows["treated"] == (own == rows["month"])).all()
    joined = pd.to_datetime(read(small_bank, "customers").set_index("customer_id")["joined_on"]).dt.to_period("M")
    assert (rows["customer_id"].map(joined) <= rows["month"] - 6).all()
    kept = pd.to_datetime(read(small_bank, "events")["at"]).min().to_period("M")
    assert (rows["customer_id"].map(joined) >= kept).all()  # of who came before, the first session may not be known
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
    contrast = study.app._contrast(OWN_BOOKINGS)
    panel = study.app.panels[OWN_BOOKINGS]
    one = rows.loc[contrast.known.index[0]]
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


def test_a_month_that_is_not_over_is_left_out(tables, tmp_path):
    middle = snapshot(tables, tmp_path, as_of="2025-11-14")
    assert by_month(middle)[OWN_BOOKINGS].columns[-1] == pd.Period("2025-10")
