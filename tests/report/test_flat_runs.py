"""Reports of flat tables: found from where the user stands, published apart, and refused before a kernel starts."""

from __future__ import annotations

import datetime as dt
import json
import os
from pathlib import Path

import pytest
import yaml
from runner_fixtures import PARAMETERS, STEADY, bankmine, bankmine_many, make_workspace, refused, write_notebook

pytestmark = pytest.mark.notebook

ROLES = "\n".join(f'{role} = ""  # of a flat table' for role in ("target", "positive", "id", "time"))
OPENED = """\
from bankmine.learning.sample import flat_sample
from bankmine.bank.flat import open_flat

flat = open_flat(source, target, positive, id, time, as_of)
flat"""
COUNTED = """\
from bankmine.report.findings import finding

finding("{events:,d} events", id="flat.events", headline=True, events=int(flat_sample(flat).target.sum()))"""
TABLE = "customer,month,<b>age</b>,left\n" + "".join(
    f"{i % 20:03d},2025-0{1 + i // 20}-28,{30 + i % 7},{'yes' if i % 5 == 0 else 'no'}\n" for i in range(60)
)
FILE = "my table 客户.csv"
NEW_YEAR = dt.datetime(2024, 1, 1, 12)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    """A workspace with a report for banks and one that takes flat tables, and a table in a folder of its own."""
    root = make_workspace(tmp_path_factory.mktemp("flat"), {"01_steady": [STEADY]})
    write_notebook(root / "notebooks" / "02_flat.ipynb", OPENED, COUNTED, parameters=f"{PARAMETERS}\n{ROLES}")
    entries = [{"report": "01_steady", "title": "Bank?"}, {"report": "02_flat", "title": "Flat?", "takes_flat": True}]
    (root / "reports.yml").write_text(yaml.safe_dump(entries), "utf-8")
    for folder in ("mine", "other"):
        (root / folder).mkdir()
        (root / folder / FILE).write_text(TABLE, "utf-8")
        os.utime(root / folder / FILE, (NEW_YEAR.timestamp(), NEW_YEAR.timestamp()))
    call = ["run", "-p", f"source={FILE}", "-p", "target=left", "--out", root / "reports"]
    done = bankmine(root, *call, cwd=root / "mine")
    assert done.code == 0, done
    assert "01_steady" not in done.err  # a report for banks is left out where none is named
    return root


def manifest(root: Path, day: str) -> dict:
    return json.loads((root / "reports" / "my-table-客户" / day / "02_flat.json").read_text("utf-8"))


def test_a_table_runs_where_the_user_stands_and_is_of_the_day_of_its_file(workspace):
    told = manifest(workspace, "2024-01-01")
    assert told["source"]["title"] == FILE
    assert told["source"]["rows"] == {"flat": 60}
    assert told["parameters"]["source"] == str(workspace / "mine" / FILE)
    assert told["parameters"]["target"] == "left"
    assert told["metrics"] == {"flat.events.events": 12}
    assert "<b>age</b>" not in (workspace / "reports" / "my-table-客户" / "2024-01-01" / "02_flat.html").read_text(
        "utf-8"
    )


def test_a_table_with_days_is_of_its_last_one_and_can_be_cut(workspace):
    source = ["--source", workspace / "mine" / FILE, "-p", "target=left", "-p", "time=month", "-p", "id=customer"]
    assert bankmine(workspace, "run", "flat", *source).code == 0
    assert manifest(workspace, "2025-03-28")["metrics"] == {"flat.events.events": 12}
    assert bankmine(workspace, "run", "flat", *source, "--as-of", "2025-02-28").code == 0
    assert manifest(workspace, "2025-02-28")["metrics"] == {"flat.events.events": 8}


MINE = ["run", "-p", f"source=mine/{FILE}"]
LEFT = [*MINE, "-p", "target=left"]
WRONG = {
    "no such file": (["run", "-p", "source=mine/my table.csv"], ["No source", f"Did you mean mine/{FILE}?"]),
    "no such target": ([*MINE, "-p", "target=lefft"], ["target=lefft", "Did you mean left?"]),
    "no target": (MINE, ["target=…", "Columns with two values: left"]),
    "no such event": ([*LEFT, "-p", "positive=Yes"], ["Did you mean positive=yes?"]),
    "bad time": ([*LEFT, "-p", "time=customer"], ["time=customer", "no day there that can be read"]),
    "day outside": ([*LEFT, "-p", "time=month", "--as-of", "2020-01-01"], ["from 2025-01-28 to 2025-03-31"]),
    "no day": ([*LEFT, "--as-of", ""], ["is not a date"]),
    "report for banks": ([*LEFT, "steady"], ["01_steady needs the tables of a bank"]),
    "source twice": (["run", "--source", "demo", "-p", "source=demo"], ["source is given twice"]),
    "target of a bank": (["run", "-p", "target=left"], ["target tells a column of a flat table"]),
    "unknown parameter": ([*LEFT, "-p", "tme=month"], ["Did you mean time?"]),
    "another of its name": (["run", "-p", f"source=other/{FILE}", "-p", "target=left"], ["reports of another source"]),
    "check of a bank": (["check", "demo", "-p", "target=x"], ["of a flat table only"]),
    "check without a target": (["check", f"mine/{FILE}"], ["Columns with two values: left"]),
}


def test_wrong_calls_are_refused_before_a_kernel_starts(workspace):
    done = bankmine_many(workspace, [(words, {}) for words, _ in WRONG.values()])
    for result, (_, words) in zip(done, WRONG.values(), strict=True):
        refused(result, *words)
    assert not (workspace / "reports" / "2025-12-31").exists()


def test_check_tells_what_a_table_holds(workspace):
    done = bankmine(workspace, "check", f"mine/{FILE}", "-p", "target=left", "-p", "id=customer")
    assert done.code == 0
    assert done.out.startswith(
        "60 rows of 20 entities, as of 2024-01-01\nleft is yes in 12 of the 60 that tell (20.0%)\n"
    )
    assert "left out: month (a date, and there is no time column" in done.out
    assert done.out.endswith("usable\n")


def test_a_report_that_takes_flat_tables_declares_their_parameters(workspace):
    kept = (workspace / "reports.yml").read_text("utf-8")
    entry = "- {report: 01_steady, title: a, takes_flat: true}"
    (result,) = bankmine_many(workspace, [(["run"], {"reports.yml": entry})])
    (workspace / "reports.yml").write_text(kept, "utf-8")
    refused(result, "declares no id and no positive and no target and no time")
