"""Alerts: the list of a day with reasons, which frauds it misses, and whether those are of a new scheme.

A new scheme shows first in frauds that customers report and the model let pass. Weeks here are those in which frauds
became known, so that nothing is told before the desk could tell it. Two signs are followed: the share of the reported
frauds that the model missed although the anomaly detector, which learns no labels, would have alerted them; and the
share that neither model, detector nor any expert rule had seen. Each week is held against a span of earlier weeks by
Fisher's exact test (Statistical Methods for Research Workers, 1934), which knows how few frauds a week has.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
from scipy import stats

from bankmine.bank.sources import WORKSPACE
from bankmine.errors import BankmineError
from bankmine.judging.intervals import wilson, wilson_clustered
from bankmine.topics.fraud.desk import DeskRules, order_of, within_capacity
from bankmine.topics.fraud.payments import Payments

REASONS = WORKSPACE / "data" / "fraud_reasons.yml"
BANDS = (0.5, 0.9, 0.99)
"""Shares of all payments at which amounts are parted into bands."""


def list_of_alerts(payments: Payments, probability: pd.Series, keys: pd.DataFrame, rules: DeskRules) -> pd.DataFrame:
    """List for each day the payments that are worth looking at and come first within its capacity.

    One row an alert, by day and rank: `day`, `rank` (from 1), the columns of `keys` (by which the analyst finds the
    payment), `account`, `customer`, `at`, `amount`, `probability`, `worth_from` (chance from which an alert of this
    amount pays) and `expected_saving`.
    """
    saving = order_of(payments, probability.to_frame("saving"), ["saving"], rules)
    chosen = within_capacity(saving, payments.day, rules.capacity)["saving"]
    table = pd.DataFrame({"day": payments.day, "expected_saving": saving["saving"]})[chosen]
    table = table.sort_values(["day", "expected_saving"], ascending=[True, False], kind="stable")
    rows, saving = table.index, table.pop("expected_saving")
    whose = {"account": payments.account[rows], "customer": payments.entity[rows], "at": payments.moment[rows]}
    table["rank"] = table.groupby("day").cumcount() + 1
    table = table.join(keys.loc[rows].drop(columns=[c for c in whose if c in keys], errors="ignore"))
    amount = payments.amount[rows]
    return table.assign(
        **whose, amount=amount, probability=probability[rows].astype(float), worth_from=rules.break_even(amount),
        expected_saving=saving,
    )  # fmt: skip


def caught_by(payments: Payments, alerted: pd.Series, kinds: pd.DataFrame) -> pd.DataFrame:
    """Say of which kinds of payment frauds are caught and missed, by the columns of `kinds` and bands of the amount.

    `by`, `kind`, `payments`, `alerts`, `precision` of these, `frauds`, `found` (share, `low` and `high` of 95 % by
    customer), `lost` (amount of those missed) and `value_found` (share of the amount); most lost first within each.
    """
    settled = payments.target.notna()
    table = kinds[settled].assign(amount_band=amount_bands(payments.amount[settled]))
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


def amount_bands(amount: pd.Series) -> pd.Series:
    """Part amounts at round numbers near some shares of all payments."""
    edges = np.unique([float(f"{edge:.1g}") for edge in amount.quantile(list(BANDS))])
    words = [f"below {edges[0]:,.0f}", *(f"{a:,.0f} to {b:,.0f}" for a, b in pairwise(edges))]
    words.append(f"{edges[-1]:,.0f} and more")
    return pd.cut(amount, [-np.inf, *edges, np.inf], right=False, labels=words)


SIGNS = ("missed", "missed_but_strange", "seen_by_nothing")
ALARM = 0.01
"""Chance of so high a share without any change, below which a week raises an alarm."""


def weekly(
    payments: Payments, alerted: pd.Series, strange: pd.Series, explained: pd.Series, reference: int = 8, weeks: int = 3
) -> pd.DataFrame:
    """Follow week by week what the desk learns of the frauds that were missed.

    Parameters
    ----------
    payments : Payments
        Judged, with settled labels.
    alerted : pd.Series
        Whether the model alerted each.
    strange : pd.Series
        Whether the anomaly detector alone would have; better with more alerts than there are hands for, as these are
        only counted.
    explained : pd.Series
        Whether any expert rule holds.
    reference : int
        Weeks at the beginning that later ones are held against.
    weeks : int
        Weeks that are taken together each time, as one has few frauds.

    Returns
    -------
    pd.DataFrame
        Indexed by `week` (its Monday, when its frauds became known): `reported` frauds, and of each of `SIGNS` the
        share, `<sign>_low` and `<sign>_high` (95 %), `<sign>_chance` (of so high a share without change; NaN in the
        reference) and `<sign>_alarm`.

    Raises
    ------
    BankmineError
        If there are not more weeks than the reference has.
    """
    frauds = (payments.target == 1) & payments.known_on.notna()
    table = pd.DataFrame({"missed": ~alerted, "strange": strange, "explained": explained}).loc[frauds].astype(bool)
    table["missed_but_strange"] = table["missed"] & table["strange"]
    table["seen_by_nothing"] = table["missed"] & ~table["strange"] & ~table["explained"]
    known = payments.known_on[frauds]
    monday = known.dt.normalize() - pd.to_timedelta(known.dt.weekday, unit="D")
    every = pd.date_range(monday.min(), monday.max(), freq="7D") if len(monday) else []
    if len(every) <= reference:
        raise BankmineError(
            f"Frauds became known in {len(every)} weeks, and {reference} are needed to hold others against: judge more "
            "blocks, or take fewer weeks as reference."
        )
    counts = table.assign(reported=True).groupby(monday)[["reported", *SIGNS]].sum().reindex(every, fill_value=0)
    together = counts.rolling(weeks, min_periods=1).sum().astype(int)
    return pd.concat([together[["reported"]], *(_followed(together, counts[:reference], s) for s in SIGNS)], axis=1)[
        _columns()
    ].rename_axis("week")


def first_alarm(watched: pd.DataFrame, sign: str, since: pd.Timestamp | None = None) -> pd.Timestamp | None:
    """Return the day on which a sign first raised an alarm, the end of its week; None where it did not.

    Alarms of weeks that ended before `since` do not count.
    """
    ends = watched.index + pd.Timedelta(days=6)
    raised = watched.index[watched[f"{sign}_alarm"] & (since is None or ends >= since)]
    return raised[0] + pd.Timedelta(days=6) if len(raised) else None


def _followed(together: pd.DataFrame, before: pd.DataFrame, sign: str) -> pd.DataFrame:
    """Hold the weeks after a reference against it."""
    usual, hits = int(before["reported"].sum()), int(before[sign].sum())
    rows = []
    for week, n, k in together[["reported", sign]].itertuples():
        low, high = wilson(k, n) if n else (np.nan, np.nan)
        chance = np.nan
        if week > before.index[-1] and n and usual:
            chance = stats.fisher_exact([[k, n - k], [hits, usual - hits]], alternative="greater").pvalue
        rows.append((k / n if n else np.nan, low, high, chance, bool(chance < ALARM)))
    names = [sign, f"{sign}_low", f"{sign}_high", f"{sign}_chance", f"{sign}_alarm"]
    return pd.DataFrame(rows, index=together.index, columns=names)


def _columns() -> list[str]:
    return ["reported", *(f"{s}{part}" for s in SIGNS for part in ("", "_low", "_high", "_chance", "_alarm"))]
