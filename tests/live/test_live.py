"""Answers to messages: whatever a line holds, the next one is answered as if it had not been there."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from live_stream import BEGIN, NOW

from bankmine.errors import BankmineError
from bankmine.live.command import answer_all
from bankmine.live.ledger import open_ledger
from bankmine.live.lines import LONGEST, numbered
from bankmine.live.memory import KEPT_DAYS, restore, tidy
from bankmine.live.scorer import Scorer
from bankmine.topics.fraud.measures import DAY

SECRET = "<script>alert('王小明 4111111111111111')</script>"


@pytest.fixture
def ledger(stream, tmp_path):
    opened = open_ledger(stream.ledger(tmp_path))
    yield opened
    opened.close()


def answers(stream, ledger, lines: list[str | bytes], now: int = NOW) -> list[dict]:
    """Answer lines in this process."""
    given = b"\n".join(line.encode() if isinstance(line, str) else line for line in lines)
    out = io.BytesIO()
    answer_all(Scorer(ledger, stream.model, lambda: now), io.BytesIO(given), out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def altered(line: str, **parts: object) -> str:
    return json.dumps(json.loads(line) | parts, ensure_ascii=False)


def without(line: str, name: str) -> str:
    return json.dumps({key: value for key, value in json.loads(line).items() if key != name})


HOSTILE = {
    "no JSON": (lambda line: SECRET, "the line is no JSON"),
    "half a line": (lambda line: line[:60], "the line is no JSON"),
    "no object": (lambda line: f"[{line}]", "the line is no JSON object"),
    "not UTF-8": (lambda line: line.encode("utf-16"), "the line is no JSON in UTF-8"),
    "too deep": (lambda line: "[" * 30_000, "the line is no JSON"),
    "ten megabytes": (lambda line: altered(line, kind="x" * 10_000_000), "the line is too long"),
    "no id": (lambda line: without(line, "transaction_id"), "transaction_id is missing"),
    "empty id": (lambda line: altered(line, transaction_id=""), "transaction_id is missing"),
    "long id": (lambda line: altered(line, transaction_id="1" * 201), "transaction_id is longer than 200"),
    "half a character": (lambda line: line.replace("T0", "\\ud800", 1), "transaction_id holds half a character"),
    "id that is a list": (lambda line: altered(line, transaction_id=[SECRET]), "transaction_id is no text"),
    "no account": (lambda line: without(line, "account_id"), "account_id is missing"),
    "unknown account": (lambda line: altered(line, account_id=SECRET, transaction_id="n"), "account_id is not known"),
    "other customer": (lambda line: altered(line, customer_id=SECRET, transaction_id="n"), "belongs to another"),
    "no time": (lambda line: without(line, "at"), "at is missing"),
    "odd time": (lambda line: altered(line, at=SECRET), "at is no time"),
    "time with offset": (lambda line: altered(line, at="2025-12-01T10:00:00+08:00"), "at has an offset"),
    "future": (lambda line: altered(line, at="2099-01-01T00:00:00", transaction_id="n"), "at lies in the future"),
    "clock going back": (
        lambda line: altered(line, at="2025-11-25T00:00:00", transaction_id="n"),
        "at is more than a day before",
    ),
    "no amount": (lambda line: without(line, "amount"), "amount is missing"),
    "negative amount": (lambda line: altered(line, amount=-4111), "amount is not above zero"),
    "zero": (lambda line: altered(line, amount=0), "amount is not above zero"),
    "amount as text": (lambda line: altered(line, amount=SECRET), "amount is no number"),
    "amount that is true": (lambda line: altered(line, amount=True), "amount is no number"),
    "no number": (lambda line: altered(line, amount=float("nan")), "the line is no JSON"),
    "endless amount": (lambda line: line.replace('"amount": ', '"amount": 1e400, "n": '), "amount is too large"),
    "amount of digits": (lambda line: line.replace('"amount": ', '"amount": 1' + "0" * 400 + ', "n": '), "too large"),
    "absurd amount": (lambda line: altered(line, amount=1e13), "amount is too large"),
    "odd direction": (lambda line: altered(line, direction=SECRET), "direction is neither in nor out"),
    "no kind": (lambda line: without(line, "kind"), "kind is missing"),
    "other content": (lambda line: altered(line, amount=4111.0), "transaction_id has come before"),
    "label of nothing": (
        lambda line: json.dumps({"transaction_id": SECRET, "is_fraud": True, "fraud_known_on": "2025-12-01"}),
        "transaction_id of the label is not known",
    ),
    "label without a day": (lambda line: '{"transaction_id": "T", "is_fraud": true}', "fraud_known_on is missing"),
    "odd label": (lambda line: '{"transaction_id": "T", "is_fraud": "yes"}', "is_fraud is neither"),
}


def test_hostile_lines_are_told_and_do_nothing_else(stream, ledger, tmp_path):
    good = [line for line in stream.lines if "amount" in line][:6]
    mixed = [*good[:3], *(made(good[2]) for made, _ in HOSTILE.values()), "", "  ", *good[3:]]
    found = answers(stream, ledger, mixed)
    told = dict(zip(HOSTILE, found[3:-3], strict=True))
    for place, (name, (_, words)) in enumerate(HOSTILE.items()):
        assert words in told[name]["error"], name
        assert told[name] == {"error": told[name]["error"], "line": 4 + place}
        assert not {"script", "王", "4111"} & set(told[name]["error"].split())
    (tmp_path / "other").mkdir()
    alone = open_ledger(stream.ledger(tmp_path / "other"))
    assert found[:3] + found[-3:] == answers(stream, alone, good)
    assert ledger.rows("SELECT * FROM transactions") == alone.rows("SELECT * FROM transactions")
    alone.close()


def test_scores_are_those_of_the_batch(stream, ledger):
    found = answers(stream, ledger, stream.lines[:1500])
    assert all("error" not in one for one in found)
    judged = [one for one in found if "score" in one]
    fitted = stream.fitted.predict_proba(stream.predictors.iloc[: len(judged)])[:, 1].astype(float)
    expected = fitted * 0.5 / (1 - fitted + fitted * 0.5)
    assert [one["score"] for one in judged] == pytest.approx(expected.tolist(), abs=1e-6)
    assert [one["transaction_id"] for one in judged] == [t.transaction_id for t in stream.transactions[: len(judged)]]
    assert any(one["alert"] for one in judged)
    assert all(one["reasons"] for one in judged if one["alert"])
    assert sum("label" in one for one in found) > 5


def test_what_is_sent_again_is_answered_alike_and_counted_once(stream, ledger):
    lines = stream.lines[:300]
    once = answers(stream, ledger, lines)
    held = ledger.rows("SELECT count(*) FROM transactions"), len(restore(ledger, stream.model.specification))
    assert answers(stream, ledger, [*lines[100:], *lines[100:]]) == once[100:] * 2
    assert held == (ledger.rows("SELECT count(*) FROM transactions"), len(restore(ledger, stream.model.specification)))


def test_one_that_the_warm_up_had_is_judged_but_not_counted_again(stream, ledger):
    """The last of November arrive once more, as where a stream begins before the warm-up ended."""
    known = ledger.rows("SELECT transaction_id, account, at, amount FROM transactions ORDER BY at DESC LIMIT 1")[0]
    line = {"transaction_id": known[0], "account_id": known[1], "amount": known[3], "direction": "out", "kind": "card"}
    moment = str(np.datetime64(known[2], "us"))
    before = ledger.rows("SELECT count(*) FROM transactions")
    first, again = answers(stream, ledger, [json.dumps(line | {"at": moment})] * 2)
    assert first == again
    assert "score" in first
    assert ledger.rows("SELECT count(*) FROM transactions") == before


def test_late_ones_are_measured_at_their_own_moment(stream, ledger, tmp_path):
    """A transaction a few hours late is judged by what came before it, as if it had been in time."""
    lines = [line for line in stream.lines if "amount" in line][:200]
    (tmp_path / "other").mkdir()
    other = open_ledger(stream.ledger(tmp_path / "other"))
    late = answers(stream, ledger, [*lines[:50], *lines[51:], lines[50]])[-1]
    in_time = answers(stream, other, lines)[50]
    assert late.pop("late_seconds") > 0
    assert late == in_time
    states = restore(ledger, stream.model.specification), restore(other, stream.model.specification)
    one, two = (state.measures(stream.transactions[300]) for state in states)
    assert {name: repr(values) for name, values in one.items()} == {name: repr(values) for name, values in two.items()}
    other.close()


def test_incoming_money_is_not_judged_and_new_accounts_are_learnt(stream, ledger):
    line = altered(next(line for line in stream.lines if "amount" in line), transaction_id="n1")
    new = altered(line, account_id="new ÿ", customer_id="new", product="current")
    found = answers(stream, ledger, [altered(line, direction="in"), new, altered(new, transaction_id="n2")])
    assert found[0] == {"transaction_id": "n1", "judged": False}
    assert found[1]["score"] >= 0
    assert ledger.owner("new ÿ") == ("new", "current")
    assert found[2]["transaction_id"] == "n2"


def test_labels_can_be_corrected(stream, ledger):
    line = next(line for line in stream.lines if '"merchant_id": "' in line)
    t = json.loads(line)
    label = {"transaction_id": t["transaction_id"], "is_fraud": True, "fraud_known_on": "2025-12-02"}
    specification = stream.model.specification

    def frauds() -> list[float]:
        later = next(
            one for one in stream.transactions if one.merchant == t["merchant_id"] and one.at > BEGIN + 3 * DAY
        )
        measured = restore(ledger, specification).measures(later)
        return [float(measured[f"merchant_frauds_known_{w}d"][0]) for w in (7, 30)]

    answers(stream, ledger, [line])
    before = frauds()
    assert (
        answers(stream, ledger, [json.dumps(label)] * 2) == [{"transaction_id": t["transaction_id"], "label": True}] * 2
    )
    assert frauds() == [n + 1 for n in before]
    answers(stream, ledger, [json.dumps(label | {"is_fraud": False})])
    assert frauds() == before


def test_memory_and_ledger_forget_what_no_window_reaches(stream, ledger):
    state = restore(ledger, stream.model.specification)
    held = len(state)
    with ledger.commit():
        for round in range(12):
            for t in stream.transactions[:2000]:
                state.add(type(t)(**{f: getattr(t, f) for f in t.__slots__} | {"at": t.at + round * 40 * DAY}))
    assert len(state) < held
    rows = "SELECT count(*) FROM transactions WHERE at < (SELECT max(at) FROM transactions) - ?"
    with ledger.commit():
        old = stream.transactions[0]
        ledger.add(type(old)(f"far {whose}", old.at + 400 * DAY, 1.0, whose) for whose in ("somebody", "another"))
    (stale,) = ledger.rows(rows, KEPT_DAYS * DAY)[0]
    last = dict(ledger.rows("SELECT customer, max(at) FROM transactions GROUP BY customer"))
    tidy(ledger)
    (left,) = ledger.rows(rows, KEPT_DAYS * DAY)[0]
    assert left < stale / 3
    assert dict(ledger.rows("SELECT customer, max(at) FROM transactions GROUP BY customer")) == last


def test_one_customer_who_is_ahead_makes_no_other_late_also_after_a_restart(stream, ledger):
    state, next_one = restore(ledger, stream.model.specification), stream.transactions[0]
    (latest,) = ledger.rows("SELECT max(at) FROM transactions")[0]
    ahead = replace(next_one, transaction_id="ahead", at=latest + 90 * DAY, customer="whose clock is wrong")
    with ledger.commit():
        ledger.add([ahead], "{}")
        state.add(ahead)
    again = restore(ledger, stream.model.specification)
    assert state.newest == again.newest == latest
    assert state.earliest < next_one.at
    for name, value in state.measures(next_one).items():
        np.testing.assert_array_equal(again.measures(next_one)[name], value, name)
    with ledger.commit():
        state.add(replace(ahead, transaction_id="too", at=ahead.at - DAY, customer="another"))
    assert state.earliest > next_one.at  # of two it is believed


def test_one_process_at_a_time_and_no_other_file(stream, ledger, tmp_path):
    with pytest.raises(BankmineError, match="Another process is using the state"):
        open_ledger(tmp_path / "state.sqlite")
    (tmp_path / "odd.sqlite").write_text("no database" * 1000)
    with pytest.raises(BankmineError, match="cannot be used"):
        open_ledger(tmp_path / "odd.sqlite")
    with pytest.raises(BankmineError, match="cannot be used"):
        open_ledger(tmp_path)


def test_lines_are_counted_and_long_ones_passed_over():
    given = b"a\n\n" + b"x" * (3 * LONGEST) + b"\n" + b"y" * LONGEST + b"\nlast"
    found = list(numbered(io.BytesIO(given)))
    assert [number for number, _ in found] == [1, 3, 4, 5]
    assert [line and line[:4] for _, line in found] == [b"a", None, b"yyyy", b"last"]
