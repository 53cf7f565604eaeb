"""Quality: how much of a snapshot can be trusted: completeness, validity, uniqueness, timeliness, reconciliation."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from scipy.stats import chi2, poisson

from bankmine.bank.contract import TABLES, Table
from bankmine.bank.snapshot import Snapshot, open_source
from bankmine.errors import BankmineError
from bankmine.judging.intervals import shown
from bankmine.lacking import Lacking, optional, part
from bankmine.study.heading import Headed

DIMENSIONS = {
    "wrong_type": "validity", "unknown_value": "validity", "not_positive": "validity", "negative": "validity",
    "null_key": "completeness", "missing_value": "completeness", "duplicate_key": "uniqueness",
    "in_future": "timeliness", "before_parent": "timeliness", "unknown_parent": "reconciliation",
    "unreconciled": "reconciliation",
}  # fmt: skip
"""Rule -> dimension of data quality (after DAMA-DMBOK, 2nd edition, chapter 13)."""

SEVERE_SHARE, NOTABLE_SHARE = 0.01, 0.001
"""From which share of a table's rows a broken rule is severe, and from which it is notable."""

ENOUGH_ROWS = 1000
RECENT_DAYS = 90
TREND_SIGNIFICANCE = 0.01
NEIGHBOUR_WEEKS = 13
COUNTABLE = 5
"""Expected bookings from which a cell says something about how much counts vary."""
GAP_SIGNIFICANCE = 0.001
"""Chance of calling any gap in a bank that has none, over all cells together (Bonferroni)."""

FADING = 0.05
"""Fall of the filled share of a column, in the last 90 days, from which it is emptying out."""
LATE_DAYS = 7
"""Days without any booking up to the snapshot's day that are too many."""


def study(source: str, as_of: str | datetime.date) -> Quality:
    """Open a source and set up the study of its quality; nothing is counted before it is asked for.

    Parameters
    ----------
    source : str
        Name or path of a bank.
    as_of : str or date
        Last day to know.

    Raises
    ------
    BankmineError
        If the source cannot be used.
    """
    return Quality(open_source(source).as_of(as_of))


class Quality(Headed):
    """How far a snapshot can be trusted, and what to mend."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.source = snapshot

    # --- whether it can be trusted

    @part
    def verdict(self) -> dict[str, object]:
        """How many checks call for mending, of those that the source allows."""
        crossed = {
            "broken rules": self._crossed("broken", "acute", 0),
            "columns emptying out": self._crossed("filled", "fading", 0),
            "old bookings": self._crossed("behind", "days", LATE_DAYS),
            "missing weeks": self._crossed("lost", "cells", 0),
            "balances that do not follow": self._crossed("unreconciled", "share", SEVERE_SHARE),
        }
        which = [name for name, told in crossed.items() if told]
        made = [told for told in crossed.values() if not isinstance(told, Lacking)]
        return {"crossed": len(which), "checks": len(made), "which": ", ".join(which) or "none"}

    def _crossed(self, name: str, fact: str, limit: float) -> bool | Lacking:
        told: Mapping | Lacking = optional(self, name)
        return told[fact] > limit

    @part
    def left_out(self) -> dict[str, float]:
        """Rows that break a rule, and all rows."""
        overview = self.source.overview()
        left_out, rows = overview["quarantined"].sum(), overview["rows"].sum()
        return {"left_out": left_out, "rows": rows, "share": left_out / rows}

    @part
    def broken(self) -> dict[str, object]:
        """Broken rules, those severe and rising, and where these two are."""
        severe, rising = (self._rules[c] == v for c, v in (("severity", "severe"), ("trend", "rising")))
        which = ", ".join(sorted(set(self._rules.loc[severe | rising, "where"]))) or "none"
        told = {"broken": len(self._rules), "severe": severe.sum(), "rising": rising.sum(), "which": which}
        return told | {"acute": (severe | rising).sum()}

    @part
    def to_mend(self) -> pd.DataFrame:
        """Severe and rising rules, with the first keys to look up in the source."""
        acute = (self._rules["severity"] == "severe") | (self._rules["trend"] == "rising")
        if not acute.any():
            raise BankmineError("no broken rule is severe or rising")
        columns = ["where", "what is wrong", "severity", "left out", "trend", "first keys"]
        return self._rules.loc[acute, columns].reset_index(drop=True)

    # --- rules

    @part
    def _rules(self) -> pd.DataFrame:
        return broken_rules(self.source)

    @part
    def rules(self) -> pd.DataFrame:
        """Broken rules with their severity and trend, the largest share of its table first."""
        columns = ["where", "what is wrong", "severity", "left out", "share", "share of 30 days", "trend"]
        return shown(self._rules[columns], **{"share": ".2%", "share of 30 days": ".2%"})

    @part
    def keys(self) -> pd.DataFrame:
        """The first keys that break each rule."""
        return self._rules[["where", "rule", "dimension", "first keys"]]

    @part
    def by_month(self) -> Axes:
        """Draw the rows left out by the month they are dated, by table."""
        months = left_out_by_month(self.source)
        if months.empty:
            raise BankmineError("no row is left out of a month with enough rows")
        axis = sns.lineplot(months, x="month", y="per_10k", hue="table", style="table")
        axis.set(title="Rows left out per 10,000 delivered, by the month they are dated")
        axis.set(xlabel="", ylabel="per 10,000 rows")
        axis.set_ylim(bottom=0)
        return axis

    # --- completeness and timeliness

    @part
    def _completeness(self) -> pd.DataFrame:
        return completeness(self.source)

    @part
    def filled(self) -> dict[str, object]:
        """Columns that are not always filled, and those that are emptying out."""
        told = self._completeness
        fading = told[told["change"] < -FADING]
        which = ", ".join(fading["table"] + "." + fading["column"]) or "none"
        return {"gappy": (told["filled"] < 1).sum(), "columns": len(told), "fading": len(fading), "which": which}

    @part
    def gappy(self) -> pd.DataFrame:
        """Columns that are not always filled."""
        told = self._completeness
        told = told[told["filled"] < 1].reset_index(drop=True)
        return shown(told, **{"filled": ".1%", "last 90 days": ".1%", "change": "+.1%"})

    @part
    def behind(self) -> dict[str, int]:
        """Days between the last booking and the snapshot's day."""
        return {"days": (self.source.as_of - self.source.checks["transactions"].last).days}

    @part
    def _gaps(self) -> pd.DataFrame:
        return volume_gaps(self.source)

    @part
    def lost(self) -> dict[str, float]:
        """Weeks in which a channel fell silent in a region, and the bookings that did not arrive."""
        return {"cells": len(self._gaps), "lost": (self._gaps["expected"] - self._gaps["count"]).sum()}

    @part
    def gaps(self) -> pd.DataFrame:
        """Weeks in which bookings are missing, the largest loss first."""
        if self._gaps.empty:
            raise BankmineError("no week is missing")
        return shown(self._gaps.assign(week=self._gaps["week"].dt.date), expected=",.0f")

    @part
    def daily(self) -> Axes:
        """Draw the bookings a day, smoothed over a week."""
        axis = daily_bookings(self.source).rolling(7).mean().plot()
        axis.set(title="Bookings a day, mean of 7 days", xlabel="", ylabel="bookings a day")
        axis.set_ylim(bottom=0)
        return axis

    # --- reconciliation

    @part
    def unreconciled(self) -> dict[str, float]:
        """Month-end balances that do not follow from the bookings since the one before."""
        self.source.require("balances.balance")
        told = self.source.checks["balances"]
        if not told.rows:
            raise BankmineError("the source has no row of balances")
        wrong = sum(v.count for v in told.violations if v.rule == "unreconciled")
        return {"wrong": wrong, "rows": told.rows, "share": wrong / told.rows}


def broken_rules(snapshot: Snapshot) -> pd.DataFrame:
    """List the broken rules with their dimension, severity and first keys, the largest share of its table first.

    `left out` are rows, or values where the row stays; `share of 30 days` is over the rows dated in the last 30 days,
    and `trend` is rising or falling where the two shares differ by more than chance explains.
    """
    found = snapshot.violations().sort_values(["table", "rule", "column"])
    rows, recent_rows = (
        found["table"].map({n: vars(c)[k] for n, c in snapshot.checks.items()}) for k in ("rows", "recent")
    )
    recent_rows = recent_rows.where(found["rule"] != "in_future", 0)  # these are never dated in the last 30 days
    share, recent = found["count"] / rows, found["recent"] / recent_rows.replace(0, np.nan)
    rules = pd.DataFrame({
        "where": found["table"] + "." + found["column"], "rule": found["rule"],
        "what is wrong": found["meaning"], "dimension": found["rule"].map(DIMENSIONS),
        "severity": np.select([share >= SEVERE_SHARE, share >= NOTABLE_SHARE], ["severe", "notable"], "minor"),
        "left out": [f"{n:,} {level}{'s' * (n != 1)}" for n, level in zip(found["count"], found["level"], strict=True)],
        "share": share, "share of 30 days": recent, "trend": _trend(found["recent"], recent_rows, share),
        "first keys": found["examples"].map("; ".join),
    })  # fmt: skip
    return rules.sort_values("share", ascending=False, kind="stable").reset_index(drop=True)


def left_out_by_month(snapshot: Snapshot) -> pd.DataFrame:
    """Count `delivered` and `left_out` rows, and these `per_10k`, by table and month they are dated.

    Of tables with any row left out; months up to the snapshot's with `ENOUGH_ROWS`, for a share of fewer says little.
    """
    parts = []
    for name, check in snapshot.checks.items():
        if check.quarantined:
            delivered, kept = (_by_month(t[name], TABLES[name]) for t in (snapshot.delivered, snapshot.tables))
            parts.append(pd.DataFrame({"delivered": delivered, "kept": kept}).fillna(0).assign(table=name))
    if not parts:
        return pd.DataFrame(columns=["month", "delivered", "table", "left_out", "per_10k"])
    months = pd.concat(parts).rename_axis("month").reset_index()
    months = months[(months["delivered"] >= ENOUGH_ROWS) & (months["month"] <= pd.Timestamp(snapshot.as_of))]
    months["left_out"] = months["delivered"] - months["kept"]
    months["per_10k"] = 1e4 * months["left_out"] / months["delivered"]
    return months.drop(columns="kept").sort_values(["table", "month"]).reset_index(drop=True)


def completeness(snapshot: Snapshot) -> pd.DataFrame:
    """Measure how much of each column is filled, in all and in the last 90 days, and how this `change`d.

    Columns that the bank does not deliver at all are left out, late values (an outcome not yet known) as well.
    """
    rows = [row for name in snapshot.tables for row in _filled(snapshot, name)]
    frame = pd.DataFrame(rows, columns=["table", "column", "rows", "filled", "last 90 days", "before"])
    frame["change"] = frame["last 90 days"] - frame["before"]
    return frame.drop(columns="before").sort_values(["filled", "table", "column"]).reset_index(drop=True)


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
    spread = _dispersion(cells, expected)
    unlikely = poisson.cdf(cells / spread, expected / spread) < GAP_SIGNIFICANCE / max(cells.size, 1)
    gaps = _long(unlikely & (cells < expected / 2), "gap")["gap"]
    found = _long(cells, "count").join(_long(expected, "expected"))[gaps.astype(bool)].reset_index()
    return found.sort_values("count", key=lambda c: c - found["expected"]).reset_index(drop=True)


def daily_bookings(snapshot: Snapshot) -> pd.Series:
    """Count the bookings of each day; days without any count 0."""
    t = snapshot.transactions
    counts = t.group_by(day=t["at"].cast("date")).agg(bookings=t.count()).to_pandas()
    by_day = counts.assign(day=pd.to_datetime(counts["day"])).set_index("day")["bookings"]
    return by_day.asfreq("D", fill_value=0).sort_index()


def _trend(count: pd.Series, rows: pd.Series, share: pd.Series) -> np.ndarray:
    """Say whether a count is higher or lower than a share lets expect, where chance alone hardly explains it."""
    count, expected = count.astype(float), rows.astype(float) * share.astype(float)
    rising = poisson.sf(count - 1, expected) < TREND_SIGNIFICANCE
    falling = poisson.cdf(count, expected) < TREND_SIGNIFICANCE
    return np.select([expected == 0, rising, falling], ["not known", "rising", "falling"], "steady")


def _by_month(rows: ir.Table, table: Table) -> pd.Series:
    month = rows[table.time].cast("date").truncate("M")
    counts = rows.group_by(month=month).agg(rows=rows.count()).to_pandas().dropna()
    return counts.assign(month=pd.to_datetime(counts["month"])).set_index("month")["rows"]


def _filled(snapshot: Snapshot, name: str) -> list[tuple]:
    rows, table = snapshot.tables[name], TABLES[name]
    columns = [c.name for c in table.columns if c.name in rows.columns and not c.known_on]
    recent = rows[table.time].cast("date") > ibis.literal(snapshot.as_of - datetime.timedelta(days=RECENT_DAYS))
    told = rows.aggregate(
        all=rows.count(),
        **{f"{c}|all": rows[c].notnull().mean() for c in columns},
        **{f"{c}|recent": rows[c].notnull().mean(where=recent) for c in columns},
        **{f"{c}|before": rows[c].notnull().mean(where=~recent) for c in columns},
    )
    (found,) = told.to_pyarrow().to_pylist()
    return [(name, c, found["all"], *(found[f"{c}|{when}"] for when in ("all", "recent", "before"))) for c in columns]


def _dispersion(cells: pd.DataFrame, expected: pd.DataFrame) -> pd.Series:
    """Return how much more the counts of each column's channel vary than Poisson's: 1 or above, by the median."""
    squared = (cells - expected) ** 2 / expected.where(expected >= COUNTABLE)
    typical = squared.T.groupby("channel").apply(lambda c: np.nanmedian(c) if c.notna().any(axis=None) else 1.0)
    return (typical / chi2.median(1)).clip(lower=1).reindex(cells.columns, level="channel")


def _long(cells: pd.DataFrame, name: str) -> pd.DataFrame:
    return cells.melt(ignore_index=False, value_name=name).set_index(["channel", "region"], append=True)


def _weekly_cells(snapshot: Snapshot) -> pd.DataFrame:
    """Count bookings by full calendar week (rows), and by channel and region (columns)."""
    t, customers = snapshot.transactions, snapshot.customers
    region = customers.region if "region" in customers.columns else ibis.null("string")
    owners = customers.select("customer_id", region=region.fill_null("unknown"))
    owners = snapshot.accounts.inner_join(owners, "customer_id").select("account_id", "region")
    channel = t.channel if "channel" in t.columns else ibis.null("string")
    weeks = t.select("account_id", week=t["at"].cast("date").truncate("W"), channel=channel.fill_null("unknown"))
    weeks = weeks.inner_join(owners, "account_id").group_by("week", "channel", "region")
    counts = weeks.agg(count=ibis._.count()).to_pandas()
    counts["week"] = pd.to_datetime(counts["week"])
    cells = counts.pivot_table(index="week", columns=["channel", "region"], values="count", fill_value=0)
    return cells.asfreq("W-MON", fill_value=0).iloc[1:-1].astype(float)  # the first and last week may be cut
