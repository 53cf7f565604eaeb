"""Features against a slow and plain computation, and against the future."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from bank_fixtures import write_parquet
from hypothesis import given, settings
from random_bank import FUTURE, HALFWAY, alter_future, random_bank, random_service

from bankmine.bank.snapshot import open_source
from bankmine.errors import BankmineError
from bankmine.features.bookings import fell_silent
from bankmine.features.customers import features
from bankmine.features.service import service
from bankmine.features.spine import WINDOWS, spine_of

pytestmark = pytest.mark.slow

DAY = HALFWAY


@pytest.fixture(scope="module")
def frames():
    bank = random_bank()
    return bank | random_service(bank["customers"])


@pytest.fixture(scope="module")
def bank(frames, tmp_path_factory):
    return open_source(str(write_parquet(frames, tmp_path_factory.mktemp("random"))))


@pytest.fixture(scope="module")
def found(bank) -> pd.DataFrame:
    return known(bank.as_of(DAY), [DAY]).set_index("customer_id")


def known(snapshot, days) -> pd.DataFrame:
    """All that may be known of a customer on a day, sorted."""
    spine = spine_of(snapshot, days)
    rows = features(snapshot, spine).to_pandas().merge(service(snapshot, spine).to_pandas(), on=["customer_id", "day"])
    return rows.sort_values(["customer_id", "day"], ignore_index=True)


def bookings_of(frames, day: dt.date, window: int) -> pd.DataFrame:
    """Bookings of the window with customer, age and day of the week, the plain way."""
    t = frames["transactions"].merge(frames["accounts"], on="account_id")
    age = (pd.Timestamp(day) - t["at"].dt.normalize()).dt.days
    return t.assign(age=age)[(age >= 0) & (age < window)]


def plain(frames, measure, window: int, customers, day: dt.date = DAY) -> pd.Series:
    """One number for each customer, by a function of the customer's bookings."""
    groups = dict(iter(bookings_of(frames, day, window).groupby("customer_id")))
    empty = bookings_of(frames, day, window).iloc[:0]
    return pd.Series({c: measure(groups.get(c, empty)) for c in customers}, dtype=float)


def slope(rows: pd.DataFrame, window: int) -> float:
    daily = np.zeros(window)
    np.add.at(daily, window - 1 - rows.age.to_numpy(), rows.amount.to_numpy())
    return np.polyfit(np.arange(window), daily, 1)[0] * 30


def outflow(rows):
    return rows[rows.direction == "out"]


def timed(rows):
    return rows[rows["at"] != rows["at"].dt.normalize()]


MEASURES = {
    "inflow": lambda r, w: r[r.direction == "in"].amount.sum(),
    "outflow": lambda r, w: outflow(r).amount.sum(),
    "outflow_count": lambda r, w: len(outflow(r)),
    "transactions": lambda r, w: len(r),
    "outflow_mean": lambda r, w: outflow(r).amount.mean(),
    "inflow_trend": lambda r, w: slope(r[r.direction == "in"], w),
    "outflow_trend": lambda r, w: slope(outflow(r), w),
    "channel_mobile_count": lambda r, w: (r.channel == "mobile").sum(),
    "channel_other_count": lambda r, w: (r.channel == "wechat").sum() + r.channel.isna().sum(),
    "category_dining_outflow": lambda r, w: outflow(r)[outflow(r).category == "dining"].amount.sum(),
    "category_other_outflow": lambda r, w: outflow(r)[outflow(r).category.isin(["crypto", None])].amount.sum(),
    "weekend_share": lambda r, w: (r["at"].dt.dayofweek >= 5).mean(),
    "night_share": lambda r, w: timed(r)["at"].dt.hour.isin([23, 0, 1, 2, 3, 4, 5]).mean(),
    "salary": lambda r, w: r[(r.kind == "salary") & (r.direction == "in")].amount.sum(),
}


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("name", MEASURES)
def test_a_window_holds_what_a_plain_count_finds(frames, found, name, window):
    expected = plain(frames, lambda rows: MEASURES[name](rows, window), window, found.index)
    pd.testing.assert_series_equal(found[f"{name}_{window}d"].astype(float), expected, check_names=False, rtol=1e-9)
    assert expected.nunique() > 3  # the comparison says something


def test_recency_is_the_age_of_the_last_booking_within_a_year(frames, found):
    expected = plain(frames, lambda rows: rows.age.min(), 365, found.index)
    pd.testing.assert_series_equal(found.days_since_transaction.astype(float), expected, check_names=False)


def test_payday_regularity_is_one_for_one_day_and_lower_for_many(frames, found):
    def concentration(rows):
        angle = rows[(rows.kind == "salary") & (rows.direction == "in")]["at"].dt.day * 2 * np.pi / 31
        return np.hypot(np.cos(angle).mean(), np.sin(angle).mean())

    expected = plain(frames, concentration, 365, found.index)
    pd.testing.assert_series_equal(found.salary_regularity_365d, expected, check_names=False, rtol=1e-9)


def test_products_and_tenure_are_those_of_the_day(frames, found):
    a = frames["accounts"]
    open_ = a[(a.opened_on <= DAY) & (a.closed_on.isna() | (a.closed_on > DAY).fillna(False))]
    expected = open_.groupby("customer_id").size().reindex(found.index, fill_value=0)
    assert found.accounts.tolist() == expected.tolist()
    joined = frames["customers"].set_index("customer_id").joined_on.reindex(found.index)
    assert found.tenure_days.tolist() == [(DAY - d).days for d in joined]


def test_balances_are_the_last_known_and_their_means(frames, found):
    b = frames["balances"].merge(frames["accounts"], on="account_id")
    b = b[(b.month_end <= DAY) & (b.month_end > DAY - dt.timedelta(days=90))]
    b = b[b["product"].isin(["current", "savings", "term_deposit"])]
    monthly = b.groupby(["customer_id", "month_end"]).balance.sum()
    last = monthly.groupby("customer_id").last()
    with_deposits = last.index.intersection(found.index)
    assert len(with_deposits) > 10
    np.testing.assert_allclose(found.deposits.loc[with_deposits], last.loc[with_deposits], rtol=1e-9)


def test_one_query_serves_many_days_and_each_sees_only_its_own_past(bank):
    days = [dt.date(2024, 8, 15), dt.date(2025, 1, 31), DAY]
    last = bank.as_of(dt.date(2025, 11, 30))
    together = known(last, days)
    for day in days:
        alone = known(bank.as_of(day), [day])
        part = together[pd.to_datetime(together.day) == pd.Timestamp(day)]
        part = part.reset_index(drop=True)[alone.columns]
        pd.testing.assert_frame_equal(part, alone, rtol=1e-12, check_dtype=False)


def test_a_spine_may_not_reach_beyond_the_snapshot(bank):
    with pytest.raises(BankmineError, match="knows nothing after 2025-06-30"):
        spine_of(bank.as_of(DAY), [dt.date(2025, 7, 1)])


def test_a_label_is_unknown_until_its_window_has_closed(bank, frames):
    spine_day = dt.date(2025, 6, 1)
    early, late = bank.as_of(dt.date(2025, 8, 29)), bank.as_of(dt.date(2025, 8, 30))
    spine = spine_of(late, [spine_day])
    assert fell_silent(early, spine_of(early, [spine_day])).to_pandas().fell_silent.isna().all()
    label = fell_silent(late, spine).to_pandas().set_index("customer_id").fell_silent
    t = bookings_of(frames, dt.date(2025, 8, 30), 90)
    moved = set(t[(t.direction == "out") & (t.kind != "fee")].customer_id)
    assert label.map(bool).to_dict() == {c: c not in moved for c in label.index}
    assert 0 < label.mean() < 1


@pytest.mark.parametrize(("after", "silent"), [(-1, True), (0, True), (1, False), (90, False), (91, True)])
def test_only_the_days_of_the_window_count_for_a_label(tmp_path, after, silent):
    day = dt.date(2025, 3, 1)
    frames = {
        "customers": pd.DataFrame({"customer_id": ["c"], "joined_on": [dt.date(2024, 1, 1)]}),
        "accounts": pd.DataFrame({
            "account_id": ["a"], "customer_id": ["c"], "product": ["current"], "opened_on": [dt.date(2024, 1, 1)],
        }),
        "transactions": pd.DataFrame({
            "transaction_id": ["t", "u"], "account_id": ["a", "a"], "amount": [1.0, 1.0], "direction": ["out", "in"],
            "at": [pd.Timestamp(day) + pd.Timedelta(days=after, hours=9), pd.Timestamp("2025-12-01")],
        }),
    }  # fmt: skip
    snapshot = open_source(str(write_parquet(frames, tmp_path))).as_of("2025-12-31")
    assert fell_silent(snapshot, spine_of(snapshot, [day])).to_pandas().fell_silent.tolist() == [silent]


@pytest.mark.property
@settings(max_examples=4)
@given(future=FUTURE)
def test_no_feature_and_no_label_known_by_a_day_changes_with_its_future(frames, found, bank, tmp_path_factory, future):
    altered = open_source(str(write_parquet(alter_future(frames, **future), tmp_path_factory.mktemp("altered"))))
    snapshot, before = altered.as_of(DAY), bank.as_of(DAY)
    pd.testing.assert_frame_equal(known(snapshot, [DAY]).set_index("customer_id"), found, rtol=1e-12)
    earlier = dt.date(2025, 3, 1)
    labels = [fell_silent(s, spine_of(s, [earlier])).to_pandas().sort_values("customer_id") for s in (snapshot, before)]
    pd.testing.assert_frame_equal(*(frame.reset_index(drop=True) for frame in labels))
