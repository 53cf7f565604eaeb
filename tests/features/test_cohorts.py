"""Cohorts by hand, and margins by account and by month that add up to those of customers."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import ibis
import numpy as np
import pandas as pd
import pytest
from bank_fixtures import write_parquet
from random_bank import random_bank

from bankmine.bank.snapshot import open_source
from bankmine.errors import BankmineError
from bankmine.features import cohorts
from bankmine.features import value as margins
from bankmine.features.spine import spine_of

DAY = dt.date(2025, 12, 31)


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    return open_source(str(write_parquet(random_bank(), tmp_path_factory.mktemp("random")))).as_of(DAY)


@pytest.fixture(autouse=True)
def costly(monkeypatch):
    """Rules in which each part of a margin costs or brings something."""
    rules = margins.load_rules("CNY")
    monkeypatch.setattr(margins, "load_rules", lambda *_: rules)
    return rules


def yearly(snapshot) -> pd.DataFrame:
    return margins.margin(snapshot, spine_of(snapshot, [DAY]), 365).to_pandas().set_index("customer_id")


def test_what_accounts_earn_adds_up_to_what_customers_do(snapshot):
    """Deposits and lending; commissions on balances are fees, as what is booked."""
    accounts = margins.account_margin(snapshot, dt.date(2024, 12, 31), DAY).to_pandas()
    found, year = accounts["margin"].sum(), yearly(snapshot)
    assert found == pytest.approx((year["deposits"] + year["lending"]).sum(), rel=1e-9)
    assert found != 0


def test_months_add_up_to_the_margin_of_their_year(snapshot, costly, monkeypatch):
    """But for the cost of keeping an account, which a month charges in full and a margin by the day."""
    everybody = snapshot.customers.select("customer_id", group=ibis.literal(0))
    months = margins.monthly_margin(snapshot, everybody, dt.date(2025, 1, 1)).to_pandas()
    assert sorted(pd.to_datetime(months["month"]).dt.month) == list(range(1, 13))
    monkeypatch.setattr(margins, "load_rules", lambda *_: replace(costly, account=0.0))
    months_free = margins.monthly_margin(snapshot, everybody, dt.date(2025, 1, 1)).to_pandas()
    assert months_free["margin"].sum() == pytest.approx(yearly(snapshot)["margin"].sum(), rel=1e-9)
    a = snapshot.accounts.to_pandas()
    first, last = (
        pd.to_datetime(a["opened_on"]).clip(lower="2025-01-01"),
        pd.to_datetime(a["closed_on"]).fillna(pd.Timestamp(DAY)),
    )
    charged = (last.dt.year * 12 + last.dt.month - first.dt.year * 12 - first.dt.month + 1).clip(lower=0)
    charged = charged.where(last >= "2025-01-01", 0).sum()
    kept = (months_free["margin"].sum() - months["margin"].sum()) / costly.account
    assert kept == pytest.approx(charged)


def test_the_total_by_month_is_that_of_whole_months_only(snapshot):
    found = margins.margin_total(snapshot, dt.date(2025, 11, 30), 6)
    assert list(found.index.astype(str)) == [f"2025-{m:02}" for m in range(6, 12)]
    with pytest.raises(BankmineError, match="no bookings up to 2020-01-31"):
        margins.whole_months(snapshot, pd.Period("2020-01", "M"), 6)


def tiny(folder, customers: int = 4):
    """Half of the customers joined in January, half in March; one of each left, in February and in June."""
    joined = [dt.date(2025, 1, 1) if i < customers // 2 else dt.date(2025, 3, 10) for i in range(customers)]
    ids = [f"C{i}" for i in range(customers)]
    closed = [dt.date(2025, 2, 5), *[None] * (customers - 2), dt.date(2025, 6, 20)]
    accounts = pd.DataFrame({"account_id": [f"A{i}" for i in range(customers)], "customer_id": ids,
                             "product": "current", "opened_on": joined, "closed_on": closed})  # fmt: skip
    rows = [(f"T{i}", f"A{i}", pd.Timestamp(j) + pd.Timedelta(hours=9), 100.0, "out", "fee")
            for i, j in enumerate(joined)]  # fmt: skip
    rows.append(("TL", "A1", pd.Timestamp("2025-06-30 08:00"), 10.0, "in", "salary"))
    columns = ["transaction_id", "account_id", "at", "amount", "direction", "kind"]
    tables = {"customers": pd.DataFrame({"customer_id": ids, "joined_on": joined}), "accounts": accounts,
              "transactions": pd.DataFrame(rows, columns=columns)}  # fmt: skip
    return open_source(str(write_parquet(tables, folder))).as_of("2025-06-30")


def test_cohorts_by_hand(tmp_path, monkeypatch):
    zero = margins.MarginRules(owner="finance", spreads={}, bookings={"fee": {"out": 1.0}}, costs={"other": 0.0},
                               account=1.0, currency="CNY")  # fmt: skip
    monkeypatch.setattr(margins, "load_rules", lambda *_: zero)
    found = cohorts.joined(tiny(tmp_path), 2)
    assert found.size.tolist() == [2, 2]
    stays, paid = found.stays, found.paid
    assert list(stays.index.astype(str)) == ["2025-01", "2025-03"]
    nan = np.nan
    wanted = [[1.0, 0.5, 0.5, 0.5, 0.5, 0.5, nan], [1.0, 1.0, 1.0, 0.5, nan, nan, nan]]
    np.testing.assert_allclose(stays.iloc[:, :7], wanted)
    # a fee of 100 each in the first month, and 1 a month for each account that was open in it
    wanted = [[99, 98, 97.5, 97, 96.5, 96, nan], [99, 98, 97, 96, nan, nan, nan]]
    np.testing.assert_allclose(paid.iloc[:, :7], wanted)
    assert found.payback(98.5) == {"months": 1, "cohorts": 2, "of": 2, "cost": 98.5}


def test_months_of_few_who_joined_are_not_told(tmp_path):
    with pytest.raises(BankmineError, match="fewer than 2 months in which at least 3 customers joined"):
        cohorts.joined(tiny(tmp_path), 3)


def test_when_it_is_paid_back_and_where_that_cannot_be_said():
    paid = pd.DataFrame([[10.0, 60.0, 110.0], [0.0, 30.0, np.nan]])
    found = cohorts.Cohorts(pd.Series([10, 10]), paid, paid)
    assert found.payback(45.0) == {"months": 2, "cohorts": 1, "of": 2, "cost": 45.0}
    with pytest.raises(BankmineError, match="nobody who joined has yet brought in the 900"):
        found.payback(900.0)
    with pytest.raises(BankmineError, match="no cost of winning"):
        found.payback(0.0)


def test_payback_is_that_of_a_customer_not_of_a_month_of_joining():
    """Ninety of a hundred joined in the month that pays late: the mean customer pays when they do."""
    paid = pd.DataFrame([[50.0, 100.0, 150.0], [0.0, 10.0, 60.0]])
    assert cohorts.Cohorts(pd.Series([10, 90]), paid, paid).payback(50.0)["months"] == 3
    assert cohorts.Cohorts(pd.Series([50, 50]), paid, paid).payback(50.0)["months"] == 2
