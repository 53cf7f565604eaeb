"""Tables and charts: what stands in a cell is text, numbers are rounded alike, and a chart says what it shows."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bankmine.judging.intervals import shown
from bankmine.lacking import Lacking
from bankmine.report.findings import printable
from bankmine.report.plots import _png, show, use_theme
from bankmine.report.tables import table

# Random letters seldom make markup; these do.
PIECES = ["<", ">", "&", "&lt;", "<b>", "</p>", "<script>", "<!--", "]]>", '"', "'", "{", "}", "\0", "\r\n", " ", "x"]
ANY_TEXT = st.text() | st.lists(st.sampled_from(PIECES)).map("".join)


def soup(frame, caption="A table", **options):
    return BeautifulSoup(table(frame, caption, **options)._repr_html_(), "html.parser")


def cells(frame, **options):
    return [[cell.get_text() for cell in row.find_all("td")] for row in soup(frame, **options).tbody.find_all("tr")]


def column(values, **options):
    return [row[0] for row in cells(pd.DataFrame({"x": values}), **options)]


@pytest.mark.property
@given(label=ANY_TEXT.filter(bool), value=ANY_TEXT, caption=ANY_TEXT.filter(str.strip))
def test_any_text_stays_text(label, value, caption):
    frame = pd.DataFrame({label: [value]}, index=pd.Index([value], name=label))
    page = BeautifulSoup(f"<pre>{table(frame, caption)._repr_html_()}</pre>", "html.parser")  # keeps white space
    heading = printable(label).replace("_", " ")
    assert page.caption.get_text() == printable(caption)
    assert [cell.get_text() for cell in page.find_all(["th", "td"])] == [heading] * 2 + [printable(value)] * 2
    assert {tag.name for tag in page.pre.find_all()} == {"table", "caption", "thead", "tbody", "tr", "th", "td"}


@pytest.mark.parametrize(
    ("values", "written"),
    [
        ([1234567, 5], ["1,234,567", "5"]),
        ([0.12345, 0.23456], ["0.123", "0.235"]),
        ([1234.5, 2345.6], ["1,234", "2,346"]),
        ([12.345, np.nan], ["12.3", "n/a"]),
        ([3.0, np.nan], ["3", "n/a"]),
        ([0.05, 3e-9], ["0.0500", "<0.0001"]),
        ([-0.5, 0.0], ["-0.500", "0"]),
        ([True, False], ["yes", "no"]),
        ([pd.Timestamp("2025-12-31"), pd.NaT], ["2025-12-31", "n/a"]),
        ([pd.Timestamp("2025-12-31 08:30")], ["2025-12-31 08:30"]),
        (pd.array([1, None], dtype="Int64"), ["1", "n/a"]),
        (pd.Categorical(["a", None]), ["a", "n/a"]),
        ([np.inf, 1.5], ["+∞", "1.50"]),
        (["x", 1234.5, None], ["x", "1,234", "n/a"]),
        ([60.5, 1_359_106.9, 37.5728], ["60.5", "1,359,107", "37.6"]),
        ([2.0, 0.0001, 0.0002], ["2.000", "0.0001", "0.0002"]),
        (["x", 2.0, 4.5e-05], ["x", "2", "<0.0001"]),
    ],
)
def test_values_are_written_for_readers(values, written):
    assert column(values) == written


def test_formats_are_the_readers_choice():
    assert column([0.1234, None], formats={"x": ".1%"}) == ["12.3%", "n/a"]
    assert column([0.1234], formats={"x": "{:.1%} of all"}) == ["12.3% of all"]
    with pytest.raises(ValueError, match="not in the table: \\['y'\\]"):
        table(pd.DataFrame({"x": [1]}), "A table", formats={"y": ".1%"})


def test_headers_have_a_scope_and_numbers_are_told_from_text():
    frame = pd.DataFrame(
        {"n": [1], "who": ["Ada"]}, index=pd.MultiIndex.from_tuples([("a", 2025)], names=["k", "year"])
    )
    page = soup(frame)
    assert [th["scope"] for th in page.thead.find_all("th")] == ["col"] * 4
    assert [(th["scope"], th.get_text()) for th in page.tbody.find_all("th")] == [("row", "a"), ("row", "2025")]
    assert [td["class"] for td in page.find_all("td")] == [["num"], ["text"]]


def test_an_index_that_only_counts_is_hidden_and_stacked_headers_are_one():
    frame = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("in", "n"), ("out", "n")]))
    assert [th.get_text() for th in soup(frame).find_all("th")] == ["in · n", "out · n"]


def test_two_columns_of_one_name_and_an_empty_table():
    assert cells(pd.DataFrame([[1, 2]], columns=["x", "x"])) == [["1", "2"]]
    assert cells(pd.DataFrame({"x": []})) == []


def test_long_tables_say_that_they_are_cut():
    page = soup(pd.DataFrame({"x": range(1500)}), limit=10)
    assert len(page.tbody.find_all("tr")) == 10
    assert "first 10 of 1,500 rows" in page.caption.get_text()


def test_a_table_is_the_same_on_every_run_and_has_a_caption():
    frame = pd.DataFrame({"x": [0.1, 0.2]})
    assert table(frame, "A")._repr_html_() == table(frame.copy(), "A")._repr_html_()
    with pytest.raises(ValueError, match="caption"):
        table(frame, " ")


@pytest.mark.slow
def test_charts_are_small_and_always_the_same():
    def draw():
        use_theme()
        figure, axes = plt.subplots()
        axes.scatter(*np.random.default_rng(0).normal(size=(2, 2000)), s=8)
        axes.set(title="From $5 to $6")
        return _png(figure)[0]

    png = draw()
    assert png == draw()
    assert len(png) < 80_000
    assert Image.open(io.BytesIO(png)).width > 700
    plt.close("all")


def test_a_chart_needs_words_and_is_closed_once_shown(capsys):
    figure, axes = plt.subplots()
    with pytest.raises(ValueError, match="say in alt"):
        show(figure, " ")
    show(axes, "Nothing")
    assert figure.number not in plt.get_fignums()


def test_formats_travel_with_a_table_and_what_is_lacking_says_why():
    frame = shown(pd.DataFrame({"share": [0.25], "n": [3]}), share=".0%", gone=".1f")
    assert "25%" in table(frame.head(1), "Shares")._repr_html_()
    assert "25.0%" in table(frame, "Shares", {"share": ".1%"})._repr_html_()
    lacking = table(Lacking("no <b>costs</b> are told"), "Profit by policy").data
    assert lacking == '<p class="lacking">Profit by policy: not shown, as no &lt;b&gt;costs&lt;/b&gt; are told</p>'
