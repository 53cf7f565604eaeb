"""What an operations desk gets from scores of payments: cards and money found by the alerts it can look at in a day.

ROC AUC says little where a desk sees one payment in hundreds; what counts is the top of each day (Fraud Detection
Handbook: Le Borgne, Siblini, Lebichot and Bontempi 2022, chapter 4). A payment that is alerted is held; if it is found
to be fraud its account is stopped, so that what would be taken on later days until the bank found out by itself is
saved too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from bankmine.judging.ranking import performance
from bankmine.judging.resampling import codes, draws, interval

EPISODE = 30
"""Days without a fraud on an account after which the next one begins another episode."""
_RANKED = ("average_precision", "auc")


@dataclass(frozen=True)
class Payments:
    """Payments that are judged; all parts share one index.

    Attributes
    ----------
    target : pd.Series
        1.0 fraud, 0.0 genuine, NaN where the label is not settled, which no figure takes.
    amount : pd.Series
        In the source's currency.
    day : pd.Series
        Day of each as a timestamp.
    moment : pd.Series
        When each was made.
    account : pd.Series
        Card or account that would be stopped.
    entity : pd.Series
        Customer, by whom intervals are drawn.
    known_on : pd.Series
        Day on which the bank found out by itself, NaT where it did not.
    """

    target: pd.Series
    amount: pd.Series
    day: pd.Series
    moment: pd.Series
    account: pd.Series
    entity: pd.Series
    known_on: pd.Series

    def __len__(self) -> int:
        return len(self.target)

    def of(self, index: pd.Index) -> Payments:
        """Return some of the payments."""
        return Payments(**{f.name: getattr(self, f.name).loc[index] for f in fields(self)})


def alerts(scores: pd.DataFrame, day: pd.Series, share: float) -> pd.DataFrame:
    """Say which payments are looked at: of each day those with the highest scores, as many as there are hands for.

    Parameters
    ----------
    scores : pd.DataFrame
        A column a model.
    day : pd.Series
        Same index.
    share : float
        Part of a day's payments that can be looked at; rounded, at least one.

    Returns
    -------
    pd.DataFrame
        Boolean, same shape; of equal scores the later row comes last.
    """
    size = day.groupby(day).transform("size")
    room = np.maximum(np.rint(share * size), 1)
    return scores.groupby(day).rank(method="first", ascending=False).le(room, axis=0)


def saved(payments: Payments, alerted: pd.Series) -> pd.DataFrame:
    """Say of each fraud what looking at the alerts saves.

    Returns
    -------
    pd.DataFrame
        One row a fraud: `held` (it was alerted itself), `stopped` (its account was stopped on an earlier day by an
        alert of the same episode), `amount`, `entity`, `day`, and `episode`.
    """
    frauds = payments.target == 1
    table = pd.DataFrame({f.name: getattr(payments, f.name) for f in fields(payments)})
    table = table[frauds].assign(held=alerted[frauds].to_numpy(bool))
    ordered = table.sort_values(["account", "moment"], kind="stable")
    gap = ordered.groupby("account", sort=False)["day"].diff() > pd.Timedelta(days=EPISODE)
    other = ordered["account"] != ordered["account"].shift()
    ordered["episode"] = (gap | other).cumsum()
    first = ordered["day"].where(ordered["held"]).groupby(ordered["episode"]).transform("min")
    ordered["stopped"] = ~ordered["held"] & (first < ordered["day"])
    return ordered.loc[table.index, ["held", "stopped", "amount", "entity", "day", "episode", "known_on"]]


def desk(payments: Payments, scores: pd.DataFrame, share: float, rounds: int = 200, seed: int = 0) -> pd.DataFrame:
    """Measure what each score brings an operations desk of a given capacity.

    Parameters
    ----------
    payments : Payments
        All judged payments with a settled label.
    scores : pd.DataFrame
        A column a model, same index.
    share : float
        Part of a day's payments that can be looked at.
    rounds, seed : int
        Resamples and their seed.

    Returns
    -------
    pd.DataFrame
        `model`, `metric`, `value`, `low`, `high` (95 %). By resampled customers: `average_precision`, `auc`,
        `value_held` (share of the frauds' amount that is alerted), `value_saved` (that, or stopped by an alert before),
        `frauds_found` (share of frauds held), `delay_days` (mean days from the first fraud of an episode until it is
        alerted, or else until the bank finds out by itself) and `delay_saved` (days that this is earlier). By resampled
        days: `alerts_a_day`, `alert_precision` and `card_precision` (share of the accounts looked at in a day that are
        attacked). NaN where there is no fraud.
    """
    ranked = performance(payments.target, scores, payments.entity, rounds, seed)
    tables = [ranked[ranked["metric"].isin(_RANKED)]]
    looked = alerts(scores, payments.day, share)
    for model in scores:
        of_people = _by_customer(saved(payments, looked[model]), rounds, seed)
        of_days = _by_day(payments, scores[model], looked[model], rounds, seed)
        tables.append(pd.DataFrame([(model, *row) for row in (*of_people, *of_days)], columns=tables[0].columns))
    found = pd.concat(tables, ignore_index=True)
    return found.sort_values("model", key=lambda m: m.map({n: i for i, n in enumerate(scores)}), kind="stable")


def card_precision(
    target: pd.Series, score: pd.Series, account: pd.Series, day: pd.Series, k: int | pd.Series, once: bool = False
) -> pd.Series:
    """Compute of each day the share of attacked accounts among the k with the highest score (card precision@k).

    An account's score of a day is its highest. Source: Fraud Detection Handbook, chapter 4.

    Parameters
    ----------
    target, score, account, day : pd.Series
        Of each payment; same index.
    k : int or pd.Series
        Accounts that can be looked at in a day; by day where it differs.
    once : bool
        Whether an account that was found is not looked at on later days, as the Handbook has it.

    Returns
    -------
    pd.Series
        By day; of so many as could be looked at, though there be fewer.
    """
    rows = pd.DataFrame({"day": day, "account": account, "score": score, "target": target})
    cards = rows.groupby(["day", "account"], sort=True, observed=True)[["score", "target"]].max().reset_index("account")
    found: set[object] = set()
    told = {}
    for one, today in cards.groupby(level="day"):
        left = today[~today["account"].isin(found)] if once else today
        wanted = int(k if np.isscalar(k) else k[one])
        top = left.nlargest(wanted, "score")
        told[one] = top["target"].sum() / wanted
        found |= set(top.loc[top["target"] == 1, "account"])
    return pd.Series(told, dtype=float).rename_axis("day")


def _by_customer(frauds: pd.DataFrame, rounds: int, seed: int) -> list[tuple]:
    """Return metrics of frauds with intervals by customer."""
    if frauds.empty:
        names = ("value_held", "value_saved", "frauds_found", "delay_days", "delay_saved")
        return [(name, np.nan, np.nan, np.nan) for name in names]
    code, people = codes(frauds["entity"])
    drawn = draws(people, rounds, seed)
    held, amount = frauds["held"].to_numpy(float), frauds["amount"].to_numpy(float)
    either = np.maximum(held, frauds["stopped"].to_numpy(float))
    waits = episodes(frauds)
    own = waits["entity"].map(dict(zip(frauds["entity"], code, strict=True))).to_numpy()
    one, spent = np.ones(len(frauds)), np.ones(len(waits))
    wanted = [
        ("value_held", held * amount, amount, code), ("value_saved", either * amount, amount, code),
        ("frauds_found", held, one, code), ("delay_days", waits["days"].to_numpy(float), spent, own),
        ("delay_saved", waits["earlier"].to_numpy(float), spent, own),
    ]  # fmt: skip
    return [(name, *_ratio(part, whole, of, drawn)) for name, part, whole, of in wanted]


def episodes(frauds: pd.DataFrame) -> pd.DataFrame:
    """Say of each episode of an account how long it went on unseen; `frauds` are from `saved`.

    Returns
    -------
    pd.DataFrame
        `entity`, `days` from its first fraud until its first alert, or until the bank found out by itself, and
        `earlier`: days by which the alert came first.
    """
    by = frauds.groupby("episode")
    began, own = by["day"].min(), by["known_on"].min()
    alert = frauds["day"].where(frauds["held"]).groupby(frauds["episode"]).min()
    alone = (own - began).dt.days
    waited = (alert.where(alert.le(own) | own.isna(), own) - began).dt.days
    seen = waited.where(alert.notna(), alone)
    return pd.DataFrame({"entity": by["entity"].first(), "days": seen, "earlier": alone - seen}).dropna()


def _by_day(payments: Payments, score: pd.Series, looked: pd.Series, rounds: int, seed: int) -> list[tuple]:
    by = payments.day
    number, hits = looked.groupby(by).sum(), (looked & (payments.target == 1)).groupby(by).sum()
    cards = card_precision(payments.target, score, payments.account, by, number)
    drawn = draws(len(number), rounds, seed)
    each, days = np.ones(len(number)), np.arange(len(number))
    alerted = number.to_numpy(float)
    return [
        ("alerts_a_day", *_ratio(alerted, each, days, drawn)),
        ("alert_precision", *_ratio(hits.to_numpy(float), alerted, days, drawn)),
        ("card_precision", *_ratio(cards.to_numpy(float), each, days, drawn)),
    ]


def _ratio(part: np.ndarray, whole: np.ndarray, code: np.ndarray, drawn: np.ndarray) -> tuple[float, float, float]:
    """Return a ratio of sums and its interval over resampled entities."""
    sums = [np.bincount(code, values, minlength=drawn.shape[0]) @ drawn for values in (part, whole)]
    values = sums[0] / np.where(sums[1] > 0, sums[1], np.nan)
    low, high = interval(values[:, None])
    return float(values[0]), float(low[0]), float(high[0])


def pivoted(found: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Return one row a model and one column a metric, values only, in the order asked for."""
    return found.pivot_table(index="model", columns="metric", values="value", sort=False)[list(metrics)]
