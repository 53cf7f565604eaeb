"""Uplift: who is moved ranks above who is not, areas are those of the definition, effects have their size."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bankmine.errors import BankmineError
from bankmine.judging import uplift as judging
from bankmine.learning import uplift
from bankmine.learning.uplift import FOREST, LEARNERS, RANDOM, RESPONSE, Trial


def trial(n: int, seed: int, spread: float = 0.15, share: float = 0.5) -> tuple[Trial, pd.Series]:
    """Draw a trial in which one number moves the outcome, and another how much a contact does."""
    rng = np.random.default_rng(seed)
    known = pd.DataFrame({"level": rng.normal(size=n), "moved": rng.normal(size=n), "noise": rng.normal(size=n)})
    effect = 0.05 + spread * known["moved"].clip(-1, 1)
    treated = pd.Series(rng.random(n) < share)
    chance = 0.25 + 0.1 * known["level"].clip(-1, 1) + effect * treated
    outcome = pd.Series((rng.random(n) < chance).astype(float))
    return Trial(known, treated, outcome, pd.Series(np.arange(n).astype(str)), share), effect


@pytest.fixture(scope="module")
def judged() -> tuple[Trial, pd.DataFrame, pd.Series, pd.Series]:
    rows, effect = trial(4000, 1)
    return rows, uplift.cross_fitted(rows), judging.brought(rows), effect


def test_what_was_brought_is_right_on_average():
    means, true = [], []
    for seed in range(20):
        rows, effect = trial(2000, seed, share=0.7)
        means.append(judging.brought(rows).mean())
        true.append(effect.mean())
    assert np.mean(means) == pytest.approx(np.mean(true), abs=0.01)


def test_learners_find_who_is_moved_and_chance_does_not(judged):
    rows, scores, worth, effect = judged
    table = judging.gains(worth, scores, rows.entity, RESPONSE)[1]
    qini = table[table["metric"] == "qini"].set_index("model")
    assert (qini.loc[list(LEARNERS), "low"] > 0).all()
    assert qini.loc[RANDOM, "low"] < 0 < qini.loc[RANDOM, "high"]
    assert all(np.corrcoef(scores[name], effect)[0, 1] > 0.7 for name in LEARNERS)
    assert (qini.loc[list(LEARNERS), "ahead"] > 0).all()


def test_qini_is_the_area_above_chance(judged):
    rows, _, worth, _ = judged
    moved = rows.known["moved"]
    table = judging.gains(worth, pd.DataFrame({"best": moved}), rows.entity, "best")[1].set_index("metric")
    ordered = worth.loc[moved.sort_values(ascending=False).index].to_numpy()
    gain = np.append(0.0, ordered.cumsum()) / len(ordered)
    area = np.trapezoid(gain, dx=1 / len(ordered))
    assert table.loc["auuc", "value"] == pytest.approx(area, abs=2e-4)
    assert table.loc["qini", "value"] == pytest.approx(area - gain[-1] / 2, abs=2e-4)


def test_foretold_differences_come_true_in_part_and_noise_does_not(judged):
    rows, scores, worth, effect = judged
    told = judging.heterogeneity(worth, scores[FOREST], rows.entity)
    assert told["low"] > 0
    own = judging.calibrated(told, scores[FOREST])
    assert own.mean() == pytest.approx(effect.mean(), abs=0.03)
    assert np.polyfit(own, effect, 1)[0] == pytest.approx(1, abs=0.35)
    chance = judging.heterogeneity(worth, scores[RANDOM], rows.entity)
    assert chance["low"] < 0 < chance["high"]


def test_scores_beyond_those_seen_are_held_at_their_ends(judged):
    rows, scores, worth, _ = judged
    told = judging.heterogeneity(worth, scores[FOREST], rows.entity)
    far = judging.calibrated(told, pd.Series([-9.0, 9.0]))
    own = judging.calibrated(told, scores[FOREST])
    assert far.min() == pytest.approx(own.min())
    assert far.max() == pytest.approx(own.max())


def test_tenths_hold_all_rows_the_highest_first(judged):
    rows, scores, worth, _ = judged
    table = judging.by_tenth(worth, scores[FOREST], rows.entity)
    assert table["rows"].sum() == len(rows)
    assert table["foretold"].is_monotonic_decreasing
    assert (table["rows"] * table["value"]).sum() / len(rows) == pytest.approx(worth.mean())


def test_no_customer_is_scored_by_a_model_that_has_seen_them():
    rows, _ = trial(600, 3)
    same = Trial(
        rows.known, rows.treated, rows.outcome, pd.Series(np.repeat(np.arange(300), 2).astype(str)), rows.share
    )
    known = same.known.assign(own=pd.factorize(same.entity)[0])
    outcome = pd.Series(np.repeat(np.random.default_rng(0).random(300) < 0.3, 2).astype(float))
    leaky = Trial(known, same.treated, outcome, same.entity, same.share)
    scores = uplift.cross_fitted(leaky)
    assert np.corrcoef(scores[RESPONSE], outcome)[0, 1] < 0.3


def test_an_arm_in_which_nobody_responds_is_told():
    rows, _ = trial(300, 1)
    none = Trial(rows.known, rows.treated, rows.outcome.where(rows.treated, 0.0), rows.entity, rows.share)
    with pytest.raises(BankmineError, match="no effect can be learnt"):
        uplift.cross_fitted(none)
