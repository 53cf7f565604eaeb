"""No page or summary tells of fewer customers than a group must have, nor lets them be computed from a total."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import Bounds, LinearConstraint, milp

from bankmine.errors import BankmineError
from bankmine.features.consent import ALLOWED
from bankmine.judging.disclosure import ACROSS, DOWN, merged, not_told, rows_told, with_unknown
from bankmine.privacy import register
from bankmine.report.findings import bundle
from bankmine.report.tables import table
from bankmine.topics.churn.calls import Calls
from bankmine.topics.churn.retention import load_rules
from bankmine.topics.profiling.portraits import quantiles

K = 5


def bounds(
    counts: np.ndarray, words: np.ndarray, totals: tuple[int, ...], cell: tuple[int, int], least: int = 0
) -> tuple[int, int]:
    """What a reader who knows totals can say of a cell that is not told, by its word and in whole numbers."""
    cells = [tuple(c) for c in np.argwhere(words != "")]
    lines = [(axis, n) for axis in totals for n in range(counts.shape[1 - axis])]
    inside = np.array([[c[1 - axis] == n for c in cells] for axis, n in lines], float)
    told = np.array([(1, K - 1) if words[c].startswith("fewer") else (least, np.inf) for c in cells])
    goal, sums = np.array([c == cell for c in cells], float), inside @ [counts[c] for c in cells]
    whole = LinearConstraint(inside, sums, sums)
    ends = [milp(s * goal, constraints=whole, bounds=Bounds(*told.T), integrality=1).fun * s for s in (1, -1)]
    return tuple(round(end) for end in ends)


def tables_of_enough() -> st.SearchStrategy[np.ndarray]:
    """Tables whose rows and columns are of enough customers, with many small and empty cells."""
    cell = st.one_of(st.integers(0, 6), st.integers(0, 60))
    shape = st.tuples(st.integers(2, 5), st.integers(2, 4))
    tables = shape.flatmap(lambda s: arrays(np.int64, s, elements=cell))
    return tables.filter(lambda t: t.sum(axis=0).min() >= K and t.sum(axis=1).min() >= K)


@pytest.mark.parametrize("totals", [(DOWN,), (DOWN, ACROSS)], ids=["of columns", "of both"])
@settings(max_examples=60, deadline=None)
@given(counts=tables_of_enough())
@example(counts=np.array([[20, 0], [3, 6]]))
@example(counts=np.array([[4, 1, 0], [51, 44, 0], [6, 5, 1], [0, 4, 5]]))
def test_no_reader_of_the_totals_can_tell_that_a_cell_is_small(counts, totals):
    words = not_told(pd.DataFrame(counts), K, totals).to_numpy()
    small = (counts > 0) & (counts < K)
    assert (words[small] != "").all()
    for cell in map(tuple, np.argwhere(small)):
        low, high = bounds(counts, words, totals, cell)
        assert low < 1 or high >= K, (words, cell)
        if (counts[words != ""] > 0).all():  # as whoever sees that empty cells are told may take them to be
            low, high = bounds(counts, words, totals, cell, 1)
            assert low < high, (words, cell)


@pytest.mark.parametrize("counts", [[100, 5, 1], [100, 4, 4], [100, 1, 1, 1, 1, 1], [3, 40, 60]])
def test_words_do_not_tell_apart_what_a_total_is_known_of(counts):
    words = not_told(pd.DataFrame({"n": counts}), K, (DOWN,))["n"]
    assert set(words) <= {"withheld", ""}
    held = [n for n, word in zip(counts, words, strict=True) if word]
    assert sum(held) > len(held)  # else all are 1
    assert set(not_told(pd.DataFrame({"n": counts}), K, ())["n"]) <= {"fewer than 5", ""}


def test_a_table_says_so_and_rates_of_too_few_are_not_shown():
    frame = pd.DataFrame({"customers": [900, 40, 3, 7], "rate": [0.1, 0.2, 0.333, 0.4]}, index=list("abcd"))
    told = rows_told(frame, "customers", K, added_up=True)
    page = table(told, "Customers by group", {"rate": ".1%"})._repr_html_()
    assert "fewer than 5" not in page
    assert page.count("withheld") == 2
    assert "33.3%" not in page
    assert "40.0%" not in page  # 950 less 900, 40 and 7 would be 3
    text = bundle("{n} of them", id="a.b", n=told["customers"].loc["c"])["text/plain"]
    assert text == "withheld of them"


def test_all_but_a_few_are_not_told_either():
    told = rows_told(pd.DataFrame({"customers": [98, 100, 50]}), "customers", K, whole=100)
    assert told["customers"].isna().tolist() == [True, False, False]


def test_small_groups_are_merged_by_customers_not_rows():
    group = pd.Series(["a"] * 10 + ["b"] * 8 + ["c"] * 30)
    whose = pd.Series([0] * 10 + list(range(1, 9)) + list(range(20, 50)))
    assert set(merged(group, K, whose)) == {"a or b", "c"}
    assert merged(group, K) is group
    ages = pd.Series(pd.Categorical(["x"] * 9 + ["y"] * 20 + ["z"] * 2, ["x", "y", "z"], ordered=True))
    assert list(merged(ages, K).cat.categories) == ["x", "y or z"]


def test_those_of_no_known_group_do_not_follow_by_subtraction():
    group = pd.Series(["f"] * 9 + ["m"] * 20 + [None] * 3)
    assert with_unknown(group, K).value_counts().to_dict() == {"m or unknown": 23, "f": 9}
    ages = pd.Series(pd.Categorical.from_codes([0] * 9 + [1] * 20 + [-1], ["young", "old"], ordered=True))
    assert list(with_unknown(ages, K).cat.categories) == ["young", "old or unknown"]
    assert with_unknown(group, 3) is group  # three may be told of


def test_calls_of_a_tier_do_not_tell_of_a_few_nor_follow_from_all():
    rules = load_rules("CNY")
    sizes = {"premium": 3, "preferred": 40, "core": 60, "basic": 100}
    tier = pd.Series(np.repeat(list(sizes), list(sizes.values())))
    first = tier.groupby(tier).cumcount()
    called = first < tier.map({"premium": 1, "preferred": 7, "core": 6, "basic": 20})
    rows = pd.DataFrame({
        "called": called, "probability": 0.4, "value": 900.0, "tier": tier,
        "expected_profit": np.where(first < 30, 77.0, -1), "contact": ALLOWED, "action": "ask",
        "channel": tier.map({"premium": "call", "preferred": "app", "core": "app", "basic": "letter"}),
    })  # fmt: skip
    calls = Calls(rows, rules, pd.Timestamp("2026-01-30"), "CNY", K)
    told = calls.tiers
    assert calls.headline["called"] == 34
    assert calls.headline["how"] == "20 by letter, 14 by app or call"
    for name in ("customers", "called"):
        hidden = told[name].isna()
        assert hidden["premium"]
        assert hidden.sum() >= 2, name  # else what all tiers add up to would tell
        assert told.loc[hidden, "expected_profit" if name == "called" else "capacity"].isna().all()
    page = table(told, "Calls")._repr_html_()
    assert "fewer than 5" not in page
    assert not {" 1", " 3"} & {text.get_text() for text in calls.by_tier().texts}


def test_quantiles_of_a_few_customers_are_not_told():
    told = quantiles(pd.DataFrame({"deposits": np.arange(100.0)}), ["deposits"], K).iloc[0]
    assert told.index[told.isna()].tolist() == ["top hundredth"]
    few = quantiles(pd.DataFrame({"deposits": np.arange(12.0)}), ["deposits"], K).iloc[0]
    assert few.index[few.notna()].tolist() == ["median"]


@pytest.mark.parametrize("wrong", ["0", "-3", "2.5", "true", "few"])
def test_a_smallest_group_that_is_no_number_is_refused(tmp_path, monkeypatch, wrong):
    file = tmp_path / "privacy.yml"
    file.write_text(f"smallest_group: {wrong}\npurposes: []\ncolumns: []\n", "utf-8")
    monkeypatch.setattr(register, "FILE", file)
    with pytest.raises(BankmineError, match="smallest_group is a whole number of customers from 1"):
        register.load_register(tmp_path)
