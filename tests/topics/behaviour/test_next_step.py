"""What customers do next: rows know nothing after their day, parts share no customer, figures can be computed again."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bank_fixtures import write_source
from sklearn.metrics import roc_auc_score

from bankmine.bank.snapshot import Snapshot, open_source
from bankmine.errors import BankmineError
from bankmine.features import visits
from bankmine.lacking import Lacking
from bankmine.learning.sample import Sample
from bankmine.topics.behaviour.next_step import POPULAR, NextStep, next_step

pytestmark = pytest.mark.slow

DAY = pd.Timestamp("2025-06-30")
PAGES = ["login", "application_form", "product_fund", "product_loan"]


def bank(folder: Path, seen: list[tuple[str, str, str]], as_of: str = "2025-12-31", **other: object) -> Snapshot:
    """Write a bank that knows whom, when and on which page, and open it."""
    events = pd.DataFrame(seen, columns=["customer_id", "at", "page"]).assign(**other)
    events["at"] = pd.to_datetime(events["at"], format="ISO8601")
    who = sorted(set(events["customer_id"])) or ["A"]
    joined = pd.Timestamp("2020-01-01").date()
    people = pd.DataFrame({"customer_id": who, "joined_on": joined})
    accounts = pd.DataFrame({"account_id": who, "customer_id": who, "product": "current", "opened_on": joined})
    booked = pd.DataFrame({
        "transaction_id": ["1", "2"], "account_id": who[0], "at": pd.to_datetime(["2020-01-02", "2025-12-31"]),
        "amount": 1.0, "direction": "out",
    })  # fmt: skip
    tables = {"customers": people, "accounts": accounts, "transactions": booked, "events": events}
    write_source(folder, {n: t for n, t in tables.items() if len(t)})
    return open_source(str(folder)).as_of(as_of)


def rows_of(snapshot: Snapshot, day: pd.Timestamp = DAY) -> pd.DataFrame:
    return visits.visitors(snapshot, [day.date()], PAGES, 1.0).set_index("customer_id")


def test_a_row_counts_back_to_the_day_and_ahead_thirty_days(tmp_path):
    seen = [
        ("A", "2025-06-30 23:59:59", "product_fund"), ("A", "2025-06-24 08:00", "login"),
        ("A", "2025-06-23 08:00", "application_form"), ("A", "2025-07-30 23:00", "application_form"),
        ("A", "2025-07-02 10:00", "product_loan"), ("A", "2025-07-01 10:00", "product_fund"),
        ("B", "2025-04-02 09:00", "login"), ("B", "2025-07-31 00:00", "application_form"),
        ("C", "2025-04-01 09:00", "login"), ("C", "2025-07-01 09:00", "application_form"),
    ]  # fmt: skip
    found = rows_of(bank(tmp_path, seen))
    assert list(found.index) == ["A", "B"]  # the last day of C lies 90 days back
    one = found.loc["A"]
    assert (one.views_7d, one.views_30d, one.application_pages_7d, one.application_form_views_30d) == (2, 3, 0, 1)
    assert (one.days_since_visit, one.days_since_application, one.last_page) == (0, 7, "product_fund")
    assert (one.last_product, one.next_product) == ("product_fund", "product_fund")
    assert (one.product_at_last_visit, one.application_at_last_visit) == (True, False)
    assert list(found["applies"]) == [1.0, 0.0]


def test_what_comes_after_the_day_changes_nothing_known_on_it(tmp_path):
    rng = np.random.default_rng(0)
    days = pd.date_range("2025-01-01", "2025-08-31", freq="5h")
    seen = [(f"C{rng.integers(9)}", str(at), PAGES[rng.integers(4)]) for at in days]
    later, then = bank(tmp_path / "a", seen), bank(tmp_path / "b", seen, as_of="2025-06-30")
    ahead = ["applies", "next_product"]
    known, told = rows_of(later), rows_of(then)
    pd.testing.assert_frame_equal(known.drop(columns=ahead), told.drop(columns=ahead))
    assert known["applies"].notna().all()
    assert told["applies"].isna().all()
    assert told["next_product"].isna().all()


def test_a_page_under_its_third_name_is_the_one_it_was(tmp_path):
    days, names = pd.date_range("2025-01-01", "2025-06-30", freq="D"), {1: "home", 3: "start", 5: "today"}
    seen = [("A", str(day), names[(day.month - 1) // 2 * 2 + 1]) for day in days]
    snapshot = bank(tmp_path, [*seen, *[("A", str(day), "application_form") for day in days]])
    assert visits.pages_until(snapshot, DAY.date()) == ["application_form", "home"]
    rows = visits.visitors(snapshot, [DAY.date()], ["home"], 1.0)
    assert rows["home_views_180d"].tolist() == [180]
    told = visits.daily(snapshot, ["home"], Sample(rows, rows["applies"], rows["customer_id"], rows["day"]))
    assert told["page_0"].sum() == 180


def test_of_views_in_one_second_the_same_one_is_last_in_every_run(tmp_path):
    seen = [("A", "2025-06-01 08:00", page) for page in ("login", "product_fund", "application_form")]
    assert rows_of(bank(tmp_path, seen)).loc["A", "last_page"] == "product_fund"


@pytest.fixture(scope="module")
def study(small_bank: Path) -> NextStep:
    return next_step(open_source(str(small_bank)).as_of("2025-12-31"))


def test_who_judges_has_taught_nothing_and_comes_later(study):
    split, who, day = study.split, study.sample.entity, study.sample.day
    learnt = np.concatenate([split.train, split.tune])
    assert not set(who.iloc[learnt]) & set(who.iloc[split.test])
    assert day.iloc[split.tune].max() + pd.Timedelta(days=30) <= day.iloc[split.test].min()
    assert day.iloc[split.train].max() + pd.Timedelta(days=30) <= day.iloc[split.tune].min()
    for known, asked in study.parts.folds:
        assert not set(who.iloc[known]) & set(who.iloc[asked])
        assert not set(who.iloc[known]) & set(who.iloc[split.test])


def test_figures_follow_from_what_is_handed_on(study):
    rows = study.files()["behaviour_next_judged"]
    for model in study.recipes:
        assert study.judged.metric("auc", model)["value"] == pytest.approx(
            roc_auc_score(rows["outcome"], rows[f"chance_{model}"])
        )
    used = study.product_used
    assert used["value"] == pytest.approx(rows[f"product_first_{used['used']}"].mean())
    assert used["random"] == 3 / len(study.product_chances[POPULAR].columns)


def test_words_of_personal_models_follow_their_intervals(study):
    for model, row in study.products.gains.iterrows():
        how = "worse than" if row["high"] < 0 else "better than" if row["low"] > 0 else "not shown to differ from"
        own = [part for part in study.product_used["words"].split("; ") if model in part]
        assert own[0].startswith(f"{how} popularity: ")


def test_chances_of_the_next_product_page_add_up_and_popularity_is_of_rows_learnt_from(study):
    learnt = study.told["next_product"].iloc[study.split.train].value_counts(normalize=True)
    for chances in study.product_chances.values():
        assert np.allclose(chances.sum(axis=1), 1)
        assert (chances > 0).all(axis=None)
    assert study.product_chances[POPULAR].iloc[0].to_dict() == pytest.approx(learnt.to_dict())


def test_chances_that_are_the_same_for_all_are_handed_on_once_and_others_by_customer(study):
    assert study.product_used["used"] == POPULAR
    assert list(study.customers) == ["next_application"]
    assert study.files()["behaviour_next_pages"]["chance"].sum() == pytest.approx(1)
    last = study.told["last_product"]
    again = study.told.assign(next_product=last.where(study.told["next_product"].notna()))
    loyal = NextStep(study.source, again.join(study.sample.predictors), study.pages, 1.0)
    assert loyal.product_used["used"] == "same as last"
    assert "better than popularity: same as last" in loyal.product_used["words"]
    assert "each gets" in loyal.product_used["words"]
    assert "behaviour_next_pages" not in loyal.files()
    told = loyal.customers
    own = last.loc[loyal.today.target.index].set_axis(loyal.today.entity)[told.index].dropna()
    likeliest = told.filter(like="next_product").loc[own.index].idxmax(axis=1)
    assert (likeliest == "next_" + own).mean() > 0.9


def test_chances_are_handed_on_of_those_alone_who_agreed_to_be_treated_personally(study):
    people = study.source.customers.to_pandas().set_index("customer_id")["profiling_consent"]
    whose, told = study.today.entity, study.customers
    agreed = whose[people.loc[whose].fillna(False).to_numpy(bool)]
    assert set(told.index) == set(agreed)
    assert 0 < len(agreed) < len(whose)
    assert study.withheld == {"withheld": len(whose) - len(agreed), "visitors": len(whose)}
    snapshot = Snapshot(**{**vars(study.source), "unseen": frozenset({"customers.profiling_consent"}), "key": ""})
    hidden = NextStep(snapshot, study.told.join(study.sample.predictors), study.pages, 1.0)
    assert hidden.customers.empty


def test_the_likeliest_tenth_is_of_todays_visitors_and_all_are_as_many_as_are_expected(study):
    told, chances = study.outlook, study.scores
    assert told["expected"] == pytest.approx(told["mean"] * told["visitors"])
    assert told["tenth"] == pytest.approx(chances[chances.rank(ascending=False) <= -(-len(chances) // 10)].mean())


def test_what_offers_earn_follows_from_what_is_handed_on_and_the_register(study):
    rows, rules = study.files()["behaviour_next_judged"], study.offers
    shown = rows[f"chance_{study.chosen}"] > rules.contact / (rules.worth * rules.moved["believed"])
    earned = (rows["outcome"] * rules.worth * rules.moved["believed"] - rules.contact)[shown].sum()
    assert study.earned["profit"].iloc[0] == pytest.approx(earned / rows["day"].nunique())
    even = rules.contact / rules.worth / rows["outcome"][shown].mean()
    assert study.pays["even"] == pytest.approx(even)
    assert study.pays["low"] < even < study.pays["high"]
    assert list(study.by_moved["shown"]) == sorted(study.by_moved["shown"])
    money = "profit, CNY a month"
    assert study.by_moved.loc["believed", money] == study.by_policy[money].iloc[0]


def test_offers_may_be_shown_to_who_agreed_to_offers_and_to_personal_treatment(study):
    people = study.source.customers.to_pandas().set_index("customer_id").loc[study.today.entity]
    both = people[["marketing_consent", "profiling_consent"]].fillna(False).astype(bool).all(axis=1).to_numpy()
    acted = study.acted_now.to_numpy(bool)
    assert study.pays["allowed"] == (both & acted).sum() < acted.sum()
    assert study.outlook["allowed"] == pytest.approx(study.scores[both].sum())


def test_without_jax_sequence_models_say_how_to_get_it(study, monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", None)
    apart = NextStep(study.source, study.told.join(study.sample.predictors), study.pages, 1.0)
    assert isinstance(apart.nets, Lacking)
    assert "make deep" in str(apart.nets.verdict)
    assert list(apart.all_judged.probability) == list(apart.recipes)


def every_month(pages: tuple[str, ...] = ("login", "application_form")) -> list[tuple[str, str, str]]:
    days = pd.date_range("2024-01-15", "2025-12-15", freq="MS")
    return [(who, str(day), page) for who in "ABC" for day in days for page in pages]


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (every_month(), "same outcome|have the event|known outcome"),
        ([("A", "2025-12-10", "application_form")], "begins with 'application'"),
        (every_month(("login",)), "begins with 'application'"),
        ([("A", "2024-01-10 10:00", "application_form")] * 100_000, "nobody came"),
    ],
)
def test_what_cannot_be_foretold_has_one_clear_reason(tmp_path, seen, why):
    with pytest.raises(BankmineError, match=why):  # noqa: PT012 - where the error is raised depends on the bank
        found = next_step(bank(tmp_path, seen))
        assert isinstance(found.judged, Lacking)
        assert isinstance(found.customers, Lacking)
        raise BankmineError(found.judged.why)


def test_without_product_pages_and_agreement_the_rest_is_told(study):
    rows = study.told.assign(next_product=None).join(study.sample.predictors)
    people = study.source.customers.mutate(profiling_consent=False)
    tables = dict(study.source.tables) | {"customers": people}
    found = NextStep(Snapshot(**{**vars(study.source), "tables": tables, "key": ""}), rows, study.pages, 1.0)
    assert "begins with 'product'" in found.product_used.why
    assert list(found.files()) == ["behaviour_next_judged"]
    assert found.customers.empty
    assert found.withheld["withheld"] == found.withheld["visitors"]


def test_a_bank_without_pages_says_so(tmp_path):
    snapshot = bank(tmp_path, [("A", "2025-06-01", "login")])
    tables = {n: t.drop("page") if n == "events" else t for n, t in snapshot.tables.items()}
    for left in (tables, {n: t for n, t in tables.items() if n != "events"}):
        lacking = Snapshot(**{**vars(snapshot), "tables": left, "key": ""})
        with pytest.raises(BankmineError, match="the source has no events"):
            next_step(lacking)


def test_a_long_session_and_no_channel_are_counted(tmp_path):
    found = rows_of(bank(tmp_path, [("A", "2025-06-01 10:00", "login")] * 100_000))
    assert (found.loc["A", "views_30d"], found.loc["A", "mobile_views_30d"]) == (100_000, 0)
