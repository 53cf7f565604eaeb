"""Festivals: the days around which a year of Chinese customers turns, and what lies before and after them."""

from __future__ import annotations

from datetime import date

import holidays
import pandas as pd

NEW_YEAR, GOLDEN = "Chinese New Year", "Golden Week"
MOMENTS = {"two weeks before": (-14, -1), "week": (0, 6), "week after": (7, 14)}
"""Days from the festival's first."""


def festivals(first: int, last: int) -> pd.DataFrame:
    """List the first days of Chinese New Year and Golden Week from one year to another: `festival`, `year`, `day`."""
    china = holidays.country_holidays("CN", years=range(first, last + 1), language="en_US")
    lunar = [day for day, name in china.items() if name.startswith("Chinese New Year (") and "observed" not in name]
    golden = [day for day in china if (day.month, day.day) == (10, 1)]
    found = pd.DataFrame({"festival": [NEW_YEAR] * len(lunar) + [GOLDEN] * len(golden), "day": lunar + golden})
    found["day"] = pd.to_datetime(found["day"])
    return found.assign(year=found["day"].dt.year).groupby(["festival", "year"], as_index=False)["day"].min()


def coming(day: date) -> pd.DataFrame:
    """List the moments of festivals that begin within a year after a day: `festival`, `moment`, `begins`, `ends`."""
    days, parts = festivals(day.year, day.year + 1), []
    for moment, span in MOMENTS.items():
        begins, ends = (days["day"] + pd.Timedelta(k, "D") for k in span)
        parts.append(days.assign(moment=moment, begins=begins, ends=ends))
    found, end = pd.concat(parts), pd.Timestamp(day) + pd.DateOffset(years=1)
    return found[found["begins"].gt(pd.Timestamp(day)) & found["begins"].le(end)].sort_values("begins")
