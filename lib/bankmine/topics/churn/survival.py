"""Survival: how many customers of each group stay for how long."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from lifelines import KaplanMeierFitter
from lifelines.statistics import multivariate_logrank_test

from bankmine.judging.intervals import CONFIDENCE

STEP = 7
"""Days between two points of a curve."""
MARKS = (90, 180, 365)
"""Days after which the share of those who stayed is told."""


@dataclass(frozen=True)
class Curves:
    """Kaplan-Meier curves of groups of customers.

    Attributes
    ----------
    curves : pd.DataFrame
        One row a group and week: `group`, `day`, `stayed` (share) with `low` and `high`, and customers still `at_risk`.
    table : pd.DataFrame
        Indexed by group: `customers`, `leavers`, and the share that stayed for 90, 180 and 365 days with its interval
        (`stayed_90d`, `low_90d`, `high_90d`), not a number where nobody was followed for so long.
    p_value : float
        Of the log-rank test that all groups leave at the same rate; not a number for a single group.
    """

    curves: pd.DataFrame
    table: pd.DataFrame
    p_value: float


def by_group(lives: pd.DataFrame, groups: pd.Series | None = None) -> Curves:
    """Estimate how many customers of each group stayed for how long.

    Kaplan and Meier, Journal of the American Statistical Association 53, 1958, with log-log intervals of 95 %; log-rank
    test of Mantel, Cancer Chemotherapy Reports 50, 1966.

    Parameters
    ----------
    lives : pd.DataFrame
        From `departures.followed`.
    groups : pd.Series, optional
        Group of each customer as it was known on the first day, same index; all are one group where it is not given.
    """
    found = pd.Series("all", index=lives.index) if groups is None else groups.reindex(lives.index)
    order = (
        list(found.cat.categories) if isinstance(found.dtype, pd.CategoricalDtype) else sorted(found.dropna().unique())
    )
    known = found.astype(object).where(found.notna(), "unknown")
    parts = {name: lives[known == name] for name in [*order, *(["unknown"] if found.isna().any() else [])]}
    curves = {name: _curve(part) for name, part in parts.items() if len(part)}
    table = {name: _line(parts[name], curve) for name, curve in curves.items()}
    test = multivariate_logrank_test(lives.days, known.astype(str), lives.left) if len(curves) > 1 else None
    return Curves(
        pd.concat(
            [curve[curve.day % STEP == 0].assign(group=name) for name, curve in curves.items()], ignore_index=True
        ),
        pd.DataFrame.from_dict(table, orient="index").rename_axis("group"),
        float(test.p_value) if test else np.nan,
    )


def _curve(part: pd.DataFrame) -> pd.DataFrame:
    """Estimate the curve of one group on each day up to the longest time that anyone was followed."""
    days = np.arange(int(part.days.max()) + 1)
    fitted = KaplanMeierFitter(alpha=1 - CONFIDENCE).fit(part.days, part.left, timeline=days)
    band = fitted.confidence_interval_.to_numpy()
    at_risk = len(part) - np.searchsorted(np.sort(part.days.to_numpy()), days)
    return pd.DataFrame({
        "day": days, "stayed": fitted.survival_function_.to_numpy()[:, 0], "low": band[:, 0], "high": band[:, 1],
        "at_risk": at_risk,
    })  # fmt: skip


def _line(part: pd.DataFrame, curve: pd.DataFrame) -> dict[str, float]:
    line: dict[str, float] = {"customers": len(part), "leavers": int(part.left.sum())}
    at = curve.set_index("day").reindex(MARKS)
    return line | {f"{name}_{day}d": at.loc[day, name] for day in MARKS for name in ("stayed", "low", "high")}
