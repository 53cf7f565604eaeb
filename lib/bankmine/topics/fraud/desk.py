"""The desk: what looking at payments costs and saves (`data/fraud.yml`), which to look at, and what that finds.

A payment of amount A that is fraud with probability p and is looked at saves p · lost · stopped · A, and costs the
review and, if it is genuine, friction: so the threshold falls as the amount rises (Bahnsen, Stojanovic, Aouada and
Ottersten, Cost sensitive credit card fraud detection, IEEE Conference on Machine Learning and Applications 2013). Where
capacity binds, the payments that are expected to save most come first.

ROC AUC says little where a desk sees one payment in hundreds; what counts is the top of each day (Fraud Detection
Handbook: Le Borgne, Siblini, Lebichot and Bontempi 2022, chapter 4). A payment that is alerted is held; if it is found
to be fraud its account is stopped, so that what would be taken on later days until the bank found out by itself is
saved too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd

from bankmine.deciding import costs as profit
from bankmine.deciding import policies as profit_curves
from bankmine.deciding.actions import OTHER, load_actions
from bankmine.deciding.costs import Costs
from bankmine.errors import BankmineError
from bankmine.judging.intervals import draws, interval, wilson_clustered
from bankmine.judging.ranking import performance
from bankmine.learning.sample import codes
from bankmine.registers import read_yaml
from bankmine.topics.fraud.payments import Payments
from bankmine.workspace import WORKSPACE

EPISODE = 30
"""Days without a fraud on an account after which the next one begins another episode."""
RANKED = ("average_precision", "auc")
_ROUNDS = 200
"""Resamples by which intervals are drawn."""


def within_capacity(scores: pd.DataFrame, day: pd.Series, share: float) -> pd.DataFrame:
    """Say which payments are looked at: of each day those with the highest scores, a column a model.

    `share` of a day's payments are looked at, rounded, at least one (`raised` says when that is more); of equal scores
    the later row comes last, and what has none is never looked at.
    """
    return _within(_places(scores, day), day, share)


def _places(scores: pd.DataFrame, day: pd.Series) -> pd.DataFrame:
    """Return the place of each payment among those of its day, the highest score first; NaN where it has none."""
    return scores.groupby(day).rank(method="first", ascending=False)


def raised(day: pd.Series, share: float) -> tuple[int, int]:
    """Return on how many days a `share` of the payments is less than half of one, of which one is looked at, of all."""
    room = np.rint(share * day.groupby(day).size())
    return int((room < 1).sum()), len(room)


def _within(places: pd.DataFrame, day: pd.Series, share: float) -> pd.DataFrame:
    room = np.maximum(np.rint(share * day.groupby(day).transform("size")), 1)
    return places.le(room, axis=0)


def saved(payments: Payments, alerted: pd.Series) -> pd.DataFrame:
    """Say of each fraud what looking at the alerts saves: one row a fraud.

    `held`: it was alerted itself; `stopped`: its account was stopped on an earlier day by an alert of the same
    `episode`; beside them `amount`, `entity`, `day`, `known_on`.
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


def ranked_figures(payments: Payments, scores: pd.DataFrame) -> pd.DataFrame:
    """Measure scores as rankings of all payments, by resampled customers: `average_precision` and `auc`.

    `model`, `metric`, `value`, `low`, `high` (95 %; NaN where there is no fraud).
    """
    found = performance(payments.target, scores, payments.entity, _ROUNDS)
    return found[found["metric"].isin(RANKED)]


def list_figures(payments: Payments, order: pd.DataFrame, share: float) -> pd.DataFrame:
    """Measure what the alerts bring a desk that looks at a `share` of a day's payments, by each `order` of them.

    `model`, `metric`, `value`, `low`, `high` (95 %; NaN where there is no fraud). By resampled customers: `value_held`
    (share of the frauds' amount that is alerted), `value_saved` (that, or stopped by an alert before), `frauds_found`
    (share of frauds held), `delay_days` (mean days from the first fraud of an episode until it is alerted, or else
    until the bank finds out by itself) and `delay_saved` (days that this is earlier). By resampled days:
    `alerts_a_day`, `alert_precision` and `card_precision` (share of the accounts looked at in a day that are attacked).
    """
    looked = within_capacity(order, payments.day, share)
    number = looked.groupby(payments.day).sum()
    hits = looked.mul(payments.target == 1, axis=0).groupby(payments.day).sum()
    cards = card_precision(payments.target, order, payments.account, payments.day, number)
    drawn, rows = draws(len(number), _ROUNDS), []
    for model in order:
        of_people = _by_customer(saved(payments, looked[model]))
        of_days = _by_day(number[model], hits[model], cards[model], drawn)
        if len(number) == 1:  # one day cannot be drawn again; its payments are of many
            listed = looked[model] & payments.target.notna()
            of_days[1] = (*of_days[1][:2], *wilson_clustered(payments.target[listed] == 1, payments.entity[listed]))
        rows += [(model, *row) for row in (*of_people, *of_days)]
    return pd.DataFrame(rows, columns=["model", "metric", "value", "low", "high"])


def card_precision(
    target: pd.Series, scores: pd.DataFrame, account: pd.Series, day: pd.Series, number: pd.DataFrame
) -> pd.DataFrame:
    """Compute the share of attacked accounts among the `number` of a day with the highest score (card precision@k).

    A column a score; `number` is by day. An account's score of a day is its highest (Fraud Detection Handbook, chapter
    4, without leaving out on later days the accounts that were found); NaN where none is looked at.
    """
    cards = scores.assign(_target=target).groupby([day, account], sort=True, observed=True).max()
    attacked, today = cards.pop("_target") == 1, cards.index.get_level_values(0)
    place = cards.groupby(today).rank(method="first", ascending=False, na_option="bottom")
    seen = place.le(number.loc[today].set_axis(cards.index)).mul(attacked, axis=0).groupby(today).sum()
    return (seen / number.where(number > 0)).rename_axis("day")


def _by_customer(frauds: pd.DataFrame) -> list[tuple]:
    """Return metrics of frauds with intervals by customer."""
    if frauds.empty:
        names = ("value_held", "value_saved", "frauds_found", "delay_days", "delay_saved")
        return [(name, np.nan, np.nan, np.nan) for name in names]
    code, people = codes(frauds["entity"])
    drawn = draws(people, _ROUNDS)
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

    `entity`, `days` from its first fraud until its first alert, or until the bank found out by itself, and `earlier`:
    days by which the alert came first.
    """
    by = frauds.groupby("episode")
    began, own = by["day"].min(), by["known_on"].min()
    alert = frauds["day"].where(frauds["held"]).groupby(frauds["episode"]).min()
    alone = (own - began).dt.days
    waited = (alert.where(alert.le(own) | own.isna(), own) - began).dt.days
    seen = waited.where(alert.notna(), alone)
    return pd.DataFrame({"entity": by["entity"].first(), "days": seen, "earlier": alone - seen}).dropna()


def _by_day(number: pd.Series, hits: pd.Series, cards: pd.Series, drawn: np.ndarray) -> list[tuple]:
    """Return metrics of alerts with intervals by day."""
    each, some, days = np.ones(len(number)), number.gt(0).to_numpy(float), np.arange(len(number))
    alerted = number.to_numpy(float)
    return [
        ("alerts_a_day", *_ratio(alerted, each, days, drawn)),
        ("alert_precision", *_ratio(hits.to_numpy(float), alerted, days, drawn)),
        ("card_precision", *_ratio(cards.fillna(0).to_numpy(float), some, days, drawn)),
    ]


def _ratio(part: np.ndarray, whole: np.ndarray, code: np.ndarray, drawn: np.ndarray) -> tuple[float, float, float]:
    """Return a ratio of sums and its interval over resampled entities; of a share at 0 or 1 the exact one."""
    sums = [np.bincount(code, values, minlength=drawn.shape[0]) @ drawn for values in (part, whole)]
    values = sums[0] / np.where(sums[1] > 0, sums[1], np.nan)
    share = (part <= whole).all() and (part >= 0).all()
    low, high = interval(values[:, None], len(np.unique(code[whole > 0])) if share else np.nan)
    return float(values[0]), float(low[0]), float(high[0])


REGISTRY = WORKSPACE / "data" / "fraud.yml"
BY_SAVING, BY_CHANCE, BY_RULES, BY_AMOUNT, BY_LOT = (
    "expected saving", "chance of fraud", "expert rules", "amount alone", "at random",
)  # fmt: skip
_NO_CURRENCY = ("definition", "reference", "actions")
NOBODY, UNLIMITED = "nobody looks", "every alert that pays, without limit"


@dataclass(frozen=True)
class DeskRules:
    """What looking at payments costs and saves, in one currency.

    `review` and `friction` are costs of an alert and of one that was genuine besides; `lost` is the part of a fraud's
    amount that is lost if nobody looks, `stopped` the part of that which looking saves, `capacity` the part of a day's
    payments that can be looked at; `actions` are by the theme of the strongest reason, `reference` groups by attribute.
    `currency` names the section read: `default` where the currency has none.
    """

    owner: str
    definition: str
    currency: str
    review: float
    friction: float
    lost: float
    stopped: float
    capacity: float
    actions: dict[str, str]
    reference: dict[str, str]

    @property
    def counted(self) -> bool:
        """Whether looking costs anything: not in a currency without a section."""
        return self.review > 0 or self.friction > 0

    def break_even(self, amount: pd.Series) -> pd.Series:
        """Return the chance of fraud from which it pays to look at a payment of an amount."""
        paid = self.review + self.friction
        return (paid / (self.lost * self.stopped * amount + self.friction).clip(lower=1e-12)).clip(upper=1.0)


def load_desk(currency: str, file: Path = REGISTRY) -> DeskRules:
    """Read the rules for a currency, or the default ones; a BankmineError names what is wrong with the section."""
    told = read_yaml(file)
    try:
        section = currency if currency in told and currency not in _NO_CURRENCY else "default"
        actions = load_actions(told["actions"], file)
        common = {"definition": told["definition"], "reference": dict(told["reference"])}
        rules = DeskRules(**common, currency=section, actions=actions, **told[section])
        _check(rules, file)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise BankmineError(f"{file} is not a register of the fraud desk: {' '.join(str(error).split())}") from None
    return rules


def costs(amount: pd.Series, rules: DeskRules) -> Costs:
    """Return what looking at each payment and letting it pass costs, if it is fraud and if it is genuine."""
    at_risk = rules.lost * amount
    return Costs(
        tp=rules.review + (1 - rules.stopped) * at_risk,
        fp=pd.Series(rules.review + rules.friction, index=amount.index),
        fn=at_risk,
        tn=amount * 0.0,
    )


def order_of(payments: Payments, scores: pd.DataFrame, chances: Sequence[str], rules: DeskRules) -> pd.DataFrame:
    """Return by what each score orders the payments of a day: a chance by what looking is expected to save.

    As `scores`; where a chance does not promise that looking pays NaN, so that it is never chosen.
    """
    terms = costs(payments.amount, rules)
    gain = pd.DataFrame({name: profit.expected(scores[name], terms) for name in chances}, index=scores.index)
    return scores.assign(**gain.where(gain > 0))


def policies(
    payments: Payments, probability: pd.Series, expert: pd.Series, rules: DeskRules, seed: int = 0
) -> pd.DataFrame:
    """Say which payments each way to decide looks at, within the capacity of each day: boolean, a column a policy.

    `probability` is calibrated, `expert` the score of the rules. By `BY_SAVING` only what is expected to pay is looked
    at, by others the highest score fills the day; `UNLIMITED` looks at whatever pays.
    """
    lot = pd.Series(np.random.default_rng(seed).random(len(probability)), index=probability.index)
    ranked = pd.DataFrame({
        BY_SAVING: probability, BY_CHANCE: probability, BY_RULES: expert, BY_AMOUNT: payments.amount, BY_LOT: lot,
    })  # fmt: skip
    order = order_of(payments, ranked, [BY_SAVING], rules)
    return within_capacity(order, payments.day, rules.capacity).assign(**{UNLIMITED: order[BY_SAVING].notna()})


def threshold(before: pd.Series, share: float) -> float:
    """Return the score that so large a part of an earlier block's payments reached; above all where there were none."""
    return float(np.quantile(before, 1 - share)) if len(before) else np.inf


def alerts_above(
    score: pd.Series, block: pd.Series, before: Mapping[pd.Timestamp, pd.Series], payments: Payments, share: float
) -> pd.DataFrame:
    """Hold each block to the threshold that filled the capacity in the block before: what comes of it day by day.

    `before` has the scores of the block before each, of the model of that time. One row a block that has one before
    it: `threshold`, `capacity` and `alerts` a day, `busiest` day, `days_over` (share of days with more alerts than
    capacity), `precision`, and `value` (share of the frauds' amount that is alerted).
    """
    rows = {}
    for start in (s for s in block.unique() if len(before[s])):
        own = payments.of(block.index[block == start])
        limit = threshold(before[start], share)
        alerted = score.loc[own.target.index] >= limit
        daily, size = alerted.groupby(own.day).sum(), own.day.groupby(own.day).size()
        frauds = own.target == 1
        rows[start] = {
            "threshold": limit, "capacity": share * size.mean(), "alerts": daily.mean(), "busiest": int(daily.max()),
            "days_over": float((daily > np.maximum(np.rint(share * size), 1)).mean()),
            "precision": own.target[alerted].mean(),
            "value": own.amount[frauds & alerted].sum() / own.amount[frauds].sum() if frauds.any() else np.nan,
        }  # fmt: skip
    columns = ["threshold", "capacity", "alerts", "busiest", "days_over", "precision", "value"]
    return pd.DataFrame.from_dict(rows, "index", columns=columns).rename_axis("block")


def by_capacity(payments: Payments, probability: pd.Series, rules: DeskRules, shares: Sequence[float]) -> pd.DataFrame:
    """Say what more or fewer hands would earn, looked at by expected saving.

    Indexed by `capacity`: `actions` and `profit` of a day with `low`, `high`, `next_alert`: what one more alert earned
    between the capacity before and this one, and which share of the alerts was `right`, with `right_low`, `right_high`.
    """
    terms, wanted = costs(payments.amount, rules), sorted({*shares, rules.capacity})
    order = order_of(payments, probability.to_frame("saving"), ["saving"], rules)
    places = _places(order, payments.day)
    chosen = pd.DataFrame({str(s): _within(places, payments.day, s)["saving"] for s in wanted})
    gain = profit.realised(payments.target, terms)
    found = profit_curves.profit_of(chosen, gain, payments.entity, payments.day)
    table = found[["actions", "profit", "low", "high"]].set_axis(wanted)
    more = table["actions"].diff().fillna(table["actions"])
    table["next_alert"] = table["profit"].diff().fillna(table["profit"]) / more.where(more > 0)
    hits = {s: payments.target[chosen[str(s)]].dropna() == 1 for s in wanted}
    spans = {s: (hit.mean(), *wilson_clustered(hit, payments.entity[hit.index])) for s, hit in hits.items()}
    table[["right", "right_low", "right_high"]] = pd.DataFrame(spans, index=range(3)).T
    return table.rename_axis("capacity")


def value_by_capacity(payments: Payments, order: pd.DataFrame, capacity: float) -> pd.DataFrame:
    """Say which share of the frauds' amount is alerted, with a fifth of a capacity up to four of it.

    `share` (of a day's payments), `model`, `value`; NaN where there is no fraud.
    """
    shares, lost = [capacity * part for part in (0.2, 0.5, 1, 2, 4)], payments.amount.where(payments.target == 1, 0.0)
    places = _places(order, payments.day)
    held = {s: _within(places, payments.day, s).mul(lost, axis=0).sum() / lost.sum() for s in shares}
    return pd.DataFrame(held).rename_axis("model").reset_index().melt("model", var_name="share")


def _check(rules: DeskRules, file: Path) -> None:
    """Refuse numbers that make no sense."""
    wrong = [
        (min(rules.review, rules.friction) < 0, "review and friction must not be negative"),
        (not all(0 < part <= 1 for part in (rules.lost, rules.stopped)), "lost and stopped are parts, above 0 up to 1"),
        (not 0 < rules.capacity <= 1, "capacity is a part of a day's payments, above 0 up to 1"),
        (OTHER not in rules.actions, f"the actions lack {OTHER!r}"),
    ]
    if told := [what for is_wrong, what in wrong if is_wrong]:
        raise BankmineError(f"{file}, section {rules.currency}: {told[0]}.")
