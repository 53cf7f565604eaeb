"""Registers: rules mean what SQL says, as a plain evaluator finds, and nothing that people write can run code."""

from __future__ import annotations

import contextlib
import operator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bankmine.bank.ruled import Ruled, compute, condition, holds, read_rules, value
from bankmine.errors import BankmineError
from bankmine.registers import read_yaml

ROWS = pd.DataFrame(
    {
        "a": [1.0, 2.0, np.nan, 4.0],
        "b": [2.0, 2.0, 2.0, np.nan],
        "flag": [True, False, True, False],
        "kind": ["card", "cash", None, "余额"],
        "my sum": [1, 2, 3, 4],
    },
    index=list("wxyz"),
)


def told(text: str, rows: pd.DataFrame = ROWS) -> str:
    return "".join(str(int(yes)) for yes in holds({"it": condition(text, "test")}, rows)["it"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a < b", "1000"),
        ("a * 2 - 1 = b + 1", "0100"),
        ("not a < b", "0100"),
        ("a < b or flag", "1010"),
        ("not (a < b and flag)", "0101"),
        ("-a < -1", "0101"),
        ("a / 0 > 1 or 0 / (a - 1) > 1", "0000"),
        ("kind != 'card'", "0101"),
        ("kind in ('cash', '余额')", "0101"),
        ("kind not in ['cash']", "1001"),
        ("kind like 'ca%' and kind not like '%h'", "1000"),
        ("a between 1 and 2", "1100"),
        ("a is null or b is not null", "1110"),
        ("coalesce(a, 9) > 3", "0011"),
        ("case when a > 1 then flag else true end", "1010"),
        ("case when kind = 'card' then 1 end", "1000"),
        ("round(a / 3, 2) = 0.33 and abs(0 - a) = greatest(a, 0) and least(a, 0) = 0", "1000"),
        ("a >= quantile(a, 0.5)", "0101"),
        ('"my sum" > 2 and true', "0011"),
        ("kind = 'it''s' or a::double = 2", "0100"),
        ("0.1 * 3 = 0.3", "0000"),
    ],
)
def test_conditions_worked_by_hand(text, expected):
    """What is not known makes a comparison unknown; a part that decides alone still does; numbers are floats."""
    assert told(text) == expected


def test_rules_of_a_register_are_computed_together_in_the_order_of_the_rows():
    rows = pd.DataFrame({"x": np.random.default_rng(0).normal(size=5_000)})
    found = compute({"twice": value("x * 2", "t"), "edge": value("quantile(x, 0.37)", "t")}, rows)
    assert found["twice"].tolist() == (rows["x"] * 2).tolist()
    assert found["edge"].unique() == pytest.approx(rows["x"].quantile(0.37))
    assert holds({}, rows).shape == (5_000, 0)
    assert holds({"a": condition("x > 0", "t")}, rows.iloc[:0]).empty


HOSTILE = [
    "a.to_csv('x') == None", "a.__class__ = 1", "a.b > 1", "__import__('os').system('true') = 0", "eval('1') = 1",
    "(select 1) = 1", "a in (select a from rows)", "exists (select 1)", "a > any (select 1)", "a > 1 union select 1",
    "read_csv('x') = 1", "read_text('x') = 'y'", "glob('*') = 'x'", "getenv('HOME') = 'x'", "nextval('s') > 1",
    "a > 1; drop table rows", "a > 1;", "a > 1 -- no", "a > 1 /* no */", "copy rows to 'x'", "pragma version",
    "install httpfs", "attach 'x' as y", "set threads = 1", "a > 1 from 'x.csv'", "{'x': a}.x = 1", "a[1] = 1",
    "list_filter([a], x -> x > 1) = [1]", "x -> x > 1", "a > 1 as b", "sum(a) > 1", "count(*) > 1",
    "abs(a) over () > 1",
    "abs(distinct a) > 1", "quantile(a, 0.5) filter (where a > 1) > 1", "quantile(a, 2) > a",
    "quantile(a + 1, 0.5) > 1",
    "a::varchar = '1'", "try_cast(a as double) > 1", "a similar to 'x'", "a ^ 2 > 1", "a % 2 = 0", "a || 'x' = 'y'",
    "round(a, b) > 1", "interval '1' day > a", "a > 1e999", "a > $1", "a > ?", "a is true", "a in ()", "* = 1",
    "1 <= a < 3", "case a when 1 then 2 end", "a + 1", "a and 'x'", "", "a <", "a, b", "lambda: 1", "a := 1",
    "not " * 400 + "a", "(" * 25 + "a" + ")" * 25, "case when " * 150 + "a", "(" * 1_000_000, 5, None, True,
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text)[:30])
def test_whatever_is_more_than_a_rule_is_refused_in_one_short_line(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BankmineError, match=r"^tags.yml, tag x: ") as refused:
        condition(text, "tags.yml, tag x")
    assert len(str(refused.value)) < 400
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.property
@settings(max_examples=200)
@given(
    st.lists(st.sampled_from("a().'[]{}:;-> 1,*=$@é\"").map(str) | st.sampled_from(["--", "case ", "not ", "select "]))
)
def test_any_text_is_a_rule_or_refused(marks):
    with contextlib.suppress(BankmineError):
        condition("".join(marks), "test")


def test_a_missing_column_and_what_cannot_be_compared_are_told_with_their_rule():
    with pytest.raises(BankmineError, match="tag x: 'a > c' needs 'c', which is not there"):
        holds({"x": condition("a > c", "tag x")}, ROWS)
    for text in ("kind > 3", "kind", "kind + 1 > 2", "a > 'x'"):
        rules = {"y": condition("a > 1", "tag y"), "x": condition(text, "tag x")}
        with pytest.raises(BankmineError, match=r"^tag x: .* cannot be computed"):
            holds(rules, ROWS)
    with pytest.raises(BankmineError, match="same name but for capitals"):
        holds({"x": condition("a > A", "tag x")}, ROWS.assign(A=1))
    with pytest.raises(BankmineError, match="several kinds"):
        holds({"x": condition("kind = 'a'", "tag x")}, ROWS.assign(kind=["a", 1, 2, 3]))


COMPARES = {
    "=": operator.eq, "<>": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
COMPUTES = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
NUMBERS = st.recursive(
    st.sampled_from(["a", "b"]) | st.integers(0, 9).map(float) | st.sampled_from([0.1, 0.25]),
    lambda part: (
        st.tuples(st.sampled_from([*COMPUTES, "coalesce", "least", "greatest"]), part, part)
        | st.tuples(st.just("abs"), part)
    ),
    max_leaves=4,
)
TRUTHS = st.recursive(
    st.tuples(st.sampled_from([*COMPARES]), NUMBERS, NUMBERS)
    | st.tuples(st.just("between"), NUMBERS, NUMBERS, NUMBERS)
    | st.tuples(st.just("null"), NUMBERS),
    lambda part: st.tuples(st.sampled_from(["and", "or"]), part, part) | st.tuples(st.just("not"), part),
    max_leaves=4,
)


def written(tree: object) -> str:
    """Write a tree as SQL."""
    if not isinstance(tree, tuple):
        return str(tree)
    name, *parts = tree[0], *map(written, tree[1:])
    match name:
        case "null":
            return f"({parts[0]}) is null"
        case "between":
            return f"({parts[0]}) between ({parts[1]}) and ({parts[2]})"
        case "not":
            return f"not ({parts[0]})"
        case "abs" | "coalesce" | "least" | "greatest":
            return f"{name}({', '.join(parts)})"
    return f"({parts[0]}) {name} ({parts[1]})"


def plain(tree: object, row: dict[str, float | None]) -> float | bool | None:
    """Evaluate a tree on a row by the rules of SQL, None for what is unknown."""
    if not isinstance(tree, tuple):
        return row.get(tree) if isinstance(tree, str) else tree
    name, *parts = tree[0], *(plain(part, row) for part in tree[1:])
    known = [part for part in parts if part is not None]
    match name:
        case "null":
            return not known
        case "between":
            return plain(("and", (">=", tree[1], tree[2]), ("<=", tree[1], tree[3])), row)
        case "and" | "or":
            decides = name == "or"
            return decides if decides in known else (None if len(known) < 2 else not decides)
        case "coalesce":
            return known[0] if known else None
        case "least" | "greatest":
            return (min if name == "least" else max)(known, default=None)
    if len(known) < len(parts) or (name == "/" and parts[1] == 0):
        return None
    return ({"not": operator.not_, "abs": abs} | COMPARES | COMPUTES)[name](*parts)


@pytest.mark.property
@settings(max_examples=60, deadline=None)
@given(
    trees=st.lists(TRUTHS, min_size=1, max_size=4), numbers=st.lists(NUMBERS, min_size=1, max_size=3),
    rows=st.lists(st.tuples(*[st.none() | st.integers(-20, 20).map(lambda n: n / 8)] * 2), min_size=1, max_size=6),
)  # fmt: skip
def test_rules_are_what_a_plain_evaluator_finds(trees, numbers, rows):
    frame = pd.DataFrame(rows, columns=["a", "b"], dtype=float)
    dicts = [dict(zip("ab", row, strict=True)) for row in rows]
    held = holds({str(i): condition(written(tree), "test") for i, tree in enumerate(trees)}, frame)
    for i, tree in enumerate(trees):
        assert held[str(i)].tolist() == [plain(tree, row) is True for row in dicts], written(tree)
    found = compute({str(i): value(written(tree), "test") for i, tree in enumerate(numbers)}, frame)
    for i, tree in enumerate(numbers):
        expected = np.array([plain(tree, row) for row in dicts], dtype=float)
        np.testing.assert_array_equal(found[str(i)], expected, written(tree))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: !!python/object/apply:os.system ['touch x']", "could not determine a constructor"),
        ("a: &a [x, x]\nb: [*a, *a]", r"write out what the alias \*a repeats"),
        ("[" * 30 + "]" * 30, "nest deeper than 20"),
        ("[" * 200_000, "nest deeper than 20"),
        ("a: " + "x" * 300_000, "larger than 256,000 bytes"),
        ("a: 2024-13-45", "is not readable YAML"),
        ("a: [", "is not readable YAML"),
        ("a: [{b: " + "9" * 400 + "}]", "99999999999999999999 is too large a number for a register"),
        ("b: {a: 1, c: 2, a: 3}", "a comes twice in one mapping, at line 1"),
        ("a: -.inf", "-inf is too large a number for a register, or none"),
        ("a: .nan", "nan is too large a number for a register, or none"),
    ],
)
def test_a_register_that_would_run_code_or_explode_is_refused(tmp_path, monkeypatch, content, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.yml").write_text(content, "utf-8")
    with pytest.raises(BankmineError, match=f"r.yml.*{said}") as refused:
        read_yaml(tmp_path / "r.yml")
    assert len(str(refused.value)) < 500
    assert [f.name for f in tmp_path.iterdir()] == ["r.yml"]


@dataclass(frozen=True)
class Entry(Ruled):
    id: str
    rule: str


def test_a_refused_rule_names_the_register_the_entry_and_the_part(tmp_path):
    file = tmp_path / "tags.yml"
    file.write_text("- {id: good, rule: a > 1}\n- {id: bad, rule: a > 1 and b.to_csv('x') == None}\n", "utf-8")
    with pytest.raises(BankmineError, match=r"""tags.yml: Entry bad: "b.to_csv\('x'\)" is not allowed"""):
        read_rules(file, Entry, "tags")
    assert [f.name for f in tmp_path.iterdir()] == ["tags.yml"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is not a list of tags"),
        ("a: 1", "is not a list of tags"),
        ("[]", "is not a list of tags: it is empty"),
        ("- {id: a, rule: x > 1}\n" * 2, "the id a comes twice"),
        ("- {id: a}", "is not a list of tags: .*missing .*'rule'"),
    ],
)
def test_what_is_no_list_of_rules_is_refused(tmp_path, content, said):
    file = tmp_path / "tags.yml"
    file.write_text(content, "utf-8")
    with pytest.raises(BankmineError, match=f"tags.yml.*{said}"):
        read_rules(file, Entry, "tags")


def test_a_rule_is_understood_when_its_entry_is_made(tmp_path):
    file = tmp_path / "tags.yml"
    file.write_text("- {id: many, rule: a > 1}\n", "utf-8")
    (entry,) = read_rules(file, Entry, "tags")
    assert holds({entry.id: entry.parsed}, ROWS)["many"].tolist() == [False, True, False, True]
    assert entry == Entry("many", "a > 1")
