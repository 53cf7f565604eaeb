"""Question: what a topic supplies of a supervised question, and the rows that it is asked of."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy import stats
from sklearn.pipeline import Pipeline

from bankmine.bank.flat import Flat
from bankmine.bank.snapshot import Snapshot
from bankmine.bank.sources import SOURCES
from bankmine.deciding import costs as money
from bankmine.deciding.costs import Costs
from bankmine.errors import BankmineError
from bankmine.judging.intervals import CONFIDENCE, shown, wilson_clustered
from bankmine.lacking import Lacking, part
from bankmine.learning import models
from bankmine.learning.sample import Sample
from bankmine.learning.splits import Parts, Split, at_random, in_order
from bankmine.study import charts, earlier
from bankmine.study.charts import chart
from bankmine.study.earlier import Became, EarlierLists, Finder
from bankmine.study.heading import Headed
from bankmine.study.judged import RANKS
from bankmine.study.validation import FALSE_ALARMS
from bankmine.study.why import Why
from bankmine.workspace import WORKSPACE

BY_PROFIT, BY_RISK, BY_LOT = "by expected profit", "highest chance first", "at random"


class Question(Headed):
    """A supervised question about a bank or a flat table, before any model; topics are subclasses of `Study`.

    `event` says in words what is foretold; `sample` has all rows with what was known of each on its day, and as outcome
    NaN where it is not known by now.
    """

    name: ClassVar[str]
    """Begins the study's metrics, and names its kind of model in `data/validation.yml`."""
    purpose: ClassVar[str]
    """What the model is for and what it is not for."""
    action: ClassVar[str] = "act on"
    """What is done about a row that is likely to have the event, as `call`."""
    explained: ClassVar[tuple[str, ...]] = ("logistic", "xgboost")
    """Models that tell reasons, and of which one is chosen; the simplest first."""
    baseline: ClassVar[str] = models.RULE
    """Candidate that the others are held against."""
    challenger: ClassVar[str] = ""
    """A candidate that is shown beside the chosen one, month by month and in curves, where there is one."""
    ranks: ClassVar[tuple[str, ...]] = RANKS
    """Metrics by which candidates are shown."""
    trend_of: ClassVar[str] = "Share of rows with the event, by month"
    """Title of the chart of the rate over time."""
    favoured: ClassVar[str] = "acted on"
    """What groups are compared by: how often they are acted on, or what becomes of those who are not."""
    lied_in: ClassVar[str] = "auc"
    """Metric in which twins are held against each other: `auc`, or `ap` where events are very rare."""
    acting_favours: ClassVar[bool] = True
    """Whether being acted on is good for whom it is done to, as a call is and a refusal is not."""
    rule: str | None = None
    """Predictor of the simple rule; None lets the rule choose on training rows."""
    reasons: ClassVar[Path] = WORKSPACE / "data" / "reasons.yml"
    """Words for what moves the risk."""
    explains: ClassVar[type[Why]] = Why
    """How the reasons of rows are found."""
    delay: int = 0
    """Days after which the outcome of a row is known."""
    find_lists: Finder | None = None
    """Finds the lists that reports of earlier days handed on, as `report.handed_on.earlier_lists`."""
    share: float = 1.0
    """Which part of a large bank's customers is learnt from and judged, drawn at random."""

    def __init__(self, source: Snapshot | Flat, event: str, sample: Sample) -> None:
        self.source, self.event, self.sample = source, event, sample

    # --- what a topic may say otherwise

    def divide(self) -> Parts:
        """Say what models learn from, are calibrated by and judged by; as here for a flat table."""
        return at_random(self.sample) if self.sample.day is None else in_order(self.sample, self.delay)

    def candidates(self, rows: Sample) -> dict[str, Pipeline]:
        """Set up the models to compare, unfitted."""
        return models.candidates(rows, self.rule)

    def costs(self, rows: Sample) -> Costs:
        """Say what acting and not acting on rows costs; as here what a flat table tells, or a `BankmineError`."""
        told = self.source.costs if isinstance(self.source, Flat) else None
        if told is None:
            raise BankmineError("the table tells no costs: describe it by a source.yml that has `costs`")
        return money.told_costs(told.loc[rows.target.index])

    def policies(self, chance: pd.Series, rows: Sample) -> pd.DataFrame:
        """Say on which rows each policy acts, the one that is used first: whether, or with which probability."""
        acted = money.expected(chance, self.costs(rows)) > 0
        share = pd.Series(acted.mean(), index=chance.index)
        everybody = pd.Series("all", chance.index)
        return pd.DataFrame({
            BY_PROFIT: acted, BY_RISK: money.choose(chance, [everybody], share), BY_LOT: share,
        })  # fmt: skip

    def groups(self) -> dict[str, pd.Series]:
        """Return groups of protected attributes by the sample's index; no attribute where none is told."""
        return {}

    def references(self) -> dict[str, str]:
        """Name groups that others are held against, by attribute; of others it is the largest of those learnt from."""
        return {}

    def refused(self) -> pd.DataFrame:
        """Return columns that are kept out of models since they may know the future, by the sample's index."""
        return pd.DataFrame(index=self.sample.target.index)

    def suspicious_column(self) -> pd.Series | None:
        """Return a column that is kept out of models since it may know the future, to show what it would do."""
        return None

    def answers(self) -> dict[str, object]:
        """Say what is particular to the topic for a validator: keys of `data/validation.yml`."""
        return {}

    def facts(self) -> dict[str, float | str]:
        """Return what is particular to the topic and watched from now on, as it is today."""
        return {}

    def files(self) -> dict[str, pd.DataFrame | str]:
        """Return what is handed on beside the limits: name of the file -> table or text."""
        return {}

    # --- rows

    @property
    def stands_for(self) -> float:
        """How many customers of the bank each of those judged is one of; what is counted a month or a day is of all."""
        return 1 / self.share

    @property
    def snapshot(self) -> Snapshot | None:
        """The bank's tables; None for a flat table."""
        return self.source if isinstance(self.source, Snapshot) else None

    @property
    def currency(self) -> str:
        """Of all amounts."""
        return self.source.source.currency or "units of the table"

    @cached_property
    def known(self) -> Sample:
        """Rows whose outcome is known."""
        return self.sample.at(self.sample.known)

    @property
    def rate(self) -> dict[str, object]:
        """`rate` of the event among known outcomes, `events`, `rows`, `entities`, and `whom` it is of, in words."""
        target = self.known.target
        return {
            "rate": target.mean(), "events": int(target.sum()), "rows": len(target),
            "entities": self.known.entity.nunique(), "whom": f"the rows {self.when(self.known)}",
        }  # fmt: skip

    def when(self, rows: Sample) -> str:
        """Say of which days rows are: no rate is told without its window."""
        if rows.day is None:
            return "in a table without days"
        if rows.day.empty:
            return "of no day"
        first, last = f"{rows.day.min():%Y-%m-%d}", f"{rows.day.max():%Y-%m-%d}"
        return f"from {first} to {last}" if first != last else f"of {last}"

    def portrait_of(self, customer: object) -> dict[str, str]:
        """Say by which `command` a customer of a list is portrayed: in a folder apart, not over the month's report."""
        source = self.source.source
        named = source.name if source.folder == SOURCES / source.name else str(source.folder)
        words = ["--source", named, "--as-of", str(self.source.as_of), "-p", f"customer={customer}"]
        return {"command": shlex.join(["bankmine", "run", "02_profiling", *words, "--out", "portraits"])}

    def lists_judged(
        self, file: str, columns: Mapping[str, type], became: Callable[[pd.DataFrame, datetime.date], Became],
        **words: str,
    ) -> EarlierLists:  # fmt: skip
        """Hold the lists that earlier reports handed on as a file against what became of them: `earlier.judged`."""
        if self.find_lists is None:
            raise BankmineError("lists of earlier reports were not asked for")
        return earlier.judged(self.find_lists(file, self.source), columns, became, self.source.as_of, **words)

    @part
    def parts(self) -> Parts:
        """Which rows models learn from, are calibrated by and judged by, and which are scored now."""
        return self.divide()

    @part
    def split(self) -> Split:
        """Rows to learn from, to calibrate by and to be judged by."""
        return self.parts.split

    @property
    def obstacle(self) -> dict[str, str] | None:
        """`why` no model can be made; None where one can."""
        return {"why": self.split.why} if isinstance(self.split, Lacking) else None

    @part
    def rows(self) -> pd.DataFrame:
        """Rows of each part: days, entities, events and rate."""
        return shown(self.split.table(self.sample), rate=".2%")

    @part
    def trend(self) -> pd.DataFrame:
        """Rate of the event by month of the row, with intervals: `day`, `rows`, `events`, `rate`, `low`, `high`."""
        if self.known.day is None:
            raise BankmineError("the table tells no days")
        return by_month(self.known)

    @part
    def rising(self) -> dict[str, object]:
        """Rate of the newest month against that of a year before, or the first one, for a finding.

        `now` with `low` and `high` on `day`, `then` on `since`, their `change` in percentage points with `change_low`
        and `change_high` (Newcombe, Statistics in Medicine 17, 1998), and the `limit` that a rate as before exceeds by
        chance in one of a hundred months.
        """
        last = self.trend.iloc[-1]
        year_ago = self.trend["day"] == last["day"] - pd.offsets.MonthEnd(12)
        first = (self.trend[year_ago] if year_ago.any() else self.trend).iloc[0]
        change = last["rate"] - first["rate"]
        down = np.hypot(last["rate"] - last["low"], first["high"] - first["rate"])
        up = np.hypot(last["high"] - last["rate"], first["rate"] - first["low"])
        return {
            "then": first["rate"], "since": first["day"].date(), "now": last["rate"], "low": last["low"],
            "high": last["high"], "day": last["day"].date(), "change": 100 * change,
            "change_low": 100 * (change - down), "change_high": 100 * (change + up),
            "limit": first["rate"] + down * stats.norm.ppf(1 - FALSE_ALARMS) / stats.norm.ppf((1 + CONFIDENCE) / 2),
        }  # fmt: skip

    @property
    def risen(self) -> dict[str, object] | None:
        """The same where the newest month is above the limit, for an alert; None where it is not."""
        found = self.rising
        return found if not isinstance(found, Lacking) and found["now"] > found["limit"] else None

    @chart
    def trend_chart(self) -> Axes:
        """Draw the rate of the event by month."""
        return charts.rate_over_time(self.trend, f"{self.trend_of} (intervals of 95 %)")

    def _facts(self) -> dict[str, object]:
        told = self.rate
        panel = (
            f"customers drawn at random, {self.share:.0%} of all, are learnt from and judged; amounts and numbers a "
            "month or a day are those of the whole bank, and lists are of all"
        )
        return ({"panel": panel} if self.share < 1 else {}) | {
            "event": self.event,
            "rows": f"{len(self.sample):,}, {told['rows']:,} with a known outcome; {told['rate']:.2%} of "
            f"{told['whom']} have the event",
            "split": self.parts if isinstance(self.parts, Lacking) else self.parts.how,
        }


def by_month(known: Sample) -> pd.DataFrame:
    """Return the rate of the event by month of the row, with intervals, as of `Question.trend`."""
    if not len(known):
        raise BankmineError("no outcome is known")
    month = known.day.dt.to_period("M").dt.to_timestamp("M").dt.normalize()
    rows = [
        (day, len(part), int(part.sum()), part.mean(), *wilson_clustered(part == 1, known.entity[part.index]))
        for day, part in known.target.groupby(month)
    ]
    table = pd.DataFrame(rows, columns=["day", "rows", "events", "rate", "low", "high"])
    return shown(table, rate=".2%", low=".2%", high=".2%")
