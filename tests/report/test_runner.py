"""The runner: what a run leaves behind when all goes well, and when a notebook, the disk or the machine does not."""

from __future__ import annotations

import html
import json
import os
import pty
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import psutil
import pytest
from bank_fixtures import CORE, small_bank, write_csv, write_source, write_sqlite
from runner_fixtures import (
    BIG,
    COMMAND,
    DEADLINE,
    MOODY,
    STEADY,
    bankmine,
    contents,
    declare,
    environment,
    make_workspace,
    refused,
    start,
    unprivileged,
    wait_at,
    write_notebook,
)

from bankmine.report import execution

pytestmark = pytest.mark.notebook
DAY = "2025-12-31"
ALONE_OR_FORKED = [["2"], ["1", "2"]]
"""Reports of a run: the kernels of two are forked from one process."""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A workspace in a folder with blanks and braces in its name, whose reports ran well once, two at a time."""
    root = make_workspace(
        tmp_path_factory.mktemp("a {bank}") / "work space",
        {"01_steady": [STEADY], "02_moody": [MOODY], "03_big": [BIG]},
    )
    done = bankmine(root, "run", "--jobs", 2)
    assert done.code == 0, done
    assert done.out == "reports/index.html\n"
    return root


@pytest.fixture
def day(workspace) -> Path:
    """Folder of the day's reports."""
    return workspace / "reports" / DAY


@pytest.fixture
def gate(tmp_path) -> Path:
    """A named pipe at which the moody notebook waits."""
    os.mkfifo(tmp_path / "gate")
    return tmp_path / "gate"


def _manifest(file: Path) -> dict:
    return json.loads(file.read_text("utf-8"))


def test_a_good_run_leaves_reports_and_nothing_else(workspace):
    reports = [
        f"{DAY}/{name}{ending}"
        for name in ("01_steady", "02_moody", "03_big")
        for ending in (".html", ".ipynb", ".json")
    ]
    assert list(contents(workspace / "reports")) == [*reports, "index.html"]


def test_the_manifest_says_how_a_report_came_to_be(day):
    told = _manifest(day / "01_steady.json")
    assert (told["status"], told["error"], told["as_of"]) == ("ok", None, DAY)
    assert told["parameters"] == {"source": "demo", "as_of": DAY}
    assert told["source"]["title"] == "Small bank"
    assert len(told["source"]["fingerprint"]) == 64
    assert set(told["git"]) == {"commit", "dirty"}
    assert {"ibis-framework", "pandas", "papermill"} <= set(told["packages"])
    assert told["python"].startswith("3.11")
    assert told["metrics"] == {"steady.days.days": 31}
    assert told["alerts"] == ["31 days"]
    assert len(told["cells"]) == 3  # the parameters, those given, and the finding
    assert all(c["seconds"] >= 0 for c in told["cells"])
    assert told["seconds"] > 0


def test_notebooks_that_fail_spoil_nothing(workspace, day):
    before = contents(day)
    done = bankmine(workspace, "run", BANKMINE_MOOD="bad")
    assert done.code == 1
    assert f"ValueError: the <b>roof</b> is leaking See reports/{DAY}/02_moody.failed.html\n" in done.err
    big = next(line for line in done.err.splitlines() if line.startswith("FAILED 03_big"))
    assert "memory" in big
    assert "--jobs 1" in big
    assert done.err.count("\n") == 4  # what runs, and what became of each: nothing from libraries
    after = contents(day)
    changed = {n for n in before if after[n] != before[n]}
    # a page tells minutes and rounded seconds, which may be the same again
    assert {"01_steady.json"} <= changed <= {"01_steady.html", "01_steady.ipynb", "01_steady.json"}
    page = after["02_moody.failed.html"].decode("utf-8")
    assert "FAILED" in page
    assert "the &lt;b&gt;roof&lt;/b&gt; is leaking" in page
    assert "memory" in after["03_big.failed.html"].decode("utf-8")
    assert json.loads(after["02_moody.failed.json"])["status"] == "failed"
    index = (workspace / "reports" / "index.html").read_text("utf-8")
    assert "02_moody.failed.html" in index
    assert "03_big.failed.html" in index


def test_a_good_run_gives_the_same_again_and_takes_failed_pages_away(workspace, day):
    (day / "02_moody.failed.html").touch()
    (day / "02_moody.failed.json").write_text(json.dumps({"status": "failed", "title": "x"}))
    before = _manifest(day / "01_steady.json")
    assert bankmine(workspace, "run", "1", "moody", "01_steady").code == 0
    assert not list(day.glob("02_moody.failed.*"))
    assert "02_moody.failed.html" not in (workspace / "reports" / "index.html").read_text("utf-8")
    after = _manifest(day / "01_steady.json")
    assert after["started_at"] > before["started_at"]
    same = ("metrics", "alerts", "parameters", "source", "findings")
    assert {k: after[k] for k in same} == {k: before[k] for k in same}


@pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux only")
@pytest.mark.parametrize("notebooks", [1, 2])
def test_kernels_of_a_run_are_forked_from_one_process(tmp_path, notebooks):
    asks = "import os\nfrom pathlib import Path\nprint(Path(f'/proc/{os.getppid()}/cmdline').read_text(), os.getppid())"
    own = "import sys\nprint('seaborn' in sys.modules, os.environ['BANKMINE_OWN'], Path.cwd().name, __name__)"
    uses = "if False:\n    from bankmine.topics import quality"
    every = {"01_one": [asks, own, uses], "02_two": [asks, own]}
    root = make_workspace(tmp_path, dict(list(every.items())[:notebooks]))
    assert bankmine(root, "run", BANKMINE_OWN="mine").code == 0
    told = [
        "".join(o["text"] for c in nbformat.read(f, 4).cells for o in c.get("outputs", []))
        for f in sorted(root.rglob("0*.ipynb"))
        if f.parent.name == DAY
    ]
    assert len(told) == notebooks
    assert told[0] == told[-1]
    assert "bankmine.report.warm_kernels" in told[0]
    assert told[0].endswith("True mine notebooks __main__\n")


def test_where_nothing_can_be_forked_kernels_are_plain(tmp_path):
    """The warm process cannot import a topic here, and ends."""
    topics = tmp_path / "lib" / "bankmine"
    shutil.copytree(Path(execution.__file__).parents[1], topics, ignore=shutil.ignore_patterns("__pycache__"))
    (topics / "topics" / "quality" / "__init__.py").write_text("raise ImportError('not here')", "utf-8")
    uses = "if False:\n    from bankmine.topics import quality"
    root = make_workspace(tmp_path / "work", {"01_one": [STEADY, uses], "02_two": [STEADY]})
    done = bankmine(root, "run", PYTHONPATH=str(topics.parent))
    assert done.code == 0, done.err


def test_a_kernel_that_does_not_start_says_why(tmp_path):
    root = make_workspace(tmp_path, {"01_steady": [STEADY]})
    spec = root / "kernels" / "stillborn"
    spec.mkdir(parents=True)
    argv = [sys.executable, "-c", "import sys; sys.exit('no ship for {connection_file}')"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "s", "language": "python"}))
    write_notebook(root / "notebooks" / "02_still.ipynb", "1", kernel="stillborn")
    write_notebook(root / "notebooks" / "03_unknown.ipynb", "1", kernel="nobody")
    declare(root, "01_steady", "02_still", "03_unknown")
    done = bankmine(root, "run", JUPYTER_PATH=str(root))
    assert done.code == 1
    assert "FAILED 02_still" in done.err
    assert "exit code 1): no ship for" in done.err
    assert "FAILED 03_unknown" in done.err
    assert "nobody" in done.err
    assert done.err.count("\n") == 4
    made = contents(root / "reports" / DAY)
    assert {"01_steady.html", "02_still.failed.html", "03_unknown.failed.html"} <= set(made)


def test_a_full_disk_leaves_earlier_reports_whole(workspace):
    before = contents(workspace / "reports")

    def fill() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    done = bankmine(workspace, "run", "1", before=fill, BANKMINE_AUDIT=str(workspace / "audit.jsonl"))
    assert done.code == 1
    assert "FAILED 01_steady" in done.err
    assert "FAILED index" in done.err
    assert done.err.count("Free some space") == 2
    assert contents(workspace / "reports") == before


def test_a_second_run_of_the_same_day_is_refused_and_the_first_ends_well(workspace, day, gate):
    first = start(workspace, "run", "2", BANKMINE_MOOD="wait", BANKMINE_GATE=str(gate))
    holding = wait_at(gate, first)
    refused(bankmine(workspace, "run", "1"), "Another run", DAY)
    os.close(holding)
    assert first.communicate(timeout=DEADLINE)[0] == "reports/index.html\n"
    assert first.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("reports", ALONE_OR_FORKED)
def test_an_interrupted_run_leaves_no_kernel_and_no_file(workspace, gate, number, reports):
    before = contents(workspace / "reports")
    process = start(workspace, "run", *reports, BANKMINE_MOOD="wait", BANKMINE_GATE=str(gate))
    holding = wait_at(gate, process)
    kernels = psutil.Process(process.pid).children(recursive=True)
    assert kernels
    process.send_signal(number)
    told = process.communicate(timeout=DEADLINE)[1]
    os.close(holding)
    assert process.returncode == 130
    assert told.splitlines()[-1] == "bankmine: interrupted; what was finished is kept, nothing half-written is left."
    assert not [k for k in kernels if k.is_running() and k.status() != psutil.STATUS_ZOMBIE]
    after = contents(workspace / "reports")
    assert after.keys() == before.keys()
    assert len(reports) > 1 or after == before


@pytest.mark.parametrize("reports", ALONE_OR_FORKED)
def test_a_run_that_was_killed_holds_nothing_up(workspace, day, gate, reports):
    process = start(workspace, "run", *reports, BANKMINE_MOOD="wait", BANKMINE_GATE=str(gate))
    holding = wait_at(gate, process)
    kernels = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate(timeout=DEADLINE)
    os.close(holding)
    assert psutil.wait_procs(kernels, timeout=DEADLINE)[1] == []
    (day / ".01_steady.html.part").write_text("half a rep")
    (day / "01_steady").mkdir(exist_ok=True)
    (day / "01_steady" / ".calls.parquet.part").write_text("half a list")
    (day.parent / ".index.html.1").write_text("half an ind")
    assert bankmine(workspace, "run", "1").code == 0
    assert not list(day.parent.rglob("*.part"))
    assert not list(day.parent.glob(".index.html.*"))


def test_a_read_only_folder_of_reports_is_refused_before_anything_runs(workspace):
    wrapper = unprivileged()
    before = contents(workspace / "reports")
    folders = [workspace / "reports", workspace / "reports" / DAY]
    for folder in folders:
        folder.chmod(0o555)
    try:
        done = bankmine(workspace, "run", "1", wrapper=wrapper)
    finally:
        for folder in folders:
            folder.chmod(0o755)
    refused(done, "Cannot write", DAY, "--out", "Permission denied")
    assert contents(workspace / "reports") == before


def test_secrets_show_nowhere(tmp_path):
    uri = (write_sqlite(small_bank(*CORE), tmp_path / "vault") / "bank.sqlite").as_uri() + "?mode=ro&cache=private"
    root = make_workspace(tmp_path / "work", {
        "01_prints": ["import os\nassert 'OTHER_PASSWORD' not in os.environ",
                      "given = open('/proc/self/environ', 'rb').read()\nassert b'OTHER_PASSWORD' not in given",
                      "from IPython.display import HTML\nimport html", "print(os.environ['BANK_URI'])",
                      "HTML(html.escape(os.environ['BANK_URI']))", "[os.environ['BANK_URI']]",
                      "import sys\nhalf = os.environ['BANK_URI'][:9]\nprint(half, end='', flush=True)",
                      "sys.stdout.write(half)\nsys.stdout.flush()\nsys.stdout.write(os.environ['BANK_URI'][9:])",
                      "import pandas as pd\nfrom bankmine.bank.snapshot import open_source\n"
                      "from bankmine.report.handed_on import write_table\n"
                      "write_table(pd.DataFrame({'note': [f\"see {os.environ['BANK_URI']}\"]}), 'notes', "
                      "open_source(source).as_of(as_of))"],
        "02_raises": ["import os", "os.write(2, os.environ['BANK_URI'].encode())",
                      "raise ValueError(os.environ['BANK_URI'])"],
    })  # fmt: skip
    relations = {name: f"SELECT * FROM {name}" for name in CORE}
    write_source(
        root / "data" / "sources" / "vault",
        database={"driver": "sqlite", "uri_env": "BANK_URI", "relations": relations},
    )
    done = bankmine(root, "run", "--source", "vault", BANK_URI=uri, OTHER_PASSWORD="geheim")
    assert done.code == 1
    assert "FAILED 02_raises" in done.err
    assert "ValueError: ***" in done.err
    made = contents(root / "reports")
    assert len(made) == 9, done.err
    (table,) = root.rglob("notes.parquet")
    assert pd.read_parquet(table)["note"].tolist() == ["see ***"]
    assert all(file.stat().st_mode & 0o027 == 0 for file in (root / "reports").rglob("*"))
    pages = (b.decode("utf-8") for name, b in made.items() if not str(name).endswith(".parquet"))
    everything = "\n".join([done.out, done.err, *pages])
    assert everything.count("***") >= 4
    for form in (uri, html.escape(uri)):
        assert form not in everything


def test_what_customers_are_called_stays_text_and_a_folder_is_a_source(tmp_path):
    name = "<script>alert(1)</script>"
    bank = small_bank(*CORE)
    for table in ("customers", "accounts"):
        bank[table]["customer_id"] = name + bank[table]["customer_id"]
    bank["customers"]["note"] = name
    folder = write_csv(bank, tmp_path / "elsewhere" / "My <b>Bank")
    show = [
        "from bankmine.bank.snapshot import open_source\nfrom bankmine.report.findings import finding",
        "snapshot = open_source(source).as_of(as_of)\nsnapshot",
        "customers = snapshot.customers.to_pandas()\ncustomers",
        'finding("{who} is first", id="names.first", headline=True, who=customers["note"].iloc[0])',
        'print(customers["customer_id"].iloc[0])',
    ]
    root = make_workspace(tmp_path / "work", {"01_names": show})
    done = bankmine(
        root, "run", "--source", "My <b>Bank", "--as-of", "2025-06-30", "--out", "../out", cwd=folder.parent
    )
    assert done.code == 0, done
    out = tmp_path / "out" / "my-b-bank"
    assert done.out == "../out/index.html\n"
    page = (out / "2025-06-30" / "01_names.html").read_text("utf-8")
    told = _manifest(out / "2025-06-30" / "01_names.json")
    assert told["source"]["rows"]["customers"] == 6
    assert told["source"]["fingerprint"]
    assert told["parameters"]["source"] == str(folder)
    for text in (page, (tmp_path / "out" / "index.html").read_text("utf-8")):
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text

    namesake = write_csv(bank, tmp_path / "other" / "My <b>Bank")
    refused(bankmine(root, "run", "--source", namesake, "--out", tmp_path / "out"), "another source", str(folder))


def test_on_a_terminal_each_report_has_a_bar(workspace):
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, "run", "1"], cwd=workspace, env=environment(workspace, TERM="xterm"), stdout=subprocess.PIPE,
        stderr=slave, text=True,
    )  # fmt: skip
    os.close(slave)
    shown = b""
    while chunk := _read(master):
        shown += chunk
    os.close(master)
    assert process.communicate(timeout=DEADLINE)[0] == "reports/index.html\n"
    assert b"\x1b[" in shown
    assert b"0/" in shown or b"/3" in shown
    assert shown.count(b"ok     01_steady") == 1


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # the other side of the terminal was closed
        return b""


def test_a_notebook_that_leaves_early_has_failed(tmp_path):
    root = make_workspace(tmp_path, {"01_leaves": ["import sys\n\nsys.exit(0)", STEADY]})
    done = bankmine(root, "run")
    assert done.code == 1
    assert "FAILED 01_leaves" in done.err
    assert "ended before its last cell" in done.err


def test_a_notebook_that_cannot_go_on_ends_as_a_good_page_that_says_why(tmp_path):
    last = 'raise RuntimeError("a cell after the end")'
    ends = 'from bankmine.lacking import NotRun\nraise NotRun("the <b>source</b> has no loans: give one that has")'
    root = make_workspace(tmp_path, {"09_So-early": ["1 + 1", ends, last]})
    done = bankmine(root, "run")
    assert done.code == 0, done.err
    (file,) = root.rglob("09_So-early.json")
    told, page = json.loads(file.read_text("utf-8")), file.with_suffix(".html").read_text("utf-8")
    assert told["status"] == "ok"
    assert [f["text"] for f in told["findings"]] == ["Not run: the <b>source</b> has no loans: give one that has"]
    assert told["findings"][0]["headline"]
    assert told["findings"][0]["id"] == "so_early.not_run"
    assert "&lt;b&gt;source" in page
    assert "a cell after the end" not in page
    assert "Traceback" not in page


def test_a_run_starts_without_what_only_notebooks_need():
    listed = "import sys, bankmine.cli, bankmine.report.runner; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", listed], capture_output=True, text=True, check=True)
    assert "bankmine.report.handed_on" in done.stdout.split()
    assert not {"matplotlib", "seaborn", "sklearn", "xgboost", "shap"} & set(done.stdout.split())
