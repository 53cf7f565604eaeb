"""The whole board: what the reports of a day handed on, set against what was planted; nothing is fitted again."""

from __future__ import annotations

import datetime
import io
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bankmine.bank.snapshot import Snapshot, open_source
from bankmine.errors import BankmineError
from bankmine.features.bookings import fell_silent
from bankmine.features.spine import month_end_before, spine_of
from bankmine.lacking import Lacking, part
from bankmine.privacy.sealing import read_sealed
from bankmine.report.handed_on import received
from demobank.scoreboard import behaviour, campaign, channels, churn, credit, customers, fraud, recommendation, value
from demobank.scoreboard.truth import Score, Truth, require_passed, scoreboard

_CLOSED = 3
"""Months before the as-of day at which the outcome window of silence is closed."""
_NOT_SCORED = "not scored"


class Board:
    """Scores of all finished analyses of a demo bank, each computed once, when it is first asked for.

    Parameters
    ----------
    source : str
        Name or folder of a demo bank.
    as_of : str or date
        Last day that the analyses may know.
    find : callable
        Finds a file that a report handed on, as `report.handed_on.received`.

    Raises
    ------
    BankmineError
        If the source has no planted truth. Where a report did not run, or handed on too little, its scores are lacking
        and say why.
    """

    def __init__(
        self, source: str, as_of: str | datetime.date, find: Callable[[str, str, Snapshot], Path] = received
    ) -> None:
        self.snapshot, self.find = open_source(source).as_of(as_of), find
        self.truth = Truth(self.snapshot.source)

    @property
    def drifts(self) -> pd.DataFrame:
        """Dated changes that were planted."""
        return self.truth.table("drifts")[["name", "kind", "starts_on", "table", "description"]]

    @property
    def planted(self) -> dict[str, int]:
        """How many dated `changes` were planted, and how many `defects` of the data, rows and silences together."""
        return {"changes": len(self.drifts), "defects": len(self.truth.table("defects"))}

    # --- scores, analysis by analysis

    @part
    def quality(self) -> list[Score]:
        """Whether bad data is found, and only bad data."""
        found = self._read(customers.QUALITY, "quality_findings")
        rules = customers.defects(self.truth, self.snapshot, found)
        return [*rules, *customers.silences(self.truth, found, self.snapshot.as_of)]

    @part
    def portraits(self) -> list[Score]:
        """Whether portraits say what is true."""
        return customers.portraits(self.truth, self._read(customers.PROFILE, "portraits").set_index("customer_id"))

    @part
    def silence(self) -> list[Score]:
        """Whether the label of silence says what is true."""
        day = month_end_before(self.snapshot.as_of, _CLOSED)
        silent = fell_silent(self.snapshot, spine_of(self.snapshot, [day])).to_pandas()
        return customers.silence(self.truth, silent)

    @part
    def segments(self) -> list[Score]:
        """Whether kinds of customers are found without being told what there are, and their stage of life."""
        labels, stages = (self._read(customers.SEGMENTS, name) for name in ("segments", "lifecycle_history"))
        kinds = customers.segments(self.truth, labels.set_index("customer_id")["segment"])
        return [*kinds, *customers.lifecycle(self.truth, stages)]

    @part
    def churn(self) -> list[Score]:
        """Whether it is foretold who leaves, and for the right reasons."""
        names = ("churn_judged", "churn_pushes", "churn_suspects", "churn_monitoring")
        return churn.of_tables(self.truth, *(self._read(churn.CHURN, name) for name in names))

    @part
    def credit(self) -> list[Score]:
        """Whether it is foretold who repays, also of those who were refused."""
        names = ("credit_judged", "credit_refused", "credit_pairs", "credit_old_proxies")
        return credit.of_tables(self.truth, *(self._read(credit.CREDIT, name) for name in names))

    @part
    def fraud(self) -> list[Score]:
        """Whether planted fraud is found, and a new scheme seen."""
        judged = self._read(fraud.FRAUD, "fraud_judged", fraud.JUDGED)
        return fraud.of_tables(self.truth, judged, self._read(fraud.FRAUD, "fraud_signs"))

    @part
    def value(self) -> list[Score]:
        """Whether it is foretold how often customers buy, whether they stop, and what they bring."""
        return value.of_tables(
            self.truth, *(self._read(value.VALUE, f"value_{name}") for name in ("buyers", "parameters", "totals"))
        )

    @part
    def behaviour(self) -> list[Score]:
        """Whether needs in time are found, and what sessions are for."""
        names = ("needs", "sessions", "transitions", "next_judged")
        needs, sessions, moves, judged = (self._read(behaviour.BEHAVIOUR, f"behaviour_{name}") for name in names)
        found = behaviour.needs(self.truth, needs) + behaviour.states(self.truth, sessions, moves)
        return found + behaviour.next_step(self.truth, self.snapshot, judged)

    @part
    def recommendation(self) -> list[Score]:
        """Whether what goes together is found, in which order, and who is likely to take a product."""
        names = (f"recommendation_{name}" for name in ("rules", "order", "chances"))
        found = (self._read(recommendation.RECOMMENDATION, name) for name in names)
        return recommendation.of_tables(self.truth, self.snapshot, *found)

    @part
    def campaign(self) -> list[Score]:
        """Whether effects of campaigns are found, and no broken one is believed."""
        names = ("campaign_checks", "campaign_effects", "uplift", "campaign_elasticity")
        return campaign.of_tables(self.truth, self.snapshot, *(self._read(campaign.CAMPAIGN, name) for name in names))

    @part
    def channels(self) -> list[Score]:
        """Whether effects of channels are found that age hides, and the best channel of each customer."""
        names = ("channel_effects", "channel_contrasts", "channel_for")
        return channels.of_tables(self.truth, self.snapshot, *(self._read(channels.CHANNELS, name) for name in names))

    def _read(self, report: str, name: str, columns: list[str] | None = None) -> pd.DataFrame:
        content = read_sealed(self.find(report, f"{name}.parquet", self.snapshot))
        return pd.read_parquet(io.BytesIO(content), columns=columns)

    # --- the board

    @cached_property
    def _analyses(self) -> list[tuple[str, list[Score] | Lacking]]:
        return [
            (customers.QUALITY, self.quality), (customers.PROFILE, self.portraits), (churn.CHURN, self.silence),
            (customers.SEGMENTS, self.segments), (value.VALUE, self.value),
            (behaviour.BEHAVIOUR, self.behaviour), (churn.CHURN, self.churn),
            (credit.CREDIT, self.credit),
            (fraud.FRAUD, self.fraud), (recommendation.RECOMMENDATION, self.recommendation),
            (campaign.CAMPAIGN, self.campaign),
            (channels.CHANNELS, self.channels),
        ]  # fmt: skip

    @property
    def scores(self) -> list[Score]:
        """All scores that are there."""
        return [score for _, scores in self._analyses for score in scores]

    @property
    def not_scored(self) -> dict[str, object] | None:
        """Which analyses are not scored (`count`), and `why`, in words; None where all are."""
        lacking = {name: scores.why for name, scores in self._analyses if isinstance(scores, Lacking)}
        return {"count": len(lacking), "why": "; ".join(lacking.values())} if lacking else None

    @cached_property
    def rows(self) -> pd.DataFrame:
        """A row a score, as of `truth.scoreboard`."""
        return scoreboard(self.scores)

    @cached_property
    def table(self) -> pd.DataFrame:
        """Every score with its bounds, as a page shows it, and a row for what is not scored."""
        lacking = [
            {"result": _NOT_SCORED, "analysis": name, "planted": "all that it is scored by", "recovered": scores.why}
            for name, scores in self._analyses if isinstance(scores, Lacking)
        ]  # fmt: skip
        columns = ["result", "analysis", "planted", "recovered", "estimate", "bounds"]
        return pd.concat([self.rows[columns], pd.DataFrame(lacking, columns=columns).fillna("")], ignore_index=True)

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

    @part
    def nearest(self) -> pd.Series:
        """The score that is nearest to a bound that it could miss."""
        if self.rows["room"].isna().all():
            raise BankmineError("nothing is scored that could miss a bound")
        return self.rows.loc[self.rows["room"].idxmin()]

    @part
    def chart(self) -> Axes:
        """Draw estimates with their intervals over the bounds that they must keep."""
        if self.rows.empty:
            raise BankmineError("nothing is scored")
        units = list(self.rows.groupby("unit", sort=False))
        rows = [len(board) for _, board in units]
        figure, axes = plt.subplots(
            len(rows), figsize=(8, 0.4 * sum(rows) + len(rows)), height_ratios=rows, squeeze=False
        )
        for axis, (unit, board) in zip(axes.ravel(), units, strict=True):
            at = np.arange(len(board))[::-1]
            axis.barh(at, board["at_most"] - board["at_least"], left=board["at_least"], color="0.88", label="bounds")
            spread = [board["value"] - board["low"], board["high"] - board["value"]]
            axis.errorbar(board["value"], at, xerr=spread, fmt="o", markersize=4, label="estimate, 95 %")
            axis.set(xlabel=unit)
            axis.set_xlim(-0.02 * board["at_most"].max(), None)
            axis.set_yticks(at, board["planted"].str.wrap(44))
        axes[0, 0].set(title="Scores and the bounds they must keep")
        axes[0, 0].legend(loc="lower left")
        figure.tight_layout()
        return axes[0, 0]

    def require_passed(self) -> None:
        """Raise an error that names every failing score."""
        require_passed(self.scores)
