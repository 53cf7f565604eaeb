"""Scores of campaigns on a bank of another seed: they pass with the truth that was planted, and fail with another."""

from __future__ import annotations

import pytest
from scored import handed_on

from bankmine.topics import campaign as topic
from demobank.scoreboard.campaign import of_tables

pytestmark = pytest.mark.seeds
NAMES = ("campaign_checks", "campaign_effects", "uplift", "campaign_elasticity")


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    return handed_on(topic, NAMES, tmp_path_factory.mktemp("campaign"), customers=5000)


def failed(truth, snapshot, tables) -> set[str]:
    return {s.planted for s in of_tables(truth, snapshot, *tables) if not s.passed}


def test_what_was_planted_is_recovered(scored):
    assert failed(*scored) == set()


def test_a_broken_campaign_that_is_believed_fails(scored):
    truth, snapshot, (checks, *others) = scored
    assert failed(truth, snapshot, [checks.assign(verdict="a trial"), *others]) == {
        "a campaign whose customers were picked"
    }


def test_effects_of_others_and_a_wrong_price_fail(scored):
    truth, snapshot, (checks, effects, uplift, elasticity) = scored
    mixed = uplift.assign(effect=uplift["effect"].sample(frac=1, random_state=0).to_numpy())
    assert "whom a contact moves" in failed(truth, snapshot, [checks, effects, mixed, elasticity])
    columns = ["value", "low", "high"]
    shifted = effects.assign(**{c: effects[c] + 0.2 * (effects["outcome"] == "responded") for c in columns})
    assert len(failed(truth, snapshot, [checks, shifted, uplift, elasticity])) >= 3
    dear = elasticity.assign(**{c: elasticity[c] + 3 for c in columns})
    assert failed(truth, snapshot, [checks, effects, uplift, dear]) == {"answer to the price"}
