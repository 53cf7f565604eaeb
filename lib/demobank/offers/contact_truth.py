"""What each contact does to its customer, and each campaign on average: the truth, for scoring only."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from demobank.arrow import dates, keys, words
from demobank.customers.world import World
from demobank.offers import always_on, price_offers
from demobank.offers.campaigns import PLAN, day_of
from demobank.offers.contacts import CAMPAIGNS, COSTS, contact_ids, number

KINDS = ("lost_cause", "sure_thing", "persuadable", "sleeping_dog")
"""What a customer does: responds never, always, only when contacted, only when left alone."""

_STARTS = {campaign.name: campaign.starts_on for campaign in PLAN} | {price_offers.CAMPAIGN: price_offers.STARTS_ON}
_PICKED = {campaign.name for campaign in PLAN if campaign.picked}


def truth_of_contacts(world: World, rows: np.ndarray) -> pa.Table:
    """Return what each contact does to its customer, whether the customer was treated or not."""
    kind = 2 * (rows["contacted"] & ~rows["without"]) + (rows["contacted"] & rows["without"])
    kind += 3 * (rows["without"] & ~rows["contacted"])
    return pa.table(
        {
            "contact_id": contact_ids(world, rows),
            "baseline": np.round(rows["baseline"], 6),
            "effect": np.round(rows["effect"], 6),
            "outcome_without": pa.array(rows["without"]),
            "outcome_with": pa.array(rows["contacted"]),
            "kind": words(kind, KINDS),
            "reference_chance": number(rows["reference_chance"]),
            "elasticity": number(rows["elasticity"]),
        }
    )


def truth_of_campaigns(world: World, rows: np.ndarray) -> pa.Table:
    """Return one row a campaign and block: who was contacted, and what it did to them.

    Rows of several blocks add up: effects are means over all contacts, over the treated and over the control. The
    plain difference between treated and control is expected to be `effect_on_treated` + `baseline_of_treated` -
    `baseline_of_control`; how far that is from `average_effect` is the bias of a campaign whose customers were picked.
    """
    found = [campaign for code, campaign in enumerate(CAMPAIGNS) if (rows["campaign"] == code).any()]
    parts = [rows[rows["campaign"] == CAMPAIGNS.index(campaign)] for campaign in found]
    treated = [part[part["treated"]] for part in parts]
    control = [part[~part["treated"]] for part in parts]
    start = [0 if name == always_on.CAMPAIGN else day_of(world.calendar, _STARTS[name]) for name in found]
    return pa.table(
        {
            "campaign": pa.array(found, pa.string()),
            "first_customer_id": keys("C", np.full(len(found), world.first), 7),
            "starts_on": dates(world.calendar, np.array(start, dtype=np.int64)),
            "randomised": pa.array([name not in _PICKED for name in found], pa.bool_()),
            "planned_share": pa.array([part["planned_share"][0] for part in parts], pa.float64()),
            "contacts": pa.array([len(part) for part in parts], pa.int64()),
            "treated": pa.array([len(part) for part in treated], pa.int64()),
            "average_effect": _means(parts, "effect"),
            "effect_on_treated": _means(treated, "effect"),
            "baseline_of_treated": _means(treated, "baseline"),
            "baseline_of_control": _means(control, "baseline"),
            "cost": pa.array([round(float(COSTS[part["channel"]].sum()), 2) for part in treated], pa.float64()),
        }
    )


def _means(parts: list[np.ndarray], column: str) -> pa.Array:
    """Return the mean of a column over each part, shape (parts,), missing where nobody is there."""
    return number(np.array([np.round(part[column].mean(), 6) if len(part) else np.nan for part in parts], dtype=float))
