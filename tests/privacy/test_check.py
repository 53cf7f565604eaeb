"""`bankmine check` of a register: what nobody lists, what looks personal, and a register that does not hold."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from bank_fixtures import CORE, small_bank, write_csv
from runner_fixtures import Finished, bankmine_many, make_workspace, refused

from bankmine.workspace import WORKSPACE

ID, PHONES = "11010519491231002X", [f"1381234567{i}" for i in range(6)]
GROUP = """columns:
- {{id: own, kind: {kind}, masking: {masking}, purposes: [retention], retention: 5, columns: [{columns}]}}"""
OWN = "bank/privacy.yml"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace with a register and without roles, a bank whose columns look personal, and such a flat table."""
    root = make_workspace(tmp_path, {"01_one": ["1"]})
    shutil.copy(WORKSPACE / "data" / "privacy.yml", root / "data" / "privacy.yml")
    bank = small_bank(*CORE, "feedback")
    bank["customers"]["reach_at"], bank["customers"]["shoe_size"] = PHONES, 41
    bank["accounts"]["memo"] = ["quiet", f"for {ID}", *["quiet"] * 6, None][: len(bank["accounts"])]
    bank["feedback"].loc[0, "text"] = f"Call me: {PHONES[0]}"
    (write_csv(bank, root / "bank") / "source.yml").write_text("extracted_on: 2025-12-31", "utf-8")
    flat = {
        "y": ["yes", "no"] * 60,
        "x": [i % 7 for i in range(120)],
        "mail": [f"p{i}@post.example.com" for i in range(120)],
    }
    pd.DataFrame(flat).to_csv(root / "flat.csv", index=False)
    return root


def own(columns: str, kind: str = "personal", masking: str = "absent") -> dict[str, str]:
    return {OWN: GROUP.format(columns=columns, kind=kind, masking=masking)}


def lines(done: Finished, *words: str) -> list[str]:
    """Return the lines in which a word stands, of a check that ended well and shows no value."""
    assert (done.code or 0, done.err) == (0, ""), done
    assert done.out.endswith("usable\n")
    assert not [value for value in (ID, *PHONES, "post.example") if value in done.out]
    return [line for line in done.out.splitlines() if any(word in line for word in words)]


def test_check_tells_what_is_not_listed_and_what_looks_personal(workspace: Path):
    bank, flat = ["check", "bank"], ["check", "flat.csv", "-p", "target=y"]
    unlisted, opened, closed, table = bankmine_many(
        workspace,
        [
            (bank, {}),
            (bank, own("customers.reach_at, customers.shoe_size", "general", "none")),
            (bank, own("customers.reach_at, customers.shoe_size, customers.note, accounts.memo")),
            (flat, {}),
        ],
    )
    place = workspace / OWN
    remedy = f"list it in {place} as personal or sensitive, or leave it out"
    assert lines(unlisted, "not classified", "looks like") == [
        "not classified, so taken for sensitive: 4 columns, list them in "
        f"{place}: customers.note, customers.reach_at, customers.shoe_size, accounts.memo",
        f"customers.reach_at looks like phone numbers in 6 of 6 values: {remedy}",
        f"accounts.memo looks like identity card numbers in 1 of 8 values: {remedy}",
        "feedback.text looks like phone numbers in 1 of 3 values: these are blanked for all who may not see the column "
        "plainly",
    ]
    assert (
        "customers.reach_at looks like phone numbers in 6 of 6 values: it is listed as general, masking none, under "
        in (lines(opened, "customers.reach_at")[0])
    )
    assert lines(closed, "not classified", "looks like") == lines(unlisted, "feedback.text")
    assert lines(table, "not classified", "looks like") == [
        "not classified, so taken for sensitive: 3 columns, list them in privacy.yml beside a source.yml: "
        "flat.y, flat.x, flat.mail",
        "flat.mail looks like e-mail addresses in 120 of 120 values: list it in privacy.yml beside a source.yml as "
        "personal or sensitive, or leave it out",
    ]


WRONG = {
    "no YAML": (OWN, "columns: [", "is not readable YAML"),
    "not a register": (OWN, "- 1", "must be a mapping of columns"),
    "a column that is not there": (
        *own("customers.reach_at, customers.shoe_sizes").popitem(),
        "lists customers.shoe_sizes, which neither the contract nor source bank has. Did you mean customers.shoe_size?",
    ),
    "a column listed twice": (*own("customers.gender").popitem(), "customers.gender is listed in"),
    "a kind that is none": (*own("customers.reach_at", kind="secret").popitem(), "kind may be general, personal"),
}


def test_a_register_that_does_not_hold_is_refused_in_one_line(workspace: Path):
    calls = [(["check", "bank"], {file: text}) for file, text, _ in WRONG.values()]
    for done, (file, _, words) in zip(bankmine_many(workspace, calls), WRONG.values(), strict=True):
        refused(done, words, str(workspace / file))


def test_check_says_where_no_roles_are(workspace: Path):
    (done,) = bankmine_many(workspace, [(["check", "bank"], {})])
    assert lines(done, "roles: ") == [f"roles: {workspace / 'data' / 'access.yml'} is not there, so everybody sees all"]
