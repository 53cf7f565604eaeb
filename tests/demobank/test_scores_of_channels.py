"""Scores of channels on a bank of another seed: they pass with the truth that was planted, and fail with another."""

from __future__ import annotations

import pytest
from scored import handed_on

from bankmine.topics import channels as topic
from demobank.scoreboard.channels import of_tables

pytestmark = pytest.mark.seeds
NAMES = ("channel_effects", "channel_contrasts", "channel_for")
VALUES = ["value", "low", "high"]


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    return handed_on(topic, NAMES, tmp_path_factory.mktemp("channels"), customers=3000)


def failed(truth, snapshot, tables) -> set[str]:
    return {s.planted for s in of_tables(truth, snapshot, *tables) if not s.passed}


def test_what_was_planted_is_recovered(scored):
    assert failed(*scored) == set()


def test_the_plain_difference_is_no_effect(scored):
    truth, snapshot, (effects, *others) = scored
    plain = effects[effects["estimate"] == "naive"].set_index("contrast")[VALUES]
    wrong = effects.copy()
    own = wrong["estimate"] == "doubly robust"
    wrong.loc[own, VALUES] = plain.loc[wrong.loc[own, "contrast"]].to_numpy()
    found = failed(truth, snapshot, [wrong, *others])
    assert {"call_centre against the app", "branch against the app"} <= found


def test_a_plain_difference_that_hits_and_a_channel_that_costs_too_much_fail(scored):
    truth, snapshot, (effects, contrasts, chosen) = scored
    hits = effects.copy()
    adjusted = hits[hits["estimate"] == "doubly robust"].set_index("contrast")[VALUES]
    own = hits["estimate"] == "naive"
    hits.loc[own, VALUES] = adjusted.loc[hits.loc[own, "contrast"]].to_numpy()
    hits.loc[own, "low"], hits.loc[own, "high"] = hits.loc[own, "low"] - 1, hits.loc[own, "high"] + 1
    assert failed(truth, snapshot, [hits, contrasts, chosen]) == {"effects hidden by age"}
    called = chosen.assign(channel="call_centre")
    assert failed(truth, snapshot, [effects, contrasts, called]) == {"channel of each customer"}
    app = chosen.assign(channel="mobile")
    assert failed(truth, snapshot, [effects, contrasts, app]) == {"channel of each customer"}
