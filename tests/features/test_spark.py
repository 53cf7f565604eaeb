"""The same features on Spark and on DuckDB."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterator

import ibis
import numpy as np
import pandas as pd
import pytest
from bank_fixtures import write_parquet
from random_bank import random_bank, random_service

from bankmine.bank.snapshot import Snapshot, open_source
from bankmine.features import sessions, touches
from bankmine.features.bookings import fell_silent
from bankmine.features.customers import features
from bankmine.features.service import service
from bankmine.features.spine import spine_of
from bankmine.features.value import margin, monthly_margin
from bankmine.topics.behaviour.next_step import visits
from bankmine.topics.churn.definition import Definition, labels

pytestmark = pytest.mark.slow

pytest.importorskip("pyspark", reason="PySpark is not installed: make spark")
if shutil.which("java") is None:
    pytest.skip("Spark needs Java 17 (Debian: openjdk-17-jre-headless)", allow_module_level=True)

OFTEN = Definition(gap=20, silent=30, present=60, bookings=1)
SERVED_BY = {"events": ["mobile", "online"], "feedback": ["branch", "mobile"], "contacts": ["sms", "mobile", None]}
DAYS = [dt.date(2025, 3, 31), dt.date(2025, 6, 30)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    bank = random_bank(seed=3)
    bank |= random_service(bank["customers"])
    for name, channels in SERVED_BY.items():
        bank[name]["channel"] = np.random.default_rng(4).choice(channels, len(bank[name]))
    bank["events"]["action"] = np.random.default_rng(5).choice(["view", "failed", "cancel"], len(bank["events"]))
    twice = {name: pd.concat([bank[name], bank[name].head(3)]) for name in ("transactions", "feedback")}
    return str(write_parquet(bank | twice, tmp_path_factory.mktemp("spark")))


@pytest.fixture(scope="module")
def on_spark(folder) -> Iterator[Snapshot]:
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.driver.host", "127.0.0.1")
        .getOrCreate()
    )
    yield open_source(folder, engine="spark").as_of(DAYS[-1])
    session.stop()


@pytest.fixture(scope="module")
def on_duckdb(folder) -> Snapshot:
    return open_source(folder).as_of(DAYS[-1])


def outcome(snapshot: Snapshot) -> tuple[pd.DataFrame, ...]:
    spine = spine_of(snapshot, DAYS)
    parts = (features(snapshot, spine), fell_silent(snapshot, spine), service(snapshot, spine))
    tables = [part.to_pandas() for part in (*parts, labels(snapshot, spine, OFTEN))]
    sorted_ = (
        t.assign(day=pd.to_datetime(t.day)).sort_values(["customer_id", "day"], ignore_index=True) for t in tables
    )
    return *sorted_, snapshot.overview()


def test_features_labels_and_checks_are_equal_on_both_engines(on_duckdb, on_spark):
    for there, here in zip(outcome(on_spark), outcome(on_duckdb), strict=True):
        pd.testing.assert_frame_equal(there[here.columns], here, rtol=1e-9, atol=1e-9, check_dtype=False)
        assert len(here)


def what_a_customer_brings_and_looks_at(snapshot: Snapshot) -> tuple[pd.DataFrame, ...]:
    everybody = snapshot.customers.select("customer_id", group=ibis.literal("all"))
    paid = margin(snapshot, spine_of(snapshot, DAYS)).to_pandas()
    monthly = monthly_margin(snapshot, everybody, DAYS[0]).to_pandas()
    rows = visits.visitors(snapshot, DAYS, ["home", "rate_table"], 1.0)
    return tuple(
        t.assign(**{c: pd.to_datetime(t[c]) for c in ("day", "month") if c in t}).sort_values(keys, ignore_index=True)
        for t, keys in ((paid, ["customer_id", "day"]), (monthly, ["month"]), (rows, ["customer_id", "day"]))
    )


def test_margins_and_visits_are_equal_on_both_engines(on_duckdb, on_spark):
    both = (what_a_customer_brings_and_looks_at(snapshot) for snapshot in (on_spark, on_duckdb))
    for there, here in zip(*both, strict=True):
        pd.testing.assert_frame_equal(there[here.columns], here, rtol=1e-9, atol=1e-9, check_dtype=False)
        assert len(here) > 2


def what_is_done_by_channel(snapshot: Snapshot) -> Iterator[pd.DataFrame]:
    since = dt.date(2024, 7, 1)
    for table in (
        touches.by_month(snapshot, since),
        touches.serving(snapshot, since),
        touches.moves(snapshot, DAYS, 60),
    ):
        rows = table.to_pandas()
        rows = rows.assign(month=pd.to_datetime(rows["month"])) if "month" in rows else rows
        keys = [c for c in ("customer_id", "month", "channel", "start", "end") if c in rows]
        yield rows.sort_values(keys, ignore_index=True)
    yield sessions.broken_off(snapshot, since)


def test_touches_journeys_and_sessions_that_failed_are_equal_on_both_engines(on_duckdb, on_spark):
    both = (what_is_done_by_channel(snapshot) for snapshot in (on_spark, on_duckdb))
    for there, here in zip(*both, strict=True):
        pd.testing.assert_frame_equal(there[here.columns], here, check_dtype=False)
        assert len(here) > 2
