"""Staff of the demo bank: who does what and when; the busy one and the rogue, and how hard these are to tell apart."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bankmine.bank.contract import TABLES as CONTRACT
from demobank import generate
from demobank.branch import branch, misconduct, roster, staff
from demobank.branch.roster import HOURS, SHIFTS

pytestmark = pytest.mark.slow

QUIET = pd.Timedelta(days=60)
RECENT = pd.Timedelta(days=30)
LIMIT = 50_000
END = dt.date(2025, 12, 31)
PLANTED = staff.PLANTED | misconduct.PLANTED | roster.PLANTED


def actions_with_context(folder: Path) -> pd.DataFrame:
    """Return all actions of staff: out of shift or not, on a silent wealthy customer without a ticket or not."""
    rows = pd.read_parquet(folder / "staff_actions").sort_values("at")
    begins, ends = HOURS[rows["shift"].map(SHIFTS.index).to_numpy()].T
    hour = rows["at"].dt.hour + rows["at"].dt.minute / 60
    rows["out_of_shift"] = (hour < begins) | (hour >= ends)
    owners = pd.read_parquet(folder / "accounts").set_index("account_id")
    booked = pd.read_parquet(folder / "transactions", columns=["account_id", "at", "channel"])
    booked = booked[booked.channel != "internal"]
    booked["customer_id"] = booked.account_id.map(owners.customer_id)
    tickets = pd.read_parquet(folder / "feedback", columns=["customer_id", "at"])
    silent = ~_within(rows, booked, QUIET) & ~_within(rows, tickets, RECENT)
    rows["silent_wealthy"] = silent & _wealthy(folder, owners, rows)
    rows["below_limit"] = rows.amount.between(0.88 * LIMIT, LIMIT, inclusive="left")
    return rows


def _within(rows: pd.DataFrame, events: pd.DataFrame, tolerance: pd.Timedelta) -> np.ndarray:
    """Tell which rows have an event of the same customer at most `tolerance` before them."""
    events = events[["customer_id", "at"]].dropna().sort_values("at").assign(seen=True)
    return pd.merge_asof(rows, events, on="at", by="customer_id", tolerance=tolerance).seen.notna().to_numpy()


def _wealthy(folder: Path, owners: pd.DataFrame, rows: pd.DataFrame) -> np.ndarray:
    """Tell which rows are about a customer in the upper half of deposits at the month end before."""
    held = pd.read_parquet(folder / "balances").join(owners[["customer_id", "product"]], on="account_id")
    held = held[held["product"].isin(["current", "savings", "term_deposit"])]
    held = held.groupby(["month_end", "customer_id"]).balance.sum().reset_index()
    held["rank"] = held.groupby("month_end").balance.rank(pct=True)
    held["at"] = pd.to_datetime(held.month_end).astype(rows["at"].dtype)
    held = held.sort_values("at")[["customer_id", "at", "rank"]]
    return (pd.merge_asof(rows, held, on="at", by="customer_id")["rank"] > 0.5).to_numpy()


def beside_peers(rows: pd.DataFrame) -> pd.DataFrame:
    """Return each person's volume, shares, and by how many spreads these exceed those of the same role and shift."""
    staff = rows.groupby(["staff_id", "role", "shift"], observed=True).agg(
        volume=("at", "size"), out_of_shift=("out_of_shift", "mean"), silent_wealthy=("silent_wealthy", "mean"),
        below_limit=("below_limit", "mean"),
    ).reset_index()  # fmt: skip
    for column in ("out_of_shift", "silent_wealthy", "below_limit"):
        peers = staff.groupby(["role", "shift"])[column]
        spread = peers.transform(lambda share: share.quantile(0.75) - share.quantile(0.25))
        staff[f"{column}_beside"] = (staff[column] - peers.transform("median")) / (spread + 0.01)
    return staff.assign(score=staff.filter(like="_beside").clip(0, 6).sum(axis=1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("staff") / "bank", customers=2000, months=12, seed=7)


@pytest.fixture(scope="module")
def truth(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "truth" / "staff")


@pytest.fixture(scope="module")
def actions(folder: Path, truth: pd.DataFrame) -> pd.DataFrame:
    """All actions with the kind of who did them, whether they are wrong, and the customer."""
    rows = pd.read_parquet(folder / "staff_actions").merge(truth, on="staff_id", validate="many_to_one")
    rows["wrong"] = rows.action_id.isin(pd.read_parquet(folder / "truth" / "staff_actions").action_id)
    people = pd.read_parquet(folder / "customers", columns=["customer_id", "joined_on"])
    left = pd.read_parquet(folder / "truth" / "customers", columns=["customer_id", "left_on"])
    return rows.merge(people, on="customer_id").merge(left, on="customer_id")


@pytest.fixture(scope="module")
def peers(folder: Path, truth: pd.DataFrame) -> pd.DataFrame:
    return beside_peers(actions_with_context(folder)).merge(truth, on="staff_id")


def test_columns_are_those_of_the_contract(folder):
    arrow = {"string": pa.string(), "timestamp": pa.timestamp("us"), "float64": pa.float64()}
    schema = pq.read_schema(folder / "staff_actions" / "part-0000.parquet")
    assert schema.names == [*CONTRACT["staff_actions"].names, "role", "branch", "shift"]
    for column in CONTRACT["staff_actions"].columns:
        assert schema.field(column.name).type == arrow[column.type], column.name


def test_every_word_is_used_and_no_other(actions, truth):
    assert set(actions.action) == set(staff.ACTIONS)
    assert set(actions.role) == set(roster.ROLES)
    assert set(actions["shift"]) == set(roster.SHIFTS)
    assert truth.kind.value_counts().to_dict() == {"ordinary": 48, "rogue": 1, "busy": 1}
    assert truth.from_day.dropna().astype(str).tolist() == ["2025-03-10"]
    assert set(actions.staff_id) == set(truth.staff_id)


def test_keys_are_unique_and_customers_known(folder, actions):
    assert len(actions) == len(pd.read_parquet(folder / "staff_actions"))
    assert actions.action_id.is_unique
    assert actions.action_id.str.fullmatch(r"L\d{10}").all()
    assert actions.staff_id.str.fullmatch(r"S\d{6}").all()
    assert actions["at"].between("2025-01-01", "2026-01-01").all()
    assert (actions["at"] != actions["at"].dt.normalize()).all()
    assert (actions["at"] >= pd.to_datetime(actions.joined_on)).all()
    assert not actions.groupby("staff_id")[["role", "branch", "shift"]].nunique().gt(1).any().any()
    assert actions.groupby("branch").staff_id.nunique().tolist() == [25, 25]


def test_who_left_by_closing_is_left_alone(folder, actions):
    accounts = pd.read_parquet(folder / "accounts", columns=["customer_id", "product", "closed_on"])
    closed = accounts[accounts["product"] == "current"].set_index("customer_id").closed_on.dropna()
    day = pd.to_datetime(actions.customer_id.map(closed)).dropna()
    assert len(day) > 100
    assert (actions["at"][day.index] < day).all()
    after = actions[actions["at"] >= pd.to_datetime(actions.left_on)]
    reviewed = {"view_record", "print_statement", "change_phone", "change_address"}
    assert set(after[~after.wrong].action) == reviewed
    assert after[~after.wrong].role.eq("adviser").mean() > 0.6


def test_amounts_belong_to_bookings_only(actions):
    booked = actions.action.isin(["manual_transfer", "reverse_fee"])
    assert (actions.amount.notna() == booked).all()
    assert (actions.amount.dropna() > 0).all()
    size = actions.groupby("action").amount.median()
    assert 4000 < size["manual_transfer"] < 14_000
    assert 15 < size["reverse_fee"] < 40
    assert (actions.amount > PLANTED["staff.approval_limit"]).sum() > 5


def test_raised_limits_are_of_card_holders(folder, actions):
    accounts = pd.read_parquet(folder / "accounts")
    cards = accounts[accounts["product"] == "credit_card"].set_index("customer_id").opened_on
    raised = actions[actions.action == "raise_limit"]
    assert len(raised) > 50
    assert (raised["at"].dt.date >= raised.customer_id.map(cards)).all()


def test_how_much_is_done_and_by_whom(actions, truth):
    usual = actions[actions.kind == "ordinary"]
    assert 9000 < len(actions) * 36 / 12 / 2 < 14_000
    assert 0.4 < (usual.action == "view_record").mean() < 0.6
    assert (usual[usual.action == "raise_limit"].role == "adviser").mean() > 0.7
    assert not (usual[usual.action == "manual_transfer"].role == "adviser").any()
    weekday = usual["at"].dt.dayofweek
    assert 0.03 < (weekday >= 5).mean() < 0.12
    hour = usual["at"].dt.hour + usual["at"].dt.minute / 60 + usual["at"].dt.second / 3600
    begins, ends = roster.HOURS[usual["shift"].map(roster.SHIFTS.index).to_numpy()].T
    out = (hour < begins) | (hour >= ends)
    assert 0.5 * PLANTED["staff.overtime_share"] < out.mean() < 2 * PLANTED["staff.overtime_share"]
    assert hour.between(6.9, 23.6).all()


def test_complaints_are_followed_up_and_fees_reversed(folder, actions):
    tickets = pd.read_parquet(folder / "feedback").merge(pd.read_parquet(folder / "truth" / "feedback"), on="ticket_id")
    upset = tickets[(tickets.true_kind == "complaint") & (tickets["at"] < "2025-12-01")]

    def share(rows: pd.DataFrame, action: str, shift: int) -> float:
        """Share of complaints with such an action one to five days after the day that is `shift` days later."""
        pairs = rows.merge(actions[actions.action == action], on="customer_id", suffixes=("", "_done"))
        apart = (pairs["at_done"].dt.normalize() - pairs["at"].dt.normalize()).dt.days - shift
        return pairs[apart.between(1, 5)].ticket_id.nunique() / len(rows)

    usual = share(upset, "view_record", -20)
    assert share(upset, "view_record", 0) - usual == pytest.approx(PLANTED["staff.complaints_followed_up"], abs=0.12)
    assert share(upset[upset.topic == "fee"], "reverse_fee", 0) > 0.2
    assert share(upset[upset.topic == "interest"], "reverse_fee", 0) < 0.05


def test_the_rogue_does_what_is_planted(actions):
    wrong = actions[actions.wrong]
    assert set(wrong.kind) == {"rogue"}
    assert wrong["at"].between(str(misconduct.ROGUE_FROM), str(misconduct.ROGUE_UNTIL)).all()
    count = wrong.action.value_counts()
    assert count["view_record"] == PLANTED["staff.rogue_views"]
    assert count["manual_transfer"] == PLANTED["staff.rogue_transfers"]
    assert count["reverse_fee"] == PLANTED["staff.rogue_reversals"]
    moved = wrong[wrong.action == "manual_transfer"].amount
    assert moved.between(0.9 * PLANTED["staff.approval_limit"], PLANTED["staff.approval_limit"], inclusive="left").all()
    assert (pd.to_datetime(wrong.left_on) < wrong["at"]).all()
    seen = wrong[wrong.action == "view_record"].groupby("customer_id")["at"].min()
    others = wrong[wrong.action != "view_record"]
    assert (others["at"] > others.customer_id.map(seen)).all()


def test_whom_the_rogue_wrongs_is_wealthy_and_silent(folder, actions):
    context = actions_with_context(folder)
    wrong = context.action_id.isin(actions[actions.wrong].action_id)
    assert context[wrong].silent_wealthy.mean() > 0.35  # who is silent still buys something now and then
    assert context[~wrong].silent_wealthy.mean() < 0.02


def test_volume_finds_the_busy_one_and_not_the_rogue(peers):
    by_volume = peers.sort_values("volume", ascending=False, ignore_index=True)
    assert by_volume.kind[0] == "busy"
    place = by_volume.index[by_volume.kind == "rogue"][0]
    assert len(by_volume) * 0.1 < place < len(by_volume) * 0.95


def test_peers_of_the_same_role_and_shift_find_the_rogue(peers):
    by_score = peers.sort_values("score", ascending=False, ignore_index=True)
    assert by_score.kind[0] == "rogue"
    assert by_score.index[by_score.kind == "busy"][0] > 4
    innocent = peers[peers.kind == "ordinary"]
    rogue = peers[peers.kind == "rogue"].iloc[0]
    assert innocent.out_of_shift.max() > 0.5 * rogue.out_of_shift
    assert innocent.silent_wealthy.max() > 0.3 * rogue.silent_wealthy


def test_what_the_busy_one_does_is_in_order(actions):
    busy = actions[actions.kind == "busy"]
    at_end = (busy["at"] + pd.Timedelta(days=6)).dt.month != busy["at"].dt.month
    assert len(busy) > 25 * 10
    assert (at_end | (busy["at"].dt.day <= 8)).mean() > 0.6
    assert not busy.wrong.any()
    assert (pd.to_datetime(busy.left_on) <= busy["at"]).mean() < 0.02


@pytest.mark.parametrize(
    ("months", "end", "wrong"),
    [
        (1, dt.date(2024, 2, 29), 0),
        (1, dt.date(2025, 5, 31), 4),
        (2, dt.date(2026, 6, 30), 0),
        (4, dt.date(2025, 10, 31), 12),
    ],
)
def test_any_window(tmp_path, months, end, wrong):
    out = generate(tmp_path / "bank", customers=1000, months=months, seed=8, end=end)
    rows = pd.read_parquet(out / "staff_actions")
    found = set(pd.read_parquet(out / "truth" / "staff_actions").action_id)
    kinds = pd.read_parquet(out / "truth" / "staff").kind.value_counts()
    assert rows["at"].dt.date.between(end.replace(day=1) - dt.timedelta(days=31 * months), end).all()
    assert len(rows) > 200 * months
    assert found <= set(rows.action_id)
    assert wrong <= len(found) <= 16 * months
    assert kinds.get("rogue", 0) == (wrong > 0)
    assert kinds["busy"] == 1


def test_a_small_bank_has_the_same_actions(tmp_path):
    few, many = (generate(tmp_path / str(n), customers=n, months=2, seed=5, end=dt.date(2025, 6, 30)) for n in (7, 900))
    for table in ("staff_actions", "truth/staff_actions"):
        rows, again = (pq.read_table(folder / table) for folder in (few, many))
        assert rows.schema == again.schema
        assert rows == again.filter(pa.compute.less(again["action_id"], "L0000007000"))
    assert 0 < len(pq.read_table(few / "staff_actions")) < 20
    assert pq.read_table(few / "truth" / "staff") == pq.read_table(many / "truth" / "staff")


def test_nothing_is_wrong_where_nobody_has_fallen_silent():
    nobody = np.array([], dtype=np.int64)
    rows = staff.rows_of(nobody)
    assert len(misconduct._afterwards(np.random.default_rng(0), rows, "reverse_fee", 8)) == 0
    assert branch._counted(nobody).tolist() == []
