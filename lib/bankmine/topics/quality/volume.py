"""Volume: weeks and days of which rows are missing, as a channel fell silent."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from scipy.stats import chi2, poisson

from bankmine.bank.snapshot import Snapshot

NEIGHBOUR_WEEKS = 13
COUNTABLE = 5
"""Expected rows from which a cell says something about how much counts vary."""
GAP_SIGNIFICANCE = 0.001
"""Chance of calling any gap in a bank that has none, over all cells together (Bonferroni)."""
_REGION = "region"


def volume_gaps(snapshot: Snapshot) -> pd.DataFrame:
    """Find weeks in which a channel in a region delivered far fewer bookings than expected, the largest loss first.

    Expected is what the channel delivered that week in all other regions, times how the region usually compares to
    them, so that season, paydays, holidays and growth are no gap; of what is silent everywhere the lower quartile of
    the weeks around, so that what comes once a month is not missed in between. A gap is less than half of that, and so
    few as Poisson's chance allows below `GAP_SIGNIFICANCE` over all cells together. Counts are divided by the channel's
    dispersion, as bookings come in bursts (quasi-Poisson; McCullagh and Nelder, Generalized Linear Models, 1989, 6.2).
    """
    cells = _weekly_cells(snapshot)
    channel = cells.T.groupby("channel").transform("sum").T
    others = channel - cells
    around = {"window": NEIGHBOUR_WEEKS, "center": True, "min_periods": 1}
    ratio = (cells / others.where(others > 0)).rolling(**around).median()
    expected = (others * ratio).where(others > 0).fillna(cells.rolling(**around).quantile(0.25))
    return _missing(cells, expected)


def silent_days(snapshot: Snapshot) -> pd.DataFrame:
    """Find days on which a channel of the visits recorded far fewer than expected, the largest loss first.

    Expected is the median of the same weekday in the weeks around; a gap is told as by `volume_gaps`. `day`, `channel`,
    `count` and `expected`.
    """
    snapshot.require("events.channel")
    visits = snapshot.events
    visits = visits.select(day=visits["at"].cast("date"), channel=visits.channel.fill_null("unknown"))
    counts = visits.group_by("day", "channel").agg(count=ibis._.count()).to_pandas()
    counts["day"] = pd.to_datetime(counts["day"])
    cells = counts.assign(region="all").pivot_table(
        index="day", columns=["channel", "region"], values="count", fill_value=0
    )
    cells = cells.asfreq("D", fill_value=0).astype(float)
    around = {"window": NEIGHBOUR_WEEKS, "center": True, "min_periods": 1}
    expected = cells.groupby(cells.index.dayofweek).transform(lambda days: days.rolling(**around).median())
    return _missing(cells, expected).drop(columns="region")


def daily_bookings(snapshot: Snapshot) -> pd.Series:
    """Count the bookings of each day; days without any count 0."""
    t = snapshot.transactions
    counts = t.group_by(day=t["at"].cast("date")).agg(bookings=t.count()).to_pandas()
    by_day = counts.assign(day=pd.to_datetime(counts["day"])).set_index("day")["bookings"]
    return by_day.asfreq("D", fill_value=0).sort_index()


def _missing(cells: pd.DataFrame, expected: pd.DataFrame) -> pd.DataFrame:
    """List the cells with less than half of what was expected and fewer than chance allows, the largest loss first."""
    spread = _dispersion(cells, expected)
    unlikely = poisson.cdf(cells / spread, expected / spread) < GAP_SIGNIFICANCE / max(cells.size, 1)
    gaps = _long(unlikely & (cells < expected / 2), "gap")["gap"]
    found = _long(cells, "count").join(_long(expected, "expected"))[gaps.astype(bool)].reset_index()
    return found.sort_values("count", key=lambda c: c - found["expected"]).reset_index(drop=True)


def _dispersion(cells: pd.DataFrame, expected: pd.DataFrame) -> pd.Series:
    """Return how much more the counts of each column's channel vary than Poisson's: 1 or above, by the median."""
    squared = (cells - expected) ** 2 / expected.where(expected >= COUNTABLE)
    typical = squared.T.groupby("channel").apply(lambda c: np.nanmedian(c) if c.notna().any(axis=None) else 1.0)
    return (typical / chi2.median(1)).clip(lower=1).reindex(cells.columns, level="channel")


def _long(cells: pd.DataFrame, name: str) -> pd.DataFrame:
    return cells.melt(ignore_index=False, value_name=name).set_index(["channel", "region"], append=True)


def with_region(snapshot: Snapshot, rows: ir.Table) -> ir.Table | None:
    """Join the `region` of the customer whom each row is of; None where rows are of no customer."""
    people = snapshot.customers
    region = people[_REGION] if _REGION in people.columns else ibis.null("string")
    owners = people.select("customer_id", region=region.fill_null("unknown"))
    if "customer_id" in rows.columns:
        return rows.inner_join(owners, "customer_id")
    if "account_id" in rows.columns:
        accounts = snapshot.accounts.inner_join(owners, "customer_id").select("account_id", _REGION)
        return rows.inner_join(accounts, "account_id")
    return None


def _weekly_cells(snapshot: Snapshot) -> pd.DataFrame:
    """Count bookings by full calendar week (rows), and by channel and region (columns)."""
    t = snapshot.transactions
    channel = t.channel if "channel" in t.columns else ibis.null("string")
    weeks = t.select("account_id", week=t["at"].cast("date").truncate("W"), channel=channel.fill_null("unknown"))
    weeks = with_region(snapshot, weeks).group_by("week", "channel", _REGION)
    counts = weeks.agg(count=ibis._.count()).to_pandas()
    counts["week"] = pd.to_datetime(counts["week"])
    cells = counts.pivot_table(index="week", columns=["channel", _REGION], values="count", fill_value=0)
    return cells.asfreq("W-MON", fill_value=0).iloc[1:-1].astype(float)  # the first and last week may be cut
