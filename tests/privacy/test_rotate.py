"""Rotation: reports have the tokens of the new key everywhere, or those of the old one everywhere."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import fastexcel
import pandas as pd
import pytest
from pseudonyms import KEYS, keep_apart, key_file, write_bank
from runner_fixtures import contents

from bankmine.errors import BankmineError
from bankmine.privacy.keys import KEY, Key, find_key, read_key
from bankmine.privacy.sealing import is_sealed, read_sealed, sealed
from bankmine.privacy.tokens import CUSTOMER, TOKEN, token_of
from bankmine.report.files import claimed
from bankmine.stewardship import rotate as rotation
from bankmine.stewardship.forget import forgotten
from bankmine.stewardship.reveal import reveal
from bankmine.stewardship.unsealing import unseal

GONE = "gone from the bank"


@pytest.fixture
def hidden(tmp_path, monkeypatch) -> str:
    keep_apart(monkeypatch, tmp_path)
    _, place = write_bank(tmp_path)
    day = tmp_path / "reports" / "hidden" / "2025-12-31"
    (day / "06_churn").mkdir(parents=True)
    old = [token_of(find_key(), CUSTOMER, c) for c in ("0001", "0002", GONE)]
    frame = pd.DataFrame({"customer_id": old, "why": [f"as {old[1]}, twice", None, "x"], "n": [1.5, 2.5, None]})
    frame.to_parquet(day / "06_churn" / "calls.parquet", index=False)
    frame.to_excel(day / "06_churn" / "calls.xlsx", index=False)
    (day / "06_churn" / "own.bin").write_bytes(b"\xff\xfe\x00")
    (day / "06_churn.html").write_text(f"<td>{old[0]}</td> c0ffee")
    (day / "06_churn.ipynb").write_text(json.dumps({"text": f"list\n{old[0]}\n{old[2]}"}))
    sizes = {f"06_churn/{f.name}": f.stat().st_size for f in (day / "06_churn").iterdir()}
    told = {"report": "06_churn", "title": "t", "files": sizes, "findings": [], "of": old[1], "code": "x"}
    (day / "06_churn.json").write_text(json.dumps(told))
    return place


@pytest.fixture(autouse=True)
def no_index(monkeypatch):
    """The manifest above tells but what rotation needs; the index of real reports is tested with them."""
    monkeypatch.setattr(rotation, "refresh_index", lambda out: out)


def day(tmp_path: Path) -> Path:
    return tmp_path / "reports" / "hidden" / "2025-12-31"


def rotated(tmp_path: Path, hidden: str) -> list[str]:
    return rotation.rotate(hidden, key_file(tmp_path, KEYS[1]), tmp_path / "reports")


def test_tables_workbooks_pages_and_manifests_have_the_tokens_of_the_new_key(tmp_path, hidden):
    before = pd.read_parquet(day(tmp_path) / "06_churn" / "calls.parquet")
    said = rotated(tmp_path, hidden)
    new = read_key(tmp_path / "key-cd")
    first, second = (token_of(new, CUSTOMER, c) for c in ("0001", "0002"))
    gone = token_of(new, CUSTOMER, before["customer_id"][2])
    table = pd.read_parquet(day(tmp_path) / "06_churn" / "calls.parquet")
    assert table["customer_id"].tolist() == [first, second, gone]
    assert table["why"][0] == f"as {second}, twice"
    pd.testing.assert_frame_equal(table[["n"]], before[["n"]])
    book = fastexcel.read_excel(str(day(tmp_path) / "06_churn" / "calls.xlsx")).load_sheet(0).to_pandas()
    assert book["customer_id"].tolist() == [first, second, gone]
    assert (day(tmp_path) / "06_churn.html").read_text() == f"<td>{first}</td> c0ffee"
    assert TOKEN.findall((day(tmp_path) / "06_churn.ipynb").read_text()) == [first, gone]
    told = json.loads((day(tmp_path) / "06_churn.json").read_text())
    assert told["of"] == second
    assert all((day(tmp_path) / name).stat().st_size == size for name, size in told["files"].items())
    assert any(line.startswith("1 of them are of keys that the source has no more") for line in said)
    assert any("own.bin" in line for line in said)
    with pytest.raises(BankmineError, match=r"None of the 3 tokens .* Those that were rotated are of the new one"):
        rotation.rotate(hidden, key_file(tmp_path, "ef" * 32), tmp_path / "reports")


def seal(folder: Path, key: Key) -> None:
    """Encrypt what a report handed on, as a run does with a key, and tell its manifest."""
    for file in (folder / "06_churn").iterdir():
        file.write_bytes(sealed(file.read_bytes(), f"{folder.name}/06_churn/{file.name}", key))
    manifest = folder / "06_churn.json"
    told = json.loads(manifest.read_text())
    told["files"] = {name: (folder / name).stat().st_size for name in told["files"]}
    manifest.write_text(json.dumps(told))


def opened_by(folder: Path, key: str, monkeypatch) -> dict[str, bytes]:
    with monkeypatch.context() as other:
        other.setenv(KEY, key)
        return {file.name: read_sealed(file) for file in (folder / "06_churn").iterdir()}


def test_what_was_encrypted_is_so_by_the_new_key_with_its_tokens(tmp_path, hidden, monkeypatch):
    seal(day(tmp_path), find_key())
    said = rotated(tmp_path, hidden)
    new = read_key(tmp_path / "key-cd")
    assert all(is_sealed(f.read_bytes()) for f in (day(tmp_path) / "06_churn").iterdir())
    found = opened_by(day(tmp_path), KEYS[1], monkeypatch)
    table = pd.read_parquet(io.BytesIO(found["calls.parquet"]))
    first, second = (token_of(new, CUSTOMER, c) for c in ("0001", "0002"))
    assert table["customer_id"].tolist()[:2] == [first, second]
    book = fastexcel.read_excel(found["calls.xlsx"]).load_sheet(0).to_pandas()
    assert book["customer_id"].tolist()[:2] == [first, second]
    assert found["own.bin"] == b"\xff\xfe\x00"
    told = json.loads((day(tmp_path) / "06_churn.json").read_text())
    assert all((day(tmp_path) / name).stat().st_size == size for name, size in told["files"].items())
    assert f"3 encrypted files are encrypted by the key {new.name}" in said


def test_files_of_a_source_without_pseudonyms_are_encrypted_anew(tmp_path, hidden, monkeypatch):
    plain, folder = Path(hidden).with_name("plain"), tmp_path / "reports" / "plain" / "2025-12-31"
    shutil.copytree(day(tmp_path), folder)
    before = {f.name: f.read_bytes() for f in (folder / "06_churn").iterdir()}
    seal(folder, find_key())
    (page,) = folder.glob("*.html")
    shown, told = page.read_bytes(), json.loads((folder / "06_churn.json").read_text())
    sealed_before = contents(folder)
    monkeypatch.delenv(KEY)
    with pytest.raises(BankmineError, match="begins with the key in use, needs a key"):
        rotated(tmp_path, str(plain))
    monkeypatch.setenv(KEY, "ef" * 32)
    with pytest.raises(BankmineError, match=r"is encrypted with key .*, not with"):
        rotated(tmp_path, str(plain))
    assert {n: c for n, c in contents(folder).items() if n in sealed_before} == sealed_before
    monkeypatch.setenv(KEY, KEYS[0])
    assert any("a state of live scoring" in line for line in rotated(tmp_path, str(plain)))
    assert opened_by(folder, KEYS[1], monkeypatch) == before
    assert page.read_bytes() == shown
    assert json.loads((folder / "06_churn.json").read_text()) == told


def test_a_rotation_that_is_interrupted_leaves_all_as_it_was_or_is_finished(tmp_path, hidden, monkeypatch):
    before = contents(day(tmp_path))
    on_disk = rotation._on_disk

    def full(path: Path, content: bytes) -> None:
        if path.name.startswith("journal"):
            raise OSError(28, "No space left on device")
        on_disk(path, content)

    monkeypatch.setattr(rotation, "_on_disk", full)
    with pytest.raises(
        BankmineError, match=r"No space left on device\. Free some space, .* nothing was changed"
    ) as told:
        rotated(tmp_path, hidden)
    assert "--out" not in str(told.value)
    assert not (day(tmp_path).parent / ".rotation").exists()
    assert {n: c for n, c in contents(day(tmp_path)).items() if n in before} == before
    monkeypatch.setattr(rotation, "_on_disk", on_disk)
    replace, moved = Path.replace, []

    def killed(self: Path, target: Path) -> Path:
        if self.name.isdigit() and len(moved) == 2:
            raise KeyboardInterrupt
        moved.extend([target] * self.name.isdigit())
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        rotated(tmp_path, hidden)
    monkeypatch.setattr(Path, "replace", replace)
    rotated(tmp_path, hidden)
    old = {token_of(find_key(), CUSTOMER, c) for c in ("0001", "0002", GONE)}
    files = [f for f in day(tmp_path).rglob("*") if f.suffix in (".html", ".json", ".ipynb")]
    assert not old & {t for f in files for t in TOKEN.findall(f.read_text())}
    assert not (day(tmp_path).parent / ".rotation").exists()


def interrupt(tmp_path: Path, hidden: str, monkeypatch) -> None:
    """Rotate, and end as by `kill -9` when the first file is to move."""

    def killed(self: Path, target: Path) -> Path:
        if self.name.isdigit():
            raise KeyboardInterrupt
        return replace(self, target)

    with monkeypatch.context() as other:
        replace = Path.replace
        other.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            rotated(tmp_path, hidden)


def test_until_an_interrupted_rotation_is_finished_nothing_else_is_done_with_its_reports(tmp_path, hidden, monkeypatch):
    seal(day(tmp_path), find_key())
    interrupt(tmp_path, hidden, monkeypatch)
    before, listed = contents(tmp_path / "reports"), day(tmp_path) / "06_churn" / "calls.parquet"
    for refused in (
        lambda: forgotten("0001", hidden, None, tmp_path / "reports"),
        lambda: unseal(listed, tmp_path / "out.parquet"),
        lambda: reveal(listed, hidden, "calls", tmp_path / "out.xlsx"),
        lambda: claimed(day(tmp_path)).__enter__(),
        lambda: claimed(day(tmp_path).with_name("2026-01-31")).__enter__(),
    ):
        with pytest.raises(BankmineError, match=r"a rotation of keys was interrupted: run `bankmine privacy rotate …`"):
            refused()
    after = contents(tmp_path / "reports")
    assert {name: after[name] for name in before} == before
    rotated(tmp_path, hidden)
    monkeypatch.setenv(KEY, KEYS[1])
    unseal(listed, tmp_path / "out.parquet")
    with claimed(day(tmp_path)):
        pass


def test_an_interrupted_rotation_is_finished_to_its_own_key_alone(tmp_path, hidden, monkeypatch):
    seal(day(tmp_path), find_key())
    interrupt(tmp_path, hidden, monkeypatch)
    before, second = contents(tmp_path / "reports"), read_key(tmp_path / "key-cd").name
    with pytest.raises(BankmineError, match=f"a rotation to the key {second} was interrupted, .* Nothing was changed"):
        rotation.rotate(hidden, key_file(tmp_path, "ef" * 32), tmp_path / "reports")
    assert contents(tmp_path / "reports") == before
    monkeypatch.setenv(KEY, KEYS[1])  # as who believed that it was done
    assert f"finished is the rotation to the key {second} that was interrupted" in rotated(tmp_path, hidden)
    assert all(read_sealed(file) for file in (day(tmp_path) / "06_churn").iterdir())


def test_where_no_reports_of_the_source_are_the_key_stays(tmp_path, hidden):
    with pytest.raises(BankmineError, match="typo is no folder: give that of the reports with --reports"):
        rotation.rotate(hidden, key_file(tmp_path, KEYS[1]), tmp_path / "typo")
    said = rotation.rotate(hidden, key_file(tmp_path, KEYS[1]), tmp_path / "hidden")
    assert said == [
        f"{tmp_path / 'hidden' / 'hidden'} holds no reports of source hidden: nothing was done, and the key in use "
        "stays so"
    ]


def test_what_cannot_be_rotated_is_refused_in_one_line(tmp_path, hidden, monkeypatch):
    before = contents(day(tmp_path))
    with pytest.raises(BankmineError, match="holds the key in use already"):
        rotation.rotate(hidden, key_file(tmp_path, KEYS[0]), tmp_path / "reports")
    key_file(tmp_path, KEYS[1])
    monkeypatch.setenv(KEY, "ef" * 32)
    with pytest.raises(BankmineError, match="None of the 3 tokens"):
        rotation.rotate(hidden, tmp_path / "key-cd", tmp_path / "reports")
    monkeypatch.setenv(KEY, KEYS[0])
    (day(tmp_path) / "06_churn" / "calls.parquet").write_bytes(b"PAR1 broken")
    with pytest.raises(BankmineError, match=r"calls\.parquet cannot be read"):
        rotation.rotate(hidden, tmp_path / "key-cd", tmp_path / "reports")
    assert {n: c for n, c in contents(day(tmp_path)).items() if n in before and "calls.parquet" not in n} == {
        n: c for n, c in before.items() if "calls.parquet" not in n
    }
