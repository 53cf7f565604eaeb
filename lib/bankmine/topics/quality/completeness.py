"""Completeness: how much of each column is filled, and when and where it is left out."""

from __future__ import annotations

import datetime

import ibis
import numpy as np
import pandas as pd
from scipy.stats import binom, norm

from bankmine.bank.contract import TABLES
from bankmine.bank.snapshot import Snapshot
from bankmine.topics.quality.rules import ENOUGH_ROWS

RECENT_DAYS = 90
NEIGHBOUR_MONTHS = 13
FADING = 0.05
"""Fall of the filled share of a column from which it is emptying out."""
FALLEN = 0.2
"""Part of the usual share by which a month must be filled less to be told."""
SIGNIFICANCE = 0.001
"""Chance of calling anything left out in a bank that is filled alike, over all columns of a table (Bonferroni)."""


def completeness(snapshot: Snapshot) -> pd.DataFrame:
    """Measure how much of each column is filled, in all and in the last 90 days, and how this `change`d.

    Columns that the bank does not deliver at all are left out, late values (an outcome not yet known) as well.
    """
    rows = [row for name in snapshot.tables for row in _filled(snapshot, name)]
    frame = pd.DataFrame(rows, columns=["table", "column", "rows", "filled", "last 90 days", "before"])
    frame["change"] = frame["last 90 days"] - frame["before"]
    return frame.drop(columns="before").sort_values(["filled", "table", "column"]).reset_index(drop=True)


def emptied_months(snapshot: Snapshot, told: pd.DataFrame) -> pd.DataFrame:
    """Find months whose rows are filled less than those of the months around, the largest fall first.

    Of columns that are filled in part as `told` by `completeness`.

    By a fifth of the median of the months around or more, as the mix of rows moves with the season, and by more than
    chance makes; of months with `ENOUGH_ROWS`. `table`, `column`, `month`, `rows`, `filled` and `expected`: shares.
    """
    found = [_emptied(snapshot, name, columns) for name, columns in _gappy(told).items()]
    names = ["table", "column", "month", "rows", "filled", "expected"]
    return _largest_first(pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=names))[names]


def left_out_by_region(snapshot: Snapshot, told: pd.DataFrame) -> pd.DataFrame:
    """Find regions whose customers are recorded less fully than those of all others, the largest difference first.

    By more than `FADING`, and by more than chance makes. `table`, `column`, `region`, `rows`, `filled` and `expected`:
    the share elsewhere.
    """
    snapshot.require("customers.region")
    people = snapshot.customers
    columns = [c for c in _gappy(told).get("customers", []) if c != "region"]
    counts = people.group_by("region").agg(rows=people.count(), **{c: people[c].count() for c in columns}).to_pandas()
    counts = counts.dropna().set_index("region")
    rows, filled = counts["rows"], counts[columns].astype(float)
    others = rows.sum() - rows
    elsewhere = (filled.sum() - filled).div(others, axis=0)
    all_filled = filled.sum() / max(rows.sum(), 1)
    share = filled.div(rows, axis=0)
    spread = np.sqrt(np.outer(1 / rows + 1 / others.where(others > 0), all_filled * (1 - all_filled)))
    unlikely = norm.cdf((share - elsewhere) / spread) < SIGNIFICANCE / max(share.size, 1)
    return _listed(unlikely & (elsewhere - share > FADING), "customers", "region", share, elsewhere, rows)


def _gappy(told: pd.DataFrame) -> dict[str, list[str]]:
    """Return the columns of each table that are filled in part."""
    told = told[(told["filled"] > 0) & (told["filled"] < 1)]
    return told.groupby("table")["column"].agg(list).to_dict()


def _emptied(snapshot: Snapshot, name: str, columns: list[str]) -> pd.DataFrame:
    rows = snapshot.tables[name]
    month = rows[TABLES[name].time].cast("date").truncate("M")
    told = rows.group_by(month=month).agg(rows=rows.count(), **{f"{c}|filled": rows[c].count() for c in columns})
    counts = (
        told.to_pandas().dropna().assign(month=lambda t: pd.to_datetime(t["month"])).set_index("month").sort_index()
    )
    filled = counts[[f"{c}|filled" for c in columns]].set_axis(columns, axis=1)
    share = filled.div(counts["rows"], axis=0)
    usual = share.rolling(NEIGHBOUR_MONTHS, center=True, min_periods=1).median()
    unlikely = binom.cdf(filled, counts[["rows"]], usual) < SIGNIFICANCE / max(share.size, 1)
    fallen = unlikely & (share < (1 - FALLEN) * usual) & (counts[["rows"]] >= ENOUGH_ROWS).to_numpy()
    return _listed(fallen, name, "month", share, usual, counts["rows"])


def _listed(
    fallen: pd.DataFrame, table: str, by: str, share: pd.DataFrame, expected: pd.DataFrame, rows: pd.Series
) -> pd.DataFrame:
    """List the cells that are filled less than expected."""
    cells = share.melt(var_name="column", value_name="filled", ignore_index=False).rename_axis(by)
    cells["expected"] = expected.melt()["value"].to_numpy()
    found = cells[fallen.melt()["value"].to_numpy(bool)]
    return _largest_first(found.assign(table=table, rows=rows.reindex(found.index)).reset_index())


def _largest_first(found: pd.DataFrame) -> pd.DataFrame:
    return found.sort_values("filled", key=lambda f: f - found["expected"], ignore_index=True)


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
