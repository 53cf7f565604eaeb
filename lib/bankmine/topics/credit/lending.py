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

from bankmine.deciding.costs import Costs, empcs, expected, profit_metrics, realised
from bankmine.deciding.policies import with_intervals
from bankmine.judging.intervals import wilson_clustered
from bankmine.topics.credit.rules import CreditRules

_CARD_MONTHS = 0
"""Term of what has none: a card or line, drawn as the rules say and not repaid by a plan."""


def outstanding(term: pd.Series, rules: CreditRules) -> pd.Series:
    """Return for how many years of its whole amount a credit earns interest, within the months that are counted.

    A credit repaid in n equal parts owes on average 1 − (m − 1) / 2n of its amount over its first m months; one without
    a term (NaN or 0) has no plan.
    """
    planned = term.fillna(_CARD_MONTHS).clip(lower=0)
    months = planned.clip(upper=rules.months).where(planned > 0, rules.months)
    return months / 12 * (1 - (months - 1) / (2 * planned.where(planned > 0, np.inf)))


def loan_costs(beside: pd.DataFrame, rules: CreditRules, rate: pd.Series | None = None) -> Costs:
    """Return what refusing and granting each credit costs if it goes bad and if not.

    `beside` has `product`, `amount`, `term_months` and `rate`. Without a `rate` (fraction a year) of its own, the price
    of each is the agreed one, or else the product's. Right decisions cost nothing.
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
    """Find the chance to default up to which granting earns most; 0 where granting to nobody is best.

    One cut-off for all; where amounts and margins differ, granting whatever is expected to earn something earns more.
    """
    order = probability.sort_values(kind="stable")
    sums = granting(order, costs.at(order.index)).groupby(order.to_numpy()).sum().cumsum()
    return float(sums.idxmax()) if len(sums) and sums.max() > 0 else 0.0


def trade_off(
    target: pd.Series, probability: pd.Series, costs: Costs, entity: pd.Series, points: int = 20, seed: int = 0
) -> pd.DataFrame:
    """Say how approvals, bad credits and money go together, from a strict cut-off to none, by steps of approval.

    The target is NaN where it is not known, as of all refused. `approval` is the share of all applicants at or below
    `cut_off`; `bad_rate` and `profit` are of `known` outcomes, with intervals of 95 % by customer, and what is expected
    is of all approved.
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


def credit_metrics(target: pd.Series, probabilities: pd.DataFrame, costs: Costs) -> pd.DataFrame:
    """Compute the profit metrics of the literature by model, as of `costs.profit_metrics`; to act is to refuse.

    `empcs` is the expected maximum profit of Verbraken and others (2014) with their own parameters (return 26.44 %,
    total loss 10 %, no loss 55 %), a part of the amount lent: it compares models, and is not this bank's money.
    """
    table = profit_metrics(target, probabilities, costs)
    known = target.notna()
    if target[known].nunique() == 2:
        table.insert(0, "empcs", [empcs(target[known], probabilities.loc[known, m]) for m in table.index])
    return table


# --- swap set: whom one model approves and the other refuses, at the same number of approvals.
# Two models of like accuracy may approve different people; what one gains over the other is decided among these alone.
# Outcomes are known of credits that were granted then, so the challenger's finds among the refused are expectations.

BOTH, FIRST, SECOND, NEITHER = "both approve", "only {first}", "only {second}", "neither"


def approves(probability: pd.DataFrame, share: float) -> pd.DataFrame:
    """Let each model approve the same share of applicants, those it takes for the safest; ties by position."""
    rank = probability.rank(method="first")
    return rank <= np.floor(share * len(probability) + 1e-9)


def swap_set(
    target: pd.Series, probability: pd.DataFrame, costs: Costs, entity: pd.Series, share: float
) -> pd.DataFrame:
    """Part applicants by which of two models approves them, at the same share of approvals.

    The scorecard's chances stand first, then the challenger's. Of each part: `applicants`, `known` outcomes, `bad`,
    `bad_rate` and `profit` with intervals of 95 % by customer (NaN where nothing is known), and what either model says.
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
    """Compare what both models' approvals earned, as far as outcomes are known, as of `policies.with_intervals`.

    `behind` is below zero where the challenger earns more.
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


# --- tiers: how much is suggested at which price, by risk and product alone.
# Two people who ask for the same and are in the same tier get the same price, whoever they are (Personal Information
# Protection Law of China, article 24: no unreasonable differences in price). A tier's price covers what a credit at the
# tier's upper edge of risk is expected to lose; what would still not earn its costs is not granted.

REFUSED, FOR_A_PERSON = "refused", "a person decides"
GRANT, REFUSE = "grant", "refuse"
"""Decisions, with `FOR_A_PERSON`."""
RISKY, TOO_DEAR = "risk above the cut-off", "price above the highest rate"
_STEP = 0.001
"""Prices are rounded up to tenths of a percent."""


def tier_of(probability: pd.Series, rules: CreditRules) -> pd.Series:
    """Put each applicant into the best tier whose highest chance to default is not exceeded; above all: `REFUSED`."""
    edges = [tier.up_to for tier in rules.tiers]
    names = [*(tier.id for tier in rules.tiers), REFUSED, FOR_A_PERSON]
    place = np.searchsorted(edges, probability.to_numpy(float), side="left")
    return pd.Series(pd.Categorical.from_codes(place, names, ordered=True), probability.index, name="tier")


def offers(
    probability: pd.Series, beside: pd.DataFrame, rules: CreditRules, monthly_income: pd.Series | None = None,
    threshold: float = 1.0, strange: pd.Series | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Decide on each application: `decision`, tier, `limit` and `price` (fraction a year) of what is granted.

    Refused is who is above the threshold or all tiers, and whose credit no amount or price fits: what is granted can
    be offered. A person decides on those of whom `strange` says why they are out of scope. `why` says why there is no
    offer; then limit and price are NaN and `expected_profit` is 0.
    """
    strange = pd.Series("", probability.index) if strange is None else strange
    tier = tier_of(probability, rules)
    tier = tier.where(probability <= threshold, REFUSED)
    limit = _limit(tier, beside["amount"], rules, monthly_income)
    asked = beside.assign(amount=limit)
    price = _price(tier, asked, rules)
    hoped = granting(probability, loan_costs(asked, rules, rate=price.fillna(0.0)))
    against = {
        RISKY: tier == REFUSED, "no amount fits the income": ~(limit > 0),
        TOO_DEAR: price > rules.highest_rate, "would not earn its costs": ~(hoped > 0),
    }  # fmt: skip
    why = np.where(strange != "", strange, np.select(list(against.values()), list(against), ""))
    yes, ours = pd.Series(why == "", probability.index), strange == ""
    return pd.DataFrame({
        "decision": np.select([yes, ours], [GRANT, REFUSE], FOR_A_PERSON),
        "tier": tier.where(yes, REFUSED).where(ours, FOR_A_PERSON), "limit": limit.where(yes),
        "price": price.where(yes), "expected_profit": hoped.where(yes, 0.0), "why": why,
    })  # fmt: skip


def tier_table(offered: pd.DataFrame, probability: pd.Series, target: pd.Series, entity: pd.Series) -> pd.DataFrame:
    """Sum up each tier, best first: who is in it, how many went bad, at which price and what it earns.

    `bad_rate` is of `known` outcomes, with its interval of 95 % by customer; `limit` and `price` are medians of what is
    suggested. NaN where there is none.
    """
    rows = []
    for tier, part in offered.groupby("tier", observed=True):
        bad = target[part.index].dropna()
        rate = (bad.mean(), *wilson_clustered(bad, entity[bad.index])) if len(bad) else (np.nan,) * 3
        given = part[part["price"].notna()]
        rows.append((
            tier, len(part), len(part) / len(offered), probability[part.index].mean(), len(bad), *rate,
            given["limit"].median(), given["price"].median(), part["expected_profit"].sum(),
        ))  # fmt: skip
    names = ["applicants", "share", "expected_bad_rate", "known", "bad_rate", "low", "high", "limit", "price"]
    return pd.DataFrame(rows, columns=["tier", *names, "expected_profit"]).set_index("tier")


def _limit(tier: pd.Series, amount: pd.Series, rules: CreditRules, income: pd.Series | None) -> pd.Series:
    shares, incomes = ({t.id: getattr(t, part) for t in rules.tiers} for part in ("share", "incomes"))
    limit = amount * tier.astype(str).map(shares).fillna(0.0)
    if income is not None:
        most = income.where(income >= 0) * tier.astype(str).map(incomes)
        limit = limit.where(~(most < limit), most)
    return limit


def _price(tier: pd.Series, asked: pd.DataFrame, rules: CreditRules) -> pd.Series:
    """Price each tier, product and term as a credit of the product's typical amount at the upper edge of risk needs."""
    terms, years = rules.terms(asked["product"]), outstanding(asked["term_months"], rules)
    edge = tier.astype(str).map({t.id: t.up_to for t in rules.tiers})
    lost = edge * terms["lgd"] * terms["at_default"] + rules.granting / terms["typical"]
    needed = rules.cost_of_funds + lost / ((1 - edge).where(edge < 1) * terms["drawn"] * years)
    price = np.maximum(needed, terms["rate"])
    return (np.ceil((price / _STEP).round(6)) * _STEP).where(tier != REFUSED)
