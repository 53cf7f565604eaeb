"""Scores of 11_campaign: whether effects are those planted, a broken campaign is refused, and who is moved is found."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bankmine.bank.snapshot import Snapshot
from demobank.scoreboard.truth import Measure, Score, Truth, around, calibration, rank, recall, resampled

CAMPAIGN = "11_campaign"
_REFUSED = "refused"


def of_tables(
    truth: Truth, snapshot: Snapshot, checks: pd.DataFrame, effects: pd.DataFrame, uplift: pd.DataFrame,
    elasticity: pd.DataFrame,
) -> list[Score]:  # fmt: skip
    """Score verdicts, effects on responses with their intervals, effects on customers, and the answer to a price."""
    planted = truth.table("campaigns")
    sums = planted.assign(total=planted["average_effect"] * planted["contacts"]).groupby("campaign")
    average = sums["total"].sum() / sums["contacts"].sum()
    broken = planted.loc[~planted["randomised"], "campaign"].unique()
    refused = checks.loc[checks["verdict"].str.startswith(_REFUSED), "campaign"]
    alarms = set(refused) - set(broken)
    found = [
        Score(CAMPAIGN, "a campaign whose customers were picked", "is refused", recall(refused, broken), (1, 1)),
        Score(CAMPAIGN, "trials", "refused all the same", Measure(len(alarms), np.nan, np.nan), (0, 0), "count"),
    ]  # fmt: skip
    contacts = snapshot.contacts.select("contact_id", "campaign", "customer_id").to_pandas()
    planted_effects = truth.table("contacts").merge(contacts, on="contact_id")
    told = effects[effects["outcome"] == "responded"].set_index("campaign")
    for name, own in told.iterrows():
        measure = Measure(*own[["value", "low", "high"]])
        bounds = tuple(map(float, around(average[name], measure)))
        found.append(Score(CAMPAIGN, f"effect of {name}", "on responses, a contact", measure, bounds, "effect"))
    return [*found, *_moved(planted_effects, uplift), *_price(planted_effects, elasticity)]


def _moved(planted: pd.DataFrame, uplift: pd.DataFrame) -> list[Score]:
    """Score effects on customers against each one's own."""
    true = planted[["campaign", "customer_id", "effect"]].rename(columns={"effect": "true"})
    both = uplift.merge(true, on=["campaign", "customer_id"])
    estimate, true = both["effect"].to_numpy(float), both["true"].to_numpy(float)
    of, best = "whom a contact moves", resampled(_of_oracle, estimate, true)
    return [
        Score(CAMPAIGN, of, "rank correlation with the true effect", rank(estimate, true), (0.2, 0.9)),
        Score(CAMPAIGN, of, "mean effect, as a multiple", calibration(estimate, true), (0.5, 1.6)),
        Score(CAMPAIGN, of, "Qini, as a share of the best possible", best, (0.25, 0.95)),
    ]  # fmt: skip


def _of_oracle(estimate: np.ndarray, true: np.ndarray) -> float:
    """Return the area between gain and chance by the estimate, over that by the true effect."""
    areas = [np.cumsum(true[np.argsort(-order, kind="stable")]).mean() - true.sum() / 2 for order in (estimate, true)]
    return float(areas[0] / areas[1])


def _price(planted: pd.DataFrame, elasticity: pd.DataFrame) -> list[Score]:
    own = elasticity.set_index("segment").loc["all"]
    true = planted["elasticity"].mean()
    measure = Measure(*own[["value", "low", "high"]])
    bounds = tuple(map(float, around(true, measure)))
    return [Score(CAMPAIGN, "answer to the price", "elasticity of the odds", measure, bounds, "elasticity")]
