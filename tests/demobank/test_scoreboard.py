"""The scoreboard on a bank of another seed and size: it passes where analyses are right, else it fails.

It reads what studies hand on, as their reports do, from a folder: no kernel runs, and nothing is fitted twice.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from bankmine.bank.snapshot import Snapshot, open_source
from bankmine.errors import BankmineError
from bankmine.report.handed_on import STAGE, hand_on
from bankmine.topics import (
    behaviour,
    campaign,
    churn,
    credit,
    fraud,
    profiling,
    quality,
    recommendation,
    segmentation,
    value,
)  # fmt: skip
from demobank import generate
from demobank.scoreboard.board import Board

pytestmark = pytest.mark.seeds

DAY = "2025-12-31"
CREDIT = "07_credit_scoring"
REPORTS = {
    "01_data_quality", "02_profiling", "03_segmentation", "04_value", "05_behaviour", "06_churn", CREDIT, "08_fraud",
    "10_recommendation", "11_campaign",
}  # fmt: skip


@pytest.fixture(scope="module")
def bank(tmp_path_factory) -> Path:
    return generate(tmp_path_factory.mktemp("scoreboard") / "bank", customers=3000, months=30, seed=7)


@pytest.fixture(scope="module")
def handed_on(bank, tmp_path_factory) -> Path:
    """Folder with what each study hands on."""
    place = tmp_path_factory.mktemp("handed on")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(STAGE, str(place))
        for topic in (quality, profiling, segmentation, value, behaviour, churn, credit, campaign, recommendation):
            hand_on(topic.study(str(bank), DAY))
        hand_on(fraud.study(str(bank), DAY, days=390, blocks=8))
    return place


def board_of(bank: Path, handed_on: Path, *lacking: str) -> Board:
    def find(report: str, file: str, snapshot: Snapshot) -> Path:
        if report in lacking:
            raise BankmineError(f"{report} has not run")
        return handed_on / file

    return Board(str(bank), DAY, find)


def test_every_row_passes_on_a_bank_of_another_seed_and_size(bank, handed_on):
    """Too few of its credits went bad to learn from: 07 hands on nothing."""
    assert not list(handed_on.glob("credit_*"))
    board = board_of(bank, handed_on, CREDIT)
    assert board.not_scored == {"count": 1, "why": "07_credit_scoring has not run"}
    board.require_passed()
    assert board.passed["passed"] == len(board.table) - 1 > 50
    assert set(board.table["analysis"]) == REPORTS


def test_a_row_out_of_bounds_fails_by_name(bank, handed_on, tmp_path):
    """The same bank with another truth: customers who never left are said to have left."""
    other = shutil.copytree(bank, tmp_path / "bank")
    for part in (other / "truth" / "customers").iterdir():
        people = pd.read_parquet(part)
        people["left_on"] = people["left_on"].fillna(pd.Timestamp("2024-01-31").date())
        people.to_parquet(part)
    with pytest.raises(BankmineError, match="06_churn: customers who have left"):
        board_of(other, handed_on, CREDIT).require_passed()


def test_what_a_report_did_not_hand_on_is_not_scored_and_says_why(bank, handed_on):
    board = board_of(bank, handed_on, CREDIT, "03_segmentation")
    assert board.not_scored["count"] == 2
    (row,) = board.of("03_segmentation").to_dict("records")
    assert (row["result"], row["recovered"]) == ("not scored", "03_segmentation has not run")
    assert set(board.table["analysis"]) == REPORTS


def test_where_nothing_was_handed_on_the_page_still_stands(bank, tmp_path):
    def find(report: str, file: str, snapshot: Snapshot) -> Path:
        raise BankmineError(f"{report} has not run")

    board = Board(str(bank), open_source(str(bank)).span[1], find)
    assert board.not_scored["count"] == len(REPORTS)
    assert set(board.rows["analysis"]) == {"06_churn"}  # the label of silence is the engine's
    assert set(board.table.loc[board.table["result"] == "not scored", "analysis"]) == REPORTS
    board.require_passed()
