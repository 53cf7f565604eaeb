"""Off-policy: whether contacting only those whom a list names would have done better, by campaigns that were trials.

Lists are those of the day before the campaign, by item neighbours: few campaigns lie so late that models of products
could have been learnt before them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.contacts import contacted, known_before
from bankmine.judging import off_policy, trials
from bankmine.judging.intervals import shown, with_interval
from bankmine.judging.off_policy import ALL, LISTED, LOT, NONE
from bankmine.judging.reasons import readable
from bankmine.lacking import Lacking, part
from bankmine.learning.recommenders import NEIGHBOURS
from bankmine.topics.recommendation.history import History

_SHOWN, _PER = 3, 1000


class OffPolicy:
    """Lists of earlier days held against trials of offers of a product; `tried` says of which each offer was."""

    def __init__(self, snapshot: Snapshot, history: History, tried: Mapping[str, str]) -> None:
        self.source, self._history, self._tried = snapshot, history, tried
        self.currency = snapshot.source.currency or "the source's currency"

    @part
    def campaigns(self) -> dict[str, pd.DataFrame]:
        """Customers of each campaign that offered a product, one contact each."""
        rows = contacted(self.source)
        rows = rows[rows["offer"].isin(self._tried) & (rows["treated"] + rows["held"] == 1)]
        found = dict(list(rows.groupby("campaign")))
        if not found:
            raise BankmineError("no campaign offered a product that data/offers.yml names under tried")
        return found

    @part
    def verdicts(self) -> dict[str, str]:
        """Why a campaign is no evidence, by campaign; '' where it is."""
        return {name: self._verdict(own) for name, own in self.campaigns.items()}

    def _verdict(self, rows: pd.DataFrame) -> str:
        try:
            trials.refuse_small(rows)
            ratio = trials.sample_ratio(rows)
        except BankmineError as error:
            return str(error)
        if ratio["off"]:
            return f"{ratio['share']:.0%} were contacted where {ratio['plan']:.0%} were planned"
        p = trials.balance(rows, trials.prepared(known_before(self.source, rows)))[1]
        return "those contacted differed before" if p < trials.SURELY else ""

    @property
    def refused(self) -> dict[str, object] | Lacking | None:
        """Campaigns that are no evidence, and why, as `names`; None where all are trials."""
        found = self.verdicts
        if isinstance(found, Lacking):
            return found
        told = [f"{readable(name)} ({why})" for name, why in found.items() if why]
        return {"names": "; ".join(told)} if told else None

    @part
    def figures(self) -> pd.DataFrame:
        """What each policy would have brought, net of contacts, of 1,000 customers: a row a trial and policy.

        `value` with `low` and `high`, `ahead` of as many at random with its ends, the `share` contacted, and how many
        customers the weights are `worth`.
        """
        rows = [self._held_against(name, own) for name, own in self.campaigns.items() if not self.verdicts[name]]
        if not rows:
            raise BankmineError("no campaign that offered a product is a trial")
        return pd.concat(rows).set_index(["campaign", "policy"])

    def _held_against(self, name: str, rows: pd.DataFrame) -> pd.DataFrame:
        """Hold policies against a trial, in money net of contacts, of 1,000 customers."""
        money = rows["treated_revenue"] + rows["held_revenue"] - rows["treated_cost"]
        found = off_policy.values(self._listed(rows), rows["treated"] == 1, rows["planned"], _PER * money)
        return found.reset_index().assign(campaign=name, customers=len(rows))

    def _listed(self, rows: pd.DataFrame) -> np.ndarray:
        """Say of each customer of a campaign whether the product was among the first of the list of the day before."""
        moment = self._history.at((rows["day"].min() - pd.Timedelta(days=1)).date())
        first = moment.lists({NEIGHBOURS: moment.scores()[NEIGHBOURS]})[NEIGHBOURS][:, :_SHOWN]
        product = self._tried[rows["offer"].iloc[0]]
        if product not in self._history.products:
            return np.zeros(len(rows))
        named = pd.Series((first == self._history.products.index(product)).any(axis=1), moment.customers)
        return named.reindex(rows["customer_id"], fill_value=False).to_numpy(float)

    @part
    def each(self) -> dict[str, dict[str, object]]:
        """Of each trial what contacting by lists would have brought over as many at random, in words, for findings."""
        return {name: self._told(name, own.droplevel(0)) for name, own in self.figures.groupby(level=0)}

    def _told(self, name: str, own: pd.DataFrame) -> dict[str, object]:
        lot, listed = own.loc[LOT], own.loc[LISTED]
        words = (
            "too few are listed to tell" if listed["few"] else "better" if lot["ahead_low"] > 0
            else "worse" if lot["ahead_high"] < 0 else "no difference can be told"
        )  # fmt: skip
        told = {"name": readable(name), "words": words, "share": listed["contacted"], "worth": listed["worth"]}
        told |= {"ahead": lot["ahead"], "low": lot["ahead_low"], "high": lot["ahead_high"]}
        sure = [
            f"; {'more' if row['ahead'] > 0 else 'less'} than {policy} by {abs(row['ahead']):,.0f}"
            for policy, row in own.loc[[ALL, NONE]].iterrows() if row["ahead_low"] > 0 or row["ahead_high"] < 0
        ]  # fmt: skip
        return told | {"customers": int(listed["customers"]), "currency": self.currency, "beside": "".join(sure)}

    @part
    def table(self) -> pd.DataFrame:
        """All policies as they are shown."""
        found = self.figures.reset_index()
        told = pd.DataFrame({
            "campaign": found["campaign"].map(readable), "contacting": found["policy"], "share": found["contacted"],
            f"net, {self.currency}": with_interval(found, "value", ",.0f"),
            "lists ahead by": with_interval(found, "ahead", "+,.0f").where(found["policy"].ne(LISTED), ""),
            "as good as so many customers": found["worth"],
        })  # fmt: skip
        return shown(told.set_index("campaign"), share=".0%", **{"as good as so many customers": ",.0f"})
