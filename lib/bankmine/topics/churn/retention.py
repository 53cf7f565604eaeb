"""Retention: what keeping a customer costs and earns, by the rules of `data/retention.yml`.

A customer who is about to leave and is called stays with the probability of success and then takes the incentive; one
who would have stayed takes the incentive too. With V the value of the customer, d the incentive, f the cost of the
contact and s the success rate, a call to a leaver earns s (V - d) - f, and one to a stayer -(d + f) (Verbraken, Verbeke
and Baesens, IEEE Transactions on Knowledge and Data Engineering 25, 2013, after Neslin et al., Journal of Marketing
Research 43, 2006). V is each customer's own, as one value for all distorts who is worth a call (Óskarsdóttir et al.,
Big Data 6, 2018). A probability to leave is not one to be persuaded: only a group held back tells that.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bankmine.deciding.actions import OTHER, load_actions
from bankmine.deciding.costs import Costs, empc, profit_metrics, realised
from bankmine.deciding.policies import DRAWS, Unsure, jointly, with_intervals
from bankmine.errors import BankmineError
from bankmine.features.value import TIERS
from bankmine.judging.disclosure import merged
from bankmine.judging.intervals import interval
from bankmine.registers import entries, read_yaml
from bankmine.workspace import WORKSPACE

REGISTRY = WORKSPACE / "data" / "retention.yml"
FEWEST = 5
"""Leavers called below which it cannot be said from which success on calls pay."""
_SUCCESS = np.linspace(0, 0.6, 13)
_FUTURES = 4000


@dataclass(frozen=True)
class Channel:
    """A way to reach customers: what it costs in the currency, and by how many kept and lost its success is judged."""

    id: str
    name: str
    contact: float
    incentive: float
    kept: float
    lost: float

    @property
    def success(self) -> float:
        """Expected share of leavers who are kept: the mean of Beta(kept, lost)."""
        return self.kept / (self.kept + self.lost)


@dataclass(frozen=True)
class TierRule:
    """How customers of a value tier are reached, and which part of them in a month."""

    id: str
    channel: str
    capacity: float


@dataclass(frozen=True)
class RetentionRules:
    """What keeping customers costs and earns, in one currency."""

    owner: str
    definition: str
    currency: str
    """Whose section was read: `default` where the currency has none."""
    horizon: float
    """Years."""
    discount: float
    """Fraction a year."""
    channels: dict[str, Channel]
    tiers: dict[str, TierRule]
    actions: dict[str, str]
    signs: tuple[str, ...] = ()
    """Themes that say that a customer leaves rather than why: the action hangs on them only where no other is told."""

    def terms(self, tier: pd.Series) -> pd.DataFrame:
        """Return `channel`, `contact`, `incentive`, `success` and `capacity` of each row, by its tier."""
        rows = {t: (c.name, c.contact, c.incentive, c.success, r.capacity)
                for t, r in self.tiers.items() for c in [self.channels[r.channel]]}  # fmt: skip
        table = pd.DataFrame.from_dict(
            rows, "index", columns=["channel", "contact", "incentive", "success", "capacity"]
        )
        return table.reindex(tier.astype(str)).set_axis(tier.index)


def load_rules(currency: str, file: Path = REGISTRY) -> RetentionRules:
    """Read the rules for a currency, or the default ones; an error tells what is lacking, unknown or makes no sense."""
    told = read_yaml(file)
    try:
        section = currency if currency in told else "default"
        parts = dict(told[section])
        lists = [(parts.pop("channels"), Channel, "channels"), (parts.pop("tiers"), TierRule, "tiers")]
        channels, tiers = ({e.id: e for e in entries(listed, kind, file, what)} for listed, kind, what in lists)
        texts = load_actions(told["actions"], file)
        rules = RetentionRules(
            definition=told["definition"],
            currency=section,
            channels=channels,
            tiers=tiers,
            actions=texts,
            signs=tuple(told["signs"]),
            **parts,
        )
        _check(rules, file)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise BankmineError(f"{file} is not a register of retention: {' '.join(str(error).split())}") from None
    return rules


def value(margin: pd.Series, rules: RetentionRules) -> pd.Series:
    """Return what a kept customer is worth: the yearly margin over the horizon, discounted, and never below zero.

    Margins are of the year up to the day of decision; they come at the ends of the years, and unknown ones are nothing.
    """
    years, rate = rules.horizon, rules.discount
    factor = years if not rate else (1 - (1 + rate) ** -years) / rate
    return (margin.fillna(0.0).clip(lower=0) * factor).rename("value")


def costs(worth: pd.Series, tier: pd.Series, rules: RetentionRules, success: float | None = None) -> Costs:
    """Return what calling and not calling each customer costs if the customer is about to leave and if not.

    Who leaves costs their value, `worth` from `value`. `success` stands for all channels, instead of theirs.
    """
    terms = rules.terms(tier)
    kept = terms["success"] if success is None else success
    return Costs(
        tp=(1 - kept) * worth + kept * terms["incentive"] + terms["contact"],
        fp=terms["incentive"] + terms["contact"],
        fn=worth.astype(float),
        tn=worth * 0.0,
    )


def _check(rules: RetentionRules, file: Path) -> None:
    """Refuse rules that do not fit together, or numbers that make no sense."""
    numbers = [
        rules.horizon,
        *(c.contact for c in rules.channels.values()),
        *(c.incentive for c in rules.channels.values()),
    ]
    wrong = [
        (set(rules.tiers) != set(TIERS), f"the tiers must be {', '.join(TIERS)}"),
        ({t.channel for t in rules.tiers.values()} - set(rules.channels), "a tier names a channel that is not there"),
        (OTHER not in rules.actions, f"the actions lack {OTHER!r}"),
        (min(numbers) < 0 or rules.discount <= -1, "horizon, costs and discount must not be negative"),
        (any(not 0 <= t.capacity <= 1 for t in rules.tiers.values()), "a capacity is a part of the tier, from 0 to 1"),
        (any(min(c.kept, c.lost) <= 0 for c in rules.channels.values()), "kept and lost must be above zero"),
    ]
    if told := [what for is_wrong, what in wrong if is_wrong]:
        raise BankmineError(f"{file}, section {rules.currency}: {told[0]}.")


def sensitivity(
    target: pd.Series, called: pd.Series, worth: pd.Series, tier: pd.Series, rules: RetentionRules, entity: pd.Series,
    rounds: pd.Series | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Say what the calls that were chosen would have earned, had the same share of leavers been kept by every channel.

    `profit` of a round in the currency, with the interval of the bootstrap by customer, for a `success` from 0 to 0.6;
    whom to call does not change with it. Rows whose outcome is NaN do not count.
    """
    earned = {s: realised(target, costs(worth, tier, rules, success=s)) * called for s in _SUCCESS}
    table = with_intervals(pd.DataFrame(earned), entity, rounds)
    return table[["profit", "low", "high"]].reset_index(drop=True).assign(success=_SUCCESS)


def break_even(
    target: pd.Series, called: pd.Series, worth: pd.Series, tier: pd.Series, rules: RetentionRules, entity: pd.Series,
    rounds: pd.Series | None = None, smallest: int = 1,
) -> pd.DataFrame:  # fmt: skip
    """Find by tier, and of `all`, the success rate below which calls lose money, and how likely the true one is above.

    Tiers of which fewer than `smallest` customers were called stand together with a neighbour.

    `calls`, `leavers` among them and `profit` are of a round; `low` and `high` are of both: whom the months happened to
    hold, and what is believed of success, independently between channels. `break_even` and the `chance` that calling
    pays are NaN where fewer than `FEWEST` leavers were called.
    """
    known = called & target.notna()
    own = tier[known].astype(pd.CategoricalDtype(list(rules.tiers), ordered=True))
    names = dict(zip(own, merged(own, smallest, entity[known]), strict=True))
    tier = tier.astype(str)
    number = max(rounds[known].nunique(), 1) if rounds is not None else 1
    never, unsure = hanging_on_success(target, worth, tier, rules)
    slope = sum(one.slope for one in unsure.values())
    stands, shown = tier.replace(names), dict.fromkeys(names.get(t, t) for t in rules.tiers)
    parts = pd.DataFrame({name: known & (stands == name) for name in shown} | {"all": known})
    rows = pd.DataFrame({"calls": 1.0, "leavers": target, "never": never, "slope": slope})
    sums = pd.DataFrame({name: rows[part].sum() / number for name, part in parts.items()}).T
    earned = jointly(parts, never, unsure, entity, rounds)
    sums["profit"], (sums["low"], sums["high"]) = earned[0], interval(earned)
    sums["believed"] = pd.Series({t: rules.channels[r.channel].success for t, r in rules.tiers.items()})
    of_all = (sums["profit"] - sums["never"]) / sums["slope"].where(sums["slope"] > 0)
    sums["believed"] = sums["believed"].fillna(of_all)
    enough = sums["leavers"] * number > FEWEST - 0.5  # as sums of a round are fractions
    sums["break_even"] = (-sums["never"] / sums["slope"]).where(enough & (sums["slope"] > 0))
    sums["chance"] = pd.Series((earned[1:] > 0).mean(axis=0), sums.index).where(enough)
    return sums[["calls", "leavers", "profit", "low", "high", "believed", "break_even", "chance"]].rename_axis("tier")


def hanging_on_success(
    target: pd.Series, worth: pd.Series, tier: pd.Series, rules: RetentionRules
) -> tuple[pd.Series, dict[str, Unsure]]:
    """Return what each call earned were nobody kept, and by channel what it earned more the more often calls work."""
    never, always = (realised(target, costs(worth, tier, rules, success=s)) for s in (0.0, 1.0))
    channel = tier.astype(str).map({t: r.channel for t, r in rules.tiers.items()})
    believed = _believed(rules, DRAWS)
    return never, {
        id: Unsure((always - never) * (channel == id), np.append(c.success, believed[id]))
        for id, c in rules.channels.items()
    }


def foreseen(chance: pd.Series, worth: pd.Series, tier: pd.Series, rules: RetentionRules) -> np.ndarray:
    """Return what calls may come to earn, in draws of who leaves and of what is believed of success, both at once."""
    leavers, stayers = (hanging_on_success(chance * 0 + one, worth, tier, rules) for one in (1.0, 0.0))
    leaves = np.random.default_rng(1).random((_FUTURES, len(chance))) < chance.to_numpy()
    success = {id: drawn[:, None] for id, drawn in _believed(rules).items()}
    earned = [
        never.to_numpy() + sum(success[id] * one.slope.to_numpy() for id, one in unsure.items())
        for never, unsure in (leavers, stayers)
    ]
    return np.where(leaves, *earned).sum(axis=1)


def _believed(rules: RetentionRules, number: int = _FUTURES) -> dict[str, np.ndarray]:
    """Draw what is believed of success, by channel."""
    rng = np.random.default_rng(0)
    return {id: rng.beta(c.kept, c.lost, number) for id, c in rules.channels.items()}


def retention_metrics(
    target: pd.Series, probabilities: pd.DataFrame, worth: pd.Series, tier: pd.Series, rules: RetentionRules
) -> pd.DataFrame:
    """Compute the profit metrics of the literature by model: those of `costs.profit_metrics`, and before them `empc`.

    This is the expected maximum profit of Verbraken, Verbeke and Baesens (2013) with their own parameters: it compares
    models with the literature, and is not this bank's money.
    """
    table = profit_metrics(target, probabilities, costs(worth, tier, rules))
    known = target.notna()
    if target[known].nunique() == 2:
        table.insert(0, "empc", [empc(target[known], probabilities.loc[known, m]) for m in table.index])
    return table
