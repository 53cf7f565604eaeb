"""A small bank whose keys become tokens, beside the same bank without."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml
from bank_fixtures import EXTRACTED_ON, small_bank, write_csv

from bankmine.bank import cache
from bankmine.privacy.keys import KEY, KEY_FILE

OWN = {"customer_id": "C", "account_id": "A"}
KEYS = ("ab" * 32, "cd" * 32)


def write_bank(folder: Path, bank: dict[str, pd.DataFrame] | None = None, **told: object) -> tuple[str, str]:
    """Write a bank, and describe it twice: without pseudonyms, and with; `told` is of both."""
    data = write_csv(small_bank() if bank is None else bank, folder / "data")
    for name, pseudonyms in (("plain", False), ("hidden", True)):
        (folder / name).mkdir()
        content = {"path": str(data), "extracted_on": EXTRACTED_ON, "pseudonyms": pseudonyms} | told
        (folder / name / "source.yml").write_text(yaml.safe_dump(content), "utf-8")
    return str(folder / "plain"), str(folder / "hidden")


def list_columns(folder: str | Path, masking: str, *columns: str, purposes: tuple[str, ...] = ("retention",)) -> None:
    """List further columns of a source in a register of its own."""
    group = {"id": "own", "kind": "personal", "masking": masking, "purposes": [*purposes], "retention": 5}
    (Path(folder) / "privacy.yml").write_text(
        yaml.safe_dump({"columns": [group | {"columns": list(columns)}]}), "utf-8"
    )


def keep_apart(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Set a key, and let all that is kept and recorded lie in a folder of the test."""
    monkeypatch.setenv(KEY, KEYS[0])
    monkeypatch.delenv(KEY_FILE, raising=False)
    monkeypatch.setenv(cache.FOLDER, str(folder / "cache"))
    monkeypatch.setenv("BANKMINE_AUDIT", str(folder / "audit.jsonl"))


def key_file(folder: Path, key: str) -> Path:
    """Write a key into a file of mode 0600."""
    file = folder / f"key-{key[:2]}"
    file.touch(0o600)
    file.write_text(key, "ascii")
    return file
