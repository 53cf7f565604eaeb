"""A referee from outside: what ranking, calibration and drift measure, held against the package riskvalidation.

Where both do the same, they agree to 1e-6. Where they do not, the test says why, and how far apart they may be.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from riskvalidation.validation import (
    disc_auc,
    disc_delong,
    disc_ks,
    pd_brier,
    pd_ece,
    pd_hosmer_lemeshow,
    pd_jeffreys,
    stability_psi,
)

from bankmine.judging.calibration import calibration, hosmer_lemeshow
from bankmine.judging.drift import alarm, psi, psi_table
from bankmine.judging.intervals import wilson
from bankmine.judging.ranking import against, of, performance

SAME = {"rel": 1e-6, "abs": 1e-6}


@pytest.fixture(params=range(10), ids=lambda seed: f"sample {seed}")
def sample(request) -> pd.DataFrame:
    """Rows of independent customers: outcome, the chance it had, and two scores, of which one has ties."""
    draw = np.random.default_rng(request.param)
    n = 10 * int(draw.integers(60, 400))  # tenths of equal size, without a rest to give to one of them
    chance = 1 / (1 + np.exp(-draw.normal(-1.5, 1, n)))
    told = np.clip(chance * draw.uniform(0.5, 1.5, n), 1e-6, 1 - 1e-6)
    return pd.DataFrame(
        {"y": draw.random(n) < chance, "told": told, "coarse": np.round(chance, 1).clip(0.05, 0.95)}
    ).astype(float)


def entity(sample: pd.DataFrame) -> pd.Series:
    return pd.Series(sample.index, sample.index)


def test_ranking(sample):
    ours = performance(sample.y, sample[["told", "coarse"]], entity(sample), rounds=2)
    for score in ("told", "coarse"):
        value, theirs = of(ours, score).value, disc_auc(sample[score], sample.y)
        assert value["auc"] == pytest.approx(theirs.metric, **SAME)
        assert value["gini"] == pytest.approx(2 * theirs.metric - 1, **SAME)
        assert value["ks"] == pytest.approx(disc_ks(sample[score], sample.y).metric, **SAME)
        assert value["brier"] == pytest.approx(pd_brier(sample.y, sample[score]).metric, **SAME)


def test_one_score_against_another(sample):
    """DeLong has errors of a formula, for rows that are independent; we resample entities, which holds of any rows.

    Of a thousand resamples a standard error is known to 1 / sqrt(2 · 1000), 2.2 %; four times that is allowed, and as
    much again for ends of quantiles instead of 1.96 errors.
    """
    theirs = disc_delong(sample.told, sample.coarse, sample.y)
    ours = of(against(sample.y, sample[["told", "coarse"]], "coarse", entity(sample), rounds=1000), "told").loc["auc"]
    difference = disc_auc(sample.told, sample.y).metric - disc_auc(sample.coarse, sample.y).metric
    assert ours.difference == pytest.approx(difference, **SAME)
    error = abs(difference / theirs.statistic)
    assert ours.high - ours.low == pytest.approx(2 * 1.96 * error, rel=0.18)


def test_calibration(sample):
    ours, theirs = hosmer_lemeshow(sample.y, sample.told), pd_hosmer_lemeshow(sample.y, sample.told)
    assert ours == pytest.approx((theirs.statistic, theirs.p_value), **SAME)
    found = of(calibration(sample.y, sample[["told"]], entity(sample), rounds=2), "told").value
    assert found["ece"] == pytest.approx(pd_ece(sample.y, sample.told).metric, **SAME)


def test_calibration_where_chances_are_equal(sample):
    """Rows of one chance are one group here, which the referee cuts through by order."""
    again = sample.sample(frac=1, random_state=0)
    assert hosmer_lemeshow(sample.y, sample.coarse) == pytest.approx(hosmer_lemeshow(again.y, again.coarse), **SAME)
    assert pd_hosmer_lemeshow(sample.y, sample.coarse).statistic != pytest.approx(
        pd_hosmer_lemeshow(again.y, again.coarse).statistic, **SAME
    )


def test_drift(sample):
    half = len(sample) // 2
    then, now = sample.told[:half], sample.told[half:] * 1.1
    edges = [-np.inf, *np.unique(np.quantile(then, np.arange(1, 10) / 10, method="inverted_cdf")), np.inf]
    # bins are closed above, as in our table
    counts = [pd.cut(part, edges).value_counts(sort=False).to_numpy() for part in (then, now)]
    theirs = stability_psi(*counts)
    shares = [c / c.sum() for c in counts]
    assert psi(*shares, *(c.sum() for c in counts)) == pytest.approx(theirs.metric, **SAME)
    assert psi_table(then.to_frame(), now.to_frame()).psi[0] == pytest.approx(theirs.metric, **SAME)
    limit = alarm(10, half, len(now))
    assert (theirs.metric > limit) == (theirs.p_value < 0.05)


def test_shares(sample):
    """Jeffreys' interval is that of a belief, Wilson's that of a test; they differ by less than half a row.

    At none and all ours is exact (Clopper and Pearson) and therefore wider: it may never hold the truth too seldom.
    """
    rows, events = len(sample), int(sample.y.sum())
    theirs = pd_jeffreys(rows, events, 0.1).extras
    bounds = theirs["posterior_q025"], theirs["posterior_q975"]
    assert wilson(events, rows) == pytest.approx(bounds, abs=0.5 / rows)
    assert wilson(events, rows) != pytest.approx(bounds, abs=1e-6)
    for count, end in ((0, 1), (rows, 0)):
        ours, jeffreys = wilson(count, rows), pd_jeffreys(rows, count, 0.1).extras
        assert abs(ours[end] - count / rows) > abs(jeffreys[("posterior_q025", "posterior_q975")[end]] - count / rows)
