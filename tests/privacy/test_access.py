"""Access: who may do what for which purpose, cell by cell, and what of a bank is seen of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from bank_fixtures import CORE, write_csv, write_parquet
from bank_fixtures import small_bank as tiny_bank
from pseudonyms import keep_apart, list_columns, write_bank
from runner_fixtures import bankmine, bankmine_many, make_workspace, refused

from bankmine.bank.flat import open_flat
from bankmine.bank.snapshot import Snapshot, open_source
from bankmine.errors import BankmineError
from bankmine.features.consent import ALLOWED, contact_allowed
from bankmine.privacy import access
from bankmine.privacy.register import load_register
from bankmine.report.handed_on import hand_on
from bankmine.report.source_check import check_lines
from bankmine.topics.profiling.study import Profile
from bankmine.workspace import WORKSPACE
from demobank import generate

LAST = "2025-12-31"
DATA = WORKSPACE / "data"
YES, NO = True, False
P, X, Y, T, R = "none", "absent", "year", "token", "redact"
REPORTS = ("01_data_quality", "02_profiling", "06_churn", "07_credit_scoring", "08_fraud")
COLUMNS = ("customers.customer_id", "customers.birth_date", "customers.gender", "customers.annual_income",
           "transactions.is_fraud", "applications.amount", "feedback.text", "staff_actions.amount", "market.value",
           "customers.not_listed")  # fmt: skip
# role, purpose -> whether it may act for it; if so, which reports it may run, and how it sees columns
TABLE = [
    # role, purpose -> may act | reports 01 02 06 07 08 | key birth gender income fraud credit text staff market ?
    ("analyst",      "statistics",  YES,  NO,  YES, NO,  NO,  NO,  P, P, P, P, X, P, R, X, P, P),
    ("analyst",      "quality",     NO),
    ("analyst",      "retention",   NO),
    ("analyst",      "marketing",   NO),
    ("analyst",      "fraud",       NO),
    ("retention",    "retention",   YES,  NO,  NO,  YES, NO,  NO,  P, P, P, P, X, P, R, X, P, P),
    ("retention",    "marketing",   YES,  NO,  NO,  YES, NO,  NO,  P, P, P, P, X, X, R, X, P, P),
    ("retention",    "credit_risk", NO),
    ("credit_risk",  "credit_risk", YES,  NO,  NO,  NO,  YES, NO,  P, P, P, P, X, P, R, X, P, P),
    ("credit_risk",  "retention",   NO),
    ("fraud_desk",   "fraud",       YES,  NO,  NO,  NO,  NO,  YES, P, P, P, P, P, P, R, P, P, P),
    ("fraud_desk",   "marketing",   NO),
    ("validator",    "validation",  YES,  YES, YES, YES, YES, YES, P, P, P, P, P, P, R, P, P, P),
    ("validator",    "fraud",       NO),
    ("auditor",      "validation",  YES,  NO,  NO,  NO,  NO,  NO,  T, Y, X, X, X, X, X, X, P, X),
    ("auditor",      "quality",     NO),
    ("data_owner",   "quality",     YES,  YES, NO,  NO,  NO,  NO,  P, P, P, P, P, P, R, P, P, P),
    ("data_owner",   "statistics",  NO),
]  # fmt: skip
# role           reveal forget rotate audit open
ACTS = [
    ("analyst",     NO,  NO,  NO,  NO,  YES),
    ("retention",   YES, NO,  NO,  NO,  YES),
    ("credit_risk", NO,  NO,  NO,  NO,  YES),
    ("fraud_desk",  YES, NO,  NO,  NO,  YES),
    ("validator",   NO,  NO,  NO,  NO,  YES),
    ("auditor",     NO,  NO,  NO,  YES, NO),
    ("data_owner",  NO,  YES, YES, YES, YES),
]  # fmt: skip


def may(what, *asked: object) -> bool:
    try:
        what(*asked)
    except BankmineError:
        return False
    return True


@pytest.fixture(autouse=True)
def _nobody_acts(monkeypatch):
    monkeypatch.delenv(access.ROLE, raising=False)
    monkeypatch.delenv(access.PURPOSE, raising=False)


@pytest.fixture
def shipped(monkeypatch) -> access.Access:
    """The roles of the workspace."""
    monkeypatch.setattr(access, "FILE", DATA / "access.yml")
    return access.load_access()


@pytest.mark.parametrize(("role", "purpose", "acts", "cells"), [(r, p, a, c) for r, p, a, *c in TABLE])
def test_who_runs_and_sees_what_for_which_purpose(shipped, role, purpose, acts, cells):
    assert may(shipped.acting, role, purpose) is acts
    if not acts:
        assert not any(may(shipped.require_run, report, role, purpose) for report in REPORTS)
        return
    runs, sees = cells[: len(REPORTS)], cells[len(REPORTS) :]
    assert [may(shipped.require_run, report, role, purpose) for report in REPORTS] == runs
    seen = access.View(shipped, role, purpose)
    assert {c: seen.masking(c) for c in COLUMNS} == dict(zip(COLUMNS, sees, strict=True))


@pytest.mark.parametrize(("role", "cells"), [(r, c) for r, *c in ACTS])
def test_who_does_what(shipped, role, cells):
    purpose = shipped.roles[role].purposes[0]
    assert [may(access.require, role, act, purpose) for act in access.ACTS] == cells
    assert not may(access.require, role, access.ACTS[0], "unheard_of")


def test_what_is_not_known_is_denied(shipped):
    assert not may(shipped.acting, "intern", "statistics")
    assert not may(shipped.acting, "analyst", "curiosity")
    assert not may(shipped.require_run, "99_unheard_of", "validator", "validation")
    assert not may(access.require, "data_owner", "erase_all", "quality")
    assert not shipped.allows("intern", access.PLAIN, "market.value", "general", "market")
    assert access.View(shipped, "auditor", "validation").masking("nowhere.at_all") == X


def test_the_environment_says_who_acts_else_the_default(shipped, monkeypatch):
    assert access.acting() == ("analyst", "statistics")
    monkeypatch.setenv(access.ROLE, "fraud_desk")
    assert access.acting() == ("fraud_desk", "fraud")
    monkeypatch.setenv(access.PURPOSE, "statistics")
    assert not may(access.acting)


# --- a bank, seen

BASE = {"purposes": ["statistics", "marketing", "profiling", "fraud"], "what": "tests"}
ALL = {"general": "plain", "personal": "plain", "sensitive": "plain"}
ROLES = {
    "whole": {"sees": ALL},
    "same": {"sees": ALL},
    "north": {"sees": ALL, "rows": {"city_tier": ["2"]}},
    "elsewhere": {"sees": ALL, "rows": {"region": ["North"]}},
    "masked": {"sees": {"general": "plain", "personal": "masked", "sensitive": "plain"}},
    "poor": {"sees": {"general": "plain", "personal": "plain", "sensitive": "absent"}},
    "no_gender": {"sees": ALL, "denied": ["customers.gender", "feedback"]},
    "no_consent": {"sees": ALL, "denied": ["customers.marketing_consent", "customers.profiling_consent"]},
}


def write_access(file: Path, roles: dict[str, dict] = ROLES, **told: object) -> Path:
    entries = [{"id": name, **BASE, **role} for name, role in roles.items()]
    whole = {"default": {"role": next(iter(roles)), "purpose": "statistics"}, "roles": entries} | told
    file.write_text(json.dumps(whole, indent=1), "utf-8")  # which is YAML without aliases
    return file


@pytest.fixture
def bank(tmp_path, monkeypatch) -> Path:
    """Folder of a bank, of which one income and one account are wrong, beside roles."""
    monkeypatch.setattr(access, "FILE", write_access(tmp_path / "access.yml"))
    made = tiny_bank()
    made["customers"].loc[1, "annual_income"] = -1.0
    made["accounts"].loc[8, "customer_id"] = "nobody"
    made["feedback"].loc[0, "text"] = "Late again. 电话13812345678, ID 11010519491231002X"
    return write_parquet(made, tmp_path / "bank")


def as_seen(bank: Path, role: str, purpose: str = "statistics") -> Snapshot:
    return open_source(str(bank)).as_of(LAST, role, purpose)


def test_who_is_limited_to_some_customers_sees_what_is_theirs_and_no_more(bank):
    whole, north = as_seen(bank, "whole"), as_seen(bank, "north")
    for tables in (north.tables, north.delivered):
        ids = {name: set(rows.to_pandas().iloc[:, 0 if name != "transactions" else 1]) for name, rows in tables.items()}
        assert ids["customers"] == {"0001", "0005"}
        assert ids["accounts"] == {"A1", "A5", "A7"}
        assert ids["transactions"] <= ids["balances"] | ids["accounts"] == ids["accounts"]
        assert set(tables["feedback"].to_pandas()["customer_id"]) == {"0001", "0005"}
        assert set(tables["events"].to_pandas()["customer_id"]) <= {"0001", "0005"}
        ties = tables["relations"].to_pandas()
        assert {*ties["from_id"], *ties["to_id"]} <= {"0001", "0005"}
    assert north.checks["customers"].kept == 2 < whole.checks["customers"].kept
    assert not any(v.examples for c in north.checks.values() for v in c.violations)


def test_who_is_limited_by_what_the_source_does_not_tell_sees_nothing(bank):
    with pytest.raises(BankmineError, match="only customers by region"):
        as_seen(bank, "elsewhere")


def test_a_purpose_that_needs_consent_sees_who_gave_it(bank):
    with pytest.raises(BankmineError, match="profiling_consent"):
        as_seen(bank, "whole", "profiling")  # of which the source tells nothing
    seen = as_seen(bank, "whole", "marketing")
    assert set(seen.customers.to_pandas()["customer_id"]) == {"0003", "0006"}  # True; others said no, or nothing
    assert set(seen.accounts.to_pandas()["customer_id"]) == {"0003", "0006"}
    assert set(seen.transactions.to_pandas()["account_id"]) == {"A3", "A6"}


def test_columns_are_masked_or_absent(bank):
    whole, masked = as_seen(bank, "whole").customers.to_pandas(), as_seen(bank, "masked").customers.to_pandas()
    assert list(masked["birth_date"].astype(str)) == [f"{d:%Y}-01-01" for d in pd.to_datetime(whole["birth_date"])]
    assert not (whole["birth_date"] == masked["birth_date"]).any()
    assert "gender" not in masked
    assert {"gender", "annual_income"} < {*whole}
    assert "note" in whole  # which no register lists, and which is sensitive
    texts = as_seen(bank, "whole").feedback.to_pandas()["text"]  # which is for no purpose
    assert "Late again. 电话***, ID ***" in set(texts)
    assert "text" not in as_seen(bank, "poor").feedback.columns
    assert as_seen(bank, "whole").lacking("transactions.is_fraud", "transactions.amount") == ["transactions.is_fraud"]
    assert as_seen(bank, "whole", "fraud").has("transactions.is_fraud")


def test_a_table_of_which_a_required_column_is_absent_is_not_there(bank):
    poor = as_seen(bank, "poor")
    assert poor.has("customers.gender")
    assert not poor.has("customers.annual_income")
    assert "accounts" not in poor.tables
    assert "accounts" not in poor.checks
    with pytest.raises(BankmineError, match="no table accounts"):
        _ = poor.accounts


def test_examples_of_what_is_masked_are_not_shown(bank):
    def examples(role: str) -> dict[str, tuple]:
        return {f"{v.table}.{v.column}": v.examples for c in as_seen(bank, role).checks.values() for v in c.violations}

    whole, masked, poor = examples("whole"), examples("masked"), examples("poor")
    assert whole["customers.annual_income"]
    assert whole["accounts.customer_id"]
    assert masked["accounts.customer_id"] == ()  # its rows are named by a key that is masked
    assert poor["customers.annual_income"] == ()


def test_what_is_denied_stays_so_and_reports_lack_it(bank):
    seen = as_seen(bank, "no_gender")
    assert seen.lacking("customers.gender", "customers.birth_date") == ["customers.gender"]
    assert "feedback" not in seen.tables
    assert "gender" not in seen.delivered["customers"].columns
    with pytest.raises(BankmineError, match=r"has no customers\.gender"):
        seen.require("customers.gender")


def test_views_that_hide_the_same_share_what_is_kept(bank, monkeypatch):
    keys = {role: as_seen(bank, role).key for role in ("whole", "same", "masked", "north")}
    assert keys["whole"] == keys["same"]
    assert len({*keys.values()}) == 3
    monkeypatch.setattr(access, "FILE", access.FILE.with_name("none.yml"))
    assert as_seen(bank, "whole").key not in keys.values()
    assert "note" in as_seen(bank, "nobody").customers.columns


def test_flat_tables_are_seen_by_role(tmp_path, monkeypatch):
    rows = [{"who": i, "left": "yes" if i % 3 else "no", "secret": i % 7, "open": i % 5} for i in range(200)]
    pd.DataFrame(rows).to_csv(tmp_path / "flat.csv", index=False)
    roles = {"whole": {"sees": ALL}, "some": {"sees": ALL, "denied": ["flat.secret"]},
             "blind": {"sees": ALL, "denied": ["flat.left"]}, "north": ROLES["north"]}  # fmt: skip
    monkeypatch.setattr(access, "FILE", write_access(tmp_path / "access.yml", roles))

    def seen(role: str) -> set[str]:
        found = open_flat(str(tmp_path / "flat.csv"), "left", id="who", role=role)
        assert (found.role, found.purpose) == (role, "statistics")
        return {*found.predictors, *found.rows.columns}

    assert seen("whole") - seen("some") == {"secret"}
    with pytest.raises(BankmineError, match="blind may not see left"):
        seen("blind")
    with pytest.raises(BankmineError, match="only some customers"):
        seen("north")


def test_texts_of_a_flat_table_are_blanked_whatever_their_column_is_called(tmp_path, monkeypatch):
    name = "x\", getvariable('a') AS \"y; DROP TABLE flat; --"
    told = ["电话13812345678", "11010519491231002X is my number", "fine", None]
    rows = [{"who": i, "left": "yes" if i % 3 else "no", name: told[i % 4], "open": i % 5} for i in range(200)]
    pd.DataFrame(rows).to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "source.yml").write_text(yaml.safe_dump({"flat": {"file": "t.csv", "target": "left"}}), "utf-8")
    monkeypatch.setattr(access, "FILE", write_access(tmp_path / "access.yml"))

    def texts() -> set[str]:
        return set(open_flat(str(tmp_path), id="who", role="masked").rows.texts(name).dropna())

    assert texts() == {*told[:3]}  # which no register lists
    list_columns(tmp_path, "redact", f"flat.{name}")
    assert texts() == {"电话***", "*** is my number", "fine"}


BAD = {
    "no mapping": ("- 1", "mapping"),
    "no yaml": ("a: [", "not readable YAML"),
    "an unknown key": ("default: {}\nroles: []\nmore: 1", "nothing else"),
    "no such default": ("default: {role: boss, purpose: fraud}\nroles: []", "default"),
    "an odd name": ({"Two Words; DROP": {}}, "lower case"),
    "an unknown purpose": ({"a": {"purposes": ["fun"]}}, "purposes may be"),
    "an unknown kind": ({"a": {"sees": {"secret": "plain"}}}, "sees may be"),
    "an unknown way": ({"a": {"sees": {"general": "sometimes"}}}, "sees may be"),
    "an unknown act": ({"a": {"acts": ["erase"]}}, "acts may be"),
    "an unknown table": ({"a": {"denied": ["salaries"]}}, "denied 'salaries'"),
    "an unknown column": ({"a": {"denied": ["customers.gendr"]}}, "denied 'customers.gendr'"),
    "an unknown field": ({"a": {"may": ["all"]}}, "not a list of roles"),
    "code": ({"a": {"reports": ["x' == 'x' or __import__('os')"]}}, "list of words"),
    "rows that are none": ({"a": {"rows": {"region": "North"}}}, "list of words"),
}


@pytest.mark.parametrize("told", BAD)
def test_what_cannot_be_read_is_refused_in_one_line(tmp_path, monkeypatch, told):
    text, words = BAD[told]
    file = tmp_path / "access.yml"
    if isinstance(text, dict):
        write_access(file, text)
    else:
        file.write_text(text, "utf-8")
    monkeypatch.setattr(access, "FILE", file)
    with pytest.raises(BankmineError) as refusal:
        access.load_access()
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


# --- the runner

LOOKS = """
import os

from bankmine.bank.snapshot import open_source

snapshot = open_source(source).as_of(as_of)
assert (snapshot.role, snapshot.purpose) == ("no_gender", "fraud"), snapshot.role
assert "gender" not in snapshot.customers.columns
snapshot
"""


@pytest.fixture
def workspace(tmp_path) -> Path:
    root = make_workspace(tmp_path / "w", {"01_looks": [LOOKS], "02_other": ["1"]})
    shutil.copy(DATA / "privacy.yml", root / "data" / "privacy.yml")
    roles = {
        "whole": {"sees": ALL, "reports": ["02_other"]},
        "no_gender": {**ROLES["no_gender"], "reports": ["01_looks"]},
    }
    write_access(root / "data" / "access.yml", roles)
    declare(root)
    return root


def declare(root: Path, **looks: str) -> None:
    told = [
        {"report": "01_looks", "title": "What?", "role": "no_gender", "purpose": "fraud"} | looks,
        {"report": "02_other", "title": "Else?"},
    ]
    (root / "reports.yml").write_text(yaml.safe_dump(told), "utf-8")


def test_reports_run_under_the_role_that_the_catalogue_names(workspace):
    done = bankmine(workspace, "run", BANKMINE_ROLE="whole")
    assert done.code == 0, done
    told = [json.loads(f.read_text()) for f in sorted((workspace / "reports").glob("*/0*.json"))]
    assert [(t["role"], t["purpose"]) for t in told] == [("no_gender", "fraud"), ("whole", "statistics")]
    page = next((workspace / "reports").glob("*/01_looks.html")).read_text("utf-8")
    assert "role <code>no_gender</code>, for the purpose <code>fraud</code>" in page


def test_what_may_not_run_is_refused_before_anything_runs(workspace):
    calls, expected = [], []
    for looks, words in (
        ({"role": "whole"}, ["whole may not run 01_looks"]),
        ({"purpose": "retention"}, ["no_gender may not act for retention"]),
        ({"role": "boss"}, ["no role 'boss'"]),
        ({"purpose": "fun"}, ["no purpose 'fun'"]),
        ({"report": "02_other", "title": "Twice"}, ["twice"]),
    ):
        declare(workspace, **looks)
        calls.append((["run"], {"reports.yml": (workspace / "reports.yml").read_text()}))
        expected.append(words)
    roles = (workspace / "data" / "access.yml").read_text()
    declare(workspace)
    calls.append((["list"], {"reports.yml": (workspace / "reports.yml").read_text(),
                             "data/access.yml": roles.replace("02_other", "03_gone")}))  # fmt: skip
    expected.append(["03_gone", "no report"])
    for done, words in zip(bankmine_many(workspace, calls), expected, strict=True):
        refused(done, *words)
    assert not list(workspace.glob("reports/*/*.html"))


def test_check_says_who_looks_and_new_reports_have_a_role(workspace):
    write_csv(tiny_bank(*CORE), workspace / "bank")
    told, new = bankmine_many(workspace, [(["check", "bank"], {}), (["new", "value"], {})])
    assert told.out.count("roles: seen as whole, for statistics") == 1
    assert "03_value under the reports of role whole" in new.out
    assert yaml.safe_load((workspace / "reports.yml").read_text())[-1]["role"] == "whole"


def test_check_says_that_there_are_no_roles(tmp_path):
    folder = write_csv(tiny_bank(*CORE), tmp_path / "bank")
    lines, _ = check_lines(open_source(str(folder)))
    assert [line for line in lines if "everybody sees all" in line] == [
        f"roles: {access.FILE} is not there, so everybody sees all"
    ]


# --- lists to be contacted


class Listing:
    """A study that hands on one list."""

    def __init__(self, source: Snapshot, ids: list[str]) -> None:
        frame = pd.DataFrame({"call": True}, pd.Index(ids, name="customer_id"))
        frame.attrs["list"] = True
        self.source, self.handed_on = source, {"calls": frame}


def test_a_list_of_who_may_not_be_contacted_is_not_handed_on(bank, tmp_path, monkeypatch):
    monkeypatch.setenv("BANKMINE_STAGE", str(tmp_path / "stage"))
    seen = as_seen(bank, "whole")
    assert load_register(bank).purpose("statistics").contact
    with pytest.raises(BankmineError, match="holds 2 customers who did not agree to marketing_consent") as refusal:
        hand_on(Listing(seen, ["0001", "0002", "0003"]))
    assert "0001" not in str(refusal.value)
    assert not list((tmp_path / "stage").glob("*"))
    assert hand_on(Listing(seen, ["0003", "0006"])) == {"files": "calls.parquet, calls.xlsx"}
    assert hand_on(Listing(as_seen(bank, "whole", "fraud"), ["0001"])) == {"files": "calls.parquet, calls.xlsx"}


def test_a_list_of_people_is_refused_where_who_agreed_is_hidden(bank, tmp_path, monkeypatch):
    monkeypatch.setenv("BANKMINE_STAGE", str(tmp_path / "stage"))
    seen = as_seen(bank, "no_consent")
    assert "customers.marketing_consent" in seen.unseen
    assert "customers.profiling_consent" not in seen.unseen  # which the source does not have
    assert "customers.marketing_consent" not in as_seen(bank, "whole").unseen
    with pytest.raises(BankmineError, match=r"hidden from role no_consent: let it see customers.marketing_consent"):
        hand_on(Listing(seen, ["0003"]))
    assert not list((tmp_path / "stage").glob("*"))
    assert hand_on(Listing(seen, [])) == {"files": "calls.parquet, calls.xlsx"}


def test_who_does_not_see_who_agreed_wins_nobody_back(tmp_path, monkeypatch):
    copy = generate(tmp_path / "bank", customers=200, months=14, seed=8)
    monkeypatch.setattr(access, "FILE", write_access(tmp_path / "access.yml"))
    seen, blind = (Profile(as_seen(copy, role), "") for role in ("whole", "no_consent"))
    assert len(seen.handed_on["win_back"])
    assert blind.handed_on["win_back"].empty
    assert "who agreed to offers and personal treatment is hidden" in str(blind.win_back.why)


def test_who_agreed_is_hidden_too_where_the_register_leaves_it_out(tmp_path, monkeypatch):
    keep_apart(monkeypatch, tmp_path)
    register = yaml.safe_load((DATA / "privacy.yml").read_text("utf-8"))
    for group in register["columns"]:
        if "customers.marketing_consent" in group["columns"]:
            group["purposes"] = []
    (tmp_path / "privacy.yml").write_text(yaml.safe_dump(register), "utf-8")
    for module in ("bankmine.privacy.register.FILE", "bankmine.privacy.access.REGISTER"):
        monkeypatch.setattr(module, tmp_path / "privacy.yml")
    hidden = open_source(write_bank(tmp_path)[1]).as_of(LAST)
    assert contact_allowed(hidden.customers.to_pandas(), hidden.unseen).ne(ALLOWED).all()


def test_who_withdraws_a_consent_is_on_no_list_to_win_back(tmp_path):
    copy = generate(tmp_path / "bank", customers=200, months=14, seed=8)
    before = Profile(open_source(str(copy)).as_of(LAST), "").handed_on["win_back"]
    assert before["call"].any()
    gone = before.index[before["call"]][0]
    for file in (copy / "customers").glob("*.parquet"):
        table = pq.read_table(file)
        frame = table.to_pandas()
        frame.loc[frame["customer_id"] == gone, "marketing_consent"] = False
        pq.write_table(type(table).from_pandas(frame, table.schema, preserve_index=False), file)
    after = Profile(open_source(str(copy)).as_of(LAST), "").handed_on["win_back"]
    assert gone not in after.index
    assert set(after.index) == set(before.index) - {gone}
