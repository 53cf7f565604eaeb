"""The table of customers: what they told the bank, which is not all true and not always there.

Stated income is the true income with an error of about 15 %, rounded to thousands; it is missing for some, and more
often in one region. Occupation, education and marital status follow the kind of customer and age with much overlap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from demobank.arrow import dates, keys, words
from demobank.customers.world import REGIONS, World
from demobank.streams import Streams

OCCUPATIONS = ("employee", "civil_servant", "professional", "manager", "self_employed", "worker", "retired", "student")
# rows: kinds of customers, columns: occupations
_OCCUPATION_SHARES = np.array(
    [
        [0.45, 0.05, 0.17, 0.03, 0.06, 0.12, 0.0, 0.12],
        [0.35, 0.15, 0.18, 0.1, 0.04, 0.18, 0.0, 0.0],
        [0.12, 0.12, 0.22, 0.36, 0.15, 0.0, 0.03, 0.0],
        [0.03, 0.03, 0.03, 0.01, 0.02, 0.05, 0.83, 0.0],
        [0.08, 0.0, 0.07, 0.12, 0.66, 0.06, 0.01, 0.0],
    ]
)
EDUCATION = ("primary", "secondary", "college", "bachelor", "postgraduate")
MARITAL = ("single", "married", "divorced", "widowed")

SPARSE_REGION = REGIONS.index("河南")
"""The region whose branches often leave out income and education."""
MISSING = {"annual_income": (0.22, 0.06), "education": (0.15, 0.04)}
"""Share missing there, and elsewhere."""


@dataclass(frozen=True)
class Records:
    """What the bank recorded of each customer, shape (customers,); codes are below zero where it recorded nothing."""

    gender: np.ndarray
    occupation: np.ndarray
    education: np.ndarray
    marital_status: np.ndarray
    annual_income: np.ndarray
    """Stated income, yuan a year, not a number where it is not known."""
    marketing_consent: np.ndarray
    profiling_consent: np.ndarray


def draw_records(world: World, streams: Streams) -> Records:
    """Draw what the bank recorded of a block; the order of the draws decides the values."""
    rng = streams("customers")
    income = _stated_income(rng, world)
    gender_missing = rng.random(len(world)) < 0.02
    education, unknown = _education(rng, world)
    return Records(
        gender=np.where(gender_missing, -1, world.female),
        occupation=_occupation(rng, world),
        education=np.where(unknown, -1, education),
        marital_status=_marital(rng, world),
        annual_income=income,
        marketing_consent=rng.random(len(world)) < 0.62,
        profiling_consent=rng.random(len(world)) < 0.78,
    )


def customers(world: World, records: Records) -> pa.Table:
    """Return the block's customers as the bank recorded them, with real birth dates only."""
    return pa.table(
        {
            "customer_id": keys("C", world.first + np.arange(len(world)), 7),
            "joined_on": dates(world.calendar, world.joined),
            "birth_date": dates(world.calendar, -(world.age * 365.25).astype(np.int64)).cast(pa.string()),
            "gender": words(records.gender, ("male", "female")),
            "region": words(world.region, REGIONS),
            "city_tier": pa.array(world.tier, pa.int64()),
            "occupation": words(records.occupation, OCCUPATIONS),
            "education": words(records.education, EDUCATION),
            "marital_status": words(records.marital_status, MARITAL),
            "annual_income": pa.array(records.annual_income, mask=np.isnan(records.annual_income)),
            "marketing_consent": pa.array(records.marketing_consent),
            "profiling_consent": pa.array(records.profiling_consent),
        }
    )


def _stated_income(rng: np.random.Generator, world: World) -> np.ndarray:
    stated = world.income * np.exp(0.15 * rng.standard_normal(len(world)))
    stated = np.maximum(np.round(stated, -3), 6000.0)
    return np.where(_missing(rng, world, "annual_income"), np.nan, stated)


def _missing(rng: np.random.Generator, world: World, column: str) -> np.ndarray:
    return rng.random(len(world)) < np.where(world.region == SPARSE_REGION, *MISSING[column])


def _occupation(rng: np.random.Generator, world: World) -> np.ndarray:
    limits = (world.blend @ _OCCUPATION_SHARES).cumsum(axis=1)[:, :-1]
    return (rng.random(len(world))[:, None] > limits).sum(axis=1)


def _education(rng: np.random.Generator, world: World) -> tuple[np.ndarray, np.ndarray]:
    """Higher among the young and the well-paid, as in the census."""
    score = 2.6 + 0.5 * world.trait("income") - 0.03 * (world.age - 40) + 0.8 * rng.standard_normal(len(world))
    unknown = _missing(rng, world, "education")
    return np.clip(np.round(score), 0, len(EDUCATION) - 1).astype(np.int64), unknown


def _marital(rng: np.random.Generator, world: World) -> np.ndarray:
    chance, again = rng.random((2, len(world)))
    married = chance < 1 / (1 + np.exp(-(world.age - 28.5) / 2.5)) * 0.93
    widowed = again < np.clip((world.age - 58) / 60, 0.0, 0.5)
    divorced = again > 0.93
    after = np.select([widowed, divorced], [MARITAL.index("widowed"), MARITAL.index("divorced")], 1)
    return np.where(married, after, MARITAL.index("single"))
