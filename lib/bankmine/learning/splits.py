"""Splits: which rows models learn from, are tuned on and are judged by, so that nothing is known before its time.

The outcome of a row is known only some days after its day (the label delay: gap and outcome window). So between the
rows that a model learns from and the first day on which it is used there must lie at least that delay; without it, a
test flatters the model. Samples without time are split at random, but stratified, and with all rows of an entity in the
same part: that says how well a model tells rows apart that are like those it learnt from, and nothing of next year.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from sklearn.model_selection import RepeatedStratifiedKFold, train_test_split

from bankmine.errors import BankmineError
from bankmine.learning.sample import Sample, codes

Period = Literal["D", "W", "M", "Q", "Y"]
Fold = tuple[np.ndarray, np.ndarray]

PARTS = ("train", "tune", "test")
FEWEST = 20
"""Entities of the rarer outcome below which a sample is not divided."""
LEARN, JUDGE = 0.56, 0.25
"""Parts of a table with days, by time, to learn from first and to be judged by last; those between calibrate."""
_TESTED = 5_000
"""Rows to test on in all, about: folds of a small table are drawn several times."""
_CALLED = {"D": "days", "W": "weeks", "M": "months", "Q": "quarters", "Y": "years"}


@dataclass(frozen=True)
class Split:
    """Rows of a sample in three parts, each as sorted positions."""

    train: np.ndarray
    """To learn from."""
    tune: np.ndarray
    """To calibrate probabilities and choose thresholds."""
    test: np.ndarray
    """To judge by, or to score where the outcome is not known yet."""
    days: dict[str, tuple[pd.Timestamp, ...]]
    """Days that each part holds, by its name; none for a sample without time."""

    def table(self, sample: Sample) -> pd.DataFrame:
        """Say of each part what it holds: `first`, `last` day, `rows`, `entities`, `events`, `rate` (of known rows)."""
        return pd.DataFrame([self._row(sample.at(getattr(self, part)), part) for part in PARTS]).set_index("part")

    def _row(self, rows: Sample, part: str) -> dict[str, object]:
        days = self.days[part] or (pd.NaT,)
        return {
            "part": part, "first": days[0], "last": days[-1], "rows": len(rows), "entities": rows.entity.nunique(),
            "events": int(rows.target.sum()), "rate": rows.target.mean(),
        }  # fmt: skip


def month_ends(
    as_of: datetime.date, delay_days: int, train: int = 6, tune: int = 2, test: int = 3, every: int = 1
) -> list[datetime.date]:
    """Return the month ends that `out_of_time` takes, and the day to be scored, so that no other needs be computed.

    `every` counts months from one day to learn from to the next: months that follow each other share most events, so
    that as many of them further apart teach more. `for_scoring` then learns from the newest whose outcomes are known.
    """
    last, delay = pd.Timestamp(as_of), pd.Timedelta(days=delay_days)
    months = every * train + tune + test + 3
    ends = pd.date_range(last - 3 * delay - pd.Timedelta(days=31 * months), last, freq="ME")
    tested = ends[ends + delay <= last][-test:]
    tuned = ends[ends + delay <= tested[0]][-tune:]
    learned = ends[ends + delay <= tuned[0]][::-every][:train]
    return [day.date() for day in sorted({last, *tested, *tuned, *learned})]


def out_of_time(
    sample: Sample, delay_days: int, train: int = 6, tune: int = 2, test: int = 3, period: Period = "M"
) -> Split:
    """Split by time: the last periods whose outcomes are known are tested on, earlier ones learnt from.

    Outcomes of `tune` were all known, `delay_days` after their rows, on the first day of `test`, those of `train` on
    the first day of `tune`. A BankmineError says what would do where periods or outcomes are too few.
    """
    spans = _spans(sample, period)
    if len(spans) < test:
        raise BankmineError(
            f"{test} {_CALLED[period]} with a known outcome are needed to test on, and {test - len(spans)} of them are "
            f"lacking: give a longer history or a later as-of day, or fewer {_CALLED[period]}."
        )
    return _split(sample, spans, spans.tail(test), delay_days, {"tune": tune, "train": train}, period)


def for_scoring(
    sample: Sample, day: datetime.date, delay_days: int, train: int = 6, tune: int = 2, period: Period = "M"
) -> Split:
    """Split as `out_of_time`, moved forward: `test` holds the rows of one day, whose outcomes are not known yet."""
    spans, day = _spans(sample, period), pd.Timestamp(day)
    rows = np.flatnonzero(sample.day == day)
    if not len(rows):
        raise BankmineError(f"The sample has no row of {day:%Y-%m-%d}: give a day on which there are rows to score.")
    scored = pd.DataFrame({"first": [day], "last": [day]})
    split = _split(sample, spans, scored, delay_days, {"tune": tune, "train": train}, period)
    return replace(split, test=rows, days=split.days | {"test": (day,)})


def rolling_origin(
    sample: Sample, rows: np.ndarray, delay_days: int, folds: int = 3, period: Period = "M"
) -> list[Fold]:
    """Cross-validate in time: each of the last periods is foretold from those whose outcomes were known as it began.

    Of `rows` (positions); fewer `folds` come out where earlier periods do not suffice or hold but one outcome, and a
    BankmineError where none can be foretold. Source: Tashman, International Journal of Forecasting 16 (2000).
    """
    rows = rows[sample.known[rows]]
    days = sample.day.iloc[rows]
    spans = _spans(sample.at(rows), period)
    found = []
    for first, last in spans[["first", "last"]].tail(folds).itertuples(index=False):
        known = (days + pd.Timedelta(days=delay_days) <= first).to_numpy()
        fold = rows[known], rows[days.between(first, last).to_numpy()]
        if all(_both_outcomes(sample, part) for part in fold):
            found.append(fold)
    if not found:
        raise BankmineError(
            f"None of {len(spans)} {_CALLED[period]} can be foretold from earlier ones whose outcomes were known by "
            f"then, {delay_days} days later: train on more {_CALLED[period]}, or shorten the gap or the window."
        )
    return found


def _spans(sample: Sample, period: Period) -> pd.DataFrame:
    """Return the `first` and `last` day with a known outcome of each period, in order."""
    if sample.day is None:
        raise BankmineError("The sample has no days, so that it cannot be split by time: split it by entity.")
    days = sample.day[sample.known].dropna()
    return days.groupby(days.dt.to_period(period)).agg(first="min", last="max")


def _split(
    sample: Sample, spans: pd.DataFrame, tested: pd.DataFrame, delay_days: int, sizes: dict[str, int], period: Period
) -> Split:
    """Go back in time from the days tested to those whose outcomes were known by then, part by part."""
    if min(*sizes.values(), len(tested)) < 1:
        raise BankmineError("Each of train, tune and test takes 1 or more: give numbers of at least 1.")
    parts = {"test": tested}
    for part, size in sizes.items():
        first = list(parts.values())[-1]["first"].min()
        known = _known_by(spans, first, delay_days)
        if len(known) < size:
            raise BankmineError(
                f"{size} {_CALLED[period]} to {part} on are needed whose outcomes were known by {first:%Y-%m-%d}, "
                f"{delay_days} days after the last of them, and {size - len(known)} are lacking: give a longer "
                f"history, a later as-of day, a shorter gap or window, or fewer {_CALLED[period]}"
                f"{_would_do(spans, tested, delay_days)}."
            )
        parts[part] = known.tail(size)
    days = sample.day.where(sample.known)
    rows = {name: np.flatnonzero(days.between(p["first"].min(), p["last"].max())) for name, p in parts.items()}
    _require_both_outcomes(sample, rows["train"])
    return Split(**rows, days={name: tuple(pd.to_datetime(np.unique(days.iloc[r]))) for name, r in rows.items()})


def _known_by(spans: pd.DataFrame, day: pd.Timestamp, delay_days: int) -> pd.DataFrame:
    return spans[spans["last"] + pd.Timedelta(days=delay_days) <= day]


def _would_do(spans: pd.DataFrame, tested: pd.DataFrame, delay_days: int) -> str:
    """Say with how few periods there would be some to learn from, where there would."""
    tuned = _known_by(spans, tested["last"].iloc[-1], delay_days).tail(1)
    left = len(_known_by(spans, tuned["first"].iloc[0], delay_days)) if len(tuned) else 0
    first = "test=1, " if len(tested) > 1 else ""
    return f" ({first}tune=1, train={left} would do)" if left else ""


def _both_outcomes(sample: Sample, rows: np.ndarray) -> bool:
    return set(sample.target.iloc[rows]) >= {0.0, 1.0}


def _require_both_outcomes(sample: Sample, rows: np.ndarray) -> None:
    if not _both_outcomes(sample, rows):
        happened = "All" if (sample.target.iloc[rows] == 1).any() else "None"
        raise BankmineError(
            f"{happened} of the {len(rows):,} rows to learn from have the event, so that nothing can be learnt: "
            "take more rows, or define the event otherwise."
        )


def held_out(sample: Sample, seed: int = 0, tune: float = 0.2, test: float = 0.25) -> Split:
    """Split a sample without time at random, stratified; all rows of an entity are in one part.

    `tune` and `test` are shares of the entities. A BankmineError where fewer than `FEWEST` have the rarer outcome.
    """
    rows = np.flatnonzero(sample.known)
    owner, ever = _entities(sample, rows)
    rest, tested = train_test_split(np.arange(len(ever)), test_size=test, stratify=ever, random_state=seed)
    _, tuned = train_test_split(rest, test_size=tune / (1 - test), stratify=ever[rest], random_state=seed)
    part = np.zeros(len(ever), dtype=int)
    part[tuned], part[tested] = 1, 2
    return Split(*(rows[part[owner] == i] for i in range(3)), dict.fromkeys(PARTS, ()))


def stratified_folds(sample: Sample, rows: np.ndarray, folds: int = 5, repeats: int = 2, seed: int = 0) -> list[Fold]:
    """Cross-validate without time: stratified folds of entities, repeated; all rows of an entity are in one fold.

    Entities are stratified by whether they have the event in any row. (scikit-learn's StratifiedGroupKFold counts rows,
    and takes minutes for 100,000 entities.)
    """
    rows = rows[sample.known[rows]]
    owner, ever = _entities(sample, rows)
    splitter = RepeatedStratifiedKFold(n_splits=folds, n_repeats=repeats, random_state=seed)
    tested = [np.isin(np.arange(len(ever)), test)[owner] for _, test in splitter.split(ever, ever)]
    return [(rows[~test], rows[test]) for test in tested]


def _entities(sample: Sample, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of each row's entity, and whether each entity has the event in any row."""
    owner, entities = codes(sample.entity.iloc[rows])
    ever = np.bincount(owner, weights=sample.target.iloc[rows], minlength=entities) > 0
    if (rarer := min(ever.sum(), (~ever).sum())) < FEWEST:
        raise BankmineError(
            f"Only {rarer} of {entities:,} entities have the rarer outcome, and {FEWEST} are needed to divide them: "
            "take more rows, or define the event otherwise."
        )
    return owner, ever


@dataclass(frozen=True)
class Parts:
    """What models learn from, are calibrated by and judged by."""

    split: Split
    folds: list[Fold]
    """For comparing models: positions before those judged by."""
    scoring: Split
    """The split moved forward: `test` holds the rows to be scored today."""
    how: str
    """How rows were split, in words."""


def at_random(sample: Sample) -> Parts:
    """Split a table without days: whole entities at random."""
    split = held_out(sample)
    how = "at random by whole entities, as the table tells no days"
    return _parts_of_table(sample, split, how)


def in_order(sample: Sample, delay: int = 0) -> Parts:
    """Split a table with days by time: learnt from the first, calibrated by the next, judged by the last of its rows.

    Each part ends `delay` days before the next begins, as outcomes are known so late. A BankmineError where a part
    would have too few rows of either outcome.
    """
    if delay < 0:
        raise BankmineError(f"An outcome is known {delay} days after its row: give a delay of 0 days or more.")
    day, known = sample.day, sample.known
    first, second = (pd.Timestamp(int(q)) for q in np.quantile(day[known].astype("int64"), [LEARN, 1 - JUDGE]))
    test = known & (day > second).to_numpy()
    tune = known & (day > first).to_numpy() & _known_before(day, day[test].min(), delay)
    train = known & (day <= first).to_numpy() & _known_before(day, day[tune].min(), delay)
    masks = {"train": train, "tune": tune, "test": test}
    for part, rows in masks.items():
        rarer = min((sample.target[rows] == outcome).sum() for outcome in (0, 1))
        if rarer < (FEWEST if part == "train" else 2):
            raise BankmineError(
                f"Only {rarer} rows of the rarer outcome are in the part of the table, ordered by day, to {part}: give "
                f"a longer table{', a shorter delay' if delay else ''}, or leave out `time` to split it at random."
            )
    rows = {part: np.flatnonzero(mask) for part, mask in masks.items()}
    split = Split(**rows, days={part: tuple(day.iloc[r].sort_values().unique()) for part, r in rows.items()})
    told = (
        f"outcomes are taken to be known {delay} days after their row" if delay
        else "the table does not tell on which day an outcome became known: give `delay` where it took time"
    )  # fmt: skip
    how = (
        f"by time: judged by rows after {second:%Y-%m-%d}, learnt from those up to {split.days['train'][-1]:%Y-%m-%d}; "
        f"{told}"
    )
    return _parts_of_table(sample, split, how)


def _known_before(day: pd.Series, start: pd.Timestamp, delay: int) -> np.ndarray:
    """Say of which rows the outcome was known by a day; of none where there is no such day."""
    return (day + pd.Timedelta(days=delay) <= start).to_numpy() & (day < start).to_numpy()


def _parts_of_table(sample: Sample, split: Split, how: str) -> Parts:
    learnt = np.union1d(split.train, split.tune)
    repeats = int(np.clip(_TESTED // len(learnt), 1, 5))
    folds = stratified_folds(sample, learnt, folds=5, repeats=repeats)
    how += "; models are compared on stratified folds of the others" + f", drawn {repeats} times" * (repeats > 1)
    unknown = np.flatnonzero(~sample.known)
    return Parts(split, folds, replace(split, test=unknown) if len(unknown) else split, how)
