"""Offers: who may be made which one today, and what it is expected to earn, by what trials of the same offers did."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from bankmine.bank.kept import kept_analysis
from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.consent import ALLOWED, contact_allowed
from bankmine.features.customers import all_known
from bankmine.features.spine import spine_of
from bankmine.judging import uplift as judging
from bankmine.lacking import Lacking, optional, part
from bankmine.learning import uplift
from bankmine.topics.campaign.moved import Moved
from bankmine.topics.campaign.rows import REVENUE
from bankmine.topics.campaign.rules import PlanRules
from bankmine.topics.campaign.tried import Tried


class Offers:
    """What each offer that was tried is expected to earn of each customer of today.

    `called` gives the customers whom 06 calls: nobody is contacted by both.
    """

    def __init__(
        self, source: Snapshot, tried: Tried, moved: Moved, rules: PlanRules, called: Callable[[], pd.Index]
    ) -> None:
        self.source, self.tried, self.moved, self.rules, self._called = source, tried, moved, rules, called

    # --- whom an offer may be made

    @part
    def _by_06(self) -> pd.Index:
        return self._called()

    @property
    def unasked(self) -> dict[str, object] | None:
        """Why nobody knows whom 06 calls, for an alert; None where it is known."""
        called = optional(self, "_by_06")
        return {"why": called.why} if isinstance(called, Lacking) else None

    @part
    def open_to(self) -> pd.DataFrame:
        """All customers of today: `contact` as of `contact_allowed`, whether they `rested`, and are `called` by 06."""
        contact = contact_allowed(self._people, self.source.unseen)
        since = self._known.get("days_since_contact", pd.Series(np.nan, self._known.index)).set_axis(contact.index)
        called = optional(self, "_by_06")
        told = pd.DataFrame({"contact": contact, "rested": since.isna() | since.ge(self.rules.rest)})
        return told.assign(called=False if isinstance(called, Lacking) else contact.index.isin(called))

    @part
    def protected(self) -> pd.DataFrame:
        """Age in years and gender of all customers of today, where they are told."""
        age = self._known.set_index(self._people.index).reindex(columns=["age_years"])
        return age.join(self._people[[c for c in ("gender",) if c in self._people]]).dropna(axis=1, how="all")

    @part
    def _people(self) -> pd.DataFrame:
        people = self.source.customers.to_pandas().drop_duplicates("customer_id").set_index("customer_id")
        return people.reindex(self._keys["customer_id"])

    @part
    def _keys(self) -> pd.DataFrame:
        keys = spine_of(self.source).to_pandas().sort_values("customer_id", ignore_index=True)
        return keys.assign(day=pd.to_datetime(keys["day"]))

    @part
    def _known(self) -> pd.DataFrame:
        return all_known(self.source, spine_of(self.source), self._keys)

    # --- what an offer earns of whom

    @part
    def terms(self) -> pd.DataFrame:
        """Offers that were tried, a row a trial: `offer`, `channel` and the `cost` of a contact."""
        rows = {}
        for name in self.moved.trials:
            own = self.tried.by_campaign[name]
            told = {"offer": own["offer"].mode()[0], "channel": own["channel"].mode()[0]}
            rows[name] = told | {"cost": self.tried.cost(name)}
        return pd.DataFrame(rows).T.astype({"cost": float}).rename_axis("campaign")

    @part
    def scores(self) -> pd.DataFrame:
        """What the ranking in use says of each customer of today who agreed to be looked at singly, by offer."""
        agreed, found = self.open_to["contact"].eq(ALLOWED).to_numpy(), {}
        if not agreed.any():
            raise BankmineError("nobody is known to have agreed to be contacted and treated personally")
        whose = self._keys.loc[agreed, "customer_id"]
        for name, trial in self.moved.trials.items():
            known, ranking = self._known.loc[agreed, trial.known.columns], self.moved.chosen

            def scored(
                trial: uplift.Trial = trial, known: pd.DataFrame = known, ranking: str = ranking
            ) -> pd.DataFrame:
                return pd.DataFrame({"score": uplift.fit(trial)[ranking](known)}, whose)

            given = trial.known, trial.treated, trial.outcome, trial.share, known, ranking
            found[name] = kept_analysis("effects on customers of today", given, scored)["score"]
        return pd.DataFrame(found)

    @part
    def effects(self) -> pd.DataFrame:
        """What a contact with each offer is expected to add to each customer's chance to respond."""
        return pd.DataFrame({
            name: judging.calibrated(self.moved.found.loc[name].to_dict(), self.scores[name]) for name in self.scores
        })  # fmt: skip

    @part
    def brought(self) -> dict[str, pd.Series]:
        """What contacts brought in money, by customer of each trial: of who responds anyway nothing."""
        if REVENUE not in self.tried.outcomes:
            raise BankmineError("nothing tells what a response is worth")
        found = {}
        for name, trial in self.moved.trials.items():
            rows = self.tried.by_campaign[name].loc[trial.known.index]
            found[name] = judging.brought(trial, rows[f"treated_{REVENUE}"] + rows[f"held_{REVENUE}"])
        return found

    def worth(self, name: str, rows: pd.Series | slice = slice(None)) -> dict[str, float]:
        """Say how what contacts of a trial brought in money goes with the ranking in use."""
        trial, score = self.moved.trials[name], self.moved.scores[name][self.moved.chosen]
        return judging.heterogeneity(self.brought[name][rows], score[rows], trial.entity[rows])

    @part
    def gain(self) -> pd.DataFrame:
        """What each offer is expected to earn of each customer to whom one may be made, its cost taken off."""
        found = pd.DataFrame({
            name: judging.calibrated(self.worth(name), self.scores[name]) - self.terms.loc[name, "cost"]
            for name in self.scores
        })  # fmt: skip
        free = self.open_to["rested"] & ~self.open_to["called"]
        return found[free.reindex(found.index)]
