"""Grades, the long run, expected loss, where credits pile up, overrides, remedies and earlier lists, by hand."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bankmine.errors import BankmineError
from bankmine.judging import fairness
from bankmine.judging.calibration import jeffreys
from bankmine.judging.reasons import readable
from bankmine.lacking import Lacking
from bankmine.learning.splits import FEWEST
from bankmine.study.validation import CROSSED, MATERIAL
from bankmine.topics import credit
from bankmine.topics.credit import grades, lending, remedy
from bankmine.topics.credit.portfolio import Portfolio, otherwise, overrides, overrides_told
from bankmine.topics.credit.rules import REGISTRY, Grade, load_credit_rules, load_form, load_grades

RULES = load_credit_rules("CNY")


# --- grades


def test_the_chance_that_a_rate_is_no_higher_than_foretold_is_that_of_jeffreys():
    p, low, high = jeffreys(3, 40, 0.05)
    assert p == pytest.approx(stats.beta.cdf(0.05, 3.5, 37.5))
    assert (low, high) == pytest.approx(stats.beta.ppf([0.025, 0.975], 3.5, 37.5))
    none = jeffreys(0, 50, 0.01)
    assert 0 < none[2] < 0.1
    assert jeffreys(20, 100, 0.05)[0] < 1e-6 < 0.5 < jeffreys(1, 100, 0.05)[0]


def test_a_grade_that_was_foretold_too_low_is_told_and_no_other():
    scale = [Grade("1", 0.02), Grade("2", 0.1), Grade("3", 1.0)]
    chance = pd.Series(np.repeat([0.02, 0.05], [400, 200]))
    target = pd.Series(np.concatenate([np.arange(400) < 8, np.arange(200) < 30]).astype(float))
    target.iloc[[100, 399]] = np.nan  # not known: not counted
    found = grades.backtest(target, chance, scale)
    assert found["rows"].tolist() == [398, 200, 0]
    assert found["bad"].tolist() == [8, 30, 0]
    assert found["verdict"].tolist() == [grades.HOLDS, grades.TOO_LOW, grades.NOBODY]
    assert found.loc["2", ["p", "low", "high"]].tolist() == pytest.approx(list(jeffreys(30, 200, 0.05)))
    assert grades.table(found, 1.1).loc["2", "with margin"] == pytest.approx(0.055)


@pytest.mark.parametrize("rows", [1, 4, 75, 1000])
def test_the_rate_that_came_out_lies_in_its_interval_also_of_none_and_of_all(rows):
    """A grade of no bad credit showed 0.000 % (0.001 % to 3.283 %)."""
    for bad in {0, 1, rows - 1, rows}:
        _, low, high = jeffreys(bad, rows, 0.05)
        assert low <= bad / rows <= high
    found = grades.backtest(pd.Series([0.0] * 75), pd.Series([0.005] * 75), [Grade("1", 0.01), Grade("2", 1.0)])
    assert grades.table(found, 1.1).loc["1", "bad rate"] == "0.0% (0.0%–3.3%)"


def test_scales_that_are_right_are_seldom_called_wrong():
    rng, scale = np.random.default_rng(0), load_grades()
    wrong = 0
    for _ in range(300):
        chance = pd.Series(rng.beta(1, 12, 900))
        target = pd.Series((rng.random(900) < chance).astype(float))
        wrong += grades.TOO_LOW in set(grades.backtest(target, chance, scale)["verdict"])
    assert wrong / 300 == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / 300))


def test_the_long_run_counts_quarters_alike_and_adds_what_is_unsure():
    rates = [0.06, 0.08, 0.05, 0.07, 0.09]
    vintages = pd.DataFrame({"rate": [*rates, 0.01], "closed": [True] * 5 + [False]}, index=list("abcdef"))
    found = grades.long_run(vintages)
    margin = stats.t.ppf(0.9, 4) * np.std(rates, ddof=1) / np.sqrt(5)
    assert found["rate"] == pytest.approx(0.07)
    assert (found["margin"], found["cautious"]) == pytest.approx((margin, 0.07 + margin))
    assert (found["quarters"], found["first"], found["last"], found["years"]) == (5, "a", "e", 1.25)
    with pytest.raises(BankmineError, match="3 quarters"):
        grades.long_run(vintages.iloc[2:])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("up_to: 0.30 }", "up_to: 0.01 }", "grades rise"), ("up_to: 1.0 }", "up_to: 0.9 }", "grades rise"),
        ("scope: [product, applied_through]", "scope: product", "lists of columns"),
        ("scope: [product", "scop: [product", "must have told"),
        ("gender: male,", "gender: [male],", "lists of columns"),
    ],
)  # fmt: skip
def test_a_register_that_makes_no_sense_is_refused(tmp_path, old, new, message):
    file = tmp_path / "credit.yml"
    text = REGISTRY.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(BankmineError, match=message):
        (load_form(file), load_grades(file))


# --- what is granted


def offered() -> tuple[pd.DataFrame, pd.Series, pd.DataFrame]:
    told = pd.DataFrame({"product": ["personal_loan", "mortgage", "personal_loan", "personal_loan"],
                         "purpose": ["car", None, "car", "trip"]})  # fmt: skip
    beside = told.assign(amount=[20_000.0, 300_000.0, 10_000.0, 50_000.0], term_months=24.0, rate=np.nan)
    chance = pd.Series([0.02, 0.01, 0.04, 0.5])
    return lending.offers(chance, beside, RULES), chance, told


def test_expected_loss_is_chance_times_exposure_times_what_is_lost():
    found, chance, told = offered()
    book = Portfolio(found, chance, told, RULES, 1)
    assert found["decision"].tolist() == ["grant", "grant", "grant", "refuse"]
    loss = 0.02 * 20_000 * 0.9 * 0.55 + 0.01 * 300_000 * 0.12 + 0.04 * 10_000 * 0.9 * 0.55
    assert book.loss["loss"] == pytest.approx(loss)
    assert book.loss["share"] == pytest.approx(loss / 330_000)
    assert book.losses.loc["all", ["loans", "limits", "expected loss"]].tolist() == pytest.approx([3, 330_000, loss])
    assert book.losses.loc["personal_loan", "chance"] == pytest.approx((0.02 * 20 + 0.04 * 10) / 30)


def test_where_limits_pile_up():
    found, chance, told = offered()
    table = Portfolio(found, chance, told, RULES, 1).concentration
    assert table.loc["product", ["groups", "largest", "share of limits"]].tolist() == [2, "mortgage", 300 / 330]
    assert table.loc["purpose", "largest"] == "not told"
    assert table.loc["product", "Herfindahl index"] == pytest.approx((300 / 330) ** 2 + (30 / 330) ** 2)
    assert table.loc["single credits", "share of limits"] == 1


def test_prices_are_held_against_the_cap_of_the_register():
    found, chance, told = offered()
    prices = Portfolio(found, chance, told, RULES, 1).prices
    assert prices["cap"] == 0.24
    assert prices["dearest"] == found["price"].max() <= 0.24
    assert prices["over"] == 0
    dear = pd.DataFrame({"product": ["credit_card"] * 2, "amount": 1e4, "term_months": np.nan, "rate": np.nan})
    found = lending.offers(pd.Series([0.01, 0.14]), dear, RULES)
    assert found["why"].tolist() == ["", lending.TOO_DEAR]
    prices = Portfolio(found, chance.iloc[:2], dear[["product"]], RULES, 1).prices
    assert prices["over"] == 1
    assert prices["dearest"] <= 0.24


def test_nobody_granted_is_told():
    found, chance, told = offered()
    book = Portfolio(found.assign(decision=lending.REFUSE), chance, told, RULES, 1)
    assert book.loss == Lacking("nobody is granted credit")
    assert not book.losses
    assert not book.concentration


def test_overrides_are_what_the_bank_decided_otherwise():
    decision = pd.Series(["grant"] * 5 + ["refuse"] * 4 + ["a person decides"] * 2)
    approved = pd.Series([True, True, True, False, None, True, False, False, True, True, False], dtype="boolean")
    defaulted = pd.Series([1.0, 0.0, np.nan, np.nan, np.nan, 1.0, np.nan, np.nan, 1.0, np.nan, np.nan])
    found = overrides(decision, pd.DataFrame({"approved": approved, "defaulted": defaulted}))
    assert found.loc["grant", ["applications", "granted", "refused", "otherwise", "bad"]].tolist() == [4, 3, 1, 1, 1]
    assert found.loc["refuse", ["applications", "granted", "refused", "otherwise", "bad"]].tolist() == [4, 2, 2, 2, 2]
    assert np.isnan(found.loc["a person decides", "otherwise"])


@pytest.mark.parametrize(
    ("counts", "cells", "headline"),
    [
        (  # all are told
            {"grant": (100, 90, 10), "refuse": (60, 12, 48)},
            {("grant", "granted"): "90", ("grant", "otherwise"): "10", ("refuse", "otherwise"): "12"},
            ("12", "10"),
        ),
        (  # three cannot be had from the row's total, nor from that of all
            {"grant": (100, 97, 3), "refuse": (60, 20, 40), "a person decides": (10, 5, 5)},
            {("grant", "granted"): "withheld", ("grant", "refused"): "withheld",
             ("grant", "otherwise"): "withheld"},
            ("withheld", "withheld"),
        ),
        (  # nor where too few applications are decided so at all
            {"grant": (100, 80, 20), "refuse": (60, 20, 40), "a person decides": (3, 1, 2)},
            {("a person decides", "applications"): "withheld", ("refuse", "applications"): "withheld",
             ("a person decides", "granted"): "withheld", ("grant", "applications"): "100"},
            ("withheld", "withheld"),
        ),
    ],
)  # fmt: skip
def test_overrides_of_too_few_applications_are_not_told(counts, cells, headline):
    frame = pd.DataFrame.from_dict(counts, "index", columns=["applications", "granted", "refused"])
    against = {"grant": "refused", "refuse": "granted"}
    frame["otherwise"] = [row[against[p]] if p in against else np.nan for p, row in frame.iterrows()]
    frame = frame.assign(bad=1, share=0.1, low=0.0, high=0.2).rename_axis("policy")
    found = overrides_told(frame, 5)
    assert {cell: f"{found.at[cell]:.0f}" for cell in cells} == cells
    assert found.loc[found["granted"].isna(), ["share", "low", "high"]].isna().all(axis=None)
    told = otherwise(frame, 5)
    assert (f"{told['granted']:,}", f"{told['refused']:,}") == headline
    assert told["share"] == pytest.approx(frame["otherwise"].sum() / frame["applications"].sum())
    assert f"{otherwise(frame.assign(otherwise=[2] + [0] * (len(frame) - 1)), 5)['share']}" == "withheld"


# --- of a bank


@pytest.fixture(scope="module")
def bank(small_bank) -> credit.CreditStudy:
    return credit.study(str(small_bank), "2025-12-31", test=2)


@pytest.mark.slow
def test_applicants_through_a_new_channel_are_out_of_scope_counted_and_an_alert(bank):
    through = bank.today.predictors["applied_through"].astype(str)
    split = bank.split
    known = bank.sample.predictors["applied_through"].iloc[np.r_[split.train, split.tune, split.test]].astype(str)
    new = through == "partner_app"
    assert new.any()
    assert "partner_app" not in set(known)
    assert bank.scope["count"] == new.sum()
    assert bank.scope["share"] == pytest.approx(new.mean())
    assert bank.scope["which"] == f"applied through partner_app ({new.sum()})"
    assert (bank.decided_now["decision"].eq("a person decides") == new).all()
    plan = bank.validation.plan.set_index("metric")
    row = plan.loc["Share of applicants who are out of scope"]
    assert row["now"] == pytest.approx(new.mean())
    assert row["status"] == CROSSED
    assert "applicants are out of scope" in bank.alerts["which"]


@pytest.mark.slow
def test_a_characteristic_that_moved_crosses_its_limit(bank):
    own = bank.moved[bank.moved["column"] != "score"]
    limit = own["alarm"].clip(lower=MATERIAL)
    worst = own.loc[(own["psi"] / limit).idxmax()]
    row = bank.validation.plan.set_index("metric").filter(like="predictor that moved most", axis=0).iloc[0]
    assert (row["now"], row["above"]) == (worst["psi"], limit[worst.name])
    assert f"shifted since training: {readable(worst['column'])} (" in bank.alerts["which"]
    assert worst["shifted"]
    assert row["status"] == CROSSED


@pytest.mark.slow
def test_the_newest_weeks_are_held_against_the_limit_of_a_month(bank):
    row = bank.validation.plan.set_index("metric").loc["Area under the ROC curve, of months whose outcome is known"]
    rows, chance = bank.judged.rows, bank.judged.probability[bank.chosen]
    last = rows.day > rows.day.max() - pd.Timedelta(weeks=4)
    bad, good = (chance[last & (rows.target == outcome)].to_numpy() for outcome in (1.0, 0.0))
    auc = (bad[:, None] > good).mean() + 0.5 * (bad[:, None] == good).mean()
    assert row["now"] == pytest.approx(auc)
    assert row["now"] != pytest.approx(bank.auc["value"])
    assert row["below"] < bank.judged.auc_of(~last.to_numpy())


@pytest.mark.slow
def test_groups_are_held_against_those_that_the_register_names(bank):
    for name, reference in load_form().reference.items():
        table = bank.impact[name]
        assert table.index[table["verdict"] == fairness.REFERENCE].tolist() == [reference]
    learnt = bank.groups()["city_tier"].iloc[bank.split.train].astype(str).value_counts()
    table = bank.impact["city_tier"]
    assert table.index[table["verdict"] == fairness.REFERENCE].tolist() == [learnt.idxmax()]


@pytest.mark.slow
def test_a_remedy_reaches_its_mark_and_says_what_it_costs(bank, monkeypatch):
    attribute, group, ratio = fairness.worst_ratio(bank.impact)
    assert fairness.FOUR_FIFTHS < ratio < 0.98
    assert bank.remedied is None  # nothing is to be mended
    monkeypatch.setattr(fairness, "FOUR_FIFTHS", 0.98)
    found = remedy.remedies(bank)
    assert found.loc[remedy.AS_IS, "ratio"] == pytest.approx(ratio)
    assert found.loc[remedy.AS_IS, ["expected", "more"]].tolist() == [0, 0]
    assert found.loc[remedy.NEXT, "ratio"] >= 0.98
    rows, chance = bank.fitted[0].rows, bank.fitted[0].probability[bank.chosen]
    own = bank.groups()[attribute].loc[chance.index].astype(str) == group
    more, hoped = int(found.loc[remedy.NEXT, "more"]), lending.granting(chance, bank.costs(rows))
    added = chance[own & (chance > bank.cut_off)].nsmallest(more)
    assert more > 0
    assert found.loc[remedy.NEXT, "up_to"] == added.max() > bank.cut_off
    assert found.loc[remedy.NEXT, "expected"] == pytest.approx(hoped[added.index].sum())
    came = lending.granted(rows.target, bank.costs(rows))[added.index].sum()
    assert found.loc[remedy.NEXT, "change"] == pytest.approx(came)
    assert found.loc[remedy.NEXT, "change_low"] <= came <= found.loc[remedy.NEXT, "change_high"]
    # with one less of them the mark would not be reached
    reference = bank.impact[attribute].index[bank.impact[attribute]["verdict"] == fairness.REFERENCE][0]
    less = ~bank.acted.iloc[:, 0].astype(bool) | chance.index.isin(added.index[:-1])
    groups = bank.groups()[attribute].loc[chance.index]
    assert fairness.adverse_impact(less, groups, rows.entity, reference).loc[group, "ratio"] < 0.98
    others = found.drop([remedy.AS_IS, remedy.NEXT])
    assert len(others)
    assert np.allclose(others["granted"], found.loc[remedy.AS_IS, "granted"], atol=1e-3)
    assert (others["auc"] > 0.5).all()


@pytest.mark.slow
@pytest.mark.parametrize(("expected", "effect"), [(-1200.0, "cost"), (1200.0, "earn")])
def test_a_remedy_costs_or_earns_and_sign_and_word_agree(bank, expected, effect):
    row = {"expected": expected, "more": 3, "up_to": 0.1, "ratio": 0.8, "granted": 0.6, "group": 0.5, "auc": 0.7}
    row |= {"change": expected, "change_low": expected - 10, "change_high": expected + 10}
    row |= {"ratio_low": 0.7, "ratio_high": 0.9}
    own = credit.study(str(bank.source.source.folder), "2025-12-31", test=2)
    vars(own)["remedies"] = pd.DataFrame([row, row], index=[remedy.AS_IS, remedy.NEXT])
    vars(own)["worst"] = {"who": "age band under 25"}
    assert (own.remedied["effect"], own.remedied["amount"]) == (effect, 1200)
    sign = "-" if expected < 0 else "+"
    assert own.remedies_table.loc[remedy.NEXT, "known profit"].startswith(f"{sign}1,200 (")


@pytest.mark.slow
@pytest.mark.parametrize(("ends", "as_before", "so"), [
    ((-100.0, -200.0, 50.0), "but not", "keep the cut-off"), ((60.0, -20.0, 90.0), "but not beyond chance", "keep the"),
    ((60.0, 20.0, 90.0), "as", "change to it"),
])  # fmt: skip
def test_what_the_policy_forgoes_is_told_and_whether_it_was_so_before(bank, ends, as_before, so):
    def of(more: float, low: float, high: float) -> pd.DataFrame:
        behind = {"behind": -more, "behind_low": -high, "behind_high": -low}
        return pd.DataFrame([behind], index=["each by its expected profit"])

    own = credit.study(str(bank.source.source.folder), "2025-12-31", test=2)
    vars(own)["earned_before"] = of(*ends)
    vars(own)["earned"] = of(83.0, 14.0, 187.0)
    told = own.forgone
    assert [told[name] for name in ("more", "low", "high")] == [83.0, 14.0, 187.0]
    assert [told[name] for name in ("before", "before_low", "before_high")] == list(ends)
    assert told["as_before"] == as_before
    assert told["so"].startswith(so)
    other = credit.study(str(bank.source.source.folder), "2025-12-31", test=2)
    vars(other).update(earned=of(83.0, -14.0, 187.0), earned_before=of(*ends))
    assert other.forgone is None


@pytest.mark.slow
def test_decisions_wait_for_whoever_must_act_first_on_the_page_and_in_the_file(bank, monkeypatch):
    plan = bank.validation.plan
    assert not set(plan.loc[plan["status"] == CROSSED, "holds"]) - {"", "all", "adverse"}
    fine = plan.assign(holds="")
    held = fine.assign(holds=np.where(plan["metric"] == "Lowest adverse impact ratio", "adverse", ""))
    stopped = held.assign(holds=np.where(plan["owner"] == "data owner", "all", held["holds"]))
    for own, do, waits in (
        (fine, "Grant credit", {"refuse": "", "grant": "", "a person decides": ""}),
        (held, "Hold refusals for compliance, and grant credit", {"refuse": "compliance", "grant": ""}),
        (stopped, "Hold all decisions for the data owner; then grant", {"refuse": "data owner", "grant": "data owner"}),
    ):
        study = credit.study(str(bank.source.source.folder), "2025-12-31", test=2)
        vars(study).update(fitted=bank.fitted, validation=replace(bank.validation, plan=own))
        assert study.decision["do"].startswith(do)
        listed = study.files()["credit_scores"]
        for decision, who in waits.items():
            assert set(listed.loc[listed["decision"] == decision, "waits_for"]) == {who}
        shown = study.first["decision"]
        assert shown[shown.str.startswith("refuse")].str.endswith("waits for compliance").all() or own is not held


@pytest.mark.slow
def test_what_carried_a_group_into_earlier_refusals_is_told_in_plain_words(bank):
    attribute, group = bank._refused_more[0].split(" is ")
    found = pd.DataFrame({"verdict": ["proxy in use", ""], "share": [0.77, 0.1]}, index=["employer_sector", "housing"])
    study = credit.study(str(bank.source.source.folder), "2025-12-31", test=2)
    vars(study).update(old_proxies=found, fitted=bank.fitted)
    told = study.old_stand_ins
    assert told["any"]
    assert f"refused applicants of {attribute} {group} more often, 77% of it by employer sector" in told["told"]
    assert ("leaves it out" in told["told"]) == ("employer_sector" not in bank.scorecard.bins)
    assert "prox" not in told["told"]
    other = credit.study(str(bank.source.source.folder), "2025-12-31", test=2)
    vars(other).update(old_proxies=found.assign(verdict=""), fitted=bank.fitted)
    assert not other.old_stand_ins["any"]
    assert other.old_stand_ins["told"].startswith(f"Nothing that tells {attribute} made the bank refuse")


@pytest.mark.slow
def test_what_carries_a_group_into_the_score_is_looked_for_in_all_groups(bank):
    entity, expected = bank.fitted[0].rows.entity, set()
    for name, table in bank.impact.items():
        large = table[table["rows"] >= fairness.FEWEST]
        group = large["share"].idxmin()
        whose = entity[bank.groups()[name].loc[entity.index].astype(str) == group]
        if len(large) > 1 and whose.nunique() >= FEWEST:
            expected.add(f"{name.replace('_', ' ')} {group}")
    assert len(expected) > 1  # not of gender alone
    assert set(bank.carried.index.get_level_values("group")) == expected
    assert all(f"{g}: " in bank.stand_ins["which"] for g in expected)


@pytest.mark.slow
def test_the_list_of_an_earlier_report_is_held_against_what_its_credits_became(bank, tmp_path):
    assert credit.study(str(bank.source.source.folder), "2025-12-31", test=2).earlier_lists == Lacking(
        "lists of earlier reports were not asked for"
    )
    applied = bank.sample.day.between("2024-11-01", "2024-11-30")
    own = bank.beside[applied]
    listed = pd.DataFrame({
        "customer_id": bank.sample.entity[applied], "as_of": dt.date(2024, 11, 30),
        "application_id": own["application_id"],
        "decision": np.where(np.arange(len(own)) % 3 == 0, "refuse", "grant"), "probability": 0.06,
    })  # fmt: skip
    listed.to_parquet(tmp_path / "credit_scores.parquet", index=False)
    anew = credit.study(
        str(bank.source.source.folder), "2025-12-31", test=2,
        earlier=lambda name, _: {"2024-11-30": tmp_path / name},
    )  # fmt: skip
    told = anew.earlier_lists.headline
    granted = (listed["decision"] == "grant") & own["approved"].astype(bool) & own["defaulted"].notna()
    assert told["acted"] == granted.sum()
    assert told["events"] == own.loc[granted, "defaulted"].sum()
    assert told["foretold"] == pytest.approx(0.06 * granted.sum())
    assert told["low"] < told["share"] < told["high"]
    assert told["event"] == "went bad"
    twice = pd.concat([listed, listed.head(1)])
    twice.to_parquet(tmp_path / "credit_scores.parquet", index=False)
    again = credit.study(
        str(bank.source.source.folder), "2025-12-31", test=2,
        earlier=lambda name, _: {"2024-11-30": tmp_path / name},
    )  # fmt: skip
    assert "names an application twice" in again.earlier_lists.set_aside["which"]
