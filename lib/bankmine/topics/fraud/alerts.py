"""The desk's list of a day: which payments to look at, why, and what to do; and what kinds of fraud it catches."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from bankmine.bank.sources import WORKSPACE
from bankmine.deciding import costs as profit
from bankmine.judging import reasons
from bankmine.judging.contributions import contributions
from bankmine.judging.intervals import wilson_clustered
from bankmine.judging.reason_dictionary import load_reasons
from bankmine.topics.churn.retention import OTHER
from bankmine.topics.fraud.desk import DeskRules, costs
from bankmine.topics.fraud.metrics import Payments, alerts

REASONS = WORKSPACE / "data" / "fraud_reasons.yml"
BANDS = (0.5, 0.9, 0.99)
"""Shares of all payments at which amounts are parted into bands."""


def looked_at(payments: Payments, probability: pd.Series, rules: DeskRules) -> pd.Series:
    """Say which payments are worth looking at and come first within the capacity of their day.

    Returns
    -------
    pd.Series
        What looking is expected to save, in the currency, of these only; those of a day in order, the first first.
    """
    gain = profit.expected(probability, costs(payments.amount, rules)).rename("expected_saving")
    chosen = alerts(gain.to_frame(), payments.day, rules.capacity)["expected_saving"] & (gain > 0)
    listed = gain[chosen]
    return listed.iloc[np.lexsort((-listed.to_numpy(), payments.day[listed.index].to_numpy()))]


def alert_list(
    payments: Payments, probability: pd.Series, saving: pd.Series, keys: pd.DataFrame, rules: DeskRules
) -> pd.DataFrame:
    """Write the list of each day.

    Parameters
    ----------
    payments : Payments
        Those scored.
    probability : pd.Series
        Chance of fraud of each.
    saving : pd.Series
        From `looked_at`.
    keys : pd.DataFrame
        What the analyst needs to find the payment, as its id, merchant and payee; same index as `payments`.
    rules : DeskRules
        Costs.

    Returns
    -------
    pd.DataFrame
        One row an alert, by day and rank: `day`, `rank` (from 1), the columns of `keys`, `account`, `customer`, `at`,
        `amount`, `probability`, `worth_from` (chance from which an alert of this amount pays) and `expected_saving`.
    """
    rows = saving.index
    day, amount = payments.day[rows], payments.amount[rows]
    whose = {"account": payments.account[rows], "customer": payments.entity[rows], "at": payments.moment[rows]}
    table = pd.DataFrame({"day": day, "rank": saving.groupby(day).cumcount() + 1})
    table = table.join(keys.loc[rows].drop(columns=[c for c in whose if c in keys], errors="ignore"))
    return table.assign(
        **whose, amount=amount, probability=probability[rows].astype(float), worth_from=rules.break_even(amount),
        expected_saving=saving,
    )  # fmt: skip


def with_reasons(
    listed: pd.DataFrame, model: Pipeline, predictors: pd.DataFrame, rules: DeskRules, expert: pd.Series,
    file: Path = REASONS, k: int = 3,
) -> pd.DataFrame:  # fmt: skip
    """Add to a list of alerts why each payment is on it and what to do.

    Parameters
    ----------
    listed : pd.DataFrame
        From `alert_list`.
    model : Pipeline
        XGBoost or logistic regression by which it was made.
    predictors : pd.DataFrame
        All payments that were scored, so that "typical" is theirs.
    rules : DeskRules
        With the actions.
    expert : pd.Series
        Expert rules that hold, in words, of each alert.
    k : int
        Reasons, at most.

    Returns
    -------
    pd.DataFrame
        With `reasons` in words, `theme` of the first, `rules` in words, and `action`.
    """
    told = why(listed.index, model, predictors, file, k)
    theme = reasons.strongest_theme(told, listed.index)
    action = theme.map(rules.actions).fillna(rules.actions[OTHER])
    return listed.assign(
        reasons=reasons.in_one_line(told, listed.index), theme=theme.astype(object), rules=expert.reindex(listed.index),
        action=action.astype(object),
    )  # fmt: skip


def why(rows: pd.Index, model: Pipeline, predictors: pd.DataFrame, file: Path = REASONS, k: int = 3) -> pd.DataFrame:
    """Return reasons, as of `reasons.reasons`, for some of the payments; high and low are against all of them."""
    pushed = contributions(model, predictors.loc[rows])
    middle = predictors.select_dtypes("number").median()
    return reasons.reasons(pushed, predictors.loc[rows], load_reasons(file), k, middle)


def caught_by(payments: Payments, alerted: pd.Series, kinds: pd.DataFrame) -> pd.DataFrame:
    """Say of which kinds of payment frauds are caught and missed.

    Parameters
    ----------
    payments : Payments
        Judged, with settled labels.
    alerted : pd.Series
        Whether each was looked at.
    kinds : pd.DataFrame
        Columns to part by, as kind and channel; bands of the amount are added.

    Returns
    -------
    pd.DataFrame
        `by`, `kind`, `payments`, `alerts`, `precision` of these, `frauds`, `found` (share, `low` and `high` of 95 % by
        customer), `lost` (amount of those missed) and `value_found` (share of the amount); most lost first within
        each part.
    """
    settled = payments.target.notna()
    table = kinds[settled].assign(amount_band=_bands(payments.amount[settled]))
    parts = []
    for by in table.columns:
        words = table[by].astype(object).where(table[by].notna(), "not known").astype(str)
        found = [(one, words.index[words == one]) for one in words.unique()]
        rows = [{"by": by, "kind": one, **_caught(payments.of(here), alerted[here])} for one, here in found]
        parts.append(pd.DataFrame(rows).sort_values("lost", ascending=False, kind="stable"))
    return pd.concat(parts, ignore_index=True)


def _caught(payments: Payments, alerted: pd.Series) -> dict[str, float]:
    frauds = payments.target == 1
    hit, amount = alerted[frauds], payments.amount[frauds]
    low, high = wilson_clustered(hit, payments.entity[frauds])
    return {
        "payments": len(payments), "alerts": int(alerted.sum()), "precision": payments.target[alerted].mean(),
        "frauds": int(frauds.sum()), "found": hit.mean() if len(hit) else np.nan, "low": low, "high": high,
        "lost": float(amount[~hit].sum()), "value_found": amount[hit].sum() / amount.sum() if len(hit) else np.nan,
    }  # fmt: skip


def _bands(amount: pd.Series) -> pd.Series:
    """Part amounts at round numbers near some shares of all payments."""
    edges = np.unique([float(f"{edge:.1g}") for edge in amount.quantile(list(BANDS))])
    words = [f"below {edges[0]:,.0f}", *(f"{a:,.0f} to {b:,.0f}" for a, b in pairwise(edges))]
    words.append(f"{edges[-1]:,.0f} and more")
    return pd.cut(amount, [-np.inf, *edges, np.inf], right=False, labels=words)
