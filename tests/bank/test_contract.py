"""The data dictionary in data/README.md is the contract; `python tests/test_contract.py` writes it anew."""

from __future__ import annotations

import re

import pytest

from bankmine.bank.contract import TABLES, Column, Table
from bankmine.bank.rules import MEANINGS
from bankmine.bank.sources import SOURCES, find_source, list_sources
from bankmine.workspace import WORKSPACE

README = WORKSPACE / "data" / "README.md"
TYPES = {"string", "date", "timestamp", "int64", "float64", "boolean"}


def _line(column: Column, table: Table) -> str:
    name = f"**{column.name}**" if column.required else column.name
    notes = [f"key of {table.parents[column.name]}"] if column.name in table.parents else []
    notes += ["above zero"] if column.positive else ["not below zero"] if column.non_negative else []
    notes += ["one of " + ", ".join(column.values)] if column.values else []
    known = column.known_on or table.time
    return f"| {name} | {column.type} | {known} | {'; '.join([column.meaning, *notes])} |"


def _section(table: Table) -> str:
    key = f"Key: {', '.join(table.key)}. " if table.key else "No key. "
    head = f"### {table.name}\n\n{table.meaning.capitalize()}. {key}Event time: {table.time}.\n\n"
    lines = [_line(column, table) for column in table.columns]
    return head + "\n".join(["| column | type | known | meaning |", "|---|---|---|---|", *lines])


def rendered(text: str) -> str:
    """Fill the generated parts of the data dictionary."""
    rules = "\n".join(
        ["| rule | what is wrong |", "|---|---|", *(f"| {rule} | {why} |" for rule, why in MEANINGS.items())]
    )
    parts = {"rules": rules, "contract": "\n\n".join(_section(table) for table in TABLES.values())}
    for part, content in parts.items():
        pattern = rf"(<!-- {part}: [^\n]*-->\n).*?(<!-- end of {part} -->)"
        text = re.sub(pattern, lambda m, content=content: f"{m[1]}\n{content}\n\n{m[2]}", text, flags=re.DOTALL)
    return text


def test_the_data_dictionary_is_the_contract():
    text = README.read_text("utf-8")
    assert "| **customer_id** | string |" in text
    assert text == rendered(text), "run: python tests/test_contract.py"


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_the_contract_is_consistent(table):
    assert len(set(table.names)) == len(table.names)
    assert {c.type for c in table.columns} <= TYPES
    needed = {*table.key, *table.parents, table.time}
    assert all(table[name].required for name in needed)
    assert table[table.time].type in ("date", "timestamp")
    before = list(TABLES)[: list(TABLES).index(table.name)]
    assert set(table.parents.values()) <= set(before)
    for column in table.columns:
        assert column.known_on is None or (table[column.known_on].type == "date" and not column.required)


def test_every_key_of_source_yml_is_explained():
    from bankmine.bank.sources import _KEYS

    text = README.read_text("utf-8").split("## Rules")[0]
    assert all(f"`{key}`" in text for key in _KEYS)


@pytest.mark.parametrize("name", list_sources())
def test_every_source_says_what_it_is(name):
    source = find_source(name)
    assert source.title
    assert source.terms
    assert source.get
    assert {f.stem for f in (SOURCES / name).glob("*.sql")} <= set(TABLES)


if __name__ == "__main__":
    README.write_text(rendered(README.read_text("utf-8")), "utf-8")
