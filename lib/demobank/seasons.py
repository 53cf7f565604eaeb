"""The calendar of the bank: working days, paydays, and how much is bought on each day.

Days are whole numbers counted from the first day of the window, months from its first month. Public holidays and the
weekend days worked in their place come from the `holidays` package (China).

Seasons are multipliers around 1. They follow what retail statistics of urban China show in kind, not in exact size:
meals and shopping lean to the weekend, commuting to working days; travel peaks in Golden Week, in summer and around
Chinese New Year; shopping peaks in early November (Double Eleven) and mid-June; school fees fall into February and
September; heating and cooling raise bills in winter and summer; shops sell more in the two weeks before Chinese New
Year and close during it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property

import holidays
import numpy as np

BEFORE = 40
"""Days known before the window, so that a payday early in it can move back."""

SPENT_ON = (
    "groceries", "dining", "shopping", "transport", "travel", "housing", "health", "education", "entertainment",
)  # fmt: skip
"""Categories of purchases, a part of the contract's categories."""

# Monday to Sunday
WEEK = {
    "groceries": (0.9, 0.9, 0.9, 0.95, 1.0, 1.2, 1.15),
    "dining": (0.75, 0.8, 0.85, 0.9, 1.2, 1.35, 1.15),
    "shopping": (0.85, 0.85, 0.85, 0.9, 1.05, 1.3, 1.2),
    "transport": (1.15, 1.1, 1.1, 1.1, 1.15, 0.75, 0.65),
    "health": (1.25, 1.1, 1.1, 1.0, 1.0, 0.85, 0.7),
    "entertainment": (0.7, 0.7, 0.75, 0.85, 1.25, 1.5, 1.25),
}
# January to December
YEAR = {
    "shopping": (1.0, 0.9, 0.95, 0.95, 1.0, 1.1, 0.95, 0.95, 1.0, 1.0, 1.15, 1.05),
    "travel": (0.9, 0.9, 0.8, 1.0, 1.1, 0.95, 1.4, 1.4, 0.9, 1.2, 0.75, 0.7),
    "education": (0.7, 1.8, 1.1, 0.7, 0.7, 0.7, 0.9, 1.3, 1.9, 0.8, 0.7, 0.7),
    "health": (1.1, 1.05, 1.05, 1.0, 1.0, 0.95, 0.95, 0.95, 0.95, 1.0, 1.0, 1.0),
}


@dataclass(frozen=True)
class Calendar:
    """The days and months of the window; `days` holds `BEFORE` days more at its head."""

    start: np.datetime64
    months: int
    days: np.ndarray
    working: np.ndarray
    """Whether each of `days` is worked."""

    @cached_property
    def length(self) -> int:
        """Return the number of days of the window."""
        return len(self.days) - BEFORE

    @cached_property
    def month_start(self) -> np.ndarray:
        """Return the first day of each month and the day after the last, shape (months + 1,)."""
        months = self.start.astype("datetime64[M]") + np.arange(self.months + 1)
        return (months.astype("datetime64[D]") - self.start).astype(np.int64)

    @cached_property
    def month(self) -> np.ndarray:
        """Return the month of each day of the window, shape (length,)."""
        return np.repeat(np.arange(self.months), np.diff(self.month_start))

    @cached_property
    def weekday(self) -> np.ndarray:
        """Return 0 for Monday to 6 for Sunday, shape (length,)."""
        return (self.days[BEFORE:].astype(np.int64) + 3) % 7

    @cached_property
    def month_of_year(self) -> np.ndarray:
        """Return 0 for January to 11 for December for each month of the window."""
        return (self.start.astype("datetime64[M]").astype(np.int64) + np.arange(self.months)) % 12

    @cached_property
    def day_of_month(self) -> np.ndarray:
        """Return 1 to 31 for each day of the window."""
        return np.arange(self.length) - self.month_start[self.month] + 1

    @cached_property
    def from_new_year(self) -> np.ndarray:
        """Return days since the nearest Chinese New Year's Day, below zero ahead of it, shape (length,)."""
        years = range(int(self.days[0].astype("datetime64[Y]").astype(int)) + 1969, int(str(self.days[-1])[:4]) + 2)
        new_years = np.array([new_year(year) for year in years], dtype="datetime64[D]")
        apart = (self.days[BEFORE:, None] - new_years).astype(np.int64)
        return np.take_along_axis(apart, np.abs(apart).argmin(axis=1)[:, None], axis=1)[:, 0]

    def on_day_of_month(self, day: np.ndarray) -> np.ndarray:
        """Return the days on which a day of the month (customers,) falls, shape (customers, months)."""
        lengths = np.diff(self.month_start)
        return self.month_start[:-1] + np.minimum(day[:, None], lengths) - 1

    def working_day_before(self, day: np.ndarray) -> np.ndarray:
        """Return each day itself where it is worked, else the last working day before it."""
        known = np.arange(len(self.days))
        last = np.maximum.accumulate(np.where(self.working, known, 0))
        return last[day + BEFORE] - BEFORE

    def week_of(self, category: str) -> np.ndarray:
        """Return the weekly season of a category on each day, shape (length,)."""
        return np.asarray(WEEK.get(category, np.ones(7)))[self.weekday]

    def year_of(self, category: str) -> np.ndarray:
        """Return the yearly season of a category on each day, shape (length,)."""
        return np.asarray(YEAR.get(category, np.ones(12)))[self.month_of_year][self.month]

    @cached_property
    def demand(self) -> np.ndarray:
        """Return how much is bought in each of `SPENT_ON` on each day, shape (categories, length)."""
        parts = [self.week_of(c) * self.year_of(c) * self._feasts(c) for c in SPENT_ON]
        return np.stack(parts)

    def _feasts(self, category: str) -> np.ndarray:
        since, month, day = self.from_new_year, self.month_of_year[self.month] + 1, self.day_of_month
        before = (since >= -14) & (since < 0)
        during = (since >= 0) & (since < 7)
        golden = (month == 10) & (day <= 7)
        sales = ((month == 11) & (day <= 11)) | ((month == 6) & (day >= 14) & (day <= 18))
        ahead, holiday, golden_week, sale = _FEASTS.get(category, (1.0, 1.0, 1.0, 1.0))
        factor = np.where(before, ahead, 1.0) * np.where(during, holiday, 1.0)
        return factor * np.where(golden, golden_week, 1.0) * np.where(sales, sale, 1.0)


# two weeks before New Year, the week of New Year, Golden Week, the days of the great sales
_FEASTS = {
    "groceries": (1.5, 0.6, 1.0, 1.0),
    "dining": (1.1, 0.6, 1.3, 1.0),
    "shopping": (1.5, 0.4, 1.2, 1.8),
    "transport": (1.0, 0.6, 0.8, 1.0),
    "travel": (1.3, 1.8, 2.5, 1.0),
    "housing": (0.9, 0.3, 1.0, 1.2),
    "health": (0.9, 0.4, 0.7, 1.0),
    "education": (0.7, 0.3, 0.8, 1.0),
    "entertainment": (1.0, 1.6, 1.6, 1.0),
}
FEASTS = ("new_year_ahead", "new_year", "golden_week", "sales")
PLANTED: dict[str, float] = {
    f"spending.{feast}.{category}": factor
    for category, factors in _FEASTS.items()
    for feast, factor in zip(FEASTS, factors, strict=True)
}


def new_year(year: int) -> date:
    """Return the day of Chinese New Year."""
    china = holidays.country_holidays("CN", years=year, language="en_US")
    return min(day for day, name in china.items() if name.startswith("Chinese New Year (") and "observed" not in name)


def make_calendar(end: date, months: int) -> Calendar:
    """Make the calendar of the `months` whole months up to `end`, which must be the last day of a month."""
    last = np.datetime64(end, "D")
    after = (last + 1).astype("datetime64[M]")
    if after.astype("datetime64[D]") != last + 1:
        raise ValueError(f"end must be the last day of a month, got {end}")
    if months < 1:
        raise ValueError(f"months must be 1 or more, got {months}")
    start = (after - months).astype("datetime64[D]")
    days = np.arange(start - BEFORE, last + 1)
    years = range(days[0].astype(object).year, end.year + 1)
    china = holidays.country_holidays("CN", years=years)
    working = np.array([china.is_working_day(day) for day in days.astype(object)])
    return Calendar(start=start, months=months, days=days, working=working)
