"""Conditions: the same as pandas where that can compute them, three values where it cannot, and no way to run code."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bankmine.bank.conditions import parse
from bankmine.errors import BankmineError

COLUMNS = {
    "a": np.array([1.0, 2.0, np.nan, 4.0]), "b": np.array([2.0, 2.0, 2.0, np.nan]), "flag": np.array([1, 0, 1, 0]),
    "kind": np.array(["card", "cash", None, "余额"], dtype=object),
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a < b", "1000"),
        ("a >= b", "0100"),
        ("1 <= a < 3", "1100"),
        ("a * 2 - 1 == b + 1", "0100"),
        ("not a < b", "0100"),
        ("a < b or flag", "1010"),
        ("a < b and flag", "1000"),
        ("not (a < b and flag)", "0101"),
        ("flag", "1010"),
        ("-a < -1", "0101"),
        ("kind == 'card'", "1000"),
        ("kind != 'card'", "0101"),
        ("kind in ['cash', '余额']", "0101"),
        ("kind not in ['cash']", "1001"),
        ("a in [1, 4]", "1001"),
        ("a / 0 > 1", "1101"),
    ],
)
def test_conditions_worked_by_hand(text, expected):
    """What is not known makes a comparison unknown; a part that decides alone still does."""
    told = parse(text, "test").holds(COLUMNS)
    assert "".join(str(int(v)) for v in told) == expected
    as_series = {name: pd.Series(values) for name, values in COLUMNS.items()}
    assert (parse(text, "test").holds(as_series) == told).all()


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true') == 0", "a.__class__ == 1", "a[0] > 1", "(lambda: 1)() > a", "f'{a}' == 'x'",
        "a if flag else b", "[x for x in a] == 1", "a := 1", "a", "a + 1", "a ** 999 > 1", "a is None", "a < b, flag",
        "@a > 1", "True and a > 1", "a > True if a else b", "kind in b", "kind in 'card'", "1 < 2", "", "a <",
        "a > 1; b",
        "x" * 501 + " > 1", "not " * 120 + "a > 1" + "(" * 99, 5, None, "a > 1j", "a > b''", "a % 2 == 0",
    ],
)  # fmt: skip
def test_whatever_is_more_than_a_comparison_is_refused(text):
    if text == "a":  # a column of ones and zeros is a condition
        assert parse(text, "test").names == {"a"}
        return
    with pytest.raises(BankmineError, match="test: "):
        parse(text, "test")


def test_a_missing_column_and_words_against_numbers_are_told():
    with pytest.raises(BankmineError, match="needs 'c', which is not there"):
        parse("a > c", "test").holds(COLUMNS)
    for text in ("kind > 3", "kind", "kind + 1 > 2"):
        with pytest.raises(BankmineError, match="cannot be computed"):
            parse(text, "test").holds(COLUMNS)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=1, max_size=20))
def test_where_all_is_known_it_is_what_pandas_computes(rows):
    table = pd.DataFrame(rows, columns=["a", "b"])
    for text in ("a > b + 1 or not b < 0.5", "a * b <= 2 and a != b", "a - b > 0.1 or a < -1 and b > 1"):
        assert (parse(text, "test").holds(table) == table.eval(text, engine="python").to_numpy()).all()
        alone = [parse(text, "test").holds(table.iloc[[i]])[0] for i in range(len(table))]
        assert alone == parse(text, "test").holds(table).tolist()
