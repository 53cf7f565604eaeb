"""The difficulty of the demo bank: plain, honest models land in these bands on five banks of full size."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from reference_churn import churn_auc
from sklearn.cluster import KMeans

from demobank.customers.world import LATENTS
from demobank.scoreboard.truth import agreement

pytestmark = pytest.mark.seeds


def test_leavers_can_be_told_but_not_well(seed_bank):
    assert 0.72 <= churn_auc(seed_bank) <= 0.85


def test_a_model_given_the_leaking_column_jumps(seed_bank):
    honest, leaking = churn_auc(seed_bank), churn_auc(seed_bank, leak=True)
    assert leaking > honest + 0.08


def test_kinds_of_customers_overlap_but_can_be_told(seed_bank):
    people = pd.read_parquet(seed_bank / "truth" / "customers")
    runs = [KMeans(5, n_init=1, random_state=start).fit(people[list(LATENTS)]) for start in range(10)]
    best = min(runs, key=lambda run: run.inertia_)
    found = agreement(best.labels_, people["segment"].to_numpy())
    assert 0.5 <= found.value <= 0.8


def test_no_column_of_the_bank_tells_the_kind(seed_bank):
    people = pd.read_parquet(seed_bank / "customers").merge(
        pd.read_parquet(seed_bank / "truth" / "customers")[["customer_id", "segment"]]
    )
    for column in people.columns.difference(["customer_id", "segment", "birth_date", "joined_on"]):
        value = people[column].fillna("unknown").astype(str)
        shares = pd.crosstab(value, people["segment"], normalize="index")
        assert np.average(shares.max(axis=1), weights=value.value_counts().reindex(shares.index)) < 0.9, column
