"""What is done day by day: sums of groups and categories, and days of which nothing is known."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bankmine.judging.daily import ALL, Daily

JANUARY, MARCH = 0, 59


def done() -> Daily:
    rng = np.random.default_rng(0)
    day = np.concatenate([np.arange(JANUARY, JANUARY + 31), np.arange(MARCH, MARCH + 31)])
    rows = pd.DataFrame({
        "customer_id": rng.choice(list("abcdef"), 500), "date": pd.to_datetime(rng.choice(day, 500), unit="D"),
        "category": rng.choice(["food", "travel"], 500), "amount": rng.random(500),
    })  # fmt: skip
    return Daily.of(rows, pd.Series(["young", "young", "old", "old", None, None], list("abcdef")))


def test_sums_of_groups_and_categories_add_up():
    found = done()
    sums = found.resampled(np.zeros(500, int), 1)
    assert set(sums) == {ALL, "young", "old"}
    for values in sums.values():
        np.testing.assert_allclose(values[0], values[1:].sum(axis=0))
    rows, whose = found.rows, found.groups.to_numpy()[found.rows["customer"]]
    assert np.isclose(sums[ALL][0, 0, 0], rows["amount"].sum())
    assert np.isclose(sums["young"][0, 0, 0], rows["amount"][whose == "young"].sum())


def test_resampled_customers_come_with_all_that_they_did():
    sums = done().resampled(np.zeros(500, int), 1)[ALL]
    both = sums[1, 0, 1:] / sums[0, 0, 1:]
    assert both.std() > 0
    assert sums.shape == (3, 1, 201)


def test_days_of_a_month_without_anything_are_not_known():
    starts = np.array([14, 20, 40, MARCH + 5, MARCH + 16, MARCH + 17])
    assert list(done().covers(starts, -14, 14)) == [True, False, False, False, True, False]


def test_amounts_are_divided_and_by_nothing_are_nothing():
    by = np.where(np.arange(500) % 2, 2.0, 0.0)
    found = done().divided(by).rows["amount"]
    np.testing.assert_allclose(found[1::2], done().rows["amount"][1::2] / 2)
    assert not found[::2].any()
