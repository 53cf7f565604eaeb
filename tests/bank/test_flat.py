"""Flat tables: the same sample from every kind of file, nothing from later, and a clear word over what is wrong."""

from __future__ import annotations

import datetime as dt
import gzip
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from bank_fixtures import CORE, TEXTS, small_bank, write_csv
from empulse.datasets import load_churn_tv_subscriptions, load_credit_scoring_pakdd, load_vub_credit_scoring
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal, assert_series_equal

from bankmine.bank.flat import is_flat, open_flat
from bankmine.bank.snapshot import SOURCE_MIME, open_source
from bankmine.errors import BankmineError
from bankmine.learning.sample import flat_sample

AS_TEXT = {"options": {"strings_to_formulas": False}}
KINDS = ("csv", "csv.gz", "zip", "parquet", "xlsx")


def write(frame: pd.DataFrame, folder: Path, kind: str = "csv", name: str = "table") -> Path:
    """Write a table as a file of a kind."""
    file, text = folder / f"{name}.{kind}", frame.to_csv(index=False).encode()
    if kind == "parquet":
        frame.to_parquet(file, index=False)
    elif kind == "xlsx":
        frame.to_excel(file, index=False, engine="xlsxwriter", engine_kwargs=AS_TEXT)
    elif kind == "zip":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("inside.csv", text)
    else:
        file.write_bytes(gzip.compress(text) if kind == "csv.gz" else text)
    return file


def text_file(folder: Path, content: str | bytes, name: str = "table.csv") -> str:
    """Write a file as it is."""
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return str(folder / name)


def customers(rows: int = 60) -> pd.DataFrame:
    """Two month ends of customers with every kind of column."""
    i = np.arange(rows)
    return pd.DataFrame({
        "customer": [f"{n % (rows // 2):04d}" for n in i],
        "month": np.where(i < rows // 2, "2025-01-31", "2025-02-28"),
        "客户年龄": 30 + i % 7,
        "class": ["<b>gold</b>", 'sil"ver', "bronze"] * (rows // 3),
        "opened": [f"2020-01-{1 + n % 28:02d}" for n in i],
        "balance": i % 11 / 4,
        "left": ["yes", "no", "no", "no"] * (rows // 4),
    })  # fmt: skip


def refusal(file: Path | str, **roles: str) -> str:
    """Message of a refusal, in one line."""
    with pytest.raises(BankmineError) as caught:
        open_flat(str(file), **roles)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- any kind of file


def drawn(rows: int) -> st.SearchStrategy[pd.DataFrame]:
    """Tables of every kind of column; texts are none that could be numbers, as files would differ in what they are."""
    lists = {
        "key": st.integers(0, 9).map("{:03d}".format),
        "amount": st.integers(-(10**9), 10**9).map(lambda n: n / 100) | st.none(),
        "whole": st.integers(-5, 5) | st.none(),
        "sure": st.booleans(),
        "perhaps": st.booleans() | st.none(),
        "words": st.sampled_from([t.strip() for t in TEXTS]) | st.none(),
        "since": st.dates(dt.date(2019, 1, 1), dt.date(2025, 6, 30)) | st.none(),
        "day": st.dates(dt.date(2025, 1, 1), dt.date(2025, 3, 31)),
        "gone": st.sampled_from(["yes", "no"]) | st.none(),
    }
    columns = {name: st.lists(values, min_size=rows, max_size=rows) for name, values in lists.items()}
    steady = {"order": [i % 7 for i in range(rows)]}
    return st.fixed_dictionaries(columns).map(
        lambda c: pd.DataFrame(c | steady | {"gone": ["yes", "no", *c["gone"][2:]]})
    )


@pytest.mark.property
@settings(max_examples=5)
@given(table=drawn(30))
def test_every_kind_of_file_gives_the_same_sample(table):
    with tempfile.TemporaryDirectory() as folder:
        files = [write(table, Path(folder), kind) for kind in ("csv", "parquet", "xlsx")]
        text, *others = [flat_sample(open_flat(str(f), "gone", id="key", time="day")) for f in files]
    assert list(text.target.isna()) == list(table["gone"].isna())
    assert list(text.entity) == list(table["key"])
    for other in others:
        assert_frame_equal(text.predictors, other.predictors)
        assert_series_equal(text.target, other.target)
        assert_series_equal(text.entity, other.entity)
        assert_series_equal(text.day, other.day)


@pytest.mark.parametrize("kind", KINDS)
def test_columns_become_numbers_booleans_and_categories(tmp_path, kind):
    flat = open_flat(str(write(customers(), tmp_path, kind)), "left", id="customer", time="month")
    sample = flat_sample(flat)
    assert flat.predictors.dtypes.astype(str).to_dict() == {
        "客户年龄": "float64", "class": "category", "days_since_opened": "float64", "balance": "float64",
    }  # fmt: skip
    assert list(flat.predictors["class"].cat.categories) == ["<b>gold</b>", "bronze", 'sil"ver']
    assert flat.predictors["days_since_opened"].iloc[0] == (dt.date(2025, 1, 31) - dt.date(2020, 1, 1)).days
    assert (sample.entity.iloc[0], str(sample.day.iloc[0])) == ("0000", "2025-01-31 00:00:00")
    assert sample.target.sum() == 15
    assert (flat.title, flat.as_of, flat.costs, flat.event) == (
        f"table.{kind}",
        dt.date(2025, 2, 28),
        None,
        "left is yes",
    )
    assert len(flat.fingerprint) == 64


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1,5", "2,25", "1.234,5"], [1.5, 2.25, 1234.5]),
        (["1,500.25", "250", "3,125"], [1500.25, 250, 3125]),
        (["1e3", " 7 ", "n/a"], [1000, 7, np.nan]),
        (["TRUE", "false", "true"], [True, False, True]),
        (["True", "", "False"], [1, np.nan, 0]),
    ],
)
def test_text_becomes_what_all_of_it_is(tmp_path, values, expected):
    text = "x;y\n" + "".join(f'"{v}";{i % 2}\n' for i, v in enumerate(values))
    assert open_flat(text_file(tmp_path, text), "y").predictors["x"].tolist() == pytest.approx(expected, nan_ok=True)


@pytest.mark.slow
def test_rows_keep_the_order_of_the_file(tmp_path):
    numbers = np.arange(150_000) % 1000 / 8
    table = pd.DataFrame({"x": numbers, "day": "2025-01-31", "y": [0, 1] * 75_000})
    flat = open_flat(str(write(table, tmp_path)), "y", time="day")
    assert (flat.predictors["x"].to_numpy() == numbers).all()


@pytest.mark.parametrize("values", [["01", "02", "02"], ["1", "2", "x"], ["2025-01-01x", "b", "b"]])
def test_codes_and_words_stay_text(tmp_path, values):
    text = "x,y\n" + "".join(f"{v},{i % 2}\n" for i, v in enumerate(values))
    assert open_flat(text_file(tmp_path, text), "y").predictors["x"].tolist() == values


def test_a_few_odd_values_among_many_numbers_are_missing_and_told(tmp_path):
    table = pd.DataFrame({"x": [f"{i / 7:.3f}" for i in range(98)] + ["oops", "inf"], "y": [0, 1] * 50})
    flat = open_flat(str(write(table, tmp_path)), "y")
    assert flat.predictors["x"].isna().sum() == 2
    assert flat.remarks == ("x: 2 values are no number, taken as missing: 'inf', 'aaaa'",)


# --- what is left out


def test_what_cannot_be_learnt_from_is_left_out_with_its_reason(tmp_path):
    i = np.arange(100)
    table = pd.DataFrame({
        "number": 15_000_000 + (i * 37) % 101, "name": [f"customer {n}" for n in i], "bank": "ours", "empty": None,
        "born": [f"19{50 + n % 40}-05-05" for n in i], "stated": np.where(i % 4 == 0, "gone", "here"),
        "either": [f"{1 + n % 9},{100 + n}" for n in i], "salary": i % 50 + 1000, "y": (i % 4 == 0).astype(int),
    })  # fmt: skip
    flat = open_flat(str(write(table, tmp_path)), "y")
    reasons = flat.dropped.set_index("column")["reason"].to_dict()
    assert list(flat.predictors) == ["salary"]
    assert "identifies the row" in reasons["number"]
    assert "identifies the row" in reasons["name"]
    assert reasons["bank"] == "the same in every row: ours"
    assert reasons["empty"] == "no value in any row"
    assert "no time column" in reasons["born"]
    assert "target under another name" in reasons["stated"]
    assert "two ways" in reasons["either"]


def test_numbers_like_20250131_are_dates(tmp_path):
    table = customers().assign(opened=20200101 + np.arange(60) % 28)
    for kind in ("csv", "parquet", "xlsx"):
        flat = open_flat(str(write(table, tmp_path, kind)), "left", time="month")
        assert flat.predictors["days_since_opened"].max() == (dt.date(2025, 2, 28) - dt.date(2020, 1, 1)).days


def test_dates_after_the_day_of_a_row_were_not_known(tmp_path):
    table = customers().assign(closed=["2025-01-20", "2025-03-10", "9999-12-31"] * 20)
    flat = open_flat(str(write(table, tmp_path)), "left", time="month")
    assert flat.predictors["days_since_closed"].notna().sum() == 20
    assert "closed: 40 dates after the day of their row" in " ".join(flat.remarks)


@pytest.mark.property
@settings(max_examples=5)
@given(later=st.lists(st.sampled_from(["1", "999", "word", "", "2025-01-01", "0001"]), min_size=30, max_size=30))
def test_nothing_as_of_a_day_depends_on_later_rows(later):
    table = customers().astype(str)
    with tempfile.TemporaryDirectory() as folder:
        before = open_flat(str(write(table, Path(folder))), "left", id="customer", time="month", as_of="2025-02-27")
        for column in ("客户年龄", "class", "opened", "balance", "customer", "left"):
            table.loc[30:, column] = later
        after = open_flat(str(write(table, Path(folder))), "left", id="customer", time="month", as_of="2025-02-27")
    assert len(before.target) == 30
    assert_frame_equal(before.predictors, after.predictors)
    assert_series_equal(before.target, after.target)
    assert_series_equal(before.entity, after.entity)
    assert before.remarks == after.remarks == ("30 rows of days after 2025-02-27 left out",)


# --- the target


@pytest.mark.parametrize(
    ("values", "positive", "events"),
    [
        (["0", "1", "1"], "", [0, 1, 1]),
        (["1.0", "0.0", "NA"], "", [1, 0, np.nan]),
        (["Yes", "No", ""], "", [1, 0, np.nan]),
        (["是", "否", "是"], "", [1, 0, 1]),
        (["True", "False", "True"], "True", [1, 0, 1]),
        (["a", "b", "c"], "b", [0, 1, 0]),
        (["1", "2", "3"], "2.0", [0, 1, 0]),
        (["a", "b", "c"], "b | c", [0, 1, 1]),
        (["a|b", "b", "c"], "a|b", [1, 0, 0]),
    ],
)
def test_the_event_is_what_the_value_says_or_the_user(tmp_path, values, positive, events):
    text = "x,y\n" + "".join(f"{i},{v}\n" for i, v in enumerate(values))
    flat = open_flat(text_file(tmp_path, text), "y", positive)
    assert flat.target.tolist() == pytest.approx(events, nan_ok=True)
    assert flat.overview().loc["rows where the table tells no outcome", "value"] == np.isnan(events).sum()


@pytest.mark.parametrize(
    ("values", "positive", "words"),
    [
        ("abc", "", "y has 3 values 'a', 'b', 'c': say which is the event, positive=…"),
        ("121", "", "y has 2 values '1', '2': say which is the event"),
        (
            ["stay", "leave", "stay"],
            "leaves",
            "never 'leaves', it is 'leave', 'stay': no events. Did you mean positive=leave?",
        ),
        ("000", "", "y is never '1', it is '0': no events"),
        ("abc", "a|d", "never 'd', it is 'a', 'b', 'c': no events"),
        ("aba", "a|b", "y is 'a or b' in all 3 rows that tell: only events"),
        ("111", "", "y is '1' in all 3 rows that tell: only events"),
        (["", "", ""], "", "y is empty in every row"),
    ],
)
def test_a_target_of_which_nothing_can_be_learnt_is_refused(tmp_path, values, positive, words):
    text = "x,y\n" + "".join(f"{i},{v}\n" for i, v in enumerate(values))
    assert words in refusal(text_file(tmp_path, text), target="y", positive=positive)


# --- the columns that are named


def test_a_wrong_name_is_refused_with_the_nearest_ones(tmp_path):
    file = write(customers(), tmp_path)
    assert "target=Lefft: there is no such column. Did you mean left?" in refusal(file, target="Lefft")
    assert "Did you mean customer?" in refusal(file, target="left", id="custmer")
    assert "time=monat" in refusal(file, target="left", time="monat")
    assert "two of target, id and time" in refusal(file, target="left", id="left")
    assert "Columns with two values: month, left." in refusal(file)
    assert "Did you mean " in (text := refusal(tmp_path / "tabel.csv", target="left"))
    assert "table.csv?" in text


@pytest.mark.parametrize(
    ("first", "second", "last"),
    [
        ("2025-01-31 10:00:00", "2025-02-28T23:59", "2025-02-28"),
        ("20250131", "20250228", "2025-02-28"),
        ("202501", "202502", "2025-02-28"),
        ("2025年1月31日", "2025年2月28日", "2025-02-28"),
        ("31/01/2025", "01/02/2025", "2025-02-01"),
        ("31.01.2025", "01.02.2025", "2025-02-01"),
    ],
)
def test_days_are_read_as_banks_write_them(tmp_path, first, second, last):
    flat = open_flat(str(write(customers().assign(month=[first] * 30 + [second] * 30), tmp_path)), "left", time="month")
    assert flat.as_of == dt.date.fromisoformat(last)
    assert flat.day.nunique() == 2


def test_days_that_cannot_be_read_are_counted_or_refused(tmp_path):
    months = customers()["month"].tolist()
    few = open_flat(str(write(customers().assign(month=["soon", None, *months[2:]]), tmp_path)), "left", time="month")
    assert len(few.target) == 58
    assert few.remarks == ("2 rows without a day in month left out",)
    many = write(customers().assign(month=["soon"] * 15 + months[15:]), tmp_path)
    assert "25.0% of the rows have no day there that can be read, like 'soon'" in refusal(
        many, target="left", time="month"
    )
    either = write(customers().assign(month=["01/02/2025", "02/01/2025"] * 30), tmp_path)
    assert "read in two ways, as 01/02/2025: say dates=dmy or dates=mdy" in refusal(either, target="left", time="month")
    assert str(open_flat(str(either), "left", time="month", dates="mdy").as_of) == "2025-02-01"
    file = write(customers(), tmp_path)
    assert "from 2025-01-31 to 2025-02-28" in refusal(file, target="left", time="month", as_of="2024-01-31")


def test_rows_without_or_with_repeated_ids_are_kept_and_told(tmp_path):
    table = customers()
    table.loc[:1, "customer"] = None
    table.loc[3, "customer"] = table.loc[2, "customer"]
    flat = open_flat(str(write(table, tmp_path)), "left", id="customer", time="month")
    assert flat.entity.nunique() == 32  # thirty, all of them in February, and two of nobody
    assert "2 rows without customer" in flat.remarks[0]
    assert "1 rows repeat the customer and the day of month of an earlier one" in flat.remarks[1]
    plain = open_flat(str(write(table, tmp_path)), "left")
    assert plain.entity.is_unique


# --- hostile files


HOSTILE = {
    "empty": ("", "it is empty, without even a header"),
    "header only": ("x,y\n", "holds no rows, only the columns x, y"),
    "headings twice": ("x,X,y\n1,1,0\n", "it has the column x twice"),
    "GBK": (
        ("x,y\n" + "1,0\n" * 20_000 + "男,1\n").encode("gbk"),
        "its encoding cannot be told for certain: name it, as encoding=gbk",
    ),
    "GBK heading": ("年龄,y\n1,0\n".encode("gbk"), "its encoding cannot be told for certain: name it, as encoding=gbk"),
    "too many values": ("x,y\n1,0,2\n", "cannot be read: line 2 has 3 values, not 2"),
    "open quote": ('x,y\n"1,0\n2,1\n', 'line 2 opens a quote " that is never closed'),
    "target alone": ("y\n0\n1\n", "no column to learn from beside y"),
    "one constant": ("x,y\n7,0\n7,1\n", "no column to learn from beside y. x: the same in every row: 7."),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_cannot_be_used_says_why(tmp_path, name):
    content, words = HOSTILE[name]
    assert words in refusal(text_file(tmp_path, content), target="y")


@pytest.mark.parametrize("name", ["t.parquet", "t.xlsx", "t.zip", "t.csv.gz", "t.docx"])
def test_a_file_that_is_not_what_its_name_says(tmp_path, name):
    assert "cannot be read" in refusal(text_file(tmp_path, b"none of it", name), target="y")


def test_headings_may_hold_anything(tmp_path):
    text = '\ufeff"a,b";"two\nlines";"say ""hi""";<script>;\n1;2;3;4;0\n2;3;5;6;1\n'
    flat = open_flat(text_file(tmp_path, text), "column_5")
    assert list(flat.predictors) == ["a,b", "two\nlines", 'say "hi"', "<script>"]


def test_a_workbook_with_a_heading_twice_is_refused(tmp_path):
    table = pd.DataFrame([[1, 2, 0], [2, 3, 1]], columns=["x", "x", "y"])
    assert "it has the column x twice" in refusal(write(table, tmp_path, "xlsx"), target="y")


@pytest.mark.slow
def test_five_hundred_columns(tmp_path):
    values = np.random.default_rng(0).normal(size=(50, 500)).round(3)
    table = pd.DataFrame(values, columns=[f"c{i}" for i in range(500)]).assign(y=[0, 1] * 25)
    assert open_flat(str(write(table, tmp_path)), "y").predictors.shape == (50, 500)


def test_it_shows_itself_without_letting_markup_through(tmp_path):
    table = customers().rename(columns={"class": "<img src=x>"}).assign(**{"<i>c</i>": 1})
    shown = open_flat(str(write(table, tmp_path)), "left", time="month")._repr_mimebundle_()
    assert shown[SOURCE_MIME]["rows"] == {"flat": 60}
    assert shown[SOURCE_MIME]["as_of"] == "2025-02-28"
    assert "&lt;i&gt;c&lt;/i&gt;" in shown["text/html"]
    assert "<i>" not in shown["text/html"]
    assert "left is yes" in shown["text/plain"]


# --- described sources


def described(folder: Path, **flat: object) -> str:
    """Describe a flat source over a table of customers."""
    write(customers(), folder)
    told = {"title": "Ours", "currency": "EUR", "flat": {"file": "table.csv", "target": "left"} | flat}
    (folder / "source.yml").write_text(yaml.safe_dump(told), "utf-8")
    return str(folder)


def test_a_described_table_tells_columns_costs_and_what_came_later(tmp_path):
    costs = {"fp": 10, "fn": "balance::DOUBLE * 2"}
    drop = {"class": "overwritten when a customer has left"}
    flat = open_flat(described(tmp_path, time="month", id="customer", costs=costs, drop=drop, categories=["客户年龄"]))
    assert (flat.title, flat.currency) == ("Ours", "EUR")
    assert flat.costs.to_dict("list") == {
        "tp_cost": [0] * 60, "fp_cost": [10] * 60, "fn_cost": [i % 11 / 2 for i in range(60)], "tn_cost": [0] * 60,
    }  # fmt: skip
    assert flat.dropped.to_numpy().tolist() == [["class", "overwritten when a customer has left"]]
    assert str(flat.predictors["客户年龄"].dtype) == "category"
    early = open_flat(described(tmp_path, costs=costs), time="month", as_of="2025-01-31")
    assert list(early.costs.index) == list(early.target.index) == list(range(30))


@pytest.mark.parametrize(
    ("flat", "words"),
    [
        ({"target": ""}, "needs `target`"),
        ({"loader": "a:b"}, "either `file` or `loader`"),
        ({"drop": {"clas": "x"}}, "drop=clas: there is no such column. Did you mean class?"),
        ({"costs": {"fq": 1}}, "costs has unknown keys: fq. It may hold tp, fp, fn, tn."),
        ({"costs": {"fp": "blance"}}, "costs=blance: there is no such column. Did you mean balance"),
        ({"costs": {"fp": "(select 1)"}}, "source.yml, costs of fp: '(SELECT 1)' is not allowed"),
        ({"costs": {"fp": "CASE WHEN balance::DOUBLE > 1 THEN 1 END"}}, "fp_cost is missing in some rows"),
        ({"positive": True}, "positive must be text"),
        ({"tarjet": "y"}, "flat has unknown keys: tarjet"),
    ],
)
def test_a_wrong_description_is_refused(tmp_path, flat, words):
    assert words in refusal(described(tmp_path, **flat))


def test_banks_and_flat_tables_are_told_apart(tmp_path):
    bank = write_csv(small_bank(*CORE), tmp_path / "bank")
    assert not is_flat(str(bank))
    assert "use open_source" in refusal(bank)
    file = str(write(customers(), tmp_path))
    assert is_flat(file)
    with pytest.raises(BankmineError, match=r"one flat table.*use open_flat"):
        open_source(file)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "load", "rows", "events"),
    [
        ("tv_subscriptions", load_churn_tv_subscriptions, 9379, 449),
        pytest.param("pakdd", load_credit_scoring_pakdd, 38938, 7743, marks=pytest.mark.slow),
        ("vub", load_vub_credit_scoring, 18917, 3206),
    ],
)
def test_published_tables_come_by_name_with_the_costs_that_their_publishers_tell(name, load, rows, events):
    flat, data = open_flat(name), load(backend=pd)
    assert (len(flat.target), flat.target.sum()) == (rows, events)
    matrix, drivers = data.cost_matrix, data.instance_costs | {"lgd": 0.75}
    for kind in ("tp", "fp", "fn", "tn"):
        formula = getattr(matrix, f"{kind}_cost")
        row = {
            str(s): np.ravel(drivers[str(s)])[-1] if np.ndim(drivers[str(s)]) else drivers[str(s)]
            for s in formula.free_symbols
        }
        assert flat.costs[f"{kind}_cost"].iloc[-1] == pytest.approx(float(formula.subs(row)))
    assert not {"cl", "fp_cost", "fn_cost"} & set(flat.predictors)
    assert not flat.predictors.select_dtypes("object").shape[1]


def test_german_credit_comes_by_name(datasets):
    assert datasets
    flat = open_flat("german_credit")
    assert (len(flat.target), flat.target.sum(), flat.predictors.shape[1]) == (1000, 300, 20)
    assert flat.costs.mean().to_dict() == {"tp_cost": 0, "fp_cost": 1, "fn_cost": 5, "tn_cost": 0}
