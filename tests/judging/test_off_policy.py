"""Off-policy: what is estimated is what a policy would have brought, and its interval holds it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bankmine.judging.off_policy import ALL, LISTED, LOT, NONE, values


def trial(n: int = 20_000, seed: int = 0) -> tuple[np.ndarray, pd.Series, pd.Series, pd.Series]:
    """Draw a trial in which contacts bring 2 of those listed and cost 1 of the others, at chances that differ."""
    rng = np.random.default_rng(seed)
    listed, planned = rng.random(n) < 0.3, np.where(rng.random(n) < 0.5, 0.8, 0.4)
    treated = rng.random(n) < planned
    brought = 5 + treated * np.where(listed, 2.0, -1.0) + 3 * (planned > 0.5) + rng.normal(size=n)
    return listed, pd.Series(treated), pd.Series(planned), pd.Series(brought)


def test_policies_bring_what_was_planted():
    found = values(*trial())
    base = 5 + 1.5
    true = {LISTED: base + 0.6, ALL: base - 0.1, NONE: base, LOT: base - 0.03}
    for policy, own in true.items():
        assert found.loc[policy, "low"] < own < found.loc[policy, "high"]
    assert found.loc[LOT, "ahead_low"] > 0
    assert found.loc[LISTED, "ahead"] == 0
    assert found.loc[LISTED, "contacted"] == pytest.approx(0.3, abs=0.02)


def test_the_mean_of_who_was_treated_would_be_wrong():
    _, treated, _, brought = trial()
    assert abs(brought[treated].mean() - (6.5 - 0.1)) > 0.2


def test_weights_are_worth_fewer_customers_than_there_are():
    listed, treated, _, brought = trial()
    even = values(listed, treated, pd.Series(0.5, treated.index), brought)
    assert even.loc[ALL, "worth"] == pytest.approx(treated.sum())
    assert values(*trial()).loc[ALL, "worth"] < treated.sum()


def test_too_few_listed_are_told():
    listed, treated, planned, brought = trial(400)
    few = listed & (np.cumsum(listed) < 20)
    assert values(few, treated, planned, brought)["few"].all()
    assert not values(listed, treated, planned, brought)["few"].any()
