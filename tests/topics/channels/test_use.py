"""How channels are used: figures computed again from the tables, small groups kept, and what thin banks lack."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from bank_fixtures import write_parquet
from random_bank import random_bank, random_service
from thin_banks import THIN, lacking

from bankmine.bank.snapshot import Snapshot, open_source
from bankmine.judging import disclosure
from bankmine.topics.channels.costs import load_costs
from bankmine.topics.channels.journeys import Journeys
from bankmine.topics.channels.use import Use

pytestmark = pytest.mark.slow
LAST = "2025-12-31"


@pytest.fixture(scope="module")
def snapshot(small_bank) -> Snapshot:
    return open_source(str(small_bank)).as_of(LAST)


@pytest.fixture(scope="module")
def use(snapshot: Snapshot) -> Use:
    return Use(snapshot)


@pytest.fixture(scope="module")
def bookings(snapshot: Snapshot) -> pd.DataFrame:
    owners = snapshot.accounts.select("account_id", "customer_id")
    rows = snapshot.transactions.inner_join(owners, "account_id").select("customer_id", "at", "channel").to_pandas()
    return rows.assign(month=rows["at"].dt.to_period("M"))


def test_nothing_is_lacking_of_a_bank_that_tells_all(use: Use):
    assert lacking(use) | lacking(use.waiting) == {}
    assert set(lacking(use.moving)) <= {"branch_only"}


def test_use_by_month_is_what_the_tables_hold(use: Use, bookings: pd.DataFrame, snapshot: Snapshot):
    own = use.monthly[use.monthly["month"] == "2025-10-01"].set_index("channel")
    october = bookings[bookings["month"] == "2025-10"]
    feedback = snapshot.feedback.to_pandas()
    tickets = feedback[feedback["at"].dt.to_period("M") == "2025-10"].groupby("channel").size()
    costs = load_costs("CNY").errand["believed"]
    for channel in ("branch", "atm", "mobile"):
        assert own.loc[channel, "bookings"] == (october["channel"] == channel).sum()
        assert own.loc[channel, "tickets"] == tickets.get(channel, 0)
        errands = own.loc[channel, "bookings"] + own.loc[channel, "tickets"]
        assert own.loc[channel, "cost"] == pytest.approx(errands * costs[channel])
    assert own.loc["atm", "active"] == october[october["channel"] == "atm"]["customer_id"].nunique()


def test_the_dearest_channel_and_the_share_online_follow_from_the_months(use: Use, bookings: pd.DataFrame):
    year = use.monthly[use.monthly["month"] >= "2025-01-01"].groupby("channel")[["errands", "cost"]].sum()
    assert use.dearest["cost"] == year["cost"].max()
    assert use.dearest["share"] == pytest.approx(year["cost"].max() / year["cost"].sum())
    errands = year["errands"].drop("pos")
    assert use.online["now"] == pytest.approx(errands[["mobile", "online"]].sum() / errands.sum())


def test_responses_are_those_of_contacts_made_whose_offer_is_over(use: Use, snapshot: Snapshot):
    rows = snapshot.contacts.to_pandas()
    over = pd.to_datetime(rows["contacted_on"]) <= pd.Timestamp(LAST) - pd.Timedelta(days=30)
    own = rows[rows["treated"] & over & rows["responded"].notna()]
    assert use.responses["contacts"].to_dict() == {
        str(c).replace("_", " "): n for c, n in own.groupby("channel").size().items()
    }


def test_no_group_of_too_few_is_told(use: Use):
    few = disclosure.smallest_group(use.source)
    for table in (use.moving.served, use.moving.served_by, use.margins, use.moving.moves):
        counts = table["customers"].astype(float).dropna()
        assert (counts.eq(0) | counts.ge(few)).all()
    active = use.monthly["active"].dropna()
    assert (active.eq(0) | active.ge(few)).all()


def test_whom_the_branch_serves_is_counted_from_what_they_did(use: Use, snapshot: Snapshot, bookings: pd.DataFrame):
    since = pd.Timestamp("2025-01-01")
    parts = [
        bookings,
        *(getattr(snapshot, t).select("customer_id", "at", "channel").to_pandas() for t in ("feedback", "events")),
    ]
    rows = pd.concat([part[part["at"] >= since][["customer_id", "channel"]] for part in parts])
    rows = rows[rows["channel"].isin(["branch", "call_centre", "mobile", "online"])]
    used = pd.crosstab(rows["customer_id"], rows["channel"]) > 0
    alone = used["branch"] & ~used.drop(columns="branch").any(axis=1)
    assert (use.moving._people["group"] == "branch only").sum() == alone.sum()
    assert len(use.moving._people) == len(used)


def test_what_is_handed_on_has_plain_columns(use: Use):
    found = use.files()
    assert list(found) == ["channel_use", "channel_moves"]
    for frame in found.values():
        assert {str(t) for t in frame.dtypes} <= {"object", "float64", "int64"}
        assert not isinstance(frame.iloc[0, -1], np.ndarray)


def test_sessions_and_complaints_by_hand(use: Use, snapshot: Snapshot):
    events = snapshot.events.filter(snapshot.events["at"] >= pd.Timestamp("2025-01-01")).to_pandas()
    events = events[events["channel"] == "mobile"]
    failed = (events["page"] == "error") | (events["action"] == "failed")
    share = failed.groupby([events["customer_id"], events["session_id"]]).any().mean()
    own = use.waiting.sessions.set_index(["channel", "what"]).loc[("mobile", "something failed")]
    assert own["value"] == pytest.approx(share, rel=0.01)
    assert own["low"] < own["value"] < own["high"]
    feedback = snapshot.feedback.to_pandas()
    year = feedback[(feedback["kind"] == "complaint") & (feedback["at"] >= "2025-01-01")]
    assert use.waiting.complaints.set_index("name")["complaints"].to_dict() == {
        c.replace("_", " "): n for c, n in year.groupby("channel").size().items()
    }


@pytest.mark.parametrize("name", THIN)
def test_thin_banks_are_told_what_they_lack(name: str, tmp_path):
    study = open_source(str(write_parquet(THIN[name](), tmp_path))).as_of(LAST)
    use = Use(study)
    told = lacking(use) | lacking(use.moving) | lacking(use.waiting) | lacking(Journeys(study))
    assert "no contacts" in told["responses"]
    assert "events" in told["sessions"]
    assert "feedback" in told["settled"]
    assert all(why and "\n" not in why for why in told.values())
    assert isinstance(use.files(), dict)
    plt.close("all")


def changed(**columns: object) -> dict[str, pd.DataFrame]:
    """Make a bank with service, in which columns of tables have the values given: `table__column`, None for no such."""
    bank = random_bank(customers=150, bookings=9000)
    bank |= random_service(bank["customers"])
    for name, value in columns.items():
        table, column = name.split("__")
        bank[table] = bank[table].drop(columns=column, errors="ignore")
        bank[table] = bank[table] if value is None else bank[table].assign(**{column: value})
    return bank


ONE = {"transactions__channel": "branch", "feedback__channel": "branch", "events__page": None}
CASES = {
    "one channel": (ONE, {"dearest": "assumed nowhere", "errands_chart": "nothing to compare", "served": "nothing"}),
    "no channel": ({"transactions__channel": None}, {"monthly": None, "main": "no transactions.channel"}),
    "no actions": ({"events__channel": "mobile"}, {"sessions": None}),
    "words of another bank": (
        {"events__channel": "app", "contacts__channel": "<b>postman</b>", "feedback__channel": "Filiale"},
        {"monthly": None, "responses": None, "complaints": "too few"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_one_part_that_is_lacking_leaves_the_others(name: str, tmp_path):
    columns, wanted = CASES[name]
    study = open_source(str(write_parquet(changed(**columns), tmp_path))).as_of(LAST)
    use = Use(study)
    told = lacking(use) | lacking(use.moving) | lacking(use.waiting)
    for part, why in wanted.items():
        assert (part in told) == (why is not None), told.get(part)
        assert why is None or why in told[part]
    assert all("\n" not in why for why in told.values())
