"""Files as people have them: notes above, totals below, copies, other encodings; banks that write in their own way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bank_fixtures import CORE, small_bank, write_csv, write_source

from bankmine.bank.flat import Flat, open_flat
from bankmine.bank.snapshot import Snapshot, open_source, read_source
from bankmine.errors import BankmineError
from bankmine.report.source_check import check_lines, flat_lines

pytestmark = pytest.mark.slow

LAST = "2025-12-31"
HEAD = "id;age;limit;left"
ROWS = [f"C{i:03};{20 + i % 40};{100 * (i % 9)},5;{int(i % 4 == 0)}" for i in range(60)]


def text_file(folder: Path, lines: list[str] | str, encoding: str = "utf-8", name: str = "table.csv") -> str:
    text = lines if isinstance(lines, str) else "\n".join(lines) + "\n"
    (folder / name).write_bytes(text.encode(encoding))
    return str(folder / name)


def book(folder: Path, **sheets: list[list]) -> str:
    with pd.ExcelWriter(folder / "book.xlsx", engine="xlsxwriter") as out:
        for name, rows in sheets.items():
            pd.DataFrame(rows).to_excel(out, sheet_name=name, index=False, header=False)
    return str(folder / "book.xlsx")


def opened(file: str, **told: str) -> Flat:
    flat = open_flat(file, told.pop("target", "left"), **({"id": "id"} | told))
    assert len(flat.target) == 60
    assert list(flat.predictors.mean().round(2)) == [36.17, 385.5]
    return flat


def refusal(file: str, **told: str) -> str:
    with pytest.raises(BankmineError) as caught:
        open_flat(file, told.pop("target", "left"), **told)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- rows that are no rows


@pytest.mark.parametrize(
    ("before", "after", "remark"),
    [
        (["sep=;"], [], "line 1, sep=;, names the delimiter"),
        (
            ["Report of customers", "", "made on 31.12.2024"],
            [],
            "rows 1 to 3 are no headings: left out ('Report of customers')",
        ),
        (["Bank: ours;;;", ";;;"], [], "rows 1 to 2 are no headings"),
        ([], ["Total;;23.970,00;15"], "1 rows of totals or end marks left out"),
        ([], ["合计;;;15"], "1 rows of totals or end marks left out"),
        ([], [";;;", ";;;"], "2 empty rows left out"),
        ([], ["(60 rows)"], "line 62 is no row: left out"),
        ([], ["", "End of report from the core system"], "line 63 is no row: left out"),
        ([], [HEAD], "1 rows that repeat the headings left out"),
    ],
    ids=["sep", "notes", "padded notes", "total", "Chinese total", "empty", "count", "end", "headings again"],
)
def test_what_is_no_row_of_a_text_file_is_left_out_and_told(tmp_path, before, after, remark):
    flat = opened(text_file(tmp_path, [*before, HEAD, *ROWS, *after], "utf-8-sig"))
    assert any(remark in r for r in flat.remarks), flat.remarks
    assert flat.predictors["limit"].max() == 800.5


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([HEAD, *ROWS, "C9"], "line 62 has 1 values, not 4"),
        ([HEAD, *ROWS[:9], "C009;Miller;30;40", "C010;Miller;1;2;3", *ROWS], "line 12 has 5 values, not 4"),
        ([HEAD, *ROWS[:9], 'C009;"Miller;30', *ROWS], 'line 11 opens a quote " that is never closed'),
    ],
)
def test_a_line_that_is_no_row_is_named_by_its_number_and_never_shown(tmp_path, capfd, lines, words):
    text = refusal(text_file(tmp_path, lines))
    assert words in text
    assert "Miller" not in text
    assert "Possible fixes" not in text
    assert capfd.readouterr() == ("", "")


def test_a_second_row_of_headings_names_the_columns_where_the_first_is_generic(tmp_path):
    rows = [[i, 20 + i % 40, 100.5 * (i % 9), int(i % 4 == 0)] for i in range(60)]
    file = book(tmp_path, data=[["X1", "X2", "X3", "Y"], ["ID", "AGE", "LIMIT", "left"], *rows])
    for target in ("Y", "left"):
        flat = open_flat(file, target)
        assert (len(flat.target), list(flat.predictors)) == (60, ["AGE", "LIMIT"])
        assert flat.predictors["LIMIT"].max() == 804
        assert "row 2 is a second row of headings: its names are used" in flat.remarks


def test_a_row_of_units_is_left_out(tmp_path):
    units = text_file(tmp_path, [HEAD, "key;years;EUR;flag", *ROWS])
    assert "row 2 is a second row of headings: left out ('key')" in opened(units).remarks


def test_a_first_row_without_values_is_a_row(tmp_path):
    file = text_file(tmp_path, [HEAD, "C999;NA;unknown;", *ROWS])
    assert len(open_flat(file, "left", id="id").target) == 61


def test_merged_headings_and_a_cover_are_told(tmp_path):
    rows = [[f"C{i}", i % 7, i % 5, int(i % 4 == 0)] for i in range(60)]
    data = [["Export", None, None, None], ["key", "spent", "earned", "left"], *rows]
    flat = open_flat(book(tmp_path, cover=[["Our bank"], ["2024"]], data=data), "left")
    assert "sheet cover holds no table: sheet data is read" in flat.remarks
    merged = [["customer", None, "in 2024", None], ["key", "x", "x", "left"], *rows]
    flat = open_flat(book(tmp_path, data=merged), "left")
    assert list(flat.predictors) == ["customer x", "in 2024 x"]


def test_rows_that_repeat_another_in_every_column_are_one_case(tmp_path):
    rng = np.random.default_rng(5)
    one = pd.DataFrame(
        {"age": rng.integers(18, 80, 150), "balance": rng.normal(0, 1e3, 150).round(2), "left": [0, 1, 0] * 50}
    )
    flat = open_flat(
        text_file(tmp_path, pd.concat([one] * 4).sample(frac=1, random_state=1).to_csv(index=False)), "left"
    )
    assert flat.entity.nunique() == 150
    assert flat.entity.value_counts().eq(4).all()
    assert "450 rows repeat an earlier one in every column: taken for one case each" in flat.remarks[0]
    few = pd.DataFrame({"a": rng.integers(0, 3, 600), "b": rng.integers(0, 4, 600), "left": [0, 1] * 300})
    plain = open_flat(text_file(tmp_path, few.to_csv(index=False)), "left")
    assert plain.entity.is_unique
    assert "alike by chance" in plain.remarks[0]


@pytest.mark.parametrize("key", ["6.22216E+15", "6,22E+15"])
def test_ids_that_lost_their_digits_are_refused(tmp_path, key):
    lines = [HEAD, *(f"{key};{i % 40};{i % 9};{i % 2}" for i in range(30))]
    assert f"id=id: 30 of its values lost digits when a spreadsheet saved them, like {key}" in refusal(
        text_file(tmp_path, lines), id="id"
    )


# --- encodings

CHINESE = "客户,城市,职业,余额,流失\n" + "".join(
    f"{i},{['北京', '上海', '广州'][i % 3]},{['工程师', '教师', '医生', '销售'][i % 4]},{i % 7}.5,{i % 2}\n"
    for i in range(40)
)
TAIWAN = "客戶,城市,職業,餘額,流失\n" + "".join(
    f"{i},{['臺北', '高雄', '臺中'][i % 3]},{['工程師', '教師', '醫生'][i % 3]},{i % 7}.5,{i % 2}\n" for i in range(40)
)
WESTERN = "kunde,straße,weg\n" + "".join(
    f"{i},{['Müllerstraße', 'Schloßallee', 'Königsweg'][i % 3]},{i % 2}\n" for i in range(40)
)


@pytest.mark.parametrize(
    ("text", "encoding", "target", "said"),
    [
        (CHINESE, "gbk", "流失", "GB18030 (GBK)"), (CHINESE, "gb18030", "流失", "GB18030 (GBK)"),
        (TAIWAN, "big5", "流失", "Big5"), (WESTERN, "cp1252", "weg", "Windows-1252"),
        (CHINESE, "utf-16", "流失", "UTF-16"),
        (CHINESE, "utf-16-le", "流失", "UTF-16"),
    ],
)  # fmt: skip
def test_encodings_are_recognised_and_told(tmp_path, text, encoding, target, said):
    plain = open_flat(text_file(tmp_path, text, "utf-8", "plain.csv"), target)
    other = open_flat(text_file(tmp_path, text, encoding), target)
    pd.testing.assert_frame_equal(plain.predictors, other.predictors)
    assert f"table.csv is {said} text, read as such" in other.remarks


def test_an_encoding_that_is_unclear_is_named_or_refused(tmp_path):
    text = "x,y\n" + "男,1\n女,0\n女,1\n" * 20
    file = text_file(tmp_path, text, "gbk")
    assert "cannot be told for certain: name it, as encoding=gbk" in refusal(file, target="y")
    assert list(open_flat(file, "y", encoding="gbk").predictors["x"][:2]) == ["男", "女"]
    assert "read as big5, many of its characters are rare ones" in refusal(
        text_file(tmp_path, CHINESE, "gbk"), target="流失", encoding="big5"
    )
    assert "encoding=klingon is not known" in refusal(file, target="y", encoding="klingon")
    (tmp_path / "source.yml").write_text("encoding: gbk\nflat: {file: table.csv, target: y}\n", "utf-8")
    text_file(tmp_path, text, "gbk")
    assert open_flat(str(tmp_path)).predictors["x"].nunique() == 2


# --- banks


def rewritten(folder: Path, keys: dict | None = None, **tables: dict) -> Path:
    """Write the small bank's core with some columns written anew."""
    bank = small_bank(*CORE)
    for table, columns in tables.items():
        for name, write in columns.items():
            bank[table][name] = (
                [None if pd.isna(v) else write(v) for v in bank[table][name]] if callable(write) else write
            )
    return write_source(write_csv(bank, folder), **(keys or {}))


def snapshot_of(folder: Path) -> Snapshot:
    return open_source(str(folder)).as_of(LAST)


def same_as_plain(folder: Path, written: Path) -> Snapshot:
    plain, other = snapshot_of(rewritten(folder / "plain")), snapshot_of(written)
    assert other.violations().empty
    for name in CORE:
        left, right = (s.tables[name].to_pandas().sort_values(list(s.tables[name].columns[:1])) for s in (plain, other))
        pd.testing.assert_frame_equal(left.reset_index(drop=True), right.reset_index(drop=True)[left.columns])
    return other


WAYS = {
    "padded keys": {"customers": {"customer_id": lambda v: f"{v}      "},
                    "accounts": {"account_id": lambda v: f"  {v} "}},
    "slashed times": {"transactions": {"at": lambda v: f"{v:%d/%m/%Y %H:%M:%S}"}},
    "German amounts": {"transactions": {"amount": lambda v: f"{v:,.2f}".translate(str.maketrans(",.", ".,")) + " €"}},
    "other case": {"transactions": {"direction": str.upper}, "accounts": {"product": str.title}},
    "Chinese days": {"customers": {"joined_on": lambda v: f"{v.year}年{v.month}月{v.day}日"}},
    "numbers as days": {"customers": {"joined_on": lambda v: f"{v:%Y%m%d}"},
                        "accounts": {"opened_on": lambda v: f"{v:%d.%m.%y}"}},
    "yes and no": {"customers": {"marketing_consent": lambda v: "ja" if v else "nein"}},
    "no value": {"customers": {"annual_income": lambda v: f"{v:.2f}", "birth_date": str}},
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_a_bank_that_writes_in_its_own_way_is_read_as_any_other(tmp_path, way):
    same_as_plain(tmp_path, rewritten(tmp_path / "other", **WAYS[way]))


def test_keys_that_pandas_wrote_as_numbers_are_those_that_others_write(tmp_path):
    number = {"customers": {"customer_id": lambda v: f"{int(v)}.0"}, "accounts": {"customer_id": lambda v: str(int(v))}}
    snapshot = snapshot_of(rewritten(tmp_path, **number))
    assert snapshot.violations().empty
    assert "customer_id: 6 keys like 100.0 are 100" in snapshot.checks["customers"].remarks


def test_times_with_a_zone_become_local_times_of_the_bank(tmp_path):
    n = len(small_bank("transactions")["transactions"])
    plain = small_bank("transactions")["transactions"]["at"]
    at = [
        (pd.Timestamp(v, tz="Asia/Shanghai").tz_convert("UTC" if i % 2 else "Asia/Shanghai")).isoformat()
        for i, v in enumerate(plain)
    ]
    at = [t.replace("+00:00", "Z") for t in at]
    folder = rewritten(tmp_path, {"time_zone": "Asia/Shanghai"}, transactions={"at": at})
    found = snapshot_of(folder).transactions.order_by("transaction_id").to_pandas()
    assert len(found) == n
    assert found["at"].tolist() == [pd.Timestamp(v) for v in plain]


def test_check_shows_what_was_found_what_is_known_and_which_key_was_missed(tmp_path):
    odd = {
        "accounts": {"product": lambda _: "yacht"},
        "transactions": {"direction": lambda v: {"in": "credit", "out": "debit"}[v]},
    }
    lines = "\n".join(check_lines(read_source(str(rewritten(tmp_path, **odd))))[0])
    assert "unknown_value in product: 9 rows left out" in lines
    assert "e.g. 'yacht' 9 times; known are current, savings" in lines
    assert "known are in, out" in lines
    assert "unknown_parent in account_id" in lines
    assert "at: date (YYYY-MM-DD hh:mm:ss)" in lines


def test_bookings_whose_times_cannot_be_read_are_no_missing_bookings(tmp_path):
    bank = read_source(str(rewritten(tmp_path, transactions={"at": lambda _: "some time"})))
    n = len(small_bank("transactions")["transactions"])
    assert bank.problems == [f"at of {n} of {n} bookings is no timestamp, as 'aaaa aaaa'"]


def test_amounts_that_could_be_read_in_two_ways_are_asked_for(tmp_path):
    two = {
        "transactions": {"amount": lambda v: f"1,{int(v) % 900 + 100}"},
        "customers": {"annual_income": lambda v: str(int(v))},
    }
    problem = read_source(str(rewritten(tmp_path / "a", **two))).problems[0]
    assert "transactions, amount: its numbers could be read in two ways, as 1," in problem
    assert "say decimal=. or decimal=," in problem
    told = snapshot_of(rewritten(tmp_path / "b", {"decimal": ","}, **two))
    assert told.transactions.amount.max().to_pyarrow().as_py() < 2


def test_several_currencies_are_refused_brought_to_one_or_one_is_picked(tmp_path):
    n = len(small_bank("transactions")["transactions"])
    mixed = {"transactions": {"currency": ["EUR", "USD"] * (n // 2) + ["EUR"] * (n % 2)}}
    problem = read_source(str(rewritten(tmp_path / "a", **mixed))).problems[0]
    assert f"transactions holds amounts in 2 currencies (EUR {n - n // 2}, USD {n // 2}): tell as rates" in problem
    plain = snapshot_of(rewritten(tmp_path / "p")).transactions.order_by("transaction_id").to_pandas()["amount"]
    both = snapshot_of(rewritten(tmp_path / "b", {"rates": {"EUR": 1, "USD": 0.5}}, **mixed))
    found = both.transactions.order_by("transaction_id").to_pandas()["amount"]
    assert found.tolist() == pytest.approx(plain * np.where(np.arange(n) % 2, 0.5, 1))
    one = snapshot_of(rewritten(tmp_path / "c", {"rates": {"EUR": 1}}, **mixed))
    assert one.checks["transactions"].rows == n - n // 2
    assert f"{n // 2} rows in USD, which has no rate, left out" in one.checks["transactions"].remarks
    of_accounts = rewritten(
        tmp_path / "d", {"rates": {"EUR": 1, "USD": 0.5}}, accounts={"currency": ["EUR"] * 4 + ["USD"] * 5}
    )
    halves = snapshot_of(of_accounts).transactions.order_by("transaction_id").to_pandas()
    assert set(halves["amount"] / plain) == {0.5, 1.0}
    signs = {"transactions": {"amount": [f"{'$€'[i % 2]}{10 + i}.50" for i in range(n)]}}
    assert "several currencies (EUR, USD)" in read_source(str(rewritten(tmp_path / "e", **signs))).problems[0]


def test_lines_of_a_check_show_no_text_of_customers(tmp_path):
    names = [f"Anna Miller {i}" for i in range(60)]
    rows = [f"{row};{name}" for row, name in zip(ROWS, names, strict=True)]
    lines = "\n".join(flat_lines(open_flat(text_file(tmp_path, [f"{HEAD};name", *rows]), "left", id="id")))
    assert "name (it identifies the row: 60 different texts in 60 rows)" in lines
    assert "Miller" not in lines
    assert lines.startswith("60 rows of 60 entities")
