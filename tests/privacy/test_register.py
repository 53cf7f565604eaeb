"""The register of columns: what it must hold, and what is said of one that does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from bank_fixtures import EXTRACTED_ON
from pseudonyms import keep_apart, list_columns, write_bank

from bankmine.bank.classified import register_of
from bankmine.bank.contract import TABLES
from bankmine.bank.flat import open_flat
from bankmine.bank.snapshot import open_source, read_source
from bankmine.bank.sources import SOURCES, find_source
from bankmine.errors import BankmineError
from bankmine.privacy import register
from bankmine.privacy.register import SENSITIVE, UNLISTED, load_register
from bankmine.workspace import WORKSPACE

GROUP = """columns:
  - id: more
    kind: personal
    masking: absent
    purposes: [quality]
    retention: 5
    columns: [{columns}]
"""


def test_every_column_of_the_contract_is_classified_and_no_other():
    listed = load_register(WORKSPACE).groups
    assert set(listed) == {f"{t.name}.{c.name}" for t in TABLES.values() for c in t.columns}


def test_the_demo_bank_classifies_all_that_it_has_wherever_it_is_made(small_bank: Path):
    for source in (find_source("demo"), find_source(str(small_bank))):
        raw = open_source(str(small_bank)).raw
        found = register_of(source, {name: rows.columns for name, rows in raw.items()})
        assert not [f"{n}.{c}" for n, rows in raw.items() for c in rows.columns if f"{n}.{c}" not in found.groups]
    assert (SOURCES / "demo" / "privacy.yml").read_text() == (small_bank / "privacy.yml").read_text()


def test_what_nobody_lists_is_sensitive():
    group = load_register(WORKSPACE).group("customers.shoe_size")
    assert group is UNLISTED
    assert group.kind == SENSITIVE


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("columns: [", "is not readable YAML"),
        ("- a list", "must be a mapping of columns"),
        ("purposes: []\ncolumns: []", "must be a mapping of columns"),
        (GROUP.format(columns="customers.gender"), "customers.gender is listed in"),
        (GROUP.format(columns="customers.shoe_size, customers.shoe_size"), "is listed twice"),
        (GROUP.format(columns="shoe_size"), "a column is written table.column"),
        (GROUP.format(columns="a.b").replace("[quality]", "[gossip]"), "names the purpose 'gossip'"),
        (GROUP.format(columns="a.b").replace("personal", "secret"), "kind may be general, personal, sensitive"),
        (GROUP.format(columns="a.b").replace("absent", "blurred"), "masking may be"),
        (GROUP.format(columns="a.b").replace("5", "-5"), "retention is a number of years"),
        (GROUP.format(columns="a.b").replace("[quality]", "quality"), "must be a list of words"),
    ],
)
def test_a_register_that_is_wrong_says_so_in_one_line(tmp_path: Path, text: str, says: str):
    (tmp_path / "privacy.yml").write_text(text)
    with pytest.raises(BankmineError, match=r".") as refused:
        load_register(tmp_path)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_column_that_is_not_there_is_told_with_the_nearest(small_bank: Path, tmp_path: Path, monkeypatch):
    text = register.FILE.read_text().replace("- customers.gender", "- customers.gendre")
    monkeypatch.setattr(register, "FILE", tmp_path / "privacy.yml")
    (tmp_path / "privacy.yml").write_text(text)
    bank = read_source(str(small_bank))
    with pytest.raises(BankmineError, match=r"customers\.gendre.*Did you mean customers\.gender\?"):
        register_of(bank.source, {name: rows.columns for name, rows in bank.raw.items()})


def test_what_a_purpose_asks_of_customers_must_be_listed(tmp_path: Path, monkeypatch):
    text = register.FILE.read_text().replace("consent: [marketing_consent]", "consent: [marketing_consnt]")
    monkeypatch.setattr(register, "FILE", tmp_path / "privacy.yml")
    (tmp_path / "privacy.yml").write_text(text)
    with pytest.raises(BankmineError, match="purpose marketing asks for 'marketing_consnt', which"):
        load_register(tmp_path)


def test_a_register_with_a_column_that_is_not_there_opens_nothing_also_when_all_is_kept(tmp_path: Path, monkeypatch):
    keep_apart(monkeypatch, tmp_path)
    plain, _ = write_bank(tmp_path)
    assert open_source(plain).as_of(EXTRACTED_ON).tables
    list_columns(plain, "absent", "customers.shoe_size")
    before = (tmp_path / "audit.jsonl").read_text()
    with pytest.raises(BankmineError, match=r"lists customers\.shoe_size, which neither"):
        open_source(plain).as_of(EXTRACTED_ON)
    assert (tmp_path / "audit.jsonl").read_text() == before
    (flat := tmp_path / "flat").mkdir()
    (flat / "flat.csv").write_text("y,x\n" + "yes,1\nno,2\nno,1\n" * 60)
    (flat / "source.yml").write_text("flat: {file: flat.csv, target: y}")
    assert open_flat(str(flat)).rows
    list_columns(flat, "absent", "flat.z")
    with pytest.raises(BankmineError, match=r"lists flat\.z, which neither"):
        open_flat(str(flat))


def test_who_reviews_is_told_or_missed(monkeypatch, tmp_path: Path):
    assert load_register(WORKSPACE).review("credit").owner
    text = register.FILE.read_text()
    monkeypatch.setattr(register, "FILE", tmp_path / "privacy.yml")
    (tmp_path / "privacy.yml").write_text(text.replace("days: 15", "days: soon"))
    with pytest.raises(BankmineError, match="days is a whole number of days from 1"):
        load_register(tmp_path)
    (tmp_path / "privacy.yml").write_text(text.replace("id: credit, owner", "id: other, owner"))
    with pytest.raises(BankmineError, match="nobody explains and reviews its decisions"):
        load_register(tmp_path).review("credit")
