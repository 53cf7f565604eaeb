"""What a message may show of a source: numbers, dates and what many rows share; of people nothing but the shape."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from bank_fixtures import CORE, small_bank, write_csv
from hypothesis import given
from hypothesis import strategies as st

from bankmine.bank.flat import open_flat
from bankmine.bank.harmless import harmless, personal
from bankmine.bank.snapshot import open_source
from bankmine.errors import BankmineError

PEOPLE = ["王小明", "Anna Schmidt", "李四", "O'Neill"]
SECRETS = [*PEOPLE, "13800138000", "138-0013-8000", "anna@example.org", "11010519491231002X", "6222 0212 3456 7890"]


@pytest.mark.parametrize(
    "text",
    ["1.234,56", "2025-12-31", "31.12.2025 23:59:59", "20251231", "-7 %", "¥12,000.00", "1983-13-05", "1e-7",
     "2025年12月31日"],
)  # fmt: skip
def test_numbers_and_dates_are_shown_as_they_are(text):
    assert harmless(text) == text


@pytest.mark.parametrize("text", SECRETS)
def test_of_people_only_the_shape_is_shown(text):
    shown = harmless(text)
    assert len(shown) == len(text)
    assert not any(part in shown for part in (text, *text.split("@")) if len(part) > 2)


@given(st.text(max_size=40), st.integers(1, 30))
def test_what_is_hidden_keeps_its_length_and_its_signs(text, times):
    shown = harmless(text, times)
    assert len(shown) == len(text)
    assert [c for c in shown if not c.isalnum()] == [c for c in text if not c.isalnum()]


def test_a_text_that_many_rows_share_is_shown_and_a_number_of_a_person_never():
    assert harmless("unknown", 3) == "unknown"
    assert harmless("unknown", 2) == "aaaaaaa"
    assert harmless("13800138000", 1_000) == "99999999999"


@pytest.mark.parametrize(
    "column", ["name", "Customer_Name", "客户姓名", "full name", "note", "comments", "home address"]
)
def test_columns_of_people_are_known_by_their_names(column):
    assert personal(column, ["a", "b"]) is (column != "home address")


@pytest.mark.parametrize("column", ["product_name", "telephone", "region", "job", "nameOrig"])
def test_other_columns_are_none_by_their_names(column):
    assert not personal(column, ["none", "yes"])
    assert personal(column, SECRETS[4:8])


def people(rows: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame({
        "id": [f"C{i}" for i in range(rows)], "name": rng.choice(PEOPLE, rows),
        "x": rng.normal(size=rows).astype(object),
        "note": [f"Rang Frau Müller an, Tel {13800138000 + i}" for i in range(rows)], "y": rng.integers(0, 2, rows),
        "contact": rng.choice(["a@b.cn", "c@d.cn"], rows), "kind": rng.choice(["gold", "silver"], rows),
    })  # fmt: skip


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"target": "note"}, "The target note has 400 values, which are not shown: say which"),
        ({"target": "name"}, "The target name has 4 values, which are not shown"),
        ({"target": "name", "positive": "Anna"}, "is never 'Anna', it has 4 values, which are not shown"),
        ({"target": "contact"}, "The target contact has 2 values, which are not shown"),
        ({"target": "kind"}, "The target kind has 2 values 'gold', 'silver': say which"),
        ({"target": "y", "time": "note"}, "100.0% of the rows have no day there that can be read. Write"),
        ({"target": "y", "time": "contact"}, "have no day there that can be read, like"),
    ],
)
def test_refusals_show_nobody(tmp_path, told, said):
    people().to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(BankmineError) as refused:
        open_flat(str(tmp_path / "t.csv"), **told)
    assert said in str(refused.value)
    assert not any(part in str(refused.value) for part in ("Müller", "王小明", "Schmidt", "1380013"))


def test_names_and_contacts_are_no_predictors_and_what_is_no_number_is_shown_by_its_shape(tmp_path):
    table = people()
    table.loc[3, "x"], table.loc[5, "x"] = "Herr Müller", "110105194912310021"
    table.to_csv(tmp_path / "t.csv", index=False)
    flat = open_flat(str(tmp_path / "t.csv"), target="y", id="id")
    assert list(flat.predictors) == ["x", "kind"]
    assert set(flat.dropped["column"]) == {"name", "note", "contact"}
    said = " ".join(flat.remarks) + " ".join(flat.dropped["reason"])
    assert "'Aaaa Aaaaaa'" in said
    assert "Müller" not in said


def test_a_check_of_a_bank_shows_no_name_that_stands_in_the_wrong_column(tmp_path):
    bank = small_bank(*CORE)
    bank["accounts"]["product"] = ["王小明", *bank["accounts"]["product"].iloc[1:]]
    bank["transactions"]["amount"] = ["Anna Schmidt", *bank["transactions"]["amount"].iloc[1:].astype(str)]
    write_csv(bank, tmp_path)
    found = open_source(str(tmp_path)).as_of("2025-12-31").violations()
    examples = " ".join(e for row in found["examples"] for e in row)
    assert "'字字字' 1 time" in examples
    assert "'Aaaa Aaaaaaa' 1 time" in examples
