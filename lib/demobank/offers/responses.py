"""Who responds to an offer: without the contact, and with it.

The log-odds of a response without the contact are a weighted sum of traits. What the contact adds to the log-odds lies
between `uplift.lowest` and `uplift.highest`, on an S-shaped curve along another weighted sum of traits and a part that
nothing observed explains: at one end those whom a contact puts off, at the other those whom it persuades. Both worlds
share one draw of luck, so that each customer is exactly one of lost cause, sure thing, persuadable and sleeping dog.

About 9 % of a list respond without a contact, and 3 to 5 points more with one; that is of the order of published rates
of bank telemarketing (11 to 12 % of the contacts in the public data of Moro, Cortez and Rita, 2014). Revenue of a
response is log-normal and grows with wealth; its level is in kind, not in exact size.

A response falls on one of the 30 days after the contact, more likely an early one, and never after the customer has
left: the true chances count that in.
"""

from __future__ import annotations

import numpy as np

from demobank.customers.world import LATENTS, World
from demobank.offers.contacts import WINDOW

TRAITS = (*LATENTS, "age", "activity")
"""What responses depend on; age as (years - 45) / 15, activity as its logarithm in the month of the contact."""
_LEAST_ACTIVITY = 0.05

PLANTED: dict[str, float] = {
    "uplift.lowest": -1.6,
    "uplift.highest": 2.3,
    "uplift.unexplained": 0.3,  # spread of what nothing observed explains, on the scale of the weighted sum
    "revenue.wealth": 0.4,  # added to the logarithm for each unit of wealth
    "revenue.spread": 0.6,  # of the logarithm
    # a campaign's constants and weights: `without` of the log-odds of a response without the contact, `uplift` of the
    # place on the curve of what the contact adds; `revenue` is the median of a response at wealth 0, in yuan
    "term_deposit_2024_05.without": -2.5,
    "term_deposit_2024_05.without.wealth": 0.5,
    "term_deposit_2024_05.without.price_sensitivity": -0.2,
    "term_deposit_2024_05.uplift": 0.2,
    "term_deposit_2024_05.uplift.digital": -1.6,
    "term_deposit_2024_05.uplift.wealth": -1.2,
    "term_deposit_2024_05.uplift.engagement": 0.6,
    "term_deposit_2024_05.revenue": 260.0,
    "card_instalments_2024_11.without": -2.4,
    "card_instalments_2024_11.without.income": 0.4,
    "card_instalments_2024_11.without.age": 0.3,
    "card_instalments_2024_11.uplift": -0.7,
    "card_instalments_2024_11.uplift.digital": 1.6,
    "card_instalments_2024_11.uplift.price_sensitivity": 0.8,
    "card_instalments_2024_11.uplift.activity": 0.5,
    "card_instalments_2024_11.revenue": 180.0,
    "fund_plan_2025_04.without": -3.3,
    "fund_plan_2025_04.without.wealth": 1.3,
    "fund_plan_2025_04.without.engagement": 1.2,
    "fund_plan_2025_04.uplift": -0.4,
    "fund_plan_2025_04.uplift.digital": 1.0,
    "fund_plan_2025_04.uplift.engagement": 0.5,
    "fund_plan_2025_04.revenue": 420.0,
    "retention_bonus_2025_09.without": -2.4,
    "retention_bonus_2025_09.without.loyalty": 0.5,
    "retention_bonus_2025_09.without.activity": 0.5,
    "retention_bonus_2025_09.uplift": -0.2,
    "retention_bonus_2025_09.uplift.price_sensitivity": 1.2,
    "retention_bonus_2025_09.uplift.loyalty": -0.6,
    "retention_bonus_2025_09.uplift.wealth": -0.6,
    "retention_bonus_2025_09.uplift.age": -0.3,
    "retention_bonus_2025_09.revenue": 300.0,
}


def traits_at(world: World, customer: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Return the traits of customers on days of the window, shape (n, len(TRAITS))."""
    age = (world.age[customer] + day / 365.25 - 45) / 15
    activity = world.life.activity[customer, world.calendar.month[day]]
    return np.column_stack([world.latents[customer], age, np.log(np.maximum(activity, _LEAST_ACTIVITY))])


def weighted(planted: dict[str, float], name: str, traits: np.ndarray) -> np.ndarray:
    """Return the constant `name` of `planted` plus the traits by their weights there, shape (n,)."""
    return planted[name] + traits @ np.array([planted.get(f"{name}.{trait}", 0.0) for trait in TRAITS])


def chance_of(log_odds: np.ndarray) -> np.ndarray:
    """Turn log-odds into chances."""
    return 1 / (1 + np.exp(-log_odds))


def answer_campaign(rng: np.random.Generator, world: World, rows: np.ndarray, campaign: str) -> None:
    """Fill in what one campaign does to each customer of its `rows`."""
    traits = traits_at(world, rows["customer"], rows["day"])
    without = weighted(PLANTED, f"{campaign}.without", traits)
    place = weighted(PLANTED, f"{campaign}.uplift", traits)
    place += PLANTED["uplift.unexplained"] * rng.standard_normal(len(rows))
    lowest, highest = PLANTED["uplift.lowest"], PLANTED["uplift.highest"]
    uplift = lowest + (highest - lowest) * chance_of(place)
    answer(rng, world, rows, chance_of(without), chance_of(without + uplift))
    rows["revenue"] = revenue(rng, world, rows, PLANTED[f"{campaign}.revenue"])


def answer(
    rng: np.random.Generator, world: World, rows: np.ndarray, baseline: np.ndarray, contacted: np.ndarray
) -> None:
    """Fill in chances and outcomes without and with the contact, given the chances of customers who stay."""
    luck, wait = rng.random((2, len(rows)))
    rows["delay"] = 1 + np.floor(WINDOW * (1 - np.cbrt(1 - wait))).astype(np.int32)
    left = world.life.left[rows["customer"]]
    stays = 1 - (1 - np.clip(left - rows["day"] - 1, 0, WINDOW) / WINDOW) ** 3
    rows["baseline"] = np.round(baseline * stays, 6)
    rows["effect"] = np.round(contacted * stays, 6) - rows["baseline"]
    there = rows["day"] + rows["delay"] < left
    rows["without"] = there & (luck < np.round(baseline, 6))
    rows["contacted"] = there & (luck < np.round(contacted, 6))


def revenue(rng: np.random.Generator, world: World, rows: np.ndarray, median: float) -> np.ndarray:
    """Draw what a response of each customer brings, yuan, shape (n,)."""
    wealth = PLANTED["revenue.wealth"] * world.trait("wealth")[rows["customer"]]
    return np.round(median * np.exp(wealth + PLANTED["revenue.spread"] * rng.standard_normal(len(rows))), 2)
