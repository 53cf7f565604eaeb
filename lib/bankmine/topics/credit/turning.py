"""Turning: numbers whose risk goes down and up again, or up and down: bins of one direction lose what they tell.

A scorecard does not turn by itself, as what turns can be noise or an accident of whom the bank accepted. Where it is
seen here and those who lend can say why, `data/credit_directions.yml` may say so.
"""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pandas as pd
from scipy.stats import chi2

from bankmine.judging.intervals import CONFIDENCE
from bankmine.topics.credit.bins import NUMBER, Bins, fit_bins

_FREEDOM = 10
"""Degrees of freedom that a turn adds. By simulation: of noise, bins that may turn tell more by as much as
chi-square of so many in one case of twenty."""


def turning(predictors: pd.DataFrame, target: np.ndarray, bins: dict[Hashable, Bins]) -> pd.DataFrame:
    """Compare bins of one direction with bins that may turn once, of each number.

    Parameters
    ----------
    predictors, target : pd.DataFrame, np.ndarray
        Rows that the scorecard learnt from.
    bins : dict of Bins
        `ScorecardModel.bins_`.

    Returns
    -------
    pd.DataFrame
        Indexed by `predictor`, the largest loss first, of numbers with three different values or more whose bins go one
        way: `trend` of the bins, `turned` (`valley` or `peak`, whichever tells more), information values `iv` and
        `iv_turned`, `by_chance` (what a turn gains where there is none) and `turns`: whether it gains more than that.
    """
    rows = []
    for name, found in bins.items():
        if found.kind == NUMBER and found.trend not in ("valley", "peak") and predictors[name].nunique() > 2:
            turned = max((fit_bins(predictors[name], target, t) for t in ("valley", "peak")), key=lambda b: b.value)
            chance = chi2.ppf(CONFIDENCE, _FREEDOM) * found.unit
            gain = turned.value - found.value
            rows.append((name, found.trend, turned.trend, found.value, turned.value, chance, gain > chance))
    columns = ["predictor", "trend", "turned", "iv", "iv_turned", "by_chance", "turns"]
    table = pd.DataFrame(rows, columns=columns).set_index("predictor")
    return table.loc[(table["iv"] - table["iv_turned"]).sort_values(kind="stable").index]
