"""Off-policy: what a policy of whom to treat would have brought, by a trial in which that was drawn at random.

Each customer for whom draw and policy agree speaks for those for whom they did not, by the inverse of the chance of the
draw (Horvitz and Thompson, Journal of the American Statistical Association 47, 1952), weights adding up to one (Hajek).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bankmine.judging import trials
from bankmine.judging.intervals import draws, interval

LISTED, LOT, ALL, NONE = "those on whose list it is", "as many at random", "everybody", "nobody"
_ROUNDS, _NONE = 500, 1e-12


def values(listed: np.ndarray, treated: pd.Series, planned: pd.Series, brought: pd.Series) -> pd.DataFrame:
    """Estimate what policies would have brought, a customer: treating those `listed`, as many at random, all, nobody.

    Rows are customers of a trial: `treated` or not, drawn with the chance `planned`, and what each `brought`. Returns
    by `policy` the `value` with `low` and `high`, how far the listed are `ahead` with its ends, the share `contacted`,
    how many customers the weights are `worth` (effective sample size), and whether `few` are listed in either arm.
    """
    drawn, chance = treated.to_numpy(float), planned.to_numpy(float)
    policies = {LISTED: listed.astype(float), ALL: np.ones(len(drawn)), NONE: np.zeros(len(drawn))}
    weights = {p: own * drawn / chance + (1 - own) * (1 - drawn) / (1 - chance) for p, own in policies.items()}
    counts, money = draws(len(drawn), _ROUNDS), brought.to_numpy(float)
    found = {p: (counts.T @ (w * money)) / np.maximum(counts.T @ w, _NONE) for p, w in weights.items()}
    share = (counts.T @ policies[LISTED]) / counts.sum(axis=0)
    found[LOT] = share * found[ALL] + (1 - share) * found[NONE]
    few = min((policies[LISTED] * drawn).sum(), (policies[LISTED] * (1 - drawn)).sum()) < trials.FEWEST
    rows = {}
    for policy in (LISTED, LOT, ALL, NONE):
        value, apart = found[policy], found[LISTED] - found[policy]
        low, high, ahead_low, ahead_high = (float(end) for end in (*interval(value), *interval(apart)))
        contacted = share[0] if policy in (LISTED, LOT) else float(policy == ALL)
        own = weights.get(policy)
        worth = np.nan if own is None else own.sum() ** 2 / (own**2).sum()
        rows[policy] = {"value": value[0], "low": low, "high": high, "ahead": apart[0], "ahead_low": ahead_low,
                        "ahead_high": ahead_high, "contacted": contacted, "worth": worth, "few": few}  # fmt: skip
    return pd.DataFrame(rows).T.infer_objects().rename_axis("policy")
