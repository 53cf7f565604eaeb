"""Answers to messages: whatever a line holds, the next one is answered as if it had not been there."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from live_stream import BEGIN, NOW, take

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
    """A transaction of a few hours before another of its account is judged by what came before, as if in time."""
    lines = [line for line in stream.lines if "amount" in line][:1000]
    accounts = [json.loads(line)["account_id"] for line in lines]
    which = next(i for i, account in enumerate(accounts) if i >= 50 and account in accounts[i + 1 : i + 200])
    (tmp_path / "other").mkdir()
    other = open_ledger(stream.ledger(tmp_path / "other"))
    lines = lines[: which + 200]
    late = answers(stream, ledger, [*lines[:which], *lines[which + 1 :], lines[which]])[-1]
    in_time = answers(stream, other, lines)[which]
    assert late.pop("late_seconds") > 0
    assert late == in_time
    states = restore(ledger, stream.model.specification), restore(other, stream.model.specification)
    one, two = (state.measures(stream.transactions[1100]) for state in states)
    assert {name: repr(values) for name, values in one.items()} == {name: repr(values) for name, values in two.items()}
    other.close()


def test_one_account_that_is_ahead_makes_no_other_late(stream, ledger, tmp_path):
    """Its clock tells ten minutes after now, the others are weeks behind: they are answered as if it were not there."""
    lines = [line for line in stream.lines if "amount" in line][:300]
    ahead = altered(lines[0], at=str(np.datetime64(NOW, "us") + np.timedelta64(10, "m")), transaction_id="ahead")
    own = {i for i, line in enumerate(lines) if json.loads(line)["account_id"] == json.loads(ahead)["account_id"]}
    (tmp_path / "other").mkdir()
    other = open_ledger(stream.ledger(tmp_path / "other"))
    first, *found = answers(stream, ledger, [ahead, *lines[1:]])
    assert "score" in first
    for i, (one, alone) in enumerate(zip(found, answers(stream, other, lines[1:]), strict=True), 1):
        assert ("error" in one) if i in own else (one == alone), (i, one)
    assert len(own) > 1
    other.close()


def test_an_account_that_was_quiet_may_be_weeks_late_but_not_forgotten(stream, ledger):
    line = next(line for line in stream.lines if "amount" in line)
    old, gone = (
        altered(line, at=f"2025-{month:02}-01T10:00:00", transaction_id=str(month), account_id=who, customer_id=who)
        for month, who in ((9, "new"), (3, "newer"))
    )
    weeks, months = answers(stream, ledger, [old, gone])
    assert "late_seconds" not in weeks
    assert "score" in weeks
    assert "what came before it is forgotten" in months["error"]


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
    held = []
    for round in range(6):
        for t in stream.transactions[:2000]:
            later = replace(t, at=t.at + round * 40 * DAY, transaction_id=f"{t.transaction_id} {round}")
            state.measures(later)
            take(ledger, state, later)
        held.append(len(state))
    assert max(held[1:]) < held[0]
    rows = "SELECT count(*) FROM transactions WHERE at < (SELECT max(at) FROM transactions) - ?"
    late = replace(stream.transactions[-1], at=later.at + 400 * DAY, transaction_id="far", customer="somebody")
    take(ledger, state, late)
    asked = [replace(t, at=late.at - DAY) for t in stream.transactions[:2000]]
    before = [repr(state.measures(t)) for t in asked]
    assert ledger.rows(rows, KEPT_DAYS * DAY) > [(12_000,)]
    tidy(ledger)
    assert ledger.rows(rows, KEPT_DAYS * DAY) == [(0,)]
    assert [repr(restore(ledger, stream.model.specification).measures(t)) for t in asked[:200]] == before[:200]
    again = restore(ledger, stream.model.specification)
    assert [repr(again.measures(t)) for t in asked] == before


def test_lines_are_counted_and_long_ones_passed_over():
    given = b"a\n\n" + b"x" * (3 * LONGEST) + b"\n" + b"y" * LONGEST + b"\nlast"
    found = list(numbered(io.BytesIO(given)))
    assert [number for number, _ in found] == [1, 3, 4, 5]
    assert [line and line[:4] for _, line in found] == [b"a", None, b"yyyy", b"last"]
