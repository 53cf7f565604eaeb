"""Rates of leaving: from customers to leavers month by month, and how much of the rate is the definition's doing."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import numpy as np
import pandas as pd

from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.customers import spine_of
from bankmine.judging.intervals import wilson, wilson_clustered
from bankmine.topics.churn.definition import CLOSURE, SILENT, Definition, labelled

LENGTHS = (30, 60, 90, 120, 180)
WATCH = 90
"""Days after the window in which customers taken for silent are watched for a return."""


def funnel(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Count, day by day, who is left on the way from all customers to those who leave.

    Parameters
    ----------
    outcomes : pd.DataFrame
        `churn.labels`, fetched.

    Returns
    -------
    pd.DataFrame
        Indexed by day: `known` customers, those `with_account`, `present`, and present with a known outcome (`judged`);
        of these who left by `closure` or fell `silent`; `rate` of leaving with its interval, not a number where the
        window has not closed.
    """
    there, judged = outcomes.present.astype(bool), outcomes.present.astype(bool) & outcomes.leaves.notna()
    steps = {
        "known": pd.Series(True, index=outcomes.index), "with_account": outcomes.holds, "present": there,
        "judged": judged, CLOSURE: judged & (outcomes.kind == CLOSURE), SILENT: judged & (outcomes.kind == SILENT),
    }  # fmt: skip
    days = pd.to_datetime(outcomes.day).rename("day")
    table = pd.DataFrame(steps).astype("int64").groupby(days).sum()
    left = table[CLOSURE] + table[SILENT]
    told = [(k / n, *wilson(k, n)) if n else (np.nan,) * 3 for k, n in zip(left, table.judged, strict=True)]
    return table.assign(**dict(zip(("rate", "low", "high"), np.array(told).reshape(-1, 3).T, strict=True)))


def sensitivity(
    snapshot: Snapshot, days: Sequence[datetime.date], definition: Definition, lengths: tuple[int, ...] = LENGTHS
) -> pd.DataFrame:
    """Say how the rate of leaving depends on how long silence must last.

    All lengths are judged on the same days, those on which the longest window that has closed at all is known.

    Parameters
    ----------
    snapshot : Snapshot
        What is known by now.
    days : sequence of datetime.date
        Days on which customers are looked at.
    definition : Definition
        What leaving means; its own length of silence does not count.
    lengths : tuple of int
        Days of silence.

    Returns
    -------
    pd.DataFrame
        Indexed by `length`: `rows` (customers times days), `rate` of leaving with `low` and `high`, `closure` and
        `silent` as shares, `quiet` (share without a booking of their own, whatever the deposits), `watched` (how many
        of these could be watched for 90 days more) and the share of them who `returned`, with its interval. Intervals
        take into account that the rows of a customer are alike.

    Raises
    ------
    BankmineError
        If a length is out of range, or no window has closed.
    """
    for length in lengths:
        Definition(definition.gap, length)
    usable = _closed(snapshot, days, definition.gap, lengths)
    rows = labelled(snapshot, spine_of(snapshot, usable[0]), definition, usable[1], WATCH).to_pandas()
    rows = rows[rows.present & rows.leaves.notna()]
    end = pd.to_datetime(rows.end)
    rows = rows.assign(
        watched=end + pd.Timedelta(days=WATCH) <= pd.Timestamp(snapshot.as_of),
        returned=pd.to_datetime(rows.first_own) <= end + pd.Timedelta(days=WATCH),
    )
    table = pd.DataFrame({n: _told(rows[rows.length == n]) for n in usable[1]}).T.rename_axis("length")
    return table.astype({"rows": "int64", "watched": "int64"})


def _closed(
    snapshot: Snapshot, days: Sequence[datetime.date], gap: int, lengths: tuple[int, ...]
) -> tuple[list[datetime.date], tuple[int, ...]]:
    """Return the lengths of which a window has closed, and the days on which those of all of them have."""
    past = {n: [d for d in days if d + datetime.timedelta(days=gap + n) <= snapshot.as_of] for n in lengths}
    known = tuple(sorted(n for n in lengths if past[n]))
    if not known:
        raise BankmineError(
            f"No window of {min(lengths)} days after a gap of {gap} has closed by {snapshot.as_of}: give earlier days."
        )
    return past[known[-1]], known


def _told(rows: pd.DataFrame) -> dict[str, float]:
    """Compute the line of one length."""
    leaves, quiet = rows.leaves.astype(bool), rows.quiet.astype(bool)
    watched = rows[quiet & rows.watched]
    line = {"rows": len(rows)}
    line |= dict(zip(("rate", "low", "high"), _share(leaves, rows.customer_id), strict=True))
    line |= {kind: (rows.kind == kind).mean() for kind in (CLOSURE, SILENT)} | {"quiet": quiet.mean()}
    told = _share(watched.returned, watched.customer_id)
    return line | {"watched": len(watched)} | dict(zip(_RETURNED, told, strict=True))


_RETURNED = ("returned", "returned_low", "returned_high")


def _share(hit: pd.Series, of: pd.Series) -> tuple[float, float, float]:
    return (float(hit.mean()), *wilson_clustered(hit, of))
