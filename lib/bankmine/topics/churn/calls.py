"""Calls: whom to call within the capacity of each value tier, by which channel, what to say, and what it is worth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from bankmine.deciding.actions import action_of
from bankmine.deciding.costs import choose, expected
from bankmine.features.consent import ALLOWED, NOT_ALLOWED
from bankmine.judging.disclosure import DOWN, merged, not_told, rows_told, told, too_few
from bankmine.judging.intervals import of_belief, shown
from bankmine.study.question import BY_LOT, BY_PROFIT, BY_RISK
from bankmine.topics.churn.retention import RetentionRules, costs, foreseen, value

_COUNTS = ["customers", "worth_calling", "called", "not_allowed"]
GENERAL = "general: no reason with an action of its own"
"""Stands for the reason where a customer's reasons have no action in the register."""


def called(chance: pd.Series, worth: pd.Series, tier: pd.Series, rules: RetentionRules, by: pd.Series) -> pd.DataFrame:
    """Choose whom to call within each tier's capacity of a month, by expected profit and in two plainer ways.

    `BY_PROFIT` (never at a loss), `BY_RISK` (boolean) and `BY_LOT` (probability); `by` is the month of each row.
    """
    groups, share = [tier, by], rules.terms(tier)["capacity"]
    size = tier.groupby(groups, observed=True).transform("size")
    return pd.DataFrame({
        BY_PROFIT: choose(expected(chance, costs(worth, tier, rules)), groups, share, above=0),
        BY_RISK: choose(chance, groups, share),
        BY_LOT: np.floor(share * size + 1e-9) / size,
    })  # fmt: skip


def listed(
    chance: pd.Series, margin: pd.Series, tier: pd.Series, rules: RetentionRules, contact: pd.Series,
    reasons: pd.Series, answered: pd.DataFrame,
) -> pd.DataFrame:  # fmt: skip
    """List customers by what calling them is expected to earn, and say whom to call, how, and with what in mind.

    `answered` has the `theme` of the reason that the action answers, and the reason itself as a `line`; the list shows
    it as `because`, or says that there is none, or that the customer may not be called.

    Whoever has a chance to leave is listed, those to be called first, then by expected profit in the currency. Capacity
    is a part of all listed customers of a tier, and goes to those who may be called; who has no tier is not called.
    """
    index = chance.index
    tier, worth = tier.reindex(index), value(margin.reindex(index), rules)
    contact, answered = contact.reindex(index, fill_value=NOT_ALLOWED), answered.reindex(index)
    may = contact.eq(ALLOWED)
    terms, gain = rules.terms(tier), expected(chance, costs(worth, tier, rules))
    chosen = choose(gain.where(may), [tier.astype(str)], terms["capacity"].fillna(0.0), above=0)
    action = action_of(answered["theme"], rules.actions)
    because = answered["line"].where(answered["theme"].isin(list(rules.actions)), GENERAL)
    table = pd.DataFrame({
        "called": chosen, "probability": chance, "value": worth, "expected_profit": gain, "tier": tier.astype("string"),
        "channel": terms["channel"].astype("string"), "because": because.where(may, contact).astype("string"),
        "action": action.where(may, NOT_ALLOWED).astype("string"),
        "reasons": reasons.reindex(index).fillna("").astype("string"), "contact": contact.astype("string"),
    }).rename_axis("customer_id")  # fmt: skip
    return table.sort_index().sort_values(["called", "expected_profit"], ascending=False, kind="stable")


@dataclass(frozen=True)
class Calls:
    """The list of whom to call, and what it is worth."""

    list: pd.DataFrame
    """As of `listed`."""
    rules: RetentionRules
    due: pd.Timestamp
    """Day from which silence counts as leaving: until then a call can come in time."""
    currency: str
    smallest: int
    """Customers that a group must have to be told of."""

    @cached_property
    def headline(self) -> dict[str, object]:
        """`called` of `scored` customers by `due`; expected `profit`; `low`, `high`: 95 % of what it may become.

        `leavers` are how many of those called are expected to leave, `kept` how many of these calls are to keep, and
        `barred` how many more a call would be worth, but may not be called.
        """
        rows = self.list[self.list["called"]]
        low, high = of_belief(foreseen(rows["probability"], rows["value"], rows["tier"], self.rules))
        how = merged(rows["channel"], self.smallest).value_counts()
        success = self.rules.terms(rows["tier"])["success"]
        return {
            "leavers": rows["probability"].sum(), "kept": (rows["probability"] * success).sum(),
            "barred": int(self._tiers["not_allowed"].sum()),
            "how": ", ".join(f"{number} by {channel}" for channel, number in how.items()) or "nobody",
            "called": len(rows), "scored": len(self.list), "due": self.due.date(), "currency": self.currency,
            "profit": rows["expected_profit"].sum(), "low": low, "high": high,
        }  # fmt: skip

    def first(self, rows: int) -> pd.DataFrame:
        """Return the first of the list as a page shows them, each with the reason that its action answers."""
        own = self.list[self.list["called"]].head(rows)
        told = own[["probability", "expected_profit"]].set_axis(["chance", "profit"], axis=1)
        told["because"] = own["because"]
        told["what to do"] = own["channel"].str.capitalize() + ": " + own["action"]
        return shown(told, chance=".0%", profit=",.0f")

    @cached_property
    def tiers(self) -> pd.DataFrame:
        """Sum the list up by value tier: what capacity allows in a month, and what it leaves undone.

        `worth_calling` is who may be called and is expected to earn; `threshold` the expected profit of the last one
        called, above 0 where capacity binds; `not_allowed` whom a call would be worth, but who may not be called.
        Numbers of too few customers are not told, nor those from which they follow: all tiers add up to what is told
        above, who is called is among those worth it, and these among all.
        """
        counts = self._tiers[_COUNTS].astype(float)
        rest = too_few(-counts.sub(counts["customers"], axis=0), self.smallest)
        rest["called"] |= too_few(counts["worth_calling"] - counts["called"], self.smallest)
        words = not_told(counts, self.smallest, (DOWN,), rest)
        found, out = told(self._tiers, words), words != ""
        found["capacity"] = found["capacity"].where(~out["customers"])
        for name in ("threshold", "from_probability", "expected_profit"):
            found[name] = found[name].where(~out["called"])
        return shown(found, threshold=",.0f", from_probability=".1%", expected_profit=",.0f", capacity=",.0f")

    @cached_property
    def _tiers(self) -> pd.DataFrame:
        """The same with all numbers."""
        rows, tiers = self.list, self.rules.tiers
        may, pays = rows["contact"].eq(ALLOWED), rows["expected_profit"] > 0
        chosen = rows[rows["called"]].groupby("tier")
        table = pd.DataFrame({
            "channel": {t: self.rules.channels[r.channel].name for t, r in tiers.items()},
            "customers": rows.groupby("tier").size(), "worth_calling": (may & pays).groupby(rows["tier"]).sum(),
            "called": chosen.size(), "threshold": chosen["expected_profit"].min(),
            "from_probability": chosen["probability"].min(), "expected_profit": chosen["expected_profit"].sum(),
            "not_allowed": (~may & pays).groupby(rows["tier"]).sum(),
        }).reindex(list(tiers))  # fmt: skip
        table[_COUNTS] = table[_COUNTS].fillna(0).astype(int)
        table.insert(2, "capacity", [int(tiers[t].capacity * n + 1e-9) for t, n in table["customers"].items()])
        return table.fillna({"expected_profit": 0.0}).rename_axis("tier")

    @property
    def actions(self) -> pd.DataFrame:
        """Count what is to be said to those who are to be called."""
        said = self.list.loc[self.list["called"], "action"].value_counts()
        counted = pd.DataFrame({"customers": said, "share": said / max(said.sum(), 1)})
        return shown(rows_told(counted, "customers", self.smallest, added_up=True), share=".0%")

    def by_tier(self) -> Axes:
        """Draw calls, capacity and customers worth a call by tier, and above each tier what its calls are worth."""
        bars = (
            self.tiers[["called", "capacity", "worth_calling"]]
            .astype(float)
            .rename(columns={"capacity": "capacity a month", "worth_calling": "worth a call"})
        )
        worth = self.tiers["expected_profit"].map(f"{{:,.0f}} {self.currency}".format, na_action="ignore")
        bars.index = [f"{tier}\n{amount}" for tier, amount in worth.fillna("not told").items()]
        bars.index.name = "tier"
        axis = sns.barplot(
            bars.reset_index().melt("tier", var_name="customers"), x="tier", y="value", hue="customers", errorbar=None
        )
        axis.set(title="Customers to be called, by value tier", ylabel="customers")
        axis.set_xlabel("value tier, and what its calls are expected to earn")
        axis.get_legend().set_title("")
        for drawn in axis.containers:
            axis.bar_label(drawn, fmt="{:,.0f}", fontsize=8)
        return axis
