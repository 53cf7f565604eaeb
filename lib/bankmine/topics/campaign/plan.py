"""The plan: whom to contact next, with which offer, within what may be spent, and whom to hold back at random."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bankmine.bank.kept import kept_analysis
from bankmine.bank.snapshot import Snapshot
from bankmine.deciding.budget import BUDGET, Allocation, allocate
from bankmine.deciding.policies import profit_of
from bankmine.errors import BankmineError, one_line
from bankmine.features.consent import ALLOWED, contact_allowed
from bankmine.features.customers import all_known
from bankmine.features.spine import spine_of
from bankmine.judging import trials
from bankmine.judging import uplift as judging
from bankmine.judging.intervals import draws, interval, shown, with_interval
from bankmine.judging.reasons import readable
from bankmine.lacking import part
from bankmine.learning import uplift
from bankmine.learning.sample import codes
from bankmine.registers import read_yaml
from bankmine.study.charts import chart, line, titled
from bankmine.topics.campaign.moved import Moved
from bankmine.topics.campaign.rows import RESPONDED, REVENUE
from bankmine.topics.campaign.tried import Tried
from bankmine.workspace import WORKSPACE

REGISTER = WORKSPACE / "data" / "campaigns.yml"
PLAN, LIKELIEST, LOT, ALL = "by expected gain", "likeliest to respond", "at random", "everybody"
_ROUNDS, _BUDGETS = 200, np.array([0, 0.25, 0.5, 0.75, 1, 1.5, 2, 3])


@dataclass(frozen=True)
class PlanRules:
    """What marketing decides."""

    owner: str
    budget: float
    rest: int
    control: float
    capacity: Mapping[str, float] = field(default_factory=dict)
    prices: Mapping[str, float] = field(default_factory=dict)


def load_rules(currency: str, file: Path = REGISTER) -> PlanRules:
    """Read the rules for a currency, or the default ones."""
    try:
        sections = read_yaml(file)
        rules = PlanRules(**sections[currency if currency in sections else "default"])
        numbers = [rules.budget, rules.rest, rules.control, *rules.capacity.values(), *rules.prices.values()]
        wrong = [n for n in numbers if isinstance(n, bool) or not n >= 0]
    except (TypeError, KeyError, AttributeError) as error:
        raise BankmineError(f"{file} is not a register of campaigns: {one_line(error)}") from None
    if wrong or not rules.control < 1:
        told = wrong[0] if wrong else rules.control
        raise BankmineError(f"{file}: {told!r} must be a number from 0, and control below 1.")
    return rules


class Plan:
    """Contacts of the next month, by what trials of the same offers did."""

    def __init__(self, source: Snapshot, tried: Tried, moved: Moved) -> None:
        self.source, self._tried, self._moved = source, tried, moved
        self.rules, self.currency = load_rules(source.source.currency), tried.currency

    # --- offers, and what they are worth to whom

    @part
    def offers(self) -> pd.DataFrame:
        """Offers that were tried, a row a trial: `channel`, `cost` of a contact, `worth` of a response."""
        if REVENUE not in self._tried.outcomes:
            raise BankmineError("nothing tells what a response is worth")
        rows = {}
        for name in self._moved.trials:
            own = self._tried.by_campaign[name]
            hits = own[f"treated_{RESPONDED}"].sum() + own[f"held_{RESPONDED}"].sum()
            brought = own[f"treated_{REVENUE}"].sum() + own[f"held_{REVENUE}"].sum()
            told = {"offer": own["offer"].mode()[0], "channel": own["channel"].mode()[0]}
            rows[name] = told | {"cost": self._tried.cost(name), "worth": brought / hits}
        return pd.DataFrame(rows).T.astype({"cost": float, "worth": float}).rename_axis("campaign")

    @part
    def open_to(self) -> pd.DataFrame:
        """All customers of today: `contact` as of `contact_allowed`, and the days since the last one, `rested`."""
        keys = self._keys
        known = self._known
        people = self.source.customers.to_pandas().drop_duplicates("customer_id").set_index("customer_id")
        contact = contact_allowed(people, self.source.unseen).reindex(keys["customer_id"])
        since = known.get("days_since_contact", pd.Series(np.nan, known.index)).set_axis(contact.index)
        return pd.DataFrame({"contact": contact, "rested": since.isna() | since.ge(self.rules.rest)})

    @part
    def _keys(self) -> pd.DataFrame:
        keys = spine_of(self.source).to_pandas().sort_values("customer_id", ignore_index=True)
        return keys.assign(day=pd.to_datetime(keys["day"]))

    @part
    def _known(self) -> pd.DataFrame:
        return all_known(self.source, spine_of(self.source), self._keys)

    @part
    def scores(self) -> pd.DataFrame:
        """What the ranking in use says of each customer of today, by offer."""
        found = {}
        for name, trial in self._moved.trials.items():
            known, ranking = self._known[trial.known.columns], self._moved.chosen

            def scored(
                trial: uplift.Trial = trial, known: pd.DataFrame = known, ranking: str = ranking
            ) -> pd.DataFrame:
                return pd.DataFrame({"score": uplift.fit(trial)[ranking](known)}, self._keys["customer_id"])

            given = trial.known, trial.treated, trial.outcome, trial.share, known, ranking
            found[name] = kept_analysis("effects on customers of today", given, scored)["score"]
        return pd.DataFrame(found)

    @part
    def effects(self) -> pd.DataFrame:
        """What a contact with each offer is expected to add to each customer's chance to respond."""
        return pd.DataFrame({
            name: judging.calibrated(self._moved.found.loc[name].to_dict(), self.scores[name]) for name in self.scores
        })  # fmt: skip

    @part
    def gain(self) -> pd.DataFrame:
        """What each offer is expected to earn of each customer to whom one may be made, its cost taken off."""
        found = self.effects * self.offers["worth"] - self.offers["cost"]
        free = self.open_to["contact"].eq(ALLOWED) & self.open_to["rested"]
        return found[free.reindex(found.index)]

    # --- the plan

    @part
    def allocation(self) -> Allocation:
        """Who gets which offer."""
        return self._allocated(self.rules.budget)

    def _allocated(self, budget: float) -> Allocation:
        room = {channel: self.rules.capacity.get(channel, 0) for channel in self.offers["channel"].unique()}
        return allocate(self.gain, self.offers["cost"], self.offers["channel"], budget, room)

    @part
    def contacts(self) -> pd.DataFrame:
        """Customers of the plan: `campaign`, `offer`, `channel`, `effect`, `gain`, `cost`, and whether `held_back`.

        Held back is a share of each offer's customers, drawn at random, so that the next report can say what it did.
        """
        plan = self.allocation.chosen
        if plan.empty:
            raise BankmineError(
                "no contact is expected to earn more than it costs, within the limits of data/campaigns.yml"
            )
        told = plan.rename(columns={"customer": "customer_id", "offer": "campaign"}).set_index("customer_id")
        told = told.join(self.offers[["offer", "channel"]], on="campaign")
        place = self.effects.index.get_indexer(told.index), self.effects.columns.get_indexer(told["campaign"])
        told["effect"] = self.effects.to_numpy()[place]
        rng = np.random.default_rng(self.source.as_of.toordinal())
        drawn = pd.Series(rng.permutation(len(told)), told.index).groupby(told["campaign"]).rank(pct=True)
        told["held_back"] = drawn <= self.rules.control
        return told

    @part
    def _drawn(self) -> np.ndarray:
        """What the contacts made are expected to earn, as it is and by trials resampled: shape (1 + rounds,)."""
        made, total = self.contacts[~self.contacts["held_back"]], 0.0
        for name, own in made.groupby("campaign"):
            trial, score = self._moved.trials[name], self._moved.scores[name][self._moved.chosen]
            worth = judging.brought(trial).to_numpy(float)
            rows = self._tried.by_campaign[name].loc[trial.known.index]
            money = (rows[f"treated_{REVENUE}"] + rows[f"held_{REVENUE}"]).to_numpy(float)
            hits = trial.outcome.to_numpy(float)
            code, people = codes(trial.entity)
            ends = self._moved.found.loc[name, ["least", "most"]]
            ahead = (score - score.mean()).to_numpy(float)
            mine = self.scores.loc[own.index, name].clip(*ends).to_numpy() - score.mean()
            weight = draws(people, _ROUNDS)[code].astype(float)
            size, n = ahead**2 @ weight, weight.sum(axis=0)
            middle = ahead @ weight / n
            slope = ((ahead * worth) @ weight - middle * (worth @ weight)) / (size - n * middle**2)
            effect = worth @ weight / n + np.maximum(slope, 0.0) * (mine.mean() - middle)
            total = total + len(own) * effect * (money @ weight) / (hits @ weight) - own["cost"].sum()
        return np.asarray(total)

    @part
    def headline(self) -> dict[str, object]:
        """How many to contact and hold back, at what cost, and what that is expected to earn, with its interval."""
        made = self.contacts[~self.contacts["held_back"]]
        low, high = interval(self._drawn)
        by_offer = made["offer"].map(readable).value_counts()
        told = ", ".join(f"{n:,} {offer}" for offer, n in by_offer.items())
        return {
            "contacts": len(made), "held": int(self.contacts["held_back"].sum()), "offers": told,
            "cost": made["cost"].sum(), "gain": float(self._drawn[0]), "low": float(low), "high": float(high),
            "owner": self.rules.owner, "currency": self.currency,
        }  # fmt: skip

    @part
    def first(self) -> pd.DataFrame:
        """The list of those to contact, the highest gain first."""
        made = self.contacts[~self.contacts["held_back"]]
        told = made[["offer", "channel", "effect", "gain"]].assign(offer=made["offer"].map(readable))
        return shown(told, effect="+.1%", gain=".2f")

    @part
    def left_out(self) -> pd.DataFrame:
        """How many customers are not contacted, by the first reason that holds."""
        free = self.open_to
        allowed = free["contact"].eq(ALLOWED)
        best = self.gain.max(axis=1).reindex(free.index)
        counts = {
            "all customers": len(free), "who did not agree to it": (~allowed).sum(),
            f"contacted within {self.rules.rest} days": (allowed & ~free["rested"]).sum(),
            "no offer expected to earn its cost": (allowed & free["rested"] & ~best.gt(0)).sum(),
            "beyond budget or hands": int(best.gt(0).sum() - len(self.contacts)),
            "held back at random": self.headline["held"], "contacted": self.headline["contacts"],
        }  # fmt: skip
        return pd.DataFrame({"customers": counts}).rename_axis("who").astype(int)

    @part
    def next_power(self) -> dict[str, object]:
        """What the next report will be able to see: the effect `seen` of the whole plan, and the one `expected`.

        `needed` is how many customers would show the expected one.
        """
        plan, held = self.contacts, self.contacts["held_back"]
        without = float(np.average([self._moved.trials[n].outcome.mean() for n in plan["campaign"]]))
        n, share = len(plan), 1 - held.mean()
        error = np.sqrt(without * (1 - without) / n / share / (1 - share)) if 0 < share < 1 else np.inf
        lift = float(plan["effect"].mean())
        return {
            "held": int(held.sum()), "share": held.mean(), "seen": 2.8016 * error, "expected": lift,
            "needed": trials.needed(without, lift, share) if 0 < share < 1 else np.inf,
            "words": "so it will be seen" if lift > 2.8016 * error else "so add up several months before judging it",
        }  # fmt: skip

    # --- budget

    @part
    def prices(self) -> dict[str, object]:
        """What one more unit of each limit would earn: of money, and of the hands that earn most."""
        found = self.allocation.prices
        hands = found.drop(BUDGET)
        return {
            "money": found[BUDGET],
            "channel": readable(hands.idxmax()),
            "hand": hands.max(),
            "currency": self.currency,
        }

    @part
    def curve(self) -> pd.DataFrame:
        """What the best plan earns by budget: `budget`, `gain`, `low`, `high`, in the currency."""
        headline = self.headline
        scale = np.array([headline["low"], headline["high"]]) / headline["gain"] if headline["gain"] else np.ones(2)
        rows = [(b, self._allocated(b).chosen["gain"].sum()) for b in _BUDGETS * self.rules.budget]
        found = pd.DataFrame(rows, columns=["budget", "gain"])
        return found.assign(low=found["gain"] * scale[0], high=found["gain"] * scale[1])

    @chart
    def curve_chart(self) -> Axes:
        """Draw what the best plan earns by budget."""
        axis = line(self.curve, "budget", "gain")
        axis.axvline(self.rules.budget, color="0.5", linestyle=":")
        title = "Expected gain of the best plan by budget; dotted: the budget that is set"
        return titled(axis, title, f"budget, {self.currency}", f"gain, {self.currency}")

    # --- against other ways

    @part
    def policies(self) -> pd.DataFrame:
        """What ways of choosing earned among the customers of the trials, of 1,000 of them: as of `profit_of`.

        Choosing rests on the half of customers who choose, and is judged by the other half.
        """
        acted, gain, entity, number = [], [], [], 0
        for name, trial in self._moved.trials.items():
            score, cost, worth = self._moved.scores[name], *self.offers.loc[name, ["cost", "worth"]]
            judge = ~self._moved.chooses(trial.entity)
            told = judging.heterogeneity(
                *(part[~judge] for part in (judging.brought(trial), score[self._moved.chosen], trial.entity))
            )
            own = judging.calibrated(told, score.loc[judge, self._moved.chosen]) * worth > cost
            rows = self._tried.by_campaign[name].loc[trial.known.index]
            money = rows[f"treated_{REVENUE}"] + rows[f"held_{REVENUE}"]
            likely = score.loc[judge, uplift.RESPONSE].rank(ascending=False, method="first") <= own.sum()
            acted.append(pd.DataFrame({PLAN: own, LIKELIEST: likely, LOT: own.mean(), ALL: True}))
            gain.append(judging.brought(trial, money)[judge] - cost)
            entity.append(trial.entity[judge])
            number += int(judge.sum())
        return profit_of(pd.concat(acted), pd.concat(gain), pd.concat(entity)) * (1000 / number)

    @part
    def policies_table(self) -> pd.DataFrame:
        """The same as it is shown."""
        found = self.policies
        told = found[["actions"]].assign(
            **{
                "earned": with_interval(found, "profit", ",.0f"),
                "behind the first": with_interval(found, "behind", ",.0f"),
            }
        )
        return shown(told.rename(columns={"actions": "contacts"}), contacts=",.0f")

    @part
    def against(self) -> dict[str, object]:
        """How far the likeliest responders are behind the plan, with the ends, of 1,000 customers, in words."""
        found = self.policies
        own, other = found.loc[PLAN], found.loc[LIKELIEST]
        words = (
            "more than"
            if other["behind_low"] > 0
            else "less than"
            if other["behind_high"] < 0
            else "not shown to differ from"
        )
        return {"earned": own["profit"], "low": own["low"], "high": own["high"], "words": words,
                "likeliest": other["profit"], "all": found.loc[ALL, "profit"], "currency": self.currency}  # fmt: skip

    # --- handed on

    @part
    def files(self) -> dict[str, pd.DataFrame]:
        """Hand on those to contact, as a list to work through, and those held back."""
        columns = ["campaign", "offer", "channel", "effect", "gain", "cost"]
        made, held = (
            self.contacts.loc[own, columns] for own in (~self.contacts["held_back"], self.contacts["held_back"])
        )
        made = made.copy()
        made.attrs["list"] = True  # people work through it
        return {"contacts_next": made, "contacts_held_back": held}
