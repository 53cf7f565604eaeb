"""The scoreboard on banks of another seed and size: it passes where analyses are right, else it fails."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from demobank import generate

pytestmark = [pytest.mark.notebook, pytest.mark.seeds]

ROOT = Path(__file__).resolve().parents[2]
BANKMINE = Path(sys.executable).with_name("bankmine")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return generate(tmp_path_factory.mktemp("scoreboard") / "bank", customers=3000, months=30, seed=7)


def run(folder: Path, out: Path) -> tuple[int, dict]:
    """Run the scoreboard on a bank; return the exit code and the manifest."""
    done = subprocess.run(
        [BANKMINE, "run", "00_scoreboard", "--source", folder, "--out", out],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    (manifest,) = out.rglob("00_scoreboard*.json")
    return done.returncode, json.loads(manifest.read_text("utf-8"))


def test_every_row_passes_on_a_bank_of_another_seed_and_size(folder, tmp_path):
    code, told = run(folder, tmp_path / "reports")
    assert told["error"] is None
    assert code == 0
    assert told["metrics"]["scoreboard.passed.passed"] == told["metrics"]["scoreboard.passed.rows"] > 15


def test_a_row_out_of_bounds_fails_the_report_by_name(folder, tmp_path):
    """The same bank with another truth: customers who never left are said to have left."""
    bank = shutil.copytree(folder, tmp_path / "bank")
    for part in (bank / "truth" / "customers").iterdir():
        people = pd.read_parquet(part)
        people["left_on"] = people["left_on"].fillna(pd.Timestamp("2024-01-31").date())
        people.to_parquet(part)
    code, told = run(bank, tmp_path / "reports")
    assert code == 1
    assert told["status"] == "failed"
    assert "customers who have left" in told["error"]
