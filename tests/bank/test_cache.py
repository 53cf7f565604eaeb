"""What is kept on disk: opened instead of computed again, and never an answer to anything else."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bank_fixtures import AS_OF, CORE, rows_of, small_bank, write_source
from sklearn.linear_model import LogisticRegression, Ridge

from bankmine.bank import cache, checks
from bankmine.bank import snapshot as snapshots
from bankmine.bank.contract import TABLES
from bankmine.bank.kept import kept_analysis, kept_frame, kept_json
from bankmine.bank.snapshot import open_source
from bankmine.errors import BankmineError

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch) -> Path:
    """Give every test a cache of its own."""
    monkeypatch.setenv(cache.FOLDER, str(tmp_path / "cache"))
    return tmp_path / "cache"


def spoilt(folder: Path, *names: str) -> str:
    """Write a bank with a broken rule in every sense: a bad row, a bad value and a key that comes twice."""
    tables = small_bank(*names)
    rows = tables["transactions"]
    rows.loc[0, "amount"] = -1
    rows.loc[1, "account_id"] = "nobody's"
    tables["transactions"] = rows._append(rows.iloc[-1], ignore_index=True)
    return str(write_source(folder, tables))


@pytest.fixture
def source(tmp_path) -> str:
    return spoilt(tmp_path / "bank", *CORE)


@pytest.fixture
def checked(monkeypatch) -> list[str]:
    """Names of the tables that were really checked."""
    names, check = [], snapshots.check
    monkeypatch.setattr(snapshots, "check", lambda rows, t, *rest: names.append(t.name) or check(rows, t, *rest))
    return names


def told(snapshot) -> tuple:
    return {n: sorted(rows_of(t), key=str) for n, t in snapshot.tables.items()}, snapshot.checks


def entry(place: Path, holds: str) -> Path:
    (found,) = [f.parent for f in place.glob(f"*/{holds}")]
    return found


def test_what_is_kept_is_what_would_have_been_checked(tmp_path, checked):
    source = spoilt(tmp_path / "whole", *TABLES)
    first, second = (told(open_source(source).as_of(AS_OF)) for _ in range(2))
    assert len(checked) == len(TABLES)
    assert first == second
    assert any(c.violations for c in first[1].values())
    assert open_source(source).as_of(AS_OF).delivered["transactions"].count().to_pyarrow().as_py() > len(
        first[0]["transactions"]
    )


def test_nobody_else_may_read_it(source, place):
    open_source(source).as_of(AS_OF)
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(f.stat().st_mode) == 0o700 for f in place.iterdir() if f.is_dir())


def test_another_day_is_another_entry(source, checked):
    for day in (AS_OF, AS_OF - dt.timedelta(days=1)):
        open_source(source).as_of(day)
    assert len(checked) == 2 * len(CORE)


def test_altered_data_are_checked_anew(source, checked):
    before = told(open_source(source).as_of(AS_OF))
    file = next(f for f in Path(source).iterdir() if f.stem == "customers")
    old, altered = file.stat(), pd.read_parquet(file)
    altered.loc[0, "annual_income"] = 1.0
    altered.to_parquet(file)
    os.utime(file, ns=(old.st_atime_ns, old.st_mtime_ns))
    assert told(open_source(source).as_of(AS_OF)) != before
    assert len(checked) == 2 * len(CORE)


@pytest.mark.parametrize("line", ["balance_tolerance: 12.5", "extracted_on: 2025-11-30", "time_zone: Asia/Shanghai"])
def test_other_words_of_the_source_are_another_entry(source, checked, line):
    open_source(source).as_of(AS_OF)
    words = Path(source) / "source.yml"
    key = line.partition(":")[0]
    kept = [w for w in (words.read_text("utf-8") if words.exists() else "").splitlines() if not w.startswith(key)]
    words.write_text("\n".join([*kept, line]) + "\n", "utf-8")
    open_source(source).as_of(AS_OF)
    assert len(checked) == 2 * len(CORE)


def test_another_mapping_is_another_entry(tmp_path, checked):
    folder = write_source(tmp_path / "bank", small_bank(*CORE), relations={n: f"{n}.parquet" for n in CORE})
    incomes = []
    for factor in (1, 2):
        for name in CORE:
            (folder / f"{name}.sql").write_text(f"SELECT * FROM {name}", "utf-8")
        sql = f"SELECT * REPLACE (annual_income * {factor} AS annual_income) FROM customers"
        (folder / "customers.sql").write_text(sql, "utf-8")
        incomes.append(open_source(str(folder)).as_of(AS_OF).customers.annual_income.sum().to_pyarrow().as_py())
    assert incomes[1] == 2 * incomes[0] > 0


@pytest.mark.parametrize(
    ("altered", "call", "holds"),
    [
        (f"bank/{Path(checks.__file__).name}",
         "from bankmine.bank.snapshot import open_source as o; o('SOURCE').as_of('DAY')", "checks.json"),
        *((f"{room}/__init__.py",
           "from bankmine.bank.kept import kept_analysis as k, pd; k('test', 1, lambda: pd.DataFrame({'x': [1]}))",
           "frame.arrow") for room in ("features", "judging", "topics/segmentation")),
    ],
)  # fmt: skip
def test_other_code_is_another_entry(source, tmp_path, altered, call, holds):
    """A copy of the library in which a rule or an analysis reads otherwise is run on the same cache."""
    library = Path(cache.__file__).parents[2]
    shutil.copytree(library, tmp_path / "lib", ignore=shutil.ignore_patterns("__pycache__", "demobank"))
    command = call.replace("SOURCE", source).replace("DAY", str(AS_OF))
    env = os.environ | {"PYTHONPATH": str(tmp_path / "lib")}
    numbers = []
    for addition in ("", "", "\n# otherwise\n"):
        with (tmp_path / "lib/bankmine" / altered).open("a") as code:
            code.write(addition)
        subprocess.run([sys.executable, "-c", command], check=True, env=env)
        numbers.append(len(list((tmp_path / "cache").glob(f"*/{holds}"))))
    assert numbers == [1, 1, 2]


@pytest.mark.parametrize(
    "other",
    [
        (np.array([1.0, 3.0]), LogisticRegression()),
        (np.array([1.0, 2.0]), LogisticRegression(C=2)),
        (np.array([1.0, 2.0]), Ridge()),
        (np.array([[1.0, 2.0]]), LogisticRegression()),
    ],
    ids=["a value", "a setting", "a model", "a shape"],
)
def test_an_analysis_of_other_values_is_another_entry(other):
    made = []
    for given in ((np.array([1.0, 2.0]), LogisticRegression()), (np.array([1.0, 2.0]), LogisticRegression()), other):
        kept_analysis("test", given, lambda: made.append(1) or pd.DataFrame({"made": [len(made)]}))
    assert len(made) == 2


def test_those_who_come_together_check_once(source, checked):
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: told(open_source(source).as_of(AS_OF)), range(2)))
    assert found[0] == found[1]
    assert len(checked) == len(CORE)


def test_processes_that_come_together_check_once(source, place):
    command = (
        f"from bankmine.bank.snapshot import open_source as o; print(len(o({source!r}).as_of({str(AS_OF)!r}).tables))"
    )
    runs = [subprocess.Popen([sys.executable, "-c", command], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [run.communicate()[0].strip() for run in runs] == [str(len(CORE))] * 3
    assert len(list(place.glob("*/checks.json"))) == 1


@pytest.mark.parametrize(
    ("name", "harm"),
    [
        ("transactions.parquet", "flipped"),
        ("transactions.parquet", "gone"),
        ("checks.json", "cut"),
        ("about.json", "cut"),
    ],
)
def test_a_damaged_entry_is_made_anew(source, checked, place, name, harm):
    before = told(open_source(source).as_of(AS_OF))
    file = entry(place, "checks.json") / name
    content = file.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    file.unlink()
    if harm != "gone":
        file.write_bytes({"cut": content[:middle], "flipped": flipped}[harm])
    assert told(open_source(source).as_of(AS_OF)) == before
    assert len(checked) == 2 * len(CORE)


def test_what_was_left_half_written_is_made_anew(source, checked, place):
    open_source(source).as_of(AS_OF)
    whole = entry(place, "checks.json")
    whole.rename(whole.with_suffix(".part"))
    open_source(source).as_of(AS_OF)
    assert len(checked) == 2 * len(CORE)
    assert not list(place.glob("*.part"))


def test_a_failure_leaves_nothing(place):
    def fails() -> pd.DataFrame:
        raise BankmineError("no")

    with pytest.raises(BankmineError, match="no"):
        kept_frame("a" * 64, "test", fails)
    assert not [f for f in place.iterdir() if f.is_dir()]


def test_a_type_that_files_cannot_hold_is_not_kept(tmp_path, checked):
    folder = write_source(tmp_path / "bank", small_bank(*CORE), relations={n: f"{n}.parquet" for n in CORE})
    for name in CORE:
        extra = ", now()::TIMESTAMP_S AS fetched" if name == "customers" else ""
        (folder / f"{name}.sql").write_text(f"SELECT *{extra} FROM {name}", "utf-8")
    kinds = [open_source(str(folder)).as_of(AS_OF).customers.fetched.type() for _ in range(2)]
    assert kinds[0] == kinds[1]
    assert len(checked) == 2 * len(CORE)


def test_frames_come_back_as_they_were():
    frame = pd.DataFrame(
        {"c": pd.Categorical(["a", None], ["b", "a"]), "x": [1.5, None], "t": pd.to_datetime(["2025-01-01", None])},
        index=pd.Index(["k", "l"], name="customer_id"),
    )
    found = [kept_frame("b" * 64, "test", lambda: frame) for _ in range(2)]
    pd.testing.assert_frame_equal(found[1], frame)
    odd = pd.DataFrame({"o": [{1, 2}, {3}]})
    assert [kept_frame("c" * 64, "test", lambda: odd) is odd for _ in range(2)] == [True, True]


def keep(*keys: str) -> None:
    """Keep four thousand bytes by each key, one used later than the other, in a process that then ends."""
    command = "from bankmine.bank.kept import kept_json\n"
    command += "\n".join(f"kept_json({key * 64!r}, 'of {key}', lambda: 'x' * 4000)" for key in keys)
    subprocess.run([sys.executable, "-c", command], check=True)


def there(place: Path) -> str:
    return "".join(sorted(f.name[0] for f in place.iterdir() if f.is_dir()))


def test_the_oldest_go_when_the_bound_is_passed(place, monkeypatch):
    monkeypatch.setenv(cache.GIGABYTES, "0.00001")  # ten thousand bytes
    keep("a", "b")
    os.utime(place / ("a" * 64), (2e9, 2e9))  # used last
    keep("c")
    assert there(place) == "ac"


def test_what_is_in_use_stays(place, monkeypatch):
    kept_json("a" * 64, "in use", lambda: "x" * 4000)
    os.utime(place / ("a" * 64), (0, 0))
    monkeypatch.setenv(cache.GIGABYTES, "0.00001")
    keep("b")  # in a process of its own: what is in use stays
    keep("c")
    assert there(place) == "ac"
    assert cache.cleared() == [f"1 entries removed from {place}; 1 in use are left"]
    assert there(place) == "a"


def test_it_lists_what_is_kept(place):
    keep("a", "b")
    lines = cache.listed()
    assert [line.split("MB  ")[-1] for line in lines[:2]] == ["of b", "of a"]
    assert lines[-1].startswith("2 entries, 0.00 of at most 20 GB")


def test_a_bound_that_is_no_number_is_refused(monkeypatch):
    monkeypatch.setenv(cache.GIGABYTES, "much")
    with pytest.raises(BankmineError, match="BANKMINE_CACHE_GB must be a number of gigabytes"):
        kept_json("a" * 64, "test", lambda: 1)


def test_a_folder_that_holds_other_things_is_left_alone(tmp_path, monkeypatch):
    home = tmp_path / "home"
    (home / "letters").mkdir(parents=True)
    home.chmod(0o755)
    monkeypatch.setenv(cache.FOLDER, str(home))
    for call in (cache.cleared, cache.listed, lambda: kept_json("a" * 64, "test", lambda: 1)):
        with pytest.raises(BankmineError, match="holds letters: set BANKMINE_CACHE to a folder of its own"):
            call()
    assert stat.S_IMODE(home.stat().st_mode) == 0o755
    assert [f.name for f in home.iterdir()] == ["letters"]


def test_a_full_disk_is_told_and_leaves_nothing(source, place):
    command = (
        "import resource, signal\nfrom bankmine.bank.snapshot import open_source\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        f"open_source({source!r}).as_of({str(AS_OF)!r})"
    )
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=False)
    assert "BankmineError: The cache" in done.stderr
    assert "cannot be written" in done.stderr
    assert "Free some space" in done.stderr
    assert not list(place.glob("*.part"))
    assert not list(place.glob("*/checks.json"))


def test_a_folder_that_cannot_be_used_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("", "utf-8")
    monkeypatch.setenv(cache.FOLDER, str(tmp_path / "file" / "cache"))
    with pytest.raises(BankmineError, match="set BANKMINE_CACHE to a folder of your own"):
        kept_json("a" * 64, "test", lambda: 1)
