"""Reports of flat tables, one for each topic: by parameters alone, in any language, and what they hand on is whole."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from bankmine.topics.fraud.stream_model import load

pytestmark = [pytest.mark.notebook, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
BANKMINE = Path(sys.executable).with_name("bankmine")


@dataclass(frozen=True)
class Report:
    """What a run left behind."""

    manifest: dict
    page: str
    folder: Path
    """Of what it handed on."""

    @property
    def figures(self) -> dict:
        return self.manifest["metrics"]

    @property
    def told(self) -> set[str]:
        """What the page tells; of what is lacking it says so."""
        return {found["id"] for found in self.manifest["findings"] if not found["text"].startswith("Not told: ")}


def run(name: str, out: Path, **parameters: object) -> Report:
    words = [word for key, value in parameters.items() for word in ("-p", f"{key}={value}")]
    done = subprocess.run(
        [BANKMINE, "run", name, *words, "--out", out], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = out.rglob(f"{name}.json")
    page = file.with_suffix(".html").read_text("utf-8")
    return Report(json.loads(file.read_text("utf-8")), page, file.with_suffix(""))


def customers() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    idle, chance = rng.exponential(30, 700), rng.random(700)
    left = np.where(chance < 1 / (1 + np.exp(2.2 - 0.08 * (idle - 30))), "已流失", "在户").astype(object)
    left[-50:] = None
    table = pd.DataFrame({"客户编号": [f"K{i:04}" for i in range(700)], "静默天数": idle.round(), "是否流失": left})
    table["离网分"] = np.where(table["是否流失"] == "已流失", 0.97, 0.001) + rng.random(700) / 100  # made afterwards
    return table.assign(**{"常量": 1, "<b>余额</b> (元)": rng.lognormal(8, 1, 700).round(2)})


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
        "<b>商户</b>": [f"S{i}" for i in shop], "欺诈": np.where(fraud, "是", "否"), "lat": rng.normal(40, 3, size),
        "dob": [f"19{60 + i % 40}-0{1 + i % 9}-11" for i in card], "unix_time": moment.astype(np.int64) // 10**9,
        "职业": [("教师", "司机", "医生")[i % 3] for i in card],
    })  # fmt: skip


def what_is_lacking_is_said(report: Report) -> None:
    assert "是否流失 is 已流失" in report.page
    assert "静默天数" in report.page
    assert report.figures["churn.rate.rows"] == 650
    assert report.figures["churn.auc.low"] > 0.6
    first = report.manifest["findings"][0]
    assert first["id"] == "churn.leak"
    assert first["alert"]
    assert first["headline"]
    assert report.page.index("With 离网分 left out: alone it tells nearly") < report.page.rindex("Is leaving rising?")
    assert "With 离网分 left out: the model ranks leavers" in report.page
    assert "churn.profit" not in report.told
    assert "the table tells no costs" in report.page


def the_query_scores_as_the_list_does(report: Report) -> None:
    assert report.figures["credit_scoring.rate.rows"] == 660
    assert report.figures["credit_scoring.auc.low"] > 0.6
    assert report.figures["credit_scoring.written.scored"] == 40  # those whose outcome is not known yet
    assert "状态 is 逾期 or 核销" in report.page
    assert "by time: judged by rows after" in report.page
    assert "the table tells no costs" in report.page
    # the list begins with who is nearest to the cut-off; a row without an id is its own customer
    scored = pd.read_parquet(report.folder / "credit_scores.parquet").sort_values("customer_id")
    assert len(scored) == 40
    assert scored["reasons"].str.len().max() > 0
    with duckdb.connect() as engine:
        engine.register("applicants", loans().tail(40))
        by_query = engine.sql((report.folder / "scorecard.sql").read_text("utf-8")).df()["score"]
    assert by_query.tolist() == scored["score"].tolist()


def the_list_and_the_model_are_those_of_the_page(report: Report) -> None:
    figures = report.figures
    assert figures["fraud.value.value"] > 0.05
    assert figures["fraud.precision.low"] > 0.1
    assert figures["fraud.list_precision.low"] > 0.1
    assert "questions of a validator" in report.page
    assert "and nothing is taken off, as data/fraud.yml tells no costs for this currency" in report.page
    listed = pd.read_parquet(report.folder / "fraud_alerts.parquet")
    assert listed["reasons"].str.len().min() > 0
    assert (listed["expected_saving"] > 0).all()
    today = listed[listed["day"] == listed["day"].max()]
    assert figures["fraud.today.alerts"] == len(today)
    assert figures["fraud.today.saving"] == pytest.approx(today["expected_saving"].sum())
    model = load(report.folder / "fraud_model.json")
    assert figures["fraud.threshold.threshold"] == pytest.approx(model.threshold)
    assert model.kinds == ()
    assert {"lat", "days_since_dob", "职业"} <= set(model.attributes)
    assert ", ".join(model.attributes) in next(
        f["text"] for f in report.manifest["findings"] if f["id"] == "fraud.attributes"
    )
    assert pd.read_parquet(report.folder / "fraud_monitoring.parquet")["status"].ne("crossed").any()


CHURN = {"target": "是否流失", "positive": "已流失", "id": "客户编号"}
CREDIT = {"target": "状态", "positive": "逾期|核销", "time": "申请日期"}
FRAUD = {
    "target": "欺诈", "id": "卡号", "time": "时间", "amount": "金额", "merchant": "<b>商户</b>", "delay": 7,
    "days": 120, "train": 40, "test": 14, "blocks": 2, "settled": 10,
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "table", "given", "own"),
    [
        pytest.param("06_churn", customers, CHURN, what_is_lacking_is_said, id="churn"),
        pytest.param("07_credit_scoring", loans, CREDIT, the_query_scores_as_the_list_does, id="credit"),
        pytest.param("08_fraud", payments, FRAUD, the_list_and_the_model_are_those_of_the_page, id="fraud"),
    ],
)
def test_a_table_in_chinese_goes_all_the_way(
    name: str, table: Callable, given: dict, own: Callable[[Report], None], tmp_path
):
    rows = table()
    rows.to_csv(tmp_path / "数据.csv", index=False)
    report = run(name, tmp_path / "out", source=tmp_path / "数据.csv", **given)
    assert report.manifest["status"] == "ok"
    hostile = [column for column in rows if column.startswith("<b>")]
    assert hostile
    assert not any(column.split(" ")[0] in report.page for column in hostile)
    own(report)


def test_the_table_of_a_library_reports_profit_with_its_own_costs(tmp_path):
    report = run("06_churn", tmp_path, source="tv_subscriptions")
    figures = report.figures
    assert report.manifest["status"] == "ok"
    assert figures["churn.auc.low"] > 0.65
    assert figures["churn.profit.low"] > 0
    assert figures["churn.profit.profit"] > figures["churn.profit.lot"]
    assert {"churn.no_costs", "churn.no_model", "churn.concordance", "churn.called"}.isdisjoint(report.told)
