"""The case of a credit report: sample, split and what stands beside it, alike for a bank's tables and a flat table."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from bankmine.bank.flat import Flat, is_flat, open_flat
from bankmine.bank.snapshot import Snapshot, open_source
from bankmine.deciding.costs import Costs, told_costs
from bankmine.errors import BankmineError
from bankmine.judging.fairness import protected_groups
from bankmine.lacking import or_lacking
from bankmine.learning import splits
from bankmine.learning.sample import Sample, flat_sample
from bankmine.learning.splits import Parts, Split, at_random, in_order
from bankmine.topics.credit.applications import Applications, applications, closed_by
from bankmine.topics.credit.lending import loan_costs
from bankmine.topics.credit.rules import ALLOWED, PROTECTED, ColumnRule, load_columns, load_credit_rules, uses

TUNE = 0.25
"""Part of the rows to learn from that is kept to calibrate by: the latest months."""


@dataclass(frozen=True)
class Case:
    """What a report of credit stands on.

    Attributes
    ----------
    source : Snapshot or Flat
        What was read; shows itself.
    event : str
        What is foretold, in words.
    sample : Sample
        All applications, or all rows of a flat table; protected columns are not among the predictors.
    beside : pd.DataFrame
        Same index, nothing for a model: of a bank `credit_sample.Applications.beside`, of a flat table its protected
        columns.
    columns : pd.DataFrame
        Use of every column: `use`, `reason`, `owner`.
    parts : Parts, optional
        None where there is not enough to learn from.
    lacking : str
        Why there is not; empty where there is.
    """

    source: Snapshot | Flat
    event: str
    sample: Sample
    beside: pd.DataFrame
    columns: pd.DataFrame
    parts: Parts | None
    lacking: str = ""

    @property
    def snapshot(self) -> Snapshot | None:
        """The bank's tables; None for a flat table."""
        return self.source if isinstance(self.source, Snapshot) else None

    @property
    def deciding(self) -> Split:
        """The split with all applicants of the months judged by in `test`, also those who were refused."""
        split = self.parts.split
        if self.snapshot is None:
            return split
        days = self.sample.day
        return replace(split, test=np.flatnonzero(days.between(*days.iloc[split.test].agg(["min", "max"]))))

    @property
    def deciding_before(self) -> np.ndarray:
        """Positions of the applicants before those judged by, refused ones too: on them cut-offs are chosen."""
        tune, test = self.parts.split.tune, self.deciding.test
        if self.snapshot is None:
            return tune
        day = self.sample.day
        return np.flatnonzero((day >= day.iloc[tune].min()) & (day < day.iloc[test].min()))

    @property
    def protected(self) -> dict[str, pd.Series]:
        """Groups of applicants by protected attributes, as `protected.protected_groups`."""
        found = self.all_applications
        return protected_groups(self.beside[found.protected] if found else self.beside)

    @property
    def all_applications(self) -> Applications | None:
        """Applications of a bank; None for a flat table, which has no refused ones."""
        return Applications(self.sample, self.beside, self.columns) if self.snapshot else None

    @cached_property
    def costs(self) -> Costs | None:
        """What refusing and granting each application costs; None where a flat table does not tell."""
        if self.snapshot:
            return loan_costs(self.beside, load_credit_rules(self.snapshot.source.currency))
        return None if self.source.costs is None else told_costs(self.source.costs)


def open_case(
    source: str, as_of: str | datetime.date, target: str = "", positive: str = "", id: str = "", time: str = "",
    delay: int = 0, test: int = 4,
) -> Case:  # fmt: skip
    """Open a source and make the case of it.

    Parameters
    ----------
    source : str
        Name or path of a bank, or of a flat table.
    as_of : str or date
        Last day to know.
    target, positive, id, time : str
        As for `open_flat`, for a flat table.
    delay : int
        Days after which the outcome of a row of a flat table is known.
    test : int
        Months whose outcomes are known to be judged by, of a bank.

    Raises
    ------
    BankmineError
        If the source cannot be used.
    """
    if is_flat(source):
        return of_table(open_flat(source, target, positive, id, time, as_of), delay)
    return of_bank(open_source(source).as_of(as_of), test)


def of_bank(snapshot: Snapshot, test: int = 4) -> Case:
    """Make the case of a bank: applications, split by time."""
    found = applications(snapshot)
    parts, lacking = or_lacking(in_time, found, test)
    return Case(snapshot, "defaulted", found.sample, found.beside, found.columns, parts, lacking)


def of_table(flat: Flat, delay: int = 0, register: dict[str, ColumnRule] | None = None) -> Case:
    """Make the case of a flat table: split by time where it tells days, else by whole entities."""
    whole = flat_sample(flat)
    told = uses(list(whole.predictors), ALLOWED, load_columns() if register is None else register)
    kept = list(told.index[told.use == ALLOWED])
    if not kept:
        raise BankmineError(f"{flat.title} has no column that a model may use: see data/credit.yml.")
    sample, beside = whole.using(kept), whole.predictors[told.index[told.use == PROTECTED]]
    parts, lacking = or_lacking(at_random, sample) if sample.day is None else or_lacking(in_order, sample, delay)
    return Case(flat, flat.event, sample, beside, told, parts, lacking)


def in_time(found: Applications, test: int = 4) -> Parts:
    """Split applications by time: judged by the last closed months, learnt from what was known as they began.

    A model made on the first of these days could learn from months that were closed by then, and no others; which ones
    follows from the day on which each outcome became known. Its latest quarter is kept to calibrate by.

    Parameters
    ----------
    found : Applications
        All of them.
    test : int
        Months to be judged by.

    Returns
    -------
    Parts
        `folds` are stratified by customer, of the rows before those judged by. `scoring` learns from all that is known
        today; its `test` holds the applications of the last month, whatever was decided.

    Raises
    ------
    BankmineError
        If fewer than `splits.FEWEST` customers went bad among those to learn from, or nobody did among those to
        be judged by.
    """
    sample, month = found.sample, found.sample.day.dt.to_period("M")
    closed = sorted(month[sample.known].unique())
    if len(closed) <= test:
        raise BankmineError(
            f"Outcomes of only {len(closed)} months of applications are known as a whole, and {test} are needed to "
            "test on, with others before them: give a later as-of day or a longer history, or test on fewer months."
        )
    tested = sample.known & (month >= closed[-test]).to_numpy()
    before = closed_by(found.beside, sample.day, sample.day[tested].min()) & ~tested
    split = _split(sample, before, tested)
    folds = splits.stratified_folds(sample, np.union1d(split.train, split.tune), folds=5, repeats=1)
    today = _split(sample, sample.known, (month == month.max()).to_numpy())
    how = (
        f"by time: judged by the applications of {closed[-test]} to {closed[-1]}, learnt from those whose outcomes "
        f"were known as a whole on {sample.day[tested].min():%Y-%m-%d}"
    )
    return Parts(split, folds, today, how)


def _split(sample: Sample, learnt: np.ndarray, tested: np.ndarray) -> Split:
    """Keep the latest months of those learnt from to tune by."""
    if (bad := int(sample.target[learnt].sum())) < splits.FEWEST or bad == learnt.sum():
        raise BankmineError(
            f"{bad} of {learnt.sum():,} applications to learn from went bad, and {splits.FEWEST} of either kind "
            "are needed: give a longer history, a later as-of day, or fewer months to test on."
        )
    month = sample.day.dt.to_period("M")
    after = month[learnt].value_counts(normalize=True).sort_index(ascending=False).cumsum()
    tune = learnt & (month >= after.index[after <= max(TUNE, after.iloc[0])][-1]).to_numpy()
    rows = {"train": np.flatnonzero(learnt & ~tune), "tune": np.flatnonzero(tune), "test": np.flatnonzero(tested)}
    return Split(**rows, days={part: tuple(sample.day.iloc[r].sort_values().unique()) for part, r in rows.items()})
