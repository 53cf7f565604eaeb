"""Trials: effects are those planted and intervals hold them, broken draws are seen, good ones are believed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bankmine.errors import BankmineError
from bankmine.judging import trials


def campaign(n: int, effect: float, seed: int, share: float = 0.5, repeats: int = 1) -> tuple[pd.DataFrame, pd.Series]:
    """Draw customers with what is known of them, a number that moves the outcome, and contacts by a coin."""
    rng = np.random.default_rng(seed)
    known = pd.Series(rng.normal(size=n))
    arm = rng.random((n, repeats)) < share
    chance = np.clip(0.2 + 0.1 * known.to_numpy()[:, None] + effect * arm, 0, 1)
    hit = rng.random((n, repeats)) < chance
    rows = pd.DataFrame({"treated": arm.sum(axis=1), "held": (~arm).sum(axis=1), "planned": share * repeats})
    rows["treated_hit"], rows["held_hit"] = (hit & arm).sum(axis=1), (hit & ~arm).sum(axis=1)
    return rows.astype(float), known


def before(rows: pd.DataFrame, known: pd.Series) -> pd.Series:
    total = (rows["treated_hit"] + rows["held_hit"]) / (rows["treated"] + rows["held"])
    told = trials.foretold_before(pd.DataFrame({"hit": total}), known.to_frame(), pd.Series(rows.index))
    return told["hit"]


@pytest.mark.parametrize("repeats", [1, 4])
def test_intervals_hold_the_effect_and_knowing_more_narrows_them(repeats):
    held, narrower = [], []
    for seed in range(60):
        rows, known = campaign(600, 0.05, seed, repeats=repeats)
        plain, told = trials.effect(rows, "hit"), trials.effect(rows, "hit", before(rows, known))
        held.append((plain["low"] <= 0.05 <= plain["high"], told["low"] <= 0.05 <= told["high"]))
        narrower.append((told["high"] - told["low"]) / (plain["high"] - plain["low"]))
    assert (np.mean(held, axis=0) >= 0.87).all()
    assert np.mean(narrower) < 0.99


def test_a_share_off_its_plan_is_seen_and_one_on_it_is_not():
    rows, _ = campaign(3000, 0.0, 1)
    assert not trials.sample_ratio(rows)["off"]
    assert trials.sample_ratio(rows.assign(planned=0.58))["off"]
    varied = rows.assign(planned=np.where(rows.index % 2, 0.4, 0.6))
    assert not trials.sample_ratio(varied)["off"]
    with pytest.raises(BankmineError, match="which share the plan treats"):
        trials.sample_ratio(rows.assign(planned=np.nan))


def test_balance_finds_what_was_picked_and_alarms_as_rarely_as_it_says():
    alarms = []
    for seed in range(200):
        rows, known = campaign(200, 0.0, seed)
        noise = np.random.default_rng(seed).normal(size=(200, 5))
        table = pd.DataFrame(np.column_stack([known, noise]), columns=list("abcdef"))
        alarms.append(trials.balance(rows, trials.prepared(table))[1] < 0.05)
    assert np.mean(alarms) == pytest.approx(0.05, abs=0.05)
    rows, known = campaign(2000, 0.0, 1)
    picked = (known + np.random.default_rng(2).normal(size=2000) > 0).to_numpy()
    rows["treated"], rows["held"] = picked.astype(float), (~picked).astype(float)
    found, p = trials.balance(
        rows, trials.prepared(pd.DataFrame({"wealth": known, "noise": known.sample(frac=1, random_state=0).to_numpy()}))
    )
    assert p < trials.SURELY
    assert found["known before"].iloc[0] == "wealth"


@pytest.mark.parametrize(
    ("change", "why"),
    [({"held": 0.0}, "nobody was held back"), ({"treated": 0.0}, "nobody was contacted")],
)
def test_an_arm_that_is_not_there_is_told(change, why):
    rows, _ = campaign(100, 0.0, 1)
    with pytest.raises(BankmineError, match=why):
        trials.effect(rows.assign(**change), "hit")


def test_an_arm_of_three_tells_nothing():
    rows, _ = campaign(100, 0.0, 1)
    three = rows.index < 3
    with pytest.raises(BankmineError, match="3 customers were contacted"):
        trials.effect(rows.assign(treated=three * 1.0, held=1.0 - three), "hit")


def test_an_outcome_that_all_had_tells_nothing():
    rows, _ = campaign(100, 0.0, 1)
    same = rows.assign(treated_hit=rows["treated"], held_hit=rows["held"])
    with pytest.raises(BankmineError, match="the same outcome"):
        trials.effect(same, "hit")


def test_a_price_that_goes_with_what_was_known_is_seen_and_one_drawn_is_not():
    rng = np.random.default_rng(0)
    known = pd.DataFrame(rng.normal(size=(800, 6)), columns=list("abcdef"))
    rates = pd.Series(rng.choice([0.03, 0.04, 0.05], 800))
    assert trials.unrelated(rates, known) > 0.01
    assert trials.unrelated(rates + 0.005 * known["a"], known) < trials.SURELY


def test_an_effect_that_would_be_seen_is_found_four_times_in_five():
    rng, n = np.random.default_rng(0), 400
    lift = trials.seen(0.5, n, n)
    hits = rng.binomial(n, [[0.5 + lift], [0.5]], (2, 2000)) / n
    error = np.sqrt((hits * (1 - hits)).sum(axis=0) / n)
    assert np.mean((hits[0] - hits[1]) / error > 1.96) == pytest.approx(0.8, abs=0.03)
