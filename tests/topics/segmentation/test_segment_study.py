"""The study of segments: what it says of thin banks, and that its figures are those of the tables."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pandas as pd
import pytest
from bank_fixtures import write_parquet
from random_bank import random_bank
from thin_banks import THIN, lacking

from bankmine.topics.segmentation import study
from bankmine.topics.segmentation.model import to_text
from bankmine.topics.segmentation.study import MODEL

pytestmark = pytest.mark.slow
DAY = dt.date(2025, 12, 31)
ONE_SEGMENT = dict.fromkeys(("rules", "rules_right"), "there is one segment only, or one of fewer than five customers")
NEW = {
    **dict.fromkeys(("movers", "moves", "tiers_chart"), "no customer was known on 2025-11-30"),
    **dict.fromkeys(("stages_chart", "segments_chart"), "nobody was known on an earlier day"),
    "moved": "nobody was known a month ago", "persistence": "nobody was known half a year ago",
}  # fmt: skip


def few(now: int, half_a_year_ago: int) -> dict[str, str]:
    says = "only {} customers were active on {}; 100 are needed".format
    early = dict.fromkeys(("foretold", "foresight"), says(half_a_year_ago, "2025-06-30"))
    return early | {"neighbours": says(now, "2025-11-30")}


@pytest.mark.parametrize(
    ("bank", "lacks"),
    [
        ("without balances", {"overlap": "the source has no balances of deposits"}),
        ("three customers", few(3, 2)),
        ("one month", few(0, 0) | NEW),
    ],
)
def test_what_a_thin_bank_lacks_is_said_part_by_part(tmp_path, bank, lacks):
    found = study(str(write_parquet(THIN[bank](), tmp_path)), DAY)
    assert lacking(found) == ONE_SEGMENT | lacks
    assert found.segments["k"] == 1


@pytest.mark.parametrize("content", [b"\x80\x04cos\nsystem\n.", b"{}", b"[" * 100_000, b""])
def test_damaged_segments_of_an_earlier_report_are_set_aside(tmp_path, content):
    (tmp_path / "2025-11-30").mkdir()
    (tmp_path / "2025-11-30" / MODEL).write_bytes(content)
    folder = str(write_parquet(random_bank(seed=2, customers=80, bookings=2500), tmp_path / "bank"))
    found = study(folder, DAY, earlier=lambda name, _: tmp_path / "2025-11-30" / name)
    assert found.set_aside["day"] == "2025-11-30"
    assert "holds no segments of this version" in found.set_aside["why"]
    assert found.model.day == DAY


def test_segments_that_are_whole_are_used_and_those_of_other_rules_set_aside(tmp_path):
    folder = str(write_parquet(random_bank(seed=2, customers=80, bookings=2500), tmp_path / "bank"))
    before = study(folder, DAY)
    (tmp_path / "2025-11-30").mkdir()
    kept = tmp_path / "2025-11-30" / MODEL
    kept.write_text(to_text(replace(before.model, day=dt.date(2025, 11, 30))), "utf-8")
    again = study(folder, DAY, earlier=lambda *_: kept)
    assert again.set_aside is None
    assert again.model.day == dt.date(2025, 11, 30)
    other = replace(before.model, definitions=before.model.definitions | {"active": "transactions_365d >= 1"})
    kept.write_text(to_text(other), "utf-8")
    changed = study(folder, DAY, earlier=lambda *_: kept)
    assert "defines active anew" in changed.set_aside["why"]
    assert changed.model.day == DAY


def test_who_is_active_and_in_which_cell_is_what_the_tables_hold(tmp_path):
    frames = random_bank(seed=2, customers=80, bookings=2500)
    found = study(str(write_parquet(frames, tmp_path)), DAY)
    people = frames["customers"].set_index("customer_id")
    booked = frames["transactions"].merge(frames["accounts"][["account_id", "customer_id"]], on="account_id")
    booked = booked[booked["at"].dt.date > DAY - dt.timedelta(days=365)]
    counts = booked[booked["channel"] != "internal"].groupby("customer_id").size().reindex(people.index, fill_value=0)
    days = people.joined_on.map(lambda joined: (DAY - joined).days)
    active = (counts >= 6) & (counts >= days.clip(30, 365) / (365.25 / 12))
    assert 0 < active.sum() < len(people)
    assert found.active == {"active": active.sum(), "customers": len(people), "inactive": (~active).sum()}
    assert found.sizes["customers"].sum() == len(people)
    income = booked[booked["direction"] == "in"].groupby("customer_id")["amount"].sum().reindex(people.index)
    monthly = (income / (days.clip(30, 365) / (365.25 / 12)))[active]
    pd.testing.assert_series_equal(found.values["income"].sort_index(), monthly, check_names=False)
    own = booked[(booked["direction"] == "out") & (booked["kind"] != "fee")].groupby("customer_id").size()
    best = found.views["RFM"][own.reindex(people.index, fill_value=0).idxmax()]
    assert best in ("Champions", "Loyal", "Can't lose them")
