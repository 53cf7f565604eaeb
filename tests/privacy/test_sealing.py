"""What is kept and handed on says nothing without the key, and with it nothing but what was written."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from bank_fixtures import AS_OF, CORE, rows_of, small_bank, write_source

from bankmine.bank import cache
from bankmine.bank.kept import kept_frame
from bankmine.bank.snapshot import open_source
from bankmine.errors import BankmineError
from bankmine.live.ledger import faults, open_ledger
from bankmine.privacy.keys import KEY, KEY_FILE, Key, find_key, make_key
from bankmine.privacy.sealing import is_sealed, read_sealed, resealed, sealed, unsealed

ABOUT = "2025-12-31/06_churn/calls.json"


@pytest.fixture
def key(tmp_path, monkeypatch) -> Key:
    """A key that the environment names."""
    made = make_key(tmp_path / "key")
    monkeypatch.setenv(KEY_FILE, str(tmp_path / "key"))
    return made


def test_every_byte_counts(key):
    content = sealed(b"the list", ABOUT, key)
    assert b"the list" not in content
    assert unsealed(content, "it", ABOUT, key) == b"the list"
    for place in range(len(content)):
        other = bytearray(content)
        other[place] ^= 1
        for spoilt in (bytes(other), content[:place]):
            with pytest.raises(BankmineError, match=r"^it "):
                unsealed(spoilt, "it", ABOUT, key)


def test_a_file_is_of_one_key_and_one_place(key, tmp_path, monkeypatch):
    place = tmp_path / ABOUT
    place.parent.mkdir(parents=True)
    place.write_bytes(sealed(b"the list", ABOUT, key))
    assert read_sealed(place) == b"the list"
    other = place.with_name("others.json")
    other.write_bytes(place.read_bytes())
    with pytest.raises(BankmineError, match="another file, which was put in its place"):
        read_sealed(other)
    other.unlink()
    make_key(tmp_path / "another")
    monkeypatch.setenv(KEY_FILE, str(tmp_path / "another"))
    with pytest.raises(BankmineError, match=f"with key {key.name}, not with"):
        read_sealed(place)
    monkeypatch.delenv(KEY_FILE)
    with pytest.raises(BankmineError, match=f"encrypted with key {key.name}: set {KEY_FILE}"):
        read_sealed(place)


def test_what_takes_the_place_of_a_file_is_encrypted_as_it_is(key, tmp_path):
    place, new = tmp_path / "reports" / ABOUT, Key(b"n" * 32)
    place.parent.mkdir(parents=True)
    place.write_bytes(sealed(b"the list", ABOUT, key))
    size = place.stat().st_size
    again = resealed(place, b"the list", new)
    assert len(again) == size  # as its manifest tells
    assert unsealed(again, place, ABOUT, new) == b"the list"
    place.write_bytes(b"in the clear")
    assert resealed(place, b"the list", new) == b"the list"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A cache of the test's own."""
    monkeypatch.setenv(cache.FOLDER, str(tmp_path / "cache"))
    return tmp_path / "cache"


def told(source: str) -> dict:
    return {n: sorted(rows_of(t), key=str) for n, t in open_source(source).as_of(AS_OF).tables.items()}


def test_a_cache_is_the_same_with_a_key_and_tells_nothing_without(tmp_path, place, monkeypatch):
    source = str(write_source(tmp_path / "bank", small_bank(*CORE)))
    clear = told(source)
    before = set(place.glob("*/*"))
    make_key(tmp_path / "key")
    monkeypatch.setenv(KEY_FILE, str(tmp_path / "key"))
    assert told(source) == told(source) == clear
    files = set(place.glob("*/*")) - before
    assert {f.name for f in files} >= {"about.json", "checks.json", "transactions.parquet"}
    for file in files:
        content = file.read_bytes()
        assert is_sealed(content) or content.startswith(b"PARE")


def test_a_cache_that_was_altered_is_made_anew(key, place):
    frame, made = pd.DataFrame({"customer": ["Zhang"]}), []

    def make() -> pd.DataFrame:
        made.append(1)
        return frame

    found = [kept_frame("a" * 64, "a frame", make) for _ in range(2)]
    assert len(made) == 1
    assert found[1].equals(frame)
    (file,) = place.glob("*/frame.arrow")
    content = file.read_bytes()
    assert b"Zhang" not in content
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert kept_frame("a" * 64, "a frame", make).equals(frame)
    assert len(made) == 2
    about = {"what": "planted", "files": {}}
    file.with_name("about.json").write_text(json.dumps(about), "utf-8")
    assert kept_frame("a" * 64, "a frame", make).equals(frame)
    assert len(made) == 3


def test_a_state_is_of_its_key(key, tmp_path, monkeypatch):
    state, clear = tmp_path / "state", tmp_path / "clear"
    open_ledger(state).close()
    open_ledger(state).close()
    assert b"transactions" not in state.read_bytes()
    with monkeypatch.context() as other:
        make_key(tmp_path / "another")
        other.setenv(KEY_FILE, str(tmp_path / "another"))
        with pytest.raises(BankmineError, match=f"is encrypted with key {key.name}"):
            open_ledger(state)
        other.delenv(KEY_FILE)
        with pytest.raises(BankmineError, match=f"is encrypted with key {key.name}"):
            open_ledger(state)
        open_ledger(clear).close()
    with pytest.raises(BankmineError, match="is not encrypted, but a key is set"):
        open_ledger(clear)
    state.write_bytes(state.read_bytes()[:5000] + b"x" + state.read_bytes()[5001:])
    with pytest.raises(BankmineError, match="is damaged"), faults(state):
        open_ledger(state).rows("SELECT * FROM transactions, labels, accounts")


@pytest.mark.parametrize("name", [KEY, KEY_FILE])
def test_a_key_that_is_set_to_nothing_is_refused_as_nothing_would_be_encrypted(name, monkeypatch):
    for variable in (KEY, KEY_FILE):
        monkeypatch.delenv(variable, raising=False)
    assert find_key() is None
    monkeypatch.setenv(name, " ")
    with pytest.raises(BankmineError, match=f"^{name} is set to nothing"):
        find_key()
