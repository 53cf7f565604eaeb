"""A new supervised question is a topic of a few lines and a notebook: its page has all that the others have."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest
import yaml

from bankmine.workspace import WORKSPACE

pytestmark = [pytest.mark.notebook, pytest.mark.slow]

HERE = Path(__file__).parent
SECTIONS = {
    "Decision: whom should we offer a loan?": """
finding("No model can be made: {why}", study.obstacle, id="loan_uptake.no_model", headline=True, alert=True)
finding("Offers would have earned {profit:,.0f} {currency}.", study.profit, id="loan_uptake.profit", headline=True)
finding("Limits crossed: {which}.", study.alerts, id="loan_uptake.limits", headline=True, alert=True)
show(study.profit_curve, alt="Curve: profit by share of customers who get an offer")
""",
    "Is it rising?": """
finding("{rate:.2%} of {rows:,} rows have the event.", study.rate, id="loan_uptake.rate")
show(study.trend_chart, alt="Line: share who take up a loan, by month")
""",
    "Which model is in use?": """
table(study.refit, "The model in use, and one fitted anew")
""",
    "What is learnt from?": """
finding("Rows were split {how}.", id="loan_uptake.split", how=study.parts.how)
table(study.rows, "Rows of each part")
""",
    "Can the ranking be trusted?": """
table(study.compared, "On the same earlier folds")
finding("AUC {value:.3f} ({low:.3f} to {high:.3f}).", study.judged.metric("auc"), id="loan_uptake.auc")
table(study.judged, "On months never seen")
table(study.judged.monthly, "Month by month")
show(study.judged.gains(), alt="Curve: events found")
table(study.judged.calibrated, "Calibration")
show(study.judged.reliability(), alt="Calibration plot")
""",
    "Why?": """
table(study.why.themes, "Reasons of the likeliest twentieth")
show(study.why.beeswarm(), alt="Beeswarm of contributions")
""",
    "Has it moved?": """
finding("{shifted} of {columns} predictors shifted: {names}.", study.drift, id="loan_uptake.drift")
table(study.moved_most, "Predictors that shifted most")
""",
    "On whom does it fall?": """
table(study.fair, "Offers by group")
table(study.same_score, "Same chance, same outcome?")
""",
    "What did it earn?": """
table(study.earned_table, "Profit by policy")
""",
    "Would a validator accept this?": """
finding("{answered} of {asked} questions are answered.", study.validation.counts, id="loan_uptake.validation")
table(study.validation, "Questions")
table(study.validation.assumptions, "Assumptions")
table(study.validation.plan, "What is watched")
""",
    "What would a careless analysis have claimed?": """
finding("A twin ({mistake}) claims {auc_claims:.3f}.", study.boldest, id="loan_uptake.lie")
table(study.lies_table, "Twins")
table(study.suspects, "Predictors that alone rank best")
""",
    "What is handed on, and what are the limits?": """
finding("Beside this report: {files}.", hand_on(study), id="loan_uptake.written")
""",
}
SET_UP = """from bankmine.report import finding, show, table
from bankmine.report.handed_on import hand_on
import loan_uptake
study = loan_uptake.study(source, as_of)
study"""


def test_a_new_topic_gives_a_page_with_all_common_sections(small_bank, tmp_path):
    lines = (HERE / "loan_uptake.py").read_text("utf-8").splitlines()
    assert len(lines) + sum(len(cells.splitlines()) for cells in SECTIONS.values()) <= 150
    cell, text = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell
    cells = [
        text("# Who takes up a loan?"),
        cell(
            f'source = "{small_bank}"\nas_of = "2025-12-31"',
            metadata={"tags": ["parameters"]},
        ),
        cell(SET_UP),
    ]
    for heading, shown in SECTIONS.items():
        cells += [text(f"## {heading}"), *map(cell, shown.strip().splitlines())]
    metadata = {"kernelspec": {"name": "python3", "display_name": "python3", "language": "python"}}
    (tmp_path / "notebooks").mkdir()
    nbformat.write(
        nbformat.v4.new_notebook(cells=cells, metadata=metadata), tmp_path / "notebooks" / "loan_uptake.ipynb"
    )
    entry = {"report": "loan_uptake", "title": "Who takes up a loan?", "audience": "testers"}
    (tmp_path / "reports.yml").write_text(yaml.safe_dump([entry]))
    (tmp_path / "data").mkdir()
    for there in (WORKSPACE / "data").iterdir():
        if there.name != "access.yml":  # which lists the reports of the workspace
            (tmp_path / "data" / there.name).symlink_to(there)
    paths = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [Path(sys.executable).with_name("bankmine"), "run", "--out", str(tmp_path / "out")], capture_output=True,
        text=True, check=False, env=os.environ | {"BANKMINE_WORKSPACE": str(tmp_path), "PYTHONPATH": paths},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (manifest,) = tmp_path.rglob("loan_uptake.json")
    told, page = json.loads(manifest.read_text("utf-8")), manifest.with_suffix(".html").read_text("utf-8")
    assert told["status"] == "ok"
    assert all(heading in page for heading in SECTIONS)
    assert "Not told:" not in page
    assert "not shown, as" not in page
    assert "not drawn, as" not in page
    assert told["metrics"]["loan_uptake.auc.low"] > 0.6
    offers = pd.read_parquet(manifest.with_suffix("") / "loan_offers.parquet")
    assert offers["customer_id"].is_unique
    assert offers.loc[offers["offered"], "chance"].min() > offers.loc[~offers["offered"], "chance"].max()
