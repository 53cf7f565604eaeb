"""Campaigns with a control group: who is on the list, and who of them is contacted.

On the list are customers who agreed to marketing, have joined and have not left. A part of them, drawn at random, is
held back. In one campaign the branches did not keep to the draw: they picked customers with money and much business
with the bank, and more of them than planned. There the plain difference between treated and control is too high,
because the picked respond more often anyway and because the offer moves them more; the share treated betrays it.

Dates are those of the calendar; a campaign before or after the window does not happen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demobank.customers.world import World
from demobank.offers.contacts import CHANNELS, contact
from demobank.offers.responses import answer_campaign, chance_of, traits_at, weighted
from demobank.seasons import Calendar
from demobank.streams import Streams

PLANTED: dict[str, float] = {
    # log-odds of being treated in the campaign whose customers were picked
    "fund_plan_2025_04.picked": 0.4,
    "fund_plan_2025_04.picked.wealth": 1.5,
    "fund_plan_2025_04.picked.engagement": 1.5,
}


@dataclass(frozen=True)
class Campaign:
    """One campaign: an offer through one channel, on one day, to a share of a list."""

    name: str
    starts_on: str
    channel: str
    planned_share: float
    """Share of the list that the plan treats."""
    picked: bool = False
    """Whether someone chose whom to treat, against the plan."""


PLAN = (
    Campaign("term_deposit_2024_05", "2024-05-13", "call_centre", 0.5),
    Campaign("card_instalments_2024_11", "2024-11-04", "mobile", 0.6),
    Campaign("fund_plan_2025_04", "2025-04-14", "branch", 0.5, picked=True),
    Campaign("retention_bonus_2025_09", "2025-09-08", "call_centre", 0.5),
)


def day_of(calendar: Calendar, date: str) -> int | None:
    """Return the day of the window that a date is, None where it lies outside."""
    day = int((np.datetime64(date) - calendar.start).astype(np.int64))
    return day if 0 <= day < calendar.length else None


def on_list(world: World, consent: np.ndarray, customer: np.ndarray, day: np.ndarray | int) -> np.ndarray:
    """Tell which of `customer`, shape (n,), may be contacted, each on its day."""
    return consent[customer] & (world.joined[customer] <= day) & (day < world.life.left[customer])


def campaigns(world: World, consent: np.ndarray, streams: Streams) -> np.ndarray:
    """Return the contacts of all campaigns of the plan with what they do."""
    days = [(campaign, day_of(world.calendar, campaign.starts_on)) for campaign in PLAN]
    parts = [_contacts(world, consent, campaign, day, streams) for campaign, day in days if day is not None]
    return np.concatenate([contact(np.empty(0, dtype=np.int64), PLAN[0].name), *parts])


def _contacts(world: World, consent: np.ndarray, campaign: Campaign, day: int, streams: Streams) -> np.ndarray:
    customer = np.flatnonzero(on_list(world, consent, np.arange(len(world)), day))
    rows = contact(
        customer, campaign.name, day=day, channel=CHANNELS.index(campaign.channel), planned_share=campaign.planned_share
    )
    chance = _chance_of_treatment(world, rows, campaign)
    rows["treated"] = streams(f"campaigns/{campaign.name}").random(len(world))[customer] < chance
    answer_campaign(streams(f"responses/{campaign.name}"), world, rows, campaign.name)
    return rows


def _chance_of_treatment(world: World, rows: np.ndarray, campaign: Campaign) -> np.ndarray | float:
    if not campaign.picked:
        return campaign.planned_share
    return chance_of(weighted(PLANTED, f"{campaign.name}.picked", traits_at(world, rows["customer"], rows["day"])))
