"""The study of churn: parts in the order of time, money of the row's own day, lists by the model that is judged."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bank_fixtures import write_source
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from bankmine.bank.snapshot import Snapshot, open_source
from bankmine.deciding.costs import expected
from bankmine.errors import BankmineError
from bankmine.features import value as value_tiers
from bankmine.features.spine import spine_of
from bankmine.features.value import margin
from bankmine.judging.contributions import contributions
from bankmine.judging.reasons import load_reasons
from bankmine.lacking import Lacking
from bankmine.learning import splits
from bankmine.study import validation
from bankmine.study.question import BY_LOT, BY_PROFIT, BY_RISK
from bankmine.study.study import Refit
from bankmine.topics import churn
from bankmine.topics.churn import survival
from bankmine.topics.churn.calls import GENERAL
from bankmine.topics.churn.definition import Definition
from bankmine.topics.churn.study import BankChurn, Reasons

pytestmark = pytest.mark.slow

FIRST, LAST = pd.Timestamp("2024-01-01"), pd.Timestamp("2025-12-31")
SHORT = Definition(gap=0, silent=30, fall=0.0, present=30, bookings=1)
"""Of a month each, so that two years are long enough."""
AS_OF = dt.date(2025, 12, 31)
DELAY = pd.Timedelta(days=SHORT.horizon)
TARGET = "是否流失"
NEVER = ("not shown on this page", "nan", "None")


def bank_of(folder: Path, stays: dict[str, tuple[str, str]], as_of: str = "2025-12-31") -> Snapshot:
    """Write a bank whose customers pay weekly from the one day to the other, on which they close, and open it."""
    days = {name: pd.date_range(first, last, freq="7D") for name, (first, last) in stays.items()}
    booked = pd.DataFrame(
        [(f"A-{name}", at) for name, found in days.items() for at in found], columns=["account_id", "at"]
    )
    accounts = pd.DataFrame({
        "account_id": [f"A-{name}" for name in stays], "customer_id": list(stays), "product": "current",
        "opened_on": [pd.Timestamp(first).date() for first, _ in stays.values()],
        "closed_on": [_closed(last) for _, last in stays.values()],
    })  # fmt: skip
    people = pd.DataFrame({"customer_id": list(stays), "joined_on": accounts.opened_on})
    people["mailing_status"] = np.where(accounts.closed_on.isna(), "delivered", "stopped")
    size = dict(zip(accounts.account_id, 300.0 * 1.03 ** np.arange(len(accounts)), strict=True))
    booked = booked.assign(
        transaction_id=[f"T{i}" for i in range(len(booked))], amount=booked.account_id.map(size).round(2),
        direction="out", kind="card",
    )  # fmt: skip
    frames = {"customers": people, "accounts": accounts, "transactions": booked}
    return open_source(str(write_source(folder, frames, currency="CNY"))).as_of(as_of)


def faithful(customers: int) -> dict[str, tuple[str, str]]:
    """Customers who stay for both years."""
    return {f"S{i:02}": (str(FIRST + pd.Timedelta(days=i % 7)), str(LAST)) for i in range(customers)}


def busy(leavers: int = 60) -> dict[str, tuple[str, str]]:
    """Customers of whom a few leave in each month, beside some who stay."""
    gone = FIRST + pd.to_timedelta(np.linspace(150, 715, leavers).astype(int), "D")
    return faithful(150) | {f"G{i:02}": (str(FIRST + pd.Timedelta(days=i % 7)), str(day)) for i, day in enumerate(gone)}


def _closed(last: str) -> dt.date | None:
    return None if pd.Timestamp(last) >= LAST else pd.Timestamp(last).date()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("busy")


@pytest.fixture(scope="module")
def bank(folder) -> BankChurn:
    return BankChurn(bank_of(folder, busy(110)), SHORT)


def days_of(study, rows) -> pd.Series:
    return study.sample.day.iloc[rows]


# --- a bank


def test_each_part_was_known_before_the_next_began(bank):
    for split, end in ((bank.split, AS_OF), (bank.parts.scoring, None)):
        assert days_of(bank, split.train).max() + DELAY <= days_of(bank, split.tune).min()
        assert days_of(bank, split.tune).max() + DELAY <= days_of(bank, split.test).min()
        assert end is None or days_of(bank, split.test).max() + DELAY <= pd.Timestamp(end)
    assert bank.obstacle is None
    assert len(bank.outcomes) > len(bank.sample)


def test_today_s_customers_are_scored_by_the_model_that_was_judged_at_the_level_of_the_newest_months(bank):
    assert set(bank.today.day) == {pd.Timestamp(AS_OF)}
    assert not bank.today.known.any()
    as_judged = bank.fitted[0].chances(bank.chosen, bank.today)
    assert bank.scores.corr(as_judged, method="spearman") > 0.999
    newest = bank.sample.at(bank.parts.scoring.tune)
    assert newest.day.max() == bank.sample.day[bank.sample.known].max()
    again = bank.calibrated_anew.chances(bank.chosen, newest)
    assert again.mean() == pytest.approx(newest.target.mean(), rel=0.15)
    told = bank.recalibration
    assert (told["now"], told["before"]) == pytest.approx((bank.scores.mean(), as_judged.mean()))
    assert told["events"] == newest.target.sum()
    assert told["when"] == f"on the month ends from {newest.day.min():%Y-%m-%d} to {newest.day.max():%Y-%m-%d}"
    listed = bank.handed_on["watchlist"]
    assert listed["probability"].to_dict() == bank.scores.set_axis(bank.today.entity).to_dict()
    told = bank.calls.headline
    assert told["called"] == listed["called"].sum() > 0
    assert told["profit"] == pytest.approx(listed.loc[listed["called"], "expected_profit"].sum())
    assert told["low"] < told["profit"] < told["high"]
    assert bank.calls.first(3).index.tolist() == listed.index[listed["called"]][:3].tolist()
    assert bank.acted_now.sum() == told["called"]
    pd.testing.assert_frame_equal(bank.handed_on["churn_monitoring"], bank.validation.plan, check_names=False)


def test_level_and_slope_have_limits_and_what_crosses_them_is_an_alert(bank):
    plan = bank.validation.plan.set_index("metric")
    for name, right in (("in_the_large", 0.0), ("slope", 1.0)):
        found = bank.judged.deviation(name)
        row = plan.loc[plan.index.str.startswith("Level" if name == "in_the_large" else "Slope")]
        assert row["now"].item() == found["value"]
        half = (found["high"] - found["low"]) / 2 * 2.5758 / 1.95996
        assert (row["below"].item(), row["above"].item()) == pytest.approx((right - half, right + half), rel=1e-3)
    # 275 left where 197 were foretold
    facts = {"rows": 3800, "events": 92, "level": 0.35, "level_below": -0.24, "level_above": 0.24}
    status = validation.monitoring_plan("churn", facts).set_index("metric")["status"]
    assert status.filter(like="Level").tolist() == [validation.CROSSED]


@pytest.mark.parametrize(
    ("ahead", "chosen", "why"),
    [
        ((0.003, -0.15, 0.15), "logistic", "not shown to rank better"), ((0.03, 0.01, 0.05), "xgboost", "ranks better"),
        ((0.03, np.nan, np.nan), "logistic", "not shown"), ((-0.02, -0.03, -0.01), "logistic", "simplest and"),
    ],
)  # fmt: skip
def test_the_simpler_model_leaves_unless_another_ranks_better_beyond_chance(ahead, chosen, why, bank, monkeypatch):
    anew = BankChurn(bank.source, SHORT)
    found = pd.DataFrame({"auc": [0.6, 0.7, 0.7 + ahead[0]]}, ["rule", "logistic", "xgboost"])
    for name in ("auc", "average_precision", "auc_gain"):
        found[[f"{name}_low", f"{name}_high"]] = 0.5
    found = found.assign(average_precision=0.1, auc_gain=0.1, seconds=1.0, ahead=0.0, ahead_low=0.0, ahead_high=0.0)
    found.loc["xgboost", ["ahead", "ahead_low", "ahead_high"]] = ahead
    monkeypatch.setattr(anew, "_kept", lambda *_: found, raising=False)
    assert anew.compared.chosen == chosen
    assert why in anew.compared.why


def test_whether_the_model_that_leaves_also_leads_where_it_is_judged_is_said(bank):
    auc = {name: bank.judged.metric("auc", name)["value"] for name in ("logistic", "xgboost")}
    best = max(auc, key=auc.get)
    assert bank.led == f"on the rows judged {best} leads, too" or (
        best != bank.chosen and f"{best} is ahead by {auc[best] - auc[bank.chosen]:.3f} of AUC" in bank.led
    )


def test_leaving_is_followed_on_every_month_end_and_a_rise_beyond_chance_is_an_alert(bank):
    trend = bank.trend
    ends = pd.date_range(trend["day"].min(), trend["day"].max(), freq="ME")
    assert trend["day"].tolist() == list(ends)
    assert len(ends) > bank.known.day.nunique() or set(ends) == set(bank.known.day)
    for day, rows in bank.known.target.groupby(bank.known.day):
        assert trend.set_index("day").loc[day, ["rows", "events"]].tolist() == [len(rows), rows.sum()]
    assert (
        bank.rate["whom"] == f"the customers looked at on the month ends from {ends[0]:%Y-%m-%d} to {ends[-1]:%Y-%m-%d}"
    )

    def newest(then: int, now: int) -> object:
        days = pd.date_range("2024-07-31", "2025-07-31", freq="ME")
        left = pd.Series([then] * 12 + [now]) / 3800
        table = pd.DataFrame({"day": days, "rate": left, "low": left - 0.0035, "high": left + 0.0045})
        made = BankChurn(bank.source, SHORT)
        vars(made)["_parts"] = {"trend": table}
        return made

    rose = newest(41, 94).risen  # 1.08 % in July 2024, 2.47 % in July 2025
    assert (rose["then"], rose["now"]) == pytest.approx((0.0108, 0.0247), abs=1e-4)
    assert str(rose["since"]) == "2024-07-31"
    assert rose["then"] < rose["limit"] < rose["now"]
    assert rose["change_low"] > 0
    assert newest(60, 66).risen is None
    assert newest(60, 66).rising["change_low"] < 0


def test_one_profit_has_one_interval_wherever_it_stands(bank):
    table, earned = bank.break_even, bank.earned.loc[BY_PROFIT]
    assert table.loc["all", "profit"] == f"{earned['profit']:,.0f} ({earned['low']:,.0f} to {earned['high']:,.0f})" or (
        table.loc["all", "profit"] == f"{earned['profit']:,.0f} ({earned['low']:,.0f}–{earned['high']:,.0f})"
    )
    ahead = bank.earned.loc[BY_RISK]
    shown = (
        "better than" if ahead["behind_low"] > 0 else "worse than" if ahead["behind_high"] < 0 else "not shown to be"
    )
    assert bank.lists_earned["verdict"].startswith(shown)
    assert bank.lists_earned["when"].startswith("on the month ends from ")


def test_what_a_list_buys_is_told_with_it(bank):
    told, rows = bank.calls.headline, bank.calls.list
    own = rows[rows["called"]]
    works = own["tier"].map({t: bank.rules.channels[r.channel].success for t, r in bank.rules.tiers.items()})
    assert told["leavers"] == pytest.approx(own["probability"].sum())
    assert told["kept"] == pytest.approx((own["probability"] * works).sum())
    barred = (rows["expected_profit"] > 0) & (rows["contact"] != "allowed")
    assert told["barred"] == barred.sum()


def test_tiers_whose_calls_lost_beyond_chance_are_named(bank):
    found = pd.DataFrame(
        {
            "calls": 12.0, "leavers": [6.0, 6, 0, 12], "profit": [-900.0, 50.0, -70.0, -920.0], "low": -1305.0,
            "high": [-589.0, 90.0, -60.0, -1.0], "chance": [0.1, 0.6, np.nan, 0.2],
        },
        index=["core", "basic", "premium", "all"],
    )  # fmt: skip
    anew = BankChurn(bank.source, SHORT)
    vars(anew)["_parts"] = {"_by_tier": found}
    assert anew.losing["which"].startswith("core (-900 ")
    assert "basic" not in anew.losing["which"]
    assert "premium" not in anew.losing["which"]  # nobody called there left, which chance explains
    assert "all (" not in anew.losing["which"]
    again = BankChurn(bank.source, SHORT)
    vars(again)["_parts"] = {"_by_tier": found.assign(high=1.0)}
    assert again.losing is None


def test_a_hazard_model_without_skill_gives_no_ratios(bank):
    anew = BankChurn(bank.source, SHORT)
    none = pd.Series({"value": 0.502, "low": 0.491, "high": 0.514})
    vars(anew)["_parts"] = {"hazard": survival.Hazards(pd.DataFrame({"ratio": [2.0]}), none)}
    assert "not shown to tell who leaves first: 0.50 (0.49 to 0.51)" in anew.hazard_ratios.why


def test_who_owes_more_is_told_apart_from_who_owes_nothing(bank):
    lives = pd.DataFrame({"left": [True] * 20, "days": 10})
    known = pd.DataFrame({"deposits": np.arange(20.0), "debts": -np.arange(20.0) * 100})
    taken = survival.covariates_of(known, lives)
    assert taken["debts"].tolist() == np.log1p(np.arange(20) * 100).tolist()
    assert taken["deposits"].tolist() == np.log1p(np.arange(20)).tolist()


def test_groups_are_held_against_the_largest_of_the_rows_learnt_from(bank):
    for name, table in bank.impact.items():
        learnt = bank.groups()[name].loc[bank.sample.target.index[bank.split.train]]
        assert table.index[table["verdict"] == "reference"].tolist() == [str(learnt.value_counts().idxmax())]


def test_the_reason_shown_is_the_one_that_the_action_answers(bank):
    rows = bank.handed_on["watchlist"]
    themes = {theme.name: id for id, theme in load_reasons().themes.items()}
    may = rows[rows["contact"] == "allowed"]
    told, general = may[may["because"] != GENERAL], may[may["because"] == GENERAL]
    assert len(told) > 50
    answers = told["because"].str.partition(" (odds")[0].map(themes).map(bank.rules.actions)
    assert told["action"].tolist() == answers.tolist()
    assert all(one in several for one, several in zip(told["because"], told["reasons"], strict=True))
    assert (general["action"] == bank.rules.actions["other"]).all()
    first = bank.calls.first(5)
    assert first["because"].tolist() == rows.loc[first.index, "because"].tolist()


def test_a_reason_without_an_action_does_not_hide_one_that_has_an_action(bank):
    told = pd.DataFrame({
        "rank": [1, 2, 1], "theme": ["activity", "person", "person"], "name": ["Payments made", "Person", "Person"],
        "push": [2.0, 0.1, 0.1], "words": ["fewer", "aged 26", "aged 30"],
    }, index=[0, 0, 1])  # fmt: skip
    why = Reasons(bank.model, bank.today.at(np.arange(2)), bank.scores.iloc[:2], bank.reasons)
    vars(why)["told"] = told.set_axis(bank.today.target.index[[0, 0, 1]])
    found = why.strongest_of(bank.rules.actions, bank.rules.signs)
    assert found["line"].fillna("").tolist() == ["Payments made (odds × 7.4): fewer", ""]


def test_page_and_file_tell_the_same_suspects(bank):
    told, handed = bank.suspicion, bank.handed_on["churn_suspects"]
    found = handed[handed["suspicious"]]
    assert found["use"].to_dict() == {"mailing_status": "refused"}
    assert (told["suspected"], told["refused"], told["suspicious"]) == (1, 1, 0)
    assert (told["names"], told["which"]) == (": mailing_status", "")
    assert told["columns"] == bank.sample.predictors.shape[1]
    pd.testing.assert_frame_equal(handed, bank.suspects)
    assert bank.leak.told is None  # what is refused is no leak of the model
    assert "suspicious columns: 1, of them 1 refused and 0 used" in bank.validation.answered["answer"].str.cat()


def test_one_group_is_named_as_the_one_that_calls_fall_on_least(bank, monkeypatch):
    anew = BankChurn(bank.source, SHORT)
    table = pd.DataFrame(
        {"rows": [9000, 1400, 300], "share": [0.01, 0.002, 0.0], "ratio": [1.0, 0.18, 0.0],
         "ratio_low": [np.nan, 0.07, 0.0], "ratio_high": [np.nan, 0.52, 2.11],
         "verdict": ["reference", "below four fifths", "may be below four fifths"]},
        index=pd.Index(["married", "old", "widowed"], name="group"),
    )  # fmt: skip
    vars(anew)["_parts"] = {"impact": {"age": table}}
    told = anew.fairest
    assert (told["group"], told["ratio"], told["reference"], told["below"]) == ("old", 0.18, "married", True)
    assert validation._worst(anew.impact) == "lowest adverse impact ratio beyond chance: 0.18 (age old), below 0.80"
    today = {"age": table.assign(ratio=[1.0, 0.3, 0.1])}
    assert anew.impact_now(today) == {"impact ratio of age old, of all scored today": "0.30"}


def test_calibration_is_drawn_at_the_level_of_the_list_too(bank):
    rows = bank.judged.rows
    listed = bank.calibrated_anew.chances(bank.chosen, rows)
    named = [text.get_text() for text in bank.reliability.get_legend().get_texts()]
    assert named == ["as judged", "recalibrated by the newest of these"]
    assert bank.levels()["as judged"].tolist() == bank.judged.probability[bank.chosen].tolist()
    assert bank.levels()["recalibrated by the newest of these"].tolist() == listed.tolist()
    assert bank.foretold["since"] == f"; recalibrated by the newest of these: {listed.sum():,.0f}"


def test_what_a_refit_keeps_of_the_list_is_told_where_somebody_is_called(bank):
    own, anew = bank.calls.list, bank.fitted[1].probability[bank.chosen]
    kept = bank.policies(anew, bank.today).iloc[:, 0].astype(bool).set_axis(bank.today.entity)
    assert bank.kept_by_refit == {"same": kept[own.index[own["called"]]].mean()}
    nobody = BankChurn(bank.source, SHORT)
    vars(nobody)["_parts"] = {"refit": Refit(pd.DataFrame(), 0.9, float("nan"))}
    assert isinstance(nobody.kept_by_refit, Lacking)


def test_each_watched_figure_says_on_which_rows_it_is_measured(bank):
    plan = bank.validation.plan.set_index("metric")["measured on"]
    day = bank.judged.rows.day
    assert plan.filter(like="Area").tolist() == [f"newest rows judged, on {day.max():%Y-%m-%d}"]
    assert plan.filter(like="Share of events").tolist() == plan.filter(like="Area").tolist()
    assert plan.filter(like="Events").tolist() == [f"rows judged, {bank.when(bank.judged.rows)}"]
    assert plan.filter(like="Stability").tolist() == 2 * [f"rows scored as of {AS_OF}"]
    assert plan.filter(like="kept").tolist() == ["nothing so far"]


def test_what_to_say_hangs_on_a_sign_of_leaving_only_where_there_is_no_other_reason(bank):
    rows = bank.calls.list
    sign = rows["action"] == bank.rules.actions["activity"]
    whose = bank.today.entity
    told = bank.why.told.assign(customer=whose)
    others = (
        told[told["theme"].isin(set(bank.rules.actions) - {"activity"})]
        .groupby("customer")
        .size()
        .reindex(rows.index, fill_value=0)
    )
    assert (others[sign] == 0).all()
    assert (rows["reasons"] == "").sum() + rows["reasons"].str.contains("(odds × ", regex=False).sum() == len(rows)


def test_a_row_of_the_list_leads_to_the_portrait_of_the_customer(bank):
    place = f"--source {bank.source.source.folder} --as-of 2025-12-31 -p customer={bank.calls.list.index[0]}"
    assert bank.portrait == {"command": f"bankmine run 02_profiling {place} --out portraits"}


@pytest.mark.parametrize(("day", "in_full"), [("2025-10-31", True), ("2025-12-05", False)])
def test_an_earlier_list_is_held_against_who_has_left_since(day, in_full, bank, tmp_path):
    """Customers of this bank leave by closing, on a day that is told; one on the list is no customer any more."""
    names = [f"G{i:02}" for i in range(110)] + [f"S{i:02}" for i in range(150)] + ["X"]
    closed = bank.snapshot.accounts.to_pandas().set_index("customer_id")["closed_on"]
    closed = pd.to_datetime(closed)
    names = [n for n in names if not closed.get(n, pd.NaT) <= pd.Timestamp(day)]
    listed = pd.DataFrame({"customer_id": names, "as_of": dt.date.fromisoformat(day), "probability": 0.1})
    listed["called"] = listed.index < 8
    (tmp_path / day).mkdir()
    listed.to_parquet(tmp_path / day / "watchlist.parquet", index=False)
    until = pd.Timestamp(day) + DELAY if in_full else LAST
    left = listed["customer_id"].map(closed <= until).eq(True)
    anew = BankChurn(bank.source, SHORT)
    assert anew.earlier_lists == Lacking("lists of earlier reports were not asked for")
    anew = BankChurn(bank.source, SHORT)
    anew.find_lists = lambda name, _: {day: tmp_path / day / name}
    told = anew.earlier_lists.headline
    assert (told["acted"], told["events"]) == (8, left[listed["called"]].sum())
    assert (told["others"], told["others_events"]) == (len(names) - 8 - 1, left[~listed["called"]].sum())
    assert told["events"] > 0
    assert told["event"] == ("left" if in_full else "closed the last account so far (all is known on 2026-01-04)")


def test_a_validator_computes_the_page_again_by_what_is_handed_on(bank):
    files = bank.handed_on
    rows = files["churn_judged"].reset_index()
    judged, learnt = (rows[rows["part"] == part] for part in ("judged", "learnt"))
    assert roc_auc_score(judged["outcome"], judged["chance"]) == pytest.approx(bank.judged.metric("auc")["value"])
    assert judged["chance"].tolist() == judged[f"chance_{bank.chosen}"].tolist()
    other = bank.judged.metric("auc", "forest")["value"]
    assert roc_auc_score(judged["outcome"], judged["chance_forest"]) == pytest.approx(other)
    assert learnt["outcome"].tolist() == bank.sample.at(bank.split.train).target.tolist()
    assert learnt["chance"].isna().all()
    pushes = files["churn_pushes"]
    last = judged[judged["day"] == judged["day"].max()]
    assert pushes.index.tolist() == last["customer_id"].tolist()
    applied = bank.fitted[0]
    raw = applied.raw.loc[(applied.rows.day == last["day"].iloc[0]).to_numpy(), "xgboost"]
    base = contributions(applied.fitted["xgboost"], applied.rows.predictors).base
    assert expit(base + pushes.sum(axis=1)).to_numpy() == pytest.approx(raw.to_numpy(), rel=1e-3)
    assert files["churn_suspects"].loc["mailing_status", "suspicious"]
    assert "mailing_status" not in pushes


def test_a_model_fitted_anew_stands_beside_it_and_learnt_from_newer_months(bank):
    newer = bank.parts.scoring
    assert days_of(bank, newer.train).max() > days_of(bank, bank.split.train).max()
    assert days_of(bank, newer.tune).max() == days_of(bank, bank.split.test).max()
    assert bank.refit.table.columns.tolist() == ["in use", "fitted anew"]
    assert 0 <= bank.refit.same_actions <= 1
    assert -1 <= bank.refit.agreement < 1


def test_models_are_compared_before_the_months_they_are_judged_by(bank):
    assert len(bank.parts.folds) >= 2
    for train, test in bank.parts.folds:
        assert days_of(bank, train).max() + DELAY <= days_of(bank, test).min()
        assert days_of(bank, test).max() + DELAY <= days_of(bank, bank.split.test).min()


def test_money_of_a_row_is_what_was_known_on_its_day(bank, folder):
    """A snapshot of that day, which holds nothing later, gives the same margin and the same tier."""
    rows = bank.sample.at(bank.split.test)
    paying = bank._worth_of(rows)
    day = rows.day.min().date()
    then = open_source(str(folder)).as_of(day)
    told = margin(then, spine_of(then, [day])).to_pandas().set_index("customer_id")["margin"].astype(float)
    own = rows.entity[rows.day == pd.Timestamp(day)]
    assert 150 <= len(own) < len(rows)
    np.testing.assert_allclose(paying["margin"][own.index], told[own], rtol=1e-9)
    assert paying["tier"][own.index].tolist() == value_tiers.tiers(told)[own].astype(str).tolist()
    assert bank.costs(rows).if_event.index.equals(rows.target.index)


def test_calls_keep_within_each_tier_s_capacity_of_a_month(bank):
    rows = bank.sample.at(bank.split.test)
    chance = pd.Series(np.random.default_rng(0).beta(1, 8, len(rows)), rows.target.index)
    called = bank.policies(chance, rows)
    groups = [bank._worth_of(rows)["tier"], rows.day]
    size = called.groupby(groups, observed=True).size()
    room = size * [bank.rules.tiers[tier].capacity for tier, _ in size.index]
    for policy in (BY_PROFIT, BY_RISK, BY_LOT):
        assert (called[policy].astype(float).groupby(groups, observed=True).sum() <= room + 1e-6).all()
    assert called[BY_PROFIT].any()
    assert (expected(chance, bank.costs(rows))[called[BY_PROFIT]] > 0).all()


def test_a_tier_with_few_leavers_says_so_instead_of_a_success_rate(bank):
    told, found = bank.break_even, bank._called[1]
    target, called, tier = found[0], found[1], found[3]
    leavers = tier[called & (target == 1)].value_counts().reindex(told.index.drop("all"), fill_value=0)
    few = told["break_even"].eq("fewer than 5 leavers called")
    assert few.drop("all").to_dict() == (leavers < 5).to_dict()
    assert few.any()
    assert told.loc[~few, "break_even"].dropna().str.fullmatch(r"\d+%").all()
    assert (told["chance_that_it_pays"].str.fullmatch(r"\d+%") == ~few).all()


def test_the_refused_column_is_told_as_it_is_today_and_lies_most(bank):
    told = bank.suspicious_column()
    assert told.name == "mailing_status"
    assert told.name not in bank.sample.predictors
    assert told.index.equals(bank.sample.target.index)
    assert (told.groupby(bank.sample.entity).nunique() == 1).all()
    assert bank.boldest.name == "leaking column"


@pytest.mark.parametrize(
    ("customers", "as_of", "why"),
    [
        (faithful(12), "2024-12-31", "give a longer history"),
        (faithful(12), "2025-12-31", "None of the .* define the event otherwise"),
        (
            {f"V{i:02}-{n}": (str(end - pd.Timedelta(days=20 + n)), str(end + pd.Timedelta(days=8)))
             for i, end in enumerate(pd.date_range("2024-01-31", LAST, freq="ME")) for n in range(3)},
            "2025-12-31", "All of the",
        ),
        (
            faithful(12) | {f"E{i}": ("2024-01-03", day)
                            for i, day in enumerate(("2024-09-12", "2025-01-12", "2025-07-12"))},
            "2025-12-31", "rows to calibrate by.* take others",
        ),
    ],
)  # fmt: skip
def test_where_nothing_can_be_learnt_every_part_says_why_and_rates_are_still_told(customers, as_of, why, tmp_path):
    study = BankChurn(bank_of(tmp_path, customers, as_of), SHORT)
    assert pd.Series([study.obstacle["why"]]).str.contains(why, regex=True).all()
    for name in ("split", "judged", "calls", "refit", "validation", "handed_on", "lies", "earned_table"):
        assert getattr(study, name) == Lacking(study.obstacle["why"])
    assert study.alerts == Lacking(study.obstacle["why"])
    assert len(study.funnel) >= 3
    assert {"all customers", "with an account", "present"} <= set(study.funnel)
    assert study.rate["rows"] > 12
    assert study.obstacle["why"] in repr(study)


def test_a_hazard_model_takes_as_many_covariates_as_there_are_leavers_for(bank):
    lives = bank.lives
    left = lives.index[lives.left]
    assert len(left) >= 40
    some = lives.drop(left[14:])
    assert survival.covariates_of(bank.sample.predictors, some).shape[1] == 1
    nobody = lives.drop(left[5:])
    with pytest.raises(BankmineError, match="Look at earlier days"):
        survival.cox(nobody, survival.covariates_of(bank.sample.predictors, nobody))


@pytest.mark.parametrize("kind", ["bank", "flat"])
def test_every_question_of_a_validator_is_answered_or_says_why_not(kind, request, tmp_path):
    study = request.getfixturevalue("bank") if kind == "bank" else opened(flat_file(tmp_path))
    found = study.validation
    for table, answer in ((found.answered, "answer"), (found.assumptions, "found")):
        assert not any(table[answer].str.contains(word).any() for word in NEVER)
        open_ones = table[table["status"].isin([validation.OPEN, validation.PARTLY])]
        assert open_ones[answer].str.contains("not there, as|nothing on this page checks it").all()
    assert (kind == "flat") == found.answered["answer"].str.contains("the table tells no costs").any()
    assert found.counts["asked"] == len(found.answered)
    assert set(found.plan["status"]) <= {"within", "crossed", "not known", "no limit"}
    events = found.plan.set_index("metric")["now"].filter(like="Events").iloc[0]
    months = study.judged.rows.day.dt.to_period("M").nunique() if study.judged.rows.day is not None else 1
    assert events == pytest.approx(study.judged.rows.target.sum() / months)


# --- a flat table


def test_of_a_table_without_days_no_month_is_spoken_of_and_nothing_is_judged_out_of_time(tmp_path):
    study = opened(flat_file(tmp_path))
    assert study.rate["whom"] == "the rows in a table without days"
    assert "month" not in repr(study)
    table = study.validation.answered.set_index("question")
    row = table.loc[table.index.str.contains("out of time")]
    assert row["status"].tolist() == [validation.PARTLY]
    assert row["answer"].str.contains("rows were split at random, and nothing was judged out of time").all()
    assert study.powerless is None
    assert study.lead["theme"]


def test_a_model_no_better_than_chance_is_an_alert_and_gives_no_reasons_as_headlines(tmp_path):
    rng = np.random.default_rng(3)
    table = pd.DataFrame(rng.normal(size=(600, 4)), columns=list("abcd")).assign(left=rng.random(600) < 0.2)
    table.to_csv(tmp_path / "noise.csv", index=False)
    study = churn.study(str(tmp_path / "noise.csv"), "", target="left")
    assert study.powerless["low"] <= 0.5
    assert study.lead is None


def flat_file(folder, rows=700, unknown=60, columns=0) -> str:
    """A table of customers with Chinese names, three outcomes, a constant, gaps, and recent rows of unknown outcome."""
    rng = np.random.default_rng(1)
    idle, balance = rng.exponential(30, rows), rng.lognormal(8, 1.2, rows)
    chance = 1 / (1 + np.exp(2.2 - 0.05 * (idle - 30)))
    left = np.where(rng.random(rows) < chance, "已流失", np.where(rng.random(rows) < 0.2, "休眠", "在户")).astype(
        object
    )
    left[rows - unknown :] = None
    table = pd.DataFrame({
        "客户编号": [f"K{i:04}" for i in range(rows)], "账户余额(元)": balance.round(2), "常量": 1, TARGET: left,
        "静默天数": np.where(rng.random(rows) < 0.1, np.nan, idle.round()),
        "<b>等级</b>": rng.choice(["贵宾", "普通", '"新"'], rows),
    })  # fmt: skip
    more = pd.DataFrame(rng.normal(size=(rows, columns)).round(3), columns=[f"列 {i}" for i in range(columns)])
    pd.concat([table, more], axis=1).to_csv(folder / "客户.csv", index=False)
    return str(folder / "客户.csv")


def opened(file: str, **more: object):
    return churn.study(file, "", target=TARGET, positive="已流失", id="客户编号", **more)


def test_any_flat_table_goes_all_the_way(tmp_path):
    study = opened(flat_file(tmp_path, columns=50))
    assert study.obstacle is None
    assert study.event == f"{TARGET} is 已流失"
    split, scoring = study.split, study.parts.scoring
    assert scoring.test.tolist() == np.flatnonzero(study.sample.target.isna()).tolist()
    owners = [set(study.sample.entity.iloc[rows]) for rows in (split.train, split.tune, split.test, scoring.test)]
    assert sum(map(len, owners)) == len(set.union(*owners)) == 700
    assert study.judged.metric("auc", "xgboost")["low"] > 0.5
    assert study.why.importance.index[0] == "静默天数"
    assert study.why.importance.importance.get("常量", 0) == 0
    assert study.why.told["words"].str.contains("静默天数").any()
    assert study.judged.monthly == study.trend == study.rising == Lacking("the table tells no days")
    assert study.calls.headline == Lacking("a flat table tells no bank's customers to call")
    assert "the table tells no costs" in study.profit.why


def test_a_flat_table_with_days_is_split_by_time_with_the_label_delay(tmp_path):
    file = pd.read_csv(flat_file(tmp_path))
    dated = file.assign(日期=pd.date_range("2024-01-01", periods=len(file)).strftime("%Y-%m-%d"))
    dated.sample(frac=1.0, random_state=0).to_csv(tmp_path / "dated.csv", index=False)
    for delay in (0, 30):
        study = opened(str(tmp_path / "dated.csv"), time="日期", delay=delay)
        split, late = study.split, pd.Timedelta(days=max(delay, 1))
        assert study.parts.how.startswith("by time")
        assert days_of(study, split.train).max() + late <= days_of(study, split.tune).min()
        assert days_of(study, split.tune).max() + late <= days_of(study, split.test).min()
        assert len(split.test) == pytest.approx(0.25 * study.sample.known.sum(), abs=2)
    with pytest.raises(BankmineError, match="0 days or more"):
        splits.in_order(study.sample, -1)


def test_a_flat_table_that_tells_costs_acts_where_it_is_expected_to_pay(tmp_path):
    file = flat_file(tmp_path)
    costs = {"tp": "-50", "fp": "10", "fn": "0", "tn": "0"}
    flat = {"file": file, "target": TARGET, "positive": "已流失", "costs": costs}
    (tmp_path / "source.yml").write_text(pd.io.json.ujson_dumps({"title": "Costs", "flat": flat}, ensure_ascii=False))
    study = churn.study(str(tmp_path), "")
    chance, acted = study.fitted[0].probability[study.chosen], study.acted
    assert acted[BY_PROFIT].tolist() == (chance > 10 / 60).tolist()
    assert acted[BY_RISK].sum() == acted[BY_PROFIT].sum() == pytest.approx(acted[BY_LOT].sum())
    assert study.profit["profit"] == study.earned["profit"].iloc[0]


def test_a_flat_table_without_a_clear_event_or_with_few_says_what_to_do(tmp_path):
    file = flat_file(tmp_path)
    with pytest.raises(BankmineError, match="positive="):
        churn.study(file, "", target=TARGET)
    with pytest.raises(BankmineError, match="Did you mean 是否流失"):
        churn.study(file, "", target="是否流矢")
    few = pd.DataFrame({"x": np.sin(range(300)), "left": ["yes"] * 5 + ["no"] * 295})
    few.to_csv(tmp_path / "few.csv", index=False)
    assert "take more rows" in churn.study(str(tmp_path / "few.csv"), "", target="left").obstacle["why"]
