"""Completeness: how much of each column is filled, and when and where it is left out."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from scipy.stats import chi2, norm

from bankmine.bank.contract import TABLES
from bankmine.bank.snapshot import Snapshot
from bankmine.topics.quality.volume import with_region

RECENT_DAYS = 90
NEIGHBOUR_MONTHS = 13
FADING = 0.05
"""Fall of the filled share of a column from which it is emptying out."""
FALLEN = 0.2
"""Part of the usual share by which a month must be filled less to be told."""
ENOUGH_ROWS = 100
"""Rows of a cell from which its share is near enough to normal, so that chance can be told."""
CHANNEL, REGION, _KIND = "channel", "region", "kind"
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


def filled_by_month(snapshot: Snapshot, told: pd.DataFrame) -> pd.DataFrame:
    """Count how much of each column is filled by month, and by channel or by the region of the customer.

    Of columns that are filled in part as `told` by `completeness`. A row a cell: `table`, `column`, `month`, `channel`,
    `region` (one of them, or none where a table has neither), `rows`, `filled` and `expected` (shares), and `left_out`.

    Expected is what rows of these kinds are filled in all months, times how the months around compare to that; in a
    region how all others compare that month, times how the region usually does to them. So the mix of bookings, which
    moves with the season, is no gap. A cell is left out where it is filled by a fifth less, and by more than chance
    makes: its standard error is that of its `rows`, times how much more the months of its place vary
    (quasi-binomial). Cells of fewer than `ENOUGH_ROWS` are none.
    """
    parts = [
        _cells(rows, TABLES[name].time, columns, by).assign(table=name)
        for name, columns in _gappy(told).items() for by, rows in _cuts(snapshot, name)
    ]  # fmt: skip
    names = ["table", "column", "month", CHANNEL, REGION, "rows", "filled", "expected", "surprise", "left_out"]
    cells = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=names)
    chance = SIGNIFICANCE / max(len(cells), 1)
    fallen = cells["filled"] < (1 - FALLEN) * cells["expected"]
    cells["left_out"] = (fallen & (norm.cdf(cells["surprise"].astype(float)) < chance)).astype(bool)
    return cells.reindex(columns=names)


def left_out_by_region(snapshot: Snapshot, told: pd.DataFrame, joined_by: datetime.date | None = None) -> pd.DataFrame:
    """Find regions whose customers are recorded less fully than those of all others, the largest difference first.

    By more than `FADING`, and by more than chance makes; of those who joined by a day, or all. `table`, `column`,
    `region`, `rows`, `filled` and `expected`: the share elsewhere.
    """
    snapshot.require("customers.region")
    people = snapshot.customers
    people = people if joined_by is None else people.filter(people.joined_on <= ibis.literal(joined_by))
    columns = [c for c in _gappy(told).get("customers", []) if c != REGION]
    counts = people.group_by(REGION).agg(rows=people.count(), **{c: people[c].count() for c in columns}).to_pandas()
    counts = counts.dropna().set_index(REGION)
    rows, filled = counts["rows"], counts[columns].astype(float)
    others = rows.sum() - rows
    elsewhere = (filled.sum() - filled).div(others, axis=0)
    all_filled = filled.sum() / max(rows.sum(), 1)
    share = filled.div(rows, axis=0)
    spread = np.sqrt(np.outer(1 / rows + 1 / others.where(others > 0), all_filled * (1 - all_filled)))
    unlikely = norm.cdf((share - elsewhere) / spread) < SIGNIFICANCE / max(share.size, 1)
    cells = share.melt(var_name="column", value_name="filled", ignore_index=False).assign(table="customers")
    cells["rows"] = rows.reindex(cells.index)
    cells["expected"] = elsewhere.melt()["value"].to_numpy()
    found = cells[(unlikely & (elsewhere - share > FADING)).melt()["value"].to_numpy(bool)]
    return largest_first(found.reset_index())


def largest_first(found: pd.DataFrame) -> pd.DataFrame:
    """Sort what is filled less than expected, the largest fall first."""
    fall = (found["filled"] - found["expected"]).astype(float).to_numpy()
    return found.iloc[np.argsort(fall, kind="stable")].reset_index(drop=True)


def _gappy(told: pd.DataFrame) -> dict[str, list[str]]:
    """Return the columns of each table that are filled in part."""
    told = told[(told["filled"] > 0) & (told["filled"] < 1)]
    return told.groupby("table")["column"].agg(list).to_dict()


def _cuts(snapshot: Snapshot, name: str) -> Iterator[tuple[str, ir.Table]]:
    """Yield the rows of a table with the channel, or one place for all, and with the region of their customers."""
    rows = snapshot.tables[name]
    there = CHANNEL in rows.columns
    yield (
        CHANNEL if there else "",
        rows.mutate(place=rows[CHANNEL].fill_null("unknown") if there else ibis.literal("all")),
    )
    if name != "customers" and REGION in snapshot.customers.columns:
        owned = with_region(snapshot, rows)
        if owned is not None:
            yield REGION, owned.mutate(place=owned[REGION])


def _cells(rows: ir.Table, time: str, columns: list[str], by: str) -> pd.DataFrame:
    """Count the cells of a table cut one way, and set each against what is expected of it."""
    keys = {"month": rows[time].cast("date").truncate("M"), "place": rows.place}
    kind = rows[_KIND].fill_null("unknown") if _KIND in rows.columns else ibis.literal("all")
    counts = rows.group_by(**keys, kind=kind).agg(rows=rows.count(), **{f"{c}|": rows[c].count() for c in columns})
    counts = counts.to_pandas().dropna().assign(month=lambda t: pd.to_datetime(t["month"])).astype({"rows": float})
    of_kind = counts.groupby(["place", "kind"])
    for column in columns:  # how many would be filled if each kind of row were filled as in all months
        usually = of_kind[f"{column}|"].transform("sum") / of_kind["rows"].transform("sum")
        counts[f"{column}|of kind"] = counts["rows"] * usually
    wide = counts.drop(columns="kind").pivot_table(index="month", columns="place", aggfunc="sum", fill_value=0.0)
    parts = [_expected(wide["rows"], wide[f"{c}|"], wide[f"{c}|of kind"], by).assign(column=c) for c in columns]
    cells = pd.concat(parts).rename_axis("month").reset_index()
    return cells.rename(columns={"place": by}) if by else cells.drop(columns="place")


def _expected(size: pd.DataFrame, filled: pd.DataFrame, of_kind: pd.DataFrame, by: str) -> pd.DataFrame:
    """Set the filled share of each cell against the expected one: a row a cell with enough rows."""
    share, mix = filled / _there(size), of_kind / _there(size)
    ratio = share / _there(mix)
    usual = _usual(ratio)
    if by == REGION:
        others = filled.rsub(filled.sum(axis=1), axis=0) / _there(of_kind.rsub(of_kind.sum(axis=1), axis=0))
        usual = others * _usual(ratio / _there(others))
    usual = (mix * usual).clip(0, 1)
    error = np.sqrt(usual * (1 - usual) / _there(size))
    spread = (((share - usual) / _there(error)) ** 2).median() / chi2.median(1)
    surprise = (share - usual) / (_there(error) * np.sqrt(spread.clip(lower=1).fillna(1)))
    told = {"rows": size, "filled": share, "expected": usual, "surprise": surprise.fillna(0)}
    told = {n: t.where(size >= ENOUGH_ROWS).melt(ignore_index=False)["value"] for n, t in told.items()}
    places = size.melt(ignore_index=False)["place"]
    return pd.DataFrame(
        {"place": places.to_numpy(), **{n: t.to_numpy() for n, t in told.items()}}, places.index
    ).dropna()


def _there(values: pd.DataFrame) -> pd.DataFrame:
    return values.where(values > 0)


def _usual(share: pd.DataFrame) -> pd.DataFrame:
    return share.rolling(NEIGHBOUR_MONTHS, center=True, min_periods=1).median()


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
