"""What festivals do to spending: a ratio to other days of the same months and weekdays, aligned on the festival's day.

A level of each month and category times a weekday factor, both from days that are near no festival. What pay adds on
the days after it is taken out before, since paydays that are holidays are moved ahead of them.
"""

from __future__ import annotations

from datetime import date

import holidays
import numpy as np
import pandas as pd
from scipy import sparse

from bankmine.errors import BankmineError
from bankmine.topics.behaviour.effects import ALL, PERMUTED, Spending, estimated, needs, since_pay, with_all

AROUND = np.arange(-14, 15)
NEW_YEAR, GOLDEN = "Chinese New Year", "Golden Week"
MOMENTS = {"two weeks before": (-14, -1), "week": (0, 6), "week after": (7, 14)}
"""Days from the festival's first."""
_SCALED = 8


def festivals(first: date, last: date) -> pd.DataFrame:
    """List Chinese New Year and Golden Week (`festival`, `year`, `day`), those with two weeks known on either side."""
    found = _first_days(first.year, last.year)
    ends = pd.Timestamp(first) - pd.Timedelta(AROUND[0], "D"), pd.Timestamp(last) - pd.Timedelta(AROUND[-1], "D")
    return found[found["day"].between(*ends)]


def coming(day: date) -> pd.DataFrame:
    """List the moments of festivals that begin within a year after a day: `festival`, `moment`, `begins`, `ends`."""
    days, parts = _first_days(day.year, day.year + 1), []
    for moment, span in MOMENTS.items():
        begins, ends = (days["day"] + pd.Timedelta(k, "D") for k in span)
        parts.append(days.assign(moment=moment, begins=begins, ends=ends))
    found, end = pd.concat(parts), pd.Timestamp(day) + pd.DateOffset(years=1)
    return found[found["begins"].gt(pd.Timestamp(day)) & found["begins"].le(end)].sort_values("begins")


def _first_days(first: int, last: int) -> pd.DataFrame:
    china = holidays.country_holidays("CN", years=range(first, last + 1), language="en_US")
    lunar = [day for day, name in china.items() if name.startswith("Chinese New Year (") and "observed" not in name]
    golden = [day for day in china if (day.month, day.day) == (10, 1)]
    found = pd.DataFrame({"festival": [NEW_YEAR] * len(lunar) + [GOLDEN] * len(golden), "day": lunar + golden})
    found["day"] = pd.to_datetime(found["day"])
    return found.assign(year=found["day"].dt.year).groupby(["festival", "year"], as_index=False)["day"].min()


def around_festivals(spent: Spending, pay: pd.DataFrame, curve: pd.Series, feasts: pd.DataFrame) -> pd.DataFrame:
    """Estimate what festivals do to each category: pooled, in each `year`, and each `day` (`moment` is empty).

    `curve` is what pay does by days since it, to be taken out.
    """
    if feasts["festival"].nunique() < 2:
        raise BankmineError("the bank's days hold no two festivals with two weeks on either side")
    bump = curve[curve.index >= 0].reindex(since_pay(spent.rows, pay)).fillna(1.0).to_numpy()
    day = spent.rows["day"].to_numpy() - spent.first
    sums = with_all(spent.resampled(spent.rows["amount"].to_numpy() / bump, day, spent.days))
    start = ((feasts["day"] - pd.Timestamp(0)).dt.days - spent.first).to_numpy()
    usual, names = _Usual(spent, start), [ALL, *spent.categories]
    expected = {group: usual(s) for group, s in sums.items()}
    parts = []
    for festival, own in feasts.assign(start=start).groupby("festival"):
        days, null = own["start"].to_numpy(), usual.placebos(sums[ALL][..., :1], len(own))
        for moment, span in MOMENTS.items():
            named = pd.DataFrame({"festival": festival, "moment": moment, "need": names})
            found = {g: _ratio(s, expected[g], _days(days, span)) for g, s in sums.items()}
            around = _ratio(sums[ALL], expected[ALL], _days(days, (AROUND[0], AROUND[-1])))
            parts.append(estimated(needs(named, found, null[moment]), (around - 1) * len(AROUND), "net"))
            for year, one in zip(own["year"], days, strict=True):
                ratio = _ratio(sums[ALL], expected[ALL], _days(one, span))
                parts.append(estimated(named.assign(year=year), ratio))
        each = [_ratio(sums[ALL][:1], expected[ALL][:1], days + k) for k in AROUND]
        named = pd.DataFrame({"festival": festival, "moment": "", "need": ALL, "day": AROUND})
        parts.append(estimated(named, np.concatenate(each)))
    return pd.concat(parts, ignore_index=True)


def by_month_day(spent: Spending) -> pd.DataFrame:
    """Estimate spending on each day of the month by the mean of all, net of weekday and month, festivals included."""
    day = spent.rows["day"].to_numpy() - spent.first
    sums = spent.resampled(spent.rows["amount"].to_numpy(), day, spent.days)[ALL].sum(axis=0, keepdims=True)
    expected, of_month = _Usual(spent, np.array([], int))(sums), spent.dates.day.to_numpy()
    ratios = [_ratio(sums, expected, np.flatnonzero(of_month == number)) for number in range(1, 32)]
    return estimated(pd.DataFrame({"day": np.arange(1, 32)}), np.concatenate(ratios))


class _Usual:
    """What is spent on a day that is near no festival, by its month and weekday."""

    def __init__(self, spent: Spending, start: np.ndarray) -> None:
        dates = spent.dates
        self.month = (dates.year * 12 + dates.month).to_numpy()
        self.month -= self.month[0]
        self.weekday, self.near = dates.dayofweek.to_numpy(), np.zeros(spent.days, bool)
        self.near[_days(start, (AROUND[0], AROUND[-1]))] = True
        self.rng = np.random.default_rng(0)

    def __call__(self, sums: np.ndarray, near: np.ndarray | None = None) -> np.ndarray:
        """Return what is expected on each day, in the shape of sums: (categories, days, resamples)."""
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

    def placebos(self, sums: np.ndarray, count: int) -> dict[str, np.ndarray]:
        """Return the ratios around days drawn at random that are near no festival: moment -> (rows, permutations)."""
        wide = np.convolve(self.near, np.ones(len(AROUND)), "same") > 0
        free = np.flatnonzero(~wide)
        free = free[(free >= -AROUND[0]) & (free < len(self.near) - AROUND[-1])]
        found: dict[str, list[np.ndarray]] = {moment: [] for moment in MOMENTS}
        for _ in range(PERMUTED):
            days, near = self.rng.choice(free, count), self.near.copy()
            near[_days(days, (AROUND[0], AROUND[-1]))] = True
            expected = self(sums, near)
            for moment, span in MOMENTS.items():
                found[moment].append(_ratio(sums, expected, _days(days, span))[:, 0])
        return {moment: np.column_stack(rows) for moment, rows in found.items()}


def _days(start: np.ndarray | int, span: tuple[int, int]) -> np.ndarray:
    return (np.atleast_1d(start)[:, None] + np.arange(span[0], span[1] + 1)).ravel()


def _ratio(sums: np.ndarray, expected: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Divide what was spent on days by what was expected, shape (categories, resamples); unknown days do not count."""
    base = expected[:, days]
    spent = np.where(np.isfinite(base), sums[:, days], 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return spent.sum(axis=1) / np.nansum(base, axis=1)
