"""Scoring with tokens: a state of a source with pseudonyms answers as one without, and nothing raw gets into it."""

from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from live_stream import NOW, WARM, Stream
from once import once_a_run
from pseudonyms import KEYS

from bankmine.bank import cache
from bankmine.bank.snapshot import open_source
from bankmine.errors import BankmineError
from bankmine.live.command import answer_all
from bankmine.live.ledger import Ledger, open_ledger
from bankmine.live.scorer import Scorer
from bankmine.live.warm_up import warm_up
from bankmine.privacy import keys, tokens
from bankmine.topics.fraud.measures import KINDS

LINES = 400
OWN = ("account_id", "counterparty", "device_id")


def warmed_up(folder: Path, bank: Path) -> None:
    """Write a state that is warmed up from a bank with pseudonyms."""
    folder.mkdir()
    (folder / "source.yml").write_text(yaml.safe_dump({"path": str(bank), "pseudonyms": True}), "utf-8")
    ledger = open_ledger(folder / "warm.sqlite")
    warm_up(ledger, open_source(str(folder)).as_of(WARM), KINDS)
    ledger.close()


@pytest.fixture
def state(small_bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state with tokens, and the key that is set."""
    monkeypatch.setenv(keys.KEY, KEYS[0])
    monkeypatch.delenv(keys.KEY_FILE, raising=False)
    monkeypatch.setenv(cache.FOLDER, str(tmp_path / "cache"))
    made = once_a_run("state with tokens", lambda folder: warmed_up(folder, small_bank))
    return Path(shutil.copy(made / "warm.sqlite", tmp_path / "state.sqlite"))


def answers(ledger: Ledger, stream: Stream, lines: list[str]) -> list[dict]:
    out = io.BytesIO()
    answer_all(Scorer(ledger, stream.model, lambda: NOW), io.BytesIO("\n".join(lines).encode()), out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def told(ledger: Ledger) -> set[str]:
    """All that a state holds, in the clear."""
    tables = ledger.rows("SELECT name FROM sqlite_schema WHERE type = 'table'")
    return {str(value) for (table,) in tables for row in ledger.rows(f"SELECT * FROM {table}") for value in row}


def test_scores_are_the_same_and_nothing_raw_is_kept(stream, state, tmp_path, monkeypatch):
    lines = stream.lines[:LINES]
    hidden = open_ledger(state)
    found = answers(hidden, stream, lines)
    kept = told(hidden)
    hidden.close()
    key = keys.find_key()
    monkeypatch.delenv(keys.KEY)
    (tmp_path / "plain").mkdir()
    plain = open_ledger(stream.ledger(tmp_path / "plain"))
    assert found == answers(plain, stream, lines)
    assert sum("score" in one for one in found) > 300
    assert any("label" in one for one in found)
    messages = [json.loads(line) for line in lines]
    raw = {m[name] for m in messages for name in OWN if m.get(name)}
    raw |= {value for row in plain.rows("SELECT account, customer FROM accounts") for value in row}
    assert raw < told(plain)
    plain.close()
    assert len(raw) > 1_000
    assert not raw & kept
    assert not re.search(r"\b[ACDX][0-9]{6,}", "\n".join(kept))  # nor within answers
    assert {tokens.token_of(key, tokens.ACCOUNT, m["account_id"]) for m in messages if "account_id" in m} < kept
    content = b"".join(f.read_bytes() for f in tmp_path.glob("state.sqlite*"))
    assert len(content) > 100_000
    assert not re.search(rb"[A-Z][0-9]{7}", content)


@pytest.mark.parametrize("key", [None, KEYS[1]])
def test_no_key_and_a_wrong_one_are_refused(state, monkeypatch, key):
    name, before = keys.find_key().name, state.read_bytes()
    monkeypatch.delenv(keys.KEY)
    if key:
        monkeypatch.setenv(keys.KEY, key)
    with pytest.raises(BankmineError, match=rf"^The state .* is encrypted with key {name}: set BANKMINE_KEY_FILE.*"):
        open_ledger(state)
    assert state.read_bytes() == before
