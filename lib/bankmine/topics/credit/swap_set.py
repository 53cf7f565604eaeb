"""The swap set: whom one model approves and the other refuses, at the same number of approvals.

Two models of like accuracy may approve different people; what one gains over the other is decided among these alone.
Outcomes are known of credits that were granted then, so the challenger's finds among the refused are expectations.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bankmine.deciding.costs import Costs
from bankmine.deciding.policies import with_intervals
from bankmine.judging.intervals import wilson_clustered
from bankmine.topics.credit.lending import granted, granting

BOTH, FIRST, SECOND, NEITHER = "both approve", "only {first}", "only {second}", "neither"


def approves(probability: pd.DataFrame, share: float) -> pd.DataFrame:
    """Let each model approve the same share of applicants, those it takes for the safest; ties by position."""
    rank = probability.rank(method="first")
    return rank <= np.floor(share * len(probability) + 1e-9)


def swap_set(
    target: pd.Series, probability: pd.DataFrame, costs: Costs, entity: pd.Series, share: float
) -> pd.DataFrame:
    """Part applicants by which of two models approves them.

    Parameters
    ----------
    target : pd.Series
        1 bad, 0 good, NaN where not known.
    probability : pd.DataFrame
        To go bad, calibrated: two columns, the scorecard's first, then the challenger's; same index.
    costs : Costs
        Of refusing and granting.
    entity : pd.Series
        Whose application it is.
    share : float
        Of applicants that each approves.

    Returns
    -------
    pd.DataFrame
        Indexed by `who`: `applicants`, `known` outcomes, `bad`, `bad_rate` with `low` and `high` (95 %, by customer;
        NaN where none is known), mean probability by either model, what granting these credits earned as far as known
        (`profit`, `profit_low`, `profit_high`, 95 % by customer) and what each model expects of all of them.
    """
    first, second = probability.columns
    by = approves(probability, share)
    masks = {
        BOTH: by[first] & by[second], FIRST.format(first=first): by[first] & ~by[second],
        SECOND.format(second=second): by[second] & ~by[first], NEITHER: ~by[first] & ~by[second],
    }  # fmt: skip
    earned = granted(target, costs)
    money = with_intervals(pd.DataFrame({who: earned * rows for who, rows in masks.items()}), entity)
    table = pd.DataFrame([_counted(target, entity, rows) for rows in masks.values()], index=list(masks))
    for name in (first, second):
        table[f"{name} says"] = [probability.loc[rows, name].mean() for rows in masks.values()]
        hoped = granting(probability[name], costs)
        table[f"{name} expects"] = [hoped[rows].sum() for rows in masks.values()]
    parts = money[["profit", "low", "high"]].set_axis(["profit", "profit_low", "profit_high"], axis=1)
    return table.join(parts).rename_axis("who")


def gain(target: pd.Series, probability: pd.DataFrame, costs: Costs, entity: pd.Series, share: float) -> pd.DataFrame:
    """Compare what both models' approvals earned, as far as outcomes are known, at the same share of approvals.

    Returns
    -------
    pd.DataFrame
        As of `profit_curves.with_intervals`, one row a model: `profit`, `low`, `high`, and how far it is `behind` the
        scorecard; below zero where the challenger earns more.
    """
    by = approves(probability, share)
    return with_intervals(by.mul(granted(target, costs), axis=0), entity)


def _counted(target: pd.Series, entity: pd.Series, rows: pd.Series) -> dict[str, float]:
    bad = target[rows].dropna()
    low, high = wilson_clustered(bad, entity[bad.index])
    return {
        "applicants": int(rows.sum()), "known": len(bad), "bad": int(bad.sum()), "bad_rate": bad.mean(),
        "low": low, "high": high,
    }  # fmt: skip
