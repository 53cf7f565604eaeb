"""Portraits of the base and of one customer."""

from __future__ import annotations

import datetime as dt
import itertools

import numpy as np
import pandas as pd
import pytest
from bank_fixtures import write_parquet
from hypothesis import given
from hypothesis import strategies as st
from random_bank import random_bank
from thin_banks import THIN, lacking

from bankmine.bank.contract import DEPOSITS
from bankmine.bank.snapshot import open_source
from bankmine.errors import BankmineError
from bankmine.features.bookings import BOOKED_BY_THE_BANK
from bankmine.features.consent import agreed_to_be_treated_personally
from bankmine.features.customers import customer_tables
from bankmine.features.population import load_win_back
from bankmine.features.spine import month_end_before
from bankmine.topics.profiling import portraits as profiling
from bankmine.topics.profiling import study

pytestmark = pytest.mark.slow

DAYS = [dt.date(2025, 6, 30), dt.date(2025, 5, 31), dt.date(2023, 1, 1)]


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = write_parquet(random_bank(), tmp_path_factory.mktemp("random"))
    return customer_tables(open_source(str(folder)).as_of(DAYS[0]), DAYS)


def test_there_is_a_table_for_each_day_also_for_one_without_customers(tables):
    assert list(tables) == DAYS
    assert len(tables[DAYS[0]]) >= len(tables[DAYS[1]]) > 20
    assert tables[DAYS[2]].empty
    assert {"region", "outflow_90d", "tenure_days"} <= set(tables[DAYS[2]].columns)


def test_the_month_before_ends_on_its_last_day():
    assert month_end_before(dt.date(2025, 3, 31)) == dt.date(2025, 2, 28)
    assert month_end_before(dt.date(2025, 3, 15)) == dt.date(2025, 2, 28)
    assert month_end_before(dt.date(2025, 1, 1), 2) == dt.date(2024, 11, 30)


def test_ages_fall_into_their_groups():
    ages = pd.Series([17, 18, 24, 25, 75, None])
    assert profiling.age_group(ages).astype(object).tolist()[:5] == [
        "under 18",
        "18–24",
        "18–24",
        "25–34",
        "75 and over",
    ]
    assert profiling.age_group(ages).isna().tolist()[5]


def test_holdings_count_customers_not_accounts(tables):
    customers = tables[DAYS[0]]
    found = profiling.holdings(customers).set_index("product")
    assert found.loc["current", "customers"] == (customers.current_accounts > 0).sum()
    assert found.share.is_monotonic_decreasing
    assert (found.other_products >= 0).all()


def test_channels_of_each_age_group_add_up_to_one(tables):
    mix = profiling.channel_mix(tables[DAYS[0]], smallest=1)
    np.testing.assert_allclose(mix.sum(axis=1), 1)
    assert mix.index[-1] == "all"
    assert "other" in mix.columns


@pytest.mark.property
@given(st.lists(st.floats(-100, 1e6), min_size=10, max_size=60), st.floats(0.01, 1))
def test_the_top_holds_at_least_its_share_and_at_most_all(values, share):
    values = pd.Series(values)
    held = profiling.concentration(values, share)
    if values.clip(lower=0).sum() == 0:
        assert np.isnan(held)
    else:
        top = max(1, round(len(values) * share)) / len(values)
        assert top - 1e-9 <= held <= 1 + 1e-9


def test_a_portrait_sets_a_customer_beside_all(tables):
    customers = tables[DAYS[0]]
    richest = customers.deposits.idxmax()
    own = profiling.portrait(customers, richest)
    assert own.loc["deposits", "this customer"] == f"{customers.deposits.max():,.0f}"
    assert own.loc["deposits", "rank"] == pytest.approx((customers.deposits < customers.deposits.max()).mean())
    assert own.loc["share of bookings at weekends", "median"].endswith("%")


def test_the_typical_customer_is_nobody_extreme(tables):
    customers = tables[DAYS[0]]
    ranks = customers["outflow_90d"].rank(pct=True)
    assert 0.2 < ranks[profiling.typical_customer(customers, customers["joined_on"].notna())] < 0.8


def test_the_typical_customer_agreed_to_be_treated_personally(tables):
    customers = tables[DAYS[0]].assign(profiling_consent=None)
    chosen = profiling.typical_customer(customers, agreed_to_be_treated_personally(customers[["deposits"]], ()))
    others = customers.index[customers.index != chosen][::2]
    customers.loc[others, "profiling_consent"] = True
    agreed = agreed_to_be_treated_personally(customers, ())
    assert set(agreed.index[agreed]) == set(others)
    assert profiling.typical_customer(customers, agreed) in others
    hidden = agreed_to_be_treated_personally(customers, {"customers.profiling_consent"})
    with pytest.raises(BankmineError, match="no customer is known to have agreed"):
        profiling.typical_customer(customers, hidden)


def test_an_unknown_customer_is_told(tables):
    with pytest.raises(BankmineError, match="No customer 'nobody' is known on this day"):
        profiling.portrait(tables[DAYS[0]], "nobody")


def test_a_customer_whom_nobody_knows_is_refused_before_anything_is_computed(small_bank):
    with pytest.raises(BankmineError, match="No customer 'nobody' is known on this day: give an id"):
        study(str(small_bank), "2025-12-31", "nobody")


NOBODY_LOST = dict.fromkeys(("win_back", "win_back_first"), "nobody is lost, account open")
NOBODY_LOST |= {"came_back": "nobody was lost, account open on 2025-09-30"}
FEW_HOLDERS = {"after_tags": "no tag had enough holders on that day"} | NOBODY_LOST
OF_HOLDERS = (
    "base", "ages", "by_age", "regions", "held", "products", "by_product", "activity", "by_bookings", "main_channel",
    "by_channel", "top_tenth", "by_deposits", "money", "customer", "portrait", "own_tags",
)  # fmt: skip


@pytest.mark.parametrize(
    ("bank", "lacks"),
    [
        (
            "without balances",
            dict.fromkeys(
                ("top_tenth", "by_deposits", "by_month_end", "win_back", "win_back_first"),
                "the source has no balances.balance",
            ),
        ),
        ("three customers", FEW_HOLDERS | dict.fromkeys(OF_HOLDERS, "no customer holds an account")),
        ("one month", FEW_HOLDERS | {"changed": "nobody was known on an earlier month end"}),
    ],
)
def test_what_a_thin_bank_lacks_is_said_part_by_part(tmp_path, bank, lacks):
    assert lacking(study(str(write_parquet(THIN[bank](), tmp_path)), "2025-12-31")) == lacks


def test_what_the_page_says_is_what_the_tables_hold(tmp_path):
    frames, day = random_bank(seed=4), dt.date(2025, 6, 30)
    found = study(str(write_parquet(frames, tmp_path)), day)
    people = frames["customers"][lambda c: c.joined_on <= day]
    accounts = frames["accounts"][lambda a: (a.opened_on <= day) & (a.closed_on.isna() | (a.closed_on > day))]
    held = people[people.customer_id.isin(accounts.customer_id)]
    assert 0 < len(held) < len(people)
    days = held.joined_on.map(lambda joined: (day - joined).days)
    base = {"customers": len(people), "holders": len(held), "tenure": days.median() / 365.25}
    assert {name: found.base[name] for name in base} == base
    english = {"北京": "Beijing 北京", "上海": "Shanghai 上海"}  # and what the register does not know, as it is
    assert found.regions["customers"].to_dict() == held.region.replace(english).value_counts().to_dict()
    products = accounts.groupby("customer_id")["product"].nunique().reindex(held.customer_id)
    assert found.held == {"single": (products == 1).mean(), "mean": products.mean()}  # of customers with an account
    owners = accounts.groupby("product").customer_id.nunique().rename(index=lambda p: p.replace("_", " "))
    shown = found.products.set_index("product")["customers"]
    few = owners.between(1, 4) | (len(held) - owners).between(1, 4)  # of whom a page does not tell
    assert few.any()
    assert shown.index[shown.isna()].sort_values().tolist() == sorted(owners.index[few])
    assert shown.dropna().to_dict() == owners[~few].to_dict()
    balances = frames["balances"][lambda b: b.month_end <= day].merge(frames["accounts"][["account_id", "product"]])
    deposits = balances[balances["product"].isin(DEPOSITS)].groupby("month_end").balance.sum()
    drawn = profiling.by_month_end(found.source)["deposits"]
    np.testing.assert_allclose(drawn.to_numpy(), deposits.reindex(drawn.index.date, fill_value=0.0).to_numpy())


def test_whom_to_win_back_are_the_largest_depositors_who_are_lost_and_may_be_contacted(small_bank):
    found = study(str(small_bank), "2025-12-31")
    told = found.handed_on["win_back"]
    people = found.customers
    lost = found._population["lost, account open"]
    may = people["marketing_consent"].fillna(False) & people["profiling_consent"].fillna(False)
    assert sorted(told.index) == sorted(people.index[lost & may])
    assert (lost & ~may).any()
    rich = people.loc[lost & may & (people["deposits"] > 0), "deposits"]
    calls = load_win_back()["calls_a_month"]
    assert 0 < told["call"].sum() == min(calls, len(rich))
    assert told.loc[told["call"], "deposits"].tolist() == rich.sort_values(ascending=False)[:calls].tolist()
    assert told["contact"].eq("allowed").all()
    assert told.attrs["list"]
    own = found.source.transactions.to_pandas().merge(found.source.accounts.to_pandas()[["account_id", "customer_id"]])
    own = own[(own["direction"] == "out") & ~own["kind"].isin(BOOKED_BY_THE_BANK)]
    days = (pd.Timestamp(found.day) - own.groupby("customer_id")["at"].max().dt.normalize()).dt.days
    for customer, why in told["why_lost"].items():
        idle = days.get(customer, 365)
        assert why.startswith("a year or more idle" if idle >= 365 else f"{idle} days idle")
    recent = own[own["at"] >= pd.Timestamp(found.day) - pd.Timedelta(days=59)].groupby("customer_id").size()
    few = told["why_lost"].str.extract(r"; (\d+) payments? in 60 days")[0].dropna().astype(int)
    assert (few == recent.reindex(few.index, fill_value=0)).all()
    assert len(few)
    said = found.win_back
    assert said["held"] * 1e6 == pytest.approx(told.loc[told["call"], "deposits"].sum())
    assert (said["calls"], said["lost_open"], said["owner"]) == (told["call"].sum(), lost.sum(), "head of retail")


def test_the_base_changes_by_who_came_and_who_was_lost(small_bank):
    found = study(str(small_bank), "2025-12-31")
    told, then = found.changed, found._history[dt.date(2024, 12, 31)]
    assert told["since"] == dt.date(2024, 12, 31)
    assert told["change"] == told["joined"] + told["back"] - told["gone"] == told["not_lost"] - told["then"]
    assert told["not_lost"] == found._population["not lost"].sum()
    assert told["then"] == then.eq("not lost").sum()
    became, before = found.came_back, found._history[dt.date(2025, 9, 30)]
    lost = before.index[before == "lost, account open"]
    now = found._population.loc[lost]
    assert (became["n"], became["back"], became["closed"]) == (
        len(lost), now["not lost"].sum(), now["without an account"].sum(),
    )  # fmt: skip


def test_the_words_of_the_page_say_how_many_are_what(small_bank):
    found = study(str(small_bank), "2025-12-31")
    drawn = found.waterfall_chart
    widths = [bar.get_width() for bar in drawn.patches]
    assert widths == found.waterfall["customers"].tolist()
    assert widths[0] == sum(widths[1:]) == len(found.customers)
    edges = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in drawn.patches[1:]]
    assert edges[0][1] == widths[0]
    assert edges[-1][0] == 0
    assert all(upper[0] == lower[1] for upper, lower in itertools.pairwise(edges))  # each begins at the last
