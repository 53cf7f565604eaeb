"""Fraud in the demo bank: what is planted is there, labels come as a bank's do, and nothing gives it away."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bank_fixtures import bookings, read

from demobank import generate
from demobank.crime import attacks
from demobank.customers.world import draw_world
from demobank.seasons import make_calendar
from demobank.streams import Streams

pytestmark = pytest.mark.slow

DAY = pd.Timedelta(days=1)
END = pd.Timestamp("2025-12-31")
SCHEMES = {"compromised_card", "compromised_merchant", "account_takeover", "push_payment"}
CARD_SCHEMES = ["compromised_card", "compromised_merchant"]
COLUMNS = [
    "transaction_id", "account_id", "at", "amount", "direction", "kind", "channel", "category", "merchant_id",
    "counterparty", "country", "device_id", "is_fraud", "fraud_known_on",
]  # fmt: skip


@pytest.fixture(scope="module")
def truth(small_bank: Path) -> pd.DataFrame:
    return read(small_bank, "truth/fraud")


@pytest.fixture(scope="module")
def booked(small_bank: Path, truth: pd.DataFrame) -> pd.DataFrame:
    """All bookings but the catalogued ones, with owner, product and truth."""
    rows = bookings(small_bank, COLUMNS)
    rows = rows.merge(truth.drop(columns=["amount", "day"]), on="transaction_id", how="left", validate="one_to_one")
    return rows.assign(fraud=rows.fraud.eq(True), day=rows["at"].dt.normalize())


def test_the_truth_names_bookings_that_are_there(small_bank, truth, booked):
    assert truth.transaction_id.is_unique
    both = truth.merge(booked[["transaction_id", "amount", "day", "direction"]], on="transaction_id")
    assert len(both) == len(truth)
    assert (both.amount_x == both.amount_y).all()
    assert (both.day_x == both.day_y).all()
    assert (both.direction == "out").all()
    assert set(truth.scheme) == SCHEMES | {"dispute"}
    assert (truth.fraud == (truth.scheme != "dispute")).all()


def test_three_in_a_thousand_bookings_are_fraud_and_more_each_year(booked):
    assert 0.002 < booked.fraud.mean() < 0.004
    yearly = booked.groupby(booked["at"].dt.year).fraud.mean()
    assert yearly[2025] > yearly[2023]
    share = booked[booked.fraud].scheme.value_counts(normalize=True)
    assert share.min() > 0.01
    assert share.max() < 0.7


def test_rates_grow_by_a_tenth_a_year():
    growth = attacks._growth(make_calendar(dt.date(2025, 12, 31), 36))
    assert 1.15 < growth[-365:].mean() / growth[:365].mean() < 1.3


def test_push_payments_begin_on_their_day(booked):
    [(name, kind, begins, table, _)] = attacks.DRIFTS
    pushed = booked[booked.scheme == "push_payment"]
    assert (name, kind, begins, table) == ("push_payment", "concept", "2025-07-01", "transactions")
    assert pushed.day.min() >= pd.Timestamp(begins)
    assert pushed.day.min() < pd.Timestamp(begins) + 40 * DAY
    assert (pushed.amount % 100 == 0).all()
    assert pushed["at"].dt.hour.between(9, 16).all()


def test_victims_follow_their_traits():
    worlds = [draw_world(Streams(seed, 0), make_calendar(dt.date(2025, 12, 31), 36)) for seed in range(5)]
    found = {scheme: [] for scheme in (attacks.CARD, attacks.TAKEOVER, attacks.PUSH)}
    for seed, world in enumerate(worlds):
        for scheme, seen in found.items():
            victim, _ = attacks._at_random(Streams(seed, 0)(f"test/{scheme}"), world, scheme)
            seen.append((world.trait("digital")[victim], world.age[victim]))
    digital, age = (
        {scheme: np.concatenate([part[i] for part in seen]) for scheme, seen in found.items()} for i in range(2)
    )
    everyone = np.concatenate([world.trait("digital") for world in worlds])
    # an exponential weight moves the mean of a normal trait by the log-odds times its variance
    for scheme, name in ((attacks.CARD, "card"), (attacks.TAKEOVER, "takeover")):
        moved = digital[scheme].mean() - everyone.mean()
        assert moved > 0.7 * attacks.PLANTED[f"fraud.{name}_digital_log_odds"] * everyone.var()
    assert age[attacks.PUSH].mean() > np.mean([world.age.mean() for world in worlds]) + 5


def test_labels_come_late_are_missing_or_wrong_as_told(booked):
    labelled = booked[booked.fraud_known_on.notna()]
    assert booked.is_fraud.notna().equals(booked.fraud_known_on.notna())
    delay = (labelled.fraud_known_on - labelled.day).dt.days
    assert delay.min() >= 1
    assert delay.max() <= 30
    assert 3 <= delay.median() <= 7
    assert delay.mean() > delay.median()
    assert labelled.fraud_known_on.max() <= END
    frauds = booked[booked.fraud & (booked.day < END - 30 * DAY)]
    assert 0.015 < (frauds.labelled == "never").mean() < 0.05
    assert 0.01 < (frauds.labelled == "cleared").mean() < 0.035
    assert 0.025 < 1 - labelled[labelled.is_fraud.eq(True)].fraud.mean() < 0.055


def test_truth_and_labels_agree(booked):
    marked = booked[booked.labelled.notna()]
    told = marked.is_fraud.map({True: "confirmed", False: "cleared"})
    assert told.notna().equals(marked.labelled.isin(["confirmed", "cleared"]))
    assert (told == marked.labelled)[told.notna()].all()
    assert (booked.labelled.isna() == booked.scheme.isna()).all()
    assert booked[booked.scheme.isna()].is_fraud.isna().all()
    late = booked[booked.labelled == "after_end"]
    assert len(late) > 3
    assert (late.day > END - 31 * DAY).all()


def test_labels_before_the_end_do_not_depend_on_what_comes_after(tmp_path):
    """Nothing is known after the end, so the last month has fewer labels than it will have."""
    rows = read(generate(tmp_path / "bank", customers=1000, months=2, seed=8), "truth/fraud")
    last = rows[rows.fraud & (rows.day > END - 7 * DAY)]
    before = rows[rows.fraud & (rows.day <= END - 31 * DAY)]
    assert (last.labelled == "after_end").mean() > 0.2
    assert not (before.labelled == "after_end").any()


def test_a_card_is_stopped_when_its_fraud_is_found(booked):
    hit = booked[booked.scheme.isin(CARD_SCHEMES) & (booked.labelled == "confirmed")]
    assert (hit.day < hit.fraud_known_on).all()
    stop = hit[["account_id", "fraud_known_on"]].drop_duplicates().assign(stopped=True)
    genuine = booked[(booked.kind == "card") & ~booked.fraud]
    for after, most in ((0, 0), (1, 0)):
        on = genuine.assign(fraud_known_on=genuine.day - after * DAY).merge(stop, on=["account_id", "fraud_known_on"])
        assert len(on) == most
    later = genuine.assign(fraud_known_on=genuine.day - 12 * DAY).merge(stop, on=["account_id", "fraud_known_on"])
    assert len(later) > 50


def test_who_paid_at_a_tapped_merchant_is_hit_more_often(small_bank, booked):
    tapped = read(small_bank, "truth/tapped_merchants")
    assert tapped.merchant_id.is_unique
    paid = booked[(booked.kind == "card") & ~booked.fraud].merge(tapped, on="merchant_id")
    paid["inside"] = paid.day.between(paid.first_day, paid.last_day)
    paid["outside"] = paid.day > paid.last_day + 60 * DAY
    first = booked[booked.scheme.isin(CARD_SCHEMES)].groupby("incident").agg({"customer_id": "first", "day": "min"})
    rate = {}
    for when in ("inside", "outside"):
        seen = paid[paid[when] & (paid.day < END - 60 * DAY)].drop_duplicates(["customer_id", "merchant_id"])
        after = seen[["customer_id", "day"]].reset_index().merge(first, on="customer_id")
        after = after[(after.day_y > after.day_x) & (after.day_y <= after.day_x + 60 * DAY)]
        rate[when] = after["index"].nunique() / len(seen)
    assert rate["inside"] > 2 * rate["outside"] > 0


def test_no_column_gives_fraud_away(booked):
    """Whatever one column of a payment out says, most payments that say it are genuine."""
    paid = booked[(booked.direction == "out") & booked.kind.isin(["card", "transfer"])]
    assert paid.amount.rank(pct=True)[paid.fraud].quantile(0.25) > 0.05
    for column in ("channel", "category", "country", "kind"):
        seen = paid.groupby(column, observed=True).fraud.agg(["mean", "size"])
        assert seen[seen["size"] > 300]["mean"].max() < 0.25, column
    assert paid.groupby(paid["at"].dt.hour).fraud.mean().max() < 0.4
    there = paid[paid.merchant_id.notna()]
    assert there[there.fraud].merchant_id.isin(there[~there.fraud].merchant_id).mean() > 0.98
    number = paid.merchant_id.dropna().str[1:].astype(int)
    assert (number // 10_000).between(1, 9).all()
    assert (number // 100 % 100 <= 14).all()
    assert (number % 100 < 60).all()
    nothing = paid[(paid.kind == "card") & (paid.channel != "pos")].device_id.isna()
    assert 0.04 < nothing[~paid.fraud].mean() < 0.1


def test_devices_of_fraud_look_like_all_others(booked):
    known = booked.dropna(subset="device_id").sort_values("at")
    first = known.drop_duplicates(["customer_id", "device_id"])
    year_on = first[first["at"] > pd.Timestamp("2024-01-01")]
    assert set(known.device_id.str.len()) == {10}
    number = known.drop_duplicates("device_id").device_id.str[1:].astype(int)
    strange = known.drop_duplicates("device_id").fraud
    assert abs(number.rank(pct=True)[strange].mean() - 0.5) < 0.05
    assert 0.1 < (number[strange] % 100 >= 80).mean() < 0.3
    owner = known.drop_duplicates("device_id").set_index(number).customer_id.sort_index()
    assert (owner == owner.shift()).mean() < 0.02
    assert year_on.fraud.sum() > 100
    assert year_on.fraud.mean() < 0.25
    owners = known[~known.fraud].groupby("device_id").customer_id.nunique()
    assert (owners > 1).sum() > 100


def test_genuine_customers_travel_and_pay_new_payees(small_bank, booked):
    home = read(small_bank, "customers", ["customer_id", "region"])
    genuine = booked[~booked.fraud]
    at_terminal = genuine[(genuine.kind == "card") & (genuine.channel == "pos")].merge(home, on="customer_id")
    place = at_terminal.merchant_id.str[3:5]
    usual = pd.crosstab(at_terminal.region, place).idxmax(axis=1)
    assert 0.01 < (place != at_terminal.region.map(usual)).mean() < 0.06
    remote = genuine[(genuine.kind == "card") & genuine.channel.isin(["online", "mobile"])]
    assert 0.008 < (remote.country != "CN").mean() < 0.016
    paid = genuine[(genuine.kind == "transfer") & (genuine.channel == "mobile") & (genuine.direction == "out")]
    again = paid.sort_values("at").duplicated(["customer_id", "counterparty"]).sort_index()
    assert 0.1 < 1 - again[paid["at"] > pd.Timestamp("2025-01-01")].mean() < 0.5


@pytest.mark.parametrize(
    "changed", [{"seed": 99}, {"end": dt.date(2014, 2, 28)}, {"months": 2, "end": dt.date(2025, 7, 31)}]
)
def test_any_seed_and_window(tmp_path, changed):
    folder = generate(tmp_path / "bank", **{"customers": 1000, "months": 1, "seed": 4} | changed)
    found = read(folder, "truth/fraud")
    assert found.fraud.sum() >= 10
    assert ("push_payment" in set(found.scheme)) == (str(found.day.max())[:10] >= "2025-07-01")
    assert found.transaction_id.isin(read(folder, "transactions").transaction_id).all()


def test_few_customers_may_have_none_and_the_columns_stay(tmp_path):
    folder = generate(tmp_path / "bank", customers=7, months=1, seed=4)
    schema = pq.read_schema(folder / "truth/fraud/part-0000.parquet")
    assert [schema.field(name).type for name in ("scheme", "fraud", "incident", "day", "amount")] == [
        pa.string(), pa.bool_(), pa.int64(), pa.date32(), pa.float64(),
    ]  # fmt: skip
    written = pq.read_schema(folder / "transactions/part-0000.parquet")
    assert written.field("is_fraud").type == pa.bool_()
    assert written.field("fraud_known_on").type == pa.date32()
    assert set(read(folder, "truth/fraud").transaction_id) <= set(read(folder, "transactions").transaction_id)
