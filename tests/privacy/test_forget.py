"""The right to be forgotten: a customer is taken out of what is kept, whole, and told where they remain."""

from __future__ import annotations

import io
import json
from pathlib import Path

import fastexcel
import pandas as pd
import pytest
from runner_fixtures import bankmine, contents, make_workspace, refused

from bankmine.live.ledger import open_ledger
from bankmine.privacy.keys import KEY
from bankmine.privacy.sealing import is_sealed, read_sealed
from bankmine.topics.fraud.stream_state import Transaction

pytestmark = pytest.mark.notebook
WRITES = """
from types import SimpleNamespace
import pandas as pd
from bankmine.bank.snapshot import open_source
from bankmine.report.findings import finding
from bankmine.report.handed_on import hand_on
snapshot = open_source(source).as_of(as_of)
customers = pd.Index(["0001", "0002", "0003"], name="customer_id")
calls = pd.DataFrame({"why": ["rich", "knows 0001", "poor"]}, index=customers)
calls.attrs["list"] = True
pay = pd.DataFrame({"account": ["A1", "A2"], "counterparty": ["A2", "A1"]}, index=pd.Index([1, 2], name="number"))
hand_on(SimpleNamespace(source=snapshot, handed_on={"calls": calls, "pay": pay, "model.txt": "0001 and 00012"}))
finding("first to call: {who}", id="writes.first", who="0001")
"""


@pytest.fixture
def workspace(tmp_path) -> Path:
    root = make_workspace(tmp_path / "bank", {"01_writes": [WRITES]})
    assert bankmine(root, "run", "--as-of", "2025-12-31").code == 0
    return root


def test_a_customer_is_taken_out_of_reports_lists_and_state(workspace, tmp_path):
    state, day = tmp_path / "state.sqlite", workspace / "reports" / "2025-12-31"
    ledger = open_ledger(state)
    with ledger.commit():
        ledger.own("A1", "0001", None)
        ledger.own("A2", "0002", None)
        ledger.add(Transaction("T1", 1, 5.0, "0001", "A1"))
        ledger.add(Transaction("T2", 2, 5.0, "0002", "A2", counterparty="A1"))
    ledger.close()
    audit = tmp_path / "audit.jsonl"
    done = bankmine(
        workspace, "privacy", "forget", "0001", "--source", "demo", "--state", state, BANKMINE_AUDIT=str(audit)
    )
    assert done.code == 0, done.err
    assert "still has them" in done.out.splitlines()[-1]
    calls = pd.read_parquet(day / "01_writes" / "calls.parquet")
    assert calls[["customer_id", "why"]].to_numpy().tolist() == [["0002", "knows forgotten"], ["0003", "poor"]]
    pay = pd.read_parquet(day / "01_writes" / "pay.parquet")
    assert pay[["account", "counterparty"]].to_numpy().tolist() == [["A2", "forgotten"]]
    assert (day / "01_writes" / "model.txt").read_text("utf-8") == "forgotten and 00012"
    told = json.loads((day / "01_writes.json").read_text("utf-8"))
    assert told["findings"][0]["values"]["who"] == "forgotten"
    assert told["forgotten"] > 0
    assert all((day / name).stat().st_size == size for name, size in told["files"].items())
    outputs = json.loads((day / "01_writes.ipynb").read_text("utf-8"))["cells"][-1]["outputs"]
    assert "first to call: forgotten" in json.dumps(outputs)
    assert "first to call: 0001" not in (day / "01_writes.html").read_text("utf-8")
    ledger = open_ledger(state)
    assert ledger.rows("SELECT transaction_id, counterparty FROM transactions") == [("T2", "forgotten")]
    assert ledger.rows("SELECT account FROM accounts") == [("A2",)]
    ledger.close()
    assert b"0001" not in state.read_bytes()
    lines = [json.loads(line) for line in audit.read_text("ascii").splitlines()]
    assert [line["event"] for line in lines] == ["forget", "forgotten"]
    assert not {"0001", "A1"} & set(str(lines).replace("'", " ").split())


def test_a_customer_is_taken_out_of_what_is_encrypted(workspace, tmp_path, monkeypatch):
    given = {KEY: "ab" * 32, "BANKMINE_AUDIT": str(tmp_path / "audit.jsonl")}
    assert bankmine(workspace, "run", "--as-of", "2025-12-31", **given).code == 0
    forget = ("privacy", "forget", "0001", "--source", "demo")
    before = contents(workspace / "reports")
    refused(bankmine(workspace, *forget, BANKMINE_AUDIT=given["BANKMINE_AUDIT"]), "is encrypted with key")
    assert contents(workspace / "reports") == before
    done = bankmine(workspace, *forget, **given)
    assert done.code == 0, done.err
    day = workspace / "reports" / "2025-12-31"
    monkeypatch.setenv(KEY, given[KEY])
    files = {file.name: file for file in (day / "01_writes").iterdir()}
    assert all(is_sealed(file.read_bytes()) for file in files.values())
    calls = pd.read_parquet(io.BytesIO(read_sealed(files["calls.parquet"])))
    assert calls[["customer_id", "why"]].to_numpy().tolist() == [["0002", "knows forgotten"], ["0003", "poor"]]
    book = fastexcel.read_excel(read_sealed(files["calls.xlsx"])).load_sheet(0, dtypes="string").to_pandas()
    assert book["customer_id"].tolist() == ["0002", "0003"]
    assert read_sealed(files["model.txt"]) == b"forgotten and 00012"
    told = json.loads((day / "01_writes.json").read_text("utf-8"))
    assert all((day / name).stat().st_size == size for name, size in told["files"].items())


def test_an_unknown_customer_or_place_is_told_in_one_line_and_nothing_changes(workspace):
    before = contents(workspace / "reports")
    forget = ("privacy", "forget")
    refused(bankmine(workspace, *forget, "9999", "--source", "demo"), "Nothing is known of this customer")
    refused(bankmine(workspace, *forget, "0001", "--source", "demo", "--state", "none"), "none is no file")
    refused(bankmine(workspace, *forget, "0001", "--source", "demo", "--reports", "none"), "none is no folder")
    assert contents(workspace / "reports") == before
