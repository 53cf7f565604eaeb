"""The command: what it refuses, and what `list`, `check`, `new` and `index` say."""

from __future__ import annotations

import datetime as dt
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from bank_fixtures import CORE, small_bank, write_csv, write_source
from runner_fixtures import (
    COMMAND,
    PARAMETERS,
    STEADY,
    as_json,
    bankmine,
    bankmine_many,
    contents,
    declare,
    make_workspace,
    refused,
    unprivileged,
    write_notebook,
)

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[1]
TYPED = PARAMETERS + "\nnumber = 3  # how many\nshare = 0.5\nsure = True\nday = '2025-01-31'\nnames = ['a']\nwho = ''"
LINES = {
    "unknown source": (["run", "--source", "demmo"], ["'demmo'", "Did you mean demo?"]),
    "empty source": (["run", "--source", ""], ["source is given as nothing", "variable not set"]),
    "empty source of -p": (["run", "-p", "source="], ["source is given as nothing"]),
    "long name": (["check", "x" * 300], ["File name too long", "Give another place"]),
    "long folder": (["run", "--out", "y" * 300], ["File name too long"]),
    "long model": (["score", "--model", "z" * 300, "--state", "s.sqlite"], ["File name too long"]),
    "empty folder": (["run", "--out", ""], ["folder is given as nothing", "variable not set"]),
    "blank folder": (["index", "--out", " "], ["folder is given as nothing"]),
    "no date": (["run", "--as-of", "31.12.2025"], ["'31.12.2025' is not a date", "like 2025-12-31"]),
    "empty date": (["run", "--as-of", ""], ["is not a date"]),
    "date outside": (["run", "--as-of", "2031-01-31"], ["2031-01-31 lies outside", "2025-01-05 to 2025-12-31"]),
    "unknown report": (["run", "stady"], ["'stady'", "Did you mean 01_steady?"]),
    "unknown parameter": (["run", "-p", "nummber=1"], ["'nummber'", "Did you mean number?"]),
    "no equals sign": (["run", "-p", "number"], ["-p number:", "NAME=VALUE"]),
    "fixed parameter": (["run", "-p", "as_of=2025-01-31"], ["--as-of"]),
    "no whole number": (["run", "-p", "number=2.5"], ["number: '2.5' is not a whole number"]),
    "no number": (["run", "-p", "share=half"], ["share: 'half' is not a number"]),
    "no truth": (["run", "-p", "sure=1"], ["sure: '1' is not true or false"]),
    "no day": (["run", "-p", "day=2025-02-30"], ["day: '2025-02-30' is not a date"]),
    "no list": (["run", "-p", "names=a,b"], ["names: 'a,b' is not a list"]),
    "no jobs": (["run", "--jobs", "0"], ["--jobs", "greater than or equal to 1"]),
    "out is a file": (["run", "--out", "reports.yml"], ["Cannot write", "reports.yml", "--out"]),
    "no command": ([], ["Missing command", "--help"]),
    "source without a table": (["run", "--source", "no_table"], ["table accounts is missing"]),
    "source without a column": (["run", "--source", "no_column"], ["table accounts lacks product"]),
    "unreadable file": (["run", "--source", "broken"], ["accounts.parquet cannot be read"]),
    "database down": (["run", "--source", "down"], ["cannot be reached", "is it running?", "BANK_URI"]),
    "index of nothing": (["index", "--out", "nowhere"], ["nowhere is no folder"]),
    "check of nothing": (["check", "nobody"], ["'nobody'"]),
}

CATALOGUES = {
    "catalogue that is no YAML": ("- report: [", ["reports.yml cannot be read"]),
    "catalogue that is no list": ("report: 01_steady", ["must be a list"]),
    "entry without a name": ("- title: nameless", ["needs `report` and `title`"]),
    "odd key": ("- {report: 01_steady, title: a, colour: red}", ["'colour' is not understood"]),
    "odd parameters": ("- {report: 01_steady, title: a, parameters: [1]}", ["`parameters: [1]`", "mapping"]),
    "odd need": ("- {report: 01_steady, title: a, needs_truth: 1}", ["`needs_truth: 1` must be true or false"]),
    "needs truth": (
        "- {report: 01_steady, title: a, needs_truth: true}",
        ["01_steady needs a demo bank", "source demo"],
    ),
    "report elsewhere": ("- {report: ../x, title: a}", ["'../x' is no name"]),
    "lost notebook": ("- {report: 09_lost, title: a}", ["09_lost.ipynb is not there"]),
    "after nobody": ("- {report: 01_steady, title: a, after: [02_typd]}", ["01_steady comes after '02_typd'"]),
    "odd order": ("- {report: 01_steady, title: a, after: 02_typed}", ["`after: 02_typed` must be a list of reports"]),
    "odd name in order": ("- {report: 01_steady, title: a, after: [2]}", ["a list of reports, unlike 2"]),
    "cycle": (
        "- {report: 01_steady, title: a, after: [02_typed]}\n- {report: 02_typed, title: b, after: [01_steady]}",
        ["01_steady after 02_typed after 01_steady", "wait for each other"],
    ),
    "named twice": ("- {report: 01_steady, title: a}\n- {report: 01_steady, title: b}", ["01_steady twice"]),
    "empty catalogue": ("# nothing yet", ["declares no report"]),
    "catalogue's parameter": ("- {report: 02_typed, title: a, parameters: {nmber: 1}}", ["'nmber'", "number?"]),
    "catalogue's value": ("- {report: 02_typed, title: a, parameters: {number: x}}", ["number: 'x' is not a whole"]),
}
NOTEBOOKS = {
    "notebook that is none": ("{", ["03_odd.ipynb cannot be read"]),
    "no parameters": (as_json("print(1)", parameters=None), ["declares no as_of and no source", "`parameters`"]),
    "no plain value": (as_json(parameters=PARAMETERS + "\nday = today()"), ["parameter day", "today()"]),
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    """A workspace with a typed notebook and sources that are wrong in every way."""
    root = make_workspace(tmp_path_factory.mktemp("cli"), {"01_steady": [STEADY]})
    write_notebook(root / "notebooks" / "02_typed.ipynb", "number", parameters=TYPED)
    declare(root, "01_steady", "02_typed")
    sources = root / "data" / "sources"
    lacking = small_bank(*CORE)
    lacking["accounts"] = lacking["accounts"].drop(columns="product")
    write_source(sources / "no_table", small_bank("customers", "transactions"))
    write_source(sources / "no_column", lacking)
    write_source(sources / "broken", small_bank(*CORE))
    (sources / "broken" / "accounts.parquet").write_bytes(b"PAR1 and nothing else")
    relations = {name: f"SELECT * FROM {name}" for name in CORE}
    database = {"driver": "postgresql", "uri_env": "BANK_URI", "relations": relations, "local": True}
    write_source(sources / "down", database=database)
    return root


@pytest.fixture(scope="module")
def calls(workspace):
    """What became of all wrong calls, by name."""
    given = [(words, {}) for words, _ in LINES.values()]
    given += [(["run"], {"reports.yml": text}) for text, _ in CATALOGUES.values()]
    given += [(["run"], {"reports.yml": "- {report: 03_odd, title: Odd}", "notebooks/03_odd.ipynb": text})
              for text, _ in NOTEBOOKS.values()]  # fmt: skip
    kept = (workspace / "reports.yml").read_text("utf-8")
    with socket.socket() as taken:  # bound, but nobody listens: a port that refuses
        taken.bind(("127.0.0.1", 0))
        uri = f"postgresql://teller:opensesame@127.0.0.1:{taken.getsockname()[1]}/bank"
        told = bankmine_many(workspace, given, BANK_URI=uri)
    (workspace / "reports.yml").write_text(kept, "utf-8")
    return dict(zip([*LINES, *CATALOGUES, *NOTEBOOKS], told, strict=True))


@pytest.mark.parametrize("name", [*LINES, *CATALOGUES, *NOTEBOOKS])
def test_a_wrong_call_is_refused_in_one_line(calls, name):
    refused(calls[name], *next(told[name][1] for told in (LINES, CATALOGUES, NOTEBOOKS) if name in told))
    assert "opensesame" not in calls[name].err


def test_a_folder_that_one_may_not_enter_is_refused_in_one_line(workspace, tmp_path):
    closed = tmp_path / "closed"
    write_source(closed / "bank", small_bank(*CORE))
    write_source(tmp_path / "bank", small_bank(*CORE))
    (tmp_path / "bank" / "accounts.parquet").chmod(0)
    places = {
        "source": ["check", closed / "bank"], "source of a run": ["run", "--source", closed / "bank"],
        "file of a source": ["check", tmp_path / "bank"], "reports": ["run", "--out", closed / "reports"],
        "index": ["index", "--out", closed / "reports"],
        "model": ["score", "--model", closed / "model.json", "--state", tmp_path / "s.sqlite"],
    }  # fmt: skip
    closed.chmod(0)
    try:
        told = bankmine_many(workspace, [(list(map(str, words)), {}) for words in places.values()], unprivileged())
    finally:
        closed.chmod(0o755)
    for name, done in zip(places, told, strict=True):
        assert done.code == (1 if name == "file of a source" else 2), (name, done)  # what is there, but no good: 1
        assert done.err.startswith("bankmine: "), (name, done)
        assert done.err.count("\n") == 1, (name, done)
        assert "ermission denied" in done.err, (name, done)


def test_wrong_calls_leave_no_file(workspace, calls):
    assert calls
    assert not (workspace / "reports").exists()


def test_the_command_itself_refuses_too(workspace):
    refused(bankmine(workspace, "run", "stady"), "Did you mean 01_steady?")


def test_help_imports_nothing_heavy(tmp_path):
    script = (
        "import sys\nfrom bankmine.cli import main\nsys.argv = ['bankmine', '--help']\n"
        "try:\n    main()\nfinally:\n    print(*{'papermill', 'pandas', 'ibis', 'nbformat'} & set(sys.modules), '.')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "."


def test_list_tells_reports_parameters_and_sources(workspace, calls):
    done = bankmine(workspace, "list")
    assert done.code == 0
    assert "02_typed  What about 02_typed?\n    for testers; \n" in done.out
    assert "    number = 3  how many\n" in done.out
    assert done.out.endswith("sources: broken, demo, down, no_column, no_table\n")


def test_check_says_what_is_wrong_with_three_keys(workspace, tmp_path):
    bank = small_bank(*CORE, "balances")
    bank["accounts"]["colour"] = "red"
    booked = bank["transactions"]
    booked.loc[0:4, "amount"] = "-5"
    booked.loc[5, "account_id"] = "nobody"
    booked.loc[6, "at"] = dt.datetime(2031, 1, 1)
    booked.loc[7:8, "transaction_id"] = "T008\x1b[31m"
    booked.loc[9, "is_fraud"] = "perhaps\x1b[31m"
    booked.loc[10, "transaction_id"] = None
    bank["accounts"].loc[8, "product"] = "piggy bank"
    bank["balances"].loc[3, "balance"] = 1e6
    folder = write_csv(bank, tmp_path / "planted")
    (folder / "source.yml").write_text("extracted_on: 2025-12-31")
    done = bankmine(workspace, "check", folder)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    heads = {line.partition(":")[0]: line for line in lines if not line.startswith(" ")}
    tables = ["customers", "accounts", "transactions", "balances"]
    assert list(heads) == [*tables, "not there", "roles", "not classified, so taken for sensitive", "usable"]
    assert heads["customers"].startswith("customers: 6 rows, 2024-02-03 to 2024-07-03; columns 7 of ")
    assert heads["accounts"].endswith("further colour")
    assert "of them left out, 2025-01-05 to 2025-12-10; columns" in heads["transactions"]
    assert ", missing " in heads["transactions"]
    amount = next(line for line in lines if "in amount" in line)
    assert amount.endswith("e.g. T000; T001; T002")
    assert ": 5 rows left out (" in amount
    broken = " ".join(lines)
    for rule in ("in account_id: 1 row ", "in at: 1 row ", "in transaction_id: 1 row ", "in product: 1 ",
                 "in is_fraud: 1 value ", "in balance: 1 row "):  # fmt: skip
        assert rule in broken, (rule, lines)
    assert "e.g. T008\ufffd[31m\n" in done.out
    assert "e.g. 'aaaaaaa\\x1b[31a' 1 time\n" in done.out


def test_check_calls_a_source_unusable(workspace, calls):
    done = bankmine(workspace, "check", "no_table")
    assert done.code == 1
    assert "customers: 6 rows; columns" in done.out
    assert done.err == "bankmine: source no_table is unusable: table accounts is missing.\n"


@pytest.mark.notebook
def test_new_makes_a_notebook_that_runs_as_it_is(tmp_path):
    root = make_workspace(tmp_path, {"01_steady": [STEADY]})
    done = bankmine(root, "new", "customer_value")
    assert done.code == 0, done
    made = "notebooks/02_customer_value.ipynb"
    assert done.out == f"{made}: edit it in JupyterLab, then: bankmine run 02_customer_value\n"
    declared = (root / "reports.yml").read_text("utf-8")
    assert declared.startswith("# kept by hand\n- audience: testers\n")
    assert declared.endswith("\n\n- report: 02_customer_value\n  title: Customer value?\n"
                             "  audience: who reads it\n  cadence: monthly\n  owner: who decides\n  due: 10\n"
                             "  number: customer_value.active_90d.share\n"
                             "  meaning: of customers spent something in the last 90 days\n"
                             "  decision: customer_value.active_90d\n"
                             "  role: analyst\n  purpose: statistics\n")  # fmt: skip
    for words in (["check"], ["format", "--check"]):
        ruff = [COMMAND.with_name("ruff"), *words, "--config", PROJECT / "pyproject.toml", root / made]
        found = subprocess.run(ruff, capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stdout
    ran = bankmine(root, "run", "customer_value")
    assert ran.code == 0, ran
    before = contents(root / "notebooks") | contents(root / "data") | {"": (root / "reports.yml").read_bytes()}
    names = ["Value", "03-value", "01_other", "customer_value", "x" * 41, "../value", "3_value"]
    for refusal in bankmine_many(root, [(["new", name], {}) for name in names]):
        assert refusal.code == 2
        assert refusal.err.startswith("bankmine: ")
    assert contents(root / "notebooks") | contents(root / "data") | {"": (root / "reports.yml").read_bytes()} == before


def test_the_cache_is_listed_and_cleared(workspace, tmp_path):
    write_source(tmp_path / "bank", small_bank(*CORE))
    place = {"BANKMINE_CACHE": str(tmp_path / "cache")}
    assert bankmine(workspace, "check", tmp_path / "bank", **place).code == 0
    lines = bankmine(workspace, "cache", **place).out.splitlines()
    assert [line.split("MB  ")[1] for line in lines[:-1]] == [
        "bank, as of 2025-12-31: checked tables", "bank: whether it can be used",
        *(f"bank: untidy words of {table}" for table in reversed(CORE)),
    ]  # fmt: skip
    assert lines[-1] == f"5 entries, 0.00 of at most 20 GB, in {tmp_path / 'cache'}"
    assert bankmine(workspace, "cache", "--clear", **place).out == f"5 entries removed from {tmp_path / 'cache'}\n"
    refused(
        bankmine(workspace, "check", tmp_path / "bank", **place, BANKMINE_CACHE_GB="many"), "BANKMINE_CACHE_GB", "20"
    )
