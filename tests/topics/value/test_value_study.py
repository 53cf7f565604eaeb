"""The study of value: what is shown is what is handed on, known on the day, and what little data lack is told."""

from __future__ import annotations

import datetime as dt
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from bank_fixtures import read, write_parquet
from random_bank import random_bank
from thin_banks import THIN, lacking

from bankmine.errors import BankmineError
from bankmine.judging.amounts import Amounts
from bankmine.lacking import Lacking
from bankmine.report.catalogue import load_catalogue
from bankmine.study.validation import load_register
from bankmine.topics import value
from bankmine.topics.value.worth import FORETOLD

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("error"),
              pytest.mark.filterwarnings("ignore::DeprecationWarning")]  # fmt: skip
LAST = dt.date(2025, 12, 31)
METRICS = [w.metric for w in load_register().monitoring]
AGO, NEXT = "2024-12-31", dt.datetime(2025, 1, 1)


def handed(folder, name: str):
    """Find chances to leave, their limits, and segments, as other reports hand them on."""

    def received(report: str, file: str, snapshot) -> object:
        if file == "churn_monitoring.parquet":
            limits = pd.DataFrame({"metric": METRICS, "as_of": snapshot.as_of}).rename_axis("number").reset_index()
            held = limits.assign(status="crossed", told=limits["metric"].str.lower(), now=0.4, below=-0.2, above=0.2)
            held.assign(status=held["status"].where(limits.index != 3, "within")).to_parquet(folder / file)
            return folder / file
        people = snapshot.customers.select("customer_id").order_by("customer_id").to_pandas()
        told = people.assign(as_of=snapshot.as_of, chance=np.linspace(0.01, 0.3, len(people)))
        told["called"] = np.arange(len(people)) % 2 == 0
        told["day"] = dt.date(2025, 8, 31)
        told["segment"] = np.where(np.arange(len(people)) % 3, "savers", "borrowers")
        told.to_parquet(folder / file)
        return folder / file

    return received


@pytest.fixture(scope="module")
def study(small_bank, tmp_path_factory):
    return value.study(str(small_bank), LAST, received=handed(tmp_path_factory.mktemp("handed"), "value"))


@pytest.fixture(scope="module")
def told(study) -> dict[str, pd.DataFrame]:
    return study.handed_on


def test_nothing_is_lacking_in_a_whole_bank(study):
    assert lacking(study) == {}
    assert lacking(study.buyers) == {}
    assert lacking(study.parts) == {}


def test_what_is_shown_is_what_is_handed_on(study, told):
    worth, shown = told["value"], study.next12
    assert shown["total"] == pytest.approx(worth["expected_12"].sum())
    assert shown["realised"] == pytest.approx(worth["margin"].sum())
    assert shown["customers"] == len(worth)
    assert shown["low"] < shown["total"] < shown["high"]
    totals = told["value_totals"].iloc[0]
    assert {k: totals[k] for k in ("total", "low", "high", "came")} == pytest.approx(
        {k: study.came_true[k] for k in ("total", "low", "high", "came")}
    )
    assert totals["came"] == pytest.approx(told["value_judged"]["came"].sum())
    assert study.parts.table.loc["all", "next 12 months"] == pytest.approx(shown["total"])


def test_parts_add_up(study):
    table = study._now.table
    earns = (table[["contracts_12", "services_12"]] >= 0).all(axis=1)  # or a closing would save what an account costs
    assert (table["stays_12"] >= table["expected_12"] - 1e-9)[earns].all()
    for months in (12, 36):
        parts = table[[f"{name}_{months}" for name in FORETOLD]].sum(axis=1)
        pd.testing.assert_series_equal(parts, table[f"expected_{months}"], check_names=False)
    realised = table["deposits"] + table["lending"] + table["fees"] - table["cost"]
    pd.testing.assert_series_equal(realised, table["margin"], check_names=False)
    assert study.parts.table.drop("all")["last 12 months"].sum() == pytest.approx(table["margin"].sum())
    assert table["expected_36"].sum() > table["expected_12"].sum() > 0


def test_intervals_are_around_what_is_expected(told, study):
    worth = told["value"]
    assert (worth["low"] <= worth["high"]).all()
    assert ((worth["low"] <= worth["expected_12"]) & (worth["expected_12"] <= worth["high"])).mean() > 0.9
    assert study.inside["share"] == pytest.approx(study.inside["meant"], abs=0.12)
    assert worth["alive"].dropna().between(0, 1).all()
    bought = told["value_buyers"]
    assert bought[["again", "again_model"]].stack().between(0, 1).all()


def test_changes_are_ordered_and_say_why(told, study):
    found = told["value_changes"]
    rose, fell = (found[found["moved"] == way]["change"] for way in ("rose", "fell"))
    for change in (rose, -fell):
        assert (change > 0).all()
        assert change.is_monotonic_decreasing
        assert len(change) <= 100
    pd.testing.assert_series_equal(found["now"] - found["before"], found["change"], check_names=False)
    assert [study.moved["up"], study.moved["down"]] == pytest.approx([rose.sum(), -fell.sum()])
    for way, how in (("rose", "more"), ("fell", "less")):
        why = found[found["moved"] == way]["why"]
        told = why.str.contains(rf"[\d,]+ {how} a year$") | why.eq("no account that earns is left")
        assert told.mean() > 0.8
        assert (told | why.str.startswith("how long its accounts")).all()  # a rise is not explained by a fall


def test_only_who_agreed_to_personal_treatment_is_named_among_those_who_moved(told, study, small_bank):
    people = read(small_bank, "customers").set_index("customer_id")["profiling_consent"]
    found, agreed = told["value_changes"], people.astype("boolean").fillna(False).astype(bool)
    assert agreed[found.index].all()
    change = study._now.table["expected_12"] - study._half_ago.table["expected_12"]
    least = {way: rows["change"].abs().min() for way, rows in found.groupby("moved")}
    others = change[~agreed.reindex(change.index)]
    unnamed = int(((others >= least["rose"]) | (-others >= least["fell"])).sum())
    assert unnamed >= 20  # or it would not be told
    assert study.moved["unnamed"] == f"{unnamed:,}"


def test_what_06_says_of_its_chances_is_repeated(study):
    level, slope = METRICS[2:4]
    assert (level[:16], slope[:16]) == ("Level of chances", "Slope of chances")
    # the slope is within its limit, others are not of chances; of the level a banker reads odds, not their logarithm
    assert study.warned["told"] == "the odds of leaving were 1.49 times those foretold (0.82 to 1.22 may be chance)"


def test_those_at_risk_may_be_contacted_and_come_first(told, study, small_bank):
    first, worth = told["value_at_risk"], told["value"]
    assert list(study.at_risk_first) == ["worth in 12 months, if staying", "chance to leave", "at risk", "06 calls"]
    assert set(study.at_risk_first) <= set(first)  # titles of the page
    stays = first["worth in 12 months, if staying"]
    assert first["at risk"].is_monotonic_decreasing
    pd.testing.assert_series_equal(first["at risk"], stays * first["chance to leave"], check_names=False)
    assert (stays > first["expected in 12 months"]).mean() > 0.9  # what closings take is not taken twice
    assert study.at_risk["leavers"] == pytest.approx(first["chance to leave"].sum())
    called = first["06 calls"].sum()
    assert 0 < called < 50
    assert study.at_risk["also"] == (
        f"06 also calls {called} of them; the relationship manager decides on the other {50 - called}"
    )
    assert study.at_risk["owner"] == load_catalogue()["04_value"].owner
    assert len(first) == study.at_risk["n"] == 50
    people = read(small_bank, "customers").set_index("customer_id")
    assert people.loc[first.index, "marketing_consent"].all()
    assert study.at_risk["total"] <= worth["stays_12"].clip(lower=0).sum()


def test_what_a_year_puts_at_risk_goes_on_as_in_the_months_of_06(study):
    rows, year = study._at_risk, study.at_risk_year
    assert year["months"] == 4  # from 2025-08-31, the newest day whose outcome is known
    assert study.at_risk["lost"] == "to leave within 4 months"
    stays = (1 - rows["chance"]) ** 3
    assert year["year"] == pytest.approx((rows["stays_12"] * (1 - stays)).clip(lower=0).sum())
    assert study.at_risk["total"] < year["year"] < 3 * study.at_risk["total"]


def test_halves_of_what_was_foretold_add_up_to_what_came(study):
    rows, told = study.judged, study.came_true
    said = rows.foretold[study.way]
    upper = said >= said.median()
    for name, half in (("upper", upper), ("lower", ~upper)):
        assert told[name] == pytest.approx(said[half].sum() / rows.came[half].sum() - 1)


@pytest.mark.parametrize(("off", "alert"), [(0.0, False), (5.0, True)])
def test_intervals_that_hold_less_than_they_mean_to_are_an_alert(small_bank, off, alert):
    study = value.study(str(small_bank), LAST)
    came = study._earlier.came  # as off then as before: the intervals hold what they mean to
    said = study._earlier.foretold
    study._parts["judged"] = Amounts(said, came + off * said.abs().max(axis=1))
    study._parts["way"] = "by its parts"
    assert study.inside["alert"] is alert
    assert ("too narrow" in study.inside["so"]) is alert


def test_frequent_buyers_who_spend_less_are_an_alert_where_purchases_are_what_customers_are_worth(study, tmp_path):
    assert study.dependence["share"] == pytest.approx(
        study.value["purchases_12"].sum() / study.value["expected_12"].sum()
    )
    assert study.dependence["alert"] is (abs(study.dependence["value"]) > 0.2 and study.dependence["share"] >= 0.1)
    table = purchases()
    number = table["who"].str[1:].astype(int)
    often = table[(number % 2 == 0) | (table.groupby("who").cumcount() < 4)]  # the others buy half as often
    less = often.assign(paid=often["paid"].where(number % 2 == 1, often["paid"] / 4))
    bought = {"often": of_table(tmp_path, often).dependence, "less": of_table(tmp_path, less).dependence}
    assert [told["share"] for told in bought.values()] == [1, 1]
    assert [told["alert"] for told in bought.values()] == [False, True]
    assert bought["often"]["verdict"] == "as the model has it"
    assert bought["less"]["verdict"].endswith("pulls rare buyers to the mean of all, and foretells too little of them")


def test_parameters_of_both_days_stand_beside_each_other_and_who_moved_is_named(tmp_path):
    table = purchases(customers=600, each=12)
    slower = (table["day"] > pd.Timestamp("2025-01-01")) & (table.index % 3 > 0)
    steady, slowed = (of_table(tmp_path, rows).buyers for rows in (table, table[~slower]))
    assert steady.drifted is None
    shown = slowed.parameters_table
    assert list(shown) == ["now", "365 days before", "what of"]
    assert shown.notna().all(axis=None)
    assert "rate" in slowed.drifted["apart"].split(", ")
    both = slowed.parameters_told.set_index("fitted", append=True)["value"].unstack()
    assert both.notna().all(axis=None)
    assert list(slowed.alive_ranks) == ["AUC", "better than silence by", "said", "came"]


def test_ways_are_judged_by_customers_who_did_not_choose(study, told):
    judged = told["value_judged"]
    assert judged["half"].value_counts(normalize=True).between(0.4, 0.6).all()
    own = judged[judged["half"] == "judged"]
    column = {"last year again": "naive", "by its parts": "parts", "boosted trees": "trees"}[study.way]
    assert study.choice["error"] == pytest.approx((own[column] - own["came"]).abs().mean(), rel=1e-5)


def test_a_study_of_a_year_ago_does_not_change_when_later_rows_are_taken_away(small_bank, tmp_path):
    cut = tmp_path / "cut"
    cut.mkdir()
    shutil.copy(small_bank / "source.yml", cut)
    for name, known in {"customers": "joined_on", "accounts": "opened_on", "transactions": "at",
                        "balances": "month_end"}.items():  # fmt: skip
        rows = pq.read_table(small_bank / name)
        rows = rows.filter(pc.less(pc.cast(rows[known], pa.timestamp("us")), pa.scalar(NEXT)))
        if name == "accounts":
            later = pc.greater_equal(pc.cast(rows["closed_on"], pa.timestamp("us")), pa.scalar(NEXT))
            left = pc.if_else(pc.fill_null(later, False), None, rows["closed_on"])
            rows = rows.set_column(rows.column_names.index("closed_on"), "closed_on", left)
        pq.write_table(rows, cut / f"{name}.parquet")
    then, now = (value.study(str(folder), AGO) for folder in (cut, small_bank))
    pd.testing.assert_frame_equal(now.value, then.value, rtol=1e-6)
    assert now.next12["total"] == pytest.approx(then.next12["total"])


NO_BALANCES = "there are no balances: what accounts earn is not known"


@pytest.mark.parametrize(
    ("bank", "part", "why"),
    [
        ("without balances", "next12", NO_BALANCES),
        ("without balances", "at_risk", NO_BALANCES),
        ("three customers", "by_segment", "03_segmentation was not asked for its segments"),
        ("three customers", "at_risk", "06_churn was not asked for its churn_scores"),
        ("three customers", "judged_table", "what was to be expected on 2024-12-31 takes bookings from 2024-01-02 on"),
        ("one month", "value", "a year before 2025-12-31 is needed, and bookings begin on 2025-12-01"),
    ],
)
def test_little_data_lack_parts_and_say_why(tmp_path, bank, part, why):
    study = value.study(str(write_parquet(THIN[bank](), tmp_path / "thin")), LAST)
    assert lacking(study)[part] == why
    lacking(study.buyers)


def odd() -> dict[str, dict[str, pd.DataFrame]]:
    bank = random_bank(customers=150, bookings=9000)
    t, b = bank["transactions"], bank["balances"]
    last = t[t["at"] >= "2024-01-01"].iloc[:1].assign(at=pd.Timestamp("2025-12-31 12:00"), transaction_id="TX")
    cards = t["kind"] == "card"
    return {
        "half a year missing": bank | {"transactions": t[(t["at"] < "2024-09-01") | (t["at"] > "2025-06-01")]},
        "nothing in the last year": bank | {"transactions": pd.concat([t[t["at"] < "2024-12-31"], last])},
        "nobody buys twice": bank | {"transactions": pd.concat([t[~cards], t[cards].drop_duplicates("account_id")])},
        "no closings": bank | {"accounts": bank["accounts"].drop(columns="closed_on")},
        "no kind": bank | {"transactions": t.drop(columns=["kind", "channel", "category"])},
        "nothing held": bank | {"balances": b.assign(balance=0.0)},
    }


@pytest.mark.parametrize("case", list(odd()))
def test_odd_banks_have_answers_or_reasons(tmp_path, case):
    study = value.study(str(write_parquet(odd()[case], tmp_path / "odd")), LAST)
    lacks = lacking(study) | lacking(study.buyers)
    assert {"value", "lorenz"}.isdisjoint(lacks)
    assert np.isfinite(study._by_trees).all()  # as they would be, were they chosen: of measures that both days have
    assert all(len(why) < 150 and "\n" not in why for why in lacks.values())
    assert np.isfinite(study.value[["margin", "expected_12", "expected_36", "low", "high"]]).all(axis=None)


def purchases(seed: int = 0, customers: int = 300, each: int = 8) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    day = pd.Timestamp(LAST) - pd.to_timedelta(rng.integers(0, 900, customers * each), "D")
    return pd.DataFrame({"who": np.repeat([f"c{i}" for i in range(customers)], each), "day": day,
                         "paid": rng.lognormal(3, 0.7, len(day)).round(2)})  # fmt: skip


def of_table(folder, table: pd.DataFrame, as_of: object = LAST, **told: object):
    file = folder / "shop.csv"
    table.to_csv(file, index=False)
    return value.study(str(file), as_of, **{"id": "who", "time": "day", "amount": "paid", "earns": 0.2} | told)


def test_a_table_of_purchases_is_valued_and_what_it_does_not_tell_is_said(tmp_path):
    study = of_table(tmp_path, purchases())
    lacks = lacking(study)
    assert study.by_segment.why == "a table of purchases tells of no segments"
    assert study.at_risk.why.startswith("nothing is at risk")  # everybody is there
    assert study.came_true["verdict"] == "and no range could be given then"
    assert lacks["inside"] == "the table does not tell of three times as long as what is foretold"
    assert {"next12", "came_true", "judged_table", "lorenz", "handed_on"}.isdisjoint(lacks)
    assert study.next12["total"] == pytest.approx(study.handed_on["value"]["expected_12"].sum())
    assert abs(study.came_true["off"]) < 0.1  # everybody goes on buying
    assert (study.lorenz["below"], study.lorenz["cost"]) == ("0", "0 units of money")
    risk = study._at_risk
    assert risk["at_risk"].to_numpy() == pytest.approx((risk["stays_12"] * (1 - risk["alive"])).to_numpy())
    half = of_table(tmp_path, purchases(), earns=0.1)
    assert half.next12["total"] == pytest.approx(study.next12["total"] / 2)


CHANGED = {
    "nobody buys twice": (lambda t: t.drop_duplicates("who"), "0 customers bought again: at least 30 are needed"),
    "all bought on one day": (lambda t: t.assign(day="2025-12-31"), "the table covers 0 days: at least 56 are needed"),
    "one customer": (lambda t: t.assign(who="a"), "1 customers bought again: at least 30 are needed"),
    "three customers": (lambda t: t.assign(who=t.index % 3), "3 customers bought again: at least 30 are needed"),
    "nothing was spent": (lambda t: t.assign(paid=0.0), "0 customers spent something when they bought again"),
}  # fmt: skip


@pytest.mark.parametrize("case", CHANGED)
def test_tables_with_little_in_them_say_why(tmp_path, case):
    change, why = CHANGED[case]
    table = change(purchases())
    study = of_table(tmp_path, table, pd.to_datetime(table["day"]).max().date())
    lacks = lacking(study)
    found = study.next12
    assert isinstance(found, Lacking)
    assert why in found.why
    assert all("\n" not in told for told in lacks.values())
    if not isinstance(study.buyers, Lacking):
        lacking(study.buyers)


def test_what_those_who_may_have_stopped_would_bring_is_not_lessened_by_it_twice(tmp_path):
    table = purchases(each=40)
    number = table["who"].str[1:].astype(int)
    stops = pd.Timestamp("2024-01-01") + pd.to_timedelta(number * 10, "D")  # a hundred stop, one after the other
    study = of_table(tmp_path, table[(number >= 100) | (table["day"] <= stops)])
    found = study._at_risk
    assert (found["alive"] < 0.5).any()
    assert study.way == "by its parts"
    assert (found["stays_12"] * found["alive"]).to_numpy() == pytest.approx(found["expected_12"].to_numpy())
    lost = found["expected_12"] * (1 / found["alive"] - 1)
    assert found["at_risk"].to_numpy() == pytest.approx(lost.to_numpy())
    assert study.at_risk["total"] == pytest.approx(lost.sum())


def test_a_table_to_which_one_came_back_after_long_has_no_figure_that_is_none(tmp_path):
    table = purchases().sort_values("day", ignore_index=True)
    table = table[(table["day"] < "2024-06-01") | (table.index == len(table) - 1)]
    study = of_table(tmp_path, table, table["day"].max().date())
    lacking(study), lacking(study.buyers)
    assert np.isfinite(study.value[["margin", "expected_12", "low", "high"]]).all(axis=None)
    assert study.next12["low"] < study.next12["total"] < study.next12["high"]


@pytest.mark.parametrize("earns", [0.0, -0.2, float("nan")])
def test_what_is_earned_must_be_more_than_nothing(tmp_path, earns):
    with pytest.raises(BankmineError, match="give the part of an amount that is earned, above 0"):
        of_table(tmp_path, purchases(customers=40), earns=earns)


def test_a_real_bank_of_one_year_has_answers_or_reasons(datasets):
    study = value.study("berka", "1994-01-31")
    lacks = lacking(study)
    assert "value" not in lacks
    assert lacks["came_true"] == "what was to be expected on 1993-01-31 takes bookings from 1992-02-02 on"
    assert lacking(study.buyers)["fitted"].startswith("0 customers bought again")
    assert len(study.value) == 1163
