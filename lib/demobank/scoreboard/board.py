"""The whole board: the analyses as their pages run them, each set against what was planted."""

from __future__ import annotations

import datetime
from functools import cached_property

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from bankmine.bank.snapshot import open_source
from bankmine.features.bookings import fell_silent
from bankmine.features.customers import customer_tables
from bankmine.features.lifecycle import stages
from bankmine.features.spine import month_end_before, spine_of
from bankmine.lacking import Lacking
from bankmine.learning.blocks import Plan
from bankmine.topics import churn as leaving
from bankmine.topics import credit as lending
from bankmine.topics import fraud as paying
from bankmine.topics import quality
from bankmine.topics.churn.study import BankChurn
from bankmine.topics.fraud.fraud_study import FraudStudy
from bankmine.topics.segmentation import groups, measures, model
from demobank.scoreboard import churn, credit, customers, fraud
from demobank.scoreboard.truth import Score, Truth, require_passed, scoreboard

_CLOSED = 3
"""Months before the as-of day at which the outcome window of silence is closed."""
_PAYMENT_DAYS, _BLOCKS = 380, 8
"""Payments and blocks by which fraud is scored, so that some lie before the new scheme begins."""


class Board:
    """Scores of all finished analyses of a demo bank, each computed once, when it is first asked for.

    Parameters
    ----------
    source : str
        Name or folder of a demo bank.
    as_of : str or date
        Last day that the analyses may know.

    Raises
    ------
    BankmineError
        If the source has no planted truth.
    """

    def __init__(self, source: str, as_of: str | datetime.date) -> None:
        self.source, self.as_of = source, as_of
        self.snapshot = open_source(source).as_of(as_of)
        self.truth = Truth(self.snapshot.source)

    @property
    def drifts(self) -> pd.DataFrame:
        """Dated changes that were planted."""
        return self.truth.table("drifts")[["name", "kind", "starts_on", "table", "description"]]

    # --- scores, analysis by analysis

    @cached_property
    def quality(self) -> list[Score]:
        """Whether bad data is found, and only bad data."""
        found = quality.volume_gaps(self.snapshot)
        return [*customers.defects(self.truth, self.snapshot), *customers.gaps(self.truth, found)]

    @cached_property
    def features(self) -> list[Score]:
        """Whether portraits and the label of silence say what is true."""
        day = month_end_before(self.snapshot.as_of, _CLOSED)
        silent = fell_silent(self.snapshot, spine_of(self.snapshot, [day])).to_pandas()
        return [*customers.portraits(self.truth, self._customers), *customers.silence(self.truth, silent)]

    @cached_property
    def segments(self) -> list[Score]:
        """Whether kinds of customers are found without being told what there are, and their stage of life."""
        registry = measures.load_registry()
        values = measures.readable(self._customers[measures.is_active(self._customers, registry)], registry)
        fitted = model.fit(values, registry, self.snapshot.as_of, groups.choose(values, registry).k)
        ends = [month_end_before(self.snapshot.as_of, months) for months in range(12, 0, -1)]
        return [
            *customers.segments(self.truth, fitted.assign_all(self._customers, registry)),
            *customers.lifecycle(self.truth, stages(self.snapshot, [*ends, self.snapshot.as_of])),
        ]

    @cached_property
    def churn(self) -> list[Score]:
        """Whether it is foretold who leaves, and for the right reasons."""
        return [] if self._leavers.obstacle else churn.of_study(self.truth, self._leavers)

    @cached_property
    def credit(self) -> list[Score]:
        """Whether it is foretold who repays, also of those who were refused."""
        return [] if self._loans.obstacle else credit.of_study(self.truth, self._loans)

    @cached_property
    def fraud(self) -> list[Score]:
        """Whether planted fraud is found, and a new scheme seen."""
        return [] if self.no_fraud else fraud.of_study(self.truth, self._payments)

    @property
    def no_churn(self) -> dict[str, str] | None:
        """`why` no model of leaving is scored; None where one is."""
        return self._leavers.obstacle

    @property
    def no_credit(self) -> dict[str, str] | None:
        """`why` no credit model is scored; None where one is."""
        return self._loans.obstacle

    @property
    def no_fraud(self) -> dict[str, str] | None:
        """`why` no model of fraud is scored; None where one is."""
        looked = self._payments.looked
        return {"why": looked.why} if isinstance(looked, Lacking) else None

    # --- the board

    @cached_property
    def scores(self) -> list[Score]:
        """All scores."""
        return [*self.quality, *self.features, *self.segments, *self.churn, *self.credit, *self.fraud]

    @cached_property
    def rows(self) -> pd.DataFrame:
        """A row a score, as of `truth.scoreboard`."""
        return scoreboard(self.scores)

    @property
    def table(self) -> pd.DataFrame:
        """Every score with its bounds, as a page shows it."""
        return self.rows[["result", "analysis", "planted", "recovered", "estimate", "bounds"]]

    def of(self, analysis: str) -> pd.DataFrame:
        """Return the rows of one analysis, by the name of its notebook."""
        return self.table[self.table["analysis"] == analysis].drop(columns="analysis")

    @property
    def passed(self) -> dict[str, object]:
        """How many scores `passed` of how many `rows`, and `which` failed, in words."""
        failed = self.failed["planted"]
        which = "".join(f"; not: {name}" for name in failed)
        return {"passed": len(self.rows) - len(failed), "rows": len(self.rows), "which": which}

    @property
    def failed(self) -> pd.DataFrame:
        """Scores out of their bounds."""
        return self.table[self.table["result"] == "FAIL"]

    @property
    def nearest(self) -> pd.Series:
        """The score that is nearest to a bound that it could miss."""
        return self.rows.loc[self.rows["room"].idxmin()]

    def chart(self) -> Axes:
        """Draw estimates with their intervals over the bounds that they must keep."""
        board, at = self.rows, self.rows.index[::-1]
        axis = plt.subplots(figsize=(8, 0.4 * len(board) + 1))[1]
        axis.barh(at, board["at_most"] - board["at_least"], left=board["at_least"], color="0.88", label="bounds")
        spread = [board["value"] - board["low"], board["high"] - board["value"]]
        axis.errorbar(board["value"], at, xerr=spread, fmt="o", markersize=4, label="estimate, 95 %")
        axis.set(title="Scores and the bounds they must keep", xlabel="share, correlation or multiple")
        axis.set_xlim(-0.02, None)
        axis.set_yticks(at, board["planted"].str.wrap(44))
        axis.legend(loc="lower left")
        return axis

    def require_passed(self) -> None:
        """Raise an error that names every failing score."""
        require_passed(self.scores)

    # --- analyses as their pages run them

    @cached_property
    def _customers(self) -> pd.DataFrame:
        return customer_tables(self.snapshot, [self.snapshot.as_of])[self.snapshot.as_of]

    @cached_property
    def _leavers(self) -> BankChurn:
        return leaving.study(self.source, self.as_of)

    @cached_property
    def _loans(self) -> lending.CreditStudy:
        return lending.study(self.source, self.as_of)

    @cached_property
    def _payments(self) -> FraudStudy:
        return paying.of_bank(self.snapshot, Plan(blocks=_BLOCKS), days=_PAYMENT_DAYS, learners=["xgboost"])
