"""The plan: whom to contact next, with which offer, within what may be spent, and whom to hold back at random."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bankmine.deciding.budget import BUDGET, Allocation, allocate
from bankmine.errors import BankmineError
from bankmine.features.consent import ALLOWED
from bankmine.judging import fairness, trials
from bankmine.judging.intervals import draws, interval, shown
from bankmine.judging.reasons import readable
from bankmine.lacking import part
from bankmine.learning.sample import codes
from bankmine.study.charts import chart, line, titled
from bankmine.topics.campaign.offers import Offers

_ROUNDS, _BUDGETS = 200, np.array([0, 0.25, 0.5, 0.75, 1, 1.5, 2, 3])


class Plan:
    """Contacts of the next month, by what trials of the same offers did."""

    def __init__(self, offers: Offers, smallest: int) -> None:
        self._offers, self._smallest, self.rules = offers, smallest, offers.rules
        self.currency = offers.tried.currency
        self._fewest = max(smallest, 2 * trials.FEWEST)

    @part
    def allocation(self) -> Allocation:
        """Who gets which offer, those included who are held back; an offer to too few to be judged later is dropped."""
        gain = self._offers.gain
        while True:
            found = self._allocated(self.rules.budget, gain)
            sizes = found.chosen["offer"].value_counts()
            if not (sizes < self._fewest).any():
                return found
            gain = gain.drop(columns=sizes.idxmin())

    def _allocated(self, budget: float, gain: pd.DataFrame) -> Allocation:
        """Plan so many more as are held back: limits are of contacts that are made."""
        room = {channel: self.rules.capacity.get(channel, 0) for channel in self._offers.terms["channel"].unique()}
        made = 1 - self.rules.control
        room = {channel: np.floor(n / made) for channel, n in room.items()}
        return allocate(gain, self._offers.terms["cost"], self._offers.terms["channel"], budget / made, room)

    @part
    def contacts(self) -> pd.DataFrame:
        """Customers of the plan: `campaign`, `offer`, `channel`, `effect`, `gain`, `cost`, and whether `held_back`.

        Held back is a share of each offer's customers, rounded up and drawn at random, so that the next report can say
        what the offer did.
        """
        plan = self.allocation.chosen
        if plan.empty:
            raise BankmineError(
                "no contact is expected to earn more than it costs, within the limits of data/campaigns.yml"
            )
        told = plan.rename(columns={"customer": "customer_id", "offer": "campaign"}).set_index("customer_id")
        told = told.join(self._offers.terms[["offer", "channel"]], on="campaign")
        place = (
            self._offers.effects.index.get_indexer(told.index),
            self._offers.effects.columns.get_indexer(told["campaign"]),
        )
        told["effect"] = self._offers.effects.to_numpy()[place]
        rng = np.random.default_rng(self._offers.source.as_of.toordinal())
        drawn = pd.Series(rng.permutation(len(told)), told.index).groupby(told["campaign"])
        told["held_back"] = drawn.rank() <= np.ceil(self.rules.control * drawn.transform("size"))
        return told

    @part
    def _made(self) -> pd.DataFrame:
        return self.contacts[~self.contacts["held_back"]]

    @part
    def _drawn(self) -> np.ndarray:
        """What the contacts made are expected to earn, as it is and by trials resampled: shape (1 + rounds,)."""
        total = np.zeros(_ROUNDS + 1)
        for name, own in self._made.groupby("campaign"):
            trial, score = self._offers.moved.trials[name], self._offers.moved.scores[name][self._offers.moved.chosen]
            worth = self._offers.brought[name].to_numpy(float)
            code, people = codes(trial.entity)
            told = self._offers.worth(name)
            ahead = (score - told["at"]).to_numpy(float)
            mine = self._offers.scores.loc[own.index, name].clip(told["least"], told["most"]).mean() - told["at"]
            weight = draws(people, _ROUNDS)[code].astype(float)
            size, n = ahead**2 @ weight, weight.sum(axis=0)
            middle = ahead @ weight / n
            slope = ((ahead * worth) @ weight - middle * (worth @ weight)) / (size - n * middle**2)
            each = worth @ weight / n + np.maximum(slope, 0.0) * (mine - middle)
            total = total + len(own) * each - own["cost"].sum()
        return total

    @part
    def headline(self) -> dict[str, object]:
        """How many to contact and hold back, at what cost, and what that is expected to earn, with its interval."""
        low, high = interval(self._drawn)
        by_offer = self._made["offer"].map(readable).value_counts()
        return {
            "contacts": len(self._made), "held": int(self.contacts["held_back"].sum()),
            "offers": ", ".join(f"{n:,} {offer}" for offer, n in by_offer.items()), "cost": self._made["cost"].sum(),
            "gain": float(self._drawn[0]), "low": float(low), "high": float(high), "owner": self.rules.owner,
            "currency": self.currency,
        }  # fmt: skip

    @part
    def first(self) -> pd.DataFrame:
        """The list of those to contact, the highest gain first."""
        money = f"gain, {self.currency}"
        told = pd.DataFrame({
            "offer": self._made["offer"].map(readable), "channel": self._made["channel"].map(readable),
            "points more likely to respond": 100 * self._made["effect"], money: self._made["gain"],
        })  # fmt: skip
        return shown(told, **{"points more likely to respond": "+.1f", money: ".2f"})

    @part
    def left_out(self) -> pd.DataFrame:
        """How many customers are not contacted, by the first reason that holds."""
        free = self._offers.open_to
        allowed = free["contact"].eq(ALLOWED)
        best = self._offers.gain.max(axis=1).reindex(free.index)
        rested = allowed & free["rested"]
        counts = {
            "all customers": len(free), "who did not agree to it": (~allowed).sum(),
            f"contacted within {self.rules.rest} days": (allowed & ~free["rested"]).sum(),
            "called by 06" + (", which is not known" if self._offers.unasked else ""): (rested & free["called"]).sum(),
            "no offer expected to earn its cost": (rested & ~free["called"] & ~best.gt(0)).sum(),
            "beyond the budget or what channels can do, or too few": int(best.gt(0).sum() - len(self.contacts)),
            "held back at random": self.headline["held"], "contacted": self.headline["contacts"],
        }  # fmt: skip
        return pd.DataFrame({"customers": counts}).rename_axis("who").astype(int)

    @part
    def next_power(self) -> pd.DataFrame:
        """What the next report will be able to see, a row an offer; effects are in points."""
        rows = {}
        for name, own in self.contacts.groupby("campaign"):
            trial = self._offers.moved.trials[name]
            without, held = float(trial.outcome[~trial.treated].mean()), int(own["held_back"].sum())
            made = len(own) - held
            enough = min(made, held) >= trials.FEWEST
            seen = trials.seen(without, made, held) if enough else np.nan
            lift = own["effect"].mean()
            told = "likely" if enough and lift > seen else "no: add up several months"
            rows[readable(name)] = {
                "contacted": made, "held back": held, "would be seen": 100 * seen, "expected": 100 * lift,
                "will it be seen": told,
            }  # fmt: skip
        found = pd.DataFrame(rows).T.rename_axis("campaign")
        return shown(found, **{"would be seen": ".1f", "expected": ".1f"})

    @part
    def impact(self) -> dict[str, pd.DataFrame]:
        """How often each group by age and gender, of those who may be contacted, is on the plan: as of `exposure`."""
        open_to = self._offers.gain.index
        planned = pd.Series(open_to.isin(self.contacts.index), open_to)
        return fairness.exposure(planned, self._offers.protected.loc[open_to], self._smallest)

    @part
    def impact_table(self) -> pd.DataFrame:
        """The same as it is shown."""
        return fairness.exposure_shown(self.impact, "may be contacted", "on the plan")

    # --- budget

    @part
    def prices(self) -> dict[str, object]:
        """What one more unit of each limit would earn: of money, and of contacts through a channel."""
        found = self.allocation.prices
        channels = found.drop(BUDGET)
        told = {"money": found[BUDGET], "channel": readable(channels.idxmax()), "contact": channels.max()}
        return told | {"currency": self.currency}

    @part
    def curve(self) -> pd.DataFrame:
        """What contacts of the best plan earn by budget: `budget`, `gain`, `low`, `high`, in the currency."""
        told, planned = self.headline, self.contacts["gain"].sum()
        budgets = _BUDGETS * self.rules.budget
        gain = self._offers.gain[self.contacts["campaign"].unique()]
        share = np.array([self._allocated(budget, gain).chosen["gain"].sum() / planned for budget in budgets])
        return pd.DataFrame({"budget": budgets} | {name: share * told[name] for name in ("gain", "low", "high")})

    @chart
    def curve_chart(self) -> Axes:
        """Draw what contacts of the best plan earn by budget."""
        axis = line(self.curve, "budget", "gain")
        axis.axvline(self.rules.budget, color="0.5", linestyle=":")
        title = "Expected gain of the best plan by budget; dotted: as set"
        return titled(axis, title, f"budget, {self.currency}", f"gain, {self.currency}")

    # --- handed on

    @part
    def files(self) -> dict[str, pd.DataFrame]:
        """Hand on those to contact, as a list to work through, and those held back."""
        columns = ["campaign", "offer", "channel", "effect", "gain", "cost"]
        made, held = self._made[columns].copy(), self.contacts.loc[self.contacts["held_back"], columns]
        made.attrs["list"] = True  # people work through it
        return {"contacts_next": made, "contacts_held_back": held}
