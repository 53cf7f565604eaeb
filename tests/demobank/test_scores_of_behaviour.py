"""Scores of behaviour: they tell chances that follow what sessions were for from those that do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from bankmine.bank.snapshot import open_source
from bankmine.topics.behaviour.next_step import next_step
from demobank.scoreboard import behaviour
from demobank.scoreboard.truth import Truth

pytestmark = pytest.mark.slow


def test_chances_follow_what_the_last_session_was_for_and_a_flat_chance_does_not(small_bank: Path):
    snapshot = open_source(str(small_bank)).as_of("2025-12-31")
    judged = next_step(snapshot).files()["behaviour_next_judged"].reset_index()
    flat = judged.assign(chance_logistic=judged["chance_logistic"].mean())
    scored = [behaviour.next_step(Truth(snapshot.source), snapshot, rows)[0] for rows in (judged, flat)]
    assert [score.passed for score in scored] == [True, False]
