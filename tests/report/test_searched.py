"""Pages are searched before they are published: what looks personal fails the report and is shown nowhere."""

from __future__ import annotations

import json

from runner_fixtures import bankmine, contents, make_workspace, write_notebook

ID, PHONE = "11010519491231002X", "13812345678"
LIST = """\
import os, pandas as pd
from pathlib import Path
stage = Path(os.environ["BANKMINE_STAGE"])
nothing = {"none": None, "of_none": [[]] * 3, "several": [["a"], ["13812345678", "b"], []]}
pd.DataFrame({"who": ["13812345678"] * 3} | nothing).to_parquet(stage / "calls.parquet")
pd.DataFrame({"手机号": [13812345678, None], "sum": [13812345678.0, None]}).to_parquet(stage / "phones.parquet")"""


def test_a_page_that_shows_an_identity_card_fails_and_shows_it_nowhere(tmp_path):
    shown = f'print("{ID[:6]}" + "{ID[6:]}")'
    parted = f'from IPython.display import HTML\nHTML("<b>{PHONE[:3]}</b>" + "{PHONE[3:]}")'
    root = make_workspace(tmp_path, {"01_shown": [shown], "02_parted": [parted], "03_listed": [LIST], "04_fine": ["1"]})
    write_notebook(root / "notebooks" / "05_raises.ipynb", f'raise KeyError("{ID[:6]}" + "{ID[6:]}")')
    (root / "reports.yml").write_text(
        (root / "reports.yml").read_text() + "- {report: 05_raises, title: R, audience: t}\n"
    )
    done = bankmine(root, "run")
    assert done.code == 1, done.err
    assert "identity card numbers (1) in cell [" in done.err
    published = contents(root / "reports")
    names = [n for n in published if n.startswith("2025")]
    assert not [n for n, content in published.items() if ID.encode() in content or PHONE.encode() in content]
    assert not [n for n in names if n.endswith(".parquet")]
    good = {n.split("/")[1][:2] for n in names if n.endswith(".html") and ".failed" not in n}
    assert good == {"04"}
    told = json.loads(next(c for n, c in published.items() if n.endswith("03_listed.failed.json")))
    assert "phone numbers (3) in 03_listed/calls.parquet, column who" in told["error"]
    assert "phone numbers (1) in 03_listed/calls.parquet, column several" in told["error"]
    assert "phone numbers (1) in 03_listed/phones.parquet, column 手机号." in told["error"]
