"""The fraud report of a flat table of transactions: by parameters alone, in any language, up to a model that scores."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bankmine.topics.fraud.stream_model import load

pytestmark = [pytest.mark.notebook, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[3]
BANKMINE = Path(sys.executable).with_name("bankmine")


def payments(size: int = 12_000) -> pd.DataFrame:
    """Four months of payments; those at a few shops, and far above what the card usually pays, are often fraud."""
    rng = np.random.default_rng(3)
    card, shop = rng.integers(0, 150, size), rng.integers(0, 80, size)
    usual = rng.lognormal(3, 0.5, 150)[card]
    wild = rng.random(size) < 0.03
    amount = (usual * rng.lognormal(0, 0.3, size) * np.where(wild, 9, 1)).round(2)
    fraud = rng.random(size) < np.where(wild, 0.6, 0.002) + 0.3 * (shop < 2)
    moment = pd.Timestamp("2025-01-01") + pd.to_timedelta(np.sort(rng.uniform(0, 120 * 86_400, size)).round(), "s")
    return pd.DataFrame({
        "时间": moment.strftime("%Y-%m-%d %H:%M:%S"), "卡号": [f"K{i}" for i in card], "金额": amount,
        "<b>商户</b>": [f"S{i}" for i in shop], "欺诈": np.where(fraud, "是", "否"),
    })  # fmt: skip


def test_a_table_in_chinese_goes_from_payments_to_a_list_and_a_model(tmp_path):
    payments().to_csv(tmp_path / "交易.csv", index=False)
    given = {
        "source": tmp_path / "交易.csv", "target": "欺诈", "id": "卡号", "time": "时间", "amount": "金额",
        "merchant": "<b>商户</b>", "delay": 7, "days": 120, "train": 40, "test": 14, "blocks": 2, "settled": 10,
    }  # fmt: skip
    words = [word for name, value in given.items() for word in ("-p", f"{name}={value}")]
    out = tmp_path / "out"
    done = subprocess.run(
        [BANKMINE, "run", "08_fraud", *words, "--out", out], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (manifest,) = out.rglob("08_fraud.json")
    told, page = json.loads(manifest.read_text("utf-8")), manifest.with_suffix(".html").read_text("utf-8")
    assert told["metrics"]["fraud.value.value"] > 0.05
    assert told["metrics"]["fraud.precision.low"] > 0.1
    assert told["metrics"]["fraud.list_precision.low"] > 0.1
    assert "<b>商户</b>" not in page
    assert "of a validator are answered" in page
    listed = pd.read_parquet(manifest.with_name("fraud_alerts.parquet"))
    assert listed["reasons"].str.len().min() > 0
    assert (listed["expected_saving"] > 0).all()
    today = listed[listed["day"] == listed["day"].max()]
    assert told["metrics"]["fraud.today.alerts"] == len(today)
    assert told["metrics"]["fraud.today.saving"] == pytest.approx(today["expected_saving"].sum())
    model = load(manifest.with_name("fraud_model.json"))
    assert told["metrics"]["fraud.threshold.threshold"] == pytest.approx(model.threshold)
    assert model.kinds == ()
    assert pd.read_parquet(manifest.with_name("fraud_monitoring.parquet"))["status"].ne("crossed").any()
