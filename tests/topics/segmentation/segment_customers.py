"""Customers with the features that segments are formed of: kinds as told, far apart or not at all."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
from bench import synthetic_customers

from bankmine.features.population import is_active
from bankmine.topics.segmentation.measures import Registry, load_registry, readable

DAY = dt.date(2025, 12, 31)
REGISTRY: Registry = load_registry()


def customers(size: int = 800) -> pd.DataFrame:
    """Five overlapping kinds of customers."""
    found = synthetic_customers(size)
    return found.set_axis([f"C{i:05}" for i in range(size)]).rename_axis("customer_id")


def values(size: int = 800) -> pd.DataFrame:
    """Readable features of those of them who are active."""
    all_ = customers(size)
    return readable(all_[is_active(all_, REGISTRY)], REGISTRY)


def structureless(size: int = 800) -> pd.DataFrame:
    """One kind of customers only: amounts are log-normal and independent."""
    rng = np.random.default_rng(3)
    alike = customers(size)
    for name in alike.select_dtypes("float"):
        alike[name] = np.exp(5 + 0.5 * rng.standard_normal(size))
    alike["outflow_365d"] = alike[[c for c in alike if c.startswith("category_")]].sum(axis=1)
    alike["transactions_365d"], alike["age_years"] = 100, rng.normal(45, 10, size)
    alike["night_share_365d"] = 0.1
    return readable(alike, REGISTRY)
