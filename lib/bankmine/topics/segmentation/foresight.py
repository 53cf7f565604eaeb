"""Foresight of views: how much of what customers do later a view of them tells, out of time.

A view is any division of customers: segments, RFM cells, value deciles. What it is worth is not how well it fits the
past, but how well the means of its groups, taken on an earlier pair of days, foretell a later outcome.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder

from bankmine.errors import BankmineError

CONFIDENCE = 0.95
_NOTHING = "no view"
_TAIL = 0.01


def out_of_time(
    earlier: pd.DataFrame, outcome_then: pd.Series, later: pd.DataFrame, outcome_later: pd.Series,
    with_view: str = "segments", rounds: int = 500, seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """Compare how much of a later outcome several views of customers tell, alone and beside one of them.

    Group means (beside another view: main effects of both) are estimated on the earlier pair of days and foretell the
    later outcome. R² is 1 − Σ(y − forecast)² / Σ(y − earlier mean)²: above 0 a view foretells better than telling all
    customers the earlier mean, below 0 worse (Campbell and Thompson, Review of Financial Studies 21, 2008). The outcome
    is cut at the first and last hundredth of the earlier one, so that a few large customers do not decide.

    Parameters
    ----------
    earlier, later : pd.DataFrame
        Groups of customers on two days, one column a view; indexed by customer. Unknown groups are a group.
    outcome_then, outcome_later : pd.Series
        What was measured after each of these days, such as the margin of the next quarter; customers of whom it is not
        known are left out. The first outcome must be known by the second day.
    with_view : str
        The view that is put beside each of the others.
    rounds, seed
        Bootstrap of the later customers.

    Returns
    -------
    pd.DataFrame
        One row a view and one a pair, indexed by `view`: `customers`, `r2` with `low` and `high`, and for pairs `gain`
        of R² over the other view alone with `gain_low` and `gain_high`; intervals hold with 95 % confidence.

    Raises
    ------
    BankmineError
        If the outcome is known of fewer than two customers on a day, or does not vary.
    """
    then, after = outcome_then.dropna(), outcome_later.dropna()
    earlier, later = (_groups(views.reindex(o.index)) for views, o in ((earlier, then), (later, after)))
    limits = _limits(then, after)
    then, after = then.clip(*limits), after.clip(*limits)

    others = [view for view in earlier.columns if view != with_view and with_view in earlier.columns]
    views = [(view,) for view in earlier.columns] + [(view, with_view) for view in others]
    errors = pd.DataFrame({" + ".join(v): _missed(earlier[[*v]], then, later[[*v]], after) for v in views})
    errors[_NOTHING] = (after - then.mean()).to_numpy() ** 2
    sums = _resampled(errors, rounds, seed)
    table = pd.DataFrame({"view": errors.columns[:-1], "customers": len(later)}).set_index("view")
    table[["r2", "low", "high"]] = [_told(sums[_NOTHING] - sums[v], sums[_NOTHING]) for v in table.index]
    gains = {f"{v} + {with_view}": _told(sums[v] - sums[f"{v} + {with_view}"], sums[_NOTHING]) for v in others}
    return table.join(pd.DataFrame(gains, index=["gain", "gain_low", "gain_high"]).T.astype(float))


def _missed(earlier: pd.DataFrame, then: pd.Series, later: pd.DataFrame, after: pd.Series) -> np.ndarray:
    """Return the squared error of each later customer's forecast by views."""
    return (after.to_numpy() - _means().fit(earlier, then).predict(later)) ** 2


def _limits(then: pd.Series, after: pd.Series) -> tuple[float, float]:
    if min(len(then), len(after)) < 2 or then.nunique() < 2 or after.nunique() < 2:
        raise BankmineError("The outcome is known of too few customers, or is the same for all: give other days.")
    return float(then.quantile(_TAIL)), float(then.quantile(1 - _TAIL))


def _groups(views: pd.DataFrame) -> pd.DataFrame:
    return views.astype(str).where(views.notna(), "unknown")


def _means() -> Pipeline:
    """Make the forecast by group means; small groups are drawn to the mean of all, groups that come up later are it."""
    return make_pipeline(OneHotEncoder(handle_unknown="ignore"), Ridge(alpha=1.0))


def _resampled(errors: pd.DataFrame, rounds: int, seed: int) -> pd.DataFrame:
    """Sum up each column over the customers, in the first row, and over bootstrap samples of them."""
    rng, values = np.random.default_rng(seed), errors.to_numpy()
    sums = [values.sum(axis=0)]
    sums += [values[rng.integers(0, len(values), len(values))].sum(axis=0) for _ in range(rounds)]
    return pd.DataFrame(sums, columns=errors.columns)


def _told(part: pd.Series, whole: pd.Series) -> tuple[float, float, float]:
    ratio, tail = part / whole, (1 - CONFIDENCE) / 2
    return ratio.iloc[0], *ratio.iloc[1:].quantile([tail, 1 - tail])
