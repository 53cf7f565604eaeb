"""Quality: how much of a snapshot can be trusted: completeness, validity, uniqueness, timeliness, reconciliation."""

from __future__ import annotations

import datetime

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from scipy.stats import poisson

from bankmine.bank.contract import TABLES, Table
from bankmine.bank.snapshot import Snapshot

DIMENSIONS = {
    "wrong_type": "validity", "unknown_value": "validity", "not_positive": "validity", "negative": "validity",
    "null_key": "completeness", "missing_value": "completeness", "duplicate_key": "uniqueness",
    "in_future": "timeliness", "before_parent": "timeliness", "unknown_parent": "reconciliation",
    "unreconciled": "reconciliation",
}  # fmt: skip
"""Rule -> dimension of data quality (after DAMA-DMBOK, 2nd edition, chapter 13)."""

SEVERE_SHARE, NOTABLE_SHARE = 0.01, 0.001
"""From which share of a table's rows a broken rule is severe, and from which it is notable."""

RECENT_DAYS = 90
GAP_SIGNIFICANCE = 0.001
"""Chance of calling any gap in a bank that has none, over all cells together (Bonferroni)."""


def broken_rules(snapshot: Snapshot, earlier: Snapshot) -> pd.DataFrame:
    """List the broken rules with their dimension, share, severity and trend, the worst first.

    Parameters
    ----------
    snapshot, earlier : Snapshot
        The same bank on two days; `new` counts what came in between.

    Returns
    -------
    pd.DataFrame
        `table`, `rule`, `column`, `meaning`, `dimension`, `level`, `count`, `share`, `severity`, `new`, `examples`.
    """
    found = snapshot.violations()
    keys = ["table", "rule", "column"]
    before = earlier.violations()[[*keys, "count"]].rename(columns={"count": "before"})
    found = found.merge(before, how="left", on=keys)
    found["new"] = found["count"] - found["before"].fillna(0).astype(int)
    found["share"] = found["count"] / found["table"].map({n: c.rows for n, c in snapshot.checks.items()})
    found["dimension"] = found["rule"].map(DIMENSIONS)
    found["severity"] = np.select(
        [found["share"] >= SEVERE_SHARE, found["share"] >= NOTABLE_SHARE], ["severe", "notable"], "minor"
    )
    found["examples"] = found["examples"].map("; ".join)
    columns = [*keys, "meaning", "dimension", "level", "count", "share", "severity", "new", "examples"]
    return found.sort_values(["share", *keys], ascending=[False, True, True, True])[columns].reset_index(drop=True)


def left_out_by_month(snapshot: Snapshot) -> pd.DataFrame:
    """Count delivered and left-out rows by month.

    Returns
    -------
    pd.DataFrame
        `table`, `month`, `delivered`, `left_out`, `share`, for tables with any row left out, up to the snapshot's day.
    """
    parts = []
    for name, check in snapshot.checks.items():
        if check.quarantined:
            delivered, kept = (_by_month(t[name], TABLES[name]) for t in (snapshot.delivered, snapshot.tables))
            parts.append(pd.DataFrame({"delivered": delivered, "kept": kept}).fillna(0).assign(table=name))
    if not parts:
        return pd.DataFrame(columns=["table", "month", "delivered", "left_out", "share"])
    months = pd.concat(parts).rename_axis("month").reset_index()
    months = months[months["month"] <= pd.Timestamp(snapshot.as_of)]
    months["left_out"] = months["delivered"] - months["kept"]
    months["share"] = months["left_out"] / months["delivered"]
    return months[["table", "month", "delivered", "left_out", "share"]].sort_values(["table", "month"])


def completeness(snapshot: Snapshot) -> pd.DataFrame:
    """Measure how much of each column is filled, in all and in the last 90 days.

    Returns
    -------
    pd.DataFrame
        `table`, `column`, `rows`, `filled`, `filled_recently`, `change` (of the recent against the earlier rows);
        columns that the bank does not deliver at all are left out, late values (an outcome not yet known) as well.
    """
    rows = [row for name in snapshot.tables for row in _filled(snapshot, name)]
    frame = pd.DataFrame(rows, columns=["table", "column", "rows", "filled", "filled_recently", "filled_before"])
    frame["change"] = frame["filled_recently"] - frame["filled_before"]
    return frame.drop(columns="filled_before").sort_values(["filled", "table", "column"]).reset_index(drop=True)


def volume_gaps(snapshot: Snapshot) -> pd.DataFrame:
    """Find weeks in which a channel in a region delivered far fewer bookings than it used to.

    A cell's expected count is its own weekly median scaled by how busy the week was in the whole bank; a gap is a
    count that a Poisson variable with that mean would fall to with a chance below `GAP_SIGNIFICANCE` over all cells,
    and that is less than half of the mean: real counts vary more than Poisson.

    Returns
    -------
    pd.DataFrame
        `week`, `channel`, `region`, `count`, `expected`, the largest loss first.
    """
    weekly = _weekly_counts(snapshot)
    if weekly.empty:
        return weekly.assign(expected=[])
    cells = weekly.pivot_table(index="week", columns=["channel", "region"], values="count", fill_value=0)
    busy = cells.sum(axis=1) / cells.sum(axis=1).median()
    expected = pd.DataFrame(np.outer(busy, cells.median()), index=cells.index, columns=cells.columns)
    unlikely = poisson.cdf(cells, expected) < GAP_SIGNIFICANCE / cells.size
    gaps = unlikely & (cells < expected / 2)
    found = _long(cells, "count").join(_long(expected, "expected"))[_long(gaps, "gap")["gap"]].reset_index()
    return found.sort_values("count", key=lambda c: c - found["expected"]).reset_index(drop=True)


def days_behind(snapshot: Snapshot) -> int:
    """Count the days between the last booking and the snapshot's day."""
    last = snapshot.checks["transactions"].last
    return (snapshot.as_of - last).days


def daily_bookings(snapshot: Snapshot) -> pd.Series:
    """Count the bookings of each day; days without any count 0."""
    t = snapshot.transactions
    counts = t.group_by(day=t["at"].cast("date")).agg(bookings=t.count()).to_pandas()
    return (
        counts.assign(day=pd.to_datetime(counts["day"]))
        .set_index("day")["bookings"]
        .asfreq("D", fill_value=0)
        .sort_index()
    )


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


def _long(cells: pd.DataFrame, name: str) -> pd.DataFrame:
    return cells.melt(ignore_index=False, value_name=name).set_index(["channel", "region"], append=True)


def _weekly_counts(snapshot: Snapshot) -> pd.DataFrame:
    """Count bookings by full week, channel and region, over the last year."""
    first = snapshot.as_of - datetime.timedelta(days=364)
    t = snapshot.transactions
    t = t.mutate(date=t["at"].cast("date"), channel=t.channel if "channel" in t.columns else ibis.literal("all"))
    customers = snapshot.customers
    region = customers.region if "region" in customers.columns else ibis.null("string")
    owners = snapshot.accounts.inner_join(
        customers.select("customer_id", region=region.fill_null("unknown")), "customer_id"
    )
    t = t.filter(t.date >= ibis.literal(first)).inner_join(owners.select("account_id", "region"), "account_id")
    weeks = t.mutate(week=(t.date.delta(ibis.literal(first), unit="day") // 7), channel=t.channel.fill_null("unknown"))
    counts = weeks.group_by("week", "channel", "region").agg(count=weeks.count()).to_pandas()
    return counts.assign(week=pd.Timestamp(first) + pd.to_timedelta(counts["week"] * 7, unit="D"))
