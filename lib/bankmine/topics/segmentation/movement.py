"""Movement of customers between stages, tiers or segments, and drift of segments since they were formed.

Groups are labels; a missing label means that the customer was not yet known, or is not known any more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bankmine.errors import BankmineError
from bankmine.judging.drift import alarm, psi
from bankmine.judging.intervals import around, wilson_clustered
from bankmine.topics.segmentation.model import Segmentation

ABSENT = "not known"


def history(stages: pd.DataFrame, column: str = "stage") -> pd.DataFrame:
    """Lay labels (`customer_id`, `day`, `column`) out with a row a customer and a column a day, in order."""
    labels = stages.assign(**{column: stages[column].astype(object)})
    return labels.pivot_table(index="customer_id", columns="day", values=column, aggfunc="first")


def transitions(history: pd.DataFrame) -> pd.DataFrame:
    """Estimate the chance to go from each group to each other from one day to the next, pooled over all days.

    A row a pair that occurs: `from`, `to`, `steps`, `share` (of those in `from`), `low`, `high`. Customers are the
    clusters of the interval; steps from or to a missing label are left out.
    """
    pairs = [_pair(history.iloc[:, i], history.iloc[:, i + 1]).dropna() for i in range(history.shape[1] - 1)]
    steps = pd.concat(pairs) if pairs else pd.DataFrame({"from": [], "to": []})
    found, by_group = _shares(steps, "steps"), dict(list(steps.groupby("from")["to"]))
    bounds = [
        wilson_clustered(by_group[source] == to, by_group[source].index)
        for source, to in zip(found["from"], found["to"], strict=True)
    ]
    found[["low", "high"]] = np.reshape(bounds, (-1, 2))
    return found


def matrix(transitions: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """Lay shares of transitions out as a matrix, rows to columns, groups in a given order; absent ones are left out."""
    if not transitions["from"].isin(order).any():
        raise BankmineError("nobody was known on an earlier day")
    there = [g for g in order if g in {*transitions["from"], *transitions["to"]}]
    wide = transitions.pivot_table(index="from", columns="to", values="share", fill_value=0.0)
    return wide.reindex(index=there).reindex(columns=there, fill_value=0.0)


def sojourn(history: pd.DataFrame) -> pd.DataFrame:
    """Estimate how long customers stay in each group, in steps between days: months where the days are month ends.

    `spells` are those that began within the days shown, `stay` is their mean up to the last of these: the area below
    the curve of Kaplan and Meier (1958), which allows for spells that had not `ended`, with the variance of Klein and
    Moeschberger (Survival Analysis, 2003, section 4.5). NaN where no spell began.
    """
    spells = _spells(history)
    rows = {}
    for group in sorted(spells["group"].unique()):
        begun = spells[(spells["group"] == group) & ~spells["open_start"]]
        stay, low, high = _restricted_mean(begun["followed"].to_numpy(), begun["ended"].to_numpy())
        rows[group] = (len(begun), int(begun["ended"].sum()), stay, low, high)
    columns = ["spells", "ended", "stay", "stay_low", "stay_high"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("group")


def flows(before: pd.Series, now: pd.Series) -> pd.DataFrame:
    """Count the `customers` who went from each group to each other between two days, the largest flow first.

    `share` is of those in `from`. Who is missing on one of the days is `not known` there.
    """
    found = _shares(_pair(before, now).fillna(ABSENT), "customers")
    return found.sort_values("customers", ascending=False, kind="stable").reset_index(drop=True)


def movers(before: pd.Series, now: pd.Series, margin: pd.Series) -> pd.DataFrame:
    """List customers, known on both days, whose group changed, the largest margin first; without a margin it is 0."""
    pairs = _pair(before, now).dropna()
    moved = pairs[pairs["from"].astype(str) != pairs["to"].astype(str)]
    moved = moved.assign(margin=margin.reindex(moved.index).fillna(0.0))
    return moved.sort_index().sort_values("margin", ascending=False, kind="stable")


def of_moves(moved: pd.DataFrame, moves: pd.MultiIndex) -> pd.DataFrame:
    """Keep of `movers` those who made one of some moves, `from` one group `to` another."""
    return moved[pd.MultiIndex.from_frame(moved[["from", "to"]]).isin(moves)]


def usual_change(before: pd.Series, now: pd.Series) -> float:
    """Return the change that nine in ten customers with a margin above 0 stay below, as a share of it."""
    both = pd.DataFrame({"before": before, "now": now}).dropna()
    both = both[both["before"] > 0]
    return float(((both["now"] - both["before"]).abs() / both["before"]).quantile(0.9))


def from_threshold(moved: pd.DataFrame, least: pd.Series) -> pd.Series:
    """Say of `movers` between tiers how far their margin is from the threshold that they crossed, as a share of it.

    `least` is the smallest margin of each tier, the highest tier first.
    """
    rank = {tier: n for n, tier in enumerate(least.index)}
    higher = [least.index[min(rank[a], rank[b])] for a, b in zip(moved["from"], moved["to"], strict=True)]
    threshold = least.loc[higher].to_numpy(float)
    return (moved["margin"] - threshold).abs() / np.abs(threshold)


def came_back(history: pd.DataFrame) -> float:
    """Return the share of those whose label changed on the last day but one who had the old one again on the last."""
    if history.shape[1] < 3:
        return np.nan
    first, second, last = (history.iloc[:, n] for n in (-3, -2, -1))
    changed = first.notna() & second.notna() & (first != second)
    return float((last[changed] == first[changed]).mean())


def _pair(before: pd.Series, now: pd.Series) -> pd.DataFrame:
    return pd.DataFrame({"from": before.astype(object), "to": now.astype(object)})


def _shares(pairs: pd.DataFrame, name: str) -> pd.DataFrame:
    """Count pairs of groups, in their order, under a name, and the share of each in those with the same `from`."""
    counts = pairs.groupby(["from", "to"]).size()
    share = counts / counts.groupby("from").transform("sum")
    return pd.DataFrame({name: counts, "share": share}).reset_index()


def _spells(history: pd.DataFrame) -> pd.DataFrame:
    """Cut each customer's line of labels into spells: `group`, `followed` (steps), how they begin and end."""
    labels = history.set_axis(range(history.shape[1]), axis=1).rename_axis(index="customer").reset_index()
    long = labels.melt("customer", var_name="start", value_name="group").dropna()
    long = long.sort_values(["customer", "start"]).reset_index(drop=True)
    before = long.shift()
    goes_on = (long[["customer", "group"]] == before[["customer", "group"]]).all(axis=1)
    goes_on &= long["start"] == before["start"] + 1
    spells = long[~goes_on].assign(length=long.groupby((~goes_on).cumsum()).size().to_numpy())
    after = spells.shift(-1)
    ended = (after["customer"] == spells["customer"]) & (after["start"] == spells["start"] + spells["length"])
    return spells.assign(open_start=spells["start"] == 0, ended=ended, followed=spells["length"] - ~ended)


def _restricted_mean(followed: np.ndarray, ended: np.ndarray) -> tuple[float, float, float]:
    """Return the mean length, with its 95 % interval, up to one step beyond the last that any spell was followed for.

    The last day of a spell that had not ended has no known next, so that it was not followed from there.
    """
    if not len(followed):
        return (np.nan,) * 3
    steps = np.arange(1, followed.max() + 1)
    at_risk = (followed[:, None] >= steps).sum(axis=0)
    leave = ((followed[:, None] == steps) & ended[:, None]).sum(axis=0)
    survival = np.append(1.0, np.cumprod(1 - leave / at_risk))
    beyond = survival[::-1].cumsum()[::-1][1:]  # area from each step on
    variance = (beyond**2 * leave / np.maximum(at_risk * (at_risk - leave), 1)).sum()
    return survival.sum(), *around(survival.sum(), np.sqrt(variance))


@dataclass(frozen=True)
class Drift:
    """What has become of segments since they were formed."""

    table: pd.DataFrame
    """Per segment `share_then`, `share_now`, `change` with `low` and `high` (95 %), `distance_then`, `distance_now`."""
    psi: float
    """Population stability index of the shares."""
    alarm: float
    """Index above which the shares have shifted by more than samples of these sizes do in 19 of 20 cases."""

    @property
    def shifted(self) -> bool:
        """Whether the shares shifted by more than chance explains."""
        return self.psi > self.alarm


def drift(model: Segmentation, values: pd.DataFrame) -> Drift:
    """Compare a day's active customers, by their readable features, with those whom the segments were formed of.

    The alarm is the 95 % quantile of the index without any shift, see `drift.alarm`; most customers are the same on
    both days, so that it is rarer still to go off by chance.
    """
    if values.empty:
        raise BankmineError("No customer is active on this day, so that no drift can be told: give another day.")
    segments, points = model.assign(values), model.points(values)
    size, then = len(values), model.shares
    now = segments.value_counts(normalize=True).reindex(list(model.names)).to_numpy()
    error = np.sqrt(now * (1 - now) / size + then * (1 - then) / model.customers)
    low, high = around(now - then, error)
    distance = pd.Series(model.groups.distance(points), index=values.index).groupby(segments, observed=False).mean()
    table = pd.DataFrame({
        "share_then": then, "share_now": now, "change": now - then, "low": low, "high": high,
        "distance_then": model.distances, "distance_now": distance.reindex(list(model.names)).to_numpy(),
    }, index=pd.Index(model.names, name="segment"))  # fmt: skip
    index, limit = psi(then, now, model.customers, size), alarm(len(then), model.customers, size)
    return Drift(table, index, limit)
