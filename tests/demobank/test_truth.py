"""The scoreboard's measures: right on what is known, and their intervals hold what they say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score, roc_auc_score

from bankmine.bank.sources import Source, find_source
from bankmine.errors import BankmineError
from demobank import generate
from demobank.scoreboard import truth
from demobank.scoreboard.board import Board
from demobank.scoreboard.truth import Measure, Score

RNG = np.random.default_rng(5)


@given(hits=st.integers(0, 400), misses=st.integers(0, 400))
def test_a_share_lies_within_its_interval_and_in_zero_to_one(hits, misses):
    found = truth.share(hits, hits + misses)
    if hits + misses:
        assert 0 <= found.low <= found.value <= found.high <= 1
        assert found.value == hits / (hits + misses)
    else:
        assert np.isnan(found.value)


def test_recall_and_precision_count_keys_once():
    assert truth.recall(["a", "b", "b", "x"], ["a", "b", "c"]).value == pytest.approx(2 / 3)
    assert truth.precision(["a", "b", "b", "x", "y"], ["a", "b", "c"]).value == 0.5
    assert np.isnan(truth.precision([], ["a"]).value)
    assert truth.recall([], ["a"]).value == 0


def test_captured_weighs_by_value():
    found = truth.captured(np.array([90.0, 5.0, 5.0] * 50), np.array([True, False, False] * 50))
    assert found.value == pytest.approx(0.9)
    assert found.low < 0.9 < found.high


def test_rank_slope_and_calibration_know_the_perfect_and_the_useless():
    true = RNG.uniform(0.01, 0.4, 500)
    assert truth.rank(true**3, true).value == pytest.approx(1)
    assert abs(truth.rank(RNG.permutation(true), true).value) < 0.15
    assert truth.calibration(2 * true, true).value == pytest.approx(2)
    assert truth.slope(2 * true, true).value == pytest.approx(0.5)
    noisy = truth.slope(true + RNG.normal(0, 0.2, 500), true)
    assert noisy.high < 0.6


@pytest.mark.slow
def test_separation_is_a_share_of_what_the_best_score_does():
    true = RNG.uniform(0.01, 0.6, (400, 3))
    event = np.where(RNG.random(true.shape) < 0.1, np.nan, RNG.random(true.shape) < true)
    assert truth.separation(true**3, true, event).value == pytest.approx(1)
    useless = truth.separation(RNG.permutation(true.ravel()).reshape(true.shape), true, event)
    assert useless.low < 0 < useless.high
    assert truth.separation(-true, true, event).value == pytest.approx(-1)
    score, known = true + RNG.normal(0, 0.2, true.shape), ~np.isnan(event)
    part = truth.separation(np.where(known, score, np.nan), true, event)
    above = [roc_auc_score(event[known], s[known]) - 0.5 for s in (score, true)]
    assert part.value == pytest.approx(above[0] / above[1])
    assert part.low < part.value < part.high < 1


@pytest.mark.slow
def test_agreement_ignores_the_names_of_groups():
    groups = RNG.integers(0, 4, 600)
    assert truth.agreement(np.array(list("dbca"))[groups], groups).value == 1
    by_chance = truth.agreement(RNG.permutation(groups), groups)
    assert by_chance.low < 0.01 < 0.02 + by_chance.high


def test_accuracy_and_kappa_are_those_of_scikit_learn_and_leave_out_the_unknown():
    true = RNG.integers(0, 4, (300, 3))
    told = np.where(RNG.random((300, 3)) < 0.6, true, RNG.integers(0, 4, (300, 3)))
    for measure, reference in ((truth.balanced, balanced_accuracy_score), (truth.kappa, cohen_kappa_score)):
        found = measure(told, true)
        assert found.value == pytest.approx(reference(true.ravel(), told.ravel()))
        assert found.low < found.value < found.high
        unknown = np.full((300, 2), -1)
        assert measure(np.hstack([told, unknown]), np.hstack([true, unknown])).value == pytest.approx(found.value)


def test_the_interval_of_a_difference_holds_the_truth_as_often_as_it_says():
    held = kept = 0
    for _ in range(400):
        found = truth.difference(RNG.normal(1.3, 2, 60), RNG.normal(1, 1, 90))
        held += found.low <= 0.3 <= found.high
        low, high = truth.around(0.3, found)
        kept += low <= found.value <= high
    assert 0.92 < held / 400 < 0.98
    assert kept >= 397


def test_a_biased_estimate_leaves_the_bounds():
    found = truth.difference(RNG.normal(2, 1, 500), RNG.normal(1, 1, 500))
    low, high = truth.around(0.5, found)
    assert not low <= found.value <= high


def score(value: float) -> Score:
    return Score("09_any", "something", "share found", Measure(value, value - 0.1, value + 0.1), (0.5, 1.0))


@pytest.mark.parametrize(("value", "passed"), [(0.5, True), (1.0, True), (0.49, False), (1.01, False), (np.nan, False)])
def test_a_score_passes_within_its_bounds_only(value, passed):
    assert score(value).passed is passed


@pytest.mark.parametrize(
    ("within", "room"),
    [((0.5, 1.0), 0.6), ((0.0, 1.0), np.nan), ((0.0, 0.9), 1 / 9), ((0.7, 0.9), 0.5), ((1.0, 1.0), np.nan)],
)
def test_room_is_the_distance_to_a_bound_that_can_be_missed(within, room):
    found = Score("09_any", "something", "share found", Measure(0.8, 0.7, 0.9), within).room
    assert found == pytest.approx(room, nan_ok=True)


def test_the_board_names_what_fails():
    scores = [score(0.7), score(0.2)]
    board = truth.scoreboard(scores)
    assert board["result"].tolist() == ["pass", "FAIL"]
    assert board.loc[1, ["value", "low", "high", "at_least", "at_most"]].tolist() == pytest.approx(
        [0.2, 0.1, 0.3, 0.5, 1]
    )
    assert board.loc[1, ["estimate", "bounds"]].tolist() == ["0.200 (0.100 to 0.300)", "0.5 to 1"]
    with pytest.raises(BankmineError, match=r"^1 of 2 scores fail: 09_any: something \(share found 0\.2\)\.$"):
        truth.require_passed(scores)
    truth.require_passed(scores[:1])


def test_a_bank_without_truth_is_refused(tmp_path):
    with pytest.raises(BankmineError, match="give a demo bank"):
        truth.Truth(Source(name="berka", folder=tmp_path, data=tmp_path, title="Berka"))


@pytest.mark.slow
def test_the_truth_is_read_by_table_and_constant(tmp_path):
    source = find_source(str(generate(tmp_path / "bank", customers=5, months=1)))
    told = truth.Truth(source)
    assert len(told.table("customers")) == 5
    assert told.constant("churn.paper_statements_log_hazard") == 0
    with pytest.raises(BankmineError, match="lacks nothing: make the demo bank anew"):
        told.table("nothing")
    assert isinstance(told.table("months"), pd.DataFrame)


def test_days_are_not_drawn_on_the_axis_of_shares():
    board = Board.__new__(Board)
    vars(board)["rows"] = truth.scoreboard([
        truth.Score("a", "a share", "share found", truth.Measure(0.5, 0.4, 0.6), (0, 1)),
        truth.Score("a", "a wait", "days until seen", truth.Measure(24, 14, 34), (0, 100), "days"),
    ])  # fmt: skip
    shares, days = board.chart.figure.axes
    assert [shares.get_xlabel(), days.get_xlabel()] == ["share, correlation or multiple", "days"]
    assert shares.get_xlim()[1] < 1.5 < 90 < days.get_xlim()[1]
