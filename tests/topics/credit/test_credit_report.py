"""The credit report of a flat table: by parameters alone, split by its days, in any language, with its scorecard."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

pytestmark = [pytest.mark.notebook, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[3]
BANKMINE = Path(sys.executable).with_name("bankmine")


def loans(size: int = 700) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    debt, income = rng.uniform(0, 2, size), rng.lognormal(9, 0.6, size)
    odds = -3.2 + 1.9 * debt - 0.8 * np.log(income / 8000)
    state = np.where(rng.random(size) < 1 / (1 + np.exp(-odds)), rng.choice(["逾期", "核销"], size), "正常").astype(
        object
    )
    state[-40:] = None
    return pd.DataFrame({
        "申请日期": pd.date_range("2024-01-01", periods=size).strftime("%Y-%m-%d"), "负债比": debt.round(3),
        "<b>收入</b>": income.round(), "gender": rng.choice(["男", "女"], size), "常量": 1, "状态": state,
    })  # fmt: skip


def test_a_table_in_chinese_goes_from_applicants_to_a_query_that_scores_them(tmp_path):
    loans().to_csv(tmp_path / "贷款.csv", index=False)
    given = {"source": tmp_path / "贷款.csv", "target": "状态", "positive": "逾期|核销", "time": "申请日期"}
    words = [word for name, value in given.items() for word in ("-p", f"{name}={value}")]
    out = tmp_path / "out"
    done = subprocess.run(
        [BANKMINE, "run", "07_credit_scoring", *words, "--out", out],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (manifest,) = out.rglob("07_credit_scoring.json")
    told, page = json.loads(manifest.read_text("utf-8")), manifest.with_suffix(".html").read_text("utf-8")
    figures = told["metrics"]
    assert figures["credit_scoring.rate.rows"] == 660
    assert figures["credit_scoring.auc.low"] > 0.6
    assert figures["credit_scoring.written.scored"] == 40  # those whose outcome is not known yet
    assert "状态 is 逾期 or 核销" in page
    assert "by time: judged by rows after" in page
    assert "<b>收入</b>" not in page
    assert "the table tells no costs" in page
    # the list begins with who is nearest to the cut-off; a row without an id is its own customer
    scored = pd.read_parquet(manifest.with_name("credit_scores.parquet")).sort_values("customer_id")
    assert len(scored) == 40
    assert scored["reasons"].str.len().max() > 0
    with duckdb.connect() as engine:
        engine.register("applicants", loans().tail(40))
        by_query = engine.sql(manifest.with_name("scorecard.sql").read_text("utf-8")).df()["score"]
    assert by_query.tolist() == scored["score"].tolist()
