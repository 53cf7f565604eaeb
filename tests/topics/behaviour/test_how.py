"""How customers bank: states of sessions, channels, paths, and banks that tell too little."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from bank_fixtures import small_bank, write_parquet

from bankmine.bank.snapshot import open_source
from bankmine.lacking import Lacking
from bankmine.topics.behaviour import states
from bankmine.topics.behaviour.how import How

PAGES = {"bank": ["login", "balance", "transfer"], "look": ["login", "product_fund", "rate_table"]}
COLUMNS = ["customer_id", "at", "channel", "page", "action", "seconds"]


def visits(customers: int, days: int = 60) -> pd.DataFrame:
    """Sessions of two kinds, which come in runs of ten; from October on the home page has another name."""
    rows = []
    for who in range(customers):
        for day in range(days):
            at = pd.Timestamp("2025-08-01 09:00") + pd.Timedelta(days=2 * day)
            kind = PAGES["bank" if (day + who) // 10 % 2 else "look"]
            pages = ["start" if at.month >= 10 else "home", *kind]
            rows += [
                (f"K{who:04}", at + pd.Timedelta(seconds=i), "mobile", p, "view", 1.0) for i, p in enumerate(pages)
            ]
    return pd.DataFrame(rows, columns=COLUMNS)


def how(folder, events: pd.DataFrame) -> How:
    """Study a bank of these events."""
    bank = small_bank()
    known = pd.DataFrame({"customer_id": events["customer_id"].unique()}).assign(
        joined_on=pd.Timestamp("2020-01-01").date()
    )
    bank["customers"] = pd.concat(
        [bank["customers"], known[~known["customer_id"].isin(bank["customers"]["customer_id"])]]
    )
    bank["events"] = events
    return How(open_source(str(write_parquet(bank, folder))).as_of("2025-12-31"))


@pytest.mark.slow
def test_runs_of_two_kinds_of_sessions_are_two_states_named_by_their_pages(tmp_path):
    study = how(tmp_path, visits(60))
    assert study.renamed["new"] == "start"
    assert "start" not in study._rows
    found = study.files()["behaviour_sessions"]
    true = np.where(study._rows["product_fund"] > 0, "comparing products", "everyday banking")
    assert (found["state"] == true).mean() == 1
    assert set(study.names["name"]) == {"comparing products", "everyday banking"}
    assert study.names["holds"].all()
    stay = study.transitions.query("`from` == `to`")["share"]
    assert stay.between(0.85, 0.95).all()
    ahead = study.held_out.set_index("model").loc["mixture without memory", "ahead"]
    assert not ahead.startswith("-")


def test_sessions_end_after_half_an_hour_of_silence_and_views_that_count_are_capped(tmp_path):
    start = pd.Timestamp("2025-12-01 09:00")
    many = [("K0000", start + pd.Timedelta(milliseconds=i), "mobile", "help", "view", 1.0) for i in range(100_000)]
    later = [("K0000", start + pd.Timedelta(minutes=m), "mobile", "home", "view", 1.0) for m in (30, 61)]
    study = how(tmp_path, pd.concat([visits(31, 1), pd.DataFrame(many + later, columns=COLUMNS)]))
    mine = study._rows[(study._rows["customer_id"] == "K0000") & (study._rows["at"] >= start)]
    assert mine["help"].tolist() == [states.CAP, 0]
    assert mine["home"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("missing", "why"), [("page", "no events.page"), ("all", "no events"), ("customers", "too few to learn from")]
)
def test_a_bank_that_tells_too_little_says_why_once(tmp_path, missing, why):
    events = (
        visits(3, 5) if missing == "customers" else visits(40, 5).drop(columns=[c for c in ["page"] if missing == c])
    )
    study = how(tmp_path, events)
    if missing == "all":
        study.source.tables.pop("events")
    for part in (study.found, study.transitions_chart, study.sessions):
        assert isinstance(part, Lacking)
        assert why in part.why
    assert study.files() == {}
    assert "favourite_channel" in study.customers


def test_names_are_told_apart_where_states_are_for_the_same():
    rates = pd.DataFrame({"product_fund": [5.0, 0.1, 0.1], "product_card": [0.1, 5.0, 0.1], "balance": [0.1, 0.1, 5.0]})
    told = states.named(rates, np.full(3, 1 / 3))["name"]
    assert told.tolist() == [
        "comparing products, most product_fund", "comparing products, most product_card", "everyday banking"
    ]  # fmt: skip
