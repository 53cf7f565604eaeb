"""Findings: a sentence, its numbers, and nothing that a customer's name can change about either."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_notebook, new_output

from bankmine.lacking import Lacking
from bankmine.report.findings import MIME, bundle, collect, finding, findings, printable

# Random letters seldom make markup; these do.
PIECES = ["<", ">", "&", "&lt;", "<b>", "</p>", "<script>", "<!--", "]]>", '"', "'", "{", "}", "\0", "\r\n", " ", "x"]
ANY_TEXT = st.text() | st.lists(st.sampled_from(PIECES)).map("".join)


@pytest.fixture
def displayed(monkeypatch):
    """Run a call and return what it gives to Jupyter to display; None where that is nothing."""
    shown = []
    monkeypatch.setattr("bankmine.report.findings.display", lambda data, raw: shown.append(data))

    def run(call) -> dict | None:
        shown.clear()
        call()
        return shown[0] if shown else None

    return run


def record(template, **values):
    return bundle(template, id="churn.xgboost.auc", **values)[MIME]


def test_sentence_values_and_formats():
    shown = bundle(
        "Top {share:.0%} of {n:,} hold {lift:.1f}×.", id="churn.lift_10", headline=True, share=0.1, n=12_345, lift=3.14
    )
    assert shown["text/plain"] == "Top 10% of 12,345 hold 3.1×."
    assert shown[MIME] == {
        "id": "churn.lift_10",
        "text": "Top 10% of 12,345 hold 3.1×.",
        "values": {"share": 0.1, "n": 12_345, "lift": 3.14},
        "formats": {"share": ".0%", "n": ",", "lift": ".1f"},
        "headline": True,
        "alert": False,
    }


def test_each_of_several_things_has_an_id_of_its_own(monkeypatch):
    shown = []
    monkeypatch.setattr("bankmine.report.findings.display", lambda data, raw: shown.append(data[MIME]))
    names = ["Spring 2025", "spring-2025", "春季活动", "秋季", "<b>", "t_learner", "a.b"]
    findings("{name}: {n}.", {name: {"name": name, "n": i, "more": 1} for i, name in enumerate(names)}, id="campaign")
    assert [one["id"] for one in shown] == [
        "campaign.spring_2025", "campaign.spring_20252", "campaign._3", "campaign._4", "campaign._b_",
        "campaign.t_learner", "campaign.a_b",
    ]  # fmt: skip
    assert [one["values"]["n"] for one in shown] == list(range(len(names)))
    shown.clear()
    findings("{name}", Lacking("no campaign"), id="campaign.all")
    assert [one["text"] for one in shown] == ["Not told: no campaign"]


@pytest.mark.parametrize(
    "id", ["churn", "Churn.auc", "churn.a.b.c", "churn.", ".auc", "churn auc.x", "churn.ä", "a.b\n"]
)
def test_malformed_ids_are_refused(id):
    with pytest.raises(ValueError, match="expected <report>"):
        bundle("x", id=id)


@pytest.mark.parametrize(
    ("template", "values", "message"),
    [
        ("{auc:.2f}", {}, r"names \{auc\}, given are no values"),
        ("{}", {"auc": 1}, "given are auc"),
        ("{who.__class__}", {"who": "x"}, "given are who"),
        ("{auc:.1%}", {"auc": "high"}, "does not fit the format"),
        ("{auc!r}", {"auc": 1}, "plain format"),
        ("{auc:.{n}f}", {"auc": 1, "n": 1}, "plain format"),
    ],
)
def test_templates_that_do_not_fit_their_values_are_refused(template, values, message):
    with pytest.raises(ValueError, match=message):
        record(template, **values)


def test_a_table_is_no_value():
    with pytest.raises(TypeError, match="takes numbers, strings and dates"):
        record("x", frame=pd.DataFrame())


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.datetime64("2025-12-31", "ns"), "2025-12-31T00:00:00"),
        (dt.date(2025, 12, 31), "2025-12-31"),
        (pd.Timestamp("2025-12-31"), "2025-12-31T00:00:00"),
    ],
)
def test_scalars_become_json(value, kept):
    found = record("{x}", x=value)["values"]["x"]
    assert found == kept
    assert type(found) is type(kept)


@pytest.mark.parametrize("missing", [None, np.nan, float("inf"), -np.inf, pd.NA, pd.NaT, np.datetime64("NaT")])
def test_what_is_missing_reads_n_a(missing):
    found = record("It is {x:.1%}.", x=missing)
    assert (found["text"], found["values"]) == ("It is n/a.", {"x": None})


@pytest.mark.property
@given(name=ANY_TEXT, sentence=ANY_TEXT)
def test_any_text_stays_text(name, sentence):
    escaped = sentence.replace("{", "{{").replace("}", "}}")
    shown = bundle(f"{escaped}|{{name}}", id="a.b", name=name)
    expected = f"{printable(sentence)}|{printable(name)}"
    soup = BeautifulSoup(f"<pre>{shown['text/html']}</pre>", "html.parser")  # keeps white space as it is
    assert soup.p.get_text() == shown[MIME]["text"] == expected
    assert {tag.name for tag in soup.find_all()} <= {"pre", "p", "bdi"}
    assert shown[MIME]["text"].encode()  # no lone surrogate, which no file could hold


def test_alerts_are_marked_by_a_word():
    assert bundle("Stop.", id="a.b", alert=True)["text/plain"] == "▲ Alert: Stop."


def test_findings_are_collected_in_order_from_outputs_that_hold_other_things_too():
    def output(data):
        return new_output("display_data", data=data)

    first, second = bundle("{x}", id="a.one", x=1), bundle("{x} {who}", id="a.two", x=float("nan"), who="王")
    other = output({"application/vnd.bankmine.source+json": {"name": "demo"}, "text/plain": "demo"})
    cells = [new_code_cell(outputs=[output(first), other]), new_code_cell(outputs=[output(second)])]
    collected = collect(new_notebook(cells=[*cells, new_code_cell(outputs=[new_output("stream", text="x")])]))
    assert [found["id"] for found in collected] == ["a.one", "a.two"]
    assert collected[1]["values"] == {"x": None, "who": "王"}


def test_facts_are_told_by_name_and_what_the_sentence_does_not_name_is_left_out(displayed):
    shown = displayed(lambda: finding("{share:.0%} left", pd.Series({"share": 0.25, "low": 0.2}), id="churn.rate"))
    assert shown["text/plain"] == "25% left"
    assert shown[MIME]["values"] == {"share": 0.25}


def test_a_finding_that_is_lacking_says_why_and_asks_nobody_to_act(displayed):
    for told in ({"facts": Lacking("no <b>costs</b>")}, {"share": Lacking("no <b>costs</b>")}):
        shown = displayed(lambda t=told: finding("{share:.0%}", id="churn.profit", headline=True, alert=True, **t))
        record = {"text": "Not told: no <b>costs</b>", "values": {}, "formats": {}, "headline": True, "alert": False}
        assert shown[MIME] == {"id": "churn.profit"} | record
        assert "&lt;b&gt;costs" in shown["text/html"]


def test_where_there_is_nothing_to_say_nothing_is_shown(displayed):
    assert displayed(lambda: finding("No model: {why}", None, id="churn.no_model", alert=True)) is None
    with pytest.raises(ValueError, match=r"names \{why\}"):
        finding("No model: {why}", id="churn.no_model")  # a fact that was forgotten is no silence


@pytest.mark.parametrize(
    ("number", "told"), [(1, "1 payment is due"), (2, "2 payments are due"), (0, "0 payments are due")]
)
def test_words_follow_the_number(number, told):
    found = record("{n} {n:payment is|payments are} due", n=number)
    assert found["text"] == told
    assert found["values"] == {"n": number}
    assert found["formats"] == {"n": ""}


def test_a_value_and_its_limit_are_told_apart():
    told = bundle("{now:.1%} is above {limit:.1%} and {n:,.0f}.", id="x.limit", now=0.0304, limit=0.0299, n=3.0)
    assert told["text/plain"] == "3.04% is above 2.99% and 3."
    assert told[MIME]["formats"]["now"] == ".2%"
    same = bundle("{now:.1%} of {before:.1%}.", id="x.same", now=0.0301, before=0.0301)
    assert same["text/plain"] == "3.0% of 3.0%."
