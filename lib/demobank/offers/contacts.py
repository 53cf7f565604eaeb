"""The table of contacts: every offer made to a customer, or held back.

A contact is one record of numbers while it is made (`CONTACT`), as a booking is; words are added when a table is
written. What a control would have been offered is kept in its row; its cost is zero.

When an outcome becomes known: `responded` is true from the day of the response on, 1 to 30 days after the contact, and
false from the day the offer lapsed, 30 days after it. So `responded_on` holds the day of the response, or the day of
the lapse where there was none, and a snapshot before that day shows neither. Outcomes after the window's last day are
left empty, as no extract could hold them.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from demobank.arrow import dates, keys, words
from demobank.customers.world import World

CAMPAIGNS = (
    "term_deposit_2024_05", "card_instalments_2024_11", "fund_plan_2025_04", "retention_bonus_2025_09",
    "personal_loan_rate_test", "always_on",
)  # fmt: skip
OFFERS = (
    "deposit_bonus_rate", "instalments_free_of_fee", "savings_plan", "loyalty_bonus", "personal_loan", "newsletter",
)  # fmt: skip
"""What each of `CAMPAIGNS` offers."""
CHANNELS = ("mobile", "sms", "call_centre", "branch")
"""Where customers are contacted: a push in the app, a text, a call, a talk with an adviser."""
COSTS = np.array([0.1, 0.3, 9.0, 30.0])
"""Cost of one contact through each of `CHANNELS`, yuan; in kind, not in exact size."""
WINDOW = 30
"""Days that an offer stands."""
PER_CUSTOMER_CONTACTS = 1000
"""Contact numbers set aside for each customer."""

CONTACT = np.dtype(
    [
        ("customer", np.int32),
        ("day", np.int32),
        ("campaign", np.int8),
        ("channel", np.int8),
        ("planned_share", np.float64),  # share that the plan treats
        ("offered_rate", np.float64),  # interest a year, not a number where the offer has none
        ("treated", np.bool_),
        ("baseline", np.float64),  # true chance of a response without the contact
        ("effect", np.float64),  # what the contact adds to it
        ("without", np.bool_),  # what the customer does without the contact
        ("contacted", np.bool_),  # what the customer does with it
        ("delay", np.int32),  # days until the response, if there is one
        ("revenue", np.float64),  # of the response, if there is one
        ("number", np.int32),  # counts the customer's contacts
        ("reference_chance", np.float64),  # of a response at the reference rate, where the offer has a rate
        ("elasticity", np.float64),  # change of its log-odds for each unit of the logarithm of the rate
    ]
)


def contact(customer: np.ndarray, campaign: str, **columns: np.ndarray | float) -> np.ndarray:
    """Return one contact for each of `customer`, shape (n,); columns may be single values."""
    rows = np.zeros(len(customer), dtype=CONTACT)
    rows["customer"] = customer
    rows["campaign"] = CAMPAIGNS.index(campaign)
    for name in ("offered_rate", "reference_chance", "elasticity"):
        rows[name] = np.nan
    for name, value in columns.items():
        rows[name] = value
    return rows


def numbered(rows: np.ndarray) -> np.ndarray:
    """Put contacts in order of customer and day and count each customer's from 0."""
    rows = rows[np.lexsort((rows["campaign"], rows["day"], rows["customer"]))]
    rows["number"] = np.arange(len(rows)) - np.searchsorted(rows["customer"], rows["customer"])
    return rows


def responds(rows: np.ndarray) -> np.ndarray:
    """Tell what happened: who was treated did what they do when contacted, the others what they do without."""
    return np.where(rows["treated"], rows["contacted"], rows["without"])


def contacts(world: World, rows: np.ndarray) -> pa.Table:
    """Return contacts as the bank keeps them."""
    responded = responds(rows)
    known_on = rows["day"] + np.where(responded, rows["delay"], WINDOW)
    open_still = known_on >= world.calendar.length
    return pa.table(
        {
            "contact_id": contact_ids(world, rows),
            "customer_id": keys("C", world.first + rows["customer"], 7),
            "campaign": words(rows["campaign"], CAMPAIGNS),
            "contacted_on": dates(world.calendar, rows["day"]),
            "channel": words(rows["channel"], CHANNELS),
            "offer": words(rows["campaign"], OFFERS),
            "offered_rate": number(rows["offered_rate"]),
            "planned_share": pa.array(rows["planned_share"]),
            "treated": pa.array(rows["treated"]),
            "responded": pa.array(responded, mask=open_still),
            "responded_on": dates(world.calendar, known_on, open_still),
            "cost": pa.array(np.where(rows["treated"], COSTS[rows["channel"]], 0.0)),
            "revenue": pa.array(np.where(responded, rows["revenue"], 0.0), mask=open_still),
        }
    )


def number(values: np.ndarray) -> pa.Array:
    """Write numbers, those that are not a number as missing, shape (n,)."""
    return pa.array(values, pa.float64(), mask=np.isnan(values))


def contact_ids(world: World, rows: np.ndarray) -> pa.Array:
    """Write the keys of contacts: the customer's number and the place among the customer's contacts."""
    customer = world.first + rows["customer"].astype(np.int64)
    return keys("K", customer * PER_CUSTOMER_CONTACTS + rows["number"], 10)
