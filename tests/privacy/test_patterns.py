"""Detectors: what looks personal is found in columns and in text alike, and what only looks long is not."""

from __future__ import annotations

import datetime

import ibis
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bankmine.privacy.patterns import (
    ADDRESS,
    CARD,
    EMAIL,
    IDENTITY,
    NAME,
    PHONE,
    found_in,
    looks,
    redacted,
    redacted_sql,
    suspects,
)

CON = ibis.duckdb.connect()


def column(*values: object, name: str = "it") -> dict[str, int]:
    CON.create_table("told", pd.DataFrame({name: values}), overwrite=True)
    found = looks(CON.table("told"), [name]).get(name, {})
    assert not found or suspects(CON.table("told").to_pyarrow()) == [name]
    return found


def luhn(body: str) -> str:
    total = sum(sum(divmod(int(d) * (2 - i % 2), 10)) for i, d in enumerate(reversed(body)))
    return body + str(-total % 10)


def identity(region: str, born: datetime.date, serial: int) -> str:
    body = f"{region}{born:%Y%m%d}{serial:03d}"
    remainder = sum(int(d) * pow(2, 17 - i, 11) for i, d in enumerate(body)) % 11
    return body + "10X98765432"[remainder]


IDENTITIES = st.builds(
    identity, st.sampled_from(["110101", "320102", "620102"]),
    st.dates(datetime.date(1900, 1, 1), datetime.date(2025, 1, 1)), st.integers(0, 999),
)  # fmt: skip
CARDS = st.builds(
    lambda start, rest: luhn((start + rest)[:15]),
    st.sampled_from(["62", "4", "51", "2221"]), st.text("0123456789", min_size=15, max_size=15),
)  # fmt: skip


@settings(max_examples=40)
@given(st.one_of(st.tuples(st.just(IDENTITY), IDENTITIES), st.tuples(st.just(CARD), CARDS)), st.data())
def test_valid_numbers_are_found_and_with_one_digit_changed_are_not(kind_and_number, data):
    kind, number = kind_and_number
    place = data.draw(st.integers(0, 14))
    wrong = number[:place] + str((int(number[place]) + data.draw(st.integers(1, 9))) % 10) + number[place + 1 :]
    assert found_in(f"证件{number}，谢谢")[kind] == 1
    assert kind not in found_in(f"证件{wrong}，谢谢")
    assert column(number).get(kind) == 1
    assert kind not in column(wrong)


PIECES = ["138", "1234", "5678", "13812345678", "+86", " ", "-", ".", ",", "电话", "x", "110101199003070",
          "4111111111111111",
          "6222", "0200", "a@b.com", "０", "中山路12号", "12 Old Road", "010-23456789", "\n", "X"]  # fmt: skip


QUICKLY_TAKEN_FOR_ANY = "\n@\n区\n110101 19000000\n4111 11 1111111\n1380000"
"""Passed by the quick patterns of all kinds and found by none, so that what follows is searched in full."""


@settings(max_examples=100)
@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_sql_and_python_agree(text):
    alone = f"({text})"  # not bare, so that single hits count
    assert found_in(alone) == found_in(alone + QUICKLY_TAKEN_FOR_ANY)
    assert set(column(alone)) == set(found_in(alone))
    sql = redacted_sql("v")
    assert CON.raw_sql(f"SELECT {sql} FROM (SELECT $t AS v)", parameters={"t": alone}).fetchone()[0] == redacted(alone)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("请拨13812345678谢谢", PHONE), ("+86 138-1234-5678", PHONE), ("１３８１２３４５６７８", PHONE),
        ("010-62345678", PHONE), ("card 4111 1111 1111 1111.", CARD), ("3782 822463 10005", CARD),
        ("li.lei@bank.com.cn", EMAIL), ("住在南京市鼓楼区中山路", ADDRESS), ("at 12 Old Mill Road", ADDRESS),
        ("11010519491231002x", IDENTITY),
    ],
)  # fmt: skip
def test_ways_to_write_it(text, kind):
    assert found_in(text) == {kind: 1}
    assert kind in column(text)
    assert found_in(redacted(text)) == {}


@pytest.mark.parametrize(
    "text",
    ["C000123", "2025-12-31 10:11:12.123456", "1735689600000000", "13812345678.50", "0.13812345678", "13,812,345,678",
     "a13812345678", "4111111111111112", "110105194912310021"],
)  # fmt: skip
def test_what_only_looks_long_is_not_found(text):
    assert found_in(text) == {}


def test_columns_of_ids_amounts_and_moments_give_no_alarm():
    n = range(2_000)
    table = pd.DataFrame({
        "customer_id": [f"C{i:06d}" for i in n], "booking": [f"4{i * 7919:015d}" for i in n],
        "us": [1735689600000000 + i * 1000003 for i in n],
        "amount": [i * 1e9 + 0.25 for i in n],
        "at": pd.date_range("2025-01-01", periods=len(n), freq="h"),
        "text at": [f"2025-01-01 10:11:12.{i:06d}" for i in n],
        "tier": ["金卡", "白金卡"] * 1_000, "merchant_name": ["C"] * 2_000,
    })  # fmt: skip
    CON.create_table("quiet", table, overwrite=True)
    assert looks(CON.table("quiet"), table.columns) == {}
    assert suspects(pa.Table.from_pandas(table)) == ["booking", "us", "amount"]


def test_names_and_numbers_by_column():
    assert column(*[f"王{chr(0x4E00 + i)}" for i in range(20)]) == {NAME: 20}
    assert column("Ann Lee", "Bo Ek", None, name="Customer_Name") == {NAME: 2}
    assert column(*range(13800000000, 13800000005)) == {PHONE: 5}
    assert column("5551234", "n/a", name="手机号") == {PHONE: 1}


def test_lists_structures_and_dictionaries_are_looked_into():
    told = pa.table({
        "lists": [["x"], ["call 13812345678", None], None], "quiet": [["x"], [], None], "empty": pa.nulls(3),
        "structs": [{"to": "a@b.com"}, None, {"to": "x"}],
        "coded": pa.array(["x", "a@b.com", "x"]).dictionary_encode(),
    })  # fmt: skip
    assert suspects(told) == ["lists", "structs", "coded"]
    CON.create_table("nested", told.select(suspects(told)), overwrite=True)
    found = looks(CON.table("nested"), suspects(told))
    assert found == {"lists": {PHONE: 1}, "structs": {EMAIL: 1}, "coded": {EMAIL: 1}}


def test_names_of_columns_are_text():
    assert column("13812345678", name='x" FROM t; DROP TABLE told; --') == {PHONE: 1}
