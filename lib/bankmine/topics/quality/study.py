"""Quality: how much of a snapshot can be trusted: completeness, validity, uniqueness, timeliness, reconciliation."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from bankmine.bank.kept import ANALYSES
from bankmine.bank.snapshot import Snapshot, open_source
from bankmine.errors import BankmineError
from bankmine.features.spine import kept
from bankmine.judging.intervals import shown
from bankmine.lacking import Lacking, optional, part
from bankmine.study.heading import Headed
from bankmine.topics.quality.completeness import FADING, completeness, emptied_months, left_out_by_region
from bankmine.topics.quality.rules import SEVERE_SHARE, broken_rules, left_out_by_month
from bankmine.topics.quality.volume import daily_bookings, silent_days, volume_gaps

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
            "months left out": self._crossed("emptied", "months", 0),
            "regions left out": self._crossed("uneven", "regions", 0),
            "old bookings": self._crossed("behind", "days", LATE_DAYS),
            "missing weeks": self._crossed("lost", "cells", 0),
            "missing days": self._crossed("silent", "days", 0),
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
        return shown(told, **{"filled": ".1%", "last 90 days": ".1%", "change": "+.1%"})

    @part
    def _emptied(self) -> pd.DataFrame:
        return emptied_months(self.source, self._completeness)

    @part
    def emptied(self) -> dict[str, object]:
        """In how many `months` a column was filled less than around, of `which` columns."""
        return {"months": len(self._emptied), "which": ", ".join(sorted(set(_named(self._emptied)))) or "none"}

    @part
    def emptied_table(self) -> pd.DataFrame:
        """Months in which a column was filled less than around, the largest fall first."""
        if self._emptied.empty:
            raise BankmineError("no month is filled less than those around")
        told = self._emptied.assign(month=self._emptied["month"].dt.strftime("%Y-%m"))
        return shown(told, filled=".1%", expected=".1%")

    @part
    def _uneven(self) -> pd.DataFrame:
        return left_out_by_region(self.source, self._completeness)

    @part
    def uneven(self) -> dict[str, object]:
        """In how many `regions` customers are recorded less fully than elsewhere, and `which` columns."""
        which = ", ".join(sorted(set(_named(self._uneven)))) or "none"
        return {"regions": self._uneven["region"].nunique(), "which": which}

    @part
    def uneven_table(self) -> pd.DataFrame:
        """Columns that are left out more often in one region, the largest difference first."""
        if self._uneven.empty:
            raise BankmineError("no region is recorded less fully than the others")
        told = self._uneven[["table", "column", "region", "rows", "filled", "expected"]]
        return shown(told.rename(columns={"expected": "elsewhere"}), filled=".1%", elsewhere=".1%")

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
    def _silent(self) -> pd.DataFrame:
        return silent_days(self.source)

    @part
    def silent(self) -> dict[str, float]:
        """Days on which a channel of the visits fell silent, and the visits that were not recorded."""
        return {"days": len(self._silent), "lost": (self._silent["expected"] - self._silent["count"]).sum()}

    @part
    def silent_table(self) -> pd.DataFrame:
        """Days on which visits are missing, the largest loss first."""
        if self._silent.empty:
            raise BankmineError("no day is missing")
        return shown(self._silent.assign(day=self._silent["day"].dt.date), expected=",.0f")

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

    # --- for others

    @part
    def handed_on(self) -> dict[str, pd.DataFrame]:
        """What was found, one row a find: which `check`, of which `table` and `column`, where, since when, how many.

        `check` is the name of the broken rule, or `silent_week`, `silent_day`, `emptied_month`, `left_out_in_region`;
        `count` are rows left out, rows or values that are there, and `expected` how many should be.
        """
        rules = self.source.violations().rename(columns={"rule": "check"})
        found = {
            "silent_week": self._gaps.assign(table="transactions").rename(columns={"week": "since"}),
            "silent_day": _there(self, "_silent").assign(table="events").rename(columns={"day": "since"}),
            "emptied_month": _counted(self._emptied).rename(columns={"month": "since"}),
            "left_out_in_region": _counted(_there(self, "_uneven")),
        }
        rows = [rules, *(table.assign(check=name) for name, table in found.items())]
        columns = ["check", "table", "column", "region", "channel", "since", "count", "expected"]
        there = [table for table in rows if len(table)]
        table = pd.concat(there, ignore_index=True) if there else pd.DataFrame()
        return {"quality_findings": table.reindex(columns=columns).rename_axis("number")}


def _named(found: pd.DataFrame) -> pd.Series:
    return found["table"] + "." + found["column"]


def _there(study: Quality, name: str) -> pd.DataFrame:
    found = optional(study, name)
    return pd.DataFrame(columns=["filled", "rows", "expected"]) if isinstance(found, Lacking) else found


def _counted(found: pd.DataFrame) -> pd.DataFrame:
    """Turn shares into numbers of values."""
    return found.assign(count=found["filled"] * found["rows"], expected=found["expected"] * found["rows"])
