"""Budget: which offer to make to whom, one a customer, within what may be spent and the hands that there are.

A linear programme, in which a customer may be parted between offers: its optimum bounds what any plan can earn, and at
most as many customers are parted as there are limits; these are left out, so that the plan keeps all limits. Its dual
prices say what one more unit of money or of capacity would earn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.optimize import linprog

from bankmine.errors import BankmineError

BUDGET = "budget"
_WHOLE = 1 - 1e-6


@dataclass(frozen=True)
class Allocation:
    """A plan within limits."""

    chosen: pd.DataFrame
    """`customer` and `offer`, with `gain` and `cost`, the highest gain first."""
    bound: float
    """What no plan within these limits can exceed."""
    prices: pd.Series
    """By limit, `BUDGET` or a channel, what one more unit of it would earn; 0 where it does not bind."""


def allocate(
    gain: pd.DataFrame, cost: pd.Series, channel: pd.Series, budget: float, capacity: Mapping[str, float]
) -> Allocation:
    """Choose at most one offer a customer so that most is earned.

    Parameters
    ----------
    gain : pd.DataFrame
        What an offer is expected to earn, its cost taken off: customers by offers; NaN where it may not be made.
    cost, channel : pd.Series
        Cost of one contact, and its channel, by offer.
    budget : float
        What all contacts may cost.
    capacity : mapping
        Contacts that each channel can make; a channel that is not named has no limit.
    """
    worth = gain.to_numpy(float)
    who, what = np.nonzero(np.nan_to_num(worth, nan=-1.0) > 0)
    earned, own = worth[who, what], cost.reindex(gain.columns).to_numpy(float)[what]
    through = channel.reindex(gain.columns).to_numpy(object)[what]
    limits = {BUDGET: (own, budget)} | {c: ((through == c).astype(float), n) for c, n in capacity.items()}
    columns = {"customer": gain.index[who], "offer": gain.columns[what], "gain": earned, "cost": own}
    found = pd.DataFrame(columns)
    if found.empty:
        return Allocation(found, 0.0, pd.Series(0.0, list(limits)))
    once = sparse.csr_array((np.ones(len(who)), (np.unique(who, return_inverse=True)[1], np.arange(len(who)))))
    rows = sparse.vstack([once, sparse.csr_array(np.array([use for use, _ in limits.values()]))]).tocsr()
    most = np.append(np.ones(once.shape[0]), [n for _, n in limits.values()])
    solved = linprog(-earned, A_ub=rows, b_ub=most, bounds=(0, 1), method="highs")
    if not solved.success:
        raise BankmineError(f"no plan within the limits was found: {solved.message}")
    taken = found[solved.x > _WHOLE].sort_values("gain", ascending=False, kind="stable", ignore_index=True)
    prices = pd.Series(-solved.ineqlin.marginals[once.shape[0] :], list(limits))
    return Allocation(taken, float(-solved.fun), prices.clip(lower=0.0))
