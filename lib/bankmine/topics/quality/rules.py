"""Rules of the contract: how often each is broken, how bad that is, whether it gets worse, and in which months."""

from __future__ import annotations

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

ENOUGH_ROWS = 1000
TREND_SIGNIFICANCE = 0.01


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
