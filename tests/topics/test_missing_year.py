"""A bank whose bookings lack a whole calendar year: what can be told is, and the rest gives one clear reason."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from thin_banks import lacking

from bankmine.bank.snapshot import open_source
from bankmine.topics import value
from bankmine.topics.behaviour.when import LOG_INS, When

pytestmark = pytest.mark.slow
DAY = "2025-12-31"
FIRST, MIDDLE = 2023, 2024


@pytest.fixture(scope="module", params=[FIRST, MIDDLE], ids=["the first year", "a year in the middle"])
def bank(request, small_bank, tmp_path_factory) -> tuple[int, Path]:
    """A year, and a bank without what was booked in it."""
    folder = shutil.copytree(small_bank, tmp_path_factory.mktemp("bank") / "part")
    for part in (folder / "transactions").glob("*.parquet"):
        table = pq.read_table(part)
        pq.write_table(table.filter(pc.not_equal(pc.year(table["at"]), request.param)), part)
    return request.param, folder


def test_habits_of_other_years_are_told_and_none_of_the_missing_one(bank):
    year, folder = bank
    when = When(open_source(str(folder)).as_of(DAY))
    assert lacking(when) == {}
    assert when.effect["low"] < 1.286 < when.effect["high"]  # as planted
    assert (when.peak["need"], when.peak["when"]) == ("travel", "week of Golden Week")
    spent = when.each_year.drop(index=LOG_INS, level="need")
    assert spent[str(year)].isna().all()
    assert spent.drop(columns=str(year)).notna().all(axis=None)


def test_value_is_told_and_what_is_not_has_one_reason(bank):
    year, folder = bank
    study = value.study(str(folder), DAY)
    why = lacking(study) | lacking(study.buyers)
    assert not {"value", "next12", "parameters"} & set(why)
    assert ("came" in why) == (year == MIDDLE)
    assert all("\n" not in reason for reason in why.values())
