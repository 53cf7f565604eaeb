"""Quality: how much of a snapshot can be trusted: completeness, validity, uniqueness, timeliness, reconciliation."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from bankmine.bank.kept import ANALYSES
from bankmine.bank.regions import in_english
from bankmine.bank.snapshot import Snapshot, open_source
from bankmine.errors import BankmineError
from bankmine.features.spine import kept, month_end_before
from bankmine.judging.intervals import shown
from bankmine.lacking import Lacking, optional, part
from bankmine.study.charts import chart, heat
from bankmine.study.heading import Headed
from bankmine.topics.quality.completeness import (
    CHANNEL,
    FADING,
    completeness,
    filled_by_month,
    largest_first,
    left_out_by_region,
)
from bankmine.topics.quality.rules import SEVERE_SHARE, broken_rules, left_out_by_month
from bankmine.topics.quality.volume import daily_bookings, silent_days, volume_gaps

LATE_DAYS = 7
"""Days without any booking up to the snapshot's day that are too many."""
_DRAWN, _MONTHS, _MOVES, _BEYOND = 12, 36, 1, 3
"""Rows and months of the heat map of completeness; the points from what is expected that a column must move to be one,
and the standard errors from which a cell is drawn."""
_NAMED = 3
"""Channels of one find that are named; of more the number is told."""
_DAYS = {"silent_week": 7, "silent_day": 1, "emptied_month": 31}
"""Days that a find of each check lasts, at most."""


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
        """How many checks call for mending this month, of those that the source allows; how many `old` finds stand."""
        crossed = {
            "broken rules": self._crossed("broken", "acute", 0),
            "columns emptying out": self._crossed("filled", "fading", 0),
            "months left out": self._crossed("emptied", "new", 0),
            "regions left out": self._crossed("uneven", "new", 0),
            "old bookings": self._crossed("behind", "days", LATE_DAYS),
            "missing weeks": self._crossed("lost", "new", 0),
            "missing days": self._crossed("silent", "new", 0),
            "balances that do not follow": self._crossed("unreconciled", "share", SEVERE_SHARE),
        }
        which = [name for name, told in crossed.items() if told]
        made = [told for told in crossed.values() if not isinstance(told, Lacking)]
        old = (~self._defects["new"]).sum()
        return {"crossed": len(which), "checks": len(made), "which": ", ".join(which) or "none", "old": old}

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
        which = ", ".join(sorted(set(self._rules.loc[self._acute, "where"]))) or "none"
        told = {"broken": len(self._rules), "severe": severe.sum(), "rising": rising.sum(), "which": which}
        return told | {"acute": self._acute.sum()}

    @part
    def _acute(self) -> pd.Series:
        """Whether each rule is rising, or severe and broken in the last 30 days as well, as far as these tell."""
        severe, rising = self._rules["severity"] == "severe", self._rules["trend"] == "rising"
        return rising | (severe & (self._rules["share of 30 days"] != 0))

    @part
    def to_mend(self) -> pd.DataFrame:
        """Severe and rising rules, with the first keys to look up in the source."""
        if not self._acute.any():
            raise BankmineError("no broken rule is severe or rising")
        columns = ["where", "what is wrong", "severity", "left out", "trend", "first keys"]
        return self._rules.loc[self._acute, columns].reset_index(drop=True)

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

    @chart
    def by_month(self) -> Axes:
        """Draw the rows left out by the month they are dated, by table."""
        day = [self.source.as_of]
        months = kept(
            self.source, "rows left out by month", day, lambda: left_out_by_month(self.source), rooms=ANALYSES
        )
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
        return shown(told, **{"filled": ".1%", "last 90 days": ".1%", "change": "+.1pp"})

    @part
    def _cells(self) -> pd.DataFrame:
        return filled_by_month(self.source, self._completeness)

    @part
    def _emptied(self) -> pd.DataFrame:
        found = self._cells[self._cells["left_out"]].rename(columns={"month": "since"})
        return largest_first(found.drop(columns=["surprise", "left_out"]))

    @part
    def emptied(self) -> dict[str, object]:
        """How often a column was left out in a month, how often in this one (`new`), and `which`, in words."""
        return self._counted("emptied_month", "months")

    @chart
    def months_chart(self) -> Axes:
        """Draw by how many points columns were filled less, or more, than in the months around, by channel."""
        drawn = self._cells[self._cells["region"].isna()]
        if drawn.empty:
            raise BankmineError("no column that is filled in part has a month with enough rows")
        label = drawn["column"] + drawn[CHANNEL].map(lambda c: f", {c}", na_action="ignore").fillna("")
        drawn = drawn.assign(label=label, month=drawn["month"].dt.strftime("%Y-%m"))
        beyond = drawn["surprise"].astype(float).abs() >= _BEYOND
        drawn["points"] = (100 * (drawn["filled"] - drawn["expected"]).astype(float)).where(beyond, 0.0)
        drawn = drawn[drawn["month"].isin(sorted(set(drawn["month"]))[-_MONTHS:])]
        points, told = (drawn.pivot_table(index="label", columns="month", values=v) for v in ("points", "left_out"))
        points = points[points.abs().max(axis=1) >= _MOVES]
        if points.empty:
            raise BankmineError(f"no column moves by {_MOVES} point from what is expected, beyond chance")
        points = points.loc[points.min(axis=1).nsmallest(_DRAWN).index]
        told = told.reindex(index=points.index, columns=points.columns) > 0
        axis = plt.subplots(figsize=(7.5, 1.5 + 0.35 * len(points)))[1]
        sns.heatmap(points, cmap="RdBu", center=0, vmin=-20, vmax=20, cbar_kws={"label": "pp"}, ax=axis)
        for row, column in zip(*np.nonzero(told.to_numpy()), strict=True):
            axis.plot(column + 0.5, row + 0.5, "o", color="white", markersize=4)
        axis.set(title="Filled less (red) or more (blue) than usual, beyond chance; dot: alarm", xlabel="", ylabel="")
        axis.set_xticks([n + 0.5 for n in range(0, points.shape[1], 6)], points.columns[::6], rotation=0)
        axis.tick_params(axis="y", rotation=0)
        return axis

    @part
    def _uneven(self) -> pd.DataFrame:
        found = left_out_by_region(self.source, self._completeness)
        joined_by = month_end_before(self.source.as_of)
        before = left_out_by_region(self.source, self._completeness, joined_by)[["column", "region"]]
        standing = pd.MultiIndex.from_frame(found[["column", "region"]]).isin(pd.MultiIndex.from_frame(before))
        return found.assign(standing=standing)

    @part
    def uneven(self) -> dict[str, object]:
        """In how many `regions` customers are recorded less fully than elsewhere, and `which` columns."""
        return self._counted("left_out_in_region", "regions")

    @chart
    def by_region(self) -> Axes:
        """Draw how much of each column of customers is filled, by region."""
        self.source.require("customers.region")
        told = self._completeness
        columns = told.loc[(told["table"] == "customers") & told["filled"].between(0, 1, "neither"), "column"]
        people = self.source.customers
        by = people.group_by("region").agg(**{c: people[c].notnull().mean() for c in columns if c != "region"})
        filled = by.to_pandas().dropna(subset="region").set_index("region").sort_index()
        filled.index = in_english(filled.index)
        if filled.empty or not filled.shape[1]:
            raise BankmineError("no column of customers is filled in part")
        return heat(filled, "Share of customers of whom a column is filled, by region")

    # --- what no rule sees, with its date and age

    @part
    def _finds(self) -> dict[str, pd.DataFrame]:
        """Finds of each check that there is, each with its columns of a catalogue; `since` is unknown in a region."""
        return {
            "silent_week": self._gaps.assign(table="transactions").rename(columns={"week": "since"}),
            "silent_day": _there(self, "_silent").assign(table="events").rename(columns={"day": "since"}),
            "emptied_month": _there(self, "_emptied"),
            "left_out_in_region": _there(self, "_uneven"),
        }

    @part
    def _defects(self) -> pd.DataFrame:
        """All finds in words, and whether each is `new`: of the month of the report."""
        columns = ["check", "what", "where", "when", "there", "expected", "age", "new"]
        finds = self._finds | {"emptied_month": _by_column(self._emptied)}
        rows = [self._told(check, find) for check, found in finds.items() for find in found.to_dict("records")]
        return pd.DataFrame(rows, columns=columns).astype({"new": bool})

    def _told(self, check: str, find: dict) -> tuple[object, ...]:
        where = [find[c] for c in ("region", CHANNEL) if isinstance(find.get(c), str)]
        where = in_english(pd.Index(where), both=True)
        if "filled" in find:
            what, there, expected = (
                f"{find['table']}.{find['column']}",
                f"{find['filled']:.0%}",
                f"{find['expected']:.0%}",
            )
        else:
            what = "bookings" if check == "silent_week" else "visits"
            there, expected = f"{find['count']:,.0f}", f"{find['expected']:,.0f}"
        if check not in _DAYS:
            new = not find["standing"]
            return check, what, ", ".join(where), "undated", there, expected, "new" if new else "standing", new
        since = find["since"].date()
        last = since + datetime.timedelta(days=_DAYS[check] - 1)
        when = {"silent_week": f"week of {since}", "silent_day": f"{since}", "emptied_month": f"{since:%Y-%m}"}[check]
        new = last > month_end_before(self.source.as_of)
        months = (self.source.as_of.year - since.year) * 12 + self.source.as_of.month - since.month
        age = "new" if new else f"{months} month{'s' * (months != 1)}"
        return check, what, ", ".join(where) or "all", when, there, expected, age, new

    def _counted(self, check: str, count: str) -> dict[str, object]:
        told = self._defects[self._defects["check"] == check]
        aged = told["age"].where(~told["age"].str[:1].str.isdigit().astype(bool), told["age"] + " old")
        which = [
            f"{d.what} of {d.where} ({d.when}, {age}): {d.there} instead of {d.expected}"
            for d, age in zip(told.itertuples(), aged, strict=True)
        ]
        return {count: len(told), "new": told["new"].sum(), "which": "; ".join(which) or "none"}

    @part
    def defects(self) -> pd.DataFrame:
        """What no rule sees: what is missing where and when, what is there instead of what, and how old that is."""
        if self._defects.empty:
            raise BankmineError("nothing is missing")
        told = self._defects.sort_values("new", ascending=False, kind="stable", ignore_index=True)
        return told.drop(columns=["check", "new"])

    @part
    def behind(self) -> dict[str, object]:
        """The day of the last booking, and the days between it and the snapshot's day."""
        last = self.source.checks["transactions"].last
        return {"last": last, "days": (self.source.as_of - last).days}

    @part
    def _gaps(self) -> pd.DataFrame:
        return volume_gaps(self.source)

    @part
    def lost(self) -> dict[str, object]:
        """Weeks in which a channel fell silent in a region, those of this month (`new`), and `which`, in words."""
        return self._counted("silent_week", "cells")

    @part
    def _silent(self) -> pd.DataFrame:
        return silent_days(self.source)

    @part
    def silent(self) -> dict[str, object]:
        """Days on which a channel of the visits fell silent, those of this month (`new`), and `which`, in words."""
        self.source.require("events.channel")
        return self._counted("silent_day", "days")

    @chart
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

    # --- for others

    @part
    def handed_on(self) -> dict[str, pd.DataFrame]:
        """What was found, one row a find: which `check`, of which `table` and `column`, where, since when, how many.

        `check` is the name of the broken rule, or `silent_week`, `silent_day`, `emptied_month`, `left_out_in_region`;
        `count` are rows left out, rows or values that are there, and `expected` how many should be.
        """
        rules = self.source.violations().rename(columns={"rule": "check"})
        found = {name: _amounts(table).assign(check=name) for name, table in self._finds.items()}
        columns = ["check", "table", "column", "region", "channel", "since", "count", "expected"]
        there = [table for table in (rules, *found.values()) if len(table)]
        table = pd.concat(there, ignore_index=True) if there else pd.DataFrame()
        return {"quality_findings": table.reindex(columns=columns).rename_axis("number")}


def _there(study: Quality, name: str) -> pd.DataFrame:
    found = optional(study, name)
    return pd.DataFrame() if isinstance(found, Lacking) else found


def _by_column(emptied: pd.DataFrame) -> pd.DataFrame:
    """Tell a month in which several channels left a column out once: shares over all rows of these channels."""
    if emptied.empty:
        return emptied
    rows = emptied["rows"]
    weighed = emptied.assign(filled=emptied["filled"] * rows, expected=emptied["expected"] * rows)
    by = weighed.groupby(["table", "column", "since", "region"], dropna=False, sort=False)
    told = by.agg({CHANNEL: _places, "rows": "sum", "filled": "sum", "expected": "sum"}).reset_index()
    return told.assign(filled=told["filled"] / told["rows"], expected=told["expected"] / told["rows"])


def _places(channels: pd.Series) -> str | None:
    known = channels.dropna()
    return f"{len(known)} channels" if len(known) > _NAMED else ", ".join(known) or None


def _amounts(found: pd.DataFrame) -> pd.DataFrame:
    """Turn shares that are filled into numbers of values."""
    if "filled" not in found:
        return found
    return found.assign(count=found["filled"] * found["rows"], expected=found["expected"] * found["rows"])
