"""The audit: a chain that shows whatever is done to it, whole lines only, and nothing opened that it cannot tell of."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from bank_fixtures import AS_OF, CORE, small_bank, write_source
from hypothesis import given
from hypothesis import strategies as st
from runner_fixtures import bankmine, contents, make_workspace, unprivileged

from bankmine.bank.snapshot import open_source
from bankmine.errors import BankmineError
from bankmine.privacy import audit, keys
from bankmine.stewardship.audit_check import checked

COUNT = 9
FULL = """
import resource, signal
from bankmine.bank.snapshot import open_source
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room}))
open_source({source!r}).as_of({day!r})
print("opened")
"""
WRITES = """
import pandas as pd
from bankmine.bank.snapshot import open_source
from bankmine.report.handed_on import write_table
snapshot = open_source(source).as_of(as_of)
write_table(pd.DataFrame({"note": ["rich", "poor"]}, index=["0001", "0002"]), "groups", snapshot)
"""


@pytest.fixture
def file(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv(audit.FILE, str(tmp_path / "audit.jsonl"))
    return tmp_path / "audit.jsonl"


@pytest.fixture(scope="session")
def chain(tmp_path_factory) -> tuple[list[bytes], Path]:
    """Lines of a whole chain, and a folder to alter them in."""
    folder = tmp_path_factory.mktemp("chain")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(audit.FILE, str(folder / "audit.jsonl"))
        for i in range(COUNT):
            audit.record("opened", source="demo", tables={"customers": {"rows": i, "columns": ["age"]}})
    return (folder / "audit.jsonl").read_bytes().splitlines(keepends=True), folder


def fault(lines: list[bytes], folder: Path) -> str:
    (folder / "other.jsonl").write_bytes(b"".join(lines))
    return audit.verify(folder / "other.jsonl").fault


def rehashed(line: bytes, **other: object) -> bytes:
    """A line that a forger wrote: with other content, and the hash that belongs to it."""
    told = json.loads(line) | other
    return audit._text(told | {"hash": audit._hash(told)}) + b"\n"


def test_a_line_tells_who_what_and_when_in_a_file_of_its_owner_alone(file, monkeypatch):
    monkeypatch.setenv(audit.ROLE, "analyst")
    monkeypatch.setenv(audit.PURPOSE, "risk")
    head = audit.record("opened", purpose="fraud", source="demo")
    (line,) = map(json.loads, file.read_text("ascii").splitlines())
    assert (line["number"], line["hash"], line["before"]) == (*head, audit.FIRST)
    assert (line["event"], line["role"], line["purpose"]) == ("opened", "analyst", "fraud")
    assert line["told"] == {"source": "demo"}
    assert abs(datetime.fromisoformat(line["at"]) - datetime.now(UTC)) < timedelta(hours=1)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_whole_chain_is_whole(chain):
    assert not fault(*chain)


@given(data=st.data())
def test_whatever_is_done_to_a_line_is_found(chain, data):
    lines, folder = chain[0][:], chain[1]
    i = data.draw(st.integers(0, COUNT - 1))
    done = data.draw(st.sampled_from(["byte", "removed", "twice", "swapped", "forged", "inserted"]))
    match done:
        case "byte":
            at = data.draw(st.integers(0, len(lines[i]) - 1))
            other = data.draw(st.integers(0, 255).filter(lambda b: b != lines[i][at]))
            lines[i] = lines[i][:at] + bytes([other]) + lines[i][at + 1 :]
        case "removed":  # the end is another matter: see the anchors
            del lines[min(i, COUNT - 2)]
        case "twice":
            lines.insert(data.draw(st.integers(0, COUNT)), lines[i])
        case "swapped":
            j = data.draw(st.integers(0, COUNT - 1).filter(lambda j: j != i))
            lines[i], lines[j] = lines[j], lines[i]
        case "forged":
            i = min(i, COUNT - 2)
            lines[i] = rehashed(lines[i], user="nobody")
        case "inserted":
            i = min(i, COUNT - 2)
            lines.insert(i + 1, rehashed(lines[i], number=i + 2, before=json.loads(lines[i])["hash"]))
    assert fault(lines, folder)


def test_the_first_line_that_is_wrong_is_named(chain):
    lines, folder = chain
    altered = lines[2].replace(b"demo", b"memo")
    assert fault([*lines[:2], altered, *lines[3:5], *lines[6:]], folder) == "line 3 was altered, or is torn"
    assert fault(lines[:3] + lines[5:], folder) == "lines 4 to 5 were removed"
    assert fault([lines[1], lines[0], *lines[2:]], folder) == "line 1 was moved: line 2 stands in its place"
    assert fault([*lines[:4], lines[3], *lines[4:]], folder).startswith("line 4 or 5 was inserted")
    assert fault([*lines[:3], rehashed(lines[3], user="x"), *lines[4:]], folder).startswith("line 4 was altered")


def test_many_processes_at_once_keep_a_whole_chain(file):
    code = "from bankmine.privacy import audit\nfor i in range(40): audit.record('opened', number_of_it=i)"
    running = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
    assert [process.wait(120) for process in running] == [0] * 4
    found = audit.verify(file)
    assert (found.fault, len(found.hashes)) == ("", 160)


def test_with_a_key_nobody_without_it_can_write_the_chain_anew(file, monkeypatch):
    monkeypatch.setenv(keys.KEY, "ab" * 32)
    for _ in range(3):
        audit.record("opened", source="demo")
    assert not audit.verify(file).fault
    assert ("ab" * 32) not in file.read_text("ascii")
    whole = file.read_bytes().splitlines(keepends=True)

    def anew(last: dict) -> str:
        lines, before = [], audit.FIRST
        for line in whole:
            lines.append(rehashed(line, user="nobody", before=before, **last))
            before = json.loads(lines[-1])["hash"]
        return fault(lines, file.parent)

    assert anew({}) == f"line 1 was not written by who has the key {keys.find_key().name}"
    assert anew({"seal": "0" * 64}).startswith("line 1 was not written by")
    cut = rehashed(whole[2], key=None, seal=None)
    assert fault([*whole[:2], cut], file.parent).startswith("line 3 is sealed by no key, though")
    monkeypatch.setenv(keys.KEY, "cd" * 32)
    assert not audit.verify(file).fault
    told = "\n".join(checked(file.parent)[0])
    assert re.search(r"lines sealed by the key \w{12}, which is not here: 3", told)


def test_a_frame_or_a_long_text_does_not_get_in(file):
    frame = pd.DataFrame({"name": ["Li"]})
    for odd in (frame, frame["name"], {"rows": frame}, [b"Li"], {"n": {1, 2}}, frame["name"].to_numpy()):
        with pytest.raises(TypeError, match="does not belong into the audit"):
            audit.record("opened", odd=odd)
    with pytest.raises(BankmineError, match="301 characters"):
        audit.record("revealed", reason="x" * 301)
    with pytest.raises(BankmineError, match="A line of the audit would have"):
        audit.record("opened", names=["x" * 300] * 300)
    assert not file.read_bytes()


@pytest.mark.parametrize("end", [b'{"number":2', b"\n", b"not JSON\n", b'{"number":7}\n', b"\xff\n"])
def test_a_torn_end_is_told_and_nothing_is_opened(file, source, end):
    audit.record("opened")
    before = file.read_bytes() + end
    file.write_bytes(before)
    with pytest.raises(BankmineError, match=r"last line is torn.*nothing is opened.*set BANKMINE_AUDIT") as error:
        open_source(source).as_of(AS_OF)
    assert "\n" not in str(error.value)
    assert file.read_bytes() == before


def test_a_clock_that_goes_back_is_told_and_nothing_is_opened(file, source):
    audit.record("opened")
    line = file.read_bytes()
    for ahead, refused in ((timedelta(seconds=30), False), (timedelta(minutes=30), True)):
        file.write_bytes(rehashed(line[:-1], at=(datetime.now(UTC) + ahead).isoformat()))
        if refused:
            with pytest.raises(BankmineError, match=r"The clock went back.*Nothing is opened: set the clock right"):
                open_source(source).as_of(AS_OF)
        else:
            open_source(source).as_of(AS_OF)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("bank")
    write_source(folder, small_bank(*CORE))
    return str(folder)


def test_on_a_full_disk_nothing_is_opened_and_no_line_is_torn(file, source):
    open_source(source).as_of(AS_OF)  # the cache has it from now on
    line = file.read_bytes()
    for room in (len(line), len(line) + 20):
        opens = FULL.format(room=room, source=source, day=str(AS_OF))
        done = subprocess.run([sys.executable, "-c", opens], capture_output=True, text=True, check=False)
        assert "BankmineError: The audit" in done.stderr, done.stderr
        assert "free some space" in done.stderr
        assert not done.stdout
        assert file.read_bytes() == line


@pytest.mark.parametrize("place", ["/dev/full", "folder", "file/audit.jsonl", "pipe"])
def test_a_place_that_holds_no_file_is_told(tmp_path, monkeypatch, source, place):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setenv(audit.FILE, str(tmp_path / place))
    with pytest.raises(BankmineError, match=r"cannot be written \(.*set BANKMINE_AUDIT to a new file"):
        open_source(source).as_of(AS_OF)


def test_a_folder_that_may_not_be_written_is_told(tmp_path, source):
    (tmp_path / "shut").mkdir(mode=0o500)
    code = f"from bankmine.bank.snapshot import open_source\nopen_source({source!r}).as_of({str(AS_OF)!r})"
    done = subprocess.run(
        [*unprivileged(), sys.executable, "-c", code], capture_output=True, text=True, check=False,
        env=os.environ | {audit.FILE: str(tmp_path / "shut" / "audit.jsonl")},
    )  # fmt: skip
    assert "BankmineError: The audit" in done.stderr
    assert "Permission denied" in done.stderr


def test_what_is_opened_is_told_by_table_with_rows_and_columns_and_no_value(file, source):
    snapshot = open_source(source).as_of(AS_OF)
    (line,) = map(json.loads, file.read_text("ascii").splitlines())
    told = line["told"]
    assert (line["event"], told["as_of"], told["fingerprint"]) == ("opened", str(AS_OF), snapshot.fingerprint)
    assert {name: told["tables"][name]["rows"] for name in CORE} == {n: snapshot.checks[n].kept for n in CORE}
    assert "customer_id" in told["tables"]["customers"]["columns"]
    assert "0001" not in file.read_text("ascii")


@pytest.mark.notebook
def test_a_run_is_told_and_its_reports_hold_the_end_of_the_chain(tmp_path, file):
    root = make_workspace(tmp_path / "bank", {"01_writes": [WRITES]})
    assert bankmine(root, "run", "--as-of", "2025-12-31").code == 0
    lines = [json.loads(line) for line in file.read_text("ascii").splitlines()]
    assert [line["event"] for line in lines] == ["run started", "opened", "handed on", "report", "run finished"]
    assert [line["report"] for line in lines] == [None, "01_writes", "01_writes", "01_writes", None]
    handed, report, finished = (line["told"] for line in lines[2:])
    assert handed["tables"] == {"groups": {"rows": 2, "columns": ["customer_id", "note"]}}
    assert list(report["files"]) == ["01_writes/groups.parquet"]
    assert finished["status"] == {"01_writes": "ok"}
    assert "rich" not in file.read_text("ascii")
    anchor = json.loads((root / "reports" / "2025-12-31" / "01_writes.json").read_text("utf-8"))["audit"]
    assert anchor == {"number": 4, "hash": lines[3]["hash"]}
    done = bankmine(root, "privacy", "audit")
    assert (done.code, done.out.splitlines()[-1]) == (0, "whole")
    whole = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(whole[:3]))
    done = bankmine(root, "privacy", "audit")
    assert done.code == 1
    assert "the end was cut off: 2025-12-31/01_writes.json names line 4, and there are 3" in done.err
    file.write_bytes(b"".join([*whole[:3], rehashed(whole[3], user="nobody")]))
    done = bankmine(root, "privacy", "audit")
    assert done.code == 1
    assert "line 4 is not the one that 2025-12-31/01_writes.json names" in done.err
    file.unlink()
    assert bankmine(root, "privacy", "audit").code == 1
    assert not (root / "data" / "audit.jsonl").exists()


@pytest.mark.notebook
def test_where_the_audit_cannot_be_written_no_report_is_made(tmp_path):
    root = make_workspace(tmp_path / "bank", {"01_writes": [WRITES]})
    done = bankmine(root, "run", "--as-of", "2025-12-31", BANKMINE_AUDIT="/dev/full")
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "nothing is opened without it" in done.err
    assert not [name for name in contents(root / "reports") if name.startswith("2025")]
