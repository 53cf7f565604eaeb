"""Drift of segments: what has become of them since they were formed, and whether that is more than chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from bankmine.errors import BankmineError
from bankmine.judging.drift import alarm, psi
from bankmine.topics.segmentation.model import Segmentation


@dataclass(frozen=True)
class Drift:
    """What has become of segments since they were formed."""

    table: pd.DataFrame
    """Per segment `share_then`, `share_now`, `change` with `low` and `high` (95 %), `distance_then`, `distance_now`."""
    psi: float
    """Population stability index of the shares."""
    alarm: float
    """Index above which the shares have shifted by more than samples of these sizes do in 19 of 20 cases."""
    moved: float
    """Share of those customers, assigned on both days, who are in another segment; NaN without an earlier day."""

    @property
    def shifted(self) -> bool:
        """Whether the shares shifted by more than chance explains."""
        return self.psi > self.alarm


def drift(model: Segmentation, values: pd.DataFrame, before: pd.Series | None = None) -> Drift:
    """Compare a day's customers with those whom the segments were formed of.

    Parameters
    ----------
    model : Segmentation
        As loaded.
    values : pd.DataFrame
        Readable features of the active customers now.
    before : pd.Series, optional
        Segments of customers as they were assigned earlier; groups that are no segment, as inactive, are left out.

    Returns
    -------
    Drift
        The alarm is the 95 % quantile of the index without any shift, see `drift.alarm`; most customers are the same on
        both days, so that it is rarer still to go off by chance.

    Raises
    ------
    BankmineError
        If there is no active customer.
    """
    if values.empty:
        raise BankmineError("No customer is active on this day, so that no drift can be told: give another day.")
    segments, points = model.assign(values), model.points(values)
    size, then = len(values), model.shares
    now = segments.value_counts(normalize=True).reindex(list(model.names)).to_numpy()
    half = stats.norm.ppf(0.975) * np.sqrt(now * (1 - now) / size + then * (1 - then) / model.customers)
    distance = pd.Series(model.groups.distance(points), index=values.index).groupby(segments, observed=False).mean()
    table = pd.DataFrame({
        "share_then": then, "share_now": now, "change": now - then, "low": now - then - half, "high": now - then + half,
        "distance_then": model.distances, "distance_now": distance.reindex(list(model.names)).to_numpy(),
    }, index=pd.Index(model.names, name="segment"))  # fmt: skip
    index, limit = psi(then, now, model.customers, size), alarm(len(then), model.customers, size)
    return Drift(table, index, limit, _moved(model, segments, before))


def _moved(model: Segmentation, segments: pd.Series, before: pd.Series | None) -> float:
    if before is None:
        return np.nan
    earlier = before[before.isin(model.names)].astype(str)
    both = segments.index.intersection(earlier.index)
    return float((segments[both].astype(str) != earlier[both]).mean()) if len(both) else np.nan
