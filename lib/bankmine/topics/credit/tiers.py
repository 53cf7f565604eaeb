"""Risk tiers: how much is suggested at which price, by risk and product alone.

Two people who ask for the same and are in the same tier get the same price, whoever they are (Personal Information
Protection Law of China, article 24: no unreasonable differences in price). A tier's price covers what a credit at the
tier's upper edge of risk is expected to lose; what would still not earn its costs is not granted.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bankmine.judging.intervals import wilson_clustered
from bankmine.topics.credit.lending import granting, loan_costs, outstanding
from bankmine.topics.credit.rules import CreditRules

REFUSED = "refused"
_STEP = 0.001
"""Prices are rounded up to tenths of a percent."""


def tier_of(probability: pd.Series, rules: CreditRules) -> pd.Series:
    """Put each applicant into the best tier whose highest chance to default is not exceeded; above all: `REFUSED`."""
    edges = [tier.up_to for tier in rules.tiers]
    names = [*(tier.id for tier in rules.tiers), REFUSED]
    place = np.searchsorted(edges, probability.to_numpy(float), side="left")
    return pd.Series(pd.Categorical.from_codes(place, names, ordered=True), probability.index, name="tier")


def offers(
    probability: pd.Series, beside: pd.DataFrame, rules: CreditRules, monthly_income: pd.Series | None = None
) -> pd.DataFrame:
    """Suggest tier, limit and price for each application.

    Parameters
    ----------
    probability : pd.Series
        To go bad; calibrated.
    beside : pd.DataFrame
        `product`, `amount`, `term_months` and `rate`, same index.
    rules : CreditRules
        Of the source's currency.
    monthly_income : pd.Series, optional
        Where it is known, the limit is also bounded by a number of incomes.

    Returns
    -------
    pd.DataFrame
        `tier`, `limit` (amount suggested, 0 where refused), `price` (fraction a year, NaN where refused),
        `expected_profit` of granting that (0 where refused; never below) and `why` of a refusal, else ''.
    """
    tier = tier_of(probability, rules)
    limit = _limit(tier, beside["amount"], rules, monthly_income)
    asked = beside.assign(amount=limit)
    price = _price(tier, asked, rules)
    hoped = granting(probability, loan_costs(asked, rules, rate=price.fillna(0.0)))
    why = np.select(
        [tier == REFUSED, ~(limit > 0), price > rules.highest_rate, ~(hoped > 0)],
        [
            "risk above all tiers",
            "no amount fits the income",
            "price above the highest rate",
            "would not earn its costs",
        ],
        "",
    )
    yes = pd.Series(why == "", probability.index)
    return pd.DataFrame({
        "tier": tier.where(yes, REFUSED), "limit": limit.where(yes, 0.0), "price": price.where(yes),
        "expected_profit": hoped.where(yes, 0.0), "why": why,
    })  # fmt: skip


def tier_table(offered: pd.DataFrame, probability: pd.Series, target: pd.Series, entity: pd.Series) -> pd.DataFrame:
    """Sum up each tier: who is in it, how many went bad, at which price and what it earns.

    Returns
    -------
    pd.DataFrame
        Indexed by `tier`, best first: `applicants`, `share`, `expected_bad_rate` (mean), `known` outcomes, `bad_rate`
        with `low` and `high` (95 %, by customer; NaN where none is known), `limit` and `price` (medians; NaN of the
        refused) and `expected_profit` in all.
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
