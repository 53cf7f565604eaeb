"""Ranking: how well scores rank rows by what came of them, with intervals, and one score against another."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from bankmine.errors import BankmineError
from bankmine.judging.intervals import draws, interval
from bankmine.learning.sample import codes, require_outcomes


def performance(
    target: pd.Series,
    scores: pd.DataFrame,
    entity: pd.Series,
    rounds: int = 500,
    seed: int = 0,
) -> pd.DataFrame:
    """Measure how well each score, a column a model, ranks the same rows: `model`, `metric`, `value`, `low`, `high`.

    Metrics: `auc`, `gini`, `average_precision`, `ks`, `brier` (NaN for scores that are no probabilities), and of the
    highest 1, 5, 10, 20 % `lift_<percent>` and `caught_<percent>` (of all events). Equal scores count as if in random
    order; intervals (95 %) are of resampled entities, exact at 0 and 1; NaN where all rows have the event or none has.
    """
    tables, eventful = [], entity.loc[target.index[target == 1]].nunique(dropna=False)
    for model, values in _resampled(target, scores, entity, rounds, seed).items():
        low, high = interval(
            np.stack(list(values.values()), axis=1), [eventful if m in SHARES else np.nan for m in values]
        )
        value = [v[0] for v in values.values()]
        tables.append(pd.DataFrame({"model": model, "metric": list(values), "value": value, "low": low, "high": high}))
    return pd.concat(tables, ignore_index=True)


def against(
    target: pd.Series, scores: pd.DataFrame, baseline: str, entity: pd.Series, rounds: int = 500, seed: int = 0
) -> pd.DataFrame:
    """Measure how much better each score ranks than the column `baseline`, on the same resamples.

    `difference` of `auc` and `average_precision` with `low`, `high` (95 %), far narrower than the intervals of its
    parts, since both models are right and wrong about the same rows.
    """
    values, rows = _resampled(target, scores, entity, rounds, seed), []
    for model in scores.columns.drop(baseline):
        for metric in ("auc", "average_precision"):
            difference = values[model][metric] - values[baseline][metric]
            low, high = interval(difference[:, None])
            rows.append((model, metric, difference[0], low[0], high[0]))
    return pd.DataFrame(rows, columns=["model", "metric", "difference", "low", "high"])


def by_day(target: pd.Series, scores: pd.DataFrame, day: pd.Series, entity: pd.Series) -> pd.DataFrame:
    """Measure scores on each day, or month, apart, as `performance` does, with `day`, `rows` and `events` before."""
    parts = target.groupby(day.loc[target.index])
    tables = {d: performance(part, scores, entity) for d, part in parts}
    counts = parts.agg(rows="size", events="sum").astype(int)
    found = pd.concat(tables, names=["day"]).reset_index("day")
    return counts.merge(found, left_index=True, right_on="day").set_index("day").reset_index()


def gains_curve(target: pd.Series, scores: pd.DataFrame, points: int = 50) -> pd.DataFrame:
    """Return the share of events `caught` among ever more rows with the highest scores, from none `chosen` to all.

    A score that knows nothing catches as much as is chosen; NaN where there is no event.
    """
    outcome, code, counts = _prepared(target, scores, pd.Series(target.index, target.index), 0, 0)
    chosen, tables = np.linspace(0, 1, points + 1), []
    for model in scores:
        at_steps = _steps(outcome, scores[model].loc[target.index].to_numpy(float), code)
        rows, events = (_running(at_step, counts) for at_step in at_steps)
        hits = np.where(events[-1] > 0, events[-1], np.nan)
        caught = np.concatenate([_upto(rows, events, share) / hits for share in chosen])
        tables.append(pd.DataFrame({"model": model, "chosen": chosen, "caught": caught}))
    return pd.concat(tables, ignore_index=True)


def of(table: pd.DataFrame, model: str) -> pd.DataFrame:
    """Return the figures of one model, indexed by metric: `value` (or `difference`), `low`, `high`."""
    figures = [c for c in ("value", "difference", "low", "high") if c in table]
    return table[table["model"] == model].set_index("metric")[figures]


def _prepared(
    target: pd.Series, scores: pd.DataFrame, entity: pd.Series, rounds: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return outcomes, the number of each row's entity, and how often each entity is in each resample."""
    outcome, missing = require_outcomes(target), scores.loc[target.index].isna().sum()
    if missing.any():
        raise BankmineError(
            f"The score {missing.idxmax()} is missing in {missing.max():,} of {len(target):,} rows: give each a score."
        )
    code, entities = codes(entity.loc[target.index])
    return outcome, code, draws(entities, rounds, seed)


def _resampled(
    target: pd.Series, scores: pd.DataFrame, entity: pd.Series, rounds: int, seed: int
) -> dict[str, dict[str, np.ndarray]]:
    """Return the metrics of each model in the sample and in each resample, each of shape (1 + rounds,)."""
    outcome, code, counts = _prepared(target, scores, entity, rounds, seed)
    chosen = {model: scores[model].loc[target.index].to_numpy(float) for model in scores}
    return {model: figures(outcome, score, code, counts) for model, score in chosen.items()}


TOP = (0.01, 0.05, 0.10, 0.20)
"""Shares of the rows, highest scores first, for which lift and the share of events caught are told."""
SHARES = {"auc", "average_precision", "ks", *(f"caught_{share * 100:g}" for share in TOP)}
"""Metrics that are means over events of what lies between 0 and 1."""
_CELLS = 500_000
"""Steps × resamples that are worked on at a time: as many as fit into a processor's cache."""


def _steps(outcome: np.ndarray, score: np.ndarray, code: np.ndarray) -> tuple[csr_array, csr_array]:
    """Return how many rows and how many events of each entity there are at each step down the ranking.

    Rows with equal scores are one step; so are neighbouring steps without an event. Shape (steps, entities).
    """
    order = np.argsort(-score, kind="stable")
    outcome, score, code = outcome[order], score[order], code[order]
    tied = np.cumsum(np.concatenate([[0], score[1:] != score[:-1]]))
    eventful = np.bincount(tied, weights=outcome) > 0
    step = np.cumsum(np.concatenate([[0], eventful[1:] | eventful[:-1]]))[tied]
    shape = (step[-1] + 1, code.max() + 1)
    rows, events = (csr_array((w.astype(np.float32), (step, code)), shape) for w in (np.ones_like(outcome), outcome))
    events.eliminate_zeros()
    return rows, events


def _running(at_step: csr_array, counts: np.ndarray) -> np.ndarray:
    """Return how many there are down to each step, from 0 to all, in each resample: shape (1 + steps, resamples)."""
    return np.concatenate([np.zeros((1, counts.shape[1])), np.cumsum(at_step @ counts, axis=0, dtype=float)])


def _upto(rows: np.ndarray, events: np.ndarray, share: float) -> np.ndarray:
    """Return the events among the first `share` of the rows; within a step they are spread evenly."""
    wanted, column = share * rows[-1], np.arange(rows.shape[1])
    after = np.minimum((rows <= wanted).sum(axis=0), len(rows) - 1)
    start, length = rows[after - 1, column], rows[after, column] - rows[after - 1, column]
    part = (wanted - start) / np.maximum(length, 1)
    return events[after - 1, column] + part * (events[after, column] - events[after - 1, column])


def figures(outcome: np.ndarray, score: np.ndarray, code: np.ndarray, counts: np.ndarray) -> dict[str, np.ndarray]:
    """Return the metrics of `performance` of one score in each resample; NaN where that holds but one outcome.

    `code` is the number of each row's entity from 0; `counts`, as of `intervals.draws`, has shape (entities,
    resamples).
    """
    rows, events = _steps(outcome, score, code)
    chunks = np.array_split(counts, 1 + counts.shape[1] * rows.shape[0] // _CELLS, axis=1)
    parts = [_figures(_running(rows, chunk), _running(events, chunk)) for chunk in chunks]
    found = {metric: np.concatenate([part[metric] for part in parts]) for metric in parts[0]}
    return found | {"brier": _brier(outcome, score, code, counts)}


def _figures(rows: np.ndarray, events: np.ndarray) -> dict[str, np.ndarray]:
    others = rows - events
    hits = np.where((events[-1] > 0) & (others[-1] > 0), events[-1], np.nan)
    auc = (np.diff(others, axis=0) * (events[1:] + events[:-1])).sum(axis=0) / (2 * hits * np.maximum(others[-1], 1))
    precision = events[1:] / np.maximum(rows[1:], 1)
    caught = {share: _upto(rows, events, share) / hits for share in TOP}
    return {
        "auc": auc,
        "gini": 2 * auc - 1,
        "average_precision": (np.diff(events, axis=0) * precision).sum(axis=0) / hits,
        "ks": np.abs(events / hits - others / np.maximum(others[-1], 1)).max(axis=0),
        **{f"lift_{share * 100:g}": caught[share] / share for share in TOP},
        **{f"caught_{share * 100:g}": caught[share] for share in TOP},
    }


def _brier(outcome: np.ndarray, score: np.ndarray, code: np.ndarray, counts: np.ndarray) -> np.ndarray:
    if score.min() < 0 or score.max() > 1:
        return np.full(counts.shape[1], np.nan)
    return (np.bincount(code, weights=(score - outcome) ** 2) @ counts) / (np.bincount(code) @ counts)
