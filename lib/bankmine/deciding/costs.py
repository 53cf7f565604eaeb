"""Profit: what acting on a model's scores earns, in money, and whom to act on within capacity.

A decision about a row is one of four: act or leave it, and the event comes or does not. The costs of the four are all
that is needed, whether acting is to call a customer, to refuse a loan or to hold a payment (Elkan, The foundations of
cost-sensitive learning, IJCAI 2001).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bankmine.errors import BankmineError

_FOUR = ("tp", "fp", "fn", "tn")


@dataclass(frozen=True)
class Costs:
    """Cost of each decision about each row, in one currency, below zero where it earns; all parts share one index.

    Attributes
    ----------
    tp, fp : pd.Series
        Of acting where the event comes, and where it does not.
    fn, tn : pd.Series
        Of leaving the row alone where the event comes, and where it does not.
    """

    tp: pd.Series
    fp: pd.Series
    fn: pd.Series
    tn: pd.Series

    @property
    def if_event(self) -> pd.Series:
        """What acting earns over leaving the row alone where the event comes."""
        return self.fn - self.tp

    @property
    def if_none(self) -> pd.Series:
        """What acting earns over leaving the row alone where the event does not come; as a rule below zero."""
        return self.tn - self.fp

    def at(self, index: pd.Index) -> Costs:
        """Return the costs of some of the rows."""
        return Costs(*(getattr(self, name).loc[index] for name in _FOUR))


def costs_in(table: pd.DataFrame, columns: Mapping[str, str]) -> Costs:
    """Read the costs of each row from columns of a table.

    Parameters
    ----------
    table : pd.DataFrame
        One row a decision.
    columns : mapping of str to str
        `tp`, `fp`, `fn`, `tn` -> name of a column. One that is not named costs nothing.

    Raises
    ------
    BankmineError
        If another cost or an unknown column is named, or a cost is not a finite number.
    """
    if unknown := sorted(set(columns) - set(_FOUR)):
        raise BankmineError(f"Costs are tp, fp, fn and tn, not {unknown[0]}.")
    if absent := [c for c in columns.values() if c not in table.columns]:
        raise BankmineError(
            f"There is no column {absent[0]!r} to read costs from; there are {list(table.columns)[:20]}."
        )
    zero = pd.Series(0.0, index=table.index)
    read = {name: pd.to_numeric(table[column], errors="coerce") for name, column in columns.items()}
    for name, cost in read.items():
        if wrong := int((~np.isfinite(cost.astype(float))).sum()):
            raise BankmineError(
                f"{wrong:,} rows have no finite number in {columns[name]!r}: fill them or leave them out."
            )
    return Costs(**{name: read.get(name, zero).astype(float) for name in _FOUR})


def told_costs(table: pd.DataFrame) -> Costs:
    """Read the costs that a flat table tells: `tp_cost`, `fp_cost`, `fn_cost`, `tn_cost`, as of `Flat.costs`."""
    return costs_in(table, {name: f"{name}_cost" for name in _FOUR})


def expected(probability: pd.Series, costs: Costs) -> pd.Series:
    """Return what acting on each row is expected to earn, given the probability of its event."""
    return probability * costs.if_event + (1 - probability) * costs.if_none


def realised(target: pd.Series, costs: Costs) -> pd.Series:
    """Return what acting on each row earned or would have earned, as it turned out; NaN where that is not known."""
    return costs.if_event.where(target == 1, costs.if_none.where(target == 0))


def choose(score: pd.Series, groups: list[pd.Series], share: pd.Series, above: float = -np.inf) -> pd.Series:
    """Choose the rows with the highest scores within the capacity of their group.

    Parameters
    ----------
    score : pd.Series
        Unique index. Of equal scores the smaller index comes first; NaN is never chosen.
    groups : list of pd.Series
        What capacity is counted by, as the tier and the month; same index.
    share : pd.Series
        Part of its group's rows that can be acted on; rounded down to whole rows.
    above : float
        Only rows with a score above this are chosen: 0 where the score is an expected profit.

    Returns
    -------
    pd.Series
        Boolean, same index.
    """
    ordered = score.sort_index()
    by = [group.reindex(ordered.index) for group in groups]
    place = ordered.groupby(by, observed=True).rank(method="first", ascending=False)
    room = np.floor(share.reindex(ordered.index) * ordered.groupby(by, observed=True).transform("size") + 1e-9)
    return ((place <= room) & (ordered > above)).reindex(score.index)


def profit_metrics(target: pd.Series, probabilities: pd.DataFrame, costs: Costs) -> pd.DataFrame:
    """Compute the profit metrics of the literature for several models.

    Returns
    -------
    pd.DataFrame
        Indexed by model: `max_profit` (currency a row, at the threshold that is best in hindsight: empirical maximum
        profit, Janssens et al., Annals of Operations Research 2022), `best_share` (of rows acted on there), `auepc`
        (area under the profit curve as a share of full knowledge's, Rahman et al., Journal of Business
        Research 2025; far below zero where acting on most rows loses money)
        and `savings` (share saved of what the cheaper of acting on all and on none costs, where each row is acted on by
        its own costs and probability: Bahnsen et al., Decision Analytics 2, 2015). NaN where no outcome is known, or
        only one.
    """
    # it takes half a second to import, and is not needed by who only decides
    from empulse.metrics import AUEPC, CostMatrix, EmpiricalMaxProfit, Metric, savings_score

    matrix = CostMatrix().add_tp_cost("tp").add_fp_cost("fp").add_fn_cost("fn").add_tn_cost("tn")
    best, area = Metric(matrix, EmpiricalMaxProfit()), Metric(matrix, AUEPC(normalize=True))
    known = target.notna()
    truth, costs = target[known].to_numpy(int), costs.at(target.index[known])
    each = {name: getattr(costs, name).to_numpy(float) for name in _FOUR}
    rows = {}
    for model in probabilities.columns if 0 < truth.sum() < len(truth) else []:
        probability = probabilities.loc[known, model]
        acts = (expected(probability, costs) > 0).to_numpy(int)
        score = probability.to_numpy(float)
        saved = savings_score(truth, acts, **{f"{name}_cost": cost for name, cost in each.items()})
        rows[model] = (
            best(truth, score, **each),
            best.optimal_rate(truth, score, **each),
            area(truth, score, **each),
            saved,
        )
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["max_profit", "best_share", "auepc", "savings"])
    return table.reindex(probabilities.columns).astype(float).rename_axis("model")
