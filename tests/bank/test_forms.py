"""Text is read as what it means, however it is written, or not; `python tests/bank/test_forms.py` writes README."""

from __future__ import annotations

import datetime as dt
import gzip
import re
import tempfile
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from bankmine.bank.flat import Flat, open_flat
from bankmine.bank.form_kinds import BOOLEAN, CATEGORY, DATE, NUMBER, Form, Told
from bankmine.bank.forms import read_forms
from bankmine.errors import BankmineError
from bankmine.workspace import WORKSPACE

README = WORKSPACE / "data" / "README.md"
D, T = dt.datetime, dt.time
WRITTEN = [
    ("plain", ["12", "-3.5", ".5", "1e3"], [12, -3.5, 0.5, 1000]),
    ("decimal comma", ["1.234,5", "20.000,00", "-7,25"], [1234.5, 20000, -7.25]),
    ("thousands by comma", ["1,234.50", "12,345,678.00"], [1234.5, 12345678]),
    ("Indian lakhs", ["12,34,567.50", "1,23,456.00"], [1234567.5, 123456]),
    ("thousands by blanks", ["1 234,5", "1\u00a0234,5", "1\u202f234,5"], [1234.5] * 3),
    ("thousands by apostrophe", ["1'234.50", "1’234.50"], [1234.5] * 2),
    ("currency before", ["$1,234.50", "-$2.75", "US$ 3.25"], [1234.5, -2.75, 3.25]),
    ("currency behind", ["1.234,50 €", "2,75 EUR"], [1234.5, 2.75]),
    ("negative in brackets", ["(1,234.50)", "($2.75)", "3.25"], [-1234.5, -2.75, 3.25]),
    ("minus behind", ["1,234.50-", "2.75"], [-1234.5, 2.75]),
    ("true minus", ["\u22122.75", "3.25"], [-2.75, 3.25]),
    ("percent", ["19.08%", "4.5 %"], [19.08, 4.5]),
    ("full width", ["１２３．５", "－４５"], [123.5, -45]),
    ("万, 亿", ["1.2万", "3亿", "5000元"], [12000, 3e8, 5000]),
    ("time of day", ["10:30", "23:45"], [10.5, 23.75]),
    ("ISO", ["2024-03-05", "2024/12/31"], [D(2024, 3, 5), D(2024, 12, 31)]),
    ("ISO with time", ["2024-03-05T10:20:30.5", "2024-12-31 23:00"],
     [D(2024, 3, 5, 10, 20, 30, 500000), D(2024, 12, 31, 23)]),
    ("day first, as one is above 12", ["05/03/2024", "31/12/2024 23:10"], [D(2024, 3, 5), D(2024, 12, 31, 23, 10)]),
    ("month first, as one is above 12", ["03/05/2024", "12/31/2024 11:10 PM"],
     [D(2024, 3, 5), D(2024, 12, 31, 23, 10)]),
    ("points: day first", ["05.03.2024", "06.04.2024"], [D(2024, 3, 5), D(2024, 4, 6)]),
    ("two-digit years", ["31/12/24", "30/06/99"], [D(2024, 12, 31), D(1999, 6, 30)]),
    ("two-digit years of births", ["31/12/48", "30/06/85", "01/02/03"],
     [D(1948, 12, 31), D(1985, 6, 30), D(2003, 2, 1)]),
    ("month names", ["05-MAR-2024", "26MAY2022", "5. März 2024", "May 6, 2024"],
     [D(2024, 3, 5), D(2022, 5, 26), D(2024, 3, 5), D(2024, 5, 6)]),
    ("months: their last day", ["Jan-2014", "2024-02", "2024年3月"], [D(2014, 1, 31), D(2024, 2, 29), D(2024, 3, 31)]),
    ("Chinese", ["2024年3月5日", "2024年12月31日 10:20"], [D(2024, 3, 5), D(2024, 12, 31, 10, 20)]),
    ("one zone: as written", ["2024-03-05 01:00+08:00", "2024-03-06 02:00+0800"], [D(2024, 3, 5, 1), D(2024, 3, 6, 2)]),
    ("several zones: local time of the source, or UTC", ["2024-03-05T01:00:00+08:00", "2024-03-05T01:00:00Z"],
     [D(2024, 3, 4, 17), D(2024, 3, 5, 1)]),
    ("yes and no", ["Ja", "nein", "JA"], [True, False, True]),
    ("yes and no", ["是", "否"], [True, False]),
]  # fmt: skip
"""How it is written, values, and what they are."""


def form_of(
    values: list[str | None], told: Told | None = None, wanted: str = "", **others: list[str]
) -> tuple[Form, list]:
    """Read a column beside others."""
    con = ibis.duckdb.connect()
    con.raw_sql("SET TimeZone = 'UTC'")
    con.con.register("arrow", pa.table({"x": pa.array(values, pa.string())} | others))
    con.raw_sql("CREATE TABLE t AS SELECT * FROM arrow")
    texts = {n: n for n in ("x", *others)}
    form = read_forms(con, "t", texts, told or Told(), {"x": wanted} if wanted else None)["x"]
    return form, [row[0] for row in con.raw_sql(f"SELECT {form.sql} FROM t ORDER BY rowid").fetchall()]


@pytest.mark.parametrize(("how", "values", "read"), WRITTEN, ids=[f"{how}: {v[0]}" for how, v, _ in WRITTEN])
def test_what_is_written_is_read_as_what_it_means(how, values, read):
    form, found = form_of(values * 3)
    kinds = {bool: BOOLEAN, D: DATE}
    assert (form.kind, form.why, form.fits) == (kinds.get(type(read[0]), NUMBER), "", 3 * len(values)), how
    assert found == (pytest.approx(read * 3) if form.kind == NUMBER else read * 3)


def _shown(value: object) -> str:
    if isinstance(value, D):
        return f"{value:%Y-%m-%d}" if value.time() == T() else f"{value:%Y-%m-%d %H:%M}"
    return str(value).lower() if isinstance(value, bool) else f"{value:,.12g}".replace(",", "")


def rendered(text: str) -> str:
    """Fill the table of what is read as what."""
    lines = [
        f"| {how} | {'; '.join(f'`{v}`' for v in values)} | {'; '.join(map(_shown, read))} |"
        for how, values, read in WRITTEN
    ]
    table = "\n".join(["| written | as | read as |", "|---|---|---|", *lines])
    return re.sub(
        r"(<!-- forms: [^\n]*-->\n).*?(<!-- end of forms -->)", lambda m: f"{m[1]}\n{table}\n\n{m[2]}", text, flags=re.S
    )


def test_the_table_in_the_readme_is_what_is_tested():
    text = README.read_text("utf-8")
    assert "<!-- forms: " in text
    assert text == rendered(text), "run: python tests/bank/test_forms.py"


# --- what could be read in two ways


@pytest.mark.parametrize(
    ("values", "others", "read"),
    [
        (["20.000", "15.000", "800"], {"y": ["1.000,5", "2,5", "3"]}, [20000, 15000, 800]),
        (["20.000", "15.000", "800"], {"y": ["1000.5", "2.5", "3"]}, [20, 15, 800]),
        (["1,234", "5,678", "9"], {"y": ["1,5", "2,5", "3"]}, [1.234, 5.678, 9]),
        (["20.000", "15.000", "0.125"], {}, [20, 15, 0.125]),
        (["20.000", "15.000", "1.000.000"], {}, [20000, 15000, 1000000]),
    ],
)
def test_the_decimal_sign_is_settled_by_other_values_or_columns(values, others, read):
    assert form_of(values, **others)[1] == read


@pytest.mark.parametrize("values", [["1.011", "2.022", "3"], ["1,234", "5,678", "9"]])
def test_a_decimal_sign_that_nothing_settles_is_asked_for(values):
    form, _ = form_of(values)
    assert form.why == f"its numbers could be read in two ways, as {values[0]}: say decimal=. or decimal=,"
    assert form_of(values, Told(decimal=values[0][1]))[1] == [float(v.replace(",", ".")) for v in values]
    both = {"y": ["1,5", "2,5", "3"], "z": ["1.5", "2.5", "3"]}
    assert "two ways" in form_of(values, **both)[0].why


def test_the_order_of_dates_is_settled_by_other_columns_or_asked_for():
    values = ["03/04/2024", "05/06/2024"]
    assert form_of(values)[0].why == "its dates could be read in two ways, as 03/04/2024: say dates=dmy or dates=mdy"
    assert form_of(values, y=["31/12/2024", "01/02/2024"])[1] == [D(2024, 4, 3), D(2024, 6, 5)]
    assert form_of(values, y=["12/31/2024", "01/02/2024"])[1] == [D(2024, 3, 4), D(2024, 5, 6)]
    assert form_of(values, Told(dates="mdy"))[1] == [D(2024, 3, 4), D(2024, 5, 6)]
    assert form_of(["05/05/2024", "06/06/2024"])[1] == [D(2024, 5, 5), D(2024, 6, 6)]


def test_several_currencies_or_percents_and_fractions_are_no_numbers_together():
    assert "several currencies (EUR, USD)" in form_of(["$1.50", "€2.50"] * 30)[0].why
    assert "some of its numbers have a %" in form_of(["1.5%", "0.5"] * 30)[0].why


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (["31/12/2024", "2024-13-45", "99/99/2024"] * 9, "looks like dates"),
        (["12-34-56", "23-45-99", "65-43-21"] * 9, "looks like dates that are"),
        ([f"1.{i:03},{i % 90 + 10}" for i in range(60)] + [f"1,{i:03}.{i % 90 + 10}" for i in range(60)],
         "its numbers are written in several ways"),
    ],
)  # fmt: skip
def test_what_looks_like_dates_or_numbers_and_cannot_be_read_is_never_learnt_from(values, why):
    assert why in form_of(values)[0].why


@pytest.mark.parametrize("values", [["0123", "0456"], ["1", "2", "3+"] * 20, ["A1", "B2"], ["36 months", "60 months"]])
def test_codes_and_words_stay_words(values):
    form, found = form_of(values)
    assert (form.kind, form.why, found) == (CATEGORY, "", values)


# --- what stands for no value


@pytest.mark.parametrize("code", ["\\N", "(null)", ".", "<NA>", "--", "未知", "NA", "k. A.", "gesperrt"])
def test_a_text_among_numbers_only_stands_for_no_value(code):
    form, found = form_of([f"{i}.5" for i in range(20)] + [code] * 5)
    assert (form.kind, form.rows, form.codes) == (NUMBER, 20, {code: 5})
    assert found[-1] is None


def test_a_few_texts_beside_very_many_numbers_stand_for_no_value():
    form, _ = form_of([f"{i}.5" for i in range(80)] + ["keine", "none told"] * 5)
    assert (form.kind, form.codes) == (NUMBER, {"keine": 5, "none told": 5})
    assert form_of(["1", "2", "3"] * 20 + ["keine", "none told"] * 5)[0].kind == CATEGORY


def test_a_text_among_dates_only_stands_for_no_value():
    form, found = form_of([f"2024-03-{i:02}" for i in range(1, 20)] + ["0000-00-00"] * 5 + ["\\N"])
    assert (form.kind, form.codes, found[-5]) == (DATE, {"\\N": 1, "0000-00-00": 5}, None)


def test_numbers_stand_for_no_value_only_where_it_is_told():
    values = ["1", "2", "-999", "3"]
    assert form_of(values)[1] == [1, 2, -999, 3]
    assert form_of(values, Told(missing=("-999",)))[1] == [1, 2, None, 3]


def test_programs_write_no_value_among_words_too():
    form, found = form_of(["red", "blue", "\\N", "(null)", "NA"])
    assert (found, form.codes) == (["red", "blue", None, None, "NA"], {"\\N": 1, "(null)": 1})


def test_what_a_column_has_to_be_is_read_whatever_share_fits():
    assert form_of(["45292", "45657.5"], wanted=DATE)[1] == [D(2024, 1, 1), D(2024, 12, 31, 12)]
    assert form_of(["20240105", "20241231"], wanted=DATE)[1] == [D(2024, 1, 5), D(2024, 12, 31)]
    assert form_of(["1", "0", "2"], wanted=BOOLEAN)[1] == [True, False, None]
    form, found = form_of(["12", "a lot", "a lot", "a lot"], wanted=NUMBER)
    assert (found, form.fits, form.odd) == ([12, None, None, None], 1, ("a lot",))


# --- the same predictors however a table is written


def _number(sign: str, group: str, places: int, before: str, behind: str, brackets: bool):
    def write(value: float) -> str:
        text = f"{abs(value):,.{places}f}".replace(",", "\0").replace(".", sign).replace("\0", group)
        text = f"{before}{text}{behind}"
        return text if value >= 0 else f"({text})" if brackets else f"-{text}"

    return write


NUMBERS = st.builds(
    _number, st.just(","), st.sampled_from([".", " ", "\u00a0", "\u202f", "'", ""]), st.just(2),
    st.sampled_from(["", "€", "EUR "]), st.sampled_from(["", " €"]), st.booleans(),
) | st.builds(
    _number, st.just("."), st.sampled_from([",", " ", "'", ""]), st.just(2), st.sampled_from(["", "$", "USD ", "￥"]),
    st.sampled_from(["", "%"]), st.booleans(),
)  # fmt: skip
DATES = st.sampled_from([
    "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%b-%Y", "%Y年%m月%d日", "%Y/%m/%d", "%Y-%m-%dT%H:%M:%SZ", "%d/%m/%y",
])  # fmt: skip
STYLES = st.fixed_dictionaries({
    "number": NUMBERS, "date": DATES,
    "yes": st.sampled_from([("true", "false"), ("Ja", "Nein"), ("oui", "non"), ("是", "否")]),
    "none": st.sampled_from(["", "\\N", "(null)", "<NA>", "NULL", "n/a"]),
    "encoding": st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "gb18030"]),
    "delimiter": st.sampled_from(";\t|"), "pad": st.sampled_from(["", " ", "\u3000"]), "packed": st.booleans(),
})  # fmt: skip


def drawn(seed: int) -> pd.DataFrame:
    rng, n = np.random.default_rng(seed), 80
    frame = pd.DataFrame({
        "month": pd.to_datetime(rng.choice(["2024-01-31", "2024-02-28", "2024-03-31"], n)),
        "balance": (rng.normal(0, 5000, n)).round(2), "income": rng.uniform(100, 90000, n).round(2),
        "since": pd.to_datetime("2015-01-01") + pd.to_timedelta(rng.integers(0, 3000, n), "D"),
        "consent": rng.random(n) < 0.5, "city": rng.choice(["北京", "上海", "广州", "成都"], n),
        "left": rng.integers(0, 2, n),
    })  # fmt: skip
    frame.loc[:1, "month"] = pd.Timestamp("2024-03-31")
    return frame.mask(rng.random(frame.shape) < np.array([0, 0.1, 0.1, 0.1, 0.1, 0.1, 0]))


def styled(frame: pd.DataFrame, style: dict, file: Path) -> Flat:
    """Write a table in a style and open it."""
    write = dict.fromkeys(frame, str) | {
        "balance": style["number"], "income": style["number"], "month": lambda d: d.strftime(style["date"]),
        "since": lambda d: d.strftime(style["date"]), "consent": lambda agreed: style["yes"][not agreed],
    }  # fmt: skip
    texts = {
        name: [style["none"] if pd.isna(v) else write[name](v) + style["pad"] for v in column]
        for name, column in frame.items()
    }
    content = pd.DataFrame(texts).to_csv(index=False, sep=style["delimiter"]).encode(style["encoding"])
    file.write_bytes(gzip.compress(content) if style["packed"] else content)
    return open_flat(str(file), "left", time="month")


PLAIN = {
    "number": str, "date": "%Y-%m-%d", "yes": ("true", "false"), "none": "", "encoding": "utf-8", "delimiter": ",",
    "pad": "", "packed": False,
}  # fmt: skip


@pytest.mark.property
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 999), style=STYLES)
def test_a_table_gives_the_same_predictors_however_it_is_written(seed, style):
    frame = drawn(seed)
    with tempfile.TemporaryDirectory() as folder:
        plain = styled(frame, PLAIN, Path(folder) / "plain.csv")
        other = styled(frame, style, Path(folder) / ("table.csv.gz" if style["packed"] else "table.csv"))
    assert_frame_equal(plain.predictors, other.predictors)
    assert plain.target.tolist() == other.target.tolist()
    assert plain.day.tolist() == other.day.tolist()


def test_check_tells_of_each_column_what_it_is_and_what_does_not_fit(tmp_path):
    rows = [f"{i},{i / 7:.2f},{['north', 'south'][i % 2]},{i % 2}" for i in range(100)] + [
        "100,oops,north,0",
        "101,never,south,1",
    ]
    (tmp_path / "t.csv").write_text("id,amount,region,y\n" + "\n".join(rows), "utf-8")
    flat = open_flat(str(tmp_path / "t.csv"), "y", id="id")
    assert flat.forms.to_numpy().tolist() == [
        ["amount", "number", "", 102, 100, ("aaaaa", "aaaa")], ["region", "category", "", 102, 102, ()]
    ]  # fmt: skip


def test_times_of_the_source_are_local_times(tmp_path):
    rows = "".join(f"2024-01-{i:02}T20:00:00{'Z' if i % 2 else '+08:00'},{i % 5},{i % 2}\n" for i in range(1, 29))
    (tmp_path / "t.csv").write_text("at,x,y\n" + rows, "utf-8")
    (tmp_path / "source.yml").write_text(
        "time_zone: Asia/Shanghai\nflat: {file: t.csv, target: y, time: at}\n", "utf-8"
    )
    flat = open_flat(str(tmp_path))
    assert [str(d.date()) for d in flat.day[:3]] == ["2024-01-02", "2024-01-02", "2024-01-04"]


@pytest.mark.parametrize(("key", "value"), [("decimal", ";"), ("dates", "day first")])
def test_what_is_told_wrongly_is_refused(tmp_path, key, value):
    (tmp_path / "t.csv").write_text("x,y\n1,0\n2,1\n", "utf-8")
    with pytest.raises(BankmineError, match=f"{key}={value}: it may be "):
        open_flat(str(tmp_path / "t.csv"), "y", **{key: value})


if __name__ == "__main__":
    README.write_text(rendered(README.read_text("utf-8")), "utf-8")
