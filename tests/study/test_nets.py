"""Sequence models beside a study's own: who is ahead by how much, and in words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from bankmine.learning.sample import Sample
from bankmine.study.judged import Judged
from bankmine.study.nets import Nets

ROWS = 600
TUNED = ROWS // 2


def nets(net: float, own: float) -> Nets:
    """Make outcomes, a model in use and two kinds of nets, each of two seeds, that know as much of them as is told."""
    rng = np.random.default_rng(0)
    risk = rng.normal(size=ROWS)
    target = pd.Series((rng.random(ROWS) < 1 / (1 + np.exp(-2 * risk))).astype(float))
    chance = pd.Series(1 / (1 + np.exp(-(own * risk + rng.normal(size=ROWS)))))
    said = pd.concat([
        pd.DataFrame({
            "model": kind, "seed": seed, "seconds": 2.0, "weights": 10, "row": np.arange(ROWS),
            "odds": knows * risk + rng.normal(size=ROWS),
        })
        for kind, knows in (("lstm", net), ("cnn", 0.0)) for seed in range(2)
    ])  # fmt: skip
    entity = pd.Series(range(ROWS))
    judged = Sample(pd.DataFrame({"x": risk}), target, entity).at(np.arange(TUNED, ROWS))
    probability = pd.DataFrame({"markov": 0.5, "logistic": chance}).iloc[TUNED:]
    return Nets(said, target.iloc[:TUNED], Judged(judged, probability, "logistic", "markov"), 0.5)


@pytest.mark.parametrize(
    ("net", "own", "words"), [(3.0, 0.0, "ranks better"), (0.0, 3.0, "ranks worse"), (3.0, 3.0, "not shown")]
)
def test_the_better_net_is_held_against_the_model_in_use(net, own, words):
    found = nets(net, own)
    told = found.verdict
    assert words in told["words"]
    assert told["chosen"] == "logistic"
    assert (told["nets"], told["seconds"], told["own"]) == (2, 4.0, 0.5)
    if net > own:
        assert told["net"] == "lstm"


def test_figures_follow_from_what_nets_said():
    found = nets(3.0, 1.0)
    target, lstm = found.others.rows.target, found.said[found.said["model"] == "lstm"]
    odds = lstm.pivot_table(index="row", columns="seed", values="odds").loc[target.index]
    alone = [roc_auc_score(target, odds[seed]) for seed in odds]
    assert found.table.loc["lstm", "one alone, least"] == pytest.approx(min(alone))
    assert found.table.loc["lstm", "most"] == pytest.approx(max(alone))
    own = found.others.metric("auc")["value"]
    assert found.table.loc["lstm", "ahead"] == pytest.approx(roc_auc_score(target, odds.mean(axis=1)) - own, abs=0.01)
    assert list(found.beside.probability) == ["markov", "logistic", "lstm", "cnn"]
    assert found.beside.probability["lstm"].between(0, 1).all()
