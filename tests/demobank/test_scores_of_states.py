"""Scores of behaviour: the truth under other names passes, and what is drawn at random does not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bankmine.bank.snapshot import open_source
from demobank.scoreboard.behaviour import states
from demobank.scoreboard.truth import Truth

pytestmark = pytest.mark.slow


def test_the_truth_under_other_names_is_recognised_and_chance_is_not(small_bank):
    truth = Truth(open_source(str(small_bank)).source)
    sessions = truth.table("sessions")
    told = sessions.assign(state="S" + sessions["state"])
    after = told["state"].where(told["customer_id"] == told["customer_id"].shift(-1)).shift(-1)
    moves = pd.crosstab(told["state"], after, normalize="index")
    moves = moves.rename_axis("from").rename_axis("to", axis=1).stack().rename("share").reset_index()
    same, worst, number = states(truth, told, moves)
    assert same.measure.value == 1
    assert worst.passed
    assert number.passed
    drawn = told.assign(state=np.random.default_rng(0).permutation(told["state"]))
    assert not states(truth, drawn, moves)[0].passed
    assert not states(truth, told, moves.assign(share=0.25))[1].passed
