"""The decision on credit: what granting earns, up to which chance to default, and what a stricter cut-off costs.

Granting a credit of amount a to someone who goes bad with probability p earns (1 − p) · income − p · loss − cost
(Elkan, The foundations of cost-sensitive learning, IJCAI 2001; for credit Verbraken, Bravo, Weber and Baesens, European
Journal of Operational Research 238, 2014). Income and loss follow each credit's product, amount and term by
`data/credit.yml`. Refusing earns nothing. In the words of `profit`, to act is to refuse, and the event is to go bad.

Realised money is told of granted credits only: nobody knows what the refused would have done.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from empulse.metrics import empcs_score

from bankmine.deciding.costs import Costs, expected, profit_metrics, realised
from bankmine.deciding.policies import with_intervals
from bankmine.judging.intervals import wilson_clustered
from bankmine.topics.credit.rules import CreditRules

_CARD_MONTHS = 0
"""Term of what has none: a card or line, drawn as the rules say and not repaid by a plan."""


def outstanding(term: pd.Series, rules: CreditRules) -> pd.Series:
    """Return for how many years of its whole amount a credit earns interest, within the months that are counted.

    A credit repaid in n equal parts owes on average 1 − (m − 1) / 2n of its amount over its first m months.

    Parameters
    ----------
    term : pd.Series
        Months to repay; NaN or 0 where there is no plan.
    rules : CreditRules
        `months` that are counted.
    """
    planned = term.fillna(_CARD_MONTHS).clip(lower=0)
    months = planned.clip(upper=rules.months).where(planned > 0, rules.months)
    return months / 12 * (1 - (months - 1) / (2 * planned.where(planned > 0, np.inf)))


def loan_costs(beside: pd.DataFrame, rules: CreditRules, rate: pd.Series | None = None) -> Costs:
    """Return what refusing and granting each credit costs if it goes bad and if not.

    Parameters
    ----------
    beside : pd.DataFrame
        `product`, `amount`, `term_months` and `rate`, as of `credit_sample.Applications`.
    rules : CreditRules
        Of the source's currency.
    rate : pd.Series, optional
        Price of each credit, fraction a year; where it is not given the agreed one, or else the product's.

    Returns
    -------
    Costs
        Granting to who goes bad costs the loss and the granting; refusing who would have paid costs what that would
        have earned; right decisions cost nothing.

    Raises
    ------
    BankmineError
        If a product has no rule.
    """
    terms = rules.terms(beside["product"])
    price = beside["rate"].fillna(terms["rate"]) if rate is None else rate
    years = outstanding(beside["term_months"], rules)
    income = beside["amount"] * terms["drawn"] * years * (price - rules.cost_of_funds)
    loss = beside["amount"] * terms["at_default"] * terms["lgd"]
    nothing = income * 0.0
    return Costs(tp=nothing, fp=income - rules.granting, fn=loss + rules.granting, tn=nothing)


def granting(probability: pd.Series, costs: Costs) -> pd.Series:
    """Return what granting each credit is expected to earn over refusing it."""
    return -expected(probability, costs)


def granted(target: pd.Series, costs: Costs) -> pd.Series:
    """Return what granting each credit earned over refusing it, as it turned out; NaN where that is not known."""
    return -realised(target, costs)


def cut_off(probability: pd.Series, costs: Costs) -> float:
    """Find the chance to default up to which granting earns most, by what is expected of these applicants.

    One cut-off for all; where amounts and margins differ, granting whatever is expected to earn something earns more.

    Returns
    -------
    float
        Of the best applicants in order of their probability the last one's; 0 where granting to nobody is best.
    """
    order = probability.sort_values(kind="stable")
    sums = granting(order, costs.at(order.index)).groupby(order.to_numpy()).sum().cumsum()
    return float(sums.idxmax()) if len(sums) and sums.max() > 0 else 0.0


def trade_off(
    target: pd.Series, probability: pd.Series, costs: Costs, entity: pd.Series, points: int = 20, seed: int = 0
) -> pd.DataFrame:
    """Say how approvals, bad credits and money go together, from a strict cut-off to none.

    Parameters
    ----------
    target : pd.Series
        1 bad, 0 good, NaN where not known, as of all who were refused.
    probability : pd.Series
        To go bad, of every applicant; same index, as `entity` and `costs`.
    points : int
        Cut-offs, at equal steps of approval.

    Returns
    -------
    pd.DataFrame
        `cut_off`, `approval` (share of all applicants at or below it), `known` outcomes among them, `bad_rate` of these
        with `low` and `high` (95 %, by customer), `expected_bad_rate` of all approved, `expected_profit` of all
        approved, and `profit` of those whose outcome is known with `profit_low` and `profit_high` (95 %, by customer).
    """
    levels = np.unique(probability.quantile(np.arange(1, points + 1) / points, interpolation="higher"))
    taken = pd.DataFrame({level: probability <= level for level in levels})
    hoped, earned = granting(probability, costs), granted(target, costs)
    money = with_intervals(taken.mul(earned, axis=0).where(earned.notna(), axis=0), entity, seed=seed)
    rows = []
    for level in levels:
        inside = taken[level]
        bad = target[inside].dropna()
        told = (bad.mean(), *wilson_clustered(bad, entity[bad.index]))
        rows.append((level, inside.mean(), len(bad), *told, probability[inside].mean(), hoped[inside].sum()))
    names = ["cut_off", "approval", "known", "bad_rate", "low", "high", "expected_bad_rate", "expected_profit"]
    table = pd.DataFrame(rows, columns=names)
    return table.assign(**money[["profit", "low", "high"]].add_prefix("profit_").reset_index(drop=True)).rename(
        columns={"profit_profit": "profit"}
    )


def policies(probability: pd.Series, costs: Costs, threshold: float, approved: pd.Series | None = None) -> pd.DataFrame:
    """Lay policies side by side: whom each of them grants credit.

    Parameters
    ----------
    probability : pd.Series
        To go bad.
    costs : Costs
        Same index.
    threshold : float
        One cut-off for all, from `cut_off` of other applicants.
    approved : pd.Series, optional
        What the bank decided.

    Returns
    -------
    pd.DataFrame
        One column a policy, True where it grants: `expected profit above 0`, `cut-off`, and `everybody`, or
        `as decided` where that is given.
    """
    found = {
        "expected profit above 0": granting(probability, costs) > 0, "cut-off": probability <= threshold,
    }  # fmt: skip
    if approved is None:
        return pd.DataFrame(found).assign(everybody=True)
    return pd.DataFrame(found | {"as decided": approved.astype("boolean").fillna(False).astype(bool)})


def credit_metrics(target: pd.Series, probabilities: pd.DataFrame, costs: Costs) -> pd.DataFrame:
    """Compute the profit metrics of the literature for several models of default.

    Returns
    -------
    pd.DataFrame
        As of `profit.profit_metrics`, where to act is to refuse, at each credit's own costs, and before it `empcs`: the
        expected maximum profit of Verbraken and others (2014) with their own parameters (return 26.44 %, total loss
        10 %, no loss 55 %), a part of the amount lent. It compares models with the literature; it is not this bank's
        money.
    """
    table = profit_metrics(target, probabilities, costs)
    known = target.notna()
    truth = target[known].to_numpy(int)
    if 0 < truth.sum() < len(truth):
        table.insert(0, "empcs", [empcs_score(truth, probabilities.loc[known, m].to_numpy(float)) for m in table.index])
    return table
