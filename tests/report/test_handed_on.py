"""What notebooks leave beside their reports: whole, with a good report only, and found again by a later day."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from zipfile import ZipFile

import pandas as pd
import pytest
from runner_fixtures import bankmine, contents, make_workspace

from bankmine.errors import BankmineError
from bankmine.lacking import Lacking
from bankmine.report.files import ROTATION
from bankmine.report.handed_on import REPORTS, STAGE, hand_on, place_for

pytestmark = pytest.mark.notebook
WRITES = """
import os
import pandas as pd
from bankmine.bank.snapshot import open_source
from bankmine.report.findings import finding
from bankmine.report.handed_on import earlier, place_for, write_table
snapshot = open_source(source).as_of(as_of)
before = earlier("model.txt", snapshot)
finding("{before}", id="writes.before", before=before.read_text() if before else "nothing")
place_for("model.txt", snapshot).write_text(as_of)
write_table(pd.DataFrame({"group": ["a", "b"]}, index=["C1", "C2"]), "groups", snapshot)
if os.environ.get("BANKMINE_MOOD") == "bad":
    raise ValueError("too late")
"""


@pytest.fixture
def workspace(tmp_path) -> Path:
    return make_workspace(tmp_path / "bank", {"01_writes": [WRITES]})


def run(workspace: Path, day: str, **env: str) -> tuple[int, Path]:
    return bankmine(workspace, "run", "--as-of", day, **env).code, workspace / "reports" / day


def told(folder: Path) -> dict:
    return json.loads((folder / "01_writes.json").read_text("utf-8"))


def test_tables_stand_in_a_folder_of_the_report_keyed_by_customer_and_day(workspace):
    code, folder = run(workspace, "2025-11-30")
    assert code == 0
    table = pd.read_parquet(folder / "01_writes" / "groups.parquet")
    assert table.astype(str).to_numpy().tolist() == [["C1", "2025-11-30", "a"], ["C2", "2025-11-30", "b"]]
    assert list(table.columns) == ["customer_id", "as_of", "group"]
    assert told(folder)["files"].keys() == {"01_writes/groups.parquet", "01_writes/model.txt"}
    assert 'href="01_writes/groups.parquet"' in (folder / "01_writes.html").read_text("utf-8")


def test_a_later_day_finds_what_an_earlier_one_left_and_not_its_own(workspace):
    for day, before in (("2025-11-30", "nothing"), ("2025-12-31", "2025-11-30"), ("2025-12-31", "2025-11-30")):
        code, folder = run(workspace, day)
        assert code == 0
        (found,) = told(folder)["findings"]
        assert found["values"]["before"] == before
    code, folder = run(workspace, "2025-10-31")
    assert told(folder)["findings"][0]["values"]["before"] == "nothing"


def test_a_failing_report_leaves_the_tables_of_the_good_one(workspace):
    _, folder = run(workspace, "2025-12-31")
    before = contents(folder)
    code, _ = run(workspace, "2025-12-31", BANKMINE_MOOD="bad")
    assert code == 1
    after = contents(folder)
    assert all(
        after[name] == before[name] for name in ("01_writes/groups.parquet", "01_writes/model.txt", "01_writes.html")
    )
    assert not list(folder.rglob(".*.part"))


def test_lists_that_people_work_through_are_xlsx_too_in_which_text_is_no_formula(tmp_path, monkeypatch):
    text = '=HYPERLINK("https://example.com")'
    listed = pd.DataFrame(
        {"reason": [text, "https://example.com"], "risk": [0.5, None]}, pd.Index(["C1", "C2"], name="id")
    )
    limits = pd.DataFrame({"limit": [1.0]}, pd.Index([1], name="number"))
    listed.attrs["list"] = True
    study = SimpleNamespace(
        handed_on={"calls": listed, "limits": limits, "card.sql": "select 1"},
        source=SimpleNamespace(
            as_of="2025-12-31", fingerprint="", purpose="", source=SimpleNamespace(name="bank", secrets=[])
        ),
    )
    written = []
    for place in ("once", "again"):
        monkeypatch.setenv(STAGE, str(tmp_path / place))
        assert hand_on(study) == {"files": "calls.parquet, limits.parquet, card.sql, calls.xlsx"}
        written.append(contents(tmp_path / place))
    assert written[0] == written[1]
    assert set(written[0]) == {"calls.parquet", "limits.parquet", "card.sql", "calls.xlsx"}
    with ZipFile(tmp_path / "once" / "calls.xlsx") as book:
        sheet, strings = (book.read(f"xl/{part}.xml").decode() for part in ("worksheets/sheet1", "sharedStrings"))
    assert f"<t>{text}</t>" in strings
    assert "<f>" not in sheet
    assert "hyperlink" not in sheet.lower()
    assert pd.read_parquet(tmp_path / "once" / "calls.parquet")["as_of"].astype(str).unique() == ["2025-12-31"]


def test_a_notebook_that_is_run_by_hand_writes_to_the_folder_of_its_report(tmp_path, monkeypatch):
    monkeypatch.delenv(STAGE, raising=False)
    monkeypatch.setenv(REPORTS, str(tmp_path))
    snapshot = SimpleNamespace(as_of="2025-12-31")
    for notebook, folder in {"notebooks/06_churn.ipynb": "06_churn", None: "notebook"}.items():
        monkeypatch.setenv("JPY_SESSION_NAME", notebook) if notebook else monkeypatch.delenv("JPY_SESSION_NAME")
        assert place_for("calls.parquet", snapshot) == tmp_path / "2025-12-31" / folder / "calls.parquet"
    (tmp_path / ROTATION).parent.mkdir()
    (tmp_path / ROTATION).touch()
    with pytest.raises(BankmineError, match="rotation of keys was interrupted"):
        place_for("calls.parquet", snapshot)


def test_where_nothing_can_leave_the_house_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv(STAGE, str(tmp_path / "stage"))
    assert hand_on(SimpleNamespace(handed_on=Lacking("no rows"), source=None)) == Lacking("no rows")
    assert not (tmp_path / "stage").exists()
