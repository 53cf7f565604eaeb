"""The money of a churn report: what acting on each row costs and earns, and whom policies would call."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bankmine.deciding import costs as profit
from bankmine.deciding.costs import Costs
from bankmine.learning.sample import Sample
from bankmine.topics.churn import calls as watchlist
from bankmine.topics.churn import retention, retention_profit
from bankmine.topics.churn.case import Case
from bankmine.topics.churn.retention import RetentionRules


@dataclass(frozen=True)
class Money:
    """What acting on each row costs and earns, in the source's currency; all parts share the sample's index.

    Attributes
    ----------
    costs : Costs
        Of the four outcomes.
    tier : pd.Series
        Group within which capacity counts: the value tier, or one for all.
    margin : pd.Series, optional
        Of the year up to the row's day; a flat table tells costs only.
    rules : RetentionRules, optional
        By which costs follow from margins.
    """

    costs: Costs
    tier: pd.Series
    margin: pd.Series | None = None
    rules: RetentionRules | None = None


def money(case: Case, rows: np.ndarray) -> Money | None:
    """Say what acting on rows costs and earns; None where a flat table tells no costs.

    Parameters
    ----------
    case : Case
        From `open_case`.
    rows : np.ndarray
        Positions in the sample.
    """
    if case.snapshot:
        return _money_of_customers(case, case.sample.at(rows))
    if case.source.costs is None:
        return None
    told = case.source.costs.iloc[rows]
    return Money(profit.told_costs(told), pd.Series("all", index=told.index))


def _money_of_customers(case: Case, rows: Sample) -> Money:
    """Take the margin of the year up to each row's own day, and the tier among all customers of that day."""
    rules = retention.load_rules(case.snapshot.source.currency)
    own = case.worth.reindex(pd.MultiIndex.from_arrays([rows.entity, rows.day])).set_axis(rows.target.index)
    costs = retention.costs(retention.value(own["margin"], rules), own["tier"], rules)
    return Money(costs, own["tier"], own["margin"], rules)


def policies(probability: pd.Series, money: Money, rows: Sample) -> pd.DataFrame:
    """Choose whom to call: by expected profit, the riskiest first, or at random.

    Parameters
    ----------
    probability : pd.Series
        Calibrated, of the rows.
    money : Money
        Of the same rows. Where it has rules, calls keep within each tier's capacity of a month; else all are called
        that are expected to earn, and as many by the other policies.
    rows : Sample
        Tells their days.

    Returns
    -------
    pd.DataFrame
        As of `watchlist.called`.
    """
    if money.rules:
        worth = retention.value(money.margin, money.rules)
        return watchlist.called(probability, worth, money.tier, money.rules, [rows.day])
    chosen = profit.expected(probability, money.costs) > 0
    share = pd.Series(chosen.mean(), index=probability.index)
    risky = profit.choose(probability, [money.tier], share)
    return pd.DataFrame({watchlist.BY_PROFIT: chosen, watchlist.BY_RISK: risky, watchlist.BY_LOT: share})


def metrics_of(target: pd.Series, probabilities: pd.DataFrame, money: Money) -> pd.DataFrame:
    """Compute profit metrics of several models: with EMPC where there are rules of retention, else by costs alone."""
    if not money.rules:
        return profit.profit_metrics(target, probabilities, money.costs)
    worth = retention.value(money.margin, money.rules)
    return retention_profit.retention_metrics(target, probabilities, worth, money.tier, money.rules)
