"""The month of a demo bank, run as its scheduler does, three times one after the other: what the front page says."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import duckdb
import pytest
from bs4 import BeautifulSoup
from notebook_run import BANKMINE, ROOT
from once import once_a_run

pytestmark = [pytest.mark.notebook, pytest.mark.slow]

SILENT = "2025-12-10"
DAYS = ("2025-10-31", "2025-11-30", "2025-12-31")
REPORTS = ("01_data_quality",)


@pytest.fixture(scope="module")
def index(small_bank) -> BeautifulSoup:
    def run(out: Path) -> None:
        bank = without_a_day(small_bank, out.with_suffix(".bank"))
        for day in DAYS:
            words = [BANKMINE, "run", *REPORTS, "--source", bank, "--as-of", day, "--out", out]
            subprocess.run(words, cwd=ROOT, env=os.environ | {"NO_COLOR": "1"}, capture_output=True, check=True)

    return BeautifulSoup((once_a_run("months", run) / "index.html").read_text("utf-8"), "html.parser")


def without_a_day(bank: Path, copy: Path) -> Path:
    """The bank as it is, but of one day of the last month no visit to the app was recorded."""
    copy.mkdir()
    for part in bank.iterdir():
        (copy / part.name).symlink_to(part)
    (copy / "events").unlink()
    kept = f"FROM '{bank}/events/*.parquet' WHERE channel <> 'mobile' OR \"at\"::DATE <> '{SILENT}'"
    duckdb.sql(f"COPY (SELECT * {kept}) TO '{copy}/events.parquet'")
    return copy


def text(tag) -> str:
    return " ".join(tag.get_text(" ").split())


def test_each_question_has_its_number_with_a_history_of_three_months_and_a_decision(index):
    rows = index.select(".questions tbody tr")
    assert len(rows) == len(REPORTS)
    for row in rows:
        assert all(day in row.svg["aria-label"] for day in DAYS)
        assert len(row.svg.polyline["points"].split()) == len(DAYS)
        assert text(row.select(".number .quiet")[0]).endswith("since 2025-11-30")
        assert text(row.select_one(".said > p"))
        assert "2026-01-" in text(row.select_one(".who"))


def test_alerts_say_what_since_when_and_by_whom(index):
    """Older defects, which are planted in each demo bank, are no alert of this month."""
    alerts = [text(alert) for alert in index.select(".alerts li")]
    assert ["missing days" in alerts[0], SILENT in alerts[1]] == [True, True], alerts
    assert all("As of 2025-12-31, new · data owners, by 2026-01-05 · 01 data quality" in alert for alert in alerts)


def test_all_runs_of_the_months_are_in_the_history(index):
    assert [text(row.th) for row in index.select(".matrix tbody tr")] == list(reversed(DAYS))
    assert "failed" not in text(index.select_one(".counts"))
