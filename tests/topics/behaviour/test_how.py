"""How customers bank: states of sessions, main channels, ways to an application, and banks that tell too little."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from bank_fixtures import small_bank, write_parquet

from bankmine.bank.snapshot import open_source
from bankmine.features import sessions
from bankmine.features.channels import leading
from bankmine.lacking import Lacking
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
    ahead = study.held_out.loc["mixture without memory", "ahead"]
    assert not ahead.startswith("-")


def test_sessions_end_after_half_an_hour_of_silence_and_views_that_count_are_capped(tmp_path):
    start = pd.Timestamp("2025-12-01 09:00")
    many = [("K0000", start + pd.Timedelta(milliseconds=i), "mobile", "help", "view", 1.0) for i in range(100_000)]
    later = [("K0000", start + pd.Timedelta(minutes=m), "mobile", "home", "view", 1.0) for m in (30, 61)]
    study = how(tmp_path, pd.concat([visits(31, 1), pd.DataFrame(many + later, columns=COLUMNS)]))
    mine = study._rows[(study._rows["customer_id"] == "K0000") & (study._rows["at"] >= start)]
    assert mine["help"].tolist() == [sessions.CAP, 0]
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


def walks(*kinds: tuple[str, str], customers: int) -> pd.DataFrame:
    """Sessions of customers who all do the same, each told by its first letters and its day."""
    letters = {"p": "product_fund", "r": "rate_table", "a": "application_form", "b": "balance"}
    rows = [
        (f"K{who:04}", pd.Timestamp(day) + pd.Timedelta(minutes=i), "mobile", letters[letter.lower()],
         "fill" if letter == "A" else "view", 1.0)
        for who in range(customers) for pages, day in kinds for i, letter in enumerate(pages)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


def test_who_comes_back_soon_opens_a_form_in_a_later_session_and_forms_opened_another_way_are_told(tmp_path):
    some = [("p", "2025-03-01"), ("pa", "2025-03-10"), ("p", "2025-05-01"), ("prA", "2025-06-10"), ("p", "2025-12-20")]
    study = how(tmp_path, walks(*some, ("A", "2025-08-01"), customers=20))
    found = study._funnel.set_index("step")
    looked = found.loc["looked at a product"]
    assert (looked["sessions"], looked["missed"]) == (100, 0.6)
    assert looked["opened_later"] == 0.5  # of the first two, as the last one lies less than thirty days back
    assert looked["filled_later"] == pytest.approx(0)  # none of three: the form of March was never filled
    assert found.loc["came", "opened_later"] == 0.5
    assert found["sessions"].tolist() == [120, 100, 20, 20, 20, 40]
    told = study.leak
    assert (told["step"], told["verb"], told["forms"]) == ("looked at a product", "opened", 60)
    assert (told["others"], told["unseen"]) == pytest.approx((2 / 3, 1 / 3))
    assert told["unseen_low"] < 1 / 3 < told["unseen_high"]


def test_the_weakest_step_is_where_the_lowest_share_goes_on_and_most_may_be_lost_at_another(tmp_path):
    ways = ["p"] * 4 + ["pr"] * 3 + ["prA"]
    told = how(tmp_path, walks(*((way, f"2025-03-{i + 1:02}") for i, way in enumerate(ways)), customers=20)).leak
    assert (told["step"], told["then"]) == ("looked at a product and at rates", "opened the form")
    assert (told["sessions"], told["went_on"]) == (80, 0.25)
    assert (told["lost_from"], told["lost"], told["unmet"]) == ("looked at a product", 80, "no form opened")


def test_where_nothing_tells_of_filling_the_way_ends_at_the_form(tmp_path):
    study = how(tmp_path, walks(("p", "2025-03-01"), ("pra", "2025-03-10"), customers=20).drop(columns="action"))
    found = study._funnel.set_index("step")
    assert "filled it" not in found.index
    assert found["filled_later"].isna().all()
    assert np.isnan(found.loc["opened the form", "missed"])
    assert study.leak["soon"] == 1


def test_a_bank_whose_pages_show_no_form_has_no_way_to_one(tmp_path):
    study = how(tmp_path, walks(("pr", "2025-03-01"), customers=20))
    assert "apply" in study.leak.why
    assert isinstance(study.funnel_chart, Lacking)
    assert study.last_pages["sessions"].tolist() == [20]


def test_no_channel_or_state_leads_where_two_do_or_few_are_counted():
    counts = pd.DataFrame({"branch": [1, 2, 3, 0], "mobile": [0, 2, 1, 0]})
    assert leading(counts).fillna("none").tolist() == ["none", "none", "branch", "none"]


def test_customers_who_left_the_counters_and_who_came_to_them_are_told_of_those_who_could(tmp_path):
    study = how(tmp_path, visits(1, 1))
    ways = {("branch", "mobile"): 10, ("atm", "branch"): 30, ("mobile", "atm"): 20, ("pos", "mobile"): 60}
    rows = [both for both, customers in ways.items() for _ in range(customers)]
    vars(study)["_parts"] = {"_main": pd.DataFrame(rows, columns=["before", "now"])}
    told = study.moved
    assert (told["left_of"], told["left"], told["came_of"], told["came"]) == (40, 0.25, 80, 0.25)
    assert told["left_low"] < told["came_low"] < 0.25
    assert (told["left_people"], told["came_people"], told["net"]) == (10, 20, 10)


def test_sessions_that_another_seed_gives_another_kind_are_those_of_other_seeds_not_of_other_customers(tmp_path):
    study = how(tmp_path, visits(1, 1))
    fits = pd.DataFrame({
        "fit": ["seed 1", "seed 2", "other customers"], "adjusted_rand": 0.5, "same_state": [0.9, 0.75, 0.5]
    })  # fmt: skip
    names = pd.DataFrame({"name": ["a", "b"], "share": [0.4, 0.6], "holds": True})
    vars(study)["_parts"] = {"names": names, "stability": fits, "_cut": pd.Timestamp("2025-07-01")}
    assert (study.found["other_low"], study.found["other_high"]) == pytest.approx((0.1, 0.25))
