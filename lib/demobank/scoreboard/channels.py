"""Scores of 12_channels: effects hidden by age are found, none where none is, and the best channel for each."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special

from bankmine.bank.snapshot import Snapshot
from demobank.scoreboard.truth import Measure, Score, Truth, around, resampled

CHANNELS = "12_channels"
_KIND, _CAMPAIGN, _BASE, _NONE = "newsletter", "always_on", "mobile", "no contact"
_NAIVE, _ADJUSTED, _TRIAL = "naive", "doubly robust", "trial"
_AGE = (45, 15)
"""Years at which the trait of age is 0, and that make one of it."""
_LEAST_ACTIVITY = 0.05


def of_tables(
    truth: Truth, snapshot: Snapshot, effects: pd.DataFrame, contrasts: pd.DataFrame, channel_for: pd.DataFrame
) -> list[Score]:
    """Score effects of channels against the cheapest, the app's, which is none, and the channel chosen for each."""
    own = effects.set_index(["contrast", "estimate"])[["value", "low", "high"]]
    true = _true_contrasts(truth, contrasts)
    found, misses = [], []
    for channel, row in true.iterrows():
        measure = Measure(*own.loc[(channel, _ADJUSTED)])
        bounds = tuple(map(float, around(row["inside"], measure)))
        found.append(Score(CHANNELS, f"{channel} against the app", "like with like", measure, bounds, "effect"))
        trial = Measure(*own.loc[(channel, _TRIAL)])
        bounds = tuple(map(float, around(row["inside"], trial)))
        found.append(Score(CHANNELS, f"{channel} against the app", "by those held back", trial, bounds, "effect"))
        naive = own.loc[(channel, _NAIVE)]
        misses.append(not naive["low"] <= row["all"] <= naive["high"])
    missed = Measure(float(np.mean(misses)), np.nan, np.nan)
    found.append(Score(CHANNELS, "effects hidden by age", "missed by the plain difference", missed, (1, 1)))
    for contrast, what in (("app_bookings", "bookings"), ("app_margin", "margin")):
        if (contrast, _ADJUSTED) not in own.index:  # too few took it up to tell, which a page says
            continue
        measure = Measure(*own.loc[(contrast, _ADJUSTED)])
        bounds = tuple(map(float, around(0.0, measure)))
        told = f"on {what} of half a year"
        found.append(Score(CHANNELS, "taking up the app does nothing", told, measure, bounds, f"{what} of half a year"))
    return [*found, *_choice(truth, snapshot, channel_for)]


def _true_contrasts(truth: Truth, contrasts: pd.DataFrame) -> pd.DataFrame:
    """Return the mean true difference of each channel from the cheapest: of the contacts compared, and of `all`."""
    planted = truth.table("contacts").set_index("contact_id")["baseline"].reindex(contrasts["contact_id"])
    odds = special.logit(planted.to_numpy(float).clip(1e-9, 1 - 1e-9))
    added = contrasts["contrast"].map(lambda name: truth.constant(f"channel.{name}")).to_numpy(float)
    rows = contrasts.assign(true=special.expit(odds + added) - special.expit(odds + truth.constant(f"channel.{_BASE}")))
    inside = rows[rows["inside"]].groupby("contrast")["true"].mean()
    return pd.DataFrame({"inside": inside, "all": rows.groupby("contrast")["true"].mean()})


def _choice(truth: Truth, snapshot: Snapshot, channel_for: pd.DataFrame) -> list[Score]:
    """Score the channel chosen for each customer by the true net value of each channel."""
    chosen = channel_for[channel_for["kind"] == _KIND].set_index("customer_id")["channel"]
    net = _true_net(truth, snapshot, chosen.index)
    place = net.columns.get_indexer(chosen)
    own, best, app = net.to_numpy()[np.arange(len(net)), place], net.max(axis=1).to_numpy(), net[_BASE].to_numpy()
    above = resampled(lambda a, b, c: (a - c).sum() / (b - c).sum(), own, best, app)
    share = resampled(lambda a, b: a.sum() / b.sum(), own, best)
    of = "channel of each customer"
    return [
        Score(CHANNELS, of, "true net value, as a share of the best possible", share, (0.6, 1)),
        Score(CHANNELS, of, "of what could be gained above everybody by app", above, (0.5, 1)),
    ]


def _true_net(truth: Truth, snapshot: Snapshot, customers: pd.Index) -> pd.DataFrame:
    """Return what a contact through each channel truly brings of each customer on the day, its cost taken off."""
    born = snapshot.customers.select("customer_id", "birth_date").to_pandas().drop_duplicates("customer_id")
    born = pd.to_datetime(born.set_index("customer_id")["birth_date"]).reindex(customers)
    years = (pd.Timestamp(snapshot.as_of) - born).dt.days / 365.25
    months = truth.table("months")
    last = months[pd.to_datetime(months["month_end"]) == pd.to_datetime(months["month_end"]).max()]
    activity = last.set_index("customer_id")["activity"].reindex(customers).clip(lower=_LEAST_ACTIVITY)
    weights = {name: truth.constant(f"{_CAMPAIGN}.without{name}") for name in ("", ".age", ".activity")}
    age = ((years - _AGE[0]) / _AGE[1]).fillna(0.0)
    odds = weights[""] + weights[".age"] * age + weights[".activity"] * np.log(activity)
    wealth = truth.table("customers").set_index("customer_id")["wealth"].reindex(customers)
    spread = truth.constant("revenue.spread") ** 2 / 2
    worth = truth.constant(f"{_CAMPAIGN}.revenue") * np.exp(truth.constant("revenue.wealth") * wealth + spread)
    made = snapshot.contacts.filter(snapshot.contacts.treated, snapshot.contacts.offer == _KIND)
    costs = made.group_by("channel").agg(cost=made.cost.mean()).to_pandas().set_index("channel")["cost"]
    found = {_NONE: pd.Series(0.0, customers)}
    for channel, cost in costs.items():
        more = special.expit(odds + truth.constant(f"channel.{channel}")) - special.expit(odds)
        found[channel] = more * worth - cost
    return pd.DataFrame(found)
