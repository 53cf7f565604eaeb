"""Payments of banks and flat tables, with late labels, bad rows, and nothing to learn from."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bank_fixtures import small_bank as tiny_bank
from bank_fixtures import write_csv, write_source

from bankmine.bank import cache
from bankmine.bank.snapshot import Bank, open_source
from bankmine.errors import BankmineError
from bankmine.topics import fraud
from bankmine.topics.fraud import payments as measured
from bankmine.topics.fraud.fraud_study import FraudStudy
from bankmine.topics.fraud.measures import KINDS
from bankmine.topics.fraud.payments import FraudSample, known_target, payments_of_bank

LAST = dt.date(2025, 12, 31)


@pytest.fixture(scope="module")
def bank(small_bank) -> Bank:
    return open_source(str(small_bank))


@pytest.fixture(scope="module")
def found(bank) -> FraudSample:
    return payments_of_bank(bank.as_of(LAST), days=60)


def test_a_sample_holds_what_customers_started(found):
    sample, beside = found.sample, found.beside
    assert set(sample.predictors["kind"].cat.categories) <= set(KINDS)
    assert beside["at"].is_monotonic_increasing
    assert beside["at"].min() >= pd.Timestamp(LAST) - pd.Timedelta(days=59)
    assert beside["transaction_id"].is_unique  # the bank delivers some twice
    keys = set(beside["customer"]) | set(beside["merchant"].dropna())
    words = sample.predictors.select_dtypes("category")
    assert not any(keys & set(words[c].cat.categories) for c in words)  # ids are no predictors
    assert (sample.entity == beside["customer"]).all()


def test_labels_come_late(found):
    sample, beside = found.sample, found.beside
    young = beside["at"] >= pd.Timestamp(LAST) - pd.Timedelta(days=6)
    assert set(sample.target[young].dropna()) <= {1.0}
    assert sample.target[~young].notna().all()
    assert (beside["known_on"].notna() == (sample.target == 1)).all()
    assert (beside["known_on"].dropna() <= pd.Timestamp(LAST)).all()
    assert found.funnel.loc["known as fraud", "transactions"] == (sample.target == 1).sum() > 20


def test_of_a_large_bank_a_panel_is_measured_and_all_that_is_learnt_from_or_listed(bank, found, monkeypatch):
    monkeypatch.setattr(measured, "MOST", len(found) // 4)
    some = payments_of_bank(bank.as_of(LAST), days=60, settled=10)
    assert some.panel.share == pytest.approx(0.25, rel=0.01)
    assert len(some) < 0.6 * len(found)
    ours = set(some.beside["customer"][some.panel.rows])
    whole = found.beside["customer"].isin(ours).to_numpy()
    assert 0.15 < len(ours) / found.beside["customer"].nunique() < 0.4
    young = (found.beside["at"] >= pd.Timestamp(LAST) - pd.Timedelta(days=10)).to_numpy()
    frauds = (found.sample.target == 1).to_numpy()
    assert (frauds & ~whole & ~young).any()
    wanted = found.at(whole | young | frauds)
    assert some.beside["transaction_id"].tolist() == wanted.beside["transaction_id"].tolist()
    mine = found.at(whole).sample.target
    assert some.funnel["transactions"].tolist() == [len(mine), mine.notna().sum(), (mine == 1).sum()]
    for name, values in wanted.sample.predictors.items():  # measured by all that came before, as in a small bank
        a, b = (of.astype(object).to_numpy() for of in (values, some.sample.predictors[name]))
        assert ((a == b) | (pd.isna(a) & pd.isna(b))).all(), name


def test_what_is_known_later_changes_no_feature(bank, found):
    earlier = payments_of_bank(bank.as_of("2025-11-30"), days=29)
    shared = found.beside["transaction_id"].isin(earlier.beside["transaction_id"]).to_numpy()
    now, then = found.at(shared).sample, earlier.sample
    assert len(now) == len(then) > 1000
    for name in then.predictors:
        a, b = (s.predictors[name].astype(object).to_numpy() for s in (now, then))
        assert ((a == b) | (pd.isna(a) & pd.isna(b))).all(), name
    assert (now.target.to_numpy() != then.target.to_numpy()).any()


def test_what_was_known_at_a_moment_is_told_again(found):
    day = 86_400_000_000
    end = (LAST - dt.date(1970, 1, 1)).days * day + day
    assert known_target(found.beside, end, 7).equals(found.sample.target)
    before = known_target(found.beside, end - 20 * day, 7)
    assert (before == 1).sum() < (found.sample.target == 1).sum()


@pytest.mark.slow
def test_a_bank_without_labels_devices_or_kinds_is_judged_all_the_same(tmp_path):
    tables = tiny_bank("customers", "accounts", "transactions")
    gone = ["is_fraud", "fraud_known_on", "kind", "channel", "device_id", "merchant_id", "counterparty", "country"]
    tables["transactions"] = tables["transactions"].drop(columns=gone, errors="ignore")
    study = fraud.of_bank(open_source(str(write_source(write_csv(tables, tmp_path)))).as_of("2025-06-30"))
    assert "no fraud is labelled" in study.obstacle["why"]
    assert len(study.found) > 0
    assert study.sample.target.isna().all()
    assert "merchant_count_1d" not in study.sample.predictors


def test_kinds_that_are_not_there_are_told(bank):
    with pytest.raises(BankmineError, match=r"No transaction .* of kind bitcoin; there is .*card"):
        payments_of_bank(bank.as_of(LAST), kinds=["bitcoin"])


def test_labels_that_all_come_after_the_last_day(tmp_path):
    study = opened(payments(200), tmp_path, delay=90)
    assert "as late" in study.obstacle["why"]
    assert study.found.sample.target.isna().all()


# --- flat tables


def payments(size: int = 2000, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    at = pd.Timestamp("2025-01-01") + pd.to_timedelta(np.sort(rng.integers(0, 60 * 86_400, size)), "s")
    return pd.DataFrame({
        "transaction_id": [f"t{i:05}" for i in range(size)], "客户": rng.choice([f"<b>{i}" for i in range(40)], size),
        "when": at, "shop": rng.choice(["m'1", 'm"2', None], size), "sum": rng.lognormal(3, 1, size).round(2) + 0.01,
        "v1": rng.normal(size=size), "fraud": (rng.random(size) < 0.05).astype(int).astype(object),
    })  # fmt: skip


def opened(frame: pd.DataFrame, folder: Path, **how) -> FraudStudy:
    frame.to_csv(folder / "payments.csv", index=False)
    told = {"target": "fraud", "id": "客户", "time": "when", "amount": "sum", "merchant": "shop", "as_of": ""} | how
    return fraud.study(str(folder / "payments.csv"), **told)


@pytest.mark.slow
def test_a_flat_table_is_measured_in_the_order_of_time_whatever_that_of_its_rows(tmp_path):
    frame = payments()
    found = opened(frame, tmp_path).found
    shuffled = opened(frame.sample(frac=1, random_state=1), tmp_path).found
    pd.testing.assert_frame_equal(found.sample.predictors, shuffled.sample.predictors)
    pd.testing.assert_frame_equal(found.beside, shuffled.beside)
    assert np.allclose(found.sample.predictors["v1"], frame["v1"])
    assert not {"sum", "shop", "transaction_id"} & set(found.sample.predictors)
    assert found.sample.predictors["merchant_risk_30d"].max() > 0


def test_bad_rows_of_a_flat_table_are_left_out_and_told(tmp_path):
    frame = payments()
    frame.loc[5, "transaction_id"], frame.loc[7, "sum"], frame.loc[9, "fraud"] = "t00004", -3, None
    found = opened(frame, tmp_path).found
    assert len(found) == 1998
    assert [r.split(" left")[0] for r in found.remarks] == [
        "1 rows without an amount above zero in sum", "1 rows with the transaction_id of an earlier row",
    ]  # fmt: skip
    assert found.sample.target[found.beside["transaction_id"] == "t00009"].isna().all()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"time": ""}, "when a transaction was: time="),
        ({"amount": ""}, "holds the amounts"),
        ({"amount": "shop"}, "amount=shop: nobody can tell"),
        ({"merchant": "shopp"}, "Did you mean shop"),
        ({"delay": -1}, "delay and settled not below 0"),
    ],
)
def test_what_a_flat_table_must_tell(tmp_path, how, message):
    with pytest.raises(BankmineError, match=message):
        opened(payments(200), tmp_path, **how)


def test_payments_of_nobody_have_no_habits(tmp_path):
    found = opened(payments(), tmp_path, id="").found
    assert any("each is somebody else's" in remark for remark in found.remarks)
    assert not [name for name in found.sample.predictors if name.startswith("customer_")]
    assert {"merchant_count_7d", "hour", "v1"} <= set(found.sample.predictors)


def test_hours_are_counted_from_a_day_that_stands_for_the_one_not_told(tmp_path):
    frame = payments()
    hours = (frame["when"] - frame["when"].min().normalize()) // pd.Timedelta(hours=1)
    study = opened(frame.assign(when=hours), tmp_path, clock="hours")
    moments = study.found.beside.set_index("transaction_id")["at"]
    expected = pd.Timestamp("2000-01-01") + pd.to_timedelta(hours.to_numpy(), "h")
    assert (moments[frame["transaction_id"]].to_numpy() == expected.to_numpy()).all()
    assert any("2000-01-01 stands for it" in remark for remark in study.source.remarks)
    with pytest.raises(BankmineError, match="clock=hours"):
        opened(frame.assign(when=hours), tmp_path)
    with pytest.raises(BankmineError, match="clock=weeks: it may be seconds or"):
        opened(frame.assign(when=hours), tmp_path, clock="weeks")


def test_a_flat_table_with_few_frauds_says_so(tmp_path):
    frame = payments(300)
    frame["fraud"] = 0
    frame.loc[:3, "fraud"] = 1
    assert "4 of 2" in opened(frame, tmp_path).obstacle["why"]


@pytest.mark.slow
def test_the_handbook_is_a_source():
    file = Path(os.environ.get("BANKMINE_DATASETS", "data/external")) / "fraud_handbook"
    if not file.is_dir():
        pytest.skip("the file of the Fraud Detection Handbook is not in BANKMINE_DATASETS")
    bank = open_source("fraud_handbook").as_of("2018-04-20")
    found = payments_of_bank(bank, days=10)
    assert bank.checks["transactions"].rows == 191_611
    assert found.sample.target.notna().sum() > 0
    assert "merchant_risk_7d" in found.sample.predictors


def test_what_is_kept_is_what_would_be_measured(tmp_path, monkeypatch, bank):
    monkeypatch.setenv(cache.FOLDER, str(tmp_path))
    snapshot = bank.as_of(LAST)
    made, again = (payments_of_bank(snapshot, days=10) for _ in range(2))
    for part in ("predictors", "target", "entity", "day"):
        assert getattr(made.sample, part).equals(getattr(again.sample, part))
    assert made.beside.equals(again.beside)
    assert made.columns == again.columns
    other = payments_of_bank(snapshot, days=10, delay=90)
    assert other.sample.target.notna().sum() < made.sample.target.notna().sum()
    assert not other.sample.predictors.equals(made.sample.predictors)
    assert made.key == again.key != other.key  # what models said of them is found by it, too
