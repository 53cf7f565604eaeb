"""Tokens in place of keys: HMAC as the standard library has it, the same everywhere, and nothing else moves."""

from __future__ import annotations

import hashlib
import hmac
import json
import re

import ibis
import pandas as pd
import pytest
import yaml
from bank_fixtures import AS_OF, CORE, small_bank, write_parquet
from pseudonyms import KEYS, list_columns, write_bank

from bankmine.bank import cache
from bankmine.bank.contract import TABLES
from bankmine.bank.flat import open_flat
from bankmine.bank.pseudonyms import parts_of
from bankmine.bank.snapshot import open_source, read_source
from bankmine.bank.sources import find_source
from bankmine.errors import BankmineError
from bankmine.features.customers import features
from bankmine.privacy import register, tokens
from bankmine.privacy.keys import KEY, KEY_FILE, find_key

KEYS_OF = {"customer_id", "account_id", "from_id", "to_id", "staff_id", "counterparty", "device_id"}


@pytest.fixture(autouse=True)
def key(monkeypatch, tmp_path):
    monkeypatch.setenv(KEY, KEYS[0])
    monkeypatch.delenv(KEY_FILE, raising=False)
    monkeypatch.setenv(cache.FOLDER, str(tmp_path / "cache"))
    return find_key()


def with_ends(bank: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Let money go to an account of the bank, to one elsewhere and nowhere, from devices."""
    rows = bank["transactions"]
    rows["counterparty"] = ["A2", "elsewhere", None] * (len(rows) // 3) + [None] * (len(rows) % 3)
    rows["device_id"] = ["phone 1", None] * (len(rows) // 2)
    return bank


def test_tokens_are_the_hmac_of_the_standard_library(key):
    texts = ["C1", "张伟", "'; DROP TABLE x; --", " ", "0" * 200]
    con = ibis.duckdb.connect()
    rows = con.create_table("given", {"key": [*texts, "C1", None]})
    found = tokens.mapped(rows, tokens.CUSTOMER, key).to_pandas().set_index("key")["token"]
    secret = key.of("tokens customer")
    assert found.to_dict() == {
        t: "c" + hmac.new(secret, t.encode(), hashlib.sha256).hexdigest()[: tokens.DIGITS] for t in texts
    }
    assert all(tokens.token_of(key, tokens.CUSTOMER, t) == found[t] and tokens.TOKEN.fullmatch(found[t]) for t in texts)
    assert tokens.token_of(key, tokens.ACCOUNT, "C1")[1:] != found["C1"][1:]


def test_two_keys_with_one_token_are_refused(key, monkeypatch, tmp_path):
    _, hidden = write_bank(tmp_path)
    monkeypatch.setattr(tokens, "DIGITS", 1)
    con = ibis.duckdb.connect()
    rows = con.create_table("given", {"key": [f"C{i}" for i in range(17)]})
    with pytest.raises(BankmineError, match=r"^\d+ of 17 keys \(customer\) have the same token .* make another key"):
        tokens.mapped(rows, tokens.CUSTOMER, key)
    with pytest.raises(BankmineError, match="have the same token"):
        _ = open_source(hidden).tables


def test_tables_are_the_same_but_for_their_keys(tmp_path, key):
    plain, hidden = (open_source(place).as_of(AS_OF) for place in write_bank(tmp_path, with_ends(small_bank())))
    assert hidden.tables.keys() == plain.tables.keys()
    for name, rows in plain.tables.items():
        parts = parts_of(hidden.source, name, rows.columns)
        assert set(parts.keys) == KEYS_OF & set(rows.columns)
        told = rows.drop(parts.out).to_pandas()
        for column, domain in parts.keys.items():
            told[column] = [v if pd.isna(v) else tokens.token_of(key, domain, v) for v in told[column]]
        found = hidden.tables[name].to_pandas()
        order = [*TABLES[name].key] or list(told.columns)
        both = [frame.sort_values(order).reset_index(drop=True) for frame in (told, found)]
        pd.testing.assert_frame_equal(*both)
        assert hidden.checks[name].kept == plain.checks[name].kept
    flows = hidden.transactions.filter(hidden.transactions.counterparty.notnull())
    met = flows.semi_join(hidden.accounts, flows.counterparty == hidden.accounts.account_id)
    assert met.count().to_pyarrow().as_py() == 24  # money that flows to the bank's own accounts is seen to


def test_features_are_the_same_for_the_same_customers(tmp_path, key):
    opened = [open_source(place).as_of(AS_OF) for place in write_bank(tmp_path, with_ends(small_bank()))]
    plain, hidden = (features(snapshot).to_pandas() for snapshot in opened)
    plain["customer_id"] = [tokens.token_of(key, tokens.CUSTOMER, c) for c in plain["customer_id"]]
    plain, hidden = (frame.sort_values("customer_id").reset_index(drop=True) for frame in (plain, hidden))
    assert len(plain) == 6
    pd.testing.assert_frame_equal(hidden, plain)


def test_no_key_of_the_bank_and_no_name_gets_in(tmp_path):
    bank = with_ends(small_bank())
    bank["transactions"] = bank["transactions"]._append(bank["transactions"].iloc[-1], ignore_index=True)
    bank["transactions"].loc[[0, 1], "account_id"] = ["6.22216E+15", "NOBODY77"]
    bank["customers"]["name"], bank["customers"]["card_no"] = "王小明", [f"6222{i}" for i in range(6)]
    _, hidden = write_bank(tmp_path, bank)
    list_columns(hidden, "token", "customers.card_no")
    snapshot = open_source(hidden).as_of("2025-12-31")
    told = snapshot.violations().drop(columns="meaning")  # which shows what such keys look like
    assert set(told["rule"]) >= {"lost_digits", "unknown_parent", "duplicate_key"}
    words = told.to_csv() + repr([c.remarks for c in snapshot.checks.values()])
    for tables in (snapshot.tables, snapshot.delivered):
        words += "".join(rows.to_pandas().to_csv() for rows in tables.values())
    words += str(snapshot._repr_mimebundle_())
    assert not re.search(r"NOBODY77|6\.22216|\b000\d\b|\bA[1-9]\b|王小明|VIP|phone 1|elsewhere|6222\d|\bE1\b", words)
    kept = [f.read_bytes() for f in (tmp_path / "cache").rglob("*") if f.is_file()]
    assert sum(map(len, kept)) > 10_000
    assert not any(word.encode() in content for content in kept for word in ("NOBODY77", "王小明", "customer_id"))
    assert "***" in told["examples"].astype(str).sum()
    assert snapshot.lacking("customers.name", "feedback.text", "customers.card_no") == [
        "customers.name",
        "feedback.text",
    ]
    assert snapshot.customers.card_no.to_pandas().str.fullmatch(r"k[0-9a-f]{20}").all()
    assert any("name: left out" in r or "note, name: left out" in r for r in snapshot.checks["customers"].remarks)


def test_what_is_kept_for_one_key_is_not_found_by_another(tmp_path, monkeypatch):
    plain, hidden = write_bank(tmp_path)
    first = set(open_source(hidden).as_of(AS_OF).customers.customer_id.to_pandas())
    assert set(open_source(hidden).as_of(AS_OF).customers.customer_id.to_pandas()) == first
    monkeypatch.setenv(KEY, KEYS[1])
    second = set(open_source(hidden).as_of(AS_OF).customers.customer_id.to_pandas())
    assert len(first) == len(second) == 6
    assert not first & second
    assert find_source(hidden).reads != find_source(plain).reads
    list_columns(hidden, "none", "customers.note")  # a register that says otherwise is another way to read
    assert open_source(hidden).as_of(AS_OF).has("customers.note")


def test_without_a_key_nothing_is_opened(tmp_path, monkeypatch):
    _, hidden = write_bank(tmp_path)
    for file in (tmp_path / "data").iterdir():
        file.unlink()
    monkeypatch.delenv(KEY)
    with pytest.raises(
        BankmineError, match=r"Source hidden, of which .* needs a key: make one with `bankmine privacy key"
    ):
        read_source(hidden)
    monkeypatch.setenv(KEY, "ab")
    with pytest.raises(BankmineError, match="BANKMINE_KEY holds no key"):
        read_source(hidden)


def test_spark_refuses_pseudonyms(tmp_path):
    write_parquet(small_bank(*CORE), tmp_path)
    (tmp_path / "source.yml").write_text("pseudonyms: true\n")
    with pytest.raises(BankmineError, match="pseudonyms are made by the engine duckdb alone, not spark"):
        read_source(str(tmp_path), "spark")


def flat_source(folder, pseudonyms: bool = True, **frame: object) -> str:
    folder.mkdir()
    rows = {
        "cust": [f"C{i}" for i in range(80)],
        "x": [i // 2 for i in range(80)],
        "name": [f"n{i}" for i in range(80)],
    }
    rows |= {"account_id": [f"A{i}" for i in range(80)], "y": [0, 1] * 40}
    pd.DataFrame(rows | frame).to_csv(folder / "t.csv", index=False)
    told = {"flat": {"file": "t.csv", "target": "y"}, "pseudonyms": pseudonyms}
    (folder / "source.yml").write_text(yaml.safe_dump(told))
    return str(folder)


def test_ids_of_a_flat_table_become_tokens(tmp_path, key):
    place = flat_source(tmp_path / "flat")
    list_columns(place, "none", "flat.x")
    flat = open_flat(place, id="cust")
    assert flat.entity.tolist() == [tokens.token_of(key, tokens.CUSTOMER, f"C{i}") for i in range(80)]
    assert flat.predictors["x"].tolist() == [i // 2 for i in range(80)]  # rows stay in the order of the file
    assert list(flat.predictors) == ["x"]
    assert flat.rows.texts("name").isna().all()
    assert "name, account_id: left out, as keys are pseudonyms" in flat.remarks
    list_columns(place, "token", "flat.account_id")
    with pytest.raises(BankmineError, match="no column to learn from"):
        open_flat(place, id="cust")
    list_columns(place, "token", "flat.account_id", "flat.x")
    assert open_flat(place, id="cust").rows.texts("account_id")[3] == tokens.token_of(key, tokens.ACCOUNT, "A3")


def test_ids_that_lost_digits_are_refused_without_being_shown(tmp_path, monkeypatch):
    place = flat_source(tmp_path / "flat", cust=["6.22216E+15"] * 80)
    with pytest.raises(BankmineError, match=r"cust: 80 keys lost digits .* export it as text") as refused:
        open_flat(place, id="cust")
    assert "6.22" not in str(refused.value)
    monkeypatch.delenv(KEY)
    with pytest.raises(BankmineError, match="needs a key"):
        open_flat(place, id="cust")


def test_a_token_is_found_in_the_text_of_a_notebook(key):
    token = tokens.token_of(key, tokens.CUSTOMER, "C1")
    for text in (json.dumps(f"list\n{token}\t1"), f"<td>{token}</td>", f"{token}", json.dumps(f"名{token}")[:-1] + "'"):
        found = tokens.TOKEN.findall(text)
        assert found == [token] or "名" in text
    assert not tokens.TOKEN.search(f"{token}0")
    assert not tokens.TOKEN.search(f"x{token}")


def test_a_contract_that_is_not_classified_is_refused(tmp_path, monkeypatch):
    _, hidden = write_bank(tmp_path)
    text = register.FILE.read_text("utf-8").replace("      - accounts.customer_id\n", "")
    (tmp_path / "privacy.yml").write_text(text, "utf-8")
    monkeypatch.setattr(register, "FILE", tmp_path / "privacy.yml")
    with pytest.raises(BankmineError, match=r"does not list accounts\.customer_id: add it"):
        open_source(hidden)
