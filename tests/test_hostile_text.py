"""Every place where text of a file, a parameter or a register becomes code, SQL or a path, with a hostile text in each.

The text would write a file, the canary, if it ran as SQL, as Python or in a shell, or if a path led out of its folder.
A place either takes it for what it is, text, or refuses it in one line. A module that makes SQL, or runs or imports
anything by a name, must have a place here.
"""

from __future__ import annotations

import ast
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
import yaml
from bank_fixtures import CORE, small_bank, write_csv, write_source
from runner_fixtures import PARAMETERS, bankmine, bankmine_many, make_workspace, write_notebook

from bankmine import registers
from bankmine.bank import rule_sql
from bankmine.bank.flat import open_flat
from bankmine.bank.snapshot import open_source
from bankmine.errors import BankmineError
from bankmine.judging.reasons import load_reasons
from bankmine.learning.columns import load_columns
from bankmine.live.ledger import open_ledger
from bankmine.report.handed_on import earlier
from bankmine.topics import fraud
from bankmine.topics.profiling.study import Profile
from bankmine.workspace import WORKSPACE

LIBRARY = Path(__file__).resolve().parents[1] / "lib" / "bankmine"
LAST = "2025-12-31"
TARGET = "gone"


def hostile(canary: Path) -> dict[str, str]:
    """Texts that write the canary, if a place lets them."""
    copy, touch = f"COPY (SELECT 1) TO '{canary}'", f"__import__('pathlib').Path({str(canary)!r}).touch()"
    code = f'{touch}; "; {touch}; "$(touch {canary}) `touch {canary}` {{0.__class__}} {{value.__class__}} ${{HOME}}'
    return {
        "closes a literal": f"x'); {copy}; --", "closes a table": f'x" AS SELECT 1; {copy}; --',
        "closes a column": f'x" FROM (SELECT 1 AS x); {copy}; --', "is code": code,
        "is a path": f"../../../../../../../..{canary}", "names a function": "os:system",
    }  # fmt: skip


@contextmanager
def one_line() -> Iterator[None]:
    """Let a place refuse: in one line that is no traceback."""
    said = ""
    try:
        yield
    except BankmineError as refusal:
        said = str(refusal)
    assert "\n" not in said
    assert len(said) < 1_000


def put(told: object, text: str) -> object:
    """Put a text wherever TEXT stands."""
    if isinstance(told, dict):
        return {put(key, text): put(value, text) for key, value in told.items()}
    return [put(one, text) for one in told] if isinstance(told, list) else text if told == "TEXT" else told


# --- a bank's folder


def described(told: Callable[[str], dict]) -> Callable[[Path, str], None]:
    """A place in `source.yml`."""

    def act(folder: Path, text: str) -> None:
        write_csv(small_bank(*CORE), folder)
        (folder / "source.yml").write_text(yaml.safe_dump(told(text), allow_unicode=True), "utf-8")
        open_source(str(folder)).as_of(LAST).overview()

    return act


def raw(folder: Path, text: str) -> None:
    write_csv(small_bank(*CORE), folder)
    (folder / "source.yml").write_text(f"title: {text}\n", "utf-8")
    open_source(str(folder))


def related(name: str = "customers", **spec: object) -> Callable[[str], dict]:
    """Relations of which one has the text as its name, or somewhere in it."""
    whole = {table: f"{table}.csv" for table in CORE}
    return lambda text: {"relations": whole | {put(name, text): put({"file": "customers.csv"} | spec, text)}}


def database(folder: Path, text: str) -> None:
    with sqlite3.connect(folder / "bank.sqlite") as connection:
        small_bank("customers")["customers"].to_sql(text, connection, index=False)
    told = {"relations": {t: f"{t}.csv" for t in CORE} | {"customers": {"file": "bank.sqlite", "table": text}}}
    described(lambda _: told)(folder, text)


def file_name(folder: Path, text: str) -> None:
    name = text.replace("/", "-")[:80] + ".csv"
    write_csv(small_bank(*CORE), folder)
    shutil.move(folder / "customers.csv", folder / name)
    (folder / "source.yml").write_text(
        yaml.safe_dump({"relations": {t: f"{t}.csv" for t in CORE} | {"customers": name}})
    )
    assert len(open_source(str(folder)).as_of(LAST).customers.to_pandas()) == 6


def headings(folder: Path, text: str) -> None:
    bank = small_bank(*CORE)
    bank["customers"] = bank["customers"].assign(**{text: text})
    write_csv(bank, folder)
    assert text.strip().lower() in [c.lower() for c in open_source(str(folder)).as_of(LAST).customers.columns]


def cells(folder: Path, text: str) -> None:
    bank = small_bank(*CORE)
    for table in bank.values():
        words = table.select_dtypes(object).columns
        table.loc[table.index[0], [c for c in words if isinstance(table[c].iloc[0], str)]] = text
    write_csv(bank, folder)
    open_source(str(folder)).as_of(LAST).violations()


def mapping(folder: Path, text: str) -> None:
    """What the SQL of a mapping reads; the SQL itself runs with the rights of who takes it over."""
    write_source(folder, small_bank(*CORE))
    bank = small_bank(*CORE)
    bank["customers"] = bank["customers"].assign(name=text)
    write_csv(bank, folder)
    (folder / "customers.sql").write_text("SELECT * FROM customers", "utf-8")
    described(lambda _: {"relations": {t: f"{t}.csv" for t in CORE}})(folder, text)


# --- one flat table


def customers(rows: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame({
        "customer": [f"C{i}" for i in range(rows)], "month": ["2025-01-31", "2025-02-28"] * (rows // 2),
        "balance": rng.normal(size=rows).round(2), "kind": rng.choice(["a", "b"], rows),
        TARGET: [0, 1, 0] * (rows // 3),
    })  # fmt: skip


def flat(**told: str) -> Callable[[Path, str], None]:
    """A parameter of a flat table."""

    def act(folder: Path, text: str) -> None:
        customers().to_csv(folder / "t.csv", index=False)
        given = {"target": TARGET, "id": "customer"} | {k: v.replace("TEXT", text) for k, v in told.items()}
        open_flat(str(folder / "t.csv"), **given)

    return act


def flat_described(**told: object) -> Callable[[Path, str], None]:
    def act(folder: Path, text: str) -> None:
        customers().to_csv(folder / "t.csv", index=False)
        content = {"flat": {"file": "t.csv", "target": TARGET} | put(told, text)}
        (folder / "source.yml").write_text(yaml.safe_dump(content))
        open_flat(str(folder))

    return act


def flat_loader(folder: Path, text: str) -> None:
    (folder / "source.yml").write_text(yaml.safe_dump({"flat": {"loader": text, "target": "y"}}))
    with pytest.raises(BankmineError, match="it may be a data set of empulse"):
        open_flat(str(folder))


def flat_columns(folder: Path, text: str) -> None:
    table = customers().rename(columns={"kind": text})
    table[text] = text
    table.to_csv(folder / "t.csv", index=False)
    open_flat(str(folder / "t.csv"), target=TARGET, id="customer", time="month")
    open_flat(str(folder / "t.csv"), target=TARGET, id=text)


def transactions(folder: Path, text: str) -> None:
    customers().rename(columns={"kind": text}).to_csv(folder / "t.csv", index=False)
    for amount, merchant in ((text, ""), ("balance", text)):
        with one_line():
            fraud.study(str(folder / "t.csv"), LAST, TARGET, "1", "customer", "month", amount, merchant)


# --- registers, parameters, names


def rule(folder: Path, text: str) -> None:
    for understood in (rule_sql.condition, rule_sql.value):
        with pytest.raises(BankmineError):
            understood(text, "tags.yml, tag x")


def words(folder: Path, text: str) -> None:
    told = yaml.safe_load((WORKSPACE / "data" / "reasons.yml").read_text("utf-8"))
    told["reasons"][0]["high"] = text
    (folder / "reasons.yml").write_text(yaml.safe_dump(told, allow_unicode=True), "utf-8")
    load_reasons(folder / "reasons.yml")


def listed_columns(folder: Path, text: str) -> None:
    told = [{"id": text, "use": "allowed", "reason": text, "owner": text}]
    (folder / "columns.yml").write_text(yaml.safe_dump(told), "utf-8")
    assert list(load_columns(folder / "columns.yml")) == [text]


def register(folder: Path, text: str) -> None:
    (folder / "r.yml").write_text(f"a: {text}", "utf-8")
    registers.read_yaml(folder / "r.yml")


def day(folder: Path, text: str) -> None:
    write_csv(small_bank(*CORE), folder)
    open_source(str(folder)).as_of(text)


def named_source(folder: Path, text: str) -> None:
    open_source(text)


def customer(folder: Path, text: str) -> None:
    write_csv(small_bank(*CORE), folder)
    Profile(open_source(str(folder)).as_of(LAST), text)


def kept_file(folder: Path, text: str) -> None:
    """The name of a customer's or source's own is never part of a path that is read again."""
    write_csv(small_bank(*CORE), folder)
    (folder / "source.yml").write_text(yaml.safe_dump({"title": text, "currency": text[:3]}))
    earlier("segments.model", open_source(str(folder)).as_of(LAST))


def ledger(folder: Path, text: str) -> None:
    kept = open_ledger(folder / "state.sqlite")
    with kept.commit():
        kept.own(text, text, text)
    assert kept.owner(text) == (text, text)
    kept.close()


PLACES: dict[str, tuple[str, Callable[[Path, str], None]]] = {
    "source.yml: YAML": ("registers.py", raw),
    "source.yml: generator": ("bank/sources.py", described(lambda t: {"generator": t, "path": "nowhere"})),
    "source.yml: path": ("bank/sources.py", described(lambda t: {"path": t})),
    "source.yml: time_zone": ("bank/readers.py", described(lambda t: {"time_zone": t})),
    "source.yml: title, terms, get": ("bank/sources.py", described(
        lambda t: dict.fromkeys(("title", "terms", "get"), t))),
    "source.yml: currency": ("bank/currencies.py", described(lambda t: {"currency": t})),
    "source.yml: rates": ("bank/currencies.py", described(lambda t: {"currency": "CNY", "rates": {t: 2.0}})),
    "source.yml: missing": ("bank/form_kinds.py", described(lambda t: {"missing": [t]})),
    "source.yml: decimal": ("bank/form_numbers.py", described(lambda t: {"decimal": t})),
    "source.yml: dates": ("bank/form_dates.py", described(lambda t: {"dates": t})),
    "source.yml: clock": ("bank/sources.py", described(lambda t: {"clock": t})),
    "source.yml: encoding": ("bank/encodings.py", described(lambda t: {"encoding": t})),
    "source.yml: name of a relation": ("bank/files.py", described(related("TEXT"))),
    "source.yml: file of a relation": ("bank/files.py", described(related(file="TEXT"))),
    "source.yml: sheet, table, member": ("bank/files.py", described(
        related(sheet="TEXT", table="TEXT", member="TEXT"))),
    "source.yml: name of an option": ("bank/sources.py", described(related(options={"TEXT": 1}))),
    "source.yml: value of an option": ("bank/files.py", described(
        related(options={"delim": "TEXT", "nullstr": "TEXT"}))),
    "source.yml: database": ("bank/readers.py", described(
        lambda t: {"database": {"driver": t, "uri_env": t, "relations": {t: "SELECT 1"}}})),
    "table of a SQLite file": ("bank/files.py", database),
    "name of a file": ("bank/files.py", file_name),
    "headings of a bank": ("bank/casting.py", headings),
    "cells of a bank": ("bank/casting.py", cells),
    "cells that a mapping reads": ("bank/readers.py", mapping),
    "flat: loader": ("bank/readers.py", flat_loader),
    "flat: headings and cells": ("bank/flat_rows.py", flat_columns),
    "flat: target": ("bank/flat_columns.py", flat(target="TEXT")),
    "flat: positive": ("bank/flat_rows.py", flat(positive="TEXT")),
    "flat: id and time": ("bank/flat_rows.py", flat(id="TEXT", time="TEXT")),
    "flat: keep": ("bank/flat_predictors.py", flat(keep="TEXT")),
    "flat: decimal, dates, clock, encoding": ("bank/flat_columns.py", flat(
        decimal="TEXT", dates="TEXT", clock="TEXT", encoding="TEXT")),
    "flat: costs": ("bank/rule_sql.py", flat_described(costs={"fp": "TEXT"})),
    "flat: categories, drop": ("bank/flat_predictors.py", flat_described(categories=["TEXT"], drop={"TEXT": "TEXT"})),
    "flat: amount and merchant": ("bank/forms.py", transactions),
    "a rule of a register": ("bank/rule_sql.py", rule),
    "a register": ("registers.py", register),
    "words of a reason": ("judging/reasons.py", words),
    "columns of a register": ("learning/columns.py", listed_columns),
    "as_of": ("bank/snapshot.py", day),
    "source": ("bank/sources.py", named_source),
    "a customer's id": ("topics/profiling/study.py", customer),
    "what an earlier day left": ("report/handed_on.py", kept_file),
    "live: ids": ("live/ledger.py", ledger),
}  # fmt: skip
"""Place -> the module in which text is turned into something else, and how a text gets there."""
ELSEWHERE = {
    "bank/cache.py": "test_cache", "report/execution.py": "test_a_parameter_of_the_command_is_text",
    "privacy/tokens.py": "names of its own; the secret is bound", "bank/pseudonyms.py": "test_tokens",
    "report/manifest.py": "words are its own", "report/warm_kernels.py": "names of its own library",
    "report/__init__.py": "names of its own parts", "bank/ruled.py": "test_registers",
    "live/warm_up.py": "a number of cores", "live/forgotten.py": "names of its own columns",
    "privacy/patterns.py": "tests/privacy/test_patterns.py",
    "bank/seen.py": "tests/privacy/test_access.py",
    "topics/credit/points.py": "test_scorecard_sql",
}  # fmt: skip
"""Modules that make SQL or run something, and where it is held that no text gets there, or why none can."""


@pytest.mark.parametrize("place", PLACES)
def test_hostile_text_is_text_wherever_it_gets_to(tmp_path, monkeypatch, place):
    act, canary = PLACES[place][1], tmp_path / "canary"
    monkeypatch.chdir(tmp_path)
    for i, (what, text) in enumerate(hostile(canary).items()):
        folder = tmp_path / f"folder {i}"
        folder.mkdir()
        with one_line():
            act(folder, text)
        assert not canary.exists(), f"{place}: what {what} ran"
    there = {f.name for f in tmp_path.iterdir()}
    assert there == {f"folder {i}" for i in range(len(hostile(canary)))}


def test_the_texts_would_write_the_canary_if_they_ran(tmp_path):
    canary = tmp_path / "canary"
    texts = hostile(canary)
    for sql in (
        f"SELECT lower('{texts['closes a literal']}')", f'CREATE TABLE "{texts["closes a table"]}"',
        f'SELECT "{texts["closes a column"]}"',
    ):  # fmt: skip
        duckdb.connect().execute(sql)
        canary.unlink()
    eval(texts["is code"].partition(";")[0])
    canary.unlink()
    assert (tmp_path / texts["is a path"]).resolve() == canary


def test_a_parameter_of_the_command_is_text(tmp_path):
    """Parameters become code of a notebook, names of reports and folders paths."""
    root = make_workspace(tmp_path / "workspace", {"01_told": []})
    write_notebook(root / "notebooks" / "01_told.ipynb", "print(told)", parameters=PARAMETERS + '\ntold = ""')
    for folder in ("out", "elsewhere"):
        (tmp_path / folder).mkdir()
    canary = tmp_path / "canary"
    calls = [
        words
        for text in hostile(canary).values()
        for words in (
            ["run", text], ["run", "01_told", "-p", f"{text}=1"], ["run", "01_told", "--as-of", text],
            ["run", "01_told", "--source", text], ["check", text], ["new", text],
            ["score", "--model", text, "--state", text],
        )
    ]  # fmt: skip
    for words, done in zip(calls, bankmine_many(root, [(words, {}) for words in calls]), strict=True):
        assert done.code in (1, 2), words
        assert "Traceback" not in done.err, words
    whole = " ".join(hostile(canary).values())
    assert bankmine(root, "run", "01_told", "-p", f"told={whole}").code == 0
    assert not canary.exists()
    assert sorted(f.name for f in tmp_path.iterdir()) == ["elsewhere", "out", "workspace"]


SQL = ("raw_sql", "execute", "executemany", "sql")


def turns_text_into_something(module: ast.Module) -> bool:
    """Whether SQL is made of parts there, or something is imported or run by a name."""
    for node in ast.walk(module):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        name, owner = node.func.attr, getattr(node.func.value, "id", "")
        made = any(isinstance(part, ast.JoinedStr | ast.BinOp) for part in node.args)
        if (name in SQL and made) or name in ("import_module", "resolve_name") or owner == "subprocess":
            return True
    return False


def test_no_module_that_makes_sql_or_runs_something_is_forgotten():
    files = {str(f.relative_to(LIBRARY)): ast.parse(f.read_text("utf-8")) for f in LIBRARY.rglob("*.py")}
    found = {name for name, module in files.items() if turns_text_into_something(module)}
    assert len(found) > 8
    assert found <= {module for module, _ in PLACES.values()} | set(ELSEWHERE)
    assert {module for module, _ in PLACES.values()} | set(ELSEWHERE) <= set(files)
