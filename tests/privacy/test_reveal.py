"""Reveal: the bank's own keys for those who call, never without a reason, a line in the audit, or the right key."""

from __future__ import annotations

import stat
from pathlib import Path

import fastexcel
import pandas as pd
import pytest
from bank_fixtures import small_bank
from pseudonyms import KEYS, keep_apart, list_columns, write_bank

from bankmine.errors import BankmineError
from bankmine.privacy.keys import KEY, find_key
from bankmine.privacy.sealing import sealed
from bankmine.privacy.tokens import CUSTOMER, token_of
from bankmine.stewardship.reveal import reveal


@pytest.fixture
def hidden(tmp_path, monkeypatch) -> str:
    """A source with telephone numbers that its register keeps from all but the call centre."""
    keep_apart(monkeypatch, tmp_path)
    bank = small_bank()
    bank["customers"]["phone"] = [f"=1380000000{i}" for i in range(6)]
    _, place = write_bank(tmp_path, bank)
    list_columns(place, "absent", "customers.phone", purposes=())
    return place


def listed(folder: Path, ending: str = ".parquet", tokens: list[str] | None = None) -> Path:
    """Write a list as a report hands it on."""
    file = folder / "reports" / "hidden" / "2025-12-31" / "06_churn" / f"calls{ending}"
    file.parent.mkdir(parents=True, exist_ok=True)
    given = [token_of(find_key(), CUSTOMER, f"000{i}") for i in (3, 1)] if tokens is None else tokens
    frame = pd.DataFrame({"customer_id": given, "profit": range(len(given))})
    frame.to_parquet(file, index=False) if ending == ".parquet" else frame.to_excel(file, index=False)
    return file


@pytest.mark.parametrize("ending", [".parquet", ".xlsx"])
def test_a_list_is_revealed_with_how_to_reach_its_customers_alone(tmp_path, hidden, ending):
    out = tmp_path / "calls.xlsx"
    assert reveal(listed(tmp_path, ending), hidden, "calls of January", out) == 2
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
    assert reveal(file, hidden, "calls of January", tmp_path / "calls.xlsx") == 2
    monkeypatch.setenv(KEY, KEYS[1])
    with pytest.raises(BankmineError, match="is encrypted with key"):
        reveal(file, hidden, "calls of January", tmp_path / "again.xlsx")


WRONG = {
    "no reason": ({"reason": " "}, "Say with --reason"),
    "token of nobody": ({"tokens": ["c" + "0" * 20]}, "1 tokens of .* Is BANKMINE_KEY_FILE the key"),
    "no token": ({"tokens": ["0001"]}, "has no column of tokens"),
    "another key": ({"key": KEYS[1]}, "2 tokens of .* nothing is revealed"),
    "among reports": ({"out": "reports/hidden/calls.xlsx"}, "lies in the project or among reports"),
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
