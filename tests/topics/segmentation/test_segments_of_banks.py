"""Segments of whole banks: what was planted is recovered, and a real bank has segments too."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bankmine.bank.snapshot import open_source
from bankmine.bank.sources import find_source
from bankmine.features.customers import customer_tables
from bankmine.features.population import is_active
from bankmine.topics.segmentation.groups import choose
from bankmine.topics.segmentation.measures import INACTIVE, load_registry, readable
from bankmine.topics.segmentation.model import fit
from bankmine.topics.segmentation.portrait import rules
from demobank import generate
from demobank.scoreboard.customers import segments
from demobank.scoreboard.truth import Truth

pytestmark = pytest.mark.slow
REGISTRY = load_registry()


@pytest.fixture(scope="module")
def truth(small_bank) -> Truth:
    return Truth(find_source(str(small_bank)))


@pytest.fixture(scope="module")
def labels(truth) -> pd.Series:
    """Segments that are right for most customers; who has left is in none."""
    people = truth.table("customers").set_index("customer_id")
    drawn = np.random.default_rng(0).permutation(people["segment"])
    told = people["segment"].astype(str).where(np.arange(len(people)) % 8 > 0, drawn)
    return told.where(people["left_on"].isna(), INACTIVE)


@pytest.mark.seeds
def test_planted_kinds_are_found_without_being_told(tmp_path):
    folder = generate(tmp_path / "bank", customers=2000, months=13, seed=5)
    snapshot = open_source(str(folder)).as_of("2025-12-31")
    customers = customer_tables(snapshot, [snapshot.as_of])[snapshot.as_of]
    values = readable(customers[is_active(customers, REGISTRY)], REGISTRY)
    model = fit(values, REGISTRY, snapshot.as_of, choose(values, REGISTRY).k)
    scores = segments(Truth(find_source(str(folder))), model.assign_all(customers, REGISTRY))
    assert all(s.passed for s in scores), scores
    assert 0.6 < scores[0].within[0] < scores[0].measure.value < 0.9


def test_scores_pass_for_segments_as_planted_and_fail_by_chance_and_for_customers_left_out(truth, labels):
    assert all(s.passed for s in segments(truth, labels))
    by_chance = pd.Series(np.random.default_rng(0).permutation(labels.astype(str)), index=labels.index)
    assert not any(s.passed for s in segments(truth, by_chance))
    few = labels.astype(str).where(np.arange(len(labels)) % 2 == 0, INACTIVE)
    assert [s.passed for s in segments(truth, few)][1:] == [False, False]


def test_names_of_segments_do_not_matter_to_the_score(truth, labels):
    renamed = labels.map(lambda name: name if name == INACTIVE else f"other {name}")
    assert segments(truth, renamed)[0].measure == segments(truth, labels)[0].measure


def test_a_real_bank_has_segments(datasets):
    if not (datasets / "berka").is_dir():
        pytest.skip("the Berka files are not here")
    snapshot = open_source("berka").as_of("1994-01-31")
    customers = customer_tables(snapshot, [snapshot.as_of])[snapshot.as_of]
    values = readable(customers[is_active(customers, REGISTRY)], REGISTRY)
    model = fit(values, REGISTRY, snapshot.as_of, choose(values, REGISTRY).k)
    assert len(set(model.names)) == len(model.names) > 1
    same_for_nearly_all = {f.id for f in REGISTRY.of("segments") if f.name == "share of app and web in own errands"}
    assert same_for_nearly_all <= set(values) - set(model.pipeline["standardise"].mean_)
    assert same_for_nearly_all
    found = rules(values, model.assign(values), REGISTRY)
    assert found.accuracy > found.baseline + 0.3
