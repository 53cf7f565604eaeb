"""Laundering in the demo bank, its innocent look-alikes, and money between customers."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bank_fixtures import bookings, read

from demobank import generate, streams
from demobank.block import Block
from demobank.books.peers import around, draw_ring, fellows
from demobank.crime import laundering
from demobank.crime.cases import LIMIT, ROLES, TYPOLOGIES, Town
from demobank.seasons import make_calendar

pytestmark = pytest.mark.slow

DAY = pd.Timedelta(days=1)
WAYS = ("structuring", "fan_in", "fan_out", "cycle", "mule")
END = dt.date(2025, 12, 31)
COLUMNS = ["transaction_id", "account_id", "at", "amount", "direction", "kind", "channel", "counterparty"]


@pytest.fixture(scope="module")
def truth(small_bank: Path) -> pd.DataFrame:
    return read(small_bank, "truth/laundering")


@pytest.fixture(scope="module")
def booked(small_bank: Path, truth: pd.DataFrame) -> pd.DataFrame:
    """Transfers, cash and takings but the catalogued ones, with owner and truth."""
    rows = bookings(small_bank, COLUMNS)
    rows = rows[rows.kind.isin(["transfer", "cash", "settlement"])]
    return rows.merge(truth, on="transaction_id", how="left", validate="one_to_one")


@pytest.fixture(scope="module")
def cases(booked: pd.DataFrame) -> dict[str, list[pd.DataFrame]]:
    """Bookings of each case in order of time, by typology; laundering that the window's end cuts off is left out."""
    found = {typology: [] for typology in TYPOLOGIES}
    for (typology, _), rows in booked[booked.typology.notna()].sort_values("at").groupby(["typology", "case"]):
        if typology not in WAYS or rows["at"].max() < pd.Timestamp(END) - 15 * DAY:
            found[typology].append(rows)
    return found


def sums(rows: pd.DataFrame, direction: str) -> float:
    return rows[rows.direction == direction].amount.sum()


def test_the_truth_names_bookings_that_are_there(truth, booked):
    assert truth.transaction_id.is_unique
    assert booked.typology.notna().sum() == len(truth)
    assert set(truth.typology) <= set(TYPOLOGIES)
    assert truth.typology.nunique() > 7
    assert set(truth.role) <= set(ROLES)
    assert (truth.laundering == truth.typology.isin(WAYS)).all()
    assert (truth.groupby("case").typology.nunique() == 1).all()
    assert (booked[booked.typology.notna()]["product"] == "current").all()


def test_a_block_has_a_few_cases_and_few_who_launder(truth, booked):
    counts = truth.groupby("typology").case.nunique()
    assert 5 <= counts[list(WAYS)].sum() <= 14
    assert counts.sum() > 40
    assert 8 <= booked[booked.laundering.eq(True)].customer_id.nunique() <= 25


def test_structuring_stays_just_below_the_limit(cases):
    for rows in cases["structuring"]:
        paid_in = rows[rows.kind == "cash"]
        assert (paid_in.direction == "in").all()
        assert len(paid_in) >= 3
        assert paid_in.amount.between(LIMIT / 2, LIMIT - 1).all()
        assert paid_in.amount.sum() > 2 * LIMIT
        assert set(paid_in.channel) <= {"branch", "atm"}
        assert rows.customer_id.nunique() == 1
        assert (paid_in["at"].max() - paid_in["at"].min()) < 40 * DAY


def test_fans_gather_and_spread(cases):
    for rows in cases["fan_in"]:
        collector = rows[rows.role == "collector"]
        assert collector.customer_id.nunique() == 1
        assert collector[collector.direction == "in"].counterparty.nunique() >= 3
        assert collector[collector.direction == "out"].counterparty.nunique() <= 3
    for rows in cases["fan_out"]:
        distributor = rows[rows.role == "distributor"]
        assert (distributor.direction == "in").sum() == 1
        assert (distributor.direction == "out").sum() >= 4
        assert distributor["at"].max() - distributor["at"].min() < 5 * DAY


def test_money_comes_back_from_a_cycle_less_a_fee(cases):
    for rows in cases["cycle"]:
        hops = rows[(rows.direction == "out") & rows.counterparty.str.startswith("A")]
        assert 3 <= len(hops) <= 6
        assert hops.counterparty.tolist() == [*hops.account_id[1:], hops.account_id.iloc[0]]
        assert (hops.amount.diff().dropna() <= 0).all()
        assert hops.amount.iloc[-1] > 0.7 * hops.amount.iloc[0]
        assert hops["at"].max() - hops["at"].min() < 13 * DAY


def test_mules_pass_most_of_it_on_at_once(cases):
    for rows in cases["mule"]:
        assert 0.85 < sums(rows, "out") / sums(rows, "in") < 1
        assert rows.customer_id.nunique() == 1


def test_every_way_has_its_look_alike(cases, booked):
    shops = [rows for rows in cases["innocent_cash"] if len(rows) > 50]
    near = [rows[rows.direction == "in"].amount.between(0.8 * LIMIT, LIMIT - 1).sum() for rows in shops]
    assert sum(near) > 20
    assert sum(len(rows) < 12 for rows in cases["innocent_cash"]) > 10  # weddings
    payroll = cases["innocent_payroll"]
    assert max(rows[rows.role == "staff"].customer_id.nunique() for rows in payroll) >= 10
    for rows in payroll:
        paid = rows[(rows.role == "employer") & (rows.direction == "out")]
        assert paid["at"].dt.date.nunique() <= 36  # one payday a month
    fees = [rows[(rows.role == "school") & (rows.direction == "in")] for rows in cases["innocent_tuition"]]
    assert all(set(rows["at"].dt.month) <= {2, 3, 9} and len(rows) > 30 for rows in fees)
    collected = [rows for rows in cases["innocent_collection"] if len(rows) > 10]
    assert (
        np.median([sums(r[r.role == "organiser"], "out") / sums(r[r.role == "organiser"], "in") for r in collected])
        > 0.8
    )
    assert any(r.groupby("customer_id").direction.nunique().min() == 2 for r in cases["innocent_club"] if len(r))
    innocent = booked[(booked.kind == "cash") & (booked.direction == "in") & ~booked.laundering.eq(True)]
    guilty = booked[(booked.kind == "cash") & (booked.direction == "in") & booked.laundering.eq(True)]
    assert innocent.amount.between(0.8 * LIMIT, LIMIT - 1).sum() > 3 * len(guilty)


def test_sizes_of_laundering_and_innocence_overlap(booked):
    for direction in ("in", "out"):
        moved = booked[(booked.direction == direction) & booked.kind.eq("transfer")]
        guilty, plain = moved[moved.laundering.eq(True)].amount, moved[moved.typology.isna()].amount
        assert guilty.between(plain.quantile(0.2), plain.quantile(0.999)).mean() > 0.8
        assert (plain > guilty.median()).sum() > 3 * len(guilty)


def test_money_between_customers_is_booked_at_both_ends_and_mostly_innocent(booked):
    owner = booked.drop_duplicates("account_id").set_index("account_id").customer_id
    between = booked[booked.counterparty.isin(owner.index) & (booked.kind == "transfer")]
    between = between[between.counterparty.map(owner) != between.customer_id]
    key = ["account_id", "counterparty", "at", "amount"]
    out = between[between.direction == "out"][key]
    back = between[between.direction == "in"].rename(
        columns={"account_id": "counterparty", "counterparty": "account_id"}
    )[key]
    assert len(out) > 5000
    pd.testing.assert_frame_equal(out.sort_values(key, ignore_index=True), back.sort_values(key, ignore_index=True))
    assert between.laundering.eq(True).mean() < 0.02
    assert between.typology.isna().mean() > 0.5


def test_fellows_know_each_other_and_live_near():
    block = Block(streams.Streams(5, 0), make_calendar(END, 1), 1000)
    order = draw_ring(block.ties, block.streams)
    near = fellows(order)
    assert sorted(order) == list(range(1000))
    assert (near[near[:, 0], 1] == np.arange(1000)).all()
    assert (block.ties.community[near[:, 0]] == block.ties.community).mean() > 0.9
    assert around(order, int(order[998]), 3).tolist() == [order[999], order[0], order[1]]


def test_launderers_are_rather_risky_and_in_business():
    share = {"risk": [], "business": []}
    for seed in range(12):
        block = Block(streams.Streams(seed, 0), make_calendar(END, 1), 1000)
        town = Town(block.world, block.accounts, block.habits, draw_ring(block.ties, block.streams))
        ring = laundering._ring(block.streams("test"), town)
        share["risk"].append(block.world.trait("credit_risk")[ring].mean() - block.world.trait("credit_risk").mean())
        share["business"].append(block.habits.business[ring].mean() - block.habits.business.mean())
    assert np.mean(share["risk"]) > 0.3
    assert np.mean(share["business"]) > 0.1


def test_nobody_launders_before_joining_or_after_leaving(small_bank, booked):
    rows = booked[booked.typology.notna()].merge(read(small_bank, "customers", ["customer_id", "joined_on"]))
    rows = rows.merge(read(small_bank, "truth/customers", ["customer_id", "left_on"]))
    assert (rows["at"] >= rows.joined_on).all()
    assert not (rows["at"] >= rows.left_on).any()


@pytest.mark.parametrize("changed", [{"seed": 99}, {"end": dt.date(2016, 2, 29)}, {"customers": 7}])
def test_any_seed_and_window(tmp_path, changed):
    folder = generate(tmp_path / "bank", **{"customers": 1000, "months": 1, "seed": 4} | changed)
    schema = pq.read_schema(folder / "truth/laundering/part-0000.parquet")
    assert [schema.field(name).type for name in ("typology", "case", "role", "laundering")] == [
        pa.string(), pa.int64(), pa.string(), pa.bool_(),
    ]  # fmt: skip
    found = read(folder, "truth/laundering")
    assert set(found.transaction_id) <= set(read(folder, "transactions", ["transaction_id"]).transaction_id)
