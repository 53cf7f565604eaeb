"""Data quality against the defects that were planted in a demo bank, and against a bank without any."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from bank_fixtures import write_parquet
from random_bank import random_bank
from thin_banks import THIN, lacking

from bankmine.bank.snapshot import open_source
from bankmine.topics import quality
from bankmine.topics.quality.completeness import completeness, filled_by_month, left_out_by_region
from bankmine.topics.quality.rules import DIMENSIONS, ENOUGH_ROWS, broken_rules, left_out_by_month
from bankmine.topics.quality.volume import silent_days, volume_gaps
from demobank import generate

pytestmark = pytest.mark.slow

END = dt.date(2025, 12, 31)


def emptied_months(snapshot) -> pd.DataFrame:
    cells = filled_by_month(snapshot, completeness(snapshot))
    return cells[cells["left_out"]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return generate(tmp_path_factory.mktemp("demo") / "bank", customers=1500, months=12, seed=11)


@pytest.fixture(scope="module")
def planted(folder) -> pd.DataFrame:
    return pd.read_parquet(folder / "truth" / "defects")


@pytest.fixture(scope="module")
def snapshot(folder):
    return open_source(str(folder)).as_of(END)


def test_every_planted_violation_is_found_and_nothing_else(snapshot, planted):
    rules = planted[planted.rule.isin(DIMENSIONS)]
    expected = rules.groupby(["table", "rule"]).size().to_dict()
    found = snapshot.violations().groupby(["table", "rule"])["count"].sum().to_dict()
    assert found == expected
    assert len(expected) == 11


def test_the_planted_keys_are_gone_and_all_others_are_there(snapshot, planted):
    gone = planted[(planted.table == "transactions") & planted.rule.isin(DIMENSIONS)]
    twice = set(gone[gone.rule == "duplicate_key"].key)
    kept = snapshot.transactions.select("transaction_id").to_pandas().transaction_id
    assert not set(kept) & (set(gone.key) - twice)
    assert kept.is_unique
    assert twice <= set(kept)
    assert len(kept) == snapshot.checks["transactions"].rows - len(gone)


def test_the_planted_silence_of_a_channel_is_found_and_no_other(snapshot, planted):
    (key,) = planted[(planted.rule == "timeliness") & (planted.table == "transactions")].key
    region, channel, week = key.split("/")
    gaps = volume_gaps(snapshot)
    assert list(zip(gaps.region, gaps.channel, gaps.week.dt.strftime("%Y-%m-%d"), strict=True)) == [
        (region, channel, week)
    ]
    assert gaps["count"].item() < 0.5 * gaps["expected"].item()


def test_the_column_that_emptied_out_shows_in_its_month(folder, planted):
    (key,) = planted[planted.key.str.startswith("device_id/")].key
    month = pd.Period(key.split("/")[1])
    snapshot = open_source(str(folder)).as_of(month.end_time.date())
    filled = completeness(snapshot).set_index(["table", "column"])
    assert filled.loc[("transactions", "device_id"), "change"] < -0.02
    assert abs(filled.loc[("transactions", "channel"), "change"]) < 0.001


def test_the_planted_month_region_and_day_that_are_left_out_are_found_and_no_other(snapshot, planted):
    months, days = emptied_months(snapshot), silent_days(snapshot)
    regions = left_out_by_region(snapshot, completeness(snapshot))
    keys = planted[planted.rule.isin(["completeness", "timeliness"])].groupby(["table", "rule"]).key.agg(set)
    assert set(months.column + "/" + months.month.dt.strftime("%Y-%m")) == keys["transactions", "completeness"]
    # so few customers do not tell for sure that education is left out more often
    assert {"annual_income/河南"} <= set(regions.column + "/" + regions.region) <= keys["customers", "completeness"]
    assert set(days.channel + "/" + days.day.dt.strftime("%Y-%m-%d")) == keys["events", "timeliness"]
    assert (months.filled < 0.8 * months.expected).all()
    assert set(months.channel) == {"mobile", "online"}
    assert days["count"].max() == 0


@pytest.mark.parametrize(("lost", "found"), [(0.5, ["2025-03-01"]), (0.1, [])])
def test_a_month_is_told_from_a_fifth_less_on(tmp_path, lost, found):
    frames = random_bank(seed=5, customers=60, bookings=30_000)
    booked, rng = frames["transactions"], np.random.default_rng(0)
    booked["device_id"] = np.where(rng.random(len(booked)) < 0.6, "D1", None)
    march = booked["at"].between("2025-03-01", "2025-03-31 23:59:59")
    booked.loc[march & (rng.random(len(booked)) < lost), "device_id"] = None
    snapshot = open_source(str(write_parquet(frames, tmp_path))).as_of(END)
    months = emptied_months(snapshot)
    assert sorted(set(months.month.astype(str))) == found
    assert set(months.column) <= {"device_id"}


def spoilt_bank(share_of_transfers: float = 0.5) -> dict[str, pd.DataFrame]:
    """Half of what is booked is transfers, which hold a device number; of card payments none does."""
    frames, rng = random_bank(seed=5, customers=60, bookings=60_000), np.random.default_rng(0)
    t = frames["transactions"].assign(channel="mobile")
    transfer = rng.random(len(t)) < share_of_transfers
    february = t["at"].dt.month == 2
    transfer[february] &= rng.random(february.sum()) < 0.4  # in the season there are fewer of them
    frames["transactions"] = t.assign(
        kind=np.where(transfer, "transfer", "card"), device_id=np.where(transfer, "D", None)
    )
    return frames


def test_a_season_that_brings_other_kinds_of_rows_leaves_nothing_out(tmp_path):
    frames = spoilt_bank()
    t = frames["transactions"]
    assert t[t["at"].dt.month == 2].device_id.notna().mean() < 0.5 * t.device_id.notna().mean()
    assert emptied_months(open_source(str(write_parquet(frames, tmp_path))).as_of(END)).empty


def test_a_month_that_one_region_leaves_out_is_found_with_its_region(tmp_path):
    frames = spoilt_bank()
    t = frames["transactions"].merge(frames["accounts"][["account_id", "customer_id"]], on="account_id")
    region = (
        t.merge(frames["customers"][["customer_id", "region"]], on="customer_id").set_index("transaction_id").region
    )
    there = frames["transactions"].transaction_id.map(region) == "上海"
    june = frames["transactions"]["at"].dt.strftime("%Y-%m") == "2025-06"
    frames["transactions"].loc[there & june, "device_id"] = None
    months = emptied_months(open_source(str(write_parquet(frames, tmp_path))).as_of(END))
    regional = months[months.region.notna()]
    assert regional[["column", "region"]].to_numpy().tolist() == [["device_id", "上海"]]
    assert regional.month.dt.strftime("%Y-%m").tolist() == ["2025-06"]


@pytest.mark.parametrize(("as_of", "new"), [("2025-06-30", 1), ("2025-12-31", 0)])
def test_only_what_is_of_the_month_of_the_report_is_an_alert(tmp_path, as_of, new):
    frames = random_bank(seed=5, customers=60, bookings=60_000)
    t, rng = frames["transactions"], np.random.default_rng(0)
    t["channel"], t["device_id"] = "mobile", np.where(rng.random(len(t)) < 0.6, "D1", None)
    june = t["at"].dt.strftime("%Y-%m") == "2025-06"
    t.loc[june & (rng.random(len(t)) < 0.5), "device_id"] = None
    study = quality.study(str(write_parquet(frames, tmp_path)), as_of)
    share = t[june].device_id.notna().mean()
    age = "new" if new else "6 months"
    assert {"months": study.emptied["months"], "new": study.emptied["new"]} == {"months": 1, "new": new}
    assert study.emptied["which"].startswith(
        f"transactions.device_id of mobile (2025-06, {age}{'' if new else ' old'}): {share:.0%} instead of 6"
    )
    assert ("months left out" in study.verdict["which"]) == bool(new)
    assert study.verdict["old"] == 1 - new
    assert study.defects[["what", "where", "when", "age"]].to_numpy().tolist() == [
        ["transactions.device_id", "mobile", "2025-06", age]
    ]  # fmt: skip


def test_a_region_that_was_left_out_before_is_no_alert_of_this_month(tmp_path):
    frames = random_bank(seed=5, customers=4000, bookings=4000)
    people, rng = frames["customers"], np.random.default_rng(1)
    there = people["region"] == "上海"
    people["education"] = np.where(there & (rng.random(len(people)) < 0.3), None, "master")
    study = quality.study(str(write_parquet(frames, tmp_path)), END)
    assert study.uneven["regions"] == 1
    assert study.uneven["new"] == 0
    people.loc[there & (people["joined_on"] < END.replace(day=1)), "education"] = "master"
    new = people["joined_on"] >= END.replace(day=1)
    assert new.sum() < 200 or study.uneven["new"] == 0


@pytest.mark.parametrize(("missing", "found"), [(0.2, ["上海"]), (0.03, [])])
def test_a_region_is_told_from_five_points_less_on(tmp_path, missing, found):
    frames = random_bank(seed=5, customers=4000, bookings=4000)
    people, rng = frames["customers"], np.random.default_rng(1)
    share = np.where(people["region"] == "上海", missing, 0.01)
    people["education"] = np.where(rng.random(len(people)) < share, None, "master")
    snapshot = open_source(str(write_parquet(frames, tmp_path))).as_of(END)
    regions = left_out_by_region(snapshot, completeness(snapshot))
    assert list(regions[regions.column == "education"].region) == found


def test_completeness_is_the_share_that_is_filled(snapshot, folder):
    people = pd.read_parquet(folder / "customers")
    filled = completeness(snapshot).set_index(["table", "column"]).filled
    assert filled[("customers", "annual_income")] == pytest.approx(people.annual_income.notna().mean())
    assert filled[("transactions", "amount")] == 1


def test_rules_are_sorted_by_share_and_say_how_bad_they_are(snapshot):
    rules = broken_rules(snapshot)
    assert rules.share.is_monotonic_decreasing
    worst = rules.iloc[0]
    assert worst.severity == ("severe" if worst.share >= 0.01 else "notable")
    assert rules.severity.isin(["severe", "notable", "minor"]).all()
    assert rules["first keys"].str.len().min() > 0


def test_a_rule_that_breaks_more_often_of_late_is_rising(tmp_path):
    frames = random_bank(seed=5)
    t = frames["transactions"]
    late = t.index[t["at"] > pd.Timestamp("2025-12-10")]
    t.loc[late[: len(late) // 2], "amount"] = -1.0
    t.loc[t.index[t["at"] < pd.Timestamp("2025-01-01")][:20], "direction"] = "sideways"
    rules = broken_rules(open_source(str(write_parquet(frames, tmp_path))).as_of(END))
    trend = rules.set_index("rule").trend
    assert trend["not_positive"] == "rising"
    assert trend["unknown_value"] != "rising"


def test_rows_left_out_are_counted_in_the_month_they_are_dated(snapshot, planted):
    months = left_out_by_month(snapshot)
    assert (months.delivered >= ENOUGH_ROWS).all()
    booked = months[months.table == "transactions"]
    dated = planted[(planted.table == "transactions") & planted.rule.isin(set(DIMENSIONS) - {"in_future"})]
    assert booked.left_out.sum() == len(dated)


def test_a_bank_without_defects_has_no_finding(tmp_path):
    snapshot = open_source(str(write_parquet(random_bank(seed=6), tmp_path))).as_of(END)
    assert broken_rules(snapshot).empty
    assert left_out_by_month(snapshot).empty
    assert volume_gaps(snapshot).empty
    assert emptied_months(snapshot).empty


def test_gaps_are_rare_where_counts_are_chance(tmp_path):
    rng = np.random.default_rng(0)
    frames = random_bank(seed=7, customers=60, bookings=20_000)
    frames["transactions"]["channel"] = rng.choice(["pos", "mobile"], 20_000)
    snapshot = open_source(str(write_parquet(frames, tmp_path))).as_of(END)
    assert len(volume_gaps(snapshot)) <= 1


def test_bookings_that_come_in_bursts_are_no_gap_where_one_fails_to_come(tmp_path):
    """Each booking stands six times, as a transfer with its legs and fees does: counts vary six times Poisson's."""
    frames = random_bank(seed=7, customers=60, bookings=9_000)
    t = frames["transactions"].assign(channel="pos")
    times = pd.concat([t.assign(transaction_id=t.transaction_id + str(copy)) for copy in range(6)])
    frames["transactions"] = times.reset_index(drop=True)
    snapshot = open_source(str(write_parquet(frames, tmp_path))).as_of(END)
    assert volume_gaps(snapshot).empty


def test_what_comes_in_some_weeks_only_is_not_missed_in_the_others(tmp_path):
    frames = random_bank(seed=8, bookings=12_000)
    t = frames["transactions"]
    t["channel"] = np.where(t["at"].dt.day <= 14, "internal", "pos")
    assert volume_gaps(open_source(str(write_parquet(frames, tmp_path))).as_of(END)).empty


def test_a_week_at_six_tenths_is_no_gap_however_unlikely(tmp_path):
    frames = random_bank(seed=10, customers=60, bookings=60_000)
    t = frames["transactions"].merge(frames["accounts"][["account_id", "customer_id"]], on="account_id")
    t = t.merge(frames["customers"][["customer_id", "region"]], on="customer_id").assign(channel="pos")
    week = (t.region == "上海") & t["at"].between("2025-09-15", "2025-09-21 23:59:59")
    fewer = t.drop(t[week].sample(frac=0.4, random_state=0).index)
    frames["transactions"] = fewer[frames["transactions"].columns]
    assert week.sum() > 150
    assert volume_gaps(open_source(str(write_parquet(frames, tmp_path))).as_of(END)).empty


def test_a_channel_that_is_silent_everywhere_for_a_week_is_found(tmp_path):
    frames = random_bank(seed=9, bookings=20_000)
    t = frames["transactions"]
    t["channel"] = np.where(t.index % 2, "mobile", "pos")
    silent = (t["channel"] == "mobile") & t["at"].between("2025-09-15", "2025-09-21 23:59:59")
    frames["transactions"] = t[~silent]
    gaps = volume_gaps(open_source(str(write_parquet(frames, tmp_path))).as_of(END))
    assert set(zip(gaps.week.dt.strftime("%Y-%m-%d"), gaps.channel, strict=True)) == {("2025-09-15", "mobile")}


STEADY = {"months_chart": "no column moves by 1 point from what is expected, beyond chance"}
NOTHING_WRONG = {
    "to_mend": "no broken rule is severe or rising",
    "by_month": "no row is left out of a month with enough rows",
    "defects": "nothing is missing", "silent": "the source has no events.channel",
}  # fmt: skip


@pytest.mark.parametrize(
    ("bank", "lacks"),
    [
        ("without balances", STEADY | {"unreconciled": "the source has no balances.balance"}),
        (
            "three customers",
            {
                "months_chart": "no column that is filled in part has a month with enough rows",
                "by_region": "no column of customers is filled in part",
            },
        ),
        ("one month", STEADY),
    ],
)
def test_what_a_thin_bank_lacks_is_said_part_by_part(tmp_path, bank, lacks):
    study = quality.study(str(write_parquet(THIN[bank](), tmp_path)), END)
    assert lacking(study) == NOTHING_WRONG | lacks
    assert study.verdict["checks"] == 7 - ("unreconciled" in lacks)
    assert study.handed_on["quality_findings"].empty


def test_what_the_page_says_is_what_the_tables_hold(tmp_path):
    frames = {name: rows for name, rows in random_bank(seed=12).items() if name != "balances"}
    booked = frames["transactions"]
    booked.loc[:29, "amount"] = -1.0
    booked.loc[30:32, "account_id"] = "nobody's"
    wrong, rows = booked["transaction_id"][:33], sum(map(len, frames.values()))
    study = quality.study(str(write_parquet(frames, tmp_path)), END)
    assert study.left_out == {"left_out": 33, "rows": rows, "share": 33 / rows}
    shares = study.rules.set_index("where")["share"].to_dict()
    assert shares == {"transactions.amount": 30 / len(booked), "transactions.account_id": 3 / len(booked)}
    first = study.keys.set_index("rule").loc["not_positive", "first keys"].split("; ")
    assert set(first) <= set(wrong[:30])
    last = booked.loc[~booked["transaction_id"].isin(wrong), "at"].max().date()
    assert study.behind == {"last": last, "days": (END - last).days}


def test_balances_that_do_not_follow_are_counted_among_all(tmp_path):
    frames = random_bank(seed=12)
    held = frames["balances"].sort_values("month_end")
    newest = held.drop_duplicates("account_id", keep="last").index[:3]
    frames["balances"] = held.assign(balance=held["balance"].where(~held.index.isin(newest), held["balance"] + 500))
    study = quality.study(str(write_parquet(frames, tmp_path)), END)
    assert study.unreconciled == {"wrong": 3, "rows": len(held), "share": 3 / len(held)}
