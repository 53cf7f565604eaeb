"""What days that all share do to what customers do: a ratio to other days of the same months and weekdays.

A level of each month and category times a weekday factor, both from days that are near none of those looked at.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse

from bankmine.errors import BankmineError
from bankmine.judging.daily import ALL, PERMUTED, Daily, against_chance, estimated

_SCALED = 8


def around_festivals(done: Daily, feasts: pd.DataFrame, moments: dict[str, tuple[int, int]]) -> pd.DataFrame:
    """Estimate what festivals do to each category: pooled, in each `year`, and each `day` (`moment` is empty).

    `feasts` has `festival`, `year` and `day`, its first; `moments` are spans of days from it, which follow each other.
    """
    first, last = min(moments.values())[0], max(moments.values())[1]
    feasts = feasts.assign(start=(feasts["day"] - done.dates[0]).dt.days)
    feasts = feasts[done.covers(feasts["start"].to_numpy(), first, last)]
    if feasts["festival"].nunique() < 2:
        raise BankmineError("the bank's days hold no two festivals with two weeks on either side")
    sums = done.resampled(done.day, len(done.dates))
    usual, span = _Usual(done, feasts["start"].to_numpy(), (first, last)), np.arange(first, last + 1)
    if not len(usual.free):
        raise BankmineError("no days are known that are far from festivals: nothing says what is usual")
    expected, parts = {group: usual(s) for group, s in sums.items()}, []
    for festival, own in feasts.groupby("festival"):
        days, null = own["start"].to_numpy(), usual.placebos(sums[ALL][..., :1], len(own), moments)
        around = _ratio(sums[ALL], expected[ALL], _days(days, (first, last)))
        for moment, part in moments.items():
            named = pd.DataFrame({"festival": festival, "moment": moment, "need": done.names})
            found = {g: _ratio(s, expected[g], _days(days, part)) for g, s in sums.items()}
            told = against_chance(named, found, null[moment])
            parts.append(estimated(told, (around - 1) * len(span), "net"))
            for year, one in zip(own["year"], days, strict=True):
                parts.append(estimated(named.assign(year=year), _ratio(sums[ALL], expected[ALL], _days(one, part))))
        each = [_ratio(sums[ALL][:1], expected[ALL][:1], days + k) for k in span]
        named = pd.DataFrame({"festival": festival, "moment": "", "need": done.names[0], "day": span})
        parts.append(estimated(named, np.concatenate(each)))
    return pd.concat(parts, ignore_index=True)


def by_month_day(done: Daily) -> pd.DataFrame:
    """Estimate what is done on each day of the month by the mean of all, net of weekday and month."""
    sums = done.resampled(done.day, len(done.dates))[ALL][:1]
    expected, of_month = _Usual(done, np.array([], int), (0, 0))(sums), done.dates.day.to_numpy()
    ratios = [_ratio(sums, expected, np.flatnonzero(of_month == number)) for number in range(1, 32)]
    return estimated(pd.DataFrame({"need": done.names[0], "day": np.arange(1, 32)}), np.concatenate(ratios))


class _Usual:
    """What is done on a day that is near none of those that start, by its month and weekday."""

    def __init__(self, done: Daily, start: np.ndarray, span: tuple[int, int]) -> None:
        dates, self.span, self.rng = done.dates, span, np.random.default_rng(0)
        self.month = (dates.year * 12 + dates.month).to_numpy()
        self.month -= self.month[0]
        self.weekday, self.near = dates.dayofweek.to_numpy(), np.zeros(len(dates), bool)
        self.near[_days(start, span)] = True
        apart = np.convolve(self.near, np.ones(span[1] - span[0] + 1), "same") == 0
        self.free = np.flatnonzero(apart & done.covers(np.arange(len(dates)), *span))

    def __call__(self, sums: np.ndarray, near: np.ndarray | None = None) -> np.ndarray:
        """Return what is expected on each day, in the shape of sums: (names, days, resamples)."""
        plain = np.flatnonzero(~self.near if near is None else ~near)
        shape = self.month[-1] + 1, 7
        cell = np.ravel_multi_index((self.month[plain], self.weekday[plain]), shape)
        into = sparse.csr_array((np.ones(len(plain)), (cell, plain)), (int(np.prod(shape)), sums.shape[1]))
        flat = np.moveaxis(sums, 1, 0).reshape(sums.shape[1], -1)
        found, days = (into @ flat).reshape(*shape, -1), into.sum(axis=1).reshape(*shape, 1)
        factor = np.ones((1, 7, 1))
        with np.errstate(divide="ignore", invalid="ignore"):
            for _ in range(_SCALED):
                level = found.sum(axis=1, keepdims=True) / (days * factor).sum(axis=1, keepdims=True)
                factor = found.sum(axis=0) / np.nansum(days * level, axis=0)[None]
        each = level[self.month, 0] * factor[0, self.weekday]
        return np.moveaxis(each.reshape(-1, len(sums), sums.shape[2]), 0, 1)

    def placebos(self, sums: np.ndarray, count: int, moments: dict[str, tuple[int, int]]) -> dict[str, np.ndarray]:
        """Return the ratios around days drawn at random that are near none: moment -> (rows, permutations)."""
        found: dict[str, list[np.ndarray]] = {moment: [] for moment in moments}
        for _ in range(PERMUTED):
            days, near = self.rng.choice(self.free, count), self.near.copy()
            near[_days(days, self.span)] = True
            expected = self(sums, near)
            for moment, part in moments.items():
                found[moment].append(_ratio(sums, expected, _days(days, part))[:, 0])
        return {moment: np.column_stack(rows) for moment, rows in found.items()}


def _days(start: np.ndarray | int, span: tuple[int, int]) -> np.ndarray:
    return (np.atleast_1d(start)[:, None] + np.arange(span[0], span[1] + 1)).ravel()


def _ratio(sums: np.ndarray, expected: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Divide what was done on days by what was expected, shape (names, resamples); unknown days do not count."""
    base = expected[:, days]
    spent = np.where(np.isfinite(base), sums[:, days], 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return spent.sum(axis=1) / np.nansum(base, axis=1)
