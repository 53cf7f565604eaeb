"""Alerts: the list of a day with reasons, which frauds it misses, and whether those are of a new scheme.

A new scheme shows first in frauds that customers report and the model let pass. Weeks here are those in which frauds
became known, so that nothing is told before the desk could tell it. Two signs are followed: the share of the reported
frauds that the model missed although the anomaly detector, which learns no labels, would have alerted them; and the
share that neither model, detector nor any expert rule had seen. Each week is held against a span of earlier weeks by
Fisher's exact test (Statistical Methods for Research Workers, 1934), which knows how few frauds a week has.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from scipy import stats

from bankmine.errors import BankmineError
from bankmine.judging.intervals import wilson, wilson_clustered
from bankmine.judging.reasons import readable
from bankmine.topics.fraud.desk import DeskRules, order_of, within_capacity
from bankmine.topics.fraud.payments import Payments
from bankmine.workspace import WORKSPACE

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


FATES = {"listed": "listed", "stopped": "stopped by an earlier alert", "lost": "got through"}
"""What becomes of a fraud, in words."""


def fates(frauds: pd.DataFrame, kinds: pd.DataFrame) -> pd.DataFrame:
    """Add up what became of the amount of `frauds`, from `desk.saved`, by the columns of `kinds` of their payments.

    Indexed by `by` and `kind`, most in all first; a column of `FATES` each.
    """
    fate = np.select([frauds["held"], frauds["stopped"]], list(FATES)[:2], "lost")
    amount = pd.DataFrame({name: frauds["amount"].where(fate == name, 0.0) for name in FATES})
    words = kinds.loc[frauds.index].astype(object)
    words = words.where(words.notna(), "not known").astype(str)
    told = {by: amount.groupby(words[by].rename("kind")).sum() for by in words}
    ordered = {by: t.loc[t.sum(axis=1).sort_values(ascending=False).index] for by, t in told.items()}
    return pd.concat(ordered, names=["by", "kind"])


def amount_bands(amount: pd.Series) -> pd.Series:
    """Part amounts at round numbers near some shares of all payments."""
    edges = np.unique([float(f"{edge:.1g}") for edge in amount.quantile(list(BANDS))])
    words = [f"below {edges[0]:,.0f}", *(f"{a:,.0f} to {b:,.0f}" for a, b in pairwise(edges))]
    words.append(f"{edges[-1]:,.0f} and more")
    return pd.cut(amount, [-np.inf, *edges, np.inf], right=False, labels=words)


RECENT = 5
"""Weeks at the end in which an alarm asks somebody to act: one report a month misses none."""
SIGNS = ("missed", "missed_but_strange", "seen_by_nothing")
ALARM = 0.01
"""Chance of so high a share without any change, below which a week raises an alarm."""


@dataclass(frozen=True)
class Signs:
    """What the desk learnt week by week of the frauds that were missed."""

    weeks: pd.DataFrame
    """By `week` (its Monday, when frauds became known): `reported` frauds, and of each of `SIGNS` the share, `_low` and
    `_high` (95 %), `_chance` (of so high a share without change; NaN in the reference) and `_alarm`."""
    reference: int
    """Weeks at the beginning that later ones are held against."""
    together: int
    """Weeks that each of them is told of: itself and those before it, so that a fraud is in as many."""

    def first_alarm(self, sign: str, since: pd.Timestamp | None = None) -> pd.Timestamp | None:
        """Return the end of the week in which a sign first raised an alarm, of those that ended from `since` on."""
        ends = self.weeks.index + pd.Timedelta(days=6)
        raised = ends[self.weeks[f"{sign}_alarm"] & (since is None or ends >= since)]
        return raised[0] if len(raised) else None

    @property
    def basis(self) -> dict[str, int]:
        """Of how many `weeks` signs are told, `together` with how many, of how many frauds, and the `reference`."""
        reported = self.weeks["reported"]
        return {
            "weeks": len(reported), "least": reported.min(), "most": reported.max(), "reference": self.reference,
            "together": self.together,
        }  # fmt: skip

    @property
    def raised(self) -> dict[str, object]:
        """Which signs `raised` alarms and when, in words, and how many did in the last weeks (`now`)."""
        told, now = [], 0
        for sign in SIGNS:
            found = self.weeks.index[self.weeks[f"{sign}_alarm"]]
            if len(found):
                first, last = found[[0, -1]].strftime("%Y-%m-%d")
                told.append(f"{readable(sign)} (week{f' of {first}' if first == last else f's of {first} to {last}'})")
                now += found[-1] > self.weeks.index[-1] - pd.Timedelta(weeks=RECENT)
        words = ", ".join(told) or "none in the weeks judged"
        return {"now": now, "raised": words if now or not told else f"none in the last {RECENT} weeks; before, {words}"}

    @property
    def alarms(self) -> pd.DataFrame:
        """By week, whether each sign raised an alarm."""
        return pd.DataFrame({sign: self.weeks[f"{sign}_alarm"] for sign in SIGNS})

    def chart(self) -> Axes:
        """Draw the signs by week; alarms are circled."""
        long = self.weeks[list(SIGNS)].rename(columns=readable).reset_index().melt("week", var_name="sign")
        axis = sns.lineplot(long, x="week", y="value", hue="sign", style="sign", markers=True)
        for sign in SIGNS:
            alarms = self.weeks[self.weeks[f"{sign}_alarm"]]
            axis.scatter(alarms.index, alarms[sign], s=160, facecolors="none", edgecolors="crimson", zorder=3)
        axis.yaxis.set_major_formatter("{x:.0%}")
        axis.set(title="Reported frauds that were missed, by how new they look; circled: alarm")
        axis.set(xlabel=f"Monday, last of {self.together} weeks taken together", ylabel="share of reported frauds")
        axis.set(ylim=(0, 1.5 * axis.get_ylim()[1]))
        axis.figure.autofmt_xdate()
        return axis


def weekly(
    payments: Payments, alerted: pd.Series, strange: pd.Series, explained: pd.Series, reference: int = 8, weeks: int = 3
) -> Signs:
    """Follow week by week what the desk learns of missed frauds, `weeks` taken together as one has few.

    `strange` tells what the anomaly detector alone would have alerted, better with more alerts than there are hands
    for, as these are only counted; `explained`, whether any expert rule holds. Refuses fewer weeks than the reference.
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
            f"weeks in which frauds became known: {len(every)}, and more than {reference} are needed to hold others "
            "against: judge more blocks"
        )
    counts = table.assign(reported=True).groupby(monday)[["reported", *SIGNS]].sum().reindex(every, fill_value=0)
    together = counts.rolling(weeks, min_periods=1).sum().astype(int)
    parts = [together[["reported"]], *(_followed(together, counts[:reference], sign) for sign in SIGNS)]
    return Signs(pd.concat(parts, axis=1).rename_axis("week"), reference, weeks)


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
