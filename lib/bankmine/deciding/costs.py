"""Profit: what acting on a model's scores earns, in money, and whom to act on within capacity.

A decision about a row is one of four: act or leave it, and the event comes or does not. The costs of the four are all
that is needed, whether acting is to call a customer, to refuse a loan or to hold a payment (Elkan, The foundations of
cost-sensitive learning, IJCAI 2001).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import beta
from sklearn.isotonic import IsotonicRegression

_FOUR = ("tp", "fp", "fn", "tn")


@dataclass(frozen=True)
class Costs:
    """Cost of each decision about each row, in one currency, below zero where it earns; all parts share one index.

    `tp` and `fp` are of acting where the event comes, and where it does not; `fn` and `tn` of leaving the row alone.
    """

    tp: pd.Series
    fp: pd.Series
    fn: pd.Series
    tn: pd.Series

    @property
    def if_event(self) -> pd.Series:
        """What acting earns over leaving the row alone where the event comes."""
        return self.fn - self.tp

    @property
    def if_none(self) -> pd.Series:
        """What acting earns over leaving the row alone where the event does not come; as a rule below zero."""
        return self.tn - self.fp

    def at(self, index: pd.Index) -> Costs:
        """Return the costs of some of the rows."""
        return Costs(*(getattr(self, name).loc[index] for name in _FOUR))


def told_costs(table: pd.DataFrame) -> Costs:
    """Read the costs that a flat table tells: `tp_cost`, `fp_cost`, `fn_cost`, `tn_cost`, as of `Flat.costs`."""
    return Costs(*(table[f"{name}_cost"].astype(float) for name in _FOUR))


def expected(probability: pd.Series, costs: Costs) -> pd.Series:
    """Return what acting on each row is expected to earn, given the probability of its event."""
    return probability * costs.if_event + (1 - probability) * costs.if_none


def realised(target: pd.Series, costs: Costs) -> pd.Series:
    """Return what acting on each row earned or would have earned, as it turned out; NaN where that is not known."""
    return costs.if_event.where(target == 1, costs.if_none.where(target == 0))


def choose(score: pd.Series, groups: list[pd.Series], share: pd.Series, above: float = -np.inf) -> pd.Series:
    """Choose the rows with the highest scores within the capacity of their group, a `share` of its rows, rounded down.

    `groups` are what capacity is counted by, as tier and month. Of equal scores the smaller index comes first; NaN, and
    what is not `above`, is never chosen: 0 where the score is an expected profit.
    """
    ordered = score.sort_index()
    by = [group.reindex(ordered.index) for group in groups]
    place = ordered.groupby(by, observed=True).rank(method="first", ascending=False)
    room = np.floor(share.reindex(ordered.index) * ordered.groupby(by, observed=True).transform("size") + 1e-9)
    return ((place <= room) & (ordered > above)).reindex(score.index)


def profit_metrics(target: pd.Series, probabilities: pd.DataFrame, costs: Costs) -> pd.DataFrame:
    """Return the profit metrics of the literature by model; NaN where no outcome is known, or only one.

    `max_profit` (currency a row, at the threshold that is best in hindsight: empirical maximum profit, Janssens et al.,
    Annals of Operations Research 2022), `best_share` (of rows acted on there), `auepc` (area under the profit curve as
    a share of full knowledge's, Rahman et al., Journal of Business Research 2025; far below zero where acting on most
    rows loses money) and `savings` (share saved of what the cheaper of acting on all and on none costs, where each row
    is acted on by its own costs and probability: Bahnsen et al., Decision Analytics 2, 2015).
    """
    known = target.notna()
    truth, costs = target[known].to_numpy(float), costs.at(target.index[known])
    gain = realised(target[known], costs).to_numpy(float)
    by_deciding = np.array([_cost_of(truth, np.full(len(truth), act), costs) for act in (0.0, 1.0)])
    rows = {}
    for model in probabilities.columns if 0 < truth.sum() < len(truth) else []:
        probability = probabilities.loc[known, model]
        taken, earned = _profits_down(probability.to_numpy(float), gain)
        acts = (expected(probability, costs) > 0).to_numpy(float)
        saved = 1 - _cost_of(truth, acts, costs) / by_deciding.min()
        rows[model] = (earned.max() / len(gain), taken[earned.argmax()] / len(gain), _auepc(taken, earned, gain), saved)
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["max_profit", "best_share", "auepc", "savings"])
    return table.reindex(probabilities.columns).astype(float).rename_axis("model")


def empc(
    target: pd.Series, score: pd.Series, value: float = 200.0, incentive: float = 10.0, contact: float = 1.0,
    accepts: tuple[float, float] = (6.0, 14.0),
) -> float:  # fmt: skip
    """Return the expected maximum profit a customer of calling those who would leave (EMPC), in units of `value`.

    Source: Verbraken, Verbeke and Baesens, IEEE Transactions on Knowledge and Data Engineering 25 (2013), whose
    parameters these are; the share of those called who stay is Beta distributed.
    """
    events, others, share = _hull(target, score)
    offer, call = incentive / value, contact / value
    gains = share * events
    losses = (offer + call) * (1 - share) * others + call * gains
    edges = _edges(np.diff(losses), np.diff((1 - offer) * gains))
    first, second = accepts
    chance = np.diff(beta.cdf(edges, first, second))
    moment = np.diff(beta.cdf(edges, first + 1, second)) * first / (first + second)
    return float(value * ((1 - offer) * gains @ moment - losses @ chance))


def empcs(
    target: pd.Series, score: pd.Series, none_lost: float = 0.55, all_lost: float = 0.1, earns: float = 0.2644
) -> float:
    """Return the expected maximum profit of refusing credit, as a part of the amounts lent (EMPCS).

    Source: Verbraken, Bravo, Weber and Baesens, European Journal of Operational Research 238 (2014), whose parameters
    these are: nothing is lost of a bad credit with a chance of `none_lost`, all of it with `all_lost`, and any part of
    it is as likely as another otherwise.
    """
    events, others, share = _hull(target, score)
    gains, losses = share * events, earns * (1 - share) * others
    edges = _edges(np.diff(losses), np.diff(gains))
    between = gains @ np.diff(edges**2 / 2) - losses @ np.diff(edges)
    return float((1 - none_lost - all_lost) * between + all_lost * (gains - losses).max())


def _hull(target: pd.Series, score: pd.Series) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the convex hull of the ROC curve, as shares of the events and of the others, and the share of events."""
    rows = pd.DataFrame({"event": target, "score": score})[target.notna()]
    steps = rows.groupby("score")["event"].agg(["size", "sum"])[::-1]
    place = np.arange(len(steps))
    falling = IsotonicRegression(increasing=False)
    rates = falling.fit(place, steps["sum"] / steps["size"], steps["size"]).predict(place)
    counted = steps.groupby(-rates.round(12)).sum()  # the blocks of a falling rate are the sides of the hull
    events, others = counted["sum"], counted["size"] - counted["sum"]
    return (
        np.append(0.0, events.cumsum() / events.sum()), np.append(0.0, others.cumsum() / others.sum()),
        float(rows["event"].mean()),
    )  # fmt: skip


def _edges(lost: np.ndarray, gained: np.ndarray) -> np.ndarray:
    """Return between which rates of success, from 0 to 1, each point of the hull is best."""
    at = np.divide(lost, gained, out=np.full(len(lost), np.inf), where=gained > 0)
    return np.concatenate([[0.0], np.clip(at, 0, 1), [1.0]])


def _cost_of(truth: np.ndarray, acts: np.ndarray, costs: Costs) -> float:
    acted, left = (truth * e + (1 - truth) * n for e, n in ((costs.tp, costs.fp), (costs.fn, costs.tn)))
    return float((acts * acted + (1 - acts) * left).sum())


def _profits_down(score: np.ndarray, gain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rows acted on and what that earns, down the ranking; rows of equal score are acted on together."""
    steps = pd.Series(gain).groupby(-score).agg(["size", "sum"]).cumsum()
    return np.append(0, steps["size"]), np.append(0.0, steps["sum"])


def _auepc(taken: np.ndarray, earned: np.ndarray, gain: np.ndarray) -> float:
    """Return the mean ratio of a profit curve to the best possible one, as far as that earns anything."""
    best = np.sort(gain)[::-1].cumsum()
    until = int(np.argmax(best <= 0)) if (best <= 0).any() else len(best)
    ratio = np.interp(np.arange(1, until + 1), taken, earned) / best[:until]
    if until < 2:
        return float(ratio.sum())
    return float(np.trapezoid(ratio) / (until - 1))
