"""Waited: the median counts what is still open as not settled yet."""

from __future__ import annotations

import numpy as np

from bankmine.judging.waited import median_waited


def test_what_is_still_open_pushes_the_median_up():
    days = np.array([1, 2, 3, 4, 5])
    counts = np.full(5, 20)
    settled = np.ones(5, bool)
    middle, low, high = median_waited(days, settled, counts)
    assert middle == 3
    assert low <= middle <= high
    assert median_waited(days, np.array([True, False, False, True, True]), counts)[0] == 4


def test_a_median_that_nobody_has_reached_is_not_known():
    assert np.isnan(median_waited(np.array([1, 9]), np.array([True, False]), np.array([1, 9]))[0])
