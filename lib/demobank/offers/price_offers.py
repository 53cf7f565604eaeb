"""Offers of a personal loan at rates that chance decides, so that the answer to the price can be learnt.

Customers of working age who agreed to marketing and have no personal loan open are offered one at one of five rates,
each with the same chance. The log-odds of taking it change in proportion to the logarithm of the rate; by how much, the
elasticity, is larger among the price-sensitive. Without an offer nobody takes it, so there is no control.

The revenue of a loan is its margin: the amount, sized by income, times the rate less what funds and losses cost, over
the time that it is owed on average. Elasticity and cost put the best price of most customers between the five rates.
"""

from __future__ import annotations

import numpy as np

from demobank.books.accounts import Accounts
from demobank.books.bookings import PERSONAL_LOAN
from demobank.customers.world import World
from demobank.offers.campaigns import day_of, on_list
from demobank.offers.contacts import CHANNELS, contact
from demobank.offers.responses import answer, chance_of, traits_at, weighted
from demobank.streams import Streams

CAMPAIGN = "personal_loan_rate_test"
STARTS_ON = "2025-06-09"
RATES = np.array([0.036, 0.042, 0.048, 0.054, 0.06])
"""Offered interest a year."""
_AGES = (22, 60)

PLANTED: dict[str, float] = {
    "price.reference_rate": 0.048,
    # log-odds of taking the loan at the reference rate, and weights
    "price.taking": -2.4,
    "price.taking.wealth": -0.4,
    "price.taking.credit_risk": 0.3,
    "price.taking.digital": 0.2,
    # change of the log-odds for each unit of the logarithm of the rate, and weight
    "price.elasticity": -3.0,
    "price.elasticity.price_sensitivity": -0.9,
    "price.cost_of_funds_and_losses": 0.027,
    "price.years_owed": 1.2,
    "price.amount_by_income": 0.4,
    "price.amount_spread": 0.35,  # of the logarithm
}


def price_offers(world: World, accounts: Accounts, consent: np.ndarray, streams: Streams) -> np.ndarray:
    """Return the offers with what they do."""
    day = day_of(world.calendar, STARTS_ON)
    listed = np.zeros(len(world), dtype=bool) if day is None else _on_list(world, accounts, consent, day)
    customer = np.flatnonzero(listed)
    rows = contact(customer, CAMPAIGN, day=day or 0, channel=CHANNELS.index("mobile"), planned_share=1.0, treated=True)
    drawn = streams("price_offers/rates").integers(0, len(RATES), len(world))
    rows["offered_rate"] = RATES[drawn][customer]
    _answer(streams("price_offers/responses"), world, rows)
    return rows


def _on_list(world: World, accounts: Accounts, consent: np.ndarray, day: int) -> np.ndarray:
    age = world.age + day / 365.25
    owes = (accounts.opened[:, PERSONAL_LOAN] <= day) & (day < accounts.closed[:, PERSONAL_LOAN])
    return on_list(world, consent, np.arange(len(world)), day) & ~owes & (age >= _AGES[0]) & (age <= _AGES[1])


def _answer(rng: np.random.Generator, world: World, rows: np.ndarray) -> None:
    traits = traits_at(world, rows["customer"], rows["day"])
    at_reference = weighted(PLANTED, "price.taking", traits)
    elasticity = np.round(weighted(PLANTED, "price.elasticity", traits), 6)
    ratio = np.log(rows["offered_rate"] / PLANTED["price.reference_rate"])
    answer(rng, world, rows, np.zeros(len(rows)), chance_of(at_reference + elasticity * ratio))
    rows["reference_chance"], rows["elasticity"] = np.round(chance_of(at_reference), 6), elasticity
    income = world.income[rows["customer"]]
    amount = PLANTED["price.amount_by_income"] * income
    amount *= np.exp(PLANTED["price.amount_spread"] * rng.standard_normal(len(rows)))
    margin = rows["offered_rate"] - PLANTED["price.cost_of_funds_and_losses"]
    rows["revenue"] = np.round(amount * margin * PLANTED["price.years_owed"], 2)
