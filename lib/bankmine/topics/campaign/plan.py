"""The plan: whom to contact next, with which offer, within what may be spent, and whom to hold back at random."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
from bankmine.lacking import Lacking, optional, part
from bankmine.learning import uplift
from bankmine.learning.sample import codes
from bankmine.registers import read_yaml
from bankmine.study.charts import chart, line, titled
from bankmine.topics.campaign.moved import Moved
from bankmine.topics.campaign.rows import REVENUE
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
    """Contacts of the next month, by what trials of the same offers did.

    `called` gives the customers whom 06 calls: nobody is contacted by both.
    """

    def __init__(self, source: Snapshot, tried: Tried, moved: Moved, called: Callable[[], pd.Index]) -> None:
        self.source, self._tried, self._moved, self._called = source, tried, moved, called
        self.rules, self.currency = load_rules(source.source.currency), tried.currency

    # --- whom an offer may be made

    @part
    def _by_06(self) -> pd.Index:
        return self._called()

    @part
    def open_to(self) -> pd.DataFrame:
        """All customers of today: `contact` as of `contact_allowed`, whether they `rested`, and are `called` by 06."""
        people = self.source.customers.to_pandas().drop_duplicates("customer_id").set_index("customer_id")
        contact = contact_allowed(people, self.source.unseen).reindex(self._keys["customer_id"])
        since = self._known.get("days_since_contact", pd.Series(np.nan, self._known.index)).set_axis(contact.index)
        called = optional(self, "_by_06")
        told = pd.DataFrame({"contact": contact, "rested": since.isna() | since.ge(self.rules.rest)})
        return told.assign(called=False if isinstance(called, Lacking) else contact.index.isin(called))

    @part
    def _keys(self) -> pd.DataFrame:
        keys = spine_of(self.source).to_pandas().sort_values("customer_id", ignore_index=True)
        return keys.assign(day=pd.to_datetime(keys["day"]))

    @part
    def _known(self) -> pd.DataFrame:
        return all_known(self.source, spine_of(self.source), self._keys)

    # --- what an offer earns of whom

    @part
    def offers(self) -> pd.DataFrame:
        """Offers that were tried, a row a trial: `offer`, `channel` and the `cost` of a contact."""
        rows = {}
        for name in self._moved.trials:
            own = self._tried.by_campaign[name]
            told = {"offer": own["offer"].mode()[0], "channel": own["channel"].mode()[0]}
            rows[name] = told | {"cost": self._tried.cost(name)}
        return pd.DataFrame(rows).T.astype({"cost": float}).rename_axis("campaign")

    @part
    def scores(self) -> pd.DataFrame:
        """What the ranking in use says of each customer of today who agreed to be looked at singly, by offer."""
        agreed, found = self.open_to["contact"].eq(ALLOWED).to_numpy(), {}
        if not agreed.any():
            raise BankmineError("nobody is known to have agreed to be contacted and treated personally")
        whose = self._keys.loc[agreed, "customer_id"]
        for name, trial in self._moved.trials.items():
            known, ranking = self._known.loc[agreed, trial.known.columns], self._moved.chosen

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
            name: judging.calibrated(self._moved.found.loc[name].to_dict(), self.scores[name]) for name in self.scores
        })  # fmt: skip

    @part
    def _brought(self) -> dict[str, pd.Series]:
        """What contacts brought in money, by customer of each trial: of who responds anyway nothing."""
        if REVENUE not in self._tried.outcomes:
            raise BankmineError("nothing tells what a response is worth")
        found = {}
        for name, trial in self._moved.trials.items():
            rows = self._tried.by_campaign[name].loc[trial.known.index]
            found[name] = judging.brought(trial, rows[f"treated_{REVENUE}"] + rows[f"held_{REVENUE}"])
        return found

    def _worth(self, name: str, rows: pd.Series | slice = slice(None)) -> dict[str, float]:
        """Say how what contacts of a trial brought in money goes with the ranking in use."""
        trial, score = self._moved.trials[name], self._moved.scores[name][self._moved.chosen]
        return judging.heterogeneity(self._brought[name][rows], score[rows], trial.entity[rows])

    @part
    def gain(self) -> pd.DataFrame:
        """What each offer is expected to earn of each customer to whom one may be made, its cost taken off."""
        found = pd.DataFrame({
            name: judging.calibrated(self._worth(name), self.scores[name]) - self.offers.loc[name, "cost"]
            for name in self.scores
        })  # fmt: skip
        free = self.open_to["rested"] & ~self.open_to["called"]
        return found[free.reindex(found.index)]

    # --- the plan

    @part
    def allocation(self) -> Allocation:
        """Who gets which offer, those included who are held back."""
        return self._allocated(self.rules.budget)

    def _allocated(self, budget: float) -> Allocation:
        """Plan so many more as are held back: limits are of contacts that are made."""
        room = {channel: self.rules.capacity.get(channel, 0) for channel in self.offers["channel"].unique()}
        made = 1 - self.rules.control
        room = {channel: np.floor(n / made) for channel, n in room.items()}
        return allocate(self.gain, self.offers["cost"], self.offers["channel"], budget / made, room)

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
        told = told.join(self.offers[["offer", "channel"]], on="campaign")
        place = self.effects.index.get_indexer(told.index), self.effects.columns.get_indexer(told["campaign"])
        told["effect"] = self.effects.to_numpy()[place]
        rng = np.random.default_rng(self.source.as_of.toordinal())
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
            trial, score = self._moved.trials[name], self._moved.scores[name][self._moved.chosen]
            worth = self._brought[name].to_numpy(float)
            code, people = codes(trial.entity)
            told = self._worth(name)
            ahead = (score - told["at"]).to_numpy(float)
            mine = self.scores.loc[own.index, name].clip(told["least"], told["most"]).mean() - told["at"]
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
        free = self.open_to
        allowed = free["contact"].eq(ALLOWED)
        best = self.gain.max(axis=1).reindex(free.index)
        rested = allowed & free["rested"]
        counts = {
            "all customers": len(free), "who did not agree to it": (~allowed).sum(),
            f"contacted within {self.rules.rest} days": (allowed & ~free["rested"]).sum(),
            "called by 06": (rested & free["called"]).sum(),
            "no offer expected to earn its cost": (rested & ~free["called"] & ~best.gt(0)).sum(),
            "beyond the budget or what channels can do": int(best.gt(0).sum() - len(self.contacts)),
            "held back at random": self.headline["held"], "contacted": self.headline["contacts"],
        }  # fmt: skip
        return pd.DataFrame({"customers": counts}).rename_axis("who").astype(int)

    @part
    def next_power(self) -> pd.DataFrame:
        """What the next report will be able to see, a row an offer; effects are in points."""
        rows = {}
        for name, own in self.contacts.groupby("campaign"):
            trial = self._moved.trials[name]
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
        share = np.array([self._allocated(budget).chosen["gain"].sum() / planned for budget in budgets])
        return pd.DataFrame({"budget": budgets} | {name: share * told[name] for name in ("gain", "low", "high")})

    @chart
    def curve_chart(self) -> Axes:
        """Draw what contacts of the best plan earn by budget."""
        axis = line(self.curve, "budget", "gain")
        axis.axvline(self.rules.budget, color="0.5", linestyle=":")
        title = "Expected gain of the best plan by budget; dotted: as set"
        return titled(axis, title, f"budget, {self.currency}", f"gain, {self.currency}")

    # --- against other ways

    @part
    def policies(self) -> pd.DataFrame:
        """What ways of choosing earned among the customers of the trials, of 1,000 of them: as of `profit_of`.

        Choosing rests on the half of customers who choose, and is judged by the other half.
        """
        acted, gain, entity, number = [], [], [], 0
        for name, trial in self._moved.trials.items():
            score, cost = self._moved.scores[name], self.offers.loc[name, "cost"]
            chooses = self._moved.chooses(trial.entity)
            told = self._worth(name, chooses)
            own = judging.calibrated(told, score.loc[~chooses, self._moved.chosen]) > cost
            likely = score.loc[~chooses, uplift.RESPONSE].rank(ascending=False, method="first") <= own.sum()
            acted.append(pd.DataFrame({PLAN: own, LIKELIEST: likely, LOT: own.mean(), ALL: True}))
            gain.append(self._brought[name][~chooses] - cost)
            entity.append(trial.entity[~chooses])
            number += int((~chooses).sum())
        return profit_of(pd.concat(acted), pd.concat(gain), pd.concat(entity)) * (1000 / number)

    @part
    def policies_table(self) -> pd.DataFrame:
        """The same as it is shown."""
        found = self.policies
        told = {
            "earned": with_interval(found, "profit", ",.0f"),
            "behind the first": with_interval(found, "behind", ",.0f"),
        }
        told = found[["actions"]].rename(columns={"actions": "contacts"}).assign(**told)
        return shown(told, contacts=",.0f")

    @part
    def against(self) -> dict[str, object]:
        """What choosing by gain earned of 1,000 customers, and how the likeliest and chance compare, in words."""
        found = self.policies
        own, other, lot = found.loc[PLAN], found.loc[LIKELIEST], found.loc[LOT]
        beside = (
            "as the ranking in use is that of the likeliest to respond, these are the same customers"
            if self._moved.chosen == uplift.RESPONSE
            else f"as many of the likeliest to respond earned {other['profit']:,.0f}"
        )
        return {
            "earned": own["profit"], "low": own["low"], "high": own["high"], "beside": beside,
            "shown": "" if own["low"] > 0 else ", not shown to be above 0", "behind": lot["behind"],
            "behind_low": lot["behind_low"], "behind_high": lot["behind_high"], "currency": self.currency,
        }  # fmt: skip

    # --- handed on

    @part
    def files(self) -> dict[str, pd.DataFrame]:
        """Hand on those to contact, as a list to work through, and those held back."""
        columns = ["campaign", "offer", "channel", "effect", "gain", "cost"]
        made, held = self._made[columns].copy(), self.contacts.loc[self.contacts["held_back"], columns]
        made.attrs["list"] = True  # people work through it
        return {"contacts_next": made, "contacts_held_back": held}
