"""How long contracts last: published figures, and accounts counted by hand."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from bank_fixtures import write_parquet
from random_bank import random_bank

from bankmine.bank.snapshot import open_source
from bankmine.features.value import load_rules
from bankmine.learning.lasting import expected, fit_renewals, lasting, renewals

DAY = dt.date(2025, 12, 31)


@pytest.mark.parametrize(
    ("survivors", "alpha", "beta", "loglik"),
    [
        ([1000, 631, 468, 382, 326, 289, 262, 241], 0.704, 1.182, -1680.27),
        ([1000, 869, 743, 653, 593, 551, 517, 491], 0.668, 3.806, -1611.16),
    ],
    ids=["regular", "high end"],
)
def test_published_figures_of_renewals(survivors, alpha, beta, loglik):
    """Fader and Hardie (2007), fitted on seven renewals; those who are there still count, too."""
    there = np.array(survivors, float)
    found = fit_renewals(there[:-1], -np.diff(there))
    assert [found.alpha, found.beta] == pytest.approx([alpha, beta], abs=6e-4)
    assert found.loglik == pytest.approx(loglik, abs=6e-3)
    assert found.chance(np.array([1]))[0] == pytest.approx(alpha / (alpha + beta), rel=1e-3)


def bank(folder, accounts: pd.DataFrame, balances: pd.DataFrame):
    made = random_bank()
    owner = made["customers"]["customer_id"].iloc[0]
    t = (
        made["transactions"]
        .iloc[:2]
        .assign(account_id=accounts["account_id"].iloc[-1], at=pd.to_datetime(["2023-07-02", "2025-12-31"]))
    )
    people = made["customers"].iloc[:1].assign(joined_on=dt.date(2023, 1, 1))
    tables = {"customers": people, "accounts": accounts.assign(customer_id=owner), "transactions": t,
              "balances": balances}  # fmt: skip
    return open_source(str(write_parquet(tables, folder))).as_of(DAY)


@pytest.fixture(scope="module")
def savers(tmp_path_factory):
    """A hundred savings accounts of 1,000 that opened on a day in 2023; forty were closed on 2025-06-20."""
    names = [f"A{i:03}" for i in range(100)]
    closed = [dt.date(2025, 6, 20) if i < 40 else None for i in range(100)]
    accounts = pd.DataFrame({"account_id": names, "product": "savings", "opened_on": dt.date(2023, 6, 30),
                             "closed_on": closed})  # fmt: skip
    ends = [d.date() for d in pd.date_range("2023-07-31", "2025-12-31", freq="ME")]
    rows = [(name, end, 1000.0) for name, gone in zip(names, closed, strict=True) for end in ends
            if not gone or end < gone]  # fmt: skip
    return bank(
        tmp_path_factory.mktemp("savers"), accounts, pd.DataFrame(rows, columns=["account_id", "month_end", "balance"])
    )


def test_closings_are_counted_by_age(savers):
    found = lasting(savers, DAY).closings.loc["savings"]
    # two years up to the day: from 6 to 24 months of age all are there, 40 leave with 23.7 months, 60 go on to 30
    assert found["closed"].to_dict() == {0: 0, 3: 0, 12: 40, 24: 0, 60: 0}
    assert found["months"].to_dict() == pytest.approx({0: 0, 3: 591, 12: 1187, 24: 365, 60: 0}, abs=1)
    assert found["chance"].idxmax() == 12
    assert found["chance"].between(0, 1, inclusive="neither").all()


def test_renewals_are_counted_by_year_of_age(savers):
    found = renewals(savers, DAY)
    assert found.loc[found["at_risk"] > 0].to_dict("index") == {2: {"at_risk": 100, "lost": 40}}


def test_accounts_that_stay_earn_what_they_earn_now_for_as_long_as_they_stay(savers):
    """Sixty accounts are open: no more than what they earn now comes each year, and less each year."""
    found = expected(savers, DAY, 0.1).iloc[0]
    now = 60 * 1000 * load_rules("").spreads["savings"]
    assert now > found["year_1"] > found["year_2"] > found["year_3"] > 0
    assert 0 < found["open"] < 1
    undiscounted = expected(savers, DAY, 0.0).iloc[0]
    assert undiscounted["year_1"] == pytest.approx(undiscounted["plain"])
    assert undiscounted["unclosed"] == pytest.approx(undiscounted["plain"] / undiscounted["open"])
    assert found["year_1"] < found["unclosed"] < undiscounted["unclosed"]
    assert found["year_3"] / undiscounted["year_3"] == pytest.approx(1.1**-2.5, rel=0.01)


def test_what_is_closed_after_a_day_is_not_known_on_it(savers):
    """A year before, nobody had left: the chances are those of that day."""
    before = lasting(savers, dt.date(2024, 12, 31)).closings
    assert before["closed"].sum() == 0
