"""Metrics equal scikit-learn's, also of resamples, and their intervals hold the truth as often as they say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import alike
from scipy import stats
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from bankmine.errors import BankmineError
from bankmine.judging.intervals import draws, interval
from bankmine.judging.ranking import against, by_day, figures, gains_curve, performance


@st.composite
def judged(draw):
    """Outcomes of both kinds, scores with many ties, and entities of several rows."""
    n = draw(st.integers(2, 60))
    outcome = draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=n, max_size=n).filter(lambda y: 0 < sum(y) < len(y)))
    score = draw(st.lists(st.sampled_from([-3.0, 0.0, 0.25, 0.5, 0.75, 1.0, 40.0]), min_size=n, max_size=n))
    return np.array(outcome), np.array(score), np.array(draw(st.lists(st.integers(0, 9), min_size=n, max_size=n)))


def values(table: pd.DataFrame, model: str, column: str = "value") -> pd.Series:
    return table[table.model == model].set_index("metric")[column]


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(judged(), st.integers(0, 3))
def test_metrics_of_every_resample_are_those_of_scikit_learn(rows, seed):
    outcome, score, entity = rows
    code = np.unique(entity, return_inverse=True)[1]
    counts = draws(code.max() + 1, 5, seed)
    found = figures(outcome, score, code, counts)
    for i, weight in enumerate(counts[code].T):
        if len(set(outcome[weight > 0])) < 2:
            assert np.isnan(found["auc"][i])
            continue
        assert found["auc"][i] == pytest.approx(roc_auc_score(outcome, score, sample_weight=weight))
        assert found["gini"][i] == pytest.approx(2 * found["auc"][i] - 1)
        assert found["average_precision"][i] == pytest.approx(
            average_precision_score(outcome, score, sample_weight=weight)
        )
        drawn = np.repeat(np.arange(len(outcome)), weight.astype(int))
        ks = stats.ks_2samp(score[drawn][outcome[drawn] == 1], score[drawn][outcome[drawn] == 0], method="asymp")
        assert found["ks"][i] == pytest.approx(ks.statistic)
        if score.min() >= 0 and score.max() <= 1:
            assert found["brier"][i] == pytest.approx(brier_score_loss(outcome, score, sample_weight=weight))
        else:
            assert np.isnan(found["brier"][i])


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(judged())
def test_lift_is_the_mean_over_the_orders_of_tied_rows(rows):
    outcome, score, entity = rows
    found = figures(outcome, score, entity, np.ones((entity.max() + 1, 1), np.float32))
    rng, n = np.random.default_rng(0), len(outcome)
    orders = [np.lexsort((rng.random(n), -score)) for _ in range(400)]
    reached = np.concatenate([[0], np.mean([np.cumsum(outcome[o]) for o in orders], axis=0)])
    close = 5 * np.sqrt(n) / 2 / np.sqrt(400)
    for share in (0.01, 0.05, 0.1, 0.2):
        caught = np.interp(share * n, np.arange(n + 1), reached)
        assert found[f"caught_{share * 100:g}"][0] == pytest.approx(caught / outcome.sum(), abs=close / outcome.sum())
        assert found[f"lift_{share * 100:g}"][0] == pytest.approx(found[f"caught_{share * 100:g}"][0] / share)


def test_figures_without_ties_are_plain_counts():
    target = pd.Series([1, 0, 1, 0, 0, 1, 0, 0, 0, 0], dtype=float)
    found = values(performance(target, pd.DataFrame({"m": -np.arange(10.0)}), pd.Series(range(10))), "m")
    assert found["caught_10"] == pytest.approx(1 / 3)
    assert found["lift_20"] == pytest.approx(0.5 / 0.3)


def test_models_are_matched_to_outcomes_by_index():
    rows = alike(200)
    straight = performance(rows.target, rows[["score"]], rows.entity)
    mixed = rows.sample(frac=1, random_state=1)
    again = performance(rows.target, mixed[["score"]], mixed.entity.sort_values(ascending=False))
    pd.testing.assert_frame_equal(again, straight)


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say():
    everyone = alike(200_000, seed=99)
    wanted = ["auc", "average_precision", "ks", "brier", "lift_5", "caught_20"]
    scores = everyone[["probability"]]
    truth = values(performance(everyone.target, scores, everyone.entity, rounds=0), "probability")[wanted]
    hits, repeats = 0, 150
    for seed in range(repeats):
        rows = alike(900, seed)
        found = performance(rows.target, rows[["probability"]], rows.entity, rounds=200, seed=seed)
        low, high = (values(found, "probability", side)[wanted] for side in ("low", "high"))
        hits += ((low <= truth) & (truth <= high)).to_numpy()
    assert (hits / repeats > 0.89).all()
    assert (hits / repeats <= 0.995).all()
    assert hits.mean() / repeats == pytest.approx(0.945, abs=0.02)


def test_rows_of_one_entity_say_less_than_rows_of_many():
    rows = alike(300)
    copies = pd.concat([rows] * 4, ignore_index=True)
    once = values(performance(rows.target, rows[["score"]], rows.entity), "score", "low")["auc"]
    kept = values(performance(copies.target, copies[["score"]], copies.entity), "score", "low")["auc"]
    apart = values(performance(copies.target, copies[["score"]], pd.Series(copies.index)), "score", "low")["auc"]
    assert kept == pytest.approx(once)
    assert apart > kept + 0.01


def test_an_interval_moves_with_the_bias_of_its_resamples():
    rng = np.random.default_rng(0)
    rounds = rng.normal(size=4001)
    rounds[0] = 0.0
    low, high = interval(rounds[:, None])
    assert (low[0], high[0]) == (pytest.approx(-1.96, abs=0.15), pytest.approx(1.96, abs=0.15))
    rounds[1:] += 0.5
    low, high = interval(rounds[:, None])
    assert (low[0], high[0]) == (pytest.approx(-2.46, abs=0.2), pytest.approx(1.46, abs=0.15))
    unknown = interval(np.full((5, 1), np.nan))
    assert np.isnan(unknown).all()


def test_a_difference_is_told_more_narrowly_than_its_parts():
    rows = alike(1500, seed=4)
    rng = np.random.default_rng(0)
    scores = pd.DataFrame(
        {"good": rows.score, "worse": rows.score + 0.5 * rng.normal(size=len(rows)), "twin": rows.score}
    )
    parts = performance(rows.target, scores, rows.entity)
    found = against(rows.target, scores, "good", rows.entity).set_index(["model", "metric"])
    worse = found.loc[("worse", "auc")]
    assert worse.difference == pytest.approx(values(parts, "worse")["auc"] - values(parts, "good")["auc"])
    assert worse.high < 0
    width = values(parts, "worse", "high")["auc"] - values(parts, "worse", "low")["auc"]
    assert worse.high - worse.low < 0.8 * width
    assert (found.loc["twin"] == 0).all(axis=None)
    assert "good" not in found.index


def test_the_same_seed_gives_the_same_intervals_and_chunks_change_nothing(monkeypatch):
    rows = alike(300)
    first = performance(rows.target, rows[["score"]], rows.entity, seed=3)
    monkeypatch.setattr("bankmine.judging.ranking._CELLS", 5000)
    pd.testing.assert_frame_equal(performance(rows.target, rows[["score"]], rows.entity, seed=3), first)
    other = performance(rows.target, rows[["score"]], rows.entity, seed=4)
    assert other["value"].equals(first["value"])
    assert not other["low"].equals(first["low"])


@pytest.mark.parametrize("outcome", [0.0, 1.0])
def test_where_all_have_one_outcome_nothing_is_ranked(outcome):
    rows = alike(100)
    target = rows.target * 0 + outcome
    found = performance(target, rows[["probability"]], rows.entity)
    brier = found.metric == "brier"
    assert found.loc[~brier, ["value", "low", "high"]].isna().all(axis=None)
    assert found.loc[brier, ["value", "low", "high"]].notna().all(axis=None)
    assert against(target, rows[["probability", "score"]], "score", rows.entity)["difference"].isna().all()
    assert len(gains_curve(target, rows[["probability"]])) == 51


@pytest.mark.parametrize("target", [[0.0, np.nan], [0.0, 2.0], []])
def test_outcomes_that_are_not_known_are_refused(target):
    target = pd.Series(target, dtype=float)
    with pytest.raises(BankmineError, match="0 or 1"):
        performance(target, pd.DataFrame({"m": target}), target)


def test_a_missing_score_is_refused_by_name():
    target = pd.Series([0.0, 1.0])
    with pytest.raises(BankmineError, match="score 规则 is missing in 1 of 2 rows"):
        performance(target, pd.DataFrame({"m": [1.0, 2.0], "规则": [np.nan, 2.0]}), target)


def test_each_day_is_judged_apart():
    rows = alike(400)
    day = pd.Series(pd.date_range("2025-06-30", periods=3, freq="ME")[np.arange(len(rows)) % 3])
    target = rows.target.where(day < day.max(), 0.0)
    found = by_day(target, rows[["score"]], day, rows.entity)
    auc = found[found.metric == "auc"].set_index("day")
    assert auc.index.tolist() == sorted(set(day))
    assert auc["rows"].tolist() == [400] * 3
    first = day == day.min()
    assert auc["value"].iloc[0] == pytest.approx(roc_auc_score(target[first], rows.score[first]))
    assert auc["events"].iloc[0] == target[first].sum()
    assert np.isnan(auc["value"].iloc[2])


def test_the_gains_curve_runs_from_none_to_all_and_through_what_is_caught():
    rows = alike(500)
    scores = pd.DataFrame({"score": rows.score, "nothing": 1.0})
    curve = gains_curve(rows.target, scores, points=100).set_index(["model", "chosen"])
    score, nothing = curve.loc["score"], curve.loc["nothing"]
    assert score["caught"].iloc[0] == 0
    assert score["caught"].iloc[-1] == 1
    assert score["caught"].is_monotonic_increasing
    best = np.minimum(score.index / rows.target.mean(), 1)
    assert (score["caught"] <= best + 1e-12).all()
    np.testing.assert_allclose(nothing["caught"], nothing.index)
    known = values(performance(rows.target, scores, rows.entity), "score")
    assert score["caught"].iloc[20] == pytest.approx(known["caught_20"])
