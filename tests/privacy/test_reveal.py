"""Reveal: the bank's own keys for those who call, never without a reason, a line in the audit, or the right key."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import fastexcel
import pandas as pd
import pytest
from bank_fixtures import small_bank, write_csv
from pseudonyms import KEYS, keep_apart, list_columns, write_bank

from bankmine.errors import BankmineError
from bankmine.privacy import access
from bankmine.privacy.keys import KEY, find_key
from bankmine.privacy.sealing import sealed
from bankmine.privacy.tokens import ACCOUNT, CUSTOMER, token_of
from bankmine.stewardship.reveal import reveal
from bankmine.workspace import WORKSPACE

RETENTION = {"BANKMINE_ROLE": "retention", "BANKMINE_PURPOSE": "retention"}
FRAUD = {"BANKMINE_ROLE": "fraud_desk", "BANKMINE_PURPOSE": "fraud"}


@pytest.fixture
def hidden(tmp_path, monkeypatch) -> str:
    """A source with telephone numbers that its register keeps from all but the call centre."""
    keep_apart(monkeypatch, tmp_path)
    return bank_of(tmp_path, [True] * 6)


def bank_of(folder: Path, agreed: list[bool | None], **more: list[bool | None]) -> str:
    """Write a bank whose customers agreed to both, or say otherwise of one of the consents."""
    bank = small_bank()
    bank["customers"]["phone"] = [f"=1380000000{i}" for i in range(6)]
    consents = {"marketing_consent": agreed, "profiling_consent": agreed} | more
    bank["customers"] = bank["customers"].assign(**consents)
    _, place = write_bank(folder, bank)
    list_columns(place, "absent", "customers.phone", purposes=())
    return place


def act_as(monkeypatch: pytest.MonkeyPatch, actor: dict[str, str]) -> None:
    """Let the workspace's own roles hold, and act in one."""
    monkeypatch.setattr(access, "FILE", WORKSPACE / "data" / "access.yml")
    for name, value in actor.items():
        monkeypatch.setenv(name, value)


def listed(folder: Path, ending: str = ".parquet", tokens: list[str] | None = None, report: str = "06_churn") -> Path:
    """Write a list as a report hands it on."""
    file = folder / "reports" / "hidden" / "2025-12-31" / report / f"calls{ending}"
    file.parent.mkdir(parents=True, exist_ok=True)
    given = [token_of(find_key(), CUSTOMER, f"000{i}") for i in (3, 1)] if tokens is None else tokens
    frame = pd.DataFrame({"customer_id": given, "profit": range(len(given))})
    frame.to_parquet(file, index=False) if ending == ".parquet" else frame.to_excel(file, index=False)
    return file


@pytest.mark.parametrize("ending", [".parquet", ".xlsx"])
def test_a_list_is_revealed_with_how_to_reach_its_customers_alone(tmp_path, hidden, ending):
    out = tmp_path / "calls.xlsx"
    assert reveal(listed(tmp_path, ending), hidden, "calls of January", out) == (2, 0)
    found = fastexcel.read_excel(str(out)).load_sheet(0, dtypes="string").to_pandas()
    assert found["customer_id"].tolist() == ["0003", "0001"]
    assert found["phone"].tolist() == ["=13800000002", "=13800000000"]
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    told = (tmp_path / "audit.jsonl").read_text("utf-8")
    assert "revealed" in told
    assert "calls of January" in told
    assert "0003" not in told
    assert "1380000" not in told


def test_an_encrypted_list_is_revealed(tmp_path, hidden, monkeypatch):
    file = listed(tmp_path)
    file.write_bytes(sealed(file.read_bytes(), "/".join(file.parts[-3:]), find_key()))
    assert reveal(file, hidden, "calls of January", tmp_path / "calls.xlsx") == (2, 0)
    monkeypatch.setenv(KEY, KEYS[1])
    with pytest.raises(BankmineError, match="is encrypted with key"):
        reveal(file, hidden, "calls of January", tmp_path / "again.xlsx")


def shown(out: Path) -> list[str]:
    return fastexcel.read_excel(str(out)).load_sheet(0, dtypes="string").to_pandas()["customer_id"].tolist()


@pytest.mark.parametrize("actor", [{}, RETENTION, RETENTION | {"BANKMINE_PURPOSE": "marketing"}])
def test_only_who_agrees_today_is_revealed_for_calls(tmp_path, monkeypatch, actor):
    keep_apart(monkeypatch, tmp_path)
    place = bank_of(tmp_path, [True] * 6, profiling_consent=[True, True, False, None, True, True])
    every = [token_of(find_key(), CUSTOMER, f"000{i}") for i in (4, 3, 2, 1)]
    if actor:
        act_as(monkeypatch, actor)
    out = tmp_path / "calls.xlsx"
    assert reveal(listed(tmp_path, tokens=every), place, "calls", out) == (2, 2)
    assert shown(out) == ["0002", "0001"]
    (told,) = [t for t in map(json.loads, (tmp_path / "audit.jsonl").open()) if t["event"] == "revealed"]
    assert (told["told"]["rows"], told["told"]["left_out"]) == (2, 2)


def test_a_list_of_fraud_is_revealed_whoever_agreed(tmp_path, monkeypatch):
    keep_apart(monkeypatch, tmp_path)
    place = bank_of(tmp_path, [False] * 6)
    act_as(monkeypatch, FRAUD)
    assert reveal(listed(tmp_path, report="08_fraud"), place, "payments", tmp_path / "calls.xlsx") == (2, 0)


def test_a_list_of_a_report_that_the_role_may_not_run_is_not_revealed(tmp_path, hidden, monkeypatch):
    out, file = tmp_path / "calls.xlsx", listed(tmp_path)
    act_as(monkeypatch, FRAUD)
    with pytest.raises(BankmineError, match=r"Role fraud_desk may not reveal what 06_churn handed on: .*access\.yml"):
        reveal(file, hidden, "calls", out)
    copied = tmp_path / "calls.parquet"
    copied.write_bytes(sealed(file.read_bytes(), "/".join(file.parts[-3:]), find_key()))
    with pytest.raises(BankmineError, match="may not reveal what 06_churn handed on"):
        reveal(copied, hidden, "calls", out)
    assert not out.exists()


def test_a_list_that_lies_outside_reports_is_revealed_beside_it(tmp_path, hidden):
    near = tmp_path / "calls.parquet"
    near.write_bytes(listed(tmp_path).read_bytes())
    assert reveal(near, hidden, "calls", tmp_path / "calls.xlsx") == (2, 0)


def test_who_is_told_twice_and_said_no_once_has_not_agreed(tmp_path, monkeypatch):
    keep_apart(monkeypatch, tmp_path)
    place = bank_of(tmp_path, [True] * 6)
    file = tmp_path / "data" / "customers.csv"
    told = pd.read_csv(file, dtype=str)
    twice = told[told["customer_id"] == "0003"].assign(profiling_consent="false")
    pd.concat([told, twice]).to_csv(file, index=False)
    assert reveal(listed(tmp_path), place, "calls", tmp_path / "calls.xlsx") == (1, 1)


def test_where_nobody_can_tell_who_agreed_nothing_is_revealed(tmp_path, monkeypatch):
    keep_apart(monkeypatch, tmp_path)
    place = bank_of(tmp_path, [True] * 6)
    out, accounts = tmp_path / "calls.xlsx", [token_of(find_key(), ACCOUNT, "A1")]
    file = listed(tmp_path)
    pd.DataFrame({"account_id": accounts}).to_parquet(file, index=False)
    with pytest.raises(BankmineError, match=r"has no column of customers, and those who are contacted must have given"):
        reveal(file, place, "calls", out)
    write_csv(small_bank(), tmp_path / "data")  # with no profiling_consent
    with pytest.raises(BankmineError, match=r"has no profiling_consent of customers, .* nothing is revealed"):
        reveal(listed(tmp_path), place, "calls", out)
    assert not out.exists()


WRONG = {
    "no reason": ({"reason": " "}, "Say with --reason"),
    "token of nobody": ({"tokens": ["c" + "0" * 20]}, "1 tokens of .* Is BANKMINE_KEY_FILE the key"),
    "no token": ({"tokens": ["0001"]}, "has no column of tokens"),
    "another key": ({"key": KEYS[1]}, "2 tokens of .* nothing is revealed"),
    "among reports": ({"out": "reports/hidden/calls.xlsx"}, "lies in the project or among reports"),
    "among reports of all sources": ({"out": "reports/calls.xlsx"}, "lies in the project or among reports"),
    "no workbook": ({"out": "calls.csv"}, "must end in .xlsx"),
    "audit that cannot be written": ({"audit": "nowhere.jsonl"}, "nowhere.jsonl"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_may_not_be_revealed_is_refused_in_one_line(tmp_path, hidden, monkeypatch, what):
    given, said = WRONG[what]
    file, out = listed(tmp_path, tokens=given.get("tokens")), tmp_path / given.get("out", "calls.xlsx")
    if "key" in given:
        monkeypatch.setenv(KEY, given["key"])
    if "audit" in given:
        (tmp_path / given["audit"]).mkdir()
        monkeypatch.setenv("BANKMINE_AUDIT", str(tmp_path / given["audit"]))
    with pytest.raises(BankmineError, match=said) as refused:
        reveal(file, hidden, given.get("reason", "calls"), out)
    assert "\n" not in str(refused.value)
    assert not out.exists()


def test_a_source_without_pseudonyms_has_nothing_to_reveal(tmp_path, hidden):
    with pytest.raises(BankmineError, match="has no tokens"):
        reveal(listed(tmp_path), str(Path(hidden).with_name("plain")), "calls", tmp_path / "calls.xlsx")
