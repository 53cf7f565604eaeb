"""The validation section: nothing looks answered that is not, and limits that know their sample."""

from __future__ import annotations

import copy
import re

import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from scipy import stats

from bankmine.errors import BankmineError
from bankmine.lacking import Lacking
from bankmine.learning.sample import Sample
from bankmine.report.exporter import render
from bankmine.report.tables import table
from bankmine.study import validation
from bankmine.study.judged import Judged

MODELS = ("churn", "credit", "fraud")
REGISTER = validation.load_register()
THEMES = ("Development and use", "Validation and monitoring", "Governance and controls", "Third-party products")


@pytest.mark.parametrize("model", MODELS)
def test_every_kind_of_model_is_asked_about_every_theme_by_every_rule(model):
    table = validation.validation_table(model, {})
    assert all(table["theme"].str.startswith(theme).any() for theme in THEMES)
    assert set(table["rule"]) <= {rule.name for rule in validation.load_register().rules.values()}
    assert table["rule"].nunique() >= 3
    assert all(vars(rule)[name] for rule in validation.load_register().rules.values() for name in vars(rule))


@pytest.mark.parametrize("model", MODELS)
def test_a_page_that_hands_over_nothing_has_answered_nothing(model):
    table = validation.validation_table(model, {})
    assert set(table["status"]) == {validation.OPEN, validation.FOR_PEOPLE}
    assumed = validation.assumption_table(model, {})
    assert (assumed["status"] == validation.OPEN).all()
    assert len(assumed)


def by_part(table):
    """Index a table by the words of its links."""
    return table.set_index(table["shown in"].str.replace(r"\[([^]]*)\]\([^)]*\)", r"\1", regex=True))


def test_an_answer_shows_where_and_what_or_why_not():
    found = {
        "definition": "closed, or silent for 90 days", "definition_sensitivity": 0.03456, "performance": "AUC 0.85",
        "split": None, "psi": Lacking("there is one month only"), "purpose": np.float64(0.5), "data": 0,
    }  # fmt: skip
    table = by_part(validation.validation_table("churn", found))
    both = table.loc["definition, definition sensitivity"]
    assert both["status"] == validation.PRESENT
    assert both["answer"] == "definition: closed, or silent for 90 days; definition sensitivity: 0.0346"
    half = table.loc["performance, split"]
    assert half["status"] == validation.PARTLY
    assert half["answer"].endswith("split: not there for this source")
    open_ = table.loc["psi, stability"]
    assert open_["status"] == validation.OPEN
    assert open_["answer"] == "psi: not there, as there is one month only; stability: not shown on this page"
    assert table.loc["purpose", "status"] == validation.PRESENT
    assert "data: 0" in table.loc["data, funnel", "answer"]


def test_a_test_that_fails_is_not_shown_as_evidence_alone():
    found = {
        "fairness": validation.Failed("lowest ratio 0.65"),
        "psi": validation.Failed("4 shifted"),
        "split": "by time",
    }
    table = by_part(validation.validation_table("churn", found))
    assert table.loc["fairness", "status"] == table.loc["psi, stability", "status"] == validation.FAILS
    assert table.loc["fairness", "answer"] == "fairness: lowest ratio 0.65"
    none = validation.monitoring_plan("churn", {})
    counts = validation.Validation(validation.validation_table("churn", found), none, none).counts
    assert (counts["answered"], counts["failed"]) == (2, 2)


@pytest.mark.parametrize(("ratio", "fails"), [(0.79999, True), (0.8, False), (0.65, True)])
def test_an_impact_below_four_fifths_fails_and_never_reads_as_the_mark(ratio, fails):
    impact = {"age": pd.DataFrame({"ratio": [ratio, 1.0], "verdict": ["alike", "reference"]}, ["under 25", "over 65"])}
    told = validation._worst(impact)
    assert isinstance(told, validation.Failed) == fails
    assert ("ratio: 0.8 (" in told) != fails


@pytest.mark.parametrize("name", ["06_churn", "07_credit_scoring", "08_fraud"])
def test_every_part_leads_to_a_section_of_its_page(name):
    model = {"06_churn": "churn", "07_credit_scoring": "credit", "08_fraud": "fraud"}[name]
    told = nbformat.read(validation.WORKSPACE / "notebooks" / f"{name}.ipynb", as_version=4)
    cells = [new_markdown_cell(c.source) for c in told.cells if c.cell_type == "markdown"]
    asked = validation.validation_table(model, {}), validation.assumption_table(model, {})
    shown = [new_output("display_data", data={"text/html": table(t, "Asked")._repr_html_()}) for t in asked]
    notebook = new_notebook(cells=[*cells, new_code_cell("tables", outputs=shown)])
    run = dict.fromkeys(("audience", "finished_at", "started_at", "seconds", "python", "packages"))
    run |= {"report": name, "title": told.cells[0].source.splitlines()[0].removeprefix("# "), "status": "ok"}
    page = BeautifulSoup(render(notebook, run | {"as_of": "2025-12-31", "alerts": []}), "html.parser")
    cells = [*asked[0]["shown in"], *asked[1]["checked in"]]
    links = {words for cell in cells for words in re.findall(r"\[([^]]*)\]\(", cell)}
    there = {a.get_text(): a["href"].removeprefix("#") for a in page.select("table.frame td a:not(.term)")}
    assert links == set(there)
    assert not [id for id in there.values() if not page.find(id=id)]


def test_what_no_page_can_answer_is_for_people():
    table = validation.validation_table("churn", {})
    people = table[table["status"] == validation.FOR_PEOPLE]
    assert people["question"].str.contains("inventory").any()
    assert people["question"].str.contains("None of it outsourced").any()
    assert people["answer"].str.startswith("to be answered by").all()


def test_a_part_that_answers_no_question_is_refused_so_that_no_typing_error_goes_unseen():
    with pytest.raises(BankmineError, match="answered by 'calibraton', only by"):
        validation.validation_table("churn", {"calibraton": 1.0})


def test_a_new_kind_of_model_is_asked_what_all_are_asked():
    asked = set(validation.validation_table("weather", {})["question"])
    of_churn = set(validation.validation_table("churn", {})["question"])
    assert 12 <= len(asked) < len(of_churn)
    assert asked < of_churn


def test_an_assumption_that_a_page_checks_shows_what_it_found():
    table = validation.assumption_table("churn", {"sentinel": "none suspicious", "leak_lab": "lies by 0.07"})
    row = table[table["checked in"] == "[sentinel](#~careless), [leak lab](#~careless)"].iloc[0]
    assert row["status"] == validation.PRESENT
    assert row["found"] == "sentinel: none suspicious; leak lab: lies by 0.07"
    assert (table["found"] == "nothing on this page checks it").any()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t["questions"][0].update(rule="sr11_7"), "needs a rule of the file"),
        (lambda t: t["questions"][0].update(people="somebody"), "shown or people"),
        (lambda t: t["questions"][0].pop("theme"), "theme"),
        (lambda t: t["questions"].append(copy.deepcopy(t["questions"][0])), "comes twice"),
        (lambda t: t["monitoring"][0].update(limit="gut feeling"), "a limit that is none of"),
        (lambda t: t["monitoring"][0].update(holds="some"), "holds what is neither all nor adverse"),
        (lambda t: t.pop("rules"), "must hold owner"),
        (lambda t: t.update(sections=[]), "and sections"),
    ],
)
def test_a_register_that_does_not_fit_is_refused(change, told, tmp_path):
    register = yaml.safe_load(validation.REGISTRY.read_text("utf-8"))
    change(register)
    file = tmp_path / "validation.yml"
    file.write_text(yaml.safe_dump(register, allow_unicode=True), "utf-8")
    with pytest.raises(BankmineError, match=told):
        validation.load_register(file)


def test_the_funnel_counts_what_each_step_leaves_out():
    table = validation.funnel({"customers": 200, "present": 150, "outcome known": 150})
    assert table["left_out"].tolist() == [0, 50, 0]
    assert table["share"].tolist() == [1, 0.75, 0.75]
    with pytest.raises(BankmineError, match="grows at 'more'"):
        validation.funnel({"few": 1, "more": 2})
    assert validation.funnel({}).empty
    assert validation.funnel({"nobody": 0})["share"].isna().all()


FACTS = {"rows": 4000.0, "events": 120.0, "actions": 200.0, "auc": 0.85, "expected_events": 120.0, "precision": 0.3}


def limits(facts: dict[str, float], model: str = "churn"):
    return validation.monitoring_plan(model, facts).set_index("metric")


def test_limits_lie_around_what_the_model_does_today():
    table = limits(FACTS | {"score_psi": 0.004, "score_psi_above": 0.01})
    auc = table[table.index.str.startswith("Area")].iloc[0]
    assert 0.75 < auc["below"] < 0.85
    assert np.isnan(auc["above"])
    events = table[table.index.str.startswith("Events")].iloc[0]
    assert events["below"] < 120 < events["above"]
    assert stats.poisson.cdf(events["below"] - 1, 120) < 0.005
    assert table[table.index.str.startswith("Stability index of the score")].iloc[0]["above"] == 0.01
    assert table[table.index.str.startswith("Months")].iloc[0]["above"] == 12
    assert table[["cadence", "action", "owner"]].notna().all().all()


@pytest.mark.slow
@given(st.integers(2, 200), st.integers(2, 20))
def test_a_larger_month_has_tighter_limits(events, times):
    each = [
        {"rows": 30.0 * n, "events": n, "auc": 0.8, "expected_events": n}
        for n in (float(events), float(events * times))
    ]
    small, large = (validation.monitoring_plan("churn", facts, REGISTER).set_index("metric") for facts in each)
    below = [t[t.index.str.startswith("Area")].iloc[0]["below"] for t in (small, large)]
    assert below[0] < below[1] < 0.8
    above = [t[t.index.str.startswith("Events")].iloc[0]["above"] for t in (small, large)]
    assert above[0] / events >= above[1] / (events * times) - 1e-9


def test_what_is_not_known_has_no_limit_and_raises_no_alarm():
    table = limits({})
    fixed = table.index.str.startswith(("Months", "Largest"))
    assert table.loc[~fixed, ["now", "below", "above"]].isna().all().all()


@pytest.mark.parametrize("model", MODELS)
def test_every_kind_of_model_is_watched(model):
    assert len(validation.monitoring_plan(model, FACTS)) >= 5


def test_a_crossed_limit_is_told_with_the_limit_and_what_to_do():
    moved = {"events": 1e6, "missing_gain": 0.07, "missing_gain_of": "own payments"}
    plan = validation.monitoring_plan("churn", FACTS | moved)
    none = validation.monitoring_plan("churn", FACTS)
    told = validation.Validation(none, none, plan).crossed
    above = plan.set_index("metric")["above"].filter(like="Events").iloc[0]
    more = f"more events came than were foretold (1,000,000 a month, at most {above:,.3g}): calibrate by"
    assert more in told["which"]
    assert "values of own payments have gone missing (7%, at most 5%): repair" in told["which"]
    assert told["count"] == plan["status"].eq(validation.CROSSED).sum() >= 2


def test_events_that_come_together_have_wider_limits():
    alone, four = (
        limits(FACTS | {"events_together": n}).filter(like="Events", axis=0)[["below", "above"]].iloc[0] for n in (1, 4)
    )
    width = np.diff(four)[0] / np.diff(alone)[0]
    assert 1.7 < width < 2.3  # the square root of four, but for whole numbers
    rows = Sample(
        pd.DataFrame(index=range(6)),
        pd.Series([1.0, 1, 1, 0, 1, 1]),
        pd.Series(["a", "a", "b", "b", "c", "c"]),
        pd.to_datetime(pd.Series(["2025-01-03", "2025-01-09", *["2025-01-04"] * 2, "2025-01-05", "2025-02-05"])),
    )
    assert validation._together(rows, monthly=True) == (4 + 1 + 1 + 1) / 5
    assert validation._together(rows, monthly=False) == (4 + 1 + 4) / 5


def test_where_none_at_all_may_be_chance_there_is_no_limit():
    few = limits(FACTS | {"actions": 12, "precision": 0.08}).filter(like="Share of events", axis=0).iloc[0]
    assert np.isnan(few["below"])
    assert few["status"] == validation.NO_LIMIT
    many = limits(FACTS | {"actions": 400, "precision": 0.08}).filter(like="Share of events", axis=0).iloc[0]
    assert 0 < many["below"] < 0.08


def test_what_the_newest_list_found_is_held_against_what_lists_found_before():
    usual = FACTS | {"actions": 400, "precision": 0.3, "precision_now": 0.29}
    fewer = usual | {"precision_now": 0.2}
    within, crossed = (limits(f).filter(like="Share of events", axis=0).iloc[0] for f in (usual, fewer))
    assert [within["status"], crossed["status"]] == [validation.WITHIN, validation.CROSSED]
    assert within["below"] == crossed["below"] == stats.binom.ppf(0.01, 400, 0.3) / 400
    in_fours = limits(usual | {"actions_together": 4.0}).filter(like="Share of events", axis=0).iloc[0]
    assert in_fours["below"] == stats.binom.ppf(0.01, 100, 0.3) / 100 < within["below"]


def test_so_few_events_are_foretold_that_none_would_be_no_alarm():
    few = limits(FACTS | {"expected_events": 2.0, "events": 0.0}).filter(like="Events", axis=0).iloc[0]
    assert np.isnan(few["below"])
    assert few["above"] > 2


def test_newest_are_four_weeks_before_which_others_were_judged():
    days = pd.Series(pd.to_datetime(["2025-10-01", "2025-11-03", "2025-11-04", "2025-12-01"]))
    told = pd.DataFrame({"m": [0.1, 0.2, 0.3, 0.4]})
    parts = pd.DataFrame(index=days.index), pd.Series([0.0, 1.0, 0.0, 1.0]), pd.Series(list("abcd"))
    judged = Judged(Sample(*parts, days), told, "m", "m")
    assert judged.newest.tolist() == [False, False, True, True]
    assert judged.auc_of(judged.newest) == 1.0
    month_ends = pd.Series(pd.to_datetime(["2025-01-31", "2025-01-31", "2025-02-28", "2025-02-28"]))
    assert Judged(Sample(*parts, month_ends), told, "m", "m").newest.tolist() == [False, False, True, True]
    for day in (None, pd.Series(days[3], days.index)):
        assert not Judged(Sample(*parts, day), told, "m", "m").newest.any()


def test_what_a_crossed_limit_holds_waits_for_its_owner():
    own = FACTS | {"adverse_impact": 0.6, "adverse_impact_below": 0.8, "missing_gain": 0.01}
    none = validation.monitoring_plan("credit", own | {"adverse_impact": 0.9})
    plan = validation.monitoring_plan("credit", own)
    both = validation.monitoring_plan("credit", own | {"missing_gain": 0.07})
    found = [validation.Validation(none, none, told) for told in (none, plan, both)]
    assert [v.holding(validation.HOLDS_ADVERSE) for v in found] == [[], ["compliance"], ["compliance"]]
    assert [v.holding(validation.HOLDS_ALL) for v in found] == [[], [], ["data owner"]]


def test_an_assumption_that_is_varied_only_is_no_evidence():
    given = {"reject_inference": validation.Varied("by assumption")}
    row = validation.assumption_table("credit", given).set_index("checked in").filter(like="reject", axis=0).iloc[0]
    assert row["status"] == validation.VARIED
    row = (
        validation.validation_table("credit", given)
        .set_index("question")
        .loc["What of those whose outcome was never seen, as they were refused?"]
    )
    assert row["status"] == validation.VARIED


def test_every_limit_that_can_be_crossed_says_what_is_wrong():
    watched = validation.load_register().monitoring
    one_sided = {"auc": "too_low", "share": "too_low", "fixed": "too_high"}
    assert all(getattr(w, one_sided[w.limit]) for w in watched if w.limit in one_sided)
    assert all(w.too_low or w.too_high for w in watched)
    assert all(w.unit for w in watched)


def test_what_was_right_without_exception_has_a_limit_that_one_case_does_not_cross():
    plan = validation.monitoring_plan("churn", FACTS | {"auc": 1.0, "precision": 1.0}).set_index("metric")
    lowest = plan.loc[plan["now"] == 1, "below"]
    assert len(lowest) == 2
    assert (lowest < 1 - 1 / FACTS["actions"]).all()
    assert (lowest > 0.8).all()
