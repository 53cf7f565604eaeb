"""The right to be forgotten: a customer is taken out of what is kept, whole, and told where they remain."""

from __future__ import annotations

import io
import json
from pathlib import Path

import fastexcel
import pandas as pd
import pytest
import yaml
from bank_fixtures import CORE, EXTRACTED_ON, small_bank, write_source
from pseudonyms import keep_apart, write_bank
from runner_fixtures import bankmine, contents, make_workspace, refused

from bankmine.errors import BankmineError
from bankmine.live.ledger import open_ledger
from bankmine.privacy.keys import KEY, find_key
from bankmine.privacy.sealing import is_sealed, read_sealed
from bankmine.privacy.tokens import CUSTOMER, token_of
from bankmine.stewardship.forget import forgotten
from bankmine.topics.fraud.stream_state import Transaction

pytestmark = pytest.mark.notebook
WRITES = """
from types import SimpleNamespace
import pandas as pd
from bankmine.bank.snapshot import open_source
from bankmine.report.findings import finding
from bankmine.report.handed_on import hand_on
snapshot = open_source(source).as_of(as_of)
customers = pd.Index(["C0001", "C0002", "C0003"], name="customer_id")
calls = pd.DataFrame({"why": ["rich", "knows C0001", "poor"]}, index=customers)
calls.attrs["list"] = True
pay = pd.DataFrame({"account": ["A1", "A2"], "counterparty": ["A2", "A1"]}, index=pd.Index([1, 2], name="number"))
hand_on(SimpleNamespace(source=snapshot, handed_on={"calls": calls, "pay": pay, "model.txt": "C0001 and C00012",
                                                    "C0001.txt": "poor"}))
finding("first to call: {who}", id="writes.first", who="C0001")
"""


def run_bank(root: Path, prefix: str = "C000") -> Path:
    """Make a workspace of a bank whose keys of customers begin so, and run its report."""
    make_workspace(root, {"01_writes": [WRITES.replace("C000", prefix)]})
    bank = small_bank(*CORE)
    for table in ("customers", "accounts"):
        bank[table]["customer_id"] = bank[table]["customer_id"].str.replace("000", prefix)
    write_source(root / "data" / "sources" / "demo", bank)
    done = bankmine(root, "run", "--as-of", "2025-12-31")
    assert done.code == 0, done.err
    return root


@pytest.fixture
def workspace(tmp_path) -> Path:
    return run_bank(tmp_path / "bank")


def test_a_customer_is_taken_out_of_reports_lists_and_state(workspace, tmp_path):
    state, day = tmp_path / "state.sqlite", workspace / "reports" / "2025-12-31"
    ledger = open_ledger(state)
    with ledger.commit():
        ledger.own("A1", "C0001", None)
        ledger.own("A2", "C0002", None)
        ledger.add(Transaction("T1", 1, 5.0, "C0001", "A1"))
        ledger.add(Transaction("T2", 2, 5.0, "C0002", "A2", counterparty="A1"))
    ledger.close()
    audit = tmp_path / "audit.jsonl"
    done = bankmine(
        workspace, "privacy", "forget", "C0001", "--source", "demo", "--state", state, BANKMINE_AUDIT=str(audit)
    )
    assert done.code == 0, done.err
    assert "still has them" in done.out.splitlines()[-1]
    calls = pd.read_parquet(day / "01_writes" / "calls.parquet")
    assert calls[["customer_id", "why"]].to_numpy().tolist() == [["C0002", "knows forgotten"], ["C0003", "poor"]]
    pay = pd.read_parquet(day / "01_writes" / "pay.parquet")
    assert pay[["account", "counterparty"]].to_numpy().tolist() == [["A2", "forgotten"]]
    assert (day / "01_writes" / "model.txt").read_text("utf-8") == "forgotten and C00012"
    told = json.loads((day / "01_writes.json").read_text("utf-8"))
    assert "01_writes/C0001.txt" in told["files"]
    assert f"still in {Path('reports', day.name, '01_writes.json')}: " in done.out
    assert told["findings"][0]["values"]["who"] == "forgotten"
    assert told["forgotten"] > 0
    assert all((day / name).stat().st_size == size for name, size in told["files"].items())
    outputs = json.loads((day / "01_writes.ipynb").read_text("utf-8"))["cells"][-1]["outputs"]
    assert "first to call: forgotten" in json.dumps(outputs)
    assert "first to call: C0001" not in (day / "01_writes.html").read_text("utf-8")
    ledger = open_ledger(state)
    assert ledger.rows("SELECT transaction_id, counterparty FROM transactions") == [("T2", "forgotten")]
    assert ledger.rows("SELECT account FROM accounts") == [("A2",)]
    ledger.close()
    assert b"C0001" not in state.read_bytes()
    lines = [json.loads(line) for line in audit.read_text("ascii").splitlines()]
    assert [line["event"] for line in lines] == ["forget", "forgotten"]
    assert not {"C0001", "A1"} & set(str(lines).replace("'", " ").split())


def test_a_customer_is_taken_out_of_what_is_encrypted(workspace, tmp_path, monkeypatch):
    given = {KEY: "ab" * 32, "BANKMINE_AUDIT": str(tmp_path / "audit.jsonl")}
    assert bankmine(workspace, "run", "--as-of", "2025-12-31", **given).code == 0
    forget = ("privacy", "forget", "C0001", "--source", "demo")
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
    assert calls[["customer_id", "why"]].to_numpy().tolist() == [["C0002", "knows forgotten"], ["C0003", "poor"]]
    book = fastexcel.read_excel(read_sealed(files["calls.xlsx"])).load_sheet(0, dtypes="string").to_pandas()
    assert book["customer_id"].tolist() == ["C0002", "C0003"]
    assert read_sealed(files["model.txt"]) == b"forgotten and C00012"
    told = json.loads((day / "01_writes.json").read_text("utf-8"))
    assert all((day / name).stat().st_size == size for name, size in told["files"].items())


def test_an_unknown_customer_or_place_is_told_in_one_line_and_nothing_changes(workspace):
    before = contents(workspace / "reports")
    forget = ("privacy", "forget")
    refused(bankmine(workspace, *forget, "9999", "--source", "demo"), "No customer of this key is known")
    for word in ("customers", "files", "A1", "2025-12-31"):
        refused(bankmine(workspace, *forget, word, "--source", "demo"), "No customer of this key is known")
    refused(bankmine(workspace, *forget, "C0001", "--source", "demo", "--state", "none"), "none is no file")
    refused(bankmine(workspace, *forget, "C0001", "--source", "demo", "--reports", "none"), "none is no folder")
    assert contents(workspace / "reports") == before


def test_a_key_that_looks_like_a_number_goes_from_columns_of_keys_and_pages_are_told(tmp_path):
    workspace = run_bank(tmp_path / "bank", "")
    day = workspace / "reports" / "2025-12-31"
    before = contents(day)
    done = bankmine(workspace, "privacy", "forget", "1", "--source", "demo")
    assert done.code == 0, done.err
    calls = pd.read_parquet(day / "01_writes" / "calls.parquet")
    assert calls[["customer_id", "why"]].to_numpy().tolist() == [["2", "knows 1"], ["3", "poor"]]
    assert pd.read_parquet(day / "01_writes" / "pay.parquet")["counterparty"].tolist() == ["forgotten"]
    book = fastexcel.read_excel(day / "01_writes" / "calls.xlsx").load_sheet(0, dtypes="string").to_pandas()
    assert book["customer_id"].tolist() == ["2", "3"]
    same = ["01_writes.html", "01_writes.ipynb", "01_writes/model.txt"]
    assert all((day / name).read_bytes() == before[name] for name in same)
    told = json.loads((day / "01_writes.json").read_text("utf-8"))
    assert told.pop("forgotten") == 3
    was = json.loads(before["01_writes.json"])
    assert {**told, "files": sorted(told["files"])} == {**was, "files": sorted(was["files"])}
    said = done.out.splitlines()
    looked = [*same, "01_writes.json", "01_writes/calls.parquet", "01_writes/calls.xlsx"]
    assert all(
        any(line.startswith(f"may be in {Path('reports', day.name, name)}: ") for line in said) for name in looked
    )
    assert not [line for line in said if line.startswith("still in")]
    assert said[-1].endswith("the next run brings them back as long as the source has them")


def test_a_token_is_refused_and_the_own_key_is_forgotten(tmp_path, monkeypatch):
    keep_apart(monkeypatch, tmp_path)
    _, hidden = write_bank(tmp_path)
    token, reports = token_of(find_key(), CUSTOMER, "0001"), tmp_path / "reports"
    calls = reports / "hidden" / "2025-12-31" / "06_churn" / "calls.parquet"
    calls.parent.mkdir(parents=True)
    pd.DataFrame({"customer_id": [token, "c" + "0" * 20], "why": ["rich", f"knows {token}"]}).to_parquet(calls)
    before = contents(reports)
    with pytest.raises(BankmineError, match=r"is a token, .* own key") as refusal:
        forgotten(token, hidden, None, reports)
    assert "\n" not in str(refusal.value)
    assert contents(reports) == before
    said = forgotten("0001", hidden, None, reports)
    assert pd.read_parquet(calls)["why"].tolist() == ["knows forgotten"]
    assert "still has them" in said[-1]


@pytest.mark.parametrize("ending", ["parquet", "xlsx"])
def test_a_damaged_file_is_told_in_one_line_and_nothing_changes(workspace, ending):
    damaged = workspace / "reports" / "2025-12-31" / "01_writes" / f"calls.{ending}"
    damaged.write_bytes(damaged.read_bytes()[:-9])
    before = contents(workspace / "reports")
    refused(
        bankmine(workspace, "privacy", "forget", "C0001", "--source", "demo"), "Nothing was forgotten", damaged.name
    )
    assert contents(workspace / "reports") == before


@pytest.mark.parametrize("named", [True, False])
def test_of_a_flat_table_the_column_of_keys_alone_tells_whom_the_source_has(tmp_path, monkeypatch, named):
    keep_apart(monkeypatch, tmp_path)
    source = tmp_path / "flat"
    source.mkdir()
    pd.DataFrame({"who": [5, 8], "age": [32, 5], "left": [1, 0]}).to_csv(source / "rows.csv", index=False)
    flat = {"file": "rows.csv", "target": "left", "positive": "1"} | ({"id": "who"} if named else {})
    told = {"path": str(source), "extracted_on": EXTRACTED_ON, "flat": flat}
    (source / "source.yml").write_text(yaml.safe_dump(told), "utf-8")
    calls = tmp_path / "reports" / "flat" / "2025-12-31" / "06_churn" / "calls.parquet"
    calls.parent.mkdir(parents=True)
    pd.DataFrame({"customer_id": [5, 8], "why": ["aged 32", "aged 5"]}).to_parquet(calls)
    with pytest.raises(BankmineError, match="No customer of this key is known"):
        forgotten("32", str(source), None, tmp_path / "reports")
    said = forgotten("5", str(source), None, tmp_path / "reports")
    assert pd.read_parquet(calls).to_numpy().tolist() == [[8, "aged 5"]]
    assert ("still has them (flat 1)" if named else "cannot be told") in said[-1]


def test_whom_a_state_alone_knows_is_forgotten(workspace, tmp_path):
    state = tmp_path / "state.sqlite"
    ledger = open_ledger(state)
    with ledger.commit():
        ledger.add(Transaction("T1", 1, 5.0, "C0009", "A9"))
    ledger.close()
    done = bankmine(workspace, "privacy", "forget", "C0009", "--source", "demo", "--state", state)
    assert done.code == 0, done.err
    assert "state: transactions 1" in done.out
    assert done.out.splitlines()[-1].endswith("has nothing of them any more: no run brings them back")
