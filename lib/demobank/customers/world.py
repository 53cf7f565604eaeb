"""The customers as they are: kind, latent traits, home, income and life with the bank. Nothing here is ever observed.

Five overlapping kinds. Each customer belongs mostly to one kind (the true segment) and partly to another, and each
latent trait is drawn around the blend of the two. Every other table is driven by these traits, so that no observed
column names the kind and no method can recover it without error.

Marginals: income before tax is log-normal with a median of about 90,000 yuan a year, between the average wages of urban
private and non-private units (some 68,000 and 121,000 yuan in 2023, National Bureau of Statistics of China), and is
higher in larger cities. Traits are in standard units.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demobank.customers.complaints import Complaints, draw_complaints
from demobank.customers.lifecycle import Lifecycle, draw_lifecycle
from demobank.seasons import Calendar
from demobank.streams import Streams

BLOCK = 1000
"""Customers drawn together and written as one part; a constant, as the draws depend on it."""

SEGMENTS = ("young_digital", "salaried_family", "affluent_saver", "retiree", "small_business")
SHARES = (0.26, 0.32, 0.14, 0.16, 0.12)
LATENTS = ("income", "wealth", "digital", "engagement", "price_sensitivity", "credit_risk", "loyalty")
_MEANS = np.array(
    [
        [-0.2, -1.0, 1.3, 0.7, 0.8, 0.6, -0.9],
        [0.3, 0.0, 0.4, 0.7, 0.1, -0.2, 0.4],
        [1.5, 1.7, 0.2, 0.2, -1.0, -0.9, 0.3],
        [-1.0, 0.5, -1.6, -0.7, 0.4, -0.8, 1.1],
        [0.6, 0.3, -0.2, -0.3, 0.0, 1.5, -0.4],
    ]
)
_SPREAD = 0.42

REGIONS = (
    "广东",
    "江苏",
    "浙江",
    "山东",
    "四川",
    "河南",
    "湖北",
    "上海",
    "北京",
    "福建",
    "湖南",
    "安徽",
    "陕西",
    "重庆",
)
_REGION_SHARES = np.array([16, 11, 10, 9, 8, 8, 7, 6, 6, 5, 5, 4, 3, 2]) / 100
# share of tiers 1 to 4 among the customers of each region
_TIERS = np.array(
    [
        [0.45, 0.25, 0.2, 0.1], [0, 0.55, 0.3, 0.15], [0, 0.6, 0.25, 0.15], [0, 0.4, 0.35, 0.25], [0, 0.5, 0.25, 0.25],
        [0, 0.35, 0.35, 0.3], [0, 0.5, 0.25, 0.25], [1, 0, 0, 0], [1, 0, 0, 0], [0, 0.45, 0.35, 0.2],
        [0, 0.4, 0.3, 0.3], [0, 0.35, 0.35, 0.3], [0, 0.5, 0.25, 0.25], [0, 0.7, 0.2, 0.1],
    ]
)  # fmt: skip

_AGE_MEAN = np.array([26.5, 38.5, 49.0, 66.0, 42.0])
_AGE_SPREAD = np.array([4.0, 6.0, 7.5, 6.5, 8.0])


@dataclass(frozen=True)
class World:
    """One block of customers. Arrays have one row a customer; days count from the window's first."""

    first: int
    calendar: Calendar
    segment: np.ndarray
    blend: np.ndarray
    """Share of each kind in each customer, shape (customers, segments)."""
    latents: np.ndarray
    age: np.ndarray
    """Years at the start of the window."""
    female: np.ndarray
    region: np.ndarray
    tier: np.ndarray
    income: np.ndarray
    """True income before tax, yuan a year."""
    joined: np.ndarray
    complaints: Complaints
    life: Lifecycle

    def __len__(self) -> int:
        """Return the number of customers of the block."""
        return len(self.segment)

    def trait(self, name: str) -> np.ndarray:
        """Return one latent trait, shape (customers,)."""
        return self.latents[:, LATENTS.index(name)]

    def by_segment(self, *values: float) -> np.ndarray:
        """Blend one value a segment into one a customer, so that nothing jumps from kind to kind."""
        return self.blend @ np.array(values)


def draw_world(streams: Streams, calendar: Calendar) -> World:
    """Draw a full block of customers."""
    segment, blend, latents = _draw_kinds(streams("world/kinds"))
    age, female, region, tier = _draw_people(streams("world/people"), segment)
    trait = dict(zip(LATENTS, latents.T, strict=True))
    income = 90_000 * np.exp(0.5 * (trait["income"] - 0.1)) * np.array([1.3, 1.0, 0.88, 0.8])[tier - 1]
    joined = _draw_joined(streams("world/joined"), calendar, trait["loyalty"], age)
    upset = draw_complaints(streams("world/complaints"), calendar, joined, trait)
    life = draw_lifecycle(streams("world/lifecycle"), calendar, joined, trait, upset)
    first = streams.block * BLOCK
    return World(first, calendar, segment, blend, latents, age, female, region, tier, income, joined, upset, life)


def _draw_kinds(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    segment = rng.choice(len(SEGMENTS), BLOCK, p=SHARES)
    other = rng.choice(len(SEGMENTS), BLOCK, p=SHARES)
    part = rng.beta(1.5, 6.0, BLOCK)
    kinds = np.eye(len(SEGMENTS))
    blend = (1 - part)[:, None] * kinds[segment] + part[:, None] * kinds[other]
    # four decimals, so that the last bits of another machine's arithmetic do not show
    latents = np.round(blend @ _MEANS + _SPREAD * rng.standard_normal((BLOCK, len(LATENTS))), 4)
    return segment, blend, latents


def _draw_people(rng: np.random.Generator, segment: np.ndarray) -> tuple[np.ndarray, ...]:
    spread = rng.standard_normal(BLOCK)
    age = np.clip(_AGE_MEAN[segment] + _AGE_SPREAD[segment] * spread, 18.0, 92.0)
    female = rng.random(BLOCK) < 0.49
    region = rng.choice(len(REGIONS), BLOCK, p=_REGION_SHARES)
    tier = 1 + (rng.random(BLOCK)[:, None] > _TIERS[region].cumsum(axis=1)[:, :3]).sum(axis=1)
    return np.round(age, 3), female, region, tier


def _draw_joined(rng: np.random.Generator, calendar: Calendar, loyalty: np.ndarray, age: np.ndarray) -> np.ndarray:
    # 7 % of the customers join in a year; loyal ones have been with the bank for longer
    new = rng.random(BLOCK) < 1 - np.exp(-0.07 * calendar.months / 12)
    within = (rng.random(BLOCK) * calendar.length).astype(np.int64)
    years = np.minimum(rng.exponential(6.0, BLOCK) * np.exp(0.2 * loyalty), 22.0)
    before = -1 - (365.25 * np.minimum(years, age - 16)).astype(np.int64)
    return np.where(new, within, before)
