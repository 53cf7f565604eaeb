"""The case of a churn report: sample, split and money, alike for a bank's tables and for a flat table."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import pandas as pd

from bankmine.bank.flat import Flat, is_flat, open_flat
from bankmine.bank.snapshot import Snapshot, open_source
from bankmine.errors import BankmineError
from bankmine.features import tiers as value_tiers
from bankmine.features.customers import spine_of
from bankmine.features.spine import KEYS
from bankmine.features.value import margin
from bankmine.judging.leaks import thinned
from bankmine.learning import splits
from bankmine.learning.flat_sample import flat_sample
from bankmine.learning.models import learnable
from bankmine.learning.sample import Sample
from bankmine.learning.table_parts import Parts, at_random, in_order
from bankmine.topics.churn.customer_months import REFUSED, customer_months, undated
from bankmine.topics.churn.definition import Definition, labels

Made = TypeVar("Made")
RULE = "days_since_own_booking"
TUNE, TEST = 2, 3
"""Month ends to calibrate by and to be judged by."""
_FOLD = 8_000
"""Rows that models are compared on a fold with, about: whole customers are left out, so that it takes seconds."""


@dataclass(frozen=True)
class Case:
    """What a report of churn stands on.

    Attributes
    ----------
    source : Snapshot or Flat
        What was read; shows itself.
    event : str
        What is foretold, in words.
    sample : Sample
        All rows.
    parts : Parts, optional
        None where there is not enough to learn from.
    lacking : str
        Why there is not; empty where there is.
    rule : str, optional
        Predictor of the simple rule; None lets the rule choose.
    outcomes : pd.DataFrame, optional
        `churn.labels` of all customers, present or not; None of a flat table.
    kind : pd.Series, optional
        How each row's customer left.
    """

    source: Snapshot | Flat
    event: str
    sample: Sample
    parts: Parts | None
    lacking: str = ""
    rule: str | None = None
    outcomes: pd.DataFrame | None = None
    kind: pd.Series | None = None

    @property
    def snapshot(self) -> Snapshot | None:
        """The bank's tables; None for a flat table."""
        return self.source if isinstance(self.source, Snapshot) else None

    @cached_property
    def worth(self) -> pd.DataFrame:
        """Of all of a bank's customers on each day of the sample: `margin` of the year up to it, and `tier` among all.

        Indexed by `customer_id` and `day`; queried once, whoever asks.
        """
        days = sorted(self.sample.day.dt.date.unique())
        paid = margin(self.snapshot, spine_of(self.snapshot, days)).select(*KEYS, "margin").to_pandas()
        paid = paid.assign(day=pd.to_datetime(paid["day"]), margin=paid["margin"].astype(float))
        paid = paid.set_index(list(KEYS)).sort_index()
        tier = paid.groupby("day")["margin"].transform(lambda worth: value_tiers.tiers(worth).astype(str))
        return paid.assign(tier=tier)


def open_case(
    source: str, as_of: str | datetime.date, definition: Definition, target: str = "", positive: str = "",
    id: str = "", time: str = "", delay: int = 0, train: int = 6, every: int = 2,
) -> Case:  # fmt: skip
    """Open a source and make the case of it.

    Parameters
    ----------
    source : str
        Name or path of a bank, or of a flat table.
    as_of : str or date
        Last day to know.
    definition : Definition
        What leaving means, for a bank.
    target, positive, id, time : str
        As for `open_flat`, for a flat table.
    delay : int
        Days after which the outcome of a row of a flat table is known.
    train, every : int
        Month ends to learn from, and months from one to the next, of a bank.

    Raises
    ------
    BankmineError
        If the source cannot be used. Where there is not enough to learn from, the case says so: `lacking`.
    """
    if is_flat(source):
        return of_table(open_flat(source, target, positive, id, time, as_of), delay)
    return of_bank(open_source(source).as_of(as_of), definition, train, every)


def of_bank(snapshot: Snapshot, definition: Definition, train: int = 6, every: int = 2) -> Case:
    """Make the case of a bank: customers on month ends, split by time."""
    days = splits.month_ends(snapshot.as_of, definition.horizon, train, TUNE, TEST, every)
    outcomes = labels(snapshot, spine_of(snapshot, days), definition).to_pandas()
    sample, kind = customer_months(snapshot, outcomes)
    parts, lacking = or_lacking(_in_time, sample, definition.horizon, snapshot.as_of, train)
    return Case(snapshot, definition.event, sample, parts, lacking, RULE, outcomes, kind)


def of_table(flat: Flat, delay: int = 0) -> Case:
    """Make the case of a flat table: split by time where it tells days, else by whole entities."""
    sample = flat_sample(flat)
    parts, lacking = or_lacking(at_random, sample) if sample.day is None else or_lacking(in_order, sample, delay)
    return Case(flat, flat.event, sample, parts, lacking)


def or_lacking(make: Callable[..., Made], *given: object) -> tuple[Made | None, str]:
    """Make something, or say why not: that is told on the page, which still has much to show."""
    try:
        return make(*given), ""
    except BankmineError as error:
        return None, str(error)


def _in_time(sample: Sample, delay: int, day: datetime.date, train: int) -> Parts:
    split = splits.out_of_time(sample, delay, train, TUNE, TEST)
    folds = splits.rolling_origin(sample, np.union1d(split.train, split.tune), delay)
    folds = [(np.flatnonzero(thinned(sample, sample.mask(train), _FOLD)), test) for train, test in folds]
    scoring = splits.for_scoring(sample, day, delay, train, TUNE)
    for rows, purpose in ((split.tune, "calibrate by"), (split.test, "judge by"), (scoring.tune, "calibrate by")):
        learnable(sample.at(rows), purpose)
    return Parts(split, folds, scoring, f"by time, each part {delay} days after the last day of the one before")


def refused_column(case: Case) -> pd.Series | None:
    """Return the column that the register refuses first, as the source has it today, one value a row of the sample.

    Only to show what a leak does; None where there is no such column.
    """
    told = undated(case.snapshot) if case.snapshot else pd.DataFrame({"use": []})
    names = told.index[told["use"] == REFUSED]
    if not len(names):
        return None
    people = case.snapshot.customers.select("customer_id", names[0]).to_pandas().set_index("customer_id")
    return case.sample.entity.map(people[names[0]]).rename(names[0])
