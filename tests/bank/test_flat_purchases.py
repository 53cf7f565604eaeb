"""Flat tables of purchases: rows without an outcome, each with whose it is, its day and its amount."""

from __future__ import annotations

import pytest

from bankmine.bank.flat import open_unlabelled
from bankmine.bank.flat_purchases import items_of, purchases_of
from bankmine.errors import BankmineError

ROWS = "who,day,paid,note\n" + "".join(
    f"00{i % 3},2025-0{i % 6 + 1}-1{i},{paid},{i % 2}x\n"
    for i, paid in enumerate(["10.50", "0", "-4.25", "", "7.00", "3.10"])
)


@pytest.fixture
def table(tmp_path):
    file = tmp_path / "shop.csv"
    file.write_text(ROWS)
    return file


def test_what_was_given_back_is_left_out_with_a_remark_and_what_was_free_is_kept(table):
    found = purchases_of(open_unlabelled(str(table), "who", "day"), "paid")
    rows = found.rows.order_by("date").to_pandas()
    assert list(rows["amount"]) == [10.5, 0.0, 7.0, 3.1]
    assert list(rows["customer_id"]) == ["000", "001", "001", "002"]  # text, with its zeros
    assert list(rows["date"].astype(str)) == ["2025-01-10", "2025-02-11", "2025-05-14", "2025-06-15"]
    assert found.remarks == (
        "1 rows without paid left out", "1 rows of less than nothing, as what is given back, in paid left out"
    )  # fmt: skip


def test_rows_after_the_day_are_not_known(table):
    flat = open_unlabelled(str(table), "who", "day", "2025-02-28")
    assert purchases_of(flat, "paid").rows.count().to_pyarrow().as_py() == 2
    assert flat.overview()["value"].to_dict() == {"rows": 2, "of so many": 2}


@pytest.mark.parametrize(
    ("columns", "amount", "told"),
    [
        (("", "day"), "paid", "Say which column of .* tells whose a row is: id=…"),
        (("who", ""), "paid", "Say which column of .* holds the day of a row: time=…"),
        (("who", "day"), "", "Say which column of .* holds the amounts: amount=…"),
        (("who", "day"), "price", "amount=.?price"),
        (("who", "day"), "note", "amount=note: nobody can tell which numbers"),
        (("nobody", "day"), "paid", "nobody"),
    ],
)
def test_what_is_not_told_or_not_there_is_asked_for(table, columns, amount, told):
    with pytest.raises(BankmineError, match=told) as refused:
        purchases_of(open_unlabelled(str(table), *columns), amount)
    assert "\n" not in str(refused.value)


def test_a_table_of_what_was_given_back_has_no_purchases(tmp_path):
    file = tmp_path / "back.csv"
    file.write_text("who,day,paid\n" + "".join(f"{i},2025-01-0{i + 1},-{i + 1}.5\n" for i in range(5)))
    with pytest.raises(BankmineError, match=r"No row of .* is a purchase. 5 rows of less than nothing"):
        purchases_of(open_unlabelled(str(file), "who", "day"), "paid")


ITEMS = "who,day,what\n" + "".join(
    f"00{i % 3},2025-0{i % 6 + 1}-1{i},{what}\n" for i, what in enumerate(["007", "=1+1", "", "<b>x</b>", "007", " a "])
)


@pytest.fixture
def items(tmp_path):
    file = tmp_path / "items.csv"
    file.write_text(ITEMS)
    return file


def test_items_are_text_as_the_table_writes_it(items):
    found = items_of(open_unlabelled(str(items), "who", "day"), "what")
    assert list(found.rows["item"]) == ["007", "=1+1", "<b>x</b>", "007", "a"]
    assert list(found.rows["customer_id"]) == ["000", "001", "000", "001", "002"]
    assert list(found.rows["day"].astype(str)) == ["2025-01-10", "2025-02-11", "2025-04-13", "2025-05-14", "2025-06-15"]
    assert found.remarks == ("1 rows without what left out",)


@pytest.mark.parametrize(
    ("item", "told"),
    [
        ("", "Say which column of .* tells what was bought: item=…"),
        ("article", "item=.?article"),
        ("who", "item=who: that is the column of id"),
        ("day", "item=day: that is the column of time"),
    ],
)
def test_an_item_that_is_not_told_or_not_there_is_asked_for(items, item, told):
    with pytest.raises(BankmineError, match=told) as refused:
        items_of(open_unlabelled(str(items), "who", "day"), item)
    assert "\n" not in str(refused.value)


def test_one_item_is_nothing_to_choose_from(tmp_path):
    file = tmp_path / "one.csv"
    file.write_text("who,day,what\n" + "".join(f"{i},2025-01-0{i + 1},tea\n" for i in range(5)))
    with pytest.raises(BankmineError, match="fewer than two items"):
        items_of(open_unlabelled(str(file), "who", "day"), "what")
