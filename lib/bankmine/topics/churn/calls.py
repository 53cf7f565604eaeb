"""The watchlist: whom to call within the capacity of each value tier, by which channel, and what to say."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bankmine.deciding.costs import choose, expected
from bankmine.topics.churn.retention import ALLOWED, NOT_ALLOWED, OTHER, RetentionRules, costs, value

BY_PROFIT, BY_RISK, BY_LOT = "by expected profit", "riskiest first", "at random"


def called(
    probability: pd.Series,
    worth: pd.Series,
    tier: pd.Series,
    rules: RetentionRules,
    rounds: list[pd.Series] | None = None,
) -> pd.DataFrame:
    """Choose whom to call within each tier's capacity, by expected profit and by the two ways to hold it against.

    Parameters
    ----------
    probability, worth, tier : pd.Series
        Of leaving; from `value`; value tier. One index.
    rounds : list of pd.Series, optional
        The month of each row, where there are several: capacity is a month's.

    Returns
    -------
    pd.DataFrame
        `BY_PROFIT` (never at a loss), `BY_RISK` (boolean) and `BY_LOT` (probability), for `profit_of`.
    """
    groups, share = [tier, *(rounds or [])], rules.terms(tier)["capacity"]
    gain = expected(probability, costs(worth, tier, rules))
    size = tier.groupby(groups, observed=True).transform("size")
    return pd.DataFrame(
        {
            BY_PROFIT: choose(gain, groups, share, above=0),
            BY_RISK: choose(probability, groups, share),
            BY_LOT: np.floor(share * size + 1e-9) / size,
        }
    )


def watchlist(
    probability: pd.Series,
    margin: pd.Series,
    tier: pd.Series,
    rules: RetentionRules,
    *,
    contact: pd.Series | None = None,
    reasons: pd.Series | None = None,
    theme: pd.Series | None = None,
) -> pd.DataFrame:
    """List the customers by what calling them is expected to earn, and say whom to call, how, and with what in mind.

    Parameters
    ----------
    probability : pd.Series
        Calibrated probability to leave, indexed by customer: whoever is scored is listed.
    margin, tier : pd.Series
        Margin of the last year and value tier of at least these customers; who has no tier is not called.
    rules : RetentionRules
        Of the source's currency.
    contact : pd.Series, optional
        From `contact_allowed`; allowed where it is not given.
    reasons, theme : pd.Series, optional
        Why the customer is at risk, in words, and the theme of the strongest reason.

    Returns
    -------
    pd.DataFrame
        Indexed by customer, those to be called first, then by expected profit: `called`, `probability`, `value` and
        `expected_profit` (in the currency), `tier`, `channel`, `action`, `reasons`, `contact`. Capacity is a part of
        all listed customers of a tier, and goes to those who may be called.
    """
    index = probability.index
    tier, worth = tier.reindex(index), value(margin.reindex(index), rules)
    contact = pd.Series(ALLOWED, index) if contact is None else contact.reindex(index, fill_value=NOT_ALLOWED)
    terms, theme = rules.terms(tier), pd.Series(OTHER, index) if theme is None else theme.reindex(index)
    gain = expected(probability, costs(worth, tier, rules))
    chosen = choose(gain.where(contact.eq(ALLOWED)), [tier.astype(str)], terms["capacity"].fillna(0.0), above=0)
    action = theme.map(rules.actions).fillna(rules.actions[OTHER])
    listed = pd.DataFrame(
        {
            "called": chosen,
            "probability": probability,
            "value": worth,
            "expected_profit": gain,
            "tier": tier.astype("string"),
            "channel": terms["channel"].astype("string"),
            "action": action.where(contact.eq(ALLOWED), NOT_ALLOWED).astype("string"),
            "reasons": (pd.Series("", index) if reasons is None else reasons.reindex(index).fillna("")).astype(
                "string"
            ),
            "contact": contact.astype("string"),
        }
    )
    return listed.sort_index().sort_values(["called", "expected_profit"], ascending=False, kind="stable")


def by_tier(listed: pd.DataFrame, rules: RetentionRules) -> pd.DataFrame:
    """Sum a watchlist up by value tier: the threshold that capacity sets, and what it leaves undone.

    Returns
    -------
    pd.DataFrame
        Indexed by tier: `channel`, `customers` listed, `capacity` (calls a month), `worth_calling` (allowed, and
        expected to earn), `called`, `threshold` (expected profit of the last one called: above 0 where capacity binds),
        `from_probability` (lowest called), `expected_profit` of those called, and `not_allowed` (customers whom a call
        would be worth, but who may not be called).
    """
    may, pays = listed["contact"].eq(ALLOWED), listed["expected_profit"] > 0
    called = listed[listed["called"]].groupby("tier")
    table = pd.DataFrame(
        {
            "channel": {t: rules.channels[r.channel].name for t, r in rules.tiers.items()},
            "customers": listed.groupby("tier").size(),
            "worth_calling": (may & pays).groupby(listed["tier"]).sum(),
            "called": called.size(),
            "threshold": called["expected_profit"].min(),
            "from_probability": called["probability"].min(),
            "expected_profit": called["expected_profit"].sum(),
            "not_allowed": (~may & pays).groupby(listed["tier"]).sum(),
        }
    ).reindex(list(rules.tiers))
    counts = ["customers", "worth_calling", "called", "not_allowed"]
    table[counts] = table[counts].fillna(0).astype(int)
    capacity = [int(rules.tiers[t].capacity * n + 1e-9) for t, n in table["customers"].items()]
    table.insert(2, "capacity", capacity)
    return table.fillna({"expected_profit": 0.0}).rename_axis("tier")
