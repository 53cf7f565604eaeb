"""Touches: journeys over channels by hand, what counts as one, and a source that tells little."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest
from bank_fixtures import write_parquet
from random_bank import random_bank

from bankmine.bank.snapshot import Snapshot, open_source
from bankmine.errors import BankmineError
from bankmine.features import touches
from bankmine.features.touches import BEGUN, NOTHING, TAKEN

LAST = dt.date(2025, 3, 31)


def day(month: int, number: int) -> dt.datetime:
    return dt.datetime(2025, month, number, 12)


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Open a bank of four customers, one of whom takes a loan on 20 March; K is a contact that was held back."""
    who = ["a", "b", "c", "new"]
    people = pd.DataFrame({"customer_id": who, "joined_on": [dt.date(2024, 1, 1)] * 3 + [dt.date(2025, 3, 1)]})
    accounts = pd.DataFrame({
        "account_id": ["A1", "A2", "B1", "C1", "N1"], "customer_id": ["a", "a", "b", "c", "new"],
        "product": ["current", "personal_loan", *["current"] * 3],
        "opened_on": [dt.date(2024, 1, 1), dt.date(2025, 3, 20), *[dt.date(2024, 1, 1)] * 2, dt.date(2025, 3, 1)],
    })  # fmt: skip
    booked = [
        ("B1", day(3, 1), "pos"),
        ("B1", day(3, 2), "branch"),
        ("B1", day(3, 2), "branch"),
        ("C1", day(3, 31), "atm"),
    ]
    transactions = pd.DataFrame(booked, columns=["account_id", "at", "channel"])
    ids = [f"T{i}" for i in range(len(booked))]
    transactions = transactions.assign(transaction_id=ids, amount=1.0, direction="out")
    told = [("a", day(2, 1), "call_centre"), ("a", day(2, 5), "branch"), ("a", day(2, 6), "branch"),
            ("a", day(3, 20), "online"), ("a", day(3, 25), "online"), ("b", day(1, 1), "mobile")]  # fmt: skip
    feedback = pd.DataFrame(told, columns=["customer_id", "at", "channel"])
    feedback = feedback.assign(ticket_id=[f"F{i}" for i in range(len(feedback))], kind="question")
    contacts = pd.DataFrame({
        "contact_id": ["K1", "K2"], "customer_id": ["a", "b"], "campaign": "spring", "channel": "sms",
        "contacted_on": [dt.date(2025, 3, 10)] * 2, "treated": [True, False],
    })  # fmt: skip
    bank = {"customers": people, "accounts": accounts, "transactions": transactions, "feedback": feedback}
    folder = write_parquet(bank | {"contacts": contacts}, tmp_path_factory.mktemp("touches"))
    return open_source(str(folder)).as_of(LAST)


def test_journeys_are_those_by_hand(snapshot: Snapshot):
    found = touches.moves(snapshot, [LAST], 60).to_pandas()
    told = {tuple(row) for row in found.itertuples(index=False)}
    assert told == {
        ("a", BEGUN, "call_centre", 1), ("a", "call_centre", "branch", 1), ("a", "branch", "offer by sms", 1),
        ("a", "offer by sms", TAKEN, 1), ("b", BEGUN, "branch", 1), ("b", "branch", NOTHING, 1),
        ("c", BEGUN, NOTHING, 1),
    }  # fmt: skip


def test_touches_count_what_is_done_and_offered_apart(snapshot: Snapshot):
    found = touches.by_month(snapshot, dt.date(2025, 3, 1)).to_pandas().set_index("channel")
    assert found.loc["branch", ["active", "bookings", "tickets", "contacts"]].tolist() == [1, 2, 0, 0]
    assert found.loc["sms", ["active", "contacts"]].tolist() == [0, 1]
    assert found.loc["online", ["active", "tickets"]].tolist() == [1, 2]
    served = touches.serving(snapshot, dt.date(2025, 1, 1)).to_pandas().set_index("customer_id")
    assert served.loc["b"].to_dict() == {"mobile": 1, "online": 0, "branch": 2, "call_centre": 0}
    assert served.loc["c"].sum() == 0


def test_a_source_that_tells_no_channel_says_so(tmp_path):
    bank = random_bank()
    bank["transactions"] = bank["transactions"].drop(columns="channel")
    without = open_source(str(write_parquet(bank, tmp_path))).as_of("2025-12-31")
    with pytest.raises(BankmineError, match="tell their channel"):
        touches.touches(without, LAST)
