"""The decision: which payments to look at, by what it costs and saves (`data/fraud.yml`) and how many can be.

A payment of amount A that is fraud with probability p and is looked at saves p · lost · stopped · A, and costs the
review and, if it is genuine, friction: so the threshold falls as the amount rises (Bahnsen, Stojanovic, Aouada and
Ottersten, Cost sensitive credit card fraud detection, IEEE Conference on Machine Learning and Applications 2013). Where
capacity binds, the payments that are expected to save most come first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bankmine.bank.registers import entries, read_yaml
from bankmine.bank.sources import WORKSPACE
from bankmine.deciding import costs as profit
from bankmine.deciding import policies as profit_curves
from bankmine.deciding.costs import Costs
from bankmine.errors import BankmineError
from bankmine.topics.churn.retention import OTHER, Action
from bankmine.topics.fraud.metrics import Payments, alerts

REGISTRY = WORKSPACE / "data" / "fraud.yml"
BY_SAVING, BY_CHANCE, BY_RULES, BY_LOT = "expected saving", "chance of fraud", "expert rules", "by lot"
NOBODY, UNLIMITED = "nobody looks", "every alert that pays, without limit"


@dataclass(frozen=True)
class DeskRules:
    """What looking at payments costs and saves, in one currency.

    Attributes
    ----------
    currency : str
        Whose section was read: `default` where the currency has none.
    review, friction : float
        Cost of an alert, and of one that was a genuine payment besides.
    lost, stopped : float
        Part of a fraud's amount that is lost if nobody looks, and part of that which looking saves.
    capacity : float
        Part of a day's payments that can be looked at.
    actions : dict of str to str
        By the theme of the strongest reason.
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

    @property
    def counted(self) -> bool:
        """Whether looking costs anything: not in a currency without a section."""
        return self.review > 0 or self.friction > 0

    def break_even(self, amount: pd.Series) -> pd.Series:
        """Return the chance of fraud from which it pays to look at a payment of an amount."""
        paid = self.review + self.friction
        return (paid / (self.lost * self.stopped * amount + self.friction).clip(lower=1e-12)).clip(upper=1.0)


def load_desk(currency: str, file: Path = REGISTRY) -> DeskRules:
    """Read the rules for a currency, or the default ones where it has none.

    Raises
    ------
    BankmineError
        If the section lacks an entry, has an unknown one, or a number that makes no sense.
    """
    told = read_yaml(file)
    try:
        section = currency if currency in told and currency not in ("definition", "actions") else "default"
        actions = {a.id: a.action for a in entries(told["actions"], Action, file, "actions")}
        rules = DeskRules(definition=told["definition"], currency=section, actions=actions, **told[section])
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


def policies(
    payments: Payments, probability: pd.Series, scores: pd.DataFrame, rules: DeskRules, seed: int = 0
) -> pd.DataFrame:
    """Say which payments each way to decide looks at, within the capacity of each day.

    Parameters
    ----------
    payments : Payments
        Those judged.
    probability : pd.Series
        Calibrated chance of fraud.
    scores : pd.DataFrame
        With the column `rules`, of the expert rules.
    rules : DeskRules
        Costs and capacity.

    Returns
    -------
    pd.DataFrame
        Boolean, one column a policy: by `BY_SAVING` only what is expected to pay is looked at, by others the highest
        score fills the day; `UNLIMITED` looks at whatever pays.
    """
    gain = profit.expected(probability, costs(payments.amount, rules))
    lot = pd.Series(np.random.default_rng(seed).random(len(gain)), index=gain.index)
    ranked = pd.DataFrame({BY_SAVING: gain, BY_CHANCE: probability, BY_RULES: scores["rules"], BY_LOT: lot})
    chosen = alerts(ranked, payments.day, rules.capacity)
    chosen[BY_SAVING] &= gain > 0
    return chosen.assign(**{UNLIMITED: gain > 0})


def earned(payments: Payments, chosen: pd.DataFrame, rules: DeskRules, seed: int = 0) -> pd.DataFrame:
    """Say what each policy saved in a day, less its costs, as it turned out.

    Returns
    -------
    pd.DataFrame
        Indexed by policy, as of `profit_curves.profit_of`: `actions` and `profit` of a day in the currency with `low`,
        `high`, and how far it is `behind` the first.
    """
    gain = profit.realised(payments.target, costs(payments.amount, rules))
    return profit_curves.profit_of(chosen, gain, payments.entity, payments.day, seed)


def threshold(before: pd.Series, share: float) -> float:
    """Return the score that so large a part of an earlier block's payments reached; above all where there were none."""
    return float(np.quantile(before, 1 - share)) if len(before) else np.inf


def kept_to(
    score: pd.Series, block: pd.Series, before: Mapping[pd.Timestamp, pd.Series], payments: Payments, share: float
) -> pd.DataFrame:
    """Hold each block to the threshold that filled the capacity in the block before: what comes of it day by day.

    Parameters
    ----------
    score : pd.Series
        As of `before`, not calibrated anew.
    block : pd.Series
        First day of the block of each payment.
    before : mapping of pd.Timestamp to pd.Series
        Scores of the block before each, of the model of that time.
    payments : Payments
        Those judged.
    share : float
        Capacity.

    Returns
    -------
    pd.DataFrame
        One row a block that has one before it: `threshold`, `capacity` and `alerts` a day, `busiest` day,
        `days_over` (share of days with more alerts than capacity), `precision`, and `value` (share of the frauds'
        amount that is alerted).
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


def by_capacity(
    payments: Payments, probability: pd.Series, rules: DeskRules, shares: Sequence[float] = (0.001, 0.002, 0.01)
) -> pd.DataFrame:
    """Say what more or fewer hands would earn: looked at by expected saving.

    Returns
    -------
    pd.DataFrame
        Indexed by `capacity`: `actions` and `profit` of a day with `low`, `high`, and `next_alert`: what one more alert
        earned between the capacity before and this one.
    """
    gain = profit.expected(probability, costs(payments.amount, rules))
    wanted = sorted({*shares, rules.capacity})
    chosen = pd.DataFrame({str(s): alerts(gain.to_frame(), payments.day, s).iloc[:, 0] & (gain > 0) for s in wanted})
    table = earned(payments, chosen, rules)[["actions", "profit", "low", "high"]].set_axis(wanted)
    more = table["actions"].diff().fillna(table["actions"])
    table["next_alert"] = table["profit"].diff().fillna(table["profit"]) / more.where(more > 0)
    return table.rename_axis("capacity")


def value_by_capacity(payments: Payments, scores: pd.DataFrame, capacity: float) -> pd.DataFrame:
    """Say which share of the frauds' amount is alerted, with fewer hands and more: from a fifth of a capacity to four.

    Returns
    -------
    pd.DataFrame
        `share` (of a day's payments), `model`, `value`; NaN where there is no fraud.
    """
    shares, lost = [capacity * part for part in (0.2, 0.5, 1, 2, 4)], payments.amount.where(payments.target == 1, 0.0)
    held = {share: alerts(scores, payments.day, share).mul(lost, axis=0).sum() / lost.sum() for share in shares}
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
