"""The churn report of a flat table: by parameters alone, with the table's own costs, and in any language."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytestmark = [pytest.mark.notebook, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[3]
BANKMINE = Path(sys.executable).with_name("bankmine")
TARGET = "是否流失"


def report(out: Path, **parameters: str) -> tuple[dict, str]:
    """Run the report with parameters; return its manifest and its page."""
    words = [word for name, value in parameters.items() for word in ("-p", f"{name}={value}")]
    done = subprocess.run(
        [BANKMINE, "run", "06_churn", *words, "--out", out], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (manifest,) = out.rglob("06_churn.json")
    return json.loads(manifest.read_text("utf-8")), manifest.with_suffix(".html").read_text("utf-8")


def ids(manifest: dict) -> set[str]:
    """What the page tells; of what is lacking it says so."""
    return {finding["id"] for finding in manifest["findings"] if not finding["text"].startswith("Not told: ")}


def test_the_table_of_a_library_reports_profit_with_its_own_costs(tmp_path):
    told, _ = report(tmp_path, source="tv_subscriptions")
    figures = told["metrics"]
    assert told["status"] == "ok"
    assert figures["churn.auc.low"] > 0.65
    assert figures["churn.profit.low"] > 0
    assert figures["churn.profit.profit"] > figures["churn.other_policies.lot"]
    assert {"churn.no_costs", "churn.no_model", "churn.concordance", "churn.called"}.isdisjoint(ids(told))


def test_a_table_in_chinese_runs_and_what_it_cannot_tell_is_said(tmp_path):
    rng = np.random.default_rng(0)
    idle, chance = rng.exponential(30, 700), rng.random(700)
    left = np.where(chance < 1 / (1 + np.exp(2.2 - 0.08 * (idle - 30))), "已流失", "在户").astype(object)
    left[-50:] = None
    table = pd.DataFrame({"客户编号": [f"K{i:04}" for i in range(700)], "静默天数": idle.round(), TARGET: left})
    table = table.assign(**{"常量": 1, "<b>余额</b> (元)": rng.lognormal(8, 1, 700).round(2)})
    table.to_csv(tmp_path / "客户.csv", index=False)
    told, page = report(
        tmp_path / "out", source=str(tmp_path / "客户.csv"), target=TARGET, positive="已流失", id="客户编号"
    )
    assert told["status"] == "ok"
    assert f"{TARGET} is 已流失" in page
    assert "静默天数" in page
    assert "<b>余额</b>" not in page
    assert told["metrics"]["churn.rate.rows"] == 650
    assert told["metrics"]["churn.auc.low"] > 0.6
    assert "churn.profit" not in ids(told)
    assert "the table tells no costs" in page
