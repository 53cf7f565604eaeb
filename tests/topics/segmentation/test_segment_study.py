"""The study of segments: what it says of thin banks, and that its figures are those of the tables."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import replace

import pandas as pd
import pytest
from bank_fixtures import write_parquet
from random_bank import random_bank
from sklearn.metrics import silhouette_score
from thin_banks import THIN, lacking

from bankmine.errors import BankmineError
from bankmine.features.consent import ALLOWED, contact_allowed
from bankmine.topics.segmentation import study
from bankmine.topics.segmentation.groups import sample
from bankmine.topics.segmentation.measures import Advisers
from bankmine.topics.segmentation.model import to_text
from bankmine.topics.segmentation.study import MODEL

pytestmark = pytest.mark.slow
DAY = dt.date(2025, 12, 31)
ONE_SEGMENT = dict.fromkeys(("rules", "rules_right"), "there is one segment only, or one of fewer than five customers")
ONE_SEGMENT["capacity"] = "no segment has advisers in segments.yml"
ONE_SEGMENT |= dict.fromkeys(
    ("drift", "drifted"), "the segments were formed today, and have nothing to have moved from"
)
NEW = {
    **dict.fromkeys(("movers", "movers_told", "moves", "moved", "tiers_chart"), "no customer was known on 2025-11-30"),
    **dict.fromkeys(("stages_chart", "segments_chart"), "nobody was known on an earlier day"),
    "most_lost": "no customer was known on 2025-09-30", "moved_stage": "nobody was known a month ago",
    "persistence": "nobody was known half a year ago",
}  # fmt: skip


def few(now: int, half_a_year_ago: int) -> dict[str, str]:
    says = "only {} customers were active on {}; 100 are needed".format
    early = dict.fromkeys(("foretold", "foresight"), says(half_a_year_ago, "2025-06-30"))
    return early | {"neighbours": says(now, "2025-11-30")}


@pytest.mark.parametrize(
    ("bank", "lacks"),
    [
        ("without balances", {"overlap": "the source has no balances of deposits"}),
        ("one month", few(0, 0) | NEW),
    ],
)
def test_what_a_thin_bank_lacks_is_said_part_by_part(tmp_path, bank, lacks):
    found = study(str(write_parquet(THIN[bank](), tmp_path)), DAY)
    assert lacking(found) == ONE_SEGMENT | lacks
    assert found.segments["k"] == 1


def test_a_bank_whose_customers_hold_no_account_has_no_segments_and_says_so(tmp_path):
    found = study(str(write_parquet(THIN["three customers"](), tmp_path)), DAY)
    lacks = lacking(found)
    assert {"segment", "map", "map_chart", "worth_most", "most_lost", "near_list"} <= set(lacks)
    assert all(why.startswith(("No customer is active on this day", "only 0 customers")) for why in lacks.values())
    assert found.tiers["customers"].sum() == 3


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
    accounts = frames["accounts"][lambda a: a.closed_on.isna() | (a.closed_on > DAY)]
    active = (counts >= 6) & (counts >= days.clip(30, 365) / (365.25 / 12)) & people.index.isin(accounts.customer_id)
    assert 0 < active.sum() < len(people)
    assert found.active == {"active": active.sum(), "customers": len(people), "inactive": (~active).sum()}
    assert found.map["customers"].sum() == len(people)
    income = booked[booked["direction"] == "in"].groupby("customer_id")["amount"].sum().reindex(people.index)
    monthly = (income / (days.clip(30, 365) / (365.25 / 12)))[active]
    pd.testing.assert_series_equal(found.values["income"].sort_index(), monthly, check_names=False)
    own = booked[(booked["direction"] == "out") & (booked["kind"] != "fee")].groupby("customer_id").size()
    best = found.views["RFM"][own.reindex(people.index, fill_value=0).idxmax()]
    assert best in ("Champions", "Loyal", "Can't lose them")


@pytest.fixture(scope="module")
def kinds(small_bank):
    return study(str(small_bank), DAY)


def test_the_map_of_segments_adds_up_and_says_what_to_do(kinds):
    told = kinds.handed_on["segment_map"]
    assert told["customers"].sum() == len(kinds.customers)
    assert told["share"].sum() == pytest.approx(1)
    assert told["margin"].sum() == pytest.approx(kinds.worth.sum())
    assert told["of_margin"].sum() == pytest.approx(1)
    assert told["margin"].is_monotonic_decreasing
    held = kinds.customers[kinds.customers["accounts"] > 0]
    by_segment = held["products"].groupby(kinds.segment, observed=False).mean()
    pd.testing.assert_series_equal(
        told["products"].sort_index(),
        by_segment.sort_index(),
        check_names=False,
        check_index_type=False,
        check_categorical=False,
    )
    named = {n.name: n for n in kinds.registry.names}
    there = [n for n in told.index if n in named]
    assert there
    assert all(told.loc[n, "to_do"] == named[n].to_do for n in there)
    assert all(set(named[n].words) <= set(told.loc[n, "words"].split(", ")) for n in there)


def test_losses_of_a_segment_are_those_of_its_customers_a_quarter_ago(kinds):
    before = kinds.model.assign_all(kinds.tables[kinds.quarter_ago], kinds.registry)
    lived = kinds._lived.set_axis(pd.to_datetime(kinds._lived.columns), axis=1)
    then, now = lived[pd.Timestamp(kinds.quarter_ago)], lived[pd.Timestamp(DAY)]
    told = kinds.handed_on["segment_map"]
    for name in told.index:
        there = [c for c in before.index[before == name] if isinstance(then[c], str) and then[c] != "lost"]
        assert told.loc[name, "there"] == len(there)
        assert told.loc[name, "lost"] == sum(now[c] == "lost" for c in there)


def test_segments_formed_today_have_moved_from_nothing(kinds):
    assert "formed today" in kinds.drift.why
    assert "formed today" in kinds.drifted.why


def test_movers_say_whether_they_are_near_the_threshold(kinds):
    movers = kinds.movers
    assert kinds.moved["may"] == movers["may_go_back"].sum()
    assert (movers.loc[movers["may_go_back"], "from_threshold"] <= kinds.moved["usual"]).all()


def test_movers_are_named_only_where_their_number_is_told(kinds):
    assert len(kinds.movers)
    assert kinds.moves["customers"].isna().all()
    assert kinds.movers_told.empty


def test_rules_do_not_tell_for_how_few_customers_they_are_wrong(kinds):
    told, found = kinds.rules, kinds._ruled.table
    wrong = (found["customers"] * (1 - found["right"])).round()
    assert wrong.between(1, 4).any()
    assert told.loc[wrong.between(1, 4), ["right", "covered"]].isna().all(axis=None)
    assert (told["right"].notna() == ~wrong.between(1, 4)).all()


def test_the_mean_margin_is_of_customers_with_an_account(kinds):
    holders = kinds.customers.index[kinds.customers["accounts"] > 0]
    assert len(holders) < len(kinds.customers)
    assert kinds.margin["mean"] == pytest.approx(kinds.worth.reindex(holders).mean())


def test_advisers_needed_are_those_who_carry_the_customers_and_the_rest_waits(kinds):
    advisers = {a.id: a for a in kinds.registry.advisers}
    told, listed = kinds.handed_on["segment_map"], kinds.handed_on["look_after"]
    owners = told["owner"][kinds.segment.astype(str)].set_axis(kinds.segment.index)
    lost = kinds.stage.reindex(owners.index) == "lost"
    may = contact_allowed(kinds.customers.loc[owners.index], ()) == ALLOWED
    mine = owners[owners.isin(list(advisers)) & may & ~lost]
    assert (listed["contact"] == ALLOWED).all()
    assert 0 < len(mine) == len(listed) == kinds.capacity["all"]
    assert (listed["owner"] == mine.reindex(listed.index)).all()
    for owner, rows in listed.groupby("owner"):
        room = advisers[owner].carries * advisers[owner].there
        assert rows["first"].sum() == min(room, len(rows))
        assert (
            rows.loc[rows["first"], "margin"].min() >= rows.loc[~rows["first"], "margin"].max() or rows["first"].all()
        )
        needed, there = math.ceil(len(rows) / advisers[owner].carries), advisers[owner].there
        assert f"{needed} {advisers[owner].name}{'s' * int(needed != 1)} (there are {there}" in kinds.capacity["which"]
    for name, row in told[told["takes"] != ""].iterrows():
        assert row["takes"].startswith(f"{math.ceil(row['reached'] / advisers[row['owner']].carries)} ")
        assert kinds.map.loc[name, "what to do"].endswith(f"; takes {row['takes']}")
    assert listed.attrs["list"]


def test_an_adviser_who_carries_nobody_is_refused():
    with pytest.raises(BankmineError, match="carries one customer at least"):
        Advisers("wealth", "wealth advisers", 0, 3)


def test_the_nearly_premium_are_handed_on_as_a_list_with_consent(kinds):
    near, people = kinds.handed_on["near_premium"], kinds.customers
    may = people["marketing_consent"].fillna(False) & people["profiling_consent"].fillna(False)
    assert near.index.tolist() == [c for c in kinds._near if may[c]]
    assert near["contact"].eq("allowed").all()
    assert kinds.near_premium["may"] == len(near) < kinds.near_premium["near"] == len(kinds._near)
    premium = kinds.worth[kinds.tier == "premium"].min()
    assert near["below_premium"].tolist() == pytest.approx((premium - near["margin"]).tolist())
    assert near["below_premium"].is_monotonic_increasing
    assert near.attrs["list"]


def test_a_silhouette_says_what_it_is_of(kinds):
    """That of k-means chooses the number, that of the segments themselves judges them: two figures, two names."""
    criteria, verdict = kinds.choice.table, kinds.verdict.table
    assert [c for c in criteria if "silhouette" in c] == ["silhouette of k-means"]
    of_segments = [name for name in verdict.index if "silhouette" in name]
    assert len(of_segments) == 2
    assert all(name.startswith("silhouette of the segments") for name in of_segments)
    points = kinds.formed.points(kinds.values)
    points = points[sample(len(points), 2000, 0)]
    own = silhouette_score(points, kinds.formed.groups.labels(points))
    assert verdict.loc[of_segments, "found"].tolist() == pytest.approx([own, own])
    assert "ilhouette" in kinds.choice.argument
    assert "silhouette of 0" not in kinds.choice.argument
