"""Score bands: who is in which range of the score, how many of them are bad, and what a cut-off there would mean."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from bankmine.errors import BankmineError
from bankmine.judging.intervals import wilson_clustered


def bands(score: pd.Series, target: pd.Series, entity: pd.Series, count: int = 10) -> pd.DataFrame:
    """Divide rows into bands of about equal size by their score, the best first.

    Parameters
    ----------
    score : pd.Series
        High where the event is unlikely.
    target : pd.Series
        1.0 where the event happened, 0.0 where it did not; same index.
    entity : pd.Series
        Whose row it is; same index.
    count : int
        Bands, at most: fewer where many rows have the same score.

    Returns
    -------
    pd.DataFrame
        Indexed by `band` in words: `low` and `high` (scores from, and below; the ends are open), `rows`, `share` of
        all, `bad`, `bad_rate` with interval of 95 % `bad_low`, `bad_high` (Wilson's, where rows of one entity are
        alike), and what a cut-off at `low` means: `approved` (share of rows), `bad_rate_approved`, `bad_refused` (share
        of all bad).

    Raises
    ------
    BankmineError
        If there is no row, or an outcome is not known.
    """
    if not len(score) or target.isna().any():
        raise BankmineError("Bands are of rows whose outcome is known: leave out the others.")
    inner = np.unique(np.quantile(score, np.linspace(0, 1, count + 1)[1:-1], method="higher"))
    inner = inner[inner > score.min()]
    band = np.digitize(score, inner)
    bad, whose = target.astype(float).groupby(band), entity.groupby(band)
    table = bad.agg(rows="size", bad="sum").assign(share=lambda t: t["rows"] / len(score), bad_rate=bad.mean())
    table[["bad_low", "bad_high"]] = [wilson_clustered(part, whose.get_group(i)) for i, part in bad]
    table.insert(0, "low", np.r_[-np.inf, inner])
    table.insert(1, "high", np.r_[inner, np.inf])
    best = table.iloc[::-1].set_axis(pd.Index(_told(inner)[::-1], name="band"))
    rows, events = best["rows"].cumsum(), best["bad"].cumsum()
    caught = 1 - events / events.iloc[-1] if events.iloc[-1] else np.nan
    return best.assign(
        bad=best["bad"].astype(int), approved=rows / len(score), bad_rate_approved=events / rows, bad_refused=caught
    )


def _told(inner: np.ndarray) -> list[str]:
    if not len(inner):
        return ["all"]
    between = [f"{low:,.0f} to below {high:,.0f}" for low, high in pairwise(inner)]
    return [f"below {inner[0]:,.0f}", *between, f"{inner[-1]:,.0f} and more"]


def distribution(score: pd.Series, target: pd.Series, width: float = 10.0) -> pd.DataFrame:
    """Count good and bad rows by score.

    Parameters
    ----------
    score, target
        As for `bands`; rows of unknown outcome are left out.
    width : float
        Of a bar, in points.

    Returns
    -------
    pd.DataFrame
        Indexed by `score`, where a bar begins, without gaps: `good` and `bad`, the shares of the good and of the bad
        rows in it; NaN where there are none at all.
    """
    known = target.notna()
    start = pd.Index(np.floor(score[known] / width), name="score")
    counts = pd.crosstab(start, target[known]).reindex(columns=[0.0, 1.0], fill_value=0)
    bars = np.arange(start.min(), start.max() + 1) if len(start) else np.empty(0)
    counts = counts.reindex(bars, fill_value=0)
    shares = counts / counts.sum().where(lambda total: total > 0)
    return shares.set_axis(["good", "bad"], axis=1).set_axis(pd.Index(bars * width, name="score"))
