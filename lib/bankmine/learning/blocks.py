"""Blocks: train, delay, test, rolled forward, so that models of fraud are judged as they would have run (prequential).

At the start of each block models learn from a window of days that ended a delay before, since labels come late: of the
newest payments most frauds are not known yet, and would be taken for genuine. What the labels say is what they said at
the start of the block. Then the models judge the payments of the block, are thrown away, and the next block begins
(Dawid, Journal of the Royal Statistical Society A 147, 1984; Dal Pozzolo and others, IEEE Transactions on Neural
Networks and Learning Systems 29, 2018).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bankmine.errors import BankmineError
from bankmine.learning.sample import Panel, Sample


@dataclass(frozen=True)
class Plan:
    """How blocks are cut, all in days.

    Attributes
    ----------
    train, delay, test : int
        Days that are learnt from, days between them and the block, and days of the block.
    blocks : int
        Blocks to judge by.
    settled : int
        Days after which a label is final: younger payments are not judged, since frauds that nobody has noticed yet
        would pass for genuine. More than the delay, by which models need not wait for the last fraud.
    """

    train: int = 90
    delay: int = 14
    test: int = 28
    blocks: int = 8
    settled: int = 30

    def __post_init__(self) -> None:
        if min(self.train, self.test, self.blocks) < 1 or min(self.delay, self.settled) < 0:
            raise BankmineError("Train, test and blocks must be at least 1, delay and settled not below 0 days.")


@dataclass(frozen=True)
class Block:
    """One block of days and what was known when it began."""

    start: pd.Timestamp
    """Its first day; labels count that became known on an earlier day."""
    end: pd.Timestamp
    """The day after its last."""
    train: np.ndarray
    """Positions of the rows that are learnt from."""
    known: np.ndarray
    """Whether each of them was known as fraud when the block began: 1.0 or 0.0."""
    recent: np.ndarray
    """Positions of these and of the payments since, up to the block: for what needs no label."""
    test: np.ndarray
    """Positions of the rows that are judged."""
    share: float = 1.0
    """Which part of all rows without a known fraud those to learn from are: those of a panel."""

    @property
    def teaches(self) -> bool:
        """Whether both frauds and other payments were known to learn from."""
        return 0 < self.known.sum() < len(self.known)

    def learns(self, sample: Sample) -> Sample:
        """Return the rows to learn from, with the labels of that day."""
        rows = sample.at(self.train)
        target = pd.Series(self.known, index=rows.target.index, name=rows.target.name)
        return Sample(rows.predictors, target, rows.entity, rows.day)


def blocks(sample: Sample, known_on: pd.Series, plan: Plan, panel: Panel | None = None) -> list[Block]:
    """Cut the newest payments whose labels are settled into blocks, oldest first.

    Parameters
    ----------
    sample : Sample
        Payments, with days, up to the as-of day; the target is NaN where nothing is known.
    known_on : pd.Series
        Day on which each payment became known as fraud, NaT where it did not; same index.
    plan : Plan
        Lengths.
    panel : Panel, optional
        Whose rows are judged and learnt from; of others only what is known as fraud is learnt from.

    Returns
    -------
    list of Block
        As many as the plan wants, or fewer where the history is short or begins without a known fraud.

    Raises
    ------
    BankmineError
        If no label is settled, no block has a full window to learn from, or the newest no known fraud to learn from.
    """
    days = _days(sample)
    panel = panel or _everybody(sample)
    settled = days[sample.known & panel.rows & (days <= days.max(initial=0) - plan.settled)]
    if not len(settled):
        raise BankmineError(
            f"No payment is {plan.settled} days old with a label: take a later as-of day, tell that labels are settled "
            "sooner, or give a source with fraud labels."
        )
    end = settled.max() + 1
    starts = [end - i * plan.test for i in range(plan.blocks, 0, -1)]
    able = [s for s in starts if s - plan.delay - plan.train >= days.min()]
    if not able:
        needed = plan.train + plan.delay + plan.test
        raise BankmineError(
            f"{needed} days of payments are needed, {plan.train} of them to learn from, and there are "
            f"{end - days.min()}: give a longer history, or fewer days to learn from."
        )
    found = [_block(sample, days, known_on, plan, panel, start) for start in able]
    _require_both(found[-1])
    first = max((i + 1 for i, block in enumerate(found) if not block.teaches), default=0)
    return [block for block in found[first:] if len(block.test)]


def newest(sample: Sample, known_on: pd.Series, plan: Plan, start: pd.Timestamp, panel: Panel | None = None) -> Block:
    """Return the block that begins on a day and lasts to the end: to judge payments whose labels are not known yet.

    Raises
    ------
    BankmineError
        If there is no payment from that day on, or no known fraud to learn from.
    """
    days, first = _days(sample), int(pd.Timestamp(start).to_datetime64().astype("datetime64[D]").astype(int))
    if days.max() < first:
        raise BankmineError(f"There is no payment from {pd.Timestamp(start):%Y-%m-%d} on: give an earlier day.")
    block = _block(sample, days, known_on, plan, panel or _everybody(sample), first, int(days.max()) + 1)
    _require_both(block)
    return block


def table(blocks: list[Block], sample: Sample) -> pd.DataFrame:
    """Say what each block holds: days, rows and frauds to learn from and judged, and frauds not known by its start."""
    rows = []
    for block in blocks:
        late = int((sample.target.to_numpy()[block.train] == 1).sum() - block.known.sum())
        test = sample.at(block.test)
        rows.append(
            {"first": block.start, "last": block.end - pd.Timedelta(days=1), "learns": len(block.train),
             "frauds_known": int(block.known.sum()), "frauds_found_later": late, "judges": len(test),
             "frauds": int(test.target.sum()), "rate": test.target.mean()}
        )  # fmt: skip
    return pd.DataFrame(rows)


def _days(sample: Sample) -> np.ndarray:
    """Return days as numbers."""
    if sample.day is None:
        raise BankmineError("Payments need a time, by which they are cut into blocks: name the column that holds it.")
    return sample.day.to_numpy().astype("datetime64[D]").astype(int)


def _everybody(sample: Sample) -> Panel:
    return Panel(np.ones(len(sample), bool), 1.0)


def _block(
    sample: Sample, days: np.ndarray, known_on: pd.Series, plan: Plan, panel: Panel, start: int, end: int | None = None
) -> Block:
    known_by = known_on.reindex(sample.target.index).to_numpy().astype("datetime64[D]")
    first, last = (np.datetime64(int(d), "D") for d in (start, start + plan.test if end is None else end))
    until, known = start - plan.delay, known_by < first  # NaT, no fraud known, is below nothing
    # a fraud of others that nobody knew yet would be one more payment that passes for genuine than there were
    train = np.flatnonzero((days >= until - plan.train) & (days < until) & (panel.rows | known))
    recent = np.flatnonzero((days >= start - plan.train - plan.delay) & (days < start) & panel.rows)
    here = (days >= start) & (days < int(last.astype(int)))
    test = np.flatnonzero(here if end is not None else here & sample.known & panel.rows)
    spans = pd.Timestamp(first), pd.Timestamp(last)
    return Block(*spans, train, known[train].astype(float), recent, test, panel.share)


def _require_both(block: Block) -> None:
    if not block.teaches:
        what = "nothing but fraud was" if block.known.any() else "no fraud was"
        raise BankmineError(
            f"On {block.start:%Y-%m-%d} {what} known among the {len(block.train):,} payments to learn from: give more "
            "days to learn from, or a shorter delay."
        )
